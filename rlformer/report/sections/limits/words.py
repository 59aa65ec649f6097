"""What a report cannot tell, whatever its numbers: printed on every page."""

from __future__ import annotations

from collections.abc import Sequence

from rlformer import statistics
from rlformer.core import formats
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.report.words.arms import trained
from rlformer.report.words.types import Answer


def limits(environments: Sequence[Evidence]) -> tuple[Answer, ...]:
    """The gravest first."""
    tasks = "this one task" if len(environments) == 1 else f"these {len(environments)} tasks"
    learned = [arm for environment in environments for arm in trained(environment) if arm.seeds]
    seeds = min((len(arm.seeds) for arm in learned), default=0)
    logs = sum(len(environment.logs) for environment in environments)
    behind = f"{formats.plural(logs, 'log')} stood behind the offline arms here. " if logs else ""
    pairs = (
        (
            "Whether it holds elsewhere.",
            f"The runs come from {tasks}. Which family wins depends on how sparse the reward is, how "
            "long the episodes, how random the world and how much must be remembered: a ranking on one "
            "task is no forecast for another.",
        ),
        (
            "What another log would have done.",
            f"An arm that learns from a log is bounded by it. {behind}A better, worse, larger or "
            "broader one can reorder the arms. " + _sizes(environments),
        ),
        ("More than its seeds.", _seeds(seeds)),
        (
            "Whether the winner is really the best.",
            "The highest of several means is partly luck: it would shrink if it were measured again. Each "
            "interval is for one arm or one difference, and none is corrected for how many were looked at.",
        ),
        (
            "What more tuning would have changed.",
            "Every arm ran with one preset. The effort that went into finding it differs between arms, is "
            "stated with their settings, and may explain a difference as well as the method does.",
        ),
        (
            "Why one arm beat another.",
            "Neighbouring rungs of the ladder differ in one thing. An online agent and a Decision "
            "Transformer differ in four: where the data comes from, what is optimised, whether the "
            "policy has a target return, and the network. Their difference alone names no cause.",
        ),
        (
            "What your machine would take.",
            "Wall times are those of the machines named in this report, often with several runs side by side. "
            "CPU seconds travel better, and neither says what an accelerator would change. Memory is "
            "the peak of the whole process, libraries included.",
        ),
        (
            "How a policy fails.",
            "Scores are mean undiscounted returns of the last policy from the environment’s own start "
            "states. They say nothing of worst cases, of safety, or of a world that shifts after "
            "training.",
        ),
        (
            "What data is worth to you.",
            "Environment steps, logged steps and seconds stand in separate columns because only you "
            "know their prices: a simulator’s steps are nearly free, a robot’s are not, and a log that "
            "exists already may cost nothing.",
        ),
    )
    return tuple(Answer(lead, text[0].upper() + text[1:]) for lead, text in pairs)


def _seeds(seeds: int) -> str:
    if seeds < 2:
        return "With a single seed there is no interval at all, and another seed may print another ranking."
    even, rare = (formats.percent(statistics.bernoulli_coverage(p, seeds)) for p in (0.5, 0.2))
    return (
        f"The interval of {seeds} seeds is called 95 %, but where each run either succeeds or fails it "
        f"holds the truth in {even} of cases at even odds, and in {rare} if one run in five succeeds. "
        "Seeds that all agree give an interval of no width, which is not certainty. And only the "
        "training seed varies: the episodes of the evaluation stay the same."
    )


def _sizes(environments: Sequence[Evidence]) -> str:
    if any(environment.grid for environment in environments):
        return "The data-scaling curve shows shares of these logs, and ends where they end."
    return "The data axis shows one size of log, not how the score grows with it."
