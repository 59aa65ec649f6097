"""Score against floating-point operations: the same on every machine, where seconds are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlformer.evaluator.judge.prices import counted
from rlformer.report.plots import Figure, Trace, curves, drawn_scale, final, on_log_axis
from rlformer.report.sections.base import EnvironmentView
from rlformer.report.words.arms import trained


def score_against_flops(view: EnvironmentView) -> Figure | None:
    """Every arm whose operations were counted; None where there is none."""
    environment, colours = view.evidence, view.colours
    scale, unit = drawn_scale(environment["card"])
    data: list[Trace] = []
    for arm in trained(environment):
        if not arm["flops"].get("training"):
            continue
        colour = f"@arm-{colours[arm['label']]}"
        spent = [run["flops"]["training"] for run in counted(arm)]
        data += curves(_on_flops(arm), "flops", scale, colour) + final(arm, spent, scale, colour, "operations")
    caption = (
        "Every arm by the arithmetic of its training, which no machine changes: lines are scores while training (each "
        "step taken to cost the same), symbols the final evaluation of each seed. Further left is cheaper; an arm "
        "that is further right here than on the clock above does its arithmetic in larger pieces."
    )
    label = "Score against floating-point operations of training for all arms"
    axis = "floating-point operations of training (log scale)"
    return on_log_axis(environment, "What each arm made of its arithmetic", caption, label, data, axis, unit)


def _on_flops(arm: Mapping[str, Any]) -> dict[str, Any]:
    """The arm with its curves over operations: a step's share of the run's."""
    runs, band = [], arm["curves"]["step"]
    shares = []
    for run in arm["runs"]:
        steps, spent = _steps(arm, run), run["flops"].get("training")
        known = bool(steps and spent)
        share = spent / steps if known else 0.0
        shares += [share] if known and run["counts"] else []
        runs.append({**run, "curve": {**run["curve"], "flops": [share * x for x in run["curve"]["step"]] * known}})
    if band is not None and shares:
        band = {**band, "x": [sum(shares) / len(shares) * x for x in band["x"]]}
    return {**arm, "runs": runs, "curves": {"flops": band if shares else None}}


def _steps(arm: Mapping[str, Any], run: Mapping[str, Any]) -> float | None:
    """Steps of the unit in which the run's curve is drawn."""
    if arm["curve_unit"] == "env_steps":
        return float(run["cost"]["env_steps"])
    return run["progress"].get("done")
