"""Agents that others trained: which file of statistics is theirs, what they read, and that they act as there."""

from __future__ import annotations

import io
import json
import pickle
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import A2C, DQN, PPO, SAC
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack, VecNormalize

from rlformer import api
from rlformer.agents.online.actors import Categories, Stacked
from rlformer.agents.online.learner import OnlineLearner
from rlformer.agents.online.normalization import Normalization
from rlformer.agents.online.zips import export_zip, read_zip
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.core.spaces import ActionSpec, Array
from rlformer.envs import cards as env_cards
from tests.agents.test_online import ZOO, task
from tests.support.make_training import Log, play

CARTPOLE = env_cards.environment("CartPole-v1")
here = pytest.mark.skipif(not ZOO.is_dir(), reason="the published agents are not here")


class Goal(gym.Env[Any, Any]):
    """Observations of a goal-conditioned task, its keys in no alphabetical order; the numbers are of unlike sizes."""

    def __init__(self, order: tuple[str, ...] = ("observation", "goal", "at")) -> None:
        sizes = {"observation": 2, "goal": 1, "at": 3}
        self.observation_space = spaces.Dict([(key, spaces.Box(-9, 9, (sizes[key],), np.float32)) for key in order])
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self._left = 5
        return self._seen(), {}

    def step(self, action: Any) -> Any:
        self._left -= 1
        return self._seen(), float(action[0] - 2 * action[1]), False, self._left == 0, {}

    def _seen(self) -> dict[str, Array]:
        draw = self.np_random.normal
        return {
            "observation": draw(3.0, 2.0, 2).astype(np.float32),
            "goal": draw(-5.0, 0.1, 1).astype(np.float32),
            "at": draw(0.0, 1.0, 3).astype(np.float32),
        }


class Masked(gym.Env[Any, Any]):
    """Pays 1 for the allowed action, and ends in an error where another is taken."""

    def __init__(self, by: str = "method") -> None:
        self.observation_space = spaces.Box(0.0, 1.0, (4,), np.float32)
        self.action_space, self._by = spaces.Discrete(4), by
        if by == "method":
            self.action_masks = lambda: np.arange(4) == self._allowed

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self._left = 6
        return self._next()

    def step(self, action: Any) -> Any:
        assert action == self._allowed
        self._left -= 1
        observation, info = self._next()
        return observation, 1.0, False, self._left == 0, info

    def _next(self) -> Any:
        self._allowed = int(self.np_random.integers(4))
        mask = np.array(np.arange(4) == self._allowed, np.int8)
        return np.zeros(4, np.float32), {"action_mask": mask} if self._by == "info" else {}


class Pictures(gym.Env[Any, Any]):
    """Images, as Atari's are."""

    observation_space = spaces.Box(0, 255, (36, 36, 1), np.uint8)
    action_space = spaces.Discrete(2)


gym.register("Goal-v0", Goal)
gym.register("Masked-v0", Masked)


def normalized(env: Callable[[], Any], **rest: Any) -> VecNormalize:
    """An environment whose statistics are of its random play."""
    wrapped = VecNormalize(DummyVecEnv([env]), **rest)
    wrapped.seed(0)
    wrapped.reset()
    for _ in range(50):
        wrapped.step(np.array([wrapped.action_space.sample()]))
    return wrapped


def cartpole() -> Any:
    return gym.make("CartPole-v1")


def trained(folder: Path, name: str = "agent.zip", steps: int = 0) -> Path:
    """A zip of PPO that has made so many steps behind a VecNormalize, whose statistics are not saved."""
    model = PPO("MlpPolicy", VecNormalize(DummyVecEnv([cartpole])), n_steps=8, batch_size=8, n_epochs=1, seed=0)
    if steps:
        model.learn(steps)
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / name)
    return folder / name


def statistics(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    normalized(cartpole).save(str(path))
    return path


@pytest.mark.parametrize(
    ("agent", "file"),
    [
        ("agent.zip", "vecnormalize.pkl"),
        ("agent.zip", "vec_normalize.pkl"),
        ("ppo-CartPole-v1.zip", "vec_normalize.pkl"),
        ("agent.zip", "VecNormalize.pickle"),
        ("agent.zip", "vecnorm.pkl"),
        ("agent.zip", "agent/vecnormalize.pkl"),
        ("CartPole-v1.zip", "CartPole-v1/vec_normalize.pkl"),
        ("m_16_steps.zip", "m_vecnormalize_16_steps.pkl"),
        ("rl_model_16_steps.zip", "rl_model_vecnormalize_16_steps.pkl"),
        ("rl_model_16_steps.zip", "vecnormalize_16_steps.pkl"),
        ("last.zip", "rl_model_vecnormalize_16_steps.pkl"),  # by the steps that it says it was trained for
        ("ppo_cartpole.zip", "ppo_cartpole_vecnormalize.pkl"),
        ("ppo_cartpole.zip", "vec_normalize_ppo_cartpole.pkl"),
        ("ppo-CartPole.zip", "ppo-CartPole.pkl"),
        ("best_model.zip", "best_vecnormalize.pkl"),
    ],
)
def test_statistics_are_found_under_every_usual_name_and_said_aloud(agent: str, file: str, tmp_path: Path) -> None:
    path, said = trained(tmp_path, agent, 16), []
    found = statistics(tmp_path / file)
    read = read_zip(path, trust=True)
    assert read.statistics == found
    assert read.remarks == (f"{path}: its observations are normalised by {found}",)
    api.load(path, trust=True, warn=said.append)
    assert said == list(read.remarks)


def test_of_many_checkpoints_each_has_its_own(tmp_path: Path) -> None:
    paths = [trained(tmp_path, f"{name}_{steps}_steps.zip", 8) for name in "ab" for steps in (100, 200)]
    for path in paths:
        statistics(tmp_path / f"{path.stem[0]}_vecnormalize_{path.stem[2:5]}_steps.pkl")
    (tmp_path / "a_replay_buffer_100_steps.pkl").write_bytes(b"never read")
    for path in paths:
        found = read_zip(path, trust=True).statistics
        assert found == tmp_path / f"{path.stem[0]}_vecnormalize_{path.stem[2:5]}_steps.pkl"


def test_the_agents_of_a_training_of_the_zoo_share_their_statistics(tmp_path: Path) -> None:
    paths = [trained(tmp_path, name, 16) for name in ("CartPole-v1.zip", "best_model.zip")]
    found = statistics(tmp_path / "CartPole-v1" / "vecnormalize.pkl")
    (found.parent / "args.yml").write_text("")
    assert [read_zip(path, trust=True).statistics for path in paths] == [found, found]


def test_what_lies_beside_a_zip_and_is_no_agent_has_no_claim(tmp_path: Path) -> None:
    path, found = trained(tmp_path, steps=16), statistics(tmp_path / "vec_normalize.pkl")
    with zipfile.ZipFile(tmp_path / "train_eval_metrics.zip", "w") as archive:
        archive.writestr("metrics.csv", "0")
    assert read_zip(path, trust=True).statistics == found


@pytest.mark.parametrize("steps", [0, 16])
@pytest.mark.parametrize(
    "file", ["statistics.pkl", "other_vecnormalize.pkl", "m_vecnormalize_99_steps.pkl", "x.pickle"]
)
def test_a_pickle_that_fits_no_name_is_not_passed_over_in_silence(file: str, steps: int, tmp_path: Path) -> None:
    path = trained(tmp_path, "m_16_steps.zip", steps)
    found = statistics(tmp_path / file)
    with pytest.raises(InputError) as caught:
        read_zip(path, trust=True)
    assert str(caught.value) == (
        f"{path}: {file} is beside it but is not used, because its name does not match: --normalization {found} if "
        "that holds its VecNormalize, --no-normalization if none does"
    )
    assert read_zip(path, trust=True, normalized=Normalization(found)).statistics == found
    assert read_zip(path, trust=True, normalized=Normalization(wanted=False)).statistics is None


def test_one_file_does_not_serve_every_agent_of_a_folder(tmp_path: Path) -> None:
    first, second = (trained(tmp_path, name, 16) for name in ("a.zip", "b.zip"))
    statistics(tmp_path / "vecnormalize.pkl")
    for path in (first, second):
        with pytest.raises(InputError, match=r"vecnormalize\.pkl is beside several agents \(a\.zip, b\.zip\): "):
            read_zip(path, trust=True)
    statistics(tmp_path / "b_vecnormalize.pkl")  # then the other one can only be the first's
    assert read_zip(first, trust=True).statistics == tmp_path / "vecnormalize.pkl"
    assert read_zip(second, trust=True).statistics == tmp_path / "b_vecnormalize.pkl"


def test_an_agent_that_was_trained_without_leaves_the_others_alone(tmp_path: Path) -> None:
    PPO("MlpPolicy", "CartPole-v1", n_steps=8, batch_size=8, n_epochs=1).learn(8).save(tmp_path / "plain.zip")
    path, found = trained(tmp_path, "a.zip", 16), statistics(tmp_path / "vecnormalize.pkl")
    assert read_zip(path, trust=True).statistics == found
    assert read_zip(tmp_path / "plain.zip", trust=True).statistics is None
    found.rename(tmp_path / "a_vecnormalize.pkl")
    assert read_zip(tmp_path / "plain.zip", trust=True).remarks == ()


def test_who_was_trained_normalised_and_has_no_statistics_is_told(tmp_path: Path) -> None:
    (remark,) = read_zip(trained(tmp_path, steps=16), trust=True).remarks
    assert "was trained with VecNormalize, but there are no statistics beside it" in remark
    assert not read_zip(trained(tmp_path, steps=16), trust=True, normalized=Normalization(wanted=False)).remarks


def test_what_cannot_be_its_statistics_gets_one_line(tmp_path: Path) -> None:
    path, wide = trained(tmp_path), tmp_path / "wide.pickled"
    normalized(lambda: gym.make("Acrobot-v1")).save(str(wide))
    other, torn = tmp_path / "other.pickled", tmp_path / "torn.pickled"
    other.write_bytes(pickle.dumps([1]))
    torn.write_bytes(b"torn")
    cases = {
        wide: f"{wide}: holds statistics of 6 numbers, but {path} reads 4 numbers: they belong to another agent",
        other: f"{other}: holds a list, not a VecNormalize",
        torn: f"{torn}: cannot be read as a VecNormalize",
        tmp_path / "none.pkl": f"{tmp_path / 'none.pkl'}: no such file of statistics",
    }
    for file, message in cases.items():
        with pytest.raises(InputError) as caught:
            read_zip(path, trust=True, normalized=Normalization(file))
        assert str(caught.value).startswith(message)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"belongs to a stable-baselines3 .zip"):
        api.evaluate(["random"], env="CartPole-v1", episodes=1, normalization=wide)


def test_an_export_without_statistics_removes_those_of_the_one_before(tmp_path: Path) -> None:
    for number, switch in enumerate(("true", "false")):
        learner = OnlineLearner()
        values = ("steps=8", f"normalize_observations={switch}", "normalize_rewards=false")
        learner.fit(task("CartPole-v1", "a2c", *values), Log(tmp_path / f"run{number}"))
        export_zip(learner, tmp_path / "agent.zip")
        assert (tmp_path / "agent/vecnormalize.pkl").is_file() == (switch == "true")
        read = read_zip(tmp_path / "agent.zip", trust=True)
        np.testing.assert_array_equal(
            play(read.policy, "CartPole-v1", 3).returns, play(learner.policy(), "CartPole-v1", 3).returns
        )


@pytest.mark.parametrize("keys", [None, ["goal", "observation"]])
def test_statistics_of_a_dictionary_are_those_of_its_keys(keys: list[str] | None, tmp_path: Path) -> None:
    """In whatever order an environment has them, and keys that are not normalised are read as they are."""
    env = normalized(Goal, norm_obs_keys=keys, clip_obs=1.5)
    model = PPO("MultiInputPolicy", env, n_steps=8, batch_size=8, seed=0)
    model.save(tmp_path / "agent.zip")
    env.save(str(tmp_path / "vecnormalize.pkl"))
    for order in (("observation", "goal", "at"), ("at", "goal", "observation")):
        spec = EnvSpec("Goal", "Goal-v0", {"order": order})
        policy = read_zip(tmp_path / "agent.zip", trust=True, env=spec).policy
        native = Goal(order)
        seen, _ = native.reset(seed=3)
        expected, _ = model.predict(
            env.normalize_obs({key: value[None] for key, value in seen.items()}), deterministic=True
        )
        policy.begin(np.arange(1), np.arange(1), None)
        acted = policy.act(spaces.flatten(native.observation_space, seen)[None])
        np.testing.assert_allclose(acted, expected, atol=1e-6)
    with pytest.raises(InputError, match="reads 6 numbers, an observation of CartPole-v1 has shape"):
        read_zip(tmp_path / "agent.zip", trust=True, env=CARTPOLE)


def acts_alike(path: Path, model: Any, size: int, **options: Any) -> None:
    """On observations of which no two are alike, one by one and together."""
    observations = np.random.default_rng(0).normal(size=(40, size)).astype(np.float32)
    policy = read_zip(path, trust=True, **options).policy
    policy.begin(np.arange(40), np.arange(40), None)
    expected, _ = model.predict(observations, deterministic=True)
    assert len(np.unique(expected)) > 1
    np.testing.assert_allclose(policy.act(observations), expected, atol=1e-5)
    alone = read_zip(path, trust=True, **options).policy
    for row in range(3):
        np.testing.assert_array_equal(alone.act(observations[row : row + 1]), policy.act(observations)[row : row + 1])


@pytest.mark.parametrize(
    ("name", "policy", "env"),
    [
        ("ARS", "LinearPolicy", "CartPole-v1"),
        ("ARS", "MlpPolicy", "CartPole-v1"),
        ("ARS", "LinearPolicy", "Pendulum-v1"),
        ("ARS", "MlpPolicy", "Pendulum-v1"),
        ("CrossQ", "MlpPolicy", "Pendulum-v1"),
        ("MaskablePPO", "MlpPolicy", "CartPole-v1"),
        ("QRDQN", "MlpPolicy", "CartPole-v1"),
        ("TQC", "MlpPolicy", "Pendulum-v1"),
        ("TRPO", "MlpPolicy", "Pendulum-v1"),
        ("TRPO", "MlpPolicy", "CartPole-v1"),
    ],
)
def test_agents_of_sb3_contrib_act_as_there(name: str, policy: str, env: str, tmp_path: Path) -> None:
    import sb3_contrib

    model = getattr(sb3_contrib, name)(policy, env, seed=0)
    with torch.no_grad():
        for parameter in model.policy.parameters():  # an untrained ARS is zero
            parameter.normal_(std=0.2)
    model.save(tmp_path / "agent.zip")
    acts_alike(tmp_path / "agent.zip", model, model.observation_space.shape[0])
    with pytest.raises(InputError, match=f"it holds an agent of {name}: leave --agent out"):
        read_zip(tmp_path / "agent.zip", agent="td3" if env == "CartPole-v1" else "dqn", trust=True)


def test_trpo_is_not_taken_for_another_and_the_libraries_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sb3_contrib import TRPO

    TRPO("MlpPolicy", "CartPole-v1").save(tmp_path / "agent.zip")
    monkeypatch.setitem(sys.modules, "sb3_contrib", None)
    with pytest.raises(InputError, match=r"TRPO needs the extra 'contrib': pip install 'rlformer\[contrib\]'"):
        read_zip(tmp_path / "agent.zip", trust=True)


@pytest.mark.parametrize("by", ["method", "info"])
def test_a_policy_that_is_masked_takes_allowed_actions_alone(by: str, tmp_path: Path) -> None:
    from sb3_contrib import MaskablePPO

    MaskablePPO("MlpPolicy", Masked(), seed=0).save(tmp_path / "agent.zip")
    spec = EnvSpec("Masked", "Masked-v0", {"by": by})
    for sample in (False, True):
        for num_envs in (1, 3):
            policy = read_zip(tmp_path / "agent.zip", trust=True, env=spec, sample=sample).policy
            assert play(policy, spec, 4, num_envs).returns.tolist() == [6.0] * 4
    with pytest.raises(InputError, match=r"neither a method action_masks\(\) nor an 'action_mask'"):
        play(policy, EnvSpec("Masked", "Masked-v0", {"by": "nobody"}), 1)


@pytest.mark.parametrize("kind", [PPO, A2C, DQN])
def test_an_agent_that_reads_images_is_told_before_its_networks_are_made(kind: Any, tmp_path: Path) -> None:
    rest = {"buffer_size": 1} if kind is DQN else {"n_steps": 8}
    kind("CnnPolicy", Pictures(), **rest).save(tmp_path / "agent.zip")
    for agent in (None, kind.__name__.lower()):
        with pytest.raises(
            InputError, match=r"reads images \(1, 36, 36\) through a \w*CnnPolicy, which is not supported"
        ):
            read_zip(tmp_path / "agent.zip", agent=agent, trust=True)


def test_an_agent_with_a_time_feature_is_told_the_card_and_acts_with_it(tmp_path: Path) -> None:
    from sb3_contrib.common.wrappers import TimeFeatureWrapper

    model = PPO("MlpPolicy", TimeFeatureWrapper(gym.make("Pendulum-v1")), n_steps=8, batch_size=8, seed=0)
    model.save(tmp_path / "agent.zip")
    with pytest.raises(InputError) as caught:
        read_zip(tmp_path / "agent.zip", trust=True, env=env_cards.environment("Pendulum-v1"))
    assert 'trained with a time feature, which a card has by wrappers = [{ kind = "time_feature"' in str(caught.value)
    card = EnvSpec("timed", "Pendulum-v1", wrappers=({"kind": "time_feature", "steps": 200},))
    theirs, policy = (
        TimeFeatureWrapper(gym.make("Pendulum-v1")),
        read_zip(tmp_path / "agent.zip", trust=True, env=card).policy,
    )
    total, (seen, _) = 0.0, theirs.reset(seed=5)
    for _ in range(200):
        action, _ = model.predict(seen, deterministic=True)
        seen, reward, *_ = theirs.step(action)
        total += float(reward)
    from rlformer.envs.play import play as play_seeds

    assert play_seeds(policy, card, np.array([5])).returns[0] == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("num_envs", [1, 3])
def test_stacked_observations_are_stacked_as_there(num_envs: int, tmp_path: Path) -> None:
    """Normalised one by one, and zeros before the first, which a stack that is normalised afterwards would not have."""
    from rlformer.envs.play import play as play_seeds

    env = VecFrameStack(normalized(cartpole, training=False), 3)
    model = PPO("MlpPolicy", env, n_steps=8, batch_size=8, seed=0)
    with torch.no_grad():
        for parameter in model.policy.parameters():
            parameter.normal_(std=0.5)
    path = tmp_path / "CartPole-v1.zip"
    model.save(path)
    (tmp_path / "CartPole-v1").mkdir()
    (tmp_path / "CartPole-v1" / "config.yml").write_text("- - - frame_stack\n    - 3\n")
    env.venv.save(str(tmp_path / "CartPole-v1" / "vecnormalize.pkl"))
    expected = []
    for seed in range(4):
        env.seed(seed)
        seen, length, over = env.reset(), 0, False
        while not over:
            seen, _, done, _ = env.step(model.predict(seen, deterministic=True)[0])
            length, over = length + 1, bool(done[0])
        expected.append(float(length))
    policy = read_zip(path, trust=True, env=CARTPOLE).policy
    found = play_seeds(policy, CARTPOLE, np.arange(4), num_envs=num_envs)
    assert found.returns.tolist() == expected
    assert len(set(expected)) > 1
    assert policy.context_length == 3
    (tmp_path / "CartPole-v1" / "config.yml").write_text("frame_stack: 5\n")
    with pytest.raises(InputError, match=r"frame_stack: 5, its network reads shape \(12,\): not so many"):
        read_zip(path, trust=True, env=CARTPOLE)
    (tmp_path / "CartPole-v1" / "config.yml").unlink()
    with pytest.raises(InputError, match="so many are 3 observations: frame_stack in"):
        read_zip(path, trust=True, env=CARTPOLE, normalized=Normalization(wanted=False))


@torch.inference_mode()
def test_a_stack_scores_a_window_as_it_acts() -> None:
    """`scores` over a window, and `step` from its memory, are what acting step by step has."""
    torch.manual_seed(0)
    network = torch.nn.Linear(6, 2)
    actor = Stacked(Categories(network, ActionSpec("discrete", nvec=(2,))), 3, 2)
    seen = torch.randn(4, 5, 2)
    memory = torch.zeros(4, actor.memory_size)
    actor.begin(np.arange(4))
    for t in range(5):
        acted = actor(seen[:, t], None)
        told, scores, memory = actor.step(seen[:, t], memory)
        window = actor.scores_over(seen, torch.full((4,), t))
        torch.testing.assert_close(window, scores)
        assert acted.tolist() == told.tolist() == window.argmax(dim=1).tolist()


def test_a_policy_of_somebodys_own_is_read_only_as_what_it_fits(tmp_path: Path) -> None:
    """The agent that the message names works."""
    path, own = trained(tmp_path), tmp_path / "own.zip"
    description = json.loads(zipfile.ZipFile(path).read("data"))
    description["policy_class"] = {"__module__": "mine.networks", ":serialized:": "gAROLg=="}
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(own, "w") as target:
        for name in source.namelist():
            target.writestr(name, json.dumps(description) if name == "data" else source.read(name))
    with pytest.raises(InputError, match=r"a custom class, mine\.networks.*fit PPO's: --agent ppo reads them"):
        read_zip(own, trust=True)
    assert read_zip(own, agent="ppo", trust=True).policy is not None
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(own, "w") as target:
        for name in source.namelist():
            empty = io.BytesIO()
            target.writestr(name, json.dumps(description) if name == "data" else empty.getvalue())
    with pytest.raises(InputError, match=r"is not supported; those of A2C, ARS, .*MaskablePPO, .*TRPO, CrossQ are"):
        read_zip(own, trust=True)


def test_two_agents_differ_by_their_statistics(tmp_path: Path) -> None:
    """What is made of one is not taken for what was made of the other."""
    from rlformer.studies.sources import open_source

    path = trained(tmp_path)
    bare = open_source(str(path), CARTPOLE, trust=True).identity
    statistics(tmp_path / "vecnormalize.pkl")
    assert open_source(str(path), CARTPOLE, trust=True).identity != bare
    unused = open_source(str(path), CARTPOLE, trust=True, normalized=Normalization(wanted=False))
    assert unused.identity == bare


def test_off_policy_agents_are_normalised_too(tmp_path: Path) -> None:
    env = normalized(lambda: gym.make("Pendulum-v1"))
    model = SAC("MlpPolicy", env, seed=0, buffer_size=10, learning_starts=100).learn(5)
    model.save(tmp_path / "agent.zip")
    env.save(str(tmp_path / "vecnormalize.pkl"))
    seen = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    policy = read_zip(tmp_path / "agent.zip", trust=True).policy
    policy.begin(np.arange(5), np.arange(5), None)
    expected, _ = model.predict(env.normalize_obs(seen), deterministic=True)
    np.testing.assert_allclose(policy.act(seen), expected, atol=1e-5)


@here
@pytest.mark.parametrize("file", ["ars/CartPole-v1_1/CartPole-v1.zip", "qrdqn/CartPole-v1_1/CartPole-v1.zip"])
def test_published_agents_of_sb3_contrib_reach_their_scores(file: str) -> None:
    assert play(read_zip(ZOO / file, trust=True, env=CARTPOLE).policy, "CartPole-v1", 20, 20).mean == 500.0


@here
@pytest.mark.parametrize("file", ["tqc/Hopper-v3_1/Hopper-v3.zip", "ppo/Hopper-v3_1/Hopper-v3.zip"])
def test_published_agents_act_as_their_library_has_them(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import gymnasium.spaces.box
    import sb3_contrib

    for name, module in {"gym": gym, "gym.spaces": spaces, "gym.spaces.box": gymnasium.spaces.box}.items():
        monkeypatch.setitem(sys.modules, name, module)  # what the files call it
    kind = sb3_contrib.TQC if "tqc" in file else PPO
    replaced = dict.fromkeys(("lr_schedule", "learning_rate", "clip_range", "_last_obs", "_last_original_obs"), 0.0)
    model = kind.load(ZOO / file, custom_objects=replaced, device="cpu")
    acts_alike(ZOO / file, model, 11, normalized=Normalization(wanted=False))


@here
def test_a_published_agent_with_a_time_feature_says_how_it_is_played() -> None:
    gym.register("Like-Walker-v0", _LikeWalker)
    with pytest.raises(InputError, match=r"reads 18 numbers.*trained with a time feature"):
        read_zip(ZOO / "ppo/Walker2d-v3_1/Walker2d-v3.zip", trust=True, env=env_cards.environment("Like-Walker-v0"))


class _LikeWalker(gym.Env[Any, Any]):
    observation_space = spaces.Box(-np.inf, np.inf, (17,), np.float32)
    action_space = spaces.Box(-1.0, 1.0, (6,), np.float32)
