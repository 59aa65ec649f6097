"""What each family pays in data, and where one becomes cheaper than the other.

All amounts are in environment steps (or, multiplied by prices, in one currency). The log of an offline
learner has `logged_steps` distinct transitions; `behaviour_steps` were spent to make it, its behaviour
policy's training and the logged steps themselves included.
"""

import math

import numpy as np
import numpy.typing as npt

from rlformer.statistics.bootstrap import RESAMPLES, Sources, bootstrap
from rlformer.statistics.inputs import Array, Value, as_flags, as_floats, in_range, positive
from rlformer.statistics.intervals import Resampled
from rlformer.statistics.survival import expected_cost


def cost_rl(train_steps: npt.ArrayLike, selection_steps: npt.ArrayLike = 0.0) -> Value:
    """Data cost of an online run: training steps plus those of evaluations that chose its checkpoint.

    Any shapes that broadcast; environment steps. ValueError: empty, NaN or negative amounts, shapes that do
    not fit.
    Source: the accounting of this project; nothing that touched the environment is free.
    """
    train, selection = _amounts(train_steps=train_steps, selection_steps=selection_steps)
    return train + selection


def cost_offline(
    logged_steps: npt.ArrayLike,
    behaviour_steps: npt.ArrayLike,
    share: npt.ArrayLike,
    selection_steps: npt.ArrayLike = 0.0,
) -> Value:
    """Data cost of an offline run, N + lambda (E_behaviour - N) + E_selection.

    share: lambda in [0, 1]: 0 if the log existed already, 1 if it was made for this task, 1/k if k tasks
    share it. Any shapes that broadcast; environment steps. ValueError: empty, NaN or negative amounts, share
    beyond [0, 1], behaviour_steps below logged_steps. Source: the accounting of this project.
    """
    logged, behaviour, weight, selection = _amounts(
        logged_steps=logged_steps,
        behaviour_steps=behaviour_steps,
        share=share,
        selection_steps=selection_steps,
    )
    if (weight > 1).any():
        raise ValueError(f"share: expected lambda in [0, 1], got {weight.max():g}")
    if (behaviour < logged).any():
        raise ValueError("behaviour_steps: cannot be below logged_steps, which are part of them")
    return logged + weight * (behaviour - logged) + selection


def break_even_lambda(
    online_cost: npt.ArrayLike,
    logged_steps: npt.ArrayLike,
    behaviour_steps: npt.ArrayLike,
    selection_steps: npt.ArrayLike = 0.0,
) -> Value:
    """lambda* = (cost_rl - N - E_selection) / (E_behaviour - N): offline is cheaper where lambda < lambda*.

    Below 0: never cheaper; above 1: always. Any shapes that broadcast; amounts in environment steps, the
    result without unit. Only for a log from another source than the compared online run: of its own training
    it says nothing.
    ValueError: empty, NaN or negative amounts, or behaviour_steps not above logged_steps (lambda then has no
    effect).
    Source: cost_rl(...) = cost_offline(..., lambda), solved for lambda.
    """
    online, logged, behaviour, selection = _amounts(
        online_cost=online_cost,
        logged_steps=logged_steps,
        behaviour_steps=behaviour_steps,
        selection_steps=selection_steps,
    )
    if (behaviour <= logged).any():
        raise ValueError("behaviour_steps: must be above logged_steps, or lambda has no effect")
    return (online - logged - selection) / (behaviour - logged)


def bootstrap_break_even_lambda(
    online_costs: npt.ArrayLike,
    logged_steps: npt.ArrayLike,
    behaviour_steps: npt.ArrayLike,
    selection_steps: npt.ArrayLike = 0.0,
    *,
    rng: np.random.Generator,
    online_solved: npt.ArrayLike = True,
    offline_solved: npt.ArrayLike = True,
    paired: bool = False,
    sources: Sources | None = None,
    resamples: int = RESAMPLES,
) -> Resampled:
    """The break-even lambda of two families' mean costs, with its bootstrap distribution.

    online_costs, online_solved: (online runs,); the rest: (offline runs,), or one number for all of them.
    Failures are paid as in ERT: cost per success. Without any offline success lambda* is -inf, without any
    online one +inf; a resample with neither is undefined (NaN) and widens the interval at both ends.
    paired, sources: as in `bootstrap`, online first.
    ValueError: as `break_even_lambda` and `bootstrap`, or no run of either family succeeded.
    Sources: Efron & Tibshirani 1993; ERT: Hansen et al. 2021 (COCO).
    """
    online, reached = _runs(online_costs=online_costs, online_solved=online_solved)
    logged, behaviour, selection, solved = _runs(
        logged_steps=logged_steps,
        behaviour_steps=behaviour_steps,
        selection_steps=selection_steps,
        offline_solved=offline_solved,
    )
    break_even_lambda(0.0, logged, behaviour, selection)  # for its checks
    if not reached.any() and not solved.any():
        raise ValueError("solved: no run of either family succeeded; nothing to compare")

    def statistic(rl: Array, offline: Array) -> Array:  # (resamples, runs, 2), (resamples, runs, 3)
        cost = expected_cost(rl[..., 0], rl[..., 1])
        fixed, made = (expected_cost(offline[..., i], offline[..., 2]) for i in (0, 1))
        with np.errstate(invalid="ignore"):
            unsolved = np.where(np.isinf(cost), np.nan, -np.inf)
            return np.where(np.isinf(made), unsolved, (cost - fixed) / made)

    return bootstrap(
        statistic,
        np.stack([online, reached], axis=-1),
        np.stack([logged + selection, behaviour - logged, solved], axis=-1),
        rng=rng,
        paired=paired,
        sources=sources,
        resamples=resamples,
    )


def more_runs(probability: float, wanted: float) -> float:
    """How many times as many runs it takes until one mean is the lower one with probability `wanted`.

    probability: that it is so with these runs, by the bootstrap. Of more runs like these the difference stays, and its
    standard error falls with the square root of their number, by a normal distribution: (q(wanted) / q(probability))^2
    for the quantiles q. 1 at least, and inf where the other mean is as likely the lower one.

    >>> round(more_runs(0.8, 0.95), 2), more_runs(0.97, 0.95), more_runs(0.5, 0.95)
    (3.82, 1.0, inf)

    ValueError: not a probability, or wanted not in (.5, 1). Source: the normal approximation of a mean's error.
    """
    from scipy.special import ndtri

    if not 0 <= probability <= 1:
        raise ValueError(f"probability: must be from 0 to 1, got {probability:g}")
    in_range("wanted", wanted, 0.5, 1)
    if probability >= wanted:
        return 1.0
    return float((ndtri(wanted) / ndtri(probability)) ** 2) if probability > 0.5 else math.inf


def bootstrap_costs(
    x_costs: npt.ArrayLike,
    y_costs: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    x_solved: npt.ArrayLike = True,
    y_solved: npt.ArrayLike = True,
    paired: bool = False,
    sources: Sources | None = None,
    resamples: int = RESAMPLES,
) -> Resampled:
    """Cost per success of two families, drawn jointly: point (2,), distribution (resamples, 2), for x and y.

    `probability_less(*result.distribution.T)` is P(C_x < C_y). x_costs, x_solved: (runs of x,), y alike; any
    one unit.
    paired, sources: as in `bootstrap`. ValueError: bad shapes, empty, NaN or negative costs; as `bootstrap`.
    Sources: Efron & Tibshirani 1993; ERT: Hansen et al. 2021 (COCO).
    """
    samples = [
        np.stack(_runs(**{f"{name}_costs": costs, f"{name}_solved": solved}), axis=-1)
        for name, costs, solved in (("x", x_costs, x_solved), ("y", y_costs, y_solved))
    ]
    return bootstrap(
        lambda x, y: np.stack([expected_cost(s[..., 0], s[..., 1]) for s in (x, y)], axis=-1),
        *samples,
        rng=rng,
        paired=paired,
        sources=sources,
        resamples=resamples,
    )


def _amounts(**amounts: npt.ArrayLike) -> list[Array]:
    arrays = {name: positive(name, as_floats(name, value), zero=True) for name, value in amounts.items()}
    try:
        np.broadcast_shapes(*(array.shape for array in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"shapes do not fit each other: {shapes}") from None
    return list(arrays.values())


def _runs(**columns: npt.ArrayLike) -> list[Array]:
    """Amounts (and `..._solved` flags) of one family as vectors of one length; numbers are repeated."""
    arrays = _amounts(**columns)
    shape = max((np.atleast_1d(array).shape for array in arrays), key=np.prod)
    runs = []
    for name, array in zip(columns, arrays, strict=True):
        if array.shape not in ((), shape) or len(shape) != 1:
            raise ValueError(f"{name}: expected one number or one per run ({shape[0]}), got {array.shape}")
        full = np.broadcast_to(array, shape)
        runs.append(as_flags(name, full, shape) if name.endswith("_solved") else full)
    return runs
