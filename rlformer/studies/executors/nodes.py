"""Whether a machine can do work for a driver: it sees the study's folder, and has the same software."""

from __future__ import annotations

import errno
import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rlformer.core.errors import InputError
from rlformer.runs import ledger
from rlformer.studies.executors.lease import Session

_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Node:
    """What a machine says of itself."""

    host: str
    versions: Mapping[str, str]
    reads: bool  # whether it sees the driver's folder
    refused: str = ""  # why it cannot write there


def look(session: Session, name: str) -> Node:
    """On the machine itself. name: of the file that it writes, so that the driver sees it too."""
    try:
        reads = session.nonce.read_text(encoding="ascii") == session.token
    except (OSError, UnicodeDecodeError):
        reads = False
    refused = ""
    if reads:
        try:
            (session.work / name).write_text(session.token, encoding="ascii")
        except OSError as error:
            refused = "a full disk" if error.errno in _FULL else error.strerror or str(error)
    return Node(platform.node(), versions(), reads, refused)


@cache
def versions() -> Mapping[str, str]:
    """Of all that can change a result, rlformer's code included: a checkout keeps its version."""
    return {**ledger.versions(), "rlformer's code": _code()}


def check(session: Session, here: Node, there: Node, name: str | None = None) -> None:
    """Raise InputError, with what to do, where a machine cannot work for the driver. name: as for `look`; None: the
    driver need not see what it wrote.
    """
    node = f"node {there.host}"
    shared = (
        f"give a folder on a file system that all nodes share (runs, --runs or --with runs=DIR), not {{}}, in {node}"
    )
    if not there.reads:
        raise InputError(f"{node} does not see the driver's folder {session.folder}: {shared.format('one of its own')}")
    if there.refused:
        what = f"{node} cannot write into {session.folder} ({there.refused})"
        full = there.refused == "a full disk"
        raise InputError(f"{what}: {'make room there' if full else shared.format('one that it only reads')}")
    if name is not None and not _arrived(session.work / name, session.token):
        raise InputError(
            f"what {node} writes into {session.folder} does not reach the driver: the folder must be shared"
        )
    if differing := unlike(here.versions, there.versions):
        raise InputError(
            f"{node} has other versions than this machine, which would mix results: {'; '.join(differing)}: install "
            "the same ones on all nodes (pip install -r requirements.lock)"
        )


def unlike(here: Mapping[str, str], there: Mapping[str, str]) -> Sequence[str]:
    """What differs, in words.

    >>> unlike({"torch": "2.6", "python": "3.11.9"}, {"torch": "2.7", "python": "3.11.9"})
    ['torch 2.7 instead of 2.6']
    """
    names = dict.fromkeys([*here, *there])
    return [
        f"{name} {there.get(name, 'is missing')} instead of {here.get(name, 'none')}"
        for name in names
        if here.get(name) != there.get(name)
    ]


def _arrived(path: Path, token: str) -> bool:
    try:
        return path.read_text(encoding="ascii") == token
    except (OSError, UnicodeDecodeError):
        return False


def _code() -> str:
    """A digest of the package's files."""
    root, digest = Path(__file__).resolve().parents[2], hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
