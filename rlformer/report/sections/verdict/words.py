"""The verdict in sentences: what it is, the strongest reasons, what would turn it, and what to beware of."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from rlformer.core import formats
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.findings import Strength
from rlformer.evaluator.judge.objections import (
    CutShortArms,
    Doubt,
    HardlyInLog,
    MeasuredScale,
    Miscalibrated,
    NoSuccess,
    StillRising,
    Stitched,
    UndertrainedArms,
    UnknownOrigin,
)
from rlformer.evaluator.judge.verdict import PairFacts, Side, Verdict
from rlformer.report.sections.verdict.trained import trained
from rlformer.report.words.types import VerdictWords
from rlformer.runs.spec import Family

FAMILY_WORDS: Mapping[Family, str] = {
    "online": "online RL",
    "sequence": "the sequence model",
    "offline": "offline RL",
    "hybrid": "a log first, then interaction",
}
_TERMS = {
    "share": "lambda",
    "threshold": "the threshold",
    "env_step": "an environment step",
    "logged_step": "a logged step",
    "cpu_second": "a CPU second",
}
_PRICES = ("env_step", "logged_step", "cpu_second")


def words(evidence: Evidence, verdict: Verdict) -> VerdictWords:
    """What the verdict on an environment says."""
    pair = verdict.pair
    if verdict.answer in ("works", "does not work"):
        return VerdictWords(f"{verdict.answer[0].upper()}{verdict.answer[1:]}: {verdict.reason}.", _broken(evidence))
    if verdict.answer == "cannot tell" or pair is None:
        headline = _conditioned(verdict, f"Cannot tell: {verdict.reason}.")
        return VerdictWords(headline, warnings=tuple(map(doubt, verdict.doubts)))
    return VerdictWords(
        _conditioned(verdict, _headline(verdict, pair)),
        tuple(_reasons(evidence, verdict, pair)),
        tuple(_flips(verdict, pair)),
        tuple(map(doubt, verdict.doubts)),
    )


def _conditioned(verdict: Verdict, headline: str) -> str:
    """The answer, after the time in which it holds where arms were cut short to fit into it."""
    if verdict.within is None:
        return headline
    noun = "minute" if verdict.within == 1 else "minutes"
    return f"Within {verdict.within:g} {noun}: {headline[0].lower()}{headline[1:]}"


def _broken(evidence: Evidence) -> tuple[str, ...]:
    """What does not work, and why: the first error of each arm, and what never began."""
    told = []
    for arm in evidence.arms:
        errors = [run.error or "it did not finish" for run in arm.runs if not run.counts]
        told += [f"{arm.label}: {errors[0]}"] if errors else []
    told += [f"{item.agent}: {item.reason}" for item in evidence.missing]
    return tuple(dict.fromkeys(told))


def _headline(verdict: Verdict, pair: PairFacts) -> str:
    margin, strength = verdict.terms.margin, verdict.strength
    if verdict.answer == "inconclusive" or verdict.arm is None or strength is None:
        return _inconclusive(pair, margin)
    if verdict.answer == "trade-off":
        return f"{_firmly(strength, 'a trade-off')}: {_trade_off(pair, verdict.arm, verdict.terms.threshold)}"
    if verdict.answer == "simpler":
        against = next(other.against for other in verdict.simpler or () if other.label == verdict.arm)
        return (
            f"Neither. {_firmly(strength, verdict.arm)}: it is not worse than {against} by more than {margin:g} of z, "
            "and cheaper."
        )
    choice = _firmly(strength, f"{_family(verdict)} ({verdict.arm})")
    return f"{choice}: {_chosen(pair, verdict.arm, margin)}"


def _family(verdict: Verdict) -> str:
    """In words the family that is the answer."""
    return next(words for family, words in FAMILY_WORDS.items() if family == verdict.answer)


def _inconclusive(pair: PairFacts, margin: float) -> str:
    needed, gap, seeds = pair.seeds_to_settle, pair.difference, formats.plural(pair.seeds, "seed")
    a, b = pair.a.label, pair.b.label
    if max(abs(gap.low or 0.0), abs(gap.high or 0.0)) <= margin:
        alike = f"{a} and {b} score alike within {margin:g} of z"
        return f"No difference that matters: {alike}, and neither is clearly cheaper."
    if needed is not None and needed <= pair.seeds:
        return f"Inconclusive: it is the cost that {seeds} leave open between {a} and {b}."
    more = "no number of seeds would" if needed is None else f"about {needed:.0f} seeds would, at 80 % power,"
    return (
        f"Inconclusive: {seeds} do not tell whether {a} or {b} is the better buy; {more} settle whether the cheaper is "
        f"worse by {margin:g} of z."
    )


def _trade_off(pair: PairFacts, arm: str, threshold: float) -> str:
    better, other = _sides(pair, arm)
    gap = abs(pair.difference.point)
    if better.cost is None:
        return (
            f"{arm} scores higher by {formats.score(gap)} of z but never reaches {threshold:g}; {other.label} does on "
            f"{other.reached} of its runs."
        )
    extra = better.cost - (other.cost or 0.0)
    return (
        f"{arm} scores higher and costs more: {formats.number(extra)} more for {formats.score(gap)} of z, "
        f"{formats.number(extra / gap / 100)} for each 0.01."
    )


def _chosen(pair: PairFacts, arm: str, margin: float) -> str:
    better, other = _sides(pair, arm)
    if better.cost == other.cost:
        return f"it scores higher than {other.label}, at the same cost."
    return (
        f"it is not worse than {other.label} by more than {margin:g} of z with probability "
        f"{formats.probability(better.not_worse)}, and cheaper with probability {formats.probability(better.cheaper)}."
    )


def _firmly(strength: Strength, choice: str) -> str:
    """A choice with as much conviction as its seeds allow."""
    firmness: Mapping[Strength, str] = {"lean": "the evidence leans towards ", "probable": "probably ", "claim": ""}
    text = firmness[strength] + choice
    return text[0].upper() + text[1:]


def _sides(pair: PairFacts, label: str) -> tuple[Side, Side]:
    """The arm of that label, and the other one."""
    return (pair.a, pair.b) if pair.a.label == label else (pair.b, pair.a)


def _reasons(evidence: Evidence, verdict: Verdict, pair: PairFacts) -> list[str]:
    """The score, the cost, and what the data would have allowed: three at most."""
    allowed = itertools.chain(
        _simpler(verdict), _stopping(evidence, verdict, pair), _break_even(verdict), _reached(evidence, verdict, pair)
    )
    return [_score(evidence, verdict, pair), _price(verdict, pair), *itertools.islice(allowed, 1)]


def _score(evidence: Evidence, verdict: Verdict, pair: PairFacts) -> str:
    a, b, gap = pair.a, pair.b, pair.difference
    runs = [len(evidence.arm(side.label).counted) for side in (a, b)]
    return (
        f"Score: {a.label} minus {b.label} is {formats.signed(gap.point)} of z, 95 % interval "
        f"{formats.number(gap.low)} to {formats.number(gap.high)} over {formats.plural(pair.seeds, 'seed')}; "
        f"z of {verdict.terms.threshold:g} or more on {a.reached} of {runs[0]} and {b.reached} of {runs[1]} seeds."
    )


def _price(verdict: Verdict, pair: PairFacts) -> str:
    terms = verdict.terms
    paid = "of a success (failures paid)" if pair.per_success else "of a run (no run reached the threshold)"
    costs = [
        f"{'infinite (none succeeded)' if side.cost is None else formats.number(side.cost)} for {side.label}"
        for side in (pair.a, pair.b)
    ]
    return (
        f"Cost {paid}: {formats.listed(costs)}, at {terms.env_step:g} an environment step, {terms.logged_step:g} a "
        f"logged one, {terms.cpu_second:g} a CPU second and lambda {terms.share:g} "
        f"({'the log was made for this comparison' if verdict.made_here else 'the log existed'})."
    )


def _simpler(verdict: Verdict) -> Iterator[str]:
    """Imitators that are recommended."""
    for other in verdict.simpler or ():
        if other.recommended:
            gap, (own, others) = other.difference, other.cpu_seconds
            yield (
                f"{other.label} minus {other.against}: {formats.signed(gap.point)} of z ({formats.interval(gap)}); it "
                f"needs neither a target return nor interaction, and {formats.seconds(own)} of CPU against "
                f"{formats.seconds(others)}."
            )


def _stopping(evidence: Evidence, verdict: Verdict, pair: PairFacts) -> Iterator[str]:
    """How early the training could have been stopped and the rest been left to the model."""
    level, model = verdict.terms.threshold, evidence.arm(pair.b.label)
    for early in evidence.needs.early if evidence.needs else ():
        if early.threshold == level and early.agent == model.agent:
            prefix, own = (
                f"{formats.count(steps)} ({reached} of {len(early.seeds)})"
                for steps, reached in zip(early.rmst, early.reached, strict=True)
            )
            yield (
                f"Stopping early: {early.agent} on a prefix of the training reaches z {level:g} after {prefix} "
                f"environment steps on average, {early.online} itself after {own}; those that never did count with the "
                "whole budget."
            )


def _break_even(verdict: Verdict) -> Iterator[str]:
    star = verdict.lambda_star
    if star is None or star.reason is not None or star.low is None or star.high is None:
        return
    ends = f"(lambda* {formats.number(star.point)}, 95 % interval {formats.interval(star)})"
    if star.low >= 1 or star.high <= 0:
        way = "always" if star.low >= 1 else "never"
        yield f"Break-even: in steps the log is {way} the cheaper way, whatever share of its making is paid {ends}."
    else:
        yield f"Break-even: with its N steps paid, the log is the cheaper way below this share of the rest {ends}."


def _reached(evidence: Evidence, verdict: Verdict, pair: PairFacts) -> Iterator[str]:
    """How soon the online arm reached the threshold."""
    level = verdict.terms.threshold
    for row in evidence.needs.online if evidence.needs else ():
        if row.threshold == level and row.label == pair.a.label:
            yield (
                f"{row.label} reached z {level:g} on {row.reached} of {len(row.seeds)} seeds, after "
                f"{formats.count(row.rmst)} environment steps on average (the whole budget where it did not)."
            )


def _flips(verdict: Verdict, pair: PairFacts) -> Iterator[str]:
    if verdict.sweep is None:
        return
    for flip in verdict.sweep.flips:
        answers = {"inconclusive": "inconclusive", "trade-off": f"a trade-off ({flip.arm})"}
        answer = answers.get(flip.answer) or flip.arm or "cannot be told"
        name, at = _TERMS[flip.term], "at " if flip.term in _PRICES else ""
        yield f"{name[0].upper()}{name[1:]} {at}{flip.value:g}: {answer}."
    if verdict.answer in FAMILY_WORDS and verdict.strength == "lean":
        needed = pair.seeds_to_settle
        if needed is not None and needed > pair.seeds:
            yield f"More seeds: about {needed:.0f} would settle the difference of scores at 80 % power."


def doubt(found: Doubt) -> str:
    """What to beware of, in a sentence."""
    match found:
        case CutShortArms() | StillRising() | UndertrainedArms():
            return trained(found)
        case HardlyInLog():
            name = f"The return of z {found.z:g}"
            if found.what == "target":
                name = "The average target return"
            return (
                f"{name} ({formats.number(found.level)}) is hardly in the log: {found.episodes} of "
                f"{formats.count(found.of)} episodes reach it. There {found.label} extrapolates."
            )
        case Miscalibrated(label, error) if error < 0:
            return (
                f"{label} falls short of its target return by {formats.score(-error)} of z on average: luck decides "
                "the return here, or the log or the training does not suffice; do not trust the target return."
            )
        case Miscalibrated(label, error):
            return (
                f"{label} overshoots its target return by {formats.score(error)} of z on average: it does not "
                "follow the target."
            )
        case Stitched(label, model, gap):
            return (
                f"{label} makes more of the same log than {model} (by {formats.score(gap)} of z): good parts of "
                "different episodes have to be stitched."
            )
        case NoSuccess(threshold):
            return f"No run of either reached z {threshold:g}: costs are those of runs, not of successes."
        case UnknownOrigin():
            return "The log does not say how many steps made it: at lambda above 0 it cost more than is counted here."
        case MeasuredScale(source):
            return f"z is measured by {source}: it moves with the arms."
