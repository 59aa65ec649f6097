"""Reinforcement learning by interaction, on stable-baselines3 and sb3-contrib."""

from rlformer.agents.base import LearnerKind
from rlformer.agents.online.flops import of_run

ONLINE = LearnerKind(
    name="sb3",
    implementation="rlformer.agents.online.sb3:OnlineLearner",
    needs=frozenset({"env"}),
    curve_unit="env_steps",
    flops=of_run,
)
