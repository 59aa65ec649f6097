"""The part "surrogate": how small a decision tree may be that plays nearly as well as the policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlformer.core.errors import InputError
from rlformer.explain.parts.base import Explanation, Part
from rlformer.explain.parts.effects import PolicyScore
from rlformer.explain.tree import Reading, Reads, SavedTree, Tree, row_names

if TYPE_CHECKING:
    from rlformer.explain.case import Case
    from rlformer.explain.material import Material

_MOST_PIXELS = 1000  # of an observation with images: more are no features that a tree could be read by
_SEEDS = 4000  # more episodes than trees of one kind ever play


@dataclass(frozen=True)
class TreePoint:
    """A tree with so many leaves at most."""

    leaves: int
    grown: int  # leaves that it has
    fidelity: float  # the share of states with the policy's own action
    return_: float
    score: float | None  # normalised


@dataclass(frozen=True)
class TreeCurve:
    """Trees of one kind, and the smallest that keeps .9 of the policy's score, or the largest where none does."""

    reads: Reads
    curve: tuple[TreePoint, ...]
    policy: PolicyScore  # on the same episodes
    l90: int | None  # leaves
    censored: bool  # whether the largest tree was too small
    reason: str | None  # why L90 is not defined
    samples: int  # that the trees learned from
    episodes: int  # of each tree's return
    tree: Tree
    names: tuple[str, ...]  # of what it reads


@dataclass(frozen=True)
class Surrogate:
    """Trees of the current observation, and of the window where the policy reads more than that; none of images."""

    observation: TreeCurve | None
    window: TreeCurve | None
    no_window: str | None  # why not
    actions: tuple[str, ...]  # names of the numbers that an action is encoded by
    kind: str  # of the action space
    tree: Reads  # which of the two stands for the policy
    context_length: int = 1  # steps that a tree of the window reads
    reads_returns: bool = False

    @property
    def chosen(self) -> TreeCurve:
        """The kind that stands for the policy. Raises InputError where there is none."""
        curve = self.window if self.tree == "window" else self.observation
        if curve is None:
            raise InputError(f"no tree stands for it: {self.no_window}")
        return curve


def make(material: Material, made: Explanation) -> Surrogate:
    """See `viper`."""
    from rlformer.explain.viper import imitate

    subject, case = material.subject, material.case
    if material.observation.has_images and material.observation.size > _MOST_PIXELS:
        reason = (
            f"an observation has {material.observation.size:,} numbers, most of them pixels, which a tree cannot read"
        )
        return Surrogate(None, None, reason, tuple(material.action_levels), subject.spec.kind, "observation")
    returns, curves = subject.scorer.reads_returns, dict[Reads, TreeCurve]()
    kinds: list[Reads] = ["observation", "window"] if subject.reads_history or returns else ["observation"]
    for reads in kinds:
        steps = subject.context_length if reads == "window" else 1
        names = row_names(material.feature_names, material.action_levels, steps, reads, returns)
        reading = Reading(
            reads, subject.spec, material.observation.size, steps, returns, case.target_return, tuple(names)
        )
        curves[reads] = imitate(material, reading, material.seeds(f"surrogate/{reads}", _SEEDS))
    best = min(curves.values(), key=lambda curve: (curve.l90 is None, curve.tree.leaves))
    return Surrogate(
        observation=curves["observation"],
        window=curves.get("window"),
        no_window=None if "window" in curves else "it reads the current observation alone",
        actions=tuple(material.action_levels),
        kind=subject.spec.kind,
        tree=best.reads,
        context_length=subject.context_length,
        reads_returns=returns,
    )


def saved_tree(case: Case, part: Surrogate) -> SavedTree:
    """The tree that stands for the policy, with what it takes to act."""
    from rlformer.envs.make import spaces_of

    curve, spaces = part.chosen, spaces_of(case.env)
    steps = part.context_length if curve.reads == "window" else 1
    reading = Reading(
        curve.reads, spaces.actions, spaces.observation.size, steps, part.reads_returns, case.target_return, curve.names
    )
    return SavedTree(curve.tree, reading, case.env, dict(case.identity))


PART = Part("surrogate", Surrogate, make, version=2)
