"""Measurements of an earlier report are taken instead of being made again, and only those that are the same."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from rlformer import api
from rlformer.agents.cards import resolve
from rlformer.core.errors import InputError
from rlformer.envs.cards import environment
from rlformer.report.claims import build
from rlformer.runs.hooks import Hooks
from rlformer.runs.spec import RunSpec
from rlformer.studies.claims import suite
from rlformer.studies.claims.base import Cell, Claim, Effect, Measured, Numbers, Text, made_of, read, write
from rlformer.studies.claims.cells import FirstGood, Online, Speed, Trained, task
from rlformer.studies.claims.explained import Explained
from rlformer.studies.claims.rows import CLAIMS
from rlformer.studies.claims.taken import take


@dataclass(frozen=True)
class Given:
    """A cell whose numbers are known."""

    name: str
    steps: int = 1_000  # of ppo
    alone: bool = False
    needs: tuple[Cell, ...] = ()
    foreseen: float = 10.0

    @property
    def specs(self) -> tuple[RunSpec, ...]:
        return (resolve(environment("CartPole-v1"), "ppo", [f"steps={self.steps}"]),)

    def measure(self, seed: int, root: Path, hooks: Hooks) -> Numbers:
        return {"score": len(self.name) + seed + 1 / 3}


def claim(name: str, more: Cell, less: Cell) -> Claim:
    effect = Effect(Text(name, name), more, less, "score", "greater", 0.1, "points", quick=True)
    return Claim(name, "1", Text("It is more.", "更多。"), Text("Compare.", "比较。"), (effect,), ("rlformer/a.py",))


MORE, LESS, OTHER = Given("greater"), Given("less"), Given("another")
FIRST, SECOND = claim("first", MORE, LESS), claim("second", LESS, OTHER)


def reported(folder: Path, measured: dict[Cell, int], asked: tuple[Claim, ...] = (FIRST, SECOND)) -> Path:
    """A report of cells that were measured on so many seeds each."""
    for cell, seeds in measured.items():
        for seed in range(seeds):
            write(cell, seed, folder / "runs", Measured(cell.measure(seed, folder, Hooks()), 2.0))
    build(suite.answers(asked, "full", 3, folder / "runs"), folder)
    return folder / "results.json"


def test_a_report_holds_all_that_was_measured_and_gives_the_same_answers_elsewhere(tmp_path: Path) -> None:
    path = reported(tmp_path / "there", {MORE: 3, LESS: 3, OTHER: 3})
    found = take(path, (FIRST, SECOND), False, 3)
    assert (len(found.known), found.line) == (9, f"{path}: 9 measurements taken")
    for (cell, seed), one in found.known.items():
        write(cell, seed, tmp_path / "here", one)
    here, there = (
        suite.answers((FIRST, SECOND), "full", 3, root) for root in (tmp_path / "here", tmp_path / "there" / "runs")
    )
    assert here == there
    assert here.measured[0].measured == Measured({"score": len("greater") + 1 / 3}, 2.0)  # not rounded


def test_a_packed_report_is_read_as_it_is(tmp_path: Path) -> None:
    path = reported(tmp_path, {MORE: 2, LESS: 2})
    packed = tmp_path / "claims.json.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert take(packed, (FIRST,), False, 2).known == take(path, (FIRST,), False, 2).known
    for broken in (packed.read_bytes()[:-20], b"none", gzip.compress(b"{")):
        packed.write_bytes(broken)
        with pytest.raises(InputError, match=r"claims\.json\.gz: (cannot be read|not valid JSON)"):
            take(packed, (FIRST,), False, 2)


def test_a_measurement_of_a_seed_is_taken_where_all_claims_that_need_it_are_whole(tmp_path: Path) -> None:
    path = reported(tmp_path, {MORE: 3, LESS: 2, OTHER: 1})
    assert set(take(path, (FIRST, SECOND), False, 3).known) == {(MORE, 0), (MORE, 1), (LESS, 0), (OTHER, 0)}
    assert set(take(path, (FIRST,), False, 3).known) == {(MORE, 0), (MORE, 1), (LESS, 0), (LESS, 1)}
    assert set(take(path, (FIRST,), False, 1).known) == {(MORE, 0), (LESS, 0)}
    assert "; 2 are of other claims, seeds or values, or of a seed" in take(path, (FIRST,), False, 3).line


def test_what_was_trained_with_other_values_is_not_taken_and_is_measured_again(tmp_path: Path) -> None:
    path = reported(tmp_path, {MORE: 1, LESS: 1, OTHER: 1})
    changed = replace(MORE, steps=2_000)
    found = take(path, (claim("first", changed, LESS),), False, 1)
    assert not found.known
    assert read(MORE, 0, tmp_path / "runs") is not None
    assert read(changed, 0, tmp_path / "runs") is None


def test_a_cell_names_what_it_trains_and_what_its_log_comes_from() -> None:
    maze, pole = task("PassiveTMaze", length=5), Online(task("CartPole-v1"), "ppo")
    more = Online(task("CartPole-v1"), "ppo", ("steps=4096",))
    cells = (
        Trained(maze, "dt"), Trained(pole.task, "dt", training=pole), Trained(pole.task, "dt", training=more),
        FirstGood(pole, "bc", (1_000,)), Speed("dt", 10), Explained(Trained(maze, "dt"), "leaves"), pole, more,
    )  # fmt: skip
    assert [[spec.agent.name for spec in cell.specs] for cell in cells] == [
        ["dt"], ["dt", "ppo"], ["dt", "ppo"], ["bc", "ppo"], ["dt"], ["dt"], ["ppo"], ["ppo"],
    ]  # fmt: skip
    every = {cell for asked in CLAIMS.values() for cell in asked.cells(False)}
    assert all(cell.specs for cell in every)
    assert len({made_of(cell) for cell in (*cells, *every)}) == len({*cells, *every})


BAD: dict[str, Callable[[dict[str, Any]], object]] = {
    "not the results.json of a report of `rlformer claims`": lambda good: {"arms": []},
    "damaged: no object": lambda good: [good],
    "of another version of rlformer": lambda good: {**good, "schema": "rlformer/1"},
    "damaged: not a measurement": lambda good: {**good, "measured": [*good["measured"], {"cell": "less"}]},
    "damaged: not a": lambda good: {**good, "measured": [{**good["measured"][0], "numbers": {"score": None}}]},
    "damaged: not": lambda good: {**good, "measured": [{**good["measured"][0], "seed": "0"}]},
}


@pytest.mark.parametrize("message", BAD)
def test_a_file_that_is_no_report_of_claims_is_one_line_and_nothing_is_made(message: str, tmp_path: Path) -> None:
    path = reported(tmp_path, {MORE: 1, LESS: 1, OTHER: 1})
    path.write_text(json.dumps(BAD[message](json.loads(path.read_text()))))
    with pytest.raises(InputError, match=message):
        api.claims(only="speed", earlier=path, root=tmp_path / "new", out=tmp_path / "out")
    with pytest.raises(InputError, match=message):
        api.foresee_claims(only="speed", earlier=path, root=tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file; --from takes the results\.json"):
        api.foresee_claims(earlier=tmp_path / "none.json")


def test_a_forecast_leaves_out_what_a_report_holds(tmp_path: Path) -> None:
    asked, count = suite.plan("nonlinearity", "quick", None)
    for cell in asked[0].cells(True):
        write(cell, 0, tmp_path / "runs", Measured({"loss": 1.0, "z": 1.0}, 1.0))
    build(suite.answers(asked, "quick", count, tmp_path / "runs"), tmp_path)
    before = api.foresee_claims(only="nonlinearity", root=tmp_path / "new")
    after = api.foresee_claims(only="nonlinearity", root=tmp_path / "new", earlier=tmp_path / "results.json")
    assert (after.measured, after.left) == (before.left, 0)
    assert before.left > 0
    assert not (tmp_path / "new").exists()


def test_what_a_report_holds_is_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, count = suite.plan("nonlinearity", "quick", None)
    for cell in asked[0].cells(True):
        write(cell, 0, tmp_path / "runs", Measured({"loss": 1.0, "z": 1.0}, 1.0))
    first = build(suite.answers(asked, "quick", count, tmp_path / "runs"), tmp_path / "first")
    told: list[str] = []
    found = api.claims(
        only="nonlinearity",
        earlier=tmp_path / "first" / "results.json",
        root=tmp_path / "new",
        out=tmp_path / "out",
        listen=lambda event: told.append(str(event.value)) if event.kind == "told" else None,
    )
    assert (found["claims"], found["measured"]) == (first["claims"], first["measured"])
    assert "measurements taken" in told[0]
    assert told[1].endswith("nothing is left to measure")
    assert not list((tmp_path / "new").glob("*Maze*")), "nothing was trained"
