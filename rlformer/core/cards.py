"""Cards: definitions in TOML, never evaluated, overlaid by the user's own of the same name.

What the cards of environments and agents have in common; their keys stand in `envs.cards` and `agents.cards`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from rlformer.core import untrusted
from rlformer.core.errors import InputError, unknown
from rlformer.core.ranges import shown
from rlformer.core.records import SCHEMA


class Card(NamedTuple):
    """What a card says, and the file that says it."""

    values: dict[str, Any]
    path: Path


def check(table: Any, valid: Mapping[str, Any], path: Path, where: str) -> dict[str, Any]:
    """The table with each value in the type of that in `valid`.

    Raises InputError unless it has keys of `valid` alone, and values of their types.
    """
    if not isinstance(table, dict):
        raise InputError(f"{path}: {where}: expected a table, got {shown(table)}")
    for key in table:
        if key not in valid:
            raise InputError(f"{path}: [{where}] {unknown('key', key, valid)}")
    with named(path, where):
        for key, value in table.items():
            if valid[key] == "" and not isinstance(value, str):  # of a card itself: no number stands for a word
                raise InputError(f"{key}: expected a string, got {_type_name(value)} {shown(value)}")
            if valid[key] == {} and not isinstance(value, dict):  # a section: no number stands for a schedule
                raise InputError(f"{key}: expected a table, got {_type_name(value)} {shown(value)}")
        # A section, or a schedule, is checked by whoever knows its keys.
        both_tables = {key for key, value in table.items() if isinstance(value, dict) and isinstance(valid[key], dict)}
        return {k: v if k in both_tables else coerce(k, v, valid[k]) for k, v in table.items()}


@contextmanager
def named(path: Path, where: str) -> Iterator[None]:
    """Errors inside begin with the file and the section."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: [{where}] {error}") from None


def coerce(key: str, value: Any, default: Any) -> Any:
    """`value` with the type of the default; numbers may become schedules (a table with 'start' and 'end').

    Raises InputError where it has another type.
    """
    number = isinstance(default, (int, float)) and not isinstance(default, bool)
    if isinstance(value, dict) and (number or isinstance(default, dict)):
        if set(value) != {"start", "end"}:
            raise InputError(f"{key}: a schedule is a table such as {{ start = 1e-3, end = 0.0 }}, got {shown(value)}")
        return value
    if isinstance(default, dict) and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(default, int) and not isinstance(default, bool) and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(default, str) and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)  # such as a target return
    if type(value) is not type(default):
        raise InputError(
            f"{key}: expected {_type_name(default)} such as {default!r}, got {_type_name(value)} {shown(value)}"
        )
    return value


def _type_name(value: Any) -> str:
    names = {
        bool: "true or false",
        int: "an integer",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "a table",
    }
    return names.get(type(value), type(value).__name__)


def typed_value(text: str) -> Any:
    """What stands behind the = of KEY=VALUE on a command line: a value of TOML, or else a string.

    >>> typed_value("0.5"), typed_value("[1, 2]"), typed_value("expert,mixed")
    (0.5, [1, 2], 'expert,mixed')
    """
    try:
        table = untrusted.table_in(f"value = {text}", "value")
    except InputError:
        return text.strip()
    return table["value"] if set(table) == {"value"} else text.strip()  # more lines are no value


def folders(kind: str) -> list[Path]:
    """Where cards of a kind ('envs' or 'agents') are read, the first overlaid by the next.

    In a checkout the repository's folder comes before the copy that the wheel carries, since an editable
    install leaves that copy stale.
    """
    package = Path(__file__).resolve().parents[1]
    checkout, wheel = package.parent / kind, package / "_catalogue" / kind
    shipped = checkout if (package.parent / "pyproject.toml").is_file() and checkout.is_dir() else wheel
    own = Path.cwd() / kind
    return [shipped, own] if own.is_dir() and own.resolve() != shipped else [shipped]


def read(kind: str, keys: Iterable[str]) -> Mapping[str, Card]:
    """Every card of a kind ('envs' or 'agents') by its name.

    keys: those that such a card may have, by which a card without a schema is known from another tool's file. Raises
    InputError where a card is not valid TOML, has no schema, or one that this version does not read.
    """
    return _read_folders(tuple(folders(kind)), frozenset(keys))


@cache
def _read_folders(places: tuple[Path, ...], keys: frozenset[str]) -> dict[str, Card]:
    cards: dict[str, Card] = {}
    for folder in places:
        for path in sorted(folder.glob("*.toml")):
            values = untrusted.toml_table(path)
            if not _is_card(values, keys, path):
                continue
            name = _name(path.stem, values, cards)
            cards[name] = Card(_overlay(cards[name].values, values) if name in cards else values, path)
    return cards


def _name(stem: str, values: Mapping[str, Any], known: Iterable[str]) -> str:
    """What a card is called: as its file, which has a dash for the slash of a namespace, "ALE/Pong-v5"."""
    names = (*known, str(values.get("id", "")))
    return next((name for name in names if "/" in name and name.replace("/", "-") == stem), stem)


def _is_card(values: Mapping[str, Any], keys: frozenset[str], path: Path) -> bool:
    """Whether the file is a card; False: some other tool's. Raises InputError where it is one without our schema."""
    schema = values.get("schema")
    if schema == SCHEMA:
        return True
    if str(schema).startswith("rlformer/"):
        raise InputError(f"{path}: a card of schema '{schema}', this version reads '{SCHEMA}'")
    if schema is None and 2 * len(keys & values.keys()) >= max(1, len(values)):  # most of it is what a card says
        raise InputError(f'{path}: a card begins with schema = "{SCHEMA}"')
    return False


def _overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Section by section, preset by preset, key by key; a hyperparameter that is a table is replaced whole."""
    merged = {**below, **{k: v for k, v in above.items() if not isinstance(v, dict)}}
    for section in (k for k, v in above.items() if isinstance(v, dict)):
        old = below.get(section, {})
        if section == "presets":
            merged[section] = {**old, **{e: {**old.get(e, {}), **p} for e, p in above[section].items()}}
        else:
            merged[section] = {**old, **above[section]}
    return merged
