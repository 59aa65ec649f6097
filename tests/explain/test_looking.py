"""How much weight an explainer puts on each step of the past, where it is known which step decides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rlformer.agents.sequence.acting import SequencePolicy
from rlformer.agents.sequence.architecture import Architecture
from rlformer.agents.sequence.rows import Rows, take
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.data.dataset import Dataset, DatasetInfo, from_episodes
from rlformer.envs import cards as env_cards
from rlformer.envs.make import spaces_of
from rlformer.envs.play import play
from rlformer.envs.worlds.behaviour import BehaviourPolicy
from rlformer.envs.worlds.tmaze import PassiveTMaze
from rlformer.explain.case import Case
from rlformer.explain.groups import RETURN
from rlformer.explain.looking import Looking, by_step, looking, observation
from rlformer.explain.material import Material
from rlformer.explain.truth import log_with_distractors, with_distractors

LENGTH, NOISE = 3, 2
STEPS = LENGTH + 1
PLAIN = replace(env_cards.environment("PassiveTMaze"), kwargs={"length": LENGTH}, feature_names=())
ENV = with_distractors(PLAIN, NOISE)
CUE = observation(-LENGTH)


class CopyOfFirst(nn.Module):
    """Every token becomes the episode's first: what is at the turn is what the cue's step was."""

    def forward(self, tokens: Tensor, rows: Rows) -> Tensor:
        return take(tokens[:, :1].expand_as(tokens), rows)


@pytest.fixture(scope="module")
def log() -> Dataset:
    played = play(BehaviourPolicy(PassiveTMaze(LENGTH)), PLAIN, np.arange(200), num_envs=50, keep=True)
    info = DatasetInfo(PLAIN.name, spaces_of(PLAIN), {"source": "test"}, env_definition=PLAIN.definition)
    return log_with_distractors(from_episodes(info, played.episodes), ENV, NOISE, 0)


def model_of(env: EnvSpec, **values: Any) -> TrajectoryModel:
    spaces = spaces_of(env)
    known = {"width": 16, "layers": 2, "heads": 2, "timestep_encoding": "none", "context_length": STEPS}
    torch.manual_seed(0)
    return TrajectoryModel(Architecture(spaces.observation, spaces.actions, **{**known, **values})).eval()


def turns_as_the_cue_says() -> TrajectoryModel:
    model = model_of(ENV, tokens="step", backbone="lstm")
    model.backbone = CopyOfFirst()
    with torch.no_grad():
        for layer in (model.embed_observation, model.embed_action, model.embed_return, model.predict_action):
            layer.weight.zero_()  # type: ignore[union-attr, operator]
            layer.bias.zero_()  # type: ignore[union-attr, operator]
        model.embed_observation.weight[0, 0] = 1.0  # type: ignore[index]
        model.predict_action.weight[:, 0] = torch.tensor([-1.0, 1.0])
    return model


def material_of(model: TrajectoryModel, log: Dataset | None) -> Material:
    return Material(Case(SequencePolicy(model, 1.0), {"agent": "dt"}, ENV, 1.0, log=log, imitates=True))


def test_all_weight_and_all_effect_lie_on_the_step_that_decides(log: Dataset) -> None:
    found = looking(material_of(turns_as_the_cue_says(), log), ["integrated gradients"])
    assert found.reliance([CUE]) == 1.0
    assert found.mass("integrated gradients", [CUE]) == pytest.approx(1.0)
    half = found.effects[found.groups.index(CUE)]
    assert 0.35 < half < 0.65  # another episode has the other cue in half of the cases


def test_uniform_attention_puts_on_each_token_one_of_as_many_as_the_turn_sees(log: Dataset) -> None:
    found = looking(material_of(model_of(ENV, tokens="separate"), log), ["uniform attention", "attention rollout"])
    tokens = 3 * STEPS - 1  # a return and an observation a step, and an action but for the last
    assert found.mass("uniform attention", [RETURN]) == pytest.approx(STEPS / tokens)
    assert found.mass("uniform attention", [CUE]) == pytest.approx(1 / tokens)
    assert len(found.groups) == 1 + STEPS + LENGTH  # returns as one, observations, earlier actions
    assert all(sum(shares) == pytest.approx(1.0) for shares in found.shares.values())
    rolled = found.shares["attention rollout"][found.groups.index(observation(0))]
    assert rolled >= 0.25  # two layers of half the identity: a quarter stays where it is


def test_a_rollout_of_equal_weights_is_what_equal_weights_leave_of_it(log: Dataset) -> None:
    """Less than the equal weights themselves: a quarter of it stays at the token that predicts."""
    explainers = ["uniform attention", "rollout of uniform attention"]
    found = looking(material_of(model_of(ENV, tokens="separate"), log), explainers)
    tokens = 3 * STEPS - 1
    past = np.tril(np.ones((tokens, tokens)))
    layer = (past / past.sum(axis=1, keepdims=True) + np.eye(tokens)) / 2
    rolled = (layer @ layer)[-1]
    expected = rolled[0::3].sum() + rolled[1]  # all returns, and the first observation
    assert found.mass(explainers[1], [RETURN, CUE]) == pytest.approx(expected, abs=1e-5)
    assert found.mass(explainers[1], [RETURN, CUE]) < found.mass(explainers[0], [RETURN, CUE])


def test_each_input_belongs_to_one_group_and_the_current_action_is_not_read() -> None:
    groups = by_step(3, 2, 4, reads_returns=False)
    assert groups.names == (
        RETURN, "observation -2", "observation -1", "observation 0", "action -2", "action -1", "action 0",
    )  # fmt: skip
    assert groups.returns_to_go.tolist() == [0, 0, 0]
    assert groups.observations.tolist() == [[1, 1], [2, 2], [3, 3]]
    assert groups.actions.tolist() == [[4] * 4, [5] * 4, [6] * 4]
    assert groups.read == (False, True, True, True, True, True, False)


def test_shares_of_effect_and_weight_are_sums_over_what_matters() -> None:
    found = Looking(("a", "b", "c"), (0.3, 0.1, 0.0), {"x": (0.5, 0.2, 0.3)})
    assert found.reliance(["a", "c"]) == pytest.approx(0.75)
    assert found.mass("x", ["a", "c"]) == pytest.approx(0.8)
    assert Looking(("a",), (0.0,), {}).reliance(["a"]) == 0.0  # a policy that ignores what it sees


def test_what_cannot_be_told_apart_is_one_line(log: Dataset) -> None:
    with pytest.raises(InputError, match="tokens=separate tells them apart"):
        looking(material_of(model_of(ENV, tokens="step"), log), ["uniform attention"])
    with pytest.raises(InputError, match="does not offer what attention rollout needs"):
        looking(material_of(turns_as_the_cue_says(), log), ["attention rollout"])
    with pytest.raises(InputError, match="its log is not known"):
        looking(material_of(turns_as_the_cue_says(), None), ["integrated gradients"])
