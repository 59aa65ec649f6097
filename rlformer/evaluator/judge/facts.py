"""What is known of a run and of an arm: what they scored and what they cost. See `evidence`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rlformer.agents.base import CurveUnit
from rlformer.core.records import Cost
from rlformer.evaluator.judge.values import Band, Estimate, Spread, Spreads
from rlformer.runs.budget import CutShort
from rlformer.runs.inputs import Recipe
from rlformer.runs.record import Status
from rlformer.runs.spec import Contrast, Role

# Of a run.


@dataclass(frozen=True)
class Skipped:
    """A run directory that does not count, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Progress:
    """How far a run came; empty where it never told."""

    done: int | None = None
    total: int | None = None
    note: str | None = None


@dataclass(frozen=True)
class LevelCoverage:
    """How many episodes of a run's log reach a return."""

    covered: bool
    episodes: int
    share: Estimate


@dataclass(frozen=True)
class Scales:
    """Of a return-conditioned run: what it is asked for, and the returns in its log; empty for others."""

    target_return: float | None = None
    rule: str | None = None
    rules: Mapping[str, float] | None = None  # what each rule would ask for
    log_min: float | None = None
    log_median: float | None = None
    log_max: float | None = None
    coverage: Mapping[str, LevelCoverage] | None = None  # of "target" and "solved"


@dataclass(frozen=True)
class BothWays:
    """Mean return of sampled and of greedy actions, on the same episodes."""

    sampled: float
    greedy: float
    episodes: int
    deployed: Literal["greedy", "sampled"] = "greedy"  # as the card says; the other was played beside it

    @property
    def gain(self) -> float:
        """Return of the other way minus that of the deployed one."""
        return self.sampled - self.greedy if self.deployed == "greedy" else self.greedy - self.sampled


@dataclass(frozen=True)
class Asked:
    """What a return-conditioned policy makes of a target return."""

    target_return: float | None
    mean_return: float
    episodes: int
    returns: tuple[float, ...] | None = None
    mean_length: float | None = None  # steps of an episode


@dataclass(frozen=True)
class Curve:
    """Evaluations while training (points,). `confirmed`: of fresh episodes, where they were played.

    cpu: learning CPU seconds so far. Success rates: where the environment tells them. None: unknown.
    """

    step: tuple[float, ...]
    seconds: tuple[float, ...]
    return_: tuple[float, ...]
    confirmed: tuple[float | None, ...]
    cpu: tuple[float | None, ...] = ()  # empty, as what follows: of no point
    success: tuple[float | None, ...] = ()
    confirmed_success: tuple[float | None, ...] = ()
    env_steps: tuple[float | None, ...] = ()  # that the episodes of each point took


@dataclass(frozen=True)
class Kept:
    """A policy that was kept while it learned, on the final episodes. success_rate: as the environment tells it."""

    step: int
    mean_return: float
    returns: tuple[float, ...]
    success_rate: float | None = None


@dataclass(frozen=True)
class Tested:
    """The final policy on the episodes of a curve's point, and on fresh ones: means, and success rates if told."""

    return_: float
    confirmed: float | None = None
    success: float | None = None
    confirmed_success: float | None = None


@dataclass(frozen=True)
class RunFacts:
    """One run of an arm."""

    seed: int
    status: Status
    counts: bool  # whether it enters the statistics
    error: str | None
    notes: tuple[str, ...]
    progress: Progress
    path: str
    spec_hash: str
    data_hash: str | None  # of the log that it learned from
    mean_return: float | None  # of the final evaluation; None without one
    normalized_score: float | None
    success_rate: float | None
    episodes: int
    target_return: float | None
    returns: tuple[float, ...] | None
    cost: Cost
    times: Mapping[str, float]  # seconds, by part; see runs.ledger
    parameters: int
    inference_seconds: Mapping[str, float]  # per call of `act`, by number of environments
    flops: Mapping[str, float]  # of "training" and of one "action"
    peak_memory_bytes: int
    peak_gpu_memory_bytes: int
    scales: Scales
    sampled: BothWays | None
    asked: tuple[Asked, ...]
    curve: Curve
    machine: int  # its place in Judgement.machines
    seed_obeyed: bool | None = None  # False: its environment ignores the seed, so that it is paired with nothing
    kept: tuple[Kept, ...] = ()  # of what learns by interaction, by step
    test: Tested | None = None  # of what learns from a log alone
    told_success: float | None = None  # success rate of the final evaluation, where the environment tells it
    side_by_side: int | None = None  # runs at a time on its machine, at most; None: nobody knows
    mean_length: float | None = None  # steps of a final episode

    @property
    def score(self) -> float:
        """The mean return of a run that counts."""
        assert self.mean_return is not None
        return self.mean_return

    @property
    def learning_cpu(self) -> float:
        """See the function of that name."""
        return learning_cpu(self.times)

    @property
    def learning_seconds(self) -> float:
        """See the function of that name."""
        return learning_seconds(self.times)


def learning_cpu(times: Mapping[str, float]) -> float:
    """CPU seconds of learning and of the environment that it steps; all of a run made before they were told apart."""
    return times.get("learning_cpu", times.get("cpu", 0.0))


def learning_seconds(times: Mapping[str, float]) -> float:
    """Wall seconds of learning and of the environment that it steps; 0 where nothing was measured."""
    return times["learning"] + times.get("environment", 0.0) if "learning" in times else times.get("wall", 0.0)


# Of an arm.


@dataclass(frozen=True)
class CostSpread:
    """`Cost` over the runs that count."""

    env_steps: Spread | None
    selection_env_steps: Spread | None
    logged_steps: Spread | None
    upstream_env_steps: Spread | None
    samples_seen: Spread | None
    evaluation_env_steps: Spread | None = None
    upstream_cpu_seconds: Spread | None = None


@dataclass(frozen=True)
class Curves:
    """Mean return while training, over steps of the arm's unit and over seconds."""

    step: Band | None
    seconds: Band | None


@dataclass(frozen=True)
class Video:
    """An episode of an arm to watch, or `skipped`, why there is none."""

    seed: int
    run: str  # its path
    episode_seed: int | None = None
    episode_return: float | None = None
    length: int | None = None
    skipped: str | None = None


@dataclass(frozen=True)
class SawLess:
    """How often an arm saw its log, and how often its paper would: the arm is undertrained."""

    passes: float
    paper_passes: float
    source: str


@dataclass(frozen=True)
class Rising:
    """Curves that still rise at their end; see `training.rising`."""

    rise: float  # over their last part, as z
    t: float | None  # standard errors of it above 0; None: there is no scatter
    points: int  # of all runs


@dataclass(frozen=True)
class ArmEvidence:
    """The same specification over several seeds; statistics are over the runs that count."""

    label: str
    agent: str
    family: str  # of the verdict; of a reference that has none its learner: random, behaviour
    role: Role
    rung: int
    learns: bool  # whether gradients change it
    acts: bool  # whether it is a policy; a log's own episodes are none
    contrasts: tuple[Contrast, ...]  # that its card asks for
    log: str  # how its log was made and cut, in words; "" without one
    recipe: Recipe | None  # the same
    learner: str
    tuning: str
    hyperparameters: Mapping[str, object]  # as TOML knows them
    seeds: tuple[int, ...]
    failed: int
    missing: tuple[int, ...]  # seeds without a run directory
    unfinished: int
    mean_return: Estimate | None
    normalized_score: Estimate | None
    success_rate: Estimate | None
    no_interval: str | None  # the reason
    action_selection: tuple[Literal["greedy", "sampled"], ...]
    cost: CostSpread
    times: Spreads
    parameters: Spread | None
    inference_seconds: Spreads
    flops: Spreads
    peak_memory_bytes: Spread | None
    peak_gpu_memory_bytes: Spread | None
    video: Video | None
    curve_unit: CurveUnit
    curves: Curves
    runs: tuple[RunFacts, ...]  # by seed
    cut_short: CutShort | None = None  # where it was given less than its preset, and in a smoke test
    undertrained: SawLess | None = None
    rising: Rising | None = None

    @property
    def steps_env(self) -> bool:
        """Whether it learns by interaction: then its curve runs over environment steps."""
        return self.curve_unit == "env_steps"

    @property
    def counted(self) -> tuple[RunFacts, ...]:
        """The runs that enter its statistics."""
        return tuple(run for run in self.runs if run.counts)

    @property
    def score(self) -> Estimate | None:
        """The normalised score, or the mean return where the card has no scores; None without a run that counts."""
        return self.normalized_score or self.mean_return

    @property
    def point(self) -> float:
        """The mean return of an arm that has one."""
        assert self.mean_return is not None
        return self.mean_return.point
