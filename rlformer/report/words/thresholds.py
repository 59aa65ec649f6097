"""What counts as good enough, in words."""

from __future__ import annotations

from rlformer.core import formats
from rlformer.evaluator.judge.findings import Needs
from rlformer.evaluator.judge.terms import Terms


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


def level(threshold: float, needs: Needs) -> str:
    """A threshold of `needs`, with its unit."""
    return formats.percent(threshold) if needs.unit == "success" else f"z {threshold:.3g}"
