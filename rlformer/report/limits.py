"""What a report cannot tell, whatever its numbers: printed on every page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlformer import statistics
from rlformer.report import formats


def limits(results: Mapping[str, Any]) -> list[dict[str, str]]:
    """A `lead` and a `text` each, the gravest first."""
    environments = results["environments"]
    arms = [arm for environment in environments for arm in environment["arms"]]
    trained = [arm for arm in arms if arm["family"] not in ("random", "behaviour")]
    seeds = min((len(arm["seeds"]) for arm in trained if arm["seeds"]), default=0)
    most = max((len(environment["arms"]) for environment in environments), default=0)
    tasks = "this one task" if len(environments) == 1 else f"these {len(environments)} tasks"
    logs = sum(len(environment["logs"]) for environment in environments)
    return [
        {
            "lead": "Whether it holds elsewhere.",
            "text": f"The runs come from {tasks}. Which family wins depends on reward sparsity, horizon, stochasticity and "
            "the need for memory, and a ranking on one task is no forecast for another.",
        },
        {
            "lead": "What another log would have done.",
            "text": f"An arm that learns from a log is bounded by it. {formats.plural(logs, 'log').capitalize()} stood behind "
            "the offline arms here; better, worse, larger or broader ones can reorder them. The data axis shows one size of "
            "log, not how the score grows with it.",
        },
        {"lead": "More than its seeds.", "text": _seeds(seeds)},
        {
            "lead": "Whether the winner is really the best.",
            "text": f"The highest of {most} means is partly luck: it would shrink if it were measured again. The intervals "
            "are each for one arm or one difference and are not corrected for how many were looked at.",
        },
        {
            "lead": "What more tuning would have changed.",
            "text": "Every arm ran with one preset. How much effort went into finding it differs between arms, is stated with "
            "their settings, and may explain a difference as well as the method does.",
        },
        {
            "lead": "Why one arm beat another.",
            "text": "Neighbouring rungs of the ladder differ in one thing. An online agent and a Decision Transformer differ "
            "in four: where the data comes from, what is optimised, what the policy is told, and the network. Their "
            "difference alone names no cause.",
        },
        {
            "lead": "What your machine would take.",
            "text": "Wall times are of the machine below, often with several runs side by side; CPU seconds travel better, and "
            "neither says what an accelerator would change. Memory is the peak of the whole process, libraries included.",
        },
        {
            "lead": "How a policy fails.",
            "text": "Scores are mean undiscounted returns of the last policy from the environment’s own start states. They say "
            "nothing of worst cases, of safety, or of a world that shifted after training.",
        },
        {
            "lead": "What data is worth to you.",
            "text": "Environment steps, logged steps and seconds stand in separate columns because only you know their prices: a "
            "simulator’s steps are nearly free, a robot’s are not, and a log that exists already may cost nothing.",
        },
    ]


def _seeds(seeds: int) -> str:
    if seeds < 2:
        return "With a single seed there is no interval at all: the same command with another seed may print another ranking."
    even, rare = statistics.bernoulli_coverage(0.5, seeds), statistics.bernoulli_coverage(0.2, seeds)
    return (
        f"The interval of {seeds} seeds is called 95 %, but where each run either succeeds or fails it holds the truth in "
        f"{even:.0%} of cases at even odds and in {rare:.0%} if one run in five succeeds. Seeds that all agree give an interval "
        "of no width, which is not certainty. And only the training seed varies: the episodes of the evaluation stay the same."
    )
