"""PPO on a gated Transformer-XL: what it remembers, and that acting and training see the same.

What holds of every algorithm (operations, checkpoints, zips, any number of environments) is in
`contracts/test_algorithms.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from rlformer.agents.base import Task
from rlformer.agents.cards import resolve
from rlformer.agents.online.algorithms.ppo_trxl.network import Attention, Gate, GatedTransformerXL, advanced
from rlformer.agents.online.learner import OnlineLearner
from rlformer.agents.online.policy import actor_of
from rlformer.agents.online.training import Training
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.envs import cards as env_cards
from tests.support.make_training import Log, match, play

SMALL = ("steps=96", "num_envs=2", "n_steps=16", "batch_size=8", "n_epochs=1", "width=8", "layers=2", "heads=2",
         "memory_length=3", "hidden=[8]")  # fmt: skip
CORRIDOR = EnvSpec("PassiveTMaze", "rlformer:rlformer/PassiveTMaze-v0", {"length": 3})


def training(env: EnvSpec, folder: Path, *overrides: str) -> Training:
    return Training(Task(env, None, resolve(env, "ppo-trxl", (*SMALL, *overrides)).values, seed=0), Log(folder))


def network(layers: int = 2, memory_length: int = 3) -> GatedTransformerXL:
    """With weights so large that everything it reads shows."""
    torch.manual_seed(0)
    made = GatedTransformerXL(4, 8, layers, 2, memory_length)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.7)
    return made


def known(trunk: GatedTransformerXL, observations: torch.Tensor) -> torch.Tensor:
    """(B, T, obs) of episodes that begin at the first step -> what is known at each (B, T, W)."""
    memory, found = torch.zeros(len(observations), *trunk.memory_shape), []
    for time, seen in enumerate(observations.unbind(1)):
        state, row = trunk(seen, memory, torch.full((len(seen),), time))
        memory = advanced(memory, row)
        found.append(state)
    return torch.stack(found, dim=1)


@torch.no_grad()
def test_nothing_crosses_the_beginning_of_an_episode() -> None:
    trunk, observations = network(), torch.randn(5, 4)
    memory, age = torch.randn(5, *trunk.memory_shape), torch.tensor([0, 1, 2, 3, 7])
    before = trunk(observations, memory, age)
    changed = memory.clone()
    for row, steps in enumerate(age.tolist()):
        changed[row, :, : max(0, trunk.memory_length - steps)] = 1e6  # what is older than the episode
    assert all(torch.equal(a, b) for a, b in zip(before, trunk(observations, changed, age), strict=True))
    for row, steps in enumerate(age.tolist()):
        if steps:
            other = memory.clone()
            other[row, 0, max(0, trunk.memory_length - steps)] += 1.0  # the oldest that is its own
            assert not torch.equal(trunk(observations, other, age)[0][row], before[0][row])


@torch.no_grad()
def test_it_reaches_as_far_back_as_its_layers_together() -> None:
    trunk, steps = network(layers=2, memory_length=3), 12
    observations = torch.randn(1, steps, 4)
    last = known(trunk, observations)[:, -1]
    reached = []
    for back in range(steps):
        other = observations.clone()
        other[:, steps - 1 - back] += 1.0
        if not torch.equal(known(trunk, other)[:, -1], last):
            reached.append(back)
    assert reached == list(range(2 * 3 + 1))


@torch.no_grad()
def test_attention_is_torchs_where_places_say_nothing() -> None:
    width, heads = 8, 2
    ours, reference = Attention(width, heads, 4), nn.MultiheadAttention(width, heads, bias=True, batch_first=True)
    ours.places.zero_()
    maps = (ours.query.weight, ours.key.reshape(width, width), ours.value.transpose(1, 2).reshape(width, width))
    reference.in_proj_weight.copy_(torch.cat(maps))
    reference.in_proj_bias.zero_()
    reference.out_proj.load_state_dict(ours.out.state_dict())
    rows, hidden = torch.randn(6, 5, width), torch.rand(6, 5) < 0.5
    hidden[:, -1] = False
    expected, _ = reference(rows[:, -1:], rows, rows, key_padding_mask=hidden)
    torch.testing.assert_close(ours(rows, hidden), expected[:, 0])


@torch.no_grad()
def test_an_untrained_gate_passes_on_what_it_reads() -> None:
    gate, old, new = Gate(8), torch.randn(5, 8), torch.randn(5, 8)
    for layer in (gate.of_new, gate.of_old, gate.of_kept):
        layer.weight.zero_()
    share = torch.sigmoid(torch.tensor(-2.0))
    state = torch.tanh(gate.of_new.bias[16:])
    torch.testing.assert_close(gate(old, new), (1 - share) * old + share * state)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["discrete", "box"])
def test_training_sees_what_the_rollout_saw(kind: str, tmp_path: Path) -> None:
    """Of unchanged weights the likelihoods and values are the same: over episodes of 5 steps, in rollouts of 16."""
    run = training(match(kind), tmp_path, "learning_rate=0.0")
    model: Any = run.model
    compared = []

    def compare() -> None:
        for batch in model.rollout_buffer.get(8):
            actions = batch.actions.long().flatten() if kind == "discrete" else batch.actions
            with torch.no_grad():
                values, likelihoods, _ = model.policy.evaluate_actions(batch.observations, actions)
            torch.testing.assert_close(likelihoods, batch.old_log_prob, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(values.flatten(), batch.old_values, rtol=1e-4, atol=1e-5)
            compared.append(batch.observations.age)

    model.train = compare
    run.run()
    ages = torch.cat(compared)
    assert len(ages) == 96
    assert ages.bincount().tolist() == [20, 20, 20, 18, 18]  # no episode is longer, whatever the rollouts' ends


@pytest.mark.slow
def test_what_is_remembered_goes_over_the_end_of_a_rollout(tmp_path: Path) -> None:
    run = training(env_cards.environment("CartPole-v1"), tmp_path, "n_steps=4", "steps=16", "learning_rate=0.0")
    model: Any = run.model
    rows: list[Any] = []
    model.train = lambda: rows.append(model.rollout_buffer.rows.copy())
    run.run()
    np.testing.assert_array_equal(rows[1][:3], rows[0][-3:])
    assert rows[1][:3].any()


@pytest.mark.slow
@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
def test_it_acts_step_by_step_as_stable_baselines3_does(env: str, tmp_path: Path) -> None:
    """In five slots of which two begin a new episode on the way."""
    learner, spec = OnlineLearner(), env_cards.environment(env)
    learner.fit(Task(spec, None, resolve(spec, "ppo-trxl", SMALL).values, seed=0), Log(tmp_path))
    model: Any = learner.model
    rng, policy, states = np.random.default_rng(0), learner.policy(), None
    for step in range(8):
        begun = np.full(5, step == 0) | ((step == 4) & np.isin(np.arange(5), [1, 3]))
        if begun.any():
            policy.begin(np.flatnonzero(begun), np.arange(begun.sum()), None)
        observations = rng.normal(size=(5, model.observation_space.shape[0])).astype(np.float32)
        normalize = model.get_vec_normalize_env()
        normalized = observations if normalize is None else normalize.normalize_obs(observations)
        expected, states = model.predict(normalized, states, begun, deterministic=True)
        np.testing.assert_allclose(policy.act(observations), expected, atol=1e-5)


@torch.no_grad()
def test_the_scores_of_a_window_are_those_of_its_steps(tmp_path: Path) -> None:
    run = training(match("discrete"), tmp_path)
    actor, observations = actor_of(run.algorithm, run.model), torch.randn(3, 9, 2)
    memory = torch.zeros(3, actor.memory_size)
    for step in range(9):
        _, scores, memory = actor.step(observations[:, step], memory)
        over = actor.scores_over(observations[:, : step + 1], torch.full((3,), step))
        torch.testing.assert_close(over, scores)
    assert actor.context_length == 2 * 3 + 1
    window = observations[:, -actor.context_length :]
    torch.testing.assert_close(actor.scores_over(window, torch.full((3,), window.shape[1] - 1)), scores)


@pytest.mark.slow
def test_it_learns_to_remember(tmp_path: Path) -> None:
    """The cue is shown at the first of four steps, and the turn is at the last: who forgets it earns 1/2."""
    values = ("steps=12288", "num_envs=8", "n_steps=64", "batch_size=128", "n_epochs=4", "width=16", "layers=2",
              "memory_length=4", "hidden=[16]", "learning_rate=3e-3", "ent_coef=0.02", "normalize_observations=false",
              "normalize_rewards=false")  # fmt: skip
    learner = OnlineLearner()
    learner.fit(Task(CORRIDOR, None, resolve(CORRIDOR, "ppo-trxl", values).values, seed=0), Log(tmp_path))
    assert play(learner.policy(), CORRIDOR, 40).mean == 1.0


def test_bad_values_are_refused_in_one_line() -> None:
    env = env_cards.environment("CartPole-v1")
    with pytest.raises(InputError, match=r"^memory_length: a whole number from 1 to 4,096, got 0$"):
        resolve(env, "ppo-trxl", ("memory_length=0",))
    for heads, fitting in ((3, "1, 2, 4"), (5, "1, 2, 4, 8")):
        values = resolve(env, "ppo-trxl", (f"heads={heads}",)).values
        with pytest.raises(InputError, match=rf"^heads: {heads} do not divide the width 64; such as {fitting} do$"):
            OnlineLearner.check(env, values)
    values = resolve(env, "ppo-trxl", ("num_envs=1024", "n_steps=1000000")).values
    with pytest.raises(InputError, match=r"PPO-TrXL with width 64, .* memory"):
        OnlineLearner.check(env, values)
