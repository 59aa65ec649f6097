"""Score against floating-point operations: the same on every machine, where seconds are not."""

from __future__ import annotations

import functools
from dataclasses import replace

from rlformer.core import formats
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence, RunFacts
from rlformer.evaluator.judge.values import Band
from rlformer.report.plots import Figure, Trace, curves, drawn_scale, final, in_titles, on_log_axis, titles
from rlformer.report.sections.base import EnvironmentView
from rlformer.report.words.arms import trained


def score_against_flops(view: EnvironmentView) -> Figure | None:
    """Every arm whose operations were counted; None where there is none."""
    environment, colours = view.evidence, view.colours
    scale, unit = drawn_scale(environment.card)
    data: list[Trace] = []
    for arm in trained(environment):
        if not arm.flops.get("training"):
            continue
        colour, spent = f"@arm-{colours[arm.label]}", [run.flops.get("training", 0.0) for run in arm.counted]
        data += curves(arm, functools.partial(_operations, arm), _band(arm), scale, colour)
        data += final(arm, spent, scale, colour, "operations")
    caption = (
        "The arithmetic that training takes does not depend on the machine. Lines are scores during training (assuming "
        "that every step costs the same), symbols are the final evaluation of each seed. Further left is cheaper. An "
        "arm that is further right here than on the time axis above does its arithmetic in larger pieces."
    )
    label = "Score against floating-point operations of training for all arms"
    axis = "floating-point operations of training (log scale)"
    return on_log_axis(environment, _title(environment), caption, label, data, axis, unit)


def _title(environment: Evidence) -> str:
    means: dict[str, tuple[float, float]] = {}
    scale, (what, shown) = drawn_scale(environment.card)[0], in_titles(environment.card)
    for arm in trained(environment):
        spent = [run.flops["training"] for run in arm.counted if run.flops.get("training")]
        if spent and arm.mean_return is not None:
            means[arm.label] = (sum(spent) / len(spent), scale(arm.mean_return.point))
    return titles.ends(means, what, shown, formats.count, "operations") if means else "No arm has a final score yet"


def _operations(arm: ArmEvidence, run: RunFacts) -> list[float]:
    """The operations that a run had spent at each of its evaluations; [] where they are unknown."""
    each = _of_a_step(arm, run)
    return [] if each is None else [each * step for step in run.curve.step]


def _band(arm: ArmEvidence) -> Band | None:
    """The arm's mean curve over operations, a step costing what it does on average."""
    each = [known for run in arm.counted if (known := _of_a_step(arm, run)) is not None]
    band = arm.curves.step
    if band is None or not each:
        return None
    return replace(band, x=tuple(sum(each) / len(each) * x for x in band.x))


def _of_a_step(arm: ArmEvidence, run: RunFacts) -> float | None:
    """A share of the run's operations, by the unit in which its curve is drawn."""
    steps = run.cost.env_steps if arm.curve_unit == "env_steps" else run.progress.done
    spent = run.flops.get("training")
    return spent / steps if steps and spent else None
