"""A command that was typed wrongly, in the form of every other error: what is wrong, what would be right, one line."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import typer

# typer carries click with it since 0.26 and depends on it before; this class has the same name and form in both.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]

_WORDS: tuple[tuple[str, str], ...] = (
    (r"No such option:? (\S+)(?: \(Possible options: (.*)\))?", r"unknown option '\1'; did you mean \2?"),
    (r"No such command '(.*?)'\.?(?: Did you mean (.*)\?)?", r"unknown command '\1'; did you mean \2?"),
    (r"Missing (argument|option) '(.*?)'\.?.*", r"missing \1 \2"),
    (r"Missing command\.?", r"missing command"),
    (r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", r"unexpected argument '\1'"),
    (r"Option '?(-[^' ]*)'? requires an argument\.?", r"\1 needs a value"),
    (r"Option '?(-[^' ]*)'? does not take a value\.?", r"\1 takes no value"),
)
# What others call a command, and what it is here.
_OTHERWISE = {
    "train": "train-agent or train-transformer",
    "fit": "train-agent or train-transformer",
    "eval": "evaluate",
    "test": "evaluate",
    "enjoy": "play",
    "render": "play",
    "video": "play",
    "watch": "play",
    "run": "compare",
    "study": "compare",
    "benchmark": "compare",
    "list": "runs, envs or agents",
    "ls": "runs, envs or agents",
    "show": "runs, or data info LOG",
    "status": "runs",
    "info": "data info LOG, or doctor",
    "dataset": "data",
    "log": "data",
    "logs": "data",
    "import": "data import",
    "convert": "data import",
    "verify": "data verify",
    "join": "data join",
    "models": "agents",
    "algorithms": "agents",
    "algos": "agents",
    "arms": "agents",
    "environments": "envs",
    "cards": "envs or agents",
    "tb": "tensorboard",
    "board": "tensorboard",
    "check": "doctor",
    "deploy": "export",
    "save": "export",
    "interpret": "explain",
    "version": "--version",
    "help": "--help",
}
_EXPECTED: tuple[tuple[str, str], ...] = (
    (r".*valid integer.*", "expected a whole number"),
    (r".*(?:valid number|valid float).*", "expected a number"),
    (r"Input should be greater than or equal to (\S+)", r"expected \1 or more"),
    (r"Input should be less than or equal to (\S+)", r"expected \1 or less"),
)


def line(error: Exception) -> str:
    """The message, without "error: ": it ends with the command that shows how the command is used."""
    text = " ".join(str(getattr(error, "format_message", error.__str__)()).split())
    text = re.sub(r"(?<=^Missing argument ')[a-z_]+", lambda name: name[0].upper(), text)  # as the help shows it
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else _typed_command()
    unknown = re.match(r"No such option:? (--\S+)", text)
    if unknown is not None and command == "rlformer compare" and (key := _study_key(unknown[1])) is not None:
        return f"unknown option '{unknown[1]}'; a study has a key for it: --with {key}=VALUE"
    command_typed = re.match(r"No such command '(.*?)'", text)
    if command_typed is not None and command == "rlformer" and command_typed[1] in _OTHERWISE:
        return f"unknown command '{command_typed[1]}'; did you mean {_OTHERWISE[command_typed[1]]}?"
    said = _said(text)
    extra = re.match(r"unexpected argument '([^' ]+)", said)
    if extra is not None and "/" in extra[1] and Path(extra[1]).exists():
        said += ": one is expected, and a pattern such as dt-* may match several"
    return said if said.endswith("?") else f"{said}; {command} --help shows how"


def is_help(error: Exception) -> bool:
    """Whether it is no error, but the help of a command that was typed without anything."""
    return type(error).__name__ == "NoArgsIsHelpError"


def _said(text: str) -> str:
    invalid = re.fullmatch(r"Invalid value(?: for '(.*?)')?: (.*)", text)
    if invalid is not None:
        name, what = invalid.groups()
        return f"{name} {_value_of(name)}".strip() + f": {_first(what, _EXPECTED)}" if name else what
    return _first(text, _WORDS)


def _first(text: str, rules: tuple[tuple[str, str], ...]) -> str:
    """The text by the first rule that it follows; what ends in an empty suggestion loses it."""
    for pattern, words in rules:
        found = re.fullmatch(pattern, text)
        if found is not None:
            return found.expand(words).replace("; did you mean ?", "").replace(", --", " or --")
    return text[:1].lower() + text[1:].rstrip(".")


def _study_key(option: str) -> str | None:
    """The key of a study file that an option of `compare` could mean: --budgets is grid.budgets."""
    from rlformer.studies.study import KEYS

    name = option.removeprefix("--").removeprefix("no-").partition("=")[0]
    return next((key for key in KEYS if name in (key, key.replace(".", "-"), key.rpartition(".")[2])), None)


def _value_of(name: str) -> str:
    """What was typed as the value of an option."""
    for i, word in enumerate(sys.argv):
        if word.startswith(f"{name}="):
            return word.removeprefix(f"{name}=")
        if word == name and i + 1 < len(sys.argv):
            return sys.argv[i + 1]
    return ""


def _typed_command() -> str:
    words: list[Any] = [word for word in sys.argv[1:2] if not word.startswith("-")]
    return " ".join(["rlformer", *words])
