"""Environments side by side that give a picture of what they show."""

from __future__ import annotations

import gymnasium as gym
import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.core.spaces import Array
from rlformer.envs.make import make
from rlformer.envs.unknown import missing_dependency
from rlformer.envs.vector import Environments


class Screens(Environments):
    """Environments of one kind that render. Raises InputError, with the reason, where they cannot."""

    def __init__(self, env: EnvSpec, num: int) -> None:
        try:
            super().__init__(env, num, render_mode="rgb_array")
        except Exception as error:  # whatever an environment says to a render mode that it does not know
            why = "its constructor takes no render_mode" if _is_made_without(env) else _reason(error)
            raise InputError(f"{env.name} cannot render: {why}") from error
        self._spec = env

    @property
    def fps(self) -> float:
        """Steps a second at which the environment wants to be seen; 30 where it does not say."""
        wanted = self._envs[0].metadata.get("render_fps")
        return float(wanted) if isinstance(wanted, int | float) and 0 < wanted <= 240 else 30.0

    def picture(self, slot: int = 0) -> Array:
        """What the slot's environment shows: (H, W, 3) uint8."""
        env = self._envs[slot]
        modes = env.metadata.get("render_modes", ())
        if env.render_mode != "rgb_array" or "rgb_array" not in modes:
            raise InputError(f"{self.name} cannot render: it has no render mode rgb_array")
        try:
            picture = np.asarray(env.render())
        except (ModuleNotFoundError, gym.error.DependencyNotInstalled) as error:
            entry_point = None if env.spec is None else env.spec.entry_point
            needs = missing_dependency(self.name, entry_point, self._spec.extra, error)
            raise InputError(f"{self.name} cannot render: {needs}") from error
        except Exception as error:  # the environment's own code, or a library that it draws with
            raise InputError(f"{self.name} cannot render: {_reason(error)}") from error
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            what = f"{picture.dtype} {picture.shape}"
            raise InputError(f"{self.name} cannot render: its picture is {what}, not uint8 (H, W, 3)")
        return picture


def _is_made_without(env: EnvSpec) -> bool:
    """Whether it can be made where nobody wants to see it."""
    try:
        make(env).close()
    except Exception:  # then the render mode is not what it stumbles over
        return False
    return True


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
