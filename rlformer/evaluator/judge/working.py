"""Whether anything works at all, and whether what was trained betters the episodes that it learned from."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from rlformer.evaluator.judge.evidence import Evidence, LogFacts
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.evaluator.judge.standing import best, ended
from rlformer.evaluator.judge.terms import Scale, Terms
from rlformer.evaluator.judge.verdict import Nearest
from rlformer.runs.spec import HYBRID, ONLINE

_PEOPLE = "human"  # in the name of what made a log


def none_works(evidence: Evidence, terms: Terms, scale: Scale) -> Nearest | None:
    """What came nearest, where no arm that may be chosen is at the threshold on half of its runs; else None.

    Where the arms themselves give the scale, one of them is at 1 by construction: then nothing is said here.
    """
    arms = _trained(evidence, terms)
    if scale.measured or any(2 * _reached(arm, terms, scale) >= len(ended(arm)) > 0 for arm in arms):
        return None
    return _nearest(arms, terms, scale)


def keep_the_maker(evidence: Evidence, terms: Terms, scale: Scale) -> Nearest | None:
    """The best arm beside the log's episodes, where none that may be chosen scores above them by the margin.

    Only for a log that was given: what made one here is an arm of the comparison, and people are not kept.
    """
    given = [log for log in evidence.logs if not log.made_here and not _by_people(log)]
    arms = _trained(evidence, terms)
    if not given or len(given) < len(evidence.logs):
        return None
    level = float(np.mean([scale.z(log.mean_return) for log in given]))
    top = _nearest(arms, terms, scale, level)
    return top if top is not None and top.z < level + terms.margin else None


def _trained(evidence: Evidence, terms: Terms) -> list[ArmEvidence]:
    """The arms that may be chosen."""
    barred = () if terms.interaction else (ONLINE, HYBRID)
    return [arm for arm in evidence.trained if arm.role in ("candidate", "simple") and arm.family not in barred]


def _nearest(arms: Iterable[ArmEvidence], terms: Terms, scale: Scale, log: float | None = None) -> Nearest | None:
    top = best(arms)
    if top is None:
        return None
    return Nearest(top.label, scale.z(top.point), _reached(top, terms, scale), len(ended(top)), log)


def _reached(arm: ArmEvidence, terms: Terms, scale: Scale) -> int:
    return sum(scale.z(run.score) >= terms.threshold for run in arm.counted)


def _by_people(log: LogFacts) -> bool:
    return any(_PEOPLE in text.lower() for text in (log.source, log.maker or ""))
