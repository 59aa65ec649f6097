"""Score against data: learning curves, and points of what learned from a log."""

from __future__ import annotations

import math

from rlformer.core import formats
from rlformer.report.plots import Figure, Trace, curves, drawn_scale, final, line, named, on_log_axis
from rlformer.report.sections.base import EnvironmentView
from rlformer.report.words.arms import trained
from rlformer.runs.spec import ONLINE


def score_against_data(view: EnvironmentView) -> Figure | None:
    """Learning curves against environment steps, and offline arms at the number of logged steps they read."""
    environment, colours = view.evidence, view.colours
    scale, unit = drawn_scale(environment.card)
    data: list[Trace] = []
    arms = trained(environment)
    offline = [arm.label for arm in arms if arm.family != ONLINE]
    for arm in arms:
        colour = f"@arm-{colours[arm.label]}"
        if arm.family == ONLINE:
            taken = [run.cost.env_steps for run in arm.counted]
            data += curves(arm, lambda run: run.curve.step, arm.curves.step, scale, colour)
            data += final(arm, taken, scale, colour, "environment steps")
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
        "Lines are online arms as they take environment steps (mean, its 95 % band, one thin line per "
        "seed); diamonds are arms that learned from a log, at the logged steps they read (moved a little "
        "sideways, so as not to hide each other), with a dotted line to the environment steps it took to "
        "make that log: higher and further left is better."
    )
    label = "Score against data: learning curves of online arms and points of offline arms"
    axis = "environment steps, or logged steps (log scale)"
    return on_log_axis(environment, "What each arm made of its data", caption, label, data, axis, unit)
