"""A study fitted into minutes of wall time on this machine: which arms, seeds and steps; see `fit` for the rule."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from rlformer.agents import cards as agent_cards
from rlformer.agents.learners import learner
from rlformer.core import formats
from rlformer.core.errors import InputError
from rlformer.evaluator.measure.protocol import Protocol
from rlformer.runs.budget import CutShort
from rlformer.studies import projection, timing
from rlformer.studies.choices import Choice, smoke_choices, spec_of, whole_choices
from rlformer.studies.jobs import PlannedLog, PlannedRun
from rlformer.studies.pace import Paces
from rlformer.studies.plan import Plan
from rlformer.studies.study import Study

SMOKE_MINUTES = 2.0
RESERVE, MOST_RESERVE = 0.2, 0.4  # of the time: what a probe cannot foresee, and on a machine on which others work


@dataclass(frozen=True)
class Cut:
    """Steps that an agent is given of those of its preset."""

    agent: str
    cut: CutShort


@dataclass(frozen=True)
class Fitted:
    """A study that fits, and what it took."""

    study: Study  # resolved: the same runs wherever it is read
    minutes: float  # that it was given
    seconds: float  # that it takes, as projected
    left_out: tuple[str, ...]  # arms
    seeds: tuple[int, int]  # of how many
    episodes: tuple[int, int]  # of an evaluation, of how many
    grid: bool  # whether the data-scaling grid was left out
    cuts: tuple[Cut, ...]
    limit: int | None = None  # steps after which an episode ends

    def lines(self) -> list[str]:
        """What it left out, which arms it cuts short, and by how much."""
        name = "A smoke test" if self.study.profile == agent_cards.SMOKE else "This comparison"
        said = [
            f"{name} takes about {minutes(self.seconds)} of its {self.minutes:g} minutes: "
            f"{formats.plural(self.seeds[0], 'seed')} of {formats.listed(self.study.arms or ())}."
        ]
        gone = [f"the arms {formats.listed(self.left_out)}"] if self.left_out else []
        gone += ["the data-scaling grid"] * self.grid
        if self.seeds[0] < self.seeds[1]:
            gone.append(f"{self.seeds[1] - self.seeds[0]} of {self.seeds[1]} seeds")
        if gone:
            said.append(f"Left out: {formats.listed(gone)}.")
        if self.episodes[0] < self.episodes[1]:
            played = formats.plural(self.episodes[0], "episode")
            said.append(f"Evaluations have {played} instead of {self.episodes[1]}.")
        if self.limit is not None:
            said.append(f"An episode ends after {self.limit} steps.")
        if self.cuts:
            shares = [
                f"{cut.agent} {cut.cut.given:,} of {cut.cut.preset:,} {str(cut.cut.unit).replace('_', ' ')}"
                + f" ({formats.percent(cut.cut.share)})" * (self.study.profile != agent_cards.SMOKE)
                for cut in self.cuts
            ]
            said.append(f"Cut short: {'; '.join(shares)}.")
        else:
            said.append("No arm is cut short.")
        return said


def limit(study: Study) -> float | None:
    """The minutes that a study has; None: as many as it takes. Raises InputError where other keys contradict it."""
    smoke = study.profile == agent_cards.SMOKE
    found = study.max_minutes if study.max_minutes is not None or not smoke else SMOKE_MINUTES
    if smoke and (study.seeds or 1) > 1:
        raise InputError(f"seeds: a smoke test has one seed, got {study.seeds}: another profile has more")
    if found is not None and study.explain:
        what = "a smoke test" if smoke else "max_minutes"
        raise InputError(f"explain: what it takes cannot be foreseen, so that {what} leaves it out: rlformer explain")
    return found


def fit(study: Study, plan: Plan, paces: Paces, *, jobs: int, spent: float = 0.0) -> Fitted:
    """The study with as much of it as fits into its minutes.

    plan: of the whole study, as it stands. spent: seconds that have passed already. What the study says itself
    (arms, seeds, episodes, an agent's steps, shares of the log) stands; the rest is given up in this order, until
    the runs, projected at these paces and so many side by side, end within the time but for a reserve of a fifth,
    up to two where others work on this machine too:

    1. seeds, down to 3; 2. the data-scaling grid; 3. half of an evaluation's 100 episodes; 4. optional arms: those that
    only larger profiles train before those of smaller ones, from the top of the ladder down; never random play, the log
    and who makes it, the first arm of each family, nor the filtered imitation; 5. episodes down to 20; 6. steps of all
    arms, by a common factor down to a tenth; 7. seeds, down to 1, steps by the largest factor that fits.

    A smoke test is made of few steps, with fewer episodes and environments side by side, shorter episodes and at last
    fewer arms until it fits.

    Raises InputError, with the least that would fit, where nothing does.
    """
    given = limit(study)
    assert given is not None
    smoke = study.profile == agent_cards.SMOKE
    reserve = min(MOST_RESERVE, RESERVE * math.sqrt(paces.slowness))
    usable = given * 60 * (1 - reserve) - spent
    choices = smoke_choices(study, plan, paces) if smoke else whole_choices(study, plan, paces)
    seconds, last = 0.0, None
    for choice in choices:
        seconds, last = _seconds(choice, plan, paces, jobs, films=not smoke), choice
        if seconds <= usable:
            return _fitted(study, plan, choice, given, seconds + spent)
    raise InputError(_too_little(study, plan, paces, given, (seconds + spent) / (1 - reserve), last))


def minutes(seconds: float) -> str:
    """In words: seconds below two minutes.

    >>> minutes(42.2), minutes(150)
    ('42 seconds', '2.5 minutes')
    """
    return f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.2g} minutes"


def _too_little(study: Study, plan: Plan, paces: Paces, given: float, seconds: float, last: Choice | None) -> str:
    """That nothing fits, and what would."""
    needed = math.ceil(seconds / 6) / 10
    world, told = paces.world, ""
    if not world.ended and world.limit is None:
        told = "; no episode ended while it was probed: an environment without an end needs a time limit in a card"
    elif world.step_seconds > 0.01:
        told = f"; a step of it takes {world.step_seconds * 1000:.0f} ms, an episode up to {world.longest:.0f} steps"
    if study.profile == agent_cards.SMOKE:
        return f"{plan.env.name}: a smoke test takes about {needed:g} minutes here{told}: --max-minutes {needed:g}"
    assert last is not None
    least = f"{formats.plural(last.seeds, 'seed')} of {formats.listed(last.arms)}"
    return (
        f"max_minutes: {given:g} do not suffice on {plan.env.name}: {least} at a tenth of their steps take about "
        f"{needed:g} minutes{told}: --max-minutes {needed:g}, or --profile smoke to see whether everything runs"
    )


def _seconds(choice: Choice, plan: Plan, paces: Paces, jobs: int, films: bool) -> float:
    kept = [job for job in plan.jobs if _kept(job.payload, choice)]
    if choice.limit is not None:
        paces = replace(paces, world=paces.world.limited(choice.limit))
    acting = sum(learner(agent_cards.agent(name).learner).acts for name in choice.arms)
    return projection.seconds(plan.staged(kept), paces, jobs, choice.sized) + timing.around(acting, paces, films)


def _kept(payload: object, choice: Choice) -> bool:
    if isinstance(payload, PlannedLog):
        return payload.seed < choice.seeds
    assert isinstance(payload, PlannedRun)
    return (
        payload.seed < choice.seeds
        and payload.spec.agent.name in choice.arms
        and (choice.grid or payload.budget is None)
    )


def _fitted(study: Study, plan: Plan, choice: Choice, given: float, seconds: float) -> Fitted:
    """The study resolved to that choice."""
    fitted = {
        name: tuple(f"{key}={value}" for key, value in values.items())
        for name, values in choice.changed.items()
        if values
    }
    log = study.log
    if study.profile == agent_cards.SMOKE and log.data is None and log.kinds is None and log.prefix is None:
        log = replace(log, prefix="full")  # few episodes have no middle
    dropped = not choice.grid and any(run.budget is not None for run in plan.runs)
    grid = replace(study.grid, budgets=()) if dropped else study.grid
    resolved = replace(
        study,
        grid=grid,
        max_minutes=given,
        arms=choice.arms,
        seeds=choice.seeds,
        episodes=choice.episodes,
        time_limit=study.time_limit if choice.limit is None else choice.limit,
        log=log,
        fitted=fitted,
    )
    cuts = []
    for name in choice.arms:
        before, after = spec_of(plan, name), choice.sized(spec_of(plan, name))
        kind = learner(before.agent.learner)
        asked, now = (spec.values.get(kind.steps_key, 0) if kind.learns else 0 for spec in (before, after))
        if now < asked:
            cuts.append(Cut(name, CutShort("time", given, kind.curve_unit, asked, now)))
    usual = Protocol.of(study.episodes).episodes
    episodes = usual if choice.episodes is None else choice.episodes
    return Fitted(
        study=resolved,
        minutes=given,
        seconds=seconds,
        left_out=tuple(name for name in plan.arms if name not in choice.arms),
        seeds=(choice.seeds, len(plan.seeds)),
        episodes=(episodes, usual),
        grid=dropped,
        cuts=tuple(cuts),
        limit=choice.limit,
    )
