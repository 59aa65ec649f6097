"""Figures over several tasks: performance profiles and interquartile means (Agarwal et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rlformer.core import formats
from rlformer.evaluator.judge.findings import Aggregate, Profiles
from rlformer.evaluator.judge.values import Estimate
from rlformer.report.plots import Figure, Trace, dots, layout, line, safe, titles

# Of `aggregates.AGGREGATES`: the name in a table's head, and what it means.
AGGREGATES = {
    "mean": ("Mean", "Mean over tasks of the mean over runs"),
    "median": ("Median", "Median over tasks of the mean over runs"),
    "interquartile_mean": ("Interquartile mean", "Mean of the middle half of all runs of all tasks"),
    "optimality_gap": ("Optimality gap", "1 − mean of min(score, 1): less is better"),
}


def of(row: Aggregate, key: str) -> Estimate:
    """The aggregate of that name."""
    found: Estimate = getattr(row, key)
    return found


def profile(profiles: Profiles, colours: Mapping[str, int], score: str = "score") -> Figure:
    """The share of runs above each score, with bands."""
    levels, data = profiles.thresholds, []
    for curve in profiles.curves:
        name, colour = safe(curve.label), f"@arm-{colours[curve.label]}"
        tied = {"name": name, "legendgroup": name}
        if curve.low is not None and curve.high is not None:
            edge = line([*levels, *reversed(levels)], [*curve.high, *reversed(curve.low)], f"{colour}/0", 0)
            data.append(edge | tied | {"fill": "toself", "fillcolor": f"{colour}/0.15", "hoverinfo": "skip"})
        hover = "%{y:.0%} of runs above %{x:.3~f}<extra>%{fullData.name}</extra>"
        data.append(line(levels, curve.share, colour, 2.5) | tied | {"hovertemplate": hover, "showlegend": True})
    plan = layout(f"{score} τ", "share of runs above τ, mean of the tasks")
    plan["yaxis"] |= {"range": [-0.02, 1.02], "tickformat": ".0%"}
    return Figure(
        _most_often(profiles),
        "Find the score that you need on the horizontal axis: the highest curve there belongs to the arm whose runs "
        "exceed it most often. Bands are 95 % intervals at each score.",
        "Performance profiles: share of runs above each score",
        data,
        plan,
    )


def _most_often(profiles: Profiles) -> str:
    """Whose curve is highest, and at how many of the thresholds where curves differ."""
    lead: dict[str, int] = {}
    apart = 0
    for shares in zip(*(curve.share for curve in profiles.curves), strict=True):
        if max(shares) > min(shares):
            apart += 1
            for curve, share in zip(profiles.curves, shares, strict=True):
                lead[curve.label] = lead.get(curve.label, 0) + (share == max(shares))
    if not apart:
        return "All runs exceed each score equally often"
    first = titles.leaders(lead)
    share = formats.percent(max(lead.values()) / apart)
    return f"Highest share of runs: {titles.few(first)}, at {share} of the scores"


def estimates(aggregates: Sequence[Aggregate], key: str, colours: Mapping[str, int]) -> Figure:
    """One aggregate of every algorithm, a tick with its interval. key: of AGGREGATES."""
    rows, data = list(reversed(aggregates)), []
    for position, row in enumerate(rows):
        value, name, colour = of(row, key), safe(row.label), f"@arm-{colours[row.label]}"
        if value.low is not None:
            bar = line([value.low, value.high], [position, position], f"{colour}/0.35", 11)
            data.append(bar | {"hoverinfo": "skip"})
        text: Trace = {
            "text": [formats.estimate(value, "return")],
            "hovertemplate": "%{text}<extra>" + name + "</extra>",
        }
        data.append(dots([value.point], [position], colour, "line-ns", 20, edge=3) | text)
    title = AGGREGATES[key][0]
    plan = layout(title.lower(), "")
    plan["yaxis"] |= {"tickvals": list(range(len(rows))), "ticktext": [safe(row.label) for row in rows]}
    estimated = [of(row, key) for row in rows]
    ends = [end for value in estimated for end in (value.low, value.point, value.high) if end is not None]
    pad = 0.04 * (max(ends) - min(ends)) or 0.1
    plan["xaxis"]["range"] = [min(ends) - pad, max(ends) + pad]
    plan["yaxis"] |= {"range": [-0.6, len(rows) - 0.4], "zeroline": False, "fixedrange": True}
    return Figure(
        (titles.lowest if key == "optimality_gap" else titles.highest)(
            {row.label: of(row, key).point for row in aggregates}, title.lower()
        ),
        "Look for bars that do not overlap: there, one algorithm is better. The tick is the estimate, the bar its "
        "95 % interval.",
        f"{title} of every algorithm with its interval; the table holds the numbers",
        data,
        plan,
        90 + 40 * len(rows),
    )
