"""What figures are drawn with: traces as plain dicts that plotly.js reads.

A colour that begins with "@" is a name that the page's script looks up in its style sheet, so that light,
dark and print have their own: "@ink", "@grid", "@arm-3", or "@arm-3/0.2" for a share of opacity.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from typing import Any

from rlformer.core import formats
from rlformer.evaluator.judge.facts import ArmEvidence, RunFacts
from rlformer.evaluator.judge.values import Band, Estimate
from rlformer.report.plots.colours import symbol_of

Trace = dict[str, Any]
Layout = Trace
Scale = Callable[[float], float]
Numbers = Sequence[float | None]
Positions = Sequence[float | None] | Sequence[str]  # numbers, or names of a category axis


def safe(text: str) -> str:
    """A name in a plot: plotly reads a few tags in text, so that what looks like one is spelled out.

    >>> safe("<b>x</b>")
    '&lt;b&gt;x&lt;/b&gt;'
    """
    return html.escape(text, quote=False)


def named(label: str) -> Trace:
    """What ties a trace to its arm: its name, its place in the legend, and what hovering over it tells."""
    name = safe(label)
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


def dots(xs: Positions, ys: Positions, colour: str, symbol: str, size: float, edge: float = 0) -> Trace:
    """Markers; with an `edge` they are rings (or strokes, for symbols of lines) of that width."""
    marker: Trace = {"color": f"{colour}/0" if edge else colour, "symbol": symbol, "size": size}
    marker["line"] = {"width": edge, "color": colour}
    return {
        "type": "scatter",
        "mode": "markers",
        "x": list(xs),
        "y": list(ys),
        "marker": marker,
        "showlegend": False,
    }


def faint(count: int) -> float:
    """The opacity of the thin lines of that many seeds."""
    return round(min(0.4, count**-0.5), 2)


def curves(
    arm: ArmEvidence, xs: Callable[[RunFacts], Sequence[float]], band: Band | None, scale: Scale, colour: str
) -> list[Trace]:
    """Thin lines of the seeds (dotted where a run does not count), the band of their mean, and the mean.

    xs: where the evaluations of a run stand; none for a run that is not drawn. band: their mean.
    """
    traces = []
    for counts, dash in ((True, "solid"), (False, "dot")):
        drawn = [(run, xs(run)) for run in arm.runs if run.counts is counts and len(xs(run))]
        if drawn:
            x = [value for _, positions in drawn for value in (*positions, None)]
            y = [value for run, _ in drawn for value in (*map(scale, run.curve.return_), None)]
            thin = line(x, y, f"{colour}/{faint(len(drawn))}", 1, dash)
            traces.append(named(arm.label) | thin | {"hoverinfo": "skip"})
    if band is None:
        return traces
    mean = [scale(value) for value in band.mean]
    if band.low is not None and band.high is not None:
        low, high = [scale(value) for value in band.low], [scale(value) for value in band.high]
        edge = line([*band.x, *reversed(band.x)], [*high, *reversed(low)], f"{colour}/0", 0)
        traces.append(named(arm.label) | edge | {"fill": "toself", "fillcolor": f"{colour}/0.15", "hoverinfo": "skip"})
    hover = "%{y:.3~f} at %{x:.3~s}<extra>%{fullData.name}, mean</extra>"
    return [*traces, named(arm.label) | line(band.x, mean, colour, 2.5) | {"hovertemplate": hover}]


def final(arm: ArmEvidence, xs: Sequence[float], scale: Scale, colour: str, unit: str) -> list[Trace]:
    """The final evaluation of each run at its x, and their mean with its interval."""
    runs, mean, symbol = arm.counted, arm.mean_return, symbol_of(arm.family)
    if not runs or mean is None:
        return []
    texts = [
        f"seed {run.seed}: {formats.number(run.score)} at {formats.count(x)} {unit}"
        for run, x in zip(runs, xs, strict=True)
    ]
    each = dots(xs, [scale(run.score) for run in runs], f"{colour}/0.45", symbol, 7) | {"text": texts}
    at = scale(mean.point)
    centre = dots([math.fsum(xs) / len(xs)], [at], colour, symbol, 12)
    centre |= {"text": [mean_and_interval(mean)], "showlegend": True}
    if mean.low is not None and mean.high is not None:
        low, high = sorted((scale(mean.low), scale(mean.high)))
        ends = {"type": "data", "symmetric": False, "array": [high - at], "arrayminus": [at - low]}
        centre["error_y"] = {**ends, "color": colour, "thickness": 1.5}
    return [named(arm.label) | each, named(arm.label) | centre]


def mean_and_interval(mean: Estimate) -> str:
    """A mean in words, with its interval where it has one."""
    ends = "" if mean.low is None else f", 95 % interval {formats.interval(mean)}"
    return f"mean {formats.number(mean.point)}{ends}"
