"""The offline algorithms by the name that a card says. A new one is a file or folder here, and a line."""

from __future__ import annotations

from collections.abc import Mapping

from rlformer.agents.offline.algorithms.cql import CQL
from rlformer.agents.offline.algorithms.iql import IQL
from rlformer.agents.offline.algorithms.rebrac import REBRAC
from rlformer.agents.offline.algorithms.td3_bc import TD3_BC
from rlformer.agents.online.algorithms.base import Algorithm

_ALL = (
    CQL,
    IQL,
    REBRAC,
    TD3_BC,
)
ALGORITHMS: Mapping[str, Algorithm] = {algorithm.name: algorithm for algorithm in _ALL}
