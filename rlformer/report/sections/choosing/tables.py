"""The tables of the section, as text: the page and the Markdown print the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rlformer.core import formats
from rlformer.evaluator.judge.choices import Breakage, Breaking, Choosing, Deployment, EqualData
from rlformer.report.sections.choosing import words
from rlformer.report.sections.choosing.words import added, shown

_AT = (1, 8, 32, 200)  # deployed episodes, among `choosing.EPISODES`


@dataclass(frozen=True)
class Table:
    """A table whose first column are names."""

    title: str
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(found: Choosing, price: float) -> list[Table]:
    """Those that have rows. price: of an environment step."""
    made = [_deployments(found, price), _choices(found), _risks(found), _equal(found), _broken(found.breaking)]
    return [table for table in made if table is not None and table.rows]


def _deployments(found: Choosing, price: float) -> Table:
    unit = found.unit
    priced = price not in (0.0, 1.0)
    head = ("Choosing among", "Policies", "No choice", *(f"After {n}" for n in _AT), "Best of them", "Worth it from")
    head += (f"Steps of {_AT[-2]} episodes", *(["Cost of them"] if priced else []))

    def row(each: Deployment) -> tuple[str, ...]:
        at = [each.episodes.index(n) for n in _AT]
        first = formats.MISSING if each.worth_from is None else formats.plural(each.worth_from, "episode")
        cost = [formats.count(each.cost[at[-2]])] if priced else []
        scores = (_banded(each, i, found) for i in at)
        steps = formats.count(each.env_steps[at[-2]])
        none, best = (shown(value.point, unit) for value in (each.unchosen, each.best))
        return (words.among(each), str(each.policies), none, *scores, best, first, steps, *cost)

    return Table(
        "What choosing costs",
        "Mean score of the policy that a bandit would deploy after so many episodes (95 % band over seeds). The bandit "
        "tries every policy once, then the policy whose upper confidence bound is highest. It never deploys a policy "
        "that it has not tried. Episodes are drawn from the stored ones. No choice: the last checkpoint at its default "
        "target return (for several arms, their mean)",
        head,
        tuple(map(row, found.deployments)),
    )


def _banded(each: Deployment, at: int, found: Choosing) -> str:
    text = shown(each.score[at], found.unit)
    if each.low is None or each.high is None:
        return text
    return f"{text} ({shown(each.low[at], found.unit)} to {shown(each.high[at], found.unit)})"


def _choices(found: Choosing) -> Table:
    unit = found.unit
    chosen = [each for each in found.choices if each.best_checkpoint is not None or each.best_target is not None]
    rows = tuple(
        (
            each.label,
            formats.estimate(each.last, unit),
            formats.estimate(each.best_checkpoint, unit),
            added(each.checkpoint_adds, unit),
            formats.estimate(each.best_target, unit),
            added(each.target_adds, unit),
            added(each.target_adds_elsewhere, unit),
        )
        for each in chosen
    )
    return Table(
        "Last, best, best target",
        "For arms that learned from a log: the last checkpoint on the final episodes, the best checkpoint of the "
        "learning curve, and the best target return. Both choices are made on the same episodes that score them, so "
        "they are optimistic. “Adds” compares a choice with the last point or the default target on the same episodes. "
        "Elsewhere: chosen on one half of the episodes and scored on the other",
        ("Arm", "Last", "Best checkpoint", "Adds", "Best target", "Adds", "Adds elsewhere"),
        rows,
    )


def _risks(found: Choosing) -> Table:
    rule = (
        "no failure is defined here" if found.failing is None else f"an episode fails if {words.failure(found.failing)}"
    )
    return Table(
        "How bad the bad episodes are",
        "Measured on the final episodes of each run; the cells are means over seeds with intervals. Worst tenth: the "
        f"mean of the worst 10 % of the episodes (CVaR). Failures: the share of failed episodes; "
        f"{rule}. If no run had a failure, the interval has no width, although failures remain possible",
        ("Arm", "Mean", "Worst tenth", "Failures"),
        tuple(
            (
                each.label,
                formats.estimate(each.mean, found.unit),
                formats.estimate(each.cvar, found.unit),
                formats.MISSING
                if each.failure_rate is None
                else _rate(each.failure_rate.point, each.failure_rate.interval),
            )
            for each in found.risks
        ),
    )


def _rate(point: float, ends: tuple[float, float] | None) -> str:
    return formats.percent(point) + (
        "" if ends is None else f" ({formats.percent(ends[0])} to {formats.percent(ends[1])})"
    )


def _equal(found: Choosing) -> Table:
    levels = sorted({score.steps for row in found.equal_data for score in row.scores})

    def row(each: EqualData) -> tuple[str, ...]:
        known = {score.steps: formats.estimate(score.score, found.unit) for score in each.scores}
        name = each.label if each.by == "env_steps" else f"{each.label}, logged steps"
        return (name, *(known.get(level, formats.MISSING) for level in levels))

    return Table(
        "What you have after so many steps",
        "Scores at equal data: each seed’s last measurement within so many steps, if all seeds have one. Environment "
        "steps are all steps taken, including those behind a log; logged steps are those read from a log that exists "
        "already. The points of a learning curve are means of few episodes",
        ("Arm", *map(formats.count, levels)),
        tuple(map(row, found.equal_data)),
    )


def _broken(breaking: Breaking | None) -> Table | None:
    if breaking is None:
        return None
    rows = [
        (
            arm.label,
            *_breakage(arm.to_threshold),
            *_breakage(arm.budget)[1:],
            *_breakage(arm.behind_log)[1:],
        )
        for arm in breaking.arms
    ]
    return Table(
        "Failures while learning",
        "The number of training episodes until the threshold was reached (or over the whole budget), how many of them "
        "failed, and the shortfall: the sum over episodes of what the return lacks to "
        f"{formats.number(breaking.reference)} ({'the best arm’s mean here' if breaking.measured else 'the reference'})"
        ", counted in episodes of random play. Then the same over the whole budget, and for the training that made the "
        f"log. An episode counts as a failure if {words.failure(breaking.failing)}. An en dash means that it was not "
        "recorded or that there was no such training",
        (
            "Arm",
            "Episodes",
            "Failures",
            "Shortfall",
            "Failures, budget",
            "Shortfall, budget",
            "Failures, log",
            "Shortfall, log",
        ),
        tuple(rows) if any(arm.budget is not None for arm in breaking.arms) else (),
    )


def _breakage(found: Breakage | None) -> Sequence[str]:
    if found is None:
        return (formats.MISSING,) * 3
    return [_counted(value.point, value.interval) for value in (found.episodes, found.failures, found.shortfall)]


def _counted(point: float, ends: tuple[float, float] | None) -> str:
    if ends is None or ends[0] == ends[1]:
        return formats.count(point)
    return f"{formats.count(point)} ({formats.count(ends[0])} to {formats.count(ends[1])})"
