"""Checks at the door: every function of this room turns its arguments into clean float arrays with these."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
Value: TypeAlias = np.float64 | Array
"""A float for one set of data, an array for a batch of resampled ones."""

Scores: TypeAlias = npt.ArrayLike | Sequence[Array]
Statistic: TypeAlias = Callable[..., Value]


def as_floats(name: str, values: npt.ArrayLike, *, infinite: bool = False) -> Array:
    """`values` as a float array; ValueError if empty, not numeric, NaN, or (by default) infinite."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: expected numbers in a rectangular array") from None
    if array.size == 0:
        raise ValueError(f"{name}: is empty")
    if np.isnan(array).any():
        raise ValueError(f"{name}: {int(np.isnan(array).sum())} of {array.size} values are NaN")
    if not infinite and np.isinf(array).any():
        raise ValueError(f"{name}: {int(np.isinf(array).sum())} of {array.size} values are infinite")
    return array


def as_vector(name: str, values: npt.ArrayLike, *, infinite: bool = False) -> Array:
    """As `as_floats`, of shape (n,)."""
    array = as_floats(name, values, infinite=infinite)
    if array.ndim != 1:
        raise ValueError(f"{name}: expected one dimension, got shape {array.shape}")
    return array


def as_tasks(name: str, scores: Scores) -> list[Array]:
    """Scores as a list of one array per task, with runs on the last axis.

    Accepts (runs,) for one task, (runs, tasks), or a sequence of numpy arrays, one per task: (runs of that
    task,) each, or (resamples, runs of that task) each. ValueError otherwise.
    """
    if isinstance(scores, Sequence) and not isinstance(scores, str):
        if scores and all(isinstance(task, np.ndarray) for task in scores):
            tasks = [as_floats(f"{name}[{i}]", task) for i, task in enumerate(scores)]
            if any(task.ndim == 0 or task.shape[:-1] != tasks[0].shape[:-1] for task in tasks):
                raise ValueError(f"{name}: tasks differ in their leading axes")
            return tasks
        if any(isinstance(task, Sequence) for task in scores):
            raise ValueError(f"{name}: nested lists are ambiguous; give an array (runs, tasks) or a list of arrays")
    array = as_floats(name, scores)
    if array.ndim == 1:
        return [array]
    if array.ndim == 2:
        return list(np.ascontiguousarray(array.T))
    raise ValueError(f"{name}: expected shape (runs,) or (runs, tasks), got {array.shape}")


def as_flags(name: str, flags: npt.ArrayLike, shape: tuple[int, ...]) -> Array:
    """0 and 1 (or booleans) of the given shape, as floats."""
    array = as_floats(name, flags)
    if array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
    if not np.isin(array, (0.0, 1.0)).all():
        raise ValueError(f"{name}: expected only true and false")
    return array


def in_range(name: str, value: float, low: float, high: float) -> float:
    """`value`, if low < value < high."""
    if not low < value < high:
        raise ValueError(f"{name}: expected a number between {low:g} and {high:g}, got {value:g}")
    return float(value)


def positive(name: str, array: Array, *, zero: bool = False) -> Array:
    """`array`, if all its values are above zero (or, with `zero`, not below)."""
    if (array < 0).any() or (not zero and (array == 0).any()):
        raise ValueError(f"{name}: expected values {'of at least' if zero else 'above'} 0, got {array.min():g}")
    return array


def successes(count: int, trials: int) -> tuple[int, int]:
    """The pair, if 0 <= count <= trials and trials >= 1."""
    if int(count) != count or int(trials) != trials or not (trials >= 1 and 0 <= count <= trials):
        raise ValueError(f"successes: expected 0 <= count <= trials and trials >= 1, got {count} of {trials}")
    return int(count), int(trials)
