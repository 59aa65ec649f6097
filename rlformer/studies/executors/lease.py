"""One driver a folder, of a study or a log: a lease, which works on file systems of a network too, that lock no files.

The lease is the file `driver.json` with host, process and a token. Its holder rewrites it every few seconds. One that
is older than a minute, by the clock of the file system, or whose process has died on this machine, may be taken over.
Whoever works for the driver reads the same file: it says when to stop.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from rlformer.core import codec, files
from rlformer.core.errors import InputError

NAME = files.DRIVER
RENEWED_SECONDS = 5.0
EXPIRED_SECONDS = 60.0  # without a sign of life
ORPHANED_SECONDS = 300.0  # as long does work go on without one
_LOOKING_SECONDS = 1.0  # at most once


@dataclass(frozen=True)
class Sign:
    """What stands in the file."""

    token: str
    host: str
    machine: str  # tells hosts, and containers on them, apart: process numbers are theirs
    pid: int
    on: str  # which executor
    beat: int = 0  # counts its renewals
    stop: bool = False  # all that is done for it should be saved and end


@dataclass(frozen=True)
class Session:
    """What a worker must know of the driver that it works for."""

    folder: Path
    token: str

    @property
    def work(self) -> Path:
        """A folder for what driver and workers tell each other."""
        return self.folder / f".driver-{self.token}"

    @property
    def nonce(self) -> Path:
        """A file that holds the token, while work goes on: who reads it there sees the driver's folder."""
        return self.work / "nonce"


class Lease:
    """A lease that is held; see `held`."""

    def __init__(self, session: Session, on: str) -> None:
        self.session = session
        self._sign = Sign(session.token, platform.node(), _machine(), os.getpid(), on)
        self._lock, self._over = threading.Lock(), threading.Event()
        self._lost = False

    def check(self) -> None:
        """Raise InputError where somebody has taken it over, since this process was silent for a minute."""
        if self._lost:
            raise InputError(f"{self.session.folder}: another driver has taken its place; this one ends")

    def stop(self) -> None:
        """Ask all that works for this driver to save what it has. Removing a file tells it on a full disk too."""
        with self._lock:
            with suppress(OSError):
                self.session.nonce.unlink(missing_ok=True)
            self._sign = replace(self._sign, stop=True)
            self._renew()

    def take(self, tell: Callable[[str], None]) -> None:
        """Write the file where there is none, or an expired one. Raises InputError where another driver holds it."""
        path = self.session.folder / NAME
        while not _create(path, self._sign):
            other = _read(path)
            if other is None:  # it has just gone, or a kill tore it, which a minute shows
                if path.exists() and not _expired(path):
                    raise InputError(f"{path}: damaged; delete it if no driver works here")
                dead = path.exists()
            else:
                dead = not _alive(path, other)
                if not dead:
                    raise InputError(_refusal(self.session.folder, other))
            if dead and _put_away(path, other):
                tell(f"a driver stopped here without finishing{_who(other)}: this command takes over")
                if other is not None:
                    shutil.rmtree(Session(self.session.folder, other.token).work, ignore_errors=True)
        try:
            self.session.work.mkdir()
            self.session.nonce.write_text(self.session.token, encoding="ascii")
        except OSError as error:
            self.release()
            raise InputError(f"{self.session.work}: cannot be written: {error.strerror}") from error
        threading.Thread(target=self._keep, name="rlformer-lease", daemon=True).start()

    def release(self) -> None:
        """Make way for others."""
        self._over.set()
        with self._lock:
            shutil.rmtree(self.session.work, ignore_errors=True)
            path = self.session.folder / NAME
            if not self._lost and (there := _read(path)) is not None and there.token == self.session.token:
                path.unlink(missing_ok=True)

    def _keep(self) -> None:
        while not self._over.wait(RENEWED_SECONDS):
            with self._lock:
                if not self._over.is_set():
                    self._renew()

    def _renew(self) -> None:
        path = self.session.folder / NAME
        try:
            there = _read(path, strict=True)
        except OSError:  # the network is away: the next time, or others take it over
            return
        if there is None or there.token != self.session.token:
            self._lost = True
            self._over.set()
            return
        self._sign = replace(self._sign, beat=self._sign.beat + 1)
        with suppress(OSError):  # a full disk, a network away: the next time, or others take it over
            files.write_json(path, vars(self._sign))


@contextmanager
def held(folder: Path, on: str, tell: Callable[[str], None]) -> Iterator[Lease]:
    """The lease on a folder, which is made if need be. Raises InputError where another driver holds it."""
    lease = Lease(Session(files.writable_directory(folder).absolute(), secrets.token_hex(8)), on)
    lease.take(tell)
    try:
        yield lease
    finally:
        lease.release()


def check_free(folder: Path) -> None:
    """Raise InputError where a driver works in this folder."""
    path = folder / NAME
    if (there := _read(path)) is not None and _alive(path, there):
        raise InputError(_refusal(folder, there))


class Watch:
    """A worker's look at its driver, which takes a moment each second at most."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._beat, self._heard = -1, time.monotonic()
        self._looked, self._stop = -_LOOKING_SECONDS, False

    def stop(self) -> bool:
        """Whether the driver asks to stop, has ended, or was silent for minutes."""
        now = time.monotonic()
        if not self._stop and now - self._looked >= _LOOKING_SECONDS:
            self._looked = now
            there = _read(self._session.folder / NAME)
            if there is not None and there.beat != self._beat:
                self._beat, self._heard = there.beat, now
            over = not os.path.exists(self._session.nonce)  # or asked, where the disk is full
            self._stop = _ends(there, self._session) or over or now - self._heard > ORPHANED_SECONDS
        return self._stop


def asks_to_stop(session: Session) -> bool:
    """Whether the file says that work for this driver should end; not where the file is out of sight."""
    return _ends(_read(session.folder / NAME), session)


def _ends(there: Sign | None, session: Session) -> bool:
    return there is not None and (there.stop or there.token != session.token)


def _create(path: Path, sign: Sign) -> bool:
    """Write the file unless one is there, in one step; whether it was written."""
    text = json.dumps(vars(sign), indent=1) + "\n"
    temporary = path.with_name(f".{path.name}.{sign.token}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            try:
                with path.open("x", encoding="utf-8") as file:
                    file.write(text)
            except FileExistsError:
                return False
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _read(path: Path, strict: bool = False) -> Sign | None:
    """None where it is not there, torn, or, unless OSError is to be raised then, cannot be read."""
    try:
        return codec.decode(Sign, json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return None
    except OSError:
        if strict:
            raise
        return None


def _alive(path: Path, sign: Sign) -> bool:
    if sign.machine == _machine() and not files.alive(sign.pid):
        return False
    return not _expired(path)


def _expired(path: Path) -> bool:
    """By the clock of the file system, which is the same for all hosts."""
    now = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        now.touch()
        with path.open("rb") as file:  # opened: a network file system looks anew
            return now.stat().st_mtime - os.fstat(file.fileno()).st_mtime > EXPIRED_SECONDS
    except FileNotFoundError:
        return True
    except OSError as error:
        raise InputError(f"{path.parent}: cannot be written: {error.strerror}") from error
    finally:
        now.unlink(missing_ok=True)


def _put_away(path: Path, expected: Sign | None) -> bool:
    """Remove an expired lease; whether it was this one, and nobody else did. Of several who try one succeeds."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return False
    moved = _read(aside)
    if moved is not None and (expected is None or moved.token != expected.token):  # somebody was faster
        if not path.exists():
            aside.rename(path)
        aside.unlink(missing_ok=True)
        return False
    aside.unlink(missing_ok=True)
    return True


def _refusal(folder: Path, other: Sign) -> str:
    return (
        f"{folder}: another driver works here{_who(other)}: wait for it, or end it there; its place is free "
        f"once it has ended, or has given no sign of life for {EXPIRED_SECONDS:.0f} seconds"
    )


def _who(sign: Sign | None) -> str:
    return "" if sign is None else f" (on {sign.host}, process {sign.pid}, --on {sign.on})"


def _machine() -> str:
    """This host since it was started, and the container on it: whose process numbers mean the same."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # not Linux
        return platform.node()
