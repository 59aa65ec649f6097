"""compare, diagnose, report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rlformer.cli.options import (
    CpuPrice,
    Debug,
    Device,
    EnvPrice,
    Json,
    Lambda,
    LogPrice,
    NoInteraction,
    Threads,
    Threshold,
    typed,
)

app = typer.Typer()


@app.command()
def compare(
    env: Annotated[str, typer.Argument(help="A card's name, a Gymnasium id, or module:Name-v0 of your own.")],
    dataset: Annotated[str | None, typer.Option(metavar="DATA", help="Your log; default: PPO's own training.")] = None,
    profile: Annotated[
        str,
        typer.Option(help="quick (3 seeds), standard (10 seeds, the whole ladder) or full (20, data-scaling grid)."),
    ] = "quick",
    arms: Annotated[str | None, typer.Option(metavar="A,B,...", help="Agents instead of the profile's.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Seeds instead of the profile's.", min=1)] = None,
    jobs: Annotated[int | None, typer.Option(help="Runs side by side; default: one a core.", min=1)] = None,
    prefix: Annotated[
        str | None, typer.Option(help="How much of the log: mid (default of PPO's), full (of DATA), or a share.")
    ] = None,
    log: Annotated[
        str | None,
        typer.Option(
            metavar="KIND,...",
            help="Which logs to make: replay, prefix (default), prefix=0.3, expert, mixed, random, epsilon=0.3.",
        ),
    ] = None,
    log_steps: Annotated[
        int,
        typer.Option(
            help="Steps of a collected log; default: as many as the training, at most 100,000.",
            min=0,
            show_default=False,
        ),
    ] = 0,
    budgets: Annotated[
        str | None, typer.Option(metavar="N|SHARES", help="Data-scaling grid: N doublings, or shares like 0.25,0.5,1.")
    ] = None,
    grid_arms: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Who learns from the grid; default: dt,bc-top,offline-rl.")
    ] = None,
    no_interaction: NoInteraction = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Project hours, steps and disk; keep nothing.")] = False,
    threshold: Threshold = 0.9,
    lambda_: Lambda = None,
    price_env: EnvPrice = 1.0,
    price_log: LogPrice = None,
    price_cpu: CpuPrice = 0.0,
    runs: Annotated[Path, typer.Option(metavar="DIR", help="The folder of run directories.")] = Path("runs"),
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="The report's folder.")] = None,
    threads: Threads = 1,
    device: Device = "cpu",
    explain: Annotated[bool, typer.Option("--explain", help="Also explain what the trained arms learned.")] = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="AGENT.KEY=VALUE", help="Change a preset.")
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Train online RL and sequence models on one task, and write one report."""
    from rlformer import api
    from rlformer.cli import console

    terms = _terms(threshold, lambda_, price_env, price_log, price_cpu, no_interaction)
    options: dict[str, Any] = {
        "dataset": None if dataset is None else api.open_data(dataset, env=env),
        "profile": profile,
        "arms": _names(arms),
        "seeds": seeds,
        "prefix": prefix,
        "log": log,
        "log_steps": log_steps,
        "budgets": budgets,
        "grid_arms": _names(grid_arms),
        "overrides": settings or (),
        "root": runs,
        "threads": threads,
        "device": device,
        "terms": terms,
    }
    if dry_run:
        with console.Bar("probe") as bar:
            projected = api.project(env, jobs=jobs, progress=bar, **options)
        console.show_projection(projected, as_json)
        return
    with console.StudyProgress(runs) as progress:
        results = api.compare(env, out=out, jobs=jobs, explained=explain, command=typed(), listen=progress, **options)
    if as_json:
        console.print_json(results)
    else:
        folder = out or api.report_folder(env)
        print((folder / "report.md").read_text(encoding="utf-8"))
        print(folder / "report.html")
    if progress.failed:
        console.say(f"{progress.failed} runs did not finish; the report shows why")
        raise typer.Exit(1)


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _terms(
    threshold: float,
    share: float | None,
    env_step: float,
    logged_step: float | None,
    cpu_second: float,
    no_interaction: bool,
) -> dict[str, Any]:
    """The flags of the verdict as `report.terms.Terms` takes them."""
    return {
        "threshold": threshold,
        "share": share,
        "env_step": env_step,
        "logged_step": logged_step,
        "cpu_second": cpu_second,
        "interaction": not no_interaction,
    }


@app.command()
def diagnose(
    only: Annotated[
        str | None, typer.Option(metavar="ROW,...", help="Rows by name or number, such as Gamble,4.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Seeds instead of the profile's.", min=1)] = None,
    profile: Annotated[str, typer.Option(help="quick (1 seed, rows 1 to 6) or full (10 seeds, all rows).")] = "quick",
    jobs: Annotated[int, typer.Option(help="Runs side by side.", min=1)] = 1,
    runs: Annotated[Path, typer.Option(metavar="DIR", help="The folder of run directories.")] = Path("runs/diagnose"),
    out: Annotated[Path, typer.Option(metavar="DIR", help="The report's folder.")] = Path("reports/diagnose"),
    threads: Threads = 1,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Check that the suite sees what theory predicts: every closed form beside what was trained."""
    from rlformer import api
    from rlformer.cli import console

    with console.StudyProgress(runs) as progress:
        results = api.diagnose(
            only=only,
            seeds=seeds,
            profile=profile,
            jobs=jobs,
            root=runs,
            out=out,
            threads=threads,
            command=typed(),
            listen=progress,
        )
    if as_json:
        console.print_json(results)
    else:
        print((out / "report.md").read_text(encoding="utf-8"))
        print(out / "report.html")
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
    no_interaction: NoInteraction = False,
    threshold: Threshold = 0.9,
    lambda_: Lambda = None,
    price_env: EnvPrice = 1.0,
    price_log: LogPrice = None,
    price_cpu: CpuPrice = 0.0,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Rebuild report.html, report.md and results.json from run directories, or make them of a file of scores."""
    from rlformer import api
    from rlformer.cli import console
    from rlformer.core.errors import InputError

    if (scores is None) == (not directories):
        raise InputError("report takes run directories (DIR...), or --scores FILE.csv: one of the two")
    if scores is not None:
        folder = out or api.scores_folder(scores)
        results = api.report_scores(scores, out=folder, title=title)
    else:
        folder = out or Path("reports/report")
        terms = _terms(threshold, lambda_, price_env, price_log, price_cpu, no_interaction)
        results = api.write_report(directories or [], out=folder, title=title, terms=terms)
    if as_json:
        console.print_json(results)
        return
    if scores is not None:
        print(console.scores_table(results))
        for text in results["notes"]:
            console.say(f"note: {text}")
    print(folder / "report.html")
