"""Text from files, environments and people, made safe to print: what steers a terminal or reorders a line is shown."""

from __future__ import annotations

import re
import sys
from typing import Any, TextIO, cast

# Control characters but tab and newline, what changes the direction of writing, line separators, lone surrogates.
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    r"""The same text with every such character written as its escape.

    >>> print(visible("a\x1b[31mb\rc"))
    a\x1b[31mb\rc
    """
    return _HIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


class _Guarded:
    """A text stream on which only visible text is written."""

    def __init__(self, stream: TextIO) -> None:
        self.raw = stream

    def write(self, text: str) -> int:
        """See `io.TextIOBase`."""
        self.raw.write(visible(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """See `io.IOBase`."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)


def guard() -> None:
    """From now on nothing that this process prints steers a terminal, wherever the text came from."""
    if not isinstance(sys.stdout, _Guarded):
        sys.stdout = cast(TextIO, _Guarded(sys.stdout))
    if not isinstance(sys.stderr, _Guarded):
        sys.stderr = cast(TextIO, _Guarded(sys.stderr))


def terminal() -> TextIO:
    """Standard error itself, for a progress bar, which moves the cursor: what it shows must be made visible before."""
    return sys.stderr.raw if isinstance(sys.stderr, _Guarded) else sys.stderr


def output() -> TextIO:
    """Standard output itself, for what is printed in bold; what it shows must be made visible before."""
    return sys.stdout.raw if isinstance(sys.stdout, _Guarded) else sys.stdout
