"""What sbatch is given: read from the file that it would run, with a shell script in its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rlformer.core.errors import InputError
from rlformer.studies import executors
from rlformer.studies.executors import Place
from rlformer.studies.executors.base import Job, Request

pytest.importorskip("submitit")

_SBATCH = """#!/bin/sh
cp "$1" "$KEPT/$(ls "$KEPT" | wc -l).sh"
echo "partition ${SBATCH_PARTITION:-none}" >>"$KEPT/variables"
grep -q "gpus-per-node" "$1" && [ -n "$REFUSED" ] && { echo "sbatch: error: Invalid gres" >&2; exit 1; }
echo "Submitted batch job $(ls "$KEPT" | wc -l)"
"""


@pytest.fixture
def sbatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A SLURM that keeps what it is given, and never answers."""
    programs, kept = tmp_path / "bin", tmp_path / "kept"
    programs.mkdir()
    kept.mkdir()
    for name, text in (
        ("sbatch", _SBATCH),
        ("srun", "#!/bin/sh\n"),
        ("sacct", "#!/bin/sh\n"),
        ("scancel", '#!/bin/sh\necho "$@" >>"$KEPT.cancelled"\n'),
    ):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("KEPT", str(kept))
    return kept


def test_jobs_that_are_ready_are_one_array_with_what_a_run_needs(
    tmp_path: Path, sbatch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SBATCH_PARTITION", "other")
    monkeypatch.setenv("SBATCH_TIMELIMIT", "1-00:30")
    jobs = [Job("a", None), Job("b", None), Job("c", None, needs=("a",)), Job("d", None, gpus=1)]
    request = Request(tmp_path / "runs", tmp_path / "runs", threads=3)
    with executors.opened(Place("slurm", "cpu"), request) as executor:
        events = executor.run(print, jobs)
        monkeypatch.setattr("rlformer.studies.executors.slurm.Array.ended", lambda *_: (_ for _ in ()).throw(EOFError))
        with pytest.raises(EOFError):
            list(events)
    plain, gpu = (
        (sbatch / name).read_text().splitlines() for name in sorted(os.listdir(sbatch)) if name != "variables"
    )
    assert {"#SBATCH --array=0-1%2", "#SBATCH --cpus-per-task=3", "#SBATCH --partition=cpu", "#SBATCH --time=1470"} <= {
        *plain
    }
    assert "#SBATCH --signal=USR2@120" in plain
    assert any(line.startswith("export OMP_NUM_THREADS=3 PYTHONPATH=") for line in plain)
    assert not any("gpu" in line for line in plain)
    assert "#SBATCH --gpus-per-node=1" in gpu
    assert (sbatch / "variables").read_text() == "partition none\n" * 2  # the one that was typed counts
    assert os.environ["SBATCH_PARTITION"] == "other"


def test_where_an_array_is_refused_those_before_it_are_cancelled(
    tmp_path: Path, sbatch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFUSED", "gpu")
    request = Request(tmp_path / "runs", tmp_path / "runs")
    with (
        pytest.raises(InputError, match=r"--on slurm: sbatch refused: .*Invalid gres"),
        executors.opened(Place("slurm"), request) as executor,
    ):
        list(executor.run(print, [Job("a", None), Job("b", None, gpus=1)]))
    assert sbatch.with_suffix(".cancelled").read_text().split() == ["2"]
