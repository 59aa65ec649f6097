"""The test of a point: fresh episodes where it may be the first to pass, so that T is exact for every threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlformer.agents.base import LearnerKind, SavePolicy
from rlformer.agents.cards import resolve
from rlformer.agents.learners import LEARNERS
from rlformer.core import grid
from rlformer.core.records import EnvSpec, EvalResult
from rlformer.core.spaces import ActionSpec, Array
from rlformer.envs import cards as env_cards
from rlformer.envs.rollout import RandomPolicy
from rlformer.evaluator.judge import facts
from rlformer.evaluator.judge.passing import Bar, first_pass
from rlformer.evaluator.judge.terms import Scale
from rlformer.evaluator.measure import curve
from rlformer.evaluator.measure.curve import CurveTest
from rlformer.evaluator.measure.evaluation import evaluate
from rlformer.evaluator.measure.protocol import Protocol
from rlformer.runs.curves import CurvePoint
from rlformer.runs.spec import RunSpec

STEPS = grid.points(100_000)
CARTPOLE = env_cards.environment("CartPole-v1")
WITH_CARD = replace(CARTPOLE, random_score=0.0, reference_score=1.0)
WITHOUT = replace(CARTPOLE, random_score=None, reference_score=None)
POLICY = RandomPolicy(ActionSpec("discrete", (2,)), 0)
PROTOCOL = Protocol(curve_episodes=4, fresh_episodes=12)
FRESH = PROTOCOL.fresh_episodes


@dataclass
class Log:
    """Where points lie, and which policies are kept."""

    curve: list[CurvePoint] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)

    def played(self, point: CurvePoint) -> None:
        self.curve.append(point)

    def keep(self, step: int, save: SavePolicy) -> None:
        self.kept.append(step)


@dataclass(frozen=True)
class Known:
    """What every policy would return, and whether it would succeed, if all were played: (steps, episodes)."""

    returns: Array
    fresh: Array
    successes: Array | None = None
    fresh_successes: Array | None = None

    def test(
        self,
        monkeypatch: pytest.MonkeyPatch,
        env: EnvSpec,
        log: Log,
        protocol: Protocol = PROTOCOL,
        steps: Sequence[int] = STEPS,
        kind: LearnerKind = LEARNERS["sb3"],
    ) -> list[Mapping[str, float]]:
        """Put these policies to the test, in their order."""
        at = [0]

        def play(policy: object, spec: EnvSpec, seeds: Array, **_: Any) -> EvalResult:
            again = len(seeds) == FRESH
            returns, told = (self.fresh, self.fresh_successes) if again else (self.returns, self.successes)
            row, count = returns[at[0]], len(seeds)
            whole = np.ones(count, np.int64)
            return EvalResult("E", "a", seeds, row, whole, whole > 0, "greedy",
                              successes=None if told is None else told[at[0]])  # fmt: skip

        monkeypatch.setattr(curve, "evaluate", play)
        spec = replace(resolve(CARTPOLE, "ppo"), env=env)
        test, found = CurveTest(kind, spec, 0, protocol, log), list[Mapping[str, float]]()
        for i, step in enumerate(steps):
            at[0] = i
            found.append(test(POLICY, step, lambda directory: None))
        return found


def learning(rng: np.random.Generator, levels: Array | None = None) -> Known:
    """Policies that become better and worse again, played with luck."""
    level = np.cumsum(rng.normal(0.08, 0.25, len(STEPS))) if levels is None else levels
    return Known(*(level[:, None] + rng.normal(0, 0.3, (len(STEPS), count)) for count in (4, FRESH)))


def test_the_first_point_to_pass_is_exact_for_every_threshold_from_a_half_on(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, played = np.random.default_rng(0), 0
    for _ in range(100):
        known, log = learning(rng), Log()
        known.test(monkeypatch, WITH_CARD, log)
        played += sum(point.fresh != () for point in log.curve)
        means = np.minimum(known.returns.mean(axis=1), known.fresh.mean(axis=1))
        for threshold in (*rng.uniform(0.5, 2.5, 20), *means[means >= 0.5]):
            passing = np.flatnonzero(means >= threshold)
            expected = STEPS[passing[0]] if len(passing) else None
            first = curve.first_to_pass(log.curve, lambda value, z=threshold: value >= z)  # type: ignore[misc]
            assert first == expected
            assert expected is None or expected in log.kept
    assert played < 0.5 * 100 * len(STEPS)


def test_without_a_card_it_is_exact_for_every_return(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        known, log = learning(rng), Log()
        known.test(monkeypatch, WITHOUT, log)
        means = np.minimum(known.returns.mean(axis=1), known.fresh.mean(axis=1))
        for asked in means:
            expected = STEPS[int(np.argmax(means >= asked))]
            assert curve.first_to_pass(log.curve, lambda value, r=asked: value >= r) == expected  # type: ignore[misc]
            assert curve.passed(log.curve, WITHOUT, replace(PROTOCOL, good_enough=asked)) == (expected,)
            assert expected in log.kept


def test_where_the_environment_tells_success_it_is_exact_for_every_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though returns say nothing: the score stays below every threshold."""
    rng = np.random.default_rng(2)
    for _ in range(50):
        rates = np.clip(np.cumsum(rng.normal(0.05, 0.2, len(STEPS))), 0, 1)[:, None]
        flags = [rng.random((len(STEPS), count)) < rates for count in (4, FRESH)]
        flat, log = [np.zeros((len(STEPS), count)) for count in (4, FRESH)], Log()
        Known(*flat, *flags).test(monkeypatch, WITH_CARD, log)
        both = np.minimum(*(each.mean(axis=1) for each in flags))
        for rate in both[both > 0]:
            expected = STEPS[int(np.argmax(both >= rate))]
            assert curve.passed(log.curve, WITH_CARD, replace(PROTOCOL, success=rate)) == (expected,)
            assert expected in log.kept


def known_of(returns: Sequence[float], fresh: Sequence[float]) -> Known:
    return Known(*(np.repeat(np.array(each)[:, None], count, 1) for each, count in ((returns, 4), (fresh, FRESH))))


def test_fresh_episodes_are_played_only_where_a_point_may_be_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    known, log = known_of([0.4, 0.6, 0.55, 0.7, 0.7, 0.9], [0.0, 0.5, 1.0, 0.9, 1.0, 0.6]), Log()
    scalars = known.test(monkeypatch, WITH_CARD, log, steps=STEPS[:6])
    # .55 is above .5, all that the point before has shown on both; the last looked better than it was.
    assert [point.fresh != () for point in log.curve] == [False, True, True, True, False, True]
    assert log.kept == list(STEPS[1:4])
    confirmed = [point.get("eval/confirmed_return", 0.0) for point in scalars]
    assert confirmed == pytest.approx([0.0, 0.5, 1.0, 0.9, 0.0, 0.6])
    assert scalars[0] == {"eval/return": 0.4, "eval/length": 1.0, "eval/normalized_score": 0.4}
    assert [point.env_steps for point in log.curve] == [4, 16, 16, 16, 4, 16]


def test_the_end_of_a_budget_is_no_point_and_a_point_at_the_end_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for end, fresh in ((2500, False), (2828, True)):
        log = Log()
        known_of([0.6, 0.9], [0.6, 0.9]).test(monkeypatch, WITH_CARD, log, steps=(2000, end))
        assert [point.fresh != () for point in log.curve] == [True, fresh]
        assert log.kept == ([2000, end] if fresh else [2000])
        assert curve.passed(log.curve, WITH_CARD, PROTOCOL) == ((2000, end) if fresh else (2000,))


def test_what_an_earlier_session_played_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    known, whole, parts = known_of([0.6, 0.9, 0.8], [0.6, 0.9, 0.8]), Log(), Log()
    known.test(monkeypatch, WITH_CARD, whole, steps=STEPS[:3])
    known.test(monkeypatch, WITH_CARD, parts, steps=STEPS[:2])
    later = Known(known.returns[2:], known.fresh[2:])
    later.test(monkeypatch, WITH_CARD, parts, steps=STEPS[2:3])
    assert (parts.curve, parts.kept) == (whole.curve, whole.kept)
    assert parts.curve[-1].fresh == ()


def test_an_arm_that_learns_from_a_log_alone_is_tested_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    known_of([0.9], [0.9]).test(monkeypatch, WITH_CARD, log, steps=STEPS[:1], kind=LEARNERS["sequence"])
    assert [(point.fresh, log.kept) for point in log.curve] == [((), [])]


def test_a_threshold_below_a_half_is_exact_where_the_study_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    log, protocol = Log(), replace(PROTOCOL, thresholds=(0.2, 0.9))
    known_of([0.1, 0.3], [0.1, 0.3]).test(monkeypatch, WITH_CARD, log, protocol, steps=STEPS[:2])
    assert curve.passed(log.curve, WITH_CARD, protocol) == (1414,)


def test_where_less_is_better_scores_are_compared_and_not_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    env, log = replace(CARTPOLE, random_score=0.0, reference_score=-1.0), Log()
    known_of([-0.6, -0.4, -0.9], [-0.6, -0.4, -0.9]).test(monkeypatch, env, log, steps=STEPS[:3])
    assert log.kept == [1000, 2000]


def test_where_less_is_better_a_return_that_is_good_enough_is_an_upper_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    env, log = replace(CARTPOLE, random_score=10.0, reference_score=0.0), Log()
    known_of([8.0, 3.0, 1.0], [8.0, 3.0, 1.0]).test(monkeypatch, env, log, steps=STEPS[:3])
    assert curve.passed(log.curve, env, replace(PROTOCOL, thresholds=(), good_enough=4.0)) == (STEPS[1],)


def test_the_judge_finds_the_same_first_point_as_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it reads evaluations of other runs too, which stand on no grid."""
    rng, scale = np.random.default_rng(3), Scale(0.0, 1.0, "card")
    for _ in range(50):
        known, log = learning(rng), Log()
        known.test(monkeypatch, WITH_CARD, log)
        told = facts.Curve(
            tuple(float(point.step) for point in log.curve), (0.0,) * len(log.curve),
            tuple(point.mean for point in log.curve), tuple(point.fresh_mean for point in log.curve),
        )  # fmt: skip
        for threshold in (0.5, 0.9, 0.95, 1.5):
            first = first_pass(told, Bar(scale, threshold, "score", 0.0))
            own = curve.first_to_pass(log.curve, lambda value, z=threshold: value >= z)  # type: ignore[misc]
            assert (None if first is None else told.step[first.index]) == own


def test_a_point_is_what_its_policy_plays(tmp_path: Path) -> None:
    env, log = replace(CARTPOLE, random_score=0.0, reference_score=20.0), Log()  # random play is "good" here
    spec: RunSpec = replace(resolve(CARTPOLE, "ppo"), env=env)
    test = CurveTest(LEARNERS["sb3"], spec, 0, PROTOCOL, log)
    scalars = test(POLICY, 1000, None)
    (point,) = log.curve
    seeds = curve.seeding.episode_seeds(0, "curve", 4), curve.seeding.episode_seeds(0, "confirm", FRESH)
    usual, fresh = (evaluate(POLICY, env, each, name="random") for each in seeds)
    assert (point.returns, point.fresh) == (tuple(usual.returns), tuple(fresh.returns))
    assert (scalars["eval/return"], scalars["eval/confirmed_return"]) == (usual.mean, fresh.mean)
    assert point.env_steps == usual.env_steps + fresh.env_steps
    assert log.kept == []  # nobody said how to
