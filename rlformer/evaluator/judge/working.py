"""Whether anything works at all, and whether what was trained betters the episodes that it learned from."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from rlformer.evaluator.judge.evidence import Evidence, LogFacts
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.evaluator.judge.outcomes import bar_of, outcomes
from rlformer.evaluator.judge.prices import random_play
from rlformer.evaluator.judge.standing import best, ended, repeated
from rlformer.evaluator.judge.terms import Scale, Terms
from rlformer.evaluator.judge.verdict import Nearest
from rlformer.runs.spec import HYBRID, ONLINE

_PEOPLE = "human"  # in the name of what made a log


def none_works(evidence: Evidence, terms: Terms, scale: Scale) -> Nearest | None:
    """What came nearest, where no arm that may be chosen works on half of its runs; else None. terms: resolved.

    A run works where it reached the threshold; where nothing says what is good enough, where it betters random play.
    """
    arms, bar = _trained(evidence, terms), bar_of(evidence, terms)
    for arm in arms:
        found = outcomes(evidence, arm, bar, terms)
        works = sum(not one.failed if bar.level is None else one.reached for one in found)
        if 2 * works >= len(found) > 0:
            return None
    return _nearest(evidence, arms, terms, scale)


def nothing_betters_random(evidence: Evidence, terms: Terms) -> Nearest | None:
    """What came nearest, where no card gives scores and no arm betters random play as measured here; else None."""
    random, top = random_play(evidence), best(repeated(_trained(evidence, terms)))
    if random is None or top is None or top.point > random:
        return None
    return Nearest(top.label, 0.0, 0, len(ended(top)))


def keep_the_maker(evidence: Evidence, terms: Terms, scale: Scale) -> Nearest | None:
    """The best arm beside the log's episodes, where none that may be chosen scores above them by the margin.

    Only for a log that was given: what made one here is an arm of the comparison, and people are not kept.
    """
    given = [log for log in evidence.logs if not log.made_here and not _by_people(log)]
    arms = _trained(evidence, terms)
    if not given or len(given) < len(evidence.logs):
        return None
    level = float(np.mean([scale.z(log.mean_return) for log in given]))
    top = _nearest(evidence, arms, terms, scale, level)
    return top if top is not None and top.z < level + terms.margin else None


def _trained(evidence: Evidence, terms: Terms) -> list[ArmEvidence]:
    """The arms that may be chosen."""
    barred = () if terms.interaction else (ONLINE, HYBRID)
    return [arm for arm in evidence.trained if arm.role in ("candidate", "simple") and arm.family not in barred]


def _nearest(
    evidence: Evidence, arms: Iterable[ArmEvidence], terms: Terms, scale: Scale, log: float | None = None
) -> Nearest | None:
    top = best(repeated(arms))
    if top is None:
        return None
    found = outcomes(evidence, top, bar_of(evidence, terms), terms)
    return Nearest(top.label, scale.z(top.point), sum(one.reached for one in found), len(found), log)


def _by_people(log: LogFacts) -> bool:
    return any(_PEOPLE in text.lower() for text in (log.source, log.maker or ""))
