"""Episodes in which what has to be remembered is known, as the windows in which a model needs it.

Of a latent (`envs.worlds.diagnostic.Latent`) every value is as frequent as the others, and the actions on the way,
which make no difference, are drawn independently of it: what is found of it at a later step was kept by the model, and
does not stand in the inputs of that step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from rlformer.agents.sequence.acting import SequencePolicy
from rlformer.agents.sequence.tracing import layers_of, tokens_of
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core import seeding
from rlformer.core.records import Episode, Window
from rlformer.core.spaces import ActionSpec, Array
from rlformer.data.dataset import Dataset
from rlformer.envs.worlds.diagnostic import Latent
from rlformer.explain.truth import latent_of

if TYPE_CHECKING:
    from rlformer.explain.material import Material

_MOST_STEPS = 24  # of a window that are looked at: each costs a pass, or a probe, for every layer


@dataclass(frozen=True)
class Remembering:
    """A model, and what it has to remember."""

    model: TrajectoryModel
    latent: Latent
    targets: tuple[float | None, ...]  # the returns to ask for: the policy's own first, then those that need the latent

    @property
    def window_steps(self) -> int:
        """Steps K of a window whose last is the decision, as the policy reads it."""
        return min(self.model.architecture.reach, self.latent.decided + 1)

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of what can be read, as `tracing.Trace` has them."""
        return layers_of(self.model)

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps of the episode to look at: all of a window, or some evenly spread ones of a long one."""
        latent, first = self.latent, self.latent.decided + 1 - self.window_steps
        count = latent.decided - first + 1
        spread = np.linspace(first, latent.decided, min(count, _MOST_STEPS)).round().astype(int).tolist()
        always = {latent.shown, latent.shown + 1, latent.decided - 1, latent.decided}
        return tuple(sorted({*spread, *always}))

    def tokens(self, step: int) -> slice:
        """The tokens of a step of the episode."""
        return tokens_of(self.model, step - (self.latent.decided + 1 - self.window_steps), self.window_steps)


@dataclass(frozen=True)
class Shown:
    """N episodes up to the decision."""

    values: Array  # (N,) the number of the latent's value
    window: Window  # (N, K), asked for nothing
    earned: torch.Tensor  # (N, K) rewards before each step
    imagined: bool = False  # whether the windows have the returns that the model predicts

    def asked(self, target_return: float | None) -> Window:
        """The windows of a policy that is asked for this return, unless it predicts its own."""
        if self.imagined:
            return self.window
        return replace(self.window, returns_to_go=(target_return or 0.0) - self.earned)


@dataclass(frozen=True)
class Unable:
    """Why a case is no model that has to remember something and can."""

    reason: str
    latent: Latent | None = None  # what there is to remember all the same


def remembering(material: Material) -> Remembering | Unable:
    """The case as a model that has to remember something, or why it is none."""
    case = material.case
    latent = latent_of(case.env)
    if isinstance(latent, str):
        return Unable(latent)
    if not isinstance(case.policy, SequencePolicy):
        return Unable("it is no sequence model: it has no layers that can be read step by step", latent)
    model = case.policy.model
    needed, reads = latent.decided - latent.shown + 1, model.architecture.reach
    if reads < needed:
        why = f"it reads {reads} of the {needed} steps from the {latent.name} to the decision: it cannot know it"
        return Unable(why, latent)
    asked = latent.asked if case.policy.reads_returns else ()
    return Remembering(model, latent, (case.target_return, *(g for g in asked if g != case.target_return)))


def shown(material: Material, subject: Remembering, count: int) -> Shown:
    """`count` episodes, as many of each value as can be: the environment's own observations and rewards."""
    latent, spec = subject.latent, subject.model.architecture.actions
    rng = seeding.generator(material.case.seed, "explain latent")
    actions = _on_the_way(material.case.log, spec, (count, latent.decided + 1), rng)
    if latent.made_by is not None:
        made = [rng.choice(by, count) for by in latent.made_by]
        actions[:, latent.shown] = np.array(made)[np.arange(count) % len(made), np.arange(count)]
    seeds = material.seeds("latent", count)
    episodes = material.play(Scripted(seeds, actions.astype(spec.dtype)), seeds, keep=True).episodes
    return _windows(subject, _balanced(subject, [e for e in episodes if len(e) > latent.decided]))


class Scripted:
    """Plays what stands written, (E, T) actions for the episodes of E seeds; see `core.policy.Policy`."""

    def __init__(self, seeds: Array, actions: Array) -> None:
        self._rows, self._actions = {int(seed): row for row, seed in enumerate(seeds)}, actions
        self._row, self._time = np.zeros(0, np.int64), np.zeros(0, np.int64)

    def begin(self, slots: Array, seeds: Array, target_returns: Array | None) -> None:
        """See `core.policy.Policy`."""
        more = int(slots.max()) + 1 - len(self._row)
        if more > 0:
            self._row, self._time = np.pad(self._row, (0, more)), np.pad(self._time, (0, more))
        self._row[slots] = [self._rows[int(seed)] for seed in seeds]
        self._time[slots] = 0

    def act(self, observations: Array) -> Array:
        """See `core.policy.Policy`."""
        count = len(observations)
        return self._actions[self._row[:count], np.minimum(self._time[:count], self._actions.shape[1] - 1)]

    def observe(self, actions: Array, rewards: Array) -> None:
        """See `core.policy.Policy`."""
        self._time[: len(actions)] += 1


def _on_the_way(log: Dataset | None, spec: ActionSpec, shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """Actions (E, T): those of whole episodes of the log, so that a model knows their like; or uniform ones."""
    count, steps = shape
    if log is not None and (long := np.flatnonzero(log.lengths >= steps)).size:
        return np.stack([log[int(row)].actions[:steps] for row in rng.choice(long, count)])
    return np.stack([spec.sample(rng, count) for _ in range(steps)], axis=1)


def _balanced(subject: Remembering, episodes: list[Episode]) -> tuple[list[Episode], Array]:
    """As many of each value, in turn, and their values."""
    latent = subject.latent
    first = np.stack([e.observations[latent.shown] for e in episodes])
    values = latent.read(first, np.stack([e.actions[latent.shown] for e in episodes]))
    groups = [np.flatnonzero(values == number) for number in range(len(latent.values))]
    each = min(map(len, groups)) // 2 * 2  # so that halves have as many of each, too
    rows = np.stack([group[:each] for group in groups], axis=1).ravel()
    return [episodes[row] for row in rows], values[rows]


def _windows(subject: Remembering, known: tuple[list[Episode], Array]) -> Shown:
    episodes, values = known
    last, steps = subject.latent.decided + 1, subject.window_steps
    at = slice(last - steps, last)
    rewards = np.stack([e.rewards[:last] for e in episodes])
    earned = (np.cumsum(rewards, axis=1) - rewards)[:, at]
    count = len(episodes)
    window = Window(
        torch.from_numpy(np.stack([e.observations[at] for e in episodes])),
        torch.from_numpy(np.stack([e.actions[at] for e in episodes])),
        torch.zeros(count, steps),
        torch.arange(last - steps, last).expand(count, steps),
        torch.ones(count, steps, dtype=torch.bool),
    )
    with torch.no_grad():
        window = subject.model.imagined(window)
    return Shown(values, window, torch.from_numpy(earned.astype(np.float32)), subject.model.predicts_returns)
