"""The loader of Parquet files; a row is a step. `loaders.names` has the names of columns, `loaders.rows` the order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rlformer.core.errors import InputError
from rlformer.data.loaders.base import ForeignLog, Loader, Native, file_with
from rlformer.data.loaders.names import AS_NAMED, Choice
from rlformer.data.loaders.tables import arrow, open_table


def open_parquet(path: Path, env: Native | None, choice: Choice = AS_NAMED) -> ForeignLog:
    """The log in that file. Raises InputError where it is damaged, lacks a column, or does not fit `env`."""
    return open_table(path, "parquet", _read, env, choice)


def _read(path: Path) -> Any:
    parquet = arrow("parquet")
    try:
        return parquet.ParquetFile(path).read()
    except (ValueError, OSError, KeyError) as error:  # pyarrow's own errors are of these
        raise InputError(f"a truncated or damaged Parquet file ({' '.join(str(error).split())})") from error


PARQUET = Loader("parquet", "a Parquet file", file_with(b"PAR1"), open_parquet, suffixes=(".parquet",))
