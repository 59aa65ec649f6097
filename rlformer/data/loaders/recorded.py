"""The environment that a Minari dataset records, in Gymnasium's JSON of an `EnvSpec`, as a definition of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import gymnasium as gym

from rlformer.core import untrusted
from rlformer.core.errors import InputError

# Wrappers that a card can name, by Gymnasium's or our class: the table of a card from the recorded keywords.
_REBUILT: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "TimeLimit": lambda kwargs: {"kind": "time_limit", "steps": int(kwargs["max_episode_steps"])},
    "FlattenObservation": lambda kwargs: {"kind": "flatten"},
    "StickyAction": lambda kwargs: _sticky(**kwargs),
    "ObservationNoise": lambda kwargs: {"kind": "observation_noise", "std": float(kwargs["std"])},
    "Distractors": lambda kwargs: {"kind": "distractors", "count": int(kwargs["count"])},
    "DelayedReward": lambda kwargs: {"kind": "delayed_reward"},
}
# Those that change nothing of what a policy meets, and ours that `make` puts on anyway.
_NEUTRAL = (
    *("OrderEnforcing", "PassiveEnvChecker", "RecordEpisodeStatistics", "RecordVideo", "HumanRendering"),
    *("RenderCollection", "DataCollector", "CanonicalObservations", "CanonicalActions"),
)


@dataclass(frozen=True)
class Recorded:
    """Where a dataset's policies are to be evaluated. notes: what of it cannot be made here, or is unlike the log's."""

    name: str | None
    definition: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    time_limit: int | None = None


def recorded_environment(metadata: Mapping[str, Any]) -> Recorded:
    """The environment for evaluation where one is recorded, else the one of the log.

    An id from another package than Gymnasium gets that package's name before it. A time limit other than the one
    registered here goes into the keywords. Raises InputError where the JSON is no description of an environment.
    """
    own, other = (_read(metadata.get(key), key) for key in ("env_spec", "eval_env_spec"))
    used = other or own
    if used is None:
        return Recorded(None, {})
    if own is not None and other is not None and own.definition != other.definition:
        where = "policies are evaluated in the dataset's own evaluation environment (eval_env_spec)"
        return replace(used, notes=(*used.notes, f"{where}, which differs from that of the log"))
    return used


def _read(text: Any, key: str) -> Recorded | None:
    if not text:
        return None
    try:
        spec = untrusted.object_in(text, key, constants=True)
        package = str(spec.get("entry_point") or "").partition(":")[0].partition(".")[0]
        name = spec["id"] if package in ("", "gymnasium") else f"{package}:{spec['id']}"
        kwargs = {**(spec.get("kwargs") or {}), **_limit(spec)}
        wrappers, notes = _wrappers(spec.get("additional_wrappers") or ())
        limit = spec.get("max_episode_steps")
        limit = None if limit is None else int(limit)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{key} is no description of an environment ({type(error).__name__}: {error})") from error
    definition = {"id": str(name), "kwargs": kwargs, "wrappers": wrappers}
    return Recorded(str(name), definition, tuple(notes), limit)


def _limit(spec: Mapping[str, Any]) -> dict[str, int]:
    """`max_episode_steps` as a keyword of `gymnasium.make`, where it is not the registered one; -1: none."""
    recorded, registered = spec.get("max_episode_steps"), gym.registry.get(str(spec["id"]))
    usual = recorded if registered is None else registered.max_episode_steps
    if recorded == usual:
        return {}
    return {"max_episode_steps": -1 if recorded is None else int(recorded)}


def _wrappers(found: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """The tables of those that a card can name, and a sentence on the others."""
    tables, others = [], []
    for wrapper in found:
        name, kwargs = str(wrapper["name"]), wrapper.get("kwargs") or {}
        if name in _NEUTRAL:
            continue
        try:
            tables.append(_REBUILT[name](kwargs))
        except (KeyError, ValueError, TypeError):
            others.append(name)
    if not others:
        return tables, []
    named = ", ".join(others)
    return tables, [
        f"the recorded environment has the wrapper {named}, which cannot be applied here; use --env to name your own"
    ]


def _sticky(repeat_action_probability: float, repeat_action_duration: int = 1) -> dict[str, Any]:
    if repeat_action_duration != 1:
        raise ValueError("repeats of several steps have no table")
    return {"kind": "sticky_action", "repeat_action_probability": float(repeat_action_probability)}
