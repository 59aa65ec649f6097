"""The decision: online RL or a sequence model, by what they score and what they cost, with its uncertainty.

A family is chosen where its score is not worse by more than the margin (95 % bound of the paired bootstrap) and its
cost is lower with probability .95; a failure is paid as in the expected running time of Hansen et al. 2021. Ten seeds
make it probable, twenty a claim; fewer only lean. Where neither is chosen it is a trade-off, or inconclusive.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from rlformer import statistics
from rlformer.core import formats
from rlformer.evaluator.judge.comparisons import sources, standing, strength
from rlformer.evaluator.judge.prices import (
    OFFLINE,
    ONLINE,
    SEQUENCE,
    Scale,
    Terms,
    counted,
    made_here,
    maker_of,
    scale_of,
)

SURE, LEANING = 0.95, 0.75  # probabilities
SIMPLER = ("bc-top", "bc")  # imitators that know neither return nor past
_SWEEP_RESAMPLES = 1000
_UNIT = {"env_step": 1.0, "logged_step": 0.1, "cpu_second": 100.0}  # prices that the sweep tries instead of 0


@dataclass(frozen=True)
class Pair:
    """Two arms weighed against each other: a joint bootstrap over their runs, paired by seed where they share seeds."""

    a: Mapping[str, Any]
    b: Mapping[str, Any]
    terms: Terms
    seeds: int
    difference: statistics.Interval  # z of a minus z of b
    error: float  # its standard error
    costs: tuple[float, float]  # of a success, or plain
    reached: tuple[int, int]  # runs at the threshold
    per_success: bool  # whether costs are those of a success
    not_worse: tuple[float, float]  # probability that a (b) is not worse than the other by more than the margin
    better: tuple[float, float]
    cheaper: tuple[float, float]

    def chosen(self) -> tuple[int | None, bool]:
        """Which of the two is chosen, and whether beyond the chance of leaning only.

        Not worse and cheaper, or better and not dearer: where costs tie, nothing is given up for the score.
        """
        bounds = (self.difference.low, -self.difference.high)
        not_dearer = [1 - self.cheaper[1 - side] for side in (0, 1)]
        for side in (0, 1):
            if bounds[side] > -self.terms.margin and self.cheaper[side] >= SURE:
                return side, True
        alike = min(bounds) >= -self.terms.margin  # then no difference of scores decides
        better = [0.0 if alike else self.better[side] for side in (0, 1)]
        for side in (0, 1):
            if not alike and bounds[side] > 0 and not_dearer[side] >= SURE:
                return side, True
        likely = [
            max(min(self.not_worse[side], self.cheaper[side]), min(better[side], not_dearer[side])) for side in (0, 1)
        ]
        best = int(likely[1] > likely[0])
        return (best, False) if likely[best] >= LEANING else (None, False)

    def traded(self) -> int | None:
        """Which of the two is better and dearer, both with the certainty of a choice."""
        bounds = (self.difference.low, -self.difference.high)
        for side in (0, 1):
            if bounds[side] > 0 and self.cheaper[1 - side] >= SURE:
                return side
        return None

    def seeds_to_settle(self) -> float:
        """How many seeds would tell, at 80 % power, whether the likelier of the two is not worse."""
        side = int(self.cheaper[1] > self.cheaper[0])
        point = (self.difference.point, -self.difference.point)[side]
        return statistics.seeds_for_power(self.seeds, self.error, abs(point + self.terms.margin))


def weigh(
    environment: Mapping[str, Any], a: Mapping[str, Any], b: Mapping[str, Any], terms: Terms, scale: Scale,
    resamples: int = 10_000,
) -> Pair | None:  # fmt: skip
    """Scores and costs of two arms; None where neither has two finished runs."""
    runs = counted(a), counted(b)
    if min(len(r) for r in runs) < 2:
        return None
    settled = [terms.settled(made_here(environment, arm)) for arm in (a, b)]
    samples = []
    for arm_runs, own in zip(runs, settled, strict=True):
        z = [scale.z(run["mean_return"]) for run in arm_runs]
        samples.append(np.array([[s, own.cost(run), s >= own.threshold] for s, run in zip(z, arm_runs, strict=True)]))
    paired = [run["seed"] for run in runs[0]] == [run["seed"] for run in runs[1]]
    reached = tuple(int(sample[:, 2].sum()) for sample in samples)
    per_success = any(reached)

    def statistic(x: Any, y: Any) -> Any:  # (resamples, runs, 3) each -> (resamples, 3)
        costs = [
            statistics.expected_cost(s[..., 1], s[..., 2]) if per_success else s[..., 1].mean(axis=-1) for s in (x, y)
        ]
        return np.stack([x[..., 0].mean(axis=-1) - y[..., 0].mean(axis=-1), *costs], axis=-1)

    drawn = statistics.bootstrap(
        statistic, *samples, rng=np.random.default_rng(0), paired=paired,
        sources=sources(*runs, paired), resamples=resamples,
    )  # fmt: skip
    point, (gaps, *costs) = np.asarray(drawn.point), drawn.distribution.T
    return Pair(
        a, b, terms, min(len(r) for r in runs),
        difference=statistics.Resampled(point[0], gaps).interval(),
        error=float(gaps.std()),
        costs=(float(point[1]), float(point[2])),
        reached=(reached[0], reached[1]),
        per_success=per_success,
        not_worse=(float((gaps > -terms.margin).mean()), float((gaps < terms.margin).mean())),
        better=(float((gaps > 0).mean()), float((gaps < 0).mean())),
        cheaper=(statistics.probability_less(*costs), statistics.probability_less(*reversed(costs))),
    )  # fmt: skip


def _no_sequence_model(arms: Sequence[Mapping[str, Any]]) -> str:
    """Why none of the sequence arms can be a candidate."""
    if not arms:
        return "no sequence model was trained"
    if any(counted(arm) for arm in arms):
        return (
            "no sequence model was evaluated: without the environment, held-out loss cannot rank imitation against RL"
        )
    return f"no run of {formats.listed([arm['label'] for arm in arms])} finished: the failed runs are told below"


def candidates(environment: Mapping[str, Any], terms: Terms) -> tuple[list[Mapping[str, Any]], str | None]:
    """The two arms to choose between, or why there are no two.

    The best online agent against the Decision Transformer, or the best sequence model where there is none; without
    interaction, offline RL instead of the online agent.
    """
    arms = [arm for arm in environment["arms"] if arm["mean_return"] is not None]
    best: dict[str, Mapping[str, Any]] = {}
    for family in (ONLINE, SEQUENCE, OFFLINE):
        own = [arm for arm in arms if arm["family"] == family]
        own = [arm for arm in own if len(counted(arm)) > 1] or own  # one lucky run is no candidate
        if family == SEQUENCE:
            own = [arm for arm in own if arm["agent"] == "dt"] or [a for a in own if a["agent"] not in SIMPLER] or own
        if own:
            best[family] = max(own, key=standing)
    if not terms.interaction:
        best.pop(ONLINE, None)
    if SEQUENCE not in best:
        return [], _no_sequence_model([arm for arm in environment["arms"] if arm["family"] == SEQUENCE])
    if ONLINE not in best and OFFLINE not in best:
        missing = "online agent" if terms.interaction else "offline RL"
        return [], f"no {missing} has finished, so there is nothing to hold the sequence model against"
    return [best[ONLINE] if ONLINE in best else best[OFFLINE], best[SEQUENCE]], None


def decide(environment: Mapping[str, Any], terms: Terms, resamples: int = 10_000) -> dict[str, Any]:
    """The verdict as plain data; its sentences are in `advice`.

    `answer`: a family, "simpler", "trade-off", "inconclusive" or "cannot tell" with its `reason`. `arm`: that it names.
    `strength`: lean, probable or claim. The rest are the numbers that it follows from.
    """
    found, reason = candidates(environment, terms)
    scale = scale_of(environment)
    if reason is None and scale is None:
        reason = "no card gives scores, and random play was not measured: nothing says what a small difference is"
    if reason is not None or scale is None:
        return {"answer": "cannot tell", "arm": None, "strength": None, "reason": reason, "terms": terms.to_dict()}
    if not all(terms.settled(made_here(environment, arm)).known(run) for arm in found for run in counted(arm)):
        reason = "the log does not say how many steps made it, so that nobody knows its cost (lambda 0: it existed)"
        return {"answer": "cannot tell", "arm": None, "strength": None, "reason": reason, "terms": terms.to_dict()}
    pair = weigh(environment, found[0], found[1], terms, scale, resamples)
    if pair is None:
        reason = "one seed of an arm says nothing about the next: give it --seeds 3 or more"
        return {"answer": "cannot tell", "arm": None, "strength": None, "reason": reason, "terms": terms.to_dict()}
    side, sure = pair.chosen()
    traded = pair.traded() if side is None or not sure else None
    arms = (pair.a, pair.b)
    if traded is not None:
        answer, arm, certain = "trade-off", arms[traded], True
    elif side is not None:
        answer, arm, certain = arms[side]["family"], arms[side], sure
    else:
        answer, arm, certain = "inconclusive", None, False
    others = simpler(environment, pair, arm, scale, resamples)
    wins = next((other for other in others if other["recommended"]), None)
    seeds = pair.seeds
    if wins is not None:
        answer, certain, seeds = "simpler", True, min(seeds, wins["seeds"])
        arm = next(a for a in environment["arms"] if a["label"] == wins["label"])
    said = strength(seeds) if certain else "lean"
    if said == "claim" and len({run["data_hash"] for run in counted(pair.b)}) == 1:
        said = "probable"  # another log might tell otherwise, and seeds do not vary it
    return {
        "answer": answer,
        "arm": None if arm is None else arm["label"],
        "strength": None if arm is None else said,
        "reason": None,
        "asked": terms.to_dict(),  # what is None there follows from the log
        "terms": terms.settled(made_here(environment, found[1])).to_dict(),
        "scale": {"random": scale.random, "reference": scale.reference, "source": scale.source},
        "made_here": made_here(environment, found[1]),
        "pair": told(pair),
        "simpler": others,
    }


def told(pair: Pair) -> dict[str, Any]:
    """The numbers of a pair, by "a" and "b"."""
    sides = zip("ab", (pair.a, pair.b), pair.costs, pair.reached, pair.not_worse, pair.cheaper, strict=True)
    each = {
        side: {
            "label": arm["label"],
            "family": arm["family"],
            "z": pair_z,
            "cost": cost if math.isfinite(cost) else None,  # None: infinite, no run reached the threshold
            "reached": reached,
            "not_worse": not_worse,
            "cheaper": cheaper,
        }
        for (side, arm, cost, reached, not_worse, cheaper), pair_z in zip(sides, _scores(pair), strict=True)
    }
    needed = pair.seeds_to_settle()
    return {
        **each,
        "seeds": pair.seeds,
        "difference": asdict(pair.difference),
        "standard_error": pair.error,
        "per_success": pair.per_success,
        "seeds_to_settle": needed if math.isfinite(needed) else None,
    }


def _scores(pair: Pair) -> tuple[float | None, ...]:
    return tuple(arm["normalized_score"] and arm["normalized_score"]["point"] for arm in (pair.a, pair.b))


def simpler(
    environment: Mapping[str, Any], pair: Pair, chosen: Mapping[str, Any] | None, scale: Scale, resamples: int
) -> list[dict[str, Any]]:
    """Imitators without return and past: whether one is not worse than the chosen arm and cheaper.

    Without a choice they are held against the better of the two. p-values of "worse by more than the margin" are those
    of the bootstrap, adjusted by Holm 1979 and compared with .025, as one end of a 95 % interval is.
    """
    target = chosen or max((pair.a, pair.b), key=lambda arm: arm["mean_return"]["point"])
    arms = [
        arm
        for arm in environment["arms"]
        if arm["agent"] in SIMPLER and arm["log"] == pair.b["log"] and arm["mean_return"] and arm is not target
    ]
    weighed = [(arm, weigh(environment, arm, target, pair.terms, scale, resamples)) for arm in arms]
    known = [(arm, w) for arm, w in weighed if w is not None]
    if not known:
        return []
    adjusted = statistics.holm([max(1 - w.not_worse[0], 1 / (resamples + 1)) for _, w in known])
    found = []
    for (arm, w), p in zip(known, adjusted.tolist(), strict=True):
        cpu = [float(np.mean([run["times"].get("cpu", 0.0) for run in counted(x)])) for x in (arm, target)]
        tied = w.costs[0] == w.costs[1]  # then the time it takes decides, whatever its price
        cheaper = w.cheaper[0] >= SURE or (tied and _quicker(arm, target) >= SURE)
        found.append(
            {
                "label": arm["label"],
                "against": target["label"],
                "seeds": w.seeds,
                "difference": asdict(w.difference),
                "p_worse": p,
                "costs": [cost if math.isfinite(cost) else None for cost in w.costs],
                "cpu_seconds": cpu,
                "cheaper": cheaper,
                "recommended": bool(p <= (1 - SURE) / 2 and cheaper),
            }
        )
    return found


def _quicker(arm: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """The probability that its runs take less CPU time."""
    times = [np.array([run["times"].get("cpu", 0.0) for run in counted(a)]) for a in (arm, other)]
    gaps = statistics.bootstrap(
        lambda x, y: x.mean(-1) - y.mean(-1), *times, rng=np.random.default_rng(0), resamples=_SWEEP_RESAMPLES
    ).distribution
    return float((gaps < 0).mean())


def break_even(
    environment: Mapping[str, Any],
    online_arm: Mapping[str, Any],
    log_arm: Mapping[str, Any],
    terms: Terms,
    scale: Scale,
) -> dict[str, Any]:
    """lambda*: below it the log is the cheaper way; or why it is not defined here."""
    if online_arm["family"] != ONLINE:
        return {"reason": "no online agent is compared"}
    if maker_of(environment, log_arm) is online_arm:
        return {"reason": "the log is the online agent's own training, or was played by it: see how early to stop"}
    online, offline = counted(online_arm), counted(log_arm)
    costs = [run["cost"] for run in offline]
    if any(cost["upstream_env_steps"] is None for cost in costs):
        return {"reason": "the log does not say how many environment steps made it"}
    if any(cost["upstream_env_steps"] <= cost["logged_steps"] for cost in costs):
        return {"reason": "nothing was spent beyond the logged steps, so lambda changes nothing"}
    solved = [[scale.z(run["mean_return"]) >= terms.threshold for run in runs] for runs in (online, offline)]
    if not any(solved[0]) and not any(solved[1]):
        return {"reason": "no run of either arm reached the threshold"}
    if not all(map(any, solved)):
        return {"reason": f"no {'online' if any(solved[1]) else 'offline'} run reached the threshold"}
    paired = [run["seed"] for run in online] == [run["seed"] for run in offline]
    found = statistics.bootstrap_break_even_lambda(
        [run["cost"]["env_steps"] + run["cost"]["selection_env_steps"] for run in online],
        [cost["logged_steps"] for cost in costs],
        [cost["upstream_env_steps"] for cost in costs],
        [cost["selection_env_steps"] for cost in costs],
        rng=np.random.default_rng(0), online_solved=solved[0], offline_solved=solved[1],
        paired=paired, sources=sources(online, offline, paired),
    ).interval()  # fmt: skip
    return {**asdict(found), "reason": None}


def sweep(environment: Mapping[str, Any], terms: Terms, answer: Mapping[str, Any]) -> dict[str, Any] | None:
    """The verdict under other terms: lambda, the threshold, and each price at 0 and above it.

    `stands`: the share of them under which the answer is the same. `flips`: single changes that change it.
    """
    if answer["answer"] == "cannot tell":
        return None
    base = replace(Terms(**answer["asked"]), share=answer["terms"]["share"])
    axes = {
        "share": (0.0, 0.25, 0.5, 0.75, 1.0),
        "threshold": tuple(sorted({0.5, 0.9, 0.95, base.threshold})),
        "env_step": tuple(sorted({0.0, base.env_step, _UNIT["env_step"]})),
        "logged_step": tuple(sorted({0.0, answer["terms"]["logged_step"], _UNIT["logged_step"]})),
        "cpu_second": tuple(sorted({0.0, base.cpu_second, _UNIT["cpu_second"]})),
    }
    same = lambda other: (other["answer"], other["arm"]) == (answer["answer"], answer["arm"])  # noqa: E731
    flips = []
    for axis, values in axes.items():
        for value in values:
            if value != answer["terms"][axis]:
                other = decide(environment, Terms(**{**base.to_dict(), axis: value}), _SWEEP_RESAMPLES)
                if not same(other):
                    flips.append({"term": axis, "value": value, "answer": other["answer"], "arm": other["arm"]})
    grid = [
        replace(base, share=share, threshold=threshold, cpu_second=cpu)
        for share, threshold, cpu in itertools.product(axes["share"], axes["threshold"], axes["cpu_second"])
    ]
    answers = [decide(environment, other, _SWEEP_RESAMPLES) for other in grid]
    return {
        "tried": len(grid),
        "stands": sum(map(same, answers)) / len(grid),
        "flips": flips,
        "cells": [
            {
                "share": t.share,
                "threshold": t.threshold,
                "cpu_second": t.cpu_second,
                "answer": a["answer"],
                "arm": a["arm"],
            }
            for t, a in zip(grid, answers, strict=True)
        ],
    }
