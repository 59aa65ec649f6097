"""The page of the diagnostic suite: predicted beside observed, the controls, and what it cannot tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlformer.agents import cards as agent_cards
from rlformer.core import formats
from rlformer.evaluator.as_json import rounded
from rlformer.report.files import now, write
from rlformer.report.markup import bullets, escape
from rlformer.report.page import compose
from rlformer.report.plots import Figure, Trace, diagonal, dots, layout, safe, slots, symbol_of

_HEAD = ("Row", "Arm", "Target", "Greedy: predicted", "observed", "Sampled: predicted", "observed", "Verdict")


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
    told: dict[str, Any] = {
        **rounded(dict(results)),
        "title": "Diagnostics: predicted beside observed",
        "summary": _summary(results),
        "limits": _limits(results),
        "command": command,
        "built": now(),
    }
    return write(out, told, document(told), page(told))


def page(results: Mapping[str, Any]) -> str:
    """The HTML."""
    figure = predicted_observed(results)
    plots = {} if figure is None else {"figure-predicted": figure}
    return compose("diagnose.html.jinja", results, plots, plots=plots)


def document(results: Mapping[str, Any]) -> str:
    """The Markdown."""
    head = f"| {' | '.join(_HEAD)} |\n|---|---|{'---:|' * 5}---|"
    body = [f"| {' | '.join(map(escape, row))} |" for row in cells(results)]
    parts = [f"# {results['title']}", bullets(escape(text) for text in results["summary"]), "\n".join([head, *body])]
    parts += ["## Controls", bullets(escape(control_text(control)) for control in results["controls"])]
    if results["failures"]:
        lost = (f"{f['what']}, seed {f['seed']}: {f['reason']}" for f in results["failures"])
        parts += ["## Runs that did not finish", bullets(escape(text) for text in lost)]
    parts += [
        "## What it cannot tell",
        bullets(f"**{item['lead']}** {escape(item['text'])}" for item in results["limits"]),
    ]
    if results["command"]:
        parts += ["## How to reproduce it", f"    {results['command']}"]
    return (
        "\n\n".join([*parts, f"Built {results['built']}; report.html has the figure, results.json every number."])
        + "\n"
    )


def cells(results: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The Markdown's table as text: both ways to choose actions side by side, for each arm and asked return."""
    found: dict[tuple[str, str, float | None], dict[str, Mapping[str, Any]]] = {}
    for line in results["lines"]:
        found.setdefault((line["row"], line["agent"], line["asked"]), {})[line["selection"]] = line
    rows = []
    for (name, agent, asked), ways in found.items():
        numbers, verdicts = [], []
        for selection in ("greedy", "sampled"):
            line = ways.get(selection, {})
            numbers += [formats.number(line.get(key)) for key in ("predicted", "observed")]
            if line.get("verdict"):
                verdicts.append(line["verdict"])
        told = verdicts[0] if len(set(verdicts)) == 1 else formats.listed(verdicts) if verdicts else formats.MISSING
        first = next(iter(ways.values()))
        rows.append((f"{first['number']} {name}", agent, formats.number(asked), *numbers, told))
    return rows


def control_text(control: Mapping[str, Any]) -> str:
    """Whether a control holds, in a sentence."""
    if control["holds"] is None:
        return f"{control['text']}: not measured by {formats.listed(control['missing'])}"
    if control["holds"]:
        return f"{control['text']}: holds"
    return f"{control['text']}: DOES NOT HOLD ({'; '.join(control['broken'])})"


def predicted_observed(results: Mapping[str, Any]) -> Figure | None:
    """Every line with a prediction, on the scale on which 0 is random play and 1 the optimum."""
    rows = {row["name"]: row for row in results["rows"]}
    lines = [line for line in results["lines"] if line["predicted"] is not None]
    if not lines:
        return None
    arms = sorted({_arm(line["agent"]) for line in lines}, key=lambda arm: (arm.rung, arm.label))
    colours = slots(arms)
    data: list[Trace] = []
    for arm in arms:
        for selection, edge in (("greedy", 0), ("sampled", 2)):
            mine = [line for line in lines if line["agent"] == arm.label and line["selection"] == selection]
            if mine:
                xs, ys = (
                    [_position(line[key], rows[line["row"]]) for line in mine] for key in ("predicted", "observed")
                )
                mark = dots(xs, ys, f"@arm-{colours[arm.label]}", symbol_of(arm.family), 10, edge)
                mark |= {
                    "name": f"{safe(arm.label)}, {selection}",
                    "showlegend": True,
                    "text": [_told(x) for x in mine],
                }
                data.append(mark | {"hovertemplate": "%{text}<extra>%{fullData.name}</extra>"})
    ends = [value for trace in data for axis in "xy" for value in trace[axis]]
    plan = layout("predicted", "observed", **diagonal(min(ends), max(ends)))
    plan["annotations"][0]["text"] = "observed = predicted"
    return Figure(
        "Predicted and observed",
        "On the dashed diagonal an arm does what theory says. 0 is random play, 1 the optimum of the row, and below 0 "
        "return conditioning was fooled by luck. Filled marks are of greedy actions, rings of sampled ones.",
        "Observed against predicted return of every line; the table below holds the numbers",
        data,
        plan,
    )


def _position(value: float, row: Mapping[str, Any]) -> float:
    return float((value - row["random"]) / (row["optimum"] - row["random"]))


def _told(line: Mapping[str, Any]) -> str:
    asked = "" if line["asked"] is None else f" at target return {formats.number(line['asked'])}"
    found = f"predicted {formats.number(line['predicted'])}, observed {formats.number(line['observed'])}"
    return f"{line['row']}{asked}: {found} ({line['verdict']})"


def _arm(agent: str) -> _Arm:
    card = agent_cards.agent(agent)
    return _Arm(agent, card.rung, card.family)


def _summary(results: Mapping[str, Any]) -> list[str]:
    verdicts = [line["verdict"] for line in results["lines"] if line["verdict"]]
    counts = {verdict: verdicts.count(verdict) for verdict in ("equivalent", "undecided", "deviates")}
    seeds = formats.plural(results["seeds"], "seed")
    text = [
        f"{counts['equivalent']} of {len(verdicts)} predictions are met, {counts['undecided']} are undecided, "
        f"{counts['deviates']} are missed ({seeds}).",
        "Met: two one-sided tests place the mean return within the margin of the closed form, at 5 % after Holm’s "
        "correction over all lines. The margin is .05 of return, or .05 of the way from random play to the optimum "
        "where that is more than 1. Missed: the mean lies beyond the margin. Undecided: within it, but too uncertain.",
    ]
    if results["seeds"] == 1:
        text.append("One seed: the tests are over its episodes and speak for that one training.")
    return text


def _limits(results: Mapping[str, Any]) -> list[dict[str, str]]:
    few = results["seeds"] < 10
    found = [
        (
            "Your task.",
            "These worlds are made so that one thing decides. A task mixes them: being right here is necessary, "
            "not sufficient.",
        ),
        (
            "Learning from less.",
            "Closed forms are those of an endless log and a perfect fit. How much data and training it takes to come "
            "near is not in them: each row has one size of log and one budget.",
        ),
        (
            "Ties.",
            "On a uniform log the greedy action is a tie, broken by noise: what greedy cloning returns says "
            "nothing, and has no prediction.",
        ),
        (
            "Beyond the log.",
            "A target return above that of every episode of the log (1 on Stitch) has no closed form: whatever happens "
            "proves nothing.",
        ),
        (
            "Seeds that agree.",
            "Where all runs return the same there is no spread to test with: that one run in as many fails could hide.",
        ),
    ]
    if few:
        found.insert(
            0, ("More than its seeds.", f"{formats.plural(results['seeds'], 'seed')}: another may fall elsewhere.")
        )
    return [{"lead": lead, "text": text} for lead, text in found]
