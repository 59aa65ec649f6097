"""What one action and one training sample cost on stable-baselines3's networks, as each algorithm's file counts it.

Networks are those of stable-baselines3's policies on vectors of observations: separate ones for policy and value, two
critics where actions are real. What is counted follows their `train` and `collect_rollouts`, line by line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rlformer.agents.online.images import Features, features_of
from rlformer.core.flops import Work, linear, mlp
from rlformer.core.spaces import ActionSpec, Spaces
from rlformer.runs.record import RunRecord

if TYPE_CHECKING:
    from rlformer.agents.online.algorithms.base import Algorithm

CRITICS = 2  # of a policy of real actions


@dataclass(frozen=True)
class Counts:
    """What an algorithm does, in operations."""

    action: float  # the best action of a trained policy
    step: float  # one environment step of training
    sample: float  # one transition in one gradient step
    first_step: float = 0.0  # environment steps before which actions are drawn without the network


def of_run(
    algorithms: Mapping[str, Algorithm], values: Mapping[str, Any], spaces: Spaces, record: RunRecord
) -> dict[str, float]:
    """See `agents.flops.of_run`; `algorithms` are those that `values` may name."""
    algorithm, seen, size = algorithms[values["algorithm"]], spaces.observation, action_size(spaces.actions)
    if seen.has_images and algorithm.counts_of_images is not None:
        counts = algorithm.counts_of_images(values, features_of(seen), size)
    else:
        counts = algorithm.counts(values, seen.size, size)
    acted = max(0.0, record.cost.env_steps - counts.first_step)
    return {"action": counts.action, "training": acted * counts.step + record.cost.samples_seen * counts.sample}


def action_size(actions: ActionSpec) -> int:
    """How many numbers a policy gives for one action: a logit for each category, bit or real."""
    return actions.shape[0] if actions.kind in ("box", "multibinary") else sum(actions.nvec)


def actor_critic(values: Mapping[str, Any], observation: int, size: int) -> Counts:
    """Of a policy and a value of each step seen, learned together, on rollouts of `n_steps`."""
    sizes = [observation, *values["hidden"]]
    policy, critic = mlp([*sizes, size]), mlp([*sizes, 1])
    step = policy + critic
    learning = step
    if values.get("use_sde"):  # noise and variance from the last hidden layer, which gets no gradient from them
        exploration = linear(sizes[-1], size, input_gradient=False)
        step, learning = step + exploration * 2, learning + exploration
    bootstrap = critic.forward / values["n_steps"]  # the value of what follows a rollout
    return Counts(policy.forward, step.forward + bootstrap, learning.training)


def seeing_actor_critic(values: Mapping[str, Any], features: Features, size: int) -> Counts:
    """The same on features of images, which policy and value share and which want a gradient of both."""
    sizes = [features.size, *values["hidden"]]
    policy, critic = (mlp([*sizes, outputs], input_gradient=True) for outputs in (size, 1))
    whole = policy + critic + features.work
    bootstrap = (critic.forward + features.work.forward) / values["n_steps"]
    return Counts(policy.forward + features.work.forward, whole.forward + bootstrap, whole.training)


def critics(values: Mapping[str, Any], observation: int, size: int, outputs: int = 1) -> tuple[Work, Work]:
    """Both critics on what was done, and on the policy's actions, which want a gradient."""
    sizes = [observation + size, *values["hidden"], outputs]
    return mlp(sizes) * CRITICS, mlp(sizes, input_gradient=True) * CRITICS
