"""Two invented studies, the report of each, and the operations of every card: what a refactoring must not change.

    python tests/goldens/make.py --write

makes the committed files beside this one anew, which is a deliberate act: `tests/evaluator/test_goldens.py` holds the
program to them. Nothing is trained and no number comes from the program: run directories are written as plain files.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import tomli_w

if __name__ == "__main__":  # as a script: the program and its tests are those of this checkout
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rlformer.agents import cards as agent_cards
from rlformer.agents.flops import of_run
from rlformer.core.records import Cost, EnvSpec
from rlformer.core.spaces import ActionSpec, ObservationSpec, Spaces
from rlformer.report.sections import SECTIONS
from rlformer.runs.inputs import Cut, LogInput, Recipe
from rlformer.runs.missing import MissingRun
from rlformer.runs.record import RunRecord
from rlformer.runs.spec import AgentSpec
from tests.goldens.explanations import parts
from tests.goldens.invented import ARMS, Log, Run, Task, invent

HERE = Path(__file__).parent
STUDIES = ("study-one", "study-two")


def write_run(root: Path, run: Run) -> Path:
    """The run directory below `root`: all that knows how runs lie on disk (schema rlformer/2)."""
    schema: dict[str, Any] = {"schema": "rlformer/2"}
    path = root / run.task.name.replace("|", "-") / f"{run.arm.agent}-{run.hash}" / f"seed-{run.seed}"
    task, told = run.task, run.task.scored
    card = {
        "name": task.name, "id": task.name, "kwargs": task.kwargs, "summary": task.summary,
        "random_score": task.random if told else None, "random_source": "invented" if told else None,
        "reference_score": task.reference if told else None, "reference_source": "invented" if told else None,
        "solved_threshold": task.solved,
    }  # fmt: skip
    config = schema | {
        "agent": _agent(run.arm.agent, run.arm.learner, run.arm.tuning), "keeps_log": run.keeps_log,
        "values": run.arm.hyperparameters, "env": {key: value for key, value in card.items() if value},
        "inputs": [_log(run.data)] if run.data else [],
    }  # fmt: skip
    record = schema | {
        "env": run.task.name, "agent": run.arm.agent, "seed": run.seed, "spec_hash": run.hash, "status": run.status,
        "cost": run.cost, "times": run.times, "peak_memory_bytes": run.peak_memory_bytes,
        "peak_gpu_memory_bytes": run.peak_gpu_memory_bytes, "parameters": run.parameters,
        "inference_seconds": run.inference_seconds, "flops": run.flops, "scales": run.scales,
        "progress": run.progress, "hardware": run.hardware, "versions": run.versions,
        "commit": "0123456789ab", "command": run.command, "error": run.error, "notes": run.notes,
    }  # fmt: skip
    evaluations = {
        name: schema | {
            "env": run.task.name, "policy": run.arm.agent, "seeds": e.seeds, "returns": e.returns,
            "lengths": e.lengths, "terminated": e.terminated, "action_selection": e.selection,
            "target_return": e.target_return, "seconds": 1.5, "num_envs": 16,
        }
        for name, e in run.evaluations.items()
    }  # fmt: skip
    _write(path / "spec.toml", tomli_w.dumps(config))
    _write(path / "record.json", json.dumps(record, indent=1))
    for name, evaluation in evaluations.items():
        _write(path / "eval" / f"{name}.json", json.dumps(evaluation))
    if run.curve:
        _write(path / "metrics.jsonl", "".join(f"{json.dumps(point)}\n" for point in run.curve))
    if run.returns:
        _write(path / "eval" / "curve.jsonl", "".join(f"{json.dumps(point)}\n" for point in run.returns))
    if run.video:
        _write(path / "eval" / "episode.toml", tomli_w.dumps(run.video))
        if "skipped" not in run.video:
            (path / "eval" / "episode.webp").write_bytes(base64.b64decode(_WEBP))
    for name, part in run.explanation.items():
        _write(path / "explain" / f"{name}.json", json.dumps(schema | {"part": name, "settings": {}, **part}))
    os.utime(path / "record.json", (1_700_000_000, 1_700_000_000))  # of two copies the one written last counts
    return path


_WEBP = "UklGRhoAAABXRUJQVlA4TA4AAAAvAAAAAAcQEf0PRET/Aw=="  # one pixel


def _agent(name: str, learner: str, tuning: str) -> dict[str, Any]:
    """What its card says that it is in a comparison."""
    card = agent_cards.agent(name)
    spec = AgentSpec(name, learner, card.role, card.family, card.rung, card.contrasts, tuning)
    return spec.to_dict()


def _log(data: Mapping[str, Any]) -> dict[str, Any]:
    """The log of a run as an input."""
    rule = data["rule"].partition(", ")[0]
    recipe = Recipe(played=True) if rule == "expert" else Recipe(Cut(rule))
    recipe = replace(recipe, budget=data["budget"])
    renamed = {"maker_config": "maker_hash"}
    given = {renamed.get(key, key): value for key, value in data.items() if key not in ("rule", "budget")}
    given["made_here"] = bool(given.get("made_here"))
    return LogInput.from_dict({**given, "recipe": asdict(recipe)}).to_dict()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def build(study: str, root: Path, out: Path) -> None:
    """results.json, report.md and report.html of a study into `out`, by the program's own door."""
    from rlformer.report import Terms
    from rlformer.report import build as build_report

    if study == "study-one":
        make_study_one(root)
        absent = [MissingRun("CartPole-v1", "td3-bc", 0, "no offline RL fits on seed 0", "td3-bc")]
        build_report([root], out, command="rlformer compare CartPole-v1 --budgets 3", missing=absent)
    else:
        make_study_two(root)
        build_report([root], out, title="Three worlds", terms=Terms(cpu_second=2.0, share=0.25, threshold=0.8))


CARTPOLE = Task("CartPole-v1", 9, 500, 22.33, 500.0, 475.0, "Balance a pole on a cart")
KEYDOOR = Task("Key|Door", 0, 1, 0.12, 1.0, None, "Fetch a key <first>, then open the door", {"length": 12})
WALK = Task("Walk-v0", -300, 900, -20.0, 700.0, None, "A world without scores", scored=False)

MID = Log("mid", steps=4800, upstream=5600, episodes=24, level=0.25, selection="prefix of {upstream} training steps")
FULL = replace(MID, name="full", steps=19_000, upstream=20_000, episodes=40, level=0.6, selection="whole log")
EXPERT = replace(FULL, name="expert", level=0.95, upstream=40_000, spread=0.03)
GIVEN = Log("full", 9000, None, 30, 0.4, selection="whole log", shared=True, maker=None, made_here=None)


def make_study_one(root: Path) -> None:
    """One environment, 3 seeds: the ladder on prefixes, the data-scaling grid, explanations, and runs that failed."""
    seeds = range(3)
    online = [*_runs(CARTPOLE, "ppo", seeds, keeps_log=True), *_runs(CARTPOLE, "dqn", seeds)]
    ladder = ("behaviour", "bc", "bc-top", "rvs", "dt-k1", "dt-no-rtg", "dt-lstm", "dt", "cql")
    runs = [*online, *_runs(CARTPOLE, "random", seeds)]
    runs += [run for agent in ladder for run in _runs(CARTPOLE, agent, seeds, log=MID)]
    for share, gain in ((0.25, -0.35), (0.5, -0.1), (1.0, 0.05)):
        for agent in ("dt", "bc-top", "cql"):
            runs += _runs(CARTPOLE, agent, seeds, log=FULL, budget=share, gain=gain)
    explained = {"ppo": (0.55, 0.8, 8), "dqn": (0.5, 0.7, 16), "bc-top": (0.4, None, None), "dt": (0.3, 0.6, None)}
    lost = [
        invent(CARTPOLE, ARMS["dt"], 3, MID, status="failed", error="RuntimeError: the loss is NaN at step 412"),
        invent(CARTPOLE, ARMS["dqn"], 3, status="running"),
        invent(CARTPOLE, ARMS["ppo"], 3, status="interrupted", keeps_log=True),
        replace(invent(CARTPOLE, ARMS["bc"], 3, MID), evaluations={}, notes=["not evaluated: it could not be made"]),
    ]
    for run in [*runs, *lost]:
        if run.arm.agent in explained and run.budget is None and run.status == "finished":
            effect, skill, leaves = explained[run.arm.agent]
            run = replace(run, explanation=parts(run.seed, effect, skill, leaves, run.arm.conditioned))
        write_run(root, _filmed(run))
    copy = write_run(root / "copies", invent(CARTPOLE, ARMS["dqn"], 1))
    os.utime(copy / "record.json", (1_600_000_000, 1_600_000_000))
    unread = invent(CARTPOLE, ARMS["rvs"], 7, MID)
    empty = replace(unread.evaluations["final"], seeds=[], returns=[], lengths=[], terminated=[])
    write_run(root / "copies", replace(unread, evaluations={"final": empty}))


def make_study_two(root: Path) -> None:
    """Three environments, 12 seeds on two of them: several logs, censored runs, a card that has no scores."""
    twelve = range(12)
    for task, online in ((CARTPOLE, ("ppo", "dqn")), (KEYDOOR, ("ppo",))):
        runs = [run for agent in online for run in _runs(task, agent, twelve, keeps_log=agent == "ppo")]
        runs += _runs(task, "random", twelve)
        runs += [run for agent in ("behaviour", "bc", "bc-top", "dt") for run in _runs(task, agent, twelve, log=MID)]
        if task is KEYDOOR:
            runs += [run for agent in ("behaviour", "bc", "dt") for run in _runs(task, agent, range(6), log=EXPERT)]
        else:
            runs += _runs(task, "dt", range(5), log=FULL)
            runs += [run for share in (0.25, 0.5) for run in _runs(task, "dt", range(5), log=FULL, budget=share)]
        _write_all(root, runs)
    few = range(3)
    runs = [run for agent in ("ppo", "random") for run in _runs(WALK, agent, few)]
    runs += [run for agent in ("behaviour", "bc-top", "dt") for run in _runs(WALK, agent, few, log=GIVEN)]
    tuned = replace(ARMS["dt"], hyperparameters={**ARMS["dt"].hyperparameters, "context_length": 20}, z=0.5)
    _write_all(root, [*runs, *(invent(WALK, tuned, seed, GIVEN) for seed in few)])


def _runs(task: Task, agent: str, seeds: Iterable[int], **options: Any) -> list[Run]:
    return [invent(task, ARMS[agent], seed, **options) for seed in seeds]


def _write_all(root: Path, runs: Iterable[Run]) -> None:
    for run in runs:
        write_run(root, run)


def _filmed(run: Run) -> Run:
    """A picture of the first seed of two arms, and of a third the reason why there is none."""
    if run.seed or run.budget is not None or run.arm.agent not in ("ppo", "dt", "bc"):
        return run
    told = {"episode_seed": 1000, "episode_return": 321.0, "length": 321}
    return replace(run, video={"skipped": "nothing renders it"} if run.arm.agent == "bc" else told)


# Operations.

_ACTIONS: Mapping[str, Mapping[str, Any]] = {
    "discrete": {"kind": "discrete", "nvec": (3,)},
    "multidiscrete": {"kind": "multidiscrete", "nvec": (2, 4, 3)},
    "multibinary": {"kind": "multibinary", "nvec": (2, 2)},
    "box": {"kind": "box", "low": (-1.0, -2.0), "high": (1.0, 2.0)},
}
_ONLY = {"dqn": "discrete", "cql": "discrete", "sac": "box", "td3": "box", "td3-bc": "box"}  # others act in all kinds


def flops() -> dict[str, dict[str, float]]:
    """Of every card, by "card, preset of, observation size, actions": operations of a training and of an action."""
    done = RunRecord("E", "a", 0, "", cost=Cost(5000, samples_seen=7000), progress={"done": 40, "total": 40})
    found = {}
    for name, preset, size, kind in _cases():
        spec = agent_cards.resolve(EnvSpec(preset, preset), name)
        found[f"{name}, {preset}, {size}, {kind}"] = of_run(
            spec, Spaces(ObservationSpec.vector(size), ActionSpec(**_ACTIONS[kind])), done
        )
    return found


def _cases() -> Iterator[tuple[str, str, int, str]]:
    cards = sorted(path.stem for path in (HERE.parents[1] / "agents").glob("*.toml"))
    for name in cards:
        for preset in ("no preset", "CartPole-v1", "KeyToDoor"):
            for size in (4, 17):
                for kind in [_ONLY[name]] if name in _ONLY else _ACTIONS:
                    yield name, preset, size, kind


def dumps(value: Any, indent: int = 0) -> str:
    """JSON in which what fits a line stands on one, so that a change shows as few lines."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent <= 150 or not isinstance(value, (dict, list)):
        return line
    if isinstance(value, list) and not any(isinstance(item, (dict, list)) for item in value):
        return line  # of numbers
    pad, end = " " * (indent + 1), " " * indent
    if isinstance(value, list):
        return "[\n" + ",\n".join(f"{pad}{dumps(item, indent + 1)}" for item in value) + f"\n{end}]"
    entries = (f"{pad}{json.dumps(key, ensure_ascii=False)}: {dumps(item, indent + 1)}" for key, item in value.items())
    return "{\n" + ",\n".join(entries) + f"\n{end}}}"


def main() -> None:
    """Write the committed files, or say how."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", required=True, help="overwrite the committed files")
    parser.parse_args()
    for study in STUDIES:
        with tempfile.TemporaryDirectory() as scratch:
            out = Path(scratch, "out")
            build(study, Path(scratch, "runs"), out)
            results = json.loads((out / "results.json").read_text(encoding="utf-8"))
            _write(HERE / study / "results.json", dumps(results) + "\n")
            _write(HERE / study / "report.md", (out / "report.md").read_text(encoding="utf-8"))
    _write(HERE / "flops.json", dumps(flops()) + "\n")
    _write(HERE / "sections.json", dumps([section.name for section in SECTIONS]) + "\n")


if __name__ == "__main__":
    main()
