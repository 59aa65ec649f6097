"""The verdict under other terms: lambda, the threshold, and each price at 0 and above it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace

from rlformer.evaluator.judge.decision import decide
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.terms import Terms
from rlformer.evaluator.judge.verdict import Cell, Flip, Sweep, Verdict

_RESAMPLES = 1000
_UNIT = {"env_step": 1.0, "logged_step": 0.1, "cpu_second": 100.0}  # prices that are tried instead of 0


def sweep(evidence: Evidence, verdict: Verdict) -> Sweep | None:
    """Whether the answer stands under other terms; None where there is none.

    `stands`: the share of `cells` in which the answer is the same. `flips`: single changes that change it.
    """
    if verdict.asked is None:
        return None
    base = replace(verdict.asked, share=verdict.terms.share)
    axes = _axes(base, verdict.terms)
    cells = [
        _cell(evidence, replace(base, share=share, threshold=threshold, cpu_second=cpu))
        for share, threshold, cpu in itertools.product(axes["share"], axes["threshold"], axes["cpu_second"])
    ]
    same = sum((cell.answer, cell.arm) == (verdict.answer, verdict.arm) for cell in cells)
    return Sweep(len(cells), same / len(cells), tuple(_flips(evidence, verdict, base, axes)), tuple(cells))


def _axes(base: Terms, settled: Terms) -> Mapping[str, tuple[float, ...]]:
    """The values that each term is tried at."""
    return {
        "share": (0.0, 0.25, 0.5, 0.75, 1.0),
        "threshold": tuple(sorted({0.5, 0.9, 0.95, base.threshold})),
        "env_step": tuple(sorted({0.0, base.env_step, _UNIT["env_step"]})),
        "logged_step": tuple(sorted({0.0, settled.logged_step or 0.0, _UNIT["logged_step"]})),
        "cpu_second": tuple(sorted({0.0, base.cpu_second, _UNIT["cpu_second"]})),
    }


def _flips(evidence: Evidence, verdict: Verdict, base: Terms, axes: Mapping[str, tuple[float, ...]]) -> Iterator[Flip]:
    for term, values in axes.items():
        for value in values:
            if value == getattr(verdict.terms, term):
                continue
            other = decide(evidence, Terms(**{**asdict(base), term: value}), _RESAMPLES)
            if (other.answer, other.arm) != (verdict.answer, verdict.arm):
                yield Flip(term, value, other.answer, other.arm)


def _cell(evidence: Evidence, terms: Terms) -> Cell:
    found = decide(evidence, terms, _RESAMPLES)
    assert terms.share is not None
    return Cell(terms.share, terms.threshold, terms.cpu_second, found.answer, found.arm)
