"""The verdict under other terms: lambda, the threshold, the budget B, and each price at 0 and above it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace

from rlformer.evaluator.judge.decision import decide
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.terms import Scale, Terms
from rlformer.evaluator.judge.verdict import Cell, Flip, Sweep, Verdict

_RESAMPLES = 1000
_UNIT = {  # prices that are tried instead of 0
    "env_step": 1.0, "logged_step": 0.1, "cpu_second": 100.0, "evaluation_step": 1.0,
}  # fmt: skip


def sweep(evidence: Evidence, verdict: Verdict) -> Sweep | None:
    """Whether the answer stands under other terms; None where there is none.

    `stands`: the share of `cells` in which the answer is the same. `flips`: single changes that change it.
    """
    if verdict.asked is None or verdict.scale is None or verdict.pair is None:
        return None
    base, scale = replace(verdict.asked, share=verdict.terms.share), verdict.scale
    axes = _axes(base, verdict.terms, scale)
    cells = [
        _cell(evidence, replace(_at(base, threshold, scale), share=share, cpu_second=cpu), threshold)
        for share, threshold, cpu in itertools.product(axes["share"], axes["threshold"], axes["cpu_second"])
    ]
    same = sum((cell.answer, cell.arm) == (verdict.answer, verdict.arm) for cell in cells)
    flips = tuple(_flips(evidence, verdict, base, axes, scale))
    return Sweep(len(cells), same / len(cells), flips, tuple(cells))


def _axes(base: Terms, settled: Terms, scale: Scale) -> Mapping[str, tuple[float, ...]]:
    """The values that each term is tried at."""
    level = settled.threshold
    budget = settled.budget
    relative = scale.measured and base.success is None  # then nothing is held against a threshold
    return {
        "share": (0.0, 0.25, 0.5, 0.75, 1.0),
        "threshold": (level,) if relative else tuple(sorted({0.5, 0.9, 0.95, level})),
        "env_step": tuple(sorted({0.0, base.env_step, _UNIT["env_step"]})),
        "logged_step": tuple(sorted({0.0, settled.logged_step or 0.0, _UNIT["logged_step"]})),
        "cpu_second": tuple(sorted({0.0, base.cpu_second, _UNIT["cpu_second"]})),
        "evaluation_step": tuple(sorted({0.0, base.evaluation_step, _UNIT["evaluation_step"]})),
        "budget": () if budget is None or relative else tuple(sorted({max(1, budget // 2), budget, 2 * budget})),
    }


def _at(base: Terms, threshold: float, scale: Scale) -> Terms:
    """The terms with another threshold, in whatever unit it was asked for."""
    if base.success is not None:
        return replace(base, success=threshold)
    if base.good_enough is not None:
        return replace(base, good_enough=scale.return_at(threshold))
    return replace(base, threshold=threshold)


def _flips(
    evidence: Evidence, verdict: Verdict, base: Terms, axes: Mapping[str, tuple[float, ...]], scale: Scale
) -> Iterator[Flip]:
    for term, values in axes.items():
        for value in values:
            if value == getattr(verdict.terms, term):
                continue
            changed = _at(base, value, scale) if term == "threshold" else Terms(**{**asdict(base), term: value})
            other = decide(evidence, changed, _RESAMPLES)
            if (other.answer, other.arm) != (verdict.answer, verdict.arm):
                yield Flip(term, value, other.answer, other.arm)


def _cell(evidence: Evidence, terms: Terms, threshold: float) -> Cell:
    found = decide(evidence, terms, _RESAMPLES)
    assert terms.share is not None
    return Cell(terms.share, threshold, terms.cpu_second, found.answer, found.arm)
