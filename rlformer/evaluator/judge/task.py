"""What the runs and their logs tell of a task: memory, luck, coverage, stitching, sparsity, horizon.

A measure is None where no run or log tells.
"""

from __future__ import annotations

from dataclasses import dataclass

from rlformer.evaluator.judge.findings import Comparison


@dataclass(frozen=True)
class Memory:
    """Arms that see the past against arms that do not.

    undone: labels of those that do not and would catch up by choosing their actions the other way, greedy or sampled.
    """

    comparisons: tuple[Comparison, ...]
    undone: tuple[str, ...] = ()

    @property
    def needed(self) -> bool | None:
        """Whether one that sees the past is ahead, however actions are chosen; None where that is left open."""
        if any(found.outcome == "ahead" and found.b not in self.undone for found in self.comparisons):
            return True
        settled = all(found.outcome in ("equivalent", "behind") for found in self.comparisons)
        return False if settled else None


@dataclass(frozen=True)
class Luck:
    """The distance of the achieved from the target return, as a share of the log's range: mean of `runs`.

    singled_out: whether nothing but luck explains it; see `causes.by_luck`.
    """

    error: float
    runs: int
    singled_out: bool = False


@dataclass(frozen=True)
class Chance:
    """What repeats in the logs; None where nothing does."""

    steps: float | None  # of the steps that occurred before, the share that led elsewhere
    returns: float | None  # share of the returns' variance between episodes with the same actions


@dataclass(frozen=True)
class Level:
    """The share of the logs' episodes that reach a return, and how many of the logs hold enough of these."""

    share: float
    covered: int
    logs: int


@dataclass(frozen=True)
class Coverage:
    """Of the target return, and of the return from which the card calls the task solved."""

    target: Level | None
    solved: Level | None


@dataclass(frozen=True)
class Sparsity:
    """Rewards in the logs: the share of steps that pay, and how many do in a median episode."""

    share: float
    steps: float


@dataclass(frozen=True)
class Horizon:
    """Steps of the logs' median episode, and of their longest."""

    median: float
    longest: int


@dataclass(frozen=True)
class TaskProfile:
    """A task among the diagnostics, a measure each."""

    memory: Memory | None
    luck: Luck | None
    chance: Chance | None
    coverage: Coverage | None
    stitching: Comparison | None  # offline RL against the sequence model
    sparsity: Sparsity | None
    horizon: Horizon | None
