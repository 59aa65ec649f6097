"""Images of several frames, each kept once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rlformer.core.errors import InputError
from rlformer.core.frames import Frames
from rlformer.core.records import Episode
from rlformer.core.spaces import ActionSpec, Array, ObservationSpec, Part, Spaces
from rlformer.data.dataset import DatasetInfo, from_episodes
from rlformer.data.folder import load
from rlformer.data.windows import Windows
from rlformer.data.writer import DatasetWriter

SPEC = ObservationSpec((Part("observation", "image", (4, 5, 6), "uint8", peak=255.0, frames=4),))
INFO = DatasetInfo("Nowhere-v0", Spaces(SPEC, ActionSpec("discrete", nvec=(2,))))


def stacked(frames: Array) -> Array:
    """(T, 5, 6) -> (T, 4, 5, 6), the newest last, zeros before the first."""
    padded = np.concatenate([np.zeros((3, *frames.shape[1:]), np.uint8), frames])
    return np.stack([padded[t : t + 4] for t in range(len(frames))])


def episodes(*lengths: int) -> list[Episode]:
    rng = np.random.default_rng(0)
    return [
        Episode(
            stacked(rng.integers(1, 256, (n + 1, 5, 6), np.uint8)), rng.integers(0, 2, n), rng.random(n), True, False
        )
        for n in lengths
    ]


def test_a_log_keeps_each_frame_once_and_gives_whole_observations(tmp_path: Path) -> None:
    played = episodes(6, 1, 3)
    with DatasetWriter(tmp_path / "log", INFO) as writer:
        for episode in played:
            writer.add(episode)
        log = writer.finish()
    assert (tmp_path / "log" / "observations.npy").stat().st_size == 256 + (7 + 2 + 4) * 5 * 6
    for again in (log, load(tmp_path / "log", verify=True), from_episodes(INFO, played)):
        for episode, expected in zip(again, played, strict=True):
            np.testing.assert_array_equal(episode.observations, expected.observations)
    assert log.info.hash == from_episodes(INFO, played).info.hash


@pytest.mark.parametrize("moved", [False, True], ids=["where it lies", "on a device"])
def test_windows_show_the_frames_before_them(moved: bool) -> None:
    log = from_episodes(INFO, episodes(6, 1, 3)).select(np.array([0, 2]), "two")
    windows = Windows(log, 4)
    if moved:
        windows = windows.to(torch.device("cpu"))
    starts = torch.arange(log.num_steps)
    shown = windows.at(starts).observations
    assert shown.dtype == torch.uint8
    whole = np.concatenate([e.observations[:-1] for e in log])
    for start, window in zip(starts.tolist(), shown.numpy(), strict=True):
        last = 6 if start < 6 else 9
        for k in range(4):
            np.testing.assert_array_equal(window[k], whole[min(start + k, last - 1)])


def test_frames_are_indexed_as_the_array_they_stand_for() -> None:
    first, second = (e.observations for e in episodes(6, 3))
    frames = Frames(np.concatenate([first, second])[:, -1:], np.array([0, 7]), 4)
    whole = np.concatenate([first, second])
    assert (len(frames), frames.shape, frames.dtype) == (11, whole.shape, whole.dtype)
    for rows in (3, -1, slice(5, 9), slice(None, None, -3), np.arange(11) > 6, np.array([[10, 0], [7, 8]])):
        np.testing.assert_array_equal(frames[rows], whole[rows])
    np.testing.assert_array_equal(np.asarray(frames), whole)


def test_an_episode_whose_frames_are_stacked_otherwise_is_refused() -> None:
    (good,) = episodes(5)
    repeated = good.observations.copy()
    repeated[0] = repeated[0][-1]  # its first frame four times, as another wrapper has it
    with pytest.raises(InputError, match=r"episode 0, step 0: the image is not made of the frames of the steps before"):
        from_episodes(INFO, [replace(good, observations=repeated)])
