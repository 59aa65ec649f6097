"""How the small trainings of several claims are made, alike for all that they compare."""

from __future__ import annotations

# Of a world whose log is large: no early stopping, since a held-out loss over mostly random actions says little.
WORLD = (
    "gradient_steps=1500",
    "validate_every=1500",
    "patience=0",
    "dropout=0",
    "learning_rate=2e-3",
    "batch_size=128",
)
EPISODES = 4_000


def reading(steps: int, *more: str) -> tuple[str, ...]:
    """The same for a model that reads so many steps."""
    return (*WORLD, f"context_length={steps}", *more)
