"""The record of training episodes: exact whatever a kill tears, and cut back with the checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rlformer.core.errors import InputError
from rlformer.runs import episodes
from rlformer.runs.episodes import EpisodeWriter


def written(directory: Path, *ended: tuple[float, int, int]) -> Path:
    """The file, after a process that recorded these."""
    writer = EpisodeWriter(directory)
    for episode in ended:
        writer.append(*episode)
    writer.close()
    return directory / episodes.NAME


THREE = ((1.5, 10, 10), (-2.0, 5, 15), (7.0, 5, 20))


def test_what_was_recorded_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, *THREE)
    found = episodes.read(tmp_path)
    assert found is not None
    assert (found.returns.tolist(), found.lengths.tolist()) == ([1.5, -2.0, 7.0], [10, 5, 5])
    assert found.steps.tolist() == [10, 15, 20]
    assert path.stat().st_size == 3 * 24
    assert np.fromfile(path, "<f8,<i8,<i8")["f0"].tolist() == [1.5, -2.0, 7.0]  # as its documentation says


def test_a_run_without_the_file_has_none(tmp_path: Path) -> None:
    assert episodes.read(tmp_path) is None


def test_what_a_kill_tore_is_dropped_and_what_the_checkpoint_does_not_know_is_cut(tmp_path: Path) -> None:
    path = written(tmp_path, *THREE)
    with path.open("ab") as file:
        file.write(b"torn")
    writer = EpisodeWriter(tmp_path, step=15, ended=2)
    assert not writer.lost
    writer.append(4.0, 3, 18)
    writer.close()
    found = episodes.read(tmp_path)
    assert found is not None
    assert (found.returns.tolist(), found.steps.tolist()) == ([1.5, -2.0, 4.0], [10, 15, 18])
    assert writer.ended == 3


def test_a_run_that_begins_anew_forgets_all(tmp_path: Path) -> None:
    written(tmp_path, *THREE)
    EpisodeWriter(tmp_path).close()
    found = episodes.read(tmp_path)
    assert found is not None
    assert not len(found.returns)


def test_some_of_the_episodes_are_no_record_of_all(tmp_path: Path) -> None:
    path = written(tmp_path, *THREE[:1])
    writer = EpisodeWriter(tmp_path, step=20, ended=3)
    writer.append(1.0, 1, 21)
    writer.flush()
    writer.close()
    assert (writer.lost, writer.ended, path.exists()) == (True, 4, False)


def test_a_file_that_no_training_writes_is_damaged(tmp_path: Path) -> None:
    for wrong in ((np.nan, 1, 5), (1.0, 0, 5), (1.0, 1, 3)):
        written(tmp_path, (1.0, 4, 4), wrong)
        with pytest.raises(InputError, match=r"training\.bin: damaged"):
            episodes.read(tmp_path)
