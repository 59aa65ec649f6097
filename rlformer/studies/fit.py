"""A study fitted into minutes of wall time on this machine: which arms, seeds and steps; see `fit` for the rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rlformer.agents import cards as agent_cards
from rlformer.agents.learners import learner
from rlformer.core import formats
from rlformer.core.errors import InputError
from rlformer.evaluator.measure.protocol import Protocol
from rlformer.runs.budget import CutShort
from rlformer.runs.spec import RunSpec
from rlformer.studies import timing
from rlformer.studies.pace import STEP_KEYS, Paces
from rlformer.studies.plan import Plan, PlannedLog, PlannedRun
from rlformer.studies.study import Study

SMOKE_MINUTES = 2.0
RESERVE = 0.2  # of the time: what a probe cannot foresee
FEW_SEEDS = 3  # given up down to these before anything else
FLOOR = 0.1  # of the preset's steps, at least
FACTORS = (0.9, 0.8, 0.7, 0.6, 0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.17, 0.15, 0.12, FLOOR)
EPISODES = (50, 20)  # of an evaluation, instead of 100
_MID_EPISODES = 44  # that a training must end for its middle to be found
_SMOKE_STEPS = 1024  # of an agent that interacts, unless that takes too long
_SMOKE_LOG = 3  # episodes of the log that a smoke test learns from

Values = Mapping[str, object]  # of a card, by key


@dataclass(frozen=True)
class Choice:
    """One way to make a study smaller."""

    seeds: int
    arms: tuple[str, ...]
    grid: bool
    episodes: int | None
    sized: Callable[[RunSpec], RunSpec]  # a specification with the steps that it is given
    changed: Mapping[str, Values] = field(default_factory=dict)  # by agent


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

    def lines(self) -> list[str]:
        """What it left out, which arms it cuts short, and by how much."""
        name = "A smoke test" if self.study.profile == agent_cards.SMOKE else "This comparison"
        said = [
            f"{name} takes about {minutes(self.seconds)}, of the {self.minutes:g} minutes that it has: "
            f"{formats.plural(self.seeds[0], 'seed')} of {formats.listed(self.study.arms or ())}."
        ]
        gone = [f"the arms {formats.listed(self.left_out)}"] if self.left_out else []
        gone += ["the data-scaling grid"] * self.grid
        if self.seeds[0] < self.seeds[1]:
            gone.append(f"{self.seeds[1] - self.seeds[0]} of {self.seeds[1]} seeds")
        if gone:
            said.append(f"Left out: {formats.listed(gone)}.")
        if self.episodes[0] < self.episodes[1]:
            said.append(f"An evaluation is of {self.episodes[0]} episodes instead of {self.episodes[1]}.")
        if self.cuts:
            shares = [
                f"{cut.agent} {cut.cut.given:,} of {cut.cut.preset:,} {str(cut.cut.unit).replace('_', ' ')} "
                f"({formats.percent(cut.cut.share)})"
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

    plan: of the whole study, as it stands. spent: seconds that have passed already. What the study says itself (arms,
    seeds, episodes, an agent's steps, shares of the log) stands; the rest is given up in this order, until the runs,
    projected at these paces and so many side by side, end within the time but for a reserve of a fifth:

    1. seeds, down to 3; 2. the data-scaling grid; 3. optional arms: those that only larger profiles train before those
    of smaller ones, from the top of the ladder down; never random play, the log and who makes it, the first arm of each
    family, nor the filtered imitation; 4. episodes of an evaluation, to 50 and 20; 5. steps of all arms, by a common
    factor down to a tenth; 6. seeds, down to 1, steps by the largest factor that fits.

    A smoke test is made of few steps, with fewer episodes, environments side by side and arms until it fits.

    Raises InputError, with the least that would fit, where nothing does.
    """
    given = limit(study)
    assert given is not None
    smoke = study.profile == agent_cards.SMOKE
    usable = given * 60 * (1 - RESERVE) - spent
    choices = _smoke_choices(study, plan, paces) if smoke else _choices(study, plan, paces)
    seconds, last = 0.0, None
    for choice in choices:
        seconds, last = _seconds(choice, plan, paces, jobs, films=not smoke), choice
        if seconds <= usable:
            return _fitted(study, plan, choice, given, seconds + spent)
    raise InputError(_too_little(study, plan, paces, given, (seconds + spent) / (1 - RESERVE), last))


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
    runs = timing.timed(kept, paces, choice.sized)
    acting = sum(learner(agent_cards.agent(name).learner).acts for name in choice.arms)
    return timing.makespan(runs, jobs) + timing.around(acting, paces, films)


def _kept(payload: object, choice: Choice) -> bool:
    if isinstance(payload, PlannedLog):
        return payload.seed < choice.seeds
    assert isinstance(payload, PlannedRun)
    return (
        payload.seed < choice.seeds
        and payload.spec.agent.name in choice.arms
        and (choice.grid or payload.budget is None)
    )


def _choices(study: Study, plan: Plan, paces: Paces) -> Iterator[Choice]:
    """From the whole study to the least that is worth it."""
    seeds, free = len(plan.seeds), study.seeds is None
    few = min(seeds, FEW_SEEDS) if free else seeds
    grid = any(run.budget is not None for run in plan.runs)

    def choice(seeds: int, names: tuple[str, ...], grid: bool, episodes: int | None, factor: float = 1.0) -> Choice:
        changed = {name: _shortened(_spec(plan, name), factor, study) for name in names}
        return Choice(seeds, names, grid, episodes, _sizing(changed, episodes), changed)

    for count in range(seeds, few - 1, -1):
        yield choice(count, plan.arms, grid, study.episodes)
    if grid and study.grid.budgets is None and study.grid.arms is None:
        grid = False
        yield choice(few, plan.arms, grid, study.episodes)
    kept = plan.arms
    for name in _optional(study, plan):
        kept = tuple(other for other in kept if other != name)
        yield choice(few, kept, grid, study.episodes)
    episodes = study.episodes
    for episodes in EPISODES if study.episodes is None else ():
        yield choice(few, kept, grid, episodes)
    for count in range(few, 0, -1) if free else (seeds,):
        for factor in FACTORS:
            if _log_holds(plan, kept, factor, paces, study) or factor == FLOOR:
                yield choice(count, kept, grid, episodes, factor)


def _optional(study: Study, plan: Plan) -> list[str]:
    """The arms that a study can do without, in the order in which it does."""
    if study.arms is not None:
        return []
    cards = {name: agent_cards.agent(name) for name in plan.arms}
    filtered = {c.less for card in cards.values() for c in card.contrasts if c.question == "filtered"}
    kept, families = set(filtered), set[str]()
    for name in sorted(cards, key=lambda name: cards[name].rung):
        card = cards[name]
        first = card.role == "candidate" and bool(card.default_for) and card.family not in families
        if first or not learner(card.learner).learns or _is_maker(plan, name):
            kept.add(name)
        if first:
            families.add(card.family)

    def order(name: str) -> tuple[int, float]:
        joins = [agent_cards.PROFILES.index(profile) for profile in cards[name].profiles]
        return -min(joins, default=len(agent_cards.PROFILES)), -cards[name].rung

    return sorted(set(cards) - kept, key=order)


def _is_maker(plan: Plan, name: str) -> bool:
    """Whether others learn from its training, or from what it plays."""
    firsts = [job.needs[0] for job in plan.jobs if job.needs]
    return any(isinstance(first, tuple) and first[0] == name for first in firsts)


def _spec(plan: Plan, name: str) -> RunSpec:
    return next(run.spec for run in plan.runs if run.spec.agent.name == name)


def _by_hand(study: Study, name: str) -> set[str]:
    """The keys of an agent that the study sets itself."""
    return {text.partition("=")[0].strip() for text in study.overrides.get(name, ())}


def _shortened(spec: RunSpec, factor: float, study: Study) -> Values:
    """The values that change where an agent trains for a share of its steps."""
    kind = learner(spec.agent.learner)
    hand = _by_hand(study, spec.agent.name)
    if factor == 1 or not kind.learns or kind.steps_key not in spec.values or kind.steps_key in hand:
        return {}
    values = spec.values
    keys = [key for key in STEP_KEYS if key in values and key not in hand]
    if kind.steps_key == "steps":  # "gradient_steps" of an online agent are those of an update
        keys = [key for key in keys if key != "gradient_steps"]
    changed = {key: max(1, int(values[key] * factor)) for key in keys if values[key]}
    if "n_epochs" in values:  # on-policy: whole rollouts, since a part of one is made whole
        rollout = values["n_steps"] * values["num_envs"]
        changed["steps"] = max(rollout, changed["steps"] // rollout * rollout)
    return {key: value for key, value in changed.items() if value < values[key]}


def _sizing(changed: Mapping[str, Values], episodes: int | None) -> Callable[[RunSpec], RunSpec]:
    def sized(spec: RunSpec) -> RunSpec:
        values = {**spec.values, **changed.get(spec.agent.name, {})}
        return replace(spec, values=values, episodes=episodes)

    return sized


def _log_holds(plan: Plan, names: Sequence[str], factor: float, paces: Paces, study: Study) -> bool:
    """Whether a training that is a log ends the episodes that its middle takes."""
    if not any(recipe.cut.kind == "mid" and not recipe.played for recipe in study.log.recipes):
        return True
    for name in names:
        steps = _spec(plan, name).values.get("steps", 0)
        if _is_maker(plan, name) and steps * factor < min(steps, _MID_EPISODES * paces.world.length):
            return False
    return True


def _smoke_choices(study: Study, plan: Plan, paces: Paces) -> Iterator[Choice]:
    """From a test of a few hundred steps to the least that shows whether everything runs."""
    optional = _optional(study, plan)
    tries: list[tuple[int, int, int | None, int, int]] = [
        (_SMOKE_STEPS, 200, None, 5, 0), (_SMOKE_STEPS, 200, None, 2, 0), (0, 20, None, 1, 0), (0, 20, 1, 2, 0),
    ]  # fmt: skip
    tries += [(0, 20, 1, 1, gone) for gone in range(len(optional) + 1)]
    for steps, gradient_steps, num_envs, episodes, gone in tries:
        names = tuple(name for name in plan.arms if name not in optional[:gone])
        changed = {name: _tiny(_spec(plan, name), study, paces, steps, gradient_steps, num_envs) for name in names}
        count = episodes if study.episodes is None else study.episodes
        yield Choice(1, names, False, count, _sizing(changed, count), changed)


def _tiny(spec: RunSpec, study: Study, paces: Paces, steps: int, gradient_steps: int, num_envs: int | None) -> Values:
    """The values of an agent that is only to be seen at work. steps: at least; num_envs: side by side, at most."""
    kind, values, hand = learner(spec.agent.learner), spec.values, _by_hand(study, spec.agent.name)
    if not kind.learns or kind.steps_key in hand or kind.steps_key not in values:
        return {}
    if kind.steps_key == "gradient_steps":
        changed: dict[str, object] = {"gradient_steps": min(values["gradient_steps"], gradient_steps)}
        if "warmup_steps" in values:
            changed["warmup_steps"] = min(values["warmup_steps"], gradient_steps // 10)
        return _differing(changed, values, hand)
    num = min(values["num_envs"], num_envs or values["num_envs"])
    rounds = -(-_SMOKE_LOG // num)  # of episodes that all environments play side by side
    length = min(1.2 * paces.world.length, paces.world.longest) + 1
    total = min(values["steps"], max(steps, math.ceil(num * rounds * length)))
    changed = {"steps": total, "num_envs": num}
    if "n_epochs" in values:
        each = max(2, min(values["n_steps"], total // (2 * num)))
        changed |= {"n_steps": each, "steps": -(-total // (each * num)) * each * num}
        if "batch_size" in values:
            changed["batch_size"] = min(values["batch_size"], each * num)
    if "learning_starts" in values:
        changed["learning_starts"] = min(values["learning_starts"], total // 2)
    return _differing(changed, values, hand)


def _differing(changed: Values, values: Mapping[str, object], hand: set[str]) -> Values:
    return {key: value for key, value in changed.items() if value != values[key] and key not in hand}


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
    resolved = replace(
        study,
        profile="standard" if dropped else study.profile,  # which has no grid of its own
        max_minutes=given,
        arms=choice.arms,
        seeds=choice.seeds,
        episodes=choice.episodes,
        log=log,
        fitted=fitted,
    )
    cuts = []
    for name in choice.arms:
        before, after = _spec(plan, name), choice.sized(_spec(plan, name))
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
    )
