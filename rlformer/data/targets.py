"""The target return of a return-conditioned policy, from the log alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.spaces import Array

_SUPPORT = 10  # episodes that must have reached a target before it counts as covered


def best(returns: Array) -> float:
    """The highest return of the log: what it shows to be possible.

    A policy reaches its target at best, so that every more cautious rule sets a lower ceiling. Where luck decides the
    return, no rule that reads returns alone helps: the achieved return must be compared with the target.
    """
    return float(np.max(returns))


def supported_best(returns: Array) -> float:
    """The highest return that 10 episodes of the log reached, or a tenth of them in a log of under 100."""
    support = min(_SUPPORT, max(1, len(returns) // 10))
    return float(np.sort(returns)[-support])


RULES: dict[str, Callable[[Array], float]] = {
    "auto": best,
    "supported": supported_best,
    "q90": lambda returns: float(np.quantile(returns, 0.9)),
    "median": lambda returns: float(np.median(returns)),
}


def choose(rule: str, returns: Array) -> tuple[float, str]:
    """The target return: the result of one of `RULES`, or a number in words; and the rule's name, "given" for a number.

    Raises InputError for anything else.
    """
    if rule in RULES:
        return RULES[rule](returns), rule
    try:
        target = float(rule)
    except ValueError:
        target = math.nan
    if not math.isfinite(target):
        raise InputError(f"target_return: '{rule}' is neither a number nor one of {', '.join(RULES)}")
    return target, "given"


def grid(returns: Array, chosen: float, beyond: float = 0.25) -> list[float]:
    """Target returns at which achieved returns are compared with them.

    The target of every rule, the chosen one, two between the median and it, and one that lies `beyond` the
    log's best by that share of the log's range. Ascending, without repeats.
    """
    low, high = float(np.median(returns)), float(np.max(returns))
    spread = max(high - float(np.min(returns)), abs(high), 1e-9)
    rules = [rule(returns) for rule in RULES.values()]
    targets = [*rules, *np.linspace(low, chosen, 4), high + beyond * spread]
    return _distinct(targets)


def few(returns: Array, chosen: float) -> list[float]:
    """Three of them, for when episodes are dear: the log's median and best, and the chosen one.

    Where the chosen one is one of these, as by the rule "auto", the middle between median and best stands for it. So
    all lie inside the log, and they show whether the policy does what it is asked for. Ascending, without repeats.
    """
    low, high = float(np.median(returns)), float(np.max(returns))
    targets = _distinct([low, high, chosen])
    return targets if len(targets) == 3 else _distinct([*targets, (low + high) / 2])


def _distinct(targets: Sequence[float]) -> list[float]:
    return sorted({float(f"{target:.6g}") for target in targets})
