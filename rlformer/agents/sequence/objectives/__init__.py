"""The objectives by name. A new one is a file that describes itself, and a line here."""

from __future__ import annotations

from rlformer.agents.sequence.architecture import Architecture
from rlformer.agents.sequence.objectives.base import Objective
from rlformer.agents.sequence.objectives.chunks import CHUNKS
from rlformer.agents.sequence.objectives.imitation import IMITATION
from rlformer.agents.sequence.objectives.reinformer import REINFORMER
from rlformer.core.errors import InputError

OBJECTIVES: dict[str, Objective] = {kind.name: kind for kind in (IMITATION, REINFORMER, CHUNKS)}


def objective(name: str, architecture: Architecture) -> Objective:
    """The objective of that name. Raises InputError where there is none, or where it cannot train that architecture."""
    if name not in OBJECTIVES:
        raise InputError(f"objective: '{name}' is none of {', '.join(OBJECTIVES)}")
    found = OBJECTIVES[name]
    if architecture.kind.bidirectional and not found.hides_the_future:
        raise InputError(
            f"objective: {name} shows a model the future, which the {architecture.backbone} would read: "
            "it needs a backbone that reads the past alone"
        )
    if architecture.chunk_length > 1 and name != CHUNKS.name:
        raise InputError(f"chunk_length: objective {name} teaches one action; objective must be '{CHUNKS.name}'")
    found.check(architecture)
    return found
