"""Imported by the server of processes when it starts: what it still does when it ends, its parent having died."""

import atexit
import os
import time

from rlformer.runs import scratch
from rlformer.studies.executors.orphan import GRACE


def _wait() -> None:
    """Until no worker is left, or they had their time: the system ends them with this process."""
    until = time.monotonic() + GRACE
    try:
        while time.monotonic() < until:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.02)
    except ChildProcessError:
        return


scratch.remove_at_exit()
atexit.register(_wait)
