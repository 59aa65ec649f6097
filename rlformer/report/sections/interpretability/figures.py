"""Figures of explanations: effects, deletion, and surrogate trees' curves."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from rlformer.core import formats
from rlformer.evaluator.judge.explanations import ExplainedArm, Explanations
from rlformer.evaluator.judge.explanations.evidence import DeletionEvidence, TreesEvidence
from rlformer.evaluator.judge.values import Estimate
from rlformer.explain.explainers import SHARED
from rlformer.explain.tree import Reads
from rlformer.report.plots import Figure, Trace, layout, line, named, safe, titles


def effects(explanations: Explanations, colours: Mapping[str, int]) -> Figure | None:
    """A bar for each group of inputs and arm."""
    arms = [(arm, arm.own.effects) for arm in explanations.explained if arm.own is not None]
    if not arms:
        return None
    groups = list(dict.fromkeys(group for _, of in arms for group in of))[::-1]
    data = [_bars(arm, [of.get(group) for group in groups], groups, colours) for arm, of in arms[::-1]]
    plan = layout(f"total effect: {arms[0][0].unit}", "", barmode="group", bargap=0.25)
    plan["yaxis"] |= {"fixedrange": True, "showgrid": False}
    height = 130 + len(groups) * (10 + 11 * len(arms))
    plan["legend"] |= {"y": -60 / (height - 130), "traceorder": "reversed"}
    return Figure(
        _strongest([(arm.label, of) for arm, of in arms]),
        "Look for the longest bars: these inputs decide. Each bar shows how often the greedy action changes (for "
        "continuous actions, how far it moves) when one group of inputs is replaced by the same group from another of "
        "the policy’s own episodes at the same time step. No explainer is involved. Lines are 95 % intervals over "
        "seeds. Inputs that a policy does not read have no effect by definition. The tables of the arms show the "
        "effects at the log’s states.",
        "Total effect of each group of inputs, arm by arm",
        data,
        plan,
        height,
    )


def _strongest(arms: Sequence[tuple[str, Mapping[str, Estimate]]]) -> str:
    """The input with the largest effect on each arm."""
    by_input: dict[str, list[str]] = {}
    for label, effects in arms:
        if effects:
            by_input.setdefault(max(effects, key=lambda group: effects[group].point), []).append(label)
    said = [f"{group} ({titles.few(labels)})" for group, labels in by_input.items()]
    more = ", ..." if len(said) > titles.MOST else ""
    return f"Actions depend most on: {', '.join(said[: titles.MOST])}{more}" if said else "No input was measured"


def _bars(
    arm: ExplainedArm, values: Sequence[Estimate | None], groups: Sequence[str], colours: Mapping[str, int]
) -> Trace:
    """Of one arm, with its intervals where they are known."""
    known = [v if v is not None else Estimate(None, 0.0, None) for v in values]
    below = [0.0 if v.low is None else max(0.0, v.point - v.low) for v in known]
    above = [0.0 if v.high is None else max(0.0, v.high - v.point) for v in known]
    texts = [
        f"{safe(group)}: {formats.estimate(value, 'z') if value else 'n/a'}"
        + ("" if arm.read.get(group) else ", not read: 0 by definition")
        for group, value in zip(groups, values, strict=True)
    ]
    bar: Trace = {"type": "bar", "orientation": "h", "x": [v.point for v in known], "y": [safe(g) for g in groups]}
    bar |= {"marker": {"color": f"@arm-{colours[arm.label]}"}, "text": texts, "textposition": "none"}
    ends = {"array": above, "arrayminus": below}
    bar["error_x"] = {"type": "data", "symmetric": False, **ends, "color": "@ink", "thickness": 1, "width": 2}
    return named(arm.label) | bar


def deletion(explanations: Explanations, colours: Mapping[str, int]) -> Figure | None:
    """What is left of the score as inputs are masked."""
    arms = [(arm, arm.deletion) for arm in explanations.explained if arm.deletion]
    if not arms:
        return None
    data: list[Trace] = []
    for arm, curve in arms:
        colour = f"@arm-{colours[arm.label]}"
        for name, dash, width in ((SHARED.name, "solid", 2.5), ("random", "dash", 1.5)):
            if name not in curve.curves:
                continue
            points = curve.curves[name]
            masked = zip(curve.counts, points, strict=True)
            texts = [f"{name}, {k} masked: {formats.estimate(point, 'z')}" for k, point in masked]
            trace = line(curve.counts, [p.point for p in points], colour, width, dash)
            trace |= {"mode": "lines+markers", "marker": {"color": colour, "size": 7 if dash == "solid" else 5}}
            data.append(named(arm.label) | trace | {"text": texts, "showlegend": dash == "solid"})
    unit = "normalised score z" if arms[0][1].unit == "scores" else "mean episode return"
    plan = layout("groups of inputs masked at every step", unit)
    plan["xaxis"] |= {"tickvals": sorted({k for _, curve in arms for k in curve.counts})}
    return Figure(
        _fall(arms),
        "Look for a solid line far below the dashed line of the same colour: there, the explainer found the inputs "
        f"that the policy needs. Solid lines mask inputs in the order of {SHARED.name}, dashed lines in random orders. "
        "Masked inputs are drawn at every step from other episodes of the same policy.",
        f"Score against the number of masked groups, in the order of {SHARED.name} and in random orders",
        data,
        plan,
        420,
    )


def _fall(arms: Sequence[tuple[ExplainedArm, DeletionEvidence]]) -> str:
    """What is left of the score of each arm without the inputs ranked first."""
    said, masked = {}, 0
    for arm, curve in arms:
        points = curve.curves.get(SHARED.name)
        at = next((i for i, count in enumerate(curve.counts) if count), None)
        if points is None or at is None:
            continue
        masked = curve.counts[at]
        left = _number(curve, points[at])
        said[arm.label] = left if curve.counts[0] else f"falls from {_number(curve, points[0])} to {left}"
    if not said:
        return "Score without the inputs that an explainer ranks first"
    return f"Without the {formats.plural(masked, 'input')} ranked first: {titles.each(said)}"


def _number(curve: DeletionEvidence, point: Estimate) -> str:
    return formats.score(point.point) if curve.unit == "scores" else formats.number(point.point)


def trees(explanations: Explanations, colours: Mapping[str, int]) -> Figure | None:
    """How well trees of each size play."""
    curves = [(arm, reads, of) for arm in explanations.explained for reads, of in arm.trees if of is not None]
    if not curves:
        return None
    data: list[Trace] = []
    for arm, reads, of in curves:
        colour, dash = f"@arm-{colours[arm.label]}", "solid" if reads == "observation" else "dot"
        points = of.score or of.return_
        texts = [
            f"{n} leaves, reads the {reads}: {formats.estimate(p, 'z')}, fidelity {formats.percent(f.point)}"
            for n, p, f in zip(of.leaves, points, of.fidelity, strict=True)
        ]
        trace = line(of.leaves, [p.point for p in points], colour, 2, dash)
        trace |= {"mode": "lines+markers", "marker": {"color": colour, "size": 6}}
        data.append(named(arm.label) | trace | {"text": texts, "showlegend": reads == "observation"})
    scored = all(of.score for _, _, of in curves)
    plan = layout("leaves (log scale)", "normalised score z" if scored else "mean episode return")
    ticks = sorted({n for _, _, of in curves for n in of.leaves})
    plan["xaxis"] |= {"type": "log", "tickvals": ticks, "ticktext": [str(n) for n in ticks]}
    return Figure(
        _best_trees(curves, formats.score if scored else formats.number),
        "Look for lines that are high on the left: there, a small tree plays as well as the policy. The trees were "
        "trained on the policy’s own actions and play in its place. Trees on solid lines read the current observation, "
        "trees on dotted lines the whole context.",
        "Score of surrogate trees against their number of leaves",
        data,
        plan,
        420,
    )


def _best_trees(curves: Sequence[tuple[ExplainedArm, Reads, TreesEvidence]], shown: Callable[[float], str]) -> str:
    """The best tree of each arm."""
    best: dict[str, tuple[float, int]] = {}
    for arm, _, of in curves:
        for leaves, point in zip(of.leaves, of.score or of.return_, strict=True):
            if point.point > best.get(arm.label, (-math.inf, 0))[0]:
                best[arm.label] = (point.point, leaves)
    said = {label: f"{shown(score)} with {formats.plural(leaves, 'leaf')}".replace("leafs", "leaves")
            for label, (score, leaves) in best.items()}  # fmt: skip
    return f"The best tree in place of each policy: {titles.each(said)}"
