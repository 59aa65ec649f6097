"""A window is a stretch of one episode: whole in content, honest in distribution."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rlformer.core.spaces import ObservationSpec, Part, Spaces
from rlformer.data.dataset import Dataset, DatasetInfo, from_episodes
from rlformer.data.scales import measure
from rlformer.data.windows import Windows, largest_return_to_go, returns_to_go, step_rows
from tests.support.make_sequences import SPACES, log
from tests.support.make_sequences import episode as random_episode

VIEWS = {
    "whole": lambda log: log,
    "one episode": lambda log: log.select(np.array([2]), "one"),
    "reordered": lambda log: log.select(np.array([4, 0, 2]), "some"),
    "top": lambda log: log.top(0.5),
    "view of a view": lambda log: log.select(np.array([4, 3, 1, 0]), "some").select(np.array([2, 0]), "fewer"),
    "split": lambda log: log.split(0.4, np.random.default_rng(3))[0],
}


@pytest.fixture(params=VIEWS)
def view(request: pytest.FixtureRequest) -> Dataset:
    """A log of five episodes, or some of them."""
    return VIEWS[request.param](log(SPACES["multidiscrete"]))


@pytest.mark.parametrize("context_length", [1, 4, 20])
def test_a_window_is_what_a_slow_loop_makes_it(view: Dataset, context_length: int) -> None:
    windows = Windows(view, context_length).at(torch.arange(view.num_steps))
    row = 0
    for episode in view:
        togo = [sum(episode.rewards[t:]) for t in range(len(episode))]
        for start in range(len(episode)):
            for k in range(context_length):
                t = min(start + k, len(episode) - 1)  # padding repeats the last step
                np.testing.assert_array_equal(windows.observations[row, k], episode.observations[t])
                np.testing.assert_array_equal(windows.actions[row, k], episode.actions[t])
                assert windows.returns_to_go[row, k] == pytest.approx(togo[t], abs=1e-5)
                assert windows.timesteps[row, k] == t
                assert windows.mask[row, k] == (start + k < len(episode))
            row += 1
    assert row == view.num_steps


@pytest.mark.parametrize("context_length", [1, 4])
def test_windows_that_were_moved_are_the_same_and_hold_the_view_alone(view: Dataset, context_length: int) -> None:
    windows = Windows(view, context_length)
    moved = windows.to(torch.device("cpu"))
    for expected, found in zip(
        *(vars(w.at(torch.arange(view.num_steps))).values() for w in (windows, moved)), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert len(moved._observations) == len(moved._actions) == view.num_steps


def test_returns_to_go_end_with_the_last_reward_and_begin_with_the_return(view: Dataset) -> None:
    togo = returns_to_go(view)
    expected = np.concatenate([np.cumsum(episode.rewards[::-1])[::-1] for episode in view])
    np.testing.assert_allclose(togo, expected, atol=1e-6)
    firsts = np.cumsum(view.lengths) - view.lengths
    np.testing.assert_allclose(togo[firsts], view.returns, atol=1e-6)


def test_the_largest_return_to_go_is_that_of_all_steps(view: Dataset) -> None:
    assert largest_return_to_go(view) == np.abs(returns_to_go(view)).max()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["huge first", "huge last"])
def test_small_rewards_are_not_lost_beside_a_huge_episode(order: tuple[int, int]) -> None:
    """Exact: 1e16 + 1e-3 is 1e16 in float64, so that one sum over both episodes would forget the small one."""
    spec, rng = SPACES["discrete"], np.random.default_rng(0)
    huge, small = (replace(random_episode(spec, 3, rng), rewards=np.full(3, reward)) for reward in (1e16, 1e-3))
    episodes = [(huge, small)[i] for i in order]
    view = from_episodes(DatasetInfo("Nowhere-v0", Spaces.plain(huge.observations.shape[1:], spec)), episodes)
    expected = {0: [3e16, 2e16, 1e16], 1: [1e-3 + 1e-3 + 1e-3, 1e-3 + 1e-3, 1e-3]}
    togo = np.concatenate([expected[i] for i in order]).astype(np.float32)
    np.testing.assert_array_equal(returns_to_go(view), togo)
    drawn = Windows(view, 3).at(torch.tensor([0, 3])).returns_to_go
    np.testing.assert_array_equal(drawn.numpy().ravel(), togo)
    assert largest_return_to_go(view) == np.float32(3e16)


def test_rows_of_a_view_are_those_of_its_episodes(view: Dataset) -> None:
    np.testing.assert_array_equal(view.actions[step_rows(view)], np.concatenate([e.actions for e in view]))


def test_an_episode_is_drawn_by_its_length_and_the_start_uniformly_inside_it() -> None:
    view = log(SPACES["discrete"]).select(np.array([2, 1, 0]), "lengths 12, 1 and 7")
    draws = 40_000
    windows = Windows(view, 3).draw(draws, np.random.default_rng(0))
    starts = {tuple(row) for row in windows.observations[:, 0].numpy()}
    assert starts == {tuple(episode.observations[t]) for episode in view for t in range(len(episode))}
    for episode in view:
        share = 1 / view.num_steps  # of each start; its standard error is below .0011
        for t in range(len(episode)):
            hits = (windows.observations[:, 0].numpy() == episode.observations[t]).all(axis=1)
            assert hits.mean() == pytest.approx(share, abs=0.005)


def test_the_same_stream_draws_the_same_windows() -> None:
    windows = Windows(log(SPACES["box"]), 4)
    first, second, other = (windows.draw(16, np.random.default_rng(seed)).observations for seed in (1, 1, 2))
    assert first.equal(second)
    assert not first.equal(other)


def test_fixed_windows_begin_at_different_steps_and_at_all_where_there_are_few() -> None:
    view = log(SPACES["discrete"])
    few, all_of_them = (Windows(view, 2).some(count, 8, np.random.default_rng(0)) for count in (10, 2048))
    assert [len(window.mask) for window in few] == [8, 2]
    starts = np.concatenate([window.observations[:, 0].numpy() for window in all_of_them])
    assert len(starts) == len(np.unique(starts, axis=0)) == view.num_steps


def test_scales_are_the_statistics_of_the_steps(view: Dataset) -> None:
    scales = measure(view)
    rows = np.concatenate([episode.observations[:-1] for episode in view]).astype(np.float64)
    np.testing.assert_allclose(scales.observation_mean, rows.mean(axis=0))
    np.testing.assert_allclose(scales.observation_std, rows.std(axis=0))
    assert scales.return_scale == np.abs(returns_to_go(view)).max()
    assert scales.action_mean is None  # categories have none
    assert measure(view, return_scale=7.0).return_scale == 7.0
    bare = measure(view, standardise=False)  # observations as they are
    assert (bare.observation_mean == 0).all()
    assert (bare.observation_std == 1).all()
    assert bare.return_scale == scales.return_scale


def test_scales_of_a_log_in_parts_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measure(log(SPACES["box-unbounded"]))
    monkeypatch.setattr("rlformer.data.scales._AT_ONCE", 3)
    parts = measure(log(SPACES["box-unbounded"]))
    for name in ("observation_mean", "observation_std", "action_mean", "action_std"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-12)


def test_a_constant_feature_keeps_its_scale() -> None:
    data = log(SPACES["discrete"])
    data.observations[:, 1] = 4.0
    scales = measure(data)
    assert scales.observation_mean[1] == 4.0
    assert scales.observation_std[1] == 1.0


def test_a_log_without_reward_keeps_the_returns_scale() -> None:
    data = log(SPACES["discrete"])
    data.rewards[:] = 0.0
    assert measure(data).return_scale == 1.0


@pytest.fixture
def pictures() -> Dataset:
    """Episodes of uint8 pictures, (3, 16, 16) each."""
    rng, spec, lengths = np.random.default_rng(0), SPACES["discrete"], (40, 3, 25)
    part = Part("image", "image", (3, 16, 16), "uint8")
    episodes = [
        replace(random_episode(spec, n, rng), observations=rng.integers(0, 256, (n + 1, *part.shape), np.uint8))
        for n in lengths
    ]
    made = from_episodes(DatasetInfo("Nowhere-v0", Spaces(ObservationSpec((part,)), spec)), episodes)
    return replace(made, observations=np.concatenate([e.observations for e in episodes]))


@pytest.mark.parametrize("where", ["memory", "disk"])
def test_bytes_stay_bytes_from_the_arrays_to_the_window(where: str, pictures: Dataset, tmp_path: Path) -> None:
    data, path = pictures, tmp_path / "observations.npy"
    if where == "disk":
        np.save(path, data.observations)
        data = replace(data, observations=np.load(path, mmap_mode="r"))
        assert path.stat().st_size < data.observations.size + 200  # one byte a number, and the header
    windows = Windows(data, 4)
    assert np.shares_memory(windows._observations.numpy(), data.observations)  # no copy of another dtype
    for source in (windows, windows.to(torch.device("cpu"))):
        assert source._observations.dtype == torch.uint8
        drawn = source.draw(16, np.random.default_rng(1))
        assert drawn.observations.dtype == torch.uint8
        assert drawn.observations.shape == (16, 4, 3, 16, 16)
        assert drawn.observations.untyped_storage().nbytes() == 16 * 4 * 3 * 16 * 16
    window = windows.at(torch.tensor([41]))  # the second step of the second episode, of three
    np.testing.assert_array_equal(window.observations[0, :2], data.observations[42:44])


def test_images_are_not_measured(pictures: Dataset) -> None:
    """What reads them knows their range, and a log of a million would be read whole before the first gradient step."""
    whole = measure(pictures)
    assert not whole.observation_mean.any()
    assert (whole.observation_std == 1).all()
    flat = ObservationSpec((Part("speed", "vector", (2,), "uint8"), Part("eye", "image", (1, 4, 4), "uint8")))
    rng = np.random.default_rng(0)
    shown = rng.integers(0, 256, (41, 18), np.uint8)
    one = replace(random_episode(SPACES["discrete"], 40, rng), observations=shown)
    mixed = measure(from_episodes(DatasetInfo("Nowhere-v0", Spaces(flat, SPACES["discrete"])), [one]))
    np.testing.assert_allclose(mixed.observation_mean[:2], shown[:-1, :2].mean(axis=0))
    assert not mixed.observation_mean[2:].any()


def test_moments_of_bytes_are_those_of_their_numbers(pictures: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    vector = ObservationSpec((Part("bytes", "vector", (3, 16, 16), "uint8"),))
    pictures = replace(pictures, info=replace(pictures.info, spaces=Spaces(vector, pictures.info.actions)))
    steps = np.concatenate([e.observations[:-1] for e in pictures]).astype(np.float64)
    whole = measure(pictures)
    np.testing.assert_allclose(whole.observation_mean, steps.mean(axis=0))
    np.testing.assert_allclose(whole.observation_std, steps.std(axis=0))
    monkeypatch.setattr("rlformer.data.scales._NUMBERS_AT_ONCE", 5 * 3 * 16 * 16)  # five pictures
    np.testing.assert_allclose(measure(pictures).observation_std, whole.observation_std, rtol=1e-12)
