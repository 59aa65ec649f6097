"""The test of a policy while it is trained: when fresh episodes are played, which policies are kept, what passed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from rlformer.agents.base import LearnerKind, SavePolicy
from rlformer.core import grid, seeding
from rlformer.core.policy import Policy
from rlformer.core.records import EnvSpec, EvalResult
from rlformer.core.spaces import Array
from rlformer.envs.native import native_spaces
from rlformer.evaluator.measure import protocol as protocols
from rlformer.evaluator.measure.evaluation import CONFIRM_FROM, evaluate
from rlformer.runs.curves import CurvePoint
from rlformer.runs.spec import RunSpec


class Journal(Protocol):
    """Where the points of a curve lie: a run's session."""

    @property
    def curve(self) -> Sequence[CurvePoint]:
        """Those that were played before."""

    def played(self, point: CurvePoint) -> None:
        """A point whose scalars come next."""

    def keep(self, step: int, save: SavePolicy) -> None:
        """Keep the policy of that step, which `save` writes into a folder."""


class CurveTest:
    """Plays a few episodes at each point of a training's curve: see `agents.base.Evaluate`.

    The same seeds serve every point, so that a policy may suit them by luck. Where it may be the first to pass some
    threshold, fresh episodes are played, on other seeds, and a point passes with the mean of both. It may be the first
    where its mean is above the highest that both means of an earlier point reached (and, with a card, at .5 of the
    normalised score); where the environment tells success, also where its rate of success is above the highest so far.
    So the first point that passes is exact for every threshold from there on, though it may be asked for later.

    A point that raises that highest is a record, and its policy is kept. An arm that learns from a log alone is tested
    at its end: its points have no fresh episodes.
    """

    def __init__(
        self, kind: LearnerKind, spec: RunSpec, seed: int, protocol: protocols.Protocol, journal: Journal
    ) -> None:
        self._spec, self._protocol, self._journal, self._interacts = spec, protocol, journal, kind.steps_env
        self._seeds = seeding.episode_seeds(seed, "curve", protocol.curve_episodes)
        self._fresh = seeding.episode_seeds(seed, "confirm", protocol.fresh_episodes)

    def __call__(self, policy: Policy, step: int, save: SavePolicy | None = None) -> Mapping[str, float]:
        """See `agents.base.Evaluate`."""
        played = self._play(policy, self._seeds)
        point = CurvePoint(step, tuple(played.returns.tolist()), (), _flags(played), None, played.env_steps)
        if self._interacts and grid.holds(step):
            score, rate = highest(self._journal.curve, self._spec.env)
            if self._may_pass(point, score, rate):
                point = self._tried_again(policy, point)
                again = highest((point,), self._spec.env)
                if save is not None and (again[0] > score or again[1] > rate):
                    self._journal.keep(step, self._with_spaces(save))
        self._journal.played(point)
        return self._scalars(point, played)

    def _may_pass(self, point: CurvePoint, score: float, rate: float) -> bool:
        env, least = self._spec.env, -math.inf
        if env.normalize(0.0) is not None:
            asked = self._protocol.good_enough
            low = math.inf if asked is None else _score(env, asked)
            least = min(CONFIRM_FROM, *self._protocol.thresholds, low)
        found = _score(env, point.mean)
        return (found >= least and found > score) or (point.success_rate or 0.0) > rate

    def _tried_again(self, policy: Policy, point: CurvePoint) -> CurvePoint:
        fresh = self._play(policy, self._fresh)
        return replace(
            point,
            fresh=tuple(fresh.returns.tolist()),
            fresh_successes=_flags(fresh),
            env_steps=point.env_steps + fresh.env_steps,
        )

    def _play(self, policy: Policy, seeds: Array) -> EvalResult:
        return evaluate(policy, self._spec.env, seeds, name=self._spec.agent.name, num_envs=self._protocol.num_envs)

    def _scalars(self, point: CurvePoint, played: EvalResult) -> Mapping[str, float]:
        values = {
            "eval/return": point.mean,
            "eval/length": float(played.lengths.mean()),
            "eval/normalized_score": self._spec.env.normalize(point.mean),
            "eval/confirmed_return": point.fresh_mean,
            "eval/success_rate": point.success_rate,
        }
        return {name: value for name, value in values.items() if value is not None}

    def _with_spaces(self, save: SavePolicy) -> SavePolicy:
        """What the environment shows and takes beside the policy, so that it acts wherever it is loaded."""

        def write(directory: Path) -> None:
            save(directory)
            native_spaces(self._spec.env).save(directory)

        return write


def highest(points: Sequence[CurvePoint], env: EnvSpec) -> tuple[float, float]:
    """The highest score and rate of success that both halves of the test of a point of the grid reached.

    The score is normalised where the card says how; -inf and 0 where no fresh episodes were played.
    """
    tried = [point for point in points if point.on_grid and point.fresh_mean is not None]
    scores = [min(_score(env, point.mean), _score(env, point.fresh_mean or 0.0)) for point in tried]
    rates = [min(point.success_rate or 0.0, point.fresh_success_rate or 0.0) for point in tried]
    return max(scores, default=-math.inf), max(rates, default=0.0)


def first_to_pass(points: Sequence[CurvePoint], passes: Callable[[float], bool]) -> int | None:
    """T: the step of the first point of the grid both of whose means pass; None: none does."""
    return next(
        (
            point.step
            for point in points
            if point.on_grid and point.fresh_mean is not None and passes(point.mean) and passes(point.fresh_mean)
        ),
        None,
    )


def first_to_succeed(points: Sequence[CurvePoint], rate: float) -> int | None:
    """The same of a rate of success."""
    return next(
        (
            point.step
            for point in points
            if point.on_grid and min(point.success_rate or 0.0, point.fresh_success_rate or 0.0) >= rate > 0
        ),
        None,
    )


def passed(points: Sequence[CurvePoint], env: EnvSpec, protocol: protocols.Protocol) -> tuple[int, ...]:
    """The steps of all that are the first to pass one of the protocol's thresholds, in their order."""
    found: set[int | None] = set()
    if env.normalize(0.0) is not None:
        found |= {first_to_pass(points, lambda value, z=z: _score(env, value) >= z) for z in protocol.thresholds}  # type: ignore[misc]
    if (asked := protocol.good_enough) is not None:
        found.add(first_to_pass(points, lambda value: _score(env, value) >= _score(env, asked)))
    if protocol.success is not None:
        found.add(first_to_succeed(points, protocol.success))
    return tuple(sorted(step for step in found if step is not None))


def _score(env: EnvSpec, value: float) -> float:
    """Normalised where the card says how: there less may be better."""
    normalized = env.normalize(value)
    return value if normalized is None else normalized


def _flags(played: EvalResult) -> tuple[bool, ...] | None:
    return None if played.successes is None else tuple(np.asarray(played.successes, bool).tolist())
