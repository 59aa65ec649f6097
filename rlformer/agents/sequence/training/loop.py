"""One loop for every trajectory model: step; validate, log, checkpoint, continue."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from rlformer.agents.base import RunLog
from rlformer.agents.sequence import placement
from rlformer.agents.sequence.training import memory
from rlformer.agents.sequence.training.state import State, TrainOptions
from rlformer.agents.sequence.training.step import GradientStep, Objective
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core.errors import InputError, Interrupted
from rlformer.core.records import Window
from rlformer.data.windows import Windows, moved
from rlformer.runs.metrics import Throttle


class DivergedError(RuntimeError):
    """The loss is not finite; the last checkpoint holds the state from before."""


def train(
    model: TrajectoryModel,
    objective: Objective,
    batches: Windows,
    held_out: list[Window],
    options: TrainOptions,
    log: RunLog,
    seed: int,
    evaluate: Callable[[TrajectoryModel], Mapping[str, float]] | None = None,
    device: torch.device | None = None,
) -> tuple[int, int]:
    """Train `model` in place and leave it on the CPU, with the weights of the lowest held-out loss.

    Continues from `log.directory`/checkpoints/last. On the CPU with the same number of threads the weights are, bit
    for bit, those of a training that was never interrupted. `evaluate` gives points of curves, every
    `evaluate_every` steps and at the end, of a model on the CPU. device: where to train, with all of the log there; the
    CPU by default. Returns (gradient steps, transitions seen with repeats).

    Raises Interrupted when the log asks to stop, DivergedError when the loss or its gradient is not finite.
    """
    memory.keep_freed()
    if device is not None and device.type == "cuda":
        batches, held_out = _on_gpu(model, batches, held_out, device)
    state = State(model, options, seed, log.directory / "checkpoints" / "last")
    if (warning := state.restore()) is not None:
        log.note(warning)
    log.rewind(state.step)
    progress_due = Throttle(0.2)
    gradient_step = GradientStep(state, objective, batches)
    logged_step, logged_at = state.step, time.perf_counter()
    model.train()

    while not state.ended():
        if log.stop_requested():
            _save(state, log)
            raise Interrupted
        found = gradient_step()
        if not found.finite:
            raise DivergedError(_diverged(state, found.loss))
        step = state.step
        if step % options.log_every == 0 or step == options.gradient_steps:
            now = time.perf_counter()
            values = {"train/loss": state.take_mean_loss(), "train/gradient_norm": found.gradient_norm}
            values |= layer_norms(model, found.gradient_norm)
            values["train/learning_rate"] = options.learning_rate_at(step - 1)
            values["train/steps_per_second"] = (step - logged_step) / (now - logged_at)
            log.scalars(values, step)
            logged_step, logged_at = step, now
        if step % options.validate_every == 0 or step == options.gradient_steps:
            held_out_now = held_out_loss(model, objective, held_out)
            state.validated(held_out_now)
            log.scalars({"train/held_out_loss": held_out_now}, step)
        if evaluate and options.evaluate_every and (step % options.evaluate_every == 0 or state.ended()):
            since = time.perf_counter()
            with log.clock("evaluation"), torch.random.fork_rng(devices=()):
                scores = evaluate(_on_cpu(model))
            model.train()
            log.scalars(scores, step)
            logged_at += time.perf_counter() - since
        if state.save_due:
            _save(state, log)
        if state.ended() or progress_due():
            log.progress(step, options.gradient_steps, f"held-out loss {state.best_loss:.4f}")
    _save(state, log)
    model.load_state_dict(state.best_weights)
    model.to("cpu")
    return state.step, state.samples_seen


@torch.no_grad()
def held_out_loss(model: TrajectoryModel, objective: Objective, windows: list[Window]) -> float:
    """Mean over the real steps of fixed windows, without dropout."""
    training = model.training
    losses = torch.stack([objective(model.eval(), window).sum(dtype=torch.float64) for window in windows])
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


def _save(state: State, log: RunLog) -> None:
    """Write the checkpoint, and tell what was taken of a GPU until then."""
    state.save()
    if state.device.type == "cuda":
        log.on_gpu(torch.cuda.get_device_name(state.device), torch.cuda.max_memory_allocated(state.device))


def _on_cpu(model: TrajectoryModel) -> TrajectoryModel:
    """To act with: it does so in the host's memory."""
    weights = model.state_dict()
    if all(placement.on_host(weight.device) for weight in weights.values()):
        return model
    copied = TrajectoryModel(model.architecture)
    copied.load_state_dict(weights)
    return copied


def _diverged(state: State, loss: float) -> str:
    at = f"the loss or its gradient is not finite at gradient step {state.step} (loss {loss})"
    kept = "no checkpoint was made yet"
    if state.directory.exists():
        kept = f"the last checkpoint is in {state.directory}"
    return f"{at}; {kept}. A lower learning_rate or a tighter gradient_clip usually mends it"
