"""Which agents a study trains: what their cards say, and the actions of the task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rlformer.agents import cards as agent_cards
from rlformer.agents.cards import AgentCard
from rlformer.agents.learners import learner
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.core.spaces import ActionSpec
from rlformer.runs.spec import SEQUENCE


@dataclass(frozen=True)
class Profile:
    """How large a study is."""

    seeds: int
    multiples: tuple[float, ...] = ()  # of the log that a study makes, on which the grid's arms are trained too
    shares: tuple[float, ...] = ()  # of a log that was given, instead
    scales_all: bool = False  # the grid's arms are all candidates that need a log, not the sequence family's alone


# By the names that cards use: which agents a profile trains is said by them. Where a family has several candidates, 3
# of 13 seeds choose among them (5 of 25), and 10 (20) judge.
_SMALL_GRID, _LARGE_GRID = ((0.5, 2.0), (0.25, 0.5)), ((0.25, 0.5, 2.0, 4.0), (0.125, 0.25, 0.5))
_SIZES = (
    Profile(1), Profile(3, *_SMALL_GRID), Profile(13, *_LARGE_GRID, scales_all=True),
    Profile(25, *_LARGE_GRID, scales_all=True),
)  # fmt: skip
PROFILES: Mapping[str, Profile] = dict(zip(agent_cards.PROFILES, _SIZES, strict=True))
# What stands for the agents of a family that fit the actions, by name.
GROUPS: Mapping[str, str] = {"online": "online", "offline-rl": "offline"}


def usual(profile: str, env: EnvSpec, actions: ActionSpec, interaction: bool) -> tuple[str, ...]:
    """The agents that a profile trains on this task, from the ladder's bottom up.

    A card that stands for its family in some kinds of action only joins for these; offline RL that cannot act here is
    left out, and so is what learns from vectors alone where the task shows images. Without interaction nothing that
    learns by stepping the environment joins, and offline RL does, or there would be nothing to hold the sequence model
    against.
    """
    chosen = []
    for card in _ladder():
        joins = profile in card.profiles or (not interaction and card.family == GROUPS["offline-rl"])
        fits = not card.default_for or actions.kind in card.default_for
        certain = card.family != GROUPS["offline-rl"] and learner(card.learner).sees_images(card.defaults)
        if joins and fits and (certain or _acts(card, env)):
            chosen.append(card.name)
    return tuple(name for name in chosen if interaction or not steps_env(name))


def expand(names: Sequence[str], env: EnvSpec, actions: ActionSpec) -> tuple[str, ...]:
    """Agents by name, with groups spelled out. Raises InputError for an unknown one, and a group in which none fits."""
    found: list[str] = []
    for name in names:
        if name not in GROUPS:
            found.append(agent_cards.agent(name).name)
            continue
        fitting = _group(name, actions)
        if not fitting:
            cards = [card for card in _ladder() if card.family == GROUPS[name] and card.default_for]
            acts = ", ".join(f"{card.name} acts in {' and '.join(card.default_for)}" for card in cards)
            what = "offline RL" if name == "offline-rl" else f"{name} agent"
            raise InputError(f"no {what} fits the {actions.kind} actions of {env.name}: {acts}")
        found += fitting
    return tuple(dict.fromkeys(found))


def scaled(
    names: Sequence[str], asked: Sequence[str] | None, profile: Profile, env: EnvSpec, actions: ActionSpec
) -> tuple[str, ...]:
    """Who among the arms learns from the parts of a data-scaling grid, of those that a log alone is enough for.

    asked: agents or groups; None: those that the profile says. In a large one these are all candidates and the filtered
    imitation beside them, in a small one the arms that stand for the sequence family. Raises InputError for an agent
    that is asked for by its name and learns from no log alone.
    """
    if asked is not None:
        for name in asked:
            if name not in GROUPS and (not needs_log(name) or steps_env(name)):
                raise InputError(
                    f"grid.arms: {name} does not learn from a log alone, so that no part of it is its data"
                )
        wanted = expand([name for name in asked if name not in GROUPS or _group(name, actions)], env, actions)
        return tuple(name for name in names if name in wanted)
    cards = {name: agent_cards.agent(name) for name in names if needs_log(name) and not steps_env(name)}
    candidates = {name: card for name, card in cards.items() if card.role == "candidate"}
    if profile.scales_all:
        filtered = {c.less for card in cards.values() for c in card.contrasts if c.question == "filtered"}
        return tuple(name for name in cards if name in candidates or name in filtered)
    models = [name for name, card in candidates.items() if card.family == SEQUENCE]
    return tuple([name for name in models if actions.kind in candidates[name].default_for] or models)


def first_online(actions: ActionSpec) -> str:
    """Whose training is the log where nothing else is said. Raises InputError where no online agent fits."""
    fitting = _group("online", actions)
    if not fitting:
        raise InputError(f"no online agent fits {actions.kind} actions, whose training could be the log: name one")
    return fitting[0]


def needs_log(name: str) -> bool:
    """Whether an agent learns from a log."""
    return "log" in learner(agent_cards.agent(name).learner).needs


def steps_env(name: str) -> bool:
    """Whether an agent learns by stepping the environment."""
    return learner(agent_cards.agent(name).learner).steps_env


def costly_first(names: Sequence[str], maker: str | None) -> list[str]:
    """The log's maker first, since others wait for it; then the long ones, so that no core idles at the end."""

    def rank(name: str) -> int:
        kind = learner(agent_cards.agent(name).learner)
        return 0 if name == maker else 1 if kind.steps_env else 2 if kind.learns else 3

    return sorted(names, key=rank)


def _ladder() -> list[AgentCard]:
    return sorted(agent_cards.agents().values(), key=lambda card: (card.rung, card.name))


def _group(name: str, actions: ActionSpec) -> list[str]:
    return [card.name for card in _ladder() if card.family == GROUPS[name] and actions.kind in card.default_for]


def _acts(card: AgentCard, env: EnvSpec) -> bool:
    try:
        learner(card.learner).load().check(env, card.values_for(env.name))
    except InputError:
        return False
    return True
