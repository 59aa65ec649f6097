"""Options that several commands share, and help in groups."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from rlformer.cli import completion, console

# Headings under which the help lists options.
COMPARED, TRAINED, CHECKED, EXPLAINED = "What is compared", "What is trained", "What is checked", "What is explained"
LOG, EPISODES, ACTIONS, FOREIGN = "The log", "Environment and episodes", "How it acts", "Policies of others"
ENOUGH, PRICES, SHOWN, FORMS = "What is good enough", "What things cost", "What is shown", "The form"
HOW, OUTCOME = "How it is run", "What comes out"

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else there.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", help="Print the result and errors alone: no progress and no notes.", callback=console.set_quiet
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a preset (rlformer agents --json lists the keys); repeatable.",
        rich_help_panel=TRAINED,
    ),
]
Seed = Annotated[
    int,
    typer.Option(metavar="N", help="The seed of all randomness in the run.", min=0, rich_help_panel=HOW),
]
Threads = Annotated[int, typer.Option(metavar="N", help="Threads of a run.", min=1, rich_help_panel=HOW)]
On = Annotated[
    str,
    typer.Option(
        metavar="local|ray[:ADDRESS]|slurm[:PARTITION]",
        help="Where the runs are made (docs/cluster.md); ray without an address is RAY_ADDRESS, or this machine.",
        rich_help_panel=HOW,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        metavar="cpu|cuda|cuda:N|auto",
        help="Where sequence models are trained; they act on the CPU.",
        rich_help_panel=HOW,
    ),
]
Root = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="The folder of run directories.", rich_help_panel=OUTCOME)
]
Env = Annotated[
    str | None,
    typer.Option(
        "--env",
        metavar="ENV",
        help="A card's name or a Gymnasium id; default: that of the run.",
        autocompletion=completion.environments,
        rich_help_panel=EPISODES,
    ),
]
ZipAgent = Annotated[
    str | None,
    typer.Option(
        "--agent",
        metavar="NAME",
        help="The class of a stable-baselines3 .zip.",
        autocompletion=completion.agents,
        rich_help_panel=FOREIGN,
    ),
]
Normalized = Annotated[
    Path | None,
    typer.Option(
        "--normalization",
        metavar="FILE",
        help="The VecNormalize of a .zip; default: the one beside it with a matching name.",
        rich_help_panel=FOREIGN,
    ),
]
Unnormalized = Annotated[
    bool,
    typer.Option(
        "--no-normalization",
        help="Read a .zip without a VecNormalize, even if one lies beside it.",
        rich_help_panel=FOREIGN,
    ),
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Unpickle a foreign file, or import the module that a run or a tree names: only if you "
        "trust where it comes from.",
        rich_help_panel=FOREIGN,
    ),
]
Sample = Annotated[
    bool | None,
    typer.Option(
        "--sample/--greedy",
        help="Sampled or greedy actions; default: as the card of a run says.",
        show_default=False,
        rich_help_panel=ACTIONS,
    ),
]
TargetReturn = Annotated[
    str | None,
    typer.Option(
        metavar="R|RULE",
        help="What return to ask for: a number, auto, supported, q90 or median of the log.",
        rich_help_panel=ACTIONS,
    ),
]
Prefix = Annotated[
    str | None,
    typer.Option(
        metavar="PART",
        help="How much of a training log: mid, full, a share of its steps, or a number of them.",
        rich_help_panel=LOG,
    ),
]


Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="KEY=COLUMN[,COLUMN...]",
        help="Which column of the log holds what, where its name does not say; repeatable. Keys: docs/logs.md.",
        rich_help_panel=LOG,
    ),
]
RewardColumn = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Which reward column of the log is used, counted from 0.", min=0, rich_help_panel=LOG
    ),
]


def statistics(file: Path | None, none: bool) -> Path | bool | None:
    """What both options say of a VecNormalize together, as the API takes it."""
    from rlformer.core.errors import InputError

    if file is not None and none:
        raise InputError("give one of --normalization and --no-normalization")
    return False if none else file


def typed() -> str:
    """The command as the person typed it."""
    return shlex.join(["rlformer", *sys.argv[1:]])


class Grouped(TyperCommand):
    """A command whose help lists its options under the headings that they name, in the order of the first of each."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """See click's `Command.format_options`."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                usual = "Options" if parameter.param_type_name == "option" else "Arguments"
                heading = getattr(parameter, "rich_help_panel", None) or usual
                groups.setdefault(heading, []).append(record)
        for heading, records in groups.items():
            with formatter.section(heading):
                formatter.write_dl(records)
