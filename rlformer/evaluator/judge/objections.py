"""What a careful reader would object to: each kind is a dataclass with its numbers. Sentences are the report's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from rlformer.evaluator.judge.facts import Rising, SawLess
from rlformer.runs.budget import CutShort

# Of an environment.


@dataclass(frozen=True)
class Share:
    """Runs of one arm."""

    label: str
    runs: int
    of: int


@dataclass(frozen=True)
class RunsLost:
    """Runs that failed, or did not finish, and are left out of every mean."""

    status: Literal["failed", "unfinished"]
    arms: tuple[Share, ...]
    kind: Literal["runs-lost"] = "runs-lost"


@dataclass(frozen=True)
class NoRun:
    """Runs of an agent that left no directory, with the reason of each seed."""

    env: str
    agent: str
    seeds: tuple[int, ...]
    reasons: tuple[str, ...]
    kind: Literal["no-run"] = "no-run"


@dataclass(frozen=True)
class FarUnder:
    """An arm that learns by interaction far under its reference score."""

    label: str
    z: float
    kind: Literal["far-under"] = "far-under"


@dataclass(frozen=True)
class BeyondLog:
    """An arm with a target return beyond its log, on `runs.runs` seeds; the numbers of the worst one."""

    runs: Share
    target_return: float
    log_max: float
    kind: Literal["beyond-log"] = "beyond-log"


@dataclass(frozen=True)
class OtherWay:
    """An arm that scores more by so much of z where its actions are chosen another way than its card says."""

    label: str
    agent: str
    better: Literal["greedy", "sampled"]
    z: float


@dataclass(frozen=True)
class SelectionMatters:
    """Arms whose other way to choose actions is better on the same episodes, by more than what matters."""

    arms: tuple[OtherWay, ...]
    kind: Literal["selection-matters"] = "selection-matters"


@dataclass(frozen=True)
class Effort:
    """Arms whose settings were found in the same way."""

    tuning: str
    arms: tuple[str, ...]


@dataclass(frozen=True)
class UnlikeTuning:
    """How the arms' settings were found, where that differs."""

    groups: tuple[Effort, ...]
    kind: Literal["unlike-tuning"] = "unlike-tuning"


@dataclass(frozen=True)
class TuningUnknown:
    """Arms of which nothing is recorded of how their settings were found."""

    arms: tuple[str, ...]
    kind: Literal["tuning-unknown"] = "tuning-unknown"


@dataclass(frozen=True)
class UnlikeSeeds:
    """The arms were not evaluated on the same episode seeds."""

    kind: Literal["unlike-seeds"] = "unlike-seeds"


@dataclass(frozen=True)
class SeedIgnored:
    """The environment ignores its seed: one seed gives several episodes."""

    kind: Literal["seed-ignored"] = "seed-ignored"


@dataclass(frozen=True)
class OneLog:
    """All seeds learned from one log."""

    seeds: int
    kind: Literal["one-log"] = "one-log"


@dataclass(frozen=True)
class Size:
    """Parameters of an arm."""

    label: str
    parameters: float


@dataclass(frozen=True)
class UnlikeSizes:
    """Sequence arms that differ in size."""

    smallest: Size
    largest: Size
    kind: Literal["unlike-sizes"] = "unlike-sizes"


@dataclass(frozen=True)
class UnlikeCards:
    """Runs that were made with different reference scores."""

    kind: Literal["unlike-cards"] = "unlike-cards"


@dataclass(frozen=True)
class UnlikeMachines:
    """Runs made on different processors."""

    kind: Literal["unlike-machines"] = "unlike-machines"


@dataclass(frozen=True)
class UnlikeGpus:
    """Some runs were trained on these GPUs and others were not."""

    names: tuple[str, ...]
    kind: Literal["unlike-gpus"] = "unlike-gpus"


@dataclass(frozen=True)
class UnlikeVersions:
    """Runs made with different versions of this program."""

    kind: Literal["unlike-versions"] = "unlike-versions"


Threat: TypeAlias = (
    RunsLost | NoRun | FarUnder | BeyondLog | SelectionMatters | UnlikeTuning | TuningUnknown | UnlikeSeeds
    | SeedIgnored | OneLog | UnlikeSizes | UnlikeCards | UnlikeMachines | UnlikeGpus | UnlikeVersions
)  # fmt: skip

# Of a verdict.


@dataclass(frozen=True)
class HardlyInLog:
    """A return that few episodes of the log reach: there the model extrapolates."""

    label: str
    what: Literal["threshold", "target"]  # of the verdict, or asked for on average
    z: float  # the threshold
    level: float  # the return
    episodes: int
    of: int
    kind: Literal["hardly-in-log"] = "hardly-in-log"


@dataclass(frozen=True)
class Miscalibrated:
    """What a model achieves minus what it is asked for, in z, on average: below 0 it falls short."""

    label: str
    error: float
    by_luck: bool = False  # whether nothing but luck explains it
    kind: Literal["miscalibrated"] = "miscalibrated"


@dataclass(frozen=True)
class Stitched:
    """Offline RL makes more of the same log than the model, by so much of z."""

    label: str
    model: str
    gap: float
    kind: Literal["stitched"] = "stitched"


@dataclass(frozen=True)
class WorseWithMore:
    """An arm that learns from a log and is judged by a short part of it scores less on its longest part, in z.

    Nobody knows beforehand which part suffices.
    """

    label: str
    judged: float  # mean z of the policies that are judged
    longest: float  # of the same seeds, on the longest part
    runs: int
    kind: Literal["worse-with-more"] = "worse-with-more"


@dataclass(frozen=True)
class NoSuccess:
    """No run of either candidate reached the threshold: costs are those of runs."""

    threshold: float
    kind: Literal["no-success"] = "no-success"


@dataclass(frozen=True)
class UnknownOrigin:
    """Nobody knows how many steps made the log: above lambda 0 it cost more than is counted."""

    kind: Literal["unknown-origin"] = "unknown-origin"


@dataclass(frozen=True)
class MeasuredScale:
    """The scale of z was measured by the arms themselves."""

    source: str
    kind: Literal["measured-scale"] = "measured-scale"


@dataclass(frozen=True)
class ShortArm:
    """An arm that was given less than its preset."""

    label: str
    cut: CutShort


@dataclass(frozen=True)
class CutShortArms:
    """Arms that were trained for a part of their presets' steps: to fit into a time, or by hand."""

    reason: Literal["time", "hand"]
    arms: tuple[ShortArm, ...]
    kind: Literal["cut-short"] = "cut-short"


@dataclass(frozen=True)
class RisingArm:
    """An arm whose curve rises at its end."""

    label: str
    rising: Rising


@dataclass(frozen=True)
class StillRising:
    """Arms that more steps might improve."""

    arms: tuple[RisingArm, ...]
    kind: Literal["still-rising"] = "still-rising"


@dataclass(frozen=True)
class UndertrainedArm:
    """An arm that saw its log fewer times than its paper would."""

    label: str
    saw: SawLess


@dataclass(frozen=True)
class UndertrainedArms:
    """All of these."""

    arms: tuple[UndertrainedArm, ...]
    kind: Literal["undertrained"] = "undertrained"


@dataclass(frozen=True)
class Optimistic:
    """An arm that stands for its family by the very seeds that judge it."""

    label: str
    of: tuple[str, ...]
    kind: Literal["optimistic"] = "optimistic"


Doubt: TypeAlias = (
    CutShortArms | StillRising | UndertrainedArms | Optimistic | HardlyInLog | Miscalibrated | Stitched
    | WorseWithMore | NoSuccess | UnknownOrigin | MeasuredScale
)  # fmt: skip
