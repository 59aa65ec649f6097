"""Reinforcement learning by interaction, on stable-baselines3 and sb3-contrib."""

from collections.abc import Mapping
from functools import partial

from rlformer.agents.base import LearnerKind
from rlformer.agents.online.algorithms import ALGORITHMS
from rlformer.agents.online.flops import of_run
from rlformer.agents.online.ranges import REQUIRED_ONLINE, ranges_of
from rlformer.core.ranges import FLAG, TEXT, Range, whole

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
    needs_masks=lambda values: ALGORITHMS[values["algorithm"]].masked,
)

# Of an agent that others trained, see `agents.zipped`: the file, who is in it, what it holds, the steps behind it (0:
# unknown), and whether it may be unpickled.
_OF_A_ZIP: Mapping[str, Range] = {
    "zip": TEXT,
    "agent": TEXT,
    "digest": TEXT,
    "trained_steps": whole(0, 10**15),
    "trust": FLAG,
}
ZIP = LearnerKind(
    name="zip",
    implementation="rlformer.agents.online.zip_learner:ZipLearner",
    needs=frozenset({"env", "weights"}),
    curve_unit="env_steps",
    flops=lambda values, spaces, record: {"action": 2.0 * record.parameters},  # of layers between vectors, about
    ranges=lambda values: _OF_A_ZIP,
    required=frozenset(_OF_A_ZIP),
    trains=False,
)
