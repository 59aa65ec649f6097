"""The pace of agents: from a probe that ends in time on any environment, and from runs that were made here."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import rlformer
from rlformer.core.files import read_json, write_json
from rlformer.runs.directory import RunDirectory
from rlformer.studies import pace
from rlformer.studies.pace import BRIEF, Pace, Paces, World, measure, play, recorded
from rlformer.studies.plan import Plan, plan
from rlformer.studies.probe import round_of
from rlformer.studies.study import Study

# Steps that take long, in episodes of 150 of them without a word of it.
SLOW = """
import time
import gymnasium as gym
import numpy as np

class Slow(gym.Env):
    observation_space = gym.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.left = 150
        return self.np_random.uniform(-1, 1, 3).astype(np.float32), {}

    def step(self, action):
        time.sleep(0.05)
        self.left -= 1
        return self.np_random.uniform(-1, 1, 3).astype(np.float32), float(action), self.left == 0, False, {}

gym.register("Slow-v0", Slow)
"""
TICK = 0.01  # seconds of the clock of a test, of each look at it


@pytest.fixture
def slow(workspace: Path) -> str:
    (workspace / "slow_env.py").write_text(SLOW)
    return "slow_env:Slow-v0"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[], float]:
    """A clock that sleeping puts forward, and each look at it."""
    now = 0.0

    def pass_by(seconds: float = TICK) -> float:
        nonlocal now
        now += seconds
        return now

    monkeypatch.setattr(time, "sleep", pass_by)
    monkeypatch.setattr(time, "perf_counter", pass_by)
    monkeypatch.setattr(time, "process_time", pass_by)
    return lambda: now


def given(monkeypatch: pytest.MonkeyPatch, world: World, step: float) -> list[Plan]:
    """Every agent is as fast as that, on any machine; the plans whose pace was asked for."""
    asked: list[Plan] = []

    def found(made: Plan, *_: object) -> Paces:
        asked.append(made)
        specs = {run.spec.agent.name: run.spec for run in made.runs}
        agents = {name: Pace(0.0, step if spec.values else 0.0, (1e-4, 1e-3)) for name, spec in specs.items()}
        return Paces(world, agents)

    monkeypatch.setattr(pace, "measure", found)
    return asked


def test_what_is_known_of_an_episodes_length_bounds_what_a_policy_plays() -> None:
    world, episode = play(plan(Study("CartPole-v1", arms=("random",), seeds=1)).env, BRIEF)
    assert (world.limit, world.longest, world.ended) == (500, 500, True)
    assert 10 < world.length < 50
    assert len(episode.observations) == len(episode) + 1
    assert World(0.1, 30, None, True).longest == 60
    assert World(0.1, 1000, None, False).limited(40) == World(0.1, 40, 40, True)


def test_a_round_is_all_that_repeats() -> None:
    assert round_of({"gae_lambda": 0.9, "n_steps": 32, "num_envs": 8}) == (32, 32)
    assert round_of({"learning_starts": 100, "train_freq": 4, "num_envs": 1}) == (104, 4)
    assert round_of({"gradient_steps": 100}) == (3, 1)


@pytest.mark.slow
def test_a_probe_of_a_slow_environment_ends_though_no_episode_did(slow: str, clock: Callable[[], float]) -> None:
    made = plan(Study(slow, arms=("random", "ppo", "dt"), seeds=1))
    found = measure(made, effort=BRIEF)
    assert found.world.step_seconds == pytest.approx(0.05 + TICK, rel=0.05)
    assert (found.world.ended, found.world.limit) == (False, None)
    assert found.agents["ppo"].step >= 0.05  # the environment's step is a part of it
    assert 0 < found.agents["dt"].step < 10 * TICK  # looks at the clock, and no environment
    assert found.agents["random"].step == 0
    assert clock() < 20  # whose episodes take 7.5 seconds, and a rollout of ppo more than ten times that


@pytest.mark.slow
def test_runs_that_were_made_here_tell_the_pace_and_others_do_not(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    path = rlformer.train("ppo", env="CartPole-v1", root=root, overrides=["steps=1024"])
    whole, other = (
        plan(Study("CartPole-v1", arms=("ppo",), seeds=1, overrides={"ppo": (change,)})).runs[0].spec
        for change in ("steps=2048", "n_epochs=3")
    )
    found = recorded(root, whole)
    assert found is not None
    assert found.recorded
    times = RunDirectory(path).record.times
    assert found.step == pytest.approx((times["wall"] - times["evaluation"]) / 1024)
    assert recorded(root, other) is None  # it learns in another way
    record = read_json(path / "record.json")
    write_json(path / "record.json", {**record, "hardware": {**record["hardware"], "cpu": "another one"}})
    assert recorded(root, whole) is None


@pytest.mark.slow
def test_a_comparison_is_cut_to_its_time_and_the_same_question_goes_on_with_its_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = given(monkeypatch, World(1e-4, 20, 100, True), step=0.01)
    study = Study("CartPole-v1", arms=("random", "bc", "ppo"), max_minutes=2.5, runs=str(tmp_path / "runs"))
    told = list[str]()
    report = rlformer.compare(study, out=tmp_path / "report", jobs=2, tell=told.append)
    assert "of its 2.5 minutes" in told[0]
    fitted = Study.read(tmp_path / "report" / "study.toml").fitted
    assert fitted is not None
    environment = report.results["environments"][0]
    cuts = {arm["agent"]: arm["cut_short"] for arm in environment["arms"] if "cut_short" in arm}
    assert set(cuts) == set(fitted) == {"bc", "ppo"}
    assert {(cut["reason"], cut["minutes"]) for cut in cuts.values()} == {("time", 2.5)}
    assert report.verdict.within == 2.5
    assert environment["verdict"]["headline"].startswith("Within 2.5 ")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("record.json")}
    again = rlformer.compare(study, out=tmp_path / "report", jobs=2)
    assert len(asked) == 1
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("record.json")}
    assert again.verdict == report.verdict


UNENDED = World(0.05, 1000, None, False)  # as `SLOW` is seen


@pytest.mark.slow
def test_a_smoke_test_of_a_slow_environment_without_a_time_limit_fits_and_works(
    slow: str, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "slow_env.py").write_text(SLOW.replace("time.sleep(0.05)", "pass"))
    given(monkeypatch, UNENDED, step=0.05)
    report = rlformer.compare(Study(slow, profile="smoke"), out=workspace / "report")
    assert Study.read(workspace / "report" / "study.toml").time_limit == 100
    assert (report.verdict.answer, report.verdict.arm, report.verdict.strength) == ("works", None, None)
    assert {arm["agent"] for arm in report.results["environments"][0]["arms"]} == {
        "random", "behaviour", "bc", "bc-top", "dt", "ppo", "dqn",
    }  # fmt: skip


@pytest.mark.slow
def test_a_smoke_test_tells_what_does_not_work(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that breaks after 150 steps of a process: random play is measured in an episode of 100."""
    given(monkeypatch, UNENDED, step=0.05)
    worn = "if multiprocessing.parent_process() and Slow.steps > 150: raise RuntimeError('worn out')"
    text = SLOW
    for old, new in {
        "import time\n": "import multiprocessing\n",
        "    observation_space": "    steps = 0\n    observation_space",
        "time.sleep(0.05)": f"Slow.steps += 1\n        {worn}",
        "Slow-v0": "Worn-v0",
    }.items():
        text = text.replace(old, new)
    (workspace / "worn_env.py").write_text(text)
    study = Study("worn_env:Worn-v0", profile="smoke", arms=("random", "bc", "ppo"))
    report = rlformer.compare(study, out=workspace / "report")
    assert (report.verdict.answer, report.verdict.reason) == ("does not work", "ppo and bc did not finish")
    text = (workspace / "report" / "report.md").read_text()
    assert re.search(r"ppo: .*RuntimeError.*worn out", text), text
    assert "bc: ppo seed 0 did not finish" in text
