"""The online family: it finds known optima, counts and keeps what it did, and goes on after a stop."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from rlformer.agents.base import Task
from rlformer.agents.cards import resolve
from rlformer.agents.online import state as states
from rlformer.agents.online import training
from rlformer.agents.online.learner import OnlineLearner
from rlformer.agents.online.normalization import Normalization
from rlformer.agents.online.recording import Recorder, Tally
from rlformer.agents.online.zips import export_zip, read_zip
from rlformer.core import seeding
from rlformer.core.errors import InputError, Interrupted
from rlformer.core.records import EnvSpec
from rlformer.data.folder import load as load_dataset
from rlformer.envs import cards as env_cards
from rlformer.envs.make import make
from rlformer.runs import checkpoints
from tests.support.make_training import Log, match, play, same, weights

_HERE = Path(__file__).resolve()
ZOO = next((p for p in (up / "shared/data/zoo-agents" for up in _HERE.parents) if p.is_dir()), _HERE / "none")


def task(env: str | EnvSpec, agent: str, *overrides: str, seed: int = 0, **rest: Any) -> Task:
    spec = env_cards.environment(env) if isinstance(env, str) else env
    return Task(env=spec, dataset=None, hyperparameters=resolve(spec, agent, overrides).values, seed=seed, **rest)


def short(agent: str) -> tuple[str, ...]:
    """Settings for runs of few steps: an update of an LSTM goes through whole sequences."""
    return ("n_steps=32", "n_epochs=2") if agent == "recurrent-ppo" else ()


# Settings with which each agent is quick on a small world.
QUICK = {
    "ppo": (
        "steps=4096",
        "learning_rate=2e-3",
        "n_steps=32",
        "gamma=0.0",
        "ent_coef=0.05",
        "normalize_observations=false",
    ),
    "a2c": ("steps=6000", "learning_rate=3e-3", "gamma=0.0"),
    "dqn": (
        "steps=2000",
        "num_envs=4",
        "learning_rate=3e-3",
        "gamma=0.0",
        "learning_starts=100",
        "gradient_steps=2",
    ),
    "qrdqn": ("steps=2000", "num_envs=4", "learning_rate=3e-3", "gamma=0.0", "learning_starts=100", "gradient_steps=2"),
    "trpo": ("steps=4096", "n_steps=64", "gamma=0.0", "normalize_observations=false"),
    "tqc": (
        "steps=1200",
        "num_envs=2",
        "learning_rate=1e-2",
        "gamma=0.0",
        "learning_starts=100",
        "hidden=[32]",
    ),
    "sac": (
        "steps=1200",
        "num_envs=2",
        "learning_rate=1e-2",
        "gamma=0.0",
        "learning_starts=100",
        "hidden=[32]",
    ),
    "td3": (
        "steps=1200",
        "num_envs=2",
        "learning_rate=1e-2",
        "gamma=0.0",
        "learning_starts=100",
        "hidden=[32]",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("agent", "kind"),
    [
        ("ppo", "multidiscrete"),
        ("ppo", "multibinary"),
        ("ppo", "box"),
        ("a2c", "discrete"),
        ("dqn", "discrete"),
        ("sac", "box"),
        ("td3", "box"),
        ("qrdqn", "discrete"),
        ("tqc", "box"),
        ("trpo", "discrete"),
        ("trpo", "multibinary"),
    ],
)
def test_it_finds_the_optimum_of_a_small_world(agent: str, kind: str, tmp_path: Path) -> None:
    learner, log = OnlineLearner(), Log(tmp_path)
    cost = learner.fit(task(match(kind), agent, *QUICK[agent]), log)
    assert play(learner.policy(), match(kind)).mean > (-1.0 if kind == "box" else -0.01)
    assert cost.env_steps == learner.model.num_timesteps
    assert cost.samples_seen > 0
    assert log.curve("train/learning_rate")
    assert log.curve("train/steps_per_second")
    assert log.curve("train/episode_return")


@pytest.mark.slow
@pytest.mark.parametrize("sample", [False, True], ids=["greedy", "sampled"])
@pytest.mark.parametrize(
    ("agent", "env"),
    [("ppo", "CartPole-v1"), ("dqn", "CartPole-v1"), ("recurrent-ppo", "CartPole-v1"), ("sac", "Pendulum-v1")],
)
def test_returns_do_not_depend_on_how_many_environments_run(agent: str, env: str, sample: bool, tmp_path: Path) -> None:
    learner = OnlineLearner()
    settings = {
        "ppo": ("steps=512", "normalize_observations=true"),
        "recurrent-ppo": ("steps=512", *short("recurrent-ppo")),
    }
    learner.fit(task(env, agent, *settings.get(agent, ("steps=150",))), Log(tmp_path))
    policy = learner.policy(sample)
    alone = play(policy, env, 10, num_envs=1)
    for num_envs in (3, 10):
        np.testing.assert_array_equal(play(policy, env, 10, num_envs).returns, alone.returns)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("agent", "env"),
    [(a, "CartPole-v1") for a in ("a2c", "dqn", "ppo")] + [(a, "Pendulum-v1") for a in ("a2c", "ppo", "sac", "td3")],
)
def test_the_best_action_is_the_one_stable_baselines3_predicts(agent: str, env: str, tmp_path: Path) -> None:
    """Pendulum's presets of A2C and PPO explore by gSDE."""
    learner = OnlineLearner()
    learner.fit(task(env, agent, "steps=64", "normalize_observations=true"), Log(tmp_path))
    model: Any = learner.model
    observations = np.random.default_rng(0).normal(size=(5, model.observation_space.shape[0])).astype(np.float32)
    policy = learner.policy()
    policy.begin(np.arange(5), np.arange(5), None)
    expected, _ = model.predict(model.get_vec_normalize_env().normalize_obs(observations), deterministic=True)
    np.testing.assert_allclose(policy.act(observations), expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
def test_a_recurrent_policy_remembers_what_stable_baselines3_does(env: str, tmp_path: Path) -> None:
    """Step by step, in five slots of which two begin a new episode on the way."""
    learner = OnlineLearner()
    learner.fit(task(env, "recurrent-ppo", "steps=64", "n_steps=16"), Log(tmp_path))
    model: Any = learner.model
    rng, policy, states = np.random.default_rng(0), learner.policy(), None
    for step in range(8):
        begun = np.full(5, step == 0) | ((step == 4) & np.isin(np.arange(5), [1, 3]))
        if begun.any():
            policy.begin(np.flatnonzero(begun), np.arange(begun.sum()), None)
        observations = rng.normal(size=(5, model.observation_space.shape[0])).astype(np.float32)
        normalized = model.get_vec_normalize_env().normalize_obs(observations)
        expected, states = model.predict(normalized, states, begun, deterministic=True)
        np.testing.assert_allclose(policy.act(observations), expected, atol=1e-5)


@pytest.mark.slow
def test_a_recurrent_policy_learns_to_remember(tmp_path: Path) -> None:
    """The cue is shown at the first of four steps, and the turn is at the last: who forgets it earns 1/2."""
    corridor = EnvSpec("PassiveTMaze", "rlformer:rlformer/PassiveTMaze-v0", {"length": 3})
    small = ("lstm_hidden_size=16", "hidden=[16]", "normalize_observations=false", "normalize_rewards=false")
    quick = ("steps=8192", "n_steps=64", "n_epochs=4", "learning_rate=5e-3")
    learner = OnlineLearner()
    learner.fit(task(corridor, "recurrent-ppo", *small, *quick), Log(tmp_path))
    assert play(learner.policy(), corridor, 40).mean == 1.0


def test_without_sb3_contrib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sb3_contrib", None)
    with pytest.raises(InputError) as caught:
        OnlineLearner().fit(task("CartPole-v1", "recurrent-ppo"), Log(tmp_path))
    assert str(caught.value) == "RecurrentPPO needs the extra 'contrib': pip install 'rlformer[contrib]'"


@pytest.mark.slow
def test_a_sample_is_drawn_from_the_policys_own_distribution(tmp_path: Path) -> None:
    """The actions' shares over many episodes are the softmax that stable-baselines3 computes."""
    import torch

    learner = OnlineLearner()
    learner.fit(task("CartPole-v1", "ppo", "steps=2048"), Log(tmp_path))
    policy, count = learner.policy(sample=True), 4000
    policy.begin(np.arange(count), seeding.episode_seeds(0, "evaluate", count), None)
    observation = np.full((1, 4), 0.05, np.float32)
    right = policy.act(np.repeat(observation, count, axis=0)).mean()
    model: Any = learner.model
    expected = model.policy.get_distribution(torch.from_numpy(observation)).distribution.probs[0, 1].item()
    assert right == pytest.approx(expected, abs=4 * np.sqrt(0.25 / count))


@pytest.mark.slow
def test_a_seed_repeats_the_training_and_another_one_does_not(tmp_path: Path) -> None:
    found = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        learner = OnlineLearner()
        learner.fit(task("CartPole-v1", "dqn", "steps=1500", seed=seed), Log(tmp_path / name))
        found.append(weights(learner))
    assert same(found[0], found[1])
    assert not same(found[0], found[2])


@pytest.mark.slow
def test_evaluations_make_a_curve_and_leave_the_training_as_it_was(tmp_path: Path) -> None:
    with_curve, without = OnlineLearner(), OnlineLearner()
    log = Log(tmp_path / "a")
    curve = lambda policy, step, save=None: {"eval/return": play(policy, "CartPole-v1", 4).mean}  # noqa: E731
    with_curve.fit(task("CartPole-v1", "ppo", "steps=2048", evaluate=curve), log)
    without.fit(task("CartPole-v1", "ppo", "steps=2048"), Log(tmp_path / "b"))
    assert same(weights(with_curve), weights(without))
    assert [step for step, _ in log.curve("eval/return")] == [1000, 1414, 2000, 2048]  # the grid, and the end
    assert log.parts == {"environment", "evaluation"}


@pytest.mark.slow
@pytest.mark.parametrize(("agent", "env"), [("ppo", "Pendulum-v1"), ("dqn", "CartPole-v1")])
def test_the_log_of_a_training_can_be_played_again(agent: str, env: str, tmp_path: Path) -> None:
    """Raw observations and rewards, executed actions: the environment answers them as it did."""
    learner, log = OnlineLearner(), Log(tmp_path / "run")
    normalized = ("normalize_observations=true", "normalize_rewards=true")
    wanted = task(env, agent, "steps=2000", *normalized, log_trajectories=tmp_path / "log")
    cost = learner.fit(wanted, log)
    dataset = load_dataset(tmp_path / "log")
    assert wanted.env is not None
    environment = make(wanted.env)
    for episode in dataset:
        assert episode.seed in seeding.episode_seeds(0, "train", 10_000)
        observation, _ = environment.reset(seed=episode.seed)
        np.testing.assert_array_equal(observation, episode.observations[0])
        for t, action in enumerate(episode.actions):
            observation, reward, terminated, truncated, _ = environment.step(action)
            np.testing.assert_array_equal(observation, episode.observations[t + 1])
            assert reward == episode.rewards[t]
        assert (terminated, truncated) == (episode.terminated, episode.truncated)
    made_at = dataset.episodes["behaviour_steps"]
    assert (np.diff(made_at) >= 0).all()
    assert dataset.num_steps <= made_at[-1] <= cost.env_steps == dataset.info.upstream_env_steps
    assert 0 < len(dataset.prefix(1200)) < len(dataset)
    assert dataset.info.provenance["algorithm"] == agent.upper()
    assert "log" in log.parts


def test_a_log_without_an_episode_that_ended_says_what_to_change(tmp_path: Path) -> None:
    wanted = task("Pendulum-v1", "sac", "steps=110", "buffer_size=1000", log_trajectories=tmp_path / "log")
    with pytest.raises(
        InputError, match=r"no episode ended within 110 steps, .*: train for more steps, or without --log"
    ):
        OnlineLearner().fit(wanted, Log(tmp_path / "run"))


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["ppo", "dqn"])
def test_a_stopped_training_goes_on_where_it_was(agent: str, tmp_path: Path) -> None:
    wanted = task(
        "CartPole-v1",
        agent,
        "steps=3000",
        "learning_rate={ start = 1e-3, end = 0.0 }",
        log_trajectories=tmp_path / "log",
    )
    log = Log(tmp_path / "run", stop_after=150)
    with pytest.raises(Interrupted):
        OnlineLearner().fit(wanted, log)
    num_envs = wanted.hyperparameters["num_envs"]
    assert not (tmp_path / "log" / "dataset.json").exists()

    log.left = float("inf")
    learner = OnlineLearner()
    cost = learner.fit(wanted, log)
    assert 3000 <= cost.env_steps < 3000 + 256 * num_envs
    for step, rate in log.curve("train/learning_rate"):  # of the last update, at most a rollout ago
        behind = (1e-3 * (1 - step / 3000), 1e-3 * (1 - (step - 64 * num_envs) / 3000))
        assert max(0.0, behind[0]) - 1e-9 <= rate <= behind[1] + 1e-9
    dataset = load_dataset(tmp_path / "log")
    assert len(set(dataset.episodes["seed"].tolist())) == len(dataset)
    assert (np.diff(dataset.episodes["behaviour_steps"]) >= 0).all()
    assert dataset.episodes["behaviour_steps"].min() < 151 * num_envs  # what was logged before the stop is kept

    again = OnlineLearner()
    assert again.fit(wanted, log) == cost  # a finished one has nothing left to do
    assert same(weights(again), weights(learner))


@pytest.mark.slow
def test_a_killed_training_forgets_what_its_checkpoint_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = task("CartPole-v1", "ppo", "steps=4096", log_trajectories=tmp_path / "log")
    monkeypatch.setattr(training, "_CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(training, "_CHECKPOINT_SHARE", float("inf"))

    class Killed(Exception):
        pass

    def kill(self: training.Training) -> None:
        if self.model.num_timesteps > 2000:
            raise Killed
        after_step(self)

    after_step = training.Training.after_step
    monkeypatch.setattr(training.Training, "after_step", kill)
    with pytest.raises(Killed):
        OnlineLearner().fit(wanted, Log(tmp_path / "run"))
    monkeypatch.setattr(training.Training, "after_step", after_step)

    found = checkpoints.load(tmp_path / "run" / "checkpoints" / "last")
    assert found is not None
    assert 1500 < found[1]["num_timesteps"] <= 2000
    learner = OnlineLearner()
    assert learner.fit(wanted, Log(tmp_path / "run")).env_steps == 4096
    dataset = load_dataset(tmp_path / "log")
    assert len(set(dataset.episodes["seed"].tolist())) == len(dataset)  # none is there twice
    assert dataset.num_steps <= 4096


def test_restored_transitions_do_not_run_on_into_new_episodes(tmp_path: Path) -> None:
    learner = OnlineLearner()
    learner.fit(task("Pendulum-v1", "sac", "steps=130", "buffer_size=1000"), Log(tmp_path))
    arrays, state = states.capture(learner.algorithm, learner.model, replay=True)
    assert arrays["replay.timeouts"][-1] == 0
    states.restore(learner.algorithm, learner.model, arrays, state)
    buffer: Any = learner.model
    assert buffer.replay_buffer.timeouts[buffer.replay_buffer.pos - 1] == 1
    assert buffer.replay_buffer.dones[buffer.replay_buffer.pos - 1] == 0


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["a2c", "recurrent-ppo", "sac"])
def test_a_saved_policy_acts_the_same(agent: str, tmp_path: Path) -> None:
    wanted = task("Pendulum-v1", agent, "steps=300", "normalize_observations=true", *short(agent))
    learner = OnlineLearner()
    learner.fit(wanted, Log(tmp_path / "run"))
    learner.save(tmp_path / "saved")
    loaded = OnlineLearner.load(tmp_path / "saved", wanted.env, wanted.hyperparameters)
    assert loaded.num_parameters == learner.num_parameters > 1000
    for sample in (False, True):
        a, b = (play(each.policy(sample), "Pendulum-v1", 3) for each in (learner, loaded))
        np.testing.assert_array_equal(a.returns, b.returns)
    (tmp_path / "saved" / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(InputError, match="the weights cannot be read"):
        OnlineLearner.load(tmp_path / "saved", wanted.env, wanted.hyperparameters)


def test_parameters_are_those_that_gradients_change(tmp_path: Path) -> None:
    learner = OnlineLearner()
    learner.fit(task("CartPole-v1", "dqn", "steps=10", "hidden=[8]"), Log(tmp_path))
    assert learner.num_parameters == (4 * 8 + 8) + (8 * 2 + 2)  # the target network is not counted again


def test_an_unfitting_action_space_names_agents_that_fit(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        OnlineLearner().fit(task("Pendulum-v1", "dqn"), Log(tmp_path))
    assert str(caught.value) == (
        "dqn needs a Discrete action space, Pendulum-v1 has Box; agents that fit: "
        "a2c, ars, ddpg, ppo, ppo-trxl, recurrent-ppo, sac, td3, tqc, trpo"
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("steps=0", "steps: a whole number from 1 to 10,000,000,000, got 0"),
        ("gamma=1.5", "gamma: a number from 0 to 1, got 1.5"),
        ("learning_rate=nan", "learning_rate: a number from 0 to 1e+38, got nan"),
        ("learning_rate={ start = -1.0, end = 0.0 }", "learning_rate.start: a number from 0 to 1e+38, got -1.0"),
        (
            "gamma={ start = 0.9, end = 1.0 }",
            "gamma: a number from 0 to 1, got {'start': 0.9, 'end': 1.0}",
        ),
        (
            "hidden=[64, 0]",
            "hidden: a list of 1 to 16 sizes of layers, such as [64, 64], each from 1 to 8,192, got [64, 0]",
        ),
        ("activation=tahn", "activation: one of relu, tanh, elu, gelu, got 'tahn'"),
        ("algorithm=PP0", "unknown algorithm 'PP0'; did you mean 'PPO'?"),
        (
            "algorithm=A2C",
            "algorithm A2C: it has no batch_size, clip_range, n_epochs, which this card sets; use a card",
        ),
        ("batch_size=1", "PPO: `batch_size` must be greater than 1"),
    ],
)
def test_a_value_that_cannot_be_trained_with_is_named(override: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        OnlineLearner().fit(task("CartPole-v1", "ppo", override), Log(tmp_path))
    assert str(caught.value).startswith(message)


class Broken(gym.Wrapper[Any, Any, Any, Any]):
    """CartPole that gives what is no number at the 30th step of an environment."""

    def __init__(self, what: str) -> None:
        super().__init__(gym.make("CartPole-v1"))
        self._what, self._steps = what, 0

    def step(self, action: Any) -> Any:
        observation, reward, terminated, *rest = self.env.step(action)
        self._steps += 1
        now = terminated if self._what == "observation at the end" else self._steps == 30
        if now and self._what.startswith("observation"):
            observation = np.full_like(observation, np.inf)
        reward = np.nan if now and self._what == "reward" else reward
        return observation, reward, terminated, *rest


SAID = {"reward": "the reward is nan", "observation": "the observation has NaN or infinity in it"}


@pytest.mark.parametrize("what", ["reward", "observation", "observation at the end"])
@pytest.mark.parametrize("agent", ["ppo", "dqn"])
def test_what_is_not_finite_ends_the_training(agent: str, what: str, tmp_path: Path) -> None:
    gym.register("Broken-v0", Broken, kwargs={"what": what})
    try:
        with pytest.raises(InputError, match=rf"'Broken-v0', episode of seed \d+: step \d+: {SAID[what.split()[0]]}$"):
            OnlineLearner().fit(task("Broken-v0", agent, "steps=2000"), Log(tmp_path))
    finally:
        gym.registry.pop("Broken-v0")


class Lost(gym.Wrapper[Any, Any, Any, Any]):
    """Pendulum whose first observation is no number, or whose reward is none where its action is none."""

    def __init__(self, first: bool) -> None:
        super().__init__(gym.make("Pendulum-v1"))
        self._first = first

    def reset(self, **given: Any) -> Any:
        observation, info = self.env.reset(**given)
        return (np.full_like(observation, np.nan) if self._first else observation), info

    def step(self, action: Any) -> Any:
        observation, _, *rest = self.env.step(np.nan_to_num(action))
        return observation, float(np.sum(action)), *rest


def test_a_first_observation_that_is_not_finite_is_told_as_that() -> None:
    recorder = Recorder(Lost(first=True), "Lost-v0", Tally(0), keep=False)
    with pytest.raises(InputError, match=r"episode of seed \d+: the first observation has NaN or infinity in it$"):
        recorder.reset()


def test_an_action_that_is_not_finite_is_not_blamed_on_the_environment() -> None:
    recorder = Recorder(Lost(first=False), "Lost-v0", Tally(0), keep=False)
    recorder.reset()
    recorder.step(np.zeros(1, np.float32))
    with pytest.raises(InputError, match=r": step 1: the policy's action has NaN or infinity in it: \[nan\]$"):
        recorder.step(np.full(1, np.nan, np.float32))


def test_what_stable_baselines3_warns_of_is_noted(tmp_path: Path) -> None:
    log = Log(tmp_path)
    OnlineLearner().fit(task("CartPole-v1", "ppo", "steps=8", "n_steps=3", "num_envs=3", "batch_size=4"), log)
    assert any("mini-batch size of 4" in note for note in log.notes)


@pytest.mark.skipif(not ZOO.is_dir(), reason="the published agents are not here")
@pytest.mark.parametrize(
    ("file", "env", "episodes", "low", "high"),
    [
        ("ppo/CartPole-v1_1/CartPole-v1.zip", "CartPole-v1", 20, 500.0, 500.0),
        ("dqn/CartPole-v1_1/CartPole-v1.zip", "CartPole-v1", 20, 500.0, 500.0),
        ("sac/Pendulum-v1_1/Pendulum-v1.zip", "Pendulum-v1", 50, -200.0, -110.0),
        ("ppo/MountainCar-v0_1/MountainCar-v0.zip", "MountainCar-v0", 50, -118.0, -102.0),
    ],
)
def test_published_agents_reach_their_published_scores(
    file: str, env: str, episodes: int, low: float, high: float
) -> None:
    policy = read_zip(ZOO / file, trust=True, env=env_cards.environment(env)).policy
    assert low <= play(policy, env, episodes, num_envs=50).mean <= high


@pytest.mark.skipif(not ZOO.is_dir(), reason="the published agents are not here")
def test_the_observations_statistics_beside_a_zip_are_used(tmp_path: Path) -> None:
    source = ZOO / "ppo/MountainCar-v0_1/MountainCar-v0.zip"
    bare = tmp_path / "agent.zip"
    bare.write_bytes(source.read_bytes())
    assert play(read_zip(bare, trust=True).policy, "MountainCar-v0", 5).mean == -200.0
    statistics = source.with_suffix("") / "vecnormalize.pkl"
    assert (
        play(read_zip(bare, normalized=Normalization(statistics), trust=True).policy, "MountainCar-v0", 5).mean > -170.0
    )


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["td3", "ppo", "recurrent-ppo"])
def test_an_exported_zip_comes_back(agent: str, tmp_path: Path) -> None:
    learner = OnlineLearner()
    learner.fit(task("Pendulum-v1", agent, "steps=300", "normalize_observations=true", *short(agent)), Log(tmp_path))
    export_zip(learner, tmp_path / "agent.zip")
    for sample in (False, agent != "td3"):  # the noise of TD3's exploration is not in the file
        own = play(learner.policy(sample), "Pendulum-v1", 3)
        back = read_zip(
            tmp_path / "agent.zip", trust=True, env=env_cards.environment("Pendulum-v1"), sample=sample
        ).policy
        np.testing.assert_array_equal(play(back, "Pendulum-v1", 3).returns, own.returns)


def test_a_zip_that_cannot_be_used_is_told_in_one_line(tmp_path: Path) -> None:
    learner = OnlineLearner()
    learner.fit(task("CartPole-v1", "a2c", "steps=8"), Log(tmp_path))
    path = tmp_path / "agent.zip"
    export_zip(learner, path)
    (tmp_path / "text.zip").write_text("no zip")
    cases: list[tuple[Callable[[], Any], str]] = [
        (lambda: read_zip(path).policy, "pass --trust"),
        (lambda: read_zip(tmp_path / "none.zip", trust=True).policy, "no such file"),
        (lambda: read_zip(tmp_path / "text.zip", trust=True).policy, "not a stable-baselines3 .zip"),
        (lambda: read_zip(path, agent="pp0", trust=True).policy, "did you mean 'ppo'"),
        (lambda: read_zip(path, agent="dqn", trust=True).policy, "cannot be loaded as DQN"),
        (lambda: read_zip(path, agent="random", trust=True).policy, "is not an algorithm of stable-baselines3"),
        (lambda: read_zip(path, trust=True, env=env_cards.environment("Pendulum-v1")).policy, "reads 4 numbers"),
    ]
    for call, message in cases:
        with pytest.raises(InputError, match=message):
            call()
