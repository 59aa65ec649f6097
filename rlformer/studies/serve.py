"""TensorBoard's own program, started on a folder and ended again."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rlformer.core.errors import InputError

_USUAL = 6006
_SECONDS = 90.0  # in which it starts
_RELOAD = 10  # seconds between two looks at the files


@contextmanager
def tensorboard(logdir: Path, port: int | None = None) -> Iterator[tuple[str, Callable[[], bool]]]:
    """Its address, and whether it still runs. Raises InputError where the port is taken, RuntimeError if it fails."""
    port = _free(_USUAL) or _free(0) if port is None else _free(port)
    if port is None:
        raise InputError("this port is taken: use --port N with another port, or leave it out to get a free one")
    words = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir), "--port", str(port)]
    words += ["--host", "localhost", "--reload_interval", str(_RELOAD), "--load_fast", "false"]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _wait(process, port)
        yield f"http://localhost:{port}/#custom_scalars", lambda: process.poll() is None
    finally:
        process.terminate()
        process.communicate()


def _free(port: int) -> int | None:
    """The port if nobody listens there; for 0 one that is free."""
    with socket.socket() as tried:
        try:
            tried.bind(("localhost", port))
        except OSError:
            return None
        return int(tried.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            told = process.communicate()[1].decode(errors="replace").strip().splitlines()
            raise RuntimeError(f"TensorBoard ended: {told[-1] if told else 'without a word'}")
        try:
            with urllib.request.urlopen(f"http://localhost:{port}/data/environment", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"TensorBoard did not answer within {_SECONDS:.0f} seconds")
