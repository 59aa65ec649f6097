"""Which policy of a run its study deploys: the one that it kept when it was first good enough, or its last."""

from __future__ import annotations

from rlformer.core.records import EvalResult
from rlformer.evaluator.judge.terms import Terms
from rlformer.evaluator.measure import curve
from rlformer.evaluator.measure.kept import name_of
from rlformer.evaluator.measure.protocol import Protocol
from rlformer.runs import curves, kept
from rlformer.runs.directory import RunDirectory


def deployed_step(run: RunDirectory, terms: Terms) -> int | None:
    """The step of the kept policy that was the first to pass these terms; None: the last policy is deployed.

    It is the policy whose final episodes are the run's score in the verdict.
    """
    if terms.success is not None:
        asked = Protocol(thresholds=(), success=terms.success)
    elif terms.good_enough is not None:
        asked = Protocol(thresholds=(), good_enough=terms.good_enough)
    else:
        asked = Protocol(thresholds=(terms.threshold,))
    there = kept.steps(run.path)
    found = curve.passed(curves.read(run.path), run.spec.env, asked)
    within = [step for step in found if step in there and (terms.budget is None or step <= terms.budget)]
    return min(within, default=None)


def final_of(run: RunDirectory, step: int | None) -> EvalResult | None:
    """The final episodes of the kept policy of a step, of the last one for None; None where it played none."""
    return run.evaluations().get("final" if step is None else name_of(step))
