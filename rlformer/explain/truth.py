"""What is known of the inputs of an environment: their names, and which of them matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec, Episode
from rlformer.core.seeding import generator
from rlformer.core.spaces import ActionSpec, Spaces
from rlformer.data.dataset import Dataset, from_episodes
from rlformer.envs.make import make, spaces_of
from rlformer.envs.worlds.diagnostic import RETURN as RETURN_OF_DIAGNOSTICS
from rlformer.envs.worlds.diagnostic import Diagnostic
from rlformer.explain.groups import PAST_ACTIONS, RETURN, Truth


def with_distractors(env: EnvSpec, count: int) -> EnvSpec:
    """The same task with `count` irrelevant dimensions and a copy of the previous action in its observations."""
    if count < 1:
        raise InputError(f"--distractors {count}: one at least")
    wrapper = {"kind": "distractors", "count": count}
    return replace(env, name=f"{env.name} + {count} distractors", wrappers=(*env.wrappers, wrapper))


def log_with_distractors(dataset: Dataset, env: EnvSpec, count: int, seed: int) -> Dataset:
    """The log as it would have been made in `env`, which has the distractors: the same actions and rewards.

    The random dimensions are drawn anew, the copy of the previous action follows from the log.
    """
    rng, spec = generator(seed, "distractors"), dataset.info.actions
    spaces = Spaces.plain((dataset.info.observation_shape[0] + count + _copied(spec),), spec)
    info = replace(
        dataset.info, env=env.name, env_definition=env.definition, spaces=spaces,
        provenance={**dataset.info.provenance, "distractors": count},
    )  # fmt: skip
    return from_episodes(info, [_distracted(episode, spec, count, rng) for episode in dataset])


def _distracted(episode: Episode, spec: ActionSpec, count: int, rng: np.random.Generator) -> Episode:
    length = len(episode) + 1
    noise = rng.choice([-1.0, 1.0], (length, count))
    before = np.zeros((length, _copied(spec)))
    if spec.kind == "box":
        before[1:] = spec.clip(episode.actions)
    else:
        firsts = np.cumsum((0, *spec.nvec[:-1]))
        hot = firsts + episode.actions.reshape(len(episode), -1)  # (T, C)
        np.put_along_axis(before[1:], hot, 1.0, axis=1)
    observations = np.concatenate([episode.observations, noise, before], axis=1).astype(np.float32)
    return replace(episode, observations=observations)


def _copied(spec: ActionSpec) -> int:
    """Dimensions of the copy of the previous action."""
    return len(spec.low) if spec.kind == "box" else int(np.sum(spec.nvec))


def feature_names(env: EnvSpec, size: int) -> list[str]:
    """A name for each of the `size` dimensions of an observation: the card's, or its number."""
    base, added = _dimensions(env, size)
    own = list(env.feature_names) if len(env.feature_names) == base else [f"feature {i}" for i in range(base)]
    return own + added


def action_levels(env: EnvSpec, spec: ActionSpec) -> list[str]:
    """A name for each number that an action is encoded by."""
    width = _copied(spec)
    if spec.kind == "discrete" and len(env.action_names) == width:
        return list(env.action_names)
    if spec.kind == "box" and len(env.action_names) == width:
        return list(env.action_names)
    return [f"action {i}" for i in range(width)]


def _dimensions(env: EnvSpec, size: int) -> tuple[int, list[str]]:
    """How many dimensions the task itself has, and names for those that Distractors wrappers added."""
    counts = [int(w["count"]) for w in env.wrappers if w["kind"] == "distractors"]
    if not counts:
        return size, []
    spec = spaces_of(env).actions
    levels, added = action_levels(env, spec), []
    for place, count in enumerate(counts):
        again = f" ({place + 1})" if place else ""
        added += [f"distractor {i + 1}{again}" for i in range(count)]
        added += [f"previous action: {name}{again}" for name in levels]
    return size - len(added), added


def truth_of(env: EnvSpec, size: int, behaviour: Literal["log", "expert"]) -> Truth | None:
    """What is known of the groups of `groups.named`; None where nothing is.

    In a diagnostic environment what imitation of the behaviour depends on. In any other with distractors it is known
    that these do not matter; all else counts as if it did.
    """
    base, added = _dimensions(env, size)
    try:
        made = make(env)
    except InputError:
        return None
    inner = made.unwrapped
    made.close()
    extra = {name: (base + i,) for i, name in enumerate(added)}
    if isinstance(inner, Diagnostic):
        names = {**_numbered(inner.groups), **extra}
        relevant = {RETURN if g == RETURN_OF_DIAGNOSTICS else g for g in inner.truth(behaviour)}
        return Truth(names, frozenset(relevant), "diagnostic", inner.decisions)
    if not added:
        return None
    own = {name: (i,) for i, name in enumerate(feature_names(env, size)[:base])}
    return Truth({**own, **extra}, frozenset({*own, PAST_ACTIONS, RETURN}), "distractors", None)


def _numbered(groups: Mapping[str, Sequence[str]]) -> dict[str, tuple[int, ...]]:
    """The dimensions of each group, in order."""
    found, first = {}, 0
    for name, features in groups.items():
        found[name] = tuple(range(first, first + len(features)))
        first += len(features)
    return found
