"""What the numbers allow to be said, in sentences. Nothing here knows more than the results."""

from __future__ import annotations

from collections.abc import Sequence

from rlformer import statistics
from rlformer.core import formats
from rlformer.evaluator.judge.comparisons import CLAIM_FROM, LEAN_BELOW, MARGIN
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.evaluator.judge.findings import Comparison
from rlformer.report.words.arms import judging_seeds
from rlformer.report.words.costs import Spent
from rlformer.report.words.types import Answer

_SMALL = f"below {MARGIN:g} of score"
_HIGHEST = "Which arm scores highest?"
_QUESTIONS = {
    "filtered": "Does the sequence model do more than imitate the best episodes of the log?",
    "log": "Does it score higher than the log that it learned from?",
    "nonlinearity": "Does a network with hidden layers score higher than a linear policy?",
    "segments": "Does a memory of earlier segments score higher than a window alone?",
    "chunks": "Does an encoder-decoder that predicts several actions score higher than a decoder of one?",
    "reconstruction": "Does pretraining on masked tokens score higher than imitation alone?",
    "pretraining": "Does pretraining score higher than training from scratch?",
    "latent": "Does the whole observation score higher than what an autoencoder keeps of it?",
    "asking": "Does a model that predicts its own return score higher than one whose target is the log’s best?",
    "gates": "Does an LSTM score higher than a GRU?",
    "attention": "Does attention score higher than convolution?",
    "recurrence": "Does PPO score higher with a Transformer than with an LSTM?",
    "discriminator": "Does a learned reward do more than a constant one?",
    "families": "Which scores higher, online RL or the sequence model?",
}


def sentences(environment: Evidence) -> tuple[Answer, ...]:
    """The summary of one environment: questions with their answers."""
    if environment.verdict is not None and environment.verdict.answer in ("works", "does not work"):
        return (Answer("Does everything run?", f"{_ran(environment)} A smoke test does not compare arms."),)
    learned, comparisons = environment.trained, environment.comparisons
    if not learned:
        return (Answer(_HIGHEST, "No trained arm has finished: there is nothing to compare."),)
    best = next((environment.arm(each.a) for each in comparisons if each.question == "best"), learned[0])
    return (
        Answer(_HIGHEST, _best(best, comparisons)),
        *(
            Answer(_QUESTIONS[comparison.question], _compared(comparison))
            for comparison in comparisons
            if comparison.question in _QUESTIONS
        ),
        Answer("How much data and time did a run take?", _costs(environment, best)),
        Answer("How much can this number of seeds show?", _certainty(judging_seeds(environment)) + _fewer(environment)),
    )


def _ran(environment: Evidence) -> str:
    """How many arms finished in a smoke test."""
    ran = [arm.label for arm in environment.arms if arm.counted]
    every = {*(arm.label for arm in environment.arms), *_never(environment)}
    return f"{len(ran)} of {len(every)} arms finished."


def _never(environment: Evidence) -> list[str]:
    return [item.agent for item in environment.missing]


def _best(best: ArmEvidence, comparisons: Sequence[Comparison]) -> str:
    mean, z = best.mean_return, best.normalized_score
    details = [formats.plural(len(best.seeds), "seed")]
    if mean is not None and mean.low is not None:
        details.insert(0, f"95 % interval {formats.interval(mean)}")
    if z is not None:
        details.append(f"score {formats.score(z.point)}")
    rivals: dict[tuple[str, str], list[str]] = {}
    for comparison in comparisons:
        if comparison.question == "best":
            rivals.setdefault((comparison.outcome, comparison.strength), []).append(comparison.b)
    claim = "has the highest mean return:" if rivals else "is the only trained arm that finished. Its mean return is"
    text = f"{best.label} {claim} {formats.number(best.point)} ({', '.join(details)})."
    phrases = [_against(outcome, strength, names) for (outcome, strength), names in sorted(rivals.items())]
    return " ".join([text, *phrases])


def _against(outcome: str, strength: str, names: Sequence[str]) -> str:
    either = formats.listed(names, "or")
    if outcome == "ahead":
        verb = {
            "lean": "It seems to score higher than",
            "probable": "It probably scores higher than",
            "claim": "It scores higher than",
        }
        return f"{verb[strength]} {formats.listed(names)}."
    if outcome == "equivalent":
        says = {
            "lean": "There seems to be no",
            "probable": "There is probably no",
            "claim": "There is no",
        }
        return f"{says[strength]} difference that matters ({_SMALL}) from {either}."
    if outcome == "unknown":
        return f"One seed cannot show how it compares with {either}."
    return f"These seeds do not show whether it scores higher than {either}."


def _compared(comparison: Comparison) -> str:
    a, seeds = comparison.a, comparison.seeds
    other = "the log’s own episodes" if comparison.question == "log" else comparison.b
    gap, details = comparison.difference, formats.plural(seeds, "seed")
    if gap.low is not None:
        details = f"95 % interval {formats.interval(gap)}, {details}"
    return f"{_concluded(comparison, a, other)} The mean return differs by {formats.signed(gap.point)} ({details})."


def _concluded(comparison: Comparison, a: str, other: str) -> str:
    """Who scores higher, as firmly as the seeds allow."""
    outcome, strength = comparison.outcome, comparison.strength
    if outcome == "unknown":
        return f"One seed cannot show whether {a} or {other} is better."
    if outcome == "open":
        return (
            f"These seeds do not show whether {a} or {other} is better: the interval of their difference contains zero."
        )
    if outcome == "equivalent":
        verb = {"lean": "There seems to be", "probable": "There is probably", "claim": "There is"}[strength]
        return f"{verb} no difference that matters ({_SMALL}) between {a} and {other}."
    better, worse = (a, other) if outcome == "ahead" else (other, a)
    many = better.endswith("episodes")
    verb = {
        "lean": "seem to be" if many else "seems to be",
        "probable": "are probably" if many else "is probably",
        "claim": "are" if many else "is",
    }[strength]
    return (
        f"{better[0].upper()}{better[1:]} {verb} better than {worse}."
        if many
        else f"{better} {verb} better than {worse}."
    )


def _costs(environment: Evidence, best: ArmEvidence) -> str:
    """What the best arm and those that the questions are about spent, a run on average."""
    asked = [c for c in environment.comparisons if c.question in ("filtered", "families")]
    named = {best.label, *(label for comparison in asked for label in (comparison.a, comparison.b))}
    took = [f"{arm.label} took {_cost(arm)}" for arm in environment.arms if arm.label in named]
    return "On average, a run of " + "; a run of ".join(took) + "."


def _cost(arm: ArmEvidence) -> str:
    spent = Spent.of_arm(arm)
    parts = spent.words
    if not spent.env_steps and not spent.logged_steps:
        parts.insert(0, f"{formats.count(spent.env_steps)} environment steps")
    return formats.listed(parts)


def _fewer(environment: Evidence) -> str:
    """Arms with fewer seeds than those that judge, such as those that were not chosen for their family."""
    judging = judging_seeds(environment)
    arms = [f"{arm.label} ({len(arm.seeds)})" for arm in environment.trained if len(arm.seeds) < judging]
    return f" These arms have fewer seeds and show less: {formats.listed(arms)}." if arms else ""


def _certainty(seeds: int) -> str:
    if seeds < 2:
        return "An arm with one finished seed has no interval. Its score may be luck."
    often, even = (formats.percent(statistics.bernoulli_coverage(p, seeds)) for p in (0.9, 0.5))
    held = (
        f"If 9 of 10 runs succeed, a 95 % interval from {formats.plural(seeds, 'seed')} contains the true value in "
        f"{often} of cases; if every second run succeeds, in {even}."
    )
    if seeds < LEAN_BELOW:
        return f"Not much: it shows only a direction. {held} It takes {LEAN_BELOW} seeds to call something probable."
    if seeds < CLAIM_FROM:
        return f"It can make an answer probable. {held} A claim about one environment takes {CLAIM_FROM} seeds."
    return f"It is enough for a claim about this task. {held} It says nothing about other tasks."
