"""Several processes on one machine share work: what another one does is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from rlformer.core import files
from rlformer.core.errors import Interrupted
from rlformer.runs.hooks import Hooks

T = TypeVar("T")
_LOOKING_SECONDS = 0.2


def in_line(work: Callable[[], T], hooks: Hooks) -> T:
    """What `work` returns; where another process holds its lock, once that one has let go of it.

    The work must look anew at what is there each time: mostly all is done. Raises Interrupted where the hooks say to
    stop meanwhile, and `files.Busy` at once where they do not wait.
    """
    while True:
        try:
            return work()
        except files.Busy as busy:
            if not hooks.waits:
                raise
            hooks.tell(f"waiting: {busy}")
            while not files.is_free(busy.path):
                if hooks.stop():
                    raise Interrupted from None
                time.sleep(_LOOKING_SECONDS)
