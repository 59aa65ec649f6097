"""What a log is, in numbers and in words: `rlformer data info`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from rlformer.core.records import SCHEMA
from rlformer.core.spaces import Array
from rlformer.data.dataset import ARRAYS, Dataset
from rlformer.runs.inputs import LogInput, LogTask

_QUARTILES = ("min", "q1", "median", "q3", "max")
_COMPARED = 50_000  # steps of a log, at most, in which repetitions are looked for


def describe(dataset: Dataset) -> dict[str, Any]:
    """A JSON-ready description of this view of a log, with warnings about what may mislead a learner."""
    info, rows = dataset.info, dataset.episodes[dataset.index]
    terminated, truncated = rows["terminated"], rows["truncated"]
    description = {
        "schema": SCHEMA,
        "path": str(dataset.path) if dataset.path else None,
        "selection": dataset.selection,
        "hash": dataset.hash,
        "env": info.env,
        "observation_shape": list(info.observation_shape),
        "actions": info.actions.to_dict(),
        "action_space": info.actions.describe(),
        "episodes": dataset.num_episodes,
        "steps": dataset.num_steps,
        "returns": _spread(dataset.returns),
        "lengths": _spread(dataset.lengths),
        "endings": {
            "terminated": float(terminated.mean()),
            "truncated": float((truncated & ~terminated).mean()),
            "neither": float((~terminated & ~truncated).mean()),
        },
        **asdict(log_task(dataset)),
        "upstream_env_steps": dataset.upstream_env_steps,
        "final_observations": info.final_observations,
        "provenance": dict(info.provenance),
        "bytes": _bytes(dataset),
    }
    return {**description, "warnings": _warnings(dataset, description)}


def describe_text(description: dict[str, Any]) -> str:
    """What `describe` found, as lines for a terminal."""
    known = description
    upstream, size = known["upstream_env_steps"], known["bytes"]
    endings = ", ".join(f"{100 * share:.2f} % {how}" for how, share in known["endings"].items() if share)
    lines = {
        "dataset": known["path"] or "(in memory)",
        "selection": known["selection"],
        "hash": known["hash"],
        "environment": known["env"] or "unknown",
        "observations": f"{tuple(known['observation_shape'])} float32",
        "actions": known["action_space"],
        "episodes": f"{known['episodes']:,}",
        "steps": f"{known['steps']:,}",
        "returns": _spread_text(known["returns"]),
        "lengths": _spread_text(known["lengths"]),
        "endings": endings,
        "non-zero rewards": f"{100 * known['nonzero_rewards']:.2f} % of steps",
        "same step again": _chance(
            known["chance_per_step"], known["repeated_steps"], "of {:,} steps led elsewhere than before"
        ),
        "same actions again": _chance(
            known["luck"], known["repeated_episodes"], "of the returns' variance is luck ({:,} episodes)"
        ),
        "upstream steps": "unknown" if upstream is None else f"{upstream:,}",
        "size": "" if size is None else f"{size / 1e6:,.1f} MB",
        **{f"provenance: {key}": _flat(value) for key, value in known["provenance"].items()},
    }
    width = max(map(len, lines)) + 2
    shown = [f"{label:<{width}}{value}" for label, value in lines.items() if value]
    return "\n".join([*shown, *(f"warning: {warning}" for warning in known["warnings"])])


def log_task(dataset: Dataset) -> LogTask:
    """What a log alone tells of its task: sparsity, horizon, and how far chance decides.

    nonzero_rewards: share of steps. rewarded_steps: of the median episode. median_length, max_length: steps.
    chance_per_step: among the steps whose observation and action occurred before, the share that led to another
    reward, observation or end than the first time: chance, or something that is not observed. luck: among episodes
    with the same first observation and the same actions, how much of the variance of their returns is within those
    groups: what nobody who acts so decides. Both look at whole episodes of the log's first 50,000 steps at most, and
    are None where nothing repeats, as with continuous observations; repeated_steps and repeated_episodes count.
    """
    rewarded = dataset.episode_sums(dataset.rewards != 0)
    few = dataset.select(np.arange(max(1, int(np.searchsorted(np.cumsum(dataset.lengths), _COMPARED)))), "compared")
    chance, steps = _chance_per_step(few)
    luck, episodes = _luck(few)
    return LogTask(
        nonzero_rewards=float(rewarded.sum() / dataset.num_steps),
        rewarded_steps=float(np.median(rewarded)),
        median_length=float(np.median(dataset.lengths)),
        max_length=int(dataset.lengths.max()),
        chance_per_step=chance,
        repeated_steps=steps,
        luck=luck,
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
    )


def _chance_per_step(dataset: Dataset) -> tuple[float | None, int]:
    """The share, and how many steps occurred before."""
    lengths = dataset.lengths
    ends = np.cumsum(lengths)
    rows = np.arange(dataset.num_steps) + np.repeat(dataset.starts - ends + lengths, lengths)
    observed = rows + np.repeat(dataset.index, lengths)  # each episode before it has a row more than steps
    over = np.isin(np.arange(dataset.num_steps), ends - 1)
    before = _alike(dataset.observations[observed], dataset.actions[rows])
    after = _alike(dataset.observations[observed + 1], dataset.rewards[rows], over)
    _, first, group = np.unique(before, return_index=True, return_inverse=True)
    again = np.ones(len(before), bool)
    again[first] = False
    if not again.any():
        return None, 0
    return float((after != after[first[group]])[again].mean()), int(again.sum())


def _luck(dataset: Dataset) -> tuple[float | None, int]:
    """The share, and how many episodes have a twin."""
    chosen = [
        dataset.observations[first].tobytes() + dataset.actions[start : start + length].tobytes()
        for first, start, length in zip(dataset.observation_starts, dataset.starts, dataset.lengths, strict=True)
    ]
    _, group, sizes = np.unique(np.array(chosen, object), return_inverse=True, return_counts=True)
    twins = sizes[group] > 1
    returns, group = dataset.returns[twins], group[twins]
    total = float(returns.var()) if len(returns) else 0.0
    if total == 0.0:
        return None, int(twins.sum())
    count = np.bincount(group)
    mean = np.bincount(group, returns) / np.maximum(count, 1)
    # A group's variance over its size less one, as an estimate must: two twins would else look half as lucky.
    within = (returns - mean[group]) ** 2 * count[group] / (count[group] - 1)
    return min(1.0, float(within.mean()) / total), int(twins.sum())


def _alike(*columns: Array) -> Array:
    """A number for each row (S,), the same where all columns (S, ...) are."""
    rows = np.column_stack([np.asarray(column, np.float64).reshape(len(column), -1) for column in columns])
    seen: dict[bytes, int] = {}
    return np.array([seen.setdefault(row.tobytes(), len(seen)) for row in rows + 0.0])  # + 0.0: -0 is 0


def _chance(share: float | None, count: int, words: str) -> str:
    return "" if share is None else f"{100 * share:.2f} % {words.format(count)}"


def _spread(values: Array) -> dict[str, float]:
    quartiles = np.quantile(values, [0.0, 0.25, 0.5, 0.75, 1.0])
    return {**dict(zip(_QUARTILES, quartiles.tolist(), strict=True)), "mean": float(np.mean(values))}


def _spread_text(spread: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.6g}" for name, value in spread.items())


def _warnings(dataset: Dataset, known: dict[str, Any]) -> list[str]:
    returns, count = known["returns"], len(dataset)
    unended = round(known["endings"]["neither"] * count)
    found = (
        (count == 1, "one episode only: nothing can be held out from training"),
        (
            count > 1 and returns["min"] == returns["max"],
            "all returns are equal: conditioning on a return teaches nothing here",
        ),
        (known["nonzero_rewards"] == 0, "all rewards are zero"),
        (not known["final_observations"], "last observations were not recorded: each repeats the one before"),
        (unended > 0, f"{unended:,} episodes neither terminate nor are truncated"),
        (known["env"] is None, "the environment is not recorded"),
        (known["upstream_env_steps"] is None, "how many environment steps the log took to make is unknown"),
    )
    return [warning for holds, warning in found if holds]


def _bytes(dataset: Dataset) -> int | None:
    """Of the whole folder's arrays, whichever of its episodes are in view."""
    if dataset.path is None:
        return None
    return sum((dataset.path / f"{name}.npy").stat().st_size for name in ARRAYS)


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_flat(part)}" for key, part in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
