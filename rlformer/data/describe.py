"""What a log is, in numbers and in words: `rlformer data info`."""

from __future__ import annotations

from typing import Any

import numpy as np

from rlformer.data.dataset import ARRAYS, Dataset
from rlformer.types import SCHEMA, Array

_QUARTILES = ("min", "q1", "median", "q3", "max")


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
        "nonzero_rewards": float(dataset.episode_sums(dataset.rewards != 0).sum() / dataset.num_steps),
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
        "non-zero rewards": f"{100 * known['nonzero_rewards']:.2f} %",
        "upstream steps": "unknown" if upstream is None else f"{upstream:,}",
        "size": "" if size is None else f"{size / 1e6:,.1f} MB",
        **{f"provenance: {key}": _flat(value) for key, value in known["provenance"].items()},
    }
    width = max(map(len, lines)) + 2
    shown = [f"{label:<{width}}{value}" for label, value in lines.items() if value]
    return "\n".join([*shown, *(f"warning: {warning}" for warning in known["warnings"])])


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
