"""Arms against each other: differences with their intervals, and how much so many seeds may say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from rlformer import statistics
from rlformer.core.records import EnvSpec
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.evaluator.judge.findings import Comparison, Outcome, Strength
from rlformer.evaluator.judge.pairing import common, sources
from rlformer.evaluator.judge.standing import best, candidate, repeated
from rlformer.evaluator.judge.terms import Terms
from rlformer.evaluator.judge.values import Estimate
from rlformer.runs.spec import OFFLINE, ONLINE, SEQUENCE, Contrast, Family

MARGIN = 0.05  # of the normalised score: a smaller difference does not matter
LEAN_BELOW, CLAIM_FROM = 10, 20  # seeds
OF_THE_FAMILY = ("filtered", "log")  # questions about the sequence model as such: any candidate can answer them


def compare_arms(evidence: Evidence, terms: Terms) -> tuple[Comparison, ...]:
    """The comparisons that the report draws on.

    best: the arm with the highest mean, of those that were repeated alike, against every other trained one. Then the
    contrasts that cards ask for, from the top of the ladder down. families: the online arm against the sequence model
    that stand for their families on these terms. stitching: that of offline RL against it.
    """
    top = best(repeated(evidence.trained))
    if top is None:
        return ()
    pairs = [("best", top, arm) for arm in evidence.trained if arm is not top]
    pairs += _contrasts(evidence, terms)
    model = candidate(evidence, SEQUENCE, terms)
    others: tuple[tuple[str, Family], ...] = (("families", ONLINE), ("stitching", OFFLINE))
    for question, family in others:
        other = candidate(evidence, family, terms)
        if model is not None and other is not None:
            pairs.append((question, other, model))
    return tuple(difference(question, a, b, evidence.card) for question, a, b in pairs)


def difference(question: str, a: ArmEvidence, b: ArmEvidence, env: EnvSpec) -> Comparison:
    """Mean return of arm a minus that of arm b over their finished runs, with its 95 % bootstrap interval.

    Runs are paired by seed where both arms have most of their seeds in common (see `pairing`).
    outcome: ahead, behind, equivalent (the whole interval within MARGIN of z), open (none of these), or
    unknown (no interval). strength: lean, probable or claim, by the number of seeds.
    """
    runs_a, runs_b = a.counted, b.counted
    seeds, rows = min(len(runs_a), len(runs_b)), common(runs_a, runs_b)
    if rows is not None:
        runs_a, runs_b = (tuple(runs[row] for row in of) for runs, of in zip((runs_a, runs_b), rows.T, strict=True))
    x, y = (np.array([run.score for run in runs]) for runs in (runs_a, runs_b))
    gap = Estimate(None, float(x.mean() - y.mean()), None)
    if min(len(x), len(y)) > 1:
        labels = sources([run.data_hash for run in runs_a], [run.data_hash for run in runs_b], rows is not None)
        drawn = statistics.bootstrap_difference(x, y, np.random.default_rng(0), paired=rows is not None, sources=labels)
        gap = Estimate(drawn.interval().low, gap.point, drawn.interval().high)
    scale = None
    if env.random_score is not None and env.reference_score is not None:
        scale = env.reference_score - env.random_score
    return Comparison(question, a.label, b.label, seeds, rows is not None, gap, _outcome(gap, scale), strength(seeds))


def strength(seeds: int) -> Strength:
    """How much that many seeds may say."""
    return "lean" if seeds < LEAN_BELOW else "probable" if seeds < CLAIM_FROM else "claim"


def _outcome(gap: Estimate, scale: float | None) -> Outcome:
    """`scale`: the difference of return that is 1 of z; without it nothing says what difference is small."""
    if gap.low is None or gap.high is None:
        return "unknown"
    if scale is not None and max(abs(gap.low), abs(gap.high)) < MARGIN * abs(scale):
        return "equivalent"
    return "ahead" if gap.low > 0 else "behind" if gap.high < 0 else "open"


def _contrasts(evidence: Evidence, terms: Terms) -> Iterator[tuple[str, ArmEvidence, ArmEvidence]]:
    """Arms that differ in one thing, as their cards say: the question, the arm that has it, the arm that lacks it."""
    arms = [arm for arm in evidence.arms if arm.mean_return is not None]
    asked: dict[Contrast, None] = dict.fromkeys(contrast for arm in arms for contrast in arm.contrasts)
    found = []
    for contrast in asked:
        more = best(arm for arm in arms if arm.agent == contrast.more)
        if more is None and contrast.question in OF_THE_FAMILY:
            more = candidate(evidence, SEQUENCE, terms)
        less = None if more is None else _counterpart(more, [arm for arm in arms if arm.agent == contrast.less])
        if more is not None and less is not None and less is not more:
            found.append((contrast.question, more, less))
    yield from sorted(found, key=lambda pair: -pair[2].rung)


def _counterpart(arm: ArmEvidence, others: Sequence[ArmEvidence]) -> ArmEvidence | None:
    """Of these the one that learned from the most of the logs that `arm` learned from; the best where it had no log."""
    logs = _logs(arm)
    if not logs:
        return best(others)
    return max((o for o in others if logs & _logs(o)), key=lambda other: len(logs & _logs(other)), default=None)


def _logs(arm: ArmEvidence) -> set[str]:
    return {run.data_hash for run in arm.counted if run.data_hash is not None}
