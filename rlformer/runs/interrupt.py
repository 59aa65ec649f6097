"""Ctrl-C as a question, asked between two steps."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any


class Interrupt:
    """Turns the first Ctrl-C into a flag; a second one interrupts at once."""

    def __init__(self) -> None:
        self.asked = self.ever = False
        self._before: Any = None

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():  # signals reach no other
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def wait(self, seconds: float) -> None:
        """Until so many seconds have passed, or Ctrl-C is pressed."""
        until = time.monotonic() + seconds
        while not self.ever and time.monotonic() < until:
            time.sleep(0.1)

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _handle(self, *_: object) -> None:
        if self.ever:
            raise KeyboardInterrupt
        self.asked = self.ever = True
