"""The scripts that make logs, play published agents and run studies: what they write, from the smallest input."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlformer.agents import cards as agent_cards
from rlformer.data.folder import load
from rlformer.envs import cards as env_cards

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


def run(script: str, *words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    where = os.environ | {"PYTHONPATH": str(SCRIPTS.parent)} | environment
    return subprocess.run(
        [sys.executable, str(SCRIPTS / script), *words], cwd=cwd, env=where, capture_output=True, text=True, check=False
    )


@pytest.fixture(autouse=True)
def _modules_beside_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(SCRIPTS), *sys.path])


@pytest.mark.slow
def test_logs_are_named_by_their_z_say_who_made_them_and_are_made_once(tmp_path: Path) -> None:
    words = ("Pendulum-v1", "--steps", "400", "--size", "400", "--minari")
    first = run("make_logs", *words, cwd=tmp_path, MINARI_DATASETS_PATH=str(tmp_path / "minari"))
    assert first.returncode == 0, first.stderr
    told = {row["kind"]: row for row in json.loads((tmp_path / "logs/Pendulum-v1/logs.json").read_text())["logs"]}
    assert list(told) == ["random", "medium-replay", "medium", "best"]
    card = env_cards.environment("Pendulum-v1")
    for kind, row in told.items():
        dataset = load(tmp_path / row["path"], verify=True)
        z = card.normalize(float(dataset.returns.mean()))
        assert Path(row["path"]).name == f"{kind}-z{z:.2f}"
        assert (row["z"], row["hash"], row["upstream_env_steps"]) == (z, dataset.hash, dataset.upstream_env_steps)
        about = json.loads((tmp_path / "minari" / row["minari"] / "data" / "metadata.json").read_text())
        assert (about["ref_min_score"], about["ref_max_score"]) == (card.random_score, card.reference_score)
    assert told["random"]["upstream_env_steps"] == 400
    assert (
        told["medium-replay"]["steps"] == told["medium-replay"]["upstream_env_steps"] == 200
    )  # half: it was never good
    assert told["medium"]["upstream_env_steps"] == 200 + 400
    assert told["best"]["upstream_env_steps"] == 400 + 400
    assert told["medium"]["provenance"]["behaviour_policy"]["sampled"]
    assert not told["best"]["provenance"]["behaviour_policy"]["sampled"]
    again = run("make_logs", *words, cwd=tmp_path, MINARI_DATASETS_PATH=str(tmp_path / "minari"))
    assert (again.stdout, "train-agent" in again.stderr) == (first.stdout, False)
    other = run("make_logs", "Pendulum-v1", "--steps", "401", "--kinds", "random", cwd=tmp_path)
    assert other.returncode == 2
    assert "was made with" in other.stderr.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "words", "message"),
    [
        ("make_logs", ("Pendulum-v1", "--kinds", "expert"), "unknown kind 'expert'"),
        ("make_logs", ("Pendulum-v2", "--kinds", "random"), "Pendulum-v2"),
        ("make_logs", ("Pendulum-v1", "--size", "0"), "one step at least"),
        ("train_presets", ("--only", "ppo/Nowhere-v0"), "no preset 'ppo/Nowhere-v0'"),
    ],
)
def test_what_cannot_be_made_is_one_line(script: str, words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    found = run(script, *words, cwd=tmp_path)
    assert found.returncode == 2
    assert len(found.stderr.splitlines()) == 1
    assert message in found.stderr


def test_published_agents_are_told_within_two_errors_and_two_per_cent_for_a_newer_version() -> None:
    line_of = runpy.run_path(str(SCRIPTS / "published_agents"))["line_of"]
    same: dict[str, Any] = {"agent": "ppo/CartPole-v1", "env": "CartPole-v1", "remarks": [], "episodes": 4}
    assert line_of({**same, "returns": [500.0] * 4})[-2:] == ["0.0", "yes"]
    assert line_of({**same, "returns": [499.0] * 4})[-2:] == ["inf", "no"]
    spread = np.linspace(-20.0, 20.0, 100)
    newer = {"agent": "ppo/Hopper-v3", "env": "Hopper-v5", "remarks": [], "episodes": 100}
    far = 2410.435 * 1.019
    assert line_of({**newer, "returns": (far + spread).tolist()})[-1] == "yes"
    assert line_of({**newer, "env": "Hopper-v3", "returns": (far + spread).tolist()})[-1] == "no"
    assert line_of({**same, "error": "no such environment"})[1] == "no such environment"


def test_every_preset_is_listed_once_and_stands_beside_a_published_score() -> None:
    module = runpy.run_path(str(SCRIPTS / "train_presets"))
    found = {preset.name: preset for preset in module["presets"]()}
    own = [f"{card.name}/{env}" for card in agent_cards.agents().values() for env in card.layers[-1].presets]
    assert sorted(found) == sorted(own)
    assert found["ppo/LunarLander-v3"].published == (242.119, "LunarLander-v2")
    assert found["sac/Hopper-v5"].published == (2325.547, "Hopper-v3")
    assert found["ppo/CartPole-v1"].published == (500.0, "CartPole-v1")
    assert found["dt/CartPole-v1"].published is None
    assert found["dt/CartPole-v1"].needs_log
    page = module["page"]([["dt (log of ppo)", "CartPole-v1", "500.0", "0.0", "1.00", "-", "-"]], ["a2c/X", "ars/X"])
    assert "| dt (log of ppo) | CartPole-v1 | 500.0 |" in page
    assert "Never trained, 2 of 3: a2c/X, ars/X." in page


def test_the_page_of_a_study_is_made_of_its_results_alone() -> None:
    from _offline_study import OfflineStudy, PublishedPlayer  # type: ignore[import-not-found]

    study = OfflineStudy(
        "Hopper-v5", "Hopper-v5", 2, 10, ("dt", "bc"), PublishedPlayer("a.zip", "an agent"),
        {"x": {"dt": 81.8}}, {"x": "d4rl"}, "study_hopper ZOO",
    )  # fmt: skip
    log = {"words": "w", "z": 0.5, "best": 1.0, "episodes": 3, "steps": 3000}
    score = {"mean": 0.0, "error": 0.0}
    steps = {"dt": 30_000, "bc": 100_000}
    rows = [
        {**score, "agent": a, "seed": s, "z": z, "gradient_steps": steps[a]}
        for a, s, z in (("dt", 0, 0.7), ("dt", 1, 0.9), ("bc", 0, 0.4))
    ]
    results = {
        "env": "Hopper-v5",
        "quick": False,
        "online": [],
        "logs": {"x": log},
        "scores": {"x": rows},
    }
    page = study.page(results)
    assert "| dt | 30,000 | 80.0 ± 10.0 | 70.0 | 90.0 | +30.0 | 81.8 |" in page
    assert "| bc | 100,000 | 40.0 | 40.0 | 40.0 | -10.0 | - |" in page
    assert "a neighbour and no target" in page
    assert "`scripts/study_hopper ZOO`, from [hopper.json](hopper.json)." in page
    assert "mean nothing" in study.page({**results, "quick": True})


def test_an_offline_study_trains_only_what_its_results_lack(tmp_path: Path) -> None:
    from _offline_study import OfflineStudy, PublishedPlayer

    trained: list[tuple[str, int, int]] = []

    class Study(OfflineStudy):  # type: ignore[misc]
        made = "a"  # the hash of its log

        def published(self, agent: Path, out: Path, quick: bool) -> tuple[Path, dict[str, Any]]:
            return out, {"words": "w", "z": 0.5, "best": 1.0, "episodes": 3, "steps": 3000, "hash": self.made}

        def learn(self, log: Path, out: Path, agent: str, seed: int, steps: int) -> dict[str, Any]:
            trained.append((agent, seed, steps))
            return {"agent": agent, "seed": seed, "mean": 0.0, "error": 0.0, "z": 0.1, "gradient_steps": steps}

    study = Study("X", "X", 2, None, ("dt", "bc"), PublishedPlayer("a.zip", "an agent"), {}, {"published": "d4rl"}, "x")
    found: dict[str, Any] = {"quick": False, "scores": {}}

    def run(**steps: int) -> list[tuple[str, int, int]]:
        trained.clear()
        study.run(tmp_path, tmp_path, False, 1, {"dt": 5, "bc": 5, **steps}, ["published"], found)
        assert json.loads((tmp_path / "results.json").read_text()) == found
        assert study.page(found)
        return list(trained)

    every = [("dt", 0, 5), ("dt", 1, 5), ("bc", 0, 5), ("bc", 1, 5)]
    assert run() == every
    assert run() == []
    found["scores"]["published"].pop(1)
    assert run() == [("dt", 1, 5)]
    assert run(dt=7) == [("dt", 0, 7), ("dt", 1, 7)]
    Study.made = "b"
    assert run(dt=7) == []  # all is there: its log need not be made again
    found["scores"]["published"].pop()
    assert len(run(dt=7)) == 4  # on the log that is here now


def test_the_page_of_pong_is_made_of_its_results_alone() -> None:
    page = runpy.run_path(str(SCRIPTS / "study_pong"))["page"]
    log = {
        "steps": 30_000,
        "episodes": 3,
        "mean": 9.3,
        "standard_error": 2.04,
        "min": 5,
        "max": 12,
        "normalized_score": 1,
    }
    arm = {
        **log,
        "episodes": 1,
        "mean": -21.0,
        "standard_error": 0.0,
        "min": -21,
        "max": -21,
        "normalized_score": -0.01,
    }
    found = {"quick": False, "gradient_steps": 5_000, "log": log, "arms": {"bc": arm}}
    assert "| the log's player | 3 | 9.3 ± 2.0 | 5 | 12 | 1.00 |" in page(found)
    assert "| `bc` | 1 | -21.0 | -21 | -21 | -0.01 |" in page(found)
    assert "mean nothing" in page({**found, "quick": True})


def test_the_player_of_pong_goes_where_the_ball_will_come() -> None:
    module = runpy.run_path(str(SCRIPTS / "study_pong"))
    top, bottom = module["TOP"], module["BOTTOM"]
    bounced = module["bounced"]
    assert [bounced(y) for y in (top, bottom, bottom + 10, top - 10)] == [top, bottom, bottom - 10, top + 10]
    memory = np.zeros(128, np.uint8)
    for ball_y, wanted in ((180, module["DOWN"]), (60, module["UP"]), (125, module["NOTHING"])):
        player = module["Player"](aim=0.0, rng=np.random.default_rng(0))
        for ball_x in (100, 110):
            memory[[module["BALL_X"], module["BALL_Y"], module["PADDLE_Y"]]] = ball_x, ball_y, 118
            action = player.act(memory)
        assert action == wanted


@pytest.mark.slow
def test_a_log_of_the_benchmark_of_images_keeps_each_frame_once(tmp_path: Path) -> None:
    module = runpy.run_path(str(SCRIPTS / "bench_images"))
    module["make"](tmp_path / "log", 2_000)
    log = load(tmp_path / "log", verify=True)
    assert (log.num_steps, log.observations.shape) == (2_000, (2_002, 4, 84, 84))
    assert (tmp_path / "log" / "observations.npy").stat().st_size < 1.001 * 2_002 * 84 * 84
    found = {
        "steps": 1_000_000,
        "opened": 0.0,
        "seconds": 5.0,
        "waited": 3.0,
        "cpu": 2.0,
        "all": 4.0,
        "mib": 9,
        "held": 8,
    }
    assert module["tell"](found, int(7.1e9))
    assert not module["tell"](found, int(7.2e9))
    assert not module["tell"]({**found, "waited": 1.0}, int(7.1e9))


def test_a_table_of_architectures_counts_solved_seeds_and_pairs_them() -> None:
    module = runpy.run_path(str(SCRIPTS / "study_architectures"))
    about = {"parameters": 12_345, "cpu_seconds": 90.0}
    arms = {
        "random": {"returns": {"0": -180.0}, "parameters": 0, "cpu_seconds": 0.0},
        "dt": {"returns": {"0": 100.0, "1": 210.0}, **about},
        "dt-masked": {"returns": {"0": 130.0, "1": 220.0, "2": 200.0}, **about},
    }
    made_of = next(part for part in module["PARTS"] if part.name == "pretraining").made_of(False)
    page = module["page"]({"quick": False, "parts": {"pretraining": {"arms": arms, "made_of": made_of}}})
    assert "earlier version" not in page
    changed = {"quick": False, "parts": {"pretraining": {"arms": arms, "made_of": [*made_of, "more"]}}}
    assert "This table is of an earlier version of this part, with other values." in module["page"](changed)
    assert "| `random` | - | -180.0 | 0 of 1 | - | -280.0 |" in page
    assert "| `dt` | 12,345 | 155.0 ± 55.0 | 1 of 2 | 1.5 |  |" in page
    assert "| `dt-masked` | 12,345 | 183.3 ± 27.3 | 2 of 3 | 1.5 | +20.0 ± 10.0 |" in page  # 30 and 10
    assert "## KeyDoor" not in page
    assert "Not run: `PassiveTMaze`, `KeyDoor`, " in page
    assert "mean nothing" in module["page"]({"quick": True, "parts": {}})


def test_a_table_of_minigrid_counts_solved_seeds() -> None:
    arms = {"dt": {"returns": {"0": 0.95, "1": 0.5}, "parameters": 9, "cpu_seconds": 30.0}}
    page = runpy.run_path(str(SCRIPTS / "study_minigrid"))["page"]({"quick": False, "envs": {"X": {"arms": arms}}})
    assert "| `dt` | 0.725 ± 0.225 | 1 of 2 | 0.5 |" in page
    assert page.endswith("Made by `scripts/study_minigrid`, from [minigrid.json](minigrid.json).\n")


def test_a_study_goes_on_from_its_own_results_or_from_those_of_another_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept_results = runpy.run_path(str(SCRIPTS / "_studies.py"))["kept_results"]
    own, other = tmp_path / "own.json", tmp_path / "other.json"
    assert kept_results(own, None, False, "parts") == {"quick": False, "parts": {}}
    other.write_text('{"quick": false, "parts": {"gail": {}}}')
    assert kept_results(own, other, False, "parts")["parts"] == {"gail": {}}
    own.write_text('{"quick": false, "parts": {"KeyDoor": {}}}')
    assert kept_results(own, other, False, "parts")["parts"] == {"KeyDoor": {}}
    for path, earlier, quick in ((own, None, True), (tmp_path / "none.json", tmp_path / "nowhere.json", False)):
        with pytest.raises(SystemExit, match="2"):
            kept_results(path, earlier, quick, "parts")
    assert "of a whole study" in capsys.readouterr().err


def test_each_part_of_the_architectures_names_agents_and_values_that_exist() -> None:
    from rlformer.agents.cards import resolve

    for part in runpy.run_path(str(SCRIPTS / "study_architectures"))["PARTS"]:
        sets = [value for word, value in zip(part.words, part.words[1:], strict=False) if word == "--set"]
        env = env_cards.environment(part.env)
        for agent in part.agents:
            own = [value.removeprefix(f"{agent}.") for value in sets if value.startswith(f"{agent}.")]
            resolve(env, agent, own)
        assert all(value.partition(".")[0] in part.agents for value in sets)
        assert part.less is None or part.less in part.agents


def test_architectures_of_a_part_learn_from_as_many_actions_of_the_same_tokens() -> None:
    from rlformer.agents.cards import resolve

    for part in runpy.run_path(str(SCRIPTS / "study_architectures"))["PARTS"]:
        sets = [value for word, value in zip(part.words, part.words[1:], strict=False) if word == "--set"]
        found = set()
        for agent in part.agents:
            own = [value.removeprefix(f"{agent}.") for value in sets if value.startswith(f"{agent}.")]
            spec = resolve(env_cards.environment(part.env), agent, own)
            if spec.agent.learner == "sequence":
                values = spec.values
                found.add((values["batch_size"] * values["context_length"], values["tokens"], values["patience"]))
        assert len(found) <= 1, part.name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("study_architectures", "GPT"), "error: no part 'GPT'; there are: PassiveTMaze, KeyDoor, CartPole-v1, "),
        (("study_architectures", "--page", "nope.json", "x.md"), "error: nope.json: no results of this script: "),
        (("published_agents", "torn.json"), "error: torn.json: no results of this script: "),
        (("published_agents", "empty.json"), "error: empty.json: no results of this script: it lacks agents"),
        (("published_agents", "nowhere"), "error: nowhere: no ALGORITHM/ENV_1/ENV.zip in it"),
        (("study_hopper", "--page", "nope.json", "x.md"), "error: nope.json: no results of this script: "),
        (("study_pong", "--page", "nope.json", "x.md"), "error: nope.json: no results of this script: "),
        (("study_hopper", "nowhere", "--quick"), "error: ZOO: name a folder that has tqc/"),
        (
            ("study_hopper", "z", "--steps", "dt"),
            "study_hopper: error: argument --steps: AGENT=N, such as",
        ),
        (("study_hopper", "z", "--jobs", "0"), "study_hopper: error: argument --jobs: a whole number from 1, got '0'"),
        (("train_presets", "--table", "t.md", "--out", "nowhere"), "error: nowhere: nothing was trained there"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    (tmp_path / "torn.json").write_text("{")
    (tmp_path / "empty.json").write_text("{}")
    done = run(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(message)
