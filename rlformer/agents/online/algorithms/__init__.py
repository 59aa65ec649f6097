"""The online algorithms by the name that a card says. A new one is a file here that describes itself, and a line.

`PUBLISHED` are those of which a .zip can be read: these, and others that no card trains.
"""

from __future__ import annotations

from collections.abc import Mapping

from rlformer.agents.online.algorithms.a2c import A2C
from rlformer.agents.online.algorithms.ars import ARS
from rlformer.agents.online.algorithms.base import Algorithm, Published
from rlformer.agents.online.algorithms.crossq import CROSSQ
from rlformer.agents.online.algorithms.ddpg import DDPG
from rlformer.agents.online.algorithms.dqn import DQN
from rlformer.agents.online.algorithms.maskable_ppo import MASKABLE_PPO
from rlformer.agents.online.algorithms.ppo import PPO
from rlformer.agents.online.algorithms.ppo_trxl import PPO_TRXL
from rlformer.agents.online.algorithms.qrdqn import QRDQN
from rlformer.agents.online.algorithms.recurrent_ppo import RECURRENT_PPO
from rlformer.agents.online.algorithms.sac import SAC
from rlformer.agents.online.algorithms.td3 import TD3
from rlformer.agents.online.algorithms.tqc import TQC
from rlformer.agents.online.algorithms.trpo import TRPO

_ALL = (
    A2C,
    ARS,
    DDPG,
    DQN,
    MASKABLE_PPO,
    PPO,
    PPO_TRXL,
    QRDQN,
    RECURRENT_PPO,
    SAC,
    TD3,
    TQC,
    TRPO,
)
_READ_ONLY = (CROSSQ,)
ALGORITHMS: Mapping[str, Algorithm] = {algorithm.name: algorithm for algorithm in _ALL}
PUBLISHED: Mapping[str, Published] = {published.name: published for published in (*_ALL, *_READ_ONLY)}
