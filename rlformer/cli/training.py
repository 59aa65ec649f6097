"""train-agent, train-transformer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rlformer.cli.options import Debug, Device, Json, Prefix, Root, Seed, Set, TargetReturn, Threads, typed

app = typer.Typer()


@app.command("train-agent")
def train_agent(
    env: Annotated[str, typer.Argument(help="A card's name, a Gymnasium id, or module:Name-v0 of your own.")],
    agent: Annotated[str, typer.Option(help="ppo, dqn, a2c, sac, td3, recurrent-ppo, ... (rlformer agents).")] = "ppo",
    steps: Annotated[int | None, typer.Option(help="Environment steps instead of the preset's.", min=1)] = None,
    seed: Seed = 0,
    log_trajectories: Annotated[bool, typer.Option(help="Keep every training episode as a dataset.")] = False,
    settings: Set = None,
    out: Root = Path("runs"),
    threads: Threads = 1,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Train an online agent on an environment."""
    overrides = [*(settings or ()), *([f"steps={steps}"] if steps else ())]
    _train(
        agent,
        as_json,
        env=env,
        seed=seed,
        overrides=overrides,
        log_trajectories=log_trajectories,
        root=out,
        threads=threads,
    )


@app.command("train-transformer")
def train_transformer(
    data: Annotated[str, typer.Argument(help="A dataset, a run that kept its training, a Minari id, HDF5 or NPZ.")],
    agent: Annotated[
        str, typer.Option(help="dt, dt-paper, dt-stream, dt-lstm, rvs, bc, bc-top, cql, ...: rlformer agents.")
    ] = "dt",
    env: Annotated[
        str | None, typer.Option(metavar="ENV|none", help="Where to evaluate; default: the log's own; none: nowhere.")
    ] = None,
    gradient_steps: Annotated[int | None, typer.Option(help="Gradient steps instead of the preset's.", min=1)] = None,
    target_return: TargetReturn = None,
    prefix: Prefix = None,
    seed: Seed = 0,
    settings: Set = None,
    out: Root = Path("runs"),
    threads: Threads = 1,
    device: Device = "cpu",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Train a sequence model, or offline RL, on a log of trajectories."""
    from rlformer import api

    overrides = list(settings or ())
    overrides += [f"gradient_steps={gradient_steps}"] if gradient_steps else []
    overrides += [f'target_return="{target_return}"'] if target_return else []
    dataset = api.open_data(data, env=env, prefix=prefix)
    _train(
        agent,
        as_json,
        env=env,
        dataset=dataset,
        seed=seed,
        overrides=overrides,
        root=out,
        threads=threads,
        device=device,
    )


def _train(agent: str, as_json: bool, **options: Any) -> None:
    """Train, and print where the run lies and what it scored."""
    from rlformer import api
    from rlformer.cli import console
    from rlformer.evaluator.measure.evaluation import summarize
    from rlformer.runs.directory import RunDirectory
    from rlformer.runs.interrupt import Interrupt

    with Interrupt() as interrupt, console.Bar(agent) as bar:
        told: list[str] = []

        def tell(text: str) -> None:
            told.append(text)
            bar.say(f"note: {text}")

        path = api.train(agent, command=typed(), stop=lambda: interrupt.ever, listener=bar, tell=tell, **options)
    run = RunDirectory.open(path)
    final = run.evaluations().get("final")
    summary = None if final is None else summarize(final, run.spec.env)
    record = run.record
    if as_json:
        console.print_json({"run": str(path), "record": record.to_dict(), "evaluation": summary})
        return
    for note in record.notes:
        if note not in told:
            console.say(f"note: {note}")
    if summary is not None:
        score = "" if summary["normalized_score"] is None else f", normalised score {summary['normalized_score']:.3f}"
        error = "" if summary["standard_error"] is None else f" +- {summary['standard_error']:.1f}"
        print(f"return {summary['mean']:.1f}{error} over {summary['episodes']} episodes{score}")
    if "held-out loss" in str(record.progress.get("note")):
        print(record.progress["note"])
    print(f"wall {record.times['wall']:.1f} s, cpu {record.times['cpu']:.1f} s, {record.parameters} parameters")
    if (path / "trajectories" / "dataset.json").is_file():
        print(f"training episodes: {path / 'trajectories'}")
    print(path)
