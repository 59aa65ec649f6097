"""Logs that keep each episode's arrays apart: those of d3rlpy 2, robomimic and ManiSkill."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.spaces import Array
from rlformer.data.loaders.base import ForeignLog, Native, one_reward
from rlformer.data.loaders.columns import Observed, Raw, check_columns, from_arrays, joined_rows, with_last
from rlformer.data.loaders.flat import by_member, check_needed
from rlformer.data.loaders.names import Choice, Found, locate


@dataclass(frozen=True)
class Group:
    """One episode: what it is called, and where each of its arrays lies."""

    name: str
    paths: Mapping[str, str]  # by the array's name within the episode
    steps: int


def open_groups(
    source: str,
    groups: Sequence[Group],
    reading: Callable[[], AbstractContextManager[Any]],
    env: Native | None,
    choice: Choice,
    provenance: Mapping[str, Any],
) -> ForeignLog:
    """The log of these episodes; those without a step are left out. Raises InputError as `open_flat` does."""
    whole = [group for group in groups if group.steps]
    if not whole:
        raise InputError("no steps in it" if groups else "no episodes in it")
    places = by_member(locate(list(whole[0].paths), choice, env.feature_names if env else ()), env)
    check_needed(places, whole[0].paths)
    limit = env.time_limit if env else None
    rule = _rule(places, limit)
    with reading() as data:
        behind = _episode(data, whole[0], places, choice, limit)[1]

    def episodes(first: int) -> Iterator[Raw]:
        with reading() as data:
            for group in whole[first:]:
                try:
                    yield _episode(data, group, places, choice, limit)[0]
                except InputError as error:
                    raise InputError(f"{group.name}: {error}") from error

    lacking = len(groups) - len(whole)
    return from_arrays(
        source,
        episodes,
        len(whole),
        env,
        provenance={
            **provenance,
            "endings": rule,
            "columns": {key: list(found.columns) for key, found in places.items() if found.columns != (key,)},
        },
        final_observations=behind,
        notes=(f"{lacking:,} episodes without a step were left out",) if lacking else (),
    )


def _rule(places: Mapping[str, Found], limit: int | None) -> str:
    """How episodes ended, in words."""
    known = [key for key in ("terminated", "truncated") if key in places]
    if len(known) == 2:
        return "each episode's own; terminated or truncated"
    if known:
        other = "truncated" if known[0] == "terminated" else "terminated"
        return f"each episode's own; {other} where not {known[0]}"
    if limit is not None:
        return f"each episode's own; truncated at the limit of {limit} steps, terminated before it"
    return "each episode's own; how it ended is not recorded"


def _episode(
    data: Any, group: Group, places: Mapping[str, Found], choice: Choice, limit: int | None
) -> tuple[Raw, bool]:
    """One episode, and whether what it observed last is known."""

    def column(name: str) -> Array:
        if name not in group.paths or group.paths[name] not in data:
            raise InputError(f"no {name} in it")
        values = data[group.paths[name]]
        check_columns({name: values})
        return np.asarray(values[()])

    def observed(key: str) -> Observed:
        found = places[key]
        arrays = [column(name) for name in found.columns]
        return dict(zip(found.parts, arrays, strict=True)) if found.parts else joined_rows(arrays)

    actions = joined_rows([column(name) for name in places["actions"].columns])
    rewards = one_reward(column(places["rewards"].columns[0]), choice.reward_column)
    observations = observed("observations")
    steps, rows = len(actions), _rows(observations)
    if len(rewards) != steps or rows not in (steps, steps + 1):
        raise InputError(f"columns of different lengths: observations {rows}, actions {steps}, rewards {len(rewards)}")
    known = rows == steps + 1
    if not known:
        last = observed("next_observations") if "next_observations" in places else None
        if last is not None and _rows(last) != steps:
            raise InputError(f"columns of different lengths: next_observations {_rows(last)}, actions {steps}")
        known = last is not None
        observations = with_last(observations, None if last is None else _last(last))
    flags = {
        key: bool(np.ravel(data[group.paths[places[key].columns[0]]][()])[-1:].any())
        for key in ("terminated", "truncated")
        if key in places
    }
    if not flags and limit is not None:
        flags = {"terminated": steps < limit, "truncated": steps >= limit}
    terminated = flags.get("terminated", "truncated" in flags and not flags["truncated"])
    truncated = flags.get("truncated", "terminated" in flags and not flags["terminated"])
    return Raw(observations, actions, rewards, terminated, truncated), known


def _rows(observed: Observed) -> int:
    if isinstance(observed, Mapping):
        lengths = {name: len(values) for name, values in observed.items()}
        if len(set(lengths.values())) > 1:
            raise InputError("columns of different lengths: " + ", ".join(f"{k} {n}" for k, n in lengths.items()))
        return next(iter(lengths.values()))
    return len(observed)


def _last(observed: Observed) -> Observed:
    return {k: v[-1:] for k, v in observed.items()} if isinstance(observed, Mapping) else observed[-1:]
