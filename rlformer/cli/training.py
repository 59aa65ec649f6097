"""train-agent, train-transformer."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rlformer.cli import completion
from rlformer.cli.opening import open_log
from rlformer.cli.options import (
    EPISODES,
    LOG,
    OUTCOME,
    TRAINED,
    Debug,
    Device,
    Grouped,
    Json,
    Map,
    Prefix,
    Quiet,
    RewardColumn,
    Root,
    Seed,
    Set,
    TargetReturn,
    Threads,
    typed,
)

if TYPE_CHECKING:
    from rlformer.data.dataset import Dataset

app = typer.Typer()
_AGENT, _TRANSFORMER = "train-agent", "train-transformer"


@app.command(_AGENT, cls=Grouped)
def train_agent(
    env: Annotated[
        str | None,
        typer.Argument(
            metavar="ENV",
            help="Name of a card, a Gymnasium id, or module:Name-v0 for your own environment. With --dataset, the "
            "default is the log's environment, and 'none' skips evaluation.",
            autocompletion=completion.environments,
        ),
    ] = None,
    agent: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="ppo, dqn, a2c, sac, td3, ddpg, ...; with --dataset cql, iql, td3-bc, rebrac, ... rlformer agents "
            "lists all.",
            autocompletion=completion.agents,
            rich_help_panel=TRAINED,
        ),
    ] = "ppo",
    dataset: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Log to learn from, as DATA of train-transformer.", rich_help_panel=LOG),
    ] = None,
    prefix: Prefix = None,
    maps: Map = None,
    reward_column: RewardColumn = None,
    steps: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Environment steps, or gradient steps for offline RL. Default: the preset's.",
            min=1,
            rich_help_panel=TRAINED,
        ),
    ] = None,
    seed: Seed = 0,
    log_trajectories: Annotated[
        bool, typer.Option(help="Keep every training episode as a dataset.", rich_help_panel=OUTCOME)
    ] = False,
    settings: Set = None,
    out: Root = Path("runs"),
    threads: Threads = 1,
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Train an RL agent online, on a log, or on both. Give ENV to train online and --dataset to train on a log."""
    from rlformer.agents.cards import agent as agent_card
    from rlformer.agents.learners import learner
    from rlformer.core.errors import InputError

    _check_command(agent, _AGENT, "DATA" if dataset is None else dataset)
    if env is None and dataset is None:
        raise InputError("train-agent needs an environment (ENV), or a log (--dataset DATA) for offline RL")
    if dataset is None and prefix is not None:
        raise InputError(f"--prefix {prefix} needs a log to cut: add --dataset DATA")
    if dataset is None and (maps or reward_column is not None):
        raise InputError("--map and --reward-column choose columns of a log: add --dataset DATA")
    kind = learner(agent_card(agent).learner)
    if log_trajectories and not kind.steps_env:
        raise InputError(f"--log-trajectories keeps the episodes of online training, but '{agent}' trains on a log")
    log = None
    if dataset is not None:
        log = open_log(dataset, env=env, prefix=prefix, maps=maps, reward_column=reward_column)
    overrides = [*(settings or ()), *([f"{kind.steps_key}={steps}"] if steps else ())]
    _train(agent, as_json, env, log, seed, overrides, out, threads, log_trajectories=log_trajectories)


@app.command(_TRANSFORMER, cls=Grouped)
def train_transformer(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A dataset, a run that kept its training episodes, a Minari id or folder, or an HDF5, NPZ, CSV or "
            "Parquet file.",
        ),
    ],
    agent: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="dt, dt-paper, dt-stream, dt-lstm, rvs, bc, bc-top, ... rlformer agents lists all.",
            autocompletion=completion.agents,
            rich_help_panel=TRAINED,
        ),
    ] = "dt",
    env: Annotated[
        str | None,
        typer.Option(
            metavar="ENV|none",
            help="Environment for evaluation. Default: the log's own; 'none' skips evaluation.",
            autocompletion=completion.environments,
            rich_help_panel=EPISODES,
        ),
    ] = None,
    gradient_steps: Annotated[
        int | None,
        typer.Option(metavar="N", help="Gradient steps. Default: the preset's.", min=1, rich_help_panel=TRAINED),
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Training objective: imitation, chunks, masked, ... Default: the card's.",
            rich_help_panel=TRAINED,
        ),
    ] = None,
    pretrain: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Pretraining in the first half of the steps: synthetic or random-tokens; also masked and autoencoder, "
            "for which the agents dt-masked and dt-latent set what they need.",
            rich_help_panel=TRAINED,
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="RUN|FOLDER",
            help="Start from the weights of a run, or from GPT-2 in Hugging Face format.",
            rich_help_panel=TRAINED,
        ),
    ] = None,
    target_return: TargetReturn = None,
    prefix: Prefix = None,
    maps: Map = None,
    reward_column: RewardColumn = None,
    seed: Seed = 0,
    settings: Set = None,
    out: Root = Path("runs"),
    threads: Threads = 1,
    device: Device = "cpu",
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Train a sequence model or an imitator on a log."""
    _check_command(agent, _TRANSFORMER, data)
    overrides = list(settings or ())
    overrides += [f"gradient_steps={gradient_steps}"] if gradient_steps else []
    overrides += [f"objective={json.dumps(objective)}"] if objective is not None else []
    overrides += [f"pretraining={json.dumps(pretrain)}"] if pretrain is not None else []
    log = open_log(data, env=env, prefix=prefix, maps=maps, reward_column=reward_column)
    overrides += [f"target_return={json.dumps(target_return)}"] if target_return is not None else []
    _train(agent, as_json, env, log, seed, overrides, out, threads, device=device, start=start)


def _check_command(agent: str, typed_command: str, data: str) -> None:
    """Raise InputError, with the command that trains it, where an agent belongs to the other one.

    Sequence models and imitation learn from a log alone; all other agents are RL, some of them from a log too.
    """
    from rlformer.agents.cards import agent as agent_card
    from rlformer.agents.learners import learner
    from rlformer.core.errors import InputError

    card = agent_card(agent)
    needs = learner(card.learner).needs
    sequence = "log" in needs and "env" not in needs and card.family in ("sequence", "")
    if (_TRANSFORMER if sequence else _AGENT) == typed_command:
        return
    if sequence:
        raise InputError(f"agent '{agent}' learns from a log: rlformer {_TRANSFORMER} {data} --agent {agent}")
    if "log" in needs and "env" in needs:
        where = f"rlformer {_AGENT} ENV --dataset {data} --agent {agent}"
        raise InputError(f"agent '{agent}' learns from a log and by interaction: {where}")
    if "log" in needs:
        where = f"rlformer {_AGENT} --dataset {data} --agent {agent}"
        raise InputError(f"agent '{agent}' is offline RL, not a sequence model: {where}")
    raise InputError(f"agent '{agent}' learns by interaction: rlformer {_AGENT} ENV --agent {agent}")


def _train(
    agent: str,
    as_json: bool,
    env: str | None,
    log: Dataset | None,
    seed: int,
    overrides: list[str],
    root: Path,
    threads: int,
    *,
    device: str = "cpu",
    start: str | None = None,
    log_trajectories: bool = False,
) -> None:
    """Train, and print where the run lies and what it scored."""
    from rlformer import api
    from rlformer.cli import console
    from rlformer.runs.interrupt import Interrupt

    with Interrupt() as interrupt, console.Bar(agent) as bar:
        noted: list[str] = []

        def tell(text: str) -> None:
            noted.append(text)
            bar.say(f"note: {text}")

        path = api.train(
            agent,
            env=env,
            dataset=log,
            seed=seed,
            overrides=overrides,
            start=start,
            log_trajectories=log_trajectories,
            root=root,
            threads=threads,
            device=device,
            command=typed(),
            hooks=api.Hooks(lambda: interrupt.ever, bar, tell),
        )
    _show(path, noted, as_json)


def _show(path: Path, noted: list[str], as_json: bool) -> None:
    from rlformer.cli import console
    from rlformer.evaluator.measure.summary import summarize
    from rlformer.runs.directory import RunDirectory

    run = RunDirectory.open(path)
    final = run.evaluations().get("final")
    summary = None if final is None else summarize(final, run.spec.env)
    record = run.record
    if as_json:
        console.print_json(
            {"run": str(path), "record": record.to_dict(), "evaluation": None if summary is None else asdict(summary)}
        )
        return
    for note in record.notes:
        if note not in noted:
            console.say(f"note: {note}")
    if summary is not None:
        score = "" if summary.normalized_score is None else f", normalised score {summary.normalized_score:.3f}"
        error = "" if summary.standard_error is None else f" +- {summary.standard_error:.1f}"
        print(f"return {summary.mean:.1f}{error} over {summary.episodes} episodes{score}")
    if "held-out loss" in str(record.progress.get("note")):
        print(record.progress["note"])
    print(f"wall {record.times['wall']:.1f} s, cpu {record.times['cpu']:.1f} s, {record.parameters} parameters")
    if (run.trajectories / "dataset.json").is_file():
        print(f"training episodes: {run.trajectories}")
    print(path)
