"""The objectives by name. A new one is a file that describes itself, and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlformer.agents.sequence.architecture import Architecture
from rlformer.agents.sequence.objectives.autoencoder import AUTOENCODER
from rlformer.agents.sequence.objectives.base import Objective
from rlformer.agents.sequence.objectives.chunks import CHUNKS
from rlformer.agents.sequence.objectives.imitation import IMITATION
from rlformer.agents.sequence.objectives.masked import MASKED
from rlformer.agents.sequence.objectives.reinformer import REINFORMER
from rlformer.agents.sequence.objectives.synthetic import RANDOM_TOKENS, SYNTHETIC
from rlformer.core.errors import InputError

OBJECTIVES: dict[str, Objective] = {kind.name: kind for kind in (IMITATION, REINFORMER, CHUNKS, MASKED)}
# What may come before the objective: none of the others teaches a model to act.
PRETRAININGS: dict[str, Objective] = {kind.name: kind for kind in (MASKED, AUTOENCODER, SYNTHETIC, RANDOM_TOKENS)}
NO_PRETRAINING = "none"


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
    if architecture.predicts_returns and name != REINFORMER.name:
        raise InputError(
            f"conditioning: objective {name} teaches no return; predicted needs objective '{REINFORMER.name}'"
        )
    _check("objective", found, architecture)
    return found


def pretraining(name: str, architecture: Architecture) -> Objective | None:
    """What a model learns before its objective; None: nothing. Raises InputError as `objective`."""
    if name == NO_PRETRAINING:
        return None
    if name not in PRETRAININGS:
        raise InputError(f"pretraining: '{name}' is none of {', '.join((NO_PRETRAINING, *PRETRAININGS))}")
    found = PRETRAININGS[name]
    _check("pretraining", found, architecture)
    return found


def _check(key: str, found: Objective, architecture: Architecture) -> None:
    """Whether it can train that architecture, in a message that names the card's key."""
    try:
        found.check(architecture)
    except InputError as error:
        raise InputError(f"{key}: {error}") from error


def pretraining_steps(values: Mapping[str, Any]) -> int:
    """How many of a card's gradient steps are pretraining."""
    if values.get("pretraining", NO_PRETRAINING) == NO_PRETRAINING:
        return 0
    return int(values["pretraining_share"] * values["gradient_steps"])
