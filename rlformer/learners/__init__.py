"""The learners by name. A new one is a module and a line here."""

from __future__ import annotations

import importlib
from typing import Any

from rlformer.errors import unknown

LEARNERS: dict[str, str] = {
    "random": "rlformer.learners.reference:RandomLearner",
    "behaviour": "rlformer.learners.reference:BehaviourLearner",
    "sequence": "rlformer.learners.sequence:SequenceLearner",
    "offline": "rlformer.learners.offline:OfflineLearner",
    "sb3": "rlformer.learners.sb3:OnlineLearner",
}

# What each needs, known without importing it.
NEEDS: dict[str, frozenset[str]] = {
    "random": frozenset({"env"}),
    "behaviour": frozenset({"dataset"}),
    "sequence": frozenset({"dataset"}),
    "offline": frozenset({"dataset"}),
    "sb3": frozenset({"env"}),
}


def learner_class(name: str) -> Any:
    """The class (a `types.Learner`) of that name, imported when it is asked for."""
    if name not in LEARNERS:
        raise unknown("learner", name, LEARNERS)
    module, _, attribute = LEARNERS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
