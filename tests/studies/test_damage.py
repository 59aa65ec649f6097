"""Each file of a finished run, damaged in each way: one line that names it, and training again makes the run anew."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import rlformer
from rlformer import api, cli
from rlformer.core.errors import InputError
from rlformer.evaluator.judge.load import find_runs, read_runs
from rlformer.runs.directory import RunDirectory

FILES = [
    "record.json",
    "spec.toml",
    "metrics.jsonl",
    "eval/final.json",
    "eval/curve.jsonl",
    "checkpoints/best/model.json",
    "checkpoints/best/model.safetensors",
]
SMALL = ["gradient_steps=40", "width=16", "layers=1", "validate_every=20"]


def _nested(text: bytes) -> bytes:
    return b'{"schema": ' + 100_000 * b"[" + 100_000 * b"]" + b"}"


def _other_types(text: bytes) -> bytes:
    """Numbers where texts were, and texts where numbers were."""
    digits = {ord("0") + i: ord("a") + i for i in range(10)}
    return text.translate(bytes(digits.get(i, i) for i in range(256)))


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda text: b"",
    "cut in half": lambda text: text[: len(text) // 2],
    "garbage": lambda text: bytes(range(256)) * 4,
    "nested": _nested,
    "a list": lambda text: b"[1, 2]",
    "null": lambda text: b"null\n",
    "a number for all": lambda text: json.dumps({"schema": "rlformer/2", "cost": 3, "env": 4}).encode(),
    "other types": _other_types,
    "another schema": lambda text: text.replace(b"rlformer/2", b"rlformer/9") + b"\n",
    "one digit": lambda text: text.replace(b"1", b"2", 1) if b"1" in text else text + b"1",
}


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a log, a finished run of `bc` on it, and one of `random`."""
    folder = tmp_path_factory.mktemp("study")
    log = rlformer.collect("random", env="CartPole-v1", out=folder / "log", episodes=20)
    rlformer.train("bc", dataset=log, overrides=SMALL, root=folder / "runs")
    rlformer.train("random", env="CartPole-v1", root=folder / "runs")
    return folder


@pytest.fixture
def copy(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to stand in and to damage."""
    shutil.copytree(study, tmp_path / "study")
    monkeypatch.chdir(tmp_path / "study")
    return tmp_path / "study"


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    def type_(*words: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["rlformer", *words])
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return type_


def bc_of(folder: Path) -> Path:
    return next((folder / "runs" / "CartPole-v1").glob("bc-*/seed-0"))


def damage(run: Path, name: str, how: str) -> None:
    (run / name).write_bytes(DAMAGES[how]((run / name).read_bytes()))


@pytest.mark.slow
@pytest.mark.parametrize("how", [*DAMAGES, "lost"])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_told_by_whoever_reads_it(
    copy: Path, typed: Callable[..., Answer], name: str, how: str
) -> None:
    run = bc_of(copy)
    if how == "lost":
        (run / name).unlink()
    elif how == "one digit" and name == "record.json":
        pytest.skip("what a record says of itself is not sealed")
    else:
        damage(run, name, how)
    runs, skipped = read_runs(find_runs([copy / "runs"]))
    if not name.startswith("checkpoints"):
        assert [each.spec.agent.name for each in runs] == ["random"]
        assert Path(name).name in skipped[0].reason
        assert "\n" not in skipped[0].reason
    answer = typed("evaluate", str(run), "--episodes", "2")
    if name.startswith("checkpoints") or name in ("record.json", "spec.toml"):
        assert answer.code == 2, answer.err
        (line,) = answer.err.splitlines()
        assert line.startswith("error: ")
        assert name in line or (name == "record.json" and "not a run directory" in line) or run.name in line
    else:
        assert answer.code == 0


@pytest.mark.slow
@pytest.mark.parametrize(("name", "how"), [*zip(FILES, [*DAMAGES][: len(FILES)], strict=True)])
def test_training_again_makes_a_damaged_run_anew(copy: Path, typed: Callable[..., Answer], name: str, how: str) -> None:
    run = bc_of(copy)
    weights = (run / "checkpoints/best/model.safetensors").read_bytes()
    damage(run, name, how)
    rlformer.train("bc", dataset=rlformer.open_data(copy / "log"), overrides=SMALL, root=copy / "runs")
    assert (run / "checkpoints/best/model.safetensors").read_bytes() == weights
    assert any("put aside as seed-0.damaged-1" in note for note in RunDirectory.open(run).record.notes)
    assert typed("report", "runs").code == 0
    assert len(read_runs(find_runs([copy / "runs"]))[0]) == 2


@pytest.mark.slow
def test_a_run_that_learned_from_other_data_had_not_finished_before(copy: Path) -> None:
    run = bc_of(copy)
    rewards = copy / "log" / "rewards.npy"
    rewards.write_bytes(rewards.read_bytes()[:-1] + b"\x41")
    with pytest.raises(InputError, match=r"rewards\.npy: damaged"):
        rlformer.train("bc", dataset=rlformer.open_data(copy / "log"), overrides=SMALL, root=copy / "runs")
    assert RunDirectory.open(run).finished


@pytest.mark.slow
@pytest.mark.parametrize("how", ["empty", "cut in half", "garbage", "other types", "one digit"])
def test_a_damaged_part_of_an_explanation_is_told_and_made_anew(copy: Path, how: str) -> None:
    run = bc_of(copy)
    made = api.explain(run, only=["effects"]).to_dict()["effects"]
    damage(run, "explain/effects.json", how)
    runs, skipped = read_runs(find_runs([copy / "runs"]))
    assert len(runs) == 2
    (told,) = skipped
    assert told.path.endswith("explain/effects.json")
    assert "run explain again to recreate it" in told.reason
    again = api.explain(run, only=["effects"]).to_dict()["effects"]
    assert {**again, "cost": None} == {**made, "cost": None}
    assert read_runs(find_runs([copy / "runs"]))[1] == []


@pytest.mark.parametrize("content", [b"", b"\x00\xff", b"{", b"[1]", b'{"files": 3}'])
def test_a_stamp_that_is_damaged_is_as_if_there_were_none(study: Path, tmp_path: Path, content: bytes) -> None:
    shutil.copytree(study / "log", tmp_path / "log")
    (tmp_path / "log" / ".verified.json").write_bytes(content)
    assert rlformer.open_data(tmp_path / "log").hash == rlformer.open_data(study / "log").hash
