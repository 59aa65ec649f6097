"""What the documents name exists, and `.venv` is made when it must be and only then."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("*/README.md"))]
DOCUMENTS += [page for page in sorted(ROOT.glob("docs/**/*.md")) if "reports" not in page.parts]


def name_of(document: Path) -> str:
    return str(document.relative_to(ROOT))


def named(pattern: str, document: Path) -> set[str]:
    """What the first group of the pattern matches in the document."""
    return set(re.findall(pattern, document.read_text(encoding="utf-8"), re.MULTILINE))


def command_lines(document: Path) -> set[str]:
    """What follows `rlformer` where code begins with it: in backticks, on a line of a block, after a semicolon."""
    text = document.read_text(encoding="utf-8").replace("\\\n", " ")
    code = "\n".join(span.strip("`") for span in re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))
    return set(re.findall(r"(?:^|;)[\s$]*rlformer ([a-z][^#;\n]*)", code, re.MULTILINE))


@cache
def help_of(*words: str) -> str:
    """What `rlformer WORDS --help` prints."""
    command = [sys.executable, "-m", "rlformer", *words, "--help"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def commands(*words: str) -> set[str]:
    """The commands that the help lists."""
    return set(re.findall(r"^  ([a-z][\w-]*)", help_of(*words).partition("Commands:")[2], re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_scripts_in_a_document_can_be_run(document: Path) -> None:
    for script in named(r"(?<![\w/])(scripts/[\w.-]*\w)", document):
        assert os.access(ROOT / script, os.X_OK), f"{script} cannot be run"


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_commands_in_a_document_exist_with_their_options(document: Path) -> None:
    for line in command_lines(document):
        words: list[str] = []
        for word in line.split():
            if not commands(*words):
                break
            names = word.split("|")
            assert set(names) <= commands(*words), f"no such command: rlformer {line}"
            words.append(names[0])
        for option in re.findall(r"(?<!\S)[\[(]?(--[a-z][\w-]*)", line):
            assert option in help_of(*words), f"no such option: rlformer {line}"


def test_the_readme_begins_with_the_two_commands_of_a_newcomer() -> None:
    assert {"scripts/demo", "scripts/test"} <= named(r"^(scripts/\w+)", ROOT / "README.md")
    assert any(line.startswith("compare CartPole-v1") for line in command_lines(ROOT / "README.md"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(document: Path) -> None:
    for link in named(r"\]\(([^)\s]+)\)", document):
        if re.match(r"[a-z]+:", link):
            continue  # another site
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), link
        if anchor:
            headings = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in named(r"^#+ (.+)$", target)}
            assert anchor in headings | named(r'<a id="([^"]+)"></a>', target), link


# A Python that says what it is asked to do instead of doing it, and a `venv` that copies it.
FAKE_PYTHON = """#!/bin/sh
case "$*" in
    "-c "*) echo "$0" && exit ${TOO_OLD:-0} ;;
    --version) echo Python 3.11.0 ;;
    "-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python && echo venv >>asked ;;
    "-m pip install"*) echo pip >>asked && exit ${PIP_FAILS:-0} ;;
    *) echo "$*" >>asked ;;
esac
"""


class Checkout:
    """The scripts beside a lock of one package, run with the fake Python."""

    def __init__(self, path: Path) -> None:
        self.path = path
        shutil.copytree(ROOT / "scripts", path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        (path / "requirements.lock").write_text("numpy==2.0\n")
        (path / "pyproject.toml").write_text("")
        (path / "python").write_text(FAKE_PYTHON)
        (path / "python").chmod(0o755)

    def run(
        self, script: str, *arguments: str, **environment: str
    ) -> tuple[subprocess.CompletedProcess[str], list[str]]:
        """How the script ended, and what Python was asked to do."""
        (self.path / "asked").write_text("")
        result = subprocess.run(
            [self.path / "scripts" / script, *arguments],
            cwd="/",
            env=os.environ | {"PYTHON": str(self.path / "python")} | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return result, (self.path / "asked").read_text().splitlines()


MADE = ["venv", "pip", "pip"]
PYTEST = "-m pytest -n auto --maxprocesses 8 --dist loadscope"
CHECKS = ["-m ruff format --check", "-m ruff check", "-m mypy", f"{PYTEST} -m not gpu"]


@pytest.fixture
def checkout_copy(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_the_environment_is_made_once(checkout_copy: Checkout) -> None:
    assert checkout_copy.run("test")[1] == [*MADE, *CHECKS]
    assert checkout_copy.run("test")[1] == CHECKS
    assert checkout_copy.run("test", "-k", "name")[1] == [f"{PYTEST} -k name"]
    assert checkout_copy.run("demo", "--seeds", "1")[1] == ["-m rlformer compare CartPole-v1 --profile quick --seeds 1"]


@pytest.mark.parametrize("file", ["requirements.lock", "pyproject.toml"])
def test_it_is_made_again_when_its_description_changes(checkout_copy: Checkout, file: str) -> None:
    checkout_copy.run("test")
    with (checkout_copy.path / file).open("a") as description:
        description.write("# changed\n")
    assert checkout_copy.run("test")[1] == [*MADE, *CHECKS]


def test_it_is_made_again_when_an_installation_was_cut_short(checkout_copy: Checkout) -> None:
    result, asked = checkout_copy.run("test", PIP_FAILS="1")
    assert (result.returncode, asked) == (1, ["venv", "pip"])
    assert checkout_copy.run("test")[1] == [*MADE, *CHECKS]


def test_a_python_that_is_too_old_gets_one_line(checkout_copy: Checkout) -> None:
    result, asked = checkout_copy.run("test", TOO_OLD="1")
    assert (result.returncode, asked) == (1, [])
    assert len(result.stderr.splitlines()) == 1
    assert "Python 3.11" in result.stderr


def test_what_is_measured_on_a_gpu_runs_on_any_device() -> None:
    import torch

    gpu = runpy.run_path(str(ROOT / "scripts" / "_sequence_gpu.py"))
    sizes = {"layers": 2, "heads": 2, "width": 16, "context_length": 3}
    found = gpu["training"](torch.device("cpu"), gpu["random_log"](3, 20), steps=1, batch_size=2, **sizes)
    assert found["seconds"] > 0
    # Less than six operations a weight and token in all layers: the last is computed at a third of its tokens.
    whole = 6 * 18 * 2 * (12 * 16**2 + 9 * 16)
    assert 0.5 * whole < found["operations"] < whole


@pytest.mark.slow
def test_commands_go_on_after_a_kill_and_the_script_after_itself(tmp_path: Path) -> None:
    """The smallest part of scripts/faults_kill, twice: the second call finds all of it done."""
    script = [sys.executable, str(ROOT / "scripts" / "faults_kill"), "--only", "collect", "import"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for kills in ("2", "4", "4"):
        words = [*script, "--kills", kills, "--work", str(tmp_path)]
        done = subprocess.run(words, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert [(row["command"], row["kills"], row["ok"]) for row in results["rows"]] == [
        ("collect", 2, 2),
        ("import", 2, 2),
        ("all", 4, 4),
    ]
    assert "ok" not in done.stderr  # nothing was killed the third time


@pytest.mark.slow
def test_the_verdict_keeps_its_errors_in_a_small_simulation(tmp_path: Path) -> None:
    """The script itself allows three standard errors of the simulation."""
    out = tmp_path / "rows.json"
    command = [sys.executable, str(ROOT / "scripts" / "simulate_verdict"), "--repeats", "60", "--seeds", "20"]
    done = subprocess.run([*command, "--workers", "1", "--out", str(out), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(out.read_text())["rows"]
    assert sum(row["bound"] == "kept" for row in rows) == 32
    power = [row for row in rows if (row["kind"], row["works"], row["shape"]) == ("power", 1.0, "normal")]
    assert all(row["chosen"]["dt"]["claim"] > 0.9 for row in power)  # both always work and one costs half


def test_two_comparisons_of_different_budgets_are_held_against_each_other(tmp_path: Path) -> None:
    """What the judge says of PPO and the numbers of the logs: equal where the training behind a log was longer."""
    import numpy as np

    import rlformer

    script = runpy.run_path(str(ROOT / "scripts" / "budget_does_not_matter"))

    def log(episodes: int) -> Any:
        steps, ends = 3 * episodes, np.tile([0, 0, 1], episodes)
        observations = np.arange(float(steps))[:, None]
        return rlformer.dataset(
            observations=observations, actions=[0, 1, 0] * episodes, rewards=np.ones(steps), ends=ends
        )

    def told(time: float | None, episodes: int, answer: str) -> Any:
        row = SimpleNamespace(label="ppo", threshold=0.9, seeds=(0, 1), times=(8000.0, time))
        other = SimpleNamespace(label="dqn", threshold=0.9, seeds=(0,), times=(1.0,))
        verdict = SimpleNamespace(answer=answer, arm="ppo", strength=None)
        evidence = SimpleNamespace(needs=SimpleNamespace(online=(row, other)), verdict=verdict)
        return script["read"](evidence, {0: log(episodes).select(np.arange(4), "the first four")})

    def differing(a: Any, b: Any) -> list[str]:
        return [name for name, *values in script["beside"](a, b) if len(set(values)) > 1]

    usual = told(None, 5, "online")
    assert usual.lines().keys() == {"T(0.9), seed 0", "T(0.9), seed 1", "log, seed 0", "verdict"}
    assert differing(usual, told(None, 9, "online")) == []
    assert differing(usual, told(16_000.0, 5, "sequence")) == ["T(0.9), seed 1", "verdict"]
    study = script["study"](65_536, 32_768, 2, tmp_path)
    assert (study.terms.budget, study.seeds, study.overrides["ppo"][0]) == (32_768, 2, "steps=65536")


def test_what_runs_were_asked_for_stands_beside_what_they_achieved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.support.make_runs import DT, PPO, make_runs

    for run in make_runs(tmp_path, [DT, PPO], seeds=(0, 1)):
        record = json.loads((run.path / "record.json").read_text())
        if record["agent"] == "dt":
            record["scales"]["rules"] = {"auto": 400.0}
            (run.path / "record.json").write_text(json.dumps(record))
    runpy.run_path(str(ROOT / "scripts" / "compare_targets"))["main"](tmp_path)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[0][:2] == ["agent", "log"]
    assert [(row[0], "auto" in row, "beyond" in row) for row in rows[1:]] == [("dt", True, False), ("dt", False, True)]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("explain_results", ["--only", "Nope"]),
        ("explain_results", ["--results", "nothing.json"]),
        ("explain_results", ["--seeds", "0"]),
        ("where_is_the_cue", ["--tables", "nothing.json"]),
        ("where_is_the_cue", ["--length", "0"]),
        ("budget_does_not_matter", ["--seeds", "0"]),
    ],
)
def test_a_script_refuses_what_makes_no_sense_before_it_works(
    script: str, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [script, *words])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "scripts" / script))["main"]()
    assert ended.value.code == 2
    assert f"error: {words[0]}" in capsys.readouterr().err


def test_the_first_hour_types_what_the_readme_tells_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    hour = runpy.run_path(str(ROOT / "scripts" / "first_hour"))
    readme = re.sub(r"--max-minutes \d+", "--max-minutes 8", (ROOT / "README.md").read_text(encoding="utf-8"))
    commands = [command for part in hour["PARTS"] for command in part.commands]
    assert [part.name for part in hour["PARTS"]] == ["install", "report", "further", "own"]
    assert [command for command in commands if command not in readme] == ["source scripts/_venv"]


def test_the_first_hour_tells_what_took_how_long_and_what_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hour = runpy.run_path(str(ROOT / "scripts" / "first_hour"))
    part, typed = hour["Part"], hour["typed"]
    assert typed([part("one", ("ls my_module.py",), 10)], tmp_path, None)
    assert not typed([part("two", ("false", "true"), 10)], tmp_path, None)
    assert not typed([part("three", ("true",), 0.0)], tmp_path, None)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["one", "one", "two", "two", "two", "three", "three"]
    assert [("FAIL" in line, "MISS" in line) for line in lines[2:]] == [
        (True, False), (False, False), (False, False), (False, False), (False, True),
    ]  # fmt: skip


def test_an_environment_that_no_script_made_is_left_alone(checkout_copy: Checkout) -> None:
    own = checkout_copy.path / ".venv" / "bin" / "python"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    for script in ("docs", "test", "demo"):
        result, asked = checkout_copy.run(script)
        assert (result.returncode, asked, own.read_text()) == (2, [], "mine")
        assert result.stderr.startswith("error: .venv was not made by the scripts")
        assert len(result.stderr.splitlines()) == 1


def test_nothing_of_an_outdated_environment_stays(checkout_copy: Checkout) -> None:
    checkout_copy.run("test")
    (checkout_copy.path / ".venv" / "stale").touch()
    (checkout_copy.path / "requirements.lock").write_text("numpy==2.1\n")
    assert checkout_copy.run("test")[1] == [*MADE, *CHECKS]
    assert sorted(path.name for path in (checkout_copy.path / ".venv").iterdir()) == ["bin", "made-from"]


@pytest.mark.parametrize("words", [["docs", "--help"], ["docs", "serve", "-h"], ["test", "-h"], ["demo", "--help"]])
def test_help_makes_no_environment(checkout_copy: Checkout, words: list[str]) -> None:
    result, asked = checkout_copy.run(*words)
    assert (result.returncode, asked, result.stderr) == (0, [], "")
    assert result.stdout.startswith(f"scripts/{words[0]} ")
    assert not (checkout_copy.path / ".venv").exists()
