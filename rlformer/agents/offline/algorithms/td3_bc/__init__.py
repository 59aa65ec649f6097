"""TD3+BC (Fujimoto & Gu 2021, arXiv:2106.06860); what trains it is in `train`."""

from rlformer.agents.online.algorithms import td3
from rlformer.agents.online.algorithms.base import DELAYED, ON_LOG, Algorithm

TD3_BC = Algorithm(
    name="TD3-BC",
    implementation="rlformer.agents.offline.algorithms.td3_bc.train:TD3BC",
    action_kinds=frozenset({"box"}),
    actor=td3.actor,
    counts=td3.counts,
    ranges={**ON_LOG, **DELAYED},
)
