"""The main table: its columns, and what each cell says. The page and the Markdown both print it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlformer.core import formats
from rlformer.report import explanation_words
from rlformer.report.cells import Cell, Column


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
    Column("interval", "95 % interval", "Percentile bootstrap over seeds, 10,000 resamples", "Performance"),
    Column(
        "z",
        "Score z",
        "(return − random) / (reference − random), scores from the environment's card",
        "Performance",
    ),
    Column("success", "Solved", "Share of evaluation episodes at or above the solved threshold", "Performance"),
    Column("env_steps", "Env. steps", "Environment steps taken in order to learn", "Data"),
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
        "All environment steps behind that log, the logged ones among them",
        "Data",
    ),
    Column(
        "rmst",
        "To threshold",
        "Mean steps until the score stayed at the verdict's threshold, the budget where it never did (RMST): "
        "environment steps of online agents, distinct logged steps of offline arms that learned from shares of a log",
        "Data",
    ),
    Column("cost0", "Cost λ=0", "Cost of a success at the verdict's prices if the log is free; failures paid", "Cost"),
    Column("cost1", "Cost λ=1", "The same if this task pays all the steps behind the log", "Cost"),
    Column("wall", "Wall", "Wall time of a run: learning, environment, evaluation, log", "Compute"),
    Column("cpu", "CPU", "CPU time of a run, its child processes included", "Compute"),
    Column(
        "flops",
        "FLOPs",
        "Floating-point operations of a run's training: matrix products of forward and backward passes, the policy's "
        "while it interacts among them; no evaluation, no environment",
        "Compute",
    ),
    Column("memory", "Memory", "Peak resident memory of the process of a run", "Compute"),
    Column("parameters", "Parameters", "Numbers that gradients changed", "Compute"),
    Column("act1", "ms/action @1", "Milliseconds for one action in one environment", "Compute"),
    Column(
        "act64",
        "@64",
        "Milliseconds per action with 64 environments side by side: one call divided by 64",
        "Compute",
    ),
    Column("flops_action", "FLOPs/action", "Floating-point operations of one action, contexts being full", "Compute"),
)


def columns(environments: Sequence[Mapping[str, Any]]) -> tuple[Column, ...]:
    """The columns; those of interpretability where some run was explained."""
    explained = any(environment["explanations"] for environment in environments)
    return (*COLUMNS, *(explanation_words.COLUMNS if explained else ()))


def rows(environment: Mapping[str, Any]) -> list[dict[str, Cell]]:
    """One row per arm, in the order of the ladder: a cell for "arm" and for each of all `columns`."""
    explained, nothing = environment["explanations"], Cell("n/a", None, "no run here was explained")
    missing = {column.key: nothing for column in explanation_words.COLUMNS}
    return [
        _row(arm, environment) | (missing if explained is None else explanation_words.cells(explained, arm["label"]))
        for arm in environment["arms"]
    ]


def _row(arm: Mapping[str, Any], environment: Mapping[str, Any]) -> dict[str, Cell]:
    gone = "no finished run" if arm["mean_return"] is None else ""
    mean, z, success = arm["mean_return"], arm["normalized_score"], arm["success_rate"]
    row = {"arm": Cell(arm["label"], arm["label"], arm["tuning"]), "seeds": _seeds(arm)}
    row["mean"] = _cell(formats.number, mean and mean["point"], gone)
    row["interval"] = (
        Cell(formats.MISSING, None, arm["no_interval"] or gone)
        if mean is None or mean["low"] is None
        else Cell(formats.interval(mean), mean["low"])
    )
    row["z"] = _cell(
        formats.score,
        z and z["point"],
        gone or "no scores to normalise by on the card",
        _ends(z, formats.score),
    )
    no_threshold = gone or "no solved threshold on the card"
    row["success"] = _cell(formats.percent, success and success["point"], no_threshold, _ends(success, formats.percent))
    for key in ("env_steps", "selection_env_steps", "logged_steps", "upstream_env_steps"):
        row[key] = _spread(formats.count, arm["cost"][key], gone or "unknown: the log does not say", "{:,.0f}")
    for key in ("wall", "cpu"):
        row[key] = _spread(formats.seconds, arm["times"].get(key), gone or "not measured", "{:,.1f} s")
    row["memory"] = _spread(_bytes, arm["peak_memory_bytes"], gone or "not measured", "{:,.0f} bytes")
    row |= _needs(arm, environment)
    nothing = "nothing is learned" if arm["family"] in ("random", "behaviour") else "not counted"
    row["parameters"] = _spread(formats.count, arm["parameters"], gone or nothing, "{:,.0f}")
    unmeasured = "the log's episodes stand for themselves" if arm["family"] == "behaviour" else "not measured"
    uncounted = "not counted: `compare` counts them for runs made before" if arm["flops"] == {} else unmeasured
    for key, what in (("flops", "training"), ("flops_action", "action")):
        row[key] = _spread(formats.count, arm["flops"].get(what), gone or uncounted, "{:.4g} operations")
    for key, batch in (("act1", 1), ("act64", 64)):
        row[key] = _per_action(arm["inference_seconds"].get(str(batch)), batch, gone or unmeasured)
    return row


def _needs(arm: Mapping[str, Any], environment: Mapping[str, Any]) -> dict[str, Cell]:
    """Time to threshold and cost, where something says what a good return is."""
    needs, level = environment["needs"], environment["verdict"]["terms"]["threshold"]
    if needs is None:
        reason = "nothing says what a good return is here"
        return {key: Cell(formats.MISSING, None, reason) for key in ("rmst", "cost0", "cost1")}
    found = [r for r in needs["online"] if (r["label"], r["threshold"]) == (arm["label"], level)]
    whole = [r for r in needs["grid"] if (r["agent"], r["threshold"]) == (arm["agent"], level)]
    played = [log for log in ("full", arm["log"]) if arm["log"] and log in {r["log"] for r in whole}]
    found += [r for r in whole if r["log"] in played[-1:]]  # a cut of a training is a part of all of it
    if found:
        told = f"reached on {found[0]['reached']} of {formats.plural(len(found[0]['times']), 'seed')}"
        rmst = Cell(formats.count(found[0]["rmst"]), found[0]["rmst"], told)
    else:
        rmst = Cell(formats.MISSING, None, "no curve against data: see --budgets for offline arms")
    costs = next((row for row in needs["costs"] if row["label"] == arm["label"]), None)
    cells = {}
    for key, at in (("cost0", 0), ("cost1", -1)):
        if costs is None:
            cells[key] = Cell(formats.MISSING, None, "nothing is learned, or no run finished")
        elif costs["mean"] is None:
            cells[key] = Cell("infinite", None, f"no run reached z {level:g}")
        elif at and costs["unknown"]:
            cells[key] = Cell(formats.MISSING, None, "unknown: the log does not say how many steps made it")
        else:
            cells[key] = Cell(formats.count(costs["mean"][at]), costs["mean"][at], f"{costs['solved']} succeeded")
    return {"rmst": rmst, **cells}


def _bytes(value: float) -> str:
    return f"{formats.count(value)}B"


def _seeds(arm: Mapping[str, Any]) -> Cell:
    counts = ((arm["failed"] + len(arm["missing"]), "failed"), (arm["unfinished"], "unfinished"))
    lost = [f"{count} {word}" for count, word in counts if count]
    text = f"{len(arm['seeds'])} ({', '.join(lost)})" if lost else str(len(arm["seeds"]))
    groups = (("seeds", arm["seeds"]), ("no run on", arm["missing"]))
    told = [f"{word} {', '.join(map(str, seeds))}" for word, seeds in groups if seeds]
    return Cell(text, len(arm["seeds"]), "; ".join(told))


def _ends(interval: Mapping[str, Any] | None, show: Any) -> str:
    if interval is None or interval["low"] is None:
        return ""
    return f"95 % interval {show(interval['low'])} to {show(interval['high'])}"


def _cell(show: Any, value: float | None, missing: str, title: str = "") -> Cell:
    return Cell(formats.MISSING, None, missing) if value is None else Cell(show(value), value, title)


def _spread(show: Any, spread: Mapping[str, float] | None, missing: str, exact: str) -> Cell:
    if spread is None:
        return Cell(formats.MISSING, None, missing)
    title = exact.format(spread["mean"])
    if spread["min"] < spread["max"]:
        title = f"mean of the seeds {title}, from {exact.format(spread['min'])} to {exact.format(spread['max'])}"
    return Cell(show(spread["mean"]), spread["mean"], title)


def _per_action(spread: Mapping[str, float] | None, batch: int, missing: str) -> Cell:
    if spread is None:
        return Cell(formats.MISSING, None, missing)
    value = spread["mean"] / batch
    return Cell(formats.milliseconds(value), value, f"{1e6 * value:,.1f} microseconds")


def strip_axis(environment: Mapping[str, Any]) -> tuple[float, float] | None:
    """The least and the greatest mean return of any run; None where no run has one."""
    values = [run["mean_return"] for arm in environment["arms"] for run in arm["runs"] if run["counts"]]
    return (min(values), max(values)) if values else None


def strips(environment: Mapping[str, Any]) -> list[Strip | None]:
    """One strip per arm; None for an arm without a finished run."""
    axis = strip_axis(environment)
    return [None if axis is None or arm["mean_return"] is None else _strip(arm, axis) for arm in environment["arms"]]


def _strip(arm: Mapping[str, Any], axis: tuple[float, float]) -> Strip:
    width = axis[1] - axis[0]

    def position(value: float | None) -> float | None:
        return None if value is None else (value - axis[0]) / width if width else 0.5

    dots = (
        (position(run["mean_return"]) or 0.0, f"seed {run['seed']}: {formats.number(run['mean_return'])}")
        for run in arm["runs"]
        if run["counts"]
    )
    mean = arm["mean_return"]
    return Strip(tuple(dots), position(mean["point"]), position(mean["low"]), position(mean["high"]))
