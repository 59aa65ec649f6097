"""Train an agent for about a second and take the time of its steps."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rlformer.agents.base import Task
from rlformer.agents.learners import learner
from rlformer.core import files
from rlformer.core.errors import Interrupted
from rlformer.core.records import Cost, Episode
from rlformer.data.dataset import Dataset, DatasetInfo
from rlformer.data.writer import DatasetWriter
from rlformer.envs.make import spaces_of
from rlformer.evaluator.measure.evaluation import seconds_per_call
from rlformer.studies import logs
from rlformer.studies.jobs import PlannedRun
from rlformer.studies.logs import GivenLog

_LOG_STEPS, _LOG_BYTES = 12_000, 2**26  # of the log that a probe learns from, at most
_VALIDATE_EVERY = 10


@dataclass(frozen=True)
class Probed:
    """What a probe of an agent saw."""

    start: float  # seconds before its first step
    step: float  # seconds of a step in the unit of its curves
    act: tuple[float, float]  # seconds of a call for 1 and for 64 environments
    parameters: int


def probe(run: PlannedRun, dataset: Dataset | None, folder: Path, threads: int, limits: tuple[float, float]) -> Probed:
    """Train an agent for a moment.

    dataset: what it learns from, if it learns from a log. limits: seconds at least, and at most where it has not been
    round once before. Raises InputError for what cannot be trained.
    """
    spec, kind = run.spec, learner(run.spec.agent.learner)
    values = _short(spec.values)
    files.writable_directory(folder)
    made = kind.load()()
    observed = (spaces_of(spec.env) if dataset is None else dataset.info.spaces).observation
    log = _Watch(folder, round_of(values), limits)
    began = time.perf_counter()
    with suppress(Interrupted):
        made.fit(Task(spec.env, dataset, values, run.seed, threads, run.device), log)
    start = (log.times[0] if log.times else time.perf_counter()) - began
    each = values["num_envs"] if kind.steps_env else 1
    policy = made.policy()
    one, many = (seconds_per_call(policy, observed, num, 10) for num in (1, 64))
    return Probed(start, log.step_seconds(spec.values) / each, (one, many), made.num_parameters)


def _short(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same agent in small rounds, so that a probe sees a whole one: as many updates for each step."""
    short = dict(values)
    if "n_epochs" in values:  # on-policy: a round is a rollout
        short["n_steps"] = max(2, min(values["n_steps"], -(-values.get("batch_size", 64) // values["num_envs"])))
        if "batch_size" in values:
            short["batch_size"] = min(values["batch_size"], short["n_steps"] * values["num_envs"])
    if "learning_starts" in values:
        short["learning_starts"] = min(values["learning_starts"], 2 * values.get("batch_size", 32))
    if "buffer_size" in values:
        short["buffer_size"] = min(values["buffer_size"], 10_000)
    if "validate_every" in values:
        short["validate_every"] = min(values["validate_every"], _VALIDATE_EVERY)
    return short


def round_of(values: Mapping[str, Any]) -> tuple[int, int]:
    """Calls before an agent is warm, and of a round after which everything repeats; a call steps every environment."""
    num = values.get("num_envs", 1)
    if "n_epochs" in values or "gae_lambda" in values:
        return values["n_steps"], values["n_steps"]
    if "learning_starts" in values:
        every = values["train_freq"] if isinstance(values.get("train_freq"), int) else 1
        return values["learning_starts"] // num + every, every
    return 3, 1


class _Watch:
    """A run's log (`agents.base.RunLog`) that takes the time of each step and stops after about a second."""

    def __init__(self, directory: Path, rounds: tuple[int, int], limits: tuple[float, float]) -> None:
        self.directory, self._limits = directory, limits
        self.times: list[float] = []  # of each call
        self._warm, self._round = rounds
        self._validated: list[int] = []  # calls before which held-out loss was computed

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """See `agents.base.RunLog`."""
        if "train/held_out_loss" in values:
            self._validated.append(len(self.times))

    def progress(self, done: int, total: int, note: str = "") -> None:
        """See `agents.base.RunLog`."""

    def clock(self, part: str) -> AbstractContextManager[None]:
        """See `agents.base.RunLog`."""
        return nullcontext()

    def spent(self, cost: Cost) -> None:
        """See `agents.base.RunLog`."""

    def on_gpu(self, name: str, peak_bytes: int) -> None:
        """See `agents.base.RunLog`."""

    def checkpoint(self, step: int) -> AbstractContextManager[None]:
        """See `agents.base.RunLog`."""
        return nullcontext()

    def rewind(self, step: int) -> None:
        """See `agents.base.RunLog`."""

    def note(self, text: str) -> None:
        """See `agents.base.RunLog`."""

    def stop_requested(self) -> bool:
        """Called at every step: true when enough has been seen."""
        self.times.append(time.perf_counter())
        seconds = self.times[-1] - self.times[0]
        rounds = (len(self.times) - 1 - self._warm) // self._round
        wanted = 2 * _VALIDATE_EVERY if self._round == 1 else 2
        least, most = self._limits
        return seconds > most or (seconds > least and rounds >= wanted)

    def step_seconds(self, values: Mapping[str, Any]) -> float:
        """Of a call: over whole rounds behind the warm-up, validations as often as the card says."""
        gaps = np.diff(self.times)
        if not len(gaps):
            return self._limits[1]
        rounds = (len(gaps) - self._warm) // self._round
        kept = np.zeros(len(gaps), bool)
        kept[self._warm : self._warm + rounds * self._round] = rounds > 0
        if not kept.any():
            kept[:] = True
        validated = np.zeros(len(gaps), bool)
        validated[[call - 1 for call in self._validated if 0 < call <= len(gaps)]] = True
        plain = gaps[kept & ~validated] if (kept & ~validated).any() else gaps
        usual = float(plain.mean())
        extra = max(0.0, float(gaps[kept & validated].mean()) - usual) if (kept & validated).any() else 0.0
        return usual + extra / max(1, values.get("validate_every", 0) or len(gaps))


def log_for(run: PlannedRun, episode: Episode, folder: Path) -> Dataset:
    """What a probe learns from: the log that is given, or one of random play of about its size."""
    assert run.source is not None
    if isinstance(run.source, GivenLog):
        return logs.read(run.source, run.setting.root, run.seed, None, run.spec.env)
    size = max(1, episode.observations[0].nbytes)
    steps = max(2 * len(episode), min(_LOG_STEPS, _LOG_BYTES // size))
    short = _cut(episode, max(2, min(len(episode), steps // 10)))
    with DatasetWriter(folder / "log", DatasetInfo(run.spec.env.name, spaces_of(run.spec.env))) as writer:
        for _ in range(max(10, steps // len(short))):
            writer.add(short)
        return writer.finish()


def _cut(episode: Episode, steps: int) -> Episode:
    rewards = np.maximum(episode.rewards[:steps], 0) + 1e-3  # returns that are no division by zero
    return replace(
        episode, observations=episode.observations[: steps + 1], actions=episode.actions[:steps], rewards=rewards
    )
