"""Anybody's scores: against values worked out by hand and against rliable's formulas, and what a file may not be."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import trim_mean

from rlformer import api, cli, statistics
from rlformer.core.errors import InputError
from rlformer.evaluator.as_json import rounded
from rlformer.evaluator.judge import aggregates, scores
from rlformer.evaluator.judge.findings import Improvement, Lack, ScoresEvidence
from rlformer.evaluator.judge.values import Estimate
from rlformer.report import build_scores
from rlformer.report.scores import notes

TEXT = """\
task, run, score, note, algorithm
Ant,0,0.5,x,a
Ant,1,1.5,,a
Hop,0,-0.5,,a
Hop,1,0.5,,a

Ant,0,1.0,"a, quoted, remark",b
Hop,0,1.0,,b
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "scores.csv"
    path.write_text(text, encoding="utf-8")
    return path


def found(folder: Path, text: str) -> ScoresEvidence:
    return scores.collect(scores.read(written(folder, text)), "scores.csv")


def many(seed: int, runs: int, tasks: int) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).normal(0.6, 0.5, (tasks, runs)).round(1))


# Numbers.


def test_aggregates_by_hand(tmp_path: Path) -> None:
    a, b = found(tmp_path, TEXT).aggregates
    assert a.mean.point == 0.5  # of 1.0 on Ant and 0.0 on Hop
    assert a.median.point == 0.5  # of the same two
    assert a.interquartile_mean.point == 0.5  # of 0.5 and 0.5, the middle half of four
    assert a.optimality_gap.point == 1 - (0.75 + 0.0) / 2  # the 1.5 counts as 1
    assert a.mean.low == 0.0  # both draws the worse run: of 0.5 and -0.5
    assert b.mean == Estimate(None, 1.0, None)


def test_profile_and_improvement_by_hand(tmp_path: Path) -> None:
    results = found(tmp_path, TEXT)
    profile = results.profiles
    assert (profile.thresholds[0], profile.thresholds[-1]) == (-0.5, 1.5)
    share = profile.curves[0].share
    assert (share[0], share[50], share[-1]) == (0.75, 0.25, 0.0)  # above -0.5, 0.5 and 1.5
    (pair,) = results.improvement
    assert pair.point == (0.5 + 0.0) / 2  # one of two runs on Ant, none on Hop
    assert (pair.low, pair.high) == (0.0, 0.5)


@pytest.mark.parametrize(
    ("scores", "low", "high", "inside"),
    [
        ([-0.5, 0.2, 1.5], -0.5, 1.5, 51),
        ([0.2, 0.4, 0.9], 0.0, 1.0, 51),
        ([-9.0, *[0.3] * 20, 1.2, 54.0], -1.0, 8.0, 51),  # Atari's normalised by people: one game of 54
        ([120.0, 480.0, 500.0], 120.0, 500.0, 0),  # no normalised scores
        ([-200.0, -160.0, -0.5, -110.0], -200.0, -0.5, 0),
        ([7.0, 7.0], 7.0, 7.0, 0),
    ],
)
def test_thresholds_of_profiles_lie_where_scores_are_compared(
    scores: list[float], low: float, high: float, inside: int
) -> None:
    found = aggregates.thresholds(np.array(scores))
    assert (found[0], found[-1]) == (low, high)
    assert (np.diff(found) > 0).all()
    assert len(found) <= 101
    assert ((found >= 0) & (found <= 1)).sum() == inside


def test_what_is_recomputed_from_seven_digits_agrees_to_six() -> None:
    exact = {name: [1e4 * task + np.pi for task in many(seed, 9, 7)] for seed, name in enumerate("xy")}
    kept = {name: [np.array(rounded(task.tolist())) for task in tasks] for name, tasks in exact.items()}
    for one, other in zip(aggregates.aggregate(exact, 200), aggregates.aggregate(kept, 200), strict=True):
        for key in ("mean", "median", "interquartile_mean"):
            a, b = getattr(one, key), getattr(other, key)
            assert [b.low, b.point, b.high] == pytest.approx([a.low, a.point, a.high], rel=1e-6)
    assert aggregates.improvements(exact, 200) == aggregates.improvements(kept, 200)


def test_few_scores_beyond_one_take_no_thresholds_from_where_scores_are() -> None:
    found = aggregates.thresholds(np.array([-0.025, 0.4, 0.9, 1.01, 6.0]))
    assert (found < 0).sum() == 2
    beyond = np.diff(found[found >= 1.0])
    assert (np.diff(beyond) > 0).all()
    assert beyond[0] < 0.02


def test_runs_that_share_a_log_are_drawn_together_within_their_task() -> None:
    first, second = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.2, 0.4, 0.6, 0.8])
    logs = ["a", "a", "b", "b"], [None] * 4
    apart, together = (
        aggregates.over_tasks(statistics.mean, [first, second], 4000, logs=given) for given in (None, logs)
    )
    assert apart.point == together.point == 0.5
    assert together.low is not None
    assert apart.low is not None
    assert together.low < 0.18 < 0.2 < apart.low  # one draw of four brings the worse log twice


def test_the_formulas_are_rliables() -> None:
    """As written in rliable's metrics.py and library.py, for (runs, tasks)."""
    x, y = many(0, 7, 5), many(1, 7, 5)
    runs = np.array(x).T
    (row,) = aggregates.aggregate({"x": x}, resamples=2)
    assert row.mean.point == pytest.approx(np.mean(runs.mean(axis=0)))
    assert row.median.point == pytest.approx(np.median(np.mean(runs, axis=0)))
    assert row.interquartile_mean.point == pytest.approx(trim_mean(runs, 0.25, axis=None))
    assert row.optimality_gap.point == pytest.approx(1.0 - np.mean(np.minimum(runs, 1.0)))
    profile = aggregates.profiles({"x": x}, resamples=2)
    expected = [np.mean(runs > level) for level in profile.thresholds]
    assert profile.curves[0].share == pytest.approx(expected)
    wins = [
        np.mean([(a > b) + 0.5 * (a == b) for a in mine for b in theirs]) for mine, theirs in zip(x, y, strict=True)
    ]
    (pair,) = aggregates.improvements({"x": x, "y": y}, resamples=2)
    assert pair.point == pytest.approx(np.mean(wins))


def test_counting_draws_gives_the_bootstrap_of_comparing_them() -> None:
    x, y = many(0, 6, 3), [*many(1, 4, 2), np.array([0.5])]
    slow, fast = (
        way(np.random.default_rng(3))
        for way in (
            lambda rng: statistics.stratified_bootstrap(
                statistics.probability_of_improvement, x, y, rng=rng, resamples=50
            ),
            lambda rng: statistics.bootstrap_improvement(x, y, rng, resamples=50),
        )
    )
    assert fast.point == pytest.approx(slow.point)
    assert fast.distribution == pytest.approx(slow.distribution)


def test_the_same_scores_give_the_same_interval_to_the_bit() -> None:
    x = {"x": many(0, 5, 3), "y": many(1, 5, 3)}
    assert aggregates.aggregate(x, 100) == aggregates.aggregate(x, 100)
    assert aggregates.improvements(x, 100) == aggregates.improvements(x, 100)
    assert aggregates.profiles(x, 100) == aggregates.profiles(x, 100)


def test_below_the_diagonal_stands_the_mirror_image() -> None:
    pairs = [Improvement("x", "y", 0.5, 0.75, 1.0)]
    assert aggregates.improvement_matrix(["x", "y"], pairs) == [
        [None, Estimate(0.5, 0.75, 1.0)],
        [Estimate(0.0, 0.25, 0.5), None],
    ]


# Gaps.


def test_what_an_algorithm_lacks_is_told_and_left_out_for_all(tmp_path: Path) -> None:
    results = found(tmp_path, TEXT + "Run,0,9.0,,a\n")
    assert results.common_tasks == ("Ant", "Hop")
    assert results.missing == (Lack("b", "Run"),)
    assert results.aggregates[0].mean.point == 0.5  # without the 9
    assert notes(results)[:2] == (
        "b has no score on Run.",
        "Everything here is computed on the tasks that every algorithm has: Ant and Hop.",
    )


def test_without_a_common_task_nothing_is_compared(tmp_path: Path) -> None:
    text = "algorithm,task,run,score\na,Ant,0,1\nb,Hop,0,1\n"
    with pytest.raises(InputError, match=r"no task has scores of every algorithm.*: a lacks Hop; b lacks Ant"):
        found(tmp_path, text)


def test_one_run_per_task_has_no_interval(tmp_path: Path) -> None:
    results = found(tmp_path, "algorithm,task,run,score\na,Ant,0,1\na,Hop,0,0\n")
    assert results.aggregates[0].mean == Estimate(None, 0.5, None)
    assert results.profiles.curves[0].low is None
    assert "One run per task does not show the spread: no interval for a." in notes(results)


# Files.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: no column 'algorithm'"),
        ("algorithm,task,run\na,b,0\n", "line 1: no column 'score'; needed: algorithm, task, run, score"),
        ("algorithm,task,run,score,score\n", "line 1: column 'score' appears 2 times"),
        ("algorithm,task,run,score\n", "no row below the first line"),
        ("algorithm,task,run,score\na,b,0,1\na,b,1,high\n", "line 3, column score: expected a number, got 'high'"),
        ("algorithm,task,run,score\na,b,0,nan\n", "line 2, column score: expected a number, got 'nan'"),
        ("algorithm,task,run,score\n\na,,0,1\n", "line 3, column task: is empty"),
        ("algorithm,task,run,score\na,b,0\n", "line 2: 3 columns, but the first line names 4"),
        (
            "algorithm,task,run,score\na,b,0,1\na,b,0,2\n",
            "line 3, column run: run '0' of 'a' on 'b' is already in line 2",
        ),
    ],
)
def test_errors_name_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        scores.read(written(tmp_path, text))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        scores.read(tmp_path / "nowhere.csv")


def test_names_stay_text_and_every_file_is_written(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    path = written(tmp_path, f"algorithm,task,run,score\n{evil},Ant,0,1\n{evil},Ant,1,0\n|b*,Ant,0,1\n|b*,Ant,1,1\n")
    results = build_scores(path, tmp_path / "out")
    assert json.loads((tmp_path / "out/results.json").read_text()) == results
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert page.count("<script") == 4
    assert "&lt;script&gt;alert" in page
    assert r"\<script\>" in (tmp_path / "out/report.md").read_text()


@pytest.mark.slow
def test_the_command_prints_tables_or_one_json_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, TEXT)

    def answer(*words: str) -> str:
        monkeypatch.setattr("sys.argv", ["rlformer", "report", *words])
        cli.main()
        return capsys.readouterr().out

    out = answer("--scores", str(path))
    assert "interquartile mean" in out
    assert "a over b" in out
    assert out.splitlines()[-1] == "reports/scores/report.html"
    assert json.loads(answer("--scores", str(path), "--json"))["algorithms"] == ["a", "b"]
    assert api.scores_folder(path) == Path("reports/scores")


def test_runs_and_scores_at_once_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in ([], ["runs", "--scores", "x.csv"]):
        monkeypatch.setattr("sys.argv", ["rlformer", "report", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        assert stop.value.code == 2
        assert "either run directories (DIR...) or --scores" in capsys.readouterr().err
