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
    Optimistic,
    StillRising,
    Stitched,
    UndertrainedArms,
    UnknownOrigin,
)
from rlformer.evaluator.judge.verdict import Nearest, PairFacts, Side, Verdict
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
    "evaluation_step": "an environment step of measuring",
    "budget": "the steps that a run pays which never gets there",
}
_WITHOUT_ARM = ("inconclusive", "none works", "keep what made the log")
_PRICES = ("env_step", "logged_step", "cpu_second", "evaluation_step")


def words(evidence: Evidence, verdict: Verdict) -> VerdictWords:
    """What the verdict on an environment says."""
    pair = verdict.pair
    if verdict.answer in ("works", "does not work"):
        return VerdictWords(f"{verdict.answer[0].upper()}{verdict.answer[1:]}: {verdict.reason}.", _broken(evidence))
    if pair is None and verdict.nearest is not None:
        return VerdictWords(_conditioned(verdict, _beaten(verdict.nearest)), warnings=tuple(map(doubt, verdict.doubts)))
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
    strength, nearest = verdict.strength, verdict.nearest
    if nearest is not None:
        return _nothing(verdict, nearest)
    if verdict.answer == "inconclusive" or verdict.arm is None or strength is None:
        return _inconclusive(pair)
    if verdict.answer == "trade-off":
        return f"{_firmly(strength, 'a trade-off')}: {_trade_off(pair, verdict.arm, verdict.terms.threshold)}"
    if verdict.answer == "simpler":
        against = next(other.against for other in verdict.simpler or () if other.label == verdict.arm)
        text = f"Neither. {_firmly(strength, verdict.arm)}: it is not worse than {against}, and costs no more"
    else:
        choice = _firmly(strength, f"{_family(verdict)} ({verdict.arm})")
        text = f"{choice}: {_chosen(verdict, pair, verdict.arm)}"
    return f"{text}. {_sure(verdict, pair, strength)}"


def _nothing(verdict: Verdict, nearest: Nearest) -> str:
    """Nothing is chosen between arms that do not work, or that do no better than the log."""
    z = formats.number(nearest.z)
    if verdict.answer == "none works":
        which = "no arm" if verdict.terms.interaction else "no arm that learns without interaction"
        return (
            f"None works: {which} reaches a score of {verdict.terms.threshold:g} on half of its runs. {nearest.label} "
            f"comes nearest, with {z} (0 is random play, 1 the reference) and {nearest.reached} of {nearest.runs} runs "
            "there. Raise the budgets or tune before you compare."
        )
    return (
        f"Keep what made the log: its episodes score {formats.number(nearest.log_z)}, and the best arm here, "
        f"{nearest.label}, {z}; that is no gain of {verdict.terms.margin:g} or more."
    )


def _beaten(nearest: Nearest) -> str:
    """No card gives scores, and random play does as well as all that was trained."""
    return (
        f"None works: no arm returns more than random play. {nearest.label} comes nearest. Raise the budgets or tune "
        "before you compare."
    )


def _family(verdict: Verdict) -> str:
    """In words the family that is the answer."""
    return next(words for family, words in FAMILY_WORDS.items() if family == verdict.answer)


def _sure(verdict: Verdict, pair: PairFacts, strength: Strength) -> str:
    """How often such a choice is wrong, and what the number of seeds allows."""
    seeds, error = formats.plural(pair.seeds, "seed"), formats.probability(verdict.error or 0.0)
    if strength == "lean":
        return f"{seeds} give a direction, no more: by them it is wrong with a probability of about {error}."
    return f"By {seeds} it is wrong with a probability of at most {error}."


def _inconclusive(pair: PairFacts) -> str:
    seeds, (a, b) = formats.plural(pair.seeds, "seed"), (pair.a, pair.b)
    if pair.alike:
        return (
            f"No difference that matters: neither {a.label} nor {b.label} is worse, and neither is clearly cheaper "
            f"(by {seeds})."
        )
    needed = pair.seeds_to_settle
    more = (
        "more seeds that look like these would not tell either"
        if needed is None
        else f"about {needed:.0f} seeds could, if the others look like these"
    )
    return f"Inconclusive: {seeds} do not tell whether {a.label} or {b.label} is the better buy; {more}."


def _trade_off(pair: PairFacts, arm: str, threshold: float) -> str:
    better, other = _sides(pair, arm)
    gap = abs(pair.difference.point)
    if better.cost is None:
        return (
            f"{arm} scores higher by {formats.score(gap)} but never reaches {threshold:g}; {other.label} does on "
            f"{other.reached} of its runs."
        )
    extra = better.cost - (other.cost or 0.0)
    return (
        f"{arm} scores higher and costs more: {formats.number(extra)} more for {formats.score(gap)}, "
        f"{formats.number(extra / gap / 100)} for each 0.01."
    )


def _chosen(verdict: Verdict, pair: PairFacts, arm: str) -> str:
    better, other = _sides(pair, arm)
    beside = formats.listed([other.label, *(_sides(rest, arm)[1].label for rest in verdict.others)], "or")
    if better.cheaper >= other.cheaper and better.cost != other.cost:
        return f"it is not worse than {beside}, and costs less"
    return f"it is better than {beside}, and costs no more"


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
    return [_score(verdict, pair), _price(verdict, pair), *itertools.islice(allowed, 1)]


def _score(verdict: Verdict, pair: PairFacts) -> str:
    """The two statements behind "not worse", of the likelier choice."""
    terms = verdict.terms
    own, other = _sides(pair, pair.a.label if pair.a.error <= pair.b.error else pair.b.label)
    text = (
        f"How many runs work (score {terms.failure:.2g} or more): {own.worked} of {own.runs} for {own.label}, "
        f"{other.worked} of {other.runs} for {other.label}; the true share of {own.label} may be lower by "
        f"{formats.number(_loss(own.reliability.low))} at most, with 97.5 % certainty ({terms.reliability:g} is "
        "tolerated)."
    )
    if own.typical.point is None:
        return text
    low = "" if own.typical.low is None else f", at worst {formats.signed(own.typical.low)}"
    return (
        f"{text} Score where both work: {own.label} minus {other.label} is {formats.signed(own.typical.point)}{low} "
        f"({formats.signed(-terms.margin)} is tolerated)."
    )


def _loss(low: float | None) -> float:
    """The most that may be lost, from a lower bound."""
    return 0.0 if low is None else max(0.0, -low)


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
                f"needs neither a target return nor interaction, and {formats.seconds(own)} of learning CPU against "
                f"{formats.seconds(others)}."
            )


def _stopping(evidence: Evidence, verdict: Verdict, pair: PairFacts) -> Iterator[str]:
    """How early the training could have been stopped and the rest been left to the model."""
    level, model = verdict.terms.threshold, evidence.arm(verdict.stands_for("sequence") or pair.b.label)
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
        if row.threshold == level and row.label == (verdict.stands_for("online") or pair.a.label):
            yield (
                f"{row.label} reached z {level:g} on {row.reached} of {len(row.seeds)} seeds, after "
                f"{formats.count(row.rmst)} environment steps on average (the whole budget where it did not)."
            )


def _flips(verdict: Verdict, pair: PairFacts) -> Iterator[str]:
    if verdict.sweep is None:
        return
    for flip in verdict.sweep.flips:
        answers = {"trade-off": f"a trade-off ({flip.arm})"} | {word: word for word in _WITHOUT_ARM}
        answer = answers.get(flip.answer) or flip.arm or "cannot be told"
        name, at = _TERMS[flip.term], "at " if flip.term in _PRICES else ""
        yield f"{name[0].upper()}{name[1:]} {at}{flip.value:g}: {answer}."
    if verdict.answer in FAMILY_WORDS and verdict.strength == "lean":
        needed = pair.seeds_to_settle
        if needed is not None and needed > pair.seeds:
            yield f"More seeds: about {needed:.0f} could make it probable, if the others look like these."


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
        case Miscalibrated(label, error, by_luck) if error < 0:
            why = "luck decides the return here" if by_luck else "luck, the log or the training may be the reason"
            return (
                f"{label} falls short of its target return by {formats.score(-error)} of z on average: {why}; do not "
                "trust the target return."
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
        case Optimistic(label, of):
            return (
                f"{label} is the best of {formats.listed(of)} by the same seeds that judge it: that flatters it. "
                "From 8 seeds on, some choose and the others judge."
            )
        case MeasuredScale(source):
            return f"z is measured by {source}: it moves with the arms."
