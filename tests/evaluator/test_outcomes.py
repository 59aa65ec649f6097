"""Where a run was first good enough, what it scores there and what that has cost: worked out by hand."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from rlformer.core.errors import InputError
from rlformer.core.records import Cost, EnvSpec
from rlformer.evaluator import Evidence, Terms
from rlformer.evaluator.as_json import decode, encode, rounded
from rlformer.evaluator.judge import facts
from rlformer.evaluator.judge.break_even import break_even
from rlformer.evaluator.judge.comparisons import compare_arms
from rlformer.evaluator.judge.decision import decide
from rlformer.evaluator.judge.facts import ArmEvidence, Curve, Kept, RunFacts
from rlformer.evaluator.judge.fill_scorecard import scorecard
from rlformer.evaluator.judge.judging import verdict
from rlformer.evaluator.judge.needs import needs
from rlformer.evaluator.judge.outcomes import Outcome, bar_of, outcomes, resolved
from rlformer.evaluator.judge.prices import made_here
from rlformer.evaluator.judge.standing import candidate_of
from rlformer.evaluator.judge.sweep import sweep
from rlformer.evaluator.judge.terms import Spent
from rlformer.evaluator.judge.verdict import Selected
from tests.support.make_evidence import CARD, arm, evidence, logged, prefix, run

UNSCORED = EnvSpec("Unscored-v0", "Unscored-v0")
# Passes at 4,000: at 2,000 the ten episodes were lucky, at 2,828 no fresh ones were played.
CURVE = [(1000, 40.0, None), (1414, 60.0, 55.0), (2000, 92.0, 70.0), (2828, 91.0, None), (4000, 95.0, 93.0),
         (5657, 99.0, 99.0), (6000, 100.0, None)]  # fmt: skip


def of(found: Evidence, label: str, terms: Terms | None = None) -> tuple[Outcome, ...]:
    """The outcomes of an arm."""
    terms = resolved(found, terms or Terms())
    return outcomes(found, found.arm(label), bar_of(found, terms), terms)


def one(single: RunFacts, terms: Terms | None = None) -> Outcome:
    """Of a run that interacts."""
    return of(evidence([arm("ppo", "online", [single])]), "ppo", terms)[0]


# T(tau).


def test_a_run_is_charged_up_to_the_first_point_that_passes_twice() -> None:
    found = one(run(0, 100.0, 6000, CURVE, [Kept(1414, 58.0, (58.0,)), Kept(4000, 94.0, (94.0,))]))
    assert (found.at, found.confirmed, found.score, found.scored_by, found.end) == (4000, True, 94.0, "kept", 100.0)
    assert (found.reached, found.failed, found.z) == (True, False, pytest.approx(0.94))
    assert (found.spent.env_steps, found.spent.learning_cpu, found.spent.learning_seconds) == (4000, 5.0, 8.0)
    assert found.spent.evaluation_env_steps == 7000


def test_measuring_is_charged_up_to_there_too_where_the_curve_tells_its_steps() -> None:
    """Five points up to 4,000; what a longer training goes on to measure changes no cost."""
    single = run(0, 100.0, 6000, CURVE)
    played = tuple(100.0 * (i + 1) for i in range(len(CURVE)))
    found = one(replace(single, curve=replace(single.curve, env_steps=played)))
    assert found.spent.evaluation_env_steps == 100 + 200 + 300 + 400 + 500


def test_with_a_low_threshold_a_run_at_random_play_has_failed() -> None:
    """.08 - 2 * .05 lies below random play: half of the threshold is asked then."""
    level = Terms(threshold=0.08)
    kept = [one(run(0, 100.0, 6000, CURVE, [Kept(1000, score, (score,))]), level) for score in (1.0, 5.0)]
    assert [found.failed for found in kept] == [True, False]


@pytest.mark.parametrize(("threshold", "at"), [(0.5, 1414), (0.9, 4000), (0.95, 5657), (1.0, None)])
def test_any_threshold_is_found_later(threshold: float, at: float | None) -> None:
    """At 6,000, the end of the budget, ten episodes reach 1.0: it is no point of the grid."""
    assert one(run(0, 100.0, 6000, CURVE), Terms(threshold=threshold)).at == at


def test_without_the_kept_policy_its_fresh_episodes_are_its_score() -> None:
    found = one(run(0, 100.0, 6000, CURVE))
    assert (found.at, found.score, found.scored_by) == (4000, 93.0, "fresh")


def test_what_scores_far_below_the_threshold_afterwards_has_failed() -> None:
    """.9 - 2 * .05 = .8: it pays its 4,000 steps all the same."""
    kept = [one(run(0, 100.0, 6000, CURVE, [Kept(4000, score, (score,))])) for score in (79.0, 81.0)]
    assert [(found.at, found.failed, found.reached) for found in kept] == [(4000, True, False), (4000, False, True)]


def test_a_run_that_never_passes_pays_the_common_budget_and_its_time_in_proportion() -> None:
    """The longest training has 40,000 steps; its own 10,000 took 10 seconds of CPU time and 20 of wall time."""
    short = run(0, 60.0, 10_000, [(1000, 40.0, None), (8000, 60.0, 60.0)])
    arms = [arm("ppo", "online", [short]), arm("dqn", "online", [run(0, 100.0, 40_000, CURVE)])]
    (found,) = of(evidence(arms), "ppo")
    assert (found.at, found.limit, found.failed, found.score) == (None, 40_000, True, 60.0)
    assert (found.spent.env_steps, found.spent.learning_cpu, found.spent.learning_seconds) == (40_000, 40.0, 80.0)
    (less,) = of(evidence(arms), "ppo", Terms(budget=5000))
    assert (less.spent.env_steps, less.spent.learning_cpu) == (5000, 5.0)


def test_what_passes_behind_the_budget_has_not_passed() -> None:
    assert [one(run(0, 100.0, 6000, CURVE), Terms(budget=steps)).at for steps in (3999, 4000)] == [None, 4000]


def test_what_a_training_reached_behind_the_budget_is_not_its_score() -> None:
    """The preset of another arm, or the reader, says that 3,000 steps are all there is: 91 at 2,828, and not 100."""
    found = one(run(0, 100.0, 6000, CURVE), Terms(budget=3000))
    assert (found.at, found.failed, found.score, found.scored_by, found.end) == (None, True, 91.0, "curve", 100.0)
    within = one(run(0, 60.0, 6000, CURVE), Terms(budget=6000, threshold=1.0))
    assert (within.score, within.scored_by) == (60.0, "final")


def test_a_run_that_broke_off_pays_what_it_spent_and_a_missing_one_is_a_failure() -> None:
    broken = replace(run(0, 0.0, 3000), status="failed", counts=False, mean_return=None)
    found = of(evidence([arm("ppo", "online", [broken, run(1, 99.0, 6000, CURVE)], missing=[2])]), "ppo")
    assert [(each.seed, each.failed, each.spent.env_steps) for each in found] == [
        (0, True, 3000), (1, False, 4000), (2, True, 0),
    ]  # fmt: skip


def test_evaluations_of_older_runs_count_where_they_are_the_first_behind_a_point_of_the_grid() -> None:
    """Every 2,048 steps: 10,240 lies behind 8,000 like 8,192, and is no second chance."""
    values = [(2048, 50.0, None), (4096, 50.0, None), (6144, 50.0, None), (8192, 50.0, None), (10_240, 95.0, None),
              (12_288, 96.0, None)]  # fmt: skip
    found = one(run(0, 97.0, 12_288, values))
    assert (found.at, found.confirmed, found.scored_by, found.score) == (12_288, False, "final", 97.0)


def test_of_a_run_without_a_curve_its_end_is_all_that_is_known() -> None:
    good, bad = one(run(0, 97.0, 5000)), one(run(0, 60.0, 5000))
    assert (good.at, good.confirmed, good.spent.env_steps) == (5000, False, 5000)
    assert (bad.at, bad.failed) == (None, True)


# N(tau).


def offline(*finals: float) -> tuple[Evidence, ArmEvidence]:
    """dt on a log of 4,000 steps, and on prefixes of 1,000, 2,000 and 8,000, with these scores by size."""
    own = logged(0, finals[2], 4000, 5000)
    sizes = [(1000, 1200, finals[0]), (2000, 2500, finals[1]), (8000, 9000, finals[3])]
    found = evidence([arm("dt", "sequence", [own])], [prefix(own, *size) for size in sizes])
    return found, found.arm("dt")


@pytest.mark.parametrize(
    ("finals", "at", "above", "upstream", "cpu"),
    [
        ((50, 95, 60, 99), 2000, 1000, 2500, 2.0),  # the shortest that passes, whatever longer ones do
        ((91, 95, 60, 99), 1000, 0, 1200, 1.0),
        ((50, 80, 92, 99), 4000, 2000, 5000, 10.0),  # its own log
        ((50, 80, 85, 99), 8000, 4000, 9000, 8.0),
        ((50, 80, 85, 89), None, 0, 9000, 8.0),  # none: its largest log
    ],
)
def test_the_shortest_prefix_that_passes_is_charged(
    finals: Sequence[float], at: float | None, above: float, upstream: float, cpu: float
) -> None:
    found, dt = offline(*finals)
    (outcome,) = outcomes(found, dt, bar_of(found, Terms()), Terms())
    assert (outcome.at, outcome.above, outcome.limit) == (at, above, 8000)
    assert (outcome.spent.logged_steps, outcome.spent.upstream_env_steps) == (at or 8000, upstream)
    assert (outcome.spent.learning_cpu, outcome.spent.upstream_cpu) == (cpu, upstream / 1000)
    assert outcome.failed == (at is None)
    assert outcome.score == (finals[[1000, 2000, 4000, 8000].index(int(at))] if at else finals[3])


def test_what_learns_from_a_log_pays_the_same_budget_where_it_never_passes() -> None:
    """Its log was of 8,000 steps, and the longest training by interaction of 30,000: a short log is no discount."""
    found, dt = offline(50, 80, 85, 89)
    (outcome,) = outcomes(found, dt, bar_of(found, Terms()), Terms(budget=30_000))
    assert (outcome.at, outcome.limit, outcome.failed) == (None, 30_000, True)
    assert (outcome.spent.logged_steps, outcome.spent.upstream_env_steps) == (30_000, 9000 + 22_000)
    assert outcome.spent.learning_cpu == 8.0  # of the training that it had
    (shorter,) = outcomes(found, dt, bar_of(found, Terms()), Terms(budget=5000))
    assert shorter.limit == 8000


def test_a_model_passes_the_same_test_as_a_policy_while_it_learns() -> None:
    """100 final episodes at .95 do not make up for 30 fresh ones at .85."""
    for test, at in (((95.0, 85.0), None), ((85.0, 95.0), None), ((91.0, 90.0), 4000)):
        found = evidence([arm("dt", "sequence", [logged(0, 95.0, 4000, 5000, facts.Tested(*test))])])
        assert of(found, "dt")[0].at == at
    old = replace(logged(0, 95.0, 4000, 5000), test=None)
    assert [(each.at, each.confirmed) for each in of(evidence([arm("dt", "sequence", [old])]), "dt")] == [(4000, False)]


def test_needs_tell_what_lies_between_prefixes_and_how_early_the_training_could_have_stopped() -> None:
    own = [logged(seed, 60.0, 4000, 5000) for seed in (0, 1)]
    prefixes = [prefix(each, size, size + 500, score) for each in own for size, score in ((1000, 50.0), (2000, 95.0))]
    ppo = [run(seed, 100.0, 6000, CURVE) for seed in (0, 1)]
    found = needs(evidence([arm("dt", "sequence", own), arm("ppo", "online", ppo)], prefixes, made_here=True), Terms())
    assert found is not None
    row = next(row for row in found.grid if row.threshold == 0.9)
    assert (row.times, row.above, row.sizes, row.env_steps) == ((2000, 2000), (1000, 1000), 3, (2500, 2500))
    assert (row.rmst, row.ert, row.score and row.score.point) == (2000, 2000, pytest.approx(0.95))
    assert row.upstream_cpu is not None
    assert row.upstream_cpu.point == 2.5
    own_row = next(row for row in found.online if row.threshold == 0.9)
    assert (own_row.times, own_row.budget, own_row.held) == ((4000, 4000), 6000, 2)
    assert own_row.learning_cpu is not None
    assert own_row.learning_cpu.point == 5.0
    early = next(row for row in found.early if row.threshold == 0.9)
    assert (early.online, early.rmst, early.reached) == ("ppo", (2500, 4000), (2, 2))


# Costs.


def test_a_cost_has_its_own_learning_and_the_share_of_what_made_its_log() -> None:
    spent = Spent(1000, 100, 50, 400, 2400, 30.0, 60.0, 20.0)
    terms = Terms(env_step=2.0, cpu_second=10.0, share=0.25, evaluation_step=4.0)
    # 2 (1000 + 100) + .25 * 2 (2400 - 400) + 10 (30 + .25 * 20) + 4 * 50, and 2 * 400 where the log was made here.
    given = 2200 + 1000 + 350 + 200
    assert terms.settled(made_here=False).cost(spent) == terms.cost(spent) == given
    assert terms.settled(made_here=True).cost(spent) == given + 800
    assert replace(terms, logged_step=0.5).settled(made_here=True).cost(spent) == given + 200
    assert replace(terms, share=None).settled(made_here=True).cost(spent) == 2200 + 800 + 4000 + 500 + 200
    assert replace(terms, share=None).settled(made_here=False).cost(spent) == 2200 + 300 + 200


def study(budget: int, seeds: int = 12, bad: int = 2) -> Evidence:
    """ppo reaches the threshold at 4,000 of its steps but on some seeds; dt does from a log that ppo made."""
    curve = [point for point in CURVE[:-1] if point[0] <= budget]
    longer = [*curve, *((step, 99.0, None) for step in (8000, 11_314) if step <= budget), (budget, 99.0, None)]
    kept = [Kept(4000, 94.0, (94.0,))]
    flat = [(step, 30.0, None) for step, _, _ in longer]
    ppo = [run(s, 90.0 + budget / 1500, budget, flat if s < bad else longer, [] if s < bad else kept)
           for s in range(seeds)]  # fmt: skip
    dt = [logged(seed, 95.0, 900, 1000) for seed in range(seeds)]
    return evidence([arm("dt", "sequence", dt), arm("ppo", "online", ppo)], made_here=True)


def test_twice_the_budget_gives_the_same_verdict() -> None:
    once, twice = (decide(study(budget, bad=0), Terms(), 200) for budget in (6000, 12_000))
    assert (once.answer, once.arm, once.strength) == ("sequence", "dt", "probable")
    assert replace(once, terms=twice.terms) == twice
    assert once.pair is not None
    assert (once.pair.a.cost, once.pair.b.cost) == (4000, 1000)
    assert (once.terms.budget, twice.terms.budget) == (6000, 12_000)


def test_the_budget_of_those_that_never_pass_is_printed_and_swept() -> None:
    """10 of 12 pass: (10 * 4,000 + 2 * B) / 10 for a success."""
    found = study(6000)
    verdict = decide(found, Terms(), 200)
    assert verdict.pair is not None
    assert verdict.pair.a.cost == pytest.approx(4000 + 0.2 * 6000)
    dear = decide(found, Terms(budget=60_000), 200)
    assert dear.pair is not None
    assert dear.pair.a.cost == pytest.approx(4000 + 0.2 * 60_000)
    swept = sweep(found, verdict)
    assert swept is not None
    assert {flip.term for flip in swept.flips} <= {"share", "threshold", "env_step", "cpu_second", "logged_step",
                                                   "evaluation_step", "budget"}  # fmt: skip


def test_a_log_that_was_made_here_costs_its_own_steps_whatever_is_paid_of_the_rest() -> None:
    found = study(6000, bad=0)
    assert made_here(found, found.arm("dt"))
    costs = {share: decide(found, Terms(share=share), 200).pair for share in (0.0, 1.0)}
    assert {share: pair.b.cost for share, pair in costs.items() if pair is not None} == {0.0: 900, 1.0: 1000}


# What is good enough.


def unscored(random: float, *arms: ArmEvidence) -> Evidence:
    return evidence([arm("random", "random", [run(0, random), run(1, random)]), *arms], card=UNSCORED)


def test_without_a_card_a_return_that_is_good_enough_is_the_threshold() -> None:
    ppo = arm("ppo", "online", [run(seed, 99.0, 6000, CURVE) for seed in (0, 1)])
    found = unscored(20.0, ppo)
    assert [each.at for each in of(found, "ppo", Terms(good_enough=90.0))] == [4000, 4000]
    assert resolved(found, Terms(good_enough=90.0)).threshold == 1.0
    told = needs(found, Terms(good_enough=90.0))
    assert told is not None
    assert (told.thresholds, told.scale.z(20.0), told.scale.z(90.0)) == ((1.0,), 0.0, 1.0)
    with pytest.raises(InputError, match="good enough 10: on Unscored-v0 random play returns 20"):
        decide(unscored(20.0, ppo, arm("dt", "sequence", [logged(0, 99.0, 9, 9)] * 2)), Terms(good_enough=10.0))


def test_with_a_card_it_is_a_score() -> None:
    found = evidence([arm("ppo", "online", [run(0, 99.0, 6000, CURVE)])])
    assert resolved(found, Terms(good_enough=95.0)).threshold == pytest.approx(0.95)
    assert of(found, "ppo", Terms(good_enough=95.0))[0].at == 5657


def test_a_rate_of_successes_is_held_against_the_rates_that_the_environment_tells() -> None:
    curve = Curve((1000.0, 1414.0, 2000.0), (1.0, 2.0, 4.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (1.0, 2.0, 3.0),
                  (0.7, 0.9, 0.9), (0.6, 0.7, 0.8))  # fmt: skip
    kept = Kept(2000, 0.0, (0.0,), 0.85)
    runs = [replace(run(seed, 0.0, 2000), curve=curve, kept=(kept,), told_success=0.9) for seed in (0, 1)]
    found = evidence([arm("ppo", "online", runs)])
    (outcome, _) = of(found, "ppo", Terms(success=0.8))
    assert (outcome.at, outcome.failed, outcome.scored_by) == (2000, False, "kept")
    told = needs(found, Terms(success=0.8))
    assert told is not None
    assert (told.unit, told.thresholds) == ("success", (0.8,))


def test_where_nothing_says_what_is_good_enough_runs_cost_what_they_took() -> None:
    found = unscored(20.0, arm("ppo", "online", [run(seed, 99.0, 6000, CURVE) for seed in (0, 1)]))
    (outcome, _) = of(found, "ppo")
    assert (outcome.at, outcome.failed, outcome.spent.env_steps) == (None, False, 6000)
    told = needs(found, Terms())
    assert told is not None
    assert (told.thresholds, told.online, told.costs[0].per_success) == ((), (), False)
    assert told.costs[0].mean is not None
    assert told.costs[0].mean[0] == 6000


def test_without_a_card_none_works_where_nothing_betters_random_play() -> None:
    arms = [
        arm("dt", "sequence", [logged(seed, 15.0, 900, 1000) for seed in range(3)]),
        arm("ppo", "online", [run(seed, 19.0, 6000) for seed in range(3)]),
    ]
    found = decide(unscored(20.0, *arms), Terms(), 200)
    assert (found.answer, found.nearest and found.nearest.label) == ("none works", "ppo")
    better = decide(unscored(10.0, *arms), Terms(share=0.0), 200)
    assert better.answer != "none works"


def test_an_arm_that_some_seeds_left_out_is_not_missing_and_never_the_best() -> None:
    """Three seeds chose ppo. The mean of dqn, 97 on these alone, is above that of all others on ten."""
    ppo = [run(seed, 93.0 + (seed < 3) * 5, 6000, CURVE) for seed in range(10)]
    dqn = [run(seed, 97.0, 6000, CURVE) for seed in range(3)]
    dt = [logged(seed, 95.0, 900, 1000) for seed in range(10)]
    found = evidence([arm("dt", "sequence", dt), arm("ppo", "online", ppo), arm("dqn", "online", dqn)])
    compared = compare_arms(found, Terms())
    assert {row.a for row in compared if row.question == "best"} == {"dt"}
    verdict = decide(found, Terms(share=0.0), 200)
    online = next(one for one in verdict.selected if one.family == "online")
    assert (online.arm, online.seeds, online.optimistic) == ("ppo", (0, 1, 2), False)
    assert verdict.pair is not None
    assert verdict.pair.a.runs == 7


def test_costs_of_an_unknown_maker_are_at_least_what_is_known() -> None:
    spent = Spent(0, 0, 0, 400, None, 1.0, 1.0, None)
    assert Terms(cpu_second=10.0, share=1.0).cost(spent) == 10
    assert not Terms(share=1.0).known(replace(run(0, 1.0), cost=Cost(logged_steps=4, upstream_env_steps=None)))
    assert CARD.normalize(50.0) == 0.5


def test_cpu_time_of_an_unknown_maker_matters_as_soon_as_it_has_a_price() -> None:
    """Not before, nor where the log is free, nor to what reads none."""
    dt = [logged(seed, 95.0, 900, 1000) for seed in range(3)]
    dt = [replace(one, cost=replace(one.cost, upstream_cpu_seconds=None)) for one in dt]
    ppo = arm("ppo", "online", [run(seed, 100.0, 6000, CURVE) for seed in range(3)])
    found = evidence([arm("dt", "sequence", dt), ppo])
    told = decide(found, Terms(share=1.0, cpu_second=2.0), 200)
    assert (told.answer, "CPU time" in (told.reason or "")) == ("cannot tell", True)
    for terms in (Terms(share=1.0), Terms(share=0.0, cpu_second=2.0)):
        assert decide(found, terms, 200).answer != "cannot tell"
    assert Terms(share=1.0, cpu_second=2.0).known(replace(run(0, 1.0), cost=Cost(1000)))


def test_the_seeds_that_chose_an_arm_say_nothing_of_the_break_even_lambda() -> None:
    """ppo takes 4,000 steps, dt 900 and of its maker's 10,000 the rest: (4,000 - 0) / 9,100. Where the log costs
    nothing, the seeds that chose ppo would add their 1,000 steps."""
    early = [(1000, 95.0, 95.0)]
    ppo = [run(seed, 100.0, 6000, early if seed < 3 else CURVE) for seed in range(10)]
    dt = [logged(seed, 95.0, 900, 10_000) for seed in range(10)]
    found = evidence([arm("dt", "sequence", dt), arm("ppo", "online", ppo)])
    terms = resolved(found, Terms())
    one, other = found.arm("ppo"), found.arm("dt")
    chosen = [Selected("online", "ppo", ("ppo", "dqn"), (0, 1, 2))]
    assert break_even(found, one, other, terms, chosen).point == pytest.approx(4000 / 9100)
    assert break_even(found, one, other, terms).point == pytest.approx(3100 / 9100)


def test_a_failed_run_is_paid_in_the_break_even_lambda() -> None:
    """(2 * 4,000 + 1,000) / 2 for a success of ppo."""
    broken = replace(run(2, 0.0, 1000), status="failed", counts=False, mean_return=None)
    ppo = arm("ppo", "online", [*(run(seed, 100.0, 6000, CURVE) for seed in (0, 1)), broken])
    dt = arm("dt", "sequence", [logged(seed, 95.0, 900, 10_000) for seed in range(3)])
    found = evidence([dt, ppo])
    assert break_even(found, ppo, dt, resolved(found, Terms())).point == pytest.approx(4500 / 9100)


# Scores at the threshold.


def test_a_score_at_the_threshold_varies_over_the_episodes_that_runs_share() -> None:
    """All runs score 90 on average: 80 and 100, on the same episodes. Seeds alone would say that nothing varies."""
    kept = Kept(4000, 90.0, (80.0, 100.0) * 10)
    found = evidence([arm("ppo", "online", [run(seed, 90.0, 6000, CURVE, [kept]) for seed in range(4)])])
    told = needs(found, Terms())
    assert told is not None
    score = next(row for row in told.online if row.threshold == 0.9).score
    assert score is not None
    assert score.point == pytest.approx(0.9)
    assert (score.low, score.high) == (pytest.approx(0.855, abs=0.01), pytest.approx(0.945, abs=0.01))
    fresh = needs(evidence([arm("ppo", "online", [run(seed, 90.0, 6000, CURVE) for seed in range(4)])]), Terms())
    assert fresh is not None
    own = next(row for row in fresh.online if row.threshold == 0.9).score
    assert own is not None
    assert (own.low, own.high) == (pytest.approx(0.93), pytest.approx(0.93))


def test_what_read_a_log_before_it_interacted_needed_both() -> None:
    """900 logged steps and 4,000 of its own; who never passes counts with its log and the budget."""
    odt = [replace(run(seed, 95.0, 6000, CURVE), cost=Cost(6000, logged_steps=900, upstream_env_steps=1000),
                   data_hash=f"log-{seed}") for seed in range(3)]  # fmt: skip
    ppo = [run(seed, 100.0, 6000, CURVE) for seed in range(3)]
    found = evidence([arm("odt", "hybrid", odt), arm("ppo", "online", ppo)])
    card = scorecard(found, decide(found, Terms(), 200))
    assert card is not None
    data = {column.label: column.data for column in card.columns}
    assert {label: data[label] and data[label].mean.point for label in data} == {"odt": 4900, "ppo": 4000}  # type: ignore[union-attr]
    assert data["ppo"] is not None
    assert data["ppo"].budget == 6900


def test_a_run_that_broke_off_early_does_not_shorten_the_restricted_mean() -> None:
    """One passes at 4,000. What broke off after 500, and what is missing, count with the budget of 6,000 in the mean
    of min(T, B); in the price of a success the first pays its 500 and the second nothing that anybody knows."""
    broken = replace(run(0, 0.0, 500), status="failed", counts=False, mean_return=None)
    found = evidence([arm("ppo", "online", [broken, run(1, 99.0, 6000, CURVE)], missing=[2])])
    told = needs(found, Terms())
    assert told is not None
    row = next(row for row in told.online if row.threshold == 0.9)
    assert (row.times, row.rmst, row.ert) == ((None, 4000, None), pytest.approx(16_000 / 3), 16_000)
    assert row.survival is not None
    assert told.costs[0].mean is not None
    assert told.costs[0].mean[0] == 4500


# Who stands for a family.


def beside(*arms: ArmEvidence) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    """Who stands for online RL, the seeds that chose it and those that judge it."""
    found = candidate_of(evidence(arms), "online", Terms())
    assert found is not None
    return found.arm.label, found.selected.seeds, found.seeds


def passing(label: str, kept: float, end: float, seeds: Sequence[int]) -> ArmEvidence:
    """Passes at 4,000 steps, with this score, and ends with another."""
    runs = [run(seed, end, 6000, CURVE, [Kept(4000, kept, (kept,))]) for seed in seeds]
    return arm(label, "online", runs)


def test_the_score_when_it_was_good_enough_chooses_and_not_what_a_longer_training_adds() -> None:
    """ppo ends higher, with steps that nobody would spend."""
    label, first, judging = beside(passing("ppo", 92.0, 100.0, range(10)), passing("dqn", 95.0, 96.0, range(10)))
    assert (label, first, judging) == ("dqn", (0, 1, 2), tuple(range(3, 10)))
    few = beside(passing("ppo", 92.0, 100.0, range(3)), passing("dqn", 95.0, 96.0, range(3)))
    assert few == ("dqn", (), (0, 1, 2))


def test_what_broke_off_scores_as_random_play_where_an_arm_is_chosen() -> None:
    """(95 + 95 + 0) / 3 is less than 70."""
    ppo = passing("ppo", 95.0, 95.0, range(10))
    broken = replace(ppo.runs[0], status="failed", counts=False, mean_return=None)
    ppo = replace(ppo, runs=(broken, *ppo.runs[1:]))
    dqn = arm("dqn", "online", [run(seed, 70.0, 6000, [(1000, 70.0, None)]) for seed in range(10)])
    assert beside(ppo, dqn)[0] == "dqn"


def test_seeds_that_chose_never_judge_though_the_best_has_not_finished_all_of_its_others() -> None:
    """5 of 25 seeds chose it. With 19 finished runs it would look like a study of which 3 chose."""
    ppo = passing("ppo", 95.0, 95.0, range(20))
    running = replace(ppo.runs[-1], status="running", counts=False)
    ppo = replace(ppo, runs=(*ppo.runs[:-1], running))
    label, first, judging = beside(ppo, passing("dqn", 92.0, 92.0, range(5)))
    assert (label, first, judging) == ("ppo", tuple(range(5)), tuple(range(5, 19)))


def test_where_less_is_better_the_lower_return_is_chosen() -> None:
    card = replace(CARD, random_score=100.0, reference_score=0.0)
    arms = [arm(name, "online", [run(seed, end, 6000) for seed in range(3)]) for name, end in (("ppo", 8), ("dqn", 5))]
    found = candidate_of(evidence(arms, card=card), "online", Terms())
    assert found is not None
    assert found.arm.label == "dqn"


def test_who_was_not_sent_on_to_other_seeds_stands_for_no_family() -> None:
    """On other terms than those of the study it would have been chosen."""
    assert beside(passing("ppo", 92.0, 92.0, range(13)), passing("dqn", 95.0, 95.0, range(3))) == (
        "ppo", (0, 1, 2), tuple(range(3, 13)),
    )  # fmt: skip


@pytest.mark.slow
def test_whoever_has_the_results_finds_the_same_verdict_needs_and_scorecard() -> None:
    """From results.json alone, without the runs."""
    found = rounded(study(6000))
    told = replace(found, needs=needs(found, Terms()), verdict=verdict(found, Terms()))
    assert told.verdict is not None
    told = rounded(replace(told, scorecard=scorecard(told, told.verdict)))
    read = decode(Evidence, json.loads(json.dumps(encode(told))))
    assert read == told
    assert read.verdict is not None
    assert read.verdict.asked is not None
    again = rounded(verdict(read, read.verdict.asked))
    assert (again, rounded(needs(read, again.asked)), rounded(scorecard(read, again))) == (
        told.verdict, told.needs, told.scorecard,
    )  # fmt: skip


def test_the_episodes_of_a_prefix_count_where_its_model_is_what_one_deploys() -> None:
    """So that its interval is over runs and episodes, as that of an agent that learns by interaction."""
    own = logged(0, 50.0, 8000, 8000)
    short = replace(prefix(own, 2000, 2000, 94.0, facts.Tested(97.0, 97.0)), returns=(90.0, 98.0))
    (found,) = of(evidence([arm("dt", "sequence", [own])], [short]), "dt")
    assert (found.at, found.episodes) == (2000, (0.9, 0.98))
