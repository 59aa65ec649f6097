"""What is measured of a trained agent, on which episodes; the learner's kind says which of it applies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from rlformer import statistics
from rlformer.agents.base import Learner, LearnerKind
from rlformer.core import seeding
from rlformer.core.records import EnvSpec, EvalResult
from rlformer.data import targets
from rlformer.data.dataset import Dataset
from rlformer.envs.make import spaces_of
from rlformer.evaluator.judge.terms import Terms
from rlformer.evaluator.measure.evaluation import evaluate, evaluate_targets, seconds_per_call
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
    sampled_episodes: int = 20  # of policies that are played sampled too
    num_envs: int = 64
    # What a run may have to pass, which the study says; a policy that is the first to do so is played at the end too.
    thresholds: tuple[float, ...] = (0.5, 0.9, 0.95)  # of the normalised score, where a card gives one
    good_enough: float | None = None  # a return
    success: float | None = None  # a share of episodes, where the environment tells success

    @classmethod
    def of(cls, episodes: int | None) -> Protocol:
        """The usual one, or with so many final episodes and fewer or more of all others in proportion.

        Under ten of them no curve is drawn and nothing is played sampled, under five no target return is tried.

        >>> Protocol.of(100) == Protocol.of(None) == Protocol(), Protocol.of(20).curve_episodes
        (True, 2)
        """
        if episodes is None:
            return cls()
        return cls(episodes, episodes // 10, 3 * (episodes // 10), episodes // 5, episodes // 5)

    def asking(self, terms: Terms) -> Protocol:
        """With what these terms count as success among that which a run may have to pass."""
        thresholds = tuple(sorted({*self.thresholds, terms.threshold}))
        return replace(self, thresholds=thresholds, good_enough=terms.good_enough, success=terms.success)

    def num_episodes(self, kind: LearnerKind, curve_points: int) -> int:
        """How many episodes a run of this kind plays, about; eight target returns where it takes them."""
        asked = 8 * self.target_episodes if "targets" in kind.evaluations else 0
        return self.episodes + curve_points * self.curve_episodes + asked


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
    policy, target = learner.policy(), learner.scales.get("target_return")
    seeds = seeding.episode_seeds(EVALUATION_SEED, "evaluate", protocol.episodes)
    env, name, num_envs = spec.env, spec.agent.name, protocol.num_envs
    final = evaluate(
        policy, env, seeds, name=name, num_envs=num_envs, target_return=target, sampled=draws_actions(kind)
    )
    measured, coverage = {"final": final}, None
    notes: list[str] = []
    if "targets" in kind.evaluations and target is not None and dataset is not None and protocol.target_episodes:
        levels = {"target": target, "solved": env.solved_threshold}
        coverage = {
            level: statistics.target_coverage(dataset.returns, value)
            for level, value in levels.items()
            if value is not None
        }
        asked = targets.grid(dataset.returns, target)
        some = seeding.episode_seeds(EVALUATION_SEED, "probe", protocol.target_episodes)
        achieved = evaluate_targets(policy, env, some, asked, name=name, num_envs=num_envs)
        measured |= {f"target-{i}": answer for i, answer in enumerate(achieved)}
        best = dataset.returns.max()
        if target > best:
            notes.append(f"target return {target:g} lies beyond the log's best ({best:g}): extrapolation")
    spaces = spaces_of(env)
    inference = {str(n): seconds_per_call(policy, spaces.observation, n) for n in _INFERENCE_ENVS}
    if "sampled" in kind.evaluations and spaces.actions.kind != "box" and protocol.sampled_episodes:
        # Imitation of a log whose actions are spread out may be good when sampled and bad when greedy.
        sampled = evaluate(
            learner.policy(sample=True),
            env,
            seeds[: min(protocol.sampled_episodes, protocol.episodes)],
            name=name,
            num_envs=num_envs,
            target_return=target,
            sampled=True,
        )
        measured["sampled"] = sampled
    return Measured(measured, coverage, inference, tuple(notes))


def draws_actions(kind: LearnerKind) -> bool:
    """Whether its policy draws its actions even where nobody asks for it: what is not learned is random play."""
    return kind.acts and not kind.learns


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
