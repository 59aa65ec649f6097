"""Numbers as a pandas frame, which is optional."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rlformer.core.errors import InputError

if TYPE_CHECKING:
    import pandas


def frame(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> pandas.DataFrame:
    """A frame of these rows and columns. Raises InputError that says what to install where pandas is absent."""
    try:
        import pandas
    except ImportError as error:
        raise InputError("a frame needs pandas: pip install pandas") from error
    return pandas.DataFrame([dict(row) for row in rows], columns=list(columns))
