"""A decision tree that acts: what a surrogate is saved, drawn and evaluated as. Needs no library but numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from rlformer.core import files
from rlformer.core.codec import decode, encode
from rlformer.core.errors import InputError
from rlformer.core.records import SCHEMA, EnvSpec
from rlformer.core.spaces import ActionSpec, Array

if TYPE_CHECKING:
    from rlformer.explain.memory import Deciding
    from rlformer.explain.states import States

Reads: TypeAlias = Literal["observation", "window"]
_MOST_NODES, _LARGEST = 1_000_000, 1_000_000


@dataclass(frozen=True)
class Tree:
    """Binary splits: rows with feature <= threshold go left. Node 0 is the root; a leaf has left = right = -1."""

    feature: Array  # (N,) -1 at leaves
    threshold: Array  # (N,) float64
    left: Array  # (N,)
    right: Array  # (N,)
    value: Array  # (N, A): the action of each node, categories or reals
    share: Array  # (N,) of the rows it was fitted to that reach the node

    @property
    def leaves(self) -> int:
        """How many leaves."""
        return int((self.left < 0).sum())

    def __call__(self, rows: Array) -> Array:
        """(B, F) -> (B, A)."""
        at = np.zeros(len(rows), np.int64)
        while (inner := np.flatnonzero(self.left[at] >= 0)).size:
            nodes = at[inner]
            goes_left = rows[inner, self.feature[nodes]] <= self.threshold[nodes]
            at[inner] = np.where(goes_left, self.left[nodes], self.right[nodes])
        return np.asarray(self.value[at])


def rows_of(states: States, reads: Reads, reads_returns: bool) -> Array:
    """What a tree reads of states: (B, F) float32, as scikit-learn compares.

    "observation": the current one. "window": every step's observation, the latest first, the past actions, and the
    return that is left to reach.
    """
    if reads == "observation":
        return states.observations[:, -1].numpy()
    parts = [states.observations.flip(1).flatten(1), states.actions[:, :-1].flip(1).flatten(1)]
    if reads_returns:
        parts.append(states.returns_to_go[:, -1:])
    return np.concatenate([part.numpy() for part in parts], axis=1)


def row_names(
    features: Sequence[str], actions: Sequence[str], steps: int, reads: Reads, reads_returns: bool
) -> list[str]:
    """The names of what `rows_of` gives, in its order."""
    if reads == "observation":
        return list(features)
    back = ["", *(f", {k} step{'s' if k > 1 else ''} before" for k in range(1, steps))]
    names = [f"{name}{when}" for when in back for name in features]
    names += [f"did {name}{when}" for when in back[1:] for name in actions]
    return names + ["return to go"] * reads_returns


@dataclass(frozen=True)
class Reading:
    """What a tree reads, and what it takes to act by it."""

    reads: Reads
    actions: ActionSpec
    observation_size: int
    context_length: int
    reads_returns: bool
    target_return: float | None
    names: tuple[str, ...]  # of the columns of `rows`

    def rows(self, states: States) -> Array:
        """The tree's input: (B, F)."""
        return rows_of(states, self.reads, self.reads_returns)


@dataclass(frozen=True)
class SavedTree:
    """A tree with what it takes to act."""

    tree: Tree
    reading: Reading
    env: EnvSpec
    of: Mapping[str, Any]  # the policy that it stands for

    @property
    def reads(self) -> Reads:
        """The current observation, or the window."""
        return self.reading.reads

    @property
    def target_return(self) -> float | None:
        """What it is asked for."""
        return self.reading.target_return

    def policy(self) -> Deciding:
        """It acts, see `core.policy.Policy`."""
        return tree_policy([self.tree], self.reading)

    def save(self, directory: Path) -> None:
        """Write tree.json into the directory."""
        data = {
            "schema": SCHEMA,
            "kind": "tree",
            "env": self.env.to_dict(),
            "of": dict(self.of),
            "reading": {**encode(self.reading), "actions": self.reading.actions.to_dict()},
            "tree": encode(self.tree),
        }
        files.write_json(files.writable_directory(directory) / "tree.json", data)

    @classmethod
    def load(cls, directory: Path) -> SavedTree:
        """The inverse of `save`. Raises InputError where the file is none of ours."""
        path = directory / "tree.json"
        data = files.read_json(path)
        if data.get("schema") != SCHEMA or data.get("kind") != "tree":
            raise InputError(f"{path}: not a tree of schema '{SCHEMA}'")
        try:
            actions = ActionSpec.from_dict(data["reading"]["actions"])  # its bounds may be infinite
            reading = decode(Reading, {**data["reading"], "actions": encode(actions)})
            tree = decode(Tree, data["tree"])
            check_tree(tree, reading)
            return cls(tree, reading, EnvSpec.from_dict(data["env"], str(path)), dict(data["of"]))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            missing = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise InputError(f"{path}: a damaged tree: {missing}") from error


def check_tree(tree: Tree, reading: Reading) -> None:
    """Raise ValueError unless every row reaches one leaf, whose value is an action, through features that there are."""
    count, actions = len(tree.feature), reading.actions
    if not 0 < count <= _MOST_NODES:
        raise ValueError(f"{count:,} nodes, and a tree has 1 to {_MOST_NODES:,}")
    for name, kinds in (("feature", "iu"), ("left", "iu"), ("right", "iu"), ("threshold", "iuf"), ("share", "iuf")):
        column = getattr(tree, name)
        if column.shape != (count,) or column.dtype.kind not in kinds:
            raise ValueError(f"{name}: {count} numbers expected, one a node")
    width = _width(reading)
    if len(reading.names) != width:
        raise ValueError(f"names: {len(reading.names)} for {width} columns")
    inner = np.flatnonzero(tree.left >= 0)
    if ((tree.left < 0) != (tree.right < 0)).any():
        raise ValueError("a node with one child")
    if not ((tree.feature[inner] >= 0) & (tree.feature[inner] < width)).all():
        raise ValueError(f"a split by a column that is none of {width}")
    children = np.concatenate([tree.left[inner], tree.right[inner]])
    if (children >= count).any() or len(np.unique(children)) < len(children) or _reached(tree) != count:
        raise ValueError("its nodes are no tree: each but the root is the child of one other, without a circle")
    sizes = len(actions.low) if actions.kind == "box" else len(actions.nvec)
    if tree.value.shape != (count, sizes) or tree.value.dtype.kind not in "iuf":
        raise ValueError(f"value: an action of {sizes} numbers is expected at each of {count} nodes")
    if actions.kind != "box":
        whole = (tree.value == np.rint(tree.value)) & (tree.value >= 0) & (tree.value < np.asarray(actions.nvec))
        if not whole.all():
            raise ValueError(f"value: a category outside of {list(actions.nvec)}")


def _width(reading: Reading) -> int:
    """Columns of what it reads; raises ValueError where that is no size."""
    size, steps, actions = reading.observation_size, reading.context_length, reading.actions
    if not 0 < size <= _LARGEST or not 0 < steps <= _LARGEST:
        raise ValueError(f"observations of {size} numbers and {steps} steps")
    if len(actions.low) != len(actions.high) or not all(0 < n <= _LARGEST for n in actions.nvec):
        raise ValueError("actions: no space")
    if reading.reads == "observation":
        return size
    action = len(actions.low) if actions.kind == "box" else sum(actions.nvec)
    return steps * size + (steps - 1) * action + reading.reads_returns


def _reached(tree: Tree) -> int:
    """How many nodes are reached from the root, none of which is the child of two others."""
    level, reached = np.zeros(1, np.int64), 0
    while level.size and reached <= len(tree.left):
        reached += level.size
        inner = level[tree.left[level] >= 0]
        level = np.concatenate([tree.left[inner], tree.right[inner]]).astype(np.int64)
    return reached


def tree_policy(trees: Sequence[Tree], reading: Reading, each: int | None = None) -> Deciding:
    """Trees that act side by side: tree i in slots i * each to (i + 1) * each; one in all slots without `each`."""
    from rlformer.explain.memory import Deciding, Memory

    memory = Memory(reading.actions, reading.context_length, reading.observation_size, reading.target_return)

    def decide(states: States) -> Array:
        rows = reading.rows(states)
        if each is None:
            values = trees[0](rows)
        else:
            values = np.concatenate([tree(rows[i * each : (i + 1) * each]) for i, tree in enumerate(trees)])
        values = values.astype(reading.actions.dtype)
        return values[:, 0] if reading.actions.kind == "discrete" else values

    return Deciding(memory, decide)
