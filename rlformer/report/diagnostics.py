"""The page of the diagnostic suite: predicted beside observed, the controls, and what it cannot tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlformer.agents import cards as agent_cards
from rlformer.core import formats
from rlformer.evaluator.as_json import decode, encode, rounded
from rlformer.report.files import now, write
from rlformer.report.markup import answers, bullets, code, escape
from rlformer.report.page import compose
from rlformer.report.plots import Figure, Trace, diagonal, dots, layout, safe, slots, symbol_of
from rlformer.report.words.types import Answer
from rlformer.studies.diagnose.judge import Checked, Line

_HEAD = ("Row", "Arm", "Target", "Greedy: predicted", "observed", "Sampled: predicted", "observed", "Verdict")


@dataclass(frozen=True)
class RowScale:
    """What a row's returns are held against."""

    name: str
    random: float
    optimum: float


@dataclass(frozen=True)
class Unfinished:
    """A run that did not finish."""

    what: str
    seed: int
    reason: str


@dataclass(frozen=True)
class Diagnosis:
    """What the page says of the suite's results; see `studies.diagnose`."""

    rows: tuple[RowScale, ...]
    lines: tuple[Line, ...]
    controls: tuple[Checked, ...]
    failures: tuple[Unfinished, ...]
    seeds: int


@dataclass(frozen=True)
class DiagnosisWords:
    """What is said of it."""

    title: str
    summary: tuple[str, ...]
    limits: tuple[Answer, ...]
    command: str | None
    built: str


@dataclass(frozen=True)
class _Arm:
    """An agent as a figure draws it."""

    label: str
    rung: int
    family: str


def build(results: Mapping[str, Any], out: Path, *, command: str | None = None) -> dict[str, Any]:
    """Write report.html, report.md and results.json of `diagnose.suite` into `out`, and return the results.

    Raises InputError where `out` cannot be written.
    """
    diagnosis = decode(Diagnosis, results)
    words = DiagnosisWords(
        "Diagnostics: predicted beside observed", _summary(diagnosis), _limits(diagnosis), command, now()
    )
    found: dict[str, Any] = {**rounded(dict(results)), **encode(words)}
    return write(out, found, document(diagnosis, words), page(diagnosis, found))


def page(diagnosis: Diagnosis, results: Mapping[str, Any]) -> str:
    """The HTML. results: what results.json holds, for the page to show in full."""
    figure = predicted_observed(diagnosis)
    plots = {} if figure is None else {"figure-predicted": figure}
    return compose("diagnose.html.jinja", results, plots, plots=plots)


def document(diagnosis: Diagnosis, words: DiagnosisWords) -> str:
    """The Markdown."""
    table = [f"| {' | '.join(_HEAD)} |", f"|---|---|{'---:|' * 5}---|"]
    table += [f"| {' | '.join(map(escape, row))} |" for row in cells(diagnosis)]
    blocks = [f"# {words.title}", bullets(map(escape, words.summary)), "\n".join(table)]
    blocks += ["## Controls", bullets(escape(control_text(control)) for control in diagnosis.controls)]
    if diagnosis.failures:
        lost = (f"{run.what}, seed {run.seed}: {run.reason}" for run in diagnosis.failures)
        blocks += ["## Runs that did not finish", bullets(map(escape, lost))]
    blocks += ["## What it cannot tell", answers(words.limits)]
    if words.command:
        blocks += ["## How to reproduce it", code(words.command)]
    blocks.append(f"Built {words.built}; report.html has the figure, results.json every number.")
    return "\n\n".join(blocks) + "\n"


def cells(diagnosis: Diagnosis) -> list[tuple[str, ...]]:
    """The Markdown's table as text: both ways to choose actions side by side, for each arm and target return."""
    grouped: dict[tuple[str, str, float | None], dict[str, Line]] = {}
    for line in diagnosis.lines:
        grouped.setdefault((line.row, line.agent, line.asked), {})[line.selection] = line
    rows = []
    for (name, agent, target), ways in grouped.items():
        numbers: list[str] = []
        for selection in ("greedy", "sampled"):
            way = ways.get(selection)
            values = (None, None) if way is None else (way.predicted, way.observed)
            numbers += map(formats.number, values)
        verdicts = [way.verdict for way in (ways.get("greedy"), ways.get("sampled")) if way and way.verdict]
        verdict = formats.listed(list(dict.fromkeys(verdicts))) if verdicts else formats.MISSING
        first = next(iter(ways.values()))
        rows.append((f"{first.number} {name}", agent, formats.number(target), *numbers, verdict))
    return rows


def control_text(control: Checked) -> str:
    """Whether a control holds, in a sentence."""
    if control.holds is None:
        return f"{control.text}: not measured by {formats.listed(control.missing)}"
    if control.holds:
        return f"{control.text}: holds"
    return f"{control.text}: DOES NOT HOLD ({'; '.join(control.broken)})"


def predicted_observed(diagnosis: Diagnosis) -> Figure | None:
    """Every line with a prediction, on the scale on which 0 is random play and 1 the optimum."""
    rows = {row.name: row for row in diagnosis.rows}
    lines = [(line, line.predicted) for line in diagnosis.lines if line.predicted is not None]
    if not lines:
        return None
    arms = sorted({_arm(line.agent) for line, _ in lines}, key=lambda arm: (arm.rung, arm.label))
    colours = slots(arms)
    data: list[Trace] = []
    for arm in arms:
        for selection, edge in (("greedy", 0), ("sampled", 2)):
            own = [(line, at) for line, at in lines if (line.agent, line.selection) == (arm.label, selection)]
            if own:
                xs = [_position(predicted, rows[line.row]) for line, predicted in own]
                ys = [_position(line.observed, rows[line.row]) for line, _ in own]
                mark = dots(xs, ys, f"@arm-{colours[arm.label]}", symbol_of(arm.family), 10, edge)
                mark |= {"name": f"{safe(arm.label)}, {selection}", "showlegend": True}
                mark |= {"text": [_hover(line) for line, _ in own]}
                data.append(mark | {"hovertemplate": "%{text}<extra>%{fullData.name}</extra>"})
    ends = [value for trace in data for axis in "xy" for value in trace[axis]]
    plan = layout("predicted", "observed", **diagonal(min(ends), max(ends)))
    plan["annotations"][0]["text"] = "observed = predicted"
    return Figure(
        _met(diagnosis),
        "On the dashed diagonal, an arm does what theory predicts. 0 is random play, 1 is the optimum of the row. "
        "Below 0, return conditioning was misled by luck. Filled marks are for greedy actions, rings for sampled ones.",
        "Observed against predicted return of every line; the table below holds the numbers",
        data,
        plan,
    )


def _position(value: float, row: RowScale) -> float:
    return (value - row.random) / (row.optimum - row.random)


def _hover(line: Line) -> str:
    target = "" if line.asked is None else f" at target return {formats.number(line.asked)}"
    numbers = f"predicted {formats.number(line.predicted)}, observed {formats.number(line.observed)}"
    return f"{line.row}{target}: {numbers} ({line.verdict})"


def _arm(agent: str) -> _Arm:
    card = agent_cards.agent(agent)
    return _Arm(agent, card.rung, card.family)


def _met(diagnosis: Diagnosis) -> str:
    """How many predictions are met."""
    verdicts = [line.verdict for line in diagnosis.lines if line.verdict]
    counts, every = {name: verdicts.count(name) for name in ("equivalent", "undecided", "deviates")}, len(verdicts)
    missed = f"{counts['undecided']} are undecided, {counts['deviates']} are missed"
    return f"{counts['equivalent']} of {every} predictions are met, {missed}"


def _summary(diagnosis: Diagnosis) -> tuple[str, ...]:
    text = [
        f"{_met(diagnosis)} ({formats.plural(diagnosis.seeds, 'seed')}).",
        "Met: two one-sided tests place the mean return within the margin of the closed form, at 5 % after Holm’s "
        "correction over all lines. The margin is .05 of return, or .05 of the way from random play to the optimum "
        "where that is more than 1. Missed: the mean lies beyond the margin. Undecided: within it, but too uncertain.",
    ]
    if diagnosis.seeds == 1:
        text.append("With one seed, the tests are over its episodes and are valid only for that one training.")
    return tuple(text)


def _limits(diagnosis: Diagnosis) -> tuple[Answer, ...]:
    few = diagnosis.seeds < 10
    found = [
        (
            "Your task.",
            "In each of these environments one thing decides. A real task mixes them: being right here is necessary "
            "but not sufficient.",
        ),
        (
            "Learning from less.",
            "Predictions assume an infinite log and a perfect fit. They do not say how much data and training it takes "
            "to come close: each row has one size of log and one budget.",
        ),
        (
            "Ties.",
            "On a uniform log the greedy action is a tie that noise breaks. The return of greedy cloning therefore "
            "means nothing and has no prediction.",
        ),
        (
            "Beyond the log.",
            "A target return above every episode of the log (1 on Stitch) has no prediction: the outcome proves "
            "nothing.",
        ),
        (
            "Seeds that agree.",
            "If all runs return the same, there is no spread to test with, and a failure rate of one in that many runs "
            "could go unseen.",
        ),
    ]
    if few:
        found.insert(
            0,
            (
                "More than the seeds show.",
                f"{formats.plural(diagnosis.seeds, 'seed')}: another seed may give a different result.",
            ),
        )
    return tuple(Answer(lead, text) for lead, text in found)
