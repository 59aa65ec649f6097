"""A study as a value and as a file: everything that decides what `compare` does, but for how many run side by side.

The file is TOML; its paths are relative to the current folder. `KEYS` lists what it may hold; `--with KEY=VALUE` sets
any of these keys from the command line.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tomli_w

from rlformer.core import files, notebook, untrusted
from rlformer.core.errors import InputError, unknown
from rlformer.core.ranges import shown
from rlformer.core.records import SCHEMA
from rlformer.evaluator.judge.terms import Terms
from rlformer.runs.inputs import Cut, Recipe
from rlformer.studies import read_values
from rlformer.studies.arms import PROFILES


@dataclass(frozen=True)
class Log:
    """Which log the offline arms learn from: one that exists, or one that the study makes for each seed."""

    data: str | None = None  # what exists, as `open_data` takes it
    kinds: tuple[str, ...] | None = None  # how to make others, as `Recipe.parse` takes them; None: a training, cut
    prefix: str | None = None  # how much is read, as `Cut.parse` takes it; None: all of `data`, "mid" of a training
    agent: str | None = None  # who is trained, and plays; None: the first online agent that fits
    steps: int = 0  # of a collected log; 0: as many as the training, at most 100,000
    map: tuple[str, ...] | None = None  # which columns of `data` hold what, as `--map` takes them
    reward_column: int | None = None  # which of several rewards of `data` is meant

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """How the logs are made that the study makes."""
        if self.kinds is not None:
            return tuple(dict.fromkeys(Recipe.parse(kind) for kind in self.kinds))
        return (Recipe(Cut("mid") if self.prefix is None else Cut.parse(self.prefix)),)


@dataclass(frozen=True)
class Grid:
    """The data-scaling grid: shares and multiples of the log, who learns from them, and on how many seeds."""

    budgets: tuple[float, ...] | None = None  # None: the profile's; none of them: no grid
    arms: tuple[str, ...] | None = None  # of those that the study has; None: the profile's
    seeds: int | None = None  # at most; None: all that an arm has


@dataclass(frozen=True)
class Study:
    """What is compared on which task, and on which terms it is judged."""

    env: str  # a card's name, a Gymnasium id, or module:Name-v0
    profile: str = "quick"
    arms: tuple[str, ...] | None = None  # agents, "online" and "offline-rl"; None: the profile's
    seeds: int | None = None  # None: as many as the profile says
    selection: bool = True  # whether the first seeds choose among the arms of a family, and one alone has the others
    log: Log = field(default_factory=Log)
    grid: Grid = field(default_factory=Grid)
    overrides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by agent, as `--set` takes them
    max_minutes: float | None = None  # of wall time; None: as many as it takes
    fitted: Mapping[str, tuple[str, ...]] | None = None  # values that fit it into them; None: not fitted yet
    episodes: int | None = None  # of a run's evaluation; None: 100
    time_limit: int | None = None  # steps after which an episode ends; None: the environment's own
    terms: Terms = field(default_factory=Terms)  # of the verdict; `interaction` also bars what learns by stepping
    explain: bool = False  # also explain what the trained arms learned
    device: str = "cpu"  # of learners that may use a GPU: cpu, cuda, cuda:N or auto
    threads: int = 1  # of a run
    runs: str = "runs"  # the folder of run directories
    trust: bool = False  # whether the .zip files of its arms may be unpickled: said by who runs it, never by a file
    file: Path | None = field(default=None, compare=False)  # that it was read from, for messages

    @classmethod
    def read(cls, path: Path) -> Study:
        """The study in a file. Raises InputError with the file and the key where something is wrong with it."""
        table = untrusted.toml_table(path)
        schema = table.pop("schema", SCHEMA)
        if schema != SCHEMA:
            raise InputError(f"{path}: schema: {shown(schema)}, this version reads '{SCHEMA}'")
        fitted = table.pop("fitted", None)
        values = _flat(table) | ({} if fitted is None else {"fitted": fitted})
        if "env" not in values:
            raise InputError(f"{path}: env: which environment? It is missing")
        try:
            return cls(env="", file=path).with_values(values)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    def with_values(self, values: Mapping[str, object]) -> Study:
        """The study with keys of its file changed. Raises InputError that begins with the key for what makes no sense.

        >>> study = Study("CartPole-v1").with_values({"verdict.lambda": 0.5, "log.kinds": "expert,mixed"})
        >>> study.terms.share, study.log.kinds
        (0.5, ('expert', 'mixed'))
        """
        study = self
        for key, value in values.items():
            agent = key.removeprefix("set.")
            if agent != key:
                strings = read_values.settings(key, value)
                study = replace(study, overrides={**study.overrides, agent: strings})
            elif key == "fitted":
                study = replace(study, fitted=_checked(read_values.tables, key, value))
            elif key in KEYS:
                if key == "max_minutes":
                    study = replace(study, fitted=None)  # into another time
                study = _replaced(study, key, KEYS[key].path, KEYS[key].checked(key, value))
            elif inner := [known for known in KEYS if known.startswith(f"{key}.")]:
                raise InputError(f"{key}: a table is expected, with {', '.join(inner)}; got {shown(value)}")
            else:
                raise InputError(f"{key}: {unknown('key', key, KEYS)}")
        return study

    def check(self) -> None:
        """Raise InputError, with the key, where a value makes no sense: of a study that no file gave."""
        for key, known in KEYS.items():
            value = known.of(self)
            if value is not None:
                known.checked(key, value)

    def _repr_html_(self) -> str:
        """For a notebook: every key that is not left to the profile."""
        rows = [(key, value) for key, known in KEYS.items() if (value := known.of(self)) is not None]
        return notebook.table(["key", "value"], rows, f"Study of {self.env}")

    def to_dict(self) -> dict[str, Any]:
        """A TOML-ready form of all that is not left to the profile."""
        table: dict[str, Any] = {"schema": SCHEMA}
        for key, known in KEYS.items():
            value = known.of(self)
            if value is None:
                continue
            *parents, last = key.split(".")
            inner = table
            for parent in parents:
                inner = inner.setdefault(parent, {})
            inner[last] = value
        if self.overrides:
            table["set"] = {agent: list(values) for agent, values in self.overrides.items()}
        if self.fitted is not None:
            table["fitted"] = {agent: list(values) for agent, values in self.fitted.items()}
        return table

    def write(self, path: Path) -> None:
        """As a file that `read` reads, with a comment that names the other keys.

        Raises InputError where it cannot be written.
        """
        if path.is_dir():
            raise InputError(f"{path}: there is a folder where the study file should be written")
        files.writable_directory(path.parent)
        others = [key for key, known in KEYS.items() if known.of(self) is None]
        rest = textwrap.fill(f"Left to the profile: {', '.join(others)}; set.AGENT.", 118)
        files.write_text(path, textwrap.indent(rest, "# ") + "\n" + tomli_w.dumps(self.to_dict()))


@dataclass(frozen=True)
class Key:
    """A key of a study file."""

    path: tuple[str, ...]  # where its value stands in a `Study`
    read: Callable[[str, object], Any]  # (key, value as TOML or a bare word) -> that value; raises InputError
    none: str | None = None  # what stands for a list of nothing, where that makes sense

    def of(self, study: Study) -> Any:
        """The value in a study, TOML-ready."""
        value: Any = study
        for name in self.path:
            value = getattr(value, name)
        if value == () and self.none is not None:
            return self.none
        return list(value) if isinstance(value, tuple) else value

    def checked(self, key: str, value: object) -> Any:
        """`read`, whose errors begin with the key."""
        return _checked(self.read, key, value)


def _checked(read: Callable[[str, object], Any], key: str, value: object) -> Any:
    try:
        return read(key, value)
    except InputError as error:
        raise _named(key, error) from error


KEYS: Mapping[str, Key] = {
    "env": Key(("env",), read_values.environment),
    "profile": Key(("profile",), read_values.one_of("profile", PROFILES)),
    "arms": Key(("arms",), read_values.arms),
    "seeds": Key(("seeds",), read_values.number),
    "selection": Key(("selection",), read_values.flag),
    "max_minutes": Key(("max_minutes",), read_values.number),
    "episodes": Key(("episodes",), read_values.number),
    "time_limit": Key(("time_limit",), read_values.number),
    "explain": Key(("explain",), read_values.flag),
    "interaction": Key(("terms", "interaction"), read_values.flag),
    "device": Key(("device",), read_values.text),
    "threads": Key(("threads",), read_values.number),
    "runs": Key(("runs",), read_values.text),
    "log.data": Key(("log", "data"), read_values.text),
    "log.kinds": Key(("log", "kinds"), read_values.recipes),
    "log.prefix": Key(("log", "prefix"), read_values.cut),
    "log.agent": Key(("log", "agent"), read_values.agent),
    "log.steps": Key(("log", "steps"), read_values.number),
    "log.map": Key(("log", "map"), read_values.columns),
    "log.reward_column": Key(("log", "reward_column"), read_values.number),
    "grid.budgets": Key(("grid", "budgets"), read_values.budgets, read_values.NONE),
    "grid.arms": Key(("grid", "arms"), read_values.arms),
    "grid.seeds": Key(("grid", "seeds"), read_values.number),
    "verdict.threshold": Key(("terms", "threshold"), read_values.number),
    "verdict.good_enough": Key(("terms", "good_enough"), read_values.number),
    "verdict.success": Key(("terms", "success"), read_values.number),
    "verdict.budget": Key(("terms", "budget"), read_values.number),
    "verdict.margin": Key(("terms", "margin"), read_values.number),
    "verdict.lambda": Key(("terms", "share"), read_values.number),
    "verdict.price_env": Key(("terms", "env_step"), read_values.number),
    "verdict.price_log": Key(("terms", "logged_step"), read_values.number),
    "verdict.price_cpu": Key(("terms", "cpu_second"), read_values.number),
    "verdict.price_evaluation": Key(("terms", "evaluation_step"), read_values.number),
}


def _replaced(value: Any, key: str, path: tuple[str, ...], new: Any) -> Any:
    """`value` with the field at `path` changed, dataclasses inside included."""
    name, *rest = path
    if rest:
        new = _replaced(getattr(value, name), key, tuple(rest), new)
    try:
        return replace(value, **{name: new})
    except InputError as error:  # the value is of the right kind, and still makes no sense
        raise _named(key, error) from error


def _named(key: str, error: InputError) -> InputError:
    message = str(error)
    return InputError(message if message.startswith(key) else f"{key}: {message}")


def _flat(table: Mapping[str, Any]) -> dict[str, object]:
    """Tables as dotted keys."""
    found: dict[str, object] = {}
    for key, value in table.items():
        if isinstance(value, Mapping) and not (key in KEYS and not value):  # an empty table is no value
            found |= {f"{key}.{inner}": each for inner, each in value.items()}
        else:
            found[key] = value
    return found
