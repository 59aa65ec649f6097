"""An explanation as a terminal shows it; what is not defined is told with its reason."""

from __future__ import annotations

from rlformer.cli.console import table
from rlformer.explain.parts import (
    Attributions,
    Controllability,
    Deletion,
    Effects,
    Explanation,
    Maps,
    Patching,
    Probes,
    Surrogate,
)
from rlformer.explain.parts.probes import Rows

_CELLS = 5  # of an image that are shown
_MEASURES = (
    "agreement",
    "agreement_by_chance",
    "comprehensiveness",
    "sufficiency",
    "effective_units",
    "gini",
    "sanity",
)


def show(explanation: Explanation) -> None:
    """Print the rows of every part that was made but the pictures."""
    if effects := explanation.get(Effects):
        _effects(effects)
    if attributions := explanation.get(Attributions):
        _explainers(attributions)
    if deletion := explanation.get(Deletion):
        print("\nreturn when the first k groups of an order are masked:")
        print(table(["order", *map(str, deletion.counts)], [[name, *of] for name, of in deletion.returns.items()]))
    if surrogate := explanation.get(Surrogate):
        _trees(surrogate)
    if control := explanation.get(Controllability):
        _control(control)
    if maps := explanation.get(Maps):
        _maps(maps)
    if probes := explanation.get(Probes):
        _probes(probes)
    if patching := explanation.get(Patching):
        _patching(patching)


def _effects(part: Effects) -> None:
    print(f"total effect ({part.unit}):")
    both = [part.own] if part.log is None else [part.own, part.log]
    heads = ["group", "deployed", "at the log's states"][: 1 + len(both)]
    print(table(heads, [[group, *(at.effects[i] for at in both)] for i, group in enumerate(part.groups)]))
    for head, at in zip(heads[1:], both, strict=True):
        found = f"n/a, {at.no_reliance}" if at.reliance is None else f"{at.reliance:.4g}"
        print(f"reliance, {head}: {found}")


def _explainers(part: Attributions) -> None:
    for scored, name, reason in (
        (part.by_group, "groups of inputs", part.no_groups),
        (part.by_token, "tokens (attention cannot tell apart the inputs within one)", part.no_tokens),
    ):
        if scored is None:
            print(f"\nexplainers over {name}: n/a, {reason}")
            continue
        rows = [
            [
                explainer,
                None if judged.truth is None else judged.truth.skill,
                *(getattr(judged, measure) for measure in _MEASURES),
                judged.stability.sensitivity,
            ]
            for explainer, judged in scored.explainers.items()
        ]
        most = {"comprehensiveness": scored.attainable.comprehensiveness, "sufficiency": scored.attainable.sufficiency}
        rows.append(["attainable", None, *(most.get(measure) for measure in _MEASURES), None])
        head = ["explainer", "skill", *(measure.replace("_", " ") for measure in _MEASURES), "sensitivity"]
        print(f"\nexplainers over {name}:\n{table(head, rows)}")
    if part.no_truth:
        print(f"skill: n/a, {part.no_truth}")


def _trees(part: Surrogate) -> None:
    print()
    for reads, curve in (("observation", part.observation), ("window", part.window)):
        if curve is None:
            print(f"tree of the {reads}: n/a, {part.no_window}")
            continue
        why = curve.reason or f"more than {curve.curve[-1].leaves} leaves would be needed"
        print(f"tree of the {reads}: " + (f"L90 = {curve.l90}" if curve.l90 else f"L90 n/a, {why}"))


def _control(part: Controllability) -> None:
    if part.inside is None or part.beyond is None:
        print(f"controllability: n/a, {part.reason}")
        return
    rows = [
        [where, found.targets, found.error, found.slope, found.tau]
        for where, found in (("inside", part.inside), ("beyond", part.beyond))
    ]
    print("\n" + table(["target returns, of the log's", "targets", "error", "slope", "Kendall tau"], rows))


def _maps(part: Maps) -> None:
    """The cells that matter most; the report draws all of them."""
    for image in part.images:
        rows = len(image.changes)
        found = [
            (row, column, image.changes[row][column], image.occlusion[row][column], image.gradients[row][column])
            for row in range(rows)
            for column in range(len(image.changes[row]))
        ]
        found.sort(key=lambda cell: (-cell[2], -cell[3], -cell[4]))
        named = [[f"{row + 1}, {column + 1}", *values] for row, column, *values in found[:_CELLS]]
        print(f"\ncells of '{image.part}' that matter most, of {rows} x {len(image.changes[0])} ({image.cell} pixels):")
        print(table(["row, column", part.unit, "occlusion", "integrated gradients"], named))


def _probes(part: Probes) -> None:
    if part.reason or part.latent is None:
        print(f"probes: n/a, {part.reason}")
        return
    for run in part.runs:
        for rows, of in ((run.accuracy, "the policy"), (run.untrained, "the untrained network")):
            share = f"share of episodes in which a linear probe of {of} reads the {part.latent.name}"
            print(f"\n{share}{_asked(run.target_return)}:")
            _map(part.layers, part.steps, rows)


def _patching(part: Patching) -> None:
    if part.reason or part.latent is None:
        print(f"patching: n/a, {part.reason}")
        return
    for run in part.runs:
        rows = run.choices or run.logits
        of = "choices" if run.choices else "logits"
        effect = f"effect on the {of}, as a share of the effect of replacing the {part.latent.name} itself"
        reason = f" n/a, {run.reason}" if rows is None else ""
        print(f"\n{effect}{_asked(run.target_return)}:{reason}")
        if rows is not None:
            _map(part.layers, part.steps, rows)


def _asked(target_return: float | None) -> str:
    return "" if target_return is None else f", target return {target_return:g}"


def _map(layers: tuple[str, ...], steps: tuple[int, ...], rows: Rows) -> None:
    """By layer, the steps across."""
    print(table(["step", *map(str, steps)], [[layer, *row] for layer, row in zip(layers, rows, strict=True)]))
