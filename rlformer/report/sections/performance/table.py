"""The main table: its columns, and what each cell says. The page and the Markdown both print it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rlformer.core import formats
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.evaluator.judge.findings import CostCurve, GridNeed, Survival
from rlformer.evaluator.judge.prices import score_of
from rlformer.evaluator.judge.values import Estimate, Spread
from rlformer.report.cells import Cell, Column
from rlformer.report.sections.base import EnvironmentView
from rlformer.report.sections.interpretability import tables as explanations
from rlformer.report.words import times


@dataclass(frozen=True)
class Strip:
    """An arm's runs on the axis that all arms share, in shares of its width."""

    dots: tuple[tuple[float, str], ...]  # position, what it is
    mean: float | None
    low: float | None
    high: float | None


COLUMNS = (
    Column("seeds", "Seeds", "Finished runs; in brackets those that failed or did not finish", ""),
    Column(
        "mean",
        "Return",
        "Mean over seeds of each run's mean return over its evaluation episodes",
        "Performance",
    ),
    Column(
        "interval",
        "95 % interval",
        "Bootstrap over seeds and over the evaluation episodes that they share, 10,000 resamples",
        "Performance",
    ),
    Column(
        "z",
        "Score z",
        "(return − random) / (reference − random), with the scores of the environment's card; without a card, 0 is "
        "random play and 1 is the return that is good enough, or the best arm here",
        "Performance",
    ),
    Column(
        "success",
        "Solved",
        "Share of episodes that succeed, as reported by the environment, or else that reach the solved threshold",
        "Performance",
    ),
    Column("env_steps", "Env. steps", "Environment steps taken to learn", "Data"),
    Column(
        "selection_env_steps",
        "Selection",
        "Environment steps taken to choose a checkpoint or a target return",
        "Data",
    ),
    Column("logged_steps", "Logged steps", "Distinct logged transitions read", "Data"),
    Column(
        "upstream_env_steps",
        "Upstream",
        "All environment steps that led to that log, including the logged ones",
        "Data",
    ),
    Column(
        "evaluation_env_steps",
        "Measuring",
        "Environment steps taken to evaluate, over the whole run; they cost nothing unless they are given a price",
        "Data",
    ),
    Column(
        "rmst",
        "To threshold",
        "Mean steps until a policy first passed the test of the verdict's threshold (10 episodes, and 30 fresh ones): "
        "environment steps for learning by interaction; distinct logged steps, of the shortest tried log that was "
        "enough, for learning from a log. A star: some run never passed, and counts with the common budget",
        "Data",
    ),
    Column(
        "passed",
        "Score there",
        "Mean score of the policies that passed, on the final episodes; those that later fell far below are left out",
        "Data",
    ),
    Column(
        "cost0", "Cost λ=0", "Cost of a success, failures included, at the verdict's prices if the log is free", "Cost"
    ),
    Column("cost1", "Cost λ=1", "The same if this task pays the whole cost of making the log", "Cost"),
    Column("learning", "Training time", "Wall time of learning and of the environment, without evaluation", "Compute"),
    Column("learning_cpu", "CPU", "CPU time of the same, including child processes", "Compute"),
    Column("evaluation", "Evaluation", "Wall time of evaluation, which is part of no price", "Compute"),
    Column("evaluation_cpu", "Evaluation CPU", "CPU time of the same", "Compute"),
    Column("upstream_cpu", "CPU upstream", "CPU time of making the log, up to where it was cut", "Compute"),
    Column(
        "flops",
        "FLOPs",
        "Floating-point operations of a run's training: matrix products of forward and backward passes, including "
        "those of the policy while it interacts, without evaluation and without the environment",
        "Compute",
    ),
    Column("flops_evaluation", "FLOPs, evaluation", "Floating-point operations of evaluation", "Compute"),
    Column("memory", "Memory", "Peak resident memory of a run's process", "Compute"),
    Column("parameters", "Parameters", "Number of trained parameters", "Compute"),
    Column("act1", "ms/action @1", "Milliseconds for one action in one environment", "Compute"),
    Column(
        "act64",
        "@64",
        "Milliseconds per action with 64 environments in parallel: the time of one call divided by 64",
        "Compute",
    ),
    Column("flops_action", "FLOPs/action", "Floating-point operations of one action with a full context", "Compute"),
)


def columns(environments: Sequence[Evidence]) -> tuple[Column, ...]:
    """The columns; those of interpretability where some run was explained."""
    explained = any(environment.explanations for environment in environments)
    return (*COLUMNS, *(explanations.COLUMNS if explained else ()))


def rows(view: EnvironmentView) -> list[dict[str, Cell]]:
    """One row per arm, in the order of the ladder: a cell for "arm" and for each of all `columns`."""
    explained = view.evidence.explanations
    return [_row(arm, view) | explanations.cells(explained, arm.label) for arm in view.evidence.arms]


def _row(arm: ArmEvidence, view: EnvironmentView) -> dict[str, Cell]:
    gone = "no finished run" if arm.mean_return is None else ""
    row = {"arm": Cell(_named(arm), arm.label, arm.tuning), "seeds": _seeds(arm)}
    return row | _scores(arm, view.evidence, gone) | _data(arm, gone) | _needs(arm, view) | _compute(arm, gone)


def _named(arm: ArmEvidence) -> str:
    """Its label, with what marks how long it was trained."""
    cut = arm.cut_short
    marks = [f"{formats.percent(cut.share)} of its steps"] if cut is not None and cut.reason != "smoke" else []
    marks += ["still rising"] * (arm.rising is not None) + ["undertrained"] * (arm.undertrained is not None)
    return f"{arm.label} ({', '.join(marks)})" if marks else arm.label


def _scores(arm: ArmEvidence, evidence: Evidence, gone: str) -> dict[str, Cell]:
    mean, z, success = arm.mean_return, score_of(evidence, arm), arm.success_rate
    interval = Cell(formats.MISSING, None, arm.no_interval or gone)
    if mean is not None and mean.low is not None:
        interval = Cell(formats.interval(mean), mean.low)
    return {
        "mean": Cell(formats.MISSING, None, gone) if mean is None else Cell(formats.number(mean.point), mean.point),
        "interval": interval,
        "z": _estimate(formats.score, z, gone or "no scores to normalise by on the card"),
        "success": _estimate(formats.percent, success, gone or "no solved threshold on the card"),
    }


def _data(arm: ArmEvidence, gone: str) -> dict[str, Cell]:
    cost, unknown = arm.cost, gone or "unknown: the log does not say"
    return {
        "env_steps": _spread(formats.count, cost.env_steps, unknown, "{:,.0f}"),
        "selection_env_steps": _spread(formats.count, cost.selection_env_steps, unknown, "{:,.0f}"),
        "logged_steps": _spread(formats.count, cost.logged_steps, unknown, "{:,.0f}"),
        "upstream_env_steps": _spread(formats.count, cost.upstream_env_steps, unknown, "{:,.0f}"),
        "evaluation_env_steps": _spread(formats.count, cost.evaluation_env_steps, unknown, "{:,.0f}"),
    }


def _compute(arm: ArmEvidence, gone: str) -> dict[str, Cell]:
    unmeasured = gone or ("not measured" if arm.acts else "the log's episodes stand for themselves")
    uncounted = gone or ("not counted" if not arm.flops else unmeasured)
    unlearned = gone or ("not counted" if arm.learns else "nothing is learned")
    return _times(arm, gone) | {
        "memory": _spread(_bytes, arm.peak_memory_bytes, gone or "not measured", "{:,.0f} bytes"),
        "parameters": _spread(formats.count, arm.parameters, unlearned, "{:,.0f}"),
        "flops": _spread(formats.count, arm.flops.get("training"), uncounted, "{:.4g} operations"),
        "flops_evaluation": _spread(formats.count, arm.flops.get("evaluation"), uncounted, "{:.4g} operations"),
        "flops_action": _spread(formats.count, arm.flops.get("action"), uncounted, "{:.4g} operations"),
        "act1": _per_action(arm.inference_seconds.get("1"), 1, unmeasured),
        "act64": _per_action(arm.inference_seconds.get("64"), 64, unmeasured),
    }


def _times(arm: ArmEvidence, gone: str) -> dict[str, Cell]:
    """Learning apart from evaluation, in wall and CPU time; seconds of runs that shared a machine are marked."""
    spent = times.of(arm)
    mark = times.SHARED if times.shared(arm) else ""
    unmeasured = gone or "not measured"
    unknown = gone or ("unknown: the log does not record it" if arm.log else "no log")
    found = {key: _spread(formats.seconds, spent.get(key), unmeasured, "{:,.1f} s") for key in times.PARTS}
    found["upstream_cpu"] = _spread(formats.seconds, spent.get("upstream_cpu"), unknown, "{:,.1f} s")
    return {key: replace(cell, title=f"{cell.title}; {mark}") if mark and cell.title else cell
            for key, cell in found.items()}  # fmt: skip


def _needs(arm: ArmEvidence, view: EnvironmentView) -> dict[str, Cell]:
    """Time to threshold and cost, where something says what is good enough."""
    needs, level = view.evidence.needs, view.verdict.terms.threshold
    if needs is None:
        reason = "“good enough” is not defined here"
        return {key: Cell(formats.MISSING, None, reason) for key in ("rmst", "passed", "cost0", "cost1")}
    costs = next((row for row in needs.costs if row.label == arm.label), None)
    rows: tuple[Survival, ...] = (*needs.online, *needs.grid)
    own = next((row for row in rows if (row.label, row.threshold) == (arm.label, level)), None)
    unknown = "nothing is learned" if not arm.learns else "not defined: use --good-enough or --success"
    return {
        "rmst": Cell(formats.MISSING, None, unknown) if own is None else _rmst(own),
        "passed": Cell(formats.MISSING, None, unknown) if own is None else _passed(own),
        "cost0": _cost(costs, 0, level),
        "cost1": _cost(costs, -1, level),
    }


def _rmst(row: Survival) -> Cell:
    reached = f"reached on {row.reached} of {formats.plural(len(row.times), 'seed')}"
    if row.steps.low is not None:
        reached += f"; 95 % interval {formats.interval(row.steps)}"
    if isinstance(row, GridNeed):
        tried = "one size of log was tried" if row.sizes == 1 else f"{row.sizes} sizes of log were tried"
        reached += f"; {tried}, and values in between are rounded up"
    if not row.reached:
        return Cell("not reached", row.rmst, reached)
    return Cell(formats.count(row.rmst) + "*" * (row.reached < len(row.times)), row.rmst, reached)


def _passed(row: Survival) -> Cell:
    if row.score is None:
        return Cell(formats.MISSING, None, "no run passed and stayed good enough")
    by = {"kept": "kept at that step", "fresh": "scored on the 30 fresh episodes", "final": "of the end of training"}
    said = formats.listed([by[how] for how in by if how in row.scored_by])
    return Cell(
        formats.score(row.score.point), row.score.point, f"{row.held} of {len(row.times)} runs; policies {said}"
    )


def _cost(costs: CostCurve | None, at: int, level: float) -> Cell:
    """The cost of a success at the first or the last of the shares of what made the log."""
    if costs is None:
        return Cell(formats.MISSING, None, "nothing is learned, or no run finished")
    if costs.mean is None:
        return Cell("infinite", None, f"no run reached {level:g}")
    if at and costs.unknown:
        return Cell(formats.MISSING, None, "unknown: the log does not record how many steps made it")
    said = f"{costs.solved} succeeded" if costs.per_success else "per run, since no success is defined"
    return Cell(formats.count(costs.mean[at]), costs.mean[at], said)


def _bytes(value: float) -> str:
    return f"{formats.count(value)}B"


def _seeds(arm: ArmEvidence) -> Cell:
    counts = ((arm.failed + len(arm.missing), "failed"), (arm.unfinished, "unfinished"))
    lost = [f"{count} {word}" for count, word in counts if count]
    text = f"{len(arm.seeds)} ({', '.join(lost)})" if lost else str(len(arm.seeds))
    groups = (("seeds", arm.seeds), ("no run on", arm.missing))
    absent = [f"{word} {', '.join(map(str, seeds))}" for word, seeds in groups if seeds]
    return Cell(text, len(arm.seeds), "; ".join(absent))


def _estimate(show: Callable[[float], str], estimate: Estimate | None, missing: str) -> Cell:
    if estimate is None:
        return Cell(formats.MISSING, None, missing)
    ends = ""
    if estimate.low is not None and estimate.high is not None:
        ends = f"95 % interval {show(estimate.low)} to {show(estimate.high)}"
    return Cell(show(estimate.point), estimate.point, ends)


def _spread(show: Callable[[float], str], spread: Spread | None, missing: str, exact: str) -> Cell:
    if spread is None:
        return Cell(formats.MISSING, None, missing)
    title = exact.format(spread.mean)
    if spread.min < spread.max:
        title = f"mean of the seeds {title}, from {exact.format(spread.min)} to {exact.format(spread.max)}"
    return Cell(show(spread.mean), spread.mean, title)


def _per_action(spread: Spread | None, batch: int, missing: str) -> Cell:
    if spread is None:
        return Cell(formats.MISSING, None, missing)
    value = spread.mean / batch
    return Cell(formats.milliseconds(value), value, f"{1e6 * value:,.1f} microseconds")


def strip_axis(environment: Evidence) -> tuple[float, float] | None:
    """The least and the greatest mean return of any run; None where no run has one."""
    values = [run.score for arm in environment.arms for run in arm.counted]
    return (min(values), max(values)) if values else None


def strips(environment: Evidence) -> list[Strip | None]:
    """One strip per arm; None for an arm without a finished run."""
    axis = strip_axis(environment)
    means = [(arm, arm.mean_return) for arm in environment.arms]
    return [None if axis is None or mean is None else _strip(arm, mean, axis) for arm, mean in means]


def _strip(arm: ArmEvidence, mean: Estimate, axis: tuple[float, float]) -> Strip:
    width = axis[1] - axis[0]

    def position(value: float) -> float:
        return (value - axis[0]) / width if width else 0.5

    dots = tuple((position(run.score), f"seed {run.seed}: {formats.number(run.score)}") for run in arm.counted)
    low, high = (None if end is None else position(end) for end in (mean.low, mean.high))
    return Strip(dots, position(mean.point), low, high)
