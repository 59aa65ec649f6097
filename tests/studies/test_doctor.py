"""The doctor: each wrong state, made by hand, is found and comes with what mends it."""

import json
import os
import sys
import tomllib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rlformer.core.extras import EXTRAS
from rlformer.studies.doctor import Examination, Finding, examine, machine, selftest, software

Command = Callable[..., Any]


def one(findings: list[Finding], name: str) -> Finding:
    (found,) = [finding for finding in findings if finding.name == name]
    return found


def test_every_extra_is_known(checkout: Path) -> None:
    declared = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(EXTRAS) == set(declared) - {"all", "dev", "docs"}  # nothing of the package needs these


def test_an_old_python_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    assert one(software.python(), "Python").state == "ok"
    monkeypatch.setattr(sys, "version_info", (3, 10, 2))
    found = one(software.python(), "Python")
    assert (found.state, found.mend) == ("wrong", "install Python 3.11 or newer, then: pip install rlformer")


def test_a_terminal_without_utf8_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(encoding="ANSI_X3.4-1968"))
    assert one(software.python(), "letters").mend == "export PYTHONUTF8=1"


def test_a_library_of_another_version_or_none_comes_with_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [finding.state for finding in software.libraries()] == ["ok"]
    real = metadata.version

    def version(name: str) -> str:
        if name == "captum":
            raise metadata.PackageNotFoundError(name)
        return "0.1" if name == "gymnasium" else real(name)

    monkeypatch.setattr(metadata, "version", version)
    found = software.libraries()
    assert [(f.name, f.state, f.mend) for f in found] == [
        ("captum", "wrong", "pip install 'captum<1,>=0.8'"),
        ("gymnasium", "wrong", "pip install 'gymnasium<2,>=1.4'"),
    ]


def test_an_absent_extra_comes_with_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "missing_modules", lambda extra: ["onnxscript"] if extra == "onnx" else [])
    found = one(software.extras(), "extra onnx")
    assert found == Finding("extra onnx", "absent", "not installed: onnxscript", "pip install 'rlformer[onnx]'")


def torch_of(cuda: str | None, available: bool) -> Any:
    gpu = SimpleNamespace(
        is_available=lambda: available, device_count=lambda: 1, get_device_name=lambda i: "NVIDIA H200"
    )
    version = SimpleNamespace(cuda=cuda)
    return SimpleNamespace(__version__="2.9", version=version, cuda=gpu, get_num_threads=lambda: 2)


@pytest.mark.parametrize(
    ("cuda", "available", "driver", "state", "words"),
    [
        ("12.8", True, True, "ok", "cpu, cuda:0 (NVIDIA H200)"),
        (None, False, True, "warning", "this machine has an NVIDIA GPU that this build cannot use"),
        ("12.8", False, True, "warning", "the NVIDIA driver does not support this build"),
        ("12.8", False, False, "ok", "cpu"),
    ],
)
def test_a_gpu_that_torch_cannot_use_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, cuda: str | None, available: bool, driver: bool, state: str, words: str
) -> None:
    monkeypatch.setitem(sys.modules, "torch", torch_of(cuda, available))
    monkeypatch.setattr(software.Path, "exists", lambda path: driver)
    found = one(software.torch(), "device")
    assert (found.state, words in found.found) == (state, True)
    assert (found.mend is None) == (state == "ok")


def test_a_torch_that_cannot_be_imported_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    (found,) = software.torch()
    assert (found.state, found.mend) == ("wrong", "pip install --force-reinstall torch")


def test_folders_that_cannot_be_written_are_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs").write_text("a file")
    (tmp_path / "datasets").mkdir()
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "datasets" and real(path, mode))
    found = machine.look(tmp_path)
    runs, datasets, reports = (one(found, name) for name in ("runs/", "datasets/", "reports/"))
    assert (runs.state, runs.mend) == ("wrong", f"mv {tmp_path}/runs {tmp_path}/runs.old")
    assert (datasets.state, datasets.mend) == ("wrong", f"chmod u+wx {tmp_path}/datasets, or --out DIR")
    assert (reports.state, reports.found) == ("ok", "will be created")
    assert not (tmp_path / "reports").exists()


def test_too_many_threads_little_memory_and_little_disk_are_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", str(machine.cores() + 1))
    monkeypatch.setattr(machine, "available_memory", lambda: 2**29)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: SimpleNamespace(free=2**20))
    found = machine.look(tmp_path)
    assert [(f.name, f.state) for f in found if f.state != "ok"] == [
        ("threads", "warning"), ("memory", "warning"), ("disk", "warning"),
    ]  # fmt: skip
    assert all(f.mend for f in found if f.state != "ok")


def test_a_containers_limit_counts_as_memory(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text(f"{3 * 2**30}\n")
    (tmp_path / "memory.current").write_text(f"{2**30}\n")
    assert machine._left_in_container(tmp_path) == 2 * 2**30
    (tmp_path / "memory.max").write_text("max\n")
    assert machine._left_in_container(tmp_path) is None


def test_a_card_that_cannot_be_read_is_wrong(workspace: Path) -> None:
    (workspace / "envs").mkdir()
    (workspace / "envs" / "mine.toml").write_text("id = ")
    (found,) = software.cards()
    assert found.state == "wrong"
    assert "mine.toml: not valid TOML" in found.found


@pytest.mark.slow
def test_the_self_test_trains_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest.tempfile, "tempdir", str(tmp_path))
    heard: list[str] = []
    found = selftest.self_test(lambda done, total, note: heard.append(note))
    assert found.state == "ok", found.found
    assert found.found.startswith("PPO and dt were trained on CartPole-v1, played and opened again in ")
    assert not list(tmp_path.glob("rlformer*"))
    assert "training PPO" in heard


def test_a_self_test_that_fails_is_told_or_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(folder: Path, progress: Any) -> str:
        raise OSError("libcudart.so.12: cannot open shared object file")

    monkeypatch.setattr(selftest, "_train", broken)
    found = selftest.self_test(lambda done, total, note: None)
    assert (found.state, found.mend) == ("wrong", "rlformer doctor --debug shows where it fails")
    assert found.found == "OSError: libcudart.so.12: cannot open shared object file"
    with pytest.raises(OSError, match="libcudart"):
        selftest.self_test(lambda done, total, note: None, raise_failure=True)


@pytest.mark.slow
def test_all_is_examined_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "_train", lambda folder, progress: "trained")
    found = examine(tmp_path)
    names = [finding.name for finding in found.findings]
    assert len(set(names)) == len(names)
    assert {
        "Python",
        "torch",
        "device",
        "extra video",
        "extra mujoco",
        "extra atari",
        "threads",
        "memory",
        "runs/",
        "disk",
        "self-test",
    } <= {*names}
    assert found.works


BROKEN = Examination(
    (
        Finding("torch", "wrong", "cannot be imported", "pip install --force-reinstall torch"),
        Finding("extra onnx", "absent", "not installed: onnx", "pip install 'rlformer[onnx]'"),
        Finding("self-test", "wrong", "ImportError: torch", "rlformer doctor --debug shows where it fails"),
    ),
    works=False,
    seconds=0.1,
)


@pytest.mark.parametrize("works", [True, False])
def test_the_exit_code_is_the_self_tests(works: bool, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from rlformer import cli
    from rlformer.studies import doctor

    found = Examination(BROKEN.findings, works, 0.1)
    monkeypatch.setattr(doctor, "examine", lambda **kwargs: found)
    for words in (["doctor"], ["doctor", "--json"]):
        monkeypatch.setattr(sys, "argv", ["rlformer", *words])
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = stop.code
        assert code == (0 if works else 1)
        out = capsys.readouterr().out
        if "--json" in words:
            assert json.loads(out)["findings"][1]["mend"] == "pip install 'rlformer[onnx]'"
        else:
            assert "-> pip install --force-reinstall torch" in out
            assert "; 2 problems" in out


def test_nothing_heavy_is_imported_before_it_is_examined() -> None:
    import subprocess

    code = (
        "import sys, rlformer.studies.doctor; print([m for m in ('numpy', 'torch', 'gymnasium') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
