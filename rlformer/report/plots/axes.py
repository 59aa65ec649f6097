"""Axes, and the reference lines that stand in a plot."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from rlformer.core import formats
from rlformer.core.records import EnvSpec
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.report.plots.figure import Figure
from rlformer.report.plots.traces import Layout, Scale, Trace

_NOTE = {"showarrow": False, "font": {"color": "@muted", "size": 12}}
_DASHED = {"type": "line", "line": {"color": "@muted", "width": 1, "dash": "dash"}, "layer": "below"}


def layout(x: str, y: str, **more: object) -> Layout:
    """Axes with these titles, the legend below."""
    axis: Trace = {
        "gridcolor": "@grid",
        "zerolinecolor": "@grid",
        "linecolor": "@muted",
        "tickcolor": "@grid",
    }
    axis |= {"automargin": True, "ticks": "outside"}
    font = {"color": "@ink", "size": 13}
    return {
        "font": font,
        "paper_bgcolor": "@paper/0",
        "plot_bgcolor": "@paper/0",
        "hoverlabel": {"bgcolor": "@paper", "bordercolor": "@grid", "font": {"color": "@ink"}},
        "margin": {"l": 60, "r": 16, "t": 20, "b": 50},
        "hovermode": "closest",
        "dragmode": False,
        "legend": {"orientation": "h", "yanchor": "top", "y": -0.16, "x": 0, "traceorder": "normal"},
        "xaxis": {**axis, "title": {"text": x, "standoff": 8, "font": font}},
        "yaxis": {**axis, "title": {"text": y, "standoff": 8, "font": font}},
        **more,
    }


def log_ticks(traces: Sequence[Trace]) -> Layout:
    """A log axis over what the traces hold, with ticks at 1, 2 and 5 times each power of ten."""
    xs = [x for trace in traces for x in trace["x"] if x and x > 0]
    low, high = math.log10(min(xs)), math.log10(max(xs))
    pad = max(0.03 * (high - low), 0.05)
    steps = (1, 2, 5) if high - low < 3 else (1,)
    ticks = [step * 10.0**power for power in range(math.floor(low) - 1, math.ceil(high) + 1) for step in steps]
    words = [formats.count(tick) if tick >= 1 else f"{tick:g}" for tick in ticks]
    return {"type": "log", "range": [low - pad, high + pad], "tickvals": ticks, "ticktext": words}


def drawn_scale(card: EnvSpec) -> tuple[Scale, str]:
    """How a return is drawn, and what that is called: z where the card has scores, else as it is."""
    random, reference = card.random_score, card.reference_score
    if random is None or reference is None:
        return float, "mean episode return"
    return lambda value: (value - random) / (reference - random), "normalised score z"


def in_titles(card: EnvSpec) -> tuple[str, Callable[[float], str]]:
    """What the drawn scale is called in a figure's title, and how its numbers are written there."""
    scored = card.random_score is not None and card.reference_score is not None
    return ("score", formats.score) if scored else ("mean return", formats.number)


def levels(environment: Evidence, scale: Scale) -> dict[str, list[Trace]]:
    """Horizontal lines for what has no position on a data axis: random play, and the log's own episodes."""
    found = [
        (scale(arm.mean_return.point), "random play" if arm.acts else "the logs’ own episodes")
        for arm in environment.arms
        if not arm.learns and arm.mean_return is not None
    ]
    note = {**_NOTE, "xref": "paper", "x": 1, "xanchor": "right", "yanchor": "bottom"}
    return {
        "shapes": [{**_DASHED, "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y} for y, _ in found],
        "annotations": [{**note, "y": y, "text": text} for y, text in found],
    }


def scores(card: EnvSpec) -> dict[str, list[Trace]]:
    """Vertical lines at the card's scores; those at one value share a line."""
    at: dict[float, list[str]] = {}
    for score, words in (
        (card.random_score, "random"),
        (card.solved_threshold, "solved"),
        (card.reference_score, "reference"),
    ):
        if score is not None:
            at.setdefault(score, []).append(words)
    note = {**_NOTE, "yref": "paper", "y": 1, "yanchor": "bottom"}
    return {
        "shapes": [{**_DASHED, "yref": "paper", "x0": x, "x1": x, "y0": 0, "y1": 1} for x in at],
        # Neighbouring scores would print over each other: every second label stands a line higher.
        "annotations": [
            {**note, "x": x, "text": ", ".join(words), "yshift": 14 * (i % 2)}
            for i, (x, words) in enumerate(sorted(at.items()))
        ],
    }


def diagonal(low: float, high: float) -> dict[str, list[Trace]]:
    """The line on which the achieved return is the target return."""
    note = {**_NOTE, "x": high, "y": high, "xanchor": "right", "yanchor": "bottom"}
    return {
        "shapes": [{**_DASHED, "x0": low, "y0": low, "x1": high, "y1": high}],
        "annotations": [{**note, "text": "achieved = target"}],
    }


def shade(low: float, high: float) -> Trace:
    """A shaded stretch of the x axis."""
    span = {"type": "rect", "yref": "paper", "x0": low, "x1": high, "y0": 0, "y1": 1}
    return {**span, "fillcolor": "@ink/0.06", "line": {"width": 0}, "layer": "below"}


def on_log_axis(
    environment: Evidence,
    title: str,
    caption: str,
    label: str,
    data: list[Trace],
    axis: str,
    unit: str,
) -> Figure | None:
    """Score on a log axis, which has no position for zero, as of an evaluation before training; None without data."""
    data = [trace for trace in data if any(x and x > 0 for x in trace["x"])]
    if not data:
        return None
    plan = layout(axis, unit, **levels(environment, drawn_scale(environment.card)[0]))
    plan["xaxis"] |= log_ticks(data)
    return Figure(title, caption, label, data, plan)
