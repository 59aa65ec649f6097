"""What is measured of a trained agent, on which episodes; the learner's kind says which of it applies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from rlformer import statistics
from rlformer.agents.base import Learner, LearnerKind
from rlformer.agents.sequence.ranges import can_sample
from rlformer.core import seeding
from rlformer.core.records import EnvSpec, EvalResult
from rlformer.core.spaces import Array
from rlformer.data import targets
from rlformer.data.dataset import Dataset
from rlformer.envs.make import spaces_of
from rlformer.evaluator.judge.terms import Terms
from rlformer.evaluator.measure.evaluation import Part, evaluate_parts, seconds_per_call
from rlformer.runs.spec import RunSpec

EVALUATION_SEED = 0  # the same episodes for every arm and every training seed: results are paired
_MOST_LOG_EPISODES = 10_000  # of a log kept one by one
_INFERENCE_ENVS = (1, 64)  # environments side by side for which the time of an action is taken


@dataclass(frozen=True)
class Protocol:
    """How a run is evaluated."""

    episodes: int = 100  # at the end
    curve_episodes: int = 10  # at each point of the curve, on seeds of their own
    fresh_episodes: int = 30  # played once more where a point may be the first to pass a threshold
    target_episodes: int = 20  # for each target return
    other_episodes: int = 20  # of the other way to choose actions, sampled beside greedy or greedy beside sampled
    num_envs: int = 100  # side by side, at most
    # What a run may have to pass, which the study says; a policy that is the first to do so is played at the end too.
    thresholds: tuple[float, ...] = (0.5, 0.9, 0.95)  # of the normalised score, where a card gives one
    good_enough: float | None = None  # a return
    success: float | None = None  # a share of episodes, where the environment tells success

    @classmethod
    def of(cls, episodes: int | None) -> Protocol:
        """The usual one, or with so many final episodes and fewer or more of all others in proportion.

        Under ten of them no curve is drawn and the other way to choose actions is not played, under five no target
        return is tried.

        >>> Protocol.of(100) == Protocol.of(None) == Protocol(), Protocol.of(20).curve_episodes
        (True, 2)
        """
        if episodes is None:
            return cls()
        tenth, fifth = episodes // 10, episodes // 5
        return cls(episodes, tenth, 3 * tenth, fifth, fifth)

    def asking(self, terms: Terms) -> Protocol:
        """With what these terms count as success among that which a run may have to pass."""
        thresholds = tuple(sorted({*self.thresholds, terms.threshold}))
        return replace(self, thresholds=thresholds, good_enough=terms.good_enough, success=terms.success)

    def num_episodes(self, kind: LearnerKind, curve_points: int, targets: int = 8) -> int:
        """How many episodes a run of this kind plays, about; targets: that it is asked for where it takes them."""
        asked = targets * self.target_episodes if "targets" in kind.evaluations else 0
        tested = self.curve_episodes + self.fresh_episodes if kind.learns_offline else 0
        return self.episodes + curve_points * self.curve_episodes + tested + asked


@dataclass(frozen=True)
class Measured:
    """What was measured of a trained agent."""

    evaluations: Mapping[str, EvalResult] = field(default_factory=dict)  # by the name of their file
    coverage: Mapping[str, statistics.TargetCoverage] | None = None  # of the log, by level; without target returns None
    inference_seconds: Mapping[str, float] = field(default_factory=dict)  # a call of `act`, by number of environments
    notes: tuple[str, ...] = ()


def measure(
    kind: LearnerKind,
    learner: Learner,
    spec: RunSpec,
    seed: int,
    dataset: Dataset | None,
    protocol: Protocol,
    *,
    playable: bool,
) -> Measured:
    """Everything that the learner's kind says is measured of it. playable: whether the environment can be made."""
    if "log" in kind.evaluations:
        assert dataset is not None
        return Measured({"final": log_result(dataset, spec.env, spec.agent.name)})
    if not playable or "final" not in kind.evaluations:
        return Measured()
    sampled, target, name = kind.samples(spec.values), learner.scales.get("target_return"), spec.agent.name
    policy = learner.policy(sample=sampled)
    final = seeding.episode_seeds(EVALUATION_SEED, "evaluate", protocol.episodes)
    parts = [Part("final", final, target), *_test(kind, seed, target, protocol)]
    asks = "targets" in kind.evaluations and dataset is not None and protocol.target_episodes > 0
    returns = dataset.returns if asks and dataset is not None and target is not None else None
    if returns is not None and target is not None:
        parts += _asked(returns, target, spec.few_targets, protocol)
    measured = evaluate_parts(policy, spec.env, parts, name=name, num_envs=protocol.num_envs, sampled=sampled)
    spaces = spaces_of(spec.env)
    inference = {str(n): seconds_per_call(policy, spaces.observation, n) for n in _INFERENCE_ENVS}
    if "other" in kind.evaluations and protocol.other_episodes and can_sample(spec.values, spaces.actions):
        # Imitation of a log whose actions are spread out may be good when sampled and bad when greedy.
        part = Part("other", final[: protocol.other_episodes], target)
        way = learner.policy(sample=not sampled)
        measured |= evaluate_parts(way, spec.env, [part], name=name, num_envs=protocol.num_envs, sampled=not sampled)
    if returns is None or target is None:
        return Measured(measured, None, inference)
    best, beyond = returns.max(), list[str]()
    if target > best:
        beyond.append(f"target return {target:g} is above the log's best return ({best:g}): extrapolation")
    return Measured(measured, _coverage(returns, target, spec.env), inference, tuple(beyond))


def _test(kind: LearnerKind, seed: int, target: float | None, protocol: Protocol) -> Iterator[Part]:
    """The test that every point of a curve has to pass, of what has no curve over data: it learned from a log alone.

    Ten episodes and thirty fresh ones, as of a curve, on the same seeds.
    """
    if kind.learns_offline:
        for name, stream, count in (
            ("test", "curve", protocol.curve_episodes),
            ("fresh", "confirm", protocol.fresh_episodes),
        ):
            if count:
                yield Part(name, seeding.episode_seeds(seed, stream, count), target)


def _asked(returns: Array, target: float, few: bool, protocol: Protocol) -> list[Part]:
    """What else a return-conditioned policy is asked for. few: three target returns instead of the whole grid."""
    asked = targets.few(returns, target) if few else targets.grid(returns, target)
    seeds = seeding.episode_seeds(EVALUATION_SEED, "probe", protocol.target_episodes)
    return [Part(f"target-{i}", seeds, value) for i, value in enumerate(asked)]


def _coverage(returns: Array, target: float, env: EnvSpec) -> dict[str, statistics.TargetCoverage]:
    """How many episodes of the log reach what is asked for, and what counts as solved."""
    levels = {"target": target, "solved": env.solved_threshold}
    return {level: statistics.target_coverage(returns, value) for level, value in levels.items() if value is not None}


def log_result(dataset: Dataset, env: EnvSpec, name: str) -> EvalResult:
    """The log's own episodes in the form of an evaluation, evenly thinned where they are very many."""
    count = len(dataset)
    every = np.unique(np.linspace(0, count - 1, min(count, _MOST_LOG_EPISODES)).astype(np.int64))
    rows = dataset.episodes[dataset.index[every]]
    return EvalResult(
        env=env.name,
        policy=name,
        seeds=rows["seed"],
        returns=dataset.returns[every],
        lengths=dataset.lengths[every],
        terminated=rows["terminated"],
        action_selection="sampled",
    )
