"""What CSV and Parquet files have in common: pyarrow reads them, and a row is a step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from rlformer.core.errors import InputError, MissingExtra
from rlformer.core.spaces import Array
from rlformer.data.loaders.base import ForeignLog, Native
from rlformer.data.loaders.flat import Columns, check_needed, open_flat
from rlformer.data.loaders.names import Choice, locate


def open_table(path: Path, kind: str, read: Callable[[Path], Any], env: Native | None, choice: Choice) -> ForeignLog:
    """The log in the table that `read` makes of a file. Raises InputError where it lacks a column or is unsound."""
    table = read(path)
    names = list(table.column_names)
    features = env.feature_names if env else ()
    places = locate(names, choice, features)
    check_needed(places, names)
    used = {name for found in places.values() for name in found.columns}
    arrays = {name: _array(table, name) for name in names if name in used and _once(name, names)}
    if not table.num_rows:
        raise InputError("no steps in it")
    columns, provenance = Columns.of(arrays, table=True), {"source": kind, "file": path.name}
    return open_flat(path.name, columns, env, choice, provenance, held=names)


def arrow(module: str) -> Any:
    """A module of pyarrow's. Raises MissingExtra where it is not installed."""
    try:
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra("tables", "reading it") from error
    return {"csv": pyarrow.csv, "parquet": pyarrow.parquet}[module]


def _once(name: str, names: list[str]) -> bool:
    if names.count(name) > 1:
        raise InputError(f"{names.count(name)} columns are called {name}")
    return True


def _array(table: Any, name: str) -> Array:
    """A column as an array; empty cells are not-a-number, and rows of lists one array with rows in front."""
    values = np.asarray(table.column(name).to_numpy())
    if values.dtype.kind != "O":
        return values
    return unboxed(list(values), name)


def unboxed(values: list[Any], name: str) -> Array:
    """Cells of any kind as an array of numbers where they are numbers or lists of them, else of words.

    Raises InputError where lists differ in length.
    """
    filled = [value for value in values if value is not None and not _is_nan(value)]
    if filled and all(np.ndim(value) > 0 for value in filled):
        shapes = {np.shape(value) for value in filled}
        if len(shapes) > 1:
            raise InputError(f"{name} holds lists of different lengths, from {min(shapes)} to {max(shapes)}")
        empty = np.full(shapes.pop(), np.nan)
        rows = [np.asarray(empty if value is None or _is_nan(value) else value) for value in values]
        return np.stack([_numbers(row) for row in rows])
    if all(isinstance(value, (bool, int, float, np.generic)) for value in filled):
        return np.array([np.nan if value is None or _is_nan(value) else value for value in values], np.float64)
    return np.array([None if value is None else str(value) for value in values], object)


def _numbers(row: Array) -> Array:
    return np.stack([np.asarray(part) for part in row]) if row.dtype == object else row


def _is_nan(value: Any) -> bool:
    return type(value).__name__ == "NAType" or (isinstance(value, float) and value != value)
