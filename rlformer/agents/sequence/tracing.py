"""Activations of a trajectory model: read without changing what it says, or replaced by others.

One door for every backbone (`backbones.base.Walked`), so that what reads them (probes, patching) knows none of them.
Shapes: B windows of K steps, T tokens; W numbers in an activation, which differs from layer to layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core.records import Window

TOKENS = "tokens"  # the layer before the backbone's first: what the encoders make of the inputs


@dataclass(frozen=True)
class Trace:
    """What a model does with B windows."""

    layers: tuple[str, ...]  # L names in their order: the tokens, then the backbone's layers
    activations: tuple[Tensor, ...]  # of each layer, (B, T, W)
    predictions: Tensor  # (B, K, A), bit for bit those of the model itself

    def __getitem__(self, rows: Tensor) -> Trace:
        return Trace(self.layers, tuple(h[rows] for h in self.activations), self.predictions[rows])


@dataclass(frozen=True)
class Patch:
    """Activations to be put in the place of a layer's own."""

    layer: int  # its number in `Trace.layers`
    tokens: slice  # which of the T, as `tokens_of` gives them
    values: Tensor  # (B, n, W)


@torch.no_grad()
def traced(model: TrajectoryModel, window: Window) -> Trace:
    """The activations of every layer at every token, without dropout."""
    found: dict[int, list[Tensor]] = {}

    def keep(layer: int, first: int, h: Tensor) -> Tensor:
        found.setdefault(layer, []).append(h.clone())  # who goes on may write into it
        return h

    model.walk(window, keep)
    return Trace(layers_of(model), tuple(torch.cat(found[i], dim=1) for i in range(len(found))), model(window))


@torch.no_grad()
def patched(model: TrajectoryModel, window: Window, patches: Sequence[Patch]) -> Tensor:
    """The predictions (B, K, A) with activations replaced; all that comes behind them is computed anew."""

    def replace(layer: int, first: int, h: Tensor) -> Tensor:
        for patch in patches:
            start, stop = max(patch.tokens.start, first), min(patch.tokens.stop, first + h.shape[1])
            if patch.layer == layer and start < stop:
                h = h.clone()
                own = patch.values[:, start - patch.tokens.start : stop - patch.tokens.start]
                h[:, start - first : stop - first] = own
        return h

    return model.walk(window, replace)


def layers_of(model: TrajectoryModel) -> tuple[str, ...]:
    """The names of its layers, in their order."""
    return (TOKENS, *(f"layer {number}" for number in range(1, model.architecture.layers + 1)))


def tokens_of(model: TrajectoryModel, step: int, steps: int) -> slice:
    """The tokens of one step in a window of K = `steps`: the last one's action is not among them."""
    a = model.architecture
    per_step = a.tokens_per_step
    last = per_step * steps - (a.tokens == "separate" and a.reads_actions)
    return slice(per_step * step, min(per_step * (step + 1), last))


def untrained(model: TrajectoryModel, seed: int) -> TrajectoryModel:
    """A model of the same architecture and scales with fresh weights: what an architecture does by itself."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = TrajectoryModel(model.architecture)
    for name, buffer in model.named_buffers():
        fresh.get_buffer(name).copy_(buffer)
    return fresh.eval()
