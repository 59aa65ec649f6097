"""The names of what a policy sees and does: from an environment's card, or from its spaces."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rlformer.core.records import EnvSpec
from rlformer.core.spaces import ActionSpec, ObservationSpec, Part
from rlformer.envs.make import spaces_of


def features_of(env: EnvSpec, observation: ObservationSpec) -> dict[str, tuple[int, ...]]:
    """The features of an observation, each with the dimensions that it stands for; together all of them, once.

    A number of a vector is a feature. A category is one, since its numbers make no sense apart, and so is an image,
    unless the card names the numbers.
    """
    names, features = feature_names(env, observation), dict[str, tuple[int, ...]]()
    base = observation.size - len(added_names(env))
    for part, dimensions in _dimensions(observation, base):
        if part.kind == "vector" or len(env.feature_names) == base:
            features |= {names[i]: (i,) for i in dimensions}
        else:
            features[part.name] = tuple(dimensions)
    return features | {names[i]: (i,) for i in range(base, observation.size)}


def feature_names(env: EnvSpec, observation: ObservationSpec) -> list[str]:
    """A name for each number of an observation: the card's, or its part and its place in it.

    Where an observation has several parts, the card's names stand behind the part's.
    """
    added, several = added_names(env), len(observation.parts) > 1
    base, names = observation.size - len(added), list[str]()
    named = len(env.feature_names) == base
    for part, dimensions in _dimensions(observation, base):
        for place, dimension in enumerate(dimensions):
            if named:
                given = env.feature_names[dimension]
                names.append(f"{part.name}: {given}" if several else given)
            else:
                names.append(part.name if len(dimensions) == 1 else f"{part.name}[{place}]")
    return names + added


def action_levels(env: EnvSpec, spec: ActionSpec) -> list[str]:
    """A name for each number that an action is encoded by."""
    width = action_width(spec)
    if spec.kind in ("discrete", "box") and len(env.action_names) == width:
        return list(env.action_names)
    return [f"action {i}" for i in range(width)]


def action_width(spec: ActionSpec) -> int:
    """How many numbers an action is encoded by: one for each level of each category, or its reals."""
    return len(spec.low) if spec.kind == "box" else int(np.sum(spec.nvec))


def added_names(env: EnvSpec) -> list[str]:
    """Names of the dimensions that wrappers put behind those of the task itself."""
    counts = [int(wrapper["count"]) for wrapper in env.wrappers if wrapper["kind"] == "distractors"]
    if not counts:
        return []
    levels, added = action_levels(env, spaces_of(env).actions), list[str]()
    for place, count in enumerate(counts):
        again = f" ({place + 1})" if place else ""
        added += [f"distractor {i + 1}{again}" for i in range(count)]
        added += [f"previous action: {name}{again}" for name in levels]
    return added


def _dimensions(observation: ObservationSpec, base: int) -> Iterator[tuple[Part, range]]:
    """Each part with its dimensions of the first `base`, which the task itself has."""
    for part in observation.parts:
        place = observation.slices[part.name]
        yield part, range(place.start, min(place.stop, base))
