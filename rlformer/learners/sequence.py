"""The offline family that imitates a log: the Decision Transformer and its relatives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rlformer import seeding
from rlformer.data.dataset import Dataset
from rlformer.data.targets import RULES
from rlformer.data.windows import Windows, returns_to_go
from rlformer.errors import InputError
from rlformer.models.acting import SequencePolicy
from rlformer.models.trajectory import Architecture, Scales, TrajectoryModel
from rlformer.runs import files
from rlformer.training.loop import TrainOptions, imitate, train
from rlformer.types import SCHEMA, DataCost, EnvSpec, RunLog, Task

_HELD_OUT_WINDOWS, _HELD_OUT_BATCH = 2048, 256


class SequenceLearner:
    """Trains a trajectory model on a log. See `types.Learner`."""

    needs = frozenset({"dataset"})

    def __init__(self) -> None:
        self.model: TrajectoryModel | None = None
        self.scales: dict[str, Any] = {}  # of the condition: the chosen target return, the log's range

    def fit(self, task: Task, log: RunLog) -> DataCost:
        """See `types.Learner`. Raises InputError where the log or a value cannot be used."""
        values, dataset = dict(task.hyperparameters), task.dataset
        assert isinstance(dataset, Dataset)
        kept = _filtered(dataset, values["episode_filter"], values["episode_filter_share"])
        training, held_out = kept.split(values["held_out_share"], seeding.generator(task.seed, "split"))
        architecture = _architecture(values, dataset)
        context = architecture.context_length
        if context > dataset.lengths.max():
            log.note(
                f"context_length {context} is longer than every episode of the log (at most {dataset.lengths.max()} "
                "steps): what lies beyond is padding"
            )
        torch.set_num_threads(task.threads)
        torch.manual_seed(seeding.derive(task.seed, "weights"))
        self.model = TrajectoryModel(architecture, _scales(training, values["return_scale"], architecture))
        self.scales = _return_scales(dataset, values, architecture.conditioning == "return")
        batches, check = Windows(training, context), Windows(held_out, context)
        rng = seeding.generator(task.seed, "held-out")
        draws = max(1, min(_HELD_OUT_WINDOWS, held_out.num_steps) // _HELD_OUT_BATCH)
        fixed = [check.draw(min(_HELD_OUT_BATCH, held_out.num_steps), rng) for _ in range(draws)]
        options = TrainOptions(**{f.name: values[f.name] for f in fields(TrainOptions) if f.name in values})
        _, samples_seen = train(
            self.model,
            imitate,
            batches,
            fixed,
            options,
            log,
            seeding.derive(task.seed, "batches"),
            evaluate=self._curve(task),
        )
        return DataCost(
            logged_steps=dataset.num_steps,  # the filter read them all
            upstream_env_steps=dataset.upstream_env_steps,
            samples_seen=samples_seen,
        )

    def policy(self, sample: bool = False) -> SequencePolicy:
        """See `types.Learner`."""
        assert self.model is not None, "fit or load first"
        return SequencePolicy(self.model, self.scales.get("target_return"), sample)

    @property
    def num_parameters(self) -> int:
        """Numbers that gradients changed."""
        assert self.model is not None, "fit or load first"
        return self.model.num_parameters

    def save(self, directory: Path) -> None:
        """Write model.safetensors and model.json."""
        from safetensors.torch import save_file

        assert self.model is not None, "fit or load first"
        files.writable_directory(directory)
        with files.replacing(directory / "model.safetensors") as temporary:
            save_file({k: v.contiguous() for k, v in self.model.state_dict().items()}, temporary)
        files.write_json(
            directory / "model.json",
            {"schema": SCHEMA, "architecture": _jsonable(self.model.architecture.to_dict()), "scales": self.scales},
        )

    @classmethod
    def load(cls, directory: Path, env: EnvSpec | None, hyperparameters: Mapping[str, Any]) -> SequenceLearner:
        """The inverse of `save`. Raises InputError where the files are damaged or of other shapes."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        described = files.read_json(directory / "model.json")
        learner = cls()
        learner.scales = described["scales"]
        try:
            learner.model = TrajectoryModel(Architecture.from_dict(described["architecture"]))
            learner.model.load_state_dict(load_file(directory / "model.safetensors"))
        except (OSError, SafetensorError, RuntimeError, TypeError) as error:
            raise InputError(f"{directory}: the weights cannot be read: {' '.join(str(error).split())}") from error
        learner.model.eval()
        return learner

    def _curve(self, task: Task) -> Any:
        """The evaluation in the environment during training, if the task has one."""
        if task.evaluate is None:
            return None

        def scores(model: TrajectoryModel) -> dict[str, float]:
            result = task.evaluate(SequencePolicy(model, self.scales.get("target_return")))
            values = {"eval/return": result.mean, "eval/length": float(result.lengths.mean())}
            normalized = task.env.normalize(result.mean) if task.env else None
            return values if normalized is None else {**values, "eval/normalized_score": normalized}

        return scores


def _filtered(dataset: Dataset, rule: str, share: float) -> Dataset:
    if rule == "none":
        return dataset
    if rule == "top":
        return dataset.top(share)
    raise InputError(f"episode_filter: '{rule}' is none of none, top")


def _architecture(values: Mapping[str, Any], dataset: Dataset) -> Architecture:
    known = {f.name: values[f.name] for f in fields(Architecture) if f.name in values}
    known["observation_size"] = int(np.prod(dataset.info.observation_shape))
    known["actions"] = dataset.info.actions
    if not values["max_timesteps"]:
        known["max_timesteps"] = int(dataset.lengths.max())
    architecture = Architecture(**known)
    architecture.check()
    return architecture


def _scales(training: Dataset, return_scale: float, architecture: Architecture) -> Scales:
    """Statistics over the training episodes. A constant feature keeps its scale."""
    rows = np.concatenate([e.observations[:-1] for e in training]).astype(np.float64)
    std = rows.std(axis=0)
    actions = None
    if architecture.actions.kind == "box":
        actions = np.concatenate([e.actions for e in training]).astype(np.float64)
    if not return_scale:
        return_scale = float(np.abs(returns_to_go(training)).max()) or 1.0
    return Scales(
        observation_mean=rows.mean(axis=0),
        observation_std=np.where(std < 1e-6, 1.0, std),
        action_mean=None if actions is None else actions.mean(axis=0),
        action_std=None if actions is None else actions.std(axis=0),
        return_scale=return_scale,
    )


def _return_scales(dataset: Dataset, values: Mapping[str, Any], conditioned: bool) -> dict[str, Any]:
    if not conditioned:
        return {}
    rule = values["target_return"]
    if rule in RULES:
        target = RULES[rule](dataset.returns)
    else:
        try:
            target = float(rule)
        except ValueError:
            raise InputError(f"target_return: '{rule}' is neither a number nor one of {', '.join(RULES)}") from None
        rule = "given"
    returns = dataset.returns
    return {
        "target_return": target,
        "rule": rule,
        "rules": {name: ask(returns) for name, ask in RULES.items()},  # what each would ask for
        "log_min": float(returns.min()),
        "log_median": float(np.median(returns)),
        "log_max": float(returns.max()),
    }


def _jsonable(value: Mapping[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(value))  # type: ignore[no-any-return]
