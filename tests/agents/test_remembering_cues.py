"""What a backbone can remember it does: a cue at the first step of a corridor, needed at its end (`PassiveTMaze`). What
predicts its own return is fooled by luck (`Gamble`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlformer import statistics
from rlformer.agents import cards as agent_cards
from rlformer.agents.base import Task
from rlformer.agents.sequence.acting import SequencePolicy
from rlformer.agents.sequence.learner import SequenceLearner
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core.records import EnvSpec
from rlformer.data.dataset import Dataset, DatasetInfo, from_episodes
from rlformer.envs import cards as env_cards
from rlformer.envs.make import spaces_of
from rlformer.envs.play import play
from rlformer.envs.worlds.behaviour import BehaviourPolicy
from rlformer.envs.worlds.gamble import Gamble
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
    return played(agent, env, log, tmp_path, context_length=length + 2, **values)


def played(agent: str, env: EnvSpec, log: Dataset, tmp_path: Path, **values: Any) -> float:
    """The mean return of 400 episodes, of an agent that is asked for 1 if it is asked at all."""
    learner = SequenceLearner()
    card = agent_cards.agent(agent).defaults
    task = Task(None, log, {**card, **SMALL, **values}, seed=0)
    learner.fit(task, Journal(tmp_path))
    assert isinstance(learner.model, TrajectoryModel)
    return play(SequencePolicy(learner.model, 1.0), env, np.arange(10_000, 10_400), num_envs=200).mean


@pytest.mark.slow
def test_a_gru_remembers_to_the_end(tmp_path: Path) -> None:
    assert success("dt-gru", 4, tmp_path) == 1.0


@pytest.mark.slow
def test_a_transformer_xl_remembers_what_an_earlier_segment_kept(tmp_path: Path) -> None:
    """The cue and the turn lie in segments of their own, so that no gradient leads from one to the other."""
    assert success("dt-xl", 4, tmp_path, segment_length=3, memory_length=5) == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("executed", ["first", "all"])
def test_an_encoder_decoder_remembers_unless_it_decided_before_it_looked(executed: str, tmp_path: Path) -> None:
    """Chunks of three actions begin at steps 0 and 3: the turn at step 4 was foreseen at 3, when the cue was known."""
    assert success("dt-encdec", 4, tmp_path, chunk_length=3, chunk_executed=executed, gradient_steps=500) == 1.0


@pytest.mark.slow
def test_reinformer_remembers_to_the_end_and_nobody_asks_it(tmp_path: Path) -> None:
    assert success("reinformer", 4, tmp_path) == 1.0


@pytest.mark.slow
def test_luck_fools_reinformer_as_its_expectile_says_beforehand(tmp_path: Path) -> None:
    """Of the returns of Gamble's uniform log the .99 expectile is 4.59, where 5 is next: the gamble that loses 5. Half
    of the mass on either side is their mean, -2.17, beside which -6 and 1 are of the arm that loses 2.5.
    """
    world = Gamble()
    shares = np.repeat(world.behaviour / 2, 2)
    hoped = statistics.expectile(world.payoffs.ravel(), shares, 0.99)
    assert hoped == pytest.approx(4.587, abs=1e-3)
    nearest = world.payoffs.ravel()[np.abs(world.payoffs.ravel() - hoped).argmin()]
    predicted = world.rcsl(float(nearest), greedy=True)
    assert predicted == -5.0
    env = env_cards.environment("Gamble")
    made = play(BehaviourPolicy(world), env, np.arange(2000), keep=True, num_envs=200)
    log = from_episodes(DatasetInfo(env.id, spaces_of(env)), made.episodes)
    observed = played("reinformer", env, log, tmp_path, context_length=1)
    assert observed == pytest.approx(predicted, abs=1.5)  # of 400 episodes, 10 or more apart


@pytest.mark.slow
@pytest.mark.parametrize(("length", "within"), [(2, True), (3, False)])
def test_a_convolution_remembers_as_far_as_it_reaches_and_not_a_step_further(
    length: int, within: bool, tmp_path: Path
) -> None:
    """Two layers of 2 tokens reach 3 tokens, of which the first shows the cue if it was 2 steps ago."""
    reached = success("dt-conv", length, tmp_path, conv_window=2)
    assert reached == 1.0 if within else abs(reached - 0.5) < 0.1
