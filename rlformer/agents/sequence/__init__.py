"""Sequence models: they imitate a log, told what return to reach or not."""

from rlformer.agents.base import LearnerKind
from rlformer.agents.sequence.flops import of_run

SEQUENCE = LearnerKind(
    name="sequence",
    implementation="rlformer.agents.sequence.learner:SequenceLearner",
    needs=frozenset({"log"}),
    curve_unit="gradient_steps",
    flops=of_run,
    gpu=True,
    evaluations=frozenset({"final", "targets", "sampled"}),
)
