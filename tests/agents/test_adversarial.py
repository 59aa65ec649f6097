"""Adversarial imitation: what the policy hears of rewards (nothing), what it costs, how it goes on, what it matches."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from torch.utils.flop_counter import FlopCounterMode

import rlformer
from rlformer.agents.adversarial import ADVERSARIAL
from rlformer.agents.adversarial.discriminator import REWARDS, Discriminator, discrimination, gradient_penalty
from rlformer.agents.adversarial.learner import AdversarialLearner
from rlformer.agents.adversarial.training import expert_of
from rlformer.agents.base import Task
from rlformer.agents.cards import resolve
from rlformer.agents.online.policy import actor_of
from rlformer.agents.online.zips import export_zip, read_zip
from rlformer.core.errors import InputError, Interrupted
from rlformer.core.records import EnvSpec
from rlformer.core.spaces import ActionSpec, Array, Spaces
from rlformer.data.dataset import Dataset, from_episodes
from rlformer.envs import cards as env_cards
from rlformer.envs.make import spaces_of
from rlformer.envs.rollout import RandomPolicy
from rlformer.runs.record import RunRecord
from rlformer.studies import experiment
from tests.support.make_training import Log, Match, match, play, played, same, weights

SMALL = ("steps=128", "num_envs=2", "n_steps=16", "batch_size=16", "n_epochs=2", "hidden=[8]",
         "discriminator_hidden=[8]", "discriminator_batch_size=16", "discriminator_updates=3")  # fmt: skip
KINDS = ("discrete", "multidiscrete", "multibinary", "box")


class NoisyMatch(Match):
    """Match, whose rewards are noise of another scale in each of them."""

    def __init__(self, scale: float = 0.0, **rest: Any) -> None:
        super().__init__(**rest)
        self._scale, self._noise = scale, np.random.default_rng(0)

    def step(self, action: Any) -> Any:
        observation, reward, *rest = super().step(action)
        return observation, reward + self._scale * self._noise.standard_normal(), *rest


gym.register("NoisyMatch-v0", NoisyMatch)


class Right:
    """Does what the observation of a Match asks for."""

    def __init__(self, actions: ActionSpec) -> None:
        self._actions = actions

    def begin(self, slots: Array, seeds: Array, target_returns: Array | None) -> None: ...

    def act(self, observations: Array) -> Array:
        wanted = observations[:, 0] if self._actions.kind == "discrete" else observations
        return wanted.astype(self._actions.dtype)

    def observe(self, actions: Array, rewards: Array) -> None: ...


def expert(env: EnvSpec, episodes: int = 12) -> Dataset:
    return played(env, Right(spaces_of(env).actions), episodes)


def task(env: EnvSpec, *overrides: str, agent: str = "gail", dataset: Dataset | None = None) -> Task:
    values = resolve(env, agent, (*SMALL, *overrides)).values
    return Task(env, expert(env) if dataset is None else dataset, values, seed=0)


def fit(task: Task, log: Log) -> AdversarialLearner:
    learner = AdversarialLearner()
    learner.fit(task, log)
    return learner


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["discrete", "box"])
def test_no_reward_reaches_the_policy(kind: str, tmp_path: Path) -> None:
    """Under rewards that are noise, of whatever scale, and with other rewards in the log, the weights are the same."""
    found = []
    for scale in (0.0, 1.0, 1e6):
        env = EnvSpec("NoisyMatch", "NoisyMatch-v0", {"kind": kind, "scale": scale})
        log = expert(match(kind))
        log = from_episodes(log.info, [replace(e, rewards=e.rewards + scale * i) for i, e in enumerate(log)])
        chosen = task(env, "expert_episodes=5", "normalize_observations=true", dataset=log)
        heard = Log(tmp_path / str(scale))
        found.append(weights(fit(chosen, heard)))
        assert heard.curve("train/episode_return")  # which is told, and not learned from
    assert same(found[0], found[1])
    assert same(found[0], found[2])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_it_matches_an_expert(kind: str, tmp_path: Path) -> None:
    env, log = match(kind), Log(tmp_path)
    learner = fit(
        task(env, "steps=6144", "n_steps=64", "batch_size=64", "n_epochs=6", "learning_rate=3e-3", "gamma=0.0",
             "hidden=[32]", "discriminator_hidden=[32]", "discriminator_learning_rate=3e-3",
             "discriminator_batch_size=64", "discriminator_updates=30"), log
    )  # fmt: skip
    assert play(learner.policy(), env).mean > (-2.0 if kind == "box" else -0.5)  # without looking: -5, and -2.5 a bit
    for name in ("accuracy", "loss", "expert_logit", "learner_logit"):
        assert log.curve(f"train/discriminator_{name}")
    assert log.curve("train/gradient_penalty")


@pytest.mark.slow
def test_a_constant_reward_says_nothing_of_the_expert(tmp_path: Path) -> None:
    learner = fit(task(match("discrete"), agent="gail-constant"), log := Log(tmp_path))
    assert learner.model.discriminator is None  # type: ignore[attr-defined]
    assert [value for _, value in log.curve("train/imitation_reward")] == [1.0] * 4
    other = played(match("discrete"), RandomPolicy(spaces_of(match("discrete")).actions), 12)
    again = fit(task(match("discrete"), agent="gail-constant", dataset=other), Log(tmp_path / "other"))
    assert same(weights(learner), weights(again))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "changed",
    [("discriminator_hidden=[8, 6]",), ("gradient_penalty=0.0", "discriminator_reads=state"), ("reward=constant",)],
    ids=["penalty", "state", "constant"],
)
def test_it_costs_what_torch_counts(kind: str, changed: tuple[str, ...], tmp_path: Path) -> None:
    world = replace(match(kind), kwargs={"terminates": True})  # what is bootstrapped from cut episodes is left out
    made, learner = task(world, *changed, dataset=expert(match(kind))), AdversarialLearner()
    with FlopCounterMode(display=False) as counter:
        cost = learner.fit(made, Log(tmp_path))
    found = ADVERSARIAL.flops(made.hyperparameters, spaces_of(world), RunRecord("E", "a", 0, "", cost=cost))
    actor = actor_of(learner.algorithm, learner.model)
    with torch.inference_mode(), FlopCounterMode(display=False) as of_actions:
        actor(torch.zeros(8, 2), None)
    seen = {"training": counter.get_total_flops(), "action": of_actions.get_total_flops() / 8}
    assert found == pytest.approx(seen, rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("reads", ["state-action", "state"])
def test_a_stopped_training_goes_on_as_its_checkpoint_says(reads: str, tmp_path: Path) -> None:
    """The discriminator and its optimiser among it."""
    made = task(match("box"), f"discriminator_reads={reads}", "steps=160")
    ends: list[dict[str, Array]] = []
    with pytest.raises(Interrupted):
        fit(made, Log(tmp_path / "stopped", stop_after=40))
    for name in ("a", "b"):
        shutil.copytree(tmp_path / "stopped", tmp_path / name)
        torch.rand(1 + len(ends))  # another state of the global stream
        learner = fit(made, Log(tmp_path / name))
        discriminator: Any = learner.model.discriminator  # type: ignore[attr-defined]
        ends.append(weights(learner) | {k: v.numpy() for k, v in discriminator.state_dict().items()})
    assert same(*ends)


@pytest.mark.slow
def test_a_checkpoint_holds_the_discriminator(tmp_path: Path) -> None:
    from rlformer.agents.online import state as states

    trained, other = (fit(task(match("discrete"), steps), Log(tmp_path / steps)) for steps in ("steps=128", "steps=32"))
    arrays, state = states.capture(trained.algorithm, trained.model, replay=True)
    states.restore(other.algorithm, other.model, arrays, state)
    again, _ = states.capture(other.algorithm, other.model, replay=True)
    assert same(arrays, again)
    assert {"variable.discriminator.layers.0.weight", "discriminator_optimizer.0.exp_avg"} <= set(arrays)


@pytest.mark.slow
def test_it_is_saved_and_exported_as_the_policy_that_it_is(tmp_path: Path) -> None:
    made, env = task(match("discrete")), match("discrete")
    trained = fit(made, Log(tmp_path / "run"))
    trained.save(tmp_path / "saved")
    loaded = AdversarialLearner.load(tmp_path / "saved", env, made.hyperparameters)
    expected = play(trained.policy(), env, 5).returns
    np.testing.assert_array_equal(play(loaded.policy(), env, 5).returns, expected)
    export_zip(loaded, tmp_path / "agent.zip")
    assert PPO.load(tmp_path / "agent.zip", device="cpu").policy is not None
    back = read_zip(tmp_path / "agent.zip", trust=True, env=env).policy
    np.testing.assert_array_equal(play(back, env, 5).returns, expected)


def test_the_experts_episodes_are_drawn_whatever_they_return() -> None:
    log = expert(match("discrete"), 12)
    some, again, other = (expert_of(log, 4, seed) for seed in (0, 0, 1))
    assert (len(some), some.cost.logged_steps) == (4, 20)
    assert some.hash == again.hash != other.hash
    assert expert_of(log, 0, 0) is expert_of(log, 12, 0) is log
    with pytest.raises(InputError, match=r"^expert_episodes: 13, and the log has 12; 0 takes all of them$"):
        expert_of(log, 13, 0)


def test_more_expert_episodes_than_the_log_has_leave_no_run(tmp_path: Path) -> None:
    log = expert(match("discrete"), 2)
    with pytest.raises(InputError, match="expert_episodes: 3, and the log has 2"):
        experiment.train(resolve(match("discrete"), "gail", ["expert_episodes=3"], ()), 0, tmp_path, dataset=log)
    assert not list(tmp_path.rglob("record.json"))


@pytest.mark.slow
def test_one_episode_is_enough_to_train_and_is_remarked_upon(tmp_path: Path) -> None:
    log, one = Log(tmp_path), expert(match("discrete"), 1)
    learner = AdversarialLearner()
    cost = learner.fit(task(match("discrete"), dataset=one), log)
    assert (cost.env_steps, cost.logged_steps) == (128, 5)
    assert [note for note in log.notes if "one episode of 5 steps" in note]


def test_bad_input_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    env = env_cards.environment("CartPole-v1")
    with pytest.raises(InputError, match="agent 'gail' learns from a log: add --dataset"):
        experiment.train(resolve(env, "gail"), 0, tmp_path)
    other = expert(match("discrete"))
    with pytest.raises(InputError, match=r"observations have shape \(2,\), but those of 'CartPole-v1' have \(4,\)"):
        rlformer.train("gail", env="CartPole-v1", dataset=other, root=tmp_path / "runs")
    for text, words in (
        ("discriminator_reads=actions", "discriminator_reads: one of state-action, state, got 'actions'"),
        ("reward=gan", "reward: one of log_ratio, positive, negative, constant, got 'gan'"),
        ("gradient_penalty=-1.0", "gradient_penalty: a number from 0 to 1,000,000, got -1.0"),
        ("normalize_rewards=true", "unknown key 'normalize_rewards'"),
    ):
        with pytest.raises(InputError) as caught:
            resolve(env, "gail", (text,))
        assert words in str(caught.value)


def test_the_losses_by_hand() -> None:
    logits = torch.tensor([0.0, 2.0, -3.0])
    share = torch.sigmoid(logits)
    torch.testing.assert_close(REWARDS["positive"](logits), -torch.log(1 - share))
    torch.testing.assert_close(REWARDS["negative"](logits), torch.log(share))
    torch.testing.assert_close(REWARDS["log_ratio"](logits), torch.log(share / (1 - share)))
    assert discrimination(torch.zeros(3), torch.zeros(3)).item() == pytest.approx(np.log(2))
    assert discrimination(torch.full((1,), 9.0), torch.full((1,), -9.0)).item() == pytest.approx(np.log1p(np.exp(-9)))


@pytest.mark.parametrize(("slope", "expected"), [(6.0, 25.0), (0.6, 0.0)])
def test_the_penalty_is_how_far_the_slope_is_above_one(slope: float, expected: float) -> None:
    """That of tanh(3 x) * a at 0 is 3 a."""
    network = Discriminator(1, [1])
    for parameter, value in zip(network.parameters(), (3.0, 0.0, slope / 3, 0.0), strict=True):
        torch.nn.init.constant_(parameter, value)
    rows = torch.tensor([[-1.0]]), torch.tensor([[1.0]])
    assert gradient_penalty(network, *rows, torch.tensor([[0.5]])).item() == pytest.approx(expected)


def test_spaces_with_parts_are_flattened_for_the_discriminator() -> None:
    spaces = Spaces.plain((4,), ActionSpec("multidiscrete", nvec=(2, 3)))
    values = resolve(EnvSpec("E", "E"), "gail").values
    found = ADVERSARIAL.flops(values, spaces, RunRecord("E", "a", 0, ""))
    assert found["action"] == 2 * (4 * 64 + 64 * 64 + 64 * 5)
