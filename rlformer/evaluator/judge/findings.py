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
    """How much an arm needs until it is good enough: T(tau) or N(tau) of every run, and what that takes in time.

    All runs that ended count, failed ones too. A run that never passes has None in `times` and pays, in every mean,
    what `outcomes` says: the common budget; one that broke off as many steps, however early that was. Intervals are
    over the seeds.
    """

    label: str  # of the arm; the agent's name where no arm of the ladder learned from such a log
    threshold: float  # in the unit of Needs
    budget: float  # B, or the largest log where that is longer
    seeds: tuple[int, ...]
    times: tuple[float | None, ...]  # steps, by seed
    reached: int  # runs that passed
    held: int  # of these, runs whose final episodes do not say otherwise: all others failed
    success_rate: Estimate  # share of runs that passed, with its Wilson interval
    rmst: float  # restricted mean survival time: of steps, with what is paid instead
    ert: float | None  # expected running time, steps paid for each run that passed; None: infinite
    median: float | None  # None where fewer than half of the runs passed
    steps: Estimate  # `rmst` with its interval
    learning_cpu: Estimate | None  # CPU seconds of learning, its environment's among them; None: not measured
    learning_seconds: Estimate | None  # wall seconds, alike
    flops: float | None  # of learning, on average; None: not counted
    scores: tuple[float | None, ...]  # z of the policy that one would deploy, by seed; None: its run broke off
    score: Estimate | None  # their mean over the runs that hold; None: there is none
    scored_by: tuple[
        Literal["kept", "fresh", "final", "curve"] | None, ...
    ]  # the episodes behind them; see `outcomes.Outcome`
    confirmed: bool  # whether fresh episodes confirmed every pass


@dataclass(frozen=True)
class OnlineNeed(Survival):
    """T(tau): environment steps until an arm that learns by interaction is good enough."""

    survival: SurvivalCurve | None  # None for a single run


@dataclass(frozen=True)
class GridNeed(Survival):
    """N(tau): logged steps of the shortest prefix, or share of a log, whose model is good enough."""

    agent: str
    log: str  # what the prefixes are cut from
    env_steps: tuple[float | None, ...]  # behind that log, by seed; None where none passes, or nobody knows
    above: tuple[float, ...]  # of each seed: N(tau) lies above this, the largest shorter prefix, and was rounded up
    sizes: int  # how many sizes of logs a seed tried, at most
    upstream_cpu: Estimate | None  # CPU seconds of who made these logs; None: unknown


@dataclass(frozen=True)
class Early:
    """How early could the training have been stopped? Environment steps behind N(tau), against T(tau) of the maker."""

    agent: str
    label: str  # of its arm
    online: str  # the label of the online arm whose training the log is
    threshold: float
    seeds: tuple[int, ...]  # that both have
    reached: tuple[int, ...]  # of the two
    rmst: tuple[float, ...]
    log_rmst_ratio: Estimate  # below 0: the prefix was shorter


@dataclass(frozen=True)
class CostCurve:
    """The cost of a success of one arm against lambda, over `cost_curves.SHARES`; None where no run succeeded.

    Of a run where nothing says what a success is.
    """

    label: str
    solved: int
    runs: int
    unknown: bool  # whether nobody knows how many steps made its log
    mean: tuple[float, ...] | None
    low: tuple[float | None, ...] | None
    high: tuple[float | None, ...] | None  # of both ends: None is infinite
    per_success: bool = True


@dataclass(frozen=True)
class Needs:
    """Time to threshold and cost of every trained arm."""

    thresholds: tuple[float, ...]  # empty where nothing says what is good enough
    unit: Literal["z", "success"]  # of the thresholds: normalised score, or share of successes
    scale: Scale
    budget: int | None  # B, which what interacts and never passes pays
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
