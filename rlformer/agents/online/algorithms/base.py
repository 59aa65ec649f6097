"""What an algorithm of reinforcement learning is: all that others need to know of it, told without importing it.

`Algorithm` is the type of both registries, `online.algorithms` and `offline.algorithms`: these algorithms act, count,
save and load alike, being classes of stable-baselines3, of sb3-contrib, or made from them. `Published` is what is
needed of one in order to read an agent that others trained.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rlformer.agents.online.flops import Counts
from rlformer.core.errors import MissingExtra
from rlformer.core.spaces import ActionSpec

if TYPE_CHECKING:
    from rlformer.agents.online.actors import Actor

Bounds = Mapping[str, tuple[float, float]]  # the least and the largest value of a card's key

_COMMON: Bounds = {"evaluate_every": (0, math.inf), "gamma": (0, 1), "tau": (0, 1)}
ON_POLICY: Bounds = {"gae_lambda": (0, 1), "sde_sample_freq": (-1, math.inf), "log_std_init": (-20, math.inf)}
OFF_POLICY: Bounds = {"learning_starts": (0, math.inf), "gradient_steps": (-1, math.inf)}


@dataclass(frozen=True, kw_only=True)
class Published:
    """A class of which others publish agents as .zip files of stable-baselines3, and how one of them acts."""

    name: str  # as a card's `algorithm` says it
    implementation: str  # "module:Class"
    actor: Callable[[Any, ActionSpec], Actor]  # of a model of that class, which may still be training
    extra: str | None = None  # of this distribution, that brings its library
    policy: str = "MlpPolicy"  # stable-baselines3's name for its networks on vectors
    # How a .zip says that it is one: of two that fit, the one with more keys is meant.
    zip_module: str | None = None  # of the policy's class
    zip_keys: frozenset[str] = frozenset()  # of the description inside

    def load(self) -> Any:
        """The class, imported. Raises MissingExtra where its library is not installed."""
        module, _, attribute = self.implementation.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except ImportError:
            if self.extra is None:
                raise
            raise MissingExtra(self.extra, self.name) from None


@dataclass(frozen=True, kw_only=True)
class Algorithm(Published):
    """One that a card can train; values are those of a card that names it."""

    action_kinds: frozenset[str]  # see `ActionSpec.kind`
    counts: Callable[[Mapping[str, Any], int, int], Counts]  # of values, size of an observation, size of an action
    # How a card's values become arguments.
    network_keys: tuple[str, ...] = ()  # the values that are arguments of the networks
    # What a value stands for, by its key: made of the value and the size of an action.
    objects: Mapping[str, Callable[[Any, int], Any]] = field(default_factory=dict)
    optimizer: Mapping[str, Any] = field(default_factory=lambda: {"fused": True})  # of Adam: PyTorch's faster one
    schedules: tuple[str, ...] = ("learning_rate",)  # keys that take a number or a schedule
    own_bounds: Bounds = field(default_factory=dict)
    # What a checkpoint keeps beyond what those of all algorithms do: attributes of the model, as JSON has them.
    counters: tuple[str, ...] = ()

    def bounds(self, key: str, integer: bool) -> tuple[float, float]:
        """The least and the largest value of a number; unless stated, a count is at least 1 and a real at least 0."""
        stated = self.own_bounds.get(key) or _COMMON.get(key)
        return stated or (1 if integer else 0, math.inf)
