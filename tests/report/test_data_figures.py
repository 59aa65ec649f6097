"""The title of the figure of costs: what it names, and what it leaves to the picture."""

from __future__ import annotations

from dataclasses import replace

from rlformer.evaluator import Terms
from rlformer.evaluator.judge.decision import decide
from rlformer.evaluator.judge.evidence import Evidence, Judgement
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.evaluator.judge.needs import needs
from rlformer.report.plots import Figure
from rlformer.report.sections.base import EnvironmentView, ReportView
from rlformer.report.sections.data.figures import lambdas
from rlformer.report.words.types import ReportWords
from tests.support.make_evidence import arm, evidence, logged, run

CURVE = [(1000, 40.0, None), (4000, 95.0, 95.0)]


def online(label: str, seeds: int, at: int) -> ArmEvidence:
    return arm(label, "online", [run(seed, 95.0, 8000, [*CURVE[:1], (at, 95.0, 95.0)]) for seed in range(seeds)])


def figure(found: Evidence) -> Figure:
    terms = Terms(share=1.0, logged_step=1.0)
    found = replace(found, needs=needs(found, terms), verdict=decide(found, terms))
    judgement = Judgement("rlformer/2", (found,), (), (), (), None, ())
    colours = {one.label: i for i, one in enumerate(found.arms)}
    shown = lambdas(EnvironmentView(ReportView(judgement, ReportWords("", (), (), None, ""), (), colours, {}), 0))
    assert shown is not None
    return shown


def model(seeds: int) -> ArmEvidence:
    return arm("dt", "sequence", [logged(seed, 95.0, 6000, 6000) for seed in range(seeds)])


def test_the_cheapest_of_few_runs_is_drawn_and_not_named_as_the_cheapest() -> None:
    shown = figure(evidence([online("ppo", 12, 4000), online("dqn", 3, 2000), model(12)]))
    assert shown.title == (
        "ppo is the cheapest per success, no matter who pays for the log, without arms of few runs: dqn (3 runs)"
    )
    assert "those that chose an arm for its family do not count in the answer" in shown.caption


def test_of_arms_with_as_many_runs_the_cheapest_is_named() -> None:
    shown = figure(evidence([online("ppo", 5, 4000), model(5)]))
    assert shown.title == "ppo is the cheapest per success, no matter who pays for the log"
    assert "those that chose" not in shown.caption
