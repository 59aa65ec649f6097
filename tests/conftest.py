"""What every test shares. One thread: the suite is many small problems, side by side in a process a core."""

import os
from pathlib import Path

import pytest

# Before anything imports torch or numpy, and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The repository's root."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, in which runs, datasets and a user's own cards are looked for and made."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
