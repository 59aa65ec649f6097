"""Minari, both ways: what its users stored comes in, and what we export its own functions load."""

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import h5py
import minari
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.wrappers import ClipReward, RecordEpisodeStatistics, StickyAction, TimeLimit
from minari.data_collector import EpisodeBuffer
from typer.testing import CliRunner

from rlformer.cli.data import app
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec, Episode
from rlformer.core.spaces import ActionSpec, Array, Spaces
from rlformer.data.collect import collect
from rlformer.data.dataset import Dataset, DatasetInfo, from_episodes
from rlformer.data.findings import find
from rlformer.data.loaders.base import Native, canonical_observations
from rlformer.data.loaders.minari import export_minari, is_id
from rlformer.data.loaders.names import Choice
from rlformer.data.open import open_data
from rlformer.data.writer import DatasetWriter
from rlformer.envs import cards as env_cards
from rlformer.envs.make import make
from rlformer.envs.rollout import RandomPolicy

SHARED = Path(__file__).parents[2].parent / "shared/data"
CARTPOLE = env_cards.environment("CartPole-v1")
DISCRETE = ActionSpec("discrete", nvec=(3,))
PLANE = spaces.Box(-1, 1, (2,))
pytestmark = pytest.mark.filterwarnings("ignore:env_spec is None:UserWarning")


@pytest.fixture(autouse=True)
def minari_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Minari's datasets of this test, and nobody's own."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    return tmp_path / "minari"


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Dataset]:
    return lambda text, **options: open_data(text, tmp_path / "datasets", **options)


def minari_dataset(observation_space: spaces.Space[Any], action_space: spaces.Space[Any], **about: Any) -> str:
    """Two episodes of random values of these spaces, of 3 and 2 steps, as Minari's users store them."""
    observation_space.seed(1)
    action_space.seed(2)

    def stack(space: spaces.Space[Any], samples: list[Any]) -> Any:
        if isinstance(space, spaces.Dict):
            return {k: stack(s, [sample[k] for sample in samples]) for k, s in space.spaces.items()}
        if isinstance(space, spaces.Tuple):
            return tuple(stack(s, [sample[i] for sample in samples]) for i, s in enumerate(space.spaces))
        return np.array(samples)

    buffers = [
        EpisodeBuffer(
            seed=seed,
            observations=stack(observation_space, [observation_space.sample() for _ in range(length + 1)]),
            actions=stack(action_space, [action_space.sample() for _ in range(length)]),
            rewards=list(np.arange(length, dtype=float)),
            terminations=[False] * (length - 1) + [seed == 5],
            truncations=[False] * (length - 1) + [seed != 5],
            infos={},
        )
        for seed, length in ((5, 3), (6, 2))
    ]
    with pytest.warns(UserWarning, match="set to None"):
        minari.create_dataset_from_buffers(
            "toy/log-v0", buffers, observation_space=observation_space, action_space=action_space, **about
        )
    return "toy/log-v0"


# In


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real logs are not here")
def test_a_minari_dataset_is_found_by_its_id(opened: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(SHARED / "minari"))
    by_id = opened("D4RL/door/human-v2")
    assert (by_id.info.observation_shape, by_id.info.actions.shape) == ((39,), (28,))
    assert by_id.info.env == "gymnasium_robotics:AdroitHandDoor-v1"  # what Gymnasium can import and make
    assert (by_id.lengths.min(), by_id.lengths.max()) == (223, 300)
    told = [finding.text for finding in find(by_id) if finding.told_when_opened]
    assert told == ["25 episodes last up to 300 steps, but 'gymnasium_robotics:AdroitHandDoor-v1' ends them after 200"]
    theirs = minari.load_dataset("D4RL/door/human-v2")
    for ours, other in zip(by_id, theirs.iterate_episodes(), strict=True):
        np.testing.assert_array_equal(ours.observations, other.observations)
        assert ours.observations.dtype == other.observations.dtype
        np.testing.assert_array_equal(ours.actions, other.actions)
        np.testing.assert_array_equal(ours.rewards, other.rewards)
    assert by_id[0].seed == 8186877464689992278
    for path in ("minari/D4RL/door/human-v2", "minari/D4RL/door/human-v2/data/main_data.hdf5"):
        assert opened(str(SHARED / path)).path == by_id.path


def test_nothing_is_downloaded_but_the_command_is_told(opened: Callable[..., Dataset]) -> None:
    with pytest.raises(InputError, match="to get it: minari download D4RL/pen/human-v2"):
        opened("D4RL/pen/human-v2")


MIXED = spaces.Dict(
    {
        "zone": spaces.Discrete(3, start=-1),
        "arm": spaces.Box(-1.0, 1.0, (2, 2), np.float64),
        "rest": spaces.Tuple([spaces.MultiBinary(2), spaces.MultiDiscrete([2, 3])]),
    }
)


@pytest.mark.parametrize("space", [MIXED, spaces.Discrete(4), spaces.Box(0, 9, (3,), np.int64), MIXED["rest"]])
def test_observations_are_flattened_as_gymnasium_does(opened: Callable[..., Dataset], space: spaces.Space[Any]) -> None:
    dataset = opened(minari_dataset(space, spaces.Discrete(2)))
    space.seed(1)
    for episode in dataset:
        samples = [space.sample() for _ in range(len(episode) + 1)]
        expected = [spaces.flatten(space, sample) for sample in samples]
        np.testing.assert_array_equal(episode.observations, expected)
        assert episode.observations.dtype == dataset.info.spaces.observation.dtype


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (spaces.Discrete(3, start=5), DISCRETE),
        (spaces.MultiDiscrete([2, 3], start=[1, 0]), ActionSpec("multidiscrete", nvec=(2, 3))),
        (spaces.MultiBinary(3), ActionSpec("multibinary", nvec=(2, 2, 2))),
        (spaces.Box(-2.0, 2.0, (2, 2), np.float64), ActionSpec("box", low=(-2.0,) * 4, high=(2.0,) * 4)),
    ],
)
def test_actions_become_canonical(
    opened: Callable[..., Dataset], space: spaces.Space[Any], expected: ActionSpec
) -> None:
    dataset = opened(minari_dataset(PLANE, space))
    assert dataset.info.actions == expected
    space.seed(2)
    for episode in dataset:
        native = np.array([np.ravel(space.sample() - getattr(space, "start", 0)) for _ in range(len(episode))])
        np.testing.assert_array_equal(episode.actions.reshape(len(episode), -1), native.astype(expected.dtype))


def test_endings_and_seeds_come_along(opened: Callable[..., Dataset]) -> None:
    dataset = opened(minari_dataset(PLANE, spaces.Discrete(2)))
    assert [(e.terminated, e.truncated, e.seed) for e in dataset] == [(True, False, 5), (False, True, 6)]


def test_a_seed_of_64_bits_is_unknown(opened: Callable[..., Dataset], minari_home: Path) -> None:
    """Minari draws them without a sign."""
    text = minari_dataset(PLANE, spaces.Discrete(2))
    with h5py.File(minari_home / text / "data/main_data.hdf5", "a") as file:
        file["episode_0"].attrs["seed"] = np.uint64(2**64 - 1)
    assert [e.seed for e in opened(text)] == [None, 6]


@pytest.mark.parametrize(("shape", "stored"), [((8, 8), (1, 8, 8)), ((8, 8, 3), (3, 8, 8))])
def test_images_are_kept_channels_first(
    opened: Callable[..., Dataset], shape: tuple[int, ...], stored: tuple[int, ...]
) -> None:
    dataset = opened(minari_dataset(spaces.Box(0, 255, shape, np.uint8), spaces.Discrete(2)))
    assert dataset.info.observation_shape == stored
    assert dataset.observations.dtype == np.uint8


def test_images_whose_numbers_are_no_pixels_are_refused(opened: Callable[..., Dataset]) -> None:
    with pytest.raises(InputError, match=r"toy/log-v0: .*image observations .* from -1 to 1: real numbers"):
        opened(minari_dataset(spaces.Box(-1, 1, (8, 8, 3)), spaces.Discrete(2)))


def test_a_minari_dataset_of_another_environment_is_refused(opened: Callable[..., Dataset]) -> None:
    text = minari_dataset(PLANE, spaces.Discrete(2))
    with pytest.raises(InputError, match=r"have shape \(2,\), but those of 'CartPole-v1' have \(4,\)"):
        opened(text, env=CARTPOLE)


@pytest.mark.parametrize(
    ("file", "contents"),
    [("metadata.json", b"{"), ("metadata.json", b"{}"), ("main_data.hdf5", b"no HDF5")],
)
def test_a_damaged_minari_dataset(
    opened: Callable[..., Dataset], minari_home: Path, file: str, contents: bytes
) -> None:
    text = minari_dataset(PLANE, spaces.Discrete(2))
    (minari_home / text / "data" / file).write_bytes(contents)
    with pytest.raises(InputError):
        opened(text)


# Rewards, and the environment


def cartpole_dataset(text: str, env: gym.Env[Any, Any], rewards: Array | None = None, **about: Any) -> str:
    """Two steps of CartPole, as Minari's users store it with its environment."""
    buffer = EpisodeBuffer(
        observations=np.zeros((3, 4), np.float32),
        actions=np.zeros(2, np.int64),
        rewards=np.ones(2) if rewards is None else rewards,
        terminations=np.array([False, True]),
        truncations=np.zeros(2, bool),
        infos={},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        minari.create_dataset_from_buffers(text, [buffer], env=env, **about)
    return text


def test_several_rewards_are_refused_or_one_is_chosen(opened: Callable[..., Dataset]) -> None:
    two = cartpole_dataset("aa/two-v0", gym.make("CartPole-v1"), np.array([[1.0, 10.0], [2.0, 20.0]]))
    with pytest.raises(InputError, match=r"episode 0: rewards have 2 columns: --reward-column N, from 0 to 1, chooses"):
        opened(two)
    chosen = opened(two, choice=Choice(reward_column=1))
    assert chosen.returns.tolist() == [30.0]
    assert chosen.info.provenance["reward_column"] == 1
    assert opened(two, choice=Choice(reward_column=0)).returns.tolist() == [3.0], "another choice is another import"
    with pytest.raises(InputError, match="--reward-column 2: rewards have 2 columns, counted from 0"):
        opened(two, choice=Choice(reward_column=2))
    one = cartpole_dataset("aa/one-v0", gym.make("CartPole-v1"), np.array([[1.0], [2.0]]))
    assert opened(one).returns.tolist() == [3.0]


def test_names_of_columns_have_no_use(opened: Callable[..., Dataset]) -> None:
    with pytest.raises(InputError, match="has fixed names, so --map rewards"):
        opened(minari_dataset(PLANE, spaces.Discrete(2)), choice=Choice.parse(["rewards=r"]))


@pytest.mark.parametrize(
    ("env", "about", "kwargs", "wrappers", "notes"),
    [
        (lambda: gym.make("CartPole-v1"), {}, {}, [], 0),
        (lambda: gym.make("CartPole-v1", max_episode_steps=15), {}, {"max_episode_steps": 15}, [], 0),
        (lambda: gym.make("CartPole-v1", max_episode_steps=9000), {}, {"max_episode_steps": 9000}, [], 0),
        (lambda: gym.make("CartPole-v1", max_episode_steps=-1), {}, {"max_episode_steps": -1}, [], 0),
        (
            lambda: StickyAction(gym.make("CartPole-v1"), 0.9),
            {},
            {},
            [{"kind": "sticky_action", "repeat_action_probability": 0.9}],
            0,
        ),
        (lambda: TimeLimit(gym.make("CartPole-v1"), 7), {}, {"max_episode_steps": 7}, [], 0),
        (lambda: RecordEpisodeStatistics(gym.make("CartPole-v1")), {}, {}, [], 0),
        (lambda: ClipReward(gym.make("CartPole-v1"), 0, 1), {}, {}, [], 1),
        (
            lambda: gym.make("CartPole-v1", max_episode_steps=9),
            {"eval_env": "CartPole-v1"},
            {},
            [],
            1,
        ),
    ],
    ids=["plain", "shorter", "longer", "no limit", "sticky", "TimeLimit", "neutral", "unknown wrapper", "eval_env"],
)
def test_what_is_recorded_of_the_environment_is_carried_or_told(
    opened: Callable[..., Dataset],
    env: Callable[[], gym.Env[Any, Any]],
    about: dict[str, Any],
    kwargs: dict[str, Any],
    wrappers: list[dict[str, Any]],
    notes: int,
) -> None:
    info = opened(cartpole_dataset("aa/log-v0", env(), **about)).info
    assert info.env_definition == {"id": "CartPole-v1", "kwargs": kwargs, "wrappers": wrappers}
    told = info.provenance.get("notes", [])
    assert len(told) == notes, told
    spec = EnvSpec("CartPole-v1", "CartPole-v1", kwargs, tuple(wrappers))
    made = make(spec)  # as it is evaluated
    limit = kwargs.get("max_episode_steps", 500)
    assert Native.of(spec).time_limit == (None if limit == -1 else limit)
    made.close()


def test_the_evaluation_environment_goes_before_the_log_s(opened: Callable[..., Dataset]) -> None:
    evaluated = gym.make("CartPole-v1", max_episode_steps=50)
    info = opened(cartpole_dataset("aa/log-v0", gym.make("CartPole-v1"), eval_env=evaluated)).info
    assert info.env_definition["kwargs"] == {"max_episode_steps": 50}
    assert "eval_env_spec" in info.provenance["notes"][0]


def test_an_environment_that_is_asked_for_goes_before_all(opened: Callable[..., Dataset]) -> None:
    text = cartpole_dataset("aa/log-v0", gym.make("CartPole-v1", max_episode_steps=15))
    info = opened(text, env=CARTPOLE).info
    assert info.env_definition == CARTPOLE.definition
    assert "notes" not in info.provenance


@pytest.mark.parametrize(
    ("text", "valid"),
    [("aa/log-v0", True), ("a/log-v0", False), ("log-v12", True), ("aa/bb/log-v0", True), ("log", False), ("", False)],
)
def test_an_id_follows_minari_s_own_rule(text: str, valid: bool) -> None:
    assert is_id(text) is valid


# Out


def log_of(actions: ActionSpec) -> Dataset:
    rng = np.random.default_rng(0)
    episodes = [
        Episode(
            observations=rng.normal(size=(length + 1, 3)).astype(np.float32),
            actions=actions.sample(rng, length).astype(actions.dtype),
            rewards=rng.normal(size=length),
            terminated=terminated,
            truncated=truncated,
            seed=seed,
        )
        for length, terminated, truncated, seed in (
            (4, True, False, 3),
            (1, False, True, 2**62),
            (2, False, False, None),
        )
    ]
    return from_episodes(
        DatasetInfo(None, Spaces.plain((3,), actions), final_observations=False, upstream_env_steps=70), episodes
    )


@pytest.mark.parametrize(
    "actions",
    [
        DISCRETE,
        ActionSpec("multidiscrete", nvec=(2, 3)),
        ActionSpec("multibinary", nvec=(2, 2)),
        ActionSpec("box", low=(-1.0, -np.inf), high=(2.0, np.inf)),
    ],
    ids=lambda spec: spec.kind,
)
def test_what_is_exported_loads_and_comes_back_equal(opened: Callable[..., Dataset], actions: ActionSpec) -> None:
    dataset = log_of(actions)
    export_minari(dataset, "rlformer/toy-v0")
    theirs = minari.load_dataset("rlformer/toy-v0")
    assert (theirs.total_episodes, theirs.total_steps) == (3, 7)
    for ours, other in zip(dataset, theirs, strict=True):
        for name in ("observations", "actions", "rewards"):
            np.testing.assert_array_equal(getattr(other, name), getattr(ours, name))
            assert getattr(other, name).dtype == getattr(ours, name).dtype
        assert other.terminations.tolist() == [False] * (len(ours) - 1) + [ours.terminated]
        assert other.truncations.tolist() == [False] * (len(ours) - 1) + [ours.truncated]
        assert all(theirs.action_space.contains(action) for action in other.actions)
    back = opened("rlformer/toy-v0")
    assert back.hash == dataset.hash
    assert [e.seed for e in back] == [3, 2**62, None]
    assert back.info.actions == actions
    assert (back.info.final_observations, back.upstream_env_steps) == (False, 70)


def test_an_exported_log_knows_its_environment(tmp_path: Path, opened: Callable[..., Dataset]) -> None:
    dataset = collect(
        RandomPolicy(ActionSpec("discrete", nvec=(2,))),
        CARTPOLE,
        tmp_path / "log",
        seed=0,
        episodes=3,
        provenance={"policy": "random"},
        upstream_env_steps=0,
    )
    export_minari(dataset, "rlformer/cartpole-v0", CARTPOLE)
    theirs = minari.load_dataset("rlformer/cartpole-v0")
    recovered = theirs.recover_environment()
    assert recovered.spec.id == "CartPole-v1"
    assert recovered.observation_space == theirs.observation_space
    assert theirs.storage.metadata["algorithm_name"] == "random"
    ends = np.array([CARTPOLE.random_score, CARTPOLE.reference_score])
    assert minari.get_normalized_score(theirs, ends).tolist() == [0.0, 1.0]
    back = opened("rlformer/cartpole-v0")
    assert (back.info.env, back.info.env_definition) == ("CartPole-v1", CARTPOLE.definition)
    assert back.info.provenance["exported"]["behaviour_policy"] == {"policy": "random"}
    assert back.upstream_env_steps == dataset.num_steps


def test_a_view_is_exported_as_it_is(opened: Callable[..., Dataset]) -> None:
    view = log_of(DISCRETE).select(np.array([2, 0]), "two")
    export_minari(view, "toy-v1")
    assert opened("toy-v1").returns.tolist() == pytest.approx(view.returns.tolist())


def test_the_command_exports_a_log_without_an_environment(tmp_path: Path, minari_home: Path) -> None:
    with DatasetWriter(tmp_path / "log", log_of(DISCRETE).info) as writer:
        for episode in log_of(DISCRETE):
            writer.add(episode)
        writer.finish()
    export = partial(CliRunner().invoke, app)
    assert export(["export", str(tmp_path / "log"), "--minari", "toy-v2"]).exit_code == 0
    assert minari.load_dataset("toy-v2").total_episodes == len(log_of(DISCRETE))
    wrong = export(["export", str(tmp_path / "log"), "--minari", "toy-v3", "--env", "CartPole-v1"])
    assert isinstance(wrong.exception, InputError), "--env counts for a dataset of ours too"


def test_ids_that_are_malformed_or_taken_are_refused(minari_home: Path) -> None:
    dataset = log_of(DISCRETE)
    for malformed in ("toy", "toy-v", "../toy-v0", "a b-v0", ""):
        with pytest.raises(InputError, match="is not a Minari id"):
            export_minari(dataset, malformed)
    export_minari(dataset, "toy-v0")
    with pytest.raises(InputError, match="there is already a Minari dataset"):
        export_minari(dataset, "toy-v0")


def test_an_export_for_another_environment_writes_nothing(minari_home: Path) -> None:
    with pytest.raises(InputError, match="have shape"):
        export_minari(log_of(ActionSpec("discrete", nvec=(2,))), "toy-v0", CARTPOLE)
    assert not (minari_home / "toy-v0").exists()


def test_a_broken_export_leaves_nothing_that_loads(minari_home: Path) -> None:
    dataset = log_of(DISCRETE)
    lost = replace(dataset, index=np.array([0, 99]))
    with pytest.raises(IndexError):
        export_minari(lost, "toy-v0")
    assert not (minari_home / "toy-v0").exists()


# Flattening, on its own


def test_a_category_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InputError, match="outside of its categories"):
        canonical_observations(spaces.Discrete(3), np.array([0, 3]))


def test_metadata_survives_as_json(minari_home: Path) -> None:
    export_minari(log_of(DISCRETE), "toy-v0")
    stored = json.loads((minari_home / "toy-v0/data/metadata.json").read_text())
    assert stored["rlformer"]["schema"] == "rlformer/2"
