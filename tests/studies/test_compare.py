"""Many runs: what a study plans, and what becomes of it; stopped, killed and continued."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

import rlformer
from rlformer.agents.learners import learner
from rlformer.core.errors import InputError
from rlformer.data.dataset import Dataset
from rlformer.runs.directory import RunDirectory
from rlformer.runs.hooks import Hooks
from rlformer.runs.inputs import Cut, Recipe
from rlformer.studies import experiment
from rlformer.studies.execute import execute
from rlformer.studies.executors.local import LocalProcesses
from rlformer.studies.executors.process import preload
from rlformer.studies.plan import plan
from rlformer.studies.study import Grid, Log, Study

SMALL_BC = ["gradient_steps=60", "width=16", "layers=1", "validate_every=20"]
SMALL_DT = ["gradient_steps=40", "width=16", "heads=1", "layers=1", "context_length=4", "validate_every=20"]
SMALL_PPO = ["steps=2048", "n_epochs=2"]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """80 random episodes of CartPole."""
    folder = tmp_path_factory.mktemp("log")
    return rlformer.collect("random", env="CartPole-v1", out=folder / "data", episodes=80)


def test_sequence_models_alone_go_to_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    made = plan(Study("CartPole-v1", arms=("random", "dt", "bc", "cql", "ppo"), seeds=1, device="cuda:1"))
    assert {run.spec.agent.name: run.device for run in made.runs} == {
        "random": "cpu", "dt": "cuda:1", "bc": "cuda:1", "cql": "cpu", "ppo": "cpu",
    }  # fmt: skip
    assert experiment.device_for("dt", learner("sequence"), "auto") == "cuda:0"
    assert experiment.device_for("cql", learner("offline"), "auto") == "cpu"
    with pytest.raises(InputError, match="agent 'cql' computes only on the CPU; leave out --device"):
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
        ({"seeds": 0}, "seeds: a whole number from 1 to 1,000, got 0"),
        ({"log": Log(prefix="some")}, "log.prefix: prefix 'some'"),
        ({"overrides": {"bc": ("widht=3",)}}, "set.bc: .*did you mean 'width'"),
        ({"overrides": {"dt": ("width=3",)}}, "agent.key=value with one of ppo, bc, got 'dt.width=3'"),
        ({"arms": ("sac",)}, "agents that fit"),
        ({"arms": ("dt",), "overrides": {"dt": ("heads=3",)}}, "3 do not divide"),
    ):
        with pytest.raises(InputError, match=message):
            plan(replace(study, **mistake))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a whole dataset on disk"):
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


@pytest.mark.slow
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
    report = rlformer.compare(
        study,
        jobs=2,
        out=tmp_path / "report",
        listen=lambda event: kinds.append((str(event.key and event.key[0]), event.kind)),
    )
    assert {arm for arm, kind in kinds if kind == "finished"} == {"random", "behaviour on full", "bc on full", "ppo"}
    assert report.results["schema"] == "rlformer/2"
    assert report.verdict.answer == report.results["environments"][0]["verdict"]["answer"]
    assert report.arm("ppo").score.point == report.results["environments"][0]["arms"][-1]["normalized_score"]["point"]
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
    results = rlformer.compare(study, jobs=2, out=tmp_path / "report").results
    arms = {arm["label"]: arm["runs"][0] for arm in results["environments"][0]["arms"]}
    assert {run["status"] for run in arms.values()} == {"finished"}
    assert len(arms) == 4
    for name, why in (("bc", "not valid JSON"), ("random", "not valid TOML"), ("ppo", "lost")):
        assert why in arms[name]["notes"][0]
        assert "was put aside as seed-0.damaged-1 and trained again" in arms[name]["notes"][0]
    assert arms["ppo"]["cost"] == cost  # of all of it, though a checkpoint was there to go on from
    assert arms["ppo"]["times"]["learning"] > 0
    assert (torn.parent.with_name("seed-0.damaged-1") / "record.damaged.json").read_text() == "{torn"


@pytest.mark.slow
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


def test_what_workers_are_forked_with_exists() -> None:
    """The server of processes passes over a module that is gone, and each run then pays for its imports."""
    assert [name for name in preload() if find_spec(name) is None] == []


def test_a_failed_arm_does_not_stop_the_rest_and_is_told(tmp_path: Path, log: Dataset) -> None:
    overrides = {"dt": ("learning_rate=1e30", *SMALL_DT), "bc": tuple(SMALL_BC)}
    study = Study("CartPole-v1", arms=("dt", "bc"), seeds=1, grid=Grid(()), runs=str(tmp_path), overrides=overrides)
    outcome = execute(plan(study, dataset=log), LocalProcesses(2))
    runs = [RunDirectory.open(path) for path in outcome.runs]
    assert {run.spec.agent.name: run.record.status for run in runs} == {"dt": "failed", "bc": "finished"}
    assert [failure.run.spec.agent.name for failure in outcome.failures] == ["dt"]
    assert outcome.missing == ()


def test_what_needs_a_failed_run_is_skipped_and_missing_from_the_runs(tmp_path: Path) -> None:
    """And is told with the recipe of its log, so that it can be given to its arm."""
    log = Log(prefix="2")  # no episode ends within two steps, so that bc has no log
    study = Study("CartPole-v1", arms=("bc",), seeds=1, runs=str(tmp_path), log=log, overrides=SMALL)
    (missing,) = execute(plan(study), LocalProcesses(2)).missing
    assert (missing.env, missing.agent, missing.seed) == ("CartPole-v1", "bc", 0)
    assert missing.recipe == Recipe(Cut("steps", 2))
    assert missing.name == "bc on 2"
    assert "no episode had ended" in missing.reason


@pytest.mark.slow
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
    assert errors.strip().endswith("stopped; run the same command again to continue")
    record = json.loads((metrics[0].parent / "record.json").read_text())
    assert record["status"] == "interrupted"
    assert 0 < record["progress"]["done"] < 400000


@pytest.mark.slow
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
