"""Target returns, and what was achieved."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rlformer.core import formats
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.report.plots import (
    Figure,
    Numbers,
    Trace,
    diagonal,
    dots,
    faint,
    layout,
    line,
    named,
    shade,
    symbol_of,
    titles,
)
from rlformer.report.sections.base import EnvironmentView


def achieved_against_asked(view: EnvironmentView) -> Figure | None:
    """Target returns of return-conditioned arms, and what they achieved."""
    environment, colours = view.evidence, view.colours
    arms = [arm for arm in environment.arms if any(run.asked for run in arm.counted)]
    if not arms:
        return None
    data = [trace for arm in arms for trace in _conditioned(arm, f"@arm-{colours[arm.label]}")]
    ends = [value for trace in data for axis in "xy" for value in trace[axis] if value is not None]
    plan = layout("target return", "mean return achieved", **diagonal(min(ends), max(ends)))
    scales = [run.scales for arm in arms for run in arm.counted]
    least = [known.log_min for known in scales if known.log_min is not None and known.log_max is not None]
    most = [known.log_max for known in scales if known.log_min is not None and known.log_max is not None]
    if least:
        plan["shapes"].append(shade(min(least), max(most)))
    return Figure(
        _title(arms),
        "See whether a line follows the dashed diagonal, on which the achieved return equals the target. A flat line "
        "means that the arm ignores its target return. Thick lines are means and thin lines are seeds. Rings mark "
        "the target return of the main table. The shaded area covers the returns of the logs: to the right of it, the "
        "target is higher than the return of any logged episode.",
        "Achieved against target return for return-conditioned arms; the table below holds the numbers",
        data,
        plan,
    )


def _title(arms: Sequence[ArmEvidence]) -> str:
    """How much more each arm returns where it is asked for more: the slope of a line through what is drawn."""
    slopes = {}
    for arm in arms:
        pairs = [
            (a.target_return, a.mean_return) for run in arm.counted for a in run.asked if a.target_return is not None
        ]
        middle = [math.fsum(column) / len(pairs) for column in zip(*pairs, strict=True)]
        spread = math.fsum((x - middle[0]) ** 2 for x, _ in pairs)
        if spread:
            slope = math.fsum((x - middle[0]) * (y - middle[1]) for x, y in pairs) / spread
            slopes[arm.label] = formats.score(slope)
    if not slopes:
        return "Every arm was given only one target return"
    return f"A target return that is 1 higher changes the achieved return by: {titles.each(slopes)}"


def _conditioned(arm: ArmEvidence, colour: str) -> list[Trace]:
    """A line per seed, their mean where all have as many targets, and the chosen target."""
    runs = [run for run in arm.counted if run.asked]
    pairs = [
        [(asked.target_return, asked.mean_return) for asked in run.asked if asked.target_return is not None]
        for run in runs
    ]
    xs = [x for seed in pairs for x in (*(asked for asked, _ in seed), None)]
    ys = [y for seed in pairs for y in (*(achieved for _, achieved in seed), None)]
    data = [named(arm.label) | line(xs, ys, f"{colour}/{faint(len(runs))}", 1) | {"text": _points(xs, ys, "seed")}]
    marked: Trace = {"mode": "lines+markers", "showlegend": True}
    if len({len(seed) for seed in pairs}) == 1:
        ranks = list(zip(*pairs, strict=True))  # the targets of all seeds, rank by rank
        x, y = ([math.fsum(pair[i] for pair in rank) / len(rank) for rank in ranks] for i in (0, 1))
        marked["marker"] = {"color": colour, "symbol": symbol_of(arm.family), "size": 7}
        data.append(named(arm.label) | line(x, y, colour, 2.5) | {"text": _points(x, y, "mean of the seeds"), **marked})
    else:
        data[0] |= {**marked, "marker": {"color": colour, "symbol": symbol_of(arm.family), "size": 5}}
    chosen = [(run.target_return, run.score) for run in runs if run.target_return is not None]
    if chosen:
        x, y = ([math.fsum(pair[i] for pair in chosen) / len(chosen)] for i in (0, 1))
        ring = dots(x, y, colour, "circle", 16, edge=3)
        data.append(named(arm.label) | ring | {"text": _points(x, y, "chosen target, mean of the seeds")})
    return data


def _points(xs: Numbers, ys: Numbers, who: str) -> list[str]:
    return [f"{who}: target {formats.number(x)}, achieved {formats.number(y)}" for x, y in zip(xs, ys, strict=True)]
