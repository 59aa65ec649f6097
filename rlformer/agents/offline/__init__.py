"""Reinforcement learning on a log, without interaction."""

from rlformer.agents.base import LearnerKind
from rlformer.agents.online.flops import of_run

OFFLINE = LearnerKind(
    name="offline",
    implementation="rlformer.agents.offline.offline:OfflineLearner",
    needs=frozenset({"log"}),
    curve_unit="gradient_steps",
    flops=of_run,
)
