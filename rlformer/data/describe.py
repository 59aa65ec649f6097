"""What a log is, in numbers and in words: `rlformer data info`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.records import SCHEMA, Episode
from rlformer.core.spaces import Array, Spaces
from rlformer.data.arrays import ARRAYS
from rlformer.data.chance import chance_per_step, luck
from rlformer.data.dataset import Dataset
from rlformer.data.findings import Finding, find
from rlformer.data.loaders.base import Native
from rlformer.data.shards import steps_behind
from rlformer.runs.directory import TRAJECTORIES, RunDirectory
from rlformer.runs.inputs import LogInput, LogTask

_COMPARED = 50_000  # steps of a log, at most, in which repetitions are looked for
_COMPARED_NUMBERS = 50_000_000  # of observations, at most


@dataclass(frozen=True)
class Spread:
    """Five quantiles of some numbers, and their mean."""

    min: float
    q1: float
    median: float
    q3: float
    max: float
    mean: float

    @classmethod
    def of(cls, values: Array) -> Spread:
        """Of one number at least."""
        low, q1, median, q3, high = map(float, np.quantile(values, [0.0, 0.25, 0.5, 0.75, 1.0]))
        return cls(low, q1, median, q3, high, float(np.mean(values)))

    def __str__(self) -> str:
        return ", ".join(f"{name} {value:.6g}" for name, value in vars(self).items())


@dataclass(frozen=True)
class Endings:
    """How episodes ended, as shares of them."""

    terminated: float
    truncated: float
    neither: float


@dataclass(frozen=True)
class Description:
    """A view of a log, with warnings about what may mislead a learner."""

    path: str | None  # None: in memory
    selection: str
    hash: str
    env: str | None
    spaces: Spaces
    episodes: int
    steps: int
    returns: Spread
    lengths: Spread
    endings: Endings
    task: LogTask
    upstream_env_steps: int | None
    final_observations: bool
    provenance: Mapping[str, Any]
    bytes: int | None  # of the whole folder's arrays, whichever of its episodes are in view
    findings: tuple[Finding, ...] = ()

    @property
    def warnings(self) -> list[str]:
        """What may mislead a learner, one sentence each."""
        return [finding.text for finding in self.findings]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        observation, actions = self.spaces.observation, self.spaces.actions
        return {
            "schema": SCHEMA,
            "path": self.path,
            "selection": self.selection,
            "hash": self.hash,
            "env": self.env,
            "observation_shape": list(observation.shape),
            "observation_dtype": str(observation.dtype),
            "observation_parts": observation.to_dict()["parts"],
            "actions": actions.to_dict(),
            "action_space": actions.describe(),
            "episodes": self.episodes,
            "steps": self.steps,
            "returns": asdict(self.returns),
            "lengths": asdict(self.lengths),
            "endings": asdict(self.endings),
            **asdict(self.task),
            "upstream_env_steps": self.upstream_env_steps,
            "final_observations": self.final_observations,
            "provenance": dict(self.provenance),
            "bytes": self.bytes,
            "warnings": self.warnings,
            "findings": [finding.to_dict() for finding in self.findings],
        }

    def __str__(self) -> str:
        """Lines for a terminal; what is not known is left out."""
        task, upstream = self.task, self.upstream_env_steps
        endings = ", ".join(f"{100 * share:.2f} % {how}" for how, share in vars(self.endings).items() if share)
        lines = {
            "dataset": self.path or "(in memory)",
            "selection": self.selection,
            "hash": self.hash,
            "environment": self.env or "unknown",
            "observations": self.spaces.observation.describe(),
            "actions": self.spaces.actions.describe(),
            "episodes": f"{self.episodes:,}",
            "steps": f"{self.steps:,}",
            "returns": str(self.returns),
            "lengths": str(self.lengths),
            "endings": endings,
            "non-zero rewards": f"{100 * task.nonzero_rewards:.2f} % of steps",
            "same step again": _share(
                task.chance_per_step, f"of {task.repeated_steps:,} steps led elsewhere than before"
            ),
            "same actions again": _share(
                task.luck, f"of the returns' variance is luck ({task.repeated_episodes:,} episodes)"
            ),
            "upstream steps": "unknown" if upstream is None else f"{upstream:,}",
            "size": "" if self.bytes is None else f"{self.bytes / 1e6:,.1f} MB",
            **{f"provenance: {key}": _flat(value) for key, value in self.provenance.items() if key != "notes"},
        }
        width = max(map(len, lines)) + 2
        shown = [f"{label:<{width}}{value}" for label, value in lines.items() if value]
        return "\n".join([*shown, *(f"warning: {warning}" for warning in self.warnings)])


def describe(dataset: Dataset, env: Native | None = None, played: Sequence[Episode] = ()) -> Description:
    """What this view of a log is. env, played: what it is held against; see `findings.find`."""
    info, rows = dataset.info, dataset.episodes[dataset.index]
    terminated, truncated = rows["terminated"], rows["truncated"]
    return Description(
        path=str(dataset.path) if dataset.path else None,
        selection=dataset.selection,
        hash=dataset.hash,
        env=info.env,
        spaces=info.spaces,
        episodes=dataset.num_episodes,
        steps=dataset.num_steps,
        returns=Spread.of(dataset.returns),
        lengths=Spread.of(dataset.lengths),
        endings=Endings(
            terminated=float(terminated.mean()),
            truncated=float((truncated & ~terminated).mean()),
            neither=float((~terminated & ~truncated).mean()),
        ),
        task=log_task(dataset),
        upstream_env_steps=dataset.upstream_env_steps,
        final_observations=info.final_observations,
        provenance=info.provenance,
        bytes=_bytes(dataset),
        findings=find(dataset, env, played),
    )


def log_task(dataset: Dataset) -> LogTask:
    """What a log alone says of its task: sparsity, horizon, and how far chance decides.

    nonzero_rewards: share of steps. rewarded_steps: of the median episode. median_length, max_length: steps.
    chance_per_step: among the steps whose observation and action occurred before, the share that led to another
    reward, observation or end than the first time: chance, or something that is not observed. luck: among episodes
    with the same first observation and the same actions, how much of the variance of their returns is within those
    groups: what nobody who acts so decides. Both look at whole episodes of the log's first 50,000 steps at most, of
    images at fewer, and are None where nothing repeats, as with continuous observations; repeated_steps and
    repeated_episodes count.
    """
    rewarded = dataset.rewarded_steps
    compared = min(_COMPARED, _COMPARED_NUMBERS // dataset.info.spaces.observation.size)
    few = dataset.select(np.arange(max(1, int(np.searchsorted(np.cumsum(dataset.lengths), compared)))), "compared")
    differing, steps = chance_per_step(few)
    by_luck, episodes = luck(few)
    return LogTask(
        nonzero_rewards=float(rewarded.sum() / dataset.num_steps),
        rewarded_steps=float(np.median(rewarded)),
        median_length=float(np.median(dataset.lengths)),
        max_length=int(dataset.lengths.max()),
        chance_per_step=differing,
        repeated_steps=steps,
        luck=by_luck,
        repeated_episodes=episodes,
    )


def log_input(dataset: Dataset, made_here: bool = False) -> LogInput:
    """What a run's specification says of its log. made_here: whether a study made it for itself."""
    returns, made = dataset.returns, dataset.info.provenance
    policy = made.get("behaviour_policy")
    maker = policy if isinstance(policy, Mapping) else made
    maker_hash = maker.get("spec_hash") or maker.get("spec")
    return LogInput(
        hash=dataset.hash,
        recipe=dataset.recipe,
        path=str(dataset.path) if dataset.path else None,
        selection=dataset.selection or "whole log",
        num_episodes=dataset.num_episodes,
        num_steps=dataset.num_steps,
        upstream_env_steps=dataset.upstream_env_steps,
        mean_return=float(returns.mean()),
        min_return=float(returns.min()),
        max_return=float(returns.max()),
        source=str(made.get("source", "")),
        maker=None if maker.get("agent") is None else str(maker["agent"]),
        maker_hash=None if maker_hash is None else str(maker_hash),
        made_here=made_here,
        task=log_task(dataset),
        upstream_cpu_seconds=_upstream_cpu_seconds(dataset),
    )


def _upstream_cpu_seconds(dataset: Dataset) -> float | None:
    """In which this view of a log was made: of all that was spent on the whole, its share of the steps behind it.

    Of a log in shards those of all shards, each by the steps that it adds to those behind the ones before it.
    """
    views = dataset.in_shards
    added, spent = steps_behind(views), [_whole_cpu_seconds(view) for view in views]
    if added is None:
        return None
    total = 0.0
    for view, steps, seconds in zip(views, added, spent, strict=True):
        whole = view.info.upstream_env_steps
        if seconds is None or not whole:
            return None
        total += seconds * min(1.0, steps / whole)
    return total


def _whole_cpu_seconds(dataset: Dataset) -> float | None:
    """In which the whole of a log in one piece was made."""
    if dataset.path is None or dataset.path.name != TRAJECTORIES or dataset.info.upstream_cpu_seconds is not None:
        return dataset.info.upstream_cpu_seconds
    try:
        record = RunDirectory(dataset.path.parent).record
    except InputError:
        return None
    return record.cpu_seconds_behind if record.status == "finished" else None


def _share(share: float | None, words: str) -> str:
    return "" if share is None else f"{100 * share:.2f} % {words}"


def _bytes(dataset: Dataset) -> int | None:
    if dataset.path is None:
        return None
    paths = [shard.path for shard in dataset.shards or (dataset,)]
    return sum((path / f"{name}.npy").stat().st_size for path in paths if path for name in ARRAYS)


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_flat(part)}" for key, part in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
