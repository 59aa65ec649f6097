"""What the tests of sequence models share: logs, every model, and a run's log kept in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rlformer.agents.sequence.trajectory import Architecture, TrajectoryModel
from rlformer.core.records import Cost, Episode
from rlformer.core.spaces import ActionSpec, Spaces
from rlformer.data.dataset import Dataset, DatasetInfo, from_episodes
from rlformer.data.scales import measure

OBSERVATION_SIZE = 3
CONTEXT = 5

SPACES = {
    "discrete": ActionSpec("discrete", (3,)),
    "multidiscrete": ActionSpec("multidiscrete", (2, 4, 3)),
    "multibinary": ActionSpec("multibinary", (2, 2, 2)),
    "box": ActionSpec("box", (), (-1.0, 0.0), (1.0, 6.0)),
    "box-single": ActionSpec("box", (), (-2.0,), (2.0,)),
    "box-unbounded": ActionSpec("box", (), (-np.inf, -1.0), (np.inf, 1.0)),
}

# Every backbone with every way to feed it, by name.
MODELS: dict[str, dict[str, Any]] = {
    f"{backbone}-{conditioning}-{tokens}": {
        "backbone": backbone,
        "conditioning": conditioning,
        "tokens": tokens,
        "context_length": 1 if backbone == "mlp" else CONTEXT,
    }
    for backbone in ("transformer", "lstm", "mlp")
    for conditioning in ("return", "none")
    for tokens in ("separate", "step")
    if backbone != "mlp" or tokens == "step"
} | {
    f"{backbone}-return-step-{name}": {"backbone": backbone, "tokens": "step", "context_length": CONTEXT, **values}
    for backbone, name, values in [
        ("transformer", "banded", {"attention_band": 4, "timestep_encoding": "none"}),
        ("transformer", "rms", {"norm": "rms", "activation": "gelu_tanh"}),
        ("transformer", "bare", {"norm": "none", "residual": False}),
        ("lstm", "rms-gaussian", {"norm": "rms", "action_head": "gaussian"}),
    ]
} | {
    f"transformer-return-separate-{name}": {"context_length": CONTEXT, **values}
    for name, values in [
        ("bare", {"norm": "none", "residual": False}),
        ("single", {"norm": "rms", "activation": "gelu", "layers": 1, "heads": 1}),
    ]
}  # fmt: skip


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
    """A small model with large random weights, scaled by the log, so that nothing about it is special."""
    known = {"width": 16, "layers": 2, "heads": 2, "max_timesteps": 8, **values}
    torch.manual_seed(seed)
    built = TrajectoryModel(Architecture(OBSERVATION_SIZE, actions, **known), measure(log(actions)))
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return built.eval()


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

    def rewind(self, step: int) -> None:
        self.rewound.append(step)
        self.points = {at: values for at, values in self.points.items() if at <= step}

    def note(self, text: str) -> None:
        self.notes.append(text)

    def curve(self, tag: str) -> dict[int, float]:
        """The points of one tag, by step."""
        return {step: values[tag] for step, values in self.points.items() if tag in values}
