"""Score against data: learning curves, and points of what learned from a log."""

from __future__ import annotations

import math
from dataclasses import replace

from rlformer.core import formats
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence, RunFacts
from rlformer.evaluator.judge.values import Band
from rlformer.report.plots import Figure, Trace, curves, drawn_scale, final, in_titles, line, named, on_log_axis, titles
from rlformer.report.sections.base import EnvironmentView
from rlformer.report.words.arms import trained


def score_against_data(view: EnvironmentView) -> Figure | None:
    """Learning curves against environment steps, and offline arms at the number of logged steps they read."""
    environment, colours = view.evidence, view.colours
    scale, unit = drawn_scale(environment.card)
    data: list[Trace] = []
    arms = trained(environment)
    offline = [arm.label for arm in arms if not arm.steps_env]
    for arm in arms:
        colour = f"@arm-{colours[arm.label]}"
        if arm.steps_env:
            taken = [run.cost.logged_steps + run.cost.env_steps for run in arm.counted]
            data += curves(arm, _taken, _band(arm), scale, colour)
            data += final(arm, taken, scale, colour, "logged and environment steps" if arm.log else "environment steps")
            continue
        # Arms on one log have one N: side by side instead of on top of each other.
        shift = 1 + 0.035 * (offline.index(arm.label) % 9 - 4)
        read = [run.cost.logged_steps * shift for run in arm.counted]
        data += final(arm, read, scale, colour, "logged steps")
        upstream = arm.cost.upstream_env_steps
        if arm.mean_return and upstream and upstream.mean > 0:
            y = scale(arm.mean_return.point)
            reach = line([math.fsum(read) / len(read), upstream.mean * shift], [y, y], f"{colour}/0.8", 1, "dot")
            marker = {"symbol": ["circle", "circle-open"], "size": [1, 7], "color": colour}
            texts = ["", f"{formats.count(upstream.mean)} environment steps behind its log"]
            data.append(named(arm.label) | reach | {"mode": "lines+markers", "marker": marker, "text": texts})
    caption = (
        "Higher and further left is better. Lines are online arms as they take environment steps: a thick line is the "
        "mean with its 95 % band, a thin line is one seed. Diamonds and squares are arms that learned from a log, at "
        "the number of logged steps that they read (shifted slightly so that none hides another). A dotted line leads "
        "from there to the number of environment steps that made the log."
    )
    if any(arm.log for arm in arms if arm.steps_env):
        caption += " An arm that reads a log before it interacts starts to the right of the steps of that log."
    label = "Score against data: learning curves of online arms and points of offline arms"
    axis = "environment steps, or logged steps (log scale)"
    return on_log_axis(environment, _title(environment), caption, label, data, axis, unit)


def _title(environment: Evidence) -> str:
    """Where arms ended, by what they took of the environment and of a log."""
    means: dict[str, tuple[float, float]] = {}
    scale, (what, shown) = drawn_scale(environment.card)[0], in_titles(environment.card)
    for arm in trained(environment):
        taken = [run.cost.logged_steps + run.cost.env_steps for run in arm.counted]
        if taken and arm.mean_return is not None:
            means[arm.label] = (math.fsum(taken) / len(taken), scale(arm.mean_return.point))
    unit = "environment or logged steps"
    return titles.ends(means, what, shown, formats.count, unit) if means else "No arm has a final score yet"


def _taken(run: RunFacts) -> list[float]:
    """The data behind each evaluation: a log is read before the first step is taken."""
    return [run.cost.logged_steps + step for step in run.curve.step]


def _band(arm: ArmEvidence) -> Band | None:
    band, read = arm.curves.step, arm.cost.logged_steps
    if band is None or read is None:
        return band
    return replace(band, x=tuple(read.mean + x for x in band.x))
