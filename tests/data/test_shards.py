"""A log in shards is one log: what is read of it is what a log in one piece of the same episodes gives."""

from __future__ import annotations

import json
import runpy
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rlformer.core import seeding
from rlformer.core.errors import InputError
from rlformer.core.records import Episode, Window
from rlformer.core.spaces import ObservationSpec, Part, Spaces
from rlformer.data import scales, shards
from rlformer.data.cut import cut_log
from rlformer.data.dataset import Dataset, DatasetInfo, join
from rlformer.data.describe import describe, log_input
from rlformer.data.folder import load
from rlformer.data.transitions import transitions
from rlformer.data.windows import Windows, returns_to_go
from rlformer.data.writer import DatasetWriter
from rlformer.runs.inputs import Cut, Recipe
from tests.support.make_sequences import SPACES
from tests.support.make_sequences import episode as random_episode

LENGTHS = (7, 1, 12, 3, 5, 2, 9)
PIECES = ((0, 3), (3, 4), (4, 7))  # of these episodes
INFO = DatasetInfo("CartPole-v1", Spaces.plain((3,), SPACES["box"]))


def episodes(seed: int = 0, lengths: Sequence[int] = LENGTHS) -> list[Episode]:
    rng = np.random.default_rng(seed)
    return [random_episode(SPACES["box"], length, rng) for length in lengths]


def written(
    path: Path, made: Sequence[Episode], info: DatasetInfo = INFO, behind: Sequence[int] = (), **known: Any
) -> Dataset:
    with DatasetWriter(path, info) as writer:
        for i, episode in enumerate(made):
            writer.add(episode, behind[i] if behind else -1)
        return writer.finish(**known)


def listed(folder: Path, *logs: Dataset) -> Path:
    folder.mkdir(exist_ok=True)
    shards.write(folder, logs)
    return folder


@pytest.fixture
def one(tmp_path: Path) -> Dataset:
    """Seven episodes in one piece."""
    return written(tmp_path / "one", episodes())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The same in three shards."""
    made = episodes()
    (tmp_path / "log").mkdir()
    logs = [
        written(shards.folder_of(tmp_path / "log", i), made[a:b], replace(INFO, provenance={"part": i}))
        for i, (a, b) in enumerate(PIECES)
    ]
    return listed(tmp_path / "log", *logs)


def assert_same_window(window: Window, other: Window) -> None:
    for name, values in vars(window).items():
        assert torch.equal(values, getattr(other, name)), name


# One log


def test_windows_of_shards_are_those_of_the_log_in_one_piece_bit_for_bit(one: Dataset, folder: Path) -> None:
    drawn = [
        Windows(view, 4).draw(64, np.random.default_rng(5))
        for log in (one, load(folder))
        for view in (log, log.split(0.3, np.random.default_rng(1))[0])
    ]
    assert_same_window(drawn[0], drawn[2])
    assert_same_window(drawn[1], drawn[3])


def test_every_step_can_be_drawn_and_is_its_own(one: Dataset, folder: Path) -> None:
    steps = torch.arange(one.num_steps)
    assert_same_window(Windows(one, 5).at(steps), Windows(load(folder), 5).at(steps))
    moved = Windows(load(folder), 5).to(torch.device("cpu"))
    assert_same_window(moved.at(steps), Windows(one, 5).at(steps))


def test_what_is_measured_of_shards_is_what_the_log_in_one_piece_says(one: Dataset, folder: Path) -> None:
    log = load(folder)
    for view, other in ((one, log), (one.top(0.5), log.top(0.5))):
        np.testing.assert_array_equal(view.returns, other.returns)
        np.testing.assert_array_equal(view.rewarded_steps, other.rewarded_steps)
        np.testing.assert_array_equal(returns_to_go(view), returns_to_go(other))
        a, b = scales.measure(view), scales.measure(other)
        for name, value in vars(a).items():
            np.testing.assert_array_equal(value, getattr(b, name))
        for name, value in vars(transitions(view)).items():
            np.testing.assert_array_equal(value, getattr(transitions(other), name))
        assert log_input(view).task == log_input(other).task
    assert describe(one).to_dict()["returns"] == describe(log).to_dict()["returns"]
    # Three headers of numpy's more for each array but that of the first shard.
    assert (describe(log).bytes or 0) - (describe(one).bytes or 0) == 2 * 4 * 256


def test_episodes_come_in_the_order_of_the_shards(one: Dataset, folder: Path) -> None:
    for episode, other in zip(one, load(folder), strict=True):
        for name, value in vars(episode).items():
            np.testing.assert_array_equal(value, getattr(other, name))


def test_arrays_of_shards_stay_on_disk(folder: Path) -> None:
    """An episode is a view of its shard's file, and its file alone."""
    log = load(folder)
    for i, episode in enumerate(log):
        shard = next(s for s, (a, b) in enumerate(PIECES) if a <= i < b)
        assert np.shares_memory(episode.observations, np.asarray(log.shards[shard].observations))


def test_stacked_frames_of_shards_are_rebuilt_within_their_episodes(tmp_path: Path) -> None:
    spec = ObservationSpec((Part("image", "image", (6, 4, 4), "uint8", frames=2),))
    info, rng = DatasetInfo("Nowhere-v0", Spaces(spec, SPACES["discrete"])), np.random.default_rng(0)
    made = []
    for length in (3, 1, 4, 2):
        frames = rng.integers(0, 255, (length + 1, 3, 4, 4)).astype(np.uint8)
        before = np.concatenate([np.zeros_like(frames[:1]), frames[:-1]])
        made.append(
            replace(
                random_episode(SPACES["discrete"], length, rng),
                observations=np.concatenate([before, frames], axis=1),
            )
        )
    one = written(tmp_path / "one", made, info)
    halves = [written(tmp_path / f"{i}", made[2 * i : 2 * i + 2], info) for i in range(2)]
    log = load(listed(tmp_path / "log", *halves))
    steps = torch.arange(one.num_steps)
    assert_same_window(Windows(one, 3).at(steps), Windows(log, 3).at(steps))
    np.testing.assert_array_equal(np.asarray(log[2].observations), np.asarray(one[2].observations))


def test_draws_are_uniform_over_all_steps_of_all_shards(folder: Path) -> None:
    """A chi-square test with 38 degrees of freedom: under 70 in all but one of a thousand, and the stream is fixed."""
    log, draws = load(folder), 20_000
    counts = np.bincount(Windows(log, 1).starts(draws, np.random.default_rng(0)).numpy(), minlength=log.num_steps)
    expected = draws / log.num_steps
    assert ((counts - expected) ** 2 / expected).sum() < 70


def test_twenty_shards_of_the_benchmark_are_one_log_and_drawn_uniformly(tmp_path: Path) -> None:
    script = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "bench_shards"))
    script["make"](tmp_path, 20, 60_000)
    log = load(tmp_path, verify=True)
    assert (len(log.shards), log.num_steps) == (20, 60_000)
    starts = Windows(log, 20).starts(100_000, np.random.default_rng(0)).numpy()
    hits = np.bincount(starts * 200 // 60_000, minlength=200)
    assert script["chi_square"](hits, np.full(200, 1 / 200)) > 0.001
    assert script["chi_square"](np.full(200, 500) + np.arange(200) - 100, np.full(200, 1 / 200)) < 0.001


def test_the_hash_follows_from_those_of_the_shards_and_their_order(folder: Path, tmp_path: Path) -> None:
    log = load(folder)
    assert log.hash == shards.combined_hash(shard.hash for shard in log.shards)
    turned = load(listed(tmp_path / "turned", *reversed(log.shards)))
    assert turned.hash != log.hash
    assert log.top(0.5).hash != log.hash


@pytest.mark.slow
def test_shards_train_the_weights_of_the_log_in_one_piece(tmp_path: Path) -> None:
    import rlformer

    one = rlformer.collect("random", env="CartPole-v1", episodes=12, seed=4, out=tmp_path / "one")
    info = replace(one.info, hash="")
    thirds = [
        written(tmp_path / f"{i}", [one[j] for j in range(4 * i, 4 * i + 4)], replace(info, provenance={"part": i}))
        for i in range(3)
    ]
    weights = []
    for log in (one, load(listed(tmp_path / "log", *thirds))):
        values = ["gradient_steps=20", "layers=1", "width=16", "validate_every=10"]
        run = rlformer.train("dt", dataset=log, env="none", overrides=values, root=tmp_path / log.hash)
        (file,) = run.rglob("model.safetensors")
        weights.append(file.read_bytes())
    assert weights[0] == weights[1]


# Where it comes from


def collected(
    path: Path, first: int, policy: dict[str, Any], upstream: int | None, seconds: float | None = None
) -> Dataset:
    made = episodes(first, (5, 5))
    info = replace(INFO, provenance={"source": "collected", "behaviour_policy": policy, "first_episode": first})
    return written(path, made, info, upstream_env_steps=upstream, upstream_cpu_seconds=seconds)


def test_a_policy_that_made_several_shards_is_counted_once(tmp_path: Path) -> None:
    ppo, sac = {"agent": "ppo", "spec": "abc", "seed": 0}, {"agent": "sac", "spec": "def", "seed": 0}
    logs = [
        collected(tmp_path / "a", 0, ppo, 1010, 101.0),
        collected(tmp_path / "b", 1, ppo, 1010, 101.0),
        collected(tmp_path / "c", 2, sac, 2010, 50.0),
    ]
    log = load(listed(tmp_path / "log", *logs))
    assert log.upstream_env_steps == 1000 + 2000 + 30
    assert log_input(log).upstream_cpu_seconds == pytest.approx(101 + 101 * 10 / 1010 + 50)
    assert log.select(np.array([0, 2]), "one of each of the first two").upstream_env_steps == 1000 + 10
    assert log.select(np.array([4, 5]), "the last").upstream_env_steps == 2010


def test_what_its_agent_played_and_its_own_log_have_one_maker(tmp_path: Path) -> None:
    info = replace(INFO, provenance={"source": "online training", "spec_hash": "abc", "seed": 0})
    training = written(
        tmp_path / "training", episodes(), info, behind=[10, 20, 30, 40, 50, 60, 70], upstream_env_steps=80
    )
    played = collected(tmp_path / "played", 5, {"agent": "ppo", "spec": "abc", "seed": 0}, 90)
    assert join([training, played]).upstream_env_steps == 80 + 10


def test_a_shard_of_unknown_cost_makes_the_whole_unknown(tmp_path: Path) -> None:
    logs = [collected(tmp_path / "a", 0, {"agent": "x"}, None), collected(tmp_path / "b", 1, {"agent": "y"}, 10)]
    assert join(logs).upstream_env_steps is None
    assert log_input(join(logs)).upstream_cpu_seconds is None


def test_a_prefix_of_several_trainings_is_one_of_each(tmp_path: Path) -> None:
    logs = []
    for seed in range(2):
        info = replace(INFO, provenance={"source": "online training", "spec_hash": "abc", "seed": seed})
        made = episodes(seed, (5, 5, 5, 5))
        logs.append(written(tmp_path / f"{seed}", made, info, behind=[5, 10, 15, 20], upstream_env_steps=20))
    half = cut_log(join(logs), Recipe(Cut.parse("0.5")))
    assert half.index.tolist() == [0, 1, 4, 5]
    assert half.upstream_env_steps == 10 + 10
    assert join(logs).prefix(15).index.tolist() == [0, 1, 2, 4, 5, 6]


# What is wrong


def test_a_shard_that_is_missing_is_named(folder: Path) -> None:
    shutil.rmtree(folder / "shard-0001")
    with pytest.raises(InputError, match=r"shard 2 of 3: .*shard-0001 is missing"):
        load(folder)


def test_a_shard_that_is_torn_is_named(folder: Path) -> None:
    path = folder / "shard-0002" / "actions.npy"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(InputError, match=r"shard 3 of 3: .*actions.npy.*damaged"):
        load(folder)


def test_a_shard_that_is_being_written_is_named(folder: Path) -> None:
    shutil.rmtree(folder / "shard-0001")
    with DatasetWriter(folder / "shard-0001", INFO), pytest.raises(InputError, match=r"shard 2 of 3: .*unfinished"):
        load(folder)


def test_another_log_in_the_place_of_a_shard_is_refused(folder: Path) -> None:
    shutil.rmtree(folder / "shard-0001")
    written(folder / "shard-0001", episodes(3))
    with pytest.raises(InputError, match="another log than the one that was listed"):
        load(folder)


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        ({"schema": "rlformer/2", "shards": []}, "no shards: a log has one at least"),
        ({"schema": "rlformer/2", "shards": "none"}, "no list of shards"),
        ({"schema": "rlformer/2", "shards": [{"path": "shard-0000"}]}, "shard 1 has not path"),
        (
            {"schema": "rlformer/2", "shards": [{"path": "a", "num_episodes": 0, "num_steps": 1, "hash": ""}]},
            "num_episo",
        ),
        ({"schema": "other/9", "shards": []}, "this version reads"),
    ],
)
def test_a_list_that_is_none_gets_one_line(folder: Path, listing: dict[str, Any], message: str) -> None:
    (folder / "shards.json").write_text(json.dumps(listing))
    with pytest.raises(InputError, match=message) as found:
        load(folder)
    assert "\n" not in str(found.value)


def test_a_torn_list_gets_one_line(folder: Path) -> None:
    text = (folder / "shards.json").read_text()
    (folder / "shards.json").write_text(text[: len(text) // 2])
    with pytest.raises(InputError, match=r"shards\.json"):
        load(folder)


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (replace(INFO, env="Acrobot-v1"), "it is of environment Acrobot-v1, not CartPole-v1"),
        (replace(INFO, spaces=Spaces.plain((3,), SPACES["box"], "float64")), "it has observations .*float64"),
        (replace(INFO, env_definition={"id": "CartPole-v1", "kwargs": {"x": 1}}), "defined differently"),
        (replace(INFO, provenance={"reward_column": 1}), "its rewards are column 1, not its only one"),
    ],
    ids=["environment", "spaces", "arguments", "reward column"],
)
def test_shards_of_different_tasks_are_refused(tmp_path: Path, info: DatasetInfo, message: str) -> None:
    first = written(tmp_path / "a", episodes(0), replace(INFO, env_definition={"id": "CartPole-v1", "kwargs": {}}))
    other = written(tmp_path / "b", episodes(1), info)
    with pytest.raises(InputError, match=message):
        load(listed(tmp_path / "log", first, other))


def test_a_shard_twice_is_refused_however_it_is_named(tmp_path: Path) -> None:
    first = written(tmp_path / "a", episodes())
    shutil.copytree(tmp_path / "a", tmp_path / "copy")
    (tmp_path / "link").symlink_to("a")
    for name in ("a", "copy", "link"):
        with pytest.raises(InputError, match="a shard twice"):
            join([first, load(tmp_path / name)])


def test_two_shards_may_hold_the_same_episodes_where_they_were_played_apart(tmp_path: Path) -> None:
    """As in an environment without chance."""
    infos = [replace(INFO, provenance={"first_episode": i}) for i in range(2)]
    log = join([written(tmp_path / f"{i}", episodes(), info) for i, info in enumerate(infos)])
    assert len(log) == 2 * len(LENGTHS)


def test_nothing_is_written_where_shards_are(folder: Path) -> None:
    with pytest.raises(InputError, match="there is already a dataset"):
        DatasetWriter(folder, INFO)


def test_seeds_of_shards_of_steps_are_disjoint() -> None:
    count, taken = 20, 1000
    firsts = [seeding.width("collect") * i // count for i in range(count)]
    seeds = np.concatenate([seeding.episode_seeds(3, "collect", taken, first) for first in firsts])
    assert len(np.unique(seeds)) == count * taken
