"""Chromium without a window, driven through its own pipe: what scripts measure on a page. Needs no other package."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-sync",
    "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-extensions",
    "--remote-debugging-pipe",
)  # fmt: skip


def chromium() -> str | None:
    """The browser's program; None where there is none."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


class PageError(Exception):
    """The browser refused a call, or a script on the page failed."""


@dataclass
class Page:
    """A tab. `console` holds what the page wrote to its console as an error."""

    _to: Any
    _from: Any
    _session: str = ""
    _number: int = 0
    _events: list[dict[str, Any]] = field(default_factory=list)
    console: list[str] = field(default_factory=list)

    def call(self, method: str, **given: Any) -> dict[str, Any]:
        """One call of the DevTools protocol, and its answer. Raises PageError where the browser refuses."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": given}
        if self._session:
            message["sessionId"] = self._session
        self._to.write(json.dumps(message).encode() + b"\0")
        self._to.flush()
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise PageError(f"{method}: {answer['error']['message']}")
                found: dict[str, Any] = answer["result"]
                return found
            self._took(answer)

    def _read(self) -> dict[str, Any]:
        held = bytearray()
        while (one := self._from.read(1)) != b"\0":
            if not one:
                raise PageError("the browser ended")
            held += one
            if self._from.peek():  # the rest of what came at once
                rest, mark, _ = self._from.peek().partition(b"\0")
                held += self._from.read(len(rest))
                if not mark:
                    continue
        answer: dict[str, Any] = json.loads(held)
        return answer

    def _took(self, event: dict[str, Any]) -> None:
        self._events.append(event)
        said = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.console.append(said["exceptionDetails"].get("exception", {}).get("description", "an exception"))
        if event.get("method") == "Log.entryAdded" and said["entry"]["level"] == "error":
            self.console.append(said["entry"]["text"])

    def run(self, script: str) -> Any:
        """The value of an expression on the page; a promise is awaited. The page's policy does not hold for it."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise PageError(found["exceptionDetails"].get("exception", {}).get("description", "a script failed"))
        return found["result"].get("value")

    def open(self, address: str) -> None:
        """Load a page, and wait until all that it needs is there."""
        self._events.clear()
        self.call("Page.navigate", url=address)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def wait(self, condition: str, seconds: float = 30.0) -> None:
        """Until the condition holds on the page. Raises PageError after `seconds`."""
        until = time.monotonic() + seconds
        while not self.run(condition):
            if time.monotonic() > until:
                raise PageError(f"not within {seconds:g} seconds: {condition}")
            time.sleep(0.05)

    def size(self, width: int, height: int, scale: float = 1.0, mobile: bool = False) -> None:
        """How large the window is, in CSS pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile
        )

    def scheme(self, name: str) -> None:
        """light or dark."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def picture(self, path: Path, whole: bool = False) -> None:
        """A PNG of the window, or of the whole page."""
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))

    def pdf(self) -> bytes:
        """The page printed on A4, as the browser's own print dialog does with its defaults."""
        found = self.call("Page.printToPDF", preferCSSPageSize=True, paperWidth=8.27, paperHeight=11.69)
        return base64.b64decode(found["data"])


@contextmanager
def browser() -> Iterator[Page]:
    """A tab of a browser of its own, which ends with the block. Raises PageError where no browser is installed."""
    program = chromium()
    if program is None:
        raise PageError(f"no browser: install one of {', '.join(_NAMES)}")
    read_there, write_here = os.pipe()
    read_here, write_there = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        words = [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        shell = ["sh", "-c", f'exec "$@" 3<&{read_there} 4>&{write_there}', "sh", *words]
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(shell, pass_fds=(read_there, write_there), stdin=quiet, stdout=quiet, stderr=quiet)
        os.close(read_there)
        os.close(write_there)
        with open(write_here, "wb") as to, open(read_here, "rb") as back:
            try:
                page = Page(to, back)
                tabs = page.call("Target.getTargets")["targetInfos"]
                target = next(tab["targetId"] for tab in tabs if tab["type"] == "page")
                page._session = page.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
                for domain in ("Page", "Runtime", "Log"):
                    page.call(f"{domain}.enable")
                yield page
            finally:
                process.terminate()
                process.wait(30)
