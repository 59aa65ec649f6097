"""Figures of data needs: the data-scaling grid, time to threshold, and cost against lambda."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rlformer.core import formats
from rlformer.evaluator.judge.cost_curves import SHARES
from rlformer.evaluator.judge.evidence import Evidence, ScalingCurve
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.evaluator.judge.findings import CostCurve, GridNeed, OnlineNeed, SurvivalCurve
from rlformer.evaluator.judge.prices import log_of
from rlformer.evaluator.judge.standing import repeated
from rlformer.report.plots import (
    SPARE,
    Figure,
    Scale,
    Trace,
    dots,
    drawn_scale,
    in_titles,
    layout,
    line,
    log_ticks,
    mean_and_interval,
    named,
    safe,
    symbol_of,
    titles,
)
from rlformer.report.sections.base import EnvironmentView
from rlformer.report.words import thresholds

_DASHES = ("solid", "dash", "dot", "dashdot")


def scaling(view: EnvironmentView) -> Figure | None:
    """Score against distinct logged transitions: learning curves of online arms beside the grid of offline ones."""
    environment, colours = view.evidence, view.colours
    grid = [curve for curve in environment.grid if any(point.mean_return for point in curve.points)]
    if not grid:
        return None
    scale, unit = drawn_scale(environment.card)
    data: list[Trace] = []
    for curve in grid:
        arm = _arm_of(curve.agent, environment)
        symbol = symbol_of("" if arm is None else arm.family)
        data += _scaled(curve, scale, f"@arm-{_colour(arm, colours)}", symbol)
    for arm in environment.arms:
        band = arm.curves.step if arm.steps_env else None
        if band is not None:
            colour = f"@arm-{colours[arm.label]}"
            ys = [scale(y) for y in band.mean]
            data.append(named(arm.label) | line(band.x, ys, colour, 2, "dot") | {"showlegend": True, **_HOVER})
    plan = layout("distinct logged transitions, or environment steps (log scale)", unit)
    plan["xaxis"] |= log_ticks(data)
    return Figure(
        _steepest(grid, scale, environment),
        "Each mark is an offline arm trained on that much of its log, with its 95 % interval over seeds. Dotted lines "
        "are online agents as they take steps. Look for where each first reaches the score that you need.",
        "Score against the amount of data, for shares of a log and for online agents",
        data,
        plan,
    )


def _steepest(grid: Sequence[ScalingCurve], scale: Scale, environment: Evidence) -> str:
    """Which agent gains most from more of its log."""
    reached: dict[str, tuple[float, float, float, float]] = {}
    for curve in grid:
        known = sorted(
            (point.logged_steps.mean, scale(point.mean_return.point))
            for point in curve.points
            if point.logged_steps is not None and point.mean_return is not None
        )
        if len(known) > 1:
            name = curve.agent if curve.log == "full" else f"{curve.agent} (log: {curve.log})"
            reached[name] = (*known[0], *known[-1])
    if not reached:
        return "Each agent learned from only one amount of data"
    shown = in_titles(environment.card)[1]
    name = max(reached, key=lambda label: reached[label][3] - reached[label][1])
    few, low, many, high = reached[name]
    most = "" if len(reached) == 1 else ", the largest change"
    return (
        f"{name} goes from {shown(low)} on {formats.count(few)} logged steps to {shown(high)} on "
        f"{formats.count(many)}{most}"
    )


_HOVER = {"hovertemplate": "%{y:.3~f} at %{x:.3~s}<extra>%{fullData.name}</extra>"}


def _scaled(curve: ScalingCurve, scale: Scale, colour: str, symbol: str) -> list[Trace]:
    points = [(point, point.logged_steps, point.mean_return) for point in curve.points]
    known = [(point, steps, mean) for point, steps, mean in points if steps is not None and mean is not None]
    name = safe(curve.agent if curve.log == "full" else f"{curve.agent} (log: {curve.log})")
    xs, ys = [steps.mean for _, steps, _ in known], [scale(mean.point) for _, _, mean in known]
    texts = [
        f"{point.budget:.3g} of the log, {formats.plural(len(point.runs), 'seed')}: {formats.number(mean.point)}"
        for point, _, mean in known
    ]
    marks = line(xs, ys, colour, 2.5) | {"mode": "lines+markers", "name": name, "legendgroup": name, "text": texts}
    marks |= {"marker": {"color": colour, "symbol": symbol, "size": 10}, "showlegend": True}
    marks["hovertemplate"] = "%{text}<extra>%{fullData.name}</extra>"
    ends = [sorted(scale(mean.point if end is None else end) for end in (mean.low, mean.high)) for _, _, mean in known]
    marks["error_y"] = {
        "type": "data",
        "symmetric": False,
        "array": [high - y for (_, high), y in zip(ends, ys, strict=True)],
        "arrayminus": [y - low for (low, _), y in zip(ends, ys, strict=True)],
        "color": colour,
        "thickness": 1.5,
    }
    each = [(run.logged_steps, scale(run.mean_return), run.seed) for point, _, _ in known for run in point.runs]
    seeds = dots([x for x, _, _ in each], [y for _, y, _ in each], f"{colour}/0.4", symbol, 6)
    seeds |= {"name": name, "legendgroup": name, "text": [f"seed {s}: z {y:.2f}" for _, y, s in each]}
    return [seeds | {"hovertemplate": "%{text}<extra>%{fullData.name}</extra>"}, marks]


def _arm_of(agent: str, environment: Evidence) -> ArmEvidence | None:
    """The agent's arm; of one that learned from several logs the first."""
    return next((arm for arm in environment.arms if arm.agent == agent), None)


def _colour(arm: ArmEvidence | None, colours: Mapping[str, int]) -> int:
    return SPARE if arm is None else colours[arm.label]


def quality(view: EnvironmentView) -> Figure | None:
    """What an agent makes of logs of different quality, where it learned from several."""
    environment, colours = view.evidence, view.colours
    scale, unit = drawn_scale(environment.card)
    agents: dict[str, list[tuple[float, ArmEvidence]]] = {}
    for arm in environment.arms:
        means = [log.mean_return for log in log_of(environment, arm)]
        if arm.log and arm.mean_return and means and arm.learns:
            agents.setdefault(arm.agent, []).append((scale(sum(means) / len(means)), arm))
    data: list[Trace] = []
    for agent, arms in agents.items():
        if len({arm.log for _, arm in arms}) < 2:
            continue
        arms.sort(key=lambda pair: pair[0])
        colour, name = f"@arm-{_colour(_arm_of(agent, environment), colours)}", safe(agent)
        ys = [scale(arm.point) for _, arm in arms]
        texts = [f"{arm.log}: {mean_and_interval(arm.mean_return)}" for _, arm in arms if arm.mean_return]
        trace = line([x for x, _ in arms], ys, colour, 2.5) | {"mode": "lines+markers", "name": name, "text": texts}
        trace |= {"marker": {"color": colour, "size": 10}, "showlegend": True}
        data.append(trace | {"hovertemplate": "%{text}<extra>%{fullData.name}</extra>"})
    if not data:
        return None
    ends = [x for trace in data for x in trace["x"]]
    plan = layout(f"{unit} of the log's own episodes", unit)
    plan["shapes"] = [{"type": "line", "x0": min(ends), "y0": min(ends), "x1": max(ends), "y1": max(ends),
                       "line": {"color": "@muted", "width": 1, "dash": "dash"}, "layer": "below"}]  # fmt: skip
    return Figure(
        _against_the_log(agents, scale),
        "Each mark is one agent on one kind of log. Above the dashed line, it does better than the episodes that it "
        "learned from. An agent whose line stays high for poor logs does not need an expert.",
        "Score against the quality of the log, for agents that learned from several",
        data,
        plan,
        440,
    )


def _against_the_log(agents: Mapping[str, Sequence[tuple[float, ArmEvidence]]], scale: Scale) -> str:
    """On how many logs each agent does better than the log's own episodes."""
    said = {}
    for agent, arms in agents.items():
        if len({arm.log for _, arm in arms}) > 1:
            better = sum(x < scale(arm.point) for x, arm in arms)
            said[agent] = f"on {better} of {len(arms)}"
    return f"Better than the log's own episodes: {titles.each(said)} logs"


def survival(view: EnvironmentView) -> Figure | None:
    """The share of seeds that have reached the verdict's threshold, against data."""
    environment, colours = view.evidence, view.colours
    needs = environment.needs
    if not needs:
        return None
    level = view.verdict.terms.threshold
    data: list[Trace] = []
    for row in needs.online:
        if row.threshold == level and row.survival:
            data += _reached(row, row.survival, f"@arm-{colours[row.label]}")
    for need in needs.grid:
        if need.threshold == level and need.sizes > 1:
            data.append(_stepped(need, f"@arm-{_colour(_arm_of(need.agent, environment), colours)}"))
    if not data:
        return None
    goal = thresholds.goal(view.verdict.terms)
    plan = layout("environment steps, or logged transitions (log scale)", f"share of seeds at {goal}")
    plan["xaxis"] |= log_ticks(data)
    plan["yaxis"] |= {"range": [-0.03, 1.03], "tickformat": ".0%"}
    return Figure(
        _reaching(view, goal),
        "Lines of online agents rise when an evaluation first passed, on 10 episodes and 30 fresh ones (Kaplan-Meier, "
        "with its 95 % band). Dashed lines are arms that learn from a log; they rise at the shortest tried log that "
        "was enough. If a line ends below 100 %, the other seeds did not reach the threshold.",
        "Share of seeds at the threshold against data; the table below holds the numbers",
        data,
        plan,
        440,
    )


def _reaching(view: EnvironmentView, goal: str) -> str:
    """How many seeds of each arm reached the threshold."""
    needs = view.evidence.needs
    rows = [] if needs is None else [*needs.online, *(need for need in needs.grid if need.sizes > 1)]
    level = view.verdict.terms.threshold
    said = {row.label: f"{row.reached} of {len(row.times)}" for row in rows if row.threshold == level}
    return f"Seeds that reached {goal}: {titles.each(said)}"


def _reached(row: OnlineNeed, curve: SurvivalCurve, colour: str) -> list[Trace]:
    name = safe(row.label)
    start = max(1.0, min([t for t in row.times if t] or [row.budget]) / 4)
    xs = [start, *curve.times[1:], row.budget]
    up, low, high = ([1 - v for v in (*left, left[-1])] for left in (curve.survival, curve.high, curve.low))
    shape = {"name": name, "legendgroup": name, "line": {"shape": "hv", "color": colour, "width": 2.5}}
    main = line(xs, up, colour, 2.5) | shape | {"showlegend": True, "hovertemplate": _SHARE}
    edge = {"name": name, "legendgroup": name, "hoverinfo": "skip"}
    lower = line(xs, low, f"{colour}/0", 0) | edge | {"line": {"shape": "hv", "color": f"{colour}/0", "width": 0}}
    upper = line(xs, high, f"{colour}/0", 0) | edge | {"line": {"shape": "hv", "color": f"{colour}/0", "width": 0}}
    return [lower, upper | {"fill": "tonexty", "fillcolor": f"{colour}/0.12"}, main]


_SHARE = "%{y:.0%} by %{x:.3~s}<extra>%{fullData.name}</extra>"


def _stepped(row: GridNeed, colour: str) -> Trace:
    times = sorted(t for t in row.times if t is not None)
    start = max(1.0, (times[0] if times else row.budget) / 4)
    xs = [start, *times, max([row.budget, *times])]
    ys = [i / len(row.times) for i in range(len(times) + 1)]
    trace = line(xs, [*ys, ys[-1]], colour, 2.5, "dash")
    trace["line"] |= {"shape": "hv"}
    return trace | {"name": safe(f"{row.label}, logged"), "showlegend": True, "hovertemplate": _SHARE}


def lambdas(view: EnvironmentView) -> Figure | None:
    """What a success costs each arm, as this task pays more of what made the log."""
    environment, colours = view.evidence, view.colours
    needs = environment.needs
    rows = [(row, row.mean) for row in needs.costs if row.mean is not None and not row.unknown] if needs else []
    if len(rows) < 2:
        return None
    data: list[Trace] = []
    for i, (row, mean) in enumerate(rows):
        colour, name = f"@arm-{colours[row.label]}", safe(row.label)
        both = {"name": name, "legendgroup": name}
        if row.low is not None and row.high is not None and None not in (*row.low, *row.high):
            edge = line([*SHARES, *reversed(SHARES)], [*row.high, *reversed(row.low)], f"{colour}/0", 0)
            data.append(edge | both | {"fill": "toself", "fillcolor": f"{colour}/0.1", "hoverinfo": "skip"})
        succeed = f", {row.solved} of {row.runs} seeds succeed" if row.per_success else ""
        texts = [f"{formats.number(cost)} at lambda {share:.1f}{succeed}"
                for cost, share in zip(mean, SHARES, strict=True)]  # fmt: skip
        trace = line(SHARES, mean, colour, 2.5, _DASHES[i % 4]) | both | {"text": texts, "showlegend": True}
        data.append(trace | {"hovertemplate": "%{text}<extra>%{fullData.name}</extra>"})
    terms = view.verdict.terms
    what = "success" if rows[0][0].per_success else "run"
    plan = layout("lambda: the share of the cost of making the log that this task pays", f"cost of a {what}")
    at = terms.share
    if at is not None:
        plan["shapes"] = [{"type": "line", "x0": at, "x1": at, "yref": "paper", "y0": 0, "y1": 1,
                           "line": {"color": "@muted", "width": 1, "dash": "dash"}, "layer": "below"}]  # fmt: skip
    return Figure(
        _cheapest(_as_repeated(environment, {row.label: mean for row, mean in rows}), what) + _left_out(view, rows),
        f"Lower is cheaper. The cost is that of one run that reaches {thresholds.goal(terms)}, including failed runs, "
        f"at the prices of the verdict{_with_those_that_chose(view)}. The dashed line is the verdict’s lambda. Arms "
        "that never succeed are left out, because their cost is infinite, and so are arms whose log does not record "
        "what made it."
        if what == "success"
        else "Lower is cheaper. The cost is that of a run at the prices of the verdict, since no success is defined. "
        "The dashed line is the verdict’s lambda.",
        f"Cost of a {what} against lambda, arm by arm",
        data,
        plan,
        440,
    )


def _with_those_that_chose(view: EnvironmentView) -> str:
    apart = any(one.seeds for one in view.verdict.selected)
    return " (of all runs; those that chose an arm for its family do not count in the answer)" if apart else ""


def _left_out(view: EnvironmentView, rows: Sequence[tuple[CostCurve, Sequence[float]]]) -> str:
    """Arms that the title does not weigh."""
    costs = {row.label: mean for row, mean in rows}
    few = [f"{row.label} ({formats.plural(row.runs, 'run')})" for row, _ in rows
           if row.label not in _as_repeated(view.evidence, costs)]  # fmt: skip
    return f", without arms of few runs: {formats.listed(few)}" if few else ""


def _as_repeated(environment: Evidence, costs: Mapping[str, Sequence[float]]) -> Mapping[str, Sequence[float]]:
    """Those of arms with about as many runs as the others, if there are any: the cheapest of few runs is their luck."""
    often = {arm.label for arm in repeated(environment.trained)}
    return {label: mean for label, mean in costs.items() if label in often} or costs


def _cheapest(costs: Mapping[str, Sequence[float]], what: str) -> str:
    """Who is cheapest where the log costs nothing, and where all of its making is paid."""
    first, last = (min(costs, key=lambda label: costs[label][at]) for at in (0, -1))
    if first == last:
        return f"{first} is the cheapest per {what}, no matter who pays for the log"
    return f"Cheapest per {what}: {first} if the log is free, {last} if this task pays for all of it"
