"""Which inputs of an environment matter, where that is known; distractors make it known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec, Episode
from rlformer.core.seeding import generator
from rlformer.core.spaces import ActionSpec, ObservationSpec, Spaces
from rlformer.data.dataset import Dataset, from_episodes
from rlformer.envs.make import make
from rlformer.envs.worlds.diagnostic import RETURN as RETURN_OF_DIAGNOSTICS
from rlformer.envs.worlds.diagnostic import Diagnostic, Latent
from rlformer.explain.groups import PAST_ACTIONS, RETURN, Truth
from rlformer.explain.naming import action_width, added_names, features_of


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
    spaces = Spaces.plain((dataset.info.spaces.observation.size + count + action_width(spec),), spec)
    info = replace(
        dataset.info, env=env.name, env_definition=env.definition, spaces=spaces,
        provenance={**dataset.info.provenance, "distractors": count},
    )  # fmt: skip
    return from_episodes(info, [_distracted(episode, spec, count, rng) for episode in dataset])


def _distracted(episode: Episode, spec: ActionSpec, count: int, rng: np.random.Generator) -> Episode:
    length = len(episode) + 1
    noise = rng.choice([-1.0, 1.0], (length, count))
    before = np.zeros((length, action_width(spec)))
    if spec.kind == "box":
        before[1:] = spec.clip(episode.actions)
    else:
        firsts = np.cumsum((0, *spec.nvec[:-1]))
        hot = firsts + episode.actions.reshape(len(episode), -1)  # (T, C)
        np.put_along_axis(before[1:], hot, 1.0, axis=1)
    observations = np.concatenate([episode.observations, noise, before], axis=1).astype(np.float32)
    return replace(episode, observations=observations)


def truth_of(env: EnvSpec, observation: ObservationSpec, behaviour: Literal["log", "expert"]) -> Truth | None:
    """What is known of the groups of `groups.named`; None where nothing is.

    In a diagnostic environment what imitation of the behaviour depends on. In any other with distractors it is known
    that these do not matter; all else counts as if it did.
    """
    added = added_names(env)
    base = observation.size - len(added)
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
    own = {name: dims for name, dims in features_of(env, observation).items() if name not in extra}
    return Truth({**own, **extra}, frozenset({*own, PAST_ACTIONS, RETURN}), "distractors", None)


def latent_of(env: EnvSpec) -> Latent | str:
    """What a policy must remember in this environment, where that is known; else why it is not."""
    nothing = "no variable is known here that is shown once and needed later"
    try:
        made = make(env)
    except InputError:
        return nothing
    inner = made.unwrapped
    made.close()
    if not isinstance(inner, Diagnostic) or inner.latent is None:
        return nothing
    if env.wrappers:  # distractors copy actions into observations, noise hides what is shown
        return f"the task's wrappers change when its {inner.latent.name} is shown"
    return inner.latent


def _numbered(groups: Mapping[str, Sequence[str]]) -> dict[str, tuple[int, ...]]:
    """The dimensions of each group, in order."""
    found, first = {}, 0
    for name, features in groups.items():
        found[name] = tuple(range(first, first + len(features)))
        first += len(features)
    return found
