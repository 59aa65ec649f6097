"""What the numbers allow to be said, in sentences. Nothing here knows more than the results."""

from __future__ import annotations

from collections.abc import Sequence

from rlformer import statistics
from rlformer.core import formats
from rlformer.evaluator.judge.comparisons import CLAIM_FROM, LEAN_BELOW, MARGIN
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.evaluator.judge.findings import Comparison
from rlformer.report.words.costs import Spent
from rlformer.report.words.types import Answer

_SMALL = f"under {MARGIN:g} of the normalised score"
_HIGHEST = "Which arm scores highest?"
_QUESTIONS = {
    "filtered": "Does the sequence model do more than imitate the log’s best episodes?",
    "log": "Does it improve on the log it learned from?",
    "families": "Online RL or the sequence model?",
}


def sentences(environment: Evidence) -> tuple[Answer, ...]:
    """The summary of one environment: questions with their answers."""
    if environment.verdict is not None and environment.verdict.answer in ("works", "does not work"):
        return (Answer("Does everything run?", f"{_ran(environment)} A smoke test compares nothing."),)
    learned, comparisons = environment.trained, environment.comparisons
    if not learned:
        return (Answer(_HIGHEST, "No trained arm has finished, so there is nothing to compare."),)
    best = next((environment.arm(each.a) for each in comparisons if each.question == "best"), learned[0])
    return (
        Answer(_HIGHEST, _best(best, comparisons)),
        *(
            Answer(_QUESTIONS[comparison.question], _compared(comparison))
            for comparison in comparisons
            if comparison.question in _QUESTIONS
        ),
        Answer("At what cost?", _costs(environment, best)),
        Answer("How sure is that?", _certainty(min(len(arm.seeds) for arm in learned))),
    )


def _ran(environment: Evidence) -> str:
    """How many arms finished in a smoke test."""
    ran = [arm.label for arm in environment.arms if arm.counted]
    return (
        f"{len(ran)} of {len({*(arm.label for arm in environment.arms), *_never(environment)})} arms ran to their end."
    )


def _never(environment: Evidence) -> list[str]:
    return [item.agent for item in environment.missing]


def _best(best: ArmEvidence, comparisons: Sequence[Comparison]) -> str:
    mean, z = best.mean_return, best.normalized_score
    details = [formats.plural(len(best.seeds), "seed")]
    if mean is not None and mean.low is not None:
        details.insert(0, f"95 % interval {formats.interval(mean)}")
    if z is not None:
        details.append(f"normalised score {formats.score(z.point)}")
    rivals: dict[tuple[str, str], list[str]] = {}
    for comparison in comparisons:
        if comparison.question == "best":
            rivals.setdefault((comparison.outcome, comparison.strength), []).append(comparison.b)
    claim = "has the highest mean return," if rivals else "is the only trained arm that finished; it returns"
    text = f"{best.label} {claim} {formats.number(best.point)} ({', '.join(details)})."
    phrases = [_against(outcome, strength, names) for (outcome, strength), names in sorted(rivals.items())]
    return " ".join([text, *phrases])


def _against(outcome: str, strength: str, names: Sequence[str]) -> str:
    either = formats.listed(names, "or")
    if outcome == "ahead":
        verb = {
            "lean": "The evidence leans towards it over",
            "probable": "It is probably ahead of",
            "claim": "It is ahead of",
        }
        return f"{verb[strength]} {formats.listed(names)}."
    if outcome == "equivalent":
        says = {
            "lean": "The evidence leans towards no",
            "probable": "There is probably no",
            "claim": "There is no",
        }
        return f"{says[strength]} difference that matters ({_SMALL}) from {either}."
    if outcome == "unknown":
        return f"One seed says nothing about how it compares with {either}."
    return f"These seeds do not separate it from {either}."


def _compared(comparison: Comparison) -> str:
    a, b, seeds = comparison.a, comparison.b, comparison.seeds
    other = "the log’s own episodes" if comparison.question == "log" else b
    gap, details = comparison.difference, formats.plural(seeds, "seed")
    if gap.low is not None:
        details = f"95 % interval {formats.interval(gap)}, {details}"
    numbers = f"{a} minus {other}: {formats.signed(gap.point)} ({details})."
    outcome, strength = comparison.outcome, comparison.strength
    if outcome == "unknown":
        return f"{numbers} One seed cannot tell."
    if outcome == "open":
        return f"{numbers} Open: the interval holds zero."
    if outcome == "equivalent":
        conclusion = f"no difference that matters ({_SMALL})"
    else:
        conclusion = a if outcome == "ahead" else other
    verb = {"lean": "The evidence leans towards", "probable": "Probably", "claim": "The evidence supports"}[strength]
    return f"{numbers} {verb} {conclusion}."


def _costs(environment: Evidence, best: ArmEvidence) -> str:
    """What the best arm and those that the questions are about spent, a run on average."""
    asked = [c for c in environment.comparisons if c.question in ("filtered", "families")]
    named = {best.label, *(label for comparison in asked for label in (comparison.a, comparison.b))}
    took = [f"{arm.label} took {_cost(arm)}" for arm in environment.arms if arm.label in named]
    return "A run, on average: " + "; ".join(took) + "."


def _cost(arm: ArmEvidence) -> str:
    spent = Spent.of_arm(arm)
    parts = spent.words
    if not spent.env_steps and not spent.logged_steps:
        parts.insert(0, f"{formats.count(spent.env_steps)} environment steps")
    return formats.listed(parts)


def _certainty(seeds: int) -> str:
    if seeds < 2:
        return "An arm with one finished seed has no interval: read its score as an anecdote."
    coverage = formats.percent(statistics.bernoulli_coverage(0.5, seeds))
    held = f"with runs that succeed at even odds, a 95 % interval of {seeds} seeds holds the truth in {coverage}"
    if seeds < LEAN_BELOW:
        return f"Not very: {held} of cases. Under {LEAN_BELOW} seeds this page only ever leans."
    if seeds < CLAIM_FROM:
        return f"Fairly: {held} of cases. A claim on one environment takes {CLAIM_FROM} seeds."
    return f"Seeds enough for a claim on this task: {held} of cases. It says nothing about other tasks."
