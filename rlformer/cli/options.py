"""Options that several commands share."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else there.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change a preset (rlformer agents --json lists the keys); repeatable."
    ),
]
Seed = Annotated[int, typer.Option(help="The seed that every random stream of the run derives from.", min=0)]
Threads = Annotated[int, typer.Option(help="Threads of a run.", min=1)]
Device = Annotated[
    str, typer.Option(metavar="cpu|cuda|cuda:N|auto", help="Where sequence models are trained; they act on the CPU.")
]
Root = Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder of run directories.")]
Env = Annotated[str | None, typer.Option("--env", metavar="ENV", help="A card's name or a Gymnasium id.")]
Trust = Annotated[bool, typer.Option("--trust", help="Unpickle a foreign file: only if you trust where it comes from.")]
ZipAgent = Annotated[str | None, typer.Option("--agent", help="The class of a stable-baselines3 .zip.")]
Sample = Annotated[bool, typer.Option("--sample", help="Draw actions of stochastic policies instead of the best.")]
TargetReturn = Annotated[
    str | None,
    typer.Option(metavar="R|RULE", help="What return to ask for: a number, auto, supported, q90 or median of the log."),
]
Prefix = Annotated[
    str | None,
    typer.Option(help="How much of a training log: mid, full, a share of its steps, or a number of them."),
]

Threshold = Annotated[float, typer.Option(help="The normalised score that counts as success.", min=0.0)]
Lambda = Annotated[
    float | None,
    typer.Option(
        "--lambda",
        help="The share of what made the log that this task pays; default: 0 of a given log, 1 of one made here.",
        min=0.0,
        max=1.0,
    ),
]
EnvPrice = Annotated[float, typer.Option("--price-env", help="Of one environment step.", min=0.0)]
LogPrice = Annotated[
    float | None,
    typer.Option(help="Of one logged step; default: lambda times that of an environment step.", min=0.0),
]
CpuPrice = Annotated[float, typer.Option("--price-cpu", help="Of one CPU second.", min=0.0)]
NoInteraction = Annotated[
    bool, typer.Option("--no-interaction", help="Nothing may step the environment in order to learn.")
]


def typed() -> str:
    """The command as the person typed it."""
    return shlex.join(["rlformer", *sys.argv[1:]])
