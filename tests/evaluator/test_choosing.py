"""What choosing, deploying and learning cost, from stored episodes: right by numbers small enough to be checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rlformer.core.errors import InputError
from rlformer.core.records import Cost, EnvSpec, EvalResult
from rlformer.evaluator import judge
from rlformer.evaluator.as_json import decode, encode
from rlformer.evaluator.judge.choices import (
    Breakage,
    BrokenRun,
    Choosing,
    Deployment,
    Failing,
    WhileLearning,
)
from rlformer.evaluator.judge.evidence import Judgement
from rlformer.evaluator.judge.terms import Terms
from rlformer.evaluator.judge.values import Estimate
from rlformer.runs.directory import RunDirectory
from rlformer.runs.episodes import EpisodeWriter
from rlformer.runs.inputs import Cut, LogInput, Recipe
from rlformer.runs.spec import RunSpec
from tests.support.make_runs import BC, BEHAVIOUR, DT, PPO, RANDOM, Invented

ENV = EnvSpec("Small-v0", "Small-v0", random_score=0.0, reference_score=10.0)
UNSCORED = replace(ENV, random_score=None, reference_score=None)


def make(
    root: Path,
    arm: Invented,
    seed: int,
    returns: Sequence[float],
    env: EnvSpec = ENV,
    *,
    asked: Mapping[float, Sequence[float]] | None = None,
    chosen: float | None = None,
    curve: Sequence[tuple[int, float]] = (),
    env_steps: int = 0,
    log: LogInput | None = None,
    episodes: Sequence[tuple[float, int, int]] = (),
    successes: Sequence[bool] | None = None,
    length: int = 5,
) -> RunDirectory:
    """A finished run with exactly these numbers; every episode takes `length` steps."""
    spec = RunSpec(env, arm.spec, arm.hyperparameters, () if log is None else (log,))
    run = RunDirectory.of(root, spec, seed)

    def result(values: Sequence[float], target: float | None, told: Sequence[bool] | None = None) -> EvalResult:
        count = len(values)
        seeds, lengths, ended = np.arange(count), np.full(count, length), np.ones(count, bool)
        successes = None if told is None else np.array(told)
        return EvalResult(
            env.name, arm.agent, seeds, np.array(values, float), lengths, ended, "greedy", target, successes=successes
        )

    with run.session(spec, seed) as session:
        for step, value in curve:
            session.scalars({"eval/return": value}, step)
        run.save_evaluation("final", result(returns, chosen, successes))
        for i, (target, values) in enumerate((asked or {}).items()):
            run.save_evaluation(f"target-{i}", result(values, target))
        if episodes:
            writer = EpisodeWriter(run.path)
            for episode in episodes:
                writer.append(*episode)
            writer.close()
        read = (0, 0) if log is None else (log.num_steps, log.upstream_env_steps)
        session.end("finished", Cost(env_steps, logged_steps=read[0], upstream_env_steps=read[1]))
    return run


def log_of(
    seed: int, steps: int = 3000, upstream: int | None = 4000, share: float | None = None, maker: str = ""
) -> LogInput:
    recipe = Recipe(Cut("mid"), budget=share)
    return LogInput(
        f"{seed}-{share}", recipe, "logs/mine", num_steps=steps, upstream_env_steps=upstream,
        maker_hash=maker or None, made_here=bool(maker),
    )  # fmt: skip


def chosen(root: Path, terms: Terms | None = None) -> Choosing:
    judgement = judge([root], terms=terms)
    assert decode(Judgement, encode(judgement)).environments[0].choosing == judgement.environments[0].choosing
    found = judgement.environments[0].choosing
    assert found is not None
    return found


def deployment(found: Choosing, group: str, name: str = "") -> Deployment:
    (one,) = [each for each in found.deployments if (each.group, each.name) == (group, name)]
    return one


def point(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.point


# What a bandit would deploy.


def two_targets(root: Path) -> None:
    """Asked for 4, the default, each policy returns 4; asked for 8, seed 0 returns 8 and seed 1 returns 6."""
    for seed, reached in ((0, 8.0), (1, 6.0)):
        asked = {4.0: [4.0, 4.0], 8.0: [reached, reached]}
        make(root, DT, seed, [5.0, 5.0], asked=asked, chosen=4.0, log=log_of(seed))


def test_a_bandit_tries_both_targets_and_then_deploys_the_better(tmp_path: Path) -> None:
    two_targets(tmp_path)
    found = deployment(chosen(tmp_path, Terms(env_step=2.0)), "targets", "dt")
    assert (found.labels, found.seeds, found.policies) == (("dt",), (0, 1), 2)
    assert found.score[0] == pytest.approx((0.4 + 0.7) / 2, abs=0.03)  # one of them, at random
    assert found.score[1:] == pytest.approx([0.7] * 14)
    assert (found.unchosen.point, found.best.point) == (0.4, 0.7)
    assert (found.gain.low, found.gain.point, found.gain.high) == pytest.approx((0.2, 0.3, 0.4))
    assert found.low is not None
    assert found.high is not None
    assert (found.low[-1], found.high[-1]) == pytest.approx((0.6, 0.8))  # of two seeds, one drawn twice
    assert found.env_steps == tuple(5.0 * n for n in found.episodes)
    assert found.cost == tuple(10.0 * n for n in found.episodes)
    assert found.worth_from == 1


def test_a_family_is_chosen_from_with_all_its_arms_and_targets(tmp_path: Path) -> None:
    """bc's one policy stands beside dt's two; without a choice one has an arm at random at its default target."""
    two_targets(tmp_path)
    for seed in (0, 1):
        make(tmp_path, BC, seed, [1.0, 3.0], log=log_of(seed))
        make(tmp_path, PPO, seed, [9.0], curve=[(1000, 9.0)], env_steps=1000)
    found = chosen(tmp_path)
    assert [(each.group, each.name) for each in found.deployments] == [
        ("targets", "dt"), ("family", "sequence"), ("all", ""), ("trainings", ""),
    ]  # fmt: skip
    family = deployment(found, "family", "sequence")
    assert (family.labels, family.policies) == (("bc", "dt"), 3)
    assert family.unchosen.point == pytest.approx((0.2 + 0.4) / 2)
    assert deployment(found, "all").best.point == pytest.approx(0.9)


def test_of_all_seeds_the_best_training_is_deployed(tmp_path: Path) -> None:
    """Drawn again, the seeds are twice the worse one, twice the better one, or both."""
    for seed, reached in ((0, 8.0), (1, 6.0)):
        make(tmp_path, PPO, seed, [reached] * 3, env_steps=1000)
    found = deployment(chosen(tmp_path), "trainings")
    assert (found.labels, found.policies) == (("ppo",), 2)
    assert found.score[0] == pytest.approx(0.7, abs=0.03)
    assert found.score[1:] == pytest.approx([0.8] * 14)
    assert found.low is not None
    assert found.high is not None
    assert (found.low[-1], found.high[-1]) == pytest.approx((0.6, 0.8))
    assert (found.best.low, found.best.point, found.best.high) == pytest.approx((0.6, 0.8, 0.8))
    assert found.unchosen.point == pytest.approx(0.7)
    assert (found.gain.low, found.gain.point, found.gain.high) == pytest.approx((0.0, 0.1, 0.1), abs=1e-6)


def test_a_seed_that_an_arm_lacks_is_chosen_from_by_none(tmp_path: Path) -> None:
    make(tmp_path, BC, 0, [1.0], log=log_of(0))
    make(tmp_path, BC, 1, [1.0], log=log_of(1))
    make(tmp_path, PPO, 1, [9.0], env_steps=1000)
    assert deployment(chosen(tmp_path), "all").seeds == (1,)


def test_without_scores_on_a_card_returns_are_compared(tmp_path: Path) -> None:
    asked = {400.0: [300.0, 500.0], 800.0: [800.0, 800.0]}
    for seed in (0, 1):
        make(tmp_path, DT, seed, [450.0], UNSCORED, asked=asked, chosen=400.0, log=log_of(seed))
    found = chosen(tmp_path)
    assert (found.unit, found.breaking) == ("return", None)
    assert deployment(found, "targets", "dt").score[-1] == pytest.approx(800.0)


# Last, best, best target.


def test_the_best_checkpoint_and_the_best_target_are_told_with_what_they_add(tmp_path: Path) -> None:
    asked = {4.0: [4.0, 4.0, 4.0, 4.0], 8.0: [9.0, 3.0, 9.0, 3.0]}
    curves = ([(100, 3.0), (200, 8.0), (300, 6.0)], [(100, 2.0), (200, 4.0), (300, 4.0)])
    for seed, curve in enumerate(curves):
        make(tmp_path, DT, seed, [5.0], asked=asked, chosen=4.0, curve=curve, log=log_of(seed))
    (found,) = chosen(tmp_path).choices
    assert (found.label, found.seeds, found.last.point) == ("dt", (0, 1), 0.5)
    assert (point(found.best_checkpoint), point(found.checkpoint_adds)) == pytest.approx((0.6, 0.1))
    assert (point(found.best_target), point(found.target_adds)) == pytest.approx((0.6, 0.2))
    # Chosen on the even episodes, 8 is asked for, and returns 3 on the odd ones; chosen on these, 4 is.
    assert point(found.target_adds_elsewhere) == pytest.approx((-0.1 + 0.0) / 2)
    assert found.checkpoint_adds is not None
    assert (found.checkpoint_adds.low, found.checkpoint_adds.high) == pytest.approx((0.0, 0.2))


def test_an_arm_without_a_curve_or_a_target_has_nothing_to_choose(tmp_path: Path) -> None:
    make(tmp_path, BC, 0, [1.0], log=log_of(0))
    (found,) = chosen(tmp_path).choices
    assert (found.best_checkpoint, found.checkpoint_adds, found.best_target, found.target_adds) == (None,) * 4


def test_what_learns_by_interaction_is_no_imitator(tmp_path: Path) -> None:
    make(tmp_path, PPO, 0, [9.0], curve=[(1000, 9.0)], env_steps=1000)
    assert not chosen(tmp_path).choices


# Risks.


def test_a_run_is_reduced_to_a_number_before_seeds_are_averaged(tmp_path: Path) -> None:
    """Seed 0 fails in 2 of 20 episodes, seed 1 in none. Pooled, the worst tenth would be of seed 0 alone."""
    make(tmp_path, BC, 0, [1.0, 3.0, *[10.0] * 18], log=log_of(0))
    make(tmp_path, BC, 1, [9.0, 9.0, *[10.0] * 18], log=log_of(1))
    found = chosen(tmp_path)
    assert found.failing == Failing("threshold", 8.0)  # .9 - 2 * .05 of 10
    (risk,) = found.risks
    assert risk.cvar.point == pytest.approx((0.2 + 0.9) / 2)
    assert (risk.cvar.low, risk.cvar.high) == pytest.approx((0.2, 0.9))
    assert risk.failure_rate == Estimate(0.0, 0.05, 0.1)
    assert risk.mean.point == pytest.approx((184 / 20 + 198 / 20) / 20)


def test_a_failure_is_what_the_environment_tells_where_no_card_has_scores(tmp_path: Path) -> None:
    told = [True, False, False, False]
    make(tmp_path, BC, 0, [1.0, 2.0, 3.0, 4.0], UNSCORED, log=log_of(0), successes=told)
    found = chosen(tmp_path)
    assert found.failing == Failing("success")
    assert point(found.risks[0].failure_rate) == 0.75


def test_a_rate_of_successes_that_nobody_told_is_refused(tmp_path: Path) -> None:
    make(tmp_path, BC, 0, [1.0, 2.0, 3.0, 4.0], log=log_of(0))
    with pytest.raises(InputError, match=r"success 0\.8: the environment reported success to no run"):
        chosen(tmp_path, Terms(success=0.8))


def test_a_failure_is_what_the_environment_tells_where_a_rate_of_successes_is_good_enough(tmp_path: Path) -> None:
    """On a card with scores too: a rate less two margins is no return."""
    make(tmp_path, BC, 0, [1.0, 2.0, 3.0, 4.0], log=log_of(0), successes=[True, False, False, False])
    found = chosen(tmp_path, Terms(success=0.8))
    assert found.failing == Failing("success")
    assert point(found.risks[0].failure_rate) == 0.75


def test_else_a_failure_is_worse_than_nearly_all_of_the_log(tmp_path: Path) -> None:
    make(tmp_path, BEHAVIOUR, 0, [float(n) for n in range(101)], UNSCORED, log=log_of(0))
    make(tmp_path, BC, 0, [4.0, 6.0, 6.0, 6.0], UNSCORED, log=log_of(0))
    found = chosen(tmp_path)
    assert found.failing == Failing("log", 5.0)
    assert point(found.risks[0].failure_rate) == 0.25


def test_without_any_of_these_nothing_says_what_a_failure_is(tmp_path: Path) -> None:
    make(tmp_path, BC, 0, [4.0, 6.0], UNSCORED, log=log_of(0))
    found = chosen(tmp_path)
    assert (found.failing, found.risks[0].failure_rate) == (None, None)


# Equal data.


def test_after_so_many_steps_an_online_arm_has_the_last_point_of_its_curve(tmp_path: Path) -> None:
    curve = [(0, 1.0), (1000, 2.0), (1414, 3.0), (2000, 4.0), (2828, 5.0), (3000, 9.0), (8000, 7.0)]
    make(tmp_path, PPO, 0, [9.0], curve=curve, env_steps=8000)
    (found,) = chosen(tmp_path).equal_data
    assert (found.label, found.by) == ("ppo", "env_steps")
    measured = {each.steps: (each.measured_at, each.score.point) for each in found.scores}
    assert measured == {1000: (1000, 0.2), 2000: (2000, 0.4), 4000: (3000, 0.9), 8000: (8000, 0.7)}


def test_an_imitator_has_the_longest_prefix_by_logged_steps_and_by_the_steps_behind_them(tmp_path: Path) -> None:
    for seed in (0, 1):
        make(tmp_path, BC, seed, [8.0], log=log_of(seed, 3000, 4500))
        shorter = make(tmp_path, BC, seed, [4.0 + seed], log=log_of(seed, 1500, 2000, share=0.5))
        assert shorter.spec.budget == 0.5
    logged, behind = sorted(chosen(tmp_path).equal_data, key=lambda each: each.by == "env_steps")
    assert (logged.by, behind.by) == ("logged_steps", "env_steps")
    assert [(each.steps, each.seeds, each.measured_at) for each in logged.scores] == [(2000, 2, 1500), (4000, 2, 3000)]
    assert [each.score.point for each in logged.scores] == pytest.approx([0.45, 0.8])
    assert [(each.steps, each.measured_at) for each in behind.scores] == [(2000, 2000), (8000, 4500)]


def test_a_number_of_steps_is_left_out_where_a_seed_has_nothing_yet(tmp_path: Path) -> None:
    """Logs of 1,500 and 3,000 steps: at 2,000 the second has no model, at 4,000 the first still has its own."""
    for seed, steps in ((0, 1500), (1, 3000)):
        make(tmp_path, BC, seed, [4.0 + 2 * seed], log=log_of(seed, steps, None))
    (found,) = chosen(tmp_path).equal_data
    assert [(each.steps, each.seeds, each.measured_at) for each in found.scores] == [(4000, 2, 2250)]
    assert found.scores[0].score.point == pytest.approx(0.5)


def test_a_log_of_unknown_origin_counts_by_its_own_steps_alone(tmp_path: Path) -> None:
    make(tmp_path, BC, 0, [8.0], log=log_of(0, 3000, None))
    assert [each.by for each in chosen(tmp_path).equal_data] == ["logged_steps"]


# While learning.

BAD, FAIR, GOOD = -5.0, 4.0, 10.0  # z of -.5, .4 and 1
EPISODES = ((BAD, 300, 300), (BAD, 600, 900), (FAIR, 500, 1400), (GOOD, 400, 1800), (BAD, 1200, 3000))


def test_a_training_breaks_what_it_breaks_up_to_the_threshold_and_to_its_end(tmp_path: Path) -> None:
    """Without a log a failure is below random play. The first seed reaches the threshold after 1,416 steps."""
    for seed, best in ((0, 9.5), (1, 1.0)):
        curve = [(1000, 1.0), (1416, best), (2000, best), (3000, best)]
        make(tmp_path, PPO, seed, [best], curve=curve, env_steps=3000, episodes=EPISODES)
    found = chosen(tmp_path).breaking
    assert found is not None
    assert (found.failing, found.reference, found.measured) == (Failing("random", 0.0), 10.0, False)
    (arm,) = found.arms
    assert arm.runs[0] == BrokenRun(
        0, (1000, 2000, 3000), (2, 4, 5), (2, 2, 3), pytest.approx((3.0, 3.6, 5.1)), arm.runs[0].until
    )  # type: ignore[arg-type]
    assert (arm.runs[0].until, arm.runs[1].until) == (1416, None)
    assert arm.to_threshold is not None
    assert arm.budget is not None
    assert (arm.to_threshold.episodes.point, arm.to_threshold.failures.point) == (4.0, 2.5)  # 3 and 5; 2 and 3
    assert arm.to_threshold.shortfall.point == pytest.approx((3.6 + 5.1) / 2)
    assert (arm.budget.failures.point, arm.budget.shortfall.point) == (3.0, pytest.approx(5.1))


def test_what_learns_from_a_log_breaks_nothing_but_who_made_it_did(tmp_path: Path) -> None:
    """The log was cut after 1,500 steps: two of the maker's three failures are behind it."""
    maker = make(tmp_path, PPO, 0, [9.5], curve=[(1000, 1.0)], env_steps=3000, episodes=EPISODES)
    log = log_of(0, 1400, 1500, maker=maker.record.spec_hash)
    make(tmp_path, BC, 0, [8.0], log=log)
    found = chosen(tmp_path).breaking
    assert found is not None
    arms = {arm.label: arm for arm in found.arms}
    none = Estimate(None, 0.0, None)
    nothing = Breakage(none, none, none)
    assert (arms["bc"].to_threshold, arms["bc"].budget) == (nothing, nothing)
    behind = arms["bc"].behind_log
    assert behind is not None
    assert (behind.episodes.point, behind.failures.point) == (3, 2)
    assert behind.shortfall.point == pytest.approx(3.6)
    assert arms["ppo"].behind_log is None


def test_a_failure_while_learning_is_worse_than_nearly_all_of_the_log(tmp_path: Path) -> None:
    make(tmp_path, BEHAVIOUR, 0, [5.0] * 50, log=log_of(0))
    make(tmp_path, PPO, 0, [9.5], curve=[(1000, 1.0)], env_steps=3000, episodes=EPISODES)
    found = chosen(tmp_path).breaking
    assert found is not None
    assert found.failing == Failing("log", 5.0)
    (arm,) = found.arms
    assert point(arm.budget.failures if arm.budget else None) == 4  # the fair one too


def test_without_a_card_an_episode_falls_short_of_what_is_good_enough(tmp_path: Path) -> None:
    """Random play returns 0, so that -5, -5, 4, 10 and -5 lack 2, 2, .2, 0 and 2 of 5."""
    make(tmp_path, RANDOM, 0, [0.0], UNSCORED)
    make(tmp_path, PPO, 0, [9.5], UNSCORED, curve=[(1000, 1.0)], env_steps=3000, episodes=EPISODES)
    found = chosen(tmp_path, Terms(good_enough=5.0))
    assert found.breaking is not None
    assert (found.failing, found.breaking.reference) == (Failing("threshold", 4.5), 5.0)
    (arm,) = found.breaking.arms
    assert arm.budget is not None
    assert arm.budget.shortfall.point == pytest.approx(6.2)


def test_a_training_that_recorded_nothing_is_not_said_to_have_broken_nothing(tmp_path: Path) -> None:
    make(tmp_path, PPO, 0, [9.5], curve=[(1000, 1.0)], env_steps=3000)
    found = chosen(tmp_path).breaking
    assert found is not None
    assert found.arms == (WhileLearning("ppo", None, None, None, ()),)


def test_where_nothing_was_trained_there_is_nothing_to_choose(tmp_path: Path) -> None:
    make(tmp_path, RANDOM, 0, [0.0])
    assert judge([tmp_path]).environments[0].choosing is None
