"""What deploying costs: how many episodes a choice among trained policies takes, and how bad the bad episodes are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rlformer.statistics.inputs import Array, as_floats, as_vector, in_range, positive

EXPLORATION = 2.0  # of UCB1


@dataclass(frozen=True, eq=False)
class Deployed:
    """After 1 ... n deployed episodes: arrays (episodes,), means over bandit runs."""

    score: Array  # the true mean of the policy that would now be deployed
    spent: Array  # what all episodes until then took
    by_run: Array  # (runs, episodes): the scores of each bandit run


def deployed(
    scores: Sequence[npt.ArrayLike],
    episodes: int,
    rng: np.random.Generator,
    *,
    spent: npt.ArrayLike | None = None,
    runs: int = 200,
    choices: npt.NDArray[np.intp] | None = None,
    exploration: float = EXPLORATION,
) -> Deployed:
    """The policy that a UCB bandit would now deploy, against the number of episodes that it has deployed.

    scores: for each policy the scores (n,) of its stored episodes, on a scale on which 1 is much; numbers of episodes
    may differ. Their mean is the policy's true score, and each deployed episode is one of them, drawn again with
    replacement. spent: (policies,), what an episode of each takes on average, by default 1. choices: (runs, some), the
    policies that each run chooses among, by number and with repeats, by default all; it sets the number of runs.
    Every policy is tried once, in random order, before any is tried again; then the one with the highest mean +
    sqrt(exploration * ln t / n). The answer after each episode is the policy with the highest mean among those that
    were tried: one that was not is never the answer. Of equal ones each is as likely.
    ValueError: no policy, empty or NaN scores, a negative `spent`, fewer than one episode or run.
    Sources: Jackson et al. 2025 (arXiv:2504.11453); UCB1: Auer et al. 2002.
    """
    known = [as_vector(f"scores[{i}]", values) for i, values in enumerate(scores)]
    if not known or episodes < 1 or runs < 1:
        raise ValueError("deployed: expected at least one policy, one episode and one run")
    each = np.ones(len(known)) if spent is None else positive("spent", as_vector("spent", spent), zero=True)
    if len(each) != len(known):
        raise ValueError(f"spent: expected one number for each of {len(known)} policies, got {len(each)}")
    sizes, means = np.array([len(values) for values in known]), np.array([values.mean() for values in known])
    stored = np.zeros((len(known), sizes.max()))
    for row, values in zip(stored, known, strict=True):
        row[: len(values)] = values
    # The order in which a run tries the policies also decides between equal ones: `argmax` takes the first.
    order = rng.permuted(np.tile(np.arange(len(known)), (runs, 1)) if choices is None else choices, axis=1)
    every, some = np.arange(len(order)), order.shape[1]
    sums, counts = np.zeros(order.shape), np.zeros(order.shape)
    score, used = np.empty((len(order), episodes)), np.empty(episodes)
    for t in range(episodes):
        if t < some:
            tried = np.full(len(order), t)
        else:
            tried = np.argmax(sums / counts + np.sqrt(exploration * math.log(t + 1) / counts), axis=1)
        policy = order[every, tried]
        drawn = (rng.random(len(order)) * sizes[policy]).astype(np.intp)
        sums[every, tried] += stored[policy, drawn]
        counts[every, tried] += 1
        seen = min(t + 1, some)
        answer = np.argmax(sums[:, :seen] / counts[:, :seen], axis=1)
        score[:, t], used[t] = means[order[every, answer]], each[policy].mean()
    return Deployed(score.mean(axis=0), np.cumsum(used), score)


def cvar(values: npt.ArrayLike, share: float = 0.1) -> float:
    """Mean of the lowest `share` of values, the last of them counted in part: conditional value at risk.

    values: (n,). ValueError: empty, NaN or infinite, share not in (0, 1).
    Source: Acerbi & Tasche 2002, the estimator of expected shortfall.

    >>> cvar([4.0, 1.0, 3.0, 2.0], 0.5), round(cvar([4.0, 1.0, 3.0, 2.0], 0.375), 4)
    (1.5, 1.3333)
    """
    ordered = np.sort(as_vector("values", as_floats("values", values)))
    size = in_range("share", share, 0, 1) * ordered.size
    weights = np.clip(size - np.arange(ordered.size), 0, 1)
    return float(ordered @ weights / size)
