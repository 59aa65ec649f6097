"""What a comparison would take, from a short probe."""

from dataclasses import replace
from pathlib import Path

import pytest

import rlformer
from rlformer.cli.console import show_foreseen
from rlformer.studies.foresee import Foreseen
from rlformer.studies.pace import Pace, Paces, World
from rlformer.studies.plan import plan
from rlformer.studies.projection import Projection, forecast, project, projected
from rlformer.studies.study import Grid, Log, Study


def test_a_longer_log_takes_the_steps_that_its_training_will_take(tmp_path: Path) -> None:
    given = rlformer.collect("random", env="CartPole-v1", out=tmp_path / "data", episodes=8)
    steps, log_steps = 1_000, given.num_steps // 2
    study = Study(
        "CartPole-v1",
        arms=("cql",),
        seeds=1,
        grid=Grid(()),
        log=Log(data=str(tmp_path / "data")),
        overrides={"cql": (f"gradient_steps={steps}", f"log_steps={log_steps}")},
        runs=str(tmp_path),
    )
    pace = Pace(start=1.0, step=0.01, act=(0.0, 0.0))
    found = projected(plan(study), Paces(World(1e-4, 10.0, 500, True), {"cql": pace}), jobs=1)
    assert found.agents[0].gradient_steps == -(-steps * given.num_steps // log_steps)


@pytest.mark.slow
def test_a_probe_of_every_arm_is_multiplied_and_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    study = Study(
        "CartPole-v1",
        arms=("random", "bc", "ppo"),
        seeds=3,
        grid=Grid((0.5, 1.0), ("bc",), seeds=2),  # all of it is the arm itself
        overrides={"bc": ("width=16", "layers=1")},
        runs=str(tmp_path),
    )
    found = project(plan(study), jobs=2).to_dict()
    rows = {row["agent"]: row for row in found["agents"]}
    assert {agent: row["runs"] for agent, row in rows.items()} == {"random": 3, "bc": 3 + 2, "ppo": 3}
    assert rows["ppo"]["env_steps"] == 32768
    assert (rows["bc"]["env_steps"], rows["bc"]["gradient_steps"]) == (0, 1500)
    assert found["env_steps"] == 3 * 32768
    assert found["hours"] == pytest.approx(sum(row["runs"] * row["seconds"] for row in rows.values()) / 3600 / 2)
    assert rows["ppo"]["disk_bytes"] > 32768 * 4 * 4  # it keeps its trajectories
    assert not list((tmp_path / "temporary").iterdir())
    assert not (tmp_path / "CartPole-v1").exists()


@pytest.mark.parametrize(
    ("slowness", "said"),
    [
        (1.5, None),
        (
            4.0,
            "This machine is busy: the probe had 25 % of a core. The time above assumes that it stays so; "
            "a quiet machine would take about 30 minutes.",
        ),
    ],
)
def test_a_busy_machine_is_told(slowness: float, said: str | None) -> None:
    assert Projection("X-v0", 2, (), 7200.0, slowness=slowness).busy == said


def test_the_two_times_of_a_dry_run_are_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    study = Study("CartPole-v1", arms=("random",), seeds=1, runs=str(tmp_path))
    made = plan(study)
    projection = projected(made, Paces(World(1e-4, 10.0, 500, True), {"random": Pace(0.0, 0.0, (0.0, 0.0))}), jobs=1)
    projection = replace(projection, wall_seconds=9_000.0)
    show_foreseen(Foreseen(study, made, None, None, projection, forecast(study, made, projection)), as_json=False)
    assert capsys.readouterr().out.count("about 2.5 hours") == 2
