"""The ways to make a study smaller, from the whole of it to the least: see `fit.fit` for the rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rlformer.agents import cards as agent_cards
from rlformer.agents.learners import learner
from rlformer.runs.spec import RunSpec
from rlformer.studies.pace import STEP_KEYS, Paces, World
from rlformer.studies.plan import Plan
from rlformer.studies.study import Study

FEW_SEEDS = 3  # given up down to these before anything else
FLOOR = 0.1  # of the preset's steps, at least
FACTORS = (0.9, 0.8, 0.7, 0.6, 0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.17, 0.15, 0.12, FLOOR)
EPISODES = (50, 20)  # of an evaluation, instead of 100: before optional arms go, and after
_HALF_EPISODES = 6  # that a training must end for half of it to hold two
_SMOKE_STEPS = 1024  # of an agent that interacts, unless that takes too long
_SMOKE_LOG = 2  # episodes of the log that a smoke test learns from, at least
_SMOKE_LIMITS = (100, 30, 10)  # steps of an episode, where whole ones take too long

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
    limit: int | None = None  # steps of an episode


def whole_choices(study: Study, plan: Plan, paces: Paces) -> Iterator[Choice]:
    """From the whole study to the least that is worth it."""
    seeds, free = len(plan.seeds), study.seeds is None
    few = min(seeds, FEW_SEEDS) if free else seeds
    grid = any(run.budget is not None for run in plan.runs)

    def choice(seeds: int, names: tuple[str, ...], grid: bool, episodes: int | None, factor: float = 1.0) -> Choice:
        changed = {name: _shortened(spec_of(plan, name), factor, study) for name in names}
        return Choice(seeds, names, grid, episodes, _sizing(changed, episodes), changed)

    for count in range(seeds, few - 1, -1):
        yield choice(count, plan.arms, grid, study.episodes)
    if grid and study.grid.budgets is None and study.grid.arms is None:
        grid = False
        yield choice(few, plan.arms, grid, study.episodes)
    kept, episodes = plan.arms, study.episodes
    if study.episodes is None:
        episodes = EPISODES[0]
        yield choice(few, kept, grid, episodes)
    for name in _optional(study, plan):
        kept = tuple(other for other in kept if other != name)
        yield choice(few, kept, grid, episodes)
    if study.episodes is None:
        episodes = EPISODES[1]
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


def spec_of(plan: Plan, name: str) -> RunSpec:
    """The specification of an agent of the plan."""
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
    """Whether a training that is a log ends episodes enough to be cut where it was half way, or in half."""
    if not any(recipe.cut.kind == "mid" and not recipe.played for recipe in study.log.recipes):
        return True
    for name in names:
        steps = spec_of(plan, name).values.get("steps", 0)
        if _is_maker(plan, name) and steps * factor < min(steps, _HALF_EPISODES * paces.world.length):
            return False
    return True


def smoke_choices(study: Study, plan: Plan, paces: Paces) -> Iterator[Choice]:
    """From a test of a few hundred steps to the least that shows whether everything runs."""
    optional = _optional(study, plan)
    tries: list[tuple[int, int, int | None, int]] = [
        (_SMOKE_STEPS, 200, None, 5), (_SMOKE_STEPS, 200, None, 2), (0, 20, None, 2), (0, 20, 1, 2), (0, 20, 1, 1),
    ]  # fmt: skip
    ways: list[tuple[int, int, int | None, int, int | None, int]] = [(*each, None, 0) for each in tries]
    limits = [limit for limit in _SMOKE_LIMITS if limit < paces.world.longest and study.time_limit is None]
    ways += [(0, 20, 1, 1, limit, 0) for limit in limits]
    ways += [(0, 20, 1, 1, ways[-1][4], gone + 1) for gone in range(len(optional))]
    for steps, gradient_steps, num_envs, episodes, limit, gone in ways:
        names = tuple(name for name in plan.arms if name not in optional[:gone])
        world = paces.world if limit is None else paces.world.limited(limit)
        changed = {name: _tiny(spec_of(plan, name), study, world, steps, gradient_steps, num_envs) for name in names}
        count = episodes if study.episodes is None else study.episodes
        yield Choice(1, names, False, count, _sizing(changed, count), changed, limit)


def _tiny(spec: RunSpec, study: Study, world: World, steps: int, gradient_steps: int, num_envs: int | None) -> Values:
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
    length = min(1.2 * world.length, world.longest) + 1
    total = min(values["steps"], max(steps, math.ceil(num * rounds * length)))
    changed = {"steps": total, "num_envs": num}
    if "n_epochs" in values:
        each = max(2, min(values["n_steps"], total // (2 * num)))
        batch = min(values.get("batch_size", each * num), each * num)
        each = max(2, each * num // batch * batch // num)  # whole batches
        changed |= {"n_steps": each, "steps": -(-total // (each * num)) * each * num}
        if "batch_size" in values:
            changed["batch_size"] = batch if each * num % batch == 0 else each * num
    if "learning_starts" in values:
        changed["learning_starts"] = min(values["learning_starts"], total // 2)
    return _differing(changed, values, hand)


def _differing(changed: Values, values: Mapping[str, object], hand: set[str]) -> Values:
    return {key: value for key, value in changed.items() if value != values[key] and key not in hand}
