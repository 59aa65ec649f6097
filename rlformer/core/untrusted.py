"""Text files that anybody may have written: read with bounds, and one line where they are not what they should be.

The one place where JSON and TOML from a file are parsed.
"""

from __future__ import annotations

import gzip
import json
import math
import tomllib
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rlformer.core.errors import InputError

LARGEST_JSON = 256 << 20  # bytes; an evaluation of a million episodes is 50 MB
LARGEST_TOML = 4 << 20
_DEEPEST = 64  # of nested lists and objects


def json_object(path: Path, constants: bool = False) -> dict[str, Any]:
    """The object in a JSON file, which may be packed (.gz).

    constants: whether NaN and Infinity may stand in it, which JSON does not have and we do not write. Raises InputError
    where the file is absent, torn, too large, too deep, or no object.
    """
    return object_in(_text(path, LARGEST_JSON), str(path), constants)


def object_in(text: str | bytes, name: str, constants: bool = False) -> dict[str, Any]:
    """The object in a JSON text; a key given twice is an error. name: what messages call the text."""
    try:
        strict: Mapping[str, Any] = {} if constants else {"parse_constant": _refuse, "parse_float": _finite}
        value = json.loads(text, object_pairs_hook=_once, **strict)
    except RecursionError:
        raise InputError(f"{name}: nested too deeply") from None
    except ValueError as error:  # also numbers of thousands of digits, and bytes that are no text
        raise InputError(f"{name}: not valid JSON: {_brief(error)}") from error
    if not isinstance(value, dict):
        raise InputError(f"{name}: damaged: no object")
    _check_depth(value, name)
    return value


def toml_table(path: Path) -> dict[str, Any]:
    """The table in a TOML file. Raises InputError as `json_object` does."""
    return table_in(_text(path, LARGEST_TOML), str(path))


def table_in(text: str, name: str) -> dict[str, Any]:
    """The table in a TOML text. name: what messages call the text."""
    try:
        table = tomllib.loads(text)
    except RecursionError:
        raise InputError(f"{name}: nested too deeply") from None
    except ValueError as error:  # also numbers of thousands of digits
        raise InputError(f"{name}: not valid TOML: {_brief(error)}") from error
    _check_depth(table, name)
    return table


def _text(path: Path, largest: int) -> str:
    try:
        if not path.is_file():
            raise InputError(f"{path}: {'no file' if path.exists() else 'no such file'}")
        if (size := path.stat().st_size) > largest:
            raise InputError(f"{path}: {size / 2**20:,.0f} MB, but such a file has at most {largest >> 20} MB")
        if path.suffix == ".gz":
            return _unpacked(path, largest).decode("utf-8-sig")
        return path.read_text(encoding="utf-8-sig")  # some editors put a mark in front
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not valid UTF-8: {_brief(error)}") from error
    except (OSError, ValueError, EOFError, zlib.error) as error:  # of paths that the system takes for none; of .gz
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _unpacked(path: Path, largest: int) -> bytes:
    """What is in a .gz, no more of it than such a file may hold."""
    with gzip.open(path) as packed:
        data = packed.read(largest + 1)
    if len(data) > largest:
        raise InputError(f"{path}: unpacked, it has more than the {largest >> 20} MB that such a file has at most")
    return data


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:40]!r} appears twice")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:40]} is too large")
    return number


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")


def _check_depth(value: dict[str, Any], name: str) -> None:
    level: list[Any] = [value]
    for _ in range(_DEEPEST):
        inside = [i for each in level for i in (each.values() if isinstance(each, dict) else each)]
        level = [each for each in inside if isinstance(each, (dict, list))]
        if not level:
            return
    raise InputError(f"{name}: nested too deeply, more than {_DEEPEST} levels")


def _brief(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 160 else f"{text[:160]} ..."
