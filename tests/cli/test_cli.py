"""What a person types and what the answer is: tables, JSON, one line for a mistake."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlformer.cli import console
from rlformer.core.extras import missing_extra
from rlformer.data.folder import load
from rlformer.studies.study import Study

SMALL = ["--set", "width=16", "--set", "heads=1", "--set", "layers=1", "--set", "validate_every=20"]


Command = Callable[..., Any]  # the fixture `command`, see conftest


@pytest.mark.slow
def test_a_log_is_collected_learned_from_and_evaluated(command: Command) -> None:
    collected = command("collect", "random", "--env", "CartPole-v1", "--episodes", "40", "--out", "log", "--json")
    assert (collected.code, collected.json["path"]) == (0, "log")
    learned = command("train-transformer", "log", "--gradient-steps", "40", *SMALL, "--json")
    assert learned.code == 0, learned.err
    run = str(learned.json["run"])
    assert run.startswith("runs/CartPole-v1/dt-")
    again = command("train-transformer", "log", "--gradient-steps", "40", *SMALL)
    assert "it had already finished and was not trained again" in again.err
    assert "\nheld-out loss 0." in again.out
    evaluated = command("evaluate", run, "random", "--env", "CartPole-v1", "--episodes", "5", "--json")
    assert [p["policy"] for p in evaluated.json["policies"]] == [run, "random"]  # type: ignore[attr-defined]
    assert len(evaluated.json["differences"]) == 1  # type: ignore[arg-type]
    as_table = command("evaluate", run, "--episodes", "5")
    assert "standard error" in as_table.out
    beyond = command("evaluate", run, "--episodes", "2", "--target-return", "9999")
    assert beyond.code == 0
    assert "extrapolation" in beyond.err
    other = command("train-transformer", "log", "--gradient-steps", "20", "--target-return", "median", *SMALL, "--json")
    returns = load(Path("log")).returns
    for words, expected in (([], np.median(returns)), (["--target-return", "auto"], returns.max())):
        played = command("evaluate", str(other.json["run"]), "--episodes", "2", *words, "--json")
        (asked,) = {policy["target_return"] for policy in played.json["policies"]}  # type: ignore[attr-defined]
        assert asked == expected
    again = command("collect", run, "--episodes", "2", "--out", "log2", "--json")
    assert again.json["upstream_env_steps"] > again.json["steps"]  # type: ignore[operator]
    reported = command("report", "runs", "--out", "page")
    assert (reported.code, reported.out) == (0, "page/report.html\n")


def test_an_agent_is_trained_and_its_log_kept(command: Command) -> None:
    done = command("train-agent", "CartPole-v1", "--steps", "512", "--log-trajectories", "--set", "n_epochs=1")
    assert done.code == 0, done.err
    run = done.out.splitlines()[-1]
    info = command("data", "info", run, "--json")
    assert info.json["env"] == "CartPole-v1"
    exported = command("data", "info", f"{run}/trajectories", "--prefix", "0.5")
    assert "prefix of 256 training steps" in exported.out


def test_offline_rl_is_trained_from_a_log(command: Command) -> None:
    command("collect", "random", "--env", "CartPole-v1", "--episodes", "12", "--out", "log")
    words = ["--dataset", "log", "--agent", "cql", "--set", "batch_size=8", "--set", "hidden=[8]", "--json"]
    done = command("train-agent", *words, "--steps", "20")
    assert done.code == 0, done.err
    assert str(done.json["run"]).startswith("runs/CartPole-v1/cql-")
    assert done.json["record"]["cost"]["env_steps"] == 0  # type: ignore[index]
    nowhere = command("train-agent", "none", *words, "--steps", "30")
    assert (nowhere.code, nowhere.json["evaluation"]) == (0, None)


@pytest.mark.slow
def test_a_study_is_saved_changed_and_run(command: Command, workspace: Path) -> None:
    words = ["--arms", "random", "--seeds", "2", "--set", "dt.width=16", "--with", "threads=1"]
    refused = command("compare", "CartPole-v1", *words, "--save-study", "study.toml")
    assert (refused.code, list(workspace.iterdir())) == (2, [])  # dt is not in it
    saved = command("compare", "CartPole-v1", *words[:4], "--with", "verdict.lambda=0.5", "--save-study", "study.toml")
    assert (saved.code, saved.out) == (0, "study.toml\n")
    assert [path.name for path in workspace.iterdir()] == ["study.toml"]
    done = command(
        "compare", "study.toml", "--seeds", "1", "--with", "verdict.threshold=0.5", "--out", "page", "--json"
    )
    assert done.code == 0, done.err
    record = Study.read(workspace / "page" / "study.toml")
    assert (record.seeds, record.arms, record.terms.share, record.terms.threshold) == (1, ("random",), 0.5, 0.5)
    (workspace / "study.toml").write_text('env = "CartPole-v1"\narms = ["randon"]\n')
    wrong = command("compare", "study.toml")
    assert wrong.err == "error: study.toml: arms: unknown agent 'randon'; did you mean 'random'?\n"


def test_help_of_compare_lists_its_options_under_headings(command: Command) -> None:
    text = command("compare", "--help").out
    headings = [line for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert headings == ["Arguments:", "What to compare:", "Log:", "How to run:", "Output:", "Options:"]


def test_a_missing_extra_is_named_in_the_table_and_installed_by_one_line(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlformer.core.extras.find_spec", lambda module: None if module == "mujoco" else module)
    seen = command("envs")
    hopper = next(line for line in seen.out.splitlines() if line.startswith("Hopper-v5 "))
    assert "  mujoco  " in hopper
    assert hopper.index("mujoco") < 80
    assert seen.err == "to install the missing extras: pip install 'rlformer[mujoco]'\n"
    assert command("agents").err == ""


def test_no_command_is_cut_short_where_commands_are_listed(command: Command) -> None:
    """Nor does the help name a type where it could name what is meant."""
    for group in ((), ("data",)):
        listed = command(*group, "--help").out.partition("Commands:")[2].splitlines()[1:]
        assert len(listed) > 3
        assert [line for line in listed if line.endswith("...") or not line.startswith("  ")] == []
        for line in listed:
            text = command(*group, line.split()[0], "--help").out
            assert re.findall(r"<(?:int|float|str|path)[ >].*", text.partition("Options:")[2]) == []


def test_the_catalogue_is_listed(command: Command) -> None:
    assert "CartPole-v1" in command("envs").out
    assert {"ppo", "dt", "bc-top"} <= {row["name"] for row in command("agents", "--json").json["agents"]}  # type: ignore[attr-defined]


def test_an_environment_without_a_card_is_shown_as_it_is_made(command: Command) -> None:
    """One of a library that is not here is believed: it is shown with what installs it."""
    assert "returns are not normalised" in command("envs", "Blackjack-v1").out
    shown = command("envs", "ALE/Freeway-v5", "--json").json["environments"][0]
    assert (shown["name"], shown["extra"], len(shown["wrappers"])) == ("ALE/Freeway-v5", "atari", 2)
    if missing_extra("minigrid") is None:
        seen = command("envs", "BabyAI-GoToRedBal-v0")
        assert (seen.code, seen.out) == (2, "")
        assert "unknown environment 'BabyAI-GoToRedBal-v0'; did you mean 'BabyAI-GoToRedBall-v0'?" in seen.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["train-agent", "CartPol-v1"], "unknown environment 'CartPol-v1'; did you mean 'CartPole-v1'?"),
        (["train-agent", "CartPole-v1", "--agent", "pp0"], "unknown agent 'pp0'; did you mean 'ppo'?"),
        (["train-agent", "CartPole-v1", "--set", "gama=1"], "unknown key 'gama'; did you mean 'gamma'?"),
        (["train-agent", "CartPole-v1", "--set", "gamma"], "--set takes key=value, got 'gamma'"),
        (["train-agent", "CartPole-v1", "--set", "n_steps=many"], "n_steps: expected an integer such as"),
        (["train-agent", "CartPole-v1", "--agent", "dt"], "agent 'dt' learns from a log"),
        (
            ["train-agent", "Pendulum-v1", "--agent", "dqn"],
            "agents that fit: a2c, ars, ddpg, ppo, ppo-trxl, recurrent-ppo, sac, td3",
        ),
        (["train-transformer", "nowhere"], "nowhere"),
        (["train-transformer", "log", "--agent", "ppo", "--gradient-steps", "9"], "agent 'ppo' learns by interaction"),
        (["train-transformer", "log", "--set", "heads=3"], "heads: 3 do not divide the width 64"),
        (["train-transformer", "log", "--env", "Acrobot-v1"], "(4,)"),
        (["train-transformer", "log", "--target-return", "lots"], "'lots' is neither a number nor one of auto"),
        (["train-transformer", "log", "--prefix", "half"], "prefix 'half'"),
        (["evaluate", "nowhere"], "nowhere: not a run directory (no such folder)"),
        (["evaluate", "random"], "'random' needs --env"),
        (
            ["evaluate", "random", "--env", "CartPole-v1", "--target-return", "x"],
            "neither a number nor one of auto, supported",
        ),
        (["evaluate", "some.zip", "--env", "CartPole-v1"], "some.zip"),
        (["collect", "random", "--env", "CartPole-v1"], "give either --episodes or --steps"),
        (
            ["collect", "random", "--env", "CartPole-v1", "--episodes", "1", "--epsilon", "2"],
            "--epsilon: a number from 0 to 1, got 2.0",
        ),
        (["collect", "random", "--env", "CartPole-v1", "--episodes", "1", "--out", "log"], "log"),
        (["train-transformer", "log", "--set", "return_scale=-5"], "return_scale: a number from 0"),
        (["train-transformer", "log", "--prefix", "inf"], "prefix 'inf'"),
        (["train-transformer", "log", "--device", "gpu"], "--device gpu: must be cpu, cuda, cuda:N or auto"),
        (
            ["compare", "CartPole-v1", "--arms", "random,ppo", "--device", "gpu"],
            "--device gpu: must be cpu, cuda, cuda:N or auto",
        ),
        (["train-transformer", "log", "--prefix", "2.5"], "prefix '2.5'"),
        (
            ["evaluate", "random", "--env", "CartPole-v1", "--target-return", "nan"],
            "neither a number nor one of auto, supported",
        ),
        (["compare", "CartPole-v1", "--arms", "sac"], "agents that fit"),
        (["compare", "CartPole-v1", "--arms", "random", "--with", "runs=afile/runs"], "there is a file where"),
        (["compare", "CartPole-v1", "--profile", "quik"], "unknown profile 'quik'"),
        (["compare", "CartPole-v1", "--arms", "bc,dtt"], "unknown agent 'dtt'; did you mean 'dt'?"),
        (["compare", "CartPole-v1", "--dataset", "nowhere"], "nowhere"),
        (["compare", "CartPole-v1", "--log", "best"], "log.kinds: --log 'best': one of replay"),
        (["compare", "CartPole-v1", "--set", "width=3"], "--set of compare takes AGENT.KEY=VALUE, got 'width=3'"),
        (
            ["compare", "CartPole-v1", "--with", "grid.budget=4"],
            "unknown key 'grid.budget'; did you mean 'grid.budgets'?",
        ),
        (["compare", "CartPole-v1", "--with", "verdict.lambda=2"], "verdict.lambda: a number from 0 to 1, got 2"),
        (["compare", "CartPole-v1", "--with", "threads"], "--with takes KEY=VALUE, got 'threads'"),
        (["compare", "nowhere.toml"], "nowhere.toml: no such file"),
        (["train-agent", "CartPole-v1", "--prefix", "0.5"], "--prefix 0.5 needs a log to cut: add --dataset DATA"),
        (["explain", "random", "--prefix", "mid"], "--prefix mid needs a log to cut: add --dataset DATA"),
        (
            ["train-agent", "--dataset", "log", "--agent", "cql", "--log-trajectories"],
            "--log-trajectories keeps the episodes of online training",
        ),
        (["train-agent"], "train-agent needs an environment (ENV), or a log (--dataset DATA)"),
        (["compare", "CartPole-v1", "--save-study", "afile/study.toml"], "there is a file where a folder is needed"),
        (["compare", "CartPole-v1", "--with", "verdict=3"], "verdict: a table is expected"),
        (
            ["train-transformer", "log", "--agent", "cql"],
            "agent 'cql' is offline RL, not a sequence model: rlformer train-agent --dataset log --agent cql",
        ),
        (
            ["train-agent", "--dataset", "log", "--agent", "dt"],
            "agent 'dt' learns from a log: rlformer train-transformer log --agent dt",
        ),
        (["train-agent", "--dataset", "log"], "agent 'ppo' learns by interaction: it takes no dataset"),
        (["train-agent", "CartPole-v1", "--agent", "cql"], "agent 'cql' learns from a log: add --dataset"),
        (["report", "nowhere"], "nowhere"),
        (["report", "log", "--out", "page"], "no run directory there"),
        (["train-agent", "CartPole-v1", "--out", "afile/runs"], "there is a file where a folder is needed"),
        (["data", "export", "log", "--minari", "no version"], "no version"),
    ],
)
def test_a_mistake_gets_one_line_and_exit_code_2(command: Command, words: list[str], line: str) -> None:
    Path("afile").write_text("")
    if "log" in words:
        assert command("collect", "random", "--env", "CartPole-v1", "--episodes", "12", "--out", "log").code == 0
    answer = command(*words)
    assert answer.code == 2, answer.err
    assert answer.out == ""
    assert answer.err.startswith("error: ")
    assert line in answer.err
    assert len(answer.err.strip().splitlines()) == 1


def test_the_version_is_told() -> None:
    done = subprocess.run([sys.executable, "-m", "rlformer", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"rlformer {metadata.version('rlformer')}\n"


def test_an_unknown_command_or_option_is_a_usage_error(command: Command) -> None:
    for words in (["trane"], ["evaluate"], ["envs", "--jsn"]):
        assert command(*words).code == 2


def test_progress_without_a_terminal_is_a_line_a_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with console.Bar("dt") as bar:
        for step in range(1, 151):  # a second each
            now = float(step)
            bar(step, 200, "held-out loss 0.5")
    assert capsys.readouterr().err == "dt: 30%, held-out loss 0.5\ndt: 60%, held-out loss 0.5\n"


def test_debug_shows_the_traceback(command: Command) -> None:
    with pytest.raises(Exception, match="pp0"):
        command("train-agent", "CartPole-v1", "--agent", "pp0", "--debug")


@pytest.mark.slow
def test_a_context_longer_than_every_episode_is_noted(command: Command) -> None:
    command("collect", "random", "--env", "CartPole-v1", "--episodes", "12", "--out", "log")
    words = ["--gradient-steps", "20", "--set", "context_length=300", "--set", "batch_size=2", *SMALL]
    answer = command("train-transformer", "log", *words)
    assert answer.code == 0
    assert "note: context_length 300 is longer than every episode" in answer.err


@pytest.mark.slow
def test_a_users_own_environment_works_without_a_card(command: Command, workspace: Path) -> None:
    (workspace / "my_envs.py").write_text(
        "import gymnasium as gym\n"
        "import numpy as np\n"
        "class Coin(gym.Env):\n"
        "    observation_space = gym.spaces.Discrete(2)\n"
        "    action_space = gym.spaces.Discrete(2, start=5)\n"
        "    def reset(self, seed=None, options=None):\n"
        "        super().reset(seed=seed)\n"
        "        self.side, self.left = int(self.np_random.integers(2)), 4\n"
        "        return self.side, {}\n"
        "    def step(self, action):\n"
        "        assert action in (5, 6)\n"
        "        reward, self.left = float(action - 5 == self.side), self.left - 1\n"
        "        self.side = int(self.np_random.integers(2))\n"
        "        return self.side, reward, self.left == 0, False, {}\n"
        "gym.register('Coin-v0', Coin)\n"
    )
    env = "my_envs:Coin-v0"
    assert command("collect", "random", "--env", env, "--episodes", "300", "--out", "log").code == 0
    words = ["--agent", "bc-top", "--env", env, "--gradient-steps", "200", *SMALL, "--json"]
    answer = command("train-transformer", "log", *words)
    assert answer.code == 0, answer.err
    evaluation = answer.json["evaluation"]
    assert evaluation["normalized_score"] is None  # type: ignore[index]
    assert evaluation["mean"] > 3.0  # type: ignore[index]


@pytest.mark.slow
def test_json_is_all_there_is_on_standard_output(workspace: Path) -> None:
    typed = [sys.executable, "-m", "rlformer", "train-agent", "CartPole-v1", "--steps", "256", "--json"]
    done = subprocess.run(typed, capture_output=True, text=True, cwd=workspace, check=True)
    assert json.loads(done.stdout)["record"]["status"] == "finished"


def test_without_a_command_five_are_shown_to_begin_with(command: Command) -> None:
    seen = command()
    assert (seen.code, seen.err) == (0, "")
    shown = [line.split()[1] for line in seen.out.splitlines() if line.startswith("  rlformer ")]
    assert shown == ["compare", "compare", "data", "runs", "doctor"]
    assert max(map(len, seen.out.splitlines())) <= 80


def test_a_dry_run_of_claims_prints_what_it_would_measure_and_writes_nothing(command: Command, workspace: Path) -> None:
    seen = command("claims", "--only", "memory,residual", "--dry-run")
    assert seen.code == 0
    head, *rows, total = seen.out.strip().splitlines()
    assert head.split() == ["claim", "measurements", "seeds", "done", "left", "CPU", "minutes"]
    assert [row.split()[:5] for row in rows] == [["memory", "3", "1", "0", "3"], ["residual", "2", "1", "0", "2"]]
    assert total.startswith("5 measurements on 1 seed: about ")
    found = command("claims", "--only", "memory", "--profile", "full", "--jobs", "2", "--dry-run", "--json").json
    assert (found["seeds"], found["measured"], found["left"]) == (5, 0, 45)
    assert found["wall_seconds"] == found["cpu_seconds"] / 2
    assert command("claims", "--only", "memori", "--dry-run").code == 2
    assert not list(workspace.iterdir())
