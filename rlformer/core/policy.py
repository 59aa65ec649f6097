"""What acts: a policy in N environments side by side, and one whose preferences can be explained."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from rlformer.core.records import Window
from rlformer.core.spaces import ActionSpec, Array


class Policy(Protocol):
    """Acts in N environments side by side; N = 1 is no special case."""

    def begin(self, slots: Array, seeds: Array, target_returns: Array | None) -> None:
        """New episodes begin in these of the N slots, each with a random stream of its own."""

    def act(self, observations: Array) -> Array:
        """(N, *obs) -> (N, *act). Rows of slots without an episode are stale; their actions are ignored."""

    def observe(self, actions: Array, rewards: Array) -> None:
        """The executed actions (N, *act) and what they earned (N,)."""


@runtime_checkable
class Masked(Protocol):
    """A policy that obeys where an environment says which actions it allows: it is told before each of them."""

    needs_masks: bool  # whether it cannot act where nobody says it

    def allow(self, masks: Array) -> None:
        """What is allowed in each of the N slots now: (N, levels) bool, one level of each category after the other."""


@runtime_checkable
class Scorer(Protocol):
    """A policy whose preferences can be explained, whatever is behind it."""

    actions: ActionSpec
    context_length: int | None  # steps that it reads, the current one included; None: its whole episode
    reads_returns: bool
    stochastic: bool  # whether its scores are logits of a distribution that it learned, so that shares mean something
    networks: tuple[Any, ...]  # torch modules that hold all that it learned

    def scores(self, window: Window) -> Any:
        """(B, A) torch tensor, differentiable in the window's observations, returns-to-go and encoded actions.

        Categories: what the greedy action has most of, for each level, component after component (as in
        `agents.sequence.actions.ActionCodec`). Reals: the greedy action itself.
        """
