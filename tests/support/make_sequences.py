"""What the tests of sequence models share: logs, every model, and a run's log kept in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rlformer.agents.sequence.architecture import Architecture
from rlformer.agents.sequence.backbones import BACKBONES
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core.records import Cost, Episode, Window
from rlformer.core.spaces import ActionSpec, ObservationSpec, Spaces
from rlformer.data.dataset import Dataset, DatasetInfo, from_episodes
from rlformer.data.scales import measure
from rlformer.data.windows import Windows

OBSERVATION_SIZE = 3
OBSERVATION = ObservationSpec.vector(OBSERVATION_SIZE)
CONTEXT = 5

SPACES = {
    "discrete": ActionSpec("discrete", (3,)),
    "multidiscrete": ActionSpec("multidiscrete", (2, 4, 3)),
    "multibinary": ActionSpec("multibinary", (2, 2, 2)),
    "box": ActionSpec("box", (), (-1.0, 0.0), (1.0, 6.0)),
    "box-single": ActionSpec("box", (), (-2.0,), (2.0,)),
    "box-unbounded": ActionSpec("box", (), (-np.inf, -1.0), (np.inf, 1.0)),
}

ALONE: dict[str, dict[str, Any]] = {  # what a backbone cannot do without
    "linear": {"layers": 1},
    "transformer-xl": {"segment_length": 2, "memory_length": 3, "timestep_encoding": "none"},
}

# Every backbone with every way to feed it, by name, and what some of them alone can do.
MODELS: dict[str, dict[str, Any]] = {
    f"{backbone}-{conditioning}-{tokens}": {
        "backbone": backbone,
        "conditioning": conditioning,
        "tokens": tokens,
        "context_length": CONTEXT if kind.history else 1,
        **ALONE.get(backbone, {}),
    }
    for backbone, kind in BACKBONES.items()
    for conditioning in ("return", "predicted", "none")
    for tokens in ("separate", "step")
    if (kind.history or tokens == "step") and (conditioning != "predicted" or (tokens == "separate" and kind.history))
} | {
    f"{backbone}-return-{tokens}-{name}": {
        "backbone": backbone, "tokens": tokens, "context_length": CONTEXT, **values,
    }
    for backbone, tokens, name, values in [
        *(
            (backbone, "step", "banded", {"attention_band": 4, "timestep_encoding": "none"})
            for backbone, kind in BACKBONES.items() if kind.banded
        ),
        ("transformer-xl", "step", "short", {"memory_length": 1, "segment_length": 3}),
        ("encoder-decoder", "step", "chunks", {"chunk_length": 3, "timestep_encoding": "none"}),
        ("encoder-decoder", "separate", "plan", {"chunk_length": 3, "chunk_executed": "all"}),
        ("transformer", "step", "rms", {"norm": "rms", "activation": "gelu_tanh"}),
        ("transformer", "step", "bare", {"norm": "none", "residual": False}),
        ("conv", "step", "ring", {"conv_window": 2, "timestep_encoding": "none"}),  # acts from what it keeps
        ("conv", "separate", "ring", {"conv_window": 3}),
        ("conv", "separate", "ring-predicted", {"conv_window": 3, "conditioning": "predicted"}),
        ("conv", "step", "bare", {"norm": "none", "residual": False}),
        ("gru", "step", "rms-gaussian", {"norm": "rms", "action_head": "gaussian"}),
        ("lstm", "step", "rms-gaussian", {"norm": "rms", "action_head": "gaussian"}),
        ("transformer", "separate", "bare", {"norm": "none", "residual": False}),
        ("transformer", "separate", "single", {"norm": "rms", "activation": "gelu", "layers": 1, "heads": 1}),
    ]
}  # fmt: skip
STREAMING = [
    name
    for name, values in MODELS.items()
    if Architecture(OBSERVATION, SPACES["discrete"], **{"layers": 2, **values}).streams
]
RECORDED = [name for name, values in MODELS.items() if BACKBONES[values["backbone"]].recorded]  # by a CUDA graph


def episode(actions: ActionSpec, length: int, rng: np.random.Generator) -> Episode:
    """Random in everything."""
    return Episode(
        observations=rng.standard_normal((length + 1, OBSERVATION_SIZE)).astype(np.float32),
        actions=actions.sample(rng, length),
        rewards=rng.standard_normal(length),
        terminated=True,
        truncated=False,
    )


def log(actions: ActionSpec, lengths: tuple[int, ...] = (7, 1, 12, 3, 5), seed: int = 0) -> Dataset:
    """Random episodes of these lengths."""
    rng = np.random.default_rng(seed)
    info = DatasetInfo("Nowhere-v0", Spaces.plain((OBSERVATION_SIZE,), actions))
    return from_episodes(info, [episode(actions, length, rng) for length in lengths])


def model(actions: ActionSpec, seed: int = 0, **values: Any) -> TrajectoryModel:
    """A small model with large random weights, scaled by the log, so that nothing about it is special.

    Smaller ones where no norm damps what they do: there they would make rounding errors a hundred times as large.
    """
    known = {"width": 16, "layers": 2, "heads": 2, "max_timesteps": 8, **values}
    torch.manual_seed(seed)
    built = TrajectoryModel(Architecture(OBSERVATION, actions, **known), measure(log(actions)))
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.2 if built.architecture.norm == "none" else 0.3)
    return built.eval()


def windows_for(built: TrajectoryModel) -> Window:
    """One that begins at each step of a log whose episodes are shorter and longer than the context."""
    data = log(built.codec.spec)
    return Windows(data, built.architecture.context_length).at(torch.arange(data.num_steps))


def changed(window: Window, where: Tensor, actions: ActionSpec, seed: int = 1) -> Window:
    """The window with everything different at the steps `where` (B, K) bool; its mask is kept."""
    rng = np.random.default_rng(seed)
    count = where.numel()
    other = Window(
        torch.from_numpy(10 * rng.standard_normal((count, OBSERVATION_SIZE)).astype(np.float32)),
        torch.from_numpy(actions.sample(rng, count)),
        torch.from_numpy(10 * rng.standard_normal(count).astype(np.float32)),
        torch.from_numpy(rng.integers(0, 20, count)),
        window.mask,
    )
    swapped = {
        name: torch.where(where.view(*where.shape, *[1] * (value.ndim - 2)), getattr(other, name).view_as(value), value)
        for name, value in vars(window).items()
        if name != "mask"
    }
    return Window(**swapped, mask=window.mask)


class Journal:
    """A run's log (see `agents.base.RunLog`) in memory; asks to stop when asked `stop_after` times."""

    def __init__(self, directory: Path, stop_after: int | None = None) -> None:
        self.directory = directory
        self.points: dict[int, dict[str, float]] = {}
        self.notes: list[str] = []
        self.rewound: list[int] = []
        self.done = 0
        self.gpu: tuple[str, int] | None = None
        self.stop_in(stop_after)

    def stop_in(self, steps: int | None) -> None:
        """Stop after so many more steps; None: never."""
        self._left = steps

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        self.points.setdefault(step, {}).update(values)

    def progress(self, done: int, total: int, note: str = "") -> None:
        self.done = done

    @contextmanager
    def clock(self, part: str) -> Iterator[None]:
        yield

    def spent(self, cost: Cost) -> None:
        self.cost = cost

    def on_gpu(self, name: str, peak_bytes: int) -> None:
        self.gpu = (name, peak_bytes)

    def stop_requested(self) -> bool:
        if self._left is None:
            return False
        self._left -= 1
        return self._left < 0

    @contextmanager
    def checkpoint(self, step: int) -> Iterator[None]:
        yield

    def rewind(self, step: int) -> None:
        self.rewound.append(step)
        self.points = {at: values for at, values in self.points.items() if at <= step}

    def note(self, text: str) -> None:
        self.notes.append(text)

    def curve(self, tag: str) -> dict[int, float]:
        """The points of one tag, by step."""
        return {step: values[tag] for step, values in self.points.items() if tag in values}
