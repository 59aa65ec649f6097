"""The family that imitates a log, on small worlds whose best answer is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlformer.agents import cards as agent_cards
from rlformer.agents.base import Task
from rlformer.agents.sequence.architecture import Architecture
from rlformer.agents.sequence.learner import SequenceLearner
from rlformer.agents.sequence.memory import parameters
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core import grid
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec, Episode
from rlformer.core.spaces import ActionSpec, Array, ObservationSpec, Spaces
from rlformer.data import targets
from rlformer.data.dataset import Dataset, DatasetInfo, from_episodes
from tests.support.make_sequences import SPACES, Journal, log

FAMILY = [name for name, card in agent_cards.agents().items() if card.learner == "sequence"]
QUICK = {
    "gradient_steps": 250,
    "learning_rate": 3e-3,
    "width": 32,
    "layers": 2,
    "heads": 2,
    "batch_size": 32,
    "dropout": 0.0,
}


def fit(name: str, data: Dataset, tmp_path: Path, evaluate: Any = None, **values: Any) -> SequenceLearner:
    """A learner of that card, fitted to a log."""
    task = Task(None, data, {**agent_cards.agent(name).defaults, **values}, seed=0, evaluate=evaluate)
    learner = SequenceLearner()
    learner.fit(task, Journal(tmp_path))
    return learner


@pytest.mark.parametrize("name", ["dt", "bc-top"])
def test_a_log_of_one_episode_is_refused_before_a_run_begins(name: str) -> None:
    data = log(SPACES["discrete"])
    task = Task(None, data.select(np.array([0]), "one"), dict(agent_cards.agent(name).defaults), seed=0)
    with pytest.raises(InputError, match="a log of 1 episode cannot be split into a part to train on and one to hold"):
        SequenceLearner.check_task(task)


def world(act: Callable[[np.random.Generator], tuple[Array, Array, Array]], actions: ActionSpec, size: int) -> Dataset:
    """300 episodes of (observations (T+1, size), actions (T,), rewards (T,))."""
    rng = np.random.default_rng(0)
    episodes = []
    for _ in range(300):
        observations, chosen, rewards = act(rng)
        episodes.append(Episode(observations.astype(np.float32), chosen, rewards, terminated=True, truncated=False))
    return from_episodes(DatasetInfo("World-v0", Spaces.plain((size,), actions)), episodes)


def bandit(rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Four steps, counted by the observation, of which each pays the action it was given: the return tells it."""
    chosen = np.repeat(rng.integers(0, 3), 4)
    return np.arange(5.0)[:, None], chosen, chosen.astype(float)


def achieved(learner: SequenceLearner, target: float) -> float:
    """What the policy earns in the bandit, asked for `target`."""
    policy, total = learner.policy(), 0.0
    policy.begin(np.arange(1), np.arange(1), np.array([target]))
    for t in range(4):
        action = policy.act(np.array([[t]]))
        policy.observe(action, action.astype(float))
        total += float(action[0])
    return total


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("dt", {}),
        ("dt", {"tokens": "step"}),
        ("dt-k1", {}),
        ("dt-lstm", {}),
        ("dt-lstm", {"tokens": "separate"}),
        ("dt-gru", {}),
        ("dt-conv", {}),
        ("dt-conv", {"tokens": "separate"}),
        ("rvs", {}),
    ],
    ids=["dt", "dt step", "dt-k1", "dt-lstm", "dt-lstm separate", "dt-gru", "dt-conv", "dt-conv separate", "rvs"],
)
def test_the_asked_return_is_achieved_where_the_return_tells_the_action(
    name: str, values: dict[str, Any], tmp_path: Path
) -> None:
    data = world(bandit, ActionSpec("discrete", (3,)), 1)
    learner = fit(name, data, tmp_path, **{**QUICK, **values})
    assert [achieved(learner, target) for target in (0.0, 4.0, 8.0)] == [0.0, 4.0, 8.0]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bc", "dt-no-rtg"])
def test_without_the_return_what_is_asked_for_changes_nothing(name: str, tmp_path: Path) -> None:
    data = world(bandit, ActionSpec("discrete", (3,)), 1)
    learner = fit(name, data, tmp_path, **QUICK)
    assert len({achieved(learner, target) for target in (0.0, 4.0, 8.0)}) == 1
    assert learner.scales == {}


def test_the_best_episodes_alone_are_imitated_by_bc_top(tmp_path: Path) -> None:
    data = world(bandit, ActionSpec("discrete", (3,)), 1)
    assert achieved(fit("bc-top", data, tmp_path, **QUICK), 0.0) == 8.0


def corridor(rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """A cue at the first of four steps; the action at the last repeats it."""
    cue = rng.integers(0, 2)
    observations = np.zeros((5, 2))
    observations[:, 1] = np.arange(5)
    observations[0, 0] = 2 * cue - 1
    return observations, np.array([0, 0, 0, cue]), np.zeros(4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "remembers"),
    [("dt", True), ("dt-lstm", True), ("dt-gru", True), ("dt-conv", True), ("dt-k1", False), ("rvs", False)],
)
def test_a_cue_is_remembered_by_those_with_a_history(name: str, remembers: bool, tmp_path: Path) -> None:
    learner = fit(name, world(corridor, ActionSpec("discrete", (2,)), 2), tmp_path, **QUICK)
    answers = []
    for cue in (0, 1):
        policy = learner.policy()
        observations, actions, rewards = corridor(np.random.default_rng(0))
        observations[0, 0] = 2 * cue - 1
        for t in range(4):
            answer = policy.act(observations[t : t + 1])
            policy.observe(actions[t : t + 1] * 0, rewards[t : t + 1])
        answers.append(int(answer[0]))
    assert (answers == [0, 1]) == remembers


@pytest.mark.slow
def test_reals_are_imitated_in_their_own_units(tmp_path: Path) -> None:
    def steer(rng: np.random.Generator) -> tuple[Array, Array, Array]:
        observations = rng.uniform(-1, 1, (4, 1))
        return observations, np.concatenate([3 + 2 * observations, 100 * observations], axis=1)[:3], np.zeros(3)

    spec = ActionSpec("box", (), (0.0, -np.inf), (6.0, np.inf))  # one dimension with bounds and one without
    learner = fit("bc", world(steer, spec, 1), tmp_path, **{**QUICK, "gradient_steps": 600})
    observations = np.linspace(-0.9, 0.9, 5)[:, None]
    expected = np.concatenate([3 + 2 * observations, 100 * observations], axis=1)
    error = (learner.policy().act(observations) - expected) / np.array([2.0, 100.0])
    assert np.abs(error).max() < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("name", FAMILY)
def test_every_card_learns_in_every_action_space_and_comes_back_from_disk(
    name: str, space: str, tmp_path: Path
) -> None:
    small = {"gradient_steps": 3, "width": 16, "heads": 2, "batch_size": 4, "layers": 1}
    learner = fit(name, log(SPACES[space]), tmp_path, **small)
    assert learner.num_parameters > 0
    learner.save(tmp_path / "saved")
    again = SequenceLearner.load(tmp_path / "saved", None, {})
    assert again.scales == learner.scales
    observations = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    for sample in (False, True):
        actions = learner.policy(sample).act(observations)
        np.testing.assert_array_equal(again.policy(sample).act(observations), actions)
        assert SPACES[space].contains(SPACES[space].clip(actions)).all()


def test_the_cost_is_the_whole_log_and_every_transition_seen(tmp_path: Path) -> None:
    data = log(SPACES["discrete"])
    task = Task(None, data, {**agent_cards.agent("bc-top").defaults, "gradient_steps": 5, "batch_size": 7}, seed=0)
    cost = SequenceLearner().fit(task, Journal(tmp_path))
    assert (cost.env_steps, cost.selection_env_steps) == (0, 0)
    assert cost.logged_steps == data.num_steps  # the filter read them all
    assert cost.samples_seen == 5 * 7


def test_the_same_seed_learns_the_same_and_another_another(tmp_path: Path) -> None:
    policies = []
    for run, seed in (("a", 0), ("b", 0), ("c", 1)):
        task = Task(None, log(SPACES["box"]), {**agent_cards.agent("dt").defaults, "gradient_steps": 3}, seed=seed)
        learner = SequenceLearner()
        learner.fit(task, Journal(tmp_path / run))
        policies.append(learner.policy().act(np.ones((2, 3))))
    np.testing.assert_array_equal(policies[0], policies[1])
    assert (policies[0] != policies[2]).any()


def test_the_curve_has_the_points_of_the_grid_and_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "_ALL", (7, 14, 28))

    def evaluate(policy: Any, step: int, save: object = None) -> dict[str, float]:
        policy.begin(np.arange(1), np.arange(1), None)
        policy.act(np.zeros((1, 3)))
        return {"eval/return": 3.0, "eval/length": 2.0}

    journal = Journal(tmp_path)
    values = {**agent_cards.agent("dt").defaults, "gradient_steps": 20}
    SequenceLearner().fit(Task(None, log(SPACES["discrete"]), values, seed=0, evaluate=evaluate), journal)
    assert journal.curve("eval/return") == dict.fromkeys((7, 14, 20), 3.0)
    assert journal.curve("eval/length") == dict.fromkeys((7, 14, 20), 2.0)


def test_the_target_return_comes_from_the_log_or_from_the_user(tmp_path: Path) -> None:
    data = log(SPACES["discrete"])
    by_rule = fit("dt", data, tmp_path / "rule", gradient_steps=1, target_return="auto").scales
    assert by_rule["target_return"] == data.returns.max() == by_rule["log_max"]
    assert by_rule["rule"] == "auto"
    given = fit("dt", data, tmp_path / "given", gradient_steps=1, target_return="-12.5").scales
    assert (given["target_return"], given["rule"]) == (-12.5, "given")


def test_a_context_longer_than_every_episode_is_remarked_upon(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    values = {**agent_cards.agent("dt").defaults, "gradient_steps": 1, "context_length": 13}
    SequenceLearner().fit(Task(None, log(SPACES["discrete"]), values, seed=0), journal)
    assert journal.notes == [
        "context_length 13 is longer than every episode of the log (at most 12 steps): the rest is padding"
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"return_scale": -1.0}, "return_scale: a number from 0 to 1,000,000,000,000, got -1.0"),
        (
            {"conditioning": "predicted", "tokens": "separate"},
            "conditioning: objective imitation teaches no return; predicted needs objective 'reinformer'",
        ),
        ({"heads": 5}, "heads: 5 do not divide the width 64"),
        ({"episode_filter": "best"}, "episode_filter: one of none, top, got 'best'"),
        ({"episode_filter_share": 0.0}, "episode_filter_share: a number above 0 and at most 1, got 0.0"),
        ({"held_out_share": 1.0}, "held_out_share: a number above 0 and below 1, got 1.0"),
        (
            {"target_return": "much"},
            "target_return: 'much' is neither a number nor one of auto, supported, q90, median",
        ),
        ({"target_return": "nan"}, "target_return: 'nan' is neither a number nor one of auto, supported, q90, median"),
        ({"gradient_steps": 0}, "gradient_steps: a whole number from 1 to 1,000,000,000, got 0"),
    ],
)
def test_unusable_values_are_refused_in_one_line(values: dict[str, Any], message: str, tmp_path: Path) -> None:
    for attempt in (
        lambda: fit("dt", log(SPACES["discrete"]), tmp_path, **values),
        lambda: SequenceLearner.check(EnvSpec("World-v0", "World-v0"), {**agent_cards.agent("dt").defaults, **values}),
    ):
        with pytest.raises(InputError) as error:
            attempt()
        assert str(error.value) == message


def test_two_episodes_can_be_split(tmp_path: Path) -> None:
    fit("bc-top", log(SPACES["discrete"], (9, 4)), tmp_path, gradient_steps=1)  # a tenth of two is two


@pytest.mark.parametrize("damage", ["torn", "other shapes", "absent"])
def test_damaged_weights_are_refused(damage: str, tmp_path: Path) -> None:
    fit("bc", log(SPACES["discrete"]), tmp_path, gradient_steps=1).save(tmp_path / "saved")
    weights = tmp_path / "saved" / "model.safetensors"
    if damage == "torn":
        weights.write_bytes(weights.read_bytes()[:-50])
    elif damage == "absent":
        weights.unlink()
    else:
        fit("bc", log(SPACES["discrete"]), tmp_path / "b", gradient_steps=1, width=8).save(tmp_path / "other")
        weights.write_bytes((tmp_path / "other" / "model.safetensors").read_bytes())
    with pytest.raises(InputError, match="the weights cannot be read"):
        SequenceLearner.load(tmp_path / "saved", None, {})


def test_targets_that_are_asked_for_are_supported_by_the_log() -> None:
    returns = np.concatenate([np.zeros(150), np.full(10, 5.0), [100.0]])
    assert targets.supported_best(returns) == 5.0  # one lucky episode is no support
    assert targets.supported_best(np.arange(20.0)) == 18.0  # a tenth of few
    assert targets.supported_best(np.array([3.0])) == 3.0
    grid = targets.grid(returns, chosen=5.0)
    assert grid == sorted(set(grid))
    assert {0.0, 5.0, 100.0, 125.0} <= set(grid)
    assert targets.grid(np.full(12, 7.0), chosen=7.0) == [7.0, 8.75]


def test_three_targets_lie_inside_the_log_with_the_chosen_one_among_them() -> None:
    returns = np.array([0.0, 2.0, 2.0, 4.0, 10.0])
    assert targets.few(returns, chosen=10.0) == [2.0, 6.0, 10.0]  # the log's best: the middle stands beside it
    assert targets.few(returns, chosen=2.0) == [2.0, 6.0, 10.0]
    assert targets.few(returns, chosen=12.0) == [2.0, 10.0, 12.0]
    assert targets.few(np.full(4, 7.0), chosen=7.0) == [7.0]


@pytest.mark.parametrize("agent", ["dt", "dt-lstm", "dt-gru", "dt-conv", "rvs", "dt-paper"])
def test_what_is_estimated_before_a_training_is_never_too_much(agent: str) -> None:
    values = {**agent_cards.agent(agent).defaults, "max_timesteps": 9}
    architecture = Architecture.of(values, Spaces(ObservationSpec.vector(4), SPACES["discrete"]), 9)
    true = TrajectoryModel(architecture).num_parameters
    assert 0.5 * true < parameters(architecture) <= true
