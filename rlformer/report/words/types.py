"""Sentences of a report: what results.json says beside its numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """A question, or what a sentence is about, and the sentences themselves."""

    lead: str
    text: str


@dataclass(frozen=True)
class NextStep:
    """A command to type next, and what it is for."""

    why: str
    command: str


@dataclass(frozen=True)
class VerdictWords:
    """The verdict in sentences."""

    headline: str  # the answer
    certainty: str = ""  # how sure it is; "": nothing was compared
    reasons: tuple[str, ...] = ()  # the strongest first
    flips: tuple[str, ...] = ()  # what would change the answer
    warnings: tuple[str, ...] = ()  # what to beware of, the gravest first
    next: tuple[NextStep, ...] = ()  # the most useful first


@dataclass(frozen=True)
class ProfileRow:
    """A question about the task, what was measured, and which diagnostic environment that is like."""

    lead: str
    measured: str
    like: str = ""


@dataclass(frozen=True)
class Words:
    """What is said of one environment."""

    verdict: VerdictWords
    placing: tuple[ProfileRow, ...]
    summary: tuple[Answer, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class ReportWords:
    """What is said of all of them."""

    title: str
    warnings: tuple[str, ...]
    limits: tuple[Answer, ...]
    command: str | None  # what reproduces the runs
    built: str  # when, ISO 8601 in UTC
