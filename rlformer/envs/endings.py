"""How long an episode may go on before it is told that nothing ends it."""

from __future__ import annotations

from rlformer.core.errors import InputError

_LONGEST = 1_000_000  # steps of an episode where a longer limit is not known
_UNLIMITED = 100_000  # where no limit is known, but other episodes ended
AT_FIRST, _TOGETHER = 10_000, 100_000  # where none has ended yet: of an episode, and of all side by side at least
ADVICE = 'give a time limit, in a card: wrappers = [{ kind = "time_limit", steps = 1000 }]'


def most_steps(limit: int | None, num: int, ended: bool) -> int:
    """The steps that an episode may take.

    limit: after which the environment is known to cut off; num: episodes side by side; ended: whether one has ended
    already. Without a limit nobody may wait for a million steps of each in vain: while none has ended, 10,000 steps
    are enough, or more where few episodes run, 100,000 together; 100,000 of each later.
    """
    if limit is not None:
        return max(limit, _LONGEST)
    return _UNLIMITED if ended else max(AT_FIRST, -(-_TOGETHER // num))


def endless(name: str, steps: int) -> InputError:
    """None of an environment's episodes ended within so many steps of all together."""
    return InputError(f"environment '{name}': no episode ended after {steps:,} steps: {ADVICE}")
