"""How much memory this machine has, so that what cannot fit is refused before it is begun."""

from __future__ import annotations

import os
from pathlib import Path

from rlformer.core.errors import InputError

_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))  # of a container


def memory_bytes() -> int:
    """What a process may have at most: all of the machine's memory, or its container's."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in _LIMITS:
        try:
            limit = path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if limit.isdecimal():
            total = min(total, int(limit))
    return total


def check_fits(what: str, needed: float) -> None:
    """Raise InputError, with the estimate, where `what` needs more bytes of memory than there are."""
    if needed > (there := memory_bytes()):
        raise InputError(
            f"{what} takes at least {gigabytes(needed)} of memory, and this machine has {gigabytes(there)}"
        )


def gigabytes(size: float) -> str:
    """As a person reads it.

    >>> gigabytes(3.2e10), gigabytes(5e6)
    ('32 GB', '0.005 GB')
    """
    return f"{float(f'{size / 1e9:.2g}'):,.12g} GB"
