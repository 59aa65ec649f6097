"""What goes wrong inside a user's environment, in one line; what it prints goes to standard error."""

from __future__ import annotations

import os
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import NoReturn

import gymnasium as gym

from rlformer.core.errors import InputError

_OURS = (f"{Path(__file__).resolve().parents[1]}{os.sep}", f"{Path(str(gym.__file__)).resolve().parent}{os.sep}")
_PACKAGES = tuple({sysconfig.get_path(name) + os.sep for name in ("purelib", "platlib")})
_INSTALLED = (*_PACKAGES, sysconfig.get_path("stdlib") + os.sep)
_LONGEST = 500  # characters of a message


@contextmanager
def foreign(where: str) -> Iterator[None]:
    """Runs a user's code: what it raises, but Ctrl-C, becomes an InputError that begins with `where`.

    What it prints goes to standard error, since standard output is a command's answer.
    """
    try:
        with redirect_stdout(sys.stderr):
            yield
    except (InputError, KeyboardInterrupt):
        raise
    except BaseException as error:  # SystemExit and GeneratorExit too: a user's code raises anything
        raise fault(where, error) from error


def no_silent_end() -> None:
    """From now on a user's code that calls `os._exit` under a command raises SystemExit, so that it is told where.

    Libraries, processes that the user's code forks, and a script of the user's own end as they do.
    """
    end, ours = os._exit, os.getpid()
    if end.__module__ == __name__ or "rlformer.cli" not in sys.modules:
        return

    def ended(status: int) -> NoReturn:
        caller = sys._getframe(1).f_code.co_filename
        if os.getpid() == ours and not (_is_ours(caller) or caller.startswith(_INSTALLED)):
            raise SystemExit(f"os._exit({status})")
        end(status)

    os._exit = ended


def fault(where: str, error: BaseException, default: str = "") -> InputError:
    """The line for what a user's code raised: `where`, type, message, and its own file and line.

    default: where that code begins, for an error that was raised before any of its lines was reached.
    """
    text = " ".join(_message(error).split())
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    kind = type(error).__name__
    at = place(error) or default
    helps = ""
    if isinstance(error, ModuleNotFoundError) and error.name:
        helps = f"; pip install {error.name.partition('.')[0].replace('_', '-')}"
    return InputError(f"{where}: {kind}{': ' * bool(text)}{text}{f' ({at})' if at else ''}{helps}")


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as second:  # the user's own class of errors may fail to tell itself
        return f"(its message fails too: {type(second).__name__})"


def place(error: BaseException) -> str:
    """File and line of the last step through the user's own code, 'robot.py:12'; "" where there is none.

    Where no line is the user's, the last one counts of a package other than gymnasium and rlformer.
    """
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    others = [(file, line) for file, line in frames if not (_is_ours(file) or file.startswith("<frozen"))]
    own = [frame for frame in others if not frame[0].startswith(_INSTALLED)]
    found = own or [frame for frame in others if frame[0].startswith(_PACKAGES)]
    if found:
        return _shown(*found[-1])
    return "" if error.__cause__ is None else place(error.__cause__)


def beginning(function: object) -> str:
    """File and line where a function begins; "" where it is not Python's or is not the user's."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None or _is_ours(code.co_filename):
        return ""
    return _shown(code.co_filename, code.co_firstlineno)


def _is_ours(file: str) -> bool:
    return os.path.realpath(file).startswith(_OURS)


def _shown(file: str, line: int) -> str:
    """Relative to the current folder where it lies below."""
    here = os.getcwd() + os.sep
    return f"{file.removeprefix(here)}:{line}"
