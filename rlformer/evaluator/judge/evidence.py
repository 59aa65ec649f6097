"""What the evaluator knows, as frozen dataclasses: `Run -> Evidence -> Verdict -> Judgement`.

    load.read_runs        run directories -> Run
    environments.evidence Run             -> Evidence, of each environment: logs, arms, their runs and statistics
    decision.decide       Evidence, Terms -> Verdict
    judging.judge         Run, Terms      -> Judgement: every environment with its comparisons, data needs, task
                                             profile, threats and verdict, and all of them across

Each arrow is a function without side effects, and each value can be printed and compared. There is no sentence in any
of them: words are the report's. It makes a typed `Words` of each environment and merges it into what `as_json.encode`
makes of a Judgement when it writes results.json: `summary`, `placing` and `warnings` stand in the environment;
`headline`, `reasons`, `flips` and `warnings` in its verdict; `title`, `command`, `built`, `limits` and `warnings`
beside the environments. `as_json.decode(Judgement, results)` leaves them out again and gives the same Judgement.

A field's name is its key in results.json (`return_` is "return"). Floats keep seven significant digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from rlformer.core import formats
from rlformer.core.codec import KEPT
from rlformer.core.errors import InputError, unknown
from rlformer.core.records import Cost, EnvSpec
from rlformer.evaluator.judge.choices import Choosing
from rlformer.evaluator.judge.explanations.evidence import Explanations
from rlformer.evaluator.judge.facts import ArmEvidence, Skipped, Tested
from rlformer.evaluator.judge.findings import Across, Comparison, Needs
from rlformer.evaluator.judge.objections import NoRun, Threat
from rlformer.evaluator.judge.scorecard import Scorecard
from rlformer.evaluator.judge.task import TaskProfile
from rlformer.evaluator.judge.values import Estimate, Spread
from rlformer.evaluator.judge.verdict import Verdict
from rlformer.runs.inputs import LogTask, Recipe
from rlformer.runs.missing import MissingRun


@dataclass(frozen=True)
class GridRun:
    """A run that learned from a share of a log."""

    seed: int
    logged_steps: int
    upstream_env_steps: int | None
    mean_return: float
    path: str
    cost: Cost = field(default_factory=Cost)
    times: Mapping[str, float] = field(default_factory=dict)  # seconds, by part
    flops: Mapping[str, float] = field(default_factory=dict)
    test: Tested | None = None
    told_success: float | None = None  # of the final evaluation, where the environment tells it
    data_hash: str | None = None  # of the log
    seed_obeyed: bool | None = None  # see `RunFacts`
    returns: tuple[float, ...] | None = None  # of each final episode


@dataclass(frozen=True)
class ScalingPoint:
    """What an agent makes of one share of a log."""

    budget: float
    logged_steps: Spread | None
    mean_return: Estimate | None
    normalized_score: Estimate | None
    failed: int
    runs: tuple[GridRun, ...]


@dataclass(frozen=True)
class ScalingCurve:
    """What an agent makes of more and more of a log."""

    agent: str
    learner: str
    log: str  # what the shares are shares of
    points: tuple[ScalingPoint, ...]  # by growing budget
    played: bool = False  # whether the log was played by a trained agent, so that its shares are no prefixes of one
    arms: tuple[str, ...] = ()  # labels of the ladder's arms whose log is one of these, or of the same recording


# Of an environment.


@dataclass(frozen=True)
class Quartiles:
    """Of a log's returns."""

    q1: float
    median: float
    q3: float


@dataclass(frozen=True)
class LogFacts:
    """A log that runs learned from; see `runs.inputs.LogInput`. Where it lies is left out."""

    hash: str
    seeds: tuple[int, ...]  # of the runs
    recipe: Recipe
    selection: str
    num_episodes: int
    num_steps: int
    mean_return: float
    min_return: float
    max_return: float
    source: str
    made_here: bool
    upstream_env_steps: int | None = None
    maker: str | None = None
    maker_hash: str | None = None
    task: LogTask | None = None
    quartiles: Quartiles | None = None
    kind: str = "log"
    upstream_cpu_seconds: float | None = None  # learning CPU of who made it


@dataclass(frozen=True)
class EvaluationFacts:
    """How the arms were evaluated."""

    episodes: tuple[int, ...]  # numbers of them that occur
    same_seeds: bool
    first_seed: int | None
    action_selection: tuple[Literal["greedy", "sampled"], ...]
    seed_obeyed: bool | None = None  # False: one seed gives several episodes; None: it does not, as far as is known


@dataclass(frozen=True)
class Machine:
    """What runs were made on and with."""

    versions: Mapping[str, str]
    commit: str | None
    cpu: str | None = None
    cores: int | None = None
    memory_bytes: int | None = None
    system: str | None = None
    gpu: str | None = None


@dataclass(frozen=True)
class Evidence:
    """Everything known of one environment, and the verdict that follows from it."""

    name: str
    card: EnvSpec
    cards_differ: bool
    evaluation: EvaluationFacts
    logs: tuple[LogFacts, ...]
    arms: tuple[ArmEvidence, ...]  # by rung
    grid: tuple[ScalingCurve, ...]
    missing: tuple[MissingRun, ...]
    explanations: Explanations | None
    comparisons: tuple[Comparison, ...] = ()
    needs: Needs | None = field(default=None, metadata=KEPT)  # None: nothing says what a good return is
    verdict: Verdict | None = field(default=None, metadata=KEPT)  # None until it is judged, as what follows
    scorecard: Scorecard | None = None  # None of a smoke test, or without a finished run
    profile: TaskProfile | None = None
    threats: tuple[Threat, ...] = ()
    choosing: Choosing | None = None  # None: nothing was trained

    def arm(self, label: str) -> ArmEvidence:
        """The arm of that label. Raises KeyError where there is none."""
        for arm in self.arms:
            if arm.label == label:
                return arm
        raise KeyError(label)

    @property
    def trained(self) -> tuple[ArmEvidence, ...]:
        """The arms that learn and have a mean return."""
        return tuple(arm for arm in self.arms if arm.learns and arm.mean_return is not None)


@dataclass(frozen=True)
class Judgement:
    """What `judge` makes of runs."""

    schema: str
    environments: tuple[Evidence, ...]
    machines: tuple[Machine, ...]
    skipped: tuple[Skipped, ...]
    missing: tuple[MissingRun, ...]  # of environments without any run
    across: Across | None  # of one environment alone
    threats: tuple[NoRun, ...] = field(default=())  # of those environments

    @property
    def verdict(self) -> Verdict:
        """That of the only environment. Raises InputError where there are several."""
        found = self._only.verdict
        assert found is not None  # every environment of a judgement is judged
        return found

    def arm(self, label: str) -> ArmEvidence:
        """An arm of the only environment, by its label. Raises InputError where there is none."""
        arms = {arm.label: arm for arm in self._only.arms}
        if label not in arms:
            raise unknown("arm", label, arms)
        return arms[label]

    @property
    def _only(self) -> Evidence:
        if len(self.environments) != 1:
            names = formats.listed([evidence.name for evidence in self.environments])
            raise InputError(f"one verdict for each environment, and these are {names}: see Judgement.environments")
        return self.environments[0]

    def environment(self, name: str) -> Evidence:
        """The environment of that name. Raises InputError where there is none."""
        for evidence in self.environments:
            if evidence.name == name:
                return evidence
        raise unknown("environment", name, [evidence.name for evidence in self.environments])
