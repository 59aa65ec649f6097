"""runs, doctor, tensorboard."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rlformer.cli import completion
from rlformer.cli.options import Debug, Grouped, Json, Quiet

app = typer.Typer()
_FOLLOWED = 5.0  # seconds between two looks at runs that are still training


@app.command(cls=Grouped)
def runs(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of runs.", show_default=True)] = Path("runs"),
    env: Annotated[
        str | None,
        typer.Option(metavar="ENV", help="Only runs on this environment.", autocompletion=completion.environments),
    ] = None,
    agent: Annotated[
        str | None, typer.Option(metavar="AGENT", help="Only runs of this agent.", autocompletion=completion.agents)
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """List the runs in a folder, and their scores. Unfinished runs show how far they have come."""
    from rlformer.cli import console
    from rlformer.core import formats
    from rlformer.studies.listing import list_runs

    found = list_runs(folder) if folder.exists() or folder != Path("runs") else []
    kept = [run for run in found if env in (None, run.env) and agent in (None, run.agent)]
    if as_json:
        console.print_json({"runs": [asdict(run) for run in kept]})
        return
    if not kept:
        others = f"none of the {len(found)} runs in {folder} has that environment and agent"
        console.say(others if found else f"no runs in {folder}: rlformer compare or train-agent creates some")
        return
    rows = [
        [
            run.env,
            run.agent,
            "-" if run.seed is None else str(run.seed),
            _state(run.state, run.steps, run.total_steps),
            formats.score(run.score),
            formats.number(run.mean_return),
            formats.count(run.steps),
            formats.seconds(run.seconds),
            run.path,
        ]
        for run in kept
    ]
    right = {"seed", "score", "return", "steps", "time"}
    head = ["environment", "agent", "seed", "state", "score", "return", "steps", "time", "path"]
    print(console.table(head, rows, right=right))
    for run in kept:
        if run.problem is not None:
            console.say(f"{run.state}: {run.path}: {run.problem}")


def _state(state: str, steps: int | None, total: int | None) -> str:
    share = f" {min(0.99, steps / total):.0%}" if state == "unfinished" and steps is not None and total else ""
    return f"{state}{share}"


@app.command(cls=Grouped)
def doctor(quiet: Quiet = False, as_json: Json = False, debug: Debug = False) -> None:
    """Check that rlformer works on this machine. Each problem is shown with the command that fixes it."""
    from rlformer.cli import console
    from rlformer.studies.doctor import examine

    with console.Bar("self-test") as bar:
        found = examine(progress=bar, raise_failure=debug)
    if as_json:
        console.print_json(
            {
                "works": found.works,
                "seconds": found.seconds,
                "findings": [asdict(finding) for finding in found.findings],
            }
        )
    else:
        marks = {"ok": "ok", "absent": "-", "warning": "!", "wrong": "wrong"}
        width = max(len(finding.name) for finding in found.findings)
        for finding in found.findings:
            print(f"{marks[finding.state]:<5}  {finding.name:<{width}}  {finding.found}")
            if finding.mend is not None:
                print(f"{'':<5}  {'':<{width}}  -> {finding.mend}")
        wrong = len(found.wrong)
        print(
            f"\n{'rlformer works here' if found.works else 'rlformer does not work here'}"
            + (f"; {wrong} problem{'s' * (wrong > 1)}" if wrong else "")
        )
    if not found.works:
        raise typer.Exit(1)


@app.command(cls=Grouped)
def tensorboard(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of runs.", show_default=True)] = Path("runs"),
    port: Annotated[
        int | None,
        typer.Option(metavar="N", help="Port. Default: 6006, or a free one if 6006 is taken.", min=1, max=65535),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Show runs in TensorBoard, both families in one chart. Charts follow running trainings until Ctrl-C."""
    from rlformer import api
    from rlformer.cli import console
    from rlformer.runs.interrupt import Interrupt

    with Interrupt() as interrupt, api.tensorboard(folder, port=port) as (address, shown, alive):
        if as_json:
            console.print_json({"address": address, "runs": shown})
        else:
            print(f"{shown} runs: {address}")
            console.say("charts follow running trainings; Ctrl-C stops TensorBoard")
        while not interrupt.ever and alive():
            interrupt.wait(_FOLLOWED)
