"""Training a trajectory model: gradient steps, held-out loss, curves, checkpoints, in the loop of `agents.loop`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from rlformer.agents import loop
from rlformer.agents.base import RunLog
from rlformer.agents.loop import DivergedError, Pace
from rlformer.agents.sequence import placement
from rlformer.agents.sequence.objectives.base import Loss
from rlformer.agents.sequence.training import memory
from rlformer.agents.sequence.training.state import State, TrainOptions
from rlformer.agents.sequence.training.step import GradientStep
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core.errors import InputError
from rlformer.core.records import Cost, Window
from rlformer.data.windows import Windows, moved

Evaluate = Callable[[TrajectoryModel, int], Mapping[str, float]]  # of a model on the CPU: `agents.base.Evaluate`


def train(
    model: TrajectoryModel,
    loss: Loss,
    batches: Windows,
    held_out: list[Window],
    options: TrainOptions,
    log: RunLog,
    seed: int,
    evaluate: Evaluate | None = None,
    device: torch.device | None = None,
    cost: Cost | None = None,
    pretraining: Loss | None = None,
) -> tuple[int, int]:
    """Train `model` in place and leave it on the CPU, with the weights of the lowest held-out loss.

    Continues from `log.directory`/checkpoints/last. On the CPU with the same number of threads the weights are, bit
    for bit, those of a training that was never interrupted. `evaluate` is asked at the points of `core.grid` and at the
    end. device: where to train, with all of the log there; the CPU by default. cost: of reading it. pretraining: the
    loss of the first `pretraining_steps` of the options, in which nothing is validated or evaluated. Returns (gradient
    steps, transitions seen with repeats).

    Raises Interrupted when the log asks to stop, DivergedError when the loss or its gradient is not finite.
    """
    memory.keep_freed()
    if device is not None and device.type == "cuda":
        batches, held_out = _on_gpu(model, batches, held_out, device)
    state = State(model, options, seed, log.directory / "checkpoints" / "last")
    training = _Training(state, loss, batches, held_out, log, evaluate, cost or Cost(), pretraining)
    loop.resume(training, log)
    model.train()
    try:
        loop.run(training, training.pace, log)
        model.load_state_dict(state.best_weights)
    finally:
        model.to("cpu")
    return state.step, state.samples_seen


class _Training:
    """See `agents.loop.Training`; a step is a gradient step."""

    def __init__(
        self,
        state: State,
        loss: Loss,
        batches: Windows,
        held_out: list[Window],
        log: RunLog,
        evaluate: Evaluate | None,
        cost: Cost,
        pretraining: Loss | None,
    ) -> None:
        self._state, self._loss, self._held_out = state, loss, held_out
        self._log, self._evaluate, self._cost = log, evaluate, cost
        self._gradient_step = GradientStep(state, loss, batches, pretraining=pretraining)
        self._gradient_norm = 0.0
        o = state.options
        self.pace = Pace(
            total=o.gradient_steps,
            log_every=o.log_every,
            validate_every=o.validate_every,
            evaluate=evaluate is not None,
            checkpoint_seconds=o.checkpoint_seconds,
        )

    @property
    def step(self) -> int:
        return self._state.step

    def ended(self) -> bool:
        return self._state.ended()

    def advance(self) -> None:
        found = self._gradient_step()
        if not found.finite:
            raise DivergedError(_diverged(self._state, found.loss))
        self._gradient_norm = found.gradient_norm

    def scalars(self) -> Mapping[str, float]:
        state, norm = self._state, self._gradient_norm
        return {
            **{f"train/{name}": mean for name, mean in state.take_means().items()},
            "train/gradient_norm": norm,
            **layer_norms(state.model, norm),
            "train/learning_rate": state.options.learning_rate_at(state.step - 1),
        }

    def validate(self) -> Mapping[str, float]:
        if self._state.step <= self._state.options.pretraining_steps and self._state.options.pretraining_steps:
            return {}
        loss = held_out_loss(self._state.model, self._loss, self._held_out)
        self._state.validated(loss)
        return {"train/held_out_loss": loss}

    def evaluate(self, step: int) -> Mapping[str, float]:
        assert self._evaluate is not None, "the pace asks for none"
        if self._state.pretraining:
            return {}
        with torch.random.fork_rng(devices=()):
            scores = self._evaluate(_on_cpu(self._state.model), step)
        self._state.model.train()
        return scores

    def note(self) -> str:
        loss = self._state.best_loss  # infinite before the first validation
        return f"held-out loss {loss:.4f}" if math.isfinite(loss) else ""

    def save(self) -> None:
        """With what was taken of a GPU until then."""
        self._state.save()
        self._log.spent(replace(self._cost, samples_seen=self._state.samples_seen))
        device = self._state.device
        if device.type == "cuda":
            self._log.on_gpu(torch.cuda.get_device_name(device), torch.cuda.max_memory_allocated(device))

    def restore(self) -> str | None:
        return self._state.restore()


@torch.no_grad()
def held_out_loss(model: TrajectoryModel, loss: Loss, windows: list[Window]) -> float:
    """Mean over the real steps of fixed windows, without dropout."""
    training = model.training
    losses = torch.stack([loss(model.eval(), window)[0].sum(dtype=torch.float64) for window in windows])
    steps = torch.stack([window.mask.sum() for window in windows])
    model.train(training)
    return float(losses.sum() / steps.sum())


def layer_norms(model: TrajectoryModel, norm: float) -> dict[str, float]:
    """The gradient's norm in each layer, `train/gradient_norm/<module>`: squared, they add up to the whole's, `norm`.

    The gradients themselves were clipped meanwhile, all in the same proportion.
    """
    squares: dict[str, list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            parts = name.split(".")
            layer = ".".join(parts[:3] if "blocks" in parts else parts[:1])
            squares.setdefault(layer, []).append(parameter.grad.square().sum())
    sums = torch.stack([torch.stack(part).sum() for part in squares.values()])
    shares = (sums / sums.sum().clamp(min=torch.finfo(sums.dtype).tiny)).sqrt().tolist()
    return {f"train/gradient_norm/{layer}": norm * share for layer, share in zip(squares, shares, strict=True)}


def _on_gpu(
    model: TrajectoryModel, batches: Windows, held_out: list[Window], device: torch.device
) -> tuple[Windows, list[Window]]:
    """All that a training reads, there. Raises InputError where it does not fit."""
    torch.cuda.reset_peak_memory_stats(device)
    try:
        model.to(device)
        return batches.to(device), [moved(window, device) for window in held_out]
    except torch.OutOfMemoryError as error:
        text = " ".join(str(error).split())
        raise InputError(f"--device {device}: the log does not fit into its memory: {text}") from error


def _on_cpu(model: TrajectoryModel) -> TrajectoryModel:
    """To act with: it does so in the host's memory."""
    weights = model.state_dict()
    if all(placement.on_host(weight.device) for weight in weights.values()):
        return model
    copied = TrajectoryModel(model.architecture)
    copied.load_state_dict({name: weight for name, weight in weights.items() if not name.startswith("auxiliary.")})
    return copied


def _diverged(state: State, loss: float) -> str:
    at = f"the loss or its gradient is not finite at gradient step {state.step} (loss {loss})"
    kept = "there is no checkpoint yet"
    if state.directory.exists():
        kept = f"the last checkpoint is in {state.directory}"
    return f"{at}; {kept}. A lower learning_rate or a tighter gradient_clip usually mends it"
