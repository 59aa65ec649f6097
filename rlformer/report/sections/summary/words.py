"""What the numbers allow to be said, in sentences. Nothing here knows more than the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rlformer import statistics
from rlformer.core import formats
from rlformer.evaluator.judge.comparisons import CLAIM_FROM, LEAN_BELOW, MARGIN
from rlformer.report.words.costs import spent

_SMALL = f"under {MARGIN:g} of the normalised score"
_QUESTIONS = {
    "filtered": "Does the sequence model do more than imitate the log’s best episodes?",
    "log": "Does it improve on the log it learned from?",
    "families": "Online RL or the sequence model?",
}


def sentences(environment: Mapping[str, Any]) -> list[dict[str, str]]:
    """The summary of one environment: `text`, and as `lead` the question that it answers."""
    trained = [a for a in environment["arms"] if a["family"] not in ("random", "behaviour") and a["mean_return"]]
    if not trained:
        return [
            {
                "lead": "Which arm scores highest?",
                "text": "No trained arm has finished, so there is nothing to compare.",
            }
        ]
    comparisons = environment["comparisons"]
    best = max(trained, key=lambda arm: arm["mean_return"]["point"])
    found = [{"lead": "Which arm scores highest?", "text": _best(best, comparisons)}]
    found += [
        {"lead": _QUESTIONS[comparison["question"]], "text": _compared(comparison)}
        for comparison in comparisons
        if comparison["question"] in _QUESTIONS
    ]
    found.append({"lead": "At what cost?", "text": _costs(environment, best)})
    found.append({"lead": "How sure is that?", "text": _certainty(min(len(arm["seeds"]) for arm in trained))})
    return found


def _best(best: Mapping[str, Any], comparisons: Sequence[Mapping[str, Any]]) -> str:
    mean, z, seeds = best["mean_return"], best["normalized_score"], len(best["seeds"])
    known = [formats.plural(seeds, "seed")]
    if mean["low"] is not None:
        known.insert(0, f"95 % interval {formats.interval(mean)}")
    if z is not None:
        known.append(f"normalised score {formats.score(z['point'])}")
    rivals: dict[tuple[str, str], list[str]] = {}
    for comparison in comparisons:
        if comparison["question"] == "best":
            rivals.setdefault((comparison["outcome"], comparison["strength"]), []).append(comparison["b"])
    claim = "has the highest mean return," if rivals else "is the only trained arm that finished; it returns"
    text = f"{best['label']} {claim} {formats.number(mean['point'])} ({', '.join(known)})."
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


def _compared(comparison: Mapping[str, Any]) -> str:
    a, b, seeds = comparison["a"], comparison["b"], comparison["seeds"]
    other = "the log’s own episodes" if comparison["question"] == "log" else b
    point, known = comparison["difference"]["point"], formats.plural(seeds, "seed")
    if comparison["difference"]["low"] is not None:
        known = f"95 % interval {formats.interval(comparison['difference'])}, {known}"
    numbers = f"{a} minus {other}: {formats.signed(point)} ({known})."
    outcome, strength = comparison["outcome"], comparison["strength"]
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


def _costs(environment: Mapping[str, Any], best: Mapping[str, Any]) -> str:
    """What the best arm and those that the questions are about spent, a run on average."""
    asked = [c for c in environment["comparisons"] if c["question"] in ("filtered", "families")]
    named = {best["label"], *(comparison[side] for comparison in asked for side in ("a", "b"))}
    took = [f"{arm['label']} took {_cost(arm)}" for arm in environment["arms"] if arm["label"] in named]
    return "A run, on average: " + "; ".join(took) + "."


def _cost(arm: Mapping[str, Any]) -> str:
    cost = {key: value["mean"] if value else None for key, value in arm["cost"].items()}
    wall = arm["times"].get("wall")
    parts = spent(cost, wall and wall["mean"])
    if not cost["env_steps"] and not cost["logged_steps"]:
        parts.insert(0, f"{formats.count(cost['env_steps'])} environment steps")
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
