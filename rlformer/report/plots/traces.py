"""What figures are drawn with: traces, axes and reference lines, as plain dicts that plotly.js reads.

A colour that begins with "@" is a name that the page's script looks up in its style sheet, so that light,
dark and print have their own: "@ink", "@grid", "@arm-3", or "@arm-3/0.2" for a share of opacity.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rlformer.core import formats
from rlformer.evaluator.judge.prices import counted

SYMBOLS = {"online": "circle", "offline": "square", "sequence": "diamond"}
_NOTE = {"showarrow": False, "font": {"color": "@muted", "size": 12}}
_DASHED = {"type": "line", "line": {"color": "@muted", "width": 1, "dash": "dash"}, "layer": "below"}

Trace = dict[str, Any]
Scale = Callable[[float], float]
Numbers = Sequence[float | None]


def safe(text: str) -> str:
    """A name in a plot: plotly reads a few tags in text, so that what looks like one is spelled out.

    >>> safe("<b>x</b>")
    '&lt;b&gt;x&lt;/b&gt;'
    """
    return html.escape(text, quote=False)


def named(arm: Mapping[str, Any]) -> Trace:
    """What ties a trace to its arm: its name, its place in the legend, and what hovering over it tells."""
    name = safe(arm["label"])
    return {"name": name, "legendgroup": name, "hovertemplate": "%{text}<extra>%{fullData.name}</extra>"}


def line(xs: Numbers, ys: Numbers, colour: str, width: float, dash: str = "solid") -> Trace:
    """A line; None in the data is a gap."""
    style = {"color": colour, "width": width, "dash": dash}
    return {
        "type": "scatter",
        "mode": "lines",
        "x": list(xs),
        "y": list(ys),
        "line": style,
        "showlegend": False,
    }


def dots(xs: Sequence[Any], ys: Sequence[Any], colour: str, symbol: str, size: float, edge: float = 0) -> Trace:
    """Markers; with an `edge` they are rings (or strokes, for symbols of lines) of that width."""
    marker: dict[str, Any] = {"color": f"{colour}/0" if edge else colour, "symbol": symbol, "size": size}
    marker["line"] = {"width": edge, "color": colour}
    return {
        "type": "scatter",
        "mode": "markers",
        "x": list(xs),
        "y": list(ys),
        "marker": marker,
        "showlegend": False,
    }


def layout(x: str, y: str, **more: Any) -> dict[str, Any]:
    """Axes with these titles, the legend below."""
    axis: dict[str, Any] = {
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


def log_ticks(traces: Sequence[Trace]) -> dict[str, Any]:
    """A log axis over what the traces hold, with ticks at 1, 2 and 5 times each power of ten."""
    xs = [x for trace in traces for x in trace["x"] if x and x > 0]
    low, high = math.log10(min(xs)), math.log10(max(xs))
    pad = max(0.03 * (high - low), 0.05)
    steps = (1, 2, 5) if high - low < 3 else (1,)
    ticks = [step * 10.0**power for power in range(math.floor(low) - 1, math.ceil(high) + 1) for step in steps]
    words = [formats.count(tick) if tick >= 1 else f"{tick:g}" for tick in ticks]
    return {"type": "log", "range": [low - pad, high + pad], "tickvals": ticks, "ticktext": words}


def drawn_scale(card: Mapping[str, Any]) -> tuple[Scale, str]:
    """How a return is drawn, and what that is called: z where the card has scores, else as it is."""
    random, reference = card.get("random_score"), card.get("reference_score")
    if random is None or reference is None:
        return float, "mean episode return"
    return lambda value: (value - random) / (reference - random), "normalised score z"


def faint(count: int) -> float:
    """The opacity of the thin lines of that many seeds."""
    return round(min(0.4, count**-0.5), 2)


def curves(arm: Mapping[str, Any], axis: str, scale: Scale, colour: str) -> list[Trace]:
    """Thin lines of the seeds (dotted where a run does not count), the band of their mean, and the mean."""
    traces = []
    for counts, dash in ((True, "solid"), (False, "dot")):
        runs = [run for run in arm["runs"] if run["curve"][axis] and run["counts"] is counts]
        if runs:
            xs = [x for run in runs for x in (*run["curve"][axis], None)]
            ys = [y for run in runs for y in (*map(scale, run["curve"]["return"]), None)]
            traces.append(named(arm) | line(xs, ys, f"{colour}/{faint(len(runs))}", 1, dash) | {"hoverinfo": "skip"})
    band = arm["curves"][axis]
    if band is None:
        return traces
    x, mean = band["x"], [scale(y) for y in band["mean"]]
    if "low" in band:
        low, high = [scale(y) for y in band["low"]], [scale(y) for y in band["high"]]
        edge = line([*x, *reversed(x)], [*high, *reversed(low)], f"{colour}/0", 0)
        traces.append(named(arm) | edge | {"fill": "toself", "fillcolor": f"{colour}/0.15", "hoverinfo": "skip"})
    hover = "%{y:.3~f} at %{x:.3~s}<extra>%{fullData.name}, mean</extra>"
    return [*traces, named(arm) | line(x, mean, colour, 2.5) | {"hovertemplate": hover}]


def final(arm: Mapping[str, Any], xs: Sequence[float], scale: Scale, colour: str, unit: str) -> list[Trace]:
    """The final evaluation of each run at its x, and their mean with its interval."""
    runs, mean, symbol = counted(arm), arm["mean_return"], SYMBOLS[arm["family"]]
    if not runs:
        return []
    ys = [run["mean_return"] for run in runs]
    told = [
        f"seed {run['seed']}: {formats.number(y)} at {formats.count(x)} {unit}"
        for run, x, y in zip(runs, xs, ys, strict=True)
    ]
    each = dots(xs, [scale(y) for y in ys], f"{colour}/0.45", symbol, 7) | {"text": told}
    at = scale(mean["point"])
    centre = dots([math.fsum(xs) / len(xs)], [at], colour, symbol, 12)
    centre |= {"text": [mean_and_interval(mean)], "showlegend": True}
    if mean["low"] is not None:
        low, high = sorted((scale(mean["low"]), scale(mean["high"])))
        ends = {"type": "data", "symmetric": False, "array": [high - at], "arrayminus": [at - low]}
        centre["error_y"] = {**ends, "color": colour, "thickness": 1.5}
    return [named(arm) | each, named(arm) | centre]


def mean_and_interval(mean: Mapping[str, float | None]) -> str:
    """A mean in words, with its interval where it has one."""
    ends = "" if mean["low"] is None else f", 95 % interval {formats.interval(mean)}"
    return f"mean {formats.number(mean['point'])}{ends}"


def levels(environment: Mapping[str, Any], scale: Scale) -> dict[str, list[Trace]]:
    """Horizontal lines for what has no place on a data axis: random play, and the log's own episodes."""
    words = {"random": "random play", "behaviour": "the logs’ own episodes"}
    found = [(scale(arm["mean_return"]["point"]), words[arm["family"]])
             for arm in environment["arms"] if arm["family"] in words and arm["mean_return"]]  # fmt: skip
    place = {**_NOTE, "xref": "paper", "x": 1, "xanchor": "right", "yanchor": "bottom"}
    return {
        "shapes": [{**_DASHED, "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y} for y, _ in found],
        "annotations": [{**place, "y": y, "text": text} for y, text in found],
    }


def scores(card: Mapping[str, Any]) -> dict[str, list[Trace]]:
    """Vertical lines at the card's scores; those at one value share a line."""
    at: dict[float, list[str]] = {}
    for key, words in (
        ("random_score", "random"),
        ("solved_threshold", "solved"),
        ("reference_score", "reference"),
    ):
        if card.get(key) is not None:
            at.setdefault(card[key], []).append(words)
    place = {**_NOTE, "yref": "paper", "y": 1, "yanchor": "bottom"}
    return {
        "shapes": [{**_DASHED, "yref": "paper", "x0": x, "x1": x, "y0": 0, "y1": 1} for x in at],
        # Neighbouring scores would print over each other: every second label stands a line higher.
        "annotations": [
            {**place, "x": x, "text": ", ".join(words), "yshift": 14 * (i % 2)}
            for i, (x, words) in enumerate(sorted(at.items()))
        ],
    }


def diagonal(low: float, high: float) -> dict[str, list[Trace]]:
    """The line on which what is achieved is what was asked for."""
    place = {**_NOTE, "x": high, "y": high, "xanchor": "right", "yanchor": "bottom"}
    return {
        "shapes": [{**_DASHED, "x0": low, "y0": low, "x1": high, "y1": high}],
        "annotations": [{**place, "text": "achieved = asked"}],
    }


def shade(low: float, high: float) -> Trace:
    """A shaded stretch of the x axis."""
    span = {"type": "rect", "yref": "paper", "x0": low, "x1": high, "y0": 0, "y1": 1}
    return {**span, "fillcolor": "@ink/0.06", "line": {"width": 0}, "layer": "below"}
