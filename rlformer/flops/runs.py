"""A whole run, from its configuration, its shapes and its record alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rlformer.core.spaces import ActionSpec
from rlformer.flops import agents, sequence
from rlformer.runs.record import RunRecord


def of_run(
    learner: str, hyperparameters: Mapping[str, Any], observation_size: int, actions: ActionSpec, record: RunRecord
) -> dict[str, float]:
    """Operations by what they were for: "training", the whole run, and "action", one of one environment.

    learner, hyperparameters: as in the run's configuration. observation_size: numbers in one observation. record: its
    cost and progress say what was done. An action is chosen with a full context. A key is absent where the record does
    not tell; empty for a learner that has no count.
    """
    counter = COUNTERS.get(learner)
    return {} if counter is None else counter(hyperparameters, observation_size, actions, record)


def _sequence(values: Mapping[str, Any], size: int, actions: ActionSpec, record: RunRecord) -> dict[str, float]:
    """Whole windows are computed, padding too, so that gradient steps count and not the samples seen."""
    counts = {"action": sequence.window(values, size, actions, acting=True).forward}
    gradient_steps = record.progress.get("done")
    if gradient_steps is not None:
        counts["training"] = gradient_steps * values["batch_size"] * sequence.window(values, size, actions).training
    return counts


def _agent(values: Mapping[str, Any], size: int, actions: ActionSpec, record: RunRecord) -> dict[str, float]:
    counts = agents.agent(values, size, actions)
    acted = max(0.0, record.cost.env_steps - counts.first_step)
    return {"action": counts.action, "training": acted * counts.step + record.cost.samples_seen * counts.sample}


def _nothing(values: Mapping[str, Any], size: int, actions: ActionSpec, record: RunRecord) -> dict[str, float]:
    return {"action": 0.0, "training": 0.0}


def _log(values: Mapping[str, Any], size: int, actions: ActionSpec, record: RunRecord) -> dict[str, float]:
    return {"training": 0.0}  # a log does not act


# By the names of `learners.LEARNERS`.
COUNTERS: Mapping[str, Callable[[Mapping[str, Any], int, ActionSpec, RunRecord], dict[str, float]]] = {
    "random": _nothing,
    "behaviour": _log,
    "sequence": _sequence,
    "offline": _agent,
    "sb3": _agent,
}
