"""One loop for every trajectory model: draw, differentiate, clip, step; validate, log, checkpoint, continue."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from rlformer.data.windows import Windows
from rlformer.errors import Interrupted
from rlformer.models.trajectory import TrajectoryModel
from rlformer.runs.metrics import Throttle
from rlformer.training import memory
from rlformer.training.state import State, TrainOptions
from rlformer.types import RunLog, Window

Objective = Callable[[TrajectoryModel, Window], Tensor]


class DivergedError(RuntimeError):
    """The loss is not finite; the last checkpoint holds the state from before."""


def imitate(model: TrajectoryModel, window: Window) -> Tensor:
    """Loss of the logged action at each real step: (real steps,). Padding does not enter."""
    losses = model.codec.loss(model(window), window.actions)  # (B, K)
    return losses[window.mask]


def train(
    model: TrajectoryModel,
    objective: Objective,
    batches: Windows,
    held_out: list[Window],
    options: TrainOptions,
    log: RunLog,
    seed: int,
    evaluate: Callable[[TrajectoryModel], Mapping[str, float]] | None = None,
) -> tuple[int, int]:
    """Train `model` in place and leave it with the weights of the lowest held-out loss.

    Continues from `log.directory`/checkpoints/last. On the CPU with the same number of threads the weights are, bit
    for bit, those of a training that was never interrupted. `evaluate` gives points of curves, every
    `evaluate_every` steps and at the end. Returns (gradient steps, transitions seen with repeats).

    Raises Interrupted when the log asks to stop, DivergedError when the loss or its gradient is not finite.
    """
    memory.keep_freed()
    state = State(model, options, seed, log.directory / "checkpoints" / "last")
    if (warning := state.restore()) is not None:
        log.note(warning)
    log.rewind(state.step)
    progress_due = Throttle(0.2)
    logged_step, logged_at = state.step, time.perf_counter()
    model.train()

    while not state.ended():
        if log.stop_requested():
            state.save()
            raise Interrupted
        losses = objective(model, batches.draw(options.batch_size, state.batches))
        loss = losses.mean()
        state.parameters.gradients.zero_()
        loss.backward()
        step = state.step + 1
        log_due = step % options.log_every == 0 or step == options.gradient_steps
        norms = layer_norms(model) if log_due else {}
        norm = state.parameters.clip_gradients(options.gradient_clip or math.inf)
        if not math.isfinite(norm):
            raise DivergedError(_diverged(state, float(loss.detach())))
        state.descend(float(loss.detach()), len(losses))

        if log_due:
            now = time.perf_counter()
            values = {"train/loss": state.take_mean_loss(), "train/gradient_norm": norm, **norms}
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
                scores = evaluate(model)
            model.train()
            log.scalars(scores, step)
            logged_at += time.perf_counter() - since
        if state.save_due:
            state.save()
        if state.ended() or progress_due():
            log.progress(step, options.gradient_steps, f"held-out loss {state.best_loss:.4f}")
    state.save()
    model.load_state_dict(state.best_weights)
    return state.step, state.samples_seen


@torch.no_grad()
def held_out_loss(model: TrajectoryModel, objective: Objective, windows: list[Window]) -> float:
    """Mean over the real steps of fixed windows, without dropout."""
    training = model.training
    losses = torch.cat([objective(model.eval(), window) for window in windows])
    model.train(training)
    return float(losses.mean())


def layer_norms(model: TrajectoryModel) -> dict[str, float]:
    """The gradient's norm in each layer, `train/gradient_norm/<module>`: squared, they add up to the whole's."""
    squares: dict[str, list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            parts = name.split(".")
            layer = ".".join(parts[:3] if "blocks" in parts else parts[:1])
            squares.setdefault(layer, []).append(parameter.grad.square().sum())
    return {f"train/gradient_norm/{layer}": float(torch.stack(part).sum().sqrt()) for layer, part in squares.items()}


def _diverged(state: State, loss: float) -> str:
    at = f"the loss or its gradient is not finite at gradient step {state.step + 1} (loss {loss})"
    kept = "no checkpoint was made yet"
    if state.directory.exists():
        kept = f"the last checkpoint is in {state.directory}"
    return f"{at}; {kept}. A lower learning_rate or a tighter gradient_clip usually mends it"
