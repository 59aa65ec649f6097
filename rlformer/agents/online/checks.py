"""Whether a card's values can be trained with, and whether an algorithm acts in a task's actions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from rlformer.agents import cards as agent_cards
from rlformer.agents.base import LearnerKind
from rlformer.agents.learners import LEARNERS
from rlformer.agents.online.algorithms.base import Algorithm
from rlformer.agents.online.flops import action_size
from rlformer.agents.online.ranges import ranges_of
from rlformer.core import ranges
from rlformer.core.errors import InputError
from rlformer.core.machine import check_fits
from rlformer.core.ranges import shown
from rlformer.core.spaces import ActionSpec, ObservationSpec, Spaces

_NARROW = 'narrow them, in a card: wrappers = [{ kind = "action_bounds", low = -1.0, high = 1.0 }]'
_WIDE, _TOO_WIDE = 1e3, 1e6  # of bounds, on each side of their middle
_SPACES = {  # Gymnasium's name of each kind of action space
    "discrete": "Discrete",
    "multidiscrete": "MultiDiscrete",
    "multibinary": "MultiBinary",
    "box": "Box",
}


def check_values(values: Mapping[str, Any], algorithms: Mapping[str, Algorithm]) -> Algorithm:
    """The one of the algorithms that a card names.

    Raises InputError unless there is one, and every value is one that it can be trained with: those of a card whose
    algorithm was changed are another's.
    """
    known = ranges_of(values, algorithms)
    name: str = values["algorithm"]
    if known and (foreign := sorted(values.keys() - known.keys())):
        raise InputError(
            f"algorithm {name}: it has no {', '.join(foreign)}, which this card sets; use a card of {name}'s own"
        )
    ranges.check(values, known)
    algorithms[name].check(values)
    return algorithms[name]


def check_memory(algorithm: Algorithm, values: Mapping[str, Any], spaces: Spaces) -> None:
    """Raise InputError, with the estimate, where networks and experience need more memory than there is."""
    seen, acts = spaces.observation.size, action_size(spaces.actions)
    layers = [seen, *values["hidden"], acts]
    weights = sum(a * b for a, b in pairwise(layers))
    step = 2 * seen * spaces.observation.dtype.itemsize + 4 * acts + 12  # before and after, with reward and ends
    steps = values["buffer_size"] if "buffer_size" in values else values.get("n_steps", 0) * values.get("num_envs", 1)
    named = [f"{key} {shown(values[key])}" for key in ("hidden", "buffer_size", "n_steps", "num_envs") if key in values]
    # Of each weight: itself, its gradient and Adam's two moments, in a network for the policy and one for the value.
    check_fits(f"{algorithm.name} with {', '.join(named)}", 4 * 4 * 2 * weights + steps * step)


def check_fit(algorithm: Algorithm, actions: ActionSpec, where: str, kind: LearnerKind) -> None:
    """Raise InputError unless the algorithm acts in these actions of `where`.

    The message names the agents that act in them and learn from the same as those of the learner `kind`.
    """
    name = algorithm.name.lower()
    if not actions.bounded:
        bounds = f"{list(actions.low)} to {list(actions.high)}"
        raise InputError(f"{where}: {name} needs finite bounds of a Box action space, it has {bounds}; {_NARROW}")
    if actions.kind not in algorithm.action_kinds:
        needed = ", ".join(label for own, label in _SPACES.items() if own in algorithm.action_kinds)
        raise InputError(
            f"{name} needs a {needed} action space, {where} has {_SPACES[actions.kind]}; "
            f"agents that fit: {', '.join(_fitting(actions, kind))}"
        )


def check_images(algorithm: Algorithm, seen: ObservationSpec, where: str, kind: LearnerKind) -> None:
    """Raise InputError where there are images and the algorithm learns from vectors alone.

    The message names the agents that see images and learn from the same as those of the learner `kind`.
    """
    if not seen.has_images or algorithm.counts_of_images is not None:
        return
    images = ", ".join(f"'{part.name}' {part.shape}" for part in seen.parts if part.kind == "image")
    cards = agent_cards.agents().items()
    values = {name: card.defaults for name, card in cards if card.learner == kind.name}
    able = ", ".join(name for name, own in values.items() if kind.sees_images(own) and not kind.needs_masks(own))
    raise InputError(
        f"{algorithm.name.lower()} learns from vectors alone, {where} shows images ({images}); "
        f"{f'agents that see: {able}; or ' if able else ''}"
        '{ kind = "flatten" } among the wrappers of its card makes vectors of them'
    )


def check_scale(algorithm: Algorithm, actions: ActionSpec, where: str, tell: Callable[[str], None]) -> None:
    """Of an algorithm whose actions in [-1, 1] are stretched to the bounds: whether these set a scale to learn on.

    tell: hears of bounds that are wide. Raises InputError where they are too wide to be one, or have no width.
    """
    if actions.kind != "box":
        return
    for i, (low, high) in enumerate(zip(actions.low, actions.high, strict=True)):
        if low == high:
            raise InputError(
                f"{where}: action[{i}] can only be {low:g}, and {algorithm.name} divides by the width of its bounds; "
                "leave it out of the action space, or train ppo"
            )
    widest = max(high - low for low, high in zip(actions.low, actions.high, strict=True)) / 2
    text = f"{where}: {algorithm.name} stretches its actions to bounds that are {widest:.3g} wide on each side"
    if widest > _TOO_WIDE:
        raise InputError(f"{text}, a scale that nothing is learned on; {_NARROW}")
    if widest > _WIDE:
        tell(f"{text}: where smaller actions matter, {_NARROW}")


def _fitting(actions: ActionSpec, kind: LearnerKind) -> list[str]:
    """Names of the agents that learn from what those of `kind` do, and act in these actions, masked or not."""
    names = []
    for name, card in agent_cards.agents().items():
        other = LEARNERS.get(card.learner)
        if other is None or not other.learns or other.needs != kind.needs or other.needs_masks(card.defaults):
            continue
        if actions.kind in other.action_kinds(card.defaults):
            names.append(name)
    return names
