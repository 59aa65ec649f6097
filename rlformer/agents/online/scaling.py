"""What VecNormalize does to observations, on flat vectors: of a training that goes on, or read from a file."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.spaces import Array


class Scaling(Protocol):
    """Maps raw observations to what a network was trained on."""

    def __call__(self, observations: Array) -> Array:
        """(N, D) -> (N, D) float32."""

    def numbers(self) -> tuple[Array, Array, Array]:
        """Mean, standard deviation and bound of each dimension, (D,): clip((x - mean) / std, -bound, bound)."""


class Live:
    """Of a VecNormalize, which may still be learning."""

    def __init__(self, normalize: Any) -> None:
        self._normalize = normalize

    def __call__(self, observations: Array) -> Array:
        """See `Scaling`."""
        found: Array = self._normalize.normalize_obs(observations)
        return found

    def numbers(self) -> tuple[Array, Array, Array]:
        """See `Scaling`."""
        moments = self._normalize.obs_rms
        return moments.mean, _deviation(self._normalize, moments), np.full(moments.mean.shape, self._normalize.clip_obs)


@dataclass(frozen=True)
class Frozen:
    """Of a file. Dimensions that it leaves alone have mean 0, standard deviation 1 and no bound."""

    mean: Array  # (D,)
    std: Array
    bound: Array

    def __call__(self, observations: Array) -> Array:
        """See `Scaling`."""
        scaled = np.clip((observations - self.mean) / self.std, -self.bound, self.bound)
        return np.asarray(scaled, np.float32)

    def numbers(self) -> tuple[Array, Array, Array]:
        """See `Scaling`."""
        return self.mean, self.std, self.bound


def read(path: Path, space: gym.Space[Any], agent: Path) -> Frozen | None:
    """The scaling of the VecNormalize in a file, for the agent in a .zip that reads observations of `space`.

    Those of a Dict stand in the space's order, as `gymnasium.spaces.flatten` has them; keys that are not normalised are
    left alone. None where it leaves all observations alone. Unpickles: only a file that is trusted may be read. Raises
    InputError where the file holds something else, or statistics of other observations than the agent's.
    """
    from stable_baselines3.common.vec_env import VecNormalize

    if not path.is_file():
        raise InputError(f"{path}: no such file of statistics")
    try:
        with path.open("rb") as file:
            found = pickle.load(file)
    except Exception as error:  # whatever a pickle of another version runs into
        raise InputError(f"{path}: cannot be read as a VecNormalize: {' '.join(str(error).split())}") from error
    if not isinstance(found, VecNormalize):
        raise InputError(
            f"{path}: holds a {type(found).__name__}, not a VecNormalize: --normalization FILE names another, "
            "--no-normalization reads none"
        )
    if not found.norm_obs:
        return None
    if not isinstance(space, gym.spaces.Dict):
        return _flat(found, found.obs_rms, space, f"{path}", agent)
    moments: Any = found.obs_rms
    if not isinstance(moments, dict) or not moments.keys() <= space.spaces.keys():
        kind = f"keys {', '.join(moments)}" if isinstance(moments, dict) else "one vector"
        raise InputError(f"{path}: holds statistics of {kind}, {agent} reads {', '.join(space.spaces)}")
    parts = [_flat(found, moments.get(key), inner, f"{path}, '{key}'", agent) for key, inner in space.items()]
    return Frozen(*(np.concatenate(column) for column in zip(*(part.numbers() for part in parts), strict=True)))


def _flat(found: Any, moments: Any, space: gym.Space[Any], where: str, agent: Path) -> Frozen:
    size = gym.spaces.flatdim(space)
    if moments is None:
        return Frozen(np.zeros(size), np.ones(size), np.full(size, np.inf))
    held = None if isinstance(moments, dict) else np.asarray(moments.mean)
    if held is None or held.shape != space.shape:
        other = "a dictionary" if held is None else f"{held.size} numbers"
        raise InputError(
            f"{where}: holds statistics of {other}, but {agent} reads {size} numbers: they belong to another agent; "
            "give its own with --normalization FILE, or use --no-normalization"
        )
    return Frozen(moments.mean.ravel(), _deviation(found, moments).ravel(), np.full(size, found.clip_obs))


def _deviation(normalize: Any, moments: Any) -> Array:
    return np.asarray(np.sqrt(moments.var + normalize.epsilon))
