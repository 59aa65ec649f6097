"""Predicted beside observed: equivalent within a margin, or not. Reads run directories only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rlformer import statistics
from rlformer.core.records import SCHEMA, EvalResult, plain
from rlformer.core.spaces import Array
from rlformer.runs.directory import RunDirectory
from rlformer.studies.diagnose.play import evaluation_name, questions
from rlformer.studies.diagnose.rows import CONTROLS, Control, Expectation, Row, Selection, predicted

ALPHA = 0.05  # of all lines together


@dataclass(frozen=True)
class Line:
    """One prediction beside what was observed."""

    row: str
    number: str
    agent: str
    context: int | None
    selection: Selection
    asked: float | None
    predicted: float | None
    why_not: str | None  # where there is no prediction
    observed: float
    by_seed: tuple[float, ...]  # mean return of each run
    episodes: int
    standard_error: float | None
    unit: str  # what was tested: runs, or episodes of one run
    margin: float
    p: float | None
    p_no_better: float | None
    p_holm: float | None = None
    verdict: Literal["equivalent", "deviates", "undecided"] | None = None

    def adjusted(self, p_holm: float) -> Line:
        """With the corrected p-value, and the verdict that follows from it."""
        assert self.predicted is not None
        beyond = abs(self.observed - self.predicted) >= self.margin
        verdict = "equivalent" if p_holm <= ALPHA else "deviates" if beyond else "undecided"
        return replace(self, p_holm=p_holm, verdict=verdict)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Checked:
    """Whether a control holds."""

    text: str
    row: str
    lines: int  # that it speaks of
    holds: bool | None  # None: not measured by all of its agents
    broken: tuple[str, ...]
    missing: tuple[str, ...]  # agents without a line


@dataclass(frozen=True)
class Findings:
    """What the suite found on its rows."""

    rows: tuple[Row, ...]
    lines: tuple[Line, ...]
    controls: tuple[Checked, ...]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {
            "schema": SCHEMA,
            "rows": [_describe(row) for row in self.rows],
            "lines": [plain(asdict(line)) for line in self.lines],
            "controls": [plain(asdict(control)) for control in self.controls],
        }


def results(rows: Sequence[Row], runs: Mapping[tuple[str, str], Sequence[Path]]) -> Findings:
    """What the suite found: a line for each prediction and observation, and the controls.

    runs: by row and agent. Lines without a finished run are left out. Of several runs each is one mean return, and two
    one-sided t-tests over runs say whether their mean is within the row's margin of the prediction (Schuirmann 1987);
    of one run its episodes are tested, which speaks for that policy only. Holm's correction (Holm 1979) is over all
    lines that have a prediction. verdict: 'equivalent' if the corrected p-value is at most .05, 'deviates' where the
    mean lies beyond the margin, 'undecided' between; None without a prediction.
    """
    lines = [line for row in rows for arm in row.arms for line in _lines(row, arm, runs.get((row.name, arm.agent), ()))]
    pvalues = [line.p for line in lines if line.p is not None]
    corrected = iter(statistics.holm(pvalues) if pvalues else ())
    lines = [line if line.p is None else line.adjusted(float(next(corrected))) for line in lines]
    checked = [_check(control, rows, lines) for control in CONTROLS]
    return Findings(tuple(rows), tuple(lines), tuple(control for control in checked if control is not None))


def _describe(row: Row) -> dict[str, Any]:
    rules = row.rules
    return {
        "name": row.name,
        "number": row.number,
        "environment": row.spec.definition,
        "shows": row.shows,
        "log_episodes": row.log_episodes,
        "episodes": row.episodes,
        "margin": row.margin,
        "optimum": rules.optimum(),
        "optimum_without_memory": rules.optimum(1),
        "random": rules.random_return(),
        "asked": [
            {"return": asked, "share_of_log": rules.share(asked), "coverage": rules.coverage(asked, row.log_episodes)}
            for asked in row.asked
        ],
    }


def _lines(row: Row, arm: Expectation, directories: Sequence[Path]) -> Iterator[Line]:
    """Those of one arm, for each way to choose actions and each target return that was played."""
    kept = [RunDirectory.open(path).evaluations() for path in directories]
    for selection in arm.selections:
        for asked in questions(row, arm):
            played = [found[evaluation_name(selection, asked)] for found in kept]
            if played:
                yield _line(row, arm, selection, asked, played)


def _line(row: Row, arm: Expectation, selection: Selection, asked: float | None, played: Sequence[EvalResult]) -> Line:
    means = np.array([result.mean for result in played])
    expected = predicted(row, arm, asked, selection)
    sample = means if len(means) > 1 else played[0].returns
    test = None if expected is None else _equivalence(sample, expected, row.margin)
    error = float(sample.std(ddof=1) / np.sqrt(len(sample))) if len(sample) > 1 else None
    return Line(
        row=row.name,
        number=row.number,
        agent=arm.agent,
        context=arm.context,
        selection=selection,
        asked=asked,
        predicted=expected,
        why_not=_why_not(arm, selection) if expected is None else None,
        observed=float(means.mean()),
        by_seed=tuple(means.tolist()),
        episodes=int(sum(len(result.returns) for result in played)),
        standard_error=error,
        unit="runs" if len(means) > 1 else "episodes of one run",
        margin=row.margin,
        p=None if test is None else test.pvalue,
        p_no_better=None if test is None else test.p_upper,
    )


def _equivalence(sample: Array, expected: float, margin: float) -> statistics.Equivalence:
    """Over runs, or over the episodes of one; a share of successes by the exact test."""
    if np.isin(sample, (0.0, 1.0)).all() and len(sample) > 100:
        return statistics.equivalence_test_proportion(int(sample.sum()), len(sample), expected, margin)
    return statistics.equivalence_test(sample, expected, margin)


def _why_not(arm: Expectation, selection: Selection) -> str:
    if arm.why:
        return arm.why
    if arm.law == "optimum":
        return "a sampled policy still explores"
    return "a tie: the log's actions are alike"


def _check(control: Control, rows: Sequence[Row], lines: Sequence[Line]) -> Checked | None:
    """Whether a control holds on each of its lines; None where its row was not run."""
    if control.row not in [row.name for row in rows]:
        return None
    mine = [
        line
        for line in lines
        if line.row == control.row
        and line.predicted is not None
        and line.agent in control.agents
        and control.asked in (None, line.asked)
    ]
    missing = sorted(set(control.agents) - {line.agent for line in mine})
    pvalues = [line.p if control.kind == "equal" else line.p_no_better for line in mine]
    held = [p is not None and p <= ALPHA for p in pvalues]
    broken = [
        f"{line.agent}, {line.selection}: {line.observed:.3f}" for line, ok in zip(mine, held, strict=True) if not ok
    ]
    return Checked(
        text=control.text,
        row=control.row,
        lines=len(mine),
        holds=all(held) if not missing or not all(held) else None,
        broken=tuple(broken),
        missing=tuple(missing),
    )
