"""The verdict as a person reads it: the answer, how sure it is, why, what would change it, and what to type next."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from rlformer.evaluator.judge.findings import Strength
from rlformer.evaluator.judge.objections import Optimistic, WorseWithMore
from rlformer.evaluator.judge.terms import MEASURED, Scale, Terms
from rlformer.evaluator.judge.values import Estimate
from rlformer.evaluator.judge.verdict import (
    Answer,
    Flip,
    Nearest,
    PairFacts,
    Side,
    Simpler,
    Statement,
    Sweep,
    Verdict,
)
from rlformer.report.glossary import TERMS, linked
from rlformer.report.sections.limits.words import limits
from rlformer.report.sections.summary.words import sentences
from rlformer.report.sections.verdict.answer import ANSWERS, answer, certainty
from rlformer.report.sections.verdict.doubts import doubts
from rlformer.report.sections.verdict.flips import flips
from rlformer.report.sections.verdict.reasons import reasons
from rlformer.report.words.arms import judging_seeds
from rlformer.report.words.command import Command
from rlformer.runs.spec import FAMILIES, Family
from tests.support.make_evidence import arm, evidence, logged, run

TERMS_OF_STUDY = Terms(share=1.0, logged_step=1.0)
CARD = Scale(0.0, 1.0, "the card")
SAME = Statement(0.0, -0.1, 0.05)


def side(label: str, family: Family, cost: float | None, cheaper: float, error: float) -> Side:
    return Side(label, family, 0.95, cost, 10, 10, 10, SAME, SAME, 0.05, cheaper, error)


def pair_of(a: Side, b: Side, **changes: object) -> PairFacts:
    made = PairFacts(a, b, 10, True, False, Estimate(0.02, 0.09, 0.12), True, None)
    return replace(made, **changes)  # type: ignore[arg-type]


PPO_WINS = pair_of(side("ppo", "online", 10_000, 0.99, 0.06), side("dt", "sequence", 20_000, 0.0, 0.99))
DT_WINS = pair_of(side("ppo", "online", 20_000, 0.0, 0.99), side("dt", "sequence", 10_000, 0.99, 0.06))


def verdict(kind: Answer, arm: str | None = None, strength: Strength | None = None, **changes: object) -> Verdict:
    made = Verdict(kind, arm, strength, None, TERMS_OF_STUDY, None, error=0.06, pair=PPO_WINS)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_every_answer_has_a_sentence() -> None:
    assert set(ANSWERS) == set(get_args(Answer))


@pytest.mark.parametrize(
    ("strength", "said"),
    [
        ("claim", "Online RL (ppo) is the better choice: it scores no worse than dt, and it costs less."),
        ("probable", "Online RL (ppo) is probably the better choice: it scores no worse than dt, and it costs less."),
        ("lean", "Online RL (ppo) looks like the better choice: it scored no worse than dt, and it cost less."),
    ],
)
def test_a_family_is_chosen_as_firmly_as_its_seeds_allow(strength: Strength, said: str) -> None:
    assert answer(verdict("online", "ppo", strength)) == said


@pytest.mark.parametrize(
    ("family", "start"),
    [
        ("online", "Online RL (x) is the"),
        ("sequence", "The sequence model (x) is the"),
        ("offline", "Offline RL (x) is the"),
        ("hybrid", "A log first, then interaction (x) is the"),
    ],
)
def test_each_family_is_named_in_words(family: Family, start: str) -> None:
    assert family in FAMILIES
    own = side("x", family, 1.0, 1.0, 0.01)
    pair = pair_of(own, side("y", "online", 2.0, 0.0, 1.0))
    assert answer(verdict(family, "x", "claim", pair=pair)).startswith(start)


def test_where_no_other_arm_ever_is_good_enough_the_answer_says_so() -> None:
    never = replace(PPO_WINS.b, reached=0, worked=0, cost=None)
    pair, other = replace(PPO_WINS, b=never), replace(PPO_WINS, b=replace(never, label="cql"))
    said = answer(verdict("online", "ppo", "probable", pair=pair, others=(other,)))
    assert said.endswith("the better choice: it is good enough in 10 of 10 runs, and dt and cql in none.")


def test_a_better_score_at_no_more_cost_is_the_ground_where_costs_are_equal() -> None:
    pair = pair_of(side("ppo", "online", 5.0, 0.0, 0.01), side("dt", "sequence", 5.0, 0.0, 1.0))
    cql = pair_of(side("ppo", "online", 5.0, 0.0, 0.01), side("cql", "offline", 5.0, 0.0, 1.0))
    said = answer(verdict("online", "ppo", "claim", pair=pair, others=(cql,)))
    assert said == "Online RL (ppo) is the better choice: it scores higher than dt or cql, and it costs no more."


def test_a_simple_method_that_is_enough_is_named_with_what_it_replaces() -> None:
    row = Simpler("bc-top", "dt", 10, Estimate(-0.02, 0.01, 0.03), 0.03, (1.0, 2.0), (3.0, 9.0), True, True)
    said = answer(verdict("simpler", "bc-top", "probable", simpler=(row,)))
    assert said == "The simple method bc-top is probably enough: it scores no worse than dt, and it costs no more."


def test_a_trade_off_says_what_is_gained_and_that_it_costs_more() -> None:
    said = answer(verdict("trade-off", "dt", "lean"))
    assert said == "This looks like a trade-off: dt scores higher than ppo by 0.09, but it costs more."


def test_a_better_arm_that_never_is_good_enough_is_told_so() -> None:
    pair = pair_of(side("ppo", "online", None, 0.0, 0.1), side("dt", "sequence", 5.0, 0.99, 0.9))
    said = answer(verdict("trade-off", "ppo", "claim", pair=pair))
    assert said.endswith("but none of its runs is good enough; dt is good enough on 10 of 10 runs.")


def test_what_seeds_leave_open_names_both_and_how_many_seeds_could_decide() -> None:
    found = verdict("inconclusive", pair=replace(PPO_WINS, seeds=3, seeds_to_settle=10.0))
    assert answer(found) == "There is no answer yet: these runs do not show whether ppo or dt is the better choice."
    assert certainty(found) == (
        "Not decided by 3 seeds. If you must choose now, ppo is the better guess. The probability that it is wrong is "
        "6 %. About 10 seeds could decide it, if the new ones look like these."
    )


def test_seeds_that_would_show_no_more_than_that_neither_is_worse_are_told_so() -> None:
    found = verdict("inconclusive", pair=replace(PPO_WINS, seeds=3, seeds_to_settle=10.0, settles="alike"))
    assert certainty(found).endswith(
        "About 10 seeds could show that neither is worse than the other, if the new ones look like these."
    )


def test_a_guess_that_is_likelier_wrong_than_right_is_not_offered() -> None:
    open_pair = pair_of(side("ppo", "online", 1.0, 0.2, 0.7), side("dt", "sequence", 1.0, 0.3, 0.6))
    assert certainty(verdict("inconclusive", pair=open_pair)) == (
        "Not decided by 10 seeds. More seeds that look like these would not decide it either."
    )


@pytest.mark.parametrize(
    ("seeds", "p_worse", "start", "sure"),
    [
        (20, 0.01, "It makes no difference that matters: ppo and dt score alike", "Very sure: 20 seeds allow a claim."),
        (20, 0.05, "It probably makes no difference that matters: ppo", "Fairly sure: 20 seeds make it probable."),
        (3, 0.01, "It seems to make no difference that matters: ppo and dt scored alike", "Not sure: 3 seeds show"),
        (3, 0.2, "It seems to make no difference that matters", "Not sure: 3 seeds show a direction only."),
    ],
)
def test_arms_that_do_equally_well_leave_the_choice_to_the_reader(
    seeds: int, p_worse: float, start: str, sure: str
) -> None:
    a, b = replace(PPO_WINS.a, p_worse=p_worse), replace(PPO_WINS.b, p_worse=0.01)
    found = verdict("inconclusive", pair=replace(PPO_WINS, a=a, b=b, alike=True, seeds=seeds))
    assert answer(found).startswith(start)
    assert certainty(found).startswith(sure)
    worse = "1 %" if p_worse == 0.01 else f"{100 * p_worse:.0f} %"
    assert f"worse by more than is tolerated is {worse}." in certainty(found)
    assert certainty(found).endswith("Choose either.")


def test_nothing_works_and_what_comes_nearest() -> None:
    found = verdict("none works", nearest=Nearest("ppo", 0.31, 1, 10), scale=CARD)
    assert answer(found) == "Nothing works well enough yet: no method reaches a score of 0.9 in half of its runs."
    assert certainty(found) == (
        "ppo comes closest: it scores 0.31 on average (0 is random play, 1 the reference), and 1 of 10 runs reach "
        "a score of 0.9."
    )


def test_what_made_the_log_is_kept_where_nothing_scores_higher() -> None:
    found = verdict("keep what made the log", nearest=Nearest("dt", 0.97, 9, 10, 0.98), scale=CARD)
    assert answer(found).startswith("Keep the policy that made the log: no method here scores at least ")
    assert certainty(found).startswith(
        "The log’s episodes score 0.98 on average; the best method here, dt, scores 0.97"
    )


def test_no_answer_gives_its_reason_and_is_sure_of_nothing() -> None:
    found = verdict("cannot tell", reason="no sequence model was trained", pair=None)
    assert answer(found) == "There is no answer: no sequence model was trained."
    assert certainty(found) == ""


@pytest.mark.parametrize(("kind", "start"), [("works", "Works: "), ("does not work", "Does not work: ")])
def test_a_smoke_test_says_whether_everything_runs(kind: Answer, start: str) -> None:
    assert answer(verdict(kind, reason="dt did not finish", pair=None)) == f"{start}dt did not finish."


def test_an_answer_that_holds_within_a_time_begins_with_it() -> None:
    said = answer(verdict("online", "ppo", "claim", within=20.0))
    assert said.startswith("Within 20 minutes: online RL (ppo) is the better choice")


@pytest.mark.parametrize(
    ("strength", "start"),
    [
        ("claim", "Very sure: 10 seeds allow a claim."),
        ("probable", "Fairly sure: 10 seeds make it probable. A firm claim takes 20."),
        ("lean", "Not sure: 10 seeds show a direction only."),
    ],
)
def test_how_sure_it_is_stands_with_the_probability_of_being_wrong(strength: Strength, start: str) -> None:
    said = certainty(verdict("online", "ppo", strength))
    assert said.startswith(f"{start} The estimated probability that this is wrong is 6 %.")


def flipped(*found: Flip) -> tuple[str, ...]:
    return flips(verdict("online", "ppo", "claim", scale=CARD, sweep=Sweep(4, 0.5, found, ())))


def test_what_would_change_the_answer_is_a_condition_in_words() -> None:
    assert flipped(Flip("env_step", 0.0, "online", "ppo")) == (
        "If environment steps were free, the answer would be ppo.",
    )
    assert flipped(Flip("threshold", 0.95, "trade-off", "dt")) == (
        "If a score of 0.95 were good enough, the answer would be a trade-off: dt would score higher and cost more.",
    )


def test_another_budget_is_the_steps_that_a_run_has_and_not_only_what_a_failed_one_pays() -> None:
    assert flipped(Flip("budget", 25_000.0, "inconclusive", None)) == (
        "If each run had 25k steps to be good enough, and a run that fails were charged all of them, these seeds would "
        "not decide.",
    )


def test_values_of_one_term_with_the_same_consequence_share_a_sentence() -> None:
    found = flipped(*(Flip("share", share, "cannot tell", None) for share in (0.25, 0.5, 1.0)))
    assert found == (
        "If this task paid a share of 0.25 or 0.5 of the cost of making the log (lambda 0.25 or 0.5) or this task paid "
        "the whole cost of making the log (lambda 1), there would be no answer.",
    )


def test_arms_that_were_chosen_by_their_judges_share_a_sentence() -> None:
    both = (Optimistic("ppo", ("ppo", "dqn")), Optimistic("dt", ("dt-lstm", "dt")))
    (said,) = doubts(both)
    assert said.startswith("ppo (the best of ppo and dqn) and dt (the best of dt-lstm and dt) were chosen and judged")


def test_a_log_of_which_more_makes_a_model_worse_is_told_with_both_scores() -> None:
    (said,) = doubts((WorseWithMore("cql", 0.987, 0.58, 12),))
    assert said.startswith(
        "More of the log made cql worse: it scores 0.99 on the shortest part that sufficed, and 0.58 on"
    )


# Reasons.

INVENTED = evidence([arm("ppo", "online", [run(0, 99.0, 10_000)]), arm("dt", "sequence", [logged(0, 99.0, 500, 900)])])


def reasons_of(**changes: object) -> str:
    return " ".join(reasons(INVENTED, verdict("online", "ppo", "claim", scale=CARD, **changes)))


def test_a_cost_has_its_unit_where_steps_alone_are_paid() -> None:
    assert (
        "costs 10k steps with ppo and 20k steps with dt (failed runs and the steps behind the log incl" in reasons_of()
    )
    priced = reasons_of(terms=replace(TERMS_OF_STUDY, cpu_second=100.0))
    assert "costs 10k with ppo and 20k with dt" in priced


def test_an_arm_that_never_is_good_enough_has_no_cost() -> None:
    said = reasons_of(pair=replace(PPO_WINS, b=replace(PPO_WINS.b, cost=None, reached=0)))
    assert "One run that is good enough costs 10k steps with ppo (failed runs included). No run of dt is good" in said


@pytest.mark.parametrize(
    ("low", "said"),
    [
        (0.52, "is at least 52 percentage points above dt’s, and"),
        (-0.001, "is not below dt’s, and"),
        (-0.33, "is at most 33 percentage points below dt’s (20 are tolerated), and"),
    ],
)
def test_what_is_sure_of_the_runs_that_work_is_said_by_its_sign(low: float, said: str) -> None:
    own = replace(PPO_WINS.a, reliability=Statement(0.6, low, 0.01), typical=Statement(0.0, 0.02, 0.01))
    told = reasons_of(pair=replace(PPO_WINS, a=own))
    assert f"share of runs that work {said} its runs that work score at least 0.02 more." in told


def test_what_a_run_that_works_does_is_said_on_the_scale_that_was_measured_here() -> None:
    assert "that is, reach a score of 0.9 and then, on new episodes, score 0.8 or more" in reasons_of()
    measured = " ".join(reasons(INVENTED, verdict("online", "ppo", "claim", scale=Scale(0.0, 9.0, MEASURED))))
    assert "that is, score at least 0.05 more than random play" in measured


def test_what_so_many_seeds_show_is_said_of_those_that_judge() -> None:
    """An arm that was not chosen for its family has only the seeds that chose."""
    three = arm("dqn", "online", [run(seed, 99.0, 10_000) for seed in range(3)])
    ten = arm("ppo", "online", [run(seed, 99.0, 10_000) for seed in range(13)])
    found = replace(evidence([three, ten]), verdict=verdict("online", "ppo", "probable"))
    assert judging_seeds(found) == 10
    said = sentences(found)[-1].text
    assert said.startswith(
        "It can make an answer probable. If 9 of 10 runs succeed, a 95 % interval from 10 seeds cont"
    )
    assert said.endswith("These arms have fewer seeds and show less: dqn (3).")
    assert "interval from 10 seeds" in next(each.text for each in limits([found]) if each.lead.startswith("More than"))


# What to type next.


def test_an_option_is_set_once_and_a_flag_is_not_repeated() -> None:
    study = Command(("rlformer", "compare", "A-v0", "--seeds=3", "--explain", "--max-minutes", "5"))
    changed = study.with_option("--seeds", "13").with_flag("--explain").without("--max-minutes")
    assert str(changed) == "rlformer compare A-v0 --explain --seeds 13"


def test_a_setting_replaces_the_one_that_was_typed() -> None:
    study = Command(("rlformer", "compare", "A-v0", "--set", "ppo.steps=100", "--set", "dt.width=8"))
    assert str(study.with_setting("ppo.steps", 200)).endswith("A-v0 --set dt.width=8 --set ppo.steps=200")


# Words that are explained.


def test_a_word_leads_to_its_entry_where_it_first_stands() -> None:
    said = str(linked("The lambda of <b>ppo</b> is lambda 1."))
    assert said.count('href="#term-lambda"') == 1
    assert said.startswith('The <a class="term"')
    assert "&lt;b&gt;ppo&lt;/b&gt; is lambda 1." in said


def test_longer_words_are_not_cut_by_shorter_ones() -> None:
    assert '#term-break-even"' in str(linked("lambda* is 0.3"))
    assert "#term-lambda" not in str(linked("lambda* is 0.3"))


def test_every_entry_is_found_by_a_word_of_its_own() -> None:
    anchors = [term.anchor for term in TERMS]
    assert len(anchors) == len(set(anchors))
    assert all(term.meaning.endswith(".") for term in TERMS)


def test_what_explains_an_arm_is_itself_explained() -> None:
    for name in ("integrated gradients", "feature ablation"):
        assert 'href="#term-explainer"' in str(linked(name))
