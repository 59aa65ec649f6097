"""The loop of every training that learns from a log: step, log, validate, evaluate, checkpoint, stop, continue."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from rlformer.agents.base import RunLog
from rlformer.core import grid
from rlformer.core.errors import Interrupted
from rlformer.runs.metrics import Throttle

_SAVING_SHARE = 0.02  # of the time, at most, goes into checkpoints
_PROGRESS_SECONDS = 0.2


class DivergedError(RuntimeError):
    """The loss is not finite; the last checkpoint holds the state from before."""


@dataclass(frozen=True)
class Pace:
    """When what comes, in the unit in which a training counts its steps; 0: never.

    Evaluations stand on one grid (`core.grid`), whatever the total, and at the end.
    """

    total: int
    log_every: int
    validate_every: int = 0
    evaluate: bool = False
    checkpoint_seconds: float = 10.0  # between checkpoints; more where making one takes long


class Training(Protocol):
    """What differs from one training to the next."""

    @property
    def step(self) -> int:
        """How far it is, in its own unit: gradient steps, or steps of an environment."""

    def ended(self) -> bool:
        """Whether nothing is left to be done: all steps were made, or it stops early."""

    def advance(self) -> None:
        """Go on by one step or several. Raises DivergedError where nothing can be learned any more."""

    def scalars(self) -> Mapping[str, float]:
        """Points of curves, of the steps since the last call."""

    def validate(self) -> Mapping[str, float]:
        """Points of curves, of what is held out."""

    def evaluate(self, step: int) -> Mapping[str, float]:
        """Points of curves, of episodes in the environment: at `step`, see `agents.base.Evaluate`."""

    def note(self) -> str:
        """What stands beside the progress."""

    def save(self) -> None:
        """Write a checkpoint of all that decides the next step."""

    def restore(self) -> str | None:
        """Continue from the checkpoint, if there is one; a warning where one was damaged."""


def resume(training: Training, log: RunLog) -> None:
    """Continue from the last checkpoint: the log forgets what came after it."""
    if (warning := training.restore()) is not None:
        log.note(warning)
    log.rewind(training.step)


def run(training: Training, pace: Pace, log: RunLog) -> None:
    """Train to the end, from wherever it is, and leave a checkpoint of it.

    Evaluations and what they write do not count for the speed that is logged. Raises Interrupted, with everything on
    disk, when the log asks to stop.
    """
    progress_due = Throttle(_PROGRESS_SECONDS)
    logged_step, logged_at = training.step, time.perf_counter()
    save_at = logged_at + pace.checkpoint_seconds
    while not training.ended():
        if log.stop_requested():
            _save(training, log)
            raise Interrupted
        before = training.step
        training.advance()
        step = training.step
        last = step >= pace.total
        if last or _reached(pace.log_every, before, step):
            now = time.perf_counter()
            speed = (step - logged_step) / (now - logged_at)
            log.scalars({**training.scalars(), "train/steps_per_second": speed}, step)
            logged_step, logged_at = step, now
        if pace.validate_every and (last or _reached(pace.validate_every, before, step)):
            log.scalars(training.validate(), step)
        if pace.evaluate:
            since = time.perf_counter()
            _evaluate(training, log, before)
            logged_at += time.perf_counter() - since
        if time.perf_counter() >= save_at:
            save_at = _saved(training, pace, log)
        if training.ended() or progress_due():
            log.progress(step, pace.total, training.note())
    _save(training, log)


def _reached(every: int, before: int, step: int) -> bool:
    """Whether a multiple of `every` lies behind `before` and not behind `step`."""
    return every > 0 and step // every > before // every


def _evaluate(training: Training, log: RunLog, before: int) -> None:
    """Where a point of the grid lies behind `before`, and at the end; once where the end is such a point."""
    point, end = grid.passed(before, training.step), training.step if training.ended() else None
    for step in dict.fromkeys(step for step in (point, end) if step is not None):
        with log.clock("evaluation"):
            scores = training.evaluate(step)
        log.scalars(scores, step)


def _save(training: Training, log: RunLog) -> None:
    with log.checkpoint(training.step):
        training.save()


def _saved(training: Training, pace: Pace, log: RunLog) -> float:
    """Save, and say when to do so next."""
    began = time.perf_counter()
    _save(training, log)
    now = time.perf_counter()
    return now + max(pace.checkpoint_seconds, (now - began) / _SAVING_SHARE)
