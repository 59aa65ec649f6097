"""The figures of one environment: plotly specifications as plain dicts, drawn by the page's plotly.js."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlformer.core import formats
from rlformer.evaluator.judge.arms import LADDER
from rlformer.evaluator.judge.prices import counted
from rlformer.report.traces import (
    SYMBOLS,
    Numbers,
    Trace,
    curves,
    diagonal,
    dots,
    drawn_scale,
    faint,
    final,
    layout,
    levels,
    line,
    log_ticks,
    mean_and_interval,
    named,
    safe,
    scores,
    shade,
)

COLOURS = 16  # of arms in the style sheet: the rungs of the ladder, then offline and online agents, spares
_FIRST = {"offline": (9,), "online": (10, 11, 12, 13)}
_PARTS = {
    "learning": 0.6,
    "environment": 0.36,
    "evaluation": 0.2,
    "log": 0.1,
}  # of the ledger, with their opacity


@dataclass(frozen=True)
class Figure:
    """One plot: `caption` says in a sentence what to see, `label` what a screen reader is told it is."""

    title: str
    caption: str
    label: str
    data: list[Trace]
    layout: dict[str, Any]
    height: int = 520


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
    arms = [arm for arm in reversed(environment["arms"]) if arm["mean_return"] is not None]
    if not arms:
        return None
    data = []
    for row, arm in enumerate(arms):
        runs, mean, colour = counted(arm), arm["mean_return"], f"@arm-{colours[arm['label']]}"
        if mean["low"] is not None:
            bar = line([mean["low"], mean["high"]], [row, row], f"{colour}/0.35", 11)
            data.append(bar | {"hoverinfo": "skip"})
        spread = [row - 0.22 + 0.44 * (i + 0.5) / len(runs) for i in range(len(runs))]
        each = dots([run["mean_return"] for run in runs], spread, colour, "circle", 8)
        told = [f"seed {run['seed']}: {formats.number(run['mean_return'])}" for run in runs]
        tick = dots([mean["point"]], [row], colour, "line-ns", 20, edge=3) | {"text": [mean_and_interval(mean)]}
        data += [named(arm) | each | {"text": told}, named(arm) | tick]
    plan = layout("mean episode return", "", **scores(environment["card"]))
    plan["yaxis"] |= {"tickvals": list(range(len(arms))), "ticktext": [safe(arm["label"]) for arm in arms]}
    plan["yaxis"] |= {"range": [-0.6, len(arms) - 0.4], "zeroline": False, "fixedrange": True}
    plan["margin"]["t"] = 40
    return Figure(
        "Every run, and what the runs say together",
        "Each dot is one seed, the tick their mean, the bar its 95 % interval: look for bars that don’t "
        "overlap, and for single dots far from their own bar.",
        "Mean episode return of every run, by arm; the table above holds the numbers",
        data,
        plan,
        90 + 40 * len(arms),
    )


def data_axis(environment: Mapping[str, Any], colours: Mapping[str, int]) -> Figure | None:
    """Learning curves against environment steps, and offline arms at the number of logged steps they read."""
    scale, unit = drawn_scale(environment["card"])
    data: list[Trace] = []
    arms = trained(environment)
    offline = [arm["label"] for arm in arms if arm["family"] != "online"]
    for arm in arms:
        colour = f"@arm-{colours[arm['label']]}"
        if arm["family"] == "online":
            taken = [run["cost"]["env_steps"] for run in counted(arm)]
            data += curves(arm, "step", scale, colour) + final(arm, taken, scale, colour, "environment steps")
            continue
        # Arms on one log have one N: side by side instead of on top of each other.
        shift = 1 + 0.035 * (offline.index(arm["label"]) % 9 - 4)
        read = [run["cost"]["logged_steps"] * shift for run in counted(arm)]
        data += final(arm, read, scale, colour, "logged steps")
        upstream = arm["cost"]["upstream_env_steps"]
        if arm["mean_return"] and upstream and upstream["mean"] > 0:
            y = scale(arm["mean_return"]["point"])
            reach = line([math.fsum(read) / len(read), upstream["mean"] * shift], [y, y], f"{colour}/0.8", 1, "dot")
            marker = {"symbol": ["circle", "circle-open"], "size": [1, 7], "color": colour}
            told = ["", f"{formats.count(upstream['mean'])} environment steps behind its log"]
            data.append(named(arm) | reach | {"mode": "lines+markers", "marker": marker, "text": told})
    caption = (
        "Lines are online arms as they take environment steps (mean, its 95 % band, one thin line per "
        "seed); diamonds are arms that learned from a log, at the logged steps they read (moved a little "
        "sideways, so as not to hide each other), with a dotted line to the environment steps it took to "
        "make that log: higher and further left is better."
    )
    label = "Score against data: learning curves of online arms and points of offline arms"
    axis = "environment steps, or logged steps (log scale)"
    return on_log_axis(environment, "What each arm made of its data", caption, label, data, axis, unit)


def time_axis(environment: Mapping[str, Any], colours: Mapping[str, int]) -> Figure | None:
    """The same arms against the seconds that their training took."""
    scale, unit = drawn_scale(environment["card"])
    data: list[Trace] = []
    for arm in trained(environment):
        colour = f"@arm-{colours[arm['label']]}"
        spent = [run["times"].get("wall", 0.0) - run["times"].get("evaluation", 0.0) for run in counted(arm)]
        data += curves(arm, "seconds", scale, colour) + final(arm, spent, scale, colour, "seconds")
    caption = (
        "Every arm on one clock: lines are scores while training, symbols the final evaluation of each "
        "seed; the time it took to make an offline arm’s log is not in it."
    )
    label = "Score against training time for all arms"
    axis = "training seconds, without evaluation (log scale)"
    return on_log_axis(environment, "What each arm made of its time", caption, label, data, axis, unit)


def on_log_axis(
    environment: Mapping[str, Any],
    title: str,
    caption: str,
    label: str,
    data: list[Trace],
    axis: str,
    unit: str,
) -> Figure | None:
    """Score on a log axis, where a point at zero, such as an evaluation before training, has no place; None if bare."""
    data = [trace for trace in data if any(x and x > 0 for x in trace["x"])]
    if not data:
        return None
    plan = layout(axis, unit, **levels(environment, drawn_scale(environment["card"])[0]))
    plan["xaxis"] |= log_ticks(data)
    return Figure(title, caption, label, data, plan)


def time_parts(environment: Mapping[str, Any], colours: Mapping[str, int]) -> Figure | None:
    """Where the wall time of a run went, arm by arm."""
    arms = [arm for arm in reversed(trained(environment)) if arm["times"].get("wall")]
    if not arms:
        return None
    labels, data = [safe(arm["label"]) for arm in arms], []
    for part, opacity in _PARTS.items():
        means = [(arm["times"].get(part) or {"mean": 0.0})["mean"] for arm in arms]
        if any(means):
            bar: Trace = {"type": "bar", "orientation": "h", "x": means, "y": labels, "name": part}
            bar |= {"marker": {"color": f"@ink/{opacity}"}, "textposition": "none"}
            hover = "%{text} of " + part + "<extra>%{y}</extra>"
            data.append(bar | {"text": [formats.seconds(mean) for mean in means], "hovertemplate": hover})
    spent = [(arm["times"].get("cpu") or {"mean": None})["mean"] for arm in arms]
    mark = dots(spent, labels, "@accent", "line-ns", 16, edge=3)
    mark |= {"name": "CPU, all parts", "showlegend": True, "text": [formats.seconds(s) for s in spent]}
    data.append(mark | {"hovertemplate": "%{text} of CPU time<extra>%{y}</extra>"})
    plan = layout("seconds of a run, mean over seeds", "", barmode="stack", bargap=0.35)
    plan["yaxis"] |= {"fixedrange": True, "showgrid": False}
    plan["legend"]["y"] = -60 / (36 * len(arms))  # a fixed distance below a plot whose height is not
    return Figure(
        "Where the time went",
        "The longest bar is the slowest run; its shades tell learning from stepping the environment, "
        "evaluating and writing the log; a CPU mark far beyond the bar’s end tells of more than one core, "
        "one far short of it of waiting.",
        "Wall time of a run by part; the table below holds the numbers",
        data,
        plan,
        130 + 36 * len(arms),
    )


def asked_achieved(environment: Mapping[str, Any], colours: Mapping[str, int]) -> Figure | None:
    """What return-conditioned arms were asked for, and what they reached."""
    arms = [arm for arm in environment["arms"] if any(run["asked"] for run in counted(arm))]
    if not arms:
        return None
    data = [trace for arm in arms for trace in _conditioned(arm, f"@arm-{colours[arm['label']]}")]
    ends = [value for trace in data for axis in "xy" for value in trace[axis] if value is not None]
    plan = layout("return asked for", "mean return achieved", **diagonal(min(ends), max(ends)))
    scales = [run["scales"] for arm in arms for run in counted(arm)]
    logged = [(s["log_min"], s["log_max"]) for s in scales if None not in (s.get("log_min"), s.get("log_max"))]
    if logged:
        plan["shapes"].append(shade(min(least for least, _ in logged), max(most for _, most in logged)))
    return Figure(
        "Asked for, and achieved",
        "On the dashed diagonal an arm gets what it is asked for; a flat line ignores the request. Thick "
        "lines are means, thin ones seeds, rings the target that was chosen for the main table; the shade "
        "holds the returns of the logs, and right of it the request is beyond them.",
        "Achieved against asked return for return-conditioned arms; the table below holds the numbers",
        data,
        plan,
    )


def _conditioned(arm: Mapping[str, Any], colour: str) -> list[Trace]:
    """A line per seed, their mean where all were asked for as many targets, and the chosen target."""
    runs = [run for run in counted(arm) if run["asked"]]
    pairs = [[(asked["target_return"], asked["mean_return"]) for asked in run["asked"]] for run in runs]
    xs = [x for seed in pairs for x in (*(asked for asked, _ in seed), None)]
    ys = [y for seed in pairs for y in (*(achieved for _, achieved in seed), None)]
    data = [named(arm) | line(xs, ys, f"{colour}/{faint(len(runs))}", 1) | {"text": _told(xs, ys, "seed")}]
    marked = {"mode": "lines+markers", "showlegend": True}
    if len({len(seed) for seed in pairs}) == 1:
        ranks = list(zip(*pairs, strict=True))  # the targets of all seeds, rank by rank
        x, y = ([math.fsum(pair[i] for pair in rank) / len(rank) for rank in ranks] for i in (0, 1))
        marked["marker"] = {"color": colour, "symbol": SYMBOLS["sequence"], "size": 7}
        data.append(named(arm) | line(x, y, colour, 2.5) | {"text": _told(x, y, "mean of the seeds"), **marked})
    else:
        data[0] |= {**marked, "marker": {"color": colour, "symbol": SYMBOLS["sequence"], "size": 5}}
    chosen = [run for run in runs if run["target_return"] is not None]
    if chosen:
        x, y = ([math.fsum(run[key] for run in chosen) / len(chosen)] for key in ("target_return", "mean_return"))
        ring = dots(x, y, colour, "circle", 16, edge=3)
        data.append(named(arm) | ring | {"text": _told(x, y, "chosen target, mean of the seeds")})
    return data


def _told(xs: Numbers, ys: Numbers, who: str) -> list[str]:
    return [f"{who}: asked {formats.number(x)}, achieved {formats.number(y)}" for x, y in zip(xs, ys, strict=True)]


def trained(environment: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The arms that learn."""
    return [arm for arm in environment["arms"] if arm["family"] not in ("random", "behaviour")]
