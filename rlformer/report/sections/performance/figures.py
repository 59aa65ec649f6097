"""Every run, arm by arm."""

from __future__ import annotations

from rlformer.core import formats
from rlformer.report.plots import Figure, Trace, dots, layout, line, mean_and_interval, named, safe, scores, titles
from rlformer.report.sections.base import EnvironmentView


def runs(view: EnvironmentView) -> Figure | None:
    """A dot per run, the mean and its interval, arm by arm."""
    environment, colours = view.evidence, view.colours
    arms = [(arm, arm.mean_return) for arm in reversed(environment.arms) if arm.mean_return is not None]
    if not arms:
        return None
    data: list[Trace] = []
    for row, (arm, mean) in enumerate(arms):
        runs, colour = arm.counted, f"@arm-{colours[arm.label]}"
        if mean.low is not None:
            bar = line([mean.low, mean.high], [row, row], f"{colour}/0.35", 11)
            data.append(bar | {"hoverinfo": "skip"})
        spread = [row - 0.22 + 0.44 * (i + 0.5) / len(runs) for i in range(len(runs))]
        each = dots([run.score for run in runs], spread, colour, "circle", 8)
        texts = [f"seed {run.seed}: {formats.number(run.score)}" for run in runs]
        tick = dots([mean.point], [row], colour, "line-ns", 20, edge=3) | {"text": [mean_and_interval(mean)]}
        data += [named(arm.label) | each | {"text": texts}, named(arm.label) | tick]
    plan = layout("mean episode return", "", **scores(environment.card))
    plan["yaxis"] |= {"tickvals": list(range(len(arms))), "ticktext": [safe(arm.label) for arm, _ in arms]}
    plan["yaxis"] |= {"range": [-0.6, len(arms) - 0.4], "zeroline": False, "fixedrange": True}
    plan["margin"]["t"] = 40
    return Figure(
        titles.highest({arm.label: mean.point for arm, mean in reversed(arms)}, "mean return"),
        "Look for bars that do not overlap, and for single dots far from their own bar. Each dot is one seed, the "
        "tick is their mean, the bar its 95 % interval.",
        "Mean episode return of every run, by arm; the table above holds the numbers",
        data,
        plan,
        90 + 40 * len(arms),
    )
