"""Figures of data needs: the data-scaling grid, time to threshold, and cost against lambda."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlformer.core import formats
from rlformer.evaluator.judge.needs import SHARES
from rlformer.evaluator.judge.prices import log_of
from rlformer.report.plots import (
    SPARE,
    SYMBOLS,
    Figure,
    Scale,
    Trace,
    dots,
    drawn_scale,
    layout,
    line,
    log_ticks,
    mean_and_interval,
    named,
    safe,
)
from rlformer.report.sections.base import EnvironmentView

_DASHES = ("solid", "dash", "dot", "dashdot")


def scaling(view: EnvironmentView) -> Figure | None:
    """Score against distinct logged transitions: learning curves of online arms beside the grid of offline ones."""
    environment, colours = view.evidence, view.colours
    grid = [curve for curve in environment["grid"] if any(point["mean_return"] for point in curve["points"])]
    if not grid:
        return None
    scale, unit = drawn_scale(environment["card"])
    data: list[Trace] = []
    for curve in grid:
        data += _scaled(curve, scale, f"@arm-{_colour(curve['agent'], environment, colours)}")
    for arm in environment["arms"]:
        band = arm["curves"]["step"] if arm["family"] == "online" else None
        if band is not None:
            colour = f"@arm-{colours[arm['label']]}"
            ys = [scale(y) for y in band["mean"]]
            data.append(named(arm) | line(band["x"], ys, colour, 2, "dot") | {"showlegend": True, **_HOVER})
    plan = layout("distinct logged transitions, or environment steps (log scale)", unit)
    plan["xaxis"] |= log_ticks(data)
    return Figure(
        "How much data each needs",
        "Each mark is an offline arm trained on that much of its log, its bar the 95 % interval over seeds; dotted "
        "lines are online agents as they take steps. Look for where each first reaches the score you need.",
        "Score against the amount of data, for shares of a log and for online agents",
        data,
        plan,
    )


_HOVER = {"hovertemplate": "%{y:.3~f} at %{x:.3~s}<extra>%{fullData.name}</extra>"}


def _scaled(curve: Mapping[str, Any], scale: Scale, colour: str) -> list[Trace]:
    points = [point for point in curve["points"] if point["mean_return"]]
    name = safe(curve["agent"] if curve["log"] == "full" else f"{curve['agent']} (log: {curve['log']})")
    family = {"sequence": "sequence"}.get(curve["learner"], "offline")
    xs, ys = [p["logged_steps"]["mean"] for p in points], [scale(p["mean_return"]["point"]) for p in points]
    told = [f"{p['budget']:.3g} of the log, {formats.plural(len(p['runs']), 'seed')}: "
            f"{formats.number(p['mean_return']['point'])}" for p in points]  # fmt: skip
    marks = line(xs, ys, colour, 2.5) | {"mode": "lines+markers", "name": name, "legendgroup": name, "text": told}
    marks |= {"marker": {"color": colour, "symbol": SYMBOLS[family], "size": 10}, "showlegend": True}
    marks["hovertemplate"] = "%{text}<extra>%{fullData.name}</extra>"
    ends = [sorted(scale(p["mean_return"][key] if p["mean_return"][key] is not None else p["mean_return"]["point"])
                   for key in ("low", "high")) for p in points]  # fmt: skip
    marks["error_y"] = {
        "type": "data",
        "symmetric": False,
        "array": [high - y for (_, high), y in zip(ends, ys, strict=True)],
        "arrayminus": [y - low for (low, _), y in zip(ends, ys, strict=True)],
        "color": colour,
        "thickness": 1.5,
    }
    each = [(run["logged_steps"], scale(run["mean_return"]), run["seed"]) for p in points for run in p["runs"]]
    seeds = dots([x for x, _, _ in each], [y for _, y, _ in each], f"{colour}/0.4", SYMBOLS[family], 6)
    seeds |= {"name": name, "legendgroup": name, "text": [f"seed {s}: z {y:.2f}" for _, y, s in each]}
    return [seeds | {"hovertemplate": "%{text}<extra>%{fullData.name}</extra>"}, marks]


def _colour(agent: str, environment: Mapping[str, Any], colours: Mapping[str, int]) -> int:
    """That of the agent's arm."""
    labels = [arm["label"] for arm in environment["arms"] if arm["agent"] == agent]  # on several logs: the first
    return colours[labels[0]] if labels else SPARE


def quality(view: EnvironmentView) -> Figure | None:
    """What an agent makes of logs of different quality, where it learned from several."""
    environment, colours = view.evidence, view.colours
    scale, unit = drawn_scale(environment["card"])
    agents: dict[str, list[tuple[float, Mapping[str, Any]]]] = {}
    for arm in environment["arms"]:
        means = [log["mean_return"] for log in log_of(environment, arm) if log.get("mean_return") is not None]
        if arm["log"] and arm["mean_return"] and means and arm["family"] != "behaviour":
            agents.setdefault(arm["agent"], []).append((scale(sum(means) / len(means)), arm))
    data: list[Trace] = []
    for agent, arms in agents.items():
        if len({arm["log"] for _, arm in arms}) < 2:
            continue
        arms.sort(key=lambda pair: pair[0])
        colour, name = f"@arm-{_colour(agent, environment, colours)}", safe(agent)
        ys = [scale(arm["mean_return"]["point"]) for _, arm in arms]
        told = [f"{arm['log']}: {mean_and_interval(arm['mean_return'])}" for _, arm in arms]
        trace = line([x for x, _ in arms], ys, colour, 2.5) | {"mode": "lines+markers", "name": name, "text": told}
        trace |= {"marker": {"color": colour, "size": 10}, "showlegend": True}
        data.append(trace | {"hovertemplate": "%{text}<extra>%{fullData.name}</extra>"})
    if not data:
        return None
    ends = [x for trace in data for x in trace["x"]]
    plan = layout(f"{unit} of the log's own episodes", unit)
    plan["shapes"] = [{"type": "line", "x0": min(ends), "y0": min(ends), "x1": max(ends), "y1": max(ends),
                       "line": {"color": "@muted", "width": 1, "dash": "dash"}, "layer": "below"}]  # fmt: skip
    return Figure(
        "What each makes of logs of different quality",
        "Each mark is one agent on one kind of log; above the dashed line it does better than the episodes that it "
        "learned from. A line that stays high where logs are poor needs no expert.",
        "Score against the quality of the log, for agents that learned from several",
        data,
        plan,
        440,
    )


def survival(view: EnvironmentView) -> Figure | None:
    """The share of seeds that have reached the verdict's threshold, against data."""
    environment, colours = view.evidence, view.colours
    needs = environment["needs"]
    if not needs:
        return None
    level = environment["verdict"]["terms"]["threshold"]
    data: list[Trace] = []
    for row in needs["online"]:
        if row["threshold"] == level and row["survival"]:
            data += _reached(row, f"@arm-{colours[row['label']]}")
    for row in needs["grid"]:
        if row["threshold"] == level:
            data.append(_stepped(row, f"@arm-{_colour(row['agent'], environment, colours)}"))
    if not data:
        return None
    plan = layout("environment steps, or logged transitions (log scale)", f"share of seeds at z {level:g}")
    plan["xaxis"] |= log_ticks(data)
    plan["yaxis"] |= {"range": [-0.03, 1.03], "tickformat": ".0%"}
    return Figure(
        f"Who reached z {level:g}, and after how much data",
        "Lines of online agents rise where a seed’s curve stayed at the threshold for three evaluations (Kaplan-Meier, "
        "with its 95 % band; the table says whether fresh episodes confirmed it); dashed lines are offline arms at the "
        "smallest share of their log that reached it. What ends below 100 % was not reached by the other seeds.",
        "Share of seeds at the threshold against data; the table below holds the numbers",
        data,
        plan,
        440,
    )


def _reached(row: Mapping[str, Any], colour: str) -> list[Trace]:
    curve, name = row["survival"], safe(row["label"])
    start = max(1.0, min([t for t in row["times"] if t] or [row["budget"]]) / 4)
    xs = [start, *curve["times"][1:], row["budget"]]
    up, low, high = ([1 - v for v in (*curve[key], curve[key][-1])] for key in ("survival", "high", "low"))
    shape = {"name": name, "legendgroup": name, "line": {"shape": "hv", "color": colour, "width": 2.5}}
    main = line(xs, up, colour, 2.5) | shape | {"showlegend": True, "hovertemplate": _SHARE}
    edge = {"name": name, "legendgroup": name, "hoverinfo": "skip"}
    lower = line(xs, low, f"{colour}/0", 0) | edge | {"line": {"shape": "hv", "color": f"{colour}/0", "width": 0}}
    upper = line(xs, high, f"{colour}/0", 0) | edge | {"line": {"shape": "hv", "color": f"{colour}/0", "width": 0}}
    return [lower, upper | {"fill": "tonexty", "fillcolor": f"{colour}/0.12"}, main]


_SHARE = "%{y:.0%} by %{x:.3~s}<extra>%{fullData.name}</extra>"


def _stepped(row: Mapping[str, Any], colour: str) -> Trace:
    times = sorted(t for t in row["times"] if t is not None)
    start = max(1.0, (times[0] if times else row["budget"]) / 4)
    xs = [start, *times, max([row["budget"], *times])]
    ys = [i / len(row["times"]) for i in range(len(times) + 1)]
    trace = line(xs, [*ys, ys[-1]], colour, 2.5, "dash")
    trace["line"] |= {"shape": "hv"}
    name = row["agent"] if row["log"] == "full" else f"{row['agent']} (log: {row['log']})"
    return trace | {"name": safe(f"{name}, logged"), "showlegend": True, "hovertemplate": _SHARE}


def lambdas(view: EnvironmentView) -> Figure | None:
    """What a success costs each arm, as this task pays more of what made the log."""
    environment, colours = view.evidence, view.colours
    needs = environment["needs"]
    rows = [row for row in needs["costs"] if row["mean"] is not None and not row["unknown"]] if needs else []
    if len(rows) < 2:
        return None
    data: list[Trace] = []
    for i, row in enumerate(rows):
        colour, name = f"@arm-{colours[row['label']]}", safe(row["label"])
        both = {"name": name, "legendgroup": name}
        if row["low"] is not None and None not in row["low"] and None not in row["high"]:
            edge = line([*SHARES, *reversed(SHARES)], [*row["high"], *reversed(row["low"])], f"{colour}/0", 0)
            data.append(edge | both | {"fill": "toself", "fillcolor": f"{colour}/0.1", "hoverinfo": "skip"})
        told = [f"{formats.number(cost)} at lambda {share:.1f}, {row['solved']} of {row['runs']} seeds succeed"
                for cost, share in zip(row["mean"], SHARES, strict=True)]  # fmt: skip
        trace = line(SHARES, row["mean"], colour, 2.5, _DASHES[i % 4]) | both | {"text": told, "showlegend": True}
        data.append(trace | {"hovertemplate": "%{text}<extra>%{fullData.name}</extra>"})
    terms = environment["verdict"]["terms"]
    plan = layout("lambda: the share of what made the log that this task pays", "cost of a success")
    at = terms.get("share")
    if at is not None:
        plan["shapes"] = [{"type": "line", "x0": at, "x1": at, "yref": "paper", "y0": 0, "y1": 1,
                           "line": {"color": "@muted", "width": 1, "dash": "dash"}, "layer": "below"}]  # fmt: skip
    return Figure(
        "What a success costs",
        f"Lower is cheaper: the cost of one run that reaches z {terms['threshold']:g}, failures paid, at the prices "
        "above; the dashed line is the lambda of the verdict. Arms that never succeed are absent, their cost "
        "being infinite, and so are those whose log does not say what made it.",
        "Cost of a success against lambda for every arm that succeeds",
        data,
        plan,
        440,
    )
