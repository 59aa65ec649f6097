"""The part of scripts/bench_sequence for a CUDA device: training with everything on it, in bf16, compiled, fused.

The model is that of every other device, the loop is this file's: `train-transformer` itself trains on the CPU alone. A
test runs it on a CPU, at sizes of a toy. Hugging Face's training loop is not among what is timed on a GPU.
"""

import time
from typing import Any

import numpy as np
import torch

from rlformer.flops.sequence import window
from rlformer.models.trajectory import Architecture, TrajectoryModel
from rlformer.types import ActionSpec, Window

PAPER = {"layers": 3, "heads": 1, "width": 128, "context_length": 20, "batch_size": 64, "steps": 1000}
LARGE = {"layers": 12, "heads": 12, "width": 768, "context_length": 256, "batch_size": 256, "steps": 20}
EPISODE = 1000


def training(
    device: torch.device, steps: int, batch_size: int, compiled: bool, num_steps: int = 10**6, **sizes: Any
) -> dict[str, float]:
    """Seconds a gradient step of Hopper's shape, and the operations of one as `rlformer.flops` counts them."""
    torch.manual_seed(0)
    spec = ActionSpec("box", (), (-1.0,) * 3, (1.0,) * 3)
    model = TrajectoryModel(Architecture(11, spec, **sizes)).to(device).train()
    data = {"observations": torch.randn(num_steps, 11), "actions": torch.rand(num_steps, 3) * 2 - 1}
    data |= {"returns_to_go": torch.randn(num_steps), "timesteps": torch.arange(num_steps) % EPISODE}
    resident = {name: value.to(device) for name, value in data.items()}
    context = torch.arange(sizes["context_length"], device=device)
    mask = torch.ones(batch_size, len(context), dtype=torch.bool, device=device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=1e-4, fused=True)
    forward = torch.compile(model) if compiled else model

    def step() -> None:
        first = torch.randint(num_steps - len(context), (batch_size, 1), device=device)
        batch = Window(**{name: value[first + context] for name, value in resident.items()}, mask=mask)
        with torch.autocast(device.type, torch.bfloat16):
            predictions = forward(batch)
        loss = model.codec.loss(predictions.float(), batch.actions).mean()
        optimizer.zero_grad(set_to_none=False)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        optimizer.step()

    for _ in range(3):
        step()
    seconds = _timed(device, step, steps)
    operations = batch_size * window(vars(model.architecture), 11, spec).training
    return {"seconds": seconds, "operations": operations}


def peak(device: torch.device, size: int = 8192) -> float:
    """Operations a second of a large bf16 matrix product."""
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    torch.matmul(a, b)
    return 2 * size**3 / _timed(device, lambda: torch.matmul(a, b), 20)


def report() -> None:
    """Print the rows for the GPU, or that there is none."""
    if not torch.cuda.is_available():
        print("GPU: not measured, there is no CUDA device here")
        return
    device = torch.device("cuda")
    most = peak(device)
    print(f"\n{torch.cuda.get_device_name(device)}: bf16 products at {most / 1e12:.0f} TFLOP/s")
    for name, values in (("the paper's sizes", PAPER), ("a large setting", LARGE)):
        for compiled in (False, True):
            found = training(device, compiled=compiled, **values)  # type: ignore[arg-type]
            share = found["operations"] / found["seconds"] / most
            how = "compiled" if compiled else "as it is"
            print(f"  {name}, {how}: {1e3 * found['seconds']:.2f} ms a step, {share:.0%} of that", flush=True)


def _timed(device: torch.device, work: Any, count: int) -> float:
    def now() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    start = now()
    for _ in range(count):
        work()
    return float(np.divide(now() - start, count))
