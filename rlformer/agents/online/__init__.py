"""Reinforcement learning by interaction, on stable-baselines3 and sb3-contrib."""

from functools import partial

from rlformer.agents.base import LearnerKind
from rlformer.agents.online.algorithms import ALGORITHMS
from rlformer.agents.online.flops import of_run
from rlformer.agents.online.ranges import REQUIRED_ONLINE, ranges_of

ONLINE = LearnerKind(
    name="sb3",
    implementation="rlformer.agents.online.learner:OnlineLearner",
    needs=frozenset({"env"}),
    curve_unit="env_steps",
    flops=partial(of_run, ALGORITHMS),
    ranges=partial(ranges_of, algorithms=ALGORITHMS),
    required=REQUIRED_ONLINE,
    trains_with="rlformer.agents.online.training",
    action_kinds=lambda values: ALGORITHMS[values["algorithm"]].action_kinds,
    sees_images=lambda values: ALGORITHMS[values["algorithm"]].counts_of_images is not None,
)
