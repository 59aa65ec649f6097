"""Whether columns of a log are swapped, judged by how the environment moves: bounds alone often allow both orders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np

from rlformer.core.records import Episode
from rlformer.core.spaces import ActionSpec, Array
from rlformer.data.dataset import Dataset

_STEPS = 5_000  # of the log, at most
_ENOUGH = 200  # steps played, at least
_MOST_COLUMNS = 32
_PREDICTABLE = 0.3  # of a column's usual change: what a linear model of the played steps may miss of it
_BETTER = 0.95  # of the error: what a swap may leave of it at most
_NOTHING = 0.01  # of a column's usual change: what rounding and chance may make of it
_CLEAR = 0.5  # of the error in the log's own order: what another order may leave of it


def swapped_columns(dataset: Dataset, played: Sequence[Episode]) -> tuple[int, ...] | None:
    """The order of columns, other than their own, in which the log moves as the environment does; None: there is none.

    played: episodes of uniform actions in the environment. A linear model of them predicts how each column changes in
    a step; those that it predicts in play are looked at in the log, as they stand and with two swapped, again and again
    while that helps; columns that nothing tells apart keep the log's order. The order counts where it at least halves
    the error, and leaves little of it.
    """
    actions, width = dataset.info.actions, dataset.observations.shape[-1]
    if dataset.observations.ndim != 2 or dataset.observations.dtype.kind != "f" or not 1 < width <= _MOST_COLUMNS:
        return None
    shown, done, change = _transitions(played, actions, final=True)
    if len(shown) < _ENOUGH or shown.shape[1] != width:
        return None
    center, scale = shown.mean(axis=0), _scale(shown)
    usual = _scale(change)
    inputs = np.concatenate([(shown - center) / scale, done, np.ones((len(shown), 1))], axis=1)
    model = np.linalg.lstsq(inputs, change / usual, rcond=None)[0]
    missed = np.abs(inputs @ model - change / usual).mean(axis=0)
    predictable = missed < _PREDICTABLE
    if not predictable.any():
        return None
    logged, acted, moved = _transitions(_some(dataset), actions, final=dataset.info.final_observations)
    if len(logged) < _ENOUGH:
        return None

    def error(order: Array) -> float:
        rows = np.concatenate([(logged[:, order] - center) / scale, acted, np.ones((len(logged), 1))], axis=1)
        misses = np.abs(rows @ model - moved[:, order] / usual).mean(axis=0)
        return float(np.minimum(misses, 10.0)[predictable].mean())

    order = np.arange(width)
    as_it_is = left = error(order)
    while left > _NOTHING:
        orders = [_swapped(order, i, j) for i, j in combinations(range(width), 2)]
        errors = [error(other) for other in orders]
        if min(errors) > _BETTER * left:
            break
        order, left = orders[int(np.argmin(errors))], min(errors)
    order = _as_logged(order, error)
    left = error(order)
    clear = left < min(_CLEAR * as_it_is, 2 * _PREDICTABLE)
    return tuple(order.tolist()) if clear else None


def _as_logged(order: Array, error: Callable[[Array], float]) -> Array:
    """The order, but that columns which it matters nothing to swap, as those that never move, stand as in the log."""
    most, again = max(error(order) / _BETTER, _NOTHING), True
    while again:
        again = False
        for i, j in combinations(range(len(order)), 2):
            if order[i] > order[j] and error(back := _swapped(order, i, j)) <= most:
                order, again = back, True  # each leaves fewer pairs in another order than the log's
    return order


def _swapped(order: Array, i: int, j: int) -> Array:
    other = order.copy()
    other[[i, j]] = order[j], order[i]
    return other


def _some(dataset: Dataset) -> list[Episode]:
    count = max(1, int(np.searchsorted(np.cumsum(dataset.lengths), _STEPS)))
    return [dataset[i] for i in range(min(count, len(dataset)))]


def _transitions(episodes: Sequence[Episode], actions: ActionSpec, final: bool) -> tuple[Array, Array, Array]:
    """Observations (N, D), actions as numbers (N, A) and changes (N, D). final: whether last observations are true."""
    shown, done, change = [], [], []
    for episode in episodes:
        steps = len(episode) if final else len(episode) - 1
        rows = episode.observations[: steps + 1].astype(np.float64)
        shown.append(rows[:-1])
        change.append(np.diff(rows, axis=0))
        done.append(_numbers(episode.actions[:steps], actions))
    if not shown:
        return np.zeros((0, 0)), np.zeros((0, 0)), np.zeros((0, 0))
    return np.concatenate(shown), np.concatenate(done), np.concatenate(change)


def _numbers(taken: Array, actions: ActionSpec) -> Array:
    rows = taken.reshape(len(taken), -1)
    if actions.kind == "box":
        return rows.astype(np.float64)
    return np.concatenate([np.eye(n)[rows[:, i].astype(np.int64)] for i, n in enumerate(actions.nvec)], axis=1)


def _scale(rows: Array) -> Array:
    spread = rows.std(axis=0)
    return np.where(spread > 0, spread, 1.0)
