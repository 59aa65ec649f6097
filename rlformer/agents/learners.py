"""The learners by name. A new one is a module and a line here."""

from __future__ import annotations

import importlib
from typing import Any

from rlformer.core.errors import unknown

LEARNERS: dict[str, str] = {
    "random": "rlformer.agents.reference:RandomLearner",
    "behaviour": "rlformer.agents.reference:BehaviourLearner",
    "sequence": "rlformer.agents.sequence.learner:SequenceLearner",
    "offline": "rlformer.agents.offline.offline:OfflineLearner",
    "sb3": "rlformer.agents.online.sb3:OnlineLearner",
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
    """The class (a `agents.base.Learner`) of that name, imported when it is asked for."""
    if name not in LEARNERS:
        raise unknown("learner", name, LEARNERS)
    module, _, attribute = LEARNERS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
