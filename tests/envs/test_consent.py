"""A file does not choose what is imported: a run or a saved tree that names a module waits for the user's word."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rlformer import api
from rlformer.agents.cards import resolve
from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.envs import cards as env_cards
from rlformer.envs import consent
from rlformer.envs.make import make
from rlformer.runs.record import RunRecord
from rlformer.runs.spec import RunSpec

MODULE = """
from pathlib import Path
Path("imported").touch()
import gymnasium as gym
gym.register("Mine-v0", "gymnasium.envs.classic_control:CartPoleEnv", max_episode_steps=9)
"""


def named_by_a_file(module: str) -> EnvSpec:
    return EnvSpec.from_dict({"name": f"{module}:Mine-v0", "id": f"{module}:Mine-v0"}, "runs/x/spec.toml")


def write_run(folder: Path, module: str) -> Path:
    """A finished run of uniform actions, as somebody else may hand it over."""
    spec = resolve(env_cards.environment(f"{module}:Mine-v0"), "random")
    (folder / "checkpoints" / "best").mkdir(parents=True)
    files.write_toml(folder / "spec.toml", spec.to_dict())
    record = RunRecord(spec.env.name, "random", 0, spec.hash, status="finished")
    files.write_json(folder / "record.json", record.to_dict())
    files.write_json(folder / "checkpoints" / "best" / "random.json", {"schema": "rlformer/2", "seed": 0})
    return folder


def test_a_module_that_a_file_names_is_not_imported(workspace: Path) -> None:
    (workspace / "consent_one.py").write_text(MODULE)
    read = named_by_a_file("consent_one")
    with pytest.raises(InputError, match=r"^runs/x/spec.toml: needs the module 'consent_one', .*use --trust or --env"):
        make(read)
    assert not (workspace / "imported").exists()
    with pytest.raises(InputError, match="needs the module"):
        make(consent.given(read, env_cards.environment("CartPole-v1"), trust=False))
    make(consent.given(read, None, trust=True)).close()
    assert (workspace / "imported").exists()


def test_who_types_the_module_allows_it(workspace: Path) -> None:
    (workspace / "consent_two.py").write_text(MODULE)
    typed = env_cards.environment("consent_two:Other-v0")
    make(consent.given(named_by_a_file("consent_two"), typed, trust=False)).close()
    make(named_by_a_file("consent_two")).close()  # it is imported already


def test_a_card_of_the_users_own_allows_it(workspace: Path) -> None:
    (workspace / "consent_three.py").write_text(MODULE)
    (workspace / "envs").mkdir()
    (workspace / "envs" / "Mine.toml").write_text('schema = "rlformer/2"\nid = "consent_three:Mine-v0"\n')
    make(named_by_a_file("consent_three")).close()


def test_consent_is_no_part_of_what_an_environment_is() -> None:
    read, typed = named_by_a_file("x"), EnvSpec("x:Mine-v0", "x:Mine-v0")
    assert read == typed
    assert read.to_dict() == typed.to_dict()
    assert RunSpec.from_dict(resolve(typed, "random").to_dict(), "a file").env.source == "a file"


@pytest.mark.parametrize("command", ["evaluate", "collect", "explain"])
def test_every_command_that_opens_a_run_asks(workspace: Path, command: str) -> None:
    module = f"consent_{command}"
    (workspace / f"{module}.py").write_text(MODULE)
    run = write_run(workspace / "theirs", module)
    how = {
        "evaluate": lambda trust: api.evaluate([run], episodes=1, trust=trust),
        "collect": lambda trust: api.collect(run, episodes=1, trust=trust),
        "explain": lambda trust: api.explain(run, trust=trust),
    }[command]
    with pytest.raises(InputError, match=rf"theirs/spec.toml: needs the module '{module}'"):
        how(False)
    assert not (workspace / "imported").exists()
    if command == "explain":  # uniform actions have no explanation: but the module was allowed
        with pytest.raises(InputError, match="explain"):
            how(True)
    else:
        how(True)
    assert (workspace / "imported").exists()


@pytest.mark.slow
def test_the_command_line_says_what_to_do(workspace: Path) -> None:
    (workspace / "consent_shell.py").write_text(MODULE)
    run = write_run(workspace / "theirs", "consent_shell")
    base = [sys.executable, "-m", "rlformer", "evaluate", str(run), "--episodes", "2", "--json"]
    refused = subprocess.run(base, capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert refused.stderr.endswith("use --trust or --env consent_shell:Mine-v0 to import it\n")
    for allowed in (["--trust"], ["--env", "consent_shell:Mine-v0"]):
        done = subprocess.run([*base, *allowed], capture_output=True, text=True, check=True)
        assert json.loads(done.stdout)["policies"][0]["episodes"] == 2
