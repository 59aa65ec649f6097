"""Cells of explanations: columns of the main table, and an arm's table of explainers."""

from __future__ import annotations

from dataclasses import dataclass

from rlformer.core import formats
from rlformer.evaluator.judge.explanations import CENSORED, ExplainedArm, Explanations
from rlformer.evaluator.judge.explanations.evidence import EffectsEvidence, FewestLeaves, Measured, ScoredEvidence
from rlformer.evaluator.judge.values import Estimate
from rlformer.explain.explainers import EXPLAINERS
from rlformer.report.cells import Cell, Column
from rlformer.report.sections.interpretability.words import leaves

COLUMNS = (
    Column(
        "reliance",
        "Reliance",
        "Share of the total effect on the greedy action, in the policy’s own episodes, that comes from inputs that "
        "matter; defined only where the truth is known",
        "Interpretability",
    ),
    Column(
        "skill",
        "Best skill",
        "How far above chance the best explainer finds the inputs that matter; defined only if the policy solves the "
        "task with them",
        "Interpretability",
    ),
    Column(
        "l90",
        "L90",
        f"Fewest leaves of a decision tree with 0.9 of the policy’s score, median of the seeds; at most {CENSORED}",
        "Interpretability",
    ),
    Column(
        "control",
        "Control error",
        "Mean distance between achieved and target return, as a share of the log’s range, for targets inside it",
        "Interpretability",
    ),
)


def cells(explanations: Explanations | None, label: str) -> dict[str, Cell]:
    """An arm's cells of `COLUMNS`: "n/a" where something is not defined, with the reason."""
    if explanations is None:
        return _nothing("no run here was explained")
    arm = next(arm for arm in explanations.arms if arm.label == label)
    if not isinstance(arm, ExplainedArm):
        return _nothing(arm.reason)
    best = arm.best if arm.best is not None and arm.best.by == "skill" else None
    inside = None if arm.control.inside is None else arm.control.inside.error
    return {
        "reliance": _cell(arm.reliance, arm.no_reliance),
        "skill": _cell(best.value if best else None, arm.no_truth, best.name if best else ""),
        "l90": _leaves(arm.l90),
        "control": _cell(inside, arm.control.reason or "no target return inside the log’s support was tried"),
    }


def _nothing(reason: str) -> dict[str, Cell]:
    return {column.key: Cell("n/a", None, reason) for column in COLUMNS}


def _cell(value: Estimate | None, reason: str | None, title: str = "") -> Cell:
    if value is None:
        return Cell("n/a", None, reason or "not measured")
    ends = "" if value.low is None else f"95 % interval {formats.interval(value)}"
    return Cell(formats.score(value.point), value.point, ", ".join(filter(None, (title, ends))))


def _leaves(fewest: FewestLeaves) -> Cell:
    if fewest.reason:
        return Cell("n/a", None, fewest.reason)
    each = ", ".join(f">{CENSORED}" if v is None else str(v) for v in fewest.values)
    return Cell(leaves(fewest), fewest.median or 2 * CENSORED, f"seeds: {each}")


@dataclass(frozen=True)
class ExplainerColumn:
    """A measure of explainers: a field of `ExplainerEvidence`, a short head, and what it means in full."""

    measure: str
    head: str
    meaning: str


EXPLAINER_COLUMNS = tuple(
    ExplainerColumn(*column)
    for column in (
        ("skill", "Skill", "(relevance mass on the truth − chance) / (1 − chance)"),
        ("relevance_mass", "On truth", "Share of its relevance that falls on the inputs that matter"),
        ("agreement", "Agreement", "Rank correlation of its relevance with the total effects"),
        ("agreement_by_chance", "By chance", "95 % of random orders agree with the total effects by this or less"),
        (
            "comprehensiveness",
            "Compreh.",
            "Effect of replacing the 1, 2, 4 inputs that it ranks first, minus that of a random order: high is good",
        ),
        (
            "sufficiency",
            "Suffic.",
            "Effect of replacing all but the 1, 2, 4 inputs that it ranks first, minus that of a random order: low is "
            "good",
        ),
        ("effective_units", "Inputs", "Effective number of inputs that share its relevance"),
        ("gini", "Gini", "How unevenly its relevance is spread (0: evenly)"),
        ("sensitivity", "Sensitivity", "How much it changes when the state changes a little: low is stable"),
        ("between_seeds", "Seeds", "Rank correlation of its mean relevance between training seeds"),
        (
            "sanity",
            "Sanity",
            "Rank correlation with its relevance after the weights were shuffled: near 1, it ignores the weights",
        ),
    )
)


@dataclass(frozen=True)
class ExplainerRow:
    """An explainer with a cell for each of `EXPLAINER_COLUMNS`."""

    name: str
    cells: tuple[Cell, ...]


def explainer_rows(arm: ExplainedArm, scored: ScoredEvidence | None) -> tuple[ExplainerRow, ...]:
    """The explainers of an arm that are scored over the same, and what is attainable at best."""
    if scored is None:
        return ()
    rows = []
    for name, evidence in scored.explainers.items():
        measured = [(column.measure, getattr(evidence, column.measure)) for column in EXPLAINER_COLUMNS]
        row = tuple(_cell(_point(of), _why(measure, name, arm)) for measure, of in measured)
        rows.append(ExplainerRow(name, row))
    return (*rows, ExplainerRow("attainable", _attainable(scored)))


def _point(measured: Measured | float | None) -> Estimate | None:
    if measured is None:
        return None
    return Estimate(None, measured, None) if isinstance(measured, float) else measured.mean


def _attainable(scored: ScoredEvidence) -> tuple[Cell, ...]:
    """The best weights of what is told apart, and the best known order; blank where nothing bounds a measure."""
    skills = [e.attainable_skill.mean for e in scored.explainers.values() if e.attainable_skill is not None]
    most = {
        "skill": max(skills, key=lambda skill: skill.point, default=None),
        "comprehensiveness": _point(scored.comprehensiveness),
        "sufficiency": _point(scored.sufficiency),
    }
    return tuple(
        _cell(of, None) if (of := most.get(column.measure)) is not None else Cell("") for column in EXPLAINER_COLUMNS
    )


@dataclass(frozen=True)
class EffectRow:
    """A group of inputs: its effect deployed and at the log's states."""

    group: str
    own: Cell
    log: Cell


def effect_rows(arm: ExplainedArm) -> tuple[EffectRow, ...]:
    """The groups of an arm; none where effects were not measured."""
    own, log = arm.own, arm.log
    if own is None:
        return ()
    return tuple(
        EffectRow(
            group,
            _cell(effect, None, _no_effect(group, own, arm)),
            _cell(None, "no log was given")
            if log is None
            else _cell(log.effects[group], None, _no_effect(group, log, arm)),
        )
        for group, effect in own.effects.items()
    )


def _no_effect(group: str, at: EffectsEvidence, arm: ExplainedArm) -> str:
    """Why an effect is 0 whatever the policy makes of a group; nothing where it need not be."""
    if not arm.read[group]:
        return "not read: 0 by definition"
    return "" if at.varies[group] else "the same in all episodes at any one time: there is nothing to replace it with"


def _why(measure: str, name: str, arm: ExplainedArm) -> str:
    """Why a measure of an explainer is not defined."""
    explainer = EXPLAINERS[name]
    if measure in ("skill", "relevance_mass"):
        return arm.no_truth or "undefined: all inputs that it can tell apart matter, or none"
    if measure == "between_seeds":
        return "one seed, or fewer than three groups, or all ranks are equal"
    if measure == "sensitivity" and explainer.drawn:
        return "it is drawn at random, so this would measure the draw"
    if explainer.control:
        return "a control does not look at the policy"
    return "too few groups, or all ranks are equal"
