"""The report in Markdown: the summary and the main table, for a README or a terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rlformer.core import formats
from rlformer.evaluator.judge import aggregates
from rlformer.report import profiles
from rlformer.report.failures import Failure, failures
from rlformer.report.sections.interpretability import explanations_of, tables, words


def document(results: Mapping[str, Any]) -> str:
    """The whole of report.md; names are escaped, so that none becomes markup."""
    parts = [f"# {escape(results['title'])}"]
    if results["warnings"]:
        parts += ["Warnings:", _bullets(escape(text) for text in results["warnings"])]
    for environment in results["environments"]:
        parts += _environment(environment)
    if results["across"]:
        parts += ["## Across environments", _across(results)]
        if results["across"]["improvement"]:
            labels = [curve["label"] for curve in results["across"]["profiles"]["curves"]]
            parts += ["Probability of improvement, mean of the environments:"]
            parts += [improvement(labels, results["across"]["improvement"])]
    lost = failures(results)
    if lost:
        parts += ["## Failed and unfinished runs", _bullets(_lost(failure) for failure in lost)]
    if results["skipped"]:
        told = (f"{item['path']}: {item['reason']}" for item in results["skipped"])
        parts += ["## Folders left out", _bullets(told)]
    parts += ["## What this report cannot tell you"]
    parts += [_bullets(f"**{item['lead']}** {escape(item['text'])}" for item in results["limits"])]
    if results["command"]:
        parts += ["## How to reproduce it", "    " + results["command"].replace("\n", "\n    ")]
    parts += [f"Built {results['built']}; report.html has the figures, results.json every number."]
    return "\n\n".join(parts) + "\n"


def scores_document(results: Mapping[str, Any]) -> str:
    """report.md of `scores.collect`'s results."""
    parts = [f"# {escape(results['title'])}"]
    if results["notes"]:
        parts += ["Notes:", _bullets(escape(text) for text in results["notes"])]
    heads = [head for head, _ in profiles.AGGREGATES.values()]
    lines = ["| Algorithm | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]
    for row in results["aggregates"]:
        cells = (formats.estimate(row[name], "return") for name in profiles.AGGREGATES)
        lines.append(f"| {escape(row['label'])} | " + " | ".join(cells) + " |")
    parts += ["\n".join(lines)]
    if len(results["algorithms"]) > 1:
        parts += ["## Probability of improvement", improvement(results["algorithms"], results["improvement"])]
    parts += [f"Built {results['built']} from {escape(results['source'])}; report.html has the figures, results.json "
              "every number. Intervals are 95 % stratified bootstraps (Agarwal et al. 2021)."]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def improvement(labels: Sequence[str], pairs: Sequence[Mapping[str, Any]]) -> str:
    """How likely a run of the row beats one of the column, as a table."""
    names = [escape(label) for label in labels]
    lines = ["| Row beats column | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for name, row in zip(names, aggregates.improvement_matrix(labels, pairs), strict=True):
        lines.append(f"| {name} | " + " | ".join(formats.estimate(cell, "z") for cell in row) + " |")
    return "\n".join(lines)


def escape(text: str) -> str:
    """A name or a sentence as plain text of one line.

    >>> escape("a|b <i>*c*</i>")
    'a\\\\|b \\\\<i\\\\>\\\\*c\\\\*\\\\</i\\\\>'
    """
    return re.sub(r"([\\`*\[\]<>|#]|\b_|_\b)", r"\\\1", " ".join(text.split()))


def _environment(environment: Mapping[str, Any]) -> list[str]:
    parts = [f"## {escape(environment['name'])}"]
    said = environment["verdict"]
    parts += [f"**{escape(said['headline'])}**"]
    parts += [_bullets(escape(text) for text in said["reasons"])] if said["reasons"] else []
    parts += ["What would turn it:", _bullets(escape(text) for text in said["flips"])] if said["flips"] else []
    parts += ["Beware:", _bullets(escape(text) for text in said["warnings"])] if said["warnings"] else []
    parts += [_bullets(f"**{item['lead']}** {escape(item['text'])}" for item in environment["summary"])]
    if environment["warnings"]:
        parts += ["Warnings:", _bullets(escape(text) for text in environment["warnings"])]
    columns = tables.columns({"environments": [environment]})
    lines = ["| Arm | " + " | ".join(column.head for column in columns) + " |"]
    lines += ["|---|" + "---:|" * len(columns)]
    for row in tables.rows(environment):
        lines.append("| " + " | ".join(escape(row[key].text) for key in ("arm", *(c.key for c in columns))) + " |")
    parts.append("\n".join(lines))
    if (explanations := explanations_of(environment)) is not None:
        bullets = _bullets(f"**{said.lead}** {escape(said.text)}" for said in words.sentences(explanations))
        parts += ["### Interpretability", bullets]
    return parts


def _lost(failure: Failure) -> str:
    said = "; ".join(filter(None, (failure.error, *failure.notes))) or "the run left no word"
    cost = f" (spent: {failure.spent})" if failure.spent else ""
    where = f"{failure.environment}, {failure.arm}, seed {failure.seed}"
    return escape(f"{where}: {failure.told}{cost}: {said}")


def _across(results: Mapping[str, Any]) -> str:
    units = results["across"]["units"]
    heads = [f"{escape(env['name'])}, {unit}" for env, unit in zip(results["environments"], units, strict=True)]
    heads.append("Interquartile mean of z")
    lines = ["| Arm | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]
    for row in results["across"]["rows"]:
        scores = [*row["scores"], row["interquartile_mean"]]
        cells = (formats.estimate(score, unit) for score, unit in zip(scores, [*units, "z"], strict=True))
        lines.append(f"| {escape(row['label'])} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _bullets(lines: Any) -> str:
    return "\n".join(f"- {line}" for line in lines)
