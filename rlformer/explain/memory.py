"""The states of N episodes as they are played, and policies that act on a changed view of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from rlformer.agents.sequence.actions import ActionCodec
from rlformer.core.policy import Policy
from rlformer.core.spaces import ActionSpec, Array
from rlformer.explain.groups import Groups
from rlformer.explain.states import LogStates, Sample, States
from rlformer.explain.subject import Subject


class Memory:
    """The last K steps of each of N slots, aligned as in `States`; grows with the slots."""

    def __init__(self, spec: ActionSpec, steps: int, observation_size: int, target_return: float | None) -> None:
        self._codec, self._spec, self._target = ActionCodec(spec), spec, target_return or 0.0
        self._returns = np.zeros((0, steps), np.float32)
        self._observations = np.zeros((0, steps, observation_size), np.float32)
        self._actions = np.zeros((0, steps, self._codec.width), np.float32)
        self._times, self._remaining = np.zeros(0, np.int64), np.zeros(0)

    def begin(self, slots: Array, target_returns: Array | None) -> None:
        """New episodes in these slots."""
        self._reserve(int(slots.max()) + 1)
        for array in (self._returns, self._observations, self._actions):
            array[slots] = 0.0
        self._times[slots] = 0
        self._remaining[slots] = self._target if target_returns is None else target_returns

    def see(self, observations: Array) -> States:
        """The states in which these observations (N, *obs) are the current ones."""
        count = len(observations)
        self._reserve(count)
        for array in (self._returns, self._observations, self._actions):
            array[:count, :-1] = array[:count, 1:]
        self._returns[:count, -1] = self._remaining[:count]
        self._observations[:count, -1] = observations.reshape(count, -1)
        self._actions[:count, -1] = 0.0
        steps = self._returns.shape[1]
        arrays = (self._returns, self._observations, self._actions, self._times)
        returns, seen, actions, times = (torch.from_numpy(array[:count].copy()) for array in arrays)
        return States(returns, seen, actions, (times + 1).clamp(max=steps), times)

    def acted(self, actions: Array, rewards: Array) -> None:
        """What was executed (N, *act), and what it earned (N,)."""
        count, given = len(actions), torch.from_numpy(np.asarray(actions, self._spec.dtype))
        self._actions[:count, -1] = given if self._spec.kind == "box" else self._codec.encode(given)
        self._remaining[:count] -= rewards
        self._times[:count] += 1

    def _reserve(self, count: int) -> None:
        lacking = count - len(self._times)
        if lacking > 0:
            for name in ("_returns", "_observations", "_actions", "_times", "_remaining"):
                array = getattr(self, name)
                setattr(self, name, np.concatenate([array, np.zeros((lacking, *array.shape[1:]), array.dtype)]))


class Deciding:
    """A policy (see `core.policy.Policy`) from a function of states; keeps the last states for whoever wants them."""

    def __init__(self, memory: Memory, decide: Callable[[States], Array]) -> None:
        self._memory, self._decide = memory, decide

    def begin(self, slots: Array, seeds: Array, target_returns: Array | None) -> None:
        """See `core.policy.Policy`."""
        self._memory.begin(slots, target_returns)

    def act(self, observations: Array) -> Array:
        """See `core.policy.Policy`."""
        return self._decide(self.seen(observations))

    def seen(self, observations: Array) -> States:
        """The states, without a decision: another policy makes it."""
        self.states = self._memory.see(observations)
        return self.states

    def observe(self, actions: Array, rewards: Array) -> None:
        """See `core.policy.Policy`."""
        self._memory.acted(actions, rewards)


class Asked:
    """Plays one policy and asks another, which sees the same episodes, what it would do at each step.

    The recorded steps are those at which a decision is made, or all where that is unknown.
    """

    def __init__(self, player: Deciding, teacher: Policy, decisions: tuple[int, ...] | None) -> None:
        self._player, self._teacher, self._decisions = player, teacher, decisions
        self.states: list[States] = []
        self.answers: list[Array] = []

    def begin(self, slots: Array, seeds: Array, target_returns: Array | None) -> None:
        """See `core.policy.Policy`."""
        self._player.begin(slots, seeds, target_returns)
        self._teacher.begin(slots, seeds, target_returns)

    def act(self, observations: Array) -> Array:
        """See `core.policy.Policy`."""
        answers = self._teacher.act(observations)
        actions = self._player.act(observations)
        self.states.append(self._player.states)
        self.answers.append(np.array(answers))
        return actions

    def observe(self, actions: Array, rewards: Array) -> None:
        """See `core.policy.Policy`."""
        self._player.observe(actions, rewards)
        self._teacher.observe(actions, rewards)

    def recorded(self, lengths: Array) -> tuple[States, Array]:
        """The steps of episodes of these lengths, one to a slot, with the teacher's answers."""
        states, answers = [], []
        for step, (seen, answer) in enumerate(zip(self.states, self.answers, strict=True)):
            if self._decisions is None or step in self._decisions:
                rows = np.flatnonzero(lengths > step)
                states.append(seen[torch.from_numpy(rows)])
                answers.append(answer[rows])
        return joined(states), np.concatenate(answers)


class Watched(Asked):
    """The teacher plays itself; the player only keeps the states."""

    def act(self, observations: Array) -> Array:
        """See `core.policy.Policy`."""
        answers = np.array(self._teacher.act(observations))
        self.states.append(self._player.seen(observations))
        self.answers.append(answers)
        return answers


def joined(parts: list[States]) -> States:
    """All of their rows."""
    columns = zip(*((*p.inputs, p.lengths, p.times) for p in parts), strict=True)
    return States(*map(torch.cat, columns))


def masked(
    subject: Subject, groups: Groups, donors: LogStates, target_return: float | None, replaced: Array, seed: int,
    sampled: bool = False,
) -> Deciding:  # fmt: skip
    """The subject with groups replaced at every step by those of donors at the same time, drawn afresh.

    replaced: (N, G) bool, by slot. Where an episode lasts longer than the donors', their last time stands in. sampled:
    whether categories are drawn by their probabilities; reals are greedy.
    """
    rng = np.random.default_rng(seed)
    picked = torch.from_numpy(replaced)
    size = donors.dataset.info.spaces.observation.size
    memory = Memory(subject.spec, subject.context_length, size, target_return)

    def decide(states: States) -> Array:
        nearest = np.clip(np.searchsorted(donors.times, states.times.numpy()), 0, len(donors.times) - 1)
        others = donors.any(donors.times[nearest], rng)
        changed = groups.replace(states, Sample(states, others, others), picked[: len(states)])
        if sampled and subject.spec.kind != "box":
            uniform = torch.from_numpy(rng.random((len(states), subject.codec.components), np.float32))
            with torch.no_grad():
                return np.asarray(subject.codec.sample(subject.scores(changed), uniform).numpy())
        actions = subject.actions(changed).numpy()
        return actions[:, 0] if subject.spec.kind == "discrete" else actions

    return Deciding(memory, decide)
