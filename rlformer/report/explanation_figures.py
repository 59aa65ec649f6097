"""Figures and pictures of explanations: effects, deletion, trees' curves as plots; a tree, an episode, attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlformer.core import formats
from rlformer.evaluator.judge.explanations import SHARED
from rlformer.report.plots import Figure, Trace, layout, line, named, safe

_DRAWN_LEAVES = 16  # a tree with more is drawn down to _DRAWN_DEPTH
_DRAWN_DEPTH = 4
_PITCH, _LEVEL = 92, 58  # of a tree's leaves and levels, in its own units


def _arms(environment: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    explained = environment.get("explanations")
    return [] if explained is None else [arm for arm in explained["arms"] if arm["seeds"]]


def effects(environment: Mapping[str, Any], colours: Mapping[str, int]) -> Figure | None:
    """A bar for each group of inputs and arm."""
    arms = [arm for arm in _arms(environment) if arm["effects"]]
    if not arms:
        return None
    groups = list(dict.fromkeys(g for arm in arms for g in arm["effects"]))[::-1]
    data = []
    for arm in arms[::-1]:
        known = {g: arm["effects"].get(g) for g in groups}
        points = [0.0 if v is None else v["point"] for v in known.values()]
        ends = [(0.0, 0.0) if v is None or v["low"] is None else (v["low"], v["high"]) for v in known.values()]
        told = [
            f"{safe(g)}: {formats.estimate(v, 'z') if v else 'n/a'}"
            + ("" if arm["read"].get(g) else ", not read: 0 by definition")
            for g, v in known.items()
        ]
        bar: Trace = {"type": "bar", "orientation": "h", "x": points, "y": [safe(g) for g in groups]}
        bar |= {"marker": {"color": f"@arm-{colours[arm['label']]}"}, "text": told, "textposition": "none"}
        spread = {
            "array": [
                max(0.0, h - p) if (low, h) != (0.0, 0.0) else 0.0 for p, (low, h) in zip(points, ends, strict=True)
            ],
            "arrayminus": [
                max(0.0, p - low) if (low, h) != (0.0, 0.0) else 0.0 for p, (low, h) in zip(points, ends, strict=True)
            ],
        }
        bar["error_x"] = {"type": "data", "symmetric": False, **spread, "color": "@ink", "thickness": 1, "width": 2}
        data.append(named(arm) | bar)
    plan = layout(f"total effect: {arms[0]['unit']}", "", barmode="group", bargap=0.25)
    plan["yaxis"] |= {"fixedrange": True, "showgrid": False}
    height = 130 + len(groups) * (10 + 11 * len(arms))
    plan["legend"] |= {"y": -60 / (height - 130), "traceorder": "reversed"}
    return Figure(
        "What the greedy action depends on",
        "Each bar is how often the action changes when one group of inputs is replaced by that of another state of "
        "the log (for reals, how far it moves); no explainer takes part. Lines are 95 % intervals over seeds; the "
        "history and the returns-to-go of a policy that does not read them have no effect by definition.",
        "Total effect of each group of inputs, arm by arm",
        data,
        plan,
        height,
    )


def deletion(environment: Mapping[str, Any], colours: Mapping[str, int]) -> Figure | None:
    """What is left of the score as inputs are masked."""
    arms = [arm for arm in _arms(environment) if arm["deletion"]]
    if not arms:
        return None
    data: list[Trace] = []
    for arm in arms:
        curve, colour = arm["deletion"], f"@arm-{colours[arm['label']]}"
        for name, dash, width in ((SHARED, "solid", 2.5), ("random", "dash", 1.5)):
            if name not in curve["curves"]:
                continue
            points = curve["curves"][name]
            told = [
                f"{name}, {k} masked: {formats.estimate(p, 'z')}" for k, p in zip(curve["counts"], points, strict=True)
            ]
            trace = line(curve["counts"], [p["point"] for p in points], colour, width, dash)
            trace |= {"mode": "lines+markers", "marker": {"color": colour, "size": 7 if dash == "solid" else 5}}
            data.append(named(arm) | trace | {"text": told, "showlegend": dash == "solid"})
    unit = "normalised score z" if arms[0]["deletion"]["unit"] == "scores" else "mean episode return"
    plan = layout("groups of inputs masked at every step", unit)
    plan["xaxis"] |= {"tickvals": sorted({k for arm in arms for k in arm["deletion"]["counts"]})}
    return Figure(
        "What an episode is worth without the inputs that an explainer ranks first",
        f"Solid: masked in the order of {SHARED}; dashed: random orders. Masked inputs are "
        "drawn from the log at every step. A solid line far under its dashed one belongs to an explainer that found "
        "what the behaviour needs.",
        f"Score against the number of masked groups, in the order of {SHARED} and in random orders",
        data,
        plan,
        420,
    )


def trees(environment: Mapping[str, Any], colours: Mapping[str, int]) -> Figure | None:
    """How well trees of each size play."""
    arms = [arm for arm in _arms(environment) if arm["trees"]["observation"] or arm["trees"]["window"]]
    if not arms:
        return None
    data: list[Trace] = []
    for arm in arms:
        colour = f"@arm-{colours[arm['label']]}"
        for reads, dash in (("observation", "solid"), ("window", "dot")):
            found = arm["trees"][reads]
            if found is None:
                continue
            points = found["score"] or found["return"]
            told = [
                f"{n} leaves, reads the {reads}: {formats.estimate(p, 'z')}, fidelity {formats.percent(f['point'])}"
                for n, p, f in zip(found["leaves"], points, found["fidelity"], strict=True)
            ]
            trace = line(found["leaves"], [p["point"] for p in points], colour, 2, dash)
            trace |= {"mode": "lines+markers", "marker": {"color": colour, "size": 6}}
            data.append(named(arm) | trace | {"text": told, "showlegend": dash == "solid"})
    scored = all((arm["trees"]["observation"] or arm["trees"]["window"])["score"] for arm in arms)
    plan = layout("leaves (log scale)", "normalised score z" if scored else "mean episode return")
    ticks = sorted({n for arm in arms for t in arm["trees"].values() if t for n in t["leaves"]})
    plan["xaxis"] |= {"type": "log", "tickvals": ticks, "ticktext": [str(n) for n in ticks]}
    return Figure(
        "How large a tree must be to play as well",
        "Decision trees that learned from the policy’s own answers, played in its place: solid ones read the current "
        "observation, dotted ones the whole context. Further left at the same height is easier to write down.",
        "Score of surrogate trees against their number of leaves",
        data,
        plan,
        420,
    )


# -- pictures that are no plots ------------------------------------------------------------------------------


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


def tree_picture(drawn: Mapping[str, Any]) -> TreePicture:
    """Places of the nodes: leaves side by side, each inner node above the middle of its children."""
    tree, names = drawn["tree"], drawn["names"]
    leaves = sum(left < 0 for left in tree["left"])
    cut = leaves > _DRAWN_LEAVES
    nodes: list[Node] = []
    free = 0.0

    def place(node: int, depth: int) -> float:
        nonlocal free
        left, right = tree["left"][node], tree["right"][node]
        ends = left < 0 or (cut and depth == _DRAWN_DEPTH)
        y = 24 + depth * _LEVEL
        if ends:
            x, free = free + _PITCH / 2, free + _PITCH
            text = _action(tree["value"][node], drawn) if left < 0 else "…"
            nodes.append(Node(x, y, text, left < 0, None, True))
            return x
        children = []
        for child in (left, right):
            before = len(nodes)
            children.append((place(child, depth + 1), before))
        x = sum(at for at, _ in children) / 2
        for (at, _), child in zip(children, (left, right), strict=True):
            for i, placed in enumerate(nodes):
                if placed.parent is None and placed.x == at and placed.y == y + _LEVEL:
                    nodes[i] = Node(at, placed.y, placed.text, placed.leaf, (x, y), child == left)
        text = f"{names[tree['feature'][node]]} ≤ {formats.number(tree['threshold'][node])}"
        nodes.append(Node(x, y, text, False, None, True))
        return x

    place(0, 0)
    deepest = max(node.y for node in nodes)
    return TreePicture(max(free, 2 * _PITCH), deepest + 24, tuple(nodes), leaves, cut)


def _action(value: Sequence[float], drawn: Mapping[str, Any]) -> str:
    """The action of a leaf, in the words of the card where one number chooses it."""
    if drawn["kind"] == "discrete" and int(value[0]) < len(drawn["actions"]):
        return str(drawn["actions"][int(value[0])])
    if drawn["kind"] == "box":
        return ", ".join(formats.number(v) for v in value)
    return ", ".join(str(int(v)) for v in value)


def episode_picture(pictures: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Attributions through time as shares of the largest, for a grid under the frames; None without any."""
    if not pictures or not pictures["through_time"]["steps"]:
        return None
    through = pictures["through_time"]
    most = max((abs(v) for row in through["values"].values() for v in row), default=0.0)
    if most == 0:
        return None
    rows = {name: [round(v / most, 2) for v in row] for name, row in through["values"].items()}
    return {
        "steps": through["steps"],
        "rows": rows,
        "frames": pictures["frames"],
        "no_frames": pictures["no_frames"],
        "episode": pictures["episode"],
    }


def attention_pictures(pictures: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """A grid for each chosen step: attention by step of the context and kind of token, as shares of the largest."""
    if not pictures:
        return []
    found, actions = [], pictures["actions"]
    for chosen in pictures["attention"]:
        action = chosen["action"]
        word = actions[action] if isinstance(action, int) and action < len(actions) else str(action)
        grids = {}
        for name, weights in chosen["weights"].items():
            most = max((w for step in weights for w in step), default=0.0) or 1.0
            kinds = zip(*weights, strict=True)
            grids[name] = [
                (kind, [(round(w / most, 2), formats.percent(w)) for w in of])
                for kind, of in zip(chosen["tokens"], kinds, strict=True)
            ]
        steps = list(range(chosen["first"], chosen["step"] + 1))
        found.append({"step": chosen["step"], "action": word, "steps": steps, "grids": grids})
    return found
