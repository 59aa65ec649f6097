"""All that decides a training's next step, and its checkpoint."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rlformer.agents.sequence import placement
from rlformer.agents.sequence.ranges import RANGES
from rlformer.agents.sequence.training.parameters import FlatParameters
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core import ranges
from rlformer.core.errors import InputError
from rlformer.runs import checkpoints

_COUNTS = ("step", "samples_seen", "sums", "summed", "stale")  # of a `State`, as they are in its checkpoint


@dataclass(frozen=True)
class TrainOptions:
    """How to descend. Steps are gradient steps."""

    gradient_steps: int  # all of them
    pretraining_steps: int = 0  # the first of them, which a pretraining takes
    batch_size: int = 64
    learning_rate: float = 1e-4
    final_learning_rate: float = 1.0  # as a share of `learning_rate`, reached by a cosine after the warm-up
    warmup_steps: int = 0
    weight_decay: float = 1e-4
    gradient_clip: float = 0.25  # the gradient's largest norm; 0: any
    validate_every: int = 500
    patience: int = 0  # validations without a lower held-out loss before it stops; 0: never
    log_every: int = 100
    checkpoint_seconds: float = 10.0  # between checkpoints; more where making one takes long

    def check(self) -> None:
        """Raise InputError, with what would be right, unless every value is usable."""
        ranges.check(vars(self), RANGES)

    def learning_rate_at(self, step: int) -> float:
        """Of the step after `step` others: a linear warm-up, then a cosine down to the final share; before, in a
        pretraining, a warm-up alone.
        """
        before = self.pretraining_steps
        if step < before:
            return self.learning_rate * min(1.0, (step + 1) / max(1, self.warmup_steps))
        step -= before
        warm = min(1.0, (step + 1) / max(1, self.warmup_steps))
        through = (step - self.warmup_steps) / max(1, self.gradient_steps - before - self.warmup_steps)
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, through))))
        return self.learning_rate * warm * (self.final_learning_rate + (1 - self.final_learning_rate) * cosine)


class State:
    """Model, optimiser, streams and counts. `save` and `restore` keep them whole, bit for bit."""

    def __init__(self, model: TrajectoryModel, options: TrainOptions, seed: int, directory: Path) -> None:
        self.model, self.options, self.directory = model, options, directory
        self.parameters = FlatParameters(model)
        self.device = self.parameters.values.device
        on_cpu = placement.on_host(self.device)
        # On the device, so that a recorded step reads what it is now. A GPU's kernel takes single precision.
        self._rate = torch.zeros((), dtype=torch.float64 if on_cpu else torch.float32, device=self.device)
        groups = self.parameters.groups(options.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, self._rate, fused=True, capturable=not on_cpu)
        self.batches = np.random.default_rng(seed)
        torch.manual_seed(seed)  # dropout
        self.step = self.samples_seen = 0
        self.sums: dict[str, float] = {}  # of the loss, and what else is logged, over the steps since it was
        self.summed = 0  # these steps
        self.best_loss, self.stale = math.inf, 0  # held-out; validations since it was the lowest
        self.best_weights = self._weights()

    def ended(self) -> bool:
        """Whether all steps were made, or too many without a lower held-out loss."""
        return self.step >= self.options.gradient_steps or 0 < self.options.patience <= self.stale

    @property
    def pretraining(self) -> bool:
        """Whether the next step is one of the pretraining."""
        return self.step < self.options.pretraining_steps

    def begin_anew(self) -> None:
        """What a pretraining has told the optimiser, and what was to be logged of it, is forgotten."""
        for entry in self.optimizer.state.values():
            for value in entry.values():
                value.zero_()
        self.sums, self.summed = {}, 0

    def set_learning_rate(self) -> None:
        """To that of the next step."""
        self._rate.fill_(self.options.learning_rate_at(self.step))

    def stepped(self, means: Mapping[str, float], samples: int) -> None:
        """Count a step along the gradients at so many samples, whose mean loss and what else is logged are `means`."""
        self.step += 1
        self.samples_seen += samples
        self.summed += 1
        for name, mean in means.items():
            self.sums[name] = self.sums.get(name, 0.0) + mean

    def take_means(self) -> dict[str, float]:
        """Of the loss and what else is logged, over the training steps since the last call."""
        means = {name: total / self.summed for name, total in self.sums.items()}
        self.sums, self.summed = {}, 0
        return means

    def validated(self, loss: float) -> None:
        """Keep the weights if `loss` on held-out episodes is the lowest yet."""
        if loss < self.best_loss:
            self.best_loss, self.stale, self.best_weights = loss, 0, self._weights()
        else:
            self.stale += 1

    def save(self) -> None:
        """Write the checkpoint."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in self.best_weights.items()}
        for index, entry in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in entry.items()}
        tensors["random"] = torch.get_rng_state()
        if self.device.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state(self.device)
        counts = {name: getattr(self, name) for name in _COUNTS}
        best_loss = None if math.isinf(self.best_loss) else self.best_loss  # JSON has no infinity
        state = {**counts, "best_loss": best_loss, "batches": self.batches.bit_generator.state}
        arrays = {name: tensor.cpu().numpy() for name, tensor in tensors.items()}
        checkpoints.save(self.directory, arrays, state)

    def restore(self) -> str | None:
        """Continue from the checkpoint, if there is one; a warning where one was damaged.

        Raises InputError where it is another model's.
        """
        found = checkpoints.load(self.directory)
        if found is None:
            return None
        arrays, state, warning = found
        if not state:
            return warning
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        try:
            self.model.load_state_dict(_below("model.", tensors))
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{self.directory}: the checkpoint does not fit the model: {reason}") from error
        self.best_weights = _below("best.", tensors)
        entries: dict[int, dict[str, Tensor]] = {}
        for key, tensor in _below("optimizer.", tensors).items():
            index, _, name = key.partition(".")
            entries.setdefault(int(index), {})[name] = tensor
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": entries})
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate  # loading put a copy there
        torch.set_rng_state(tensors["random"])
        if self.device.type == "cuda" and "random.cuda" in tensors:  # not where it was made on a CPU
            torch.cuda.set_rng_state(tensors["random.cuda"], self.device)
        for name in _COUNTS:
            setattr(self, name, state[name])
        self.best_loss = math.inf if state["best_loss"] is None else state["best_loss"]
        self.batches.bit_generator.state = state["batches"]
        return warning

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.model.state_dict().items()}


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
