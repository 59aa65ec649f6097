"""Under which names a log's columns are read, in files and frames of every format: `KEYS` is the whole table.

Names are compared without regard to case. What several columns hold together may be spread: `observation_0`,
`observation_1`, ... are read in the order of their numbers (from 0 or 1), `observation_speed`, ... in the file's
order, and the members of a group or dict (`observations/speed`, `observations.speed`) as the parts of a Dict, in the
order of `envs.spaces`. `docs/logs.md` shows the table to users.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from rlformer.core.errors import InputError, unknown

_LISTED = 20  # names of columns in a message, at most


@dataclass(frozen=True)
class Key:
    """One thing that a log holds, and what others call it; of several names that are there the first counts."""

    name: str  # in `--map NAME=COLUMN`
    names: tuple[str, ...]
    meaning: str
    spread: bool = False  # whether several columns may hold it together


KEYS: Mapping[str, Key] = {
    key.name: key
    for key in (
        Key(
            "observations",
            ("observations", "observation", "obs", "states", "state"),
            "observation before each action; with one extra row per episode, also the last observation",
            spread=True,
        ),
        Key(
            "next_observations",
            (
                *("next_observations", "next_observation", "next_obs", "obs_next", "new_obs"),
                *("next_states", "next_state"),
            ),
            "observation after each action; only the last one of each episode is kept",
            spread=True,
        ),
        Key("actions", ("actions", "action", "acts", "act"), "action taken at each step", spread=True),
        Key("rewards", ("rewards", "reward", "rews", "rew", "next.reward"), "reward for each action"),
        Key(
            "terminated",
            ("terminals", "terminated", "terminations", "terminal", "terminateds"),
            "whether the step terminated the episode; one flag per step or per episode",
        ),
        Key(
            "truncated",
            ("timeouts", "truncated", "truncations", "timeout", "truncateds"),
            "whether a time limit cut the episode off there; one flag per step or per episode",
        ),
        Key(
            "ends",
            ("episode_terminals", "episode_ends", "ends", "dones", "done", "next.done"),
            "whether the step was the last of its episode, however the episode ended",
        ),
        Key("starts", ("episode_starts", "starts"), "whether the step was the first of its episode"),
        Key(
            "episode",
            (
                *("episode", "episode_id", "episode_ids", "episode_index", "eps_id"),
                *("trajectory", "trajectory_id", "traj_id"),
            ),
            "which episode the step belongs to (numbers or words)",
        ),
        Key(
            "step",
            ("step", "t", "timestep", "timesteps", "time_step", "frame_index"),
            "number of the step within its episode; rows of tables are sorted by it",
        ),
        Key("lengths", ("episode_lengths",), "number of steps of each episode"),
        Key("indices", ("indices",), "step at which each episode after the first begins (imitation library)"),
        Key("returns", ("episode_returns",), "return of each episode; only the number of returns is checked"),
    )
}
NEEDED = ("observations", "actions", "rewards")
BOUNDARIES = ("indices", "lengths", "starts", "episode", "ends", "terminated", "truncated", "step")  # first goes first


@dataclass(frozen=True)
class Choice:
    """How a person says that a log is to be read, where its names do not tell.

    columns: for names of `KEYS` the columns that hold them, in the order in which they are read. reward_column:
    which of several numbers is the reward, from 0.
    """

    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reward_column: int | None = None

    @classmethod
    def of(cls, columns: Mapping[str, str | Sequence[str]] | None, reward_column: int | None = None) -> Choice:
        """Raises InputError for a key that is none, or one without a column."""
        chosen: dict[str, tuple[str, ...]] = {}
        for key, names in (columns or {}).items():
            if key not in KEYS:
                raise InputError(f"map: {unknown('key', str(key), KEYS)}")
            listed = (names,) if isinstance(names, str) else tuple(map(str, names))
            if not listed or not all(listed):
                raise InputError(f"map: {key}: which column? None is named")
            if len(listed) > 1 and not KEYS[key].spread:
                raise InputError(f"map: {key}: one column, not {', '.join(listed)}")
            chosen[key] = listed
        if reward_column is not None and reward_column < 0:
            raise InputError(f"reward column {reward_column}: they count from 0")
        return cls(chosen, reward_column)

    @classmethod
    def parse(cls, maps: Sequence[str] | None, reward_column: int | None = None) -> Choice:
        """From `KEY=COLUMN[,COLUMN...]` strings, as `--map` takes them.

        >>> Choice.parse(["observations=x,y", "rewards=r"]).columns["observations"]
        ('x', 'y')
        """
        columns: dict[str, Sequence[str]] = {}
        for text in maps or ():
            key, equals, names = text.partition("=")
            if not equals:
                raise InputError(f"--map '{text}': KEY=COLUMN[,COLUMN...], KEY one of {', '.join(KEYS)}")
            columns[key.strip()] = [name.strip() for name in names.split(",")]
        return cls.of(columns, reward_column)

    def to_dict(self) -> dict[str, object]:
        """A JSON-ready form without what was not chosen."""
        chosen: dict[str, object] = {key: list(names) for key, names in sorted(self.columns.items())}
        return chosen if self.reward_column is None else {**chosen, "reward_column": self.reward_column}


AS_NAMED = Choice()


@dataclass(frozen=True)
class Found:
    """The columns that hold one key. parts: their names within a Dict; none where they are one array together."""

    columns: tuple[str, ...]
    parts: tuple[str, ...] = ()


def locate(names: Collection[str], choice: Choice = AS_NAMED, features: Sequence[str] = ()) -> dict[str, Found]:
    """Where a file of these column names holds each key of `KEYS`, as far as it does.

    features: what the environment's card calls its observation, tried where nothing else holds it. Raises InputError
    where the choice names a column that is not there, or one of several numbered columns is missing.
    """
    found = {key: _chosen(KEYS[key], columns, names) for key, columns in choice.columns.items()}
    taken = {column for each in found.values() for column in each.columns}
    for key in ("next_observations", *KEYS):  # obs_next is no obs
        free = [name for name in names if name not in taken]
        if key not in found and (here := _named(KEYS[key], free)) is not None:
            found[key] = here
            taken.update(here.columns)
    if "observations" not in found and features and set(features) <= set(names) - taken:
        found["observations"] = Found(tuple(features))
    return {key: found[key] for key in KEYS if key in found}


def located(names: Collection[str], choice: Choice) -> dict[str, Found]:
    """The same by what of the choice is there."""
    here = {key: columns for key, columns in choice.columns.items() if {*columns} <= {*names}}
    return locate(names, Choice(here))


def listed(names: Collection[str]) -> str:
    """What a file holds, for messages; groups that hold the same stand there once.

    >>> listed([f"run_{i}/{name}" for i in range(40) for name in ("cmd", "pose")] + ["version"])
    'version, and in each of 40 groups (run_0, ...): cmd, pose'
    """
    alike: dict[tuple[str, ...], list[str]] = {}
    members: dict[str, list[str]] = {}
    for name in map(str, names):
        group, _, inner = name.partition("/")
        if inner:
            members.setdefault(group, []).append(inner)
    for group, inside in members.items():
        alike.setdefault(tuple(sorted(inside)), []).append(group)
    several = [(groups, inside) for inside, groups in alike.items() if len(groups) > 1]
    once = {group for groups, _ in several for group in groups}
    said = [_shown([name for name in map(str, names) if name.partition("/")[0] not in once])] * (len(once) < len(names))
    said += [f"in each of {len(groups)} groups ({groups[0]}, ...): {_shown(inside)}" for groups, inside in several]
    return ", and ".join(text for text in said if text) or "nothing"


def _shown(names: Collection[str]) -> str:
    shown = sorted(names)
    more = f" and {len(shown) - _LISTED} more" if len(shown) > _LISTED else ""
    return ", ".join(shown[:_LISTED]) + more


def _chosen(key: Key, columns: tuple[str, ...], names: Collection[str]) -> Found:
    if len(columns) == 1 and columns[0] not in names and key.spread:
        group = _grouped(columns[0], names)
        if group is not None:
            return group
    for column in columns:
        if column not in names:
            raise InputError(f"no '{column}' in it for {key.name}; it holds {listed(names)}")
    return Found(columns)


def _named(key: Key, names: Sequence[str]) -> Found | None:
    by_lower = {name.lower(): name for name in names}
    for alias in key.names:
        if alias in by_lower:
            return Found((by_lower[alias],))
        if key.spread and (spread := _spread(alias, names)) is not None:
            return spread
    return None


def _spread(alias: str, names: Sequence[str]) -> Found | None:
    numbered = {}
    for name in names:
        if match := re.fullmatch(rf"{alias}[_.\[]?(\d+)\]?", name, re.IGNORECASE):
            numbered[int(match[1])] = name
    if numbered:
        order = sorted(numbered)
        if order != list(range(order[0], order[0] + len(order))) or order[0] > 1:
            absent = next(i for i in range(min(order[0], 1), order[-1]) if i not in numbered)
            raise InputError(f"{numbered[order[-1]]} without one of number {absent}; it holds {listed(names)}")
        return Found(tuple(numbered[i] for i in order))
    if (group := _grouped(alias, names)) is not None:
        return group
    named = tuple(name for name in names if re.match(rf"{alias}_.", name, re.IGNORECASE))
    return Found(named) if named else None


def _grouped(alias: str, names: Collection[str]) -> Found | None:
    """The members of a group or dict of that name."""
    inside = re.compile(rf"{re.escape(alias)}[./].", re.IGNORECASE)
    members = {name: name[len(alias) + 1 :] for name in names if inside.match(name)}
    if not members:
        return None
    if all(part.isdecimal() for part in members.values()):  # those of a Tuple
        members = dict(sorted(members.items(), key=lambda member: int(member[1])))
    return Found(tuple(members), tuple(part.replace("/", ".") for part in members.values()))
