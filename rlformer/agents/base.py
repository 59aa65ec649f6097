"""What a learner is, what it is asked, and where it writes while it learns."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from rlformer.core.policy import Policy
from rlformer.core.ranges import Range
from rlformer.core.records import Cost, EnvSpec
from rlformer.core.spaces import Spaces
from rlformer.runs.record import RunRecord

Need = Literal["env", "log", "weights"]
CurveUnit = Literal["env_steps", "gradient_steps"]
EvaluationName = Literal["final", "targets", "other", "log"]
ANY_ACTIONS = frozenset({"discrete", "multidiscrete", "multibinary", "box"})

SavePolicy: TypeAlias = Callable[[Path], None]  # writes what `Learner.load` needs into a folder

if TYPE_CHECKING:
    from rlformer.data.dataset import Dataset


class Evaluate(Protocol):
    """Measures a policy while it is trained."""

    def __call__(self, policy: Policy, step: int, save: SavePolicy | None = None) -> Mapping[str, float]:
        """A point of the curves at `step`, by name: a point of the grid, or the training's last step.

        The policy is as it is now; the random streams of the training are left alone. save: of what learns by
        interaction, since the policy of the first point that passes a threshold is the one that would be deployed.
        """


class RunLog(Protocol):
    """Where a learner writes while it learns."""

    directory: Path

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Points of curves at `step` of the family's own unit of data."""

    def progress(self, done: int, total: int, note: str = "") -> None:
        """How far the run is."""

    def clock(self, part: str) -> AbstractContextManager[None]:
        """Time spent inside counts for `part` (environment, evaluation, log) and not for learning."""

    def spent(self, cost: Cost) -> None:
        """What the data has cost so far, so that a run that fails or is stopped does not count as free."""

    def on_gpu(self, name: str, peak_bytes: int) -> None:
        """The learner computes on this GPU, where its tensors have taken so many bytes at most."""

    def stop_requested(self) -> bool:
        """Whether the user asked to stop: save a checkpoint and raise `Interrupted`."""

    def checkpoint(self, step: int) -> AbstractContextManager[None]:
        """Inside, a checkpoint made at `step` is written: what has been spent until then belongs to it."""

    def rewind(self, step: int) -> None:
        """Forget the points after `step`: the run continues from a checkpoint made there, with its times."""

    def note(self, text: str) -> None:
        """A remark that belongs into the record, such as a warning."""


@dataclass(frozen=True)
class Task:
    """What a learner is asked to do."""

    env: EnvSpec | None  # None: nowhere to play; never where the learner needs it
    dataset: Dataset | None  # None where the learner needs no log
    hyperparameters: Mapping[str, Any]
    seed: int
    threads: int = 1
    device: str = "cpu"  # of sequence models: see `agents.devices`
    log_trajectories: Path | None = None  # a folder for every training episode, as a dataset
    weights: Path | None = None  # a run, or another folder, that the training goes on from
    evaluate: Evaluate | None = None  # at the points of `core.grid` and at the end; None: never


@dataclass(frozen=True)
class LearnerKind:
    """A way to train, and all that others need to know of it, told without importing what trains."""

    name: str  # as a card's `learner` says it
    implementation: str  # "module:Class", a `Learner`
    needs: frozenset[Need]
    curve_unit: CurveUnit  # what its curves run over: env_steps where it learns by interaction
    flops: Callable[[Mapping[str, Any], Spaces, RunRecord], dict[str, float]]  # see `agents.flops.of_run`
    # How many steps a training takes on a log of so many, where they change with it.
    steps_on: Callable[[Mapping[str, Any], int], int] | None = None
    action_kinds: Callable[[Mapping[str, Any]], frozenset[str]] = lambda values: ANY_ACTIONS  # of a card's values
    sees_images: Callable[[Mapping[str, Any]], bool] = lambda values: True  # of a card's values: or vectors alone
    needs_masks: Callable[[Mapping[str, Any]], bool] = lambda values: False  # whether the environment has to say them
    # Every key that a card of it may have, with its range, by the values of the card: which algorithm they name. None:
    # not told, and any key may stand there.
    ranges: Callable[[Mapping[str, Any]], Mapping[str, Range]] | None = None
    required: frozenset[str] = frozenset()  # keys that a card of it must have
    learns: bool = True  # whether gradients change it
    trains: bool = True  # whether they do so here; False: it was trained elsewhere, and is measured as it is
    acts: bool = True  # whether it is a policy
    starts: bool = False  # whether it may go on from the weights of another run
    gpu: bool = False  # whether it may compute on a GPU
    trains_with: str = ""  # the module that it imports in order to train, where that is not `implementation`'s
    evaluations: frozenset[EvaluationName] = frozenset({"final"})  # what is measured

    def missing(self, values: Mapping[str, Any]) -> list[str]:
        """The keys that a card must have and these values lack: those of them that their algorithm takes."""
        lacking = self.required - values.keys()
        if not lacking or self.ranges is None or "algorithm" in lacking:
            return sorted(lacking)
        taken = self.ranges(values)
        return sorted(lacking & taken.keys() if taken else lacking)

    @property
    def steps_env(self) -> bool:
        """Whether it learns by interaction."""
        return self.learns and "env" in self.needs

    @property
    def steps_key(self) -> str:
        """The key of a card that says how long it trains, in the unit of its curves."""
        return "steps" if self.curve_unit == "env_steps" else "gradient_steps"

    def steps(self, values: Mapping[str, Any], logged: int | None = None) -> int:
        """How many a training takes, in the unit of its curves. logged: steps of its log; None: unknown."""
        if not self.learns:
            return 0
        if self.steps_on is not None and logged is not None:
            return self.steps_on(values, logged)
        return int(values.get(self.steps_key, 0))

    @property
    def learns_offline(self) -> bool:
        """Whether it learns from a log alone."""
        return self.learns and "env" not in self.needs

    def samples(self, values: Mapping[str, Any]) -> bool:
        """Whether its deployed policy draws its actions: as the card's `action_selection` says, where it has that key;
        what learns nothing is random play.
        """
        return values.get("action_selection") == "sampled" or (self.acts and not self.learns)

    @property
    def modules(self) -> tuple[str, ...]:
        """All that training imports, in seconds that are none of the training's."""
        # The first optimiser of a process would import torch._dynamo.
        return (self.implementation.partition(":")[0], self.trains_with, "torch._dynamo") if self.learns else ()

    def prepare(self) -> None:
        """Import what training imports."""
        for name in filter(None, self.modules):
            importlib.import_module(name)

    def load(self) -> type[Learner]:
        """The class, imported."""
        module, _, attribute = self.implementation.partition(":")
        found: type[Learner] = getattr(importlib.import_module(module), attribute)
        return found


class Learner(Protocol):
    """Fits one agent to one task."""

    scales: Mapping[str, Any]  # of a condition: the chosen target return and the log's range; empty without one

    @classmethod
    def check(cls, env: EnvSpec, hyperparameters: Mapping[str, Any]) -> None:
        """Raise InputError where a value cannot be used, or the environment's actions do not fit, before any work."""

    @classmethod
    def check_task(cls, task: Task) -> None:
        """Raise InputError where values, log and weights do not fit together, before a run is begun."""

    @property
    def num_parameters(self) -> int:
        """Numbers that gradients changed."""

    def fit(self, task: Task, log: RunLog) -> Cost:
        """Learn, continuing from the checkpoint in `log.directory` if there is one."""

    def policy(self, sample: bool = False) -> Policy:
        """The learned policy; `sample` draws actions instead of taking the best."""

    def save(self, directory: Path) -> None:
        """Write what `load` needs."""

    @classmethod
    def load(cls, directory: Path, env: EnvSpec | None, hyperparameters: Mapping[str, Any]) -> Learner:
        """The inverse of `save`."""
