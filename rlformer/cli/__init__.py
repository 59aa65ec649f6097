"""The commands. Each parses, calls the function behind it (`rlformer.api`), and prints.

Heavy modules are imported inside the commands, so that `rlformer --help` answers in a blink.
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from importlib import metadata
from typing import Annotated

import typer

from rlformer.cli import data, lists, policies, studies, training
from rlformer.core.errors import InputError, Interrupted

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Online RL or a sequence model, for your Gymnasium environment? Train both, read one report.",
)


def _version(asked: bool) -> None:
    if asked:
        print(f"rlformer {metadata.version('rlformer')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Take what belongs to no command."""


for group in (studies, training, policies, lists):
    app.add_typer(group.app)
app.add_typer(data.app, name="data")


def main() -> None:
    """Run the command line; an error is one line on standard error.

    Exit codes: 0 done, 2 the input is wrong, 1 it failed, 130 stopped by Ctrl-C.
    """
    # Torch makes this folder when it is imported; no command compiles, so that nothing is written into it.
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", tempfile.gettempdir())
    try:
        app()
    except (Interrupted, KeyboardInterrupt):
        print("stopped; the same command continues", file=sys.stderr)
        raise SystemExit(130) from None
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        print(f"error: {' '.join(str(error).split()) or type(error).__name__}", file=sys.stderr)
        long_name = isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG
        raise SystemExit(2 if isinstance(error, InputError) or long_name else 1) from None
