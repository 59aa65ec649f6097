"""Two arms against each other: what more seeds would settle, and how likely a recommendation is wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from rlformer import statistics
from rlformer.evaluator import Evidence, Terms
from rlformer.evaluator.judge import facts
from rlformer.evaluator.judge.decision import decide
from rlformer.evaluator.judge.doubts import about_the_open
from rlformer.evaluator.judge.facts import ArmEvidence, Rising
from rlformer.evaluator.judge.judging import verdict
from rlformer.evaluator.judge.objections import HardlyInLog, MeasuredScale, RisingArm, StillRising, WorseWithMore
from rlformer.evaluator.judge.outcomes import resolved
from rlformer.evaluator.judge.simple import simpler
from rlformer.evaluator.judge.standing import alone
from rlformer.evaluator.judge.weighing import Pair, weigh
from rlformer.runs.inputs import Cut, Recipe
from tests.support.make_evidence import arm, evidence, logged, prefix, run

PAID = Terms(share=1.0, logged_step=1.0)
CURVE = [(1000, 40.0, None), (4000, 95.0, 95.0)]


def ppo(seeds: int) -> ArmEvidence:
    """Good enough after 4,000 steps."""
    return arm("ppo", "online", [run(seed, 95.0, 8000, CURVE) for seed in range(seeds)])


def model(costs: Sequence[int], failed: int = 0, label: str = "dt", role: str = "candidate") -> ArmEvidence:
    """Good enough on logs of so many steps, but for the first runs."""
    scores = [10.0 if seed < failed else 95.0 for seed in range(len(costs))]
    runs = [logged(seed, score, cost, cost) for seed, (score, cost) in enumerate(zip(scores, costs, strict=True))]
    return arm(label, "sequence", runs, role)


def pair_of(found: Evidence, a: str, b: str) -> Pair:
    pair = weigh(found, alone(found.arm(a)), alone(found.arm(b)), resolved(found, PAID))
    assert pair is not None
    return pair


def test_more_runs_make_a_likely_order_of_costs_sure() -> None:
    """The quantiles of .95 and .8 are 1.645 and .842 standard errors."""
    assert statistics.more_runs(0.8, 0.95) == pytest.approx((1.6449 / 0.8416) ** 2, rel=1e-3)
    assert (statistics.more_runs(0.96, 0.95), statistics.more_runs(1.0, 0.95)) == (1.0, 1.0)
    assert (statistics.more_runs(0.5, 0.95), statistics.more_runs(0.0, 0.95)) == (math.inf, math.inf)


def test_seeds_to_settle_count_what_the_costs_leave_open() -> None:
    """Ten runs of ten on either side are enough to say "not worse"; which one is cheaper takes more."""
    found = evidence([ppo(10), model([500, 5500] * 5)])
    pair = pair_of(found, "ppo", "dt")
    side = pair.likelier()
    assert pair.arms[side].label == "dt"
    assert pair.held[side].p < 0.10
    assert 0.75 < pair.cheaper[side] < 0.95
    assert pair.strength(side) == "lean"
    needed, settles = pair.seeds_to_settle()
    assert needed == math.ceil(10 * statistics.more_runs(pair.cheaper[side], 0.95)) > 10
    assert settles is None


def test_where_costs_are_equal_seeds_can_show_no_more_than_that_neither_is_worse() -> None:
    pair = pair_of(evidence([ppo(10), model([4000] * 10, failed=1)]), "ppo", "dt")
    assert not pair.alike
    needed, settles = pair.seeds_to_settle()
    assert settles == "alike"
    assert 10 < needed < 100
    assert pair.facts().settles == "alike"


def test_a_simple_arm_is_recommended_as_firmly_as_it_is_cheaper() -> None:
    """20 of 20 runs on either side make "not worse" a claim; that it costs less is wrong in 4 % of cases."""
    simple = model([820 + 240 * i for i in range(20)], label="bc-top", role="simple")
    found = evidence([ppo(20), model([4000] * 20), simple])
    (weighed,) = simpler(found, alone(found.arm("dt")), Recipe(Cut("mid")), resolved(found, PAID), 10_000)
    assert weighed.facts.recommended
    assert weighed.facts.p_worse < 0.025 < weighed.error < 0.05
    assert weighed.strength == "probable"
    decided = decide(found, PAID)
    assert (decided.answer, decided.arm, decided.strength) == ("simpler", "bc-top", "probable")
    assert decided.error is not None
    assert 0.025 < decided.error < 0.05


# Doubts.


def test_a_model_that_a_longer_log_makes_worse_is_doubted() -> None:
    longest = [logged(seed, 50.0, 8000, 8000) for seed in range(4)]
    short = [prefix(of, 2000, 2000, 97.0, facts.Tested(97.0, 97.0)) for of in longest]
    found = verdict(evidence([ppo(4), arm("dt", "sequence", longest)], short), PAID)
    assert WorseWithMore("dt", pytest.approx(0.97), pytest.approx(0.5), 4) in found.doubts
    alike = [replace(one, mean_return=98.0) for one in longest]
    fine = verdict(evidence([ppo(4), arm("dt", "sequence", alike)], short), PAID)
    assert not any(isinstance(doubt, WorseWithMore) for doubt in fine.doubts)


def test_where_nothing_decides_between_two_arms_doubts_about_others_come_later() -> None:
    found = decide(evidence([ppo(10), model([4000] * 10, failed=1)]), PAID)
    assert found.strength is None
    other = HardlyInLog("cql", "target", 0.9, 100.0, 1, 50)
    scale, rising = MeasuredScale("random play"), StillRising((RisingArm("dt", Rising(0.2, 3.0, 8)),))
    assert about_the_open(found, (other, scale, rising)) == (scale, rising, other)
    chosen = replace(found, strength="probable", answer="online", arm="ppo")
    assert about_the_open(chosen, (other, scale, rising)) == (other, scale, rising)
