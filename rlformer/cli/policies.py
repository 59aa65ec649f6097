"""collect, evaluate, export, explain."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rlformer.cli import completion
from rlformer.cli.options import (
    ACTIONS,
    EPISODES,
    EXPLAINED,
    FORMS,
    HOW,
    LOG,
    OUTCOME,
    Debug,
    Env,
    Grouped,
    Json,
    Normalized,
    On,
    Prefix,
    Quiet,
    Sample,
    Seed,
    TargetReturn,
    Trust,
    Unnormalized,
    ZipAgent,
    statistics,
)

app = typer.Typer()


@app.command(cls=Grouped)
def collect(
    policy: Annotated[
        str,
        typer.Argument(
            metavar="POLICY",
            help="A run directory, a stable-baselines3 .zip, a Hugging Face folder, or random.",
            autocompletion=completion.policies,
        ),
    ],
    env: Env = None,
    episodes: Annotated[
        int | None, typer.Option(metavar="N", help="Number of episodes.", min=1, rich_help_panel=EPISODES)
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Record whole episodes until they have this many steps.", min=1, rich_help_panel=EPISODES
        ),
    ] = None,
    epsilon: Annotated[
        float,
        typer.Option(metavar="SHARE", help="Share of steps with a uniformly random action.", rich_help_panel=ACTIONS),
    ] = 0.0,
    seed: Seed = 0,
    num_envs: Annotated[
        int, typer.Option(metavar="N", help="Environments stepped in parallel.", min=1, rich_help_panel=HOW)
    ] = 64,
    sample: Sample = None,
    agent: ZipAgent = None,
    trust: Trust = False,
    normalization: Normalized = None,
    no_normalization: Unnormalized = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DATA", help="Folder for the dataset.", rich_help_panel=OUTCOME)
    ] = None,
    quiet: Quiet = False,
    shards: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Record this many shards in parallel processes; they are read as one log.",
            min=1,
            rich_help_panel=HOW,
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Shards recorded at a time. Default: as many as fit.", min=1, rich_help_panel=HOW
        ),
    ] = None,
    on: On = "local",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Record episodes of a policy as a dataset."""
    from rlformer import api
    from rlformer.cli import console
    from rlformer.runs.interrupt import Interrupt
    from rlformer.studies import logs

    with Interrupt() as interrupt, console.Bar("collect") as bar:
        dataset = api.collect(
            policy,
            env=env,
            out=out,
            episodes=episodes,
            steps=steps,
            epsilon=epsilon,
            seed=seed,
            num_envs=num_envs,
            agent=agent,
            sample=sample,
            trust=trust,
            normalization=statistics(normalization, no_normalization),
            shards=shards,
            jobs=jobs,
            on=on,
            progress=bar,
            stop=lambda: interrupt.ever,
            tell=bar.say,
        )
    console.show_dataset(dataset, as_json, logs.native_of(dataset, env))


@app.command(cls=Grouped)
def evaluate(
    policies: Annotated[
        list[str],
        typer.Argument(
            metavar="POLICY",
            help="Run directories, saved trees, .zip files, Hugging Face folders, or random.",
            autocompletion=completion.policies,
        ),
    ],
    env: Env = None,
    episodes: Annotated[
        int, typer.Option(metavar="N", help="Episodes of each policy.", min=1, rich_help_panel=EPISODES)
    ] = 100,
    seed: Annotated[int, typer.Option(metavar="N", help="Chooses the fixed episodes.", min=0, rich_help_panel=HOW)] = 0,
    num_envs: Annotated[
        int, typer.Option(metavar="N", help="Environments side by side; changes no return.", min=1, rich_help_panel=HOW)
    ] = 16,
    target_return: TargetReturn = None,
    sample: Sample = None,
    agent: ZipAgent = None,
    trust: Trust = False,
    normalization: Normalized = None,
    no_normalization: Unnormalized = False,
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Evaluate policies on the same fixed episodes."""
    from rlformer import api
    from rlformer.cli import answers, console
    from rlformer.evaluator.measure.summary import paired_difference, summarize

    with console.Bar("episodes") as bar:
        spec, results = api.evaluate(
            policies,
            env=env,
            episodes=episodes,
            seed=seed,
            num_envs=num_envs,
            target_return=target(target_return),
            agent=agent,
            sample=sample,
            trust=trust,
            normalization=statistics(normalization, no_normalization),
            progress=bar,
            warn=lambda text: console.say(f"warning: {text}"),
        )
    found = [summarize(result, spec) for result in results]
    pairs = [paired_difference(a, b) for i, a in enumerate(results) for b in results[i + 1 :]]
    if as_json:
        policies_told, differences = [asdict(each) for each in found], [asdict(pair) for pair in pairs]
        console.print_json({"env": spec.name, "policies": policies_told, "differences": differences})
    else:
        print(answers.evaluation(spec, found, pairs))


@app.command(cls=Grouped)
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    huggingface: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A folder for transformers' DecisionTransformerModel.", rich_help_panel=FORMS),
    ] = None,
    sb3: Annotated[
        Path | None,
        typer.Option(metavar="ZIP", help="A .zip for stable-baselines3 (it contains pickles).", rich_help_panel=FORMS),
    ] = None,
    onnx: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="An ONNX file (for any trained agent).", rich_help_panel=FORMS),
    ] = None,
    minimal: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="A folder with a policy.py that needs only numpy and onnxruntime.",
            rich_help_panel=FORMS,
        ),
    ] = None,
    trust: Trust = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Export a trained agent for use in other programs. Give one of the four formats."""
    from rlformer import api
    from rlformer.cli import console

    told: list[str] = []
    path = api.export(run, huggingface=huggingface, sb3=sb3, onnx=onnx, minimal=minimal, trust=trust, tell=told.append)
    if as_json:
        console.print_json({"run": str(run), "exported": str(path), "notes": told})
    else:
        print(path)
        for text in told:
            console.say(text)


@app.command(cls=Grouped)
def explain(
    policy: Annotated[
        str,
        typer.Argument(
            metavar="POLICY", help="A run directory, or a stable-baselines3 .zip.", autocompletion=completion.policies
        ),
    ],
    env: Env = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="Measure effects at the states of this log, too. Default: the run's own log.",
            rich_help_panel=LOG,
        ),
    ] = None,
    prefix: Prefix = None,
    distractors: Annotated[
        int | None,
        typer.Option(
            metavar="D",
            help="Train the run again with this many irrelevant inputs, and explain that run.",
            min=1,
            rich_help_panel=EXPLAINED,
        ),
    ] = None,
    seed: Seed = 0,
    tree: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Save the decision tree that imitates the policy here.", rich_help_panel=OUTCOME
        ),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Only these parts: effects, explainers, deletion, surrogate, controllability, pictures, maps, probes, "
            "patching.",
            rich_help_panel=EXPLAINED,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for the explanation. Default: explain/ in the run directory.",
            rich_help_panel=OUTCOME,
        ),
    ] = None,
    step: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Explain the policy that the run kept at this step. Default: the last one.",
            rich_help_panel=EXPLAINED,
        ),
    ] = None,
    agent: ZipAgent = None,
    on: On = "local",
    trust: Trust = False,
    normalization: Normalized = None,
    no_normalization: Unnormalized = False,
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure what a policy relies on, and how to explain it. Shows which explanations can be trusted."""
    from rlformer import api
    from rlformer.cli import console, explanations
    from rlformer.core.errors import InputError
    from rlformer.runs.interrupt import Interrupt

    if dataset is None and prefix is not None:
        raise InputError(f"--prefix {prefix} needs a log to cut: add --dataset DATA")
    with Interrupt() as interrupt, console.Bar("explain") as bar:
        explanation = api.explain(
            policy,
            env=env,
            dataset=None if dataset is None else api.open_data(dataset, env=env, prefix=prefix),
            distractors=distractors,
            seed=seed,
            tree=tree,
            only=None if only is None else [part.strip() for part in only.split(",") if part.strip()],
            out=out,
            agent=agent,
            step=step,
            trust=trust,
            normalization=statistics(normalization, no_normalization),
            on=on,
            progress=bar,
            stop=lambda: interrupt.ever,
            tell=bar.say,
        )
    if as_json:
        console.print_json(explanation.to_dict())
    else:
        explanations.show(explanation)


def target(text: str | None) -> float | str | None:
    """A number, the name of a rule for a log, or None for what the policy chose from its own."""
    from rlformer.core.errors import InputError
    from rlformer.data.targets import RULES

    if text is None or text in RULES:
        return text
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"--target-return '{text}' is neither a number nor one of {', '.join(RULES)}")
    return number
