"""What a bandit would deploy against episodes, and what every arm has after so many steps."""

from __future__ import annotations

from collections.abc import Sequence

from rlformer.core import formats
from rlformer.evaluator.judge.choices import Choosing, Deployment, EqualData
from rlformer.evaluator.judge.values import Estimate
from rlformer.report.plots import Figure, Trace, layout, line, log_ticks, named, symbol_of, titles
from rlformer.report.sections.base import EnvironmentView
from rlformer.report.sections.choosing import words
from rlformer.report.sections.choosing.words import shown

_DASHES = {"targets": "solid", "family": "dash", "log": "dashdot", "all": "solid", "trainings": "dash"}


def deployed(view: EnvironmentView) -> Figure | None:
    """The policy that would now be deployed, against the number of episodes deployed."""
    found = view.evidence.choosing
    if found is None or not found.deployments:
        return None
    first = words.foremost(found.deployments)
    data = [
        trace | ({} if each in first else {"visible": "legendonly"})
        for each in found.deployments
        for trace in _deployed(each, found, view)
    ]
    plan = layout("episodes deployed in order to choose", _axis(found))
    plan["xaxis"] |= log_ticks(data)
    return Figure(
        _worth(first),
        "Each line is the mean score of the policy that a bandit would deploy after so many episodes, with the 95 % "
        "interval over seeds as a band. The dotted line of the same colour is the score without a choice. To the left "
        "of where they cross, choosing is worse than not choosing. Click a name to show other choices.",
        "Score of the chosen policy against deployed episodes; the table below holds the numbers",
        data,
        plan,
    )


def _worth(shown_first: Sequence[Deployment]) -> str:
    """From how many episodes on a choice does as well as none."""
    said = {
        f"among {words.among(each)}": "never"
        if each.worth_from is None
        else f"from {formats.plural(each.worth_from, 'episode')} on"
        for each in shown_first[:2]
    }
    return f"Choosing is no worse than not choosing: {titles.each(said)}"


def _axis(found: Choosing) -> str:
    return "normalised score z" if found.unit == "z" else "mean episode return"


def _deployed(each: Deployment, found: Choosing, view: EnvironmentView) -> list[Trace]:
    name = words.among(each)
    colour = f"@arm-{view.colours[each.labels[0]]}" if each.group == "targets" else "@ink"
    if each.group in ("family", "log"):
        colour = f"@arm-{view.colours[each.labels[-1]]}"
    tied, data = named(name), []
    xs = list(each.episodes)
    if each.low is not None and each.high is not None:
        edge = line([*xs, *reversed(xs)], [*each.high, *reversed(each.low)], f"{colour}/0", 0)
        data.append(tied | edge | {"fill": "toself", "fillcolor": f"{colour}/0.12", "hoverinfo": "skip"})
    none = each.unchosen.point
    data.append(tied | line([xs[0], xs[-1]], [none, none], colour, 1.5, "dot") | {"hoverinfo": "skip"})
    texts = [
        f"{formats.plural(n, 'episode')} ({formats.count(steps)} steps): {shown(score, found.unit)}"
        for n, steps, score in zip(xs, each.env_steps, each.score, strict=True)
    ]
    drawn = line(xs, each.score, colour, 2.5, _DASHES[each.group])
    return [*data, tied | drawn | {"text": texts, "showlegend": True}]


def equal(view: EnvironmentView) -> Figure | None:
    """Scores at equal numbers of environment steps."""
    found = view.evidence.choosing
    if found is None:
        return None
    rows = [row for row in found.equal_data if row.by == "env_steps"]
    data = [trace for i, row in enumerate(rows) for trace in _equal(row, i - len(rows) // 2, found, view)]
    if not data:
        return None
    plan = layout("environment steps, including those behind a log", _axis(found))
    plan["xaxis"] |= log_ticks(data)
    return Figure(
        _leading(rows),
        "Each mark is the score of an arm after that many environment steps, with its 95 % interval over seeds. Go up "
        "from the number of steps that you can afford to the highest mark. Marks for the same number of steps are "
        "drawn side by side.",
        "Score of every arm at 1, 2, 4 ... thousand environment steps; the table below holds the numbers",
        data,
        plan,
    )


def _leading(rows: Sequence[EqualData]) -> str:
    """Who leads at the fewest steps that were measured, and at the most."""
    at: dict[int, dict[str, float]] = {}
    for row in rows:
        for score in row.scores:
            at.setdefault(score.steps, {})[row.label] = score.score.point
    few, many = min(at), max(at)
    return titles.change(at[few], at[many], (f"after {formats.count(few)} steps", f"after {formats.count(many)}"))


def _equal(row: EqualData, place: int, found: Choosing, view: EnvironmentView) -> list[Trace]:
    colour = f"@arm-{view.colours[row.label]}"
    shift = 1 + 0.03 * place  # side by side instead of on top of each other
    xs, ys = [score.steps * shift for score in row.scores], [score.score.point for score in row.scores]
    texts = [
        f"after {formats.count(score.steps)} steps: {formats.estimate(score.score, found.unit)}, "
        f"measured at {formats.count(score.measured_at)} on {formats.plural(score.seeds, 'seed')}"
        for score in row.scores
    ]
    trace = named(row.label) | line(xs, ys, f"{colour}/0.5", 1.5)
    trace |= {"mode": "lines+markers", "text": texts, "showlegend": True}
    trace["marker"] = {"color": colour, "symbol": symbol_of(view.evidence.arm(row.label).family), "size": 9}
    bars = [_bar(score.score) for score in row.scores]
    ends = {
        "type": "data",
        "symmetric": False,
        "array": [bar[1] for bar in bars],
        "arrayminus": [bar[0] for bar in bars],
    }
    return [trace | {"error_y": {**ends, "color": colour, "thickness": 1.2, "width": 3}}]


def _bar(score: Estimate) -> tuple[float, float]:
    ends = score.interval
    return (0.0, 0.0) if ends is None else (score.point - ends[0], ends[1] - score.point)
