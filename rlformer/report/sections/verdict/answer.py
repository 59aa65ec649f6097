"""The answer in one plain sentence, and how sure it is in another."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rlformer.core import formats
from rlformer.evaluator.judge.findings import Strength
from rlformer.evaluator.judge.verdict import Answer, Nearest, PairFacts, Side, Verdict
from rlformer.evaluator.judge.weighing import SEEDS, firmest
from rlformer.report.words.families import named
from rlformer.report.words.thresholds import goal, one
from rlformer.runs.spec import FAMILIES, Family

Sentence = Callable[[Verdict], str]

_IS_BETTER: Mapping[Strength, str] = {
    "claim": "{choice} is the better choice",
    "probable": "{choice} is probably the better choice",
    "lean": "{choice} looks like the better choice",
}
_IS_ENOUGH: Mapping[Strength, str] = {
    "claim": "{choice} is enough",
    "probable": "{choice} is probably enough",
    "lean": "{choice} may be enough",
}
_IS_A_TRADE_OFF: Mapping[Strength, str] = {
    "claim": "This is a trade-off",
    "probable": "This is probably a trade-off",
    "lean": "This looks like a trade-off",
}
_IS_ALIKE: Mapping[Strength, str] = {
    "claim": "It makes no difference that matters: {a} and {b} score alike, and neither is clearly cheaper.",
    "probable": "It probably makes no difference that matters: {a} and {b} score alike, and neither is clearly "
    "cheaper.",
    "lean": "It seems to make no difference that matters: {a} and {b} scored alike, and neither was clearly cheaper.",
}
_HOW_SURE: Mapping[Strength, str] = {
    "claim": "Very sure: {seeds} allow a claim.",
    "probable": "Fairly sure: {seeds} make it probable.",
    "lean": "Not sure: {seeds} show a direction only.",
}


def answer(verdict: Verdict) -> str:
    """The verdict as a person says it, after the condition under which it holds."""
    said = ANSWERS[verdict.answer](verdict)
    if verdict.within is None:
        return said
    noun = "minute" if verdict.within == 1 else "minutes"
    return f"Within {verdict.within:g} {noun}: {said[0].lower()}{said[1:]}"


def certainty(verdict: Verdict) -> str:
    """How sure the answer is, with the probability that it is wrong; "" where nothing was compared."""
    if verdict.nearest is not None:
        return _beside_the_nearest(verdict, verdict.nearest)
    if verdict.pair is None:
        return ""
    if verdict.strength is None:
        return _undecided(verdict.pair)
    said = _how_sure(verdict.strength, verdict.pair.seeds)
    said += f" The estimated probability that this is wrong is {odds(verdict.error or 0.0)}."
    return said + _more_seeds(verdict.pair, "make it probable") * (verdict.strength == "lean")


def sides(pair: PairFacts, label: str | None) -> tuple[Side, Side]:
    """The arm of that label and the other one; without one of that label the likelier choice first."""
    if label not in (pair.a.label, pair.b.label):
        label = min((pair.a, pair.b), key=lambda side: side.error).label
    return (pair.a, pair.b) if pair.a.label == label else (pair.b, pair.a)


def odds(error: float) -> str:
    """A probability of being wrong.

    >>> odds(0.063), odds(0.0004)
    ('6 %', 'below 1 %')
    """
    return "below 1 %" if error < 0.01 else formats.percent(error)


# Answers.


def _family(verdict: Verdict) -> str:
    family = next(family for family in FAMILIES if family == verdict.answer)
    choice = _capital(_choice(verdict, family))
    if verdict.strength is None or verdict.pair is None:
        return f"{choice}."
    return f"{_IS_BETTER[verdict.strength].format(choice=choice)}: {_grounds(verdict, verdict.pair)}."


def _choice(verdict: Verdict, family: Family) -> str:
    return named(family, verdict.arm or "")


def _grounds(verdict: Verdict, pair: PairFacts) -> str:
    """Why it is chosen over the others: by its cost, or by its score. Few seeds tell what was, not what is."""
    own, other = sides(pair, verdict.arm)
    rest = [sides(each, verdict.arm)[1] for each in verdict.others]
    names = list(dict.fromkeys([other.label, *(each.label for each in rest)]))
    few = verdict.strength == "lean"
    if own.reached and not any(each.reached for each in (other, *rest)):
        runs = f"{own.reached} of {formats.plural(own.runs, 'run')}"
        return f"it {'was' if few else 'is'} good enough in {runs}, and {formats.listed(names)} in none"
    beside = formats.listed(names, "or")
    if by_cost(own, other):
        return f"it {'scored' if few else 'scores'} no worse than {beside}, and it {'cost' if few else 'costs'} less"
    return f"it {'scored' if few else 'scores'} higher than {beside}, and it {'cost' if few else 'costs'} no more"


def by_cost(own: Side, other: Side) -> bool:
    """Whether the cost of an arm is what speaks for it, rather than its score."""
    return own.cheaper >= other.cheaper and own.cost != other.cost


def _simpler(verdict: Verdict) -> str:
    row = next(row for row in verdict.simpler or () if row.label == verdict.arm)
    enough = _IS_ENOUGH[verdict.strength or "lean"].format(choice=f"The simple method {row.label}")
    tense = ("scored", "cost") if verdict.strength == "lean" else ("scores", "costs")
    return f"{enough}: it {tense[0]} no worse than {row.against}, and it {tense[1]} no more."


def _trade_off(verdict: Verdict) -> str:
    assert verdict.pair is not None
    better, other = sides(verdict.pair, verdict.arm)
    start = _IS_A_TRADE_OFF[verdict.strength or "lean"]
    gap = formats.score(abs(verdict.pair.difference.point))
    if better.cost is None:
        return (
            f"{start}: {better.label} scores higher than {other.label} by {gap}, but none of its runs is good enough; "
            f"{other.label} is good enough on {other.reached} of {other.runs} runs."
        )
    return f"{start}: {better.label} scores higher than {other.label} by {gap}, but it costs more."


def _inconclusive(verdict: Verdict) -> str:
    assert verdict.pair is not None
    a, b = verdict.pair.a.label, verdict.pair.b.label
    if verdict.pair.alike:
        return _IS_ALIKE[_alike(verdict.pair)].format(a=a, b=b)
    return f"There is no answer yet: these runs do not show whether {a} or {b} is the better choice."


def _none_works(verdict: Verdict) -> str:
    if verdict.scale is None:  # no card gives scores, and random play does as well
        return "Nothing works yet: no method returns more than random play."
    which = "no method" if verdict.terms.interaction else "no method that learns from a log alone"
    return f"Nothing works well enough yet: {which} reaches {goal(verdict.terms)} in half of its runs."


def _keep(verdict: Verdict) -> str:
    return (
        f"Keep the policy that made the log: no method here scores at least {verdict.terms.margin:g} higher than the "
        "log’s own episodes."
    )


def _cannot_tell(verdict: Verdict) -> str:
    return f"There is no answer: {verdict.reason}."


def _smoke(verdict: Verdict) -> str:
    return f"{_capital(str(verdict.answer))}: {verdict.reason}."


ANSWERS: Mapping[Answer, Sentence] = {
    "online": _family,
    "offline": _family,
    "sequence": _family,
    "hybrid": _family,
    "simpler": _simpler,
    "trade-off": _trade_off,
    "inconclusive": _inconclusive,
    "none works": _none_works,
    "keep what made the log": _keep,
    "cannot tell": _cannot_tell,
    "works": _smoke,
    "does not work": _smoke,
}


# How sure they are.


def _how_sure(strength: Strength, seeds: int) -> str:
    """And what keeps a small probability of being wrong from being a claim."""
    said = _HOW_SURE[strength].format(seeds=formats.plural(seeds, "seed"))
    return said + f" A firm claim takes {SEEDS['claim']}." * (strength == "probable" and seeds < SEEDS["claim"])


def _undecided(pair: PairFacts) -> str:
    seeds = formats.plural(pair.seeds, "seed")
    if pair.alike:
        strength = _alike(pair)
        said = (
            f"{_how_sure(strength, pair.seeds)} The estimated probability that one of them is worse by more "
            f"than is tolerated is {odds(_worse(pair))}."
        )
        return said + _more_seeds(pair, "make it probable") * (strength == "lean") + " Choose either."
    likelier, _ = sides(pair, None)
    guess = ""
    if likelier.error < 0.5:
        guess = f" If you must choose now, {likelier.label} is the better guess. The probability that it is wrong is "
        guess += f"{odds(likelier.error)}."
    what = "decide it" if pair.settles is None else "show that neither is worse than the other"
    more = _more_seeds(pair, what) or " More seeds that look like these would not decide it either."
    return f"Not decided by {seeds}.{guess}{more}"


def _alike(pair: PairFacts) -> Strength:
    """How firmly it may be said that neither arm is worse than the other."""
    return firmest(_worse(pair), pair.seeds) or "lean"


def _worse(pair: PairFacts) -> float:
    """The probability that one of them is worse: that of the likelier one."""
    return max(pair.a.p_worse, pair.b.p_worse)


def _more_seeds(pair: PairFacts, what: str) -> str:
    needed = pair.seeds_to_settle
    if needed is None or needed <= pair.seeds:
        return ""
    return f" About {needed:.0f} seeds could {what}, if the new ones look like these."


def _beside_the_nearest(verdict: Verdict, nearest: Nearest) -> str:
    if verdict.scale is None:
        return f"{nearest.label} comes closest. Train longer or tune before you compare."
    score = formats.score(nearest.z)
    if nearest.log_z is not None:
        log = formats.score(nearest.log_z)
        return f"The log’s episodes score {log} on average; the best method here, {nearest.label}, scores {score}."
    runs = f"{nearest.reached} of {formats.plural(nearest.runs, 'run')}"
    return (
        f"{nearest.label} comes closest: it scores {score} on average (0 is random play, 1 {one(verdict.scale)}), and "
        f"{runs} reach {goal(verdict.terms)}."
    )


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
