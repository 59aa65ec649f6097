"""What explanations allow to be said: sentences, and cells of the main table. Two questions, never one score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rlformer.core import formats
from rlformer.evaluator.judge.comparisons import LEAN_BELOW
from rlformer.evaluator.judge.explanations import CENSORED, CONTROLS
from rlformer.report.cells import Cell, Column

COLUMNS = (
    Column(
        "reliance",
        "Reliance",
        "Share of all effect on the greedy action that inputs have which matter; defined where the truth is known",
        "Interpretability",
    ),
    Column(
        "skill",
        "Best skill",
        "Of the best explainer: how far above chance it finds the inputs that matter; only where the policy solves "
        "the task by them",
        "Interpretability",
    ),
    Column(
        "l90",
        "L90",
        f"Fewest leaves of a decision tree with .9 of the policy’s score, median of the seeds; at most {CENSORED}",
        "Interpretability",
    ),
    Column(
        "control",
        "Control error",
        "Mean distance of achieved from asked returns, in shares of the log’s range, inside its support",
        "Interpretability",
    ),
)


def cells(explained: Mapping[str, Any], label: str) -> dict[str, Cell]:
    """An arm's cells of `COLUMNS`: "n/a" where something is not defined, with the reason."""
    arm = next(a for a in explained["arms"] if a["label"] == label)
    if not arm["seeds"]:
        return {column.key: Cell("n/a", None, arm["reason"]) for column in COLUMNS}
    found = {"reliance": _cell(arm["reliance"], arm["no_reliance"])}
    best = arm["best"]
    skilled = best is not None and best["by"] == "skill"
    found["skill"] = _cell(best["value"] if skilled else None, arm["no_truth"], best["name"] if skilled else "")
    found["l90"] = _leaves(arm["l90"])
    control = arm["control"]
    inside = None if control["inside"] is None else control["inside"]["error"]
    found["control"] = _cell(inside, control["reason"] or "no target inside the log’s support was asked for")
    return found


def _cell(value: Mapping[str, Any] | None, reason: str | None, title: str = "") -> Cell:
    if value is None:
        return Cell("n/a", None, reason or "not measured")
    ends = "" if value["low"] is None else f"95 % interval {formats.interval(value)}"
    return Cell(formats.score(value["point"]), value["point"], ", ".join(filter(None, (title, ends))))


def _leaves(fewest: Mapping[str, Any]) -> Cell:
    if fewest["reason"]:
        return Cell("n/a", None, fewest["reason"])
    each = ", ".join(f">{CENSORED}" if v is None else str(v) for v in fewest["values"])
    return Cell(leaves(fewest), fewest["median"] or 2 * CENSORED, f"seeds: {each}")


def leaves(fewest: Mapping[str, Any]) -> str:
    """The median, or that it lies beyond the largest tree."""
    return f">{CENSORED}" if fewest["median"] is None else formats.number(round(fewest["median"], 1))


def sentences(explained: Mapping[str, Any]) -> list[dict[str, str]]:
    """The answers to both questions, what it takes to replace a policy by a tree, and where the families differ."""
    arms = [arm for arm in explained["arms"] if arm["seeds"]]
    found = [{"lead": "Does it rely on what matters?", "text": _question_a(arms)}]
    found.append({"lead": "Do explainers find what it uses?", "text": _question_b(arms)})
    if (text := _attention(arms)) is not None:
        found.append({"lead": "Is attention an explanation?", "text": text})
    found.append({"lead": "Can a small tree stand for it?", "text": _trees(arms)})
    found.append({"lead": "Whose decisions can be explained better here?", "text": _families(explained["families"])})
    return found


def _question_a(arms: Sequence[Mapping[str, Any]]) -> str:
    known = [arm for arm in arms if arm["reliance"] is not None]
    others = [arm for arm in arms if arm["reliance"] is None]
    said = []
    if known:
        told = (f"{arm['label']} {formats.estimate(arm['reliance'], 'z')}" for arm in known)
        said.append(f"Reliance, the share of all effect that lies on inputs which matter: {'; '.join(told)}.")
    for reason, labels in _by_reason((arm["label"], arm["no_reliance"]) for arm in others).items():
        said.append(f"Reliance of {formats.listed(labels)}: n/a ({reason}).")
    most = []
    for arm in arms:
        if not arm["effects"]:
            continue
        group, effect = max(arm["effects"].items(), key=lambda item: item[1]["point"])
        if effect["point"] > 0:
            most.append(f"{arm['label']}: {group} ({formats.estimate(effect, 'z')})")
    if most:
        said.append(f"What moves the greedy action most when it is replaced: {'; '.join(most)}.")
    return " ".join(said) or "Not measured."


def _question_b(arms: Sequence[Mapping[str, Any]]) -> str:
    said = []
    skilled = [arm for arm in arms if arm["best"] is not None and arm["best"]["by"] == "skill"]
    if skilled:
        skills = (f"{a['label']} {formats.estimate(a['best']['value'], 'z')} ({a['best']['name']})" for a in skilled)
        said.append(f"Skill of the best explainer, 0 being chance and 1 the truth: {'; '.join(skills)}.")
    rest = [arm for arm in arms if arm not in skilled]
    for reason, labels in _by_reason((arm["label"], arm["no_truth"]) for arm in rest).items():
        said.append(f"Skill of {formats.listed(labels)}: n/a ({reason}).")
    told = []
    for arm in arms:
        if arm["best"] is None:
            continue
        name, measured = arm["best"]["name"], arm["explainers"][arm["best"]["name"]]
        if measured["comprehensiveness"] is not None:
            value = formats.estimate(measured["comprehensiveness"]["mean"], "z")
            agreement = measured["agreement"]
            rank = (
                ""
                if agreement is None
                else f", rank agreement with the effects {formats.score(agreement['mean']['point'])}"
            )
            told.append(f"{arm['label']}: {name} {value}{rank}")
    if told:
        said.append(
            "Replacing what the best explainer ranks first changes the action more often than a random order does by: "
            + "; ".join(told)
            + "."
        )
    return " ".join(said) or "Not measured."


def _attention(arms: Sequence[Mapping[str, Any]]) -> str | None:
    told = []
    for arm in arms:
        rollout = arm["explainers"].get("attention rollout")
        if rollout is None:
            continue
        key = "skill" if rollout["skill"] is not None else "comprehensiveness"
        names = ("attention rollout", "last-layer attention", "uniform attention", "integrated gradients")
        values = [
            f"{name} {formats.estimate(of[key]['mean'], 'z')}"
            for name in names
            if (of := arm["explainers"].get(name)) is not None and of[key] is not None
        ]
        if values:
            told.append(f"{arm['label']}, {key}: {', '.join(values)}")
    if not told:
        return None
    return (
        f"{'; '.join(told)}. Attention explains where it is above uniform attention, and not because it is attention."
    )


def _trees(arms: Sequence[Mapping[str, Any]]) -> str:
    said = []
    known = [arm for arm in arms if not arm["l90"]["reason"]]
    if known:
        told = []
        for arm in known:
            fewest = arm["l90"]
            beyond = (
                f", {fewest['censored']} of {len(fewest['values'])} beyond {CENSORED}" if fewest["censored"] else ""
            )
            if fewest["undefined"]:
                beyond += f", {formats.plural(fewest['undefined'], 'seed')} no better than random left out"
            told.append(f"{arm['label']} {leaves(fewest)}{beyond}")
        said.append(f"Leaves of a tree that keeps .9 of the score, median of the seeds: {'; '.join(told)}.")
    rest = [arm for arm in arms if arm not in known]
    for reason, labels in _by_reason((arm["label"], arm["l90"]["reason"]) for arm in rest).items():
        said.append(f"{formats.listed(labels)}: n/a ({reason}).")
    return " ".join(said)


def _families(compared: Mapping[str, Any] | None) -> str:
    if compared is None:
        return "Only one family was explained, so there is nothing to hold against each other."
    a, b, rows = compared["a"], compared["b"], compared["rows"]
    said = []
    for side, label in (("a", a), ("b", b)):
        ahead = [f"{row['label']} ({_difference(row)})" for row in rows if row["says"] == side]
        if ahead:
            said.append(
                f"The evidence leans towards {label}, by {formats.listed(ahead)}."
                if compared["seeds"] < LEAN_BELOW
                else f"{label} is ahead by {formats.listed(ahead)}."
            )
    level = [row["label"] for row in rows if row["says"] == "cannot be told apart"]
    if not said and level:
        said.append(f"{a} and {b} cannot be told apart: not by {formats.listed(level, 'or')}.")
    elif not said:
        said.append(f"Between {a} and {b} nothing is decided.")
    elif level:
        said.append(f"They cannot be told apart by {formats.listed(level)}.")
    if missing := [
        row["label"] for row in rows if row["says"] in ("undefined for one of them", "one seed cannot tell")
    ]:
        said.append(f"Not decided: {formats.listed(missing)}.")
    said.append("These are different questions: they are not added up.")
    return " ".join(said)


def _difference(row: Mapping[str, Any]) -> str:
    value = row["difference"]
    return f"{formats.signed(value['point'])}, 95 % interval {formats.interval(value)}"


def _by_reason(pairs: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for label, reason in pairs:
        found.setdefault(reason or "not measured", []).append(label)
    return found


def explainer_rows(arm: Mapping[str, Any]) -> list[tuple[str, list[Cell]]]:
    """The explainers of an arm with a cell for each of `EXPLAINER_COLUMNS`."""
    rows = []
    for name, measured in arm["explainers"].items():
        row = []
        for key, _, _ in EXPLAINER_COLUMNS:
            of = measured[key]
            row.append(_cell(None if of is None else of["mean"], _why(key, name, arm)))
        rows.append((name, row))
    return rows


def _why(key: str, name: str, arm: Mapping[str, Any]) -> str:
    """Why a measure of an explainer is not defined."""
    if key in ("skill", "relevance_mass"):
        return arm["no_truth"] or "undefined"
    if key == "between_seeds":
        return "one seed, or fewer than three groups, or ranks that are all alike"
    if key == "sensitivity" and name in ("random", "Shapley values"):
        return "drawn at random: it would measure the draw"
    if name in CONTROLS:
        return "a control does not look at the policy"
    return "fewer groups than it takes, or ranks that are all alike"


EXPLAINER_COLUMNS = (
    ("skill", "Skill", "(relevance mass on the truth − chance) / (1 − chance)"),
    ("relevance_mass", "On truth", "Share of its relevance that lies on the inputs that matter"),
    ("agreement", "Agreement", "Rank correlation of its relevance with the total effects"),
    (
        "comprehensiveness",
        "Compreh.",
        "Effect of replacing its first 1, 2, 4 groups, minus a random order’s: high is good",
    ),
    (
        "sufficiency",
        "Suffic.",
        "Effect of replacing all but its first 1, 2, 4 groups, minus a random order’s: low is good",
    ),
    ("effective_groups", "Groups", "Effective number of groups that share its relevance"),
    ("gini", "Gini", "How unevenly its relevance is spread, from 0"),
    ("sensitivity", "Sensitivity", "How far it moves where the state moves a little: low is stable"),
    ("between_seeds", "Seeds", "Rank correlation of its mean relevance between training seeds"),
    ("sanity", "Sanity", "Rank correlation with its relevance after the weights were shuffled: near 1 it ignores them"),
)
