"""Reinforcement learning on a log, without interaction."""

from functools import partial

from rlformer.agents.base import LearnerKind
from rlformer.agents.offline.algorithms import ALGORITHMS
from rlformer.agents.offline.steps import gradient_steps
from rlformer.agents.online.flops import of_run
from rlformer.agents.online.ranges import REQUIRED_OFFLINE, ranges_of

OFFLINE = LearnerKind(
    name="offline",
    implementation="rlformer.agents.offline.learner:OfflineLearner",
    needs=frozenset({"log"}),
    curve_unit="gradient_steps",
    steps_on=gradient_steps,
    flops=partial(of_run, ALGORITHMS),
    ranges=partial(ranges_of, algorithms=ALGORITHMS),
    required=REQUIRED_OFFLINE,
    trains_with="rlformer.agents.offline.training",
    action_kinds=lambda values: ALGORITHMS[values["algorithm"]].action_kinds,
    sees_images=lambda values: ALGORITHMS[values["algorithm"]].counts_of_images is not None,
)
