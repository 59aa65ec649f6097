"""The wheel holds all that is needed, and works where there is no checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest


def run(*arguments: str, cwd: Path, **environment: str) -> str:
    """Standard output of Python with these arguments; `-P` keeps the current folder off its path."""
    command = [sys.executable, "-P", *arguments]
    result = subprocess.run(command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: nothing is left in the checkout, none of its ignored files comes along."""
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("dist")
    for name in ("rlformer", "envs", "agents"):
        shutil.copytree(checkout / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(checkout / name, copy)
    run("-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), cwd=copy)
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the installed wheel and nothing else."""
    target = tmp_path_factory.mktemp("site-packages")
    pip = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile")
    run(*pip, "--target", str(target), str(wheel), cwd=target)
    return target


def test_the_wheel_holds_the_package_and_the_catalogue_alone(wheel: Path, checkout: Path) -> None:
    """Templates, py.typed and cards are in it; tests, scripts and importable `envs` and `agents` are not."""
    package = {
        path.relative_to(checkout).as_posix()
        for path in (checkout / "rlformer").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    cards = {
        f"rlformer/_catalogue/{kind}/{path.name}" for kind in ("envs", "agents") for path in (checkout / kind).iterdir()
    }
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == package | cards
    assert {"rlformer/py.typed", "rlformer/report/assets/page.html.jinja"} <= held
    assert {"rlformer/_catalogue/envs/CartPole-v1.toml", "rlformer/_catalogue/agents/dt.toml"} <= held


@pytest.mark.slow
def test_it_reads_the_catalogue_that_it_carries(installed: Path, tmp_path: Path) -> None:
    code = "from rlformer.core.cards import folders; print(*folders('envs'), *folders('agents'))"
    read = run("-c", code, cwd=tmp_path, PYTHONPATH=str(installed)).split()
    assert read == [str(installed / "rlformer/_catalogue" / kind) for kind in ("envs", "agents")]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["envs", "agents"])
def test_it_lists_what_the_checkout_lists(kind: str, installed: Path, checkout: Path, tmp_path: Path) -> None:
    command = ("-m", "rlformer", kind, "--json")
    from_wheel = run(*command, cwd=tmp_path, PYTHONPATH=str(installed))
    from_checkout = run(*command, cwd=tmp_path, PYTHONPATH=str(checkout))
    assert json.loads(from_wheel) == json.loads(from_checkout)
    for card in (checkout / kind).glob("*.toml"):
        assert json.dumps(card.stem.replace("ALE-", "ALE/", 1)) in from_wheel  # no file has a slash in its name


@pytest.mark.slow
def test_the_source_distribution_holds_tests_scripts_and_documents_and_a_wheel_is_made_of_it(
    checkout: Path, tmp_path: Path
) -> None:
    if shutil.which("git") is None or not (checkout / ".git").exists():
        pytest.skip("no checkout of git")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=checkout, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (checkout / name).is_file():
            (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(checkout / name, tmp_path / "copy" / name)
    run("-m", "build", "--no-isolation", "--outdir", str(tmp_path / "dist"), cwd=tmp_path / "copy")
    (source,) = (tmp_path / "dist").glob("*.tar.gz")
    (built,) = (tmp_path / "dist").glob("*.whl")
    with tarfile.open(source) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert {"scripts/first_hour", "tests/test_packaging.py", "docs/tutorial.ipynb", "requirements.lock"} <= held
    with zipfile.ZipFile(built) as archive:
        assert "rlformer/_catalogue/agents/dt.toml" in archive.namelist()
