"""Connecting to Ray: what is no Ray, whose token is used, and what is printed meanwhile."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from rlformer.core.errors import InputError
from rlformer.studies import executors
from rlformer.studies.executors import Place, ray_cluster
from rlformer.studies.executors.base import Request

NO_RAY = SimpleNamespace()  # the module, of a version without what is looked for in it


@contextmanager
def _server(answer: bytes) -> Iterator[int]:
    """The port of somebody who says this to whoever comes, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            there, _ = server.accept()
            with there:
                there.recv(100)
                there.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"SSH"])
def test_what_listens_and_is_no_ray_is_told_at_once(tmp_path: Path, answer: bytes) -> None:
    """Ray itself would try for minutes, and say so in ten lines."""
    pytest.importorskip("ray")
    with _server(answer) as port:
        place, request = Place("ray", f"127.0.0.1:{port}"), Request(tmp_path, tmp_path)
        told = pytest.raises(InputError, match="what listens there is no Ray: give the address")
        with told, executors.opened(place, request):
            pass
    assert not list(tmp_path.iterdir())


def test_what_speaks_as_grpc_does_is_taken_for_a_ray() -> None:
    with _server(bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])) as port:
        ray_cluster._check_address(f"127.0.0.1:{port}")


@pytest.mark.parametrize("at", ["local", "127.0.0.1:1", "10.0.0.1:6379"])
def test_another_cluster_than_the_one_of_the_program_is_refused(at: str) -> None:
    with pytest.raises(InputError, match=rf"ray:{at}: this program is connected to the Ray at 10\.0\.0\.2:6379"):
        ray_cluster._check_same(at, "10.0.0.2:6379")


@pytest.mark.parametrize("at", [None, "auto", "10.0.0.2:6379", "localhost:6379"])
def test_the_cluster_of_the_program_may_be_named(at: str | None) -> None:
    ray_cluster._check_same(at, "10.0.0.2:6379")


def test_a_cluster_of_this_machine_has_a_token_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """None is left behind: Ray's own way is a file in the home folder, which later clusters read."""
    for name in ray_cluster._AUTH:
        monkeypatch.delenv(name, raising=False)
    with ray_cluster._own_token(NO_RAY):
        assert os.environ["RAY_AUTH_MODE"] == "token"
        first = os.environ["RAY_AUTH_TOKEN"]
        assert len(first) == 64
    assert not set(ray_cluster._AUTH) & set(os.environ)
    with ray_cluster._own_token(NO_RAY):
        assert os.environ["RAY_AUTH_TOKEN"] != first


@pytest.mark.parametrize("name", ray_cluster._AUTH)
def test_what_the_user_says_of_tokens_holds(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for other in ray_cluster._AUTH:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, "mine")
    with ray_cluster._own_token(NO_RAY):
        assert {other: os.environ[other] for other in ray_cluster._AUTH if other in os.environ} == {name: "mine"}
        os.environ["RAY_AUTH_MODE"] = "token"  # as Ray does
    assert {other: os.environ[other] for other in ray_cluster._AUTH if other in os.environ} == {name: "mine"}


def test_only_the_lines_of_ray_are_kept_from_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    kept = ray_cluster._Kept()
    with kept:
        os.write(2, b"[2026-11-30 20:39:28,842 W 15249 15249] rpc_client.h:153: Failed to connect to GCS\n")
        print("what another thread says", file=sys.stderr)
    print("and what follows", file=sys.stderr)
    assert b"Failed to connect" in kept.text
    assert capfd.readouterr().err == "what another thread says\nand what follows\n"
