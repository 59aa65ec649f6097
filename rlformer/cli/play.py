"""play."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rlformer.cli import completion
from rlformer.cli.options import (
    EPISODES,
    OUTCOME,
    Debug,
    Env,
    Grouped,
    Json,
    Normalized,
    Quiet,
    Sample,
    TargetReturn,
    Trust,
    Unnormalized,
    ZipAgent,
    statistics,
)

app = typer.Typer()


@app.command(cls=Grouped)
def play(
    policies: Annotated[
        list[str],
        typer.Argument(
            metavar="POLICY",
            help="Policies to show side by side: run directories, saved trees, .zip files, Hugging Face folders, or "
            "random.",
            autocompletion=completion.policies,
        ),
    ],
    env: Env = None,
    episodes: Annotated[
        int,
        typer.Option(
            metavar="N", help="Episodes to show, one after another.", min=1, max=1000, rich_help_panel=EPISODES
        ),
    ] = 1,
    seed: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Seed of the episodes; evaluate with the same seed plays the same ones.",
            min=0,
            rich_help_panel=EPISODES,
        ),
    ] = 0,
    target_return: TargetReturn = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Video file: .mp4 (needs the extra video), .gif or .webp. Default: in videos/.",
            rich_help_panel=OUTCOME,
        ),
    ] = None,
    window: Annotated[
        bool, typer.Option("--window", help="Open a window instead (needs a display).", rich_help_panel=OUTCOME)
    ] = False,
    fps: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            help="Steps per second. Default: the environment's own rate.",
            min=1,
            max=240,
            rich_help_panel=OUTCOME,
        ),
    ] = None,
    sample: Sample = None,
    agent: ZipAgent = None,
    trust: Trust = False,
    normalization: Normalized = None,
    no_normalization: Unnormalized = False,
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Record a video of policies playing. Several policies are shown side by side, with the same seed."""
    from rlformer import api
    from rlformer.cli import console
    from rlformer.cli.policies import target
    from rlformer.core.errors import InputError
    from rlformer.runs.interrupt import Interrupt

    if window and out is not None:
        raise InputError(f"give either --window, which shows the episodes, or --out {out}, which writes them")
    with Interrupt() as interrupt, console.Bar("episodes") as bar:
        watched = api.play(
            policies,
            env=env,
            episodes=episodes,
            seed=seed,
            target_return=target(target_return),
            out=out,
            window=window,
            fps=fps,
            agent=agent,
            sample=sample,
            trust=trust,
            normalization=statistics(normalization, no_normalization),
            progress=bar,
            stop=lambda: interrupt.ever,
        )
    path = None if watched.path is None else str(watched.path)
    if as_json:
        console.print_json({"env": watched.env, "video": path, "episodes": [asdict(e) for e in watched.episodes]})
        return
    ending = {True: "terminated", False: "truncated"}
    rows = [[e.policy, e.episode_return, e.target_return, e.length, ending[e.terminated]] for e in watched.episodes]
    print(console.table(["policy", "return", "target", "steps", "ended"], rows))
    if path is not None:
        print(path)
