"""Contenders of a benchmark: processes that wait for requests, so that all of them are asked in turn.

A request is "WHAT THREADS COUNT"; the answer is the seconds that it took on the wall and of CPU, as JSON. Peers run
under an interpreter of their own: nothing of rlformer is imported for them, nor by this file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent


class Contender:
    """A process that answers; `error` says why it does not."""

    def __init__(self, script: str, name: str, python: Path | str, folder: Path, *words: str) -> None:
        environment = {**os.environ, "PYTHONWARNINGS": "ignore", "TQDM_DISABLE": "1"}
        if python == sys.executable:
            environment["PYTHONPATH"] = os.pathsep.join([str(HERE.parent), environment.get("PYTHONPATH", "")])
        else:
            environment.pop("PYTHONPATH", None)
        self._errors = (folder / f"{name}.log").open("w+")
        command = [str(python), str(HERE / script), name, str(folder), *words]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, env=environment
        )
        self.error: str | None = None

    def wait(self) -> None:
        """Until it has loaded its libraries and made its model, or failed to."""
        self.error = self._answer().get("error")

    def seconds(self, what: str, threads: int, count: int) -> np.ndarray:
        """How long it took to do it `count` times, on the wall and of CPU: (2,). Not a number where it failed."""
        if self.error is not None:
            return np.full(2, np.nan)
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what} {threads} {count}\n")
        self._process.stdin.flush()
        answer = self._answer()
        return np.array([answer.get("seconds", np.nan), answer.get("cpu", np.nan)])

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._errors.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            last = (self._errors.read().strip().splitlines() or ["no message"])[-1]
            self.error = f"ended: {last}"
            return {"error": self.error}
        return dict(json.loads(line))


@contextmanager
def gathered(contenders: Mapping[str, Contender]) -> Iterator[Mapping[str, Contender]]:
    """Until they are ready; they end with the block."""
    try:
        for contender in contenders.values():
            contender.wait()
        yield contenders
    finally:
        for contender in contenders.values():
            contender.close()


def rounds_of(
    contenders: Mapping[str, Contender], rounds: int, what: str, threads: int, count: int
) -> dict[str, np.ndarray]:
    """Milliseconds of one, on the wall and of CPU, of each that works: (rounds, 2). A round asks all in turn."""
    asked = {name: contender for name, contender in contenders.items() if contender.error is None}
    for contender in asked.values():
        contender.seconds(what, threads, 1)  # what is made once
    times: dict[str, list[np.ndarray]] = {name: [] for name in asked}
    for _ in range(rounds):
        for name, contender in asked.items():
            times[name].append(1e3 * contender.seconds(what, threads, count) / count)
    return {name: np.array(each) for name, each in times.items() if np.isfinite(each).all()}


def ratio(theirs: np.ndarray, ours: np.ndarray) -> str:
    """Times as long as ours: geometric mean and 95 % t-interval over rounds."""
    from scipy import stats

    logs = np.log(theirs / ours)
    half = stats.t.ppf(0.975, len(logs) - 1) * stats.sem(logs) if len(logs) > 1 else np.nan
    middle, low, high = np.exp([logs.mean(), logs.mean() - half, logs.mean() + half])
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def print_rounds(names: Sequence[str], contenders: Mapping[str, Contender], times: Mapping[str, np.ndarray]) -> None:
    """A line for each: medians and ratios to the first one's, by the clock and by CPU seconds."""
    for name in names:
        if name in times and names[0] in times:
            (wall, cpu), (wall_of_ours, cpu_of_ours) = times[name].T, times[names[0]].T
            line = f"  {name:<28}{np.median(wall):>9.2f}   {ratio(wall, wall_of_ours):<24}"
            print(f"{line}{np.median(cpu):>9.2f}   {ratio(cpu, cpu_of_ours)}", flush=True)
        else:
            print(f"  {name:<28}not measured: {contenders[name].error}", flush=True)


def peers_python(cache: Path, packages: Sequence[str]) -> Path:
    """The interpreter of the peers' environment below the cache, made if it is not there, with this one's torch."""
    import torch

    python, made = cache / "peers" / "bin" / "python", cache / "peers" / "made-from"
    wanted = [f"torch=={torch.__version__.partition('+')[0]}", *packages]
    if made.is_file() and made.read_text() == " ".join(wanted):
        return python
    print(f"making {cache / 'peers'}: {', '.join(wanted)}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(cache / "peers")], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet"]
    if subprocess.run([*install, *wanted], check=False).returncode != 0:
        for package in wanted:  # one that cannot be had must not cost the others
            if subprocess.run([*install, package], check=False).returncode != 0:
                print(f"{package}: cannot be installed here, and is not measured")
    made.write_text(" ".join(wanted))
    return python


def answer_requests(make: Callable[[], Any]) -> None:
    """In a contender's process: make it, and do as it is asked until standard input ends.

    "act-N" is `act(N, count)`, every other request the method of its name.
    """
    import torch

    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print does not get in between
    try:
        contender = make()
    except Exception as error:
        told = f"{type(error).__name__}: {' '.join(str(error).split())}"
        print(json.dumps({"error": told}), file=answers, flush=True)
        return
    print(json.dumps({}), file=answers, flush=True)
    for line in sys.stdin:
        what, threads, count = line.split()
        torch.set_num_threads(int(threads))
        start, cpu = time.perf_counter(), time.process_time()
        if what.startswith("act-"):
            contender.act(int(what[4:]), int(count))
        else:
            getattr(contender, what)(int(count))
        spent = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}
        print(json.dumps(spent), file=answers, flush=True)
