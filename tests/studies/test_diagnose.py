"""The diagnostic suite: its table is sound, its judgement tells equal from different, its page says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlformer.cli import answers
from rlformer.core import seeding
from rlformer.core.errors import InputError
from rlformer.core.records import Cost, EnvSpec, EvalResult
from rlformer.core.spaces import Array
from rlformer.envs.rollout import rollout
from rlformer.envs.vector import Environments
from rlformer.envs.worlds.behaviour import BehaviourPolicy
from rlformer.envs.worlds.registration import MODULES
from rlformer.evaluator.as_json import decode
from rlformer.report import diagnostics
from rlformer.runs.directory import RunDirectory
from rlformer.runs.spec import AgentSpec, RunSpec
from rlformer.studies import experiment
from rlformer.studies.diagnose import judge, play, rows, suite
from rlformer.studies.diagnose.rows import ROWS, Expectation, Row, predicted

ARMS = [(row, arm) for row in ROWS for arm in row.arms]
Reached = Callable[[float], Array]  # the predicted return to those of some episodes


@pytest.mark.parametrize(("row", "arm"), ARMS, ids=[f"{row.name}-{arm.agent}" for row, arm in ARMS])
def test_every_arm_of_the_table_can_be_trained_and_has_a_prediction_or_a_reason(row: Row, arm: Expectation) -> None:
    overrides = arm.overrides
    if arm.law == "filtered":
        assert row.best is not None
        overrides = (
            *overrides,
            f"episode_filter_share={rows.rules_of(row.environment, row.log_spec.kwargs).share(row.best)}",
        )
    experiment.check(play.resolve(row.spec, arm.agent, overrides))
    found = [predicted(row, arm, asked, way) for asked in play.questions(row, arm) for way in arm.selections]
    assert arm.why or any(value is not None for value in found)
    assert (arm.law == "conditioned") == (play.questions(row, arm) == row.asked)


def test_figures_of_the_table() -> None:
    """What the suite holds its arms against: the numbers of the literature."""

    def law(name: str, agent: str, selection: rows.Selection = "sampled", asked: float | None = None) -> float | None:
        row = next(row for row in ROWS if row.name == name)
        arm = next(arm for arm in row.arms if arm.agent == agent)
        return predicted(row, arm, row.asked[0] if asked is None and arm.law == "conditioned" else asked, selection)

    assert (law("KeyDoor", "dt-k1"), law("KeyDoor", "bc-top"), law("KeyDoor", "bc")) == (1.0, 1.0, 0.25)
    assert (law("KeyDoor", "bc", "greedy"), law("KeyDoor", "cql", "greedy")) == (None, None)
    assert (law("PassiveTMaze", "dt"), law("PassiveTMaze", "dt-k1"), law("PassiveTMaze", "ppo", "greedy")) == (
        1,
        0.5,
        0.5,
    )
    assert law("PassiveTMaze", "recurrent-ppo", "greedy") == law("PassiveTMaze", "ppo-trxl", "greedy") == 1.0
    assert (law("Gamble", "dt"), law("Gamble", "dt", asked=1.0)) == (-5.0, pytest.approx(-1 / 6))
    assert law("Gamble", "dt", "greedy", 1.0) == 1.0
    assert (law("Bandit", "dt"), law("Bandit", "dt", "greedy")) == (pytest.approx(0.382, abs=1e-3), pytest.approx(0.3))
    assert (law("Umbrella", "dt"), law("Umbrella", "dt", "greedy")) == (0.5, 1.0)
    assert (law("Stitch", "dt"), law("Stitch", "cql", "greedy")) == (0.5, 1.0)
    assert (law("DenseBits", "dt"), law("Lock", "dt")) == (6.0, 1.0)


def test_rows_are_chosen_by_name_and_number() -> None:
    assert [row.name for row in rows.chosen("Gamble,4", quick=False)] == ["Gamble", "Umbrella"]
    assert {row.number[0] for row in rows.chosen(None, quick=True)} == set("123456")
    assert rows.chosen(None, quick=False) == ROWS
    with pytest.raises(InputError, match="unknown row 'Gambel'; did you mean 'Gamble'"):
        rows.chosen("Gambel", quick=False)


def test_controls_name_rows_and_arms_of_the_table() -> None:
    for control in rows.CONTROLS:
        row = next(row for row in ROWS if row.name == control.row)
        assert set(control.agents) <= {arm.agent for arm in row.arms}
        assert control.asked is None or control.asked in row.asked


def test_the_log_comes_before_the_arms_that_learn_from_it() -> None:
    planned = suite.plan(rows.chosen("Stitch", quick=False), 2, Path("runs"))
    assert [job.key[1] for job in planned] == [0] * (len(planned) // 2) + [1] * (len(planned) // 2)
    needs = {job.key: job.needs for job in planned}
    assert needs["Stitch dt", 1] == (("Stitch log", 1),)
    assert needs["Stitch ppo", 1] == ()


@pytest.mark.parametrize("name", MODULES)
def test_native_environments_play_the_same_episodes_as_one_at_a_time(name: str) -> None:
    rules = rows.rules_of(name, {})
    spec, seeds = EnvSpec(name, f"rlformer:rlformer/{name}-v0"), seeding.episode_seeds(0, "explain", 20)
    found = []
    for made in (Environments(spec, 7), play.NativeEnvironments(spec, 3)):
        episodes = dict(rollout(made, BehaviourPolicy(rules), seeds))
        found.append([episodes[i] for i in range(20)])
    for one, other in zip(*found, strict=True):
        assert np.array_equal(one.observations, other.observations)
        assert np.array_equal(one.rewards, other.rewards)
        assert one.terminated == other.terminated


def test_an_arm_is_trained_and_played_once(tmp_path: Path) -> None:
    """And filtered cloning learns from the successes alone, whose share of the log is its own."""
    small = ("gradient_steps=5", "batch_size=8", "width=8")
    row = replace(ROWS[0], log_episodes=100, episodes=50, arms=(Expectation("bc-top", "filtered", 1, small),))
    run = play.learn_and_play(row, row.arms[0], 3, tmp_path)
    written = {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.is_file() and path.name != "lock"}
    kept = run.evaluations()["suite-sampled"]
    assert (len(kept.returns), kept.action_selection) == (50, "sampled")
    share = run.spec.values["episode_filter_share"]
    assert share == run.spec.log.mean_return > 0
    assert play.learn_and_play(row, row.arms[0], 3, tmp_path).path == run.path
    assert written == {path: path.stat().st_mtime_ns for path in written}


def test_filtered_cloning_without_a_success_is_an_error(tmp_path: Path) -> None:
    row = replace(ROWS[0], log_episodes=20, best=5.0)
    dataset = play.make_log(row.log_spec, 20, 0, tmp_path)
    with pytest.raises(InputError, match="no episode of the log returns 5"):
        play.specify(row, replace(row.arms[0], agent="bc-top", law="filtered"), dataset)


def test_the_suite_trains_plays_and_judges_and_lists_what_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = ("gradient_steps=5", "batch_size=8", "width=8")
    arms = (Expectation("bc", "cloning", 1, small), Expectation("bc-top", "filtered", 1, small))
    row = replace(ROWS[0], log_episodes=20, episodes=50, arms=arms, best=0.5)  # which no episode returns
    monkeypatch.setattr(suite, "chosen", lambda only, quick: (row,))
    results = suite.diagnose(root=tmp_path)
    assert [(line["agent"], line["selection"]) for line in results["lines"]] == [("bc", "greedy"), ("bc", "sampled")]
    assert [(failure["what"], failure["seed"]) for failure in results["failures"]] == [("KeyDoor bc-top", 0)]
    diagnostics.build(results, tmp_path / "out", command="rlformer diagnose")
    assert "no episode of the log returns 0.5" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")


# -- judgement -------------------------------------------------------------------------------------------


def invent(root: Path, name: str, reached: Reached, seeds: int = 3) -> dict[str, Any]:
    """The suite's results on one row, of runs whose episodes return `reached` of what was predicted."""
    row = next(row for row in ROWS if row.name == name)
    runs: dict[tuple[str, str], list[Path]] = {}
    for arm in row.arms:
        for seed in range(seeds):
            spec = RunSpec(row.spec, AgentSpec(arm.agent, "sequence", "candidate", "sequence"), {})
            run = RunDirectory.of(root, spec, seed)
            with run.session(spec, seed) as session:
                session.end("finished", Cost())
            for way in arm.selections:
                for asked in play.questions(row, arm):
                    returns = reached(predicted(row, arm, asked, way) or 0.0)
                    zeros = np.zeros(len(returns), np.int64)
                    result = EvalResult(name, arm.agent, zeros, returns, zeros + 1, zeros > 0, way, asked)
                    run.save_evaluation(play.evaluation_name(way, asked), result)
            runs.setdefault((name, arm.agent), []).append(run.path)
    return {**judge.results([row], runs).to_dict(), "profile": "full", "seeds": seeds, "failures": []}


def verdicts(results: dict[str, Any]) -> set[str]:
    return {line["verdict"] for line in results["lines"] if line["predicted"] is not None}


def test_what_is_as_predicted_is_equivalent_and_the_controls_hold(tmp_path: Path) -> None:
    for name in ("Gamble", "Stitch", "PassiveTMaze"):
        results = invent(tmp_path, name, lambda expected: np.full(100, expected + 0.01))
        assert verdicts(results) == {"equivalent"}
        assert [control["holds"] for control in results["controls"]] == [True]


def test_what_is_elsewhere_deviates_and_the_controls_do_not_hold(tmp_path: Path) -> None:
    """Better than predicted is as wrong as worse."""
    for name in ("Gamble", "Stitch", "PassiveTMaze"):
        results = invent(tmp_path, name, lambda expected: np.full(100, expected + 0.3))
        assert verdicts(results) == {"deviates"}
        assert [control["holds"] for control in results["controls"]] == [False]
        assert results["controls"][0]["broken"]


def test_a_control_of_no_better_admits_what_is_worse(tmp_path: Path) -> None:
    results = invent(tmp_path, "Gamble", lambda expected: np.full(100, expected - 2.0))
    assert (verdicts(results), results["controls"][0]["holds"]) == ({"deviates"}, True)


def test_within_the_margin_but_uncertain_is_undecided(tmp_path: Path) -> None:
    """Three runs of one mean have no error; noise between them leaves it open."""
    rng = np.random.default_rng(0)
    results = invent(tmp_path, "Stitch", lambda expected: expected + np.full(10, rng.choice([-0.2, 0.2])), seeds=4)
    assert "equivalent" not in verdicts(results)


def test_one_run_is_judged_by_its_episodes(tmp_path: Path) -> None:
    line = invent(tmp_path, "Lock", lambda expected: np.ones(500), seeds=1)["lines"][0]
    assert (line["unit"], line["verdict"], line["by_seed"]) == ("episodes of one run", "equivalent", [1.0])


def test_rows_without_runs_have_no_lines(tmp_path: Path) -> None:
    results = judge.results(ROWS, {}).to_dict()
    assert (results["lines"], len(results["rows"])) == ([], len(ROWS))
    assert {control["holds"] for control in results["controls"]} == {None}


# -- the page --------------------------------------------------------------------------------------------


def test_the_page_shows_prediction_and_observation_side_by_side(tmp_path: Path) -> None:
    results = invent(tmp_path / "runs", "Gamble", lambda expected: np.full(100, expected + 0.01))
    results["failures"] = [{"what": "Gamble <ppo>", "seed": 1, "reason": "boom"}]
    diagnostics.build(results, tmp_path / "out", command="rlformer diagnose --only Gamble")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.html", "report.md", "results.json"]
    markdown = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "| 3 Gamble | dt | 5 | −5 | −4.99 | −5 | −4.99 | equivalent |" in markdown
    assert "| 3 Gamble | dqn | – | 1 | 1.01 | – | – | equivalent |" in markdown
    assert "Gamble with target return 5 breaks return conditioning: holds" in markdown
    assert "Gamble &lt;ppo&gt;, seed 1: boom" in page
    assert "Gamble <ppo>, seed" not in page
    assert "default-src 'none'" in page
    figure = diagnostics.predicted_observed(decode(diagnostics.Diagnosis, results))
    assert figure is not None
    dt = next(trace for trace in figure.data if trace["name"] == "dt, greedy")
    assert dt["x"] == pytest.approx([(-5 + 13 / 6) / (1 + 13 / 6), 1.0])  # 0 is random play, 1 the optimum


@pytest.mark.slow
def test_a_terminal_shows_the_summary_and_then_a_narrow_table(tmp_path: Path) -> None:
    results = invent(tmp_path / "runs", "Gamble", lambda expected: np.full(100, expected + 0.01))
    results["failures"] = [{"what": "Gamble ppo", "seed": 1, "reason": "boom"}]
    shown = answers.diagnosis(diagnostics.build(results, tmp_path / "out"))
    lines = shown.splitlines()
    assert "predictions are met" in lines[0]
    (row,) = [line for line in lines if line.startswith("3 Gamble  dt ") and line.split()[3] == "5"]
    assert row.split()[3:] == ["5", "−5", "−4.99", "−5", "−4.99", "equivalent"]
    assert "- Gamble ppo, seed 1: boom" in lines
    assert max(map(len, lines)) <= 110


def test_without_lines_there_is_a_page_without_figure(tmp_path: Path) -> None:
    results = {**judge.results(ROWS, {}).to_dict(), "profile": "quick", "seeds": 1, "failures": []}
    diagnostics.build(results, tmp_path)
    assert "0 of 0 predictions are met" in (tmp_path / "report.html").read_text(encoding="utf-8")
