"""Whether a card's values can be trained with, and whether an algorithm acts in a task's actions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from rlformer.agents import cards as agent_cards
from rlformer.agents.base import LearnerKind
from rlformer.agents.learners import LEARNERS
from rlformer.agents.online.algorithms.base import Algorithm
from rlformer.core.errors import InputError, unknown
from rlformer.core.spaces import ActionSpec

ACTIVATIONS = {"relu": "ReLU", "tanh": "Tanh", "elu": "ELU", "gelu": "GELU"}  # names in cards and in torch.nn
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

    Raises InputError unless there is one, and every value is one that it can be trained with.
    """
    if values["algorithm"] not in algorithms:
        raise unknown("algorithm", values["algorithm"], algorithms)
    if values["activation"] not in ACTIVATIONS:
        raise unknown("activation", values["activation"], ACTIVATIONS)
    algorithm = algorithms[values["algorithm"]]
    for key, value in values.items():
        if isinstance(value, Mapping):
            _check_schedule(algorithm, key, value)
        elif isinstance(value, list):
            for size in value:
                if not isinstance(size, int) or size < 1:
                    raise InputError(f"{key}: expected sizes of layers such as [64, 64], got {value}")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            _check_number(key, value, *algorithm.bounds(key, isinstance(value, int)))
    return algorithm


def _check_schedule(algorithm: Algorithm, key: str, value: Mapping[str, Any]) -> None:
    if key not in algorithm.schedules:
        raise InputError(f"{key}: expected a number; schedules: {', '.join(algorithm.schedules)}")
    if set(value) != {"start", "end"}:
        raise InputError(f"{key}: a schedule has 'start' and 'end', got {dict(value)}")
    for end, number in value.items():
        _check_number(f"{key}.{end}", number, *algorithm.bounds(key, integer=False))


def _check_number(key: str, value: Any, lowest: float, highest: float) -> None:
    if not (isinstance(value, (int, float)) and math.isfinite(value) and lowest <= value <= highest):
        wanted = f"at least {lowest:g}" if highest == math.inf else f"{lowest:g} to {highest:g}"
        raise InputError(f"{key}: expected {wanted}, got {value!r}")


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


def check_scale(algorithm: Algorithm, actions: ActionSpec, where: str, tell: Callable[[str], None]) -> None:
    """Of an algorithm whose actions in [-1, 1] are stretched to the bounds: whether these set a scale to learn on.

    tell: hears of bounds that are wide. Raises InputError where they are too wide to be one.
    """
    if actions.kind != "box":
        return
    widest = max(high - low for low, high in zip(actions.low, actions.high, strict=True)) / 2
    text = f"{where}: {algorithm.name} stretches its actions to bounds that are {widest:.3g} wide on each side"
    if widest > _TOO_WIDE:
        raise InputError(f"{text}, a scale that nothing is learned on; {_NARROW}")
    if widest > _WIDE:
        tell(f"{text}: where smaller actions matter, {_NARROW}")


def _fitting(actions: ActionSpec, kind: LearnerKind) -> list[str]:
    """Names of the agents that learn from what those of `kind` do, and act in these actions."""
    names = []
    for name, card in agent_cards.agents().items():
        other = LEARNERS.get(card.learner)
        if other is None or not other.learns or other.needs != kind.needs:
            continue
        if actions.kind in other.action_kinds(card.defaults):
            names.append(name)
    return names
