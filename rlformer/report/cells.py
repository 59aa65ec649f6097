"""Cells and columns of a table that can be sorted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column: a short head, what it means in full, and the group it stands in."""

    key: str
    head: str
    meaning: str
    group: str


@dataclass(frozen=True)
class Cell:
    """What is printed, what is sorted by (None sorts last), and what more there is to say."""

    text: str
    value: float | str | None = None
    title: str = ""
