"""What `rlformer data info` says of a log."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlformer.core.records import Episode
from rlformer.core.spaces import ActionSpec, Spaces
from rlformer.data.dataset import Dataset, DatasetInfo, from_episodes
from rlformer.data.describe import describe
from rlformer.data.writer import DatasetWriter

INFO = DatasetInfo(
    env="CartPole-v1",
    spaces=Spaces.plain((4,), ActionSpec("discrete", nvec=(2,))),
    provenance={"source": "collected", "behaviour_policy": {"agent": "ppo", "seed": 3}},
    upstream_env_steps=12345,
)


def episode(rewards: list[float], terminated: bool = True, truncated: bool = False) -> Episode:
    length = len(rewards)
    observations = np.arange(4.0 * (length + 1)).reshape(length + 1, 4)
    return Episode(observations, np.zeros(length, int), np.array(rewards), terminated, truncated)


EPISODES = [
    episode([0.0, 4.0]),
    episode([1.0], terminated=False, truncated=True),
    episode([0.0, 0.0, 2.0]),
    episode([3.0, 0.0], terminated=False),
]


def log(episodes: list[Episode] = EPISODES, **changes: Any) -> Dataset:
    return from_episodes(replace(INFO, **changes), episodes)


def test_numbers_of_a_log() -> None:
    info = describe(log()).to_dict()
    assert (info["env"], info["episodes"], info["steps"]) == ("CartPole-v1", 4, 8)
    assert info["returns"] == {"min": 1, "q1": 1.75, "median": 2.5, "q3": 3.25, "max": 4, "mean": 2.5}
    assert info["lengths"] == {"min": 1, "q1": 1.75, "median": 2, "q3": 2.25, "max": 3, "mean": 2}
    assert info["endings"] == {"terminated": 0.5, "truncated": 0.25, "neither": 0.25}
    assert info["nonzero_rewards"] == 0.5
    assert info["upstream_env_steps"] == 12345
    assert info["provenance"] == INFO.provenance


def test_rewards_of_a_view_are_its_own() -> None:
    shares = [describe(log().select(np.array(chosen), "some")).task.nonzero_rewards for chosen in ([1], [2, 0], [3])]
    assert shares == [1.0, 2 / 5, 0.5]


def test_a_description_is_json() -> None:
    box = Spaces(INFO.spaces.observation, ActionSpec("box", low=(-np.inf,), high=(np.inf,)))
    real = [replace(e, actions=np.zeros((len(e), 1))) for e in EPISODES]
    for dataset in (log(), log(real, spaces=box)):
        info = describe(dataset).to_dict()
        assert json.loads(json.dumps(info, allow_nan=False)) == info


def test_a_view_is_described_not_its_whole_log(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "log", INFO) as writer:
        for one in EPISODES:
            writer.add(one)
        whole = writer.finish()
    info = describe(whole.top(0.25)).to_dict()
    assert (info["episodes"], info["steps"], info["returns"]["min"]) == (1, 2, 4)
    assert info["selection"] == "best 25 % of episodes"
    assert info["hash"] != whole.hash
    assert info["bytes"] == sum(p.stat().st_size for p in (tmp_path / "log").glob("*.npy"))


@pytest.mark.parametrize(
    ("dataset", "warning"),
    [
        (log(EPISODES[:1]), "there is only one episode, so none can be held out from training"),
        (log([episode([1.0]), episode([0.0, 1.0])]), "all returns are equal"),
        (log([episode([0.0]), episode([0.0, 0.0])]), "all rewards are zero"),
        (log(final_observations=False), "last observations were not recorded"),
        (log(), "1 episodes neither terminate nor are truncated"),
        (log(env=None), "the environment is not recorded"),
        (log(upstream_env_steps=None), "it is unknown how many environment steps the log took to make"),
    ],
)
def test_what_may_mislead_is_warned_of(dataset: Dataset, warning: str) -> None:
    described = describe(dataset)
    warnings = described.warnings
    assert any(warning in one for one in warnings)
    assert all(f"warning: {one}" in str(described) for one in warnings)


def test_a_sound_log_has_no_warnings() -> None:
    assert describe(log(EPISODES[:3])).warnings == []


def test_the_text_is_aligned_and_leaves_out_what_is_not_known() -> None:
    lines = str(describe(log(EPISODES[:3]))).splitlines()
    assert "episodes                      3" in lines
    assert "provenance: behaviour_policy  agent ppo, seed 3" in lines
    assert not any(line.startswith(("selection", "size")) for line in lines)  # the whole log, in memory
    starts = {line.index(line.split("  ")[-1].strip()) for line in lines}
    assert len(starts) == 1


def chain(actions: list[int], rewards: list[float], last: float = 1.0) -> Episode:
    """Observations 0, 1, ... and in the end `last`."""
    observations = np.array([[float(t)] * 4 for t in range(len(actions))] + [[last] * 4])
    return Episode(observations, np.array(actions), np.array(rewards), True, False, None)


def test_luck_is_what_the_same_actions_do_not_decide() -> None:
    """Half of the variance here: action 0 always pays 1, action 1 pays 0 or 2."""
    certain = describe(log([chain([0], [1.0]), chain([0], [1.0]), chain([1], [0.0]), chain([1], [0.0])]))
    assert (certain.task.luck, certain.task.repeated_episodes, certain.task.chance_per_step) == (0.0, 4, 0.0)
    lucky = describe(log([chain([0], [0.0]), chain([0], [2.0]), chain([1], [0.0]), chain([1], [2.0])]))
    assert (lucky.task.luck, lucky.task.chance_per_step) == (1.0, 1.0)
    assert "100.00 % of the returns' variance is luck (4 episodes)" in str(lucky)


def test_what_is_hidden_makes_steps_differ_and_returns_not() -> None:
    """The last step pays for the first one, which it does not show."""
    episodes = [chain([key, 1], [0.0, float(key)]) for key in (0, 1, 0, 1)]
    info = describe(log(episodes))
    assert (info.task.luck, info.task.chance_per_step, info.task.repeated_steps) == (0.0, 0.4, 5)
    assert (info.task.rewarded_steps, info.task.median_length, info.task.max_length) == (0.5, 2.0, 2)


def test_where_nothing_repeats_chance_is_unknown() -> None:
    info = describe(log([chain([0], [1.0])]))
    assert (info.task.luck, info.task.chance_per_step, info.task.repeated_steps) == (None, None, 0)
