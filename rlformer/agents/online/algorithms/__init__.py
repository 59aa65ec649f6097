"""The online algorithms by the name that a card says. A new one is a file here that describes itself, and a line."""

from __future__ import annotations

from collections.abc import Mapping

from rlformer.agents.online.algorithms.a2c import A2C
from rlformer.agents.online.algorithms.base import Algorithm
from rlformer.agents.online.algorithms.dqn import DQN
from rlformer.agents.online.algorithms.ppo import PPO
from rlformer.agents.online.algorithms.recurrent_ppo import RECURRENT_PPO
from rlformer.agents.online.algorithms.sac import SAC
from rlformer.agents.online.algorithms.td3 import TD3

_ALL = (
    A2C,
    DQN,
    PPO,
    RECURRENT_PPO,
    SAC,
    TD3,
)
ALGORITHMS: Mapping[str, Algorithm] = {algorithm.name: algorithm for algorithm in _ALL}
