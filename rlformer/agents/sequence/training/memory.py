"""What the C library does with freed memory."""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
_KEPT, _LARGE = 1 << 30, 32 << 20  # bytes; 32 MiB is the most that glibc allows for the latter


def keep_freed() -> None:
    """Let this process keep up to 1 GiB that it freed, instead of giving it back to the system.

    Every training step frees its activations and takes as much again: fetched anew each time, page by page, that was
    a twentieth of a step at the paper's sizes. Does nothing where the C library is not glibc.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, _LARGE)
        library.mallopt(_TRIM_THRESHOLD, _KEPT)
