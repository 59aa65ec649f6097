"""A wrong input is answered by the words that help; where an answer holds a command or a name, that is tried."""

import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import typer

from rlformer.cli import app
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.envs import cards, make
from rlformer.envs.unknown import missing_dependency

Command = Callable[..., Any]

ARM = """
import gymnasium as gym
import numpy as np

class Arm(gym.Env):
    observation_space = gym.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(3, np.float32), {}

    def step(self, action):
        self.steps += 1
        return np.zeros(3, np.float32), 1.0, False, self.steps >= 5, {}

class Film(Arm):
    observation_space = gym.spaces.Box(-1, 1, (4, 4, 3))

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros((4, 4, 3), np.float32), {}

    def step(self, action):
        return np.zeros((4, 4, 3), np.float32), *super().step(action)[1:]

class Mission(gym.Space):
    pass

class Told(Film):  # as MiniGrid's: an image, and a space of its own that Gymnasium cannot flatten
    observation_space = gym.spaces.Dict(image=Film.observation_space, mission=Mission())

class ReadAloud(gym.ObservationWrapper):
    observation_space = gym.spaces.Box(0, 255, (48,), np.uint8)

    def observation(self, observation):
        return np.ravel(observation)

gym.register("ReachArm-v0", Arm)
gym.register("Film-v0", Film)
gym.register("Told-v0", Told)
"""


@pytest.fixture
def my_env(workspace: Path) -> Iterator[str]:
    """A user's module with environments of their own, which nobody has imported yet."""
    (workspace / "my_arms.py").write_text(ARM)
    yield "my_arms"
    sys.modules.pop("my_arms", None)
    for name in ("ReachArm-v0", "Film-v0", "Told-v0", "Flat-v0"):
        gym.registry.pop(name, None)
    sys.path[:] = [path for path in sys.path if path != str(workspace)]


def refused(env_id: str) -> str:
    with pytest.raises(InputError) as error:
        make.make(cards.environment(env_id))
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


@pytest.mark.parametrize(
    ("env_id", "helpful"),
    [
        ("MiniGrid-Empty-5x5-v0", "needs the extra 'minigrid': pip install 'rlformer[minigrid]'"),
        ("minigrid:MiniGrid-Empty-5x5-v0", "needs the extra 'minigrid': pip install 'rlformer[minigrid]'"),
        ("minigrid:Empty", "pip install 'rlformer[minigrid]', then the id is 'Empty'"),
        ("BabyAI-GoToObj-v0", "pip install 'rlformer[minigrid]'"),
        ("ALE/Pong-v5", "needs the extra 'atari': pip install 'rlformer[atari]'"),
        ("ale_py:ALE/Pong-v5", "pip install 'rlformer[atari]'"),
        ("ALE/Qbert-v5", "environment 'ALE/Qbert-v5' needs the extra 'atari'"),
        ("Pong-v5", "pip install 'rlformer[atari]', then the id is 'ALE/Pong-v5'"),
        ("PongNoFrameskip-v4", "'ALE/Pong-v5'"),
        ("Breakout-ramDeterministic-v4", "'ALE/Breakout-v5'"),
        ("FetchReach-v4", "pip install gymnasium-robotics, then the id is 'gymnasium_robotics:FetchReach-v4'"),
        ("highway-fast-v0", "pip install highway-env, then the id is 'highway_env:highway-fast-v0'"),
        ("CartPol-v1", "did you mean 'CartPole-v1'?"),
        ("CartPole-v7", "did you mean 'CartPole-v1'?"),
        ("cartpole", "did you mean 'CartPole-v1'?"),
        ("KeyDor", "did you mean 'KeyDoor'?"),
        ("Zebra", "module:Name-v0 of your own, or any Gymnasium id"),
    ],
)
def test_an_unknown_id_names_what_helps(env_id: str, helpful: str) -> None:
    if "[minigrid]" in helpful and _installed("minigrid"):
        pytest.skip("minigrid is installed here")
    if ("'atari'" in helpful or "[atari]" in helpful or "ALE/" in helpful) and _installed("ale_py"):
        pytest.skip("ale_py is installed here")
    assert helpful in refused(env_id)
    for suggested in re.findall(r"did you mean '(.*)'\?", refused(env_id)):
        make.make(cards.environment(suggested)).close()


def _installed(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


@pytest.mark.parametrize(
    ("typed", "suggested"),
    [
        ("my_arms:ReachArm-v1", "my_arms:ReachArm-v0"),
        ("my_arms:ReachArm", "my_arms:ReachArm-v0"),
        ("my_arms:RechArm-v0", "my_arms:ReachArm-v0"),
        ("my_amrs:ReachArm-v0", "my_arms:ReachArm-v0"),
        ("my_arms:CartPol-v1", "CartPole-v1"),
        ("ReachArm-v0", "my_arms:ReachArm-v0"),
        ("ReachArm-v2", "my_arms:ReachArm-v0"),
        ("RechArm-v0", "my_arms:ReachArm-v0"),
        ("./my_arms:ReachArm-v0", "my_arms:ReachArm-v0"),
        ("./my_arms.py:ReachArm-v0", "my_arms:ReachArm-v0"),
    ],
)
def test_a_suggestion_is_a_name_that_works(my_env: str, typed: str, suggested: str) -> None:
    assert f"did you mean '{suggested}'?" in refused(typed)
    make.make(cards.environment(suggested)).close()


@pytest.mark.parametrize("typed", ["my_arms", "my_arms.py", "./my_arms.py"])
def test_a_module_in_place_of_an_id_tells_an_id_of_it(my_env: str, typed: str) -> None:
    assert refused(typed) == (
        f"unknown environment '{typed}': that is a module, and an id is such as my_arms:ReachArm-v0"
    )
    assert "my_arms" not in sys.modules, "what nobody asked for is not imported"


def test_a_module_that_registers_one_id_suggests_it(workspace: Path) -> None:
    (workspace / "alone.py").write_text(
        "import gymnasium\ngymnasium.register(\n    id='Alone-v0', entry_point='x:Y')\n"
    )
    assert refused("alone").endswith("did you mean 'alone:Alone-v0'?")


def test_a_module_elsewhere_tells_where_to_go(workspace: Path) -> None:
    (workspace / "deep").mkdir()
    (workspace / "deep" / "arms.py").write_text("")
    assert refused("deep/arms.py:Arm-v0").endswith("is not a module name; cd deep, then the id is 'arms:Arm-v0'")


def test_an_entry_point_of_a_misspelt_module_suggests_the_one_here(my_env: str) -> None:
    gym.register("Flat-v0", "my_amrs:Arm")
    assert refused("Flat-v0") == (
        "environment 'Flat-v0': its entry point 'my_amrs:Arm' names no module here or installed; "
        "did you mean 'my_arms'?"
    )


def test_a_module_without_the_name_tells_what_it_registers(my_env: str) -> None:
    told = refused("my_arms:Zebra-v0")
    assert "module 'my_arms' registers no such name; it registers" in told
    assert "ReachArm-v0" in told


def test_the_card_that_the_image_error_advises_works(my_env: str, workspace: Path) -> None:
    told = refused("my_arms:Film-v0")
    card = re.search(r"write envs/(\w+)\.toml, a key a line: (.*)$", told)
    assert card is not None, told
    (workspace / "envs").mkdir()
    (workspace / "envs" / f"{card[1]}.toml").write_text(re.sub(r", (?=\w+ = )", "\n", card[2]))
    made = make.make(cards.environment(card[1]))
    assert made.observation_space.shape == (48,)
    made.close()


def test_an_image_that_no_card_flattens_is_wrapped_by_the_line_that_the_error_gives(
    my_env: str, workspace: Path
) -> None:
    told = refused("my_arms:Told-v0")
    line = re.search(r"gymnasium\.register\('Flat-v0', .*\)\)\)", told)
    assert line is not None, told
    own = line[0].replace("YourWrapper", "my_arms.ReadAloud")
    (workspace / "your_module.py").write_text(f"import gymnasium, my_arms\n{own}\n")
    made = make.make(cards.environment("your_module:Flat-v0"))
    assert made.observation_space.shape == (48,)
    made.close()


@pytest.mark.parametrize(
    ("entry_point", "extra", "error", "command"),
    [
        ("gymnasium.envs.mujoco.ant_v5:AntEnv", None, ModuleNotFoundError("No", name="imageio"), "gymnasium[mujoco]"),
        (
            "gymnasium.envs.mujoco.ant_v5:AntEnv",
            None,
            gym.error.DependencyNotInstalled("MuJoCo is not installed"),
            "gymnasium[mujoco]",
        ),
        ("gymnasium.envs.box2d:BipedalWalker", None, gym.error.DependencyNotInstalled("swig"), "rlformer[box2d]"),
        ("gymnasium.envs.box2d:LunarLander", "box2d", gym.error.DependencyNotInstalled("swig"), "rlformer[box2d]"),
    ],
)
def test_a_missing_library_comes_with_its_pip_command(
    entry_point: str, extra: str | None, error: Exception, command: str
) -> None:
    assert f"pip install '{command}'" in str(missing_dependency("X-v0", entry_point, extra, error))


def test_a_library_that_a_users_environment_lacks_is_named(
    workspace: Path, my_env: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(**kwargs: Any) -> gym.Env[Any, Any]:
        raise ModuleNotFoundError("No module named 'arm_physics'", name="arm_physics")

    gym.register("Flat-v0", absent)
    assert "environment 'Flat-v0' needs 'arm_physics', not installed: pip install arm-physics" in refused("Flat-v0")


def test_a_version_that_has_left_gymnasium_suggests_the_newest() -> None:
    assert refused("Hopper-v3").endswith("; did you mean 'Hopper-v5'?")


@pytest.mark.slow
def test_gymnasiums_environments_without_their_library_name_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.partition(".")[0] == "Box2D" or ".envs.box2d" in name]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "Box2D", None)
    with pytest.raises(InputError, match=r"pip install 'rlformer\[box2d\]'"):
        make.make(EnvSpec("BipedalWalker-v3", "BipedalWalker-v3"))
    if not _installed("mujoco"):
        assert "pip install 'gymnasium[mujoco]'" in refused("HalfCheetah-v5")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["compare"], "missing argument ENV|STUDY.toml; rlformer compare --help shows how"),
        (["train-transformer"], "missing argument DATA; rlformer train-transformer --help shows how"),
        (["trane-agent"], "unknown command 'trane-agent'; did you mean 'train-agent'?"),
        (["data", "inf", "x"], "unknown command 'inf'; did you mean 'info'?"),
        (["envs", "--jsn"], "unknown option '--jsn'; did you mean --json?"),
        (["compare", "CartPole-v1", "--seed", "3"], "unknown option '--seed'; did you mean --seeds or --set?"),
        (
            ["compare", "CartPole-v1", "--budgets", "4"],
            "unknown option '--budgets'; a study has a key for it: --with grid.",
        ),
        (["compare", "CartPole-v1", "--no-interaction"], "unknown option '--no-interaction'; a study has a key for it"),
        (["compare", "CartPole-v1", "--zzz"], "unknown option '--zzz'; rlformer compare --help shows how"),
        (["compare", "CartPole-v1", "--seeds", "x"], "--seeds x: expected a whole number; rlformer compare --help"),
        (["compare", "CartPole-v1", "--seeds=0"], "--seeds 0: expected 1 or more; rlformer compare --help shows how"),
        (["compare", "CartPole-v1", "--seeds"], "--seeds needs a value; rlformer compare --help shows how"),
        (["envs", "--json=3"], "--json takes no value; rlformer envs --help shows how"),
        (["doctor", "CartPole-v1"], "unexpected argument 'CartPole-v1'; rlformer doctor --help shows how"),
        (["agents", "dtt"], "unknown agent 'dtt'; did you mean 'dt'?"),
        (["envs", "CartPol-v1"], "unknown card 'CartPol-v1'; did you mean 'CartPole-v1'?"),
        (["train"], "unknown command 'train'; did you mean train-agent or train-transformer?"),
        (["list"], "unknown command 'list'; did you mean runs, envs or agents?"),
        (["render"], "unknown command 'render'; did you mean play?"),
        (["version"], "unknown command 'version'; did you mean --version?"),
        (["report", "x", "--lambda", "2"], "--lambda 2: expected 1 or less; rlformer report --help shows how"),
    ],
)
def test_a_usage_error_has_the_form_of_every_other(command: Command, words: list[str], line: str) -> None:
    seen = command(*words)
    assert (seen.code, seen.out) == (2, "")
    assert seen.err.startswith(f"error: {line}")
    assert len(seen.err.splitlines()) == 1


def test_a_pattern_that_matched_several_is_told(command: Command, tmp_path: Path) -> None:
    (tmp_path / "dt-gru").mkdir()
    seen = command("export", str(tmp_path / "dt"), str(tmp_path / "dt-gru"))
    assert (seen.code, len(seen.err.splitlines())) == (2, 1)
    assert "one is expected, and a pattern such as dt-* may match several" in seen.err


@pytest.mark.parametrize(
    "words", [[], ["compare"], ["data"], ["data", "info"], ["train-agent"], ["play"], ["runs"], ["doctor"]]
)
def test_h_is_help(command: Command, words: list[str]) -> None:
    short, long = command(*words, "-h"), command(*words, "--help")
    assert (short.code, short.err) == (0, "")
    assert short.out == long.out
    assert short.out.startswith(f"Usage: {shlex.join(['rlformer', *words])} ")


def test_ctrl_c_is_130_and_says_that_the_command_continues(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cards, "environments", interrupted)
    seen = command("envs")
    assert (seen.code, seen.err) == (130, "stopped; run the same command again to continue\n")


def test_an_end_of_file_has_its_reason(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """typer makes an Abort without a message of it."""

    def torn() -> None:
        raise EOFError("No data left in file")

    monkeypatch.setattr(cards, "environments", torn)
    seen = command("envs")
    assert (seen.code, seen.err.strip()) == (1, "error: No data left in file")


@pytest.fixture
def things(command: Command, workspace: Path) -> None:
    """A dataset, a run without a log, a folder of runs, a study file, a report's folder: by their files' names."""
    command("collect", "random", "--env", "CartPole-v1", "--episodes", "2", "--out", "log")
    for name in ("runs/CartPole-v1/ppo-1/seed-0/record.json", "page/report.html", "page/results.json", "study.toml"):
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_text("")


RUN = "runs/CartPole-v1/ppo-1/seed-0"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["evaluate", "log"], "log: not a run directory, but a dataset: rlformer data info log shows it"),
        (["collect", "log", "--episodes", "1"], "but a dataset: rlformer data info log shows it"),
        (["explain", "log"], "but a dataset: rlformer data info log shows it"),
        (["play", "log"], "but a dataset: rlformer data info log shows it"),
        (["export", "log", "--sb3", "x"], "but a dataset: rlformer data info log shows it"),
        (
            ["report", "log"],
            "no run directory there (a folder that holds a record.json); it is a dataset: rlformer data",
        ),
        (["report", "page"], "it is a report: page/report.html"),
        (["compare", "log"], "that is a log: rlformer compare ENV --dataset, train-transformer and data info take it"),
        (["compare", "runs"], f"that is a folder of runs, such as {RUN}: rlformer runs runs lists them"),
        (["compare", RUN], f"that is a run: rlformer evaluate {RUN}"),
        (["evaluate", "runs"], f"but a folder of runs, such as {RUN}: rlformer runs runs lists them"),
        (["evaluate", "study.toml"], "rlformer compare study.toml runs a study"),
        (["evaluate", "CartPole-v1"], "rlformer evaluate random --env CartPole-v1"),
        (["evaluate", "ppo"], "an agent's name, and no policy: rlformer train-agent"),
        (["data", "info", RUN], f"(--log-trajectories does); rlformer collect {RUN} --episodes 100"),
        (["train-transformer", RUN], f"(--log-trajectories does); rlformer collect {RUN} --episodes 100"),
        (["data", "info", "runs"], "no log, but a folder of runs"),
        (
            ["train-transformer", "CartPole-v1"],
            "rlformer train-agent CartPole-v1 --log-trajectories keeps one, rlformer",
        ),
        (
            ["train-agent", "CartPole-v1", "--agent", "cql"],
            "--dataset DATA; rlformer collect or train-agent ENV --log",
        ),
        (["report", "empty"], "rlformer compare or train-agent creates some"),
    ],
)
@pytest.mark.usefixtures("things")
def test_what_is_meant_for_another_command_names_that_command(
    command: Command, workspace: Path, words: list[str], line: str
) -> None:
    (workspace / "empty").mkdir()
    seen = command(*words)
    assert (seen.code, seen.out) == (2, "")
    assert len(seen.err.splitlines()) == 1
    assert line in seen.err


def test_the_commands_that_make_a_log_make_one(command: Command) -> None:
    told = command("train-transformer", "CartPole-v1").err
    advised = re.findall(r"rlformer (collect [^,]*?--episodes \d+)", told)
    assert advised
    made = command(*shlex.split(advised[0])[:-1], "2", "--out", "log")
    assert made.code == 0, made.err
    assert command("data", "info", "log", "--json").json["episodes"] == 2


@pytest.mark.slow
def test_a_training_that_cannot_go_on_from_what_is_named_is_one_line(command: Command, workspace: Path) -> None:
    collected = command("collect", "random", "--env", "PassiveTMaze", "--episodes", "4", "--out", "log")
    assert collected.code == 0
    (workspace / "bert").mkdir()
    (workspace / "bert" / "config.json").write_text('{"model_type": "bert"}')
    for start, said in (
        ("nowhere", "no such run, and no folder with GPT-2"),
        ("log", "neither a run nor GPT-2 in the form of transformers"),
        ("bert", "and only of 'gpt2' weights are read"),
    ):
        seen = command("train-transformer", "log", "--from", start, "--env", "none")
        assert seen.code == 2
        assert said in seen.err
        assert len(seen.err.strip().splitlines()) == 1
    seen = command("train-transformer", "log", "--pretrain", "wikipedia")
    assert (seen.code, "pretraining: 'wikipedia' is none of none, masked" in seen.err) == (2, True)


@pytest.mark.parametrize(
    ("agent", "key", "suggested"),
    [
        ("dt", "lr", "learning_rate"),
        ("dt", "K", "context_length"),
        ("dt", "n_layer", "layers"),
        ("dt", "hidden_size", "width"),
        ("dt", "steps", "gradient_steps"),
        ("ppo", "total_timesteps", "steps"),
        ("ppo", "net_arch", "hidden"),
        ("ppo", "n_envs", "num_envs"),
    ],
)
def test_a_key_by_another_librarys_name_suggests_the_one_here(agent: str, key: str, suggested: str) -> None:
    from rlformer.agents.cards import resolve

    with pytest.raises(InputError) as error:
        resolve(cards.environment("CartPole-v1"), agent, (f"{key}=1",))
    assert str(error.value) == f"unknown key '{key}'; did you mean '{suggested}'?"


def test_a_key_like_none_of_many_names_the_command_that_lists_them(command: Command) -> None:
    wrong = command("compare", "CartPole-v1", "--set", "dt.zzz=1", "--dry-run")
    assert (wrong.code, "rlformer agents dt lists its" in wrong.err) == (2, True)
    shown = command("agents", "dt").out
    assert re.search(r"^layers +2 +a whole number from 1 to 64$", shown, re.MULTILINE)
    assert "CartPole-v1" in shown, "its presets"


def test_every_command_that_is_suggested_for_another_word_exists(command: Command) -> None:
    from rlformer.cli.usage import _OTHERWISE

    listed = command("--help").out + command("data", "--help").out
    for words in set(_OTHERWISE.values()):
        for name in re.split(r", | or |, or ", words):
            last = name.removeprefix("or ").removesuffix(" LOG").split()[-1]
            assert re.search(rf"^  (-h, )?{last}\b", listed, re.MULTILINE), last


def options_of(command: Any) -> set[str]:
    """Of a command and of those below it."""
    own = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return own.union(*(options_of(inner) for inner in getattr(command, "commands", {}).values()))


def test_every_option_that_a_page_names_is_one_of_a_command(checkout: Path) -> None:
    known = options_of(typer.main.get_command(app))
    texts = {path: path.read_text(encoding="utf-8") for path in (checkout / "rlformer" / "report").rglob("*.py")}
    named = {
        (path.name, word)
        for path, text in texts.items()
        for word in re.findall(r"(?<!var\()(?<![\w-])--[a-z][a-z-]+", text)
    }
    for path in (checkout / "rlformer" / "report").rglob("*.jinja"):
        named |= {(path.name, word) for word in re.findall(r"<code>(--[a-z-]+)", path.read_text(encoding="utf-8"))}
    assert len(named) > 10
    assert {(name, word) for name, word in named if word not in known} == set()
