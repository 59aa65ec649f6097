"""What a training on a log takes until its first gradient step, in a process of its own: its clock begins at import.

Anonymous memory is all that the process holds of its own, its libraries included, looked at a hundred times a second;
mapped logs are not in it.
"""

import os
import tempfile
import threading
import time
from pathlib import Path

BEGAN = time.perf_counter()  # before anything heavy is imported

os.environ.setdefault("OMP_NUM_THREADS", "1")


class Peak(threading.Thread):
    """The most anonymous memory so far, in MiB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.value = anonymous()

    def run(self) -> None:
        """Look, again and again."""
        while True:
            self.value = max(self.value, anonymous())
            time.sleep(0.01)


def anonymous() -> float:
    """MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon:"))


def waited() -> float:
    """Seconds in which the process could have run, and others did."""
    return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9


def first_step(folder: Path, agent: str, *overrides: str) -> dict[str, float]:
    """Seconds until the log is opened, described, learned from once; of CPU; in line for a processor; memory in MiB."""
    import torch

    from rlformer.agents.base import Task
    from rlformer.agents.cards import resolve
    from rlformer.agents.sequence import learner as learning
    from rlformer.agents.sequence.training import step as stepping
    from rlformer.agents.sequence.training import train as training
    from rlformer.data.describe import log_input
    from rlformer.data.folder import load
    from rlformer.envs.make import nowhere

    torch.set_num_threads(1)
    torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])  # what the first optimiser imports is no part of this
    began, cpu, held = time.perf_counter(), time.process_time(), anonymous()
    stood = waited()
    peak = Peak()
    peak.start()
    log = load(folder)
    opened = time.perf_counter() - began
    values = ["gradient_steps=1", *overrides]
    spec = resolve(nowhere(log.info.env, log.info.spaces), agent, values, (log_input(log),))
    described = time.perf_counter() - began
    found = {}

    class First(stepping.GradientStep):
        """Says when the first step is made."""

        def __call__(self) -> stepping.Stepped:
            stepped = super().__call__()
            found.update(seconds=time.perf_counter() - began, cpu=time.process_time() - cpu, mib=peak.value)
            found.update(waited=waited() - stood, all=time.perf_counter() - BEGAN - waited())
            return stepped

    training.GradientStep = First
    with tempfile.TemporaryDirectory(dir=folder.parent) as kept:
        task = Task(env=None, dataset=log, hyperparameters=spec.values, seed=0, threads=1)
        learning.SequenceLearner().fit(task, Quiet(Path(kept)))
    return {"held": held, "opened": opened, "described": described, "steps": log.num_steps, **found}


class Quiet:
    """A run's log that keeps nothing. See `agents.base.RunLog`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __getattr__(self, name: str) -> object:
        from contextlib import nullcontext

        return (lambda *_, **__: nullcontext()) if name == "checkpoint" else (lambda *_, **__: None)


def warm(folder: Path) -> None:
    """Read every file, so that it is in the disk's cache."""
    for path in folder.rglob("*.npy"):
        with path.open("rb") as file:
            while file.read(1 << 24):
                pass
