"""Observations with images: where their channels stand, their parts, what their numbers may be."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from rlformer.core.errors import InputError
from rlformer.core.spaces import Array, ObservationSpec
from rlformer.envs.images import channels_first
from rlformer.envs.native import NativeSpaces, Translator
from rlformer.envs.probe import probe
from rlformer.envs.spaces import canonical, canonical_rows, leaves, observation_spec, spaces_in
from tests.support.make_images import bright

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8)  # 6 high, 5 wide


class Showing(gym.Env[Any, Any]):
    """What it was given to show."""

    def __init__(self, space: spaces.Space[Any], shown: Any) -> None:
        self.observation_space, self.action_space, self.shown = space, spaces.Discrete(2), shown

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return self.shown, {}


def seen(space: spaces.Space[Any], shown: Any) -> tuple[ObservationSpec, Array]:
    made = canonical(Showing(space, shown))
    return spaces_in(made).observation, made.reset()[0]


@pytest.mark.parametrize("layout", ["channels last", "channels first"])
def test_channels_stand_first_however_they_came(layout: str) -> None:
    pixels = PIXELS if layout == "channels last" else np.moveaxis(PIXELS, -1, 0)
    spec, image = seen(spaces.Box(0, 255, pixels.shape, np.uint8), pixels)
    (part,) = spec.parts
    assert (part.kind, part.shape, part.dtype, part.peak) == ("image", (3, 6, 5), "uint8", 255.0)
    assert (image.shape, image.dtype) == ((3, 6, 5), np.uint8)
    np.testing.assert_array_equal(image, np.moveaxis(PIXELS, -1, 0))


def test_frames_before_a_picture_are_stacked_along_its_channels() -> None:
    frames = np.stack([PIXELS, PIXELS[::-1]])  # (2, 6, 5, 3)
    stacked = channels_first(frames[None])[0]
    np.testing.assert_array_equal(stacked[3:], np.moveaxis(PIXELS[::-1], -1, 0))


def test_a_dict_has_its_parts_one_after_the_other_in_bytes() -> None:
    space = spaces.Dict({"image": spaces.Box(0, 10, (6, 5, 3), np.uint8), "direction": spaces.Discrete(4, start=1)})
    spec, flat = seen(space, {"image": PIXELS % 11, "direction": 3})
    assert [(part.name, part.kind, part.peak) for part in spec.parts] == [
        ("direction", "category", 1.0),
        ("image", "image", 10.0),
    ]
    assert flat.dtype == np.uint8
    assert flat[:4].tolist() == [0, 0, 1, 0]
    np.testing.assert_array_equal(flat[4:].reshape(3, 6, 5), np.moveaxis(PIXELS % 11, -1, 0))
    assert ObservationSpec.from_dict(spec.to_dict()) == spec


def test_a_real_vector_beside_an_image_keeps_its_numbers() -> None:
    space = spaces.Dict({"eye": spaces.Box(0, 255, (6, 5, 3), np.uint8), "speed": spaces.Box(-9, 9, (2,))})
    spec, flat = seen(space, {"eye": PIXELS, "speed": np.array([-3.5, 2.25], np.float32)})
    assert flat.dtype == np.float32
    assert flat[spec.slices["speed"]].tolist() == [-3.5, 2.25]
    np.testing.assert_array_equal(flat[spec.slices["eye"]].reshape(3, 6, 5), np.moveaxis(PIXELS, -1, 0))


def test_real_pixels_are_held_to_their_range() -> None:
    space = spaces.Box(0, 1, (6, 5, 3), np.float32)
    assert seen(space, (PIXELS / 255).astype(np.float32))[0].parts[0].peak == 1.0
    with pytest.raises(InputError, match=r"the image has 2\d\d in it: its real numbers lie from 0 to 1"):
        seen(space, PIXELS.astype(np.float32))
    with pytest.raises(InputError, match="environment 'Mine': the image has"):
        canonical(Showing(space, PIXELS.astype(np.float32)), "Mine").reset()


def test_pixels_of_bytes_are_whole_and_bytes_are_no_real_pixels() -> None:
    """Cut to bytes, an image of reals from 0 to 1 would be black."""
    whole, real = (spaces.Box(0, high, (6, 5, 3), dtype) for high, dtype in ((255, np.uint8), (1, np.float32)))
    pixels = [PIXELS[None] / 255]
    with pytest.raises(
        InputError, match=r"in it: its numbers are bytes, whole, from 0 to 255; .* multiply them by 255"
    ):
        canonical_rows(leaves(whole, pixels[0]), observation_spec(whole))
    assert (canonical_rows(leaves(whole, pixels[0] * 255), observation_spec(whole))[0, 0] == PIXELS[:, :, 0]).all()
    with pytest.raises(InputError, match=r"its real numbers lie from 0 to 1, whole ones \(uint8\) from 0 to 255"):
        canonical_rows(leaves(real, PIXELS[None]), observation_spec(real))


@pytest.mark.parametrize("inner", [False, True], ids=["alone", "in a dict"])
def test_channels_that_stand_elsewhere_than_in_the_space_are_moved_and_other_sizes_refused(inner: bool) -> None:
    """As many numbers in another order would be another picture."""
    image = spaces.Box(0, 255, (6, 5, 3), np.uint8)
    space = spaces.Dict({"eye": image}) if inner else image

    def read(pixels: Array) -> Array:
        rows = canonical_rows(leaves(space, {"eye": pixels} if inner else pixels), observation_spec(space))
        return rows.reshape(3, 6, 5)

    first = np.moveaxis(PIXELS, -1, 0)
    for pixels in (PIXELS, first, PIXELS.ravel()):
        np.testing.assert_array_equal(read(pixels[None]), first)
    for pixels in (PIXELS.reshape(5, 6, 3), PIXELS.reshape(6, 15), PIXELS.reshape(3, 5, 6)):
        with pytest.raises(InputError, match=r"an image has shape .* expected \(6, 5, 3\)"):
            read(pixels[None])


def test_a_table_too_small_for_an_image_is_a_vector() -> None:
    (part,) = observation_spec(spaces.Box(0, 255, (3, 3, 3), np.uint8)).parts
    assert (part.kind, part.shape) == ("vector", (27,))


def test_raw_images_are_translated_as_an_environment_shows_them() -> None:
    space = spaces.Dict({"image": spaces.Box(0, 255, (6, 5, 3), np.uint8), "direction": spaces.Discrete(4)})
    native = NativeSpaces.from_dict(NativeSpaces.of(space, spaces.Discrete(2)).to_dict())
    raw = {"image": PIXELS, "direction": 2}
    np.testing.assert_array_equal(Translator(native).observation(raw), seen(space, raw)[1])


@pytest.mark.parametrize("kind", ["picture", "map", "dict"])
def test_a_world_of_images_is_probed_as_any_other(kind: str) -> None:
    found = probe(bright(kind))
    assert found.seed_obeyed
    assert found.notes == ()
