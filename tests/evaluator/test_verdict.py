"""The verdict: chosen by score and cost together, and never with more conviction than its seeds allow."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlformer.core import formats
from rlformer.core.errors import InputError
from rlformer.evaluator import Evidence, Terms, Verdict, judge
from rlformer.evaluator.judge.comparisons import compare_arms
from rlformer.evaluator.judge.cost_curves import SHARES
from rlformer.evaluator.judge.doubts import doubts
from rlformer.evaluator.judge.facts import ArmEvidence, BothWays
from rlformer.evaluator.judge.load import find_runs, read_runs
from rlformer.evaluator.judge.outcomes import bar_of, outcomes
from rlformer.evaluator.judge.standing import best
from rlformer.evaluator.judge.values import Estimate, Spread
from rlformer.report.sections.verdict.words import words
from rlformer.report.words.types import VerdictWords
from tests.support.make_runs import (
    BC,
    BC_TOP,
    BEHAVIOUR,
    DQN,
    DT,
    DT_K1,
    LOGGED,
    MADE,
    PPO,
    RANDOM,
    RVS,
    UPSTREAM,
    Invented,
    make_run,
    make_runs,
)

FREE = Terms(share=0.0, logged_step=0.0)
GOOD_DT, BAD_DT = replace(DT, mean=498, spread=0.5), replace(DT, mean=200, spread=5)


def evidence_of(root: Path, arms: Sequence[Invented], seeds: int = 10, terms: Terms = FREE, **options: Any) -> Evidence:
    make_runs(root, arms, seeds=range(seeds), **options)
    return judge(root, terms=terms).environments[0]


def spoken_of(
    root: Path, arms: Sequence[Invented], seeds: int = 10, terms: Terms = FREE
) -> tuple[Verdict, VerdictWords]:
    """The verdict, and what the report says of it."""
    found = evidence_of(root, arms, seeds, terms)
    assert found.verdict is not None
    return found.verdict, words(found, found.verdict)


def verdict_of(root: Path, arms: Sequence[Invented], seeds: int = 10, terms: Terms = FREE, **options: Any) -> Verdict:
    found = evidence_of(root, arms, seeds, terms, **options).verdict
    assert found is not None
    return found


@pytest.mark.slow
def test_a_model_that_scores_alike_from_a_free_log_is_chosen(tmp_path: Path) -> None:
    found, text = spoken_of(tmp_path, [RANDOM, GOOD_DT, PPO])
    assert (found.answer, found.arm, found.strength) == ("sequence", "dt", "probable")
    assert text.headline.startswith("The sequence model (dt) is probably the better choice: ")


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "strength"), [(3, "lean"), (9, "lean"), (10, "probable"), (20, "claim")])
def test_conviction_grows_with_the_seeds(tmp_path: Path, seeds: int, strength: str) -> None:
    assert verdict_of(tmp_path, [GOOD_DT, PPO], seeds).strength == strength


def test_an_agent_that_alone_succeeds_is_cheaper_at_any_price_of_its_steps(tmp_path: Path) -> None:
    """The model never reaches the threshold: what it costs until it succeeds is infinite."""
    found = verdict_of(tmp_path, [BAD_DT, PPO])
    assert (found.answer, found.arm) == ("online", "ppo")
    assert found.pair.b.cost is None
    assert found.pair.a.cheaper == 1


def test_better_but_dearer_is_a_trade_off_with_its_price(tmp_path: Path) -> None:
    found, text = spoken_of(tmp_path, [replace(DT, mean=450, spread=4), PPO], terms=replace(FREE, threshold=0.8))
    assert (found.answer, found.arm) == ("trade-off", "ppo")
    gap, more = found.pair.difference.point, (found.pair.a.cost or 0.0) - (found.pair.b.cost or 0.0)
    assert more > 30_000
    assert f"{formats.count(more / gap / 100)} for each 0.01 of score" in " ".join(text.reasons)


def test_what_the_seeds_leave_open_is_inconclusive_and_says_how_many_would_settle_it(tmp_path: Path) -> None:
    dt = replace(DT, mean=400, spread=80)
    found, text = spoken_of(tmp_path, [dt, replace(PPO, mean=430, spread=80)], 4, replace(FREE, threshold=0.3))
    assert found.answer == "inconclusive"
    pair = found.pair
    assert not pair.alike
    assert f"About {pair.seeds_to_settle:.0f} seeds could" in text.certainty


@pytest.mark.slow
def test_filtered_imitation_that_does_as_well_for_less_is_recommended_instead(tmp_path: Path) -> None:
    found, text = spoken_of(tmp_path, [replace(BC_TOP, mean=498, spread=0.5), GOOD_DT, PPO])
    assert (found.answer, found.arm) == ("simpler", "bc-top")
    assert text.headline.startswith("The simple method bc-top is probably enough: ")
    row = next(row for row in found.simpler if row.label == "bc-top")
    assert row.p_worse == pytest.approx(0.0569, abs=1e-3)  # 10 of 10 and 10 of 10 work: what so many can show
    assert row.cpu_seconds[0] < row.cpu_seconds[1]
    worse = verdict_of(tmp_path / "worse", [replace(BC_TOP, mean=430, spread=5), GOOD_DT, PPO])
    assert worse.answer == "sequence"


@pytest.mark.slow
def test_where_costs_tie_the_better_one_is_chosen(tmp_path: Path) -> None:
    found, text = spoken_of(
        tmp_path, [BAD_DT, replace(PPO, mean=430)], terms=replace(FREE, env_step=0.0, threshold=0.2)
    )
    assert (found.answer, found.arm) == ("online", "ppo")
    assert "higher than dt, and it costs no more" in text.headline
    _, alike = spoken_of(tmp_path / "alike", [GOOD_DT, PPO], terms=replace(FREE, env_step=0.0))
    assert alike.headline.startswith("It probably makes no difference that matters")


@pytest.mark.slow
def test_two_runs_of_filtered_imitation_only_lean_beside_twenty_of_the_others(tmp_path: Path) -> None:
    make_runs(tmp_path, [replace(BC_TOP, mean=498, spread=0.5)], seeds=range(2))
    found = verdict_of(tmp_path, [GOOD_DT, PPO], 20)
    assert (found.answer, found.arm, found.strength) == ("simpler", "bc-top", "lean")


@pytest.mark.slow
def test_a_lucky_run_is_no_candidate(tmp_path: Path) -> None:
    make_runs(tmp_path, [replace(DQN, mean=500, spread=0)], seeds=[0])
    assert verdict_of(tmp_path, [GOOD_DT, replace(PPO, mean=495)]).pair.a.label == "ppo"


@pytest.mark.slow
def test_a_better_agent_that_never_reaches_the_threshold_is_no_bargain(tmp_path: Path) -> None:
    """ppo stays just below it, dt reaches it now and then: a success of ppo costs infinitely much."""
    ppo, dt = replace(PPO, mean=440, spread=1), replace(DT, mean=380, spread=90)
    found, text = spoken_of(tmp_path, [dt, ppo], 20)
    assert found.pair.a.cost is None
    assert found.pair.b.cost is not None
    assert "0 more" not in text.headline


@pytest.mark.slow
def test_what_nobody_knows_the_cost_of_is_not_called_cheap(tmp_path: Path) -> None:
    make_runs(tmp_path, [PPO], seeds=range(10))
    dear, free = Terms(share=0.5), Terms(share=0.0)
    make_runs(tmp_path, [GOOD_DT], seeds=range(10), log={"upstream_env_steps": None})
    for terms, answer in ((dear, "cannot tell"), (free, "sequence")):
        runs = read_runs(find_runs([tmp_path]))[0]
        unknown = [replace(r, record=replace(r.record, cost=replace(r.record.cost, upstream_env_steps=None)))
                   if r.data_hash else r for r in runs]  # fmt: skip
        assert judge(unknown, terms=terms).verdict.answer == answer


@pytest.mark.slow
def test_one_seed_cannot_tell_nor_can_one_family(tmp_path: Path) -> None:
    assert verdict_of(tmp_path / "one", [GOOD_DT, PPO], 1).answer == "cannot tell"
    _, alone = spoken_of(tmp_path / "alone", [GOOD_DT, BC])
    assert alone.headline.startswith("There is no answer: no online agent")
    _, none = spoken_of(tmp_path / "none", [PPO, DQN])
    assert "no sequence model was trained" in none.headline
    make_run(tmp_path / "failed", DT, 0, error="DivergedError: the loss is not finite")
    _, failed = spoken_of(tmp_path / "failed", [PPO, DQN])
    assert "no run of dt finished" in failed.headline


def test_without_interaction_the_online_agent_is_no_candidate(tmp_path: Path) -> None:
    found, text = spoken_of(tmp_path, [GOOD_DT, PPO], terms=replace(FREE, interaction=False))
    assert found.answer == "cannot tell"
    assert "no offline RL" in text.headline


@pytest.mark.slow
def test_costs_can_be_recomputed_by_hand(tmp_path: Path) -> None:
    """Of ppo the steps and CPU seconds up to T, of dt its log, its learning and a quarter of what is behind the log."""
    terms = Terms(env_step=2.0, logged_step=0.5, cpu_second=10.0, share=0.25)
    evidence = evidence_of(tmp_path, [GOOD_DT, PPO], terms=terms)
    assert evidence.verdict is not None
    assert evidence.verdict.pair is not None
    paid = {"ppo": 0.0, "dt": 0.0}
    for run in evidence.arm("ppo").runs:
        scores = [evidence.card.normalize(value) or 0.0 for value in run.curve.return_]
        first = next(i for i, z in enumerate(scores) if z >= 0.9)
        assert run.curve.step[first] in (32_000, 45_255)
        paid["ppo"] += 2.0 * run.curve.step[first] + 10.0 * 2 * run.curve.seconds[first]
    for run in evidence.arm("dt").runs:
        steps = 2.0 * 0.25 * (UPSTREAM - LOGGED) + 0.5 * LOGGED
        paid["dt"] += steps + 10.0 * (run.times["learning_cpu"] + 0.25 * MADE)
    for side in (evidence.verdict.pair.a, evidence.verdict.pair.b):
        assert side.reached == 10
        assert side.cost == pytest.approx(paid[side.label] / 10, rel=1e-6)


@pytest.mark.slow
def test_the_break_even_lambda_is_the_ratio_of_what_is_saved(tmp_path: Path) -> None:
    """The log was given: its steps cost nothing themselves."""
    found = verdict_of(tmp_path, [BEHAVIOUR, GOOD_DT, PPO])
    assert found.pair is not None
    assert found.lambda_star is not None
    assert found.lambda_star.point == pytest.approx((found.pair.a.cost or 0.0) / (UPSTREAM - LOGGED), rel=1e-6)


def test_the_break_even_of_another_agents_log_is_defined(tmp_path: Path) -> None:
    other = replace(DQN, mean=500, spread=0, hyperparameters={"learning_rate": 2e-3})
    make_runs(tmp_path, [replace(PPO, mean=470, spread=0), other], seeds=range(3))
    made = next(run.spec.hash for run in find_runs([tmp_path]) if run.spec.agent.name == "ppo")
    log = {"maker": "ppo", "maker_hash": made, "made_here": True}
    found = verdict_of(tmp_path, [GOOD_DT], 3, Terms(), log=log)
    assert (found.pair.a.label, found.lambda_star.reason) == ("dqn", None)


def test_it_has_no_break_even_where_the_log_is_the_agents_own_training(tmp_path: Path) -> None:
    make_runs(tmp_path, [PPO], seeds=range(3))
    made = next(find.spec.hash for find in find_runs([tmp_path]))
    log = {"maker": "ppo", "maker_hash": made, "made_here": True}
    found = verdict_of(tmp_path, [GOOD_DT], 3, Terms(), log=log)
    assert found.made_here
    assert (found.terms.share, found.terms.logged_step) == (1.0, 1.0)  # all of it was paid
    assert "own training" in found.lambda_star.reason
    assert found.pair.b.cost == UPSTREAM


@pytest.mark.slow
def test_the_sweep_tells_what_would_turn_the_verdict(tmp_path: Path) -> None:
    found = verdict_of(tmp_path, [BEHAVIOUR, GOOD_DT, PPO])
    cells = found.sweep.cells
    same = [cell for cell in cells if (cell.answer, cell.arm) == (found.answer, found.arm)]
    assert found.sweep.stands == pytest.approx(len(same) / len(cells))
    assert {flip.term for flip in found.sweep.flips} == {"env_step"}  # free steps leave nothing to save
    assert all(flip.answer == "inconclusive" for flip in found.sweep.flips)


@pytest.mark.slow
def test_warnings_name_luck_stitching_and_extrapolation(tmp_path: Path) -> None:
    cql = replace(BC, agent="cql", learner="offline", mean=490, spread=3)
    _, beyond = spoken_of(tmp_path, [BEHAVIOUR, replace(DT, mean=400, spread=5), cql, PPO])
    text = " ".join(beyond.warnings)
    assert "None of the log’s 1.8k episodes reaches a score of 0.9 (a return of 452.2). " in text
    assert "joining good parts of different episodes" in text
    assert "returns more than its target return" in text


@pytest.mark.slow
def test_costs_grow_with_lambda(tmp_path: Path) -> None:
    environment = evidence_of(tmp_path, [BEHAVIOUR, GOOD_DT, BC, PPO], 3)
    rows = {row.label: row for row in environment.needs.costs}
    good = rows["dt"]
    assert rows["bc"].mean is None  # it never succeeds
    assert good.mean[0] == 0  # the log was given
    assert good.mean[-1] == pytest.approx(UPSTREAM - LOGGED)
    made = {"made_here": True}
    paid = evidence_of(tmp_path / "b", [BEHAVIOUR, GOOD_DT, BC, PPO], 3, Terms(share=0.0), log=made).needs.costs
    both = {row.label: (row.mean[0], row.mean[-1]) for row in paid if row.mean}
    assert both["dt"] == (LOGGED, UPSTREAM)  # made for this comparison: its own steps are paid whatever lambda is
    assert len(good.mean) == len(SHARES)


def test_time_to_threshold_is_confirmed_and_censored(tmp_path: Path) -> None:
    environment = evidence_of(tmp_path, [RANDOM, GOOD_DT, PPO, replace(DQN, mean=300)], 3)
    rows = {(row.label, row.threshold): row for row in environment.needs.online}
    ppo, dqn = rows["ppo", 0.9], rows["dqn", 0.9]
    assert (ppo.reached, ppo.held, ppo.confirmed, ppo.scored_by) == (3, 3, True, ("kept",) * 3)
    assert ppo.rmst == pytest.approx(np.mean(ppo.times))
    assert (dqn.reached, dqn.ert, dqn.rmst) == (0, None, 100_000)  # the common budget, though it had half of it


def test_prices_and_shares_that_mean_nothing_are_refused() -> None:
    wrong_terms: list[dict[str, Any]] = [
        {"env_step": -1.0}, {"share": 1.5}, {"threshold": 0.0}, {"cpu_second": float("nan")}, {"success": 2.0},
        {"evaluation_step": -1.0}, {"budget": 0}, {"good_enough": 1.0, "success": 0.5},
    ]  # fmt: skip
    for wrong in wrong_terms:
        with pytest.raises(InputError):
            Terms(**wrong)


def test_of_arms_that_score_the_same_the_cheaper_is_best(tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path, [PPO], 2)
    (arm,) = evidence.arms
    assert arm.mean_return is not None

    def changed(label: str, steps: float, point: float = 500.0) -> ArmEvidence:
        cost = replace(arm.cost, env_steps=Spread(steps, steps, steps), upstream_env_steps=None)
        z = Estimate(None, evidence.card.normalize(point) or 0.0, None)
        return replace(arm, label=label, cost=cost, mean_return=Estimate(None, point, None), normalized_score=z)

    arms = [changed("dear", 50_176.0), changed("cheap", 32_768.0), changed("worse", 10.0, 499.0)]
    found = best([*arms, replace(arm, mean_return=None)])
    assert found is not None
    assert found.label == "cheap"
    (first, *_) = compare_arms(replace(evidence, arms=tuple(arms)), Terms())
    assert (first.question, first.a) == ("best", "cheap")


@pytest.mark.slow
def test_the_best_of_a_familys_candidates_stands_for_it_whatever_it_is_called(tmp_path: Path) -> None:
    lstm = Invented("dt-lstm", "sequence", 499, 0.5, 60.0, conditioned=True)
    found = verdict_of(tmp_path, [replace(DT, mean=470, spread=1), lstm, DT_K1, PPO])
    assert found.pair is not None
    assert found.pair.b.label == "dt-lstm"


@pytest.mark.slow
def test_controls_and_simple_arms_are_no_candidates(tmp_path: Path) -> None:
    found = verdict_of(tmp_path, [replace(DT_K1, mean=499, spread=0.5), replace(RVS, mean=499, spread=0.5), PPO])
    assert (found.answer, found.reason) == ("cannot tell", "no sequence model was trained")


@pytest.mark.slow
def test_every_simple_arm_is_weighed(tmp_path: Path) -> None:
    found = verdict_of(tmp_path, [BC, BC_TOP, replace(RVS, mean=498, spread=0.5), GOOD_DT, PPO])
    assert [row.label for row in found.simpler or ()] == ["bc", "bc-top", "rvs"]
    assert (found.answer, found.arm) == ("simpler", "rvs")


@pytest.mark.slow
def test_a_verdict_is_a_line(tmp_path: Path) -> None:
    assert str(verdict_of(tmp_path / "a", [GOOD_DT, PPO])) == "sequence (dt), probable"
    assert str(verdict_of(tmp_path / "b", [PPO])) == "cannot tell: no sequence model was trained"


# Who competes, and what counts.


@pytest.mark.slow
def test_of_several_arms_some_seeds_choose_and_the_others_judge(tmp_path: Path) -> None:
    """dqn is far better on the seeds that choose and worse after: it is judged by the others alone."""
    make_runs(tmp_path, [replace(DQN, mean=450, spread=0)], seeds=range(3, 13))
    make_runs(tmp_path, [replace(DQN, mean=500, spread=0)], seeds=range(3))
    evidence = evidence_of(tmp_path, [GOOD_DT, replace(PPO, mean=490, spread=1)], 13)
    found = evidence.verdict
    assert found is not None
    online = next(one for one in found.selected if one.family == "online")
    assert (online.arm, online.of, online.seeds, online.optimistic) == ("dqn", ("ppo", "dqn"), (0, 1, 2), False)
    assert found.pair is not None
    assert found.pair.a.runs == 10
    judging = [run.normalized_score or 0.0 for run in evidence.arm("dqn").runs if run.seed >= 3]
    assert found.pair.a.z == pytest.approx(np.mean(judging), abs=1e-6)
    assert 0.89 < found.pair.a.z < 0.9 < np.mean([*judging, 1, 1, 1])


@pytest.mark.slow
def test_with_few_seeds_the_choice_within_a_family_is_called_optimistic(tmp_path: Path) -> None:
    found, text = spoken_of(tmp_path, [GOOD_DT, PPO, DQN], 5)
    assert [one.optimistic for one in found.selected] == [True, False]
    assert any("on the same seeds" in warning for warning in text.warnings)


@pytest.mark.slow
def test_offline_rl_competes_beside_the_sequence_model_and_online_rl(tmp_path: Path) -> None:
    cql = replace(BC, agent="cql", learner="offline", mean=499, spread=0.5)
    found = verdict_of(tmp_path, [BAD_DT, cql, PPO])
    assert (found.answer, found.arm) == ("offline", "cql")
    assert [one.family for one in found.selected] == ["online", "offline", "sequence"]
    assert len(found.others) == 1


@pytest.mark.slow
def test_runs_that_crashed_or_are_missing_are_failures_and_pay_what_they_spent(tmp_path: Path) -> None:
    for seed in range(3):
        make_run(tmp_path, PPO, seed, error="DivergedError: the loss is not finite")
    make_runs(tmp_path, [PPO], seeds=range(3, 10))
    evidence = evidence_of(tmp_path, [GOOD_DT])
    found = evidence.verdict
    assert found is not None
    assert found.pair is not None
    own = found.pair.a
    assert (own.runs, own.worked, own.reached) == (10, 7, 7)
    reached = [one.at for one in outcomes(evidence, evidence.arm("ppo"), bar_of(evidence, FREE), FREE) if one.reached]
    assert len(reached) == 7
    assert own.cost == pytest.approx((sum(reached) + 3 * 40_000) / 7)
    assert found.pair.paired  # by the seeds that both have


def test_one_run_that_finished_among_failed_ones_gets_a_verdict(tmp_path: Path) -> None:
    for seed in range(1, 5):
        make_run(tmp_path, PPO, seed, error="diverged")
    make_run(tmp_path, PPO, 0)
    found = verdict_of(tmp_path, [GOOD_DT], 5)
    assert (found.answer, found.arm) == ("sequence", "dt")
    assert found.lambda_star is not None
    assert found.lambda_star.reason == "an arm has only one finished run, which does not show how another would do"


def test_one_seed_that_both_have_makes_no_pairs(tmp_path: Path) -> None:
    make_runs(tmp_path, [PPO], seeds=(0, 1))
    make_runs(tmp_path, [GOOD_DT], seeds=(0, 5))
    found = verdict_of(tmp_path, [], 0)
    assert found.pair is not None
    assert (found.pair.seeds, found.pair.paired) == (2, False)


@pytest.mark.slow
def test_a_missing_seed_does_not_undo_the_pairing(tmp_path: Path) -> None:
    make_runs(tmp_path, [PPO], seeds=[seed for seed in range(10) if seed != 3])
    found = verdict_of(tmp_path, [GOOD_DT])
    assert found.pair is not None
    assert found.pair.paired


@pytest.mark.slow
def test_nothing_is_chosen_between_arms_that_do_not_work(tmp_path: Path) -> None:
    weak = [replace(BC, mean=30, spread=2), replace(DT, mean=32, spread=2), replace(PPO, mean=35, spread=2)]
    found, text = spoken_of(tmp_path, [RANDOM, *weak])
    assert (found.answer, found.arm, found.strength) == ("none works", None, None)
    assert found.nearest is not None
    assert (found.nearest.label, found.nearest.reached, found.nearest.runs) == ("ppo", 0, 10)
    assert text.headline == "Nothing works well enough yet: no method reaches a score of 0.9 in half of its runs."
    assert text.certainty.startswith("ppo comes closest: ")


@pytest.mark.slow
def test_what_may_not_be_chosen_does_not_make_the_others_work(tmp_path: Path) -> None:
    """ppo alone works, and interaction is ruled out."""
    cql = replace(BC, agent="cql", learner="offline", mean=40, spread=2)
    weak, terms = [replace(DT, mean=32, spread=2), cql], replace(FREE, interaction=False)
    found, text = spoken_of(tmp_path, [RANDOM, *weak, PPO], terms=terms)
    assert found.answer == "none works"
    assert found.nearest is not None
    assert found.nearest.label == "cql"
    assert text.headline.startswith(
        "Nothing works well enough yet: no method that learns from a log alone reaches a score of 0.9"
    )
    logged = verdict_of(tmp_path / "log", [GOOD_DT, replace(cql, mean=470), PPO], terms=terms, log={"mean_return": 499})
    assert logged.answer == "keep what made the log"


@pytest.mark.slow
def test_two_families_over_which_a_third_is_chosen_are_no_trade_off(tmp_path: Path) -> None:
    """ppo is cheapest and scores most, though one run failed; that cql betters dt for more matters not."""
    make_run(tmp_path, PPO, 0, error="diverged")
    make_runs(tmp_path, [replace(PPO, mean=499, seconds=1.0)], seeds=range(1, 10))
    cql = replace(BC, agent="cql", learner="offline", mean=480, spread=1, seconds=600.0)
    terms = replace(FREE, env_step=0.0, cpu_second=1.0, threshold=0.8)
    found = verdict_of(tmp_path, [replace(DT, mean=440, spread=1), cql], 10, terms)
    assert (found.answer, found.arm, found.strength) == ("online", "ppo", "lean")


@pytest.mark.slow
@pytest.mark.parametrize(("source", "answer"), [("farama", "keep what made the log"), ("human", "sequence")])
def test_what_made_a_given_log_is_kept_where_nothing_betters_it(tmp_path: Path, source: str, answer: str) -> None:
    make_runs(tmp_path, [PPO], seeds=range(10))
    log = {"mean_return": 499.0, "source": source}
    assert verdict_of(tmp_path, [GOOD_DT], log=log).answer == answer


@pytest.mark.slow
def test_a_difference_of_scores_that_does_not_matter_decides_nothing(tmp_path: Path) -> None:
    """dqn is better beyond doubt by .002 at the same cost; neither is worse."""
    found = verdict_of(
        tmp_path, [replace(DT, mean=498, spread=0.1), replace(PPO, mean=499, spread=0.1)], terms=Terms(env_step=0.0)
    )
    assert found.answer == "inconclusive"
    assert found.pair is not None
    assert found.pair.alike


@pytest.mark.slow
def test_an_arm_that_fails_on_one_run_of_seven_is_no_bargain(tmp_path: Path) -> None:
    """The mean of its runs is close; that some fail is what the verdict must see."""
    for seed in range(14):
        fails = seed % 7 == 0
        make_run(tmp_path, replace(DT, mean=30 if fails else 499, spread=0.1), seed)
    found = verdict_of(tmp_path, [PPO], 14)
    assert found.answer not in ("sequence", "simpler") or found.strength == "lean"


@pytest.mark.slow
def test_stitching_is_no_cause_where_sampled_actions_close_the_gap(tmp_path: Path) -> None:
    cql = replace(BC, agent="cql", learner="offline", mean=490, spread=3)
    evidence = evidence_of(tmp_path, [BEHAVIOUR, replace(DT, mean=400, spread=5), cql, PPO])
    assert evidence.verdict is not None
    assert any(doubt.kind == "stitched" for doubt in doubts(evidence, evidence.verdict))
    dt = evidence.arm("dt")
    sampled = replace(dt, runs=tuple(replace(run, sampled=BothWays(490.0, 400.0, 20)) for run in dt.runs))
    arms = tuple(sampled if arm is dt else arm for arm in evidence.arms)
    found = doubts(replace(evidence, arms=arms), evidence.verdict)
    assert not any(doubt.kind == "stitched" for doubt in found)
