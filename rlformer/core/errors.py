"""Errors that are the user's to mend: one clear line, exit code 2."""

import difflib
import errno
from collections.abc import Iterable


class InputError(ValueError):
    """The input is wrong. The message says what, where, and what would be right, in one line."""


def is_users(error: BaseException) -> bool:
    """Whether the error is the user's to mend: an InputError, or a path that the system takes for none."""
    too_long = isinstance(error, OSError) and error.errno in (errno.ENAMETOOLONG, errno.ELOOP)
    return too_long or isinstance(error, InputError)


class MissingExtra(InputError):
    """An optional dependency is needed and absent."""

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the extra '{extra}': pip install 'rlformer[{extra}]'")


class Interrupted(Exception):
    """The user asked to stop, and the work done so far is on disk: the same command continues it."""


def unknown(kind: str, name: str, valid: Iterable[str], listed: str | None = None) -> InputError:
    """The error for a name that is not among `valid`, with the nearest one as a suggestion.

    listed: what to say is valid where nothing is near and `valid` is too long to be read.

    >>> print(unknown("agent", "pp0", ["ppo", "dqn"]))
    unknown agent 'pp0'; did you mean 'ppo'?
    >>> print(unknown("agent", "zzz", ["ppo", "dqn"]))
    unknown agent 'zzz'; valid: dqn, ppo
    """
    valid = sorted(valid)
    near = difflib.get_close_matches(name.lower(), {v.lower(): v for v in valid}, n=1, cutoff=0.6)
    if near:
        original = next(v for v in valid if v.lower() == near[0])
        return InputError(f"unknown {kind} '{name}'; did you mean '{original}'?")
    return InputError(f"unknown {kind} '{name}'; valid: {listed or ', '.join(valid)}")
