"""What counts as good enough, in words."""

from __future__ import annotations

from rlformer.core import formats
from rlformer.evaluator.judge.findings import Needs
from rlformer.evaluator.judge.terms import Scale, Terms


def goal(terms: Terms) -> str:
    """Of a verdict, such as "a score of 0.9"; terms: resolved.

    >>> goal(Terms()), goal(Terms(good_enough=475.0)), goal(Terms(success=0.8))
    ('a score of 0.9', 'a return of 475', 'a success rate of 80 %')
    """
    if terms.success is not None:
        return f"a success rate of {formats.percent(terms.success)}"
    if terms.good_enough is not None:
        return f"a return of {formats.number(terms.good_enough)}"
    return f"a score of {terms.threshold:g}"


def working(terms: Terms, scale: Scale | None) -> str:
    """What a run that works does; terms: resolved.

    >>> card = Scale(random=20.0, reference=500.0, source="card")
    >>> working(Terms(), card), working(Terms(success=0.9, threshold=0.9), card)
    ('score 0.8 or more', 'succeed on 80 % of episodes or more')
    >>> working(Terms(good_enough=475.0, threshold=0.95), card)
    'return 428 or more'
    """
    if terms.success is not None:
        return f"succeed on {formats.percent(terms.failure)} of episodes or more"
    if terms.good_enough is not None and scale is not None:
        return f"return {formats.number(scale.return_at(terms.failure))} or {'more' if scale.unit > 0 else 'less'}"
    return f"score {terms.failure:.2g} or more"


def level(threshold: float, needs: Needs) -> str:
    """A threshold of `needs`, with its unit."""
    return formats.percent(threshold) if needs.unit == "success" else f"z {threshold:.3g}"
