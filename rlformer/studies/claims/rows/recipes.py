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


_SHORT = 16  # steps


def reading(steps: int, *more: str) -> tuple[str, ...]:
    """The same for a model that reads so many steps, of which n (n + 1) / 2 lie in the windows of an episode of n.

    Of long ones twice the gradient steps: all that a cue says is said of the last step of one of these windows.
    """
    longer = () if steps <= _SHORT else ("gradient_steps=3000", "validate_every=3000")
    return (*WORLD, *longer, f"context_length={steps}", *more)
