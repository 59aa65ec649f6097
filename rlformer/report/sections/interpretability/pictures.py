"""Pictures of explanations that are no plots: a tree, an episode, attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rlformer.core import formats
from rlformer.evaluator.judge.explanations.evidence import DrawnTree, PicturesOfSeed
from rlformer.explain.parts.pictures import EpisodeShown, Frame

_DRAWN_LEAVES = 16  # a tree with more is drawn down to _DRAWN_DEPTH
_DRAWN_DEPTH = 4
_PITCH, _LEVEL = 92, 58  # of a tree's leaves and levels, in its own units


@dataclass(frozen=True)
class Node:
    """A box of a drawn tree; edges lead to the parent's place."""

    x: float
    y: float
    text: str
    leaf: bool
    parent: tuple[float, float] | None
    yes: bool  # whether it is the branch of "at most"


@dataclass(frozen=True)
class TreePicture:
    """A tree to draw."""

    width: float
    height: float
    nodes: tuple[Node, ...]
    leaves: int
    cut: bool  # whether parts below are left out


def tree_picture(drawn: DrawnTree) -> TreePicture:
    """Places of the nodes: leaves side by side, each inner node above the middle of its children."""
    tree = drawn.tree
    cut = tree.leaves > _DRAWN_LEAVES
    nodes: list[Node] = []
    free = 0.0

    def place(node: int, depth: int, above: list[int]) -> float:
        """Append the nodes from this one down; `above` collects the places of its own in the list."""
        nonlocal free
        left, right = int(tree.left[node]), int(tree.right[node])
        y = 24 + depth * _LEVEL
        if left < 0 or (cut and depth == _DRAWN_DEPTH):
            x, free = free + _PITCH / 2, free + _PITCH
            text = _action(tree.value[node].tolist(), drawn) if left < 0 else "…"
            above.append(len(nodes))
            nodes.append(Node(x, y, text, left < 0, None, True))
            return x
        children: list[int] = []
        x = sum(place(child, depth + 1, children) for child in (left, right)) / 2
        for child, yes in zip(children, (True, False), strict=True):
            nodes[child] = replace(nodes[child], parent=(x, y), yes=yes)
        text = f"{drawn.names[tree.feature[node]]} ≤ {formats.number(float(tree.threshold[node]))}"
        above.append(len(nodes))
        nodes.append(Node(x, y, text, False, None, True))
        return x

    place(0, 0, [])
    deepest = max(node.y for node in nodes)
    return TreePicture(max(free, 2 * _PITCH), deepest + 24, tuple(nodes), tree.leaves, cut)


def _action(value: Sequence[float], drawn: DrawnTree) -> str:
    """The action of a leaf, in the words of the card where one number chooses it."""
    if drawn.kind == "discrete" and int(value[0]) < len(drawn.actions):
        return drawn.actions[int(value[0])]
    if drawn.kind == "box":
        return ", ".join(formats.number(v) for v in value)
    return ", ".join(str(int(v)) for v in value)


@dataclass(frozen=True)
class EpisodePicture:
    """A grid under the frames: attributions at each step as shares of the largest."""

    steps: tuple[int, ...]
    rows: Mapping[str, tuple[float, ...]]  # by group
    frames: tuple[Frame, ...]
    no_frames: str | None
    episode: EpisodeShown


def episode_picture(pictures: PicturesOfSeed | None) -> EpisodePicture | None:
    """None where nothing is attributed."""
    if pictures is None or not pictures.through_time.steps:
        return None
    through = pictures.through_time
    most = max((abs(v) for row in through.values.values() for v in row), default=0.0)
    if most == 0:
        return None
    rows = {name: tuple(round(v / most, 2) for v in row) for name, row in through.values.items()}
    return EpisodePicture(through.steps, rows, pictures.frames, pictures.no_frames, pictures.episode)


@dataclass(frozen=True)
class AttentionPicture:
    """Grids of one step, by explainer: for each kind of token a share of the largest weight, and its text, by step."""

    step: int
    action: str
    steps: tuple[int, ...]  # of the context
    grids: Mapping[str, tuple[tuple[str, tuple[tuple[float, str], ...]], ...]]


def attention_pictures(pictures: PicturesOfSeed | None) -> tuple[AttentionPicture, ...]:
    """One for each chosen step; none without attention."""
    found = []
    for chosen in pictures.attention if pictures is not None else ():
        actions, action = pictures.actions if pictures else (), chosen.action
        word = actions[action] if isinstance(action, int) and action < len(actions) else str(action)
        grids = {}
        for name, weights in chosen.weights.items():
            most = max((w for step in weights for w in step), default=0.0) or 1.0
            cells = [[(round(w / most, 2), formats.percent(w)) for w in step] for step in weights]
            grids[name] = tuple(zip(chosen.tokens, zip(*cells, strict=True), strict=True))
        steps = tuple(range(chosen.first, chosen.step + 1))
        found.append(AttentionPicture(chosen.step, word, steps, grids))
    return tuple(found)
