"""The offline family that imitates a log: the Decision Transformer and its relatives."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rlformer.agents import devices
from rlformer.agents.base import Learner, RunLog, Task
from rlformer.agents.sequence.acting import SequencePolicy
from rlformer.agents.sequence.architecture import Architecture
from rlformer.agents.sequence.memory import check_memory, check_weights
from rlformer.agents.sequence.objectives import NO_PRETRAINING, objective, pretraining, pretraining_steps
from rlformer.agents.sequence.objectives.base import Objective, ObjectiveOptions, equip, strip
from rlformer.agents.sequence.ranges import RANGES, can_sample
from rlformer.agents.sequence.start import begin, check_start
from rlformer.agents.sequence.training.state import TrainOptions
from rlformer.agents.sequence.training.train import train
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core import files, ranges, seeding
from rlformer.core.errors import InputError
from rlformer.core.records import SCHEMA, Cost, EnvSpec
from rlformer.core.spaces import ActionSpec, ObservationSpec, Spaces
from rlformer.data import scales, targets
from rlformer.data.dataset import Dataset
from rlformer.data.windows import Windows
from rlformer.envs.make import spaces_of

_HELD_OUT_WINDOWS, _HELD_OUT_BATCH = 2048, 256


class SequenceLearner(Learner):
    """Trains a trajectory model on a log. See `agents.base.Learner`."""

    def __init__(self) -> None:
        self.model: TrajectoryModel | None = None
        self.scales: dict[str, Any] = {}  # of the condition: the chosen target return, the log's range
        self._samples = False  # whether its deployed policy draws its actions

    @classmethod
    def check(cls, env: EnvSpec, hyperparameters: Mapping[str, Any]) -> None:
        """See `agents.base.Learner`."""
        for key, value in hyperparameters.items():
            if isinstance(value, Mapping):
                raise InputError(f"{key}: expected a number; final_learning_rate and warmup_steps make the schedule")
        ranges.check(hyperparameters, RANGES)
        size = max(1, hyperparameters.get("latent_width", 0))  # fits; whether it fits the log, `fit` says
        spaces = Spaces(ObservationSpec.vector(size), ActionSpec("discrete", nvec=(2,)))
        architecture = _architecture(hyperparameters, spaces, 1)
        _check_latent(hyperparameters, env)
        _objectives(hyperparameters, architecture)
        _check_selection(hyperparameters, env)
        check_memory(architecture, hyperparameters["batch_size"])
        targets.choose(hyperparameters["target_return"], np.zeros(1))

    @classmethod
    def check_task(cls, task: Task) -> None:
        """See `agents.base.Learner`."""
        assert isinstance(task.dataset, Dataset)
        architecture = _usable(task.hyperparameters, task.dataset)
        _objectives(task.hyperparameters, architecture)
        _options(task.hyperparameters)
        _parts(task.hyperparameters, task.dataset, task.seed)
        if task.weights is not None:
            check_start(architecture, task.weights)

    def fit(self, task: Task, log: RunLog) -> Cost:
        """See `agents.base.Learner`. Raises InputError where the log or a value cannot be used."""
        values, dataset = task.hyperparameters, task.dataset
        assert isinstance(dataset, Dataset)
        architecture = _usable(values, dataset)
        taught, before = _objectives(values, architecture)
        options, device = _options(values), devices.device(task.device)
        self._samples = values.get("action_selection") == "sampled"
        log.spent(dataset.cost)
        training, held_out = _parts(values, dataset, task.seed)
        if architecture.context_length > dataset.lengths.max():
            log.note(
                f"context_length {architecture.context_length} is longer than every episode of the log (at most "
                f"{dataset.lengths.max()} steps): the rest is padding"
            )
        self.scales = _return_scales(values, dataset) if architecture.conditioning == "return" else {}
        torch.set_num_threads(task.threads)
        torch.manual_seed(seeding.derive(task.seed, "weights"))
        measured = scales.measure(training, values["return_scale"], values["standardise"])
        self.model = TrajectoryModel(architecture, measured)
        if task.weights is not None:
            log.note(begin(self.model, task.weights))
        equip(self.model, taught, *([] if before is None else [before]))
        windows, check = (Windows(part, architecture.context_length) for part in (training, held_out))
        fixed = check.some(_HELD_OUT_WINDOWS, _HELD_OUT_BATCH, seeding.generator(task.seed, "held-out"))
        stream, curve = seeding.derive(task.seed, "batches"), self._curve(task)
        chosen = ObjectiveOptions.of(values)
        first = None if before is None else before.make(chosen)
        _, samples_seen = train(
            self.model, taught.make(chosen), windows, fixed, options, log, stream, curve, device, dataset.cost, first
        )
        strip(self.model)
        return replace(dataset.cost, samples_seen=samples_seen)  # of the whole log: the filter read it

    def policy(self, sample: bool = False) -> SequencePolicy:
        """See `agents.base.Learner`."""
        assert self.model is not None, "fit or load first"
        return SequencePolicy(self.model, self.scales.get("target_return"), sample)

    @property
    def num_parameters(self) -> int:
        """Numbers that gradients changed."""
        assert self.model is not None, "fit or load first"
        return self.model.num_parameters

    @property
    def digest(self) -> str:
        """Ten hex digits over the weights."""
        assert self.model is not None, "fit or load first"
        digest = hashlib.sha256()
        for name, value in self.model.state_dict().items():
            digest.update(name.encode() + value.numpy().tobytes())
        return digest.hexdigest()[:10]

    def save(self, directory: Path) -> None:
        """Write model.safetensors and model.json."""
        from safetensors.torch import save

        assert self.model is not None, "fit or load first"
        files.writable_directory(directory)
        with files.replacing(directory / "model.safetensors") as temporary:
            temporary.write_bytes(save({k: v.contiguous() for k, v in self.model.state_dict().items()}))
        files.write_json(
            directory / "model.json",
            {"schema": SCHEMA, "architecture": self.model.architecture.to_dict(), "scales": self.scales},
        )

    @classmethod
    def load(cls, directory: Path, env: EnvSpec | None, hyperparameters: Mapping[str, Any]) -> SequenceLearner:
        """The inverse of `save`. Raises InputError where the files are damaged or of other shapes."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        described = files.read_json(directory / "model.json")
        learner = cls()
        try:
            learner.scales = dict(described["scales"])
            architecture = Architecture.from_dict(described["architecture"])
            architecture.check()
            check_weights(architecture, directory / "model.safetensors")
            learner.model = TrajectoryModel(architecture)
            learner.model.load_state_dict(load_file(directory / "model.safetensors"))
        except (OSError, SafetensorError, RuntimeError, TypeError, KeyError, ValueError, AttributeError) as error:
            raise InputError(f"{directory}: the weights cannot be read: {' '.join(str(error).split())}") from error
        learner.model.eval()
        return learner

    def _curve(self, task: Task) -> Callable[[TrajectoryModel, int], Mapping[str, float]] | None:
        """The evaluation in the environment during training, if the task has one."""
        evaluate = task.evaluate
        if evaluate is None:
            return None

        def scores(model: TrajectoryModel, step: int) -> Mapping[str, float]:
            return evaluate(SequencePolicy(model, self.scales.get("target_return"), self._samples), step)

        return scores


def _architecture(values: Mapping[str, Any], spaces: Spaces, longest: int) -> Architecture:
    architecture = Architecture.of(values, spaces, longest)
    architecture.check()
    return architecture


def _usable(values: Mapping[str, Any], dataset: Dataset) -> Architecture:
    """The architecture for a log. Raises InputError where a value and the log do not fit together."""
    ranges.check(values, RANGES)
    longest = int(dataset.lengths.max())
    architecture = _architecture(values, dataset.info.spaces, longest)
    _check_sampling(values, dataset.info.actions)
    if architecture.chunk_length > longest:
        raise InputError(
            f"chunk_length: {architecture.chunk_length} actions, and the longest episode of the log has {longest} "
            "steps: at most that"
        )
    return architecture


def _objectives(values: Mapping[str, Any], architecture: Architecture) -> tuple[Objective, Objective | None]:
    """What it learns, and what before. Raises InputError where that cannot be."""
    found = objective(values["objective"], architecture)
    before = pretraining(values.get("pretraining", NO_PRETRAINING), architecture)
    for each in filter(None, (found, before)):
        each.make(ObjectiveOptions.of(values))
    if before is not None and not 0 < pretraining_steps(values) < values["gradient_steps"]:
        raise InputError(
            f"pretraining_share: {values['pretraining_share']} of {values['gradient_steps']} gradient steps leaves "
            "none for one of the two: more gradient_steps"
        )
    if architecture.latent_width and architecture.latent_frozen and values.get("pretraining") != "autoencoder":
        raise InputError(
            "latent_frozen: nothing has made the latent: --set pretraining=autoencoder, or --set latent_frozen=false"
        )
    return found, before


def _check_latent(values: Mapping[str, Any], env: EnvSpec) -> None:
    """Raise InputError where the latent is wider than an observation. Where the environment is not here `fit` does."""
    if values.get("latent_width"):
        try:
            spaces = spaces_of(env)
        except InputError:
            return
        _architecture(values, spaces, 1)


def _check_selection(values: Mapping[str, Any], env: EnvSpec) -> None:
    """Raise InputError where actions cannot be sampled. Where the environment is not here the log tells: see `fit`."""
    if values.get("action_selection") == "sampled":
        try:
            spaces = spaces_of(env)
        except InputError:
            return
        _check_sampling(values, spaces.actions)


def _check_sampling(values: Mapping[str, Any], actions: ActionSpec) -> None:
    if values.get("action_selection") == "sampled" and not can_sample(values, actions):
        raise InputError(
            "action_selection: sampled needs a distribution, which the head of real actions here lacks: "
            "--set action_head=gaussian has one, or --set action_selection=greedy"
        )


def _options(values: Mapping[str, Any]) -> TrainOptions:
    known = {f.name: values[f.name] for f in fields(TrainOptions) if f.name in values}
    options = TrainOptions(**known, pretraining_steps=pretraining_steps(values))
    options.check()
    return options


def _parts(values: Mapping[str, Any], dataset: Dataset, seed: int) -> tuple[Dataset, Dataset]:
    """The episodes to train on and those held out, after the filter."""
    if values["episode_filter"] == "top":
        dataset = dataset.top(max(values["episode_filter_share"], 2 / len(dataset)))  # two, so that one can be held out
    return dataset.split(values["held_out_share"], seeding.generator(seed, "split"))


def _return_scales(values: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
    returns = dataset.returns
    target, rule = targets.choose(values["target_return"], returns)
    low, median, high = np.quantile(returns, [0.0, 0.5, 1.0]).tolist()
    return {
        "target_return": target,
        "rule": rule,
        "rules": {name: ask(returns) for name, ask in targets.RULES.items()},  # what each would ask for
        "log_min": low,
        "log_median": median,
        "log_max": high,
    }
