"""An environment's own spaces, kept so that a policy can act where the environment itself is not.

`NativeSpaces` says what one observation is as the environment gives it (a Dict, an image, a category, ...), and what
one action is as the environment takes it. `Translator` goes from there to the canonical form of `envs.spaces` and
back, through the very wrappers that an environment gets.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import FlattenObservation

from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.records import SCHEMA, EnvSpec
from rlformer.core.spaces import Array, Spaces
from rlformer.envs.make import make
from rlformer.envs.raw import check_observation
from rlformer.envs.space_files import space_from_dict, space_to_dict
from rlformer.envs.spaces import (
    CanonicalActions,
    CanonicalObservations,
    action_space,
    action_spec,
    canonical,
    observation_spec,
    spaces_in,
)

FILE = "spaces.json"


@dataclass(frozen=True)
class NativeSpaces:
    """What an environment shows and takes, in its own form and in the canonical one."""

    observation: spaces.Space[Any]
    action: spaces.Space[Any]
    canonical: Spaces
    flattened: bool = False  # whether a card's `flatten` lies between both forms: the only way for images

    @classmethod
    def of(cls, observation: spaces.Space[Any], action: spaces.Space[Any]) -> NativeSpaces:
        """Of two spaces of Gymnasium. Raises InputError where one has no canonical form."""
        return cls(observation, action, Spaces(observation_spec(observation), action_spec(action)))

    @classmethod
    def plain(cls, known: Spaces) -> NativeSpaces:
        """Where nothing but the canonical form is known, as of a log: that form itself."""
        shape, dtype = known.observation.shape, known.observation.dtype
        whole = np.iinfo(dtype) if np.issubdtype(dtype, np.integer) else None
        low, high = (-np.inf, np.inf) if whole is None else (whole.min, whole.max)
        box = spaces.Box(np.full(shape, low, dtype), np.full(shape, high, dtype), dtype=dtype.type)
        return cls(box, action_space(known.actions), known)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {
            "schema": SCHEMA,
            "observation": space_to_dict(self.observation),
            "action": space_to_dict(self.action),
            "flattened": self.flattened,
            "canonical": self.canonical.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> NativeSpaces:
        """The inverse of `to_dict`."""
        observation, action = (space_from_dict(data[name]) for name in ("observation", "action"))
        return cls(observation, action, Spaces.from_dict(data["canonical"]), bool(data["flattened"]))

    def save(self, directory: Path) -> None:
        """Write spaces.json into the directory."""
        files.write_json(directory / FILE, self.to_dict())

    @classmethod
    def load(cls, directory: Path) -> NativeSpaces | None:
        """The inverse of `save`; None where there is no such file. Raises InputError where it is damaged."""
        path = directory / FILE
        if not path.is_file():
            return None
        data = files.read_json(path)
        try:
            return cls.from_dict(data)
        except (KeyError, TypeError, ValueError, AttributeError, AssertionError, RecursionError) as error:
            raise InputError(f"{path}: damaged: {' '.join(str(error).split()) or type(error).__name__}") from error


def native_spaces(env: EnvSpec) -> NativeSpaces:
    """Those of an environment, wrappers of its card included: it is made once. Raises InputError as `make` does."""
    made = make(env)
    try:
        return native_spaces_in(made)
    finally:
        made.close()


def native_spaces_in(made: gym.Env[Any, Any]) -> NativeSpaces:
    """Those of an environment that `make` made."""
    layer, flattened = made, False
    while isinstance(layer, (CanonicalActions, CanonicalObservations, FlattenObservation)):
        flattened |= isinstance(layer, FlattenObservation)
        layer = layer.env
    return NativeSpaces(layer.observation_space, layer.action_space, spaces_in(made), flattened)


class Translator:
    """Between one raw observation or action of an environment and its canonical form."""

    def __init__(self, native: NativeSpaces) -> None:
        self.native = native
        self._eye = _Ends(native.observation, spaces.Discrete(1))
        self._hand = _Ends(spaces.Box(0.0, 0.0, (1,)), native.action, np.zeros(1, np.float32))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about spaces that are not common, which the training noted
            self._seeing = canonical(FlattenObservation(self._eye) if native.flattened else self._eye)
            self._acting = canonical(self._hand)

    @property
    def canonical_observation_space(self) -> spaces.Box:
        """Of canonical observations, bounds included."""
        found = self._seeing.observation_space
        assert isinstance(found, spaces.Box)
        return found

    @property
    def canonical_action_space(self) -> spaces.Space[Any]:
        """Of canonical actions, bounds included."""
        return self._acting.action_space

    def observation(self, raw: Any) -> Array:
        """One raw observation -> (*obs) canonical. Raises InputError where it is none of the space's."""
        self._eye.shown = check_observation(self.native.observation, raw)
        observed = self.native.canonical.observation
        return np.asarray(self._seeing.reset()[0], observed.dtype).reshape(observed.shape)

    def action(self, row: Array) -> Any:
        """One canonical action (*act), within its bounds -> what `env.step` takes: an int, or an array."""
        self._acting.step(row)
        taken = self._hand.taken
        if isinstance(self.native.action, spaces.Discrete):
            return int(taken)
        return np.array(taken, self.native.action.dtype).reshape(self.native.action.shape or ())


class _Ends(gym.Env[Any, Any]):
    """In place of an environment: it shows what it was given to show, and keeps what it was told to do."""

    def __init__(self, observation: spaces.Space[Any], action: spaces.Space[Any], shown: Any = None) -> None:
        self.observation_space, self.action_space = observation, action
        self.shown = shown
        self.taken: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """See `gymnasium.Env`."""
        return self.shown, {}

    def step(self, action: Any) -> Any:
        """See `gymnasium.Env`."""
        self.taken = action
        return self.shown, 0.0, False, False, {}
