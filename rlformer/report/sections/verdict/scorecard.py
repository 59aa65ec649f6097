"""The scorecard in words: a column for each family and one for the simple arm, four rows, and who leads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rlformer.core import formats
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.findings import Strength
from rlformer.evaluator.judge.scorecard import Amount, Column, Lead, RowName, Scorecard
from rlformer.evaluator.judge.terms import GOOD_ENOUGH, Scale
from rlformer.report.words.families import COLUMN_HEADS
from rlformer.report.words.thresholds import goal, one

NOT_EXPLAINED = "not explained (use --explain)"
_LONGEST = 26  # letters of a name in a narrow table
_UNITS = {"env_steps": "environment steps", "logged_steps": "logged steps"}
_LEADS: dict[Strength, str] = {"claim": "{} leads", "probable": "{} probably leads", "lean": "{} seems to lead"}
_CLOCKS = {"cpu": "CPU time of learning", "wall": "wall time of learning"}
_SHORT = ("candidate", "score", "data", "time", "explained by")


@dataclass(frozen=True)
class Told:
    """A cell: the number, what stands under it, and whether it is among those that lead."""

    text: str
    details: tuple[str, ...] = ()
    leads: bool = False
    short: str = ""  # the cell in a narrow table


@dataclass(frozen=True)
class Row:
    """What is compared, what that means, a cell for each column, and who leads."""

    name: RowName
    lead: str
    meaning: str
    cells: tuple[Told, ...]
    leader: str


@dataclass(frozen=True)
class Card:
    """The table. heads: a family and the label of its arm, column by column."""

    heads: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]

    @property
    def narrow(self) -> tuple[Sequence[str], list[list[str]]]:
        """Its head and rows with an arm in each row, for a terminal."""
        body = [
            [_name(head, label), *(row.cells[i].short for row in self.rows)]
            for i, (head, label) in enumerate(self.heads)
        ]
        return _SHORT, body

    @property
    def leaders(self) -> str:
        """Who leads in each row, in a sentence."""
        return "; ".join(f"{name}: {row.leader}" for name, row in zip(_SHORT[1:], self.rows, strict=True)) + "."


def _name(head: str, label: str) -> str:
    """An arm with its family, where both fit a narrow table."""
    whole = f"{label} ({head if head.isupper() else head[0].lower() + head[1:]})"
    return whole if len(whole) <= _LONGEST else label


def card(evidence: Evidence) -> Card | None:
    """The scorecard of an environment in words; None where it has none."""
    found = evidence.scorecard
    if found is None:
        return None
    heads = tuple((COLUMN_HEADS[column.family], column.label) for column in found.columns)
    return Card(heads, (_score(evidence, found), _data(evidence, found), _time(found), _explained(evidence, found)))


def _score(evidence: Evidence, found: Scorecard) -> Row:
    scored = any(column.score is not None for column in found.columns)
    cells = tuple(_score_cell(column, found.lead("score")) for column in found.columns)
    scale = evidence.verdict.scale if evidence.verdict is not None else None
    meaning = "mean return of an episode"
    if scored:
        meaning = f"0 is random play or a run that broke off, 1 is {one(scale)}{_return_of(scale)}"
    leader = _leader(found.lead("score"), len(cells))
    if scored and not any(column.worked for column in found.columns):  # the verdict's test is of runs that work
        leader = "none works"
    return Row("score", "Score", meaning, cells, leader)


def _return_of(scale: Scale | None) -> str:
    if scale is None:
        return ""
    return f" ({'' if scale.source == GOOD_ENOUGH else 'a return of '}{formats.number(scale.reference)})"


def _score_cell(column: Column, lead: Lead) -> Told:
    value, show = (column.score, formats.score) if column.score is not None else (column.mean_return, formats.number)
    if value is None:
        return Told(formats.MISSING, short=formats.MISSING)
    text, ends = show(value.point), ""
    if value.low is not None and value.high is not None:
        ends = f"{show(value.low)} to {show(value.high)}"
    details = [ends] if ends else []
    if column.score is not None:
        details.append(f"{column.worked} of {formats.plural(column.runs, 'run')} work")
    return Told(text, tuple(details), _is_first(column, lead), f"{text} ({ends})" if ends else text)


def _data(evidence: Evidence, found: Scorecard) -> Row:
    cells = tuple(_amount(column, column.data, found.lead("data")) for column in found.columns)
    return Row("data", "Data until good enough", _until(evidence, found), cells, _of_amounts(found, "data"))


def _time(found: Scorecard) -> Row:
    cells = tuple(_amount(column, column.time, found.lead("time")) for column in found.columns)
    return Row("time", "Training time until good enough", _CLOCKS[found.clock], cells, _of_amounts(found, "time"))


def _until(evidence: Evidence, found: Scorecard) -> str:
    if found.threshold is None:
        return "“good enough” is not defined: use --good-enough"
    terms = evidence.verdict.terms if evidence.verdict is not None else None
    return f"until {goal(terms) if terms is not None else formats.number(found.threshold)}"


def _amount(column: Column, amount: Amount | None, lead: Lead) -> Told:
    """What it took; where a run never got there, with the budget that it counts with."""
    if amount is None:
        return Told(formats.MISSING, ("not measured",), short=formats.MISSING)
    show = formats.seconds if amount.unit == "seconds" else formats.count
    got_there = f"{amount.passed} of {formats.plural(amount.runs, 'run')} reach it"
    unit = "" if amount.unit == "seconds" else f" {_UNITS[amount.unit]}"
    counted = f"the others count as {show(amount.budget)}"
    if not amount.passed:
        return Told("not reached", (got_there,), short="not reached")
    text, details = f"{show(amount.mean.point)}{unit}", []
    short = show(amount.mean.point) + f" ({amount.passed} of {amount.runs})" * (amount.unit != "seconds")
    if amount.mean.low is not None and amount.mean.high is not None:
        details.append(f"{show(amount.mean.low)} to {show(amount.mean.high)}")
    details += [got_there, counted] if amount.passed < amount.runs else [got_there]
    return Told(text, tuple(details), _is_first(column, lead), short)


def _of_amounts(found: Scorecard, row: RowName) -> str:
    amounts = [column.data if row == "data" else column.time for column in found.columns]
    known = [amount for amount in amounts if amount is not None]
    if known and not any(amount.passed for amount in known):
        return "none is good enough"
    return _leader(found.lead(row), len(known))


def _explained(evidence: Evidence, found: Scorecard) -> Row:
    cells = tuple(_explained_cell(column, found.lead("explained")) for column in found.columns)
    lead = found.lead("explained")
    leader = _leader(lead, len(cells))
    families = None if evidence.explanations is None else evidence.explanations.families
    if families is not None and len(lead.labels) == 1 and len(cells) > 2:
        leader = f"of {families.a} and {families.b}, {leader}"
    return Row(
        "explained",
        "What explains it",
        "the input that its actions depend on most, and the method that finds such inputs best",
        cells,
        leader,
    )


def _explained_cell(column: Column, lead: Lead) -> Told:
    found = column.explained
    if found is None:
        return Told(formats.MISSING, (NOT_EXPLAINED,), short=formats.MISSING)
    tree = "no small decision tree plays as well"
    if found.leaves is not None:
        tree = f"a decision tree of {found.leaves:g} leaves plays nearly as well"
    first = _is_first(column, lead)
    if found.explainer is None or found.by is None or found.value is None:
        leaves = formats.MISSING if found.leaves is None else f"{found.leaves:g} leaves"
        if found.depends_on is None:
            return Told(tree, (), first, leaves)
        return Told(found.depends_on, (tree,), first, found.depends_on)
    quality = f"{found.by} {formats.estimate(found.value, 'z')}"
    if found.depends_on is None:
        return Told(found.explainer, (quality, tree), first, found.explainer)
    details = (f"found best by {found.explainer}", quality, tree)
    return Told(found.depends_on, details, first, found.depends_on)


def _is_first(column: Column, lead: Lead) -> bool:
    return lead.labels == (column.label,)


def _leader(lead: Lead, columns: int) -> str:
    """Who leads, or between whom it is open."""
    if not lead.labels:
        return "not compared"
    if len(lead.labels) == 1:
        return _LEADS[lead.strength or "lean"].format(lead.labels[0])
    if len(lead.labels) == columns:
        return "undecided"
    return f"undecided between {formats.listed(lead.labels)}"
