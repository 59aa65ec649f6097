"""Arrays one behind the other answer as the one array that they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rlformer.core.parts import Parts

WHOLE = np.arange(24.0).reshape(8, 3)
PARTS = Parts([WHOLE[:3], WHOLE[3:3], WHOLE[3:4], WHOLE[4:]])


@pytest.mark.parametrize(
    "rows",
    [
        0, -1, 3, slice(None), slice(1, 3), slice(2, 7), slice(5, 2), slice(None, None, -2), slice(3, 3), slice(8, 9),
        np.array([7, 0, 3, 3, -8]), np.array([[0, 4], [2, 7]]), np.array([], np.int64), WHOLE[:, 0] > 8,
        np.zeros(8, bool),
    ],
)  # fmt: skip
def test_rows_are_those_of_one_array(rows: Any) -> None:
    found, expected = PARTS[rows], WHOLE[rows]
    np.testing.assert_array_equal(found, expected)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)


@pytest.mark.parametrize("rows", [8, -9, np.array([0, 8]), np.array([-9]), np.ones(7, bool), np.ones((8, 3), bool)])
def test_rows_that_are_not_there_are_an_error(rows: Any) -> None:
    with pytest.raises(IndexError):
        PARTS[rows]


def test_a_stretch_inside_one_part_is_no_copy() -> None:
    assert np.shares_memory(PARTS[5:7], WHOLE)
    assert not np.shares_memory(PARTS[2:5], WHOLE)
    np.testing.assert_array_equal(np.asarray(PARTS), WHOLE)
