"""What an algorithm of reinforcement learning is: all that others need to know of it, told without importing it.

`Algorithm` is the type of both registries, `online.algorithms` and `offline.algorithms`: these algorithms act, count,
save and load alike, being classes of stable-baselines3, of sb3-contrib, or made from them. `Published` is what is
needed of one in order to read an agent that others trained.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from rlformer.agents.online.flops import Counts
from rlformer.agents.online.images import Features
from rlformer.core.errors import MissingExtra
from rlformer.core.ranges import FLAG, TEXT, Range, one_of, real, sizes, whole
from rlformer.core.spaces import ActionSpec

if TYPE_CHECKING:
    from rlformer.agents.online.actors import Actor

ACTIVATIONS = {"relu": "ReLU", "tanh": "Tanh", "elu": "ELU", "gelu": "GELU"}  # names in cards and in torch.nn
Ranges: TypeAlias = Mapping[str, Range]  # of a card's keys

_COMMON: Ranges = {
    "algorithm": TEXT,
    "normalize_observations": FLAG,
    "hidden": sizes(8192),
    "activation": one_of(*ACTIVATIONS),
    "learning_rate": real(0, 1e38, scheduled=True),
    "gamma": real(0, 1),
    "max_grad_norm": real(0, 1e9),
}
_ONLINE: Ranges = {
    **_COMMON,
    "steps": whole(1, 10**10),
    "num_envs": whole(1, 1024),
    "normalize_rewards": FLAG,
    "use_sde": FLAG,
    "sde_sample_freq": whole(-1, 10**9),
}
ON_POLICY: Ranges = {
    **_ONLINE,
    "n_steps": whole(1, 10**6),
    "gae_lambda": real(0, 1),
    "ent_coef": real(0, 1e6),
    "vf_coef": real(0, 1e6),
    "normalize_advantage": FLAG,
    "ortho_init": FLAG,
    "log_std_init": real(-20, 20),
}
CLIPPED: Ranges = {  # as PPO is
    **ON_POLICY,
    "batch_size": whole(1, 10**6),
    "n_epochs": whole(1, 10**4),
    "clip_range": real(0, 1e3, scheduled=True),
    "target_kl": real(0, 1e3, above=True),
}
OFF_POLICY: Ranges = {
    **_ONLINE,
    "buffer_size": whole(1, 10**9),
    "learning_starts": whole(0, 10**10),
    "batch_size": whole(1, 10**6),
    "tau": real(0, 1),
    "train_freq": whole(1, 10**6),
    "gradient_steps": whole(-1, 10**6),  # at each update
    "n_steps": whole(1, 10**4),
}
ON_LOG: Ranges = {
    **_COMMON,
    "gradient_steps": whole(1, 10**9),  # of the run
    "log_steps": whole(0, 10**12),  # of a log that these are for
    "batch_size": whole(1, 10**6),
    "tau": real(0, 1),
    "alpha": real(0, 1e9),
}
DELAYED: Ranges = {  # as TD3's policy is
    "policy_delay": whole(1, 10**6),
    "target_policy_noise": real(0, 1e3),
    "target_noise_clip": real(0, 1e3),
}


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
    # The same where features of images are read in place of observations; None: it learns from vectors alone.
    counts_of_images: Callable[[Mapping[str, Any], Features, int], Counts] | None = None
    # How a card's values become arguments.
    network_keys: tuple[str, ...] = ()  # the values that are arguments of the networks
    # What a value stands for, by its key: made of the value and the size of an action.
    objects: Mapping[str, Callable[[Any, int], Any]] = field(default_factory=dict)
    # Of Adam, PyTorch's faster one; none: there is no gradient.
    optimizer: Mapping[str, Any] = field(default_factory=lambda: {"fused": True})
    masked: bool = False  # whether it is told at each step which actions are allowed, and cannot do without
    batch_key: str = "batch_size"  # the value that says how many samples an update reads, where it is no whole rollout
    schedules: tuple[str, ...] = ("learning_rate",)  # keys that take a number or a schedule
    ranges: Ranges = field(default_factory=dict)  # every key that a card of it may have; none: not told
    check: Callable[[Mapping[str, Any]], None] = lambda values: None  # raises InputError where they do not fit together
    # What a checkpoint keeps beyond what those of all algorithms do: attributes of the model, as JSON has them.
    counters: tuple[str, ...] = ()
