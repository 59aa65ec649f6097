"""Heat maps over images: cells partition an image, and a policy that looks at one cell is found to look there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from rlformer.core.errors import InputError
from rlformer.core.policy import Policy
from rlformer.core.records import EnvSpec, Window
from rlformer.core.spaces import Array, ObservationSpec, Part
from rlformer.envs.make import spaces_of
from rlformer.explain import making
from rlformer.explain.case import Case
from rlformer.explain.material import Material
from rlformer.explain.parts import PARTS, Effects, Maps, Surrogate
from rlformer.explain.parts import maps as maps_part
from rlformer.explain.parts.maps import cells, features, side_of_cells
from rlformer.explain.states import Sample
from rlformer.report.sections.interpretability.heat import heat_rows

SEEN = (16, 24)  # the first pixel of the cell that the policy looks at: row, column


class Noise(gym.Env[Any, Any]):
    """Six steps of noise, as a picture or beside two reals."""

    def __init__(self, several: bool) -> None:
        image: spaces.Space[Any] = spaces.Box(0, 255, (84, 84, 1), np.uint8)
        parts = {"camera": image, "joints": spaces.Box(-1, 1, (2,), np.float32)}
        self._several, self.action_space = several, spaces.Discrete(2)
        self.observation_space = spaces.Dict(parts) if several else image

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self._left = 6
        return self._next(), {}

    def step(self, action: Any) -> Any:
        self._left -= 1
        return self._next(), 1.0, self._left == 0, False, {}

    def _next(self) -> Any:
        image = self.np_random.integers(0, 256, (84, 84, 1), np.uint8)
        return {"camera": image, "joints": np.zeros(2, np.float32)} if self._several else image


gym.register("Noise-v0", Noise)


class LooksAtOneCell:
    """1 where the pixels of a cell are bright on average."""

    context_length, reads_returns, stochastic, networks = 1, False, True, ()

    def __init__(self, env: EnvSpec) -> None:
        self.actions = spaces_of(env).actions

    def scores(self, window: Window) -> torch.Tensor:
        image = window.observations[:, 0, : 84 * 84].reshape(-1, 84, 84)
        bright = image[:, SEEN[0] : SEEN[0] + 8, SEEN[1] : SEEN[1] + 8].mean(dim=(1, 2)) / 255 - 0.5
        return torch.stack([-bright, bright], dim=1)

    def begin(self, slots: Array, seeds: Array, target_returns: Array | None) -> None:
        """It remembers nothing."""

    def act(self, observations: Array) -> Array:
        return np.zeros(len(observations), np.int64)

    def observe(self, actions: Array, rewards: Array) -> None:
        """It learns nothing."""


def case(several: bool) -> Case:
    env = EnvSpec("Noise", "Noise-v0", {"several": several})
    policy: Policy = LooksAtOneCell(env)
    return Case(policy, {"agent": "looks"}, env, seed=1)


@pytest.mark.parametrize(
    ("shape", "side", "count"), [((4, 84, 84), 8, 11 * 11), ((3, 7, 7), 1, 7 * 7), ((3, 96, 96), 9, 11 * 11)]
)
def test_cells_hold_every_number_of_an_image_once(shape: tuple[int, ...], side: int, count: int) -> None:
    part = Part("image", "image", shape, "uint8", 255.0)
    found = cells(part, first=5)
    assert side_of_cells(part) == side
    assert len(found) == count
    assert sorted(i for own in found.values() for i in own) == list(range(5, 5 + part.size))
    assert next(iter(found)) == f"image 0-{side - 1}, 0-{side - 1}"
    spec = ObservationSpec((Part("speed", "vector", (2,)), replace(part, dtype="uint8")))
    named = {"speed[0]": (0,), "speed[1]": (1,), "image": tuple(range(2, 2 + part.size))}
    whole = features(named, spec)
    assert list(whole)[:2] == ["speed[0]", "speed[1]"]
    assert sorted(i for own in whole.values() for i in own) == list(range(2 + part.size))


@pytest.mark.slow
@pytest.mark.parametrize("several", [False, True], ids=["picture", "dict"])
def test_the_cell_that_a_policy_looks_at_is_found(several: bool, tmp_path: Path) -> None:
    maps = making.make(case(several), tmp_path, only=["maps"]).need(Maps)
    (image,) = maps.images
    assert image.part == ("camera" if several else "observation")
    assert (image.height, image.width, image.cell) == (84, 84, 8)
    for values in (image.changes, image.occlusion, image.gradients, *(s.occlusion for s in maps.shots)):
        found = np.array(values)
        assert np.unravel_index(found.argmax(), found.shape) == (SEEN[0] // 8, SEEN[1] // 8)
        assert np.count_nonzero(found) == 1
    assert len(maps.shots) >= 2
    mean, *shots = heat_rows(maps)
    (square,) = mean.maps[0].squares
    assert (square.x, square.y, square.width, square.weight) == (SEEN[1], SEEN[0], 8, 1.0)
    assert [row.label for row in shots] == [f"{image.part}: step {shot.step}" for shot in maps.shots]


@pytest.mark.slow
def test_a_step_that_is_shown_is_replaced_by_another_episode_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where few episodes last so long, one is often drawn twice: what replaces itself changes nothing."""
    monkeypatch.setattr("rlformer.explain.material._OWN_EPISODES", (2, 2))
    samples = list[Sample]()
    attributed = maps_part._attributed

    def spied(material: Material, groups: Any, sample: Sample) -> Any:
        samples.append(sample)
        return attributed(material, groups, sample)

    monkeypatch.setattr(maps_part, "_attributed", spied)
    making.make(case(False), tmp_path, only=["maps"])
    shown = samples[-1]
    for donor in range(shown.replacements):
        rows = slice(donor * len(shown.states), (donor + 1) * len(shown.states))
        assert (shown.alike[rows].times == shown.states.times).all()
        assert (shown.alike[rows].observations != shown.states.observations).any(dim=(1, 2)).all()


def test_without_images_there_are_no_maps_and_a_reason(tmp_path: Path) -> None:
    from tests.contracts.test_parts import CASE

    maps = making.make(CASE, tmp_path, only=["maps"]).need(Maps)
    assert not maps.images
    assert maps.reason == "its observations hold no image"
    assert heat_rows(None) == ()


def test_states_that_show_large_images_are_fewer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All replacements of a sample are in memory at once."""
    monkeypatch.setattr("rlformer.explain.material._NUMBERS", 20 * 8 * 84 * 84)
    effects = making.make(case(False), tmp_path, only=["effects"]).need(Effects)
    assert effects.states == 20
    assert Material(case(False)).sample(8, 8, "few").replacements == 8


def test_episodes_of_large_images_are_played_until_memory_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round of four is 4 episodes x 7 pictures x 84 x 84 bytes."""
    assert len(Material(case(False)).own) == 300  # of 6 steps each: no 3,000
    for rounds in (1, 2):
        monkeypatch.setattr("rlformer.explain.material._HELD", rounds * 4 * 7 * 84 * 84)
        assert len(Material(case(False)).own) == 4 * rounds


@pytest.mark.slow
def test_every_part_can_be_made_of_a_policy_that_sees(tmp_path: Path) -> None:
    made = making.make(case(True), tmp_path)
    assert set(made.made) == set(PARTS)
    trees = made.need(Surrogate)
    assert trees.observation is None
    assert trees.no_window == "an observation has 7,058 numbers, most of them pixels, which a tree cannot read"
    with pytest.raises(InputError, match="no tree stands for it: an observation has"):
        _ = trees.chosen
    assert made.need(Effects).groups[:3] == ("camera", "joints[0]", "joints[1]")
