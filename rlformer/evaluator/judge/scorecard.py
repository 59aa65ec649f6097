"""The scorecard: one column for each family and one for a simple arm, four rows, and who leads in each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from rlformer.core import formats, notebook
from rlformer.core.codec import KEPT
from rlformer.evaluator.judge.findings import Strength
from rlformer.evaluator.judge.values import Estimate
from rlformer.runs.spec import Family

RowName = Literal["score", "data", "time", "explained"]
Unit = Literal["env_steps", "logged_steps", "seconds"]


@dataclass(frozen=True)
class Amount:
    """What runs spent until they were good enough; one that never was counts with the budget."""

    mean: Estimate  # restricted mean, min(what it took, budget)
    unit: Unit
    passed: int  # runs that were good enough
    runs: int
    budget: float  # the same for all columns


@dataclass(frozen=True)
class ExplainedBy:
    """What explains the decisions of an arm best."""

    explainer: str | None
    by: Literal["skill", "comprehensiveness"] | None  # what it is the best by
    value: Estimate | None  # of that
    leaves: float | None  # of the smallest decision tree that plays nearly as well; None: none does, or not measured
    depends_on: str | None = None  # the input whose replacement changes its own actions most; None: none does


@dataclass(frozen=True)
class Column:
    """An arm of the scorecard, by the runs that judge it; one that broke off scores as random play."""

    label: str
    family: Family | None  # that it stands for; None: the simple arm
    runs: int
    worked: int  # of these: not failed
    score: Estimate | None = field(default=None, metadata=KEPT)  # normalised; None: nothing says what 0 and 1 are
    mean_return: Estimate | None = field(default=None, metadata=KEPT)
    data: Amount | None = field(default=None, metadata=KEPT)  # None: not known
    time: Amount | None = field(default=None, metadata=KEPT)
    explained: ExplainedBy | None = field(default=None, metadata=KEPT)  # None: not explained


@dataclass(frozen=True)
class Lead:
    """Who leads in a row: the columns that none of the others beats by the tests of the verdict.

    One label: it leads, as firmly as `strength` says. Several: undecided between them. None: nothing is compared.
    """

    row: RowName
    labels: tuple[str, ...]
    strength: Strength | None = field(default=None, metadata=KEPT)


@dataclass(frozen=True)
class Scorecard:
    """Families side by side. `threshold`: what is good enough; None where nothing says it. `clock`: of the times."""

    columns: tuple[Column, ...]
    leads: tuple[Lead, ...]
    threshold: float | None = field(default=None, metadata=KEPT)
    clock: Literal["cpu", "wall"] = "wall"

    def _repr_html_(self) -> str:
        """For a notebook: the families side by side, and who leads."""
        head = ["candidate", "score", "data", "time", "runs that worked"]
        rows = [
            [
                f"{column.family or 'simple'}: {column.label}",
                None if column.score is None else formats.estimate(column.score, "z"),
                None if column.data is None else f"{formats.count(column.data.mean.point)} {column.data.unit}",
                None if column.time is None else formats.seconds(column.time.mean.point),
                f"{column.worked} of {column.runs}",
            ]
            for column in self.columns
        ]
        ahead = "; ".join(f"{lead.row}: {formats.listed(lead.labels)}" for lead in self.leads if lead.labels)
        return notebook.table(head, rows) + notebook.paragraph(f"Who leads: {ahead or 'not compared'}")

    def lead(self, row: RowName) -> Lead:
        """Who leads in that row."""
        return next(lead for lead in self.leads if lead.row == row)
