"""What every part of an explanation promises, on a policy that is explained at its own episodes."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rlformer.core.errors import Interrupted
from rlformer.core.records import Window
from rlformer.core.spaces import Array
from rlformer.envs import cards as env_cards
from rlformer.envs.make import spaces_of
from rlformer.explain import making, parts
from rlformer.explain.case import Case
from rlformer.explain.parts import PARTS, Effects, Explanation, Part, read_part

ENV = env_cards.environment("PassiveTMaze")


class Greedy:
    """The greatest of scores that are a linear function of the current observation."""

    context_length, reads_returns, stochastic = 1, False, True

    def __init__(self) -> None:
        spaces = spaces_of(ENV)
        torch.manual_seed(1)
        self.actions = spaces.actions
        self.layer = torch.nn.Linear(spaces.observation.size, spaces.actions.nvec[0])
        self.networks = (self.layer,)

    def scores(self, window: Window) -> torch.Tensor:
        last = window.mask.long().sum(dim=1) - 1
        scores: torch.Tensor = self.layer(window.observations[torch.arange(len(last)), last])
        return scores

    def begin(self, slots: Array, seeds: Array, target_returns: Array | None) -> None:
        """It remembers nothing."""

    def act(self, observations: Array) -> Array:
        with torch.no_grad():
            scores: Array = self.layer(torch.from_numpy(np.asarray(observations, np.float32))).numpy()
        return scores.argmax(axis=1)

    def observe(self, actions: Array, rewards: Array) -> None:
        """It learns nothing."""


CASE = Case(Greedy(), {"agent": "greedy"}, ENV, seed=4)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Explanation]:
    """Where all parts are, and what they are."""
    folder = tmp_path_factory.mktemp("explain")
    return folder, making.make(CASE, folder)


@pytest.mark.parametrize("part", PARTS.values(), ids=list(PARTS))
def test_a_part_describes_itself(part: Part[Any]) -> None:
    assert PARTS[part.name] is part
    assert dataclasses.is_dataclass(part.content)
    assert part.content.__dataclass_params__.frozen
    before = list(PARTS)[: list(PARTS).index(part.name)]
    assert set(part.reads) <= set(before)
    assert part.version >= 1


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS.values(), ids=list(PARTS))
def test_a_part_survives_its_file(part: Part[Any], made: tuple[Path, Explanation]) -> None:
    folder, explanation = made
    again = read_part(folder, part)
    assert again is not None
    assert isinstance(again.content, part.content)
    assert again.to_dict() == explanation.made[part.name].to_dict()
    stored = json.loads((folder / f"{part.name}.json").read_text())
    assert stored.pop("digest")
    assert stored == again.to_dict()


def test_a_part_of_an_older_method_is_as_if_it_were_not_there(made: tuple[Path, Explanation], tmp_path: Path) -> None:
    effects = made[1].made["effects"]
    parts.write_part(tmp_path, effects)
    assert set(parts.read(tmp_path).made) == {"effects"}
    parts.write_part(tmp_path, dataclasses.replace(effects, settings={**effects.settings, "version": 1}))
    assert not parts.read(tmp_path)
    assert not parts.damaged(tmp_path)


@pytest.mark.slow
def test_an_explanation_holds_the_parts_that_were_asked_for_and_makes_what_they_read(tmp_path: Path) -> None:
    explanation = making.make(CASE, tmp_path, only=["explainers"])
    assert list(explanation.made) == ["explainers"]
    assert set(parts.read(tmp_path).made) == {"effects", "explainers"}
    assert explanation.get(Effects) is None
    with pytest.raises(LookupError, match="'Effects' was not made"):
        explanation.need(Effects)


def test_the_same_seed_explains_alike(made: tuple[Path, Explanation], tmp_path: Path) -> None:
    again = making.make(CASE, tmp_path, only=["effects", "controllability", "pictures"])
    for name, part in again.made.items():
        before = made[1].made[name]
        assert part.to_dict() | {"cost": None} == before.to_dict() | {"cost": None}
        assert part.cost.env_steps == before.cost.env_steps


def test_who_stops_keeps_the_parts_that_are_done(tmp_path: Path) -> None:
    asked = iter([False, True])
    with pytest.raises(Interrupted):
        making.make(CASE, tmp_path, stop=lambda: next(asked))
    assert set(parts.read(tmp_path).made) == {"effects"}


def test_steps_are_counted_where_they_are_taken(made: tuple[Path, Explanation]) -> None:
    costs = {name: part.cost.env_steps for name, part in made[1].made.items()}
    assert costs["explainers"] == 0  # of states that are there
    assert costs["effects"] > 0  # its own log, and its score
    assert costs["deletion"] > 0
    assert costs["surrogate"] > costs["deletion"]
    assert made[1].env_steps == sum(costs.values())
