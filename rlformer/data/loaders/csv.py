"""The loader of CSV files; a row is a step. `loaders.names` has the names of columns, `loaders.rows` the order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rlformer.core.errors import InputError
from rlformer.data.loaders.base import ForeignLog, Loader, Native
from rlformer.data.loaders.names import AS_NAMED, Choice
from rlformer.data.loaders.tables import arrow, open_table

_SUFFIXES = (".csv", ".tsv")


def open_csv(path: Path, env: Native | None, choice: Choice = AS_NAMED) -> ForeignLog:
    """The log in that file. Raises InputError where it is damaged, lacks a column, or does not fit `env`."""
    return open_table(path, "csv", _read, env, choice)


def _read(path: Path) -> Any:
    csv = arrow("csv")
    with path.open("rb") as file:
        head = file.readline(1 << 20)
    if not head.strip():
        raise InputError("an empty file")
    counts = {mark: head.count(mark.encode()) for mark in (",", ";", "\t")}
    between = max(counts, key=lambda mark: counts[mark])
    try:
        return csv.read_csv(path, parse_options=csv.ParseOptions(delimiter=between))
    except (ValueError, OSError, KeyError) as error:  # pyarrow's own errors are of these
        raise InputError(f"a damaged CSV file ({' '.join(str(error).split())})") from error


def _recognise(text: str) -> Path | None:
    path = Path(text)
    return path if path.suffix.lower() in _SUFFIXES and path.is_file() else None


CSV = Loader("csv", "a CSV", _recognise, open_csv, suffixes=_SUFFIXES)
