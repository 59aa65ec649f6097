"""compare, report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rlformer.cli.options import Debug, Json, Threads, typed

app = typer.Typer()


@app.command()
def compare(
    env: Annotated[str, typer.Argument(help="A card's name, a Gymnasium id, or module:Name-v0 of your own.")],
    dataset: Annotated[str | None, typer.Option(metavar="DATA", help="Your log; default: PPO's own training.")] = None,
    profile: Annotated[str, typer.Option(help="quick (3 seeds) or standard (10 seeds, the whole ladder).")] = "quick",
    arms: Annotated[str | None, typer.Option(metavar="A,B,...", help="Agents instead of the profile's.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Seeds instead of the profile's.", min=1)] = None,
    jobs: Annotated[int | None, typer.Option(help="Runs side by side; default: one a core.", min=1)] = None,
    prefix: Annotated[
        str | None, typer.Option(help="How much of the log: mid (default of PPO's), full (of DATA), or a share.")
    ] = None,
    runs: Annotated[Path, typer.Option(metavar="DIR", help="The folder of run directories.")] = Path("runs"),
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="The report's folder.")] = None,
    threads: Threads = 1,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="AGENT.KEY=VALUE", help="Change a preset.")
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Train online RL and sequence models on one task, and write one report."""
    from rlformer import api, console

    with console.StudyProgress(runs) as progress:
        results = api.compare(
            env,
            dataset=None if dataset is None else api.open_data(dataset, env=env),
            profile=profile,
            arms=None if arms is None else [arm.strip() for arm in arms.split(",") if arm.strip()],
            seeds=seeds,
            prefix=prefix,
            overrides=settings or (),
            root=runs,
            out=out,
            jobs=jobs,
            threads=threads,
            command=typed(),
            listen=progress,
        )
    if as_json:
        console.print_json(results)
    else:
        folder = out or api.report_folder(env)
        print((folder / "report.md").read_text(encoding="utf-8"))
        print(folder / "report.html")
    if progress.failed:
        console.say(f"{progress.failed} runs did not finish; the report shows why")
        raise typer.Exit(1)


@app.command()
def report(
    directories: Annotated[
        list[Path] | None, typer.Argument(metavar="[DIR...]", help="Run directories, or folders of them.")
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Anybody's scores instead: columns algorithm, task, run, score."),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="The report's folder; default: in reports/.")] = None,
    title: Annotated[str | None, typer.Option(help="The page's title.")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Rebuild report.html, report.md and results.json from run directories, or make them of a file of scores."""
    from rlformer import api, console
    from rlformer.errors import InputError

    if (scores is None) == (not directories):
        raise InputError("report takes run directories (DIR...), or --scores FILE.csv: one of the two")
    if scores is not None:
        folder = out or api.scores_folder(scores)
        results = api.report_scores(scores, out=folder, title=title)
    else:
        folder = out or Path("reports/report")
        results = api.report(directories or [], out=folder, title=title)
    if as_json:
        console.print_json(results)
        return
    if scores is not None:
        print(console.scores_table(results))
        for text in results["notes"]:
            console.say(f"note: {text}")
    print(folder / "report.html")
