"""A connection to a Ray cluster: one that runs, or one on this machine that begins and ends with the study."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from rlformer.core.errors import InputError
from rlformer.studies.executors.base import Request

LOCAL = "local"  # as an address: a cluster of this machine alone, though RAY_ADDRESS names another
AUTO = "auto"  # the one that runs on this machine
_STORE_BYTES = 100 * 2**20  # of shared memory: what goes over Ray is small
_CONNECT_SECONDS = 5.0
_STARTS = 3  # tries
_AUTH = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])  # of HTTP/2, which gRPC speaks
_SETTINGS = 4  # the type of the frame that answers it, which stands in the fourth byte
_OF_RAY = re.compile(rb"^\[\d{4}-\d\d-\d\d [\d:,]+ [A-Z] \d+ \d+\] ")  # a line that Ray writes itself


@contextmanager
def connected(ray: Any, at: str | None, request: Request) -> Iterator[Mapping[str, str]]:
    """Connected to a cluster: the variables that its workers need. Raises InputError where that cannot be."""
    if ray.is_initialized():  # by the program that calls us: its own to end
        _check_same(at, str(ray.get_runtime_context().gcs_address))
        yield {}
        return
    address = at or os.environ.get("RAY_ADDRESS") or LOCAL
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "CRITICAL"}
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else a warning, and no GPU is hidden
    if address != LOCAL:
        _check_address(address)
        try:
            _connect(ray, address, options)
            yield {}
        finally:
            ray.shutdown()
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    folder = tempfile.mkdtemp(prefix="rlf-", dir="/tmp")  # a short path: sockets lie in it
    cores = max(os.cpu_count() or 1, request.threads * (request.jobs or 1))
    try:
        with started(ray, cores, **options, _temp_dir=folder):
            yield {"PYTHONPATH": os.pathsep.join(os.path.abspath(entry) for entry in sys.path)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def started(ray: Any, cores: int, **options: Any) -> Iterator[None]:
    """A Ray of this machine alone, without a dashboard. Raises InputError where it does not start."""
    with _own_token(ray):
        try:
            _start(ray, cores, options)
            yield
        finally:
            ray.shutdown()


def _start(ray: Any, cores: int, options: Mapping[str, Any]) -> None:
    """On a busy machine it may need a second try."""
    own: dict[str, Any] = {"num_cpus": cores, "include_dashboard": False, "object_store_memory": _STORE_BYTES}
    own["_system_config"] = {"worker_niceness": 0}  # as any process that the user starts
    for left in range(_STARTS - 1, -1, -1):
        try:
            ray.init(address=LOCAL, **own, **options)
            return
        except Exception as error:  # Ray's own has no other name
            ray.shutdown()
            if not left or "timed out" not in str(error):
                raise InputError(f"ray:{LOCAL}: Ray did not start here: {line(error)}") from error


@contextmanager
def _own_token(ray: Any) -> Iterator[None]:
    """A token of the cluster's own, where the user says nothing of tokens.

    Ray would write one into the home folder, after which each cluster that is started on this machine asks for it.
    """
    before = {name: os.environ.get(name) for name in _AUTH}
    if not any(before.values()):
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    _read_variables_anew(ray)
    try:
        yield
    finally:
        for name, value in before.items():  # Ray sets the mode itself
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        _read_variables_anew(ray)


def _read_variables_anew(ray: Any) -> None:
    with suppress(AttributeError):  # of a later Ray
        ray._raylet.Config.initialize("")
        ray._raylet.AuthenticationTokenLoader.instance().reset_cache()


def _connect(ray: Any, address: str, options: Mapping[str, Any]) -> None:
    """Raises InputError, with what to do, where that fails."""
    kept = _Kept()
    try:
        with kept:
            ray.init(address=address, **options)
    except (ConnectionError, RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
        why = line(error)
        if isinstance(error, ray.exceptions.AuthenticationError) or b"InvalidAuthToken" in kept.text:
            typed = " instead of the one that is set" if os.environ.get("RAY_AUTH_MODE") == "token" else ""
            why = (
                f"the cluster asks for a token{typed}: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN to what "
                "ray get-auth-token shows on its head"
            )
        raise InputError(f"ray:{address}: {why}") from error


class _Kept:
    """Keeps what Ray's own libraries write on standard error meanwhile; what others write there comes afterwards."""

    def __init__(self) -> None:
        self.text = b""

    def __enter__(self) -> None:
        sys.stderr.flush()
        self._file, self._error = tempfile.TemporaryFile(), os.dup(2)
        os.dup2(self._file.fileno(), 2)

    def __exit__(self, *_: object) -> None:
        sys.stderr.flush()
        os.dup2(self._error, 2)
        os.close(self._error)
        with self._file as file:
            file.seek(0)
            self.text = file.read()
        for text in self.text.splitlines(keepends=True):
            if not _OF_RAY.match(text):
                os.write(2, text)


def _check_same(at: str | None, connected_to: str) -> None:
    """Raise InputError where another cluster is asked for than the one that this program is connected to."""
    if at is None or at == AUTO:
        return
    (host, _, port), (other, _, other_port) = at.rpartition(":"), connected_to.rpartition(":")
    if port != other_port or (host != other and _resolved(host) not in (other, "127.0.0.1")):
        raise InputError(
            f"ray:{at}: this program is connected to the Ray at {connected_to}: on='ray' takes that one, and "
            "ray.shutdown() leaves it"
        )


def _resolved(host: str) -> str | None:
    try:
        return socket.gethostbyname(host)
    except OSError:
        return None


def _check_address(address: str) -> None:
    """Raise InputError where no Ray listens: Ray itself would go on trying for minutes."""
    if address == AUTO:
        return
    if "://" in address:
        raise InputError(
            f"ray:{address}: a client of Ray sees no nodes: give HOST:PORT, or start the command there (ray job submit)"
        )
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise InputError(f"ray:{address}: no address: ray:HOST:PORT, such as ray:10.0.0.1:6379")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS) as there:
            greeted = os.environ.get("RAY_USE_TLS", "0") not in ("", "0") or _speaks_grpc(there)
    except OSError as error:
        why = " ".join(str(error).split())
        raise InputError(
            f"ray:{address}: no Ray cluster responds there ({why}): ray start --head starts one and prints its address"
        ) from error
    if not greeted:
        raise InputError(
            f"ray:{address}: what listens there is no Ray: give the address that ray start --head names, whose port is "
            "6379 if nothing else was said (8265 is the dashboard's, 10001 that of clients)"
        )


def _speaks_grpc(there: socket.socket) -> bool:
    """Whether the other side answers as HTTP/2 does. Raises OSError where it is silent."""
    there.sendall(_GREETING)
    answer = b""
    while len(answer) < 4:
        more = there.recv(64)
        if not more:
            return False
        answer += more
    return answer[3] == _SETTINGS


def line(error: BaseException) -> str:
    """The first line of what an error says."""
    lines = [text for text in str(error).splitlines() if text.strip()]
    return " ".join((lines[0] if lines else type(error).__name__).split())
