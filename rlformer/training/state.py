"""All that decides a training's next step, and its checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rlformer.errors import InputError
from rlformer.models.trajectory import TrajectoryModel
from rlformer.training import checkpoints
from rlformer.training.parameters import FlatParameters


@dataclass(frozen=True)
class TrainOptions:
    """How to descend. Steps are gradient steps."""

    gradient_steps: int
    batch_size: int = 64
    learning_rate: float = 1e-4
    final_learning_rate: float = 1.0  # as a share of `learning_rate`, reached by a cosine after the warm-up
    warmup_steps: int = 0
    weight_decay: float = 1e-4
    gradient_clip: float = 0.25  # the gradient's largest norm; 0: any
    validate_every: int = 500
    patience: int = 0  # validations without a lower held-out loss before it stops; 0: never
    evaluate_every: int = 0  # steps between evaluations in the environment; 0: none
    log_every: int = 100
    checkpoint_seconds: float = 10.0  # between checkpoints; more where making one takes long

    def learning_rate_at(self, step: int) -> float:
        """Of the step after `step` others: a linear warm-up, then a cosine down to the final share."""
        warm = min(1.0, (step + 1) / max(1, self.warmup_steps))
        through = (step - self.warmup_steps) / max(1, self.gradient_steps - self.warmup_steps)
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, through))))
        return self.learning_rate * warm * (self.final_learning_rate + (1 - self.final_learning_rate) * cosine)


class State:
    """Model, optimiser, streams and counts. `save` and `restore` keep them whole, bit for bit."""

    def __init__(self, model: TrajectoryModel, options: TrainOptions, seed: int, directory: Path) -> None:
        self.model, self.options, self.directory = model, options, directory
        self.parameters = FlatParameters(model)
        self.optimizer = torch.optim.AdamW(self.parameters.groups(options.weight_decay), fused=True)
        self.batches = np.random.default_rng(seed)
        torch.manual_seed(seed)  # dropout
        self.step = self.samples_seen = 0
        self.loss_sum, self.loss_count = 0.0, 0  # of the training loss since it was last logged
        self.best_loss, self.stale = math.inf, 0  # held-out; validations since it was the lowest
        self.best_weights = self._weights()

    @property
    def done(self) -> bool:
        """Whether all steps were made, or too many without a lower held-out loss."""
        return self.step >= self.options.gradient_steps or 0 < self.options.patience <= self.stale

    def descend(self) -> None:
        """One step of the optimiser along the gradients."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.learning_rate_at(self.step)
        self.optimizer.step()
        self.step += 1

    def validated(self, loss: float) -> None:
        """Keep the weights if `loss` on held-out episodes is the lowest yet."""
        if loss < self.best_loss:
            self.best_loss, self.stale, self.best_weights = loss, 0, self._weights()
        else:
            self.stale += 1

    def save(self) -> None:
        """Write the checkpoint."""
        arrays = {f"model.{name}": value for name, value in self._weights().items()}
        arrays |= {f"best.{name}": value for name, value in self.best_weights.items()}
        for index, entry in self.optimizer.state_dict()["state"].items():
            arrays |= {f"optimizer.{index}.{name}": value for name, value in entry.items()}
        arrays["random"] = torch.get_rng_state()
        counts = {name: getattr(self, name) for name in _COUNTS}
        counts["best_loss"] = None if math.isinf(self.best_loss) else self.best_loss
        numbers = {**counts, "batches": self.batches.bit_generator.state}
        checkpoints.save(self.directory, {name: value.numpy() for name, value in arrays.items()}, numbers)

    def restore(self) -> str | None:
        """Continue from the checkpoint, if there is one; a warning where it was damaged.

        Raises InputError where it is of another model.
        """
        found, warning = checkpoints.load(self.directory)
        if found is None:
            return warning
        tensors = {name: torch.from_numpy(array) for name, array in found.arrays.items()}
        ...

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.model.state_dict().items()}
