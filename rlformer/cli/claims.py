"""claims."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rlformer.cli.options import CHECKED, HOW, OUTCOME, Debug, Grouped, Json, On, Quiet, typed

app = typer.Typer()


@app.command(cls=Grouped)
def claims(
    only: Annotated[
        str | None,
        typer.Option(
            metavar="CLAIM,...", help="Test only these claims, such as speed,residual.", rich_help_panel=CHECKED
        ),
    ] = None,
    profile: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="quick (the smallest experiment of each claim, 1 seed) or full (all experiments, 5 seeds).",
            rich_help_panel=CHECKED,
        ),
    ] = "quick",
    seeds: Annotated[
        int | None,
        typer.Option(metavar="N", help="Number of seeds. Default: the profile's.", min=1, rich_help_panel=CHECKED),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Measurements in parallel. Default: 1; with Ray or SLURM, all.",
            min=1,
            rich_help_panel=HOW,
        ),
    ] = None,
    on: On = "local",
    runs: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for runs and measurements.", rich_help_panel=OUTCOME)
    ] = Path("runs/claims"),
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the report.", rich_help_panel=OUTCOME)] = Path(
        "reports/claims"
    ),
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Test what an article claims about Transformers and RL. Each claim gets an answer."""
    from rlformer import api
    from rlformer.cli import console

    with console.StudyProgress(runs) as progress:
        found = api.claims(
            only=only,
            profile=profile,
            seeds=seeds,
            jobs=jobs,
            on=on,
            root=runs,
            out=out,
            command=typed(),
            listen=progress,
        )
    if as_json:
        console.print_json(found)
    else:
        rows = [(claim["verdict"], claim["statement"]["en"]) for claim in found["claims"]]
        print(console.table(("answer", "claim"), rows), end="\n\n")
        print(out / "report.html")
    if progress.failed:
        console.insist(f"{progress.failed} measurements did not finish; the report shows why")
        raise typer.Exit(1)
