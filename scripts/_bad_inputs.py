"""The inputs of scripts/bad_inputs: what is wrong with each is its `why`, and each kind has a control that is right."""

# ruff: noqa: E501 - the tables are read across

from __future__ import annotations

import json
import tomllib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tomli_w

from rlformer.agents import cards as agent_cards
from rlformer.agents.learners import learner
from rlformer.core.spaces import ActionSpec

Prepare = Callable[[Path], None]  # in the case's own copy of the fixtures
EVIL = "\x1b[2J\u202e<b>"
_BIG, _HUGE = "100000000", "1000000000000000000"


@dataclass(frozen=True)
class Case:
    """A command in a folder that holds the fixtures, changed by `prepare`."""

    kind: str
    argv: tuple[str, ...]
    why: str  # it is bad; "": a control, which must end with 0
    prepare: Prepare | None = None

    @property
    def name(self) -> str:
        """Tells it from every other."""
        return f"{self.kind}: {' '.join(self.argv)} [{self.why}]"


def fixtures(folder: Path) -> None:
    """A log in three forms, runs of two learners, a saved tree, a Hugging Face folder, scores: all small and right."""
    from rlformer import api
    from rlformer.core.records import EnvSpec
    from rlformer.explain.tree import Reading, SavedTree, Tree

    log = api.collect("random", env="CartPole-v1", episodes=12, out=folder / "log", num_envs=4)
    tiny = ["width=8", "heads=1", "layers=1", "batch_size=4", "validate_every=1", "patience=0"]
    for agent, more in (("dt", ()), ("dt-paper", ("max_timesteps=64",))):
        path = api.train(
            agent, dataset=log, env="none", overrides=[*tiny, *more, "gradient_steps=1"], root=folder / "r"
        )
        path.rename(folder / agent)
    path = api.train("random", env="CartPole-v1", root=folder / "r")
    path.rename(folder / "random-run")
    api.export(folder / "dt-paper", huggingface=folder / "hf")
    tree = Tree(
        np.array([0, -1, -1]), np.array([0.0, -2, -2]), np.array([1, -1, -1]), np.array([2, -1, -1]),
        np.array([[0.0], [1.0], [0.0]]), np.array([1, 0.5, 0.5]),
    )  # fmt: skip
    reading = Reading("observation", ActionSpec("discrete", (2,)), 4, 1, False, None, ("a", "b", "c", "d"))
    SavedTree(tree, reading, EnvSpec("CartPole-v1", "CartPole-v1"), {"agent": "ppo"}).save(folder / "tree")
    columns = _columns()
    with h5py.File(folder / "log.h5", "w") as file:
        for name, column in columns.items():
            file[name] = column
    np.savez(folder / "log.npz", **_expert(columns))
    rows = [f"{a},{t},{r},{0.1 * r}" for a in "xy" for t in "uv" for r in range(3)]
    (folder / "scores.csv").write_text("\n".join(["algorithm,task,run,score", *rows]) + "\n")
    (folder / "study.toml").write_text(
        'schema = "rlformer/2"\nenv = "CartPole-v1"\narms = ["random", "bc"]\nseeds = 1\n'
    )


def _columns() -> dict[str, Any]:
    steps = np.arange(60)
    return {
        "observations": np.stack([steps, steps % 7, steps % 5, steps % 3], axis=1).astype(np.float32) / 60,
        "actions": (steps % 2).astype(np.int64),
        "rewards": np.ones(60, np.float32),
        "terminals": steps % 10 == 9,
        "timeouts": np.zeros(60, bool),
    }


def _expert(columns: Mapping[str, Any]) -> dict[str, Any]:
    starts = np.arange(60) % 10 == 0
    return {"obs": columns["observations"], "actions": columns["actions"][:, None], "rewards": columns["rewards"],
            "episode_starts": starts}  # fmt: skip


def cases() -> list[Case]:
    """All of them, each once."""
    found = [*_options(), *_agents(), *_environments(), *_studies(), *_described(), *_hdf5(), *_npz(), *_texts()]
    return list({case.name: case for case in found}.values())


# --- options ---

_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "train-agent": ("train-agent", "CartPole-v1", "--agent", "random"),
    "train-transformer": ("train-transformer", "log", "--env", "none", "--gradient-steps", "1"),
    "collect": ("collect", "random", "--env", "CartPole-v1", "--episodes", "1", "--out", "made"),
    "evaluate": ("evaluate", "random", "--env", "CartPole-v1", "--episodes", "2"),
    "explain": ("explain", "dt", "--env", "CartPole-v1", "--only", "effects"),
    "export": ("export", "dt-paper", "--huggingface", "out"),
    "compare": ("compare", "study.toml", "--save-study", "made.toml"),
    "diagnose": ("diagnose",),
    "report": ("report", "random-run", "--out", "out"),
    "scores": ("report", "--scores", "scores.csv", "--out", "out"),
    "data info": ("data", "info", "log"),
    "data import": ("data", "import", "log.h5", "--out", "made"),
    "data export": ("data", "export", "log", "--minari", "cart/pole-v0"),
    "envs": ("envs",),
    "agents": ("agents",),
}
_COUNT = ("-1", "0", "x", "1.5", "nan", "inf", _HUGE, "", "[1]", "1e3", "0x10")
_SIDE = (*_COUNT, _BIG)  # of what runs side by side, or is made so many times
_SEED = ("-1", "x", "1.5", "nan", "9" * 30, "")
_SHARE = ("-1", "x", "nan", "inf", "", "2", "1e400")
_PRICE = ("-1", "x", "nan", "inf", "", "1e300")
_TEXT = ("", EVIL, "no such", "x" * 300, "../../nothing", "a\nb")
_BAD_OPTIONS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "train-agent": {"--steps": _COUNT, "--seed": _SEED, "--threads": _SIDE, "--agent": (*_TEXT, "dt", "behaviour"),
                    "--prefix": ("0.5", "mid"), "--dataset": _TEXT,
                    "--set": ("x", "=1", "gamma", "steps=3", "a.b=1", "", "é=1")},
    "train-transformer": {"--gradient-steps": _COUNT, "--seed": _SEED, "--threads": _SIDE, "--agent": (*_TEXT, "ppo"),
                          "--target-return": ("nan", "inf", "much", "", "1\nlayers = 3", "[1]", '"', "{ a = 1 }"),
                          "--prefix": ("half", "0", "-1", "1.5", "nan", "inf", "mid", "0.5", "7", "", "[1]"),
                          "--device": ("gpu", "cuda:x", "tpu", "", "cuda:99", "cpu:1"), "--env": _TEXT},
    "collect": {"--episodes": _SIDE, "--seed": _SEED, "--num-envs": _SIDE, "--epsilon": _SHARE, "--env": _TEXT,
                "--steps": ("5", "0", "x")},
    "evaluate": {"--episodes": _SIDE, "--seed": _SEED, "--num-envs": _SIDE, "--env": _TEXT,
                 "--target-return": ("nan", "inf", "much", "", "1 2", "q99")},
    "explain": {"--seed": _SEED, "--distractors": _SIDE, "--only": ("", ",", "all", "effects,x", EVIL), "--env": _TEXT,
                "--dataset": _TEXT, "--prefix": ("mid", "1")},
    "export": {"--sb3": ("x.zip",), "--huggingface": ("dt-paper/record.json/x", "log")},
    "compare": {"--profile": ("quik", "", "QUICK", "1"), "--arms": ("", ",", "dtt", "ppo,x", EVIL, "a" * 999),
                "--seeds": _SIDE, "--log": ("best", "", "prefix=2", "epsilon", "epsilon=2", "prefix=nan", "expert,x"),
                "--dataset": _TEXT, "--device": ("gpu", "cuda:x", "tpu"),
                "--good-enough": ("x", "nan", "inf", "", "1e300"), "--success": ("0", "-1", "2", "x", "nan", "", "0.5"),
                "--set": ("dt.width=3", "x", "random.x=1", "dt.", ".x=1", "zz.a=1", ""),
                "--with": ("grid.seeds=x", "grid.seeds=0", f"grid.seeds={_BIG}", "grid.budgets=", "grid.budgets=[]",
                           "grid.budgets=nan", "grid.budgets=[200]", "seed=3", "verdict.lamda=1", "x", "=1", "log=3",
                           "verdict.margin=0", "verdict.margin=nan", "verdict.threshold=inf", "log.steps=-1",
                           "log.prefix=0", "log.prefix=1.5", "log.agent=dt", "log.agent=x", "runs=", "env=",
                           "env=Nope-v9", "explain=1", "interaction=maybe", f"threads={_BIG}", "log.prefix=999999999")},
    "diagnose": {"--only": ("", ",", "zzz", "99", EVIL), "--seeds": _SIDE, "--profile": ("standard", "", "x"),
                 "--jobs": _SIDE, "--threads": _SIDE},
    "report": {"--threshold": (*_PRICE, "0"), "--lambda": _SHARE, "--price-env": _PRICE, "--price-log": _PRICE,
               "--price-cpu": _PRICE, "--price-evaluation": _PRICE, "--success": ("-1", "2", "x", ""),
               "--good-enough": ("x", ""), "--budget": ("0", "x", ""), "--scores": ("scores.csv",)},
    "scores": {"--scores": ("", "nothing.csv", "log", "study.toml", "random-run/record.json")},
    "data info": {"--env": _TEXT, "--prefix": ("half", "0", "mid", "0.5", "999999")},
    "data import": {"--env": _TEXT, "--out": ("study.toml", "study.toml/x")},
    "data export": {"--minari": ("", "x", "../x-v0", "x y-v0", "x-v", EVIL), "--env": _TEXT},
}  # fmt: skip
_POSITIONS: Mapping[str, tuple[tuple[str, ...], ...]] = {  # what stands where a file or an environment is wanted
    "train-agent": tuple(("train-agent", text) for text in _TEXT),
    "train-transformer": tuple(
        ("train-transformer", text) for text in (*_TEXT, "study.toml", "hf", "scores.csv", "random-run/record.json")
    ),
    "evaluate": tuple(
        ("evaluate", text, "--env", "CartPole-v1", "--episodes", "1")
        for text in (*_TEXT, "log", "study.toml", "log.npz", "x.zip", "log.h5")
    ),
    "collect": tuple(("collect", text, "--episodes", "1") for text in (*_TEXT, "random", "log", "x.zip")),
    "explain": tuple(("explain", text) for text in (*_TEXT, "random", "log", "random-run", "hf")),
    "export": tuple(("export", text, "--huggingface", "out") for text in (*_TEXT, "log", "random-run", "dt")),
    "compare": tuple(("compare", text) for text in (*_TEXT, "nothing.toml", "log", "x.toml/y.toml")),
    "report": tuple(("report", text, "--out", "out") for text in (*_TEXT[1:], "log", "study.toml", "hf")),
    "data info": tuple(("data", "info", text) for text in (*_TEXT, "study.toml", "hf", "scores.csv")),
    "data import": tuple(("data", "import", text, "--out", "made") for text in (*_TEXT, "log", "study.toml")),
}


def _options() -> Iterator[Case]:
    for command, argv in _COMMANDS.items():
        if command != "diagnose":  # it trains for minutes
            yield Case(f"option of {command}", argv, "")
        yield Case(f"option of {command}", (*argv, "--no-such-option"), "no such option")
        yield Case(f"option of {command}", (*argv, "--json=maybe"), "a flag takes no value")
        for option, values in _BAD_OPTIONS.get(command, {}).items():
            for value in values:
                yield Case(f"option of {command}", (*argv, option, value), f"{option} takes no {value[:20]!r}")
            yield Case(f"option of {command}", (*argv, option), f"{option} needs a value")
        for positional in _POSITIONS.get(command, ()):
            yield Case(f"argument of {command}", positional, "it names nothing of that kind")
    yield Case("command", ("tran-agent",), "no such command")
    yield Case("command", ("data", "inof"), "no such command")


# --- cards ---

_WRONG_TYPES = ("[true]", "{ a = 1 }", '"x y"', "1979-05-27", "[[1]]")
_WRONG: Mapping[str, tuple[str, ...]] = {
    "whole": ("-5", _HUGE, "nan", "1.5", "inf", "true", "9" * 40),
    "real": ("nan", "-1e9", "inf", "true", "-inf"),
    "flag": ("1", "0.5", '"yes"', "nan"),
    "text": ('""', "true", "[]", "no-such-word"),
    "sizes": ("[]", "[0]", "[-3]", "[1.5]", "64", f"[{_BIG}]", "[[64]]", "[nan]", '["64"]', f"[{', '.join(['8'] * 99)}]"),
    "auto": ('"warm"', "nan", '"auto_"', '"auto_-1"', '"auto_nan"', "true"),
}  # fmt: skip
_AGENTS = ("ppo", "a2c", "dqn", "sac", "td3", "cql", "td3-bc", "dt")


def _agents() -> Iterator[Case]:
    """Every key of cards of every algorithm, by --set and in a card of the user's own."""
    for name in _AGENTS:
        card = agent_cards.agent(name)
        kind = learner(card.learner)
        assert kind.ranges is not None
        env = "Pendulum-v1" if name in ("sac", "td3", "td3-bc") else "CartPole-v1"
        log = "log" in kind.needs
        command = ("train-transformer", "log") if name == "dt" else ("train-agent", env)
        command = ("train-agent", "--dataset", "log") if log and name != "dt" else command
        for i, (key, allowed) in enumerate(sorted(kind.ranges(card.defaults).items())):
            if key not in card.defaults:
                continue
            own = [v for v in _WRONG[allowed.kind] if not (key == "target_return" and v == "true")]
            own = [v for v in own if v != "-1e9" or allowed.low >= 0]
            for j, value in enumerate((*own[:5], _WRONG_TYPES[i % len(_WRONG_TYPES)])):
                why = f"{key} of {name} is no {value[:20]}"
                if (i + j) % 2:
                    yield Case("key of an agent, --set", (*command, "--agent", name, "--set", f"{key}={value}"), why)
                elif value != "no-such-word":
                    text = f'schema = "rlformer/2"\nextends = "{name}"\n[defaults]\n{key} = {value}\n'
                    yield Case("key of an agent, card", (*command, "--agent", "mine"), why, _card("agents", text))
    head = 'schema = "rlformer/2"\n'
    right = head + 'extends = "random"\nsummary = "s"\nrung = 11\n'
    yield Case("agent's card", ("train-agent", "CartPole-v1", "--agent", "mine"), "", _card("agents", right))
    for text, why in _AGENT_CARDS.items():
        text = text if text.startswith(("extends = 'dt' #", "\ufeff", "schema")) else head + text
        yield Case("agent's card", ("train-agent", "CartPole-v1", "--agent", "mine"), why, _card("agents", text))


_AGENT_CARDS = {
    "extends = 'dt' # no schema\n[defaults]\nwidth = 8\n": "no schema",
    "schema = 3\nextends = 'dt'\nsummary = ''\n": "a schema of another type",
    "schema = 'rlformer/1'\nextends = 'dt'\n": "an older schema",
    "extends = 3": "extends takes a string", "extends = 'nobody'": "extends nobody", "extends = 'mine'": "a circle",
    "learner = 'x'\nrole = 'control'": "no such learner", "learner = 3": "learner takes a string",
    "summary = 's'": "neither learner nor extends", "learner = 'sb3'\nfamily = 'online'": "no defaults",
    "extends = 'ppo'\nrung = 'high'": "rung takes a number", "extends = 'ppo'\nrole = 'x'": "no such role",
    "extends = 'ppo'\nfamily = 'x'": "no such family", "extends = 'ppo'\nprofiles = 'quick'": "profiles is a list",
    "extends = 'ppo'\nprofiles = ['x']": "no such profile", "extends = 'ppo'\nprofiles = [[]]": "no such profile",
    "extends = 'ppo'\ndefault_for = ['x']": "no such actions", "extends = 'ppo'\ncontrasts = [1]": "no contrast",
    "extends = 'ppo'\ncontrasts = [{ question = 'memory' }]": "half a contrast", "extends = 'ppo'\nx = 1": "unknown key",
    "extends = 'ppo'\ndefaults = 3": "defaults is a table", "extends = 'ppo'\npresets = []": "presets is a table",
    "extends = 'ppo'\n[presets]\nX = 3": "a preset is a table", "extends = 'ppo'\n[presets.X]\ngama = 1": "unknown key",
    "extends = 'ppo'\n[defaults]\ngama = 1": "unknown key", "extends = 'ppo'\n[defaults]\nhidden = {}": "a table",
    "extends = 'ppo'\n[defaults]\nlearning_rate = { start = 1 }": "half a schedule",
    "extends = 'ppo'\n[defaults]\nlearning_rate = { start = nan, end = 0.0 }": "a schedule from nan",
    "extends = 'ppo'\n[defaults]\ngamma = { start = 0.1, end = 0.2 }": "no schedule of gamma",
    "extends = 'ppo'\ntuning = 3": "tuning takes a string", "extends = 'ppo'\nextra = []": "extra takes a string",
    "extends = 'ppo'\n[defaults\n": "no TOML", "extends = 'ppo'\nextends = 'dt'\n": "a key twice",
    "a = " + "[" * 2000: "nested without end", "extends = '\x1b[2J'": "a control character in TOML",
}  # fmt: skip

_ENV_CARDS = {
    "summary = 's'": "no id", "id = 3": "id takes a string", "id = ''": "an empty id", "id = 'Nope-v9'": "no such id",
    "id = 'CartPole'": "an id without a version", "id = 'no_module:X-v0'": "no such module", "id = 'a b:X-v0'": "no name",
    "id = 'CartPole-v1'\nx = 1": "unknown key", "id = 'CartPole-v1'\nkwargs = 3": "kwargs is a table",
    "id = 'CartPole-v1'\n[kwargs]\nnope = 1": "no such keyword", "id = 'CartPole-v1'\nwrappers = 3": "a list",
    "id = 'CartPole-v1'\nwrappers = ['flatten']": "a wrapper is a table",
    "id = 'CartPole-v1'\nwrappers = [{}]": "a wrapper without a kind",
    "id = 'CartPole-v1'\nwrappers = [{ kind = 3 }]": "kind takes a string",
    "id = 'CartPole-v1'\nwrappers = [{ kind = 'zoom' }]": "no such wrapper",
    **{f"id = 'CartPole-v1'\nwrappers = [{{ kind = 'time_limit', steps = {v} }}]": f"steps is no {v}"
       for v in ("0", "-1", "1.5", "'x'", "nan", "true", _HUGE, "[]")},
    "id = 'CartPole-v1'\nwrappers = [{ kind = 'time_limit' }]": "no steps",
    "id = 'CartPole-v1'\nwrappers = [{ kind = 'time_limit', steps = 3, x = 1 }]": "unknown key",
    **{f"id = 'CartPole-v1'\nwrappers = [{{ kind = 'observation_noise', std = {v} }}]": f"std is no {v}"
       for v in ("-1.0", "nan", "inf", "'x'", "true", "[]")},
    **{f"id = 'CartPole-v1'\nwrappers = [{{ kind = 'distractors', count = {v} }}]": f"count is no {v}"
       for v in ("0", "-1", "1.5", "'x'", _BIG, "true")},
    **{f"id = 'CartPole-v1'\n[scores]\n{key} = {v}": f"{key} is no {v}"
       for key in ("random", "reference", "solved") for v in ("nan", "inf", "'x'", "true", "[]", "{}")},
    "id = 'CartPole-v1'\n[scores]\nrandom = 3\nreference = 3": "random is reference",
    "id = 'CartPole-v1'\n[scores]\nrandm = 3": "unknown key", "id = 'CartPole-v1'\nscores = []": "scores is a table",
    "id = 'CartPole-v1'\n[features]\nobservation = ['a']": "one name for four numbers",
    "id = 'CartPole-v1'\n[features]\nobservation = 'a'": "a list", "id = 'CartPole-v1'\n[features]\nx = []": "unknown",
    "id = 'CartPole-v1'\n[features]\nobservation = [1, 2, 3, 4]": "names are strings",
    "id = 'CartPole-v1'\n[features]\naction = ['a', 'b', 'c']": "three names for two categories",
    "id = 'CartPole-v1'\nsummary = 3": "summary takes a string", "id = 'CartPole-v1'\nextra = []": "a string",
    "id = [": "no TOML", "a" + ".a" * 3000 + " = 1": "nested without end",
}  # fmt: skip


def _environments() -> Iterator[Case]:
    head = 'schema = "rlformer/2"\n'
    argv = ("evaluate", "random", "--env", "Mine", "--episodes", "1")
    right = head + "id = 'CartPole-v1'\n[scores]\nrandom = 1\nreference = 3\n"
    yield Case("environment's card", argv, "", _card("envs", right, "Mine"))
    for text, why in _ENV_CARDS.items():
        yield Case("environment's card", argv, why, _card("envs", head + text, "Mine"))
    yield Case("environment's card", argv, "no schema", _card("envs", "id = 'CartPole-v1'\nsummary = ''\n", "Mine"))


def _card(kind: str, text: str, name: str = "mine") -> Prepare:
    def write(folder: Path) -> None:
        (folder / kind).mkdir()
        (folder / kind / f"{name}.toml").write_text(text)

    return write


# --- study files ---

_STUDY = {
    "env": ("3", "''", "'Nope-v9'", "[]"), "profile": ("'x'", "3", "[]", "{}"), "arms": ("[]", "['x']", "[3]", "3"),
    "seeds": ("0", "-1", "1.5", "'2'", "nan", _BIG, _HUGE, "[]", "true"), "explain": ("1", "'x'", "[]"),
    "interaction": ("1", "'x'", "[]"), "selection": ("1", "'x'", "[]"), "device": ("'tpu'", "3", "''"),
    "runs": ("3", "''", "[]"),
    "threads": ("0", "-1", "1.5", "'x'", _BIG, "true"), "schema": ("'rlformer/1'", "3", "[]"), "x": ("1",), "log": ("3",),
    "log.data": ("3", "''", "'nothing'", "[]"), "log.kinds": ("'x'", "['x']", "[3]", "3", "['epsilon=2']"),
    "log.prefix": ("'half'", "0", "-1", "nan", "[]", "true", "1.5"), "log.agent": ("'x'", "'dt'", "3", "''"),
    "log.steps": ("-1", "1.5", "'x'", "nan", _HUGE, "true", "[]"), "grid.arms": ("[]", "['x']", "3"),
    "grid.budgets": ("[]", "[200]", "[0]", "[nan]", "'x'", "99", "[true]", "{}", "[[1]]", "['']"),
    "grid.seeds": ("0", "-1", "'x'", _BIG, "1.5", "true"), "verdict.threshold": ("0", "-1", "nan", "inf", "'x'", "true"),
    "verdict.good_enough": ("nan", "inf", "'x'", "true", "[]"), "verdict.success": ("0", "-1", "2", "nan", "'x'", "true"),
    "verdict.budget": ("0", "-1", "1.5", "'x'", "true"),
    "verdict.margin": ("0", "-1", "nan", "inf", "'x'", "[]"), "verdict.lambda": ("-1", "2", "nan", "'x'", "true"),
    "verdict.price_env": ("-1", "nan", "inf", "'x'", "1e300"), "verdict.price_log": ("-1", "nan", "'x'", "[]"),
    "verdict.price_cpu": ("-1", "nan", "inf", "'x'", "{}"), "verdict.price_evaluation": ("-1", "nan", "'x'"),
    "verdict.x": ("1",), "set.dt": ("3", "['x']", "[3]", "{}"),
    "set.nobody": ("['a=1']",), "set.random": ("['a=1']",), "grid.x": ("1",), "verdict": ("3", "[]"),
}  # fmt: skip


def _studies() -> Iterator[Case]:
    argv = ("compare", "mine.toml", "--save-study", "made.toml")
    base = {"schema": '"rlformer/2"', "env": '"CartPole-v1"', "arms": '["random", "bc"]', "seeds": "1"}
    yield Case("study file", argv, "", _text("mine.toml", "\n".join(f"{k} = {v}" for k, v in base.items())))
    for key, values in _STUDY.items():
        for value in values:
            text = "\n".join(f"{k} = {v}" for k, v in {**base, key: value}.items())
            yield Case("study file", argv, f"{key} is no {value}", _text("mine.toml", text))
    for text, why in {"": "empty", "\0": "no text", "env = [": "no TOML", "seeds = 1": "no env", "[[env]]": "no env",
                      "env = 'CartPole-v1'\nenv = 'x'": "a key twice", "a = " + "[" * 9999: "nested"}.items():  # fmt: skip
        yield Case("study file", argv, why, _text("mine.toml", text))


def _text(name: str, text: str | bytes) -> Prepare:
    def write(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))

    return write


# --- our own files, each field of another type ---

_EVALUATE_RUN = ("evaluate", "random-run", "--episodes", "1")
_DESCRIBED: Mapping[str, tuple[str, ...]] = {
    "random-run/spec.toml": _EVALUATE_RUN,
    "random-run/record.json": ("report", "random-run", "--out", "out"),
    "random-run/eval/final.json": ("report", "random-run", "--out", "out"),
    "dt/spec.toml": ("evaluate", "dt", "--env", "CartPole-v1", "--episodes", "1"),
    "dt/checkpoints/best/model.json": ("evaluate", "dt", "--env", "CartPole-v1", "--episodes", "1"),
    "tree/tree.json": ("evaluate", "tree", "--env", "CartPole-v1", "--episodes", "1"),
    "hf/config.json": ("evaluate", "hf", "--env", "CartPole-v1", "--episodes", "1"),
    "hf/rlformer.json": ("evaluate", "hf", "--env", "CartPole-v1", "--episodes", "1"),
    "log/dataset.json": ("data", "info", "log"),
}
# Fields that hold whatever was written there, or nothing that the command reads.
_FREE = ("stamp", "hardware", "versions", "progress", "provenance", "kwargs", "times", "flops", "inference_seconds", "scales",
         "vocab_size", "architectures", "embd_pdrop", "attn_pdrop", "resid_pdrop", "n_positions", "source", "coverage",
         "inputs.0.task", "env_definition", "of")  # fmt: skip
_TEXTS = ("", "{", "[]", "null", "3", '"x"', "{}", "\0", "[" * 9999, '{"a": NaN}', "\xff", '{"a": 1, "a": 2}')


def _described() -> Iterator[Case]:
    for path, argv in _DESCRIBED.items():
        yield Case(Path(path).name, argv, "")
        for text in _TEXTS:
            yield Case(Path(path).name, argv, f"its text is {text[:12]!r}", _text(path, text.encode("latin-1")))
        yield Case(Path(path).name, argv, "cut in half", _halved(path))


def fields_of(folder: Path) -> Iterator[Case]:
    """The fields of files that `fixtures` wrote below the folder, each of another type, or gone."""
    for path, argv in _DESCRIBED.items():
        text = (folder / path).read_text()
        data: Any = tomllib.loads(text) if path.endswith(".toml") else json.loads(text)
        for where, value in _leaves(data):
            if path == "hf/rlformer.json" and where == ("schema",):  # not read there
                continue
            if any(part in _FREE for part in where) or (where[-1] == "id" and path.startswith("log")):
                continue
            for other in _others(value, path.endswith(".toml")):
                why = f"{'.'.join(map(str, where))} is no {str(other)[:12]!r}"
                yield Case(f"field of {Path(path).name}", argv, why, _field(path, where, other))


def _leaves(value: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if where:
        yield where, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*where, key))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield from _leaves(value[0], (*where, 0))


def _others(value: Any, toml: bool) -> tuple[Any, ...]:
    """Values of other types than this one's."""
    if isinstance(value, bool):
        return ("x", [3])
    if isinstance(value, (int, float)):
        return ("x", [value], {"a": 1})
    if isinstance(value, str):
        return (5, ["x"])
    if isinstance(value, list):
        return ("x", 5)
    if isinstance(value, dict):
        return ("x", 5)
    return () if toml else ({"a": 1},)


def _field(path: str, where: tuple[Any, ...], other: Any) -> Prepare:
    def change(folder: Path) -> None:
        file = folder / path
        text = file.read_text()
        data: Any = tomllib.loads(text) if path.endswith(".toml") else json.loads(text)
        inner = data
        for key in where[:-1]:
            inner = inner[key]
        inner[where[-1]] = other
        _text(path, tomli_w.dumps(data) if path.endswith(".toml") else json.dumps(data))(folder)

    return change


def _halved(path: str) -> Prepare:
    def cut(folder: Path) -> None:
        whole = (folder / path).read_bytes()
        _text(path, whole[: len(whole) // 2])(folder)

    return cut


# --- logs of others ---


def _hdf5() -> Iterator[Case]:
    argv = ("data", "info", "mine.h5", "--env", "CartPole-v1")
    steps = 60
    yield Case("HDF5", argv, "", _h5({}))
    for name in _columns():
        if name not in ("timeouts", "terminals"):  # the time limit of the environment stands in their place
            yield Case("HDF5", argv, f"no {name}", _h5({name: None}))
        for value, why in (
            (np.zeros(0), "empty"), (np.zeros(steps - 1), "of another length"), (np.array(["x"] * steps, "S1"), "text"),
            (np.float64(3), "one number"),
        ):  # fmt: skip
            yield Case("HDF5", argv, f"{name} is {why}", _h5({name: value}))
    nan, late = np.full((steps, 4), np.nan, np.float32), np.full(steps, 7)
    yield Case("HDF5", argv, "observations are NaN", _h5({"observations": nan}))
    yield Case("HDF5", argv, "rewards are NaN", _h5({"rewards": np.full(steps, np.nan)}))
    yield Case("HDF5", argv, "actions that are none of the environment's", _h5({"actions": late}))
    yield Case("HDF5", argv, "observations of another width", _h5({"observations": np.zeros((steps, 3), np.float32)}))

    def edit(change: Callable[[h5py.File], None]) -> Prepare:
        def write(folder: Path) -> None:
            _h5({"observations": None})(folder)
            with h5py.File(folder / "mine.h5", "a") as file:
                change(file)

        return write

    def virtual(file: h5py.File) -> None:
        layout = h5py.VirtualLayout((steps, 4), "f4")
        layout[:] = h5py.VirtualSource("log.h5", "observations", (steps, 4), "f4")
        file.create_virtual_dataset("observations", layout)

    def link(target: Any) -> Callable[[h5py.File], None]:
        def put(file: h5py.File) -> None:
            file["observations"] = target

        return put

    def stored(file: h5py.File) -> None:
        file.create_dataset("observations", (steps, 4), "f4", external=[("/etc/passwd", 0, steps * 16)])

    def sparse(file: h5py.File) -> None:
        file.create_dataset("observations", (10**9, 4), "f4", chunks=(1024, 4))

    for change, why in (
        (virtual, "a virtual dataset"), (link(h5py.ExternalLink("log.h5", "observations")), "an external link"),
        (link(h5py.SoftLink("/nowhere")), "a link that leads nowhere"), (stored, "external storage"), (sparse, "a bomb"),
        (lambda file: file.create_group("observations"), "a group for a column"),
    ):  # fmt: skip
        yield Case("HDF5", argv, why, edit(change))
    yield from _torn("HDF5", argv, "log.h5", "mine.h5")


def _h5(changed: Mapping[str, Any]) -> Prepare:
    def write(folder: Path) -> None:
        with h5py.File(folder / "mine.h5", "w") as file:
            for name, column in {**_columns(), **changed}.items():
                if column is not None:
                    file[name] = column

    return write


def _torn(kind: str, argv: tuple[str, ...], source: str, target: str) -> Iterator[Case]:
    for share in (0.01, 0.1, 0.3, 0.5, 0.7, 0.9):

        def cut(folder: Path, share: float = share) -> None:
            whole = (folder / source).read_bytes()
            (folder / target).write_bytes(whole[: int(share * len(whole))])

        yield Case(kind, argv, f"the first {share:.0%} of a file", cut)


def _npz() -> Iterator[Case]:
    argv = ("data", "info", "mine.npz", "--env", "CartPole-v1")
    yield Case("NPZ", argv, "", _savez({}))
    starts = np.zeros(60, bool)
    for name in ("obs", "actions", "rewards", "episode_starts"):
        yield Case("NPZ", argv, f"no {name}", _savez({name: None}))
        for value, why in (
            (np.zeros(0), "empty"), (np.ones(59), "of another length"), (np.array(["x"] * 60), "text"),
            (np.float64(3), "one number"), (np.array([{}] * 60, object), "pickled"),
        ):  # fmt: skip
            yield Case("NPZ", argv, f"{name} is {why}", _savez({name: value}))
    yield Case("NPZ", argv, "no episode begins", _savez({"episode_starts": starts}))
    yield Case("NPZ", argv, "rewards are NaN", _savez({"rewards": np.full(60, np.nan)}))
    yield Case("NPZ", argv, "observations are infinite", _savez({"obs": np.full((60, 4), np.inf)}))
    yield Case("NPZ", argv, "no such category", _savez({"actions": np.full(60, 9)}))
    for name in ("../x", "/x", "x" * 300):
        yield Case("NPZ", argv, f"a member {name[:6]!r}", _zip({name: b""}))

    def bomb(folder: Path) -> None:
        with zipfile.ZipFile(folder / "mine.npz", "w", zipfile.ZIP_DEFLATED) as z, z.open("obs.npy", "w") as file:
            for _ in range(300):
                file.write(bytes(1 << 20))

    def encrypted(folder: Path) -> None:
        _savez({})(folder)
        content = bytearray((folder / "mine.npz").read_bytes())
        content[content.index(b"PK\x01\x02") + 8] |= 1
        (folder / "mine.npz").write_bytes(content)

    header = b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,), }"
    yield Case("NPZ", argv, "a bomb", bomb)
    yield Case("NPZ", argv, "encrypted", encrypted)
    yield Case("NPZ", argv, "a header that lies", _zip({"obs.npy": header.ljust(127) + b"\n" + bytes(9)}))
    yield Case("NPZ", argv, "no header", _zip({"obs.npy": b"x"}))
    yield from _torn("NPZ", argv, "log.npz", "mine.npz")
    for text, why in {b"PK\x03\x04": "four bytes", b"PK\x03\x04" + bytes(99): "zeros"}.items():
        yield Case("NPZ", argv, why, _text("mine.npz", text))


def _savez(changed: Mapping[str, Any]) -> Prepare:
    def write(folder: Path) -> None:
        whole = {**_expert(_columns()), **changed}
        np.savez(folder / "mine.npz", **{name: value for name, value in whole.items() if value is not None})

    return write


def _zip(members: Mapping[str, bytes]) -> Prepare:
    def write(folder: Path) -> None:
        with zipfile.ZipFile(folder / "mine.npz", "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)

    return write


def _texts() -> Iterator[Case]:
    """Files of scores, zips of agents, modules that a run names."""
    argv = ("report", "--scores", "mine.csv", "--out", "out")
    head = "algorithm,task,run,score\n"
    for text, why in {
        "": "empty", "a,b\n1,2\n": "other columns", head: "no rows", head + "a,b,c\n": "a short row",
        head + "a,b,0,x\n": "a score of text", head + "a,b,0,nan\n": "a score that is NaN", head + "a,b,0,inf\n": "inf",
        head + "a,b,0,1\na,b,0,2\n": "a run twice", head + ",b,0,1\n": "no algorithm", "\xff\xfe\0": "no text",
        head + "a,u,0,1\nb,v,0,1\n": "no task of all", head + "a,b,0,1e999\n": "too large a score",
    }.items():  # fmt: skip
        yield Case("scores", argv, why, _text("mine.csv", text.encode("latin-1")))
    argv = ("evaluate", "mine.zip", "--trust", "--env", "CartPole-v1", "--episodes", "1")
    for content, why in {b"": "empty", b"PK\x03\x04": "torn", b"x" * 99: "no zip"}.items():
        yield Case("zip of an agent", argv, why, _text("mine.zip", content))
    for members, why in (({}, "an empty zip"), ({"data": b"[]"}, "no description"), ({"data": b"{"}, "torn JSON"),
                         ({"data": b"[" * 9999}, "nested"), ({"data": b"{}"}, "no algorithm")):  # fmt: skip

        def write(folder: Path, members: Mapping[str, bytes] = members) -> None:
            with zipfile.ZipFile(folder / "mine.zip", "w") as archive:
                for name, content in members.items():
                    archive.writestr(name, content)

        yield Case("zip of an agent", argv, why, write)
    yield Case(
        "zip of an agent", ("evaluate", "mine.zip", "--env", "CartPole-v1"), "no --trust", _text("mine.zip", b"x")
    )

    def names_a_module(folder: Path) -> None:
        (folder / "evil.py").write_text("from pathlib import Path\nPath('imported').touch()\n")
        _field("random-run/spec.toml", ("env", "id"), "evil:X-v0")(folder)
        _field("tree/tree.json", ("env", "id"), "evil:X-v0")(folder)

    for command in (
        _EVALUATE_RUN,
        ("collect", "random-run", "--episodes", "1"),
        ("evaluate", "tree", "--episodes", "1"),
    ):
        yield Case("module that a file names", command, "nobody allowed it", names_a_module)
