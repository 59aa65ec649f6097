"""What the section on choosing and deploying says of numbers, in words and in its tables."""

from __future__ import annotations

from dataclasses import replace

from rlformer.evaluator.judge.choices import (
    Breakage,
    Breaking,
    BrokenRun,
    Choice,
    Choosing,
    Deployment,
    EqualData,
    EqualScore,
    Failing,
    Risk,
    WhileLearning,
)
from rlformer.evaluator.judge.choosing import EPISODES
from rlformer.evaluator.judge.values import Estimate
from rlformer.report.sections.choosing.tables import Table, tables
from rlformer.report.sections.choosing.words import deployed, foremost, sentences


def exact(value: float) -> Estimate:
    return Estimate(value, value, value)


def between(low: float, point: float, high: float) -> Estimate:
    return Estimate(low, point, high)


SCORES = (0.30, 0.40, 0.50, 0.60, 0.70, 0.80, 0.85, *[0.90] * 8)
DEPLOYMENT = Deployment(
    "targets", "dt", ("dt",), (0, 1), 7, EPISODES, SCORES,
    tuple(score - 0.1 for score in SCORES), tuple(score + 0.1 for score in SCORES),
    tuple(100.0 * n for n in EPISODES), tuple(200.0 * n for n in EPISODES),
    exact(0.55), exact(0.95), exact(0.35), 6,
)  # fmt: skip
CHOICE = Choice(
    "dt", (0, 1), exact(0.8), exact(0.9), between(0.02, 0.1, 0.2), exact(0.85), exact(0.05), between(-0.01, 0.01, 0.03)
)
NOTHING = Breakage(exact(0), exact(0), exact(0))
PPO = WhileLearning(
    "ppo",
    Breakage(exact(200), between(40, 50, 60), exact(120)),
    Breakage(exact(400), exact(60), exact(150)),
    None,
    (BrokenRun(0, (1000,), (400,), (60,), (150.0,), 900.0),),
)
DT = WhileLearning("dt", NOTHING, NOTHING, Breakage(exact(100), exact(30), exact(80)), ())
FOUND = Choosing(
    "z",
    (DEPLOYMENT,),
    (CHOICE,),
    Failing("threshold", 400.0),
    (Risk("dt", exact(0.8), exact(0.3), between(0.0, 0.1, 0.2)),),
    (
        EqualData("ppo", "env_steps", (EqualScore(1000, exact(0.1), 2, 1000), EqualScore(4000, exact(0.6), 2, 3000))),
        EqualData("dt", "logged_steps", (EqualScore(2000, exact(0.7), 2, 1600),)),
    ),
    Breaking(Failing("log", 20.0), 500.0, False, (PPO, DT)),
)


def named(found: list[Table], title: str) -> Table:
    (one,) = [table for table in found if table.title == title]
    return one


def test_a_choice_is_told_with_its_episodes_its_steps_and_what_one_has_without_it() -> None:
    assert deployed(DEPLOYMENT, "z") == (
        "Choosing among the target returns of dt (7 policies per seed): after 11 deployed episodes (1.1k environment "
        "steps), the policy that looks best scores 0.85 on average. Not choosing scores 0.55, and the best of them "
        "scores 0.95. With fewer than 6 episodes, choosing is worse than not choosing."
    )


def test_a_choice_that_never_pays_is_said_to_be_none() -> None:
    text = deployed(replace(DEPLOYMENT, group="all", name="", worth_from=None), "z")
    assert text.startswith("Choosing among all that was trained")
    assert text.endswith("Within 200 episodes, choosing is never better than not choosing.")


def test_what_is_optimistic_is_said_to_be_so() -> None:
    (said,) = [text for text in sentences(FOUND) if "depends on what is chosen" in text]
    assert said == (
        "The reported score of dt depends on what is chosen: the last checkpoint has 0.80; the best checkpoint "
        "adds +0.10 (+0.02 to +0.20) and the best target return adds +0.05 (+0.05 to +0.05), on other episodes +0.01 "
        "(−0.01 to +0.03). Both are chosen on the same episodes that score them, so they are optimistic."
    )


def test_only_the_choices_that_matter_most_are_told_in_sentences() -> None:
    lower = replace(DEPLOYMENT, name="rvs", labels=("rvs",), best=exact(0.6))
    logs, every = (replace(DEPLOYMENT, group=group, name="") for group in ("log", "all"))
    family = replace(DEPLOYMENT, group="family", name="sequence")
    assert foremost([lower, DEPLOYMENT, family, logs, every]) == [DEPLOYMENT, logs, every]
    assert foremost([lower, family]) == [lower, family]
    more = replace(CHOICE, label="rvs", checkpoint_adds=None, target_adds=exact(0.3))
    (said,) = [
        text for text in sentences(replace(FOUND, choices=(CHOICE, more))) if "depends on what is chosen" in text
    ]
    assert "reported score of rvs" in said


def test_robots_break_while_they_learn() -> None:
    assert sentences(FOUND)[-2:] == [
        "Failures while learning: ppo had 50 failures in 200 episodes (25 %) until it reached the threshold. An "
        "episode counts as a failure if its return is below 20, the 5 % quantile of the log’s own episodes.",
        "dt learned only from a log, without failures of its own; in the training that made the log, 30 episodes "
        "failed.",
    ]


def test_the_tables_hold_the_numbers() -> None:
    found = tables(FOUND, price=1.0)
    assert named(found, "What choosing costs").rows == (
        (
            "the target returns of dt", "7", "0.55", "0.30 (0.20 to 0.40)", "0.80 (0.70 to 0.90)",
            "0.90 (0.80 to 1.00)", "0.90 (0.80 to 1.00)", "0.95", "6 episodes", "3.2k",
        ),
    )  # fmt: skip
    (row,) = named(found, "How bad the bad episodes are").rows
    assert row == ("dt", "0.80 (0.80 to 0.80)", "0.30 (0.30 to 0.30)", "10 % (0 % to 20 %)")
    equal = named(found, "What you have after so many steps")
    assert equal.head == ("Arm", "1k", "2k", "4k")
    assert [row[0] for row in equal.rows] == ["ppo", "dt, logged steps"]
    assert [cell.split()[0] for cell in equal.rows[0][1:]] == ["0.10", "–", "0.60"]
    assert named(found, "Failures while learning").rows == (
        ("ppo", "200", "50 (40 to 60)", "120", "60", "150", "–", "–"),
        ("dt", "0", "0", "0", "0", "0", "30", "80"),
    )


def test_where_a_step_has_a_price_the_choice_has_one() -> None:
    table = named(tables(FOUND, price=2.0), "What choosing costs")
    assert (table.head[-1], table.rows[0][-2:]) == ("Cost of them", ("3.2k", "6.4k"))


def test_tables_without_rows_are_not_there() -> None:
    bare = replace(FOUND, choices=(), breaking=None, equal_data=(), risks=())
    assert [table.title for table in tables(bare, 1.0)] == ["What choosing costs"]
