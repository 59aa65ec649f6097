"""What was asked for stands in the reasons and in what to type next, in the unit in which it was asked."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from rlformer.evaluator.judge.objections import MeasuredScale
from rlformer.evaluator.judge.terms import Terms
from rlformer.evaluator.judge.values import Estimate
from rlformer.evaluator.judge.verdict import PairFacts, Side, Statement, Verdict
from rlformer.report.sections.verdict.next_steps import next_steps
from rlformer.report.sections.verdict.reasons import reasons
from rlformer.report.words.command import Origin

SAME = Statement(0.0, -0.1, 0.05)
SIDES = [
    Side("ppo", "online", 0.95, 10.0, 10, 10, 10, SAME, SAME, 0.05, 0.99, 0.06),
    Side("dt", "sequence", 0.95, 20.0, 10, 10, 10, SAME, SAME, 0.05, 0.0, 0.99),
]
PAIR = PairFacts(*SIDES, 10, True, False, Estimate(0.02, 0.09, 0.12), True, None)
EVIDENCE: Any = SimpleNamespace(
    name="my_module:MyEnv-v0", arms=(), trained=[SimpleNamespace(point=9.9251)], explanations=(), needs=None,
    arm=lambda label: SimpleNamespace(label=label, agent=label, recipe=None),
)  # fmt: skip


def verdict(terms: Terms) -> Verdict:
    """Of both sides, on terms that are resolved."""
    return Verdict("inconclusive", None, None, None, replace(terms, share=1.0, logged_step=1.0), None, pair=PAIR)


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        (Terms(), "reach a score of 0.9 and then, on new episodes, score 0.8 or more"),
        (
            Terms(success=0.9, threshold=0.9),
            "reach a success rate of 90 % and then, on new episodes, succeed on 80 % or more",
        ),
        (
            Terms(good_enough=60.0, threshold=0.0789),
            "reach a return of 60 and then, on new episodes, score at most 0.039 below it",
        ),
    ],
)
def test_a_run_that_works_is_told_in_the_unit_of_what_was_asked_for(terms: Terms, said: str) -> None:
    assert any(f"work, that is, {said}." in reason for reason in reasons(EVIDENCE, verdict(terms)))


def test_a_return_is_proposed_only_where_nothing_says_what_is_good_enough() -> None:
    """A rate of successes and a return exclude each other: both were a command that is refused."""
    typed = Origin("rlformer compare my_module:MyEnv-v0 --success 0.8")
    measured = replace(verdict(Terms()), doubts=(MeasuredScale("measured"),))
    asked = replace(verdict(Terms(success=0.8, threshold=0.8)), doubts=(MeasuredScale("measured"),))
    assert "--good-enough 9.925" in next_steps(EVIDENCE, measured, Origin())[0].command
    assert not any("--good-enough" in step.command for step in next_steps(EVIDENCE, asked, typed))
