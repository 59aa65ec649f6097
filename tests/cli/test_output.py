"""What a command writes where: standard output holds its answer and nothing else, whatever becomes of the streams."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = f"{sys.executable} -m rlformer"
REGISTER = "gym.register(f'{kind.__name__}-v0', kind, max_episode_steps=9)"
MODULE = f"""
import os, threading, time
import gymnasium as gym
import numpy as np

class Calm(gym.Env):
    observation_space, action_space = gym.spaces.Box(-1, 1, (2,)), gym.spaces.Discrete(2)
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {{}}
    def step(self, action):
        return np.zeros(2, np.float32), 1.0, False, False, {{}}

class Loud(Calm):
    def step(self, action):
        os.write(1, b"loud")
        return super().step(action)

class Threaded(Calm):
    def __init__(self):
        threading.Thread(target=time.sleep, args=(600,)).start()

class Gone(Calm):
    def step(self, action):
        os._exit(0)

for kind in (Loud, Threaded, Gone):
    {REGISTER}
"""


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A line of bash, with this rlformer."""
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(["bash", "-c", line], cwd=folder, env=here, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&- <&-"])
@pytest.mark.slow
def test_a_closed_stream_leads_nowhere(closed: str, tmp_path: Path) -> None:
    ended = shell(f"{COMMAND} envs {closed}", tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full is a device of Linux")
def test_an_answer_that_cannot_be_written_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    ended = shell(f"{COMMAND} envs > /dev/full", tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
    assert "No space left" in ended.stderr


@pytest.mark.slow
def test_a_terminal_without_a_minus_sign_shows_a_hyphen(tmp_path: Path) -> None:
    ended = shell(f"PYTHONIOENCODING=ascii {COMMAND} evaluate random --env Pendulum-v1 --episodes 1", tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("random returns -")


@pytest.mark.slow
def test_a_current_folder_that_was_deleted_is_told(tmp_path: Path) -> None:
    ended = shell(f"mkdir gone && cd gone && rmdir ../gone && {COMMAND} evaluate random --env CartPole-v1", tmp_path)
    assert (ended.returncode, ended.stderr) == (2, "error: the current folder was deleted: cd to another\n")


@pytest.mark.slow
def test_what_an_environment_writes_past_python_is_not_in_the_answer(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MODULE)
    ended = shell(f"{COMMAND} evaluate random --env mine:Loud-v0 --episodes 2 --json", tmp_path)
    assert json.loads(ended.stdout)["env"] == "mine:Loud-v0"
    assert "loud" in ended.stderr


@pytest.mark.slow
def test_threads_that_an_environment_leaves_end_with_the_command(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MODULE)
    ended = shell(f"{COMMAND} evaluate random --env mine:Threaded-v0 --episodes 2 --json", tmp_path)
    assert ended.returncode == 0
    assert json.loads(ended.stdout)["env"] == "mine:Threaded-v0"
    assert "running; the command ended anyway" in ended.stderr


@pytest.mark.slow
def test_an_environment_that_ends_the_process_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MODULE)
    ended = shell(f"{COMMAND} evaluate random --env mine:Gone-v0 --episodes 2", tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: environment 'mine:Gone-v0', episode of seed ")
    assert "SystemExit: os._exit(0) (mine.py:2" in ended.stderr
