"""What the parts of an explanation share, made once, when the first part asks for it."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from rlformer.core import seeding
from rlformer.core.policy import Policy
from rlformer.core.records import Episode
from rlformer.core.spaces import Array, ObservationSpec
from rlformer.data.dataset import Dataset, DatasetInfo, from_episodes
from rlformer.envs.make import spaces_of
from rlformer.envs.play import Played, play
from rlformer.explain import groups
from rlformer.explain.case import Case
from rlformer.explain.groups import Groups, Truth
from rlformer.explain.naming import action_levels, feature_names, features_of
from rlformer.explain.parts.effects import PolicyScore
from rlformer.explain.states import LogStates, Sample, sample, two_samples
from rlformer.explain.subject import Subject, subject_of
from rlformer.explain.truth import truth_of

_NUMBERS, _FEWEST = 2**27, 16  # shown by the replacements of a sample at most, and states of it at least
_ATTRIBUTED = 2**24  # the same where explainers pass through them many times: gradients are integrated in 32 steps
_OWN_STEPS, _OWN_EPISODES = 3000, (30, 300)  # that the policy plays: so many steps, within these bounds
_HELD = 2**30  # bytes of observations from which on it plays no further episode
_LARGE, _AT_ONCE = 1024, 4  # bytes of an observation from which on so few episodes are played at a time


class Material:
    """Own episodes, log, states, groups and truth of one case, and its purse of environment steps."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.env_steps = 0  # taken so far

    def seeds(self, purpose: str, count: int) -> Array:
        """Episode seeds of a stream of their own: (count,)."""
        return seeding.episode_seeds(self.case.seed, f"explain/{purpose}", count)

    def play(
        self,
        policy: Policy,
        seeds: Array,
        *,
        num_envs: int = 64,
        target_return: float | Array | None = None,
        keep: bool = False,
    ) -> Played:
        """Episodes in the case's environment, asked for its target return unless another is given."""
        target = self.case.target_return if target_return is None else target_return
        played = play(policy, self.case.env, seeds, target_return=target, num_envs=num_envs, keep=keep)
        self.env_steps += played.env_steps
        return played

    @cached_property
    def own(self) -> Dataset:
        """Episodes of the deployed policy: as it acts, at the return that it is asked for."""
        case, spaces = self.case, spaces_of(self.case.env)
        (fewest, most), env_steps = _OWN_EPISODES, self.env_steps
        seeds, episodes = self.seeds("own-log", most), list[Episode]()
        row = spaces.observation.size * spaces.observation.dtype.itemsize
        at_once = fewest if row < _LARGE else _AT_ONCE

        def add(count: int) -> None:
            chosen = seeds[len(episodes) : len(episodes) + count]
            episodes.extend(self.play(case.policy, chosen, keep=True).episodes)

        def full() -> bool:
            return sum(episode.observations.nbytes for episode in episodes) >= _HELD

        while len(episodes) < fewest and not full():
            add(min(at_once, fewest - len(episodes)))
        taken = self.env_steps - env_steps
        further = min(most - fewest, int(max(0, _OWN_STEPS - taken) * fewest / taken))
        if further and not full():
            add(further)
        info = DatasetInfo(case.env.name, spaces, {"source": "explain"}, env_definition=case.env.definition)
        return from_episodes(info, episodes)

    @property
    def log(self) -> Dataset:
        """The given log, or without one the policy's own episodes."""
        return self.own if self.case.log is None else self.case.log

    @cached_property
    def subject(self) -> Subject:
        """The policy as a function of states."""
        return subject_of(self.case.policy, self.log, int(self.own.lengths.max()))

    @property
    def observation(self) -> ObservationSpec:
        """What one observation is."""
        return self.log.info.spaces.observation

    @cached_property
    def feature_names(self) -> list[str]:
        """A name for each number of an observation."""
        return feature_names(self.case.env, self.observation)

    @cached_property
    def action_levels(self) -> list[str]:
        """A name for each number that an action is encoded by."""
        return action_levels(self.case.env, self.subject.spec)

    @cached_property
    def truth(self) -> Truth | None:
        """What is known of the inputs that matter."""
        return truth_of(self.case.env, self.observation, "log" if self.case.imitates else "expert")

    @property
    def decisions(self) -> tuple[int, ...] | None:
        """The times at which an action makes a difference; None: unknown."""
        return None if self.truth is None else self.truth.decisions

    @cached_property
    def groups(self) -> Groups:
        """Those that all families share."""
        subject, features = self.subject, features_of(self.case.env, self.observation)
        return groups.shared(
            features,
            subject.context_length,
            subject.codec.width,
            subject.reads_history,
            subject.scorer.reads_returns,
            self.decisions is not None,
        )

    @cached_property
    def known_groups(self) -> Groups:
        """Those that the truth speaks of, which must be known."""
        subject = self.subject
        assert self.truth is not None
        return groups.named(
            self.truth.names,
            subject.context_length,
            subject.codec.width,
            subject.reads_history,
            subject.scorer.reads_returns,
            self.decisions is not None,
        )

    @cached_property
    def whole(self) -> LogStates:
        """The policy's own episodes as states, at all times: an episode goes through every one."""
        return self._own_states(None)

    @cached_property
    def fresh(self) -> LogStates:
        """The same, with donors that no attribution has seen."""
        return self.whole.halves()[1]

    def sample(self, count: int, replacements: int, purpose: str) -> Sample:
        """States of the policy's own episodes, at decisions where they are known, with others of these to replace them.

        Their returns-to-go are those of deployment: the target return minus the rewards so far.
        """
        return sample(
            self._states,
            self._fitting(count, replacements, _NUMBERS),
            replacements,
            self.rng(purpose),
            self.decisions is not None,
        )

    def two_samples(self, count: int, replacements: int, purpose: str) -> tuple[Sample, Sample]:
        """The same states twice, with others from different episodes: for an attribution, and for its test."""
        return two_samples(
            self._states,
            self._fitting(count, replacements, _ATTRIBUTED),
            replacements,
            self.rng(purpose),
            self.decisions is not None,
        )

    def log_sample(self, count: int, replacements: int, purpose: str) -> Sample | None:
        """States of the given log, at the returns-to-go that it logged; None without a log."""
        if self.case.log is None:
            return None
        states = LogStates(self.case.log, self.subject.context_length, self.decisions)
        return sample(
            states,
            self._fitting(count, replacements, _NUMBERS),
            replacements,
            self.rng(purpose),
            self.decisions is not None,
        )

    def _fitting(self, count: int, replacements: int, numbers: int) -> int:
        """So many states, or fewer where they show large images, for the memory and the time that they take."""
        each = replacements * self.subject.context_length * self.observation.size
        return max(min(count, _FEWEST), min(count, numbers // each))

    @cached_property
    def _states(self) -> LogStates:
        return self._own_states(self.decisions)

    def _own_states(self, decisions: tuple[int, ...] | None) -> LogStates:
        target = (self.case.target_return or 0.0) if self.subject.scorer.reads_returns else None
        return LogStates(self.own, self.subject.context_length, decisions, target)

    def rng(self, purpose: str) -> np.random.Generator:
        return seeding.generator(self.case.seed, f"explain {purpose}")

    @cached_property
    def score(self) -> PolicyScore:
        """What the deployed policy returns: as it was measured before, or in its own episodes."""
        final, own = self.case.final, self.own
        mean, episodes = (float(own.returns.mean()), len(own)) if final is None else (final.mean, len(final.returns))
        return PolicyScore(mean, self.case.env.normalize(mean), episodes)
