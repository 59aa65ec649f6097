"""A process whose parent died ends within a second, whatever it is doing."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from multiprocessing.connection import wait
from multiprocessing.process import parent_process

GRACE = 0.8  # seconds in which it may save what it has: who asks whether to stop is told so
_PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>


def end_with_parent() -> None:
    """End this process, and all of its process group, within a second of the death of the one that asked for it.

    A thread waits for the end of the pipe that the parent holds, which any Unix closes at its death. Where code that
    never lets other threads run keeps it from hearing so, Linux kills the process when the server that forked it ends,
    which does so as long after the parent: see `server`.
    """
    parent = parent_process()
    if parent is None:
        return
    threading.Thread(target=_watch, args=(parent.sentinel,), name="rlformer-orphan", daemon=True).start()
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if not parent.is_alive():  # it died before anybody watched
        _end()


def _watch(sentinel: int) -> None:
    wait([sentinel])
    time.sleep(GRACE)
    _end()


def _end() -> None:
    if os.getpgrp() == os.getpid():  # with what the job itself has started
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
