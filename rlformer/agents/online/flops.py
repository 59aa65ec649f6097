"""Algorithms on stable-baselines3's networks: what one action and one training sample cost.

Networks are those of stable-baselines3's policies on vectors of observations: separate ones for policy and value, two
critics where actions are real. What is counted follows their `train` and `collect_rollouts`, line by line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rlformer.core.flops import Work, linear, lstm, perceptron
from rlformer.core.spaces import ActionSpec
from rlformer.runs.record import RunRecord

CRITICS = 2  # of SAC and TD3


@dataclass(frozen=True)
class Agent:
    """What an algorithm does, in operations."""

    action: float  # the best action of a trained policy
    step: float  # one environment step of training
    sample: float  # one transition in one gradient step
    first_step: float = 0.0  # environment steps before which actions are drawn without the network


def of_run(values: Mapping[str, Any], size: int, actions: ActionSpec, record: RunRecord) -> dict[str, float]:
    """See `agents.flops.of_run`."""
    counts = agent(values, size, actions)
    acted = max(0.0, record.cost.env_steps - counts.first_step)
    return {"action": counts.action, "training": acted * counts.step + record.cost.samples_seen * counts.sample}


def agent(values: Mapping[str, Any], observation_size: int, actions: ActionSpec) -> Agent:
    """The counts of the algorithm that a card's hyperparameters describe."""
    size = actions.shape[0] if actions.kind in ("box", "multibinary") else sum(actions.nvec)
    return ALGORITHMS[values["algorithm"]](values, observation_size, size)


def _actor_critic(values: Mapping[str, Any], observation: int, size: int) -> Agent:
    """PPO (Schulman et al. 2017) and A2C (Mnih et al. 2016): each step also values what was seen."""
    sizes = [observation, *values["hidden"]]
    actor, critic = perceptron([*sizes, size]), perceptron([*sizes, 1])
    step = actor + critic
    learning = step
    if values.get("use_sde"):  # noise and variance from the last hidden layer, which gets no gradient from them
        exploration = linear(sizes[-1], size, input_gradient=False)
        step, learning = step + exploration * 2, learning + exploration
    bootstrap = critic.forward / values["n_steps"]  # the value of what follows a rollout
    return Agent(actor.forward, step.forward + bootstrap, learning.training)


def _recurrent(values: Mapping[str, Any], observation: int, size: int) -> Agent:
    """PPO with an LSTM each for policy and value (sb3-contrib). What sequences are padded by is left out."""
    hidden = values["lstm_hidden_size"]
    memory = lstm(observation, hidden, input_gradient=False)
    sizes = [hidden, *values["hidden"]]
    actor = memory + perceptron([*sizes, size], input_gradient=True)
    critic = memory + perceptron([*sizes, 1], input_gradient=True)
    both = actor + critic
    return Agent(actor.forward, both.forward + critic.forward / values["n_steps"], both.training)


def _q_learning(values: Mapping[str, Any], observation: int, size: int) -> Agent:
    """DQN (Mnih et al. 2015) and CQL on it: a target network's forward pass for each sample."""
    network = perceptron([observation, *values["hidden"], size])
    greedy, begun = 0.0, 0.0
    if "exploration_fraction" in values:
        greedy, begun = _greedy_share(values), min(values["learning_starts"], values["steps"])
    return Agent(network.forward, greedy * network.forward, network.training + network.forward, begun)


def _greedy_share(values: Mapping[str, Any]) -> float:
    """The expected share of steps after the first ones that ask the network: exploring steps do not."""
    first, last = values["exploration_initial_eps"], values["exploration_final_eps"]
    through = max(values["exploration_fraction"], 1e-12)

    def explored(until: float) -> float:  # the integral of epsilon over that share of the run
        falling = min(until, through)
        return float(first * falling + (last - first) * falling**2 / (2 * through) + last * (until - falling))

    begun = min(values["learning_starts"] / values["steps"], 1.0)
    return 1.0 - (explored(1.0) - explored(begun)) / (1.0 - begun) if begun < 1.0 else 0.0


def _sac(values: Mapping[str, Any], observation: int, size: int) -> Agent:
    """Haarnoja et al. 2018. The policy's loss runs back through both critics to the actions."""
    hidden = list(values["hidden"])
    trunk, head = perceptron([observation, *hidden]), linear(hidden[-1], size)
    actor = trunk + head * 2  # mean and deviation
    values_of, through = _critics(values, observation, size)
    critics, through = values_of * CRITICS, through * CRITICS
    targets = actor.forward + critics.forward
    sample = actor.training + targets + critics.training + through.training
    return Agent((trunk + head).forward, actor.forward, sample, values["learning_starts"])


def _td3(values: Mapping[str, Any], observation: int, size: int) -> Agent:
    """TD3 (Fujimoto et al. 2018) and TD3+BC: the policy learns at every `policy_delay`th step, from one critic."""
    actor = perceptron([observation, *values["hidden"], size])
    critic, through = _critics(values, observation, size)
    critics = critic * CRITICS
    targets = actor.forward + critics.forward
    improvement = (actor.training + through.training) / values["policy_delay"]
    sample = targets + critics.training + improvement
    return Agent(actor.forward, actor.forward, sample, values.get("learning_starts", 0))


def _critics(values: Mapping[str, Any], observation: int, size: int) -> tuple[Work, Work]:
    """One critic on what was done, and on the policy's actions, which want a gradient."""
    sizes = [observation + size, *values["hidden"], 1]
    return perceptron(sizes), perceptron(sizes, input_gradient=True)


ALGORITHMS: Mapping[str, Callable[[Mapping[str, Any], int, int], Agent]] = {
    "A2C": _actor_critic,
    "CQL": _q_learning,
    "DQN": _q_learning,
    "PPO": _actor_critic,
    "RecurrentPPO": _recurrent,
    "SAC": _sac,
    "TD3": _td3,
    "TD3-BC": _td3,
}
