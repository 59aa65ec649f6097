"""report, and what a comparison ends with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rlformer.cli.options import ENOUGH, OUTCOME, PRICES, SHOWN, Debug, Grouped, Json

if TYPE_CHECKING:
    from rlformer.report import Report

app = typer.Typer()


def show_end(found: Report) -> None:
    """What a comparison ends with: the verdict, the families side by side, the page's path."""
    from rlformer.cli import answers, console

    for ending in answers.endings(found):
        console.print_strong(ending.verdict)
        print(ending.table, end="\n\n")
    print(found.folder / "report.html")


@app.command(cls=Grouped)
def report(
    directories: Annotated[
        list[Path] | None, typer.Argument(metavar="DIR", help="Run directories, or folders that contain them.")
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="Report a table of scores from elsewhere, with the columns algorithm, task, run, score.",
            rich_help_panel=SHOWN,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the report. Default: in reports/.", rich_help_panel=OUTCOME),
    ] = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="Title of the page.", rich_help_panel=SHOWN)] = None,
    no_interaction: Annotated[
        bool,
        typer.Option("--no-interaction", help="Rule out agents that learn by interaction.", rich_help_panel=PRICES),
    ] = False,
    threshold: Annotated[
        float,
        typer.Option(
            metavar="SCORE", help="Normalised score that counts as good enough.", min=0.0, rich_help_panel=ENOUGH
        ),
    ] = 0.9,
    good_enough: Annotated[
        float | None,
        typer.Option(
            metavar="RETURN", help="Use this mean return instead of a normalised score.", rich_help_panel=ENOUGH
        ),
    ] = None,
    success: Annotated[
        float | None,
        typer.Option(
            metavar="RATE",
            help="Use this share of successful episodes instead of a normalised score.",
            min=0.0,
            max=1.0,
            rich_help_panel=ENOUGH,
        ),
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option(
            metavar="STEPS",
            help="Steps charged to a run that never gets good enough. Default: the steps of the longest training.",
            min=1,
            rich_help_panel=PRICES,
        ),
    ] = None,
    lambda_: Annotated[
        float | None,
        typer.Option(
            "--lambda",
            metavar="SHARE",
            help="Share of the cost of making the log that is charged to this task. Default: 0 for a log that you "
            "gave, 1 for a log made here.",
            min=0.0,
            max=1.0,
            rich_help_panel=PRICES,
        ),
    ] = None,
    price_env: Annotated[
        float, typer.Option(metavar="PRICE", help="Price of one environment step.", min=0.0, rich_help_panel=PRICES)
    ] = 1.0,
    price_log: Annotated[
        float | None,
        typer.Option(
            metavar="PRICE",
            help="Price of one logged step. Default: 0 for a log that you gave, otherwise the price of an environment "
            "step.",
            min=0.0,
            rich_help_panel=PRICES,
        ),
    ] = None,
    price_cpu: Annotated[
        float,
        typer.Option(metavar="PRICE", help="Price of one CPU second of learning.", min=0.0, rich_help_panel=PRICES),
    ] = 0.0,
    price_evaluation: Annotated[
        float, typer.Option(metavar="PRICE", help="Price of one evaluation step.", min=0.0, rich_help_panel=PRICES)
    ] = 0.0,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a report from runs, or from a table of scores. Writes report.html, report.md and results.json."""
    from rlformer import api
    from rlformer.cli import answers, console
    from rlformer.core.errors import InputError

    if (scores is None) == (not directories):
        raise InputError("report takes either run directories (DIR...) or --scores FILE.csv")
    if scores is not None:
        folder = out or api.scores_folder(scores)
        results = api.report_scores(scores, out=folder, title=title)
    else:
        folder = out or Path("reports/report")
        terms = api.Terms(
            env_step=price_env,
            logged_step=price_log,
            cpu_second=price_cpu,
            evaluation_step=price_evaluation,
            share=lambda_,
            threshold=threshold,
            interaction=not no_interaction,
            good_enough=good_enough,
            success=success,
            budget=budget,
        )
        made = api.write_report(directories or [], out=folder, title=title, terms=terms)
        results = made.results
    if as_json:
        console.print_json(results)
        return
    if scores is not None:
        print(console.scores_table(results))
        for text in results["notes"]:
            console.say(f"note: {text}")
    elif sys.stdout.isatty():  # whoever reads the path from a pipe gets the path alone
        print(answers.report(made), end="\n\n")
        show_end(made)
        return
    print(folder / "report.html")
