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
COMPARED, TRAINED, CHECKED, EXPLAINED = "What to compare", "What to train", "What to check", "What to explain"
LOG, EPISODES, ACTIONS = "Log", "Environment and episodes", "How the policy acts"
FOREIGN = "Policies trained elsewhere"
ENOUGH, PRICES, SHOWN, FORMS = "What counts as good enough", "Prices", "What to show", "Format"
HOW, OUTCOME = "How to run", "Output"

Json = Annotated[bool, typer.Option("--json", help="Print only one JSON object on standard output.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", help="Print only the result and errors, no progress and no notes.", callback=console.set_quiet
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a value of the agent's preset (rlformer agents NAME lists the keys); repeatable.",
        rich_help_panel=TRAINED,
    ),
]
Seed = Annotated[
    int,
    typer.Option(metavar="N", help="Random seed of the run.", min=0, rich_help_panel=HOW),
]
Threads = Annotated[int, typer.Option(metavar="N", help="CPU threads per run.", min=1, rich_help_panel=HOW)]
On = Annotated[
    str,
    typer.Option(
        metavar="local|ray[:ADDRESS]|slurm[:PARTITION]",
        help="Where to run (docs/cluster.md). ray without an address uses RAY_ADDRESS or, if unset, this machine.",
        rich_help_panel=HOW,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        metavar="cpu|cuda|cuda:N|auto",
        help="Device for training sequence models; they act on the CPU.",
        rich_help_panel=HOW,
    ),
]
Root = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Folder for run directories.", rich_help_panel=OUTCOME)
]
Env = Annotated[
    str | None,
    typer.Option(
        "--env",
        metavar="ENV",
        help="Name of a card, or a Gymnasium id. Default: the environment of the run or log; if it is in a module of "
        "yours, name it here or add --trust.",
        autocompletion=completion.environments,
        rich_help_panel=EPISODES,
    ),
]
ZipAgent = Annotated[
    str | None,
    typer.Option(
        "--agent",
        metavar="NAME",
        help="Algorithm of a stable-baselines3 .zip, such as ppo.",
        autocompletion=completion.agents,
        rich_help_panel=FOREIGN,
    ),
]
Normalized = Annotated[
    Path | None,
    typer.Option(
        "--normalization",
        metavar="FILE",
        help="VecNormalize statistics of a .zip. Default: the file beside it with a matching name.",
        rich_help_panel=FOREIGN,
    ),
]
Unnormalized = Annotated[
    bool,
    typer.Option(
        "--no-normalization",
        help="Read a .zip without VecNormalize statistics, even if there are some beside it.",
        rich_help_panel=FOREIGN,
    ),
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Allow unpickling files from elsewhere and importing the module that a run or a tree names. Use it "
        "only if you trust their source.",
        rich_help_panel=FOREIGN,
    ),
]
Sample = Annotated[
    bool | None,
    typer.Option(
        "--sample/--greedy",
        help="Take sampled or greedy actions. Default: as the card of the run says.",
        show_default=False,
        rich_help_panel=ACTIONS,
    ),
]
TargetReturn = Annotated[
    str | None,
    typer.Option(
        metavar="R|RULE",
        help="Target return: a number, or a rule for the log's returns (auto, supported, q90, median).",
        rich_help_panel=ACTIONS,
    ),
]
Prefix = Annotated[
    str | None,
    typer.Option(
        metavar="PART",
        help="How much of a training log to use: mid, full, a share of its steps, or a number of steps.",
        rich_help_panel=LOG,
    ),
]


Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="KEY=COLUMN[,COLUMN...]",
        help="Name the column that holds KEY, if its name is not recognised; repeatable. Keys: docs/logs.md.",
        rich_help_panel=LOG,
    ),
]
RewardColumn = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Reward column to use if the log has several, counted from 0.", min=0, rich_help_panel=LOG
    ),
]


def statistics(file: Path | None, none: bool) -> Path | bool | None:
    """What both options say of a VecNormalize together, as the API takes it."""
    from rlformer.core.errors import InputError

    if file is not None and none:
        raise InputError("give either --normalization or --no-normalization, not both")
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
