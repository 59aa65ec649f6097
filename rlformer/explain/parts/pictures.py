"""The part "pictures": one episode looked at closely: attributions through time, attention over the context, frames."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rlformer.core.records import EnvSpec
from rlformer.core.spaces import Array
from rlformer.envs.animation import png
from rlformer.envs.make import make as make_environment
from rlformer.explain.explainers import EXPLAINERS, SHARED
from rlformer.explain.explainers.base import ATTENTION
from rlformer.explain.parts.base import Explanation, Part

if TYPE_CHECKING:
    from rlformer.explain.material import Material
    from rlformer.explain.states import States

_COLUMNS = 60  # steps of an episode that are shown
_FRAMES, _WIDTH = 6, 150  # pictures of it, and their pixels across
_CHOSEN = 3  # steps whose attention is shown
_DONORS = 4


@dataclass(frozen=True)
class EpisodeShown:
    """The episode that is looked at."""

    seed: int
    length: int
    return_: float
    target_return: float | None


@dataclass(frozen=True)
class ThroughTime:
    """Attributions of the greedy action at some of the episode's steps."""

    steps: tuple[int, ...]
    actions: tuple[Any, ...]  # categories or reals, as they were executed
    values: Mapping[str, tuple[float, ...]]  # by group, at each step


@dataclass(frozen=True)
class AttentionShown:
    """What the attention of one step lies on."""

    step: int
    action: Any
    first: int  # step of the context
    tokens: tuple[str, ...]  # the kinds of token of a step
    weights: Mapping[str, tuple[tuple[float, ...], ...]]  # by explainer: (steps, kinds)


@dataclass(frozen=True)
class Frame:
    """A picture of one step."""

    step: int
    png: str  # in base64


@dataclass(frozen=True)
class Pictures:
    """One episode, close up."""

    episode: EpisodeShown
    actions: tuple[str, ...]  # names of the numbers that an action is encoded by
    kind: str  # of the action space
    through_time: ThroughTime
    attention: tuple[AttentionShown, ...]
    frames: tuple[Frame, ...]
    no_frames: str | None  # why not


def make(material: Material, made: Explanation) -> Pictures:
    """Of the policy's own play, on a seed that nothing else uses."""
    from rlformer.explain.memory import Deciding, Memory, Watched

    case, subject = material.case, material.subject
    seeds = material.seeds("pictures", 1)
    memory = Memory(subject.spec, subject.context_length, material.observation.size, case.target_return)
    watched = Watched(Deciding(memory, lambda states: np.zeros(0)), case.policy, None)
    played = material.play(watched, seeds, keep=True)
    episode, states_and_actions = played.episodes[0], watched.recorded(played.lengths)
    pictures, reason = frames(case.env, int(seeds[0]), episode.actions)
    return Pictures(
        episode=EpisodeShown(int(seeds[0]), len(episode), episode.episode_return, case.target_return),
        actions=tuple(material.action_levels),
        kind=subject.spec.kind,
        through_time=_through_time(material, *states_and_actions),
        attention=_attention(material, *states_and_actions),
        frames=pictures,
        no_frames=reason,
    )


def _through_time(material: Material, states: States, actions: Array) -> ThroughTime:
    """Of the explainer that every policy has, at steps of one episode: states (T) in order."""
    import torch

    from rlformer.explain.explainers.attribution import scale_of
    from rlformer.explain.states import Sample

    subject, groups, own, seed = material.subject, material.groups, material.whole, material.case.seed
    steps = np.unique(np.linspace(0, len(states) - 1, min(len(states), _COLUMNS)).round().astype(int))
    chosen = states[torch.from_numpy(steps)]
    rng = np.random.default_rng(seed)
    nearest = np.clip(np.searchsorted(own.times, chosen.times.numpy()), 0, len(own.times) - 1)
    others = own.any(np.tile(own.times[nearest], _DONORS), rng)
    found = SHARED.attribute(subject, groups, Sample(chosen, others, others), seed)
    values = (found.groups / scale_of(subject)[:, None]).sum(dim=1).numpy()  # (T, G)
    shown = {name: tuple(values[:, i].tolist()) for i, name in enumerate(groups.names) if groups.read[i]}
    return ThroughTime(tuple(steps.tolist()), tuple(np.asarray(actions)[steps].tolist()), shown)


def _attention(material: Material, states: States, actions: Array) -> tuple[AttentionShown, ...]:
    """At some steps, decisions where they are known; none without attention."""
    import torch

    from rlformer.explain.explainers import attention

    subject, last = material.subject, len(states) - 1
    if ATTENTION not in subject.offers:
        return ()
    steps = [t for t in material.decisions or () if t <= last][-_CHOSEN:]
    steps = steps or sorted({last // 4, last // 2, 3 * last // 4})
    at = states[torch.tensor(steps)]
    weights = {
        name: attention.aligned(subject, at, explainer.weights(subject, at))
        for name, explainer in EXPLAINERS.items()
        if explainer.weights is not None and not explainer.control
    }
    tokens = tuple(" + ".join(parts) for parts in attention.kinds_of_tokens(subject))
    found = []
    for row, step in enumerate(steps):
        length = int(at.lengths[row])
        of_step = {n: tuple(map(tuple, w[row, -length:].tolist())) for n, w in weights.items()}
        action = np.asarray(actions)[step].tolist()
        found.append(AttentionShown(int(step), action, int(step) - length + 1, tokens, of_step))
    return tuple(found)


def frames(env: EnvSpec, seed: int, actions: Array) -> tuple[tuple[Frame, ...], str | None]:
    """Pictures of an episode, by playing it again, and why there are none if so."""
    wanted = set(np.unique(np.linspace(0, len(actions) - 1, _FRAMES).round().astype(int)).tolist())
    try:
        made = make_environment(env, render_mode="rgb_array")
    except Exception as error:  # whatever a user's environment or its graphics library lacks
        return (), f"it cannot be rendered here: {' '.join(str(error).split())}"
    found = []
    try:
        made.reset(seed=int(seed))
        for step, action in enumerate(actions):
            if step in wanted:
                picture = made.render()
                if not isinstance(picture, np.ndarray):
                    return (), "it renders no image"
                found.append(Frame(step, base64.b64encode(png(_small(picture))).decode()))
            made.step(action)
    except Exception as error:
        return (), f"rendering failed: {' '.join(str(error).split())}"
    finally:
        made.close()
    return tuple(found), None


def _small(picture: Array) -> Array:
    """Means over blocks, so that thin lines survive."""
    block = max(1, round(picture.shape[1] / _WIDTH))
    height, width = (n // block * block for n in picture.shape[:2])
    blocks = picture[:height, :width, :3].reshape(height // block, block, width // block, block, 3)
    return (blocks.mean(axis=(1, 3)) // 16 * 17).clip(0, 255).astype(np.uint8)  # few shades compress well


PART = Part("pictures", Pictures, make, version=2)
