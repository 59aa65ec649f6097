"""A run of an online algorithm: observed, checkpointed, continued."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from rlformer.agents.base import RunLog, Task
from rlformer.agents.online import state as states
from rlformer.agents.online.algorithms import ALGORITHMS
from rlformer.agents.online.algorithms.base import Algorithm
from rlformer.agents.online.build import build
from rlformer.agents.online.checks import check_scale
from rlformer.agents.online.policy import policy_of
from rlformer.agents.online.recording import Tally, TrainingEnvironments
from rlformer.core import files, grid, seeding
from rlformer.core.errors import InputError, Interrupted
from rlformer.core.records import Cost
from rlformer.data.dataset import DatasetInfo
from rlformer.data.writer import DatasetWriter, tidy
from rlformer.envs.make import spaces_of
from rlformer.runs import checkpoints, ledger
from rlformer.runs.directory import RunDirectory
from rlformer.runs.episodes import EpisodeWriter
from rlformer.runs.metrics import Throttle

_CURVE_POINTS = 200  # of losses over a run
_CHECKPOINT_SECONDS, _CHECKPOINT_SHARE = 10.0, 0.05  # no oftener, and no larger a share of the time


class Training:
    """One run of `task`, continued from the checkpoint in `log.directory` if there is one."""

    algorithms: Mapping[str, Algorithm] = ALGORITHMS  # that the task's values may name

    def __init__(self, task: Task, log: RunLog) -> None:
        assert task.env is not None
        torch.set_num_threads(task.threads)
        self._task, self._log, self._values = task, log, task.hyperparameters
        self.algorithm = self.algorithms[self._values["algorithm"]]
        if issubclass(self.algorithm.load(), OffPolicyAlgorithm):
            check_scale(self.algorithm, spaces_of(task.env).actions, task.env.name, log.note)
        self._total = self._values["steps"]
        self._directory = log.directory / "checkpoints" / "last"
        found = self._load()
        self._episodes = self._open_episodes(found[1] if found else {})
        self._tally = Tally(task.seed, self._episodes)
        self._tally.env_steps = found[1]["num_timesteps"] if found else 0
        self._tally.episodes = found[1]["episodes"] if found else 0
        self._tally.returns.extend(found[1]["latest_returns"] if found else ())
        keep = task.log_trajectories is not None
        self._seen = spaces_of(task.env).observation
        num, masked = self._values["num_envs"], self.algorithm.masked
        self._environments = TrainingEnvironments(task.env, num, self._tally, log, keep, masked)
        with warnings.catch_warnings(record=True) as caught:
            self.model = self._build(self._environments, seeding.derive(task.seed, "training"))
        if self._seen.has_images and self._values["normalize_observations"]:
            log.note("normalize_observations: observations with images are not normalised; images are scaled to 0 to 1")
        for warning in caught:
            log.note(" ".join(str(warning.message).split()))
        self.model.set_logger(Logger(None, []))
        if found:
            states.restore(self.algorithm, self.model, *found)
        log.rewind(self._tally.env_steps)
        log.spent(self.cost)
        self._writer = self._environments.writer = self._open_writer()

    def run(self) -> Cost:
        """Train to the end. Raises Interrupted, with everything on disk, when the log asks to stop."""
        try:
            done = self.model.num_timesteps
            if done < self._total:
                self._begin(done)
                self.model.learn(
                    self._total - done,
                    callback=_Callback(self),
                    log_interval=None,  # type: ignore[arg-type]
                    reset_num_timesteps=False,
                )
                self._write_curves()
                if self._evaluated != self.model.num_timesteps:  # else the grid holds the end
                    self._evaluate(self.model.num_timesteps)
                self._log.progress(self._total, self._total, self._note())
                self._save()
            if self._writer is not None:
                if not self._writer.num_episodes:
                    raise InputError(
                        f"{self._task.log_trajectories}: no episode ended within {self.model.num_timesteps:,} steps, "
                        "so there is no log: train for more steps, or without --log-trajectories"
                    )
                with self._log.clock("log"):
                    self._writer.finish(upstream_env_steps=self.model.num_timesteps)
            return self.cost
        finally:
            self._log.spent(self.cost)
            self._environments.close()
            self._episodes.close()
            if self._writer is not None:
                self._writer.close()

    @property
    def cost(self) -> Cost:
        """So far, a log among it that the task gives to begin with."""
        if isinstance(self.model, OnPolicyAlgorithm):  # an update is a pass over the whole rollout
            per_update = self.model.n_steps * self.model.n_envs
        else:
            per_update = self._values[self.algorithm.batch_key]
        read = Cost() if self._task.dataset is None else self._task.dataset.cost
        return replace(read, env_steps=self.model.num_timesteps, samples_seen=self.model._n_updates * per_update)

    def after_step(self) -> None:
        """Called when every environment has made a step."""
        steps = self.model.num_timesteps
        if (point := grid.passed(self._evaluated, steps)) is not None:
            self._evaluate(point)
        if self._progress_due():
            self._log.progress(min(steps, self._total), self._total, self._note())
        if steps < self._total and self._log.stop_requested():
            self._save()  # steps of an unfinished rollout are counted, though on-policy never learned from
            raise Interrupted

    def before_rollout(self) -> None:
        """Called between an update and the steps that follow it: the state is whole."""
        if self.model.num_timesteps - self._curve_at >= self._total / _CURVE_POINTS:
            self._write_curves()
        if time.perf_counter() >= self._checkpoint_at:
            self._save()

    def _build(self, environments: VecEnv, seed: int) -> BaseAlgorithm:
        """The model of this run, as it is before the first step."""
        return build(self.algorithm, self._values, environments, seed, self._seen)

    def _begin(self, done: int) -> None:
        now = time.perf_counter()
        self._curve_at, self._curve_since = done, now
        self._checkpoint_at = now + _CHECKPOINT_SECONDS
        self._progress_due = Throttle(0.2)
        self._evaluated = done  # the step of the last evaluation, or where this session began
        self._policy = policy_of(self.algorithm, self.model)

    def _write_curves(self) -> None:
        steps, now = self.model.num_timesteps, time.perf_counter()
        names = self.model.logger.name_to_value
        values = {
            f"train/{name.partition('/')[2]}": float(value)
            for name, value in names.items()
            if name.startswith(("train/", "rollout/"))
        }
        self.model.logger.dump(steps)  # nothing is printed; the values are cleared
        values["train/steps_per_second"] = (steps - self._curve_at) / max(now - self._curve_since, 1e-9)
        if self._tally.returns:
            values["train/episode_return"] = float(np.mean(self._tally.returns))
        self._log.scalars(values, steps)
        self._curve_at, self._curve_since = steps, now

    def _evaluate(self, step: int) -> None:
        self._evaluated, start = step, time.perf_counter()
        if self._task.evaluate is None:
            return
        with self._log.clock("evaluation"):
            scores = self._task.evaluate(self._policy, step, self._write_policy)
        self._log.scalars(scores, step)
        self._curve_since += time.perf_counter() - start

    def _write_policy(self, directory: Path) -> None:
        states.write_acting(directory, self.algorithm, self.model, {})

    def _note(self) -> str:
        returns = self._tally.returns
        return f"return {np.mean(returns):.1f}" if returns else ""

    def _load(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        found = checkpoints.load(self._directory)
        if found is None:
            return None
        arrays, state, warning = found
        if warning:
            self._log.note(warning)
        return (arrays, state) if state else None

    def _save(self) -> None:
        """A checkpoint; the trajectories first, so that it never knows of steps that they lack."""
        start = time.perf_counter()
        if self._writer is not None:
            with self._log.clock("log"):
                self._writer.commit({"env_steps": self.model.num_timesteps})
        arrays, state = states.capture(self.algorithm, self.model, replay=self.model.num_timesteps < self._total)
        state |= {"episodes": self._tally.episodes, "latest_returns": list(self._tally.returns)}
        state["episodes_ended"] = self._episodes.ended
        self._episodes.flush()
        with self._log.checkpoint(self.model.num_timesteps):
            checkpoints.save(self._directory, arrays, state)
            self._log.spent(self.cost)
        now = time.perf_counter()
        self._checkpoint_at = now + max(_CHECKPOINT_SECONDS, (now - start) / _CHECKPOINT_SHARE)

    def _open_episodes(self, state: Mapping[str, Any]) -> EpisodeWriter:
        """The record of training episodes, cut back to what the checkpoint knows."""
        ended = state.get("episodes_ended", state.get("episodes", 0))
        writer = EpisodeWriter(self._log.directory, state.get("num_timesteps", 0), ended)
        if writer.lost:
            self._log.note("its training episodes are not recorded: those before the checkpoint are lost")
        return writer

    def _open_writer(self) -> DatasetWriter | None:
        """The trajectory log, cut back to what the checkpoint knows; None: not wanted, or complete."""
        path, env = self._task.log_trajectories, self._task.env
        if path is None or env is None:
            return None
        if self._tally.env_steps >= self._total and (path / "dataset.json").is_file():
            tidy(path)
            return None
        info = DatasetInfo(env.name, spaces_of(env), self._provenance(), env_definition=env.definition)
        try:
            writer = DatasetWriter(path, info)
        except files.Busy:
            raise
        except InputError as error:
            raise InputError(f"{error}; the whole run is {self._log.directory}") from error
        if writer.state.get("env_steps", 0) < self._tally.env_steps:  # somebody removed it
            writer.close()
            raise InputError(
                f"{path}: lacks episodes that the checkpoint was trained on; remove {self._log.directory}, "
                "and run the same command to train again"
            )
        writer.rewind(self._tally.env_steps)
        return writer

    def _provenance(self) -> dict[str, Any]:
        provenance: dict[str, Any] = {
            "source": "online training",
            "algorithm": self._values["algorithm"],
            "seed": self._task.seed,
            "versions": dict(ledger.versions()),
        }
        if (self._log.directory / "record.json").is_file():
            record = RunDirectory(self._log.directory).record
            provenance |= {"agent": record.agent, "spec_hash": record.spec_hash}
        return provenance


class _Callback(BaseCallback):
    """Stable-baselines3's hooks, handed to the training."""

    def __init__(self, training: Training) -> None:
        super().__init__()
        self._training = training

    def _on_step(self) -> bool:
        self._training.after_step()
        return True

    def _on_rollout_start(self) -> None:
        self._training.before_rollout()
