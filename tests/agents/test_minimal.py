"""Policies in other forms: the folder that needs numpy and onnxruntime alone, and what `export` refuses."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rlformer
from rlformer import api, cli
from rlformer.agents import cards as agent_cards
from rlformer.agents.export import graph
from rlformer.agents.learners import learner as learner_kind
from rlformer.core.errors import InputError, MissingExtra
from rlformer.envs import cards as env_cards
from tests.support.make_exports import WORLD, small

pytestmark = pytest.mark.slow  # each needs a run

# Plays what it is told in a process that never imports anything else.
PLAYER = """
import json, sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from policy import Policy

policy, given = Policy(), []
for episode in json.load(open(sys.argv[2])):
    policy.reset(episode["target"], episode["seed"])
    given.append([np.asarray(policy(*step)).tolist() for step in episode["steps"]])
foreign = {"torch", "rlformer", "gymnasium", "stable_baselines3"} & {name.partition(".")[0] for name in sys.modules}
assert not foreign, foreign
for misuse in json.load(open(sys.argv[3])):
    policy.reset()
    try:
        policy(misuse)
    except ValueError as error:
        assert "observation" in str(error), error
    else:
        raise AssertionError(misuse)
print(json.dumps(given))
"""
MISUSE: list[Any] = [
    {"place": [0, 0, 0], "mode": 1, "grid": [[[0, 0], [0, 0]], [0, 0]]},
    {"place": [0, 0], "mode": 0, "grid": [[[0, 0], [0, 0]], [0, 0]]},
    {"place": [0, 0], "mode": 4, "grid": [[[0, 0], [0, 0]], [0, 0]]},
]


def seen(rng: np.random.Generator) -> dict[str, Any]:
    """An observation of the world, as JSON has it."""
    grid = [rng.integers(0, 200, (2, 2)).tolist(), rng.integers(0, 2, 2).tolist()]
    return {"place": rng.normal(size=2).tolist(), "mode": int(rng.integers(1, 4)), "grid": grid}


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The name of a user's module, importable while this file's tests run."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "world_to_export.py").write_text(WORLD)
    sys.path.insert(0, str(folder))
    yield "world_to_export"
    sys.path.remove(str(folder))


@pytest.mark.parametrize(
    ("kind", "agent", "selection"),
    [
        ("category", "bc", "greedy"),
        ("category", "bc", "sampled"),
        ("category", "dt", "greedy"),
        ("category", "ppo", "greedy"),
        ("integers", "dt-lstm", "greedy"),
        ("integers", "td3-bc", "greedy"),
    ],
)
def test_the_folder_acts_as_the_run_without_this_package(
    module: str, kind: str, agent: str, selection: str, tmp_path: Path
) -> None:
    env = env_cards.environment(f"{module}:World-{kind}-v0")
    needs = learner_kind(agent_cards.agent(agent).learner).needs
    log = api.collect("random", env=env.name, out=tmp_path / "log", episodes=12) if "log" in needs else None
    run, told = small(agent, env, tmp_path, log, action_selection=selection), list[str]()
    assert api.export(run, minimal=tmp_path / "out", tell=told.append) == tmp_path / "out"
    assert "README.txt" in told[0]
    policy, rng, episodes = rlformer.load(run), np.random.default_rng(0), []
    target = -10.0 if policy.traits.asks else None
    expected: list[list[Any]] = []
    for seed in range(3):
        steps = [(seen(rng), None if time == 0 else float(rng.normal())) for time in range(11)]
        episodes.append({"target": target, "seed": seed, "steps": steps})
        policy.reset(target, seed=seed)
        expected.append([np.asarray(policy(*step)).tolist() for step in steps])
    written = {"play.py": PLAYER, "episodes.json": json.dumps(episodes), "misuse.json": json.dumps(MISUSE)}
    for name, text in written.items():
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-I", "play.py", "out", "episodes.json", "misuse.json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected
    assert len((tmp_path / "out" / "policy.py").read_text().splitlines()) < 90
    said = (tmp_path / "out" / "README.txt").read_text()
    assert f"{agent}, trained by rlformer" in said
    assert ("uniform are random numbers in [0, 1)" in said) == (selection == "sampled")


def test_an_onnx_file_says_what_it_takes_to_act_and_nothing_is_overwritten(tmp_path: Path) -> None:
    import onnx

    log = api.collect("random", env="CartPole-v1", out=tmp_path / "log", episodes=12)
    run, told = small("dt", env_cards.environment("CartPole-v1"), tmp_path, log), list[str]()
    path = api.export(run, onnx=tmp_path / "model", tell=told.append)
    assert path == tmp_path / "model.onnx"
    assert "return_to_go" in told[0]
    found = onnx.load(path)
    onnx.checker.check_model(found)
    known = {entry.key: json.loads(entry.value) for entry in found.metadata_props if not entry.key.startswith("pkg")}
    assert (known["schema"], known["agent"], known["environment"]) == ("rlformer/2", "dt", "CartPole-v1")
    assert known["target_return"] == log.returns.max()
    assert known["context_length"] == 4
    assert known["spaces"]["action"] == {"kind": "discrete", "n": 2, "start": 0, "dtype": "int64"}
    assert [port["name"] for port in known["inputs"]] == [value.name for value in found.graph.input]
    assert {value.type.tensor_type.shape.dim[0].dim_param for value in found.graph.input} == {"batch"}
    with pytest.raises(InputError, match="exists already"):
        api.export(run, onnx=path)
    with pytest.raises(InputError, match="one of --huggingface, --sb3, --onnx and --minimal; got --onnx and --minimal"):
        api.export(run, onnx=tmp_path / "x.onnx", minimal=tmp_path / "x")


def test_a_folder_of_our_own_is_written_anew_and_no_other(tmp_path: Path) -> None:
    run, out = small("ppo", env_cards.environment("CartPole-v1"), tmp_path, None), tmp_path / "out"
    out.mkdir()
    for name in ("model.onnx", "policy.py", "README.txt"):
        (out / name).touch()
    (out / "__pycache__").mkdir()
    api.export(run, minimal=out)
    assert (out / "model.onnx").stat().st_size > 1000
    (out / "mine.txt").touch()
    with pytest.raises(InputError, match="holds something other than"):
        api.export(run, minimal=out)


def test_a_second_file_is_told_and_what_has_no_network_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    env, told = env_cards.environment("CartPole-v1"), list[str]()
    ppo = small("ppo", env, tmp_path, None, normalize_observations=True)
    path = api.export(ppo, sb3=tmp_path / "agent.zip", tell=told.append)
    assert (path.is_file(), (tmp_path / "agent" / "vecnormalize.pkl").is_file()) == (True, True)
    assert "also wrote" in told[0]
    assert str(tmp_path / "agent" / "vecnormalize.pkl") in told[0]
    with pytest.raises(InputError, match="exists already"):
        api.export(ppo, sb3=tmp_path / "agent.zip")
    monkeypatch.setattr(sys, "argv", ["rlformer", "export", str(ppo), "--sb3", str(tmp_path / "typed.zip")])
    with contextlib.suppress(SystemExit):
        cli.main()
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == str(tmp_path / "typed.zip")
    assert f"also wrote {tmp_path / 'typed' / 'vecnormalize.pkl'}" in printed.err
    with pytest.raises(InputError, match="is not a sequence model"):
        api.export(ppo, huggingface=tmp_path / "hf")
    random = small("random", env, tmp_path, None)
    with pytest.raises(InputError, match="random has no network"):
        api.export(random, onnx=tmp_path / "random.onnx")
    assert not (tmp_path / "random.onnx").exists()
    with pytest.raises(InputError, match="random has no network"):
        api.export(random, minimal=tmp_path / "random")


def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = small("ppo", env_cards.environment("CartPole-v1"), tmp_path, None)
    monkeypatch.setattr(graph, "_NEEDED", ("onnx", "onnx_that_is_not_here"))
    with pytest.raises(MissingExtra, match=r"ONNX needs the extra 'onnx': pip install 'rlformer\[onnx\]'"):
        api.export(run, onnx=tmp_path / "model.onnx")


def test_the_loop_of_the_documentation_runs(checkout: Path, workspace: Path) -> None:
    text = (checkout / "docs" / "deployment.md").read_text(encoding="utf-8")
    (code,) = (block.partition("```")[0] for block in text.split("```python\n")[1:])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=workspace)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [seed for seed, _ in lines] == ["0", "1", "2"]
    assert all(float(total) >= 1 for _, total in lines)
