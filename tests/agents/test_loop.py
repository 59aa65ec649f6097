"""The loop of every training: what comes when, and what is on disk when it stops."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from rlformer.agents import loop
from rlformer.agents.loop import Pace
from rlformer.core import grid
from rlformer.core.errors import Interrupted
from tests.support.make_sequences import Journal


class Counting:
    """A training that only counts, by `stride` a time, and writes down what it is asked."""

    def __init__(self, total: int, stride: int = 1, stop_early: int | None = None, warning: str | None = None) -> None:
        self.step, self.saved = 0, 0
        self.asked: list[tuple[str, int]] = []
        self.points: list[int] = []  # of the curve
        self._total, self._stride, self._stop_early, self._warning = total, stride, stop_early, warning

    def ended(self) -> bool:
        return self.step >= self._total or self.step == self._stop_early

    def advance(self) -> None:
        self.step += self._stride

    def scalars(self) -> Mapping[str, float]:
        return self._point("logged")

    def validate(self) -> Mapping[str, float]:
        return self._point("validated")

    def evaluate(self, step: int) -> Mapping[str, float]:
        self.points.append(step)
        return self._point("evaluated")

    def note(self) -> str:
        return ""

    def save(self) -> None:
        self.saved = self.step

    def restore(self) -> str | None:
        self.step = self.saved
        return self._warning

    def at(self, kind: str) -> list[int]:
        """The steps at which it was asked for this."""
        return [step for asked, step in self.asked if asked == kind]

    def _point(self, kind: str) -> Mapping[str, float]:
        self.asked.append((kind, self.step))
        return {kind: float(self.step)}


PACE = Pace(total=10, log_every=3, validate_every=4, evaluate=True)


@pytest.fixture(autouse=True)
def _short_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "_ALL", (5, 7, 10, 14))


def test_all_comes_when_it_should_and_at_the_end(tmp_path: Path) -> None:
    training, journal = Counting(10), Journal(tmp_path)
    loop.run(training, PACE, journal)
    assert training.at("logged") == [3, 6, 9, 10]
    assert training.at("validated") == [4, 8, 10]
    assert training.at("evaluated") == training.points == [5, 7, 10]  # the end is a point of the grid: once
    assert training.asked[-3:] == [("logged", 10), ("validated", 10), ("evaluated", 10)]
    assert list(journal.curve("train/steps_per_second")) == [3, 6, 9, 10]
    assert journal.curve("evaluated") == {5: 5.0, 7: 7.0, 10: 10.0}
    assert (training.saved, journal.done) == (10, 10)


def test_what_is_never_asked_for_never_comes(tmp_path: Path) -> None:
    training = Counting(10)
    loop.run(training, Pace(total=10, log_every=3), Journal(tmp_path))
    assert {kind for kind, _ in training.asked} == {"logged"}


def test_a_training_that_goes_on_by_several_steps_misses_nothing(tmp_path: Path) -> None:
    training = Counting(10, stride=4)
    loop.run(training, PACE, Journal(tmp_path))
    assert training.at("logged") == [4, 8, 12]
    assert training.at("evaluated") == [8, 12, 12]
    assert training.points == [7, 10, 12]  # as soon as a point's steps are made; the end is none


def test_one_that_stops_early_is_evaluated_at_its_end(tmp_path: Path) -> None:
    training = Counting(10, stop_early=6)
    loop.run(training, PACE, Journal(tmp_path))
    assert training.at("evaluated") == training.points == [5, 6]
    assert training.at("logged") == [3, 6]
    assert training.saved == 6


def test_a_stop_saves_and_the_rest_is_as_if_there_had_been_none(tmp_path: Path) -> None:
    whole, training, journal = Counting(10), Counting(10), Journal(tmp_path, stop_after=7)
    loop.run(whole, PACE, Journal(tmp_path))
    with pytest.raises(Interrupted):
        loop.run(training, PACE, journal)
    assert training.saved == 7
    journal.stop_in(None)
    loop.resume(training, journal)
    loop.run(training, PACE, journal)
    assert training.asked == whole.asked
    assert journal.rewound == [7]


def test_one_that_ended_is_left_alone(tmp_path: Path) -> None:
    training = Counting(10)
    training.saved = 10
    loop.resume(training, Journal(tmp_path))
    loop.run(training, PACE, Journal(tmp_path))
    assert training.asked == []


def test_a_damaged_checkpoint_is_remarked_upon(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    loop.resume(Counting(10, warning="damaged"), journal)
    assert journal.notes == ["damaged"]


@pytest.mark.parametrize(("seconds", "least"), [(0.0, 10), (1e9, 1)])
def test_checkpoints_come_by_the_clock(seconds: float, least: int, tmp_path: Path) -> None:
    saves = []

    class Saving(Counting):
        def save(self) -> None:
            saves.append(self.step)

    loop.run(Saving(10), Pace(total=10, log_every=10, checkpoint_seconds=seconds), Journal(tmp_path))
    assert saves[-1] == 10
    assert len(saves) == 1 if least == 1 else len(saves) > 1
