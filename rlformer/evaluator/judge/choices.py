"""What choosing and deploying cost, and what goes wrong on the way, as evidence. See `choosing`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rlformer.evaluator.judge.values import Estimate

Unit = Literal["z", "return"]
Group = Literal["targets", "family", "log", "all", "trainings"]
Rule = Literal["threshold", "success", "log", "random"]


@dataclass(frozen=True)
class Deployment:
    """How many episodes a choice among trained policies takes: what a bandit would now deploy.

    One bandit chooses among the policies of one training seed, arms x target returns; of the group "trainings" among
    those of all seeds. Curves are means over bandit runs and seeds, with a 95 % band over seeds; they stand at
    `episodes`, the numbers of episodes deployed so far.
    """

    group: (
        Group  # the target returns of an arm, the arms of a family, what learned from a log, everything; on all seeds
    )
    name: str  # the arm's label or the family; "" of the other groups
    labels: tuple[str, ...]  # of its arms
    seeds: tuple[int, ...]
    policies: int  # that one bandit chooses among; the most, where seeds differ
    episodes: tuple[int, ...]
    score: tuple[float, ...]  # the mean of the stored episodes of the policy that would now be deployed
    low: tuple[float, ...] | None  # None of one seed
    high: tuple[float, ...] | None
    env_steps: tuple[float, ...]  # what these episodes take
    cost: tuple[float, ...]  # at the price of an environment step
    unchosen: Estimate  # without a choice: the last checkpoint at its default target; of several arms their mean
    best: Estimate  # the best policy: what no number of episodes can pass
    gain: Estimate  # of the last of `episodes` over `unchosen`
    worth_from: int | None  # the first of `episodes` from which the choice is no worse than none; None: never


@dataclass(frozen=True)
class Choice:
    """The last checkpoint, the best one of the curve, and the best target return, of one arm.

    Both choices are made on the very episodes that score them: optimistic. What a choice adds is its best minus what is
    not chosen on the same episodes: the last point of the curve, the default target.
    """

    label: str
    seeds: tuple[int, ...]
    last: Estimate  # the final evaluation
    best_checkpoint: Estimate | None  # None: no curve
    checkpoint_adds: Estimate | None
    best_target: Estimate | None  # None: it takes no target return, or was asked for one alone
    target_adds: Estimate | None
    target_adds_elsewhere: Estimate | None  # the same, chosen on one half of the episodes and scored on the other


@dataclass(frozen=True)
class Failing:
    """When an episode is a failure, and below which return.

    threshold: far under the verdict's threshold, where a run has failed too. success: the environment says so, and
    there is no return. log: the 5 % quantile of the log's own episodes. random: below random play on average.
    """

    rule: Rule
    level: float | None = None


@dataclass(frozen=True)
class Risk:
    """How bad the bad final episodes of an arm are: each run reduced to a number, then means over seeds."""

    label: str
    mean: Estimate
    cvar: Estimate  # of the worst tenth of the episodes
    failure_rate: Estimate | None  # None: nothing says what a failure is


@dataclass(frozen=True)
class EqualScore:
    """What an arm has after so many steps: the last measurement of each seed not beyond them."""

    steps: int
    score: Estimate
    seeds: int
    measured_at: float  # steps, mean over seeds


@dataclass(frozen=True)
class EqualData:
    """An arm at 1, 2, 4, ... thousand steps."""

    label: str
    by: Literal["env_steps", "logged_steps"]  # all environment steps behind it; or the logged ones that it read
    scores: tuple[EqualScore, ...]


@dataclass(frozen=True)
class Breakage:
    """Training episodes up to some step: how many failed, and how far all of them fell short of the reference."""

    episodes: Estimate
    failures: Estimate
    shortfall: Estimate  # sum of max(0, 1 - z): in episodes of random play


@dataclass(frozen=True)
class BrokenRun:
    """The same of one run, at each of `Breaking.steps` that it reached and at its end."""

    seed: int
    steps: tuple[int, ...]
    episodes: tuple[int, ...]
    failures: tuple[int, ...]
    shortfall: tuple[float, ...]
    until: float | None  # steps to the threshold; None: never reached, so that its whole budget counts


@dataclass(frozen=True)
class WhileLearning:
    """What an arm broke while it learned, in means over runs. What learns from a log alone breaks nothing."""

    label: str
    to_threshold: Breakage | None  # None: its training episodes were not recorded
    budget: Breakage | None
    behind_log: Breakage | None  # in the training that made its log; None: without a log, or not recorded here
    runs: tuple[BrokenRun, ...]


@dataclass(frozen=True)
class Breaking:
    """Failures and regret while learning."""

    failing: Failing
    reference: float  # the return below which an episode falls short
    measured: bool  # whether that is the best arm measured here, as no card tells a reference
    arms: tuple[WhileLearning, ...]


@dataclass(frozen=True)
class Choosing:
    """Of one environment. Scores are z where something says what a good return is, else returns."""

    unit: Unit
    deployments: tuple[Deployment, ...]
    choices: tuple[Choice, ...]
    failing: Failing | None
    risks: tuple[Risk, ...]
    equal_data: tuple[EqualData, ...]
    breaking: Breaking | None
