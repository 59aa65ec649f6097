"""What a backbone can remember it does: a cue at the first step of a corridor, needed at its end (`PassiveTMaze`)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlformer.agents import cards as agent_cards
from rlformer.agents.base import Task
from rlformer.agents.sequence.acting import SequencePolicy
from rlformer.agents.sequence.learner import SequenceLearner
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.data.dataset import DatasetInfo, from_episodes
from rlformer.envs import cards as env_cards
from rlformer.envs.make import spaces_of
from rlformer.envs.play import play
from rlformer.envs.worlds.behaviour import BehaviourPolicy
from rlformer.envs.worlds.tmaze import PassiveTMaze
from tests.support.make_sequences import Journal

SMALL = {
    "width": 32, "dropout": 0.0, "gradient_steps": 800, "learning_rate": 3e-3, "batch_size": 128,
    "validate_every": 800, "patience": 0,
}  # fmt: skip


def success(agent: str, length: int, tmp_path: Path, **values: Any) -> float:
    """Of 400 episodes of the agent, trained on a uniform log and asked for a return of 1, how many turn right.

    length: steps from the cue to the turn; the context has room for all of them.
    """
    env = replace(env_cards.environment("PassiveTMaze"), kwargs={"length": length})
    made = play(BehaviourPolicy(PassiveTMaze(length)), env, np.arange(2000), keep=True, num_envs=200)
    log = from_episodes(DatasetInfo(env.id, spaces_of(env)), made.episodes)
    learner = SequenceLearner()
    card = agent_cards.agent(agent).defaults
    task = Task(None, log, {**card, **SMALL, "context_length": length + 2, **values}, seed=0)
    learner.fit(task, Journal(tmp_path))
    assert isinstance(learner.model, TrajectoryModel)
    return play(SequencePolicy(learner.model, 1.0), env, np.arange(10_000, 10_400), num_envs=200).mean


@pytest.mark.slow
def test_a_gru_remembers_to_the_end(tmp_path: Path) -> None:
    assert success("dt-gru", 4, tmp_path) == 1.0


@pytest.mark.slow
@pytest.mark.parametrize(("length", "within"), [(2, True), (3, False)])
def test_a_convolution_remembers_as_far_as_it_reaches_and_not_a_step_further(
    length: int, within: bool, tmp_path: Path
) -> None:
    """Two layers of 2 tokens reach 3 tokens, of which the first shows the cue if it was 2 steps ago."""
    reached = success("dt-conv", length, tmp_path, conv_window=2)
    assert reached == 1.0 if within else abs(reached - 0.5) < 0.1
