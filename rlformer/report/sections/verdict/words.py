"""The verdict in sentences: the answer, how sure it is, why, what would change it, what to beware of, what is next."""

from __future__ import annotations

from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.verdict import Verdict
from rlformer.report.sections.verdict.answer import answer, certainty
from rlformer.report.sections.verdict.doubts import doubts
from rlformer.report.sections.verdict.flips import flips
from rlformer.report.sections.verdict.next_steps import next_steps
from rlformer.report.sections.verdict.reasons import reasons
from rlformer.report.words.command import HERE, Origin
from rlformer.report.words.types import VerdictWords


def words(evidence: Evidence, verdict: Verdict, origin: Origin = HERE) -> VerdictWords:
    """What the verdict on an environment says."""
    return VerdictWords(
        headline=answer(verdict),
        certainty=certainty(verdict),
        reasons=_broken(evidence) if verdict.answer in ("works", "does not work") else reasons(evidence, verdict),
        flips=flips(verdict),
        warnings=doubts(verdict.doubts),
        next=next_steps(evidence, verdict, origin),
    )


def _broken(evidence: Evidence) -> tuple[str, ...]:
    """What does not work in a smoke test, and why: the first error of each arm, and what never began."""
    told = []
    for arm in evidence.arms:
        errors = [run.error or "it did not finish" for run in arm.runs if not run.counts]
        told += [f"{arm.label}: {errors[0]}"] if errors else []
    told += [f"{item.agent}: {item.reason}" for item in evidence.missing]
    return tuple(dict.fromkeys(told))
