"""Values of a study file, or of `--with`: each reader takes a key and what TOML gave for it.

All raise InputError where the value makes no sense.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rlformer.agents import cards as agent_cards
from rlformer.agents import zipped
from rlformer.core.cards import typed_value
from rlformer.core.errors import InputError, unknown
from rlformer.core.limits import LIMITS
from rlformer.core.ranges import real, shown
from rlformer.data.loaders.names import Choice
from rlformer.envs import cards as env_cards
from rlformer.envs.make import spaces_of
from rlformer.runs.inputs import Cut, Recipe
from rlformer.studies.arms import GROUPS

NONE = "none"  # of a list: nothing in it
_MOST_BUDGETS, _LARGEST_BUDGET = 32, 64


def assignment(flag: str, given: str) -> tuple[str, object]:
    """KEY=VALUE as it is typed; a value that is no TOML is a string.

    >>> assignment("--with", "log.steps=5000"), assignment("--with", "log.kinds=expert,mixed")
    (('log.steps', 5000), ('log.kinds', 'expert,mixed'))
    """
    key, separator, value = given.partition("=")
    if not separator or not key.strip():
        raise InputError(f"{flag} takes KEY=VALUE, got '{given}'")
    return key.strip(), typed_value(value)


def text(key: str, value: object) -> str:
    """A string that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{key}: a string is expected, got {shown(value)}")
    return value


def number(key: str, value: object) -> Any:
    """A number in the range that `core.limits` says."""
    allowed = LIMITS[key]
    allowed.check(key, value)
    return float(value) if allowed.kind == "real" else value  # type: ignore[arg-type]


def flag(key: str, value: object) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise InputError(f"{key}: true or false is expected, got {shown(value)}")
    return value


def strings(key: str, value: object) -> tuple[str, ...]:
    """A list of strings, or one of them with commas between."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) for part in parts):
        raise InputError(f"{key}: a list of strings is expected, got {shown(value)}")
    return tuple(part.strip() for part in parts if part.strip())


def settings(key: str, value: object) -> tuple[str, ...]:
    """Changes of a preset, each as `--set` takes it."""
    parts = [value] if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) and "=" in part for part in parts):
        raise InputError(f'{key}: a list such as ["learning_rate=0.001"] is expected, got {shown(value)}')
    return tuple(part.strip() for part in parts)


def tables(key: str, value: object) -> Mapping[str, tuple[str, ...]]:
    """Changes of presets by agent."""
    if not isinstance(value, Mapping):
        raise InputError(f"{key}: a table of agents is expected, got {value!r}")
    return {agent(key, name): settings(f"{key}.{name}", changes) for name, changes in value.items()}


def one_of(kind: str, valid: Iterable[str]) -> Callable[[str, object], str]:
    """What reads one of these names."""
    names = tuple(valid)

    def named(key: str, value: object) -> str:
        if not isinstance(value, str) or value not in names:
            raise InputError(f"unknown {kind} {shown(value)}; valid: {', '.join(names)}")
        return str(value)

    return named


def environment(key: str, value: object) -> str:
    """An environment that can be made."""
    name = text(key, value)
    spaces_of(env_cards.environment(name))
    return name


def agent(key: str, value: object) -> str:
    """An agent with a card."""
    return agent_cards.agent(text(key, value)).name


def arms(key: str, value: object) -> tuple[str, ...]:
    """Agents with a card, or groups of them."""
    names = strings(key, value)
    if not names:
        raise InputError(f"{key}: names no arm; valid: {', '.join((*agent_cards.agents(), *GROUPS))}")
    known = {*agent_cards.agents(), *GROUPS}
    for name in names:
        if zipped.is_zipped(name):
            agent_cards.agent(name)
        elif name not in known:
            raise unknown("agent", name, known)
    return names


def recipes(key: str, value: object) -> tuple[str, ...]:
    """Ways to make a log."""
    kinds = strings(key, value)
    for kind in kinds or ("",):
        Recipe.parse(kind)
    return kinds


def columns(key: str, value: object) -> tuple[str, ...]:
    """Which columns of a log hold what, each as `--map` takes it."""
    maps = settings(key, value)
    Choice.parse(maps)
    return maps


def real_number(key: str, value: object) -> float:
    """A finite number."""
    real(-1e18, 1e18).check(key, value)
    assert isinstance(value, (int, float))
    return float(value)


def cut(key: str, value: object) -> str:
    """How much of a log is read."""
    return Cut.parse(value if isinstance(value, str) else f"{real_number(key, value):.15g}").label


def budgets(key: str, value: object) -> tuple[float, ...]:
    """Shares of the log and multiples of it, how many doublings end at all of it, or none.

    >>> budgets("grid.budgets", 4), budgets("grid.budgets", "0.5,2"), budgets("grid.budgets", [1, 0.25])
    ((0.125, 0.25, 0.5, 1.0), (0.5, 2.0), (0.25, 1.0))
    >>> budgets("grid.budgets", "none")
    ()
    """
    if value == NONE:
        return ()
    try:
        parts: list[Any] = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
        numbers = [float(part) for part in parts if not isinstance(part, bool)]
        numbers *= len(numbers) == len(parts)
    except (TypeError, ValueError, OverflowError):
        numbers = []
    if not isinstance(value, list) and len(numbers) == 1 and numbers[0] > 1:  # so many doublings
        numbers = [2.0**-i for i in range(int(numbers[0]))] if numbers[0] in range(2, 13) else []
    if not 0 < len(numbers) <= _MOST_BUDGETS or not all(0 < number <= _LARGEST_BUDGET for number in numbers):
        raise InputError(
            f"{key} {shown(value)}: 2 to 12 doublings, shares and multiples of the log up to {_LARGEST_BUDGET} such as "
            f"0.25,0.5,2, or {NONE}"
        )
    return tuple(sorted(set(numbers)))
