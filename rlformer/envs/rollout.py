"""The only loop that steps environments for a policy: side by side, one fixed seed per episode."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.frames import newest, rebuilt
from rlformer.core.policy import Masked, Policy
from rlformer.core.records import Episode
from rlformer.core.seeding import policy_generator
from rlformer.core.spaces import ActionSpec, Array, ObservationSpec, computable
from rlformer.envs.endings import ADVICE, endless, most_steps
from rlformer.envs.masks import nobody_says, obeying
from rlformer.envs.vector import Environments


def rollout(
    environments: Environments,
    policy: Policy,
    seeds: Array,
    target_returns: Array | None = None,
    keep_observations: bool = True,
) -> Iterator[tuple[int, Episode]]:
    """Play one episode for each seed, and yield (index into `seeds`, episode) as they end.

    seeds: (E,) integers; each seeds both the environment and the policy's own stream, so that an episode does
    not depend on how many run side by side. Actions are clipped into the space before they are executed, and
    stored as executed. target_returns: (E,), what each episode is asked for. Observations are copied when they are
    kept, in the environment's own dtype; without `keep_observations` those of the episodes are empty: (0, *obs).

    Raises InputError, naming the episode's seed and its step, where an observation or a reward is NaN or
    infinite, or an observation too large for float32, and where an episode does not end: see `envs.endings`.
    """
    num, observed, spec = len(environments), environments.spaces.observation, environments.spaces.actions
    limit, steps = environments.time_limit, 0
    buffers = _Buffers(num, observed, keep_observations, spec, most_steps(limit, num, ended=False))
    observations = np.zeros((num, *observed.shape), observed.dtype)
    rewards = np.zeros(num, np.float64)
    playing = np.full(num, -1)  # which episode each slot plays
    waiting = iter(range(len(seeds)))

    def begin(slots: Array) -> None:
        """Give free slots the next episodes, or leave them idle."""
        fresh = np.fromiter((next(waiting, -1) for _ in slots), np.int64, len(slots))
        playing[slots] = fresh
        slots, fresh = slots[fresh >= 0], fresh[fresh >= 0]
        if len(slots):
            first = environments.reset(slots, seeds[fresh])
            if not (fine := _finite_rows(first)).all():
                raise broken(slots[~fine][0], "the first observation has NaN or infinity in it")
            observations[slots] = first
            buffers.begin(slots, first)
            targets = None if target_returns is None else target_returns[fresh]
            policy.begin(slots, seeds[fresh], targets)

    def broken(slot: int, what: str) -> InputError:
        return InputError(f"environment '{environments.name}', episode of seed {seeds[playing[slot]]}: {what}")

    def not_finite(actions: Array) -> InputError:
        """Where `observations` or `rewards` are not finite after these actions (num, *act), and whose fault it is."""
        slot = active[~(np.isfinite(rewards[active]) & _finite_rows(observations[active]))][0]
        step = f"step {buffers.lengths[slot]}"
        if not np.isfinite(actions[slot]).all():
            return broken(slot, f"{step}: the policy's action has NaN or infinity in it: {actions[slot].tolist()}")
        if not np.isfinite(rewards[slot]):
            return broken(slot, f"{step}: the reward is {rewards[slot]}")
        return broken(slot, f"{step}: the observation has NaN or infinity in it")

    some_ended = False
    masked = policy if isinstance(policy, Masked) and (policy.needs_masks or spec.kind != "box") else None
    if masked:
        environments.remember_masks()
    begin(np.arange(num))
    active = np.flatnonzero(playing >= 0)
    if masked and not environments.say_masks():
        if masked.needs_masks and active.size:
            raise nobody_says(environments.name)
        masked = None
    while active.size:
        rows = slice(None) if active.size == num else active  # a view costs less than a copy
        if masked:
            masks = np.ones((num, sum(spec.nvec)), bool)
            masks[active] = environments.masks(active)
            masked.allow(masks)
        actions = np.array(spec.clip(policy.act(observations)), spec.dtype)  # a new one: environments may keep it
        step = environments.step(active, actions[rows])
        observations[rows], rewards[rows], terminated, truncated = step
        if not (computable(step[0]).all() and np.isfinite(step[1]).all()):
            raise not_finite(actions)
        if (full := buffers.full(active)).size:
            raise (
                broken(full[0], f"no end within {buffers.most:,} steps: {ADVICE}")
                if some_ended
                else endless(environments.name, steps)
            )
        steps += len(active)
        buffers.add(active, actions[rows], step[1], step[0])
        policy.observe(actions, rewards)
        ended = np.flatnonzero(terminated | truncated)
        if ended.size and not some_ended:
            some_ended, buffers.most = True, most_steps(limit, num, ended=True)
        for row in ended:
            slot = int(active[row])
            seed, success = int(seeds[playing[slot]]), environments.success(slot)
            yield int(playing[slot]), buffers.take(slot, bool(terminated[row]), bool(truncated[row]), seed, success)
        if ended.size:
            begin(active[ended])
            active = np.flatnonzero(playing >= 0)


def _finite_rows(values: Array) -> Array:
    """(N, ...) -> (N,) bool."""
    return np.asarray(computable(values).reshape(len(values), -1).all(axis=1))


class RandomPolicy:
    """Random actions as the space itself distributes them, one stream per episode; among those that are allowed."""

    needs_masks = False

    def __init__(self, spec: ActionSpec, seed: int = 0) -> None:
        self._actions, self._seed = _Ahead(spec.sample), seed
        self._obedience = _Obedience(spec)

    def begin(self, slots: Array, seeds: Array, target_returns: Array | None) -> None:
        """See `core.policy.Policy`."""
        for slot, seed in zip(slots.tolist(), seeds.tolist(), strict=True):
            self._actions.begin(slot, policy_generator(seed, self._seed))
            self._obedience.begin(slot, seed)

    def allow(self, masks: Array) -> None:
        """See `core.policy.Masked`."""
        self._obedience.masks = masks

    def act(self, observations: Array) -> Array:
        """See `core.policy.Policy`."""
        return self._obedience.of(self._actions.next(len(observations)))

    def observe(self, actions: Array, rewards: Array) -> None:
        """See `core.policy.Policy`."""


class EpsilonPolicy:
    """Another policy, but with probability `epsilon` a uniform action instead, step by step.

    In a share `random_episodes` of the episodes every action is uniform. Both obey where actions are forbidden.
    """

    def __init__(self, policy: Policy, spec: ActionSpec, epsilon: float, random_episodes: float = 0.0) -> None:
        self._policy, self._epsilon, self._random_episodes = policy, epsilon, random_episodes
        self._chance = np.zeros(0)  # of a uniform action, slot by slot
        self._chances = _Ahead(lambda rng, count: rng.random(count))
        self._actions = _Ahead(spec.sample)
        self._obedience = _Obedience(spec)
        self.needs_masks = isinstance(policy, Masked) and policy.needs_masks

    def allow(self, masks: Array) -> None:
        """See `core.policy.Masked`."""
        self._obedience.masks = masks
        if isinstance(self._policy, Masked):
            self._policy.allow(masks)

    def begin(self, slots: Array, seeds: Array, target_returns: Array | None) -> None:
        """See `core.policy.Policy`."""
        grown = max(len(self._chance), int(np.max(slots)) + 1)
        self._chance = np.pad(self._chance, (0, grown - len(self._chance)))
        for slot, seed in zip(slots.tolist(), seeds.tolist(), strict=True):
            # None is the stream of `policy_generator`, which the policy itself draws from.
            whole = np.random.default_rng((seed, 4)).random() < self._random_episodes
            self._chance[slot] = 1.0 if whole else self._epsilon
            self._chances.begin(slot, np.random.default_rng((seed, 1)))
            self._actions.begin(slot, np.random.default_rng((seed, 3)))
            self._obedience.begin(slot, seed)
        self._policy.begin(slots, seeds, target_returns)

    def act(self, observations: Array) -> Array:
        """See `core.policy.Policy`."""
        actions = self._policy.act(observations).copy()
        uniform = self._obedience.of(self._actions.next(len(observations)))
        chance = np.zeros(len(observations))  # slots without an episode have none
        chance[: len(self._chance)] = self._chance[: len(observations)]
        strays = self._chances.next(len(observations)) < chance
        actions[strays] = uniform[strays]
        return actions

    def observe(self, actions: Array, rewards: Array) -> None:
        """See `core.policy.Policy`."""
        self._policy.observe(actions, rewards)


class _Obedience:
    """Draws random categories again that an environment forbids, from a stream of each slot's own."""

    def __init__(self, spec: ActionSpec) -> None:
        self._nvec, self._streams = spec.nvec, dict[int, np.random.Generator]()
        self.masks: Array | None = None  # what is allowed now; None: everything

    def begin(self, slot: int, seed: int) -> None:
        self.masks = None  # until it is told
        self._streams[slot] = np.random.default_rng((seed, 5))

    def of(self, actions: Array) -> Array:
        return actions if self.masks is None else obeying(actions, self.masks, self._nvec, self._streams)


class _Ahead:
    """Random rows, one for each slot at each step, drawn from the slots' own streams a block at a time."""

    _BLOCK = 64

    def __init__(self, draw: Callable[[np.random.Generator, int], Array]) -> None:
        self._draw = draw  # (stream, count) -> (count, ...)
        self._blocks = draw(np.random.default_rng(0), self._BLOCK)[None][:0]  # (N, _BLOCK, ...)
        self._streams: list[np.random.Generator | None] = []  # (N,)
        self._next = np.zeros(0, np.int64)  # (N,)

    def begin(self, slot: int, rng: np.random.Generator) -> None:
        """A new stream for this slot."""
        self._make_room(slot + 1)
        self._streams[slot] = rng
        self._refill(slot)

    def next(self, num: int) -> Array:
        """The next row of each of the first `num` slots: (num, ...); zeros where none has begun."""
        self._make_room(num)
        for slot in np.flatnonzero(self._next[:num] == self._BLOCK):
            self._refill(int(slot))
        rows = self._blocks[np.arange(num), self._next[:num]]
        self._next[:num] += 1
        return rows

    def _refill(self, slot: int) -> None:
        stream = self._streams[slot]
        if stream is not None:
            self._blocks[slot] = self._draw(stream, self._BLOCK)
        self._next[slot] = 0

    def _make_room(self, num: int) -> None:
        if (lacking := num - len(self._streams)) > 0:
            empty = np.zeros((lacking, *self._blocks.shape[1:]), self._blocks.dtype)
            self._blocks = np.concatenate([self._blocks, empty])
            self._next = np.concatenate([self._next, np.zeros(lacking, np.int64)])
            self._streams += [None] * lacking


class _Buffers:
    """The running episode of each slot, in arrays that double when they are full."""

    def __init__(
        self, num: int, observed: ObservationSpec, keep_observations: bool, spec: ActionSpec, most: int
    ) -> None:
        self.most = most  # steps of an episode: it may be raised
        self._keep, self._observed = keep_observations, observed
        self._observations = np.empty(
            (num, 257 if keep_observations else 1, *observed.stored_shape), observed.stored_dtype
        )
        self._actions = np.empty((num, 256, *spec.shape), spec.dtype)
        self._rewards = np.empty((num, 256), np.float64)
        self.lengths = np.zeros(num, np.int64)  # steps so far
        self._room = 0  # steps that fit in for certain

    def begin(self, slots: Array, observations: Array) -> None:
        self.lengths[slots] = 0
        if self._keep:
            self._observations[slots, 0] = newest(observations, self._observed)

    def add(self, slots: Array, actions: Array, rewards: Array, observations: Array) -> None:
        if self._room == 0:
            self._make_room()
        self._room -= 1
        at = self.lengths[slots]
        self._actions[slots, at], self._rewards[slots, at] = actions, rewards
        if self._keep:
            self._observations[slots, at + 1] = newest(observations, self._observed)
        self.lengths[slots] = at + 1

    def full(self, slots: Array) -> Array:
        """Which of these slots have an episode that may not go on."""
        return slots[:0] if self._room else slots[self.lengths[slots] >= self.most]

    def take(self, slot: int, terminated: bool, truncated: bool, seed: int, success: bool | None) -> Episode:
        length = self.lengths[slot]
        kept = self._observations[slot, : length + 1] if self._keep else self._observations[slot, :0]
        observations = rebuilt(kept.copy(), self._observed, np.zeros(1, np.int64))
        actions, rewards = self._actions[slot, :length], self._rewards[slot, :length]
        return Episode(observations, actions.copy(), rewards.copy(), terminated, truncated, seed, success)

    def _make_room(self) -> None:
        longest = int(self.lengths.max())
        if longest == self._rewards.shape[1]:
            self._double()
        self._room = max(1, min(self._rewards.shape[1], self.most) - longest)  # 1: an episode ended at the limit

    def _double(self) -> None:
        self._actions = np.concatenate([self._actions, np.empty_like(self._actions)], axis=1)
        self._rewards = np.concatenate([self._rewards, np.empty_like(self._rewards)], axis=1)
        if self._keep:
            self._observations = np.concatenate([self._observations, np.empty_like(self._observations)], axis=1)
