"""Shell completion: scripts for three shells, environments, agents and policies, and nothing heavy behind it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rlformer.cli import completion


def shell(variables: dict[str, str], folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *options, "-m", "rlformer"]
    environment = {**os.environ, **variables}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)


def test_environments_are_cards_ids_and_modules_here(workspace: Path) -> None:
    (workspace / "my_env.py").write_text("")
    assert {"CartPole-v1", "KeyDoor", "Acrobot-v1", "my_env:"} <= set(completion.environments(""))
    assert completion.environments("FrozenLake-v") == ["FrozenLake-v1"]
    assert completion.environments("my_") == ["my_env:"]


def test_agents_of_a_list_are_completed_one_after_the_other() -> None:
    assert completion.agents("pp") == ["ppo", "ppo-trxl"]
    assert completion.agents("ppo,dt-ls") == ["ppo,dt-lstm"]


def test_policies_and_targets_are_what_lies_here(workspace: Path) -> None:
    (workspace / "runs" / "CartPole-v1").mkdir(parents=True)
    for name in ("agent.zip", "study.toml", "notes.txt"):
        (workspace / name).write_text("")
    assert completion.policies("") == ["random", "agent.zip", "runs/"]
    assert completion.policies("runs/C") == ["runs/CartPole-v1/"]
    assert completion.targets("st") == ["study.toml"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"_RLFORMER_COMPLETE": "complete_bash", "COMP_WORDS": "rlformer trai", "COMP_CWORD": "1"}, "train-agent\n"),
        (
            {"_RLFORMER_COMPLETE": "complete_bash", "COMP_WORDS": "rlformer compare Pend", "COMP_CWORD": "2"},
            "Pendulum-v1\n",
        ),
        (
            {"_RLFORMER_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "rlformer train-agent --agent pp"},
            '"ppo"',
        ),
        (
            {
                "_RLFORMER_COMPLETE": "complete_fish",
                "_TYPER_COMPLETE_ARGS": "rlformer collect random --env KeyD",
                "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            },
            "KeyDoor\n",
        ),
    ],
)
def test_three_shells_complete_without_torch(variables: dict[str, str], expected: str, workspace: Path) -> None:
    done = shell(variables, workspace, "-X", "importtime")
    assert expected in done.stdout
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "rlformer" in loaded
    assert not loaded & {"torch", "stable_baselines3", "minari", "scipy", "h5py"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected"),
    [("bash", "complete -o default"), ("zsh", "#compdef rlformer"), ("fish", "complete --command rlformer")],
)
def test_the_script_for_a_shell_is_shown(name: str, expected: str, workspace: Path) -> None:
    code = (
        "import sys; sys.argv = ['rlformer', '--show-completion']\n"
        f"from typer import completion; completion._get_shell_name = lambda: '{name}'\n"
        "from rlformer import cli; cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=workspace)
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout
    assert "_RLFORMER_COMPLETE" in done.stdout
