"""One loop for every trajectory model: draw, differentiate, clip, step; validate, log, checkpoint, continue."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rlformer.data.windows import Windows
from rlformer.errors import Interrupted
from rlformer.models.trajectory import TrajectoryModel
from rlformer.runs.metrics import Throttle
from rlformer.training import checkpoints
from rlformer.types import RunLog, Window

Objective = Callable[[TrajectoryModel, Window], Tensor]


@dataclass(frozen=True)
class TrainOptions:
    """How to descend. Steps are gradient steps."""

    gradient_steps: int
    batch_size: int = 64
    learning_rate: float = 1e-4
    final_learning_rate: float = 1.0  # as a share of `learning_rate`, reached by a cosine after the warm-up
    warmup_steps: int = 0
    weight_decay: float = 1e-4
    gradient_clip: float = 0.25
    validate_every: int = 500
    patience: int = 0  # validations without a lower held-out loss before it stops; 0: never
    evaluate_every: int = 0  # steps between evaluations in the environment; 0: none
    log_every: int = 100


class DivergedError(RuntimeError):
    """The loss is not finite; the last checkpoint holds the state from before."""


def imitate(model: TrajectoryModel, window: Window) -> Tensor:
    """Loss of the logged action at each real step: (real steps,). Padding does not enter."""
    predictions = model(window)
    return model.codec.loss(predictions[window.mask], window.actions[window.mask])


def train(
    model: TrajectoryModel,
    objective: Objective,
    batches: Windows,
    held_out: list[Window],
    options: TrainOptions,
    log: RunLog,
    seed: int,
    evaluate: Callable[[TrajectoryModel], dict[str, float]] | None = None,
) -> tuple[int, int]:
    """Train `model` in place and leave it with the weights of the lowest held-out loss.

    Continues from `log.directory`/checkpoints/last. On the CPU with the same number of threads the weights are, bit for
    bit, those of a training that was never interrupted. Returns (gradient steps, transitions seen with repeats).

    Raises Interrupted when the log asks to stop, DivergedError when the loss is not finite.
    """
    state = _State(model, options, seed, log.directory / "checkpoints" / "last")
    if (warning := state.restore()) is not None:
        log.note(warning)
    log.rewind(state.step)
    checkpoint_due, progress_due = Throttle(10.0), Throttle(0.2)
    checkpoint_due()
    window_losses: list[Tensor] = []
    since = time.perf_counter()

    while state.step < options.gradient_steps and not state.out_of_patience:
        if log.stop_requested():
            state.save()
            raise Interrupted
        model.train()
        window = batches.draw(options.batch_size, state.batches)
        losses = objective(model, window)
        loss = losses.mean()
        state.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), options.gradient_clip or math.inf)
        if not torch.isfinite(norm):
            raise DivergedError(_diverged(state, loss))
        state.optimizer.step()
        state.schedule.step()
        state.step += 1
        state.samples_seen += len(losses)
        window_losses.append(loss.detach())

        last = state.step == options.gradient_steps
        if state.step % options.log_every == 0 or last:
            now = time.perf_counter()
            values = {"train/loss": float(torch.stack(window_losses).mean()), "train/gradient_norm": float(norm)}
            values |= {"train/learning_rate": state.optimizer.param_groups[0]["lr"]}
            values |= {"train/steps_per_second": len(window_losses) / (now - since)}
            log.scalars(values | layer_norms(model), state.step)
            window_losses, since = [], now
        if state.step % options.validate_every == 0 or last:
            state.validated(held_out_loss(model, objective, held_out))
            log.scalars({"train/held_out_loss": state.losses[-1]}, state.step)
        if evaluate and options.evaluate_every and (state.step % options.evaluate_every == 0 or last):
            with log.clock("evaluation"):
                scores = evaluate(model)
            log.scalars(scores, state.step)
            since = time.perf_counter()
        if checkpoint_due():
            state.save()
        if progress_due() or last:
            log.progress(state.step, options.gradient_steps, f"held-out loss {state.best_loss:.4f}")
    state.save()
    model.load_state_dict(state.best_weights)
    return state.step, state.samples_seen


@torch.no_grad()
def held_out_loss(model: TrajectoryModel, objective: Objective, windows: list[Window]) -> float:
    """Mean over the real steps of fixed windows."""
    model.eval()
    losses = torch.cat([objective(model, window) for window in windows])
    return float(losses.mean())


def layer_norms(model: TrajectoryModel) -> dict[str, float]:
    """The gradient's norm in each layer: `train/gradient_norm/<module>`, clipped as it was applied."""
    squares: dict[str, list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            parts = name.split(".")
            layer = ".".join(parts[:3] if "blocks" in parts else parts[:1])
            squares.setdefault(layer, []).append(parameter.grad.square().sum())
    return {f"train/gradient_norm/{layer}": float(torch.stack(parts).sum().sqrt()) for layer, parts in squares.items()}


class _State:
    """All that decides the next step, and its checkpoint."""

    def __init__(self, model: TrajectoryModel, options: TrainOptions, seed: int, directory: Path) -> None:
        self.model, self.options, self.directory = model, options, directory
        decayed = [p for p in model.parameters() if p.ndim >= 2]
        others = [p for p in model.parameters() if p.ndim < 2]  # biases and gains are not decayed
        groups = [{"params": decayed, "weight_decay": options.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=options.learning_rate, fused=True)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self._factor)
        self.batches = np.random.default_rng(seed)
        torch.manual_seed(seed)  # dropout
        self.step = self.samples_seen = 0
        self.losses: list[float] = []
        self.best_loss, self.stale = math.inf, 0
        self.best_weights: dict[str, Any] = {k: v.clone() for k, v in model.state_dict().items()}

    def _factor(self, step: int) -> float:
        """Linear warm-up, then a cosine down to `final_learning_rate`."""
        o = self.options
        warm = min(1.0, (step + 1) / max(1, o.warmup_steps))
        through = min(1.0, max(0.0, (step - o.warmup_steps) / max(1, o.gradient_steps - o.warmup_steps)))
        return warm * (o.final_learning_rate + (1 - o.final_learning_rate) * 0.5 * (1 + math.cos(math.pi * through)))

    @property
    def out_of_patience(self) -> bool:
        return 0 < self.options.patience <= self.stale

    def validated(self, loss: float) -> None:
        self.losses.append(loss)
        if loss < self.best_loss:
            self.best_loss, self.stale = loss, 0
            self.best_weights = {k: v.clone() for k, v in self.model.state_dict().items()}
        else:
            self.stale += 1

    def save(self) -> None:
        optimizer = self.optimizer.state_dict()["state"]
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"best.{k}": v for k, v in self.best_weights.items()}
        tensors |= {f"optimizer.{i}.{k}": v for i, entry in optimizer.items() for k, v in entry.items()}
        tensors["rng"] = torch.get_rng_state()
        state = {
            "step": self.step,
            "samples_seen": self.samples_seen,
            "losses": self.losses,
            "best_loss": None if math.isinf(self.best_loss) else self.best_loss,
            "stale": self.stale,
            "batches": self.batches.bit_generator.state,
        }
        checkpoints.save(self.directory, {k: v.detach().cpu().numpy() for k, v in tensors.items()}, state)

    def restore(self) -> str | None:
        """Continue from the checkpoint, if there is one; a warning where it was damaged."""
        found = checkpoints.load(self.directory)
        if found is None:
            return None
        arrays, state, warning = found
        if not state:
            return warning
        tensors = {k: torch.from_numpy(v) for k, v in arrays.items()}
        part = lambda prefix: {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}  # noqa: E731
        self.model.load_state_dict(part("model."))
        self.best_weights = part("best.")
        entries: dict[int, dict[str, Tensor]] = {}
        for key, value in part("optimizer.").items():
            index, _, name = key.partition(".")
            entries.setdefault(int(index), {})[name] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": entries})
        self.step, self.samples_seen = state["step"], state["samples_seen"]
        self.losses, self.stale = state["losses"], state["stale"]
        self.best_loss = math.inf if state["best_loss"] is None else state["best_loss"]
        self.batches.bit_generator.state = state["batches"]
        self.schedule.last_epoch = self.step
        for group, factor in zip(self.optimizer.param_groups, self.schedule.lr_lambdas, strict=True):
            group["lr"] = self.options.learning_rate * factor(self.step)
        torch.set_rng_state(tensors["rng"])
        return warning


def _diverged(state: _State, loss: Tensor) -> str:
    kept = (
        "no checkpoint was made yet"
        if not (state.directory).exists()
        else f"the last checkpoint is in {state.directory}"
    )
    return (
        f"the loss or its gradient is not finite at gradient step {state.step + 1} (loss {float(loss.detach())}); {kept}. "
        "A lower learning_rate or a tighter gradient_clip usually mends it"
    )
