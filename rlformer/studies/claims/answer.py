"""From the numbers of cells to an answer: holds, does not hold, depends on, undecided; of one seed it is only shown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from rlformer import statistics
from rlformer.core.spaces import Array
from rlformer.studies.claims.base import Cell, Claim, Curve, Effect, Numbers, Picture, Point, Text

ALPHA = 0.05  # of all effects of a claim together
Found = Literal["holds", "does not hold", "undecided", "as claimed", "not as claimed", "no pair", "not measured"]
Verdict = Literal[
    "holds",
    "does not hold",
    "depends",
    "undecided",
    "shown as claimed",
    "shown in part",
    "shown otherwise",
    "not measured",
]
Measurements = Mapping[Cell, Mapping[int, Numbers]]  # by cell and seed


@dataclass(frozen=True)
class EffectAnswer:
    """One effect: what was declared, what was found."""

    what: Text
    says: str
    margin: float
    unit: str
    measure: str
    more: tuple[float, ...]  # of the seeds, in their order
    less: tuple[float, ...]
    seeds: tuple[int, ...]  # that both cells have
    left_out: tuple[int, ...]  # of which something of the claim was measured, and not this
    effect: float | None  # the mean over seeds
    low: float | None  # its 95 % interval (Student's t over seeds); None of one seed
    high: float | None
    p_holds: float | None  # against "the claim is wrong", Holm's correction over the claim's effects
    p_fails: float | None  # against "the claim is right"
    found: Found


@dataclass(frozen=True)
class PointAnswer:
    """A point of a picture: the mean over seeds, and its 95 % interval (Student's t); None of one seed."""

    at: float
    mean: float
    low: float | None
    high: float | None
    values: tuple[float, ...]  # of the seeds, in their order


@dataclass(frozen=True)
class CurveAnswer:
    """What was measured of a curve."""

    label: Text
    points: tuple[PointAnswer, ...]


@dataclass(frozen=True)
class PictureAnswer:
    """What was measured of a picture."""

    title: Text
    x: Text
    y: Text
    curves: tuple[CurveAnswer, ...]
    log_x: bool
    log_y: bool


@dataclass(frozen=True)
class ClaimAnswer:
    """The answer to a claim."""

    name: str
    number: str
    statement: Text
    experiment: Text
    where: Text | None
    caveat: Text | None
    code: tuple[str, ...]
    verdict: Verdict
    holding: tuple[Text, ...]  # the effects that hold, where others do not
    failing: tuple[Text, ...]
    effects: tuple[EffectAnswer, ...]
    pictures: tuple[PictureAnswer, ...]  # those of which a curve was measured at two points


def answer(claim: Claim, measured: Measurements, quick: bool) -> ClaimAnswer:
    """What the measurements say of a claim. quick: whether the smallest experiment was made."""
    tried = sorted({seed for cell in claim.cells(quick) for seed in measured.get(cell, {})})
    effects = _corrected([_effect(effect, measured, tried) for effect in claim.chosen(quick)])
    holding = tuple(effect.what for effect in effects if effect.found in ("holds", "as claimed"))
    failing = tuple(effect.what for effect in effects if effect.found in ("does not hold", "not as claimed"))
    return ClaimAnswer(
        claim.name, claim.number, claim.statement, claim.experiment, claim.where, claim.caveat, claim.code,
        verdict([effect.found for effect in effects]), holding, failing, tuple(effects),
        tuple(filter(None, (_picture(picture, measured) for picture in claim.pictures))),
    )  # fmt: skip


def _picture(picture: Picture, measured: Measurements) -> PictureAnswer | None:
    """What is known of a picture; None where no curve has two points."""
    curves = [_curve(curve, measured, picture.log_y) for curve in picture.curves]
    if all(len(curve.points) < 2 for curve in curves):
        return None
    known = tuple(curve for curve in curves if curve.points)
    return PictureAnswer(picture.title, picture.x, picture.y, known, picture.log_x, picture.log_y)


def _curve(curve: Curve, measured: Measurements, positive: bool) -> CurveAnswer:
    found = [_point(point, measured.get(point.cell, {}), positive) for point in curve.points]
    return CurveAnswer(curve.label, tuple(filter(None, found)))


def _point(point: Point, measured: Mapping[int, Numbers], positive: bool) -> PointAnswer | None:
    """The mean over the seeds that have the quantity. positive: as a logarithmic axis needs it."""
    values = [measured[seed].get(point.quantity, math.nan) for seed in sorted(measured)]
    known = np.array([value for value in values if math.isfinite(value) and (value > 0 or not positive)])
    mean, low, high = _interval(known)
    return None if mean is None else PointAnswer(point.at, mean, low, high, tuple(known.tolist()))


def verdict(found: Sequence[Found]) -> Verdict:
    """Of the effects of a claim.

    >>> verdict(["holds", "holds"]), verdict(["holds", "does not hold"]), verdict(["does not hold", "undecided"])
    ('holds', 'depends', 'does not hold')
    >>> verdict(["as claimed"]), verdict(["not as claimed"]), verdict(["as claimed", "not as claimed"])
    ('shown as claimed', 'shown otherwise', 'shown in part')
    >>> verdict(["holds", "undecided"]), verdict(["holds", "as claimed"]), verdict(["does not hold", "as claimed"])
    ('undecided', 'undecided', 'does not hold')

    One of which no seed has both numbers, such as times until a score that none reached, decides nothing.

    >>> verdict(["not as claimed", "no pair"]), verdict(["as claimed", "no pair"]), verdict(["no pair"])
    ('shown otherwise', 'shown in part', 'not measured')
    >>> verdict(["does not hold", "no pair"]), verdict(["holds", "no pair"])
    ('does not hold', 'undecided')
    """
    known: set[str] = set(found)
    if known <= {"no pair"} or "not measured" in known:
        return "not measured"
    shown, lost = known & {"as claimed", "not as claimed"}, known & {"no pair"}
    if shown and known <= shown | lost:
        if "not as claimed" not in known:
            return "shown in part" if lost else "shown as claimed"
        return "shown in part" if len(shown) > 1 else "shown otherwise"
    if shown | lost:  # one seed or none of an effect, several of others
        known = known - shown - lost | {"undecided"}
    if {"holds", "does not hold"} <= known:
        return "depends"
    if "does not hold" in known:
        return "does not hold"
    return "holds" if known == {"holds"} else "undecided"


def _effect(effect: Effect, measured: Measurements, tried: Sequence[int]) -> EffectAnswer:
    more, less = measured.get(effect.more, {}), measured.get(effect.less, {})
    both = sorted(more.keys() & less.keys())
    seeds = tuple(seed for seed in both if _known(effect, more[seed], less[seed]))
    firsts = tuple(more[seed][effect.quantity] for seed in seeds)
    seconds = tuple(less[seed][effect.quantity] for seed in seeds)
    differences = np.array([_difference(effect, a, b) for a, b in zip(firsts, seconds, strict=True)])
    point, low, high = _interval(differences)
    holds = fails = None
    found: Found = "no pair" if both else "not measured"
    if len(differences) == 1:
        beyond = point is not None and (abs(point) < effect.margin if effect.says == "alike" else point > effect.margin)
        found = "as claimed" if beyond else "not as claimed"
    elif len(differences) > 1:
        holds, fails = tests(differences, effect.says, effect.margin)
    return EffectAnswer(
        effect.what, effect.says, effect.margin, effect.unit, effect.measure, firsts, seconds, seeds,
        tuple(seed for seed in tried if seed not in seeds), point, low, high, holds, fails, found,
    )  # fmt: skip


def _known(effect: Effect, more: Numbers, less: Numbers) -> bool:
    """Whether both cells have the quantity on a seed, and it can be compared: a seed without it is left out, and one
    on which neither came to the loss.
    """
    if effect.never is not None and min(n.get("steps_to_loss", 0.0) for n in (more, less)) >= effect.never:
        return False
    pair = [numbers.get(effect.quantity, math.nan) for numbers in (more, less)]
    return all(map(math.isfinite, pair)) and (effect.measure == "difference" or min(pair) > 0)


def _difference(effect: Effect, more: float, less: float) -> float:
    return more - less if effect.measure == "difference" else math.log2(more / less)


def _interval(differences: Array) -> tuple[float | None, float | None, float | None]:
    """The mean and its 95 % interval by Student's t, where there are two numbers at least."""
    from scipy.stats import t

    if not len(differences):
        return None, None, None
    mean = float(differences.mean())
    if len(differences) < 2:
        return mean, None, None
    half = float(t.ppf(0.975, len(differences) - 1) * differences.std(ddof=1) / math.sqrt(len(differences)))
    return mean, mean - half, mean + half


def tests(differences: Array, says: str, margin: float) -> tuple[float, float]:
    """The p-values with which paired differences (n,) say that a claim holds, and that it does not.

    One-sided t-tests against the margin; for "alike" two of them for each answer: within both margins, or beyond one.
    Where nothing varies they are 0 and 1, by the difference alone: at the margin it is neither above nor within it.
    """
    if float(np.ptp(differences)) == 0:
        effect = float(differences[0])
        right = abs(effect) < margin if says == "alike" else effect > margin
        return (0.0, 1.0) if right else (1.0, 0.0)
    if says == "alike":
        within = statistics.equivalence_test(differences, 0.0, margin).pvalue
        return within, min(1.0, 2 * min(_above(differences, margin), _above(-differences, margin)))
    return _above(differences, margin), _above(-differences, -margin)


def _above(differences: Array, level: float) -> float:
    """One-sided: p of a mean above the level."""
    from scipy.stats import t

    n, mean = len(differences), float(differences.mean())
    error = float(differences.std(ddof=1)) / math.sqrt(n)
    return float(t.sf((mean - level) / error, n - 1))


def _corrected(effects: Sequence[EffectAnswer]) -> list[EffectAnswer]:
    """With Holm's correction over the effects of a claim, and what follows from it."""
    tested = [i for i, effect in enumerate(effects) if effect.p_holds is not None]
    if not tested:
        return list(effects)
    holds = statistics.holm([effects[i].p_holds or 0.0 for i in tested])
    fails = statistics.holm([effects[i].p_fails or 0.0 for i in tested])
    found = list(effects)
    for i, p, q in zip(tested, holds.tolist(), fails.tolist(), strict=True):
        said: Found = "holds" if p <= ALPHA else "does not hold" if q <= ALPHA else "undecided"
        found[i] = replace(effects[i], p_holds=p, p_fails=q, found=said)
    return found
