"""What is known of arms that were explained, as frozen dataclasses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from rlformer.evaluator.judge.explanations.memory import MemoryEvidence
from rlformer.evaluator.judge.values import Estimate
from rlformer.explain.parts import Maps, PartCost, Pictures
from rlformer.explain.tree import Reads, Tree

CENSORED = 256  # leaves of the largest tree: an L90 beyond is not known


@dataclass(frozen=True)
class Measured:
    """One measure of an explainer."""

    mean: Estimate
    values: tuple[float, ...]  # seed by seed


@dataclass(frozen=True)
class ExplainerEvidence:
    """The measures of one explainer; None where none of the seeds defines it."""

    agreement: Measured | None
    agreement_by_chance: float | None  # what the mean of random orders stays at or below in 95 of 100 cases
    comprehensiveness: Measured | None
    sufficiency: Measured | None
    effective_units: Measured | None
    gini: Measured | None
    sanity: Measured | None
    sensitivity: Measured | None
    skill: Measured | None
    relevance_mass: Measured | None
    relevance_rank: Measured | None
    chance: Measured | None
    attainable_skill: Measured | None
    between_seeds: Measured | None


@dataclass(frozen=True)
class ScoredEvidence:
    """Explainers over units that each of them can separate: groups of inputs, or what has tokens of its own."""

    units: Mapping[str, tuple[str, ...]]  # the groups of each; a seed may lack some
    effects: Mapping[str, Estimate]  # total effect of each
    comprehensiveness: Measured | None  # attainable: the best known order's
    sufficiency: Measured | None
    explainers: Mapping[str, ExplainerEvidence]


@dataclass(frozen=True)
class BestExplainer:
    """The explainer with the highest skill, or where the truth is not known the highest comprehensiveness."""

    name: str
    by: Literal["skill", "comprehensiveness"]
    value: Estimate


@dataclass(frozen=True)
class MeanCost:
    """What explaining a run took, on average."""

    seconds: float
    env_steps: float


@dataclass(frozen=True)
class KnownEvidence:
    """Total effects of the groups of which it is known whether they matter."""

    source: str
    relevant: tuple[str, ...]
    effects: Mapping[str, Estimate]


@dataclass(frozen=True)
class EffectsEvidence:
    """Total effects at the states of some episodes. Their number is the first seed's."""

    effects: Mapping[str, Estimate]
    varies: Mapping[str, bool]  # whether a group differs between these episodes at the same time, on any seed
    divergence: Mapping[str, Estimate] | None
    truth: KnownEvidence | None
    reliance: Estimate | None
    reliances: tuple[float, ...]  # of the seeds for which it is defined
    no_reliance: str | None
    episodes: int
    steps: int


@dataclass(frozen=True)
class DeletionEvidence:
    """Scores, or returns, with the first k groups of each explainer's order masked."""

    unit: Literal["scores", "returns"]
    counts: tuple[int, ...]
    curves: Mapping[str, tuple[Estimate, ...]]
    episodes: int


@dataclass(frozen=True)
class TreesEvidence:
    """Surrogate trees of one kind, by their number of leaves."""

    leaves: tuple[int, ...]
    fidelity: tuple[Estimate, ...]
    return_: tuple[Estimate, ...]
    score: tuple[Estimate, ...] | None
    l90: tuple[int | None, ...]  # of each seed
    undefined: tuple[str | None, ...]  # of each seed, why


@dataclass(frozen=True)
class BothTrees:
    """Of the current observation, and of the window."""

    observation: TreesEvidence | None
    window: TreesEvidence | None

    def __iter__(self) -> Iterator[tuple[Reads, TreesEvidence | None]]:
        yield "observation", self.observation
        yield "window", self.window


@dataclass(frozen=True)
class FewestLeaves:
    """L90: over seeds, the fewer leaves of the two kinds of tree.

    Seeds for which it is not defined, as where a policy is no better than random, are left out and counted apart.
    """

    values: tuple[int | None, ...]  # of the other seeds; None: beyond the largest tree
    median: float | None  # None: beyond the largest tree, or not defined
    censored: int
    undefined: int
    reason: str | None  # why it is not defined for any


@dataclass(frozen=True)
class FollowingEvidence:
    """How achieved returns follow target returns."""

    error: Estimate | None
    slope: Estimate | None
    tau: Estimate | None


@dataclass(frozen=True)
class ControlEvidence:
    """Inside the log's support and beyond it."""

    reason: str | None  # why it is not measured
    inside: FollowingEvidence | None
    beyond: FollowingEvidence | None


@dataclass(frozen=True)
class DrawnTree:
    """The smallest tree that stands for the first explained seed."""

    reads: Reads
    tree: Tree
    names: tuple[str, ...]
    actions: tuple[str, ...]
    kind: str
    l90: int | None


@dataclass(frozen=True)
class PicturesOfSeed(Pictures):
    """Those of the first explained seed, with the head of their file."""

    schema: str
    part: str
    settings: Mapping[str, object]
    cost: PartCost


@dataclass(frozen=True)
class UnexplainedArm:
    """An arm of which no run was explained."""

    label: str
    family: str
    reason: str
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class ExplainedArm:
    """An arm over its explained seeds."""

    label: str
    family: str
    seeds: tuple[int, ...]
    kept: tuple[int, ...]  # those of them that are explained by the policy that was first good enough, not by the last
    mean_return: float  # of the policies that are explained
    cost: MeanCost
    own: EffectsEvidence | None  # in deployment; None where effects were not measured, and so for what follows
    log: EffectsEvidence | None  # at the log's states and logged returns-to-go; None without a log
    read: Mapping[str, bool]
    unit: str | None
    no_divergence: str | None
    decisions: tuple[int, ...] | None  # the steps at which was measured; None: all
    target_return: float | None  # that is asked for in deployment, of the first seed
    by_group: ScoredEvidence | None
    no_groups: str | None
    by_token: ScoredEvidence | None
    no_tokens: str | None
    no_truth: str | None
    best: BestExplainer | None
    deletion: DeletionEvidence | None
    trees: BothTrees
    no_window: str | None
    l90: FewestLeaves
    control: ControlEvidence
    tree: DrawnTree | None
    pictures: PicturesOfSeed | None
    reason: str | None = None
    maps: Maps | None = None  # of the first seed, where observations hold images
    memory: MemoryEvidence | None = None  # where it keeps what it has to remember, where that is known

    @property
    def explainers(self) -> Mapping[str, ExplainerEvidence]:
        """Those that are scored over groups of inputs."""
        return {} if self.by_group is None else self.by_group.explainers

    @property
    def reliance(self) -> Estimate | None:
        """In deployment."""
        return None if self.own is None else self.own.reliance

    @property
    def no_reliance(self) -> str | None:
        """Why there is none."""
        return "not measured" if self.own is None else self.own.no_reliance


@dataclass(frozen=True)
class FamilyRow:
    """One measure of the arms that stand for both families: means over seeds, whether they differ, or are alike."""

    label: str
    better: Literal["+", "-"]
    margin: float  # a smaller difference does not matter
    a: Estimate | None
    b: Estimate | None
    difference: Estimate | None  # a - b, with Welch's interval
    p: float | None  # of the test of a difference, Holm-adjusted over all named measures
    p_alike: float | None  # of the test of equivalence within the margin, adjusted alike
    says: str  # "a" or "b" where one is explained better, "alike", or why nothing is said


@dataclass(frozen=True)
class Families:
    """The arms that the verdict weighs for online RL, a, and for sequence models, b, measure by measure."""

    a: str
    b: str
    seeds: int  # that judge, of the arm with fewer
    rows: tuple[FamilyRow, ...]


@dataclass(frozen=True)
class Explanations:
    """Of one environment, arm by arm in the order of its results."""

    arms: tuple[ExplainedArm | UnexplainedArm, ...]
    families: Families | None
    no_families: str | None  # why they are not compared

    @property
    def explained(self) -> tuple[ExplainedArm, ...]:
        """The arms with an explained run."""
        return tuple(arm for arm in self.arms if isinstance(arm, ExplainedArm))
