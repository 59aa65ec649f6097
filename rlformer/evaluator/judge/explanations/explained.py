"""From explained runs to evidence: what each arm relies on, and which family is explained better."""

from __future__ import annotations

from collections.abc import Sequence

from rlformer.agents.learners import learner
from rlformer.evaluator.judge.arms import Arm
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.explanations.arms import explained_arm
from rlformer.evaluator.judge.explanations.evidence import Explanations, UnexplainedArm
from rlformer.evaluator.judge.explanations.families import families
from rlformer.evaluator.judge.terms import Terms


def explained(arms: Sequence[Arm], evidence: Evidence, terms: Terms) -> Explanations | None:
    """Of one environment, arm by arm in their order; None where no run was explained.

    evidence: with the arms that compare something: who stands for a family on these terms is chosen among them. Every
    number is a mean over the explained seeds, with its 95 % percentile-bootstrap interval from two seeds on.
    """
    runs = [[run for run in arm.runs if run.counts and run.explanation] for arm in arms]
    if not any(runs):
        return None
    found = tuple(
        explained_arm(arm, own) if own else UnexplainedArm(arm.label, arm.family, _absent(arm))
        for arm, own in zip(arms, runs, strict=True)
    )
    compared = families({arm.label: (arm, own) for arm, own in zip(arms, runs, strict=True)}, evidence, terms)
    reason = compared if isinstance(compared, str) else None
    return Explanations(found, None if isinstance(compared, str) else compared, reason)


def _absent(arm: Arm) -> str:
    kind = learner(arm.runs[0].spec.agent.learner)
    if not kind.acts:
        return "a log is no policy"
    return "not explained: rlformer explain RUN" if kind.learns else "it looks at nothing"
