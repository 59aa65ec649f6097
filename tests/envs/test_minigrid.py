"""MiniGrid's observations: maps, directions, missions; on spaces that look like its own, and on it where it is here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from rlformer.core.errors import InputError
from rlformer.core.extras import missing_extra
from rlformer.envs import cards as env_cards
from rlformer.envs import missions
from rlformer.envs.make import make, spaces_of
from rlformer.envs.missions import Missions

here = pytest.mark.skipif(missing_extra("minigrid") is not None, reason="minigrid is not installed")


class MissionSpace(spaces.Space[str]):
    """As MiniGrid's."""

    def __init__(self, function: Callable[..., str], placeholders: list[list[str]] | None = None) -> None:
        super().__init__(dtype=str)
        self.mission_func, self.ordered_placeholders = function, placeholders


class BabyAIMissionSpace(MissionSpace):
    """What it makes nobody tells."""


class Grid(gym.Env[Any, Any]):
    """Shows a mission."""

    action_space = spaces.Discrete(7)

    def __init__(self, mission: spaces.Space[Any], text: str) -> None:
        image = spaces.Box(0, 255, (7, 7, 3), np.uint8)
        self.observation_space = spaces.Dict({"image": image, "direction": spaces.Discrete(4), "mission": mission})
        self._text = text

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return {"image": np.full((7, 7, 3), 10, np.uint8), "direction": 2, "mission": self._text}, {}


def test_a_mission_of_a_finite_set_is_a_category() -> None:
    space = MissionSpace(lambda colour, thing: f"get the {colour} {thing}", [["red", "blue"], ["ball", "key"]])
    env = Missions(Grid(space, "get the blue key"))
    assert env.observation_space["mission"] == spaces.Discrete(4)
    assert env.reset()[0]["mission"] == 1  # ball, key of blue, then of red
    assert env.observation_space["image"].high.max() == 10


def test_the_only_mission_says_nothing_and_is_left_out() -> None:
    env = Missions(Grid(MissionSpace(lambda: "go to the goal"), "go to the goal"))
    assert list(env.observation_space.spaces) == ["direction", "image"]


def test_missions_that_no_set_holds_are_left_out_and_that_is_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(missions, "_told", set())
    for _ in range(2):
        env = Missions(Grid(BabyAIMissionSpace(lambda: "?"), "go to the red ball"))
        assert "mission" not in env.observation_space.spaces
        assert "mission" not in env.reset()[0]
    assert capsys.readouterr().err.count("its missions are not a finite set, so they are left out") == 1


def test_another_observation_is_refused() -> None:
    with pytest.raises(InputError, match="'minigrid' needs an observation of image, direction and mission"):
        Missions(gym.make("CartPole-v1"))


@here
@pytest.mark.parametrize("name", ["Empty-5x5", "DoorKey-5x5", "DoorKey-8x8", "MemoryS7"])
def test_rooms_show_a_map_and_a_direction_in_bytes(name: str) -> None:
    env = env_cards.environment(f"MiniGrid-{name}-v0")
    direction, image = spaces_of(env).observation.parts
    assert (direction.kind, direction.shape, direction.dtype) == ("category", (4,), "uint8")
    assert (image.kind, image.shape, image.dtype, image.peak) == ("image", (3, 7, 7), "uint8", 10.0)
    made = make(env)
    seen, _ = made.reset(seed=0)
    raw, _ = gym.make(env.id).reset(seed=0)
    np.testing.assert_array_equal(seen[4:].reshape(3, 7, 7), np.moveaxis(raw["image"], -1, 0))
    assert seen[:4].argmax() == raw["direction"]
    assert made.action_space == spaces.Discrete(len(env.action_names))


@here
def test_a_room_without_a_card_is_made_alike() -> None:
    env = env_cards.environment("minigrid:MiniGrid-GoToObject-6x6-N2-v0")
    parts = {part.name: part.shape for part in spaces_of(env).observation.parts}
    assert parts == {"direction": (4,), "image": (3, 7, 7), "mission": (18,)}
