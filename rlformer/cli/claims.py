"""claims."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rlformer.cli.options import CHECKED, HOW, OUTCOME, Debug, Grouped, Json, On, Quiet, typed

if TYPE_CHECKING:
    from rlformer.studies.claims.forecast import Forecast

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
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print measurements and estimated hours; train nothing.", rich_help_panel=HOW),
    ] = False,
    runs: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for runs and measurements.", rich_help_panel=OUTCOME)
    ] = Path("runs/claims"),
    earlier: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Take the measurements in the results.json (or .gz) of an earlier report; measure the rest.",
            rich_help_panel=HOW,
        ),
    ] = None,
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
    from rlformer.studies.executors import Place

    if dry_run:
        Place.parse(on)
        ahead = api.foresee_claims(only=only, profile=profile, seeds=seeds, jobs=jobs, root=runs, earlier=earlier)
        _show_forecast(ahead, as_json)
        return
    with console.StudyProgress(runs) as progress:
        found = api.claims(
            only=only,
            profile=profile,
            seeds=seeds,
            jobs=jobs,
            on=on,
            root=runs,
            earlier=earlier,
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


def _show_forecast(found: Forecast, as_json: bool) -> None:
    from rlformer.cli import console
    from rlformer.evaluator.as_json import encode

    if as_json:
        console.print_json({**encode(found), "measured": found.measured, "left": found.left})
        return
    head = ("claim", "measurements", "seeds", "done", "left", "CPU minutes")
    rows = [
        (row.claim, row.cells, found.seeds, row.measured, row.left, round(row.seconds / 60, 1)) for row in found.claims
    ]
    print(console.table(head, rows))
    print(found.line())
    console.say("estimated from measurements here and earlier figures; what several claims need counts for the first")
