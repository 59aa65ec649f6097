"""The three files of every report."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from rlformer.core import files
from rlformer.core.printable import visible


def write(out: Path, results: dict[str, Any], text: str, page: str) -> dict[str, Any]:
    """Write results.json, report.md and report.html into `out`, each at once; return the results.

    No control character of a name or a message reaches a page: it is shown as its escape.
    Raises InputError where `out` cannot be written.
    """
    folder = files.writable_directory(out)
    files.write_json(folder / "results.json", results)
    files.write_text(folder / "report.md", visible(text))
    files.write_text(folder / "report.html", visible(page))
    return results


def now() -> str:
    """The time, in UTC to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
