"""A run of a stable-baselines3 algorithm: built from a card's values, observed, checkpointed, continued."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from rlformer.agents.base import RunLog, Task
from rlformer.agents.offline.offline_algorithms import CQL, TD3BC
from rlformer.agents.online import sb3_state
from rlformer.agents.online.recording import Tally, TrainingEnvironments
from rlformer.agents.online.sb3_policy import SB3Policy, actor_of
from rlformer.core import seeding
from rlformer.core.errors import InputError, Interrupted, MissingExtra
from rlformer.core.records import Cost
from rlformer.data.dataset import DatasetInfo
from rlformer.data.writer import DatasetWriter
from rlformer.envs.make import spaces_of
from rlformer.envs.spaces import action_spec
from rlformer.runs import checkpoints, ledger
from rlformer.runs.directory import RunDirectory
from rlformer.runs.metrics import Throttle

# What is not an argument of the algorithm's constructor, but of the run, its environments or its networks.
RUN_KEYS = frozenset(
    {
        "algorithm",
        "steps",
        "num_envs",
        "evaluate_every",
        "normalize_observations",
        "normalize_rewards",
        "hidden",
        "activation",
        "ortho_init",
        "log_std_init",
        "lstm_hidden_size",
    }
)
_ACTIVATIONS = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "elu": torch.nn.ELU, "gelu": torch.nn.GELU}
_OWN = {"CQL": CQL, "TD3-BC": TD3BC}
_CURVE_POINTS = 200  # of losses over a run
_CHECKPOINT_SECONDS, _CHECKPOINT_SHARE = 10.0, 0.05  # no oftener, and no larger a share of the time


def build(values: Mapping[str, Any], environments: VecEnv, seed: int) -> BaseAlgorithm:
    """The algorithm that a card's values describe, untrained. Raises InputError where they do not fit."""
    if values["normalize_observations"] or values["normalize_rewards"]:
        environments = VecNormalize(
            environments,
            norm_obs=values["normalize_observations"],
            norm_reward=values["normalize_rewards"],
            gamma=values["gamma"],
        )
    networks: dict[str, Any] = {
        "net_arch": list(values["hidden"]),
        "activation_fn": _ACTIVATIONS[values["activation"]],
    }
    networks["optimizer_kwargs"] = _adam(values["algorithm"])
    networks |= {key: values[key] for key in ("ortho_init", "log_std_init", "lstm_hidden_size") if key in values}
    arguments = {key: _argument(value) for key, value in values.items() if key not in RUN_KEYS}
    if "action_noise" in arguments:
        shape = environments.action_space.shape or ()
        arguments["action_noise"] = NormalActionNoise(np.zeros(shape), np.full(shape, arguments["action_noise"]))
    algorithm = algorithm_class(values["algorithm"])
    try:
        # The networks are small: copying each step's batch to a GPU and back costs more than it saves.
        model: BaseAlgorithm = algorithm(
            policy_name(algorithm), environments, policy_kwargs=networks, seed=seed, device="cpu", **arguments
        )
    except (AssertionError, ValueError) as error:
        raise InputError(f"{values['algorithm']}: {' '.join(str(error).split())}") from error
    return model


def algorithm_class(name: str) -> Any:
    """The class that a card's `algorithm` names. Raises MissingExtra where its library is not installed."""
    if name in _OWN:
        return _OWN[name]
    if name != "RecurrentPPO":
        return getattr(stable_baselines3, name)
    try:
        from sb3_contrib import RecurrentPPO
    except ImportError:
        raise MissingExtra("contrib", name) from None
    return RecurrentPPO


def policy_name(algorithm: Any) -> str:
    """Stable-baselines3's name for the algorithm's policy on vectors of observations."""
    return "MlpLstmPolicy" if "MlpLstmPolicy" in algorithm.policy_aliases else "MlpPolicy"


def _adam(algorithm: str) -> dict[str, Any]:
    """Stable-baselines3's own settings, in PyTorch's faster implementation; A2C's RMSprop replaces them."""
    return {"fused": True, **({"eps": 1e-5} if algorithm in ("PPO", "RecurrentPPO", "A2C") else {})}


def policy(model: Any, sample: bool = False) -> SB3Policy:
    """The model's policy; it changes as the model trains on."""
    normalize = model.get_vec_normalize_env()
    statistics = normalize if normalize is not None and normalize.norm_obs else None
    return SB3Policy(actor_of(model), action_spec(model.action_space), statistics, sample)


class Training:
    """One run of `task`, continued from the checkpoint in `log.directory` if there is one."""

    def __init__(self, task: Task, log: RunLog) -> None:
        assert task.env is not None
        torch.set_num_threads(task.threads)
        self._task, self._log, self._values = task, log, task.hyperparameters
        self._total = self._values["steps"]
        self._evaluate_every = self._values["evaluate_every"] or max(1, self._total // 20)
        self._directory = log.directory / "checkpoints" / "last"
        self._tally = Tally(task.seed)
        found = self._load()
        self._tally.env_steps = found[1]["num_timesteps"] if found else 0
        self._tally.episodes = found[1]["episodes"] if found else 0
        self._tally.returns.extend(found[1]["latest_returns"] if found else ())
        keep = task.log_trajectories is not None
        self._environments = TrainingEnvironments(task.env, self._values["num_envs"], self._tally, log, keep)
        with warnings.catch_warnings(record=True) as caught:
            self.model = build(self._values, self._environments, seeding.derive(task.seed, "training"))
        for warning in caught:
            log.note(" ".join(str(warning.message).split()))
        self.model.set_logger(Logger(None, []))
        if found:
            sb3_state.restore(self.model, *found)
        log.rewind(self._tally.env_steps)
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
                self._evaluate()
                self._log.progress(self._total, self._total, self._note())
                self._save()
            if self._writer is not None:
                with self._log.clock("log"):
                    self._writer.finish(upstream_env_steps=self.model.num_timesteps)
            return self.cost
        finally:
            self._environments.close()
            if self._writer is not None:
                self._writer.close()

    @property
    def cost(self) -> Cost:
        """So far."""
        if isinstance(self.model, OnPolicyAlgorithm):  # an update is a pass over the whole rollout
            per_update = self.model.n_steps * self.model.n_envs
        else:
            per_update = self._values["batch_size"]
        return Cost(env_steps=self.model.num_timesteps, samples_seen=self.model._n_updates * per_update)

    def after_step(self) -> None:
        """Called when every environment has made a step."""
        steps = self.model.num_timesteps
        if self._next_evaluation <= steps < self._total:
            self._evaluate()
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

    def _begin(self, done: int) -> None:
        now = time.perf_counter()
        self._curve_at, self._curve_since = done, now
        self._checkpoint_at = now + _CHECKPOINT_SECONDS
        self._progress_due = Throttle(0.2)
        self._next_evaluation = (done // self._evaluate_every + 1) * self._evaluate_every
        self._policy = policy(self.model)

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

    def _evaluate(self) -> None:
        steps, start = self.model.num_timesteps, time.perf_counter()
        self._next_evaluation = (steps // self._evaluate_every + 1) * self._evaluate_every
        if self._task.evaluate is None:
            return
        with self._log.clock("evaluation"):
            scores = self._task.evaluate(self._policy)
        self._log.scalars(scores, steps)
        self._curve_since += time.perf_counter() - start

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
                self._writer.commit()
        arrays, state = sb3_state.capture(self.model, replay=self.model.num_timesteps < self._total)
        state |= {"episodes": self._tally.episodes, "latest_returns": list(self._tally.returns)}
        checkpoints.save(self._directory, arrays, state)
        now = time.perf_counter()
        self._checkpoint_at = now + max(_CHECKPOINT_SECONDS, (now - start) / _CHECKPOINT_SHARE)

    def _open_writer(self) -> DatasetWriter | None:
        """The trajectory log, cut back to what the checkpoint knows; None: not wanted, or complete."""
        path, env = self._task.log_trajectories, self._task.env
        if path is None or env is None:
            return None
        if self._tally.env_steps >= self._total and (path / "dataset.json").is_file():
            return None
        info = DatasetInfo(env.name, spaces_of(env), self._provenance(), env_definition=env.definition)
        writer = DatasetWriter(path, info)
        writer.rewind(self._tally.env_steps)
        return writer

    def _provenance(self) -> dict[str, Any]:
        known: dict[str, Any] = {
            "source": "online training",
            "algorithm": self._values["algorithm"],
            "seed": self._task.seed,
            "versions": dict(ledger.versions()),
        }
        if (self._log.directory / "record.json").is_file():
            record = RunDirectory(self._log.directory).record
            known |= {"agent": record.agent, "spec_hash": record.spec_hash}
        return known


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


def _argument(value: Any) -> Any:
    """A schedule's table as stable-baselines3 takes it: linear from `start` to `end` over the whole run."""
    if not isinstance(value, Mapping):
        return value
    return LinearSchedule(start=value["start"], end=value["end"], end_fraction=1.0)
