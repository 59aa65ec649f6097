"""TensorBoard on runs: both families in one chart, runs filtered by what they were trained with."""

from __future__ import annotations

import json
import socket
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from rlformer import api
from rlformer.core.errors import InputError
from rlformer.runs.board import LAYOUT
from rlformer.runs.directory import RunDirectory
from rlformer.studies.listing import find_runs
from tests.support.make_runs import DT, PPO, make_run


def runs(root: Path) -> list[RunDirectory]:
    """One of each family, with points of a curve."""
    made = [make_run(root, agent, 0) for agent in (PPO, DT)]
    for run, step in zip(made, (1000, 50), strict=True):
        lines = [{"step": step * i, "seconds": 10.0 * i, "eval/return": 100.0 * i, "eval/normalized_score": 0.2 * i}
                 for i in range(1, 4)]  # fmt: skip
        (run.path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return made


def get(address: str, path: str, given: dict[str, Any] | None = None) -> Any:
    data = None if given is None else json.dumps(given).encode()
    request = urllib.request.Request(
        f"{address.partition('/#')[0]}/data/plugin/{path}", data, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


@pytest.mark.slow
def test_tensorboard_overlays_both_families_and_filters_runs_by_agent(tmp_path: Path) -> None:
    made = runs(tmp_path / "runs")
    names = {str(run.path.relative_to(tmp_path / "runs")) for run in made}
    with api.tensorboard(tmp_path / "runs") as (address, shown, alive):
        assert shown == 2
        layout = get(address, "custom_scalars/layout")
        assert [category["title"] for category in layout["category"]] == list(LAYOUT)
        charts = {chart["title"]: chart["multiline"]["tag"] for chart in layout["category"][0]["chart"]}
        assert charts["score against seconds"] == ["time/normalized_score"]
        tags = get(address, "scalars/tags")
        assert names <= {run for run, of in tags.items() if "time/normalized_score" in of}
        drawn = get(address, f"scalars/scalars?run={sorted(names)[0].replace('/', '%2F')}&tag=time%2Freturn")
        assert [(step, value) for _, step, value in drawn] == [(10, 100.0), (20, 200.0), (30, 300.0)]
        experiment = get(address, "hparams/experiment", {})
        values = {info["name"]: info.get("domainDiscrete", []) for info in experiment["hparamInfos"]}
        assert {"ppo", "dt"} <= set(values["agent"])
        assert {"online", "sequence"} <= set(values["family"])
        assert alive()


@pytest.mark.slow
def test_a_run_that_goes_on_is_followed_and_its_folder_only_read(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from rlformer.runs.board import Board

    (ppo, _) = runs(tmp_path / "runs")
    before = sorted(path for path in (tmp_path / "runs").rglob("*"))
    board = Board(tmp_path / "runs", tmp_path / "shown", find_runs)
    assert board.update() == 2
    with (ppo.path / "metrics.jsonl").open("a") as lines:
        lines.write(json.dumps({"step": 4000, "seconds": 40.0, "eval/return": 400.0}) + "\n")
    assert board.update() == 2
    board.close()
    assert sorted(path for path in (tmp_path / "runs").rglob("*")) == before
    read = EventAccumulator(str(tmp_path / "shown" / ppo.path.relative_to(tmp_path / "runs")))
    read.Reload()
    assert [(each.step, each.value) for each in read.Scalars("eval/return")] == [
        (1000, 100.0), (2000, 200.0), (3000, 300.0), (4000, 400.0),
    ]  # fmt: skip


def test_a_folder_without_runs_and_a_port_that_is_taken_are_one_line(tmp_path: Path) -> None:
    none = "no runs in .*: rlformer compare or train-agent creates some"
    with pytest.raises(InputError, match=none), api.tensorboard(tmp_path):
        pass
    runs(tmp_path / "runs")
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match="this port is taken"), api.tensorboard(tmp_path / "runs", port=port):
            pass
