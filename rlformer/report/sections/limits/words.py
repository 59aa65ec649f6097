"""What a report cannot tell, whatever its numbers: printed on every page."""

from __future__ import annotations

from collections.abc import Sequence

from rlformer import statistics
from rlformer.core import formats
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.report.words.arms import judging_seeds, trained
from rlformer.report.words.types import Answer


def limits(environments: Sequence[Evidence]) -> tuple[Answer, ...]:
    """The gravest first."""
    tasks = "this one task" if len(environments) == 1 else f"these {len(environments)} tasks"
    seeds = min((judging_seeds(each) for each in environments if trained(each)), default=0)
    logs = sum(len(environment.logs) for environment in environments)
    behind = f"The offline arms here learned from {formats.plural(logs, 'log')}. " if logs else ""
    pairs = (
        (
            "Whether the answer holds elsewhere.",
            f"The runs come from {tasks}. Which family wins depends on how often the task gives reward, how long its "
            "episodes are, how random it is, and how much a policy must remember. A ranking on one task does not "
            "predict the ranking on another.",
        ),
        (
            "What another log would change.",
            f"An arm that learns from a log can only be as good as the log allows. {behind}A better, worse, larger or "
            "broader log can change the order of the arms. " + _sizes(environments),
        ),
        ("More than the seeds show.", _seeds(seeds)),
        (
            "Whether the winner is really the best.",
            "The highest of several means is partly luck: it would be lower if it were measured again. Each "
            "interval is for one arm or one difference. None is corrected for how many were looked at.",
        ),
        (
            "What more tuning would change.",
            "Every arm ran with one preset. How these presets were found differs from arm to arm (see their settings), "
            "and this may explain a difference as well as the method does.",
        ),
        (
            "Why one arm is better than another.",
            "Neighbours in the table of arms differ in one thing. An online agent and a Decision Transformer differ in "
            "four: where the data comes from, what is optimised, whether the policy has a target return, and the "
            "network. The difference between them does not show the cause.",
        ),
        (
            "What your machine would take.",
            "Wall times are those of the machines named in this report, where several runs often shared a machine. "
            "CPU seconds are easier to compare. Neither says what an accelerator would change. Memory is "
            "the peak of the whole process, libraries included.",
        ),
        (
            "How a policy fails.",
            "Returns are means over episodes of the policy at the end of its training, from the environment’s own "
            "start states, without discount. The worst tenth of the episodes stands beside them, but failures that are "
            "rarer than one in some hundred episodes cannot be seen. Nothing is said about safety, or about a world "
            "that changes after the training.",
        ),
        (
            "What data is worth to you.",
            "Environment steps, logged steps and seconds have separate columns because only you know their "
            "prices. A simulator’s steps are nearly free, a robot’s are not, and a log that exists already "
            "may cost nothing.",
        ),
    )
    return tuple(Answer(lead, text[0].upper() + text[1:]) for lead, text in pairs)


def _seeds(seeds: int) -> str:
    if seeds < 2:
        return "With a single seed there is no interval, and another seed may give another ranking."
    even, often = (formats.percent(statistics.bernoulli_coverage(p, seeds)) for p in (0.5, 0.9))
    return (
        f"The nominal level of an interval from {seeds} seeds is 95 %. If runs either succeed or fail, it contains the "
        f"true value in {even} of cases when every second run succeeds, and in {often} of cases when 9 of 10 runs "
        "do. Seeds that all agree give an interval without width, which does not mean certainty. All arms "
        "play the same evaluation episodes: the interval of one arm allows for other episodes, that of a difference "
        "does not."
    )


def _sizes(environments: Sequence[Evidence]) -> str:
    if any(environment.grid for environment in environments):
        return "The figure of data needs shows parts of these logs. It cannot show what a larger log would bring."
    return "Only one size of log was tried here, so nothing shows how the score grows with the log."
