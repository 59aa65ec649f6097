"""Adversarial imitation: an expert's log says what to match, interaction is spent on it, and no reward is read."""

from functools import partial

from rlformer.agents.adversarial.algorithm import ALGORITHMS
from rlformer.agents.base import LearnerKind
from rlformer.agents.online.flops import of_run
from rlformer.agents.online.ranges import REQUIRED_ONLINE, ranges_of

ADVERSARIAL = LearnerKind(
    name="adversarial",
    implementation="rlformer.agents.adversarial.learner:AdversarialLearner",
    needs=frozenset({"env", "log"}),
    curve_unit="env_steps",
    flops=partial(of_run, ALGORITHMS),
    ranges=partial(ranges_of, algorithms=ALGORITHMS),
    required=(REQUIRED_ONLINE - {"normalize_rewards"}) | {"expert_episodes"},
    trains_with="rlformer.agents.adversarial.training",
    sees_images=lambda values: ALGORITHMS[values["algorithm"]].counts_of_images is not None,
    action_kinds=lambda values: ALGORITHMS[values["algorithm"]].action_kinds,
)
