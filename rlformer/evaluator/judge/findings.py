"""What follows from the arms of an environment, and from several environments: comparisons, data needs, aggregates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rlformer.evaluator.judge.terms import Scale
from rlformer.evaluator.judge.values import Estimate

Outcome = Literal["ahead", "behind", "equivalent", "open", "unknown"]
Strength = Literal["lean", "probable", "claim"]


@dataclass(frozen=True)
class Comparison:
    """Mean return of arm `a` minus that of arm `b`, by their labels, and what the seeds allow to say of it.

    question: best (the best arm against each other one), families (online RL against the sequence model), stitching
    (offline RL against it), or that of a contrast on an agent's card: filtered, log, memory.
    """

    question: str
    a: str
    b: str
    seeds: int
    paired: bool  # whether runs are paired by seed
    difference: Estimate
    outcome: Outcome
    strength: Strength


@dataclass(frozen=True)
class SurvivalCurve:
    """Kaplan-Meier: the share of runs that have not reached a threshold yet, after `times`."""

    times: tuple[float, ...]
    survival: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Survival:
    """How much data runs needed to reach a threshold, in steps; `times` holds None where a run was censored."""

    threshold: float  # of the normalised score
    budget: float  # at which runs are censored
    times: tuple[float | None, ...]
    reached: int
    success_rate: Estimate
    rmst: float  # restricted mean survival time
    ert: float | None  # expected running time; None: infinite
    median: float | None


@dataclass(frozen=True)
class OnlineNeed(Survival):
    """Environment steps until the curve of an arm stays at the threshold."""

    label: str
    seeds: tuple[int, ...]
    survival: SurvivalCurve | None  # None for a single run
    confirmed: bool  # whether fresh episodes confirmed every crossing


@dataclass(frozen=True)
class GridNeed(Survival):
    """Logged steps of the smallest share of a log whose model reaches the threshold."""

    agent: str
    log: str  # what the shares are shares of
    seeds: tuple[int, ...]
    env_steps: tuple[int | None, ...]  # behind that share, by seed


@dataclass(frozen=True)
class Early:
    """Steps behind the smallest share of a training against those of the online arm itself whose training it is."""

    agent: str
    online: str  # the label of the online arm
    threshold: float
    seeds: tuple[int, ...]
    reached: tuple[int, ...]  # of the two
    rmst: tuple[float, ...]
    log_rmst_ratio: Estimate


@dataclass(frozen=True)
class CostCurve:
    """The cost of a success of one arm against lambda, over `needs.SHARES`; None where no run succeeded."""

    label: str
    solved: int
    runs: int
    unknown: bool  # whether nobody knows how many steps made its log
    mean: tuple[float, ...] | None
    low: tuple[float | None, ...] | None
    high: tuple[float | None, ...] | None  # of both ends: None is infinite


@dataclass(frozen=True)
class Needs:
    """Time to threshold and cost of every trained arm."""

    thresholds: tuple[float, ...]
    scale: Scale
    online: tuple[OnlineNeed, ...]
    grid: tuple[GridNeed, ...]
    early: tuple[Early, ...]
    costs: tuple[CostCurve, ...]


# Several tasks at once.


@dataclass(frozen=True)
class ProfileCurve:
    """The share of runs of one algorithm with a score above each threshold, and its band."""

    label: str
    share: tuple[float, ...]
    low: tuple[float, ...] | None = None
    high: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Profiles:
    """Performance profiles (Agarwal et al. 2021)."""

    thresholds: tuple[float, ...]
    curves: tuple[ProfileCurve, ...]


@dataclass(frozen=True)
class Improvement:
    """The probability that a run of `a` beats one of `b` on the same task."""

    a: str
    b: str
    low: float | None
    point: float
    high: float | None


@dataclass(frozen=True)
class AcrossRow:
    """An arm on every environment, None where it did not run, and over all of them."""

    label: str
    scores: tuple[Estimate | None, ...]
    interquartile_mean: Estimate | None


@dataclass(frozen=True)
class Across:
    """Several environments at once; see `across`."""

    units: tuple[Literal["z", "return"], ...]
    rows: tuple[AcrossRow, ...]
    tasks: tuple[str, ...]  # with z, where they are two or more
    left_out: tuple[str, ...]  # arms that did not finish runs on all of these
    profiles: Profiles | None
    improvement: tuple[Improvement, ...] | None


@dataclass(frozen=True)
class Aggregate:
    """The aggregates of one algorithm over tasks."""

    label: str
    mean: Estimate
    median: Estimate
    interquartile_mean: Estimate
    optimality_gap: Estimate


@dataclass(frozen=True)
class Lack:
    """An algorithm without a score on a task."""

    algorithm: str
    task: str


@dataclass(frozen=True)
class Resamples:
    """How many resamples stand behind the intervals, and behind the bands of profiles."""

    intervals: int
    bands: int


@dataclass(frozen=True)
class ScoresEvidence:
    """What anybody's scores show; see `scores`."""

    schema: str
    source: str
    algorithms: tuple[str, ...]
    tasks: tuple[str, ...]
    common_tasks: tuple[str, ...]
    missing: tuple[Lack, ...]
    runs: Mapping[str, Mapping[str, int]]  # by algorithm and task
    resamples: Resamples
    aggregates: tuple[Aggregate, ...]
    profiles: Profiles
    improvement: tuple[Improvement, ...]
    scores: Mapping[str, Mapping[str, tuple[float, ...]]]  # by algorithm and task
