"""What a terminal shows of a report and of an evaluation: the answer first, narrow tables, no Markdown."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlformer.cli import answers, console
from rlformer.core.records import EvalResult
from rlformer.evaluator.measure.summary import paired_difference, summarize
from rlformer.report import build
from tests.goldens import make
from tests.support.make_runs import BC, CARTPOLE, PPO, make_runs

Command = Callable[..., Any]


@pytest.mark.slow
@pytest.mark.parametrize("study", [make.make_study_one, make.make_study_two])
def test_a_report_is_an_answer_and_a_table_of_a_hundred_columns(study: Any, tmp_path: Path) -> None:
    study(tmp_path / "runs")
    report = build([tmp_path / "runs"], tmp_path / "page")
    shown = answers.report(report)
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 100
    assert not any(sign in shown for sign in ("|---", "**", "\n#"))
    first = report.results["environments"][0]
    assert lines[0] == first["name"]
    assert " ".join(lines[1].split()) in first["verdict"]["headline"]
    told = " ".join(shown.split())
    for environment in report.results["environments"]:
        assert environment["verdict"]["headline"] in told
        assert all(" ".join(text.split()) in told for text in environment["verdict"]["warnings"])
    head = next(line for line in lines if line.startswith("arm "))
    rows = lines[lines.index(head) + 1 : lines.index("", lines.index(head))]
    assert len(rows) == len(first["arms"])
    assert {len(row) for row in rows} == {len(head)}


@pytest.mark.slow
def test_seeds_that_do_not_count_are_told(tmp_path: Path) -> None:
    runs = make_runs(tmp_path / "runs", [BC, PPO], seeds=(0, 1, 2))
    record = runs[0].path / "record.json"
    record.write_text(record.read_text().replace('"finished"', '"failed"'))
    shown = answers.report(build([tmp_path / "runs"], tmp_path / "page"))
    (row,) = [line for line in shown.splitlines() if line.startswith("bc  ")]
    assert row.split()[1:4] == ["2", "of", "3"]


def result(policy: str, returns: list[float], target: float | None = None) -> EvalResult:
    count = len(returns)
    lengths, ended = np.ones(count, np.int64), np.ones(count, bool)
    return EvalResult("E", policy, np.arange(count), np.array(returns), lengths, ended, "greedy", target)


def test_an_evaluation_names_the_best_first_and_fits() -> None:
    deep = "runs/an-environment-with-a-name/dt-0123456789/seed-"
    results = [result("random", [1.0, 2.0]), result(f"{deep}0", [400.0, 500.0], 475.0), result(f"{deep}1", [3.0, 4.0])]
    found = [summarize(each, CARTPOLE) for each in results]
    pairs = [paired_difference(results[0], results[1]), paired_difference(results[0], results[2])]
    shown = answers.evaluation(CARTPOLE, found, pairs)
    lines = shown.splitlines()
    assert lines[0] == "dt-0123456789/seed-0 returns 450 +- 50 (standard error) over 2 episodes of CartPole-v1"
    assert [line.split()[0] for line in lines[3:6]] == ["dt-0123456789/seed-0", "dt-0123456789/seed-1", "random"]
    assert lines[3].split()[-1] == "475"
    assert "−448.5" in lines[-2]
    assert max(map(len, lines)) <= 100


def test_names_that_would_be_the_same_stay_whole() -> None:
    one, two = (f"{root}/a-rather-long-folder-name/dt-1/seed-0" for root in ("mine", "yours"))
    found = [summarize(result(name, [1.0]), CARTPOLE) for name in (one, two)]
    shown = answers.evaluation(CARTPOLE, found, [])
    assert one in shown
    assert two in shown
    assert "standard error) over" not in shown  # there is none of one episode


@pytest.mark.slow
def test_report_gives_a_pipe_the_path_and_a_terminal_the_answer(
    command: Command, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_runs(workspace / "runs", [BC, PPO], seeds=(0, 1))
    assert command("report", "runs", "--out", "page").out == "page/report.html\n"
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda stream: True, raising=False)
    lines = command("report", "runs", "--out", "page").out.splitlines()
    assert (lines[0], lines[-1]) == ("CartPole-v1", "page/report.html")


@pytest.mark.slow
def test_compare_prints_the_answer_and_the_path_and_writes_the_markdown(command: Command, workspace: Path) -> None:
    seen = command("compare", "CartPole-v1", "--arms", "random", "--seeds", "1", "--out", "page")
    assert seen.code == 0, seen.err
    lines = seen.out.splitlines()
    assert (lines[0], lines[-1]) == ("CartPole-v1", "page/report.html")
    assert max(map(len, lines)) <= 100
    assert "| Arm |" not in seen.out
    assert "| Arm |" in (workspace / "page" / "report.md").read_text()


def test_lists_end_where_the_terminal_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    assert console.fitted("x" * 200) == "x" * 200
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    assert console.fitted("short\n" + "x" * 200) == "short\n" + "x" * 59 + "…"
