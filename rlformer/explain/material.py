"""What the parts of an explanation share, made once, when the first part asks for it."""

from __future__ import annotations

from functools import cached_property

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
from rlformer.explain.states import LogStates, Sample, sample
from rlformer.explain.subject import Subject, subject_of
from rlformer.explain.truth import truth_of

_OWN_STEPS, _OWN_EPISODES = 3000, (10, 300)  # of the log that a policy without one makes itself
_SCORE_EPISODES = 30


class Material:
    """Log, states, groups and truth of one case, and its purse of environment steps."""

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
    def log(self) -> Dataset:
        """The given log, or episodes of the policy itself."""
        case = self.case
        if case.log is not None:
            return case.log
        fewest, most = _OWN_EPISODES
        seeds, episodes = self.seeds("own-log", most), list[Episode]()
        first = self.play(case.policy, seeds[:fewest], keep=True)
        episodes += first.episodes
        further = min(most - fewest, int(max(0, _OWN_STEPS - first.env_steps) * fewest / first.env_steps))
        if further:
            episodes += self.play(case.policy, seeds[fewest : fewest + further], keep=True).episodes
        spaces = spaces_of(case.env)
        info = DatasetInfo(case.env.name, spaces, {"source": "explain"}, env_definition=case.env.definition)
        return from_episodes(info, episodes)

    @cached_property
    def subject(self) -> Subject:
        """The policy as a function of states."""
        return subject_of(self.case.policy, self.log)

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
        """The log as states, at all times: an episode goes through every one."""
        return LogStates(self.log, self.subject.context_length)

    def sample(self, count: int, replacements: int, purpose: str) -> Sample:
        """States of the log, at decisions where they are known, with others to put in their place."""
        rng = seeding.generator(self.case.seed, f"explain {purpose}")
        return sample(self._states, count, replacements, rng, self.decisions is not None)

    @cached_property
    def _states(self) -> LogStates:
        return LogStates(self.log, self.subject.context_length, self.decisions)

    @cached_property
    def score(self) -> PolicyScore:
        """What the policy itself returns: as it was measured before, or in episodes of its own."""
        measured = self.case.final or self.play(self.case.policy, self.seeds("score", _SCORE_EPISODES))
        return PolicyScore(measured.mean, self.case.env.normalize(measured.mean), len(measured.returns))
