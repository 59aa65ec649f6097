"""What a terminal shows: help that fits it, nothing but the result where that is asked for, the verdict at the end."""

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from rlformer import cli
from rlformer.cli import answers, console
from rlformer.report import build
from tests.support.make_runs import BC, DT, PPO, make_runs

Command = Callable[..., Any]
MOST = 8  # options under one heading


def commands() -> list[tuple[str, ...]]:
    """Every command and every group of them, as it is typed."""
    found: list[tuple[str, ...]] = [()]
    for name, command in typer.main.get_command(cli.app).commands.items():  # type: ignore[attr-defined]
        found += [(name,), *((name, below) for below in getattr(command, "commands", {}))]
    return found


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_help_fits_eighty_columns_uncut_with_few_options_under_a_heading(
    words: tuple[str, ...], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = command(*words, "--help").out
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in shown
    assert not any(line.rstrip().endswith("...") for line in shown.partition("Commands:")[2].splitlines())
    counts: dict[str, int] = {}
    heading = ""
    for line in lines:
        if line and not line.startswith(" "):
            heading = line
        if line.startswith("  -") and heading != "Options:":
            counts[heading] = counts.get(heading, 0) + 1
    assert all(count <= (14 if heading == "What to compare:" else MOST) for heading, count in counts.items()), counts
    plain = [line for line in shown.partition("\nOptions:")[2].splitlines() if line.startswith("  -")]
    assert len(plain) <= MOST


@pytest.mark.slow
def test_quiet_leaves_the_result_and_errors_alone(command: Command) -> None:
    loud = command("collect", "random", "--env", "CartPole-v1", "--episodes", "2", "--out", "a")
    quiet = command("collect", "random", "--env", "CartPole-v1", "--episodes", "2", "--out", "b", "--quiet")
    assert (loud.code, quiet.code, quiet.err) == (0, 0, "")
    assert quiet.out.splitlines()[-1] == "b"
    wrong = command("collect", "random", "--env", "CartPole-v1", "--out", "c", "--episodes", "x", "--quiet")
    assert wrong.code == 2
    assert wrong.err.startswith("error: ")


def test_a_quiet_command_does_not_silence_the_next_one(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    console.set_quiet(True)
    console.say("not this")
    console.insist("this")
    assert capsys.readouterr().err == "this\n"
    command("runs")
    console.say("and this")
    assert capsys.readouterr().err == "and this\n"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("ended")
    make_runs(root / "runs", [BC, DT, PPO], seeds=(0, 1))
    return build([root / "runs"], root / "page")


def test_a_comparison_ends_with_the_verdict_and_the_families_side_by_side(report: Any) -> None:
    (ending,) = answers.endings(report)
    verdict = report.results["environments"][0]["verdict"]
    told = " ".join(ending.verdict.split())
    assert told == f"CartPole-v1: {verdict['headline']} {verdict['certainty']}".strip()
    head, *rows = ending.table.splitlines()
    assert head.split()[:3] == ["candidate", "score", "data"]
    assert any("ppo" in row for row in rows)
    assert any("dt" in row for row in rows)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [70, 80, 200])
def test_what_is_printed_is_as_wide_as_the_terminal(report: Any, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys, "stdout", Terminal())
    shown = answers.report(report) + "\n".join(e.verdict for e in answers.endings(report))
    commands_apart = [line for line in shown.splitlines() if not line.startswith("    ")]
    assert max(map(len, commands_apart)) <= min(columns, 100)


@pytest.mark.parametrize(
    ("stream", "settings", "bold"),
    [
        (Terminal, {"TERM": "xterm"}, True),
        (Terminal, {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Terminal, {"TERM": "dumb"}, False),
        (io.StringIO, {"TERM": "xterm"}, False),
    ],
)
def test_only_a_terminal_that_has_bold_letters_gets_them(
    stream: type[io.StringIO], settings: dict[str, str], bold: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    out = stream()
    monkeypatch.setattr(sys, "stdout", out)
    console.print_strong("the verdict")
    assert out.getvalue() == ("\x1b[1mthe verdict\x1b[0m\n" if bold else "the verdict\n")


def test_what_a_name_hides_is_shown_in_bold_letters_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    console.print_strong("a\x1b[31mb")
    assert out.getvalue() == "\x1b[1ma\\x1b[31mb\x1b[0m\n"


def test_the_folder_of_a_report_is_told_last(report: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from rlformer.cli.reports import show_end

    show_end(report)
    assert Path(capsys.readouterr().out.splitlines()[-1]) == report.folder / "report.html"
