"""The verdict: what is chosen between the families, how firmly, and every number that it follows from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rlformer.core import notebook
from rlformer.evaluator.judge.findings import Strength
from rlformer.evaluator.judge.objections import Doubt
from rlformer.evaluator.judge.terms import Scale, Terms
from rlformer.evaluator.judge.values import Estimate
from rlformer.runs.spec import Family

Answer = Literal[
    "online", "offline", "sequence", "hybrid", "simpler", "trade-off", "inconclusive",
    "none works", "keep what made the log", "cannot tell", "works", "does not work",
]  # fmt: skip


@dataclass(frozen=True)
class Selected:
    """Which of a family's arms stands for it, and how it was chosen."""

    family: Family
    arm: str
    of: tuple[str, ...]  # the labels of all its candidates
    seeds: tuple[int, ...] = ()  # that chose it, and do not judge it
    optimistic: bool = False  # whether the seeds that judge it chose it


@dataclass(frozen=True)
class Statement:
    """A difference between two arms, and what is sure of it."""

    point: float | None  # None: one of the two has nothing to compare
    low: float | None  # lower bound, at an error of .025
    p_worse: float  # of "lower by the tolerance or more"


@dataclass(frozen=True)
class Side:
    """One of the two arms that are weighed."""

    label: str
    family: str
    z: float | None  # mean normalised score of the runs that judge, failed ones as random play
    cost: float | None  # of a success, or of a run; None: infinite, no run reached the threshold
    runs: int  # that judge
    worked: int  # of these: not failed
    reached: int  # of these: at the threshold
    reliability: Statement  # share of runs that worked, minus that of the other
    typical: Statement  # mean score of the runs that worked, minus that of the other
    p_worse: float  # of "worse than the other": in either
    cheaper: float  # probability; costs within 10 % are equal
    error: float  # probability that choosing it is wrong, as far as these seeds tell


@dataclass(frozen=True)
class PairFacts:
    """Two arms weighed against each other; differences are of z, a minus b."""

    a: Side  # the one that interacts more
    b: Side
    seeds: int
    paired: bool  # whether runs are paired by seed
    alike: bool  # whether neither is worse than the other
    difference: Estimate
    per_success: bool  # whether costs are those of a success
    seeds_to_settle: float | None  # for a probable answer, were the others like these; None: no number of seeds
    settles: Literal["alike"] | None = None  # where they would show that neither is worse, and not the likelier choice


@dataclass(frozen=True)
class Simpler:
    """A simple arm weighed against the one that is chosen; `costs` and `cpu_seconds` of it and of that one."""

    label: str
    against: str
    seeds: int
    difference: Estimate
    p_worse: float  # of "worse", Holm-adjusted
    costs: tuple[float | None, float | None]
    cpu_seconds: tuple[float, float]
    cheaper: bool
    recommended: bool


@dataclass(frozen=True)
class Nearest:
    """What came nearest where nothing worked, or what stands beside the log's own episodes."""

    label: str
    z: float
    reached: int
    runs: int
    log_z: float | None = None  # of the log's own episodes


@dataclass(frozen=True)
class BreakEven:
    """lambda*: below it the log is the cheaper way; or the reason why it is not defined here."""

    reason: str | None
    low: float | None = None
    point: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Flip:
    """One term changed, and the other answer that follows."""

    term: str  # a field of Terms
    value: float
    answer: Answer
    arm: str | None


@dataclass(frozen=True)
class Cell:
    """The answer under other terms."""

    share: float
    threshold: float
    cpu_second: float
    answer: Answer
    arm: str | None


@dataclass(frozen=True)
class Sweep:
    """The verdict under other terms: the share of them under which it `stands`, and what flips it."""

    tried: int
    stands: float
    flips: tuple[Flip, ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Verdict:
    """What is chosen on one environment.

    `answer`: a family, or that a simple arm does as well ("simpler"), that score has its price ("trade-off"), or why
    nothing is chosen. `arm`: the label that it names. `strength`: how much the seeds allow. What is None from `asked`
    on is so where the answer is "cannot tell", and `reason` says why. A smoke test "works" or "does not work", which
    compares nothing either. `within`: the minutes that arms were cut short to, the condition of the answer.
    """

    answer: Answer
    arm: str | None
    strength: Strength | None
    reason: str | None
    terms: Terms  # as settled by where the log comes from; as asked where the answer is "cannot tell"
    sweep: Sweep | None
    asked: Terms | None = None
    scale: Scale | None = None
    made_here: bool | None = None  # whether the log was made for this comparison
    error: float | None = None  # probability that the choice is wrong, as far as these seeds tell
    selected: tuple[Selected, ...] = ()  # who stands for each family
    pair: PairFacts | None = None  # the choice against the family that comes nearest
    others: tuple[PairFacts, ...] = ()  # against further families
    nearest: Nearest | None = None
    simpler: tuple[Simpler, ...] | None = None
    lambda_star: BreakEven | None = None
    doubts: tuple[Doubt, ...] = ()
    within: float | None = None

    def stands_for(self, family: Family) -> str | None:
        """The label of the arm that stands for a family; None where none does."""
        return next((one.arm for one in self.selected if one.family == family), None)

    def _repr_html_(self) -> str:
        """For a notebook: the answer, and who stands for each family."""
        rows = [[one.family, one.arm, ", ".join(one.of)] for one in self.selected]
        said = notebook.paragraph(str(self))
        return said + (notebook.table(["family", "arm", "candidates"], rows) if rows else "")

    def __str__(self) -> str:
        """In a line, such as "sequence (dt), probable"."""
        condition = "" if self.within is None else f"within {self.within:g} minutes: "
        if self.arm is None:
            return condition + (self.answer if self.reason is None else f"{self.answer}: {self.reason}")
        return f"{condition}{self.answer} ({self.arm}), {self.strength}"
