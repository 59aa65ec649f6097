"""The commands. Each parses, calls the function behind it (`rlformer.api`), and prints.

Heavy modules are imported inside the commands, so that `rlformer --help` answers in a blink.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from importlib import metadata
from typing import Annotated

import typer

from rlformer.cli import claims, console, data, lists, looking, play, policies, reports, studies, training, usage
from rlformer.core.errors import Interrupted, is_users
from rlformer.core.printable import guard

app = typer.Typer(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Should you use online RL or a sequence model on your Gymnasium environment? Train both and read one report.",
)


_BEGIN = """\
Should you use online RL or a sequence model on your Gymnasium environment?
Commands to begin with:

  rlformer compare CartPole-v1       train both, write one report (5 minutes)
  rlformer compare module:MyEnv-v0   the same on yours (--dry-run: how long?)
  rlformer data info LOG             show what a log holds and what looks wrong
  rlformer runs                      list the runs here and their scores
  rlformer doctor                    check that rlformer works on this machine

All commands: rlformer --help. Help on one command: rlformer COMMAND --help."""
_STOPPED = 130  # the exit code of Ctrl-C, which typer too makes of it


def _version(asked: bool) -> None:
    if asked:
        print(f"rlformer {metadata.version('rlformer')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Take what belongs to no command; without a command, say what to begin with."""
    console.set_quiet(False)
    if context.invoked_subcommand is None:
        print(_BEGIN)


for group in (studies, reports, claims, training, policies, play, looking, lists):
    app.add_typer(group.app)
app.add_typer(data.app, name="data")


def main() -> None:
    """Run the command line; an error is one line on standard error.

    Exit codes: 0 done, 2 the input is wrong, 1 it failed, 130 stopped by Ctrl-C.
    """
    # Torch makes this folder when it is imported; no command compiles, so that nothing is written into it.
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", tempfile.gettempdir())
    console.keep_output()
    guard()
    threads = set(threading.enumerate())
    stopped = "stopped; run the same command again to continue"
    try:
        code = app(prog_name="rlformer", standalone_mode=False)
    except (Interrupted, KeyboardInterrupt) as error:
        code, stopped = _STOPPED, str(error) or stopped
    except usage.UsageError as error:
        if usage.is_help(error):
            print(error, file=sys.stderr)
        else:
            console.error(usage.line(error))
        code = 2
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        # typer turns an end of file, such as that of a torn one, into an Abort without a message.
        reason = error.__cause__ if isinstance(error, typer.Abort) and error.__cause__ else error
        gone = isinstance(error, FileNotFoundError) and console.is_lost()
        console.error("the current folder was deleted: cd to another" if gone else str(reason) or type(reason).__name__)
        code = 2 if gone or is_users(error) else 1
    if code == _STOPPED:
        console.say(stopped)
    code = console.flushed(code or 0)
    console.end_with(threads, code)
    if code:
        raise SystemExit(code) from None
