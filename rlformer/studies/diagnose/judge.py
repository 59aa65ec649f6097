"""Predicted beside observed: equivalent within a margin, or not. Reads run directories only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rlformer import statistics
from rlformer.core.records import SCHEMA, EvalResult
from rlformer.core.spaces import Array
from rlformer.runs.directory import RunDirectory
from rlformer.studies.diagnose.play import evaluation_name, questions
from rlformer.studies.diagnose.rows import CONTROLS, Control, Expectation, Row, Selection, predicted

ALPHA = 0.05  # of all lines together


def results(rows: Sequence[Row], runs: Mapping[tuple[str, str], Sequence[Path]]) -> dict[str, Any]:
    """What the suite found, JSON-ready: its rows, a line for each prediction and observation, and the controls.

    runs: by row and agent. Lines without a finished run are left out. Of several runs each is one mean return, and two
    one-sided t-tests over runs say whether their mean is within the row's margin of the prediction (Schuirmann 1987);
    of one run its episodes are tested, which speaks for that policy only. Holm's correction (Holm 1979) is over all
    lines that have a prediction. verdict: 'equivalent' if the corrected p-value is at most .05, 'deviates' where the
    mean lies beyond the margin, 'undecided' between; None without a prediction.
    """
    lines = []
    for row in rows:
        for arm in row.arms:
            directories = [RunDirectory.open(path) for path in runs.get((row.name, arm.agent), ())]
            kept = [directory.evaluations() for directory in directories]
            for selection in arm.selections:
                for asked in questions(row, arm):
                    played = [found[evaluation_name(selection, asked)] for found in kept]
                    if played:
                        lines.append(_line(row, arm, selection, asked, played))
    tested = [line for line in lines if line["p"] is not None]
    for line, adjusted in zip(tested, statistics.holm([line["p"] for line in tested]) if tested else (), strict=True):
        line["p_holm"] = float(adjusted)
        beyond = abs(line["observed"] - line["predicted"]) >= line["margin"]
        line["verdict"] = "equivalent" if adjusted <= ALPHA else "deviates" if beyond else "undecided"
    described = [_describe(row) for row in rows]
    checked = [_check(control, rows, lines) for control in CONTROLS]
    return {"schema": SCHEMA, "rows": described, "lines": lines, "controls": [c for c in checked if c is not None]}


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


def _line(
    row: Row, arm: Expectation, selection: Selection, asked: float | None, played: Sequence[EvalResult]
) -> dict[str, Any]:
    means = np.array([result.mean for result in played])
    expected = predicted(row, arm, asked, selection)
    sample = means if len(means) > 1 else played[0].returns
    test = None if expected is None else _equivalence(sample, expected, row.margin)
    error = float(sample.std(ddof=1) / np.sqrt(len(sample))) if len(sample) > 1 else None
    return {
        "row": row.name,
        "number": row.number,
        "agent": arm.agent,
        "context": arm.context,
        "selection": selection,
        "asked": asked,
        "predicted": expected,
        "why_not": _why_not(arm, selection) if expected is None else None,
        "observed": float(means.mean()),
        "by_seed": means.tolist(),
        "episodes": int(sum(len(result.returns) for result in played)),
        "standard_error": error,
        "unit": "runs" if len(means) > 1 else "episodes of one run",
        "margin": row.margin,
        "p": None if test is None else test.pvalue,
        "p_no_better": None if test is None else test.p_upper,
        "p_holm": None,
        "verdict": None,
    }


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


def _check(control: Control, rows: Sequence[Row], lines: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Whether a control holds on each of its lines; None where its row was not run."""
    if control.row not in [row.name for row in rows]:
        return None
    mine = [
        line
        for line in lines
        if (line["row"], line["predicted"] is None) == (control.row, False)
        and line["agent"] in control.agents
        and control.asked in (None, line["asked"])
    ]
    missing = sorted(set(control.agents) - {line["agent"] for line in mine})
    key = "p" if control.kind == "equal" else "p_no_better"
    held = [line[key] <= ALPHA for line in mine]
    broken = [
        f"{line['agent']}, {line['selection']}: {line['observed']:.3f}"
        for line, ok in zip(mine, held, strict=True)
        if not ok
    ]
    return {
        "text": control.text,
        "row": control.row,
        "lines": len(mine),
        "holds": all(held) if not missing or not all(held) else None,
        "broken": broken,
        "missing": missing,
    }
