"""rlformer runs, as a person sees it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.make_runs import BC, PPO, make_runs

Command = Callable[..., Any]


def test_an_aligned_list_a_filter_and_json(command: Command, workspace: Path) -> None:
    made = make_runs(Path("runs"), [BC, PPO], seeds=(0, 1))
    (made[0].path / "record.json").write_text("[]")
    seen = command("runs")
    assert seen.code == 0
    head, *rows = seen.out.splitlines()
    assert head.split() == ["environment", "agent", "seed", "state", "score", "return", "steps", "time", "path"]
    assert len(rows) == 4
    assert {row.index(" runs/") for row in rows} == {head.index(" path")}
    assert rows[0].split()[3:7] == ["damaged", "–", "–", "–"]
    assert seen.err == f"damaged: {made[0].path}: record.json: damaged: no object\n"
    filtered = command("runs", "--agent", "ppo", "--json")
    assert [(run["agent"], run["seed"], run["state"]) for run in filtered.json["runs"]] == [
        ("ppo", 0, "finished"), ("ppo", 1, "finished"),
    ]  # fmt: skip
    none = command("runs", "runs", "--env", "Acrobot-v1")
    assert (none.code, none.out) == (0, "")
    assert none.err == "none of the 4 runs in runs has that environment and agent\n"


def test_where_there_are_none_the_commands_that_make_some_are_named(command: Command) -> None:
    seen = command("runs")
    assert (seen.code, seen.out) == (0, "")
    assert seen.err == "no runs in runs: rlformer compare or train-agent creates some\n"
    assert command("runs", "--json").json == {"runs": []}
    assert command("runs", "nowhere").err == "error: nowhere: no such folder\n"


def test_an_environment_in_place_of_a_folder_suggests_the_folder_of_its_runs(command: Command, workspace: Path) -> None:
    make_runs(Path("runs"), [BC], seeds=(0,))
    (env,) = Path("runs").iterdir()
    assert command("runs", env.name).err == f"error: {env.name}: no such folder; did you mean {env}?\n"
    assert command("runs", "nowhere").err == "error: nowhere: no such folder\n"
