"""The scorecard: who stands in it, what each needed, and who leads by the tests of the verdict."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import typer

from rlformer.cli import app
from rlformer.evaluator import Terms, judge
from rlformer.evaluator.as_json import decode, encode
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.findings import Early
from rlformer.evaluator.judge.prices import score_of
from rlformer.evaluator.judge.scorecard import Column, Scorecard
from rlformer.evaluator.judge.values import Estimate
from rlformer.report.build import build, words
from rlformer.report.sections.verdict.next_steps import next_steps
from rlformer.report.sections.verdict.reasons import reasons
from rlformer.report.sections.verdict.scorecard import NOT_EXPLAINED, Card, card
from rlformer.report.words.command import Origin
from tests.support.make_runs import BC, BC_TOP, CARTPOLE, DT, PPO, RANDOM, Invented, make_run, make_runs

FREE = Terms(share=0.0, logged_step=0.0)
GOOD_DT, BAD_DT = replace(DT, mean=498, spread=0.5), replace(DT, mean=200, spread=5)
ARMS = (RANDOM, replace(BC, mean=100, spread=1), replace(BC_TOP, mean=455, spread=1), BAD_DT, PPO)


def evidence_of(root: Path, arms: Sequence[Invented], seeds: int = 3, terms: Terms = FREE) -> Evidence:
    make_runs(root, arms, seeds=range(seeds))
    return judge(root, terms=terms).environments[0]


def card_of(found: Evidence) -> Scorecard:
    assert found.scorecard is not None
    return found.scorecard


def column(found: Evidence, label: str) -> Column:
    return next(one for one in card_of(found).columns if one.label == label)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """Three seeds: ppo and filtered imitation solve the task, dt does not."""
    return evidence_of(tmp_path_factory.mktemp("runs"), ARMS)


def test_it_has_a_column_for_each_family_and_one_for_the_best_simple_arm(found: Evidence) -> None:
    assert [(one.label, one.family) for one in card_of(found).columns] == [
        ("ppo", "online"),
        ("dt", "sequence"),
        ("bc-top", None),
    ]


def test_the_score_is_the_mean_of_the_runs_that_judge(found: Evidence) -> None:
    ppo = column(found, "ppo")
    assert ppo.score is not None
    assert found.verdict is not None
    assert found.verdict.pair is not None
    assert ppo.score.point == pytest.approx(found.verdict.pair.a.z)
    assert (ppo.runs, ppo.worked, column(found, "dt").worked) == (3, 3, 0)


def test_data_and_time_end_where_a_run_is_good_enough(found: Evidence) -> None:
    """PPO passes on its curve, filtered imitation with the log that it read; dt never does."""
    needed = next(row for row in found.needs.online if row.threshold == 0.9)  # type: ignore[union-attr]
    ppo, dt, top = (column(found, label) for label in ("ppo", "dt", "bc-top"))
    assert ppo.data is not None
    assert dt.data is not None
    assert top.data is not None
    assert (ppo.data.mean.point, ppo.data.unit) == (pytest.approx(needed.rmst), "env_steps")
    assert (top.data.mean.point, top.data.unit, top.data.passed) == (14_200, "logged_steps", 3)
    assert (dt.data.passed, dt.data.mean.point) == (0, dt.data.budget)
    assert dt.data.budget == ppo.data.budget  # one for all
    assert ppo.time is not None
    assert 0 < ppo.time.mean.point < found.arm("ppo").times["wall"].mean  # type: ignore[union-attr]


def test_who_leads_follows_from_the_tests_and_not_from_the_larger_number(found: Evidence) -> None:
    score = card_of(found).lead("score")
    assert score.labels == ("ppo",)  # ahead of bc-top on every seed, by more than what is tolerated
    assert score.strength == "lean"  # three seeds are a direction
    assert card_of(found).lead("data").labels == ("bc-top",)
    assert card_of(found).lead("explained").labels == ()


def test_arms_that_score_alike_cannot_be_told_apart(tmp_path: Path) -> None:
    alike = evidence_of(tmp_path, [RANDOM, GOOD_DT, replace(PPO, mean=498, spread=0.5)])
    assert card_of(alike).lead("score").labels == ("ppo", "dt")
    shown = card(alike)
    assert shown is not None
    assert shown.rows[0].leader == "undecided"
    assert not any(cell.leads for cell in shown.rows[0].cells)


def test_a_run_that_broke_off_counts_as_random_play_and_does_not_work(tmp_path: Path) -> None:
    make_run(tmp_path, PPO, 3, error="diverged")
    ppo = column(evidence_of(tmp_path, [GOOD_DT, PPO]), "ppo")
    assert (ppo.runs, ppo.worked) == (4, 3)
    assert ppo.score is not None
    assert ppo.score.point == pytest.approx(3 / 4, abs=0.05)


def test_without_scores_returns_stand_in_it_and_nothing_is_good_enough(tmp_path: Path) -> None:
    card_less = replace(CARTPOLE, random_score=None, reference_score=None)
    make_runs(tmp_path, [GOOD_DT, PPO], env=card_less)
    found = judge(tmp_path, terms=FREE).environments[0]
    ppo = column(found, "ppo")
    assert (ppo.score, ppo.data, card_of(found).threshold) == (None, None, None)
    shown = card(found)
    assert shown is not None
    assert shown.rows[0].cells[0].text == "499.7"


def test_without_a_card_every_score_is_on_the_scale_of_what_is_good_enough(tmp_path: Path) -> None:
    card_less = replace(CARTPOLE, random_score=None, reference_score=None)
    make_runs(tmp_path, [RANDOM, GOOD_DT, PPO], env=card_less)
    found = judge(tmp_path, terms=replace(FREE, good_enough=250.0)).environments[0]
    ppo, random = found.arm("ppo"), found.arm("random").point
    score = score_of(found, ppo)
    assert score is not None
    assert score.point == pytest.approx((ppo.point - random) / (250 - random))  # above 2, as in the scorecard
    assert shown_of(found).rows[0].meaning.endswith("1 is the return that is good enough (250)")


def test_it_survives_json(found: Evidence) -> None:
    assert decode(Scorecard, encode(card_of(found))) == card_of(found)


def test_in_words_each_cell_says_what_it_took_and_how_many_got_there(found: Evidence) -> None:
    shown = card(found)
    assert shown is not None
    data, explained = shown.rows[1], shown.rows[3]
    assert shown.heads == (("Online RL", "ppo"), ("Sequence model", "dt"), ("Simple method", "bc-top"))
    assert data.cells[1].text == "not reached"
    assert data.cells[2].text == "14.2k logged steps"
    assert data.cells[2].details[-1] == "3 of 3 runs reach it"
    assert explained.cells[0].details == (NOT_EXPLAINED,)
    assert max(map(len, [" ".join(row) for row in shown.narrow[1]])) < 90


@pytest.mark.parametrize("seeds", [3, 12])
def test_what_to_type_next_can_be_typed(seeds: int, tmp_path: Path) -> None:
    """Every command and option exists, and the study that was typed is kept."""
    origin = Origin("rlformer compare CartPole-v1 --seeds 3 --max-minutes 9", "runs")
    steps = words(evidence_of(tmp_path, ARMS, seeds), origin).verdict.next
    assert steps
    group = typer.main.get_command(app)
    for step in steps:
        program, name, *given = shlex.split(step.command)
        assert program == "rlformer"
        options = {option for one in group.commands[name].params for option in one.opts}  # type: ignore[attr-defined]
        assert {word for word in given if re.match("--", word)} <= options
        if name == "compare":
            assert given[0] == "CartPole-v1"
        else:
            assert given[0].startswith("runs/")


def shown_of(found: Evidence) -> Card:
    shown = card(found)
    assert shown is not None
    return shown


def test_an_arm_that_is_never_good_enough_has_no_number_of_steps(found: Evidence) -> None:
    data = shown_of(found).rows[1]
    assert (data.cells[1].text, data.cells[1].details) == ("not reached", ("0 of 3 runs reach it",))
    assert data.cells[1].short == "not reached"  # and no budget that it was never given


def test_a_run_that_never_gets_there_is_said_to_count_with_the_common_budget(tmp_path: Path) -> None:
    make_runs(tmp_path, [PPO], seeds=range(3))
    make_run(tmp_path, replace(PPO, mean=100, spread=1), 3)
    data = shown_of(evidence_of(tmp_path, [GOOD_DT])).rows[1].cells[0]
    assert not data.text.startswith("at least")  # the budget is no bound of what it would take
    assert data.details[-2] == "3 of 4 runs reach it"
    assert data.details[-1].startswith("the others count as ")


def test_nobody_leads_by_score_where_no_run_works(tmp_path: Path) -> None:
    arms = [RANDOM, replace(BC, mean=100, spread=1), BAD_DT, replace(PPO, mean=300, spread=1)]
    assert shown_of(evidence_of(tmp_path, arms)).rows[0].leader == "none works"


def test_where_nothing_works_no_reason_tells_costs_or_a_mean_time_to_what_was_never_reached(tmp_path: Path) -> None:
    arms = [RANDOM, replace(BC, mean=100, spread=1), BAD_DT, replace(PPO, mean=300, spread=1)]
    found = evidence_of(tmp_path, arms)
    assert found.verdict is not None
    assert found.verdict.answer == "none works"
    assert reasons(found, found.verdict) == (
        "0 of 3 runs of dt and 0 of 3 of ppo work, that is, reach a score of 0.9 and then, on new episodes, score 0.8 "
        "or more.",
        "ppo reaches a score of 0.9 in none of 3 runs.",
    )


def test_a_model_that_no_log_suffices_for_has_no_time_at_which_to_stop(found: Evidence) -> None:
    assert found.verdict is not None
    assert found.needs is not None
    never = Early("dt", "dt", "ppo", 0.9, (0, 1, 2), (0, 3), (9e4, 4e4), Estimate(0.1, 0.2, 0.3))
    other = replace(never, label="dt (log: full)", reached=(3, 3))
    with_logs = replace(found, needs=replace(found.needs, early=(other, never)))
    said = [text for text in reasons(with_logs, found.verdict) if "stopped" in text]
    assert said == [
        "Wherever the training of ppo was stopped (1 place tried), dt was not good enough when it learned from its log "
        "(3 runs)."
    ]


def test_the_table_gives_no_steps_to_an_arm_that_never_got_there(tmp_path: Path) -> None:
    make_runs(tmp_path, ARMS, seeds=range(3))
    build([tmp_path], tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    table = page[page.index("To threshold") :]
    rows = {name: table[table.index(f">{name}</th>") :].split("</tr>")[0] for name in ("dt", "ppo")}
    assert ">not reached</td>" in rows["dt"]
    assert ">not reached</td>" not in rows["ppo"]


def test_the_summary_says_that_it_compares_last_policies_and_no_costs(tmp_path: Path) -> None:
    make_runs(tmp_path, ARMS, seeds=range(3))
    build([tmp_path], tmp_path / "out")
    said = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "policies at the end of their training, regardless of their cost" in said
    assert said.index("regardless of their cost") < said.index("Which arm scores highest?")


@pytest.mark.parametrize(("needed", "told"), [(10.0, True), (230.0, False)])
def test_nobody_is_told_to_type_hundreds_of_seeds(found: Evidence, needed: float, told: bool) -> None:
    assert found.verdict is not None
    assert found.verdict.pair is not None
    pair = replace(found.verdict.pair, seeds_to_settle=needed)
    undecided = replace(found.verdict, answer="inconclusive", arm=None, strength=None, pair=pair)
    assert any("--seeds" in step.command for step in next_steps(found, undecided, Origin())) == told
