"""Policies that a run keeps while it is trained: those that may be the first to pass, played at its end."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rlformer
from rlformer import api
from rlformer.agents.cards import resolve
from rlformer.agents.loading import load_policy
from rlformer.core import files, seeding
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.core.spaces import Array
from rlformer.envs import cards as env_cards
from rlformer.envs.play import play
from rlformer.evaluator.judge.terms import Terms
from rlformer.evaluator.measure.curve import highest
from rlformer.evaluator.measure.protocol import Protocol
from rlformer.explain.parts import Effects
from rlformer.runs import checkpoints, curves, kept, metrics
from rlformer.runs.directory import RunDirectory
from rlformer.runs.hooks import Hooks
from rlformer.runs.spec import RunSpec
from rlformer.studies import experiment, stopped, videos

pytestmark = pytest.mark.slow

BARE = replace(env_cards.environment("CartPole-v1"), random_score=None, reference_score=None)  # any return may be asked
QUICKLY = Protocol(episodes=6, curve_episodes=2, fresh_episodes=4, num_envs=8)
PPO = ["n_steps=64", "num_envs=4", "batch_size=64", "n_epochs=2", "hidden=[16]", "learning_rate=3e-3", "clip_range=0.2"]


def specified(steps: int, env: EnvSpec = BARE) -> RunSpec:
    """PPO at a constant learning rate."""
    return resolve(env, "ppo", [*PPO, f"steps={steps}"])


def points(run: RunDirectory) -> list[dict[str, Any]]:
    """The lines of its curve, without what the machine decides."""
    lines = metrics.read(run.path / curves.NAME)
    return [{key: value for key, value in line.items() if key not in ("seconds", "cpu")} for line in lines]


def weights(run: RunDirectory) -> Mapping[int, bytes]:
    """Of every policy that it kept."""
    return {step: (kept.folder(run.path, step) / "model.safetensors").read_bytes() for step in kept.steps(run.path)}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    root = tmp_path_factory.mktemp("runs")
    return experiment.train(specified(6144), 0, root, protocol=replace(QUICKLY, good_enough=30.0))


def test_a_larger_budget_changes_no_point_of_a_smaller_one(run: RunDirectory, tmp_path: Path) -> None:
    """At a constant learning rate: the grid, the tests, the records and the kept policies are the same."""
    small = experiment.train(specified(3072), 0, tmp_path, protocol=replace(QUICKLY, good_enough=30.0))
    both, end = points(small), points(run)
    assert [line["step"] for line in both] == [1000, 1414, 2000, 2828, 3072]
    assert both[:-1] == end[:4]
    assert weights(small) == {step: found for step, found in weights(run).items() if step <= 3072} != {}


def test_every_record_is_kept_and_plays_as_it_did(run: RunDirectory) -> None:
    found, records = curves.read(run.path), list[int]()
    for i, point in enumerate(found):
        if highest(found[: i + 1], BARE)[0] > highest(found[:i], BARE)[0]:
            records.append(point.step)
    assert kept.steps(run.path) == tuple(records) != ()
    seeds = seeding.episode_seeds(0, "curve", 2)
    for point in (point for point in found if point.step in records):
        policy, _ = load_policy(run.path, step=point.step)
        assert play(policy, BARE, seeds).returns.tolist() == list(point.returns)


def first(run: RunDirectory, asked: float) -> int:
    """T, by hand."""
    return next(p.step for p in curves.read(run.path) if p.fresh and min(np.mean(p.returns), np.mean(p.fresh)) >= asked)


def test_the_first_that_passes_plays_the_final_episodes(run: RunDirectory) -> None:
    results, at = run.evaluations(), first(run, 30.0)
    assert {name for name in results if name.startswith("kept")} == {f"kept-{at}"}
    result = results[f"kept-{at}"]
    assert np.array_equal(result.seeds, results["final"].seeds)
    policy = rlformer.load(run.path, step=at)
    assert play(policy, BARE, result.seeds).returns.tolist() == result.returns.tolist()
    with pytest.raises(InputError, match=r"kept no policy of step 7; it kept: \d+"):
        rlformer.load(run.path, step=7)
    with pytest.raises(InputError, match=r"kept no policy of step \d+\.0; it kept: \d+"):
        rlformer.load(run.path, step=float(at))


def test_the_one_that_a_study_deploys_is_explained_and_filmed(run: RunDirectory, tmp_path: Path) -> None:
    copied = RunDirectory.open(Path(shutil.copytree(run.path, tmp_path / run.path.relative_to(run.path.parents[2]))))
    at, asked = first(run, 30.0), Terms(good_enough=30.0)
    assert stopped.deployed_step(copied, asked) == at
    assert stopped.deployed_step(copied, Terms(good_enough=1e6)) is None  # nothing passes: the last one
    assert stopped.deployed_step(copied, Terms(good_enough=30.0, budget=at - 1)) is None  # it came too late
    videos.record_medians([copied.path], asked)
    shown = files.read_toml(copied.path / "eval" / "episode.toml")
    kept_result = copied.evaluations()[f"kept-{at}"]
    assert (shown["step"], shown["episode_return"]) == (at, kept_result.returns[0])
    made = api.explain(copied.path, step=at, only=["effects"])
    assert made.step == at
    assert made.need(Effects).policy.return_ == kept_result.mean
    assert api.explain(copied.path, only=["effects"]).step is None  # made anew, of the last policy
    videos.record_medians([copied.path], Terms(good_enough=1e6))
    assert "step" not in files.read_toml(copied.path / "eval" / "episode.toml")


def test_a_step_is_of_a_run_that_kept_it(run: RunDirectory) -> None:
    with pytest.raises(InputError, match="step 5: chooses a policy that a run kept"):
        api.explain("random", env="CartPole-v1", step=5)
    with pytest.raises(InputError, match="kept no policy of step 7"):
        api.explain(run.path, step=7)


def test_what_measuring_took_stands_apart(run: RunDirectory) -> None:
    record, results = run.record, run.evaluations()
    behind = sum(result.env_steps for result in results.values())
    assert record.cost.evaluation_env_steps == behind + sum(point.env_steps for point in curves.read(run.path))
    assert record.cost.env_steps == 6144
    assert record.flops["evaluation"] == record.cost.evaluation_env_steps * record.flops["action"]
    times = record.times
    for parts, whole in (
        (("learning", "environment", "evaluation", "log"), "wall"),
        (("learning_cpu", "evaluation_cpu", "log_cpu"), "cpu"),
    ):
        assert sum(times[part] for part in parts) == pytest.approx(times[whole], abs=1e-3)
        assert all(times[part] >= 0 for part in parts)
    last = curves.read(run.path)[-1]
    assert 0 < last.cpu <= times["learning_cpu"]
    assert 0 < last.seconds <= times["learning"] + times["environment"]


def test_a_threshold_that_is_named_later_is_judged_without_training(run: RunDirectory, tmp_path: Path) -> None:
    before, high = run.record, max(highest(curves.read(run.path), BARE)[0], 31.0)
    experiment.train(run.spec, 0, run.path.parents[2], protocol=replace(QUICKLY, good_enough=high))
    after, name = run.record, f"kept-{first(run, high)}"
    assert (after.cost.env_steps, after.times["learning_cpu"]) == (
        before.cost.env_steps, pytest.approx(before.times["learning_cpu"], abs=0.5),
    )  # fmt: skip
    assert f"eval/{name}.json" in after.digests
    more = run.evaluations()[name].env_steps
    assert after.cost.evaluation_env_steps == before.cost.evaluation_env_steps + more
    run.check()


class Killed(BaseException):
    """As if the process were gone."""


def test_after_a_kill_records_and_kept_policies_are_those_of_the_points_that_stand(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kill comes behind a checkpoint and behind points that it knows nothing of."""
    monkeypatch.setattr("rlformer.agents.online.training._CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("rlformer.agents.online.training._CHECKPOINT_SHARE", 1e9)
    monkeypatch.setattr("rlformer.agents.online.training.Throttle", lambda seconds: lambda: True)
    spec, whole = specified(6144), points(run)
    saved = checkpoints.save

    def save(directory: Path, arrays: Mapping[str, Array], state: Mapping[str, Any]) -> None:
        if state["num_timesteps"] <= 2304:
            saved(directory, arrays, state)

    def killing(done: int, total: int, note: str) -> None:
        if done >= 4100:
            raise Killed

    monkeypatch.setattr(checkpoints, "save", save)
    with pytest.raises(Killed):
        experiment.train(spec, 0, tmp_path, protocol=QUICKLY, hooks=Hooks(listener=killing))
    monkeypatch.setattr(checkpoints, "save", saved)
    killed = RunDirectory.of(tmp_path, spec, 0)
    assert points(killed) == whole[:5]  # the last is of step 4000
    undone = weights(killed)
    experiment.train(spec, 0, tmp_path, protocol=QUICKLY)
    found = curves.read(killed.path)
    assert points(killed)[:3] == whole[:3]  # up to the checkpoint
    assert [point.step for point in found] == [line["step"] for line in whole]
    records = [
        point.step for i, point in enumerate(found)
        if highest(found[: i + 1], BARE)[0] > highest(found[:i], BARE)[0]
    ]  # fmt: skip
    assert kept.steps(killed.path) == tuple(records)
    assert all(undone[step] == found for step, found in weights(killed).items() if step <= 2000)
    assert killed.record.cost.env_steps == 6144
    behind = sum(result.env_steps for result in killed.evaluations().values())
    assert killed.record.cost.evaluation_env_steps == behind + sum(point.env_steps for point in found)
