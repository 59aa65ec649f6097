"""The figures of one environment as plotly specifications: plain dicts, drawn by the plotly.js that the page carries.

A colour that begins with "@" is a name that the page's script looks up in its style sheet, so that light, dark and
print have their own: "@ink", "@grid", "@arm-3", or "@arm-3/0.2" for a share of opacity.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlformer.report import formats
from rlformer.report.arms import LADDER

COLOURS = 16  # arm colours in the style sheet: one per rung of the ladder, then offline and online agents, then spares
_FIRST = {"offline": (9,), "online": (10, 11, 12, 13)}
_SYMBOLS = {"online": "circle", "offline": "square", "sequence": "diamond"}
_PARTS = (("learning", "learning", 1.0), ("environment", "environment", 0.6), ("evaluation", "evaluation", 0.35), ("log", "writing the log", 0.15))

Trace = dict[str, Any]
Scale = Callable[[float], float]


@dataclass(frozen=True)
class Figure:
    """One plot: `caption` says in a sentence what to see, `label` what a screen reader is told it is."""

    key: str
    title: str
    caption: str
    label: str
    spec: dict[str, Any]
    height: int = 440


def plotly_js() -> str:
    """The plotting library, to be inlined once."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def slots(environments: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """A colour number for each arm's label, the same on every environment."""
    given: dict[str, int] = {}
    for arm in (arm for environment in environments for arm in environment["arms"]):
        if arm["label"] in given:
            continue
        own = (LADDER.index(arm["agent"]),) if arm["agent"] in LADDER else _FIRST.get(arm["family"], ())
        free = [slot for slot in (*own, *reversed(range(COLOURS))) if slot not in given.values()]
        given[arm["label"]] = free[0] if free else len(given) % COLOURS
    return given


def performance(environment: Mapping[str, Any], colours: Mapping[str, int]) -> Figure | None:
    """A dot per run, the mean and its interval, arm by arm."""
    arms = [arm for arm in environment["arms"] if arm["mean_return"] is not None]
    if not arms:
        return None
    traces = []
    for row, arm in enumerate(reversed(arms)):
        runs, mean, colour = _counted(arm), arm["mean_return"], f"@arm-{colours[arm['label']]}"
        count = len(runs)
        shifts = [0.0 if count == 1 else -0.22 + 0.44 * i / (count - 1) for i in range(count)]
        if mean["low"] is not None:
            traces.append(_line([mean["low"], mean["high"]], [row, row], f"{colour}/0.35", width=11, hoverinfo="skip"))
        traces.append(
            {
                **_dots([run["mean_return"] for run in runs], [row + shift for shift in shifts], colour, "circle", 8),
                "name": _safe(arm["label"]),
                "text": [f"seed {run['seed']}: {formats.number(run['mean_return'])}" for run in runs],
                "hovertemplate": "%{text}<extra>%{fullData.name}</extra>",
            }
        )
        told = f"mean {formats.number(mean['point'])}, 95 % interval {formats.interval(mean)}"
        marker = {"symbol": "line-ns", "size": 20, "line": {"width": 3, "color": colour}}
        traces.append(
            {
                "type": "scatter", "mode": "markers", "x": [mean["point"]], "y": [row], "marker": marker,
                "name": _safe(arm["label"]), "text": [told], "hovertemplate": "%{text}<extra>%{fullData.name}</extra>",
            }
        )  # fmt: skip
    layout = _layout("mean episode return", "", showlegend=False)
    labels = [_safe(arm["label"]) for arm in reversed(arms)]
    layout["yaxis"] |= {"tickvals": list(range(len(arms))), "ticktext": labels, "range": [-0.6, len(arms) - 0.4]}
    layout["yaxis"] |= {"zeroline": False, "fixedrange": True}
    layout["shapes"], layout["annotations"] = _scores(environment["card"])
    layout["margin"]["t"] = 40
    return Figure(
        "performance",
        "Every run, and what the runs say together",
        "Each dot is one seed, the tick their mean, the bar its 95 % interval: look for bars that don’t overlap, and for "
        "single dots far from their own bar.",
        "Mean episode return of every run, by arm; the table above holds the numbers",
        {"data": traces, "layout": layout},
        90 + 40 * len(arms),
    )


def data_axis(environment: Mapping[str, Any], colours: Mapping[str, int]) -> Figure | None:
    """Learning curves against environment steps, and offline arms at the number of logged steps they read."""
    scale, unit = _scale(environment["card"])
    traces: list[Trace] = []
    offline = 0
    for arm in _trained(environment):
        colour, name = f"@arm-{colours[arm['label']]}", arm["label"]
        if arm["family"] == "online":
            traces += _curves(arm, "step", scale, colour)
            traces += _final(arm, [run["cost"]["env_steps"] for run in _counted(arm)], scale, colour, "environment steps")
            continue
        shift = 1 + 0.035 * (offline % 9 - 4)  # arms on one log have one N: side by side instead of on top
        offline += 1
        read = [run["cost"]["logged_steps"] * shift for run in _counted(arm)]
        traces += _final(arm, read, scale, colour, "logged steps")
        upstream = arm["cost"]["upstream_env_steps"]
        if arm["mean_return"] and upstream and read and upstream["mean"] > 0:
            y = scale(arm["mean_return"]["point"])
            reach = _line([sum(read) / len(read), upstream["mean"] * shift], [y, y], f"{colour}/0.8", width=1, dash="dot")
            told = f"{formats.count(upstream['mean'])} environment steps behind its log"
            ends = {"mode": "lines+markers", "marker": {"symbol": ["circle", "circle-open"], "size": [1, 7], "color": colour}}
            reach |= {**ends, "text": ["", told], "hovertemplate": "%{text}<extra>" + _safe(name) + "</extra>"}
            traces.append(reach | {"legendgroup": _safe(name)})
    traces = [trace for trace in traces if any(x and x > 0 for x in trace["x"])]
    if not traces:
        return None
    layout = _layout("environment steps taken, or logged steps read (log scale)", unit)
    layout["xaxis"]["type"] = "log"
    layout["shapes"], layout["annotations"] = _levels(environment, scale)
    return Figure(
        "data",
        "What each arm made of its data",
        "Lines are online arms as they take environment steps (mean, its 95 % band, one thin line per seed); diamonds are "
        "arms that learned from a log, at the logged steps they read, with a dotted line to the environment steps it took "
        "to make that log: higher and further left is better.",
        "Score against data: learning curves of online arms and points of offline arms",
        {"data": traces, "layout": layout},
        520,
    )


def time_axis(environment: Mapping[str, Any], colours: Mapping[str, int]) -> Figure | None:
    """The same arms against the seconds that their training took."""
    scale, unit = _scale(environment["card"])
    traces: list[Trace] = []
    for arm in _trained(environment):
        colour = f"@arm-{colours[arm['label']]}"
        spent = [run["times"].get("wall", 0.0) - run["times"].get("evaluation", 0.0) for run in _counted(arm)]
        traces += _curves(arm, "seconds", scale, colour)
        traces += _final(arm, spent, scale, colour, "seconds")
    traces = [trace for trace in traces if any(x and x > 0 for x in trace["x"])]
    if not traces:
        return None
    layout = _layout("training time in seconds, evaluation left out (log scale)", unit)
    layout["xaxis"]["type"] = "log"
    layout["shapes"], layout["annotations"] = _levels(environment, scale)
    return Figure(
        "time",
        "What each arm made of its time",
        "Every arm on one clock: lines are scores while training, symbols the final evaluation of each seed; the time it "
        "took to make an offline arm’s log is not in it.",
        "Score against training time for all arms",
        {"data": traces, "layout": layout},
        520,
    )


def time_parts(environment: Mapping[str, Any], colours: Mapping[str, int]) -> Figure | None:
    """Where the wall time of a run went, arm by arm."""
    arms = [arm for arm in reversed(_trained(environment)) if arm["times"].get("wall")]
    if not arms:
        return None
    labels, traces = [_safe(arm["label"]) for arm in arms], []
    for part, words, opacity in _PARTS:
        means = [(arm["times"].get(part) or {"mean": 0.0})["mean"] for arm in arms]
        if any(means):
            traces.append(
                {
                    "type": "bar", "orientation": "h", "x": means, "y": labels, "name": words,
                    "marker": {"color": f"@ink/{opacity}", "line": {"width": 0}},
                    "text": [formats.seconds(mean) for mean in means], "textposition": "none",
                    "hovertemplate": "%{text} of " + words + "<extra>%{y}</extra>",
                }
            )  # fmt: skip
    cpu = [arm["times"].get("cpu") for arm in arms]
    traces.append(
        {
            **_dots([c and c["mean"] for c in cpu], labels, "@accent", "line-ns", 16),
            "name": "CPU time, all parts",
            "text": [formats.seconds(c and c["mean"]) for c in cpu],
            "hovertemplate": "%{text} of CPU time<extra>%{y}</extra>",
            "showlegend": True,
        }
    )
    traces[-1]["marker"]["line"] = {"width": 3, "color": "@accent"}
    layout = _layout("seconds of a run, mean over seeds", "") | {"barmode": "stack", "bargap": 0.35}
    layout["yaxis"] |= {"fixedrange": True, "showgrid": False}
    return Figure(
        "parts",
        "Where the time went",
        "The longest bar is the slowest run; its shades tell learning from stepping the environment, evaluating and writing "
        "the log, and a CPU mark beyond the bar’s end tells of work on more than one core.",
        "Wall time of a run by part; the table below holds the numbers",
        {"data": traces, "layout": layout},
        120 + 36 * len(arms),
    )


def asked_achieved(environment: Mapping[str, Any], colours: Mapping[str, int]) -> Figure | None:
    """What return-conditioned arms were asked for, and what they reached."""
    arms = [arm for arm in environment["arms"] if any(run["asked"] for run in _counted(arm))]
    if not arms:
        return None
    traces: list[Trace] = []
    ends: list[float] = []
    for arm in arms:
        colour, runs = f"@arm-{colours[arm['label']]}", [run for run in _counted(arm) if run["asked"]]
        points = [(a["target_return"], a["mean_return"], run["seed"]) for run in runs for a in (*run["asked"], None) if a]
        ends += [value for asked, achieved, _ in points for value in (asked, achieved)]
        x: list[float | None] = []
        y: list[float | None] = []
        text: list[str] = []
        for run in runs:  # a gap parts the seeds
            for asked in run["asked"]:
                x.append(asked["target_return"])
                y.append(asked["mean_return"])
                text.append(f"seed {run['seed']}: asked {formats.number(x[-1])}, achieved {formats.number(y[-1])}")
            x.append(None)
            y.append(None)
            text.append("")
        symbol = {"marker": {"color": colour, "size": 6, "symbol": _SYMBOLS["sequence"]}, "line": {"color": f"{colour}/0.5", "width": 1}}
        shared = {"name": _safe(arm["label"]), "legendgroup": _safe(arm["label"])}
        hover = {"hovertemplate": "%{text}<extra>%{fullData.name}</extra>"}
        traces.append({"type": "scatter", "mode": "lines+markers", "x": x, "y": y, "text": text, **symbol, **shared, **hover})
        chosen = [run for run in runs if run["target_return"] is not None]
        ring = _dots([run["target_return"] for run in chosen], [run["mean_return"] for run in chosen], f"{colour}/0", "circle", 15)
        ring["marker"]["line"] = {"width": 2.5, "color": colour}
        told = [f"seed {r['seed']}: chosen target {formats.number(r['target_return'])}, achieved {formats.number(r['mean_return'])}" for r in chosen]
        traces.append({**ring, **shared, **hover, "text": told})
        ends += [value for run in chosen for value in (run["target_return"], run["mean_return"])]
    low, high = min(ends), max(ends)
    layout = _layout("return asked for", "mean return achieved")
    diagonal = {"type": "line", "x0": low, "y0": low, "x1": high, "y1": high, "line": {"color": "@muted", "width": 1, "dash": "dash"}}
    note = {"x": high, "y": high, "text": "achieved = asked", "showarrow": False, "xanchor": "right", "yanchor": "bottom", "font": {"color": "@muted", "size": 12}}
    layout["shapes"], layout["annotations"] = [diagonal], [note]
    scales = [run["scales"] for arm in arms for run in _counted(arm)]
    logged = [(s["log_min"], s["log_max"]) for s in scales if s.get("log_min") is not None and s.get("log_max") is not None]
    if logged:
        span = {"x0": min(least for least, _ in logged), "x1": max(most for _, most in logged), "y0": 0, "y1": 1}
        layout["shapes"].append({"type": "rect", "yref": "paper", **span, "fillcolor": "@ink/0.06", "line": {"width": 0}, "layer": "below"})
    return Figure(
        "asked",
        "Asked for, and achieved",
        "On the dashed diagonal an arm gets what it is asked for; a flat line ignores the request. Rings mark the target that "
        "was chosen for the main table, the shade the returns that the logs hold: right of it the request is beyond the log.",
        "Achieved against asked return for return-conditioned arms; the table below holds the numbers",
        {"data": traces, "layout": layout},
        480,
    )


def _counted(arm: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [run for run in arm["runs"] if run["counts"]]


def _trained(environment: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [arm for arm in environment["arms"] if arm["family"] not in ("random", "behaviour")]


def _scale(card: Mapping[str, Any]) -> tuple[Scale, str]:
    """How a return is drawn: as z where the card has scores, else as it is."""
    random, reference = card.get("random_score"), card.get("reference_score")
    if random is None or reference is None:
        return float, "mean episode return"
    return lambda value: (value - random) / (reference - random), "normalised score z"


def _curves(arm: Mapping[str, Any], axis: str, scale: Scale, colour: str) -> list[Trace]:
    """Thin lines of the seeds (dotted where a run does not count), the band of their mean, and the mean."""
    traces = []
    for counts, dash in ((True, "solid"), (False, "dot")):
        runs = [run for run in arm["runs"] if run["curve"][axis] and run["counts"] is counts]
        if runs:
            xs = [x for run in runs for x in (*run["curve"][axis], None)]
            ys = [y for run in runs for y in (*map(scale, run["curve"]["return"]), None)]
            traces.append(_line(xs, ys, f"{colour}/0.3", 1, dash, hoverinfo="skip"))
    band = arm["curves"][axis]
    if band is not None:
        x, mean = band["x"], [scale(y) for y in band["mean"]]
        if "low" in band:
            low, high = [scale(y) for y in band["low"]], [scale(y) for y in band["high"]]
            edge = _line([*x, *reversed(x)], [*high, *reversed(low)], f"{colour}/0", 0, hoverinfo="skip")
            traces.append(edge | {"fill": "toself", "fillcolor": f"{colour}/0.15"})
        hover = "%{y:.3~f} at %{x:.3~s}<extra>%{fullData.name}, mean</extra>"
        traces.append(_line(x, mean, colour, 2.5) | {"hovertemplate": hover})
    for trace in traces:
        trace |= {"legendgroup": _safe(arm["label"]), "name": _safe(arm["label"])}
    return traces


def _final(arm: Mapping[str, Any], xs: Sequence[float], scale: Scale, colour: str, unit: str) -> list[Trace]:
    """The final evaluation of each run, and their mean with its interval."""
    runs, mean = _counted(arm), arm["mean_return"]
    if not runs:
        return []
    name, symbol = _safe(arm["label"]), _SYMBOLS[arm["family"]]
    shared = {"name": name, "legendgroup": name, "hovertemplate": "%{text}<extra>%{fullData.name}</extra>"}
    told = [f"seed {run['seed']}: {formats.number(run['mean_return'])} at {formats.count(x)} {unit}" for run, x in zip(runs, xs, strict=True)]
    dots = _dots(xs, [scale(run["mean_return"]) for run in runs], f"{colour}/0.45", symbol, 7)
    centre = _dots([math.fsum(xs) / len(xs)], [scale(mean["point"])], colour, symbol, 12)
    centre |= {"text": [f"mean {formats.number(mean['point'])}, 95 % interval {formats.interval(mean)}"], "showlegend": True}
    if mean["low"] is not None:
        ends = sorted((scale(mean["low"]), scale(mean["high"])))
        above, below = ends[1] - scale(mean["point"]), scale(mean["point"]) - ends[0]
        centre["error_y"] = {"type": "data", "symmetric": False, "array": [above], "arrayminus": [below], "color": colour, "thickness": 1.5}
    return [{**dots, **shared, "text": told}, {**centre, **shared}]


def _levels(environment: Mapping[str, Any], scale: Scale) -> tuple[list[Trace], list[Trace]]:
    """Horizontal lines for what needs no data axis: random play, and the log's own episodes."""
    shapes, notes = [], []
    for arm in environment["arms"]:
        if arm["family"] in ("random", "behaviour") and arm["mean_return"] is not None:
            y = scale(arm["mean_return"]["point"])
            across = {"xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y}
            shapes.append({"type": "line", **across, "line": {"color": "@muted", "width": 1, "dash": "dash"}, "layer": "below"})
            words = "random play" if arm["family"] == "random" else f"{_safe(arm['label'])}: the logs’ own episodes"
            place = {"xref": "paper", "x": 0, "y": y, "xanchor": "left", "yanchor": "bottom"}
            notes.append({**place, "text": words, "showarrow": False, "font": {"color": "@muted", "size": 12}})
    return shapes, notes


def _scores(card: Mapping[str, Any]) -> tuple[list[Trace], list[Trace]]:
    """Vertical lines at the card's scores; those at one value share a line."""
    at: dict[float, list[str]] = {}
    for key, words in (("random_score", "random"), ("solved_threshold", "solved"), ("reference_score", "reference")):
        if card.get(key) is not None:
            at.setdefault(card[key], []).append(words)
    line = {"color": "@muted", "width": 1, "dash": "dash"}
    shapes = [{"type": "line", "yref": "paper", "x0": x, "x1": x, "y0": 0, "y1": 1, "line": line, "layer": "below"} for x in at]
    font = {"color": "@muted", "size": 12}
    place = {"yref": "paper", "y": 1, "yanchor": "bottom", "showarrow": False, "font": font}
    # Neighbouring scores would print over each other: every second label stands a line higher.
    notes = [
        {**place, "x": x, "text": ", ".join(words), "yshift": 14 * (i % 2)} for i, (x, words) in enumerate(sorted(at.items()))
    ]
    return shapes, notes


def _line(xs: Sequence[Any], ys: Sequence[Any], colour: str, width: float, dash: str = "solid", **more: Any) -> Trace:
    line = {"color": colour, "width": width, "dash": dash}
    return {"type": "scatter", "mode": "lines", "x": list(xs), "y": list(ys), "line": line, "showlegend": False, **more}


def _dots(xs: Sequence[Any], ys: Sequence[Any], colour: str, symbol: str, size: float) -> Trace:
    marker = {"color": colour, "symbol": symbol, "size": size, "line": {"width": 0}}
    return {"type": "scatter", "mode": "markers", "x": list(xs), "y": list(ys), "marker": marker, "showlegend": False}


def _layout(x: str, y: str, showlegend: bool = True) -> dict[str, Any]:
    axis = {"gridcolor": "@grid", "zerolinecolor": "@grid", "linecolor": "@muted", "automargin": True, "ticks": "outside", "tickcolor": "@grid"}
    font = {"color": "@ink", "size": 13}
    return {
        "font": font,
        "paper_bgcolor": "@paper/0",
        "plot_bgcolor": "@paper/0",
        "hoverlabel": {"bgcolor": "@paper", "bordercolor": "@grid", "font": {"color": "@ink"}},
        "margin": {"l": 60, "r": 16, "t": 20, "b": 50},
        "hovermode": "closest",
        "dragmode": False,
        "showlegend": showlegend,
        "legend": {"orientation": "h", "yanchor": "top", "y": -0.18, "x": 0, "font": {"color": "@ink"}},
        "xaxis": {**axis, "title": {"text": x, "standoff": 8}},
        "yaxis": {**axis, "title": {"text": y, "standoff": 8}},
    }


def _safe(text: str) -> str:
    """A name in a plot: plotly reads a few tags in text, so that what looks like one is spelled out.

    >>> _safe("<b>x</b>")
    '&lt;b&gt;x&lt;/b&gt;'
    """
    return html.escape(text, quote=False)
