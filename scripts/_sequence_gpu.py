"""The part of scripts/bench_sequence for a large model on a CUDA device: its share of the peak of a bf16 product.

A test runs it on a CPU, at sizes of a toy.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rlformer.agents.sequence.architecture import Architecture
from rlformer.agents.sequence.objectives.imitation import imitate
from rlformer.agents.sequence.training.state import State, TrainOptions
from rlformer.agents.sequence.training.step import GradientStep
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.agents.sequence.work import window
from rlformer.core.records import Episode
from rlformer.core.spaces import ActionSpec, Spaces
from rlformer.data.dataset import Dataset, DatasetInfo, from_episodes
from rlformer.data.windows import Windows

LARGE = {"layers": 12, "heads": 12, "width": 768, "context_length": 256}
BATCH, STEPS, EPISODES, EPISODE = 256, 20, 200, 1000
ACTIONS = ActionSpec("box", (), (-1.0,) * 3, (1.0,) * 3)


def random_log(episodes: int, length: int) -> Dataset:
    """Of Hopper's shape."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(episodes):
        observations = rng.standard_normal((length + 1, 11)).astype(np.float32)
        actions = rng.uniform(-1, 1, (length, 3)).astype(np.float32)
        made.append(Episode(observations, actions, rng.standard_normal(length), terminated=False, truncated=True))
    return from_episodes(DatasetInfo("Hopper-v5", Spaces.plain((11,), ACTIONS)), made)


def training(device: torch.device, data: Dataset, steps: int, batch_size: int, **sizes: Any) -> dict[str, float]:
    """Seconds a gradient step, and the operations of one as `agents.sequence.flops` counts them."""
    torch.manual_seed(0)
    model = TrajectoryModel(Architecture(data.info.spaces.observation, ACTIONS, **sizes)).to(device).train()
    state = State(model, TrainOptions(10**6, batch_size), 0, Path("unused"))
    step = GradientStep(state, imitate, Windows(data, sizes["context_length"]).to(device))
    for _ in range(5):  # the fourth is recorded
        step()
    seconds = _timed(device, step, steps)
    operations = batch_size * window(model.architecture).training
    return {"seconds": seconds, "operations": operations}


def peak(device: torch.device, size: int = 8192) -> float:
    """Operations a second of a large bf16 matrix product."""
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    torch.matmul(a, b)
    return 2 * size**3 / _timed(device, lambda: torch.matmul(a, b), 20)


def report() -> None:
    """Print the large model's row."""
    device = torch.device("cuda")
    most = peak(device)
    print(f"bf16 products at {most / 1e12:.0f} TFLOP/s")
    found = training(device, random_log(EPISODES, EPISODE), STEPS, BATCH, **LARGE)
    memory = torch.cuda.max_memory_allocated() / 2**30
    share = found["operations"] / found["seconds"] / most
    print(f"  large: {1e3 * found['seconds']:.1f} ms a step, {memory:.0f} GiB, {share:.0%} of that (40 % asked)")


def _timed(device: torch.device, work: Any, count: int) -> float:
    def now() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    start = now()
    for _ in range(count):
        work()
    return float(np.divide(now() - start, count))
