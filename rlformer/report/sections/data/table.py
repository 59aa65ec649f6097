"""T(tau) and N(tau) as rows of a table, and how early a training could have been stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rlformer.core import formats
from rlformer.evaluator.judge.findings import GridNeed, Needs, OnlineNeed, Survival
from rlformer.evaluator.judge.values import Estimate
from rlformer.report.sections.base import EnvironmentView
from rlformer.report.words import thresholds, times

HEADS = (
    "Arm", "Good enough", "Passed", "Still good at the end", "Steps (RMST)", "Steps per success (ERT)", "Median",
    "Never passed: pays", "Score there", "Training time", "CPU of training", "CPU upstream", "How it was measured",
)  # fmt: skip
EARLY_HEADS = ("Imitator", "Of", "Good enough", "Prefix", "Own", "ln ratio", "95 % interval", "Reached")


@dataclass(frozen=True)
class Content:
    """The rows of the two tables, a cell for each head."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    early_heads: Sequence[str]
    early: Sequence[Sequence[str]]


def content(view: EnvironmentView) -> Content | None:
    """None where nothing says what is good enough, or nothing was trained."""
    needs = view.evidence.needs
    if needs is None or not (needs.online or needs.grid):
        return None
    marked = {arm.label for arm in view.evidence.arms if times.shared(arm)}
    early = [
        (
            pair.label, pair.online, thresholds.level(pair.threshold, needs), formats.count(pair.rmst[0]),
            formats.count(pair.rmst[1]), formats.number(pair.log_rmst_ratio.point),
            formats.interval(pair.log_rmst_ratio), f"{pair.reached[0]} and {pair.reached[1]} of {len(pair.seeds)}",
        )
        for pair in needs.early
    ]  # fmt: skip
    rows: tuple[Survival, ...] = (*needs.online, *needs.grid)
    return Content(HEADS, [_row(row, needs, row.label in marked) for row in rows], EARLY_HEADS, early)


def _row(row: Survival, needs: Needs, shared: bool) -> list[str]:
    mark = "*" if shared else ""
    unit = "environment steps" if isinstance(row, OnlineNeed) else "logged steps"
    upstream = row.upstream_cpu if isinstance(row, GridNeed) else None
    return [
        row.label,
        thresholds.level(row.threshold, needs),
        f"{row.reached} of {len(row.times)} ({formats.percent(row.success_rate.low)} to "
        f"{formats.percent(row.success_rate.high)})",
        f"{row.held} of {row.reached}" if row.reached else formats.MISSING,
        f"{formats.count(row.rmst)} {unit}{_ends(row.steps)}",
        "infinite" if row.ert is None else formats.count(row.ert),
        formats.MISSING if row.median is None else formats.count(row.median),
        formats.count(row.budget),
        formats.MISSING if row.score is None else formats.score(row.score.point),
        _seconds(row.learning_seconds) + mark * (row.learning_seconds is not None),
        _seconds(row.learning_cpu) + mark * (row.learning_cpu is not None),
        _seconds(upstream),
        _how(row),
    ]


def _ends(estimate: Estimate) -> str:
    return "" if estimate.low is None or estimate.high is None else f" ({_range(estimate.low, estimate.high)})"


def _range(low: float, high: float) -> str:
    return f"{formats.count(low)} to {formats.count(high)}"


def _seconds(estimate: Estimate | None) -> str:
    return formats.MISSING if estimate is None else formats.seconds(estimate.point)


def _how(row: Survival) -> str:
    """On which grid, and on which episodes."""
    said = [] if row.confirmed or not row.reached else ["not confirmed by fresh episodes"]
    if row.score is not None and "kept" not in row.scored_by and isinstance(row, OnlineNeed):
        said.append("scored on the fresh episodes" if "fresh" in row.scored_by else "scored at the end of the budget")
    if isinstance(row, GridNeed):
        said.insert(0, "one size of log" if row.sizes == 1 else f"{row.sizes} sizes of log, rounded up")
        passed = [above for above, at in zip(row.above, row.times, strict=True) if at is not None]
        if passed and row.sizes > 1:
            said.append(f"the next smaller sizes were not enough: {_range(min(passed), max(passed))}")
    return "; ".join(said) or "confirmed by fresh episodes"
