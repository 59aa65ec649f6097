"""Score against training time, and where the time of a run went."""

from __future__ import annotations

from collections.abc import Sequence

from rlformer.core import formats
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.report.plots import (
    Figure,
    Trace,
    curves,
    dots,
    drawn_scale,
    final,
    in_titles,
    layout,
    on_log_axis,
    safe,
    titles,
)
from rlformer.report.sections.base import EnvironmentView
from rlformer.report.words import times
from rlformer.report.words.arms import trained

_PARTS = {"learning": 0.6, "environment": 0.36, "evaluation": 0.2, "log": 0.1}  # of the ledger, with their opacity


def score_against_time(view: EnvironmentView) -> Figure | None:
    """The same arms against the seconds that their training took."""
    environment, colours = view.evidence, view.colours
    scale, unit = drawn_scale(environment.card)
    data: list[Trace] = []
    timed = [arm for arm in trained(environment) if any(run.learning_seconds for run in arm.counted)]
    if not timed:
        return None
    for arm in timed:
        colour = f"@arm-{colours[arm.label]}"
        spent = [run.learning_seconds for run in arm.counted]
        data += curves(arm, lambda run: run.curve.seconds, arm.curves.seconds, scale, colour)
        data += final(arm, spent, scale, colour, "seconds")
    caption = (
        "All arms on one time axis: lines are scores during training, symbols are the final evaluation of each "
        "seed. The time that it took to make an offline arm’s log is not included."
    )
    label = "Score against training time for all arms"
    axis = "training seconds, without evaluation (log scale)"
    return on_log_axis(environment, _title(environment), caption, label, data, axis, unit)


def _title(environment: Evidence) -> str:
    means: dict[str, tuple[float, float]] = {}
    scale, (what, shown) = drawn_scale(environment.card)[0], in_titles(environment.card)
    for arm in trained(environment):
        spent = [run.learning_seconds for run in arm.counted]
        if spent and arm.mean_return is not None:
            means[arm.label] = (sum(spent) / len(spent), scale(arm.mean_return.point))
    return titles.ends(means, what, shown, formats.seconds, "of training") if means else "No arm has a final score yet"


def time_parts(view: EnvironmentView) -> Figure | None:
    """Where the wall time of a run went, arm by arm."""
    arms = [arm for arm in reversed(trained(view.evidence)) if arm.times.get("wall")]
    if not arms:
        return None
    labels, data = [safe(arm.label) for arm in arms], []
    for part, opacity in _PARTS.items():
        means = [_mean(arm, part) or 0.0 for arm in arms]
        if any(means):
            bar: Trace = {"type": "bar", "orientation": "h", "x": means, "y": labels, "name": part}
            bar |= {"marker": {"color": f"@ink/{opacity}"}, "textposition": "none"}
            hover = "%{text} of " + part + "<extra>%{y}</extra>"
            data.append(bar | {"text": [formats.seconds(mean) for mean in means], "hovertemplate": hover})
    for key, colour, name in (("learning_cpu", "@accent", "CPU of training"), ("upstream_cpu", "@muted", "upstream")):
        spreads = [times.of(arm)[key] for arm in arms]
        spent = [None if spread is None else spread.mean for spread in spreads]
        if any(spent):
            mark = dots(spent, labels, colour, "line-ns", 16, edge=3)
            mark |= {"name": name, "showlegend": True, "text": [formats.seconds(value) for value in spent]}
            data.append(mark | {"hovertemplate": "%{text} of CPU time, " + name + "<extra>%{y}</extra>"})
    plan = layout("seconds of a run, mean over seeds", "", barmode="stack", bargap=0.35)
    plan["yaxis"] |= {"fixedrange": True, "showgrid": False}
    plan["legend"]["y"] = -60 / (36 * len(arms))  # a fixed distance below a plot whose height is not
    return Figure(
        _longest(arms),
        "The longest bar is the slowest arm. Its shades separate learning, stepping the environment (together the "
        "training time), evaluating and writing the log. A CPU mark far to the right of learning and environment means "
        "that several cores were used; one far to the left means waiting. Upstream is the CPU time of making the log.",
        "Wall time of a run by part; the table below holds the numbers",
        data,
        plan,
        130 + 36 * len(arms),
    )


def _longest(arms: Sequence[ArmEvidence]) -> str:
    """Which arm takes longest, and for what."""
    took = {arm.label: sum(_mean(arm, part) or 0.0 for part in _PARTS) for arm in arms}
    slowest = max(arms, key=lambda arm: took[arm.label])
    most = max(_PARTS, key=lambda part: _mean(slowest, part) or 0.0)
    share = formats.percent((_mean(slowest, most) or 0.0) / (took[slowest.label] or 1.0))
    words = {"environment": "stepping the environment", "log": "writing the log"}.get(most, most)
    return f"{slowest.label} takes longest, {formats.seconds(took[slowest.label])} per run: {share} is {words}"


def _mean(arm: ArmEvidence, part: str) -> float | None:
    spread = arm.times.get(part)
    return None if spread is None else spread.mean
