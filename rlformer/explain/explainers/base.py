"""What an explainer is, and what it says of itself. Nothing here imports torch: reports read the registry too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

    from rlformer.explain.explainers.attribution import Attribution
    from rlformer.explain.groups import Groups
    from rlformer.explain.states import Sample, States
    from rlformer.explain.subject import Subject

GRADIENTS, ATTENTION = "gradients", "attention"  # what an explainer may need of a policy
Separates: TypeAlias = Literal["inputs", "groups", "tokens"]


@dataclass(frozen=True)
class Explainer:
    """How much each group of inputs contributed to the greedy action.

    attribute: (subject, groups, sample, seed) -> Attribution, the same for the same seed.
    """

    name: str
    attribute: Callable[[Subject, Groups, Sample, int], Attribution]
    separates: Separates  # the finest parts that can get different values: single inputs, groups, tokens of a model
    needs: frozenset[str] = frozenset()  # of GRADIENTS and ATTENTION
    complete: bool = False  # whether attributions sum to how far the output moved from its baseline
    drawn: bool = False  # whether it draws at random, so that its stability would measure the draw
    reads_state: bool = True  # whether its values depend on the state
    control: bool = False  # whether it looks at nothing that the policy learned: what others are compared with
    weights: Callable[[Subject, States], Tensor] | None = None  # of attention: of the window's tokens (B, T)
