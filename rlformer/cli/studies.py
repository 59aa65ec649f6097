"""compare, diagnose."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rlformer.cli import completion
from rlformer.cli.opening import open_log
from rlformer.cli.options import (
    CHECKED,
    COMPARED,
    HOW,
    OUTCOME,
    Debug,
    Grouped,
    Json,
    Map,
    On,
    Quiet,
    RewardColumn,
    Threads,
    typed,
)
from rlformer.cli.reports import show_end

if TYPE_CHECKING:
    from rlformer.studies.study import Study

app = typer.Typer()


@app.command(cls=Grouped)
def compare(
    target: Annotated[
        str,
        typer.Argument(
            metavar="ENV|STUDY.toml",
            help="Name of a card, a Gymnasium id, module:Name-v0 for your own environment, or a study file, whose keys "
            "the options override.",
            autocompletion=completion.targets,
        ),
    ],
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="Your own log. Default: the training episodes of an online agent.",
            rich_help_panel=COMPARED,
        ),
    ] = None,
    maps: Map = None,
    reward_column: RewardColumn = None,
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="quick (the default: 3 seeds; dt also on 2 further parts of the log), standard (13 seeds, the whole "
            "ladder; every candidate that learns from a log also on 4 parts), full (25 seeds) or smoke (checks in 2 "
            "minutes that everything runs).",
            rich_help_panel=COMPARED,
        ),
    ] = None,
    arms: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Agents to compare. Default: the profile's. ppo=FILE.zip is an agent trained elsewhere (needs "
            "--trust).",
            rich_help_panel=COMPARED,
            autocompletion=completion.agents,
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(metavar="N", help="Number of seeds. Default: the profile's.", min=1, rich_help_panel=COMPARED),
    ] = None,
    max_minutes: Annotated[
        float | None,
        typer.Option(
            metavar="M",
            help="Limit on wall time. Reduces seeds, parts of the log, episodes, arms and steps, in this order, until "
            "the study is predicted to fit.",
            rich_help_panel=COMPARED,
        ),
    ] = None,
    good_enough: Annotated[
        float | None,
        typer.Option(
            metavar="RETURN",
            help="Mean return that counts as good enough. Default: a normalised score of 0.9.",
            rich_help_panel=COMPARED,
        ),
    ] = None,
    success: Annotated[
        float | None,
        typer.Option(
            metavar="RATE",
            help="Share of episodes that must succeed, for environments that report success.",
            rich_help_panel=COMPARED,
        ),
    ] = None,
    log: Annotated[
        str | None,
        typer.Option(
            metavar="KIND,...",
            help="Logs to create: replay, prefix (default), prefix=0.3, expert, mixed, random, epsilon=0.3.",
            rich_help_panel=COMPARED,
        ),
    ] = None,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="Allow unpickling the .zip files of --arms. Use it only if you trust them.",
            rich_help_panel=COMPARED,
        ),
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also explain what the trained arms learned.", rich_help_panel=COMPARED)
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="AGENT.KEY=VALUE",
            help="Override a value of an agent's preset; repeatable.",
            rich_help_panel=COMPARED,
        ),
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="KEY=VALUE",
            help="Set any key of the study file, such as verdict.lambda=0.5, log.steps=5000, grid.budgets=0.5,2 or "
            "none (parts of the log), interaction=false; repeatable. --save-study writes all keys.",
            rich_help_panel=COMPARED,
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(metavar="N", help="Runs in parallel. Default: one per core.", min=1, rich_help_panel=HOW),
    ] = None,
    on: On = "local",
    device: Annotated[
        str | None,
        typer.Option(
            metavar="cpu|cuda|cuda:N|auto",
            help="Device for training sequence models (default: cpu); they act on the CPU.",
            rich_help_panel=HOW,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Estimate hours, steps and disk space; keep nothing.", rich_help_panel=HOW),
    ] = False,
    save_study: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Save the study as TOML and train nothing.", rich_help_panel=HOW),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the report. Default: in reports/.", rich_help_panel=OUTCOME),
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Compare online RL and sequence models on one task. Trains both families and writes one report."""
    from rlformer import api
    from rlformer.cli import answers, console
    from rlformer.core.errors import InputError
    from rlformer.studies.executors import Place

    Place.parse(on)
    asked = {
        "log.data": dataset,
        "profile": profile,
        "arms": arms,
        "seeds": seeds,
        "max_minutes": max_minutes,
        "verdict.good_enough": good_enough,
        "verdict.success": success,
        "log.kinds": log,
        "log.map": maps or None,
        "log.reward_column": reward_column,
        "explain": explain or None,
        "device": device,
    }
    study = _study(target, {key: value for key, value in asked.items() if value is not None}, settings, given)
    study = replace(study, trust=trust)
    if study.log.data is None and (maps or reward_column is not None):
        raise InputError("--map and --reward-column are about columns of a log: --dataset DATA names it")
    if study.log.data is not None:  # what looks wrong with it is told before anything is trained
        open_log(study.log.data, env=study.env, maps=study.log.map, reward_column=study.log.reward_column)
    if save_study is not None:
        with console.Bar("probe") as bar:  # a mistake is told now
            found = api.look_ahead(study, jobs=jobs, ahead=False, progress=bar)
        study = found.study
        for line in found.lines():
            console.say(line)
        study.write(save_study)
        if as_json:
            console.print_json({"study": str(save_study), **study.to_dict()})
        else:
            print(save_study)
        return
    if dry_run:
        with console.Bar("probe") as bar:
            found = api.look_ahead(study, jobs=jobs, progress=bar)
        console.show_foreseen(found, as_json)
        return
    with console.Bar("probe") as bar, console.StudyProgress(Path(study.runs)) as progress:
        report = api.compare(
            study, out=out, jobs=jobs, on=on, command=typed(), listen=progress, tell=console.say, progress=bar
        )
    if as_json:
        console.print_json(report.results)
    else:
        if not quiet:
            print(answers.report(report), end="\n\n")
        show_end(report)
    if progress.failed:
        console.insist(f"{progress.failed} runs did not finish; the report shows why")
        raise typer.Exit(1)


def _study(target: str, asked: dict[str, object], settings: list[str] | None, given: list[str] | None) -> Study:
    """The study that was typed: a file or a plain one, then --with, then the options."""
    from rlformer import api
    from rlformer.core.errors import InputError
    from rlformer.studies.read_values import assignment

    values = dict(assignment("--with", text) for text in given or ())
    study = api.study_of(target).with_values({**values, **asked})
    by_agent: dict[str, list[str]] = {agent: list(changes) for agent, changes in study.overrides.items()}
    for setting in settings or ():
        agent, dot, change = setting.partition(".")
        if not dot or "=" in agent:
            raise InputError(f"--set of compare takes AGENT.KEY=VALUE, got '{setting}'")
        by_agent.setdefault(agent, []).append(change)
    return study.with_values({f"set.{agent}": changes for agent, changes in by_agent.items()})


@app.command(cls=Grouped)
def diagnose(
    only: Annotated[
        str | None,
        typer.Option(
            metavar="ROW,...", help="Check only these rows (name or number), such as Gamble,4.", rich_help_panel=CHECKED
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(metavar="N", help="Number of seeds. Default: the profile's.", min=1, rich_help_panel=CHECKED),
    ] = None,
    profile: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="quick (1 seed, rows 1 to 6) or full (10 seeds, all rows).", rich_help_panel=CHECKED
        ),
    ] = "quick",
    jobs: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Runs in parallel. Default: 1; with Ray or SLURM, all.", min=1, rich_help_panel=HOW
        ),
    ] = None,
    on: On = "local",
    runs: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for run directories.", rich_help_panel=OUTCOME)
    ] = Path("runs/diagnose"),
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the report.", rich_help_panel=OUTCOME)] = Path(
        "reports/diagnose"
    ),
    threads: Threads = 1,
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Check trained policies against what theory predicts. Shows each predicted return beside the observed one."""
    from rlformer import api
    from rlformer.cli import answers, console

    with console.StudyProgress(runs) as progress:
        results = api.diagnose(
            only=only,
            seeds=seeds,
            profile=profile,
            jobs=jobs,
            on=on,
            root=runs,
            out=out,
            threads=threads,
            command=typed(),
            listen=progress,
        )
    if as_json:
        console.print_json(results)
    else:
        print(answers.diagnosis(results), end="\n\n")
        print(out / "report.html")
    if progress.failed:
        console.insist(f"{progress.failed} runs did not finish; the report shows why")
        raise typer.Exit(1)
