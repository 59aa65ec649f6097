"""One run from configuration to record, and the comparison of many."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import rlformer
from rlformer.agents.cards import resolve
from rlformer.agents.learners import learner
from rlformer.agents.loading import load_policy
from rlformer.core import files
from rlformer.core.errors import InputError, Interrupted
from rlformer.data.dataset import Dataset, from_episodes, load
from rlformer.data.describe import log_input
from rlformer.data.prefix import mid_training
from rlformer.envs import cards as env_cards
from rlformer.evaluator.measure.protocol import Protocol
from rlformer.runs.directory import RunDirectory
from rlformer.runs.hooks import Hooks
from rlformer.runs.inputs import Cut, Recipe
from rlformer.studies import experiment
from rlformer.studies.execute import execute, local
from rlformer.studies.logs import dataset_env
from rlformer.studies.plan import plan
from rlformer.studies.study import Log, Study

SMALL_BC = ["gradient_steps=60", "width=16", "layers=1", "validate_every=20"]
SMALL_DT = ["gradient_steps=40", "width=16", "heads=1", "layers=1", "context_length=4", "validate_every=20"]
SMALL_PPO = ["steps=2048", "n_epochs=2"]
QUICKLY = Protocol(episodes=4, curve_episodes=2, target_episodes=2, sampled_episodes=2, num_envs=8)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """80 random episodes of CartPole."""
    folder = tmp_path_factory.mktemp("log")
    return rlformer.collect("random", env="CartPole-v1", out=folder / "data", episodes=80)


@pytest.fixture(scope="module")
def ppo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short PPO run that kept its training episodes."""
    spec = resolve(env_cards.environment("CartPole-v1"), "ppo", SMALL_PPO, keeps_log=True)
    return experiment.train(spec, 0, tmp_path_factory.mktemp("ppo"), protocol=QUICKLY).path


def train(agent: str, overrides: list[str], root: Path, log: Dataset, **options: object) -> RunDirectory:
    spec = resolve(dataset_env(log), agent, overrides, (log_input(log),))
    return experiment.train(spec, 0, root, dataset=log, protocol=QUICKLY, **options)  # type: ignore[arg-type]


def test_an_offline_run_keeps_every_cost(tmp_path: Path, log: Dataset) -> None:
    run = train("dt", SMALL_DT, tmp_path, log)
    record, results = run.record, run.evaluations()
    assert record.status == "finished"
    assert (record.cost.logged_steps, record.cost.upstream_env_steps) == (log.num_steps, log.num_steps)
    assert 0 < record.cost.samples_seen <= 40 * 64 * 4
    assert record.parameters > 0
    assert set(record.inference_seconds) == {"1", "64"}
    assert record.scales["target_return"] == log.returns.max()
    assert record.scales["rules"]["supported"] == np.sort(log.returns)[-8]  # a tenth of 80 episodes reached it
    assert len(results["final"].returns) == 4
    assert (len(results["sampled"].returns), results["sampled"].action_selection) == (2, "sampled")
    assert np.array_equal(results["sampled"].seeds, results["final"].seeds[:2])
    asked = sorted(r.target_return for name, r in results.items() if name.startswith("target-") and r.target_return)
    assert asked[-1] > log.returns.max()
    parts = [record.times[part] for part in ("environment", "evaluation", "log", "learning")]
    assert sum(parts) == pytest.approx(record.times["wall"], abs=1e-2)


def test_operations_are_counted_and_can_be_counted_later(tmp_path: Path, log: Dataset, ppo: Path) -> None:
    for run in (train("bc", SMALL_BC, tmp_path, log), RunDirectory.open(ppo)):
        record = run.record
        assert record.flops["training"] > record.flops["action"] > 0
        old = {key: value for key, value in record.to_dict().items() if key != "flops"}
        files.write_json(run.path / "record.json", old)
        assert run.record.flops == {}
        experiment.count_flops(run)
        assert run.record == record


def test_a_finished_run_is_left_alone(tmp_path: Path, log: Dataset) -> None:
    run = train("bc", SMALL_BC, tmp_path, log)
    before = (run.path / "record.json").read_bytes()
    assert train("bc", SMALL_BC, tmp_path, log).path == run.path
    assert (run.path / "record.json").read_bytes() == before


def test_a_stopped_run_continues_to_the_same_weights(tmp_path: Path, log: Dataset) -> None:
    whole = train("bc", SMALL_BC, tmp_path / "whole", log)
    asked = iter([False] * 30)
    with pytest.raises(Interrupted):
        train("bc", SMALL_BC, tmp_path / "halves", log, hooks=Hooks(lambda: next(asked, True)))
    run = next((tmp_path / "halves").rglob("record.json")).parent
    assert RunDirectory.open(run).record.status == "interrupted"
    again = train("bc", SMALL_BC, tmp_path / "halves", log)
    weights = "checkpoints/best/model.safetensors"
    assert (again.path / weights).read_bytes() == (whole.path / weights).read_bytes()


def test_the_behaviour_arm_is_the_log(tmp_path: Path, log: Dataset) -> None:
    run = train("behaviour", [], tmp_path, log)
    assert np.array_equal(run.evaluations()["final"].returns, log.returns)
    with pytest.raises(InputError, match="cannot act"):
        load_policy(run.path)


def test_a_log_without_its_environment_can_be_learned_from(tmp_path: Path, log: Dataset) -> None:
    lost = from_episodes(replace(log.info, env="Nowhere-v0", env_definition={}), list(log))
    run = train("bc", SMALL_BC, tmp_path, lost)
    assert run.record.status == "finished"
    assert run.evaluations() == {}
    assert "not evaluated" in run.record.notes[0]


def test_a_log_that_names_no_environment_says_how_to_name_it(tmp_path: Path, log: Dataset) -> None:
    nameless = from_episodes(replace(log.info, env=None, env_definition={}), list(log))
    run = RunDirectory.open(rlformer.train("bc", dataset=nameless, overrides=SMALL_BC, root=tmp_path))
    assert run.record.notes == ["not evaluated: the log names no environment; --env does"]


def test_a_log_may_be_learned_from_without_making_its_environment(tmp_path: Path, log: Dataset) -> None:
    definition = {"id": "their_module:Theirs-v0"}
    theirs = from_episodes(replace(log.info, env="Theirs-v0", env_definition=definition), list(log))
    with pytest.raises(InputError, match=r"imports 'their_module': --env Theirs-v0 if you trust it, or --env none"):
        rlformer.train("bc", dataset=theirs, root=tmp_path)
    path = rlformer.train("bc", env="none", dataset=theirs, overrides=SMALL_BC, root=tmp_path)
    run = RunDirectory.open(path)
    assert (run.spec.env.name, run.evaluations()) == ("Theirs-v0", {})
    assert run.record.notes == ["not evaluated: no environment was given"]
    with pytest.raises(InputError, match="'Theirs-v0' was learned from a log alone; --env names"):
        rlformer.evaluate([path])
    spec, (result,) = rlformer.evaluate([path], env="CartPole-v1", episodes=3)
    assert (spec.name, len(result.returns)) == ("CartPole-v1", 3)
    with pytest.raises(InputError, match="was trained for observations"):
        rlformer.evaluate([path], env="Acrobot-v1")
    with pytest.raises(InputError, match="unknown environment 'none'"):
        rlformer.train("ppo", env="none", root=tmp_path)


def test_a_log_of_another_environment_is_refused(tmp_path: Path, log: Dataset) -> None:
    acrobot = resolve(env_cards.environment("Acrobot-v1"), "bc", inputs=(log_input(log),))
    with pytest.raises(InputError, match=r"shape \(4,\), but those of 'Acrobot-v1' have \(6,\)"):
        experiment.train(acrobot, 0, tmp_path, dataset=log)
    mountain = resolve(env_cards.environment("MountainCar-v0"), "bc")
    with pytest.raises(InputError, match="learns from a log"):
        experiment.train(mountain, 0, tmp_path)


def test_what_cannot_be_trained_is_refused_before_anything_is_written(tmp_path: Path, log: Dataset) -> None:
    with pytest.raises(InputError, match="3 do not divide"):
        train("dt", [*SMALL_DT, "heads=3"], tmp_path, log)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_run_says_why_and_what_it_cost(tmp_path: Path, log: Dataset) -> None:
    with pytest.raises(RuntimeError, match="not finite at gradient step"):
        train("bc", [*SMALL_BC, "learning_rate=1e30"], tmp_path, log)
    run = RunDirectory.open(next(tmp_path.rglob("record.json")).parent)
    assert run.record.status == "failed"
    assert "not finite at gradient step" in str(run.record.error)
    assert run.record.cost.logged_steps == log.num_steps


def test_a_training_log_can_be_cut(ppo: Path) -> None:
    whole = rlformer.open_data(ppo)
    cut = rlformer.open_data(ppo, prefix="0.5")
    assert whole.num_steps <= 2048 == whole.upstream_env_steps
    assert cut.num_episodes < whole.num_episodes
    assert cut.upstream_env_steps is not None
    assert cut.upstream_env_steps <= 1024
    assert cut.hash != whole.hash
    for wrong in ("half", "-1", "0"):
        with pytest.raises(InputError, match="prefix"):
            rlformer.open_data(ppo, prefix=wrong)


def test_the_middle_of_a_training_is_half_way_up() -> None:
    """Returns 1 to 100, one step each: the running mean goes from 10.5 to 90.5 and is 50.5 at the 60th episode."""
    cut = mid_training(_returning(range(1, 101)))
    assert (len(cut), cut.upstream_env_steps) == (60, 60)


def test_a_training_that_never_rose_is_cut_in_half() -> None:
    assert len(mid_training(_returning([-200] * 100))) == 50
    assert len(mid_training(_returning([*range(100, 0, -1)]))) == 50


def _returning(returns: Sequence[float]) -> Dataset:
    """Episodes of one step with these returns, made one training step after another."""
    from rlformer.core.records import Episode
    from rlformer.core.spaces import ActionSpec, Spaces
    from rlformer.data.dataset import DatasetInfo

    episodes = [
        Episode(np.zeros((2, 1), np.float32), np.zeros(1, np.int64), np.array([float(r)]), True, False) for r in returns
    ]
    log = from_episodes(DatasetInfo("E", Spaces.plain((1,), ActionSpec("discrete", (2,)))), episodes)
    log.episodes["behaviour_steps"] = np.arange(1, len(returns) + 1)
    return log


def test_policies_are_loaded_from_python(ppo: Path) -> None:
    policy = rlformer.load(ppo)
    assert policy.act(np.zeros((3, 4), np.float32)).shape == (3,)
    spec, results = rlformer.evaluate([str(ppo), "random"], env="CartPole-v1", episodes=3)
    assert spec.name == "CartPole-v1"
    assert [len(r.returns) for r in results] == [3, 3]


def test_sequence_models_alone_go_to_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    made = plan(Study("CartPole-v1", arms=("random", "dt", "bc", "cql", "ppo"), seeds=1, device="cuda:1"))
    assert {run.spec.agent.name: run.device for run in made.runs} == {
        "random": "cpu", "dt": "cuda:1", "bc": "cuda:1", "cql": "cpu", "ppo": "cpu",
    }  # fmt: skip
    assert experiment.device_for("dt", learner("sequence"), "auto") == "cuda:0"
    assert experiment.device_for("cql", learner("offline"), "auto") == "cpu"
    with pytest.raises(InputError, match="agent 'cql' computes on the CPU alone; leave --device out"):
        experiment.device_for("cql", learner("offline"), "cuda")


def test_a_plan_expands_arms_and_finds_mistakes_before_anything_runs(tmp_path: Path, log: Dataset) -> None:
    made = plan(Study("CartPole-v1", arms=("bc", "online"), seeds=2))
    assert set(made.arms) == {"bc", "ppo", "dqn"}
    assert {job.key: job.needs for job in made.jobs}[("bc", 1)] == (("ppo", 1),)
    assert made.jobs[0].key[0] == "ppo"  # type: ignore[index]
    assert set(plan(Study("Pendulum-v1", arms=("online",), seeds=1)).arms) == {"ppo", "sac"}
    study = Study("CartPole-v1", arms=("bc",), seeds=1)
    own = plan(study, dataset=log)
    assert own.arms == ("bc",)
    for mistake, message in (
        ({"profile": "quik"}, "profile: unknown profile"),
        ({"arms": ("bcc",)}, "arms: .*did you mean 'bc'"),
        ({"seeds": 0}, "seeds 0: one at least"),
        ({"log": Log(prefix="some")}, "log.prefix: prefix 'some'"),
        ({"overrides": {"bc": ("widht=3",)}}, "did you mean 'width'"),
        ({"overrides": {"dt": ("width=3",)}}, "agent.key=value with one of ppo, bc, got 'dt.width=3'"),
        ({"arms": ("sac",)}, "agents that fit"),
        ({"arms": ("dt",), "overrides": {"dt": ("heads=3",)}}, "3 do not divide"),
    ):
        with pytest.raises(InputError, match=message):
            plan(replace(study, **mistake))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a whole dataset from disk"):
        plan(study, dataset=log.select(np.arange(3), "three"))


@pytest.mark.parametrize(("env", "online", "offline"), [
    ("CartPole-v1", {"ppo", "dqn"}, {"cql"}), ("Pendulum-v1", {"ppo", "sac"}, {"td3-bc"}),
])  # fmt: skip
def test_a_profile_trains_the_ladder_and_what_fits_the_actions(env: str, online: set[str], offline: set[str]) -> None:
    quick = plan(Study(env, seeds=1)).arms
    assert set(quick) == {"random", "behaviour", "bc", "bc-top", "dt"} | online
    standard = plan(Study(env, profile="standard", seeds=1)).arms
    assert set(standard) - set(quick) == {"rvs", "dt-k1", "dt-no-rtg", "dt-lstm"} | offline


SMALL = {"bc": tuple(SMALL_BC), "ppo": tuple(SMALL_PPO)}


def test_compare_runs_every_arm_and_repeats_nothing(tmp_path: Path) -> None:
    study = Study(
        "CartPole-v1",
        arms=("random", "behaviour", "bc", "ppo"),
        seeds=1,
        log=Log(prefix="full"),
        overrides=SMALL,
        runs=str(tmp_path / "runs"),
    )
    kinds: list[tuple[str, str]] = []
    results = rlformer.compare(
        study,
        jobs=2,
        out=tmp_path / "report",
        listen=lambda event: kinds.append((str(event.key and event.key[0]), event.kind)),
    )
    assert {arm for arm, kind in kinds if kind == "finished"} == {"random", "behaviour on full", "bc on full", "ppo"}
    assert results["schema"] == "rlformer/2"
    assert Study.read(tmp_path / "report" / "study.toml") == study
    page = (tmp_path / "report" / "report.html").read_text()
    assert "CartPole-v1" in page
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("record.json")}
    rlformer.compare(tmp_path / "report" / "study.toml", jobs=2, out=tmp_path / "report")
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("record.json")}

    (torn,) = (tmp_path / "runs").rglob("bc-*/seed-0/record.json")
    (values,) = (tmp_path / "runs").rglob("random-*/seed-0/spec.toml")
    (lost,) = (tmp_path / "runs").rglob("ppo-*/seed-0/record.json")
    cost = json.loads(lost.read_text())["cost"]
    torn.write_text("{torn")
    values.write_text("torn = [")
    lost.unlink()
    results = rlformer.compare(study, jobs=2, out=tmp_path / "report")
    arms = {arm["label"]: arm["runs"][0] for arm in results["environments"][0]["arms"]}
    assert {run["status"] for run in arms.values()} == {"finished"}
    assert len(arms) == 4
    for name, why in (("bc", "not valid JSON"), ("random", "cannot be read"), ("ppo", "lost")):
        assert why in arms[name]["notes"][0]
        assert "was put aside as seed-0.damaged-1 and made anew" in arms[name]["notes"][0]
    assert arms["ppo"]["cost"] == cost  # of all of it, though a checkpoint was there to go on from
    assert arms["ppo"]["times"]["learning"] > 0
    assert (torn.parent.with_name("seed-0.damaged-1") / "record.damaged.json").read_text() == "{torn"


def test_what_was_planned_is_run_whatever_cards_and_folder_say_by_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs carry their specification, and absolute paths."""
    for name in ("here", "elsewhere"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    made = plan(Study("CartPole-v1", arms=("bc", "ppo"), seeds=1, overrides=SMALL))
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "agents").mkdir()
    for agent in ("bc", "ppo"):
        (tmp_path / "elsewhere" / "agents" / f"{agent}.toml").write_text('learner = "nonsense"\n')
    for run in made.runs:
        path = run.train(Hooks())
        assert replace(RunDirectory.open(path).spec, inputs=()) == run.spec
        assert path.is_relative_to(tmp_path / "here" / "runs")
    assert list((tmp_path / "elsewhere").iterdir()) == [tmp_path / "elsewhere" / "agents"]


def test_a_failed_arm_does_not_stop_the_rest_and_is_told(tmp_path: Path, log: Dataset) -> None:
    overrides = {"dt": ("learning_rate=1e30", *SMALL_DT), "bc": tuple(SMALL_BC)}
    study = Study("CartPole-v1", arms=("dt", "bc"), seeds=1, runs=str(tmp_path), overrides=overrides)
    outcome = execute(plan(study, dataset=log), local(2))
    runs = [RunDirectory.open(path) for path in outcome.runs]
    assert {run.spec.agent.name: run.record.status for run in runs} == {"dt": "failed", "bc": "finished"}
    assert [failure.run.spec.agent.name for failure in outcome.failures] == ["dt"]
    assert outcome.missing == ()


def test_what_needs_a_failed_run_is_skipped_and_missing_from_the_runs(tmp_path: Path) -> None:
    """And is told with the recipe of its log, so that it can be given to its arm."""
    log = Log(prefix="2")  # no episode ends within two steps, so that bc has no log
    study = Study("CartPole-v1", arms=("bc",), seeds=1, runs=str(tmp_path), log=log, overrides=SMALL)
    (missing,) = execute(plan(study), local(2)).missing
    assert (missing.env, missing.agent, missing.seed) == ("CartPole-v1", "bc", 0)
    assert missing.recipe == Recipe(Cut("steps", 2))
    assert missing.name == "bc on 2"
    assert "no episode had ended" in missing.reason


def test_ctrl_c_stops_a_comparison_cleanly_and_the_same_command_continues(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rlformer", "compare", "CartPole-v1", "--arms", "random,ppo", "--seeds", "1"]
    command += ["--with", f"runs={tmp_path / 'runs'}", "--out", str(tmp_path / "report")]
    process = subprocess.Popen([*command, "--set", "ppo.steps=400000"], stderr=subprocess.PIPE, text=True)
    metrics = list[Path]()
    deadline = time.monotonic() + 300
    while not metrics and time.monotonic() < deadline:  # until PPO is well under way
        time.sleep(0.2)
        metrics = [p for p in (tmp_path / "runs").rglob("ppo-*/seed-0/metrics.jsonl") if p.stat().st_size > 0]
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors
    assert errors.strip().endswith("stopped; the same command continues")
    record = json.loads((metrics[0].parent / "record.json").read_text())
    assert record["status"] == "interrupted"
    assert 0 < record["progress"]["done"] < 400000


def test_workers_save_and_stop_when_the_comparison_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rlformer", "compare", "CartPole-v1", "--arms", "ppo", "--seeds", "1"]
    command += ["--with", f"runs={tmp_path / 'runs'}", "--out", str(tmp_path / "report"), "--set", "ppo.steps=400000"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    records = list[Path]()
    deadline = time.monotonic() + 300
    while not records and time.monotonic() < deadline:
        time.sleep(0.2)
        points = [p for p in (tmp_path / "runs").rglob("metrics.jsonl") if p.stat().st_size > 0]
        records = [p.parent / "record.json" for p in points]
    process.kill()
    process.wait()
    status = "running"
    while status == "running" and time.monotonic() < deadline:
        time.sleep(0.2)
        status = json.loads(records[0].read_text())["status"]
    assert status == "interrupted"
    assert list(records[0].parent.glob("checkpoints/last/checkpoint.safetensors"))


def test_a_dataset_in_a_folder_loads_as_it_was(log: Dataset) -> None:
    assert log.path is not None
    again = load(log.path)
    assert again.hash == log.hash
    assert np.array_equal(again.returns, log.returns)
