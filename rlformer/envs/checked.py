"""The one check of a user's environment, nearest to it, so that every path has it: `make` puts it there."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces, wrappers

from rlformer.core.errors import InputError
from rlformer.core.spaces import LARGEST, Array
from rlformer.envs.faults import beginning, fault, place
from rlformer.envs.observed import Unlike, taking

# What `gymnasium.make` itself puts around an environment: they take apart what it returns, so that they stand outside.
_OUTSIDE = (
    wrappers.TimeLimit,
    wrappers.OrderEnforcing,
    wrappers.PassiveEnvChecker,
    wrappers.HumanRendering,
    wrappers.RenderCollection,
)
_SUCCESS = ("is_success", "success")  # the first that an info has
_TWO = "reset must return (observation, info)"
_FIVE = "step must return five values (observation, reward, terminated, truncated, info)"
_RESET = "def reset(self, *, seed=None, options=None)"


def check(made: gym.Env[Any, Any], name: str) -> gym.Env[Any, Any]:
    """An environment of `gymnasium.make` with `Checked` around the user's part of it. name: for messages.

    Raises InputError where it has no spaces of Gymnasium.
    """
    outer, inner = None, made
    while type(inner) in _OUTSIDE:
        assert isinstance(inner, gym.Wrapper)
        outer, inner = inner, inner.env
    checked = Checked(inner, name)
    if outer is None:
        return checked
    outer.env = checked
    return made


def time_limit(env: gym.Env[Any, Any]) -> int | None:
    """The steps after which an episode is cut off: the shortest of its TimeLimits; None: no such limit is known."""
    limits: list[int] = []
    while isinstance(env, gym.Wrapper):
        if isinstance(env, wrappers.TimeLimit):
            limits.append(int(env._max_episode_steps))
        env = env.env
    return min(limits, default=None)


class Checked(gym.Wrapper[Any, Any, Any, Any]):
    """A user's environment, held to Gymnasium's interface at every reset and step.

    Observations are copies in the dtypes of their space, rewards floats, flags bool. Infos are dropped, but for
    "is_success" (bool; an environment may call it "success") and "action_mask". What is no observation of the space, no
    reward, no flag, and whatever the environment raises, but Ctrl-C, is an InputError of one line that names
    the environment, the episode's seed and the step, counted from 0. What it prints goes to standard error. Numbers
    that are not finite pass: who plays the episode tells of them.
    """

    def __init__(self, env: gym.Env[Any, Any], name: str) -> None:
        super().__init__(env)
        self._name = name
        self._seed: int | None = None
        self._steps = -1  # made in the episode; -1 while it is reset
        for which in ("observation_space", "action_space"):
            space = getattr(env, which, None)
            if not isinstance(space, spaces.Space):
                what = "has none" if space is None else f"has a {type(space).__module__}.{type(space).__name__}"
                raise InputError(f"environment '{name}': {which} must be one of gymnasium.spaces; it {what}")
        self._take = taking(env.observation_space)

    @property
    def spec(self) -> Any:  # type: ignore[override]
        """The environment's own: the check is no part of how it is made."""
        return self.env.spec

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """See `gymnasium.Env`. Options are handed on where there are any: not every environment takes them."""
        self._seed, self._steps = seed, -1
        arguments: dict[str, Any] = {"seed": seed} if options is None else {"seed": seed, "options": options}
        out, sys.stdout = sys.stdout, sys.stderr
        try:
            result: Any = self.env.reset(**arguments)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise self._fault("reset", error) from error
        finally:
            sys.stdout = out
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            raise self._wrong(f"{_TWO}, and returned {_described(result)}")
        observation, info = result
        if not isinstance(info, Mapping):
            raise self._wrong(f"{_TWO}, and its info is {_described(info)}")
        taken = self._observation(observation)
        self._steps = 0
        return taken, self._kept(info) if info else {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """See `gymnasium.Env`."""
        out, sys.stdout = sys.stdout, sys.stderr
        try:
            result: Any = self.env.step(action)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise self._fault("step", error) from error
        finally:
            sys.stdout = out
        if not isinstance(result, (tuple, list)) or len(result) != 5:
            raise self._wrong(_not_five(result))
        observation, reward, terminated, truncated, info = result
        taken = self._observation(observation)
        reward = float(reward) if isinstance(reward, float) else self._reward(reward)
        if not -LARGEST <= reward <= LARGEST and np.isfinite(reward):
            raise self._wrong(f"the reward {reward:g} is too large for float32, in which models compute: scale it")
        if type(terminated) is not bool:
            terminated = self._flag("terminated", terminated)
        if type(truncated) is not bool:
            truncated = self._flag("truncated", truncated)
        if type(info) is not dict and not isinstance(info, Mapping):
            raise self._wrong(f"info must be a dict, and is {_described(info)}")
        kept = self._kept(info) if info else {}
        self._steps += 1
        return taken, reward, terminated, truncated, kept

    def render(self) -> Any:
        """See `gymnasium.Env`."""
        out, sys.stdout = sys.stdout, sys.stderr
        try:
            return self.env.render()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise self._fault("render", error) from error
        finally:
            sys.stdout = out

    def close(self) -> None:
        """See `gymnasium.Env`. What goes wrong here while another error is on its way is not told: the other is."""
        underway = sys.exception() is not None
        out, sys.stdout = sys.stdout, sys.stderr
        try:
            self.env.close()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if not underway:
                raise self._fault("close", error) from error
        finally:
            sys.stdout = out

    def _observation(self, observation: Any) -> Any:
        try:
            return self._take(observation)
        except Unlike as error:
            raise self._wrong(f"the {'first ' * (self._steps < 0)}observation {error}") from error

    def _reward(self, reward: Any) -> float:
        """Numbers, and arrays of one."""
        try:
            array = np.asarray(reward)
        except Exception as error:  # whatever a reward of another library says to numpy
            raise self._wrong(f"a reward must be one number, and is {_described(reward)}") from error
        if array.size != 1 or array.dtype.kind not in "fiub":
            raise self._wrong(f"a reward must be one number, and is {_described(reward)}")
        return float(array.reshape(())[()])

    def _flag(self, name: str, flag: Any) -> bool:
        """numpy's bool, the integers 0 and 1, and arrays of one of them: a real number may be the reward, swapped."""
        array = None if flag is None or isinstance(flag, (str, bytes)) else np.asarray(flag)
        if array is None or array.size != 1 or array.dtype.kind not in "iub" or array.reshape(())[()] not in (0, 1):
            raise self._wrong(f"{name} must be True or False, and is {_described(flag)}")
        return bool(array.reshape(())[()])

    def _kept(self, info: Mapping[str, Any]) -> dict[str, Any]:
        """What is kept of an info: whatever else it holds, stable-baselines3 would copy at every step."""
        kept: dict[str, Any] = {}
        told = next((info[key] for key in _SUCCESS if key in info), None)
        if told is not None and (success := self._told(told, "success")).size == 1 and success.dtype.kind in "fiub":
            kept["is_success"] = bool(success.reshape(())[()])
        mask = info.get("action_mask")
        if mask is not None:
            parts = mask if isinstance(mask, tuple) else (mask,)
            copies = tuple(self._told(part, "action_mask").copy() for part in parts)
            kept["action_mask"] = copies if isinstance(mask, tuple) else copies[0]
        return kept

    def _told(self, value: Any, key: str) -> Array:
        try:
            return np.asarray(value)
        except Exception as error:  # rows of unequal lengths, tensors elsewhere
            raise self._wrong(f"the {key} in its info makes no array: {error}") from error

    @property
    def _where(self) -> str:
        seed = "" if self._seed is None else f", episode of seed {self._seed}"
        return f"environment '{self._name}'{seed}"

    def _wrong(self, what: str) -> InputError:
        return InputError(f"{self._where}: {f'step {self._steps}: ' * (self._steps >= 0)}{what}")

    def _fault(self, method: str, error: BaseException) -> InputError:
        if isinstance(error, InputError):  # ours, in words already
            return error
        at = beginning(getattr(self.env, method))
        if method == "reset" and isinstance(error, TypeError) and "'seed'" in str(error):
            return InputError(f"{self._where}: reset takes no seed; right is {_RESET}{f' ({at})' if at else ''}")
        if not place(error) and isinstance(self.env, gym.Wrapper):
            at = ""
            if (within := self._within(method, error)) is not None:
                return self._wrong(within)
        where = f"{self._where}: {f'step {self._steps}' if method == 'step' and self._steps >= 0 else method}"
        return fault(where, error, at)

    def _within(self, method: str, error: BaseException) -> str | None:
        """What an environment returned to a wrapper of its own, which stumbled over it; None where that is not it."""
        if method == "step":
            return f"{_FIVE} ({error})" if "values to unpack" in str(error) else None
        try:
            result: Any = self.env.unwrapped.reset(seed=self._seed) if method == "reset" else None
        except Exception:  # the wrapper's own error says more
            return None
        fine = result is None or (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], Mapping))
        return None if fine else f"{_TWO}, and returned {_described(result)}"


def _not_five(result: Any) -> str:
    if isinstance(result, (tuple, list)) and len(result) == 4:
        return f"{_FIVE}, and returned four, as gym before 0.26 did: its 'done' is 'terminated' or 'truncated' now"
    return f"{_FIVE}, and returned {_described(result)}"


def _described(value: Any) -> str:
    """What a value is, in a few words."""
    if value is None:
        return "None"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, (str, bytes, int, float, np.generic)):
        return f"{value!r}"[:60]
    return f"a {type(value).__name__}"
