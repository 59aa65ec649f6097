"""The commands. Each parses, calls the function behind it (`rlformer.api`), and prints."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Online RL or a sequence model, for your Gymnasium environment? Train both, count every cost, read one report.",
)
data_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look at logs, and move them in and out.")
app.add_typer(data_app, name="data")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else there.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Set = Annotated[Optional[list[str]], typer.Option("--set", metavar="KEY=VALUE", help="Change a preset; repeatable.")]
Seed = Annotated[int, typer.Option(help="The seed that every random stream of the run derives from.", min=0)]
Threads = Annotated[int, typer.Option(help="Threads of a run.", min=1)]
Root = Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder of run directories.")]
Env = Annotated[Optional[str], typer.Option("--env", metavar="ENV", help="A card's name or a Gymnasium id.")]
Trust = Annotated[bool, typer.Option("--trust", help="Unpickle a foreign file: only if you trust where it comes from.")]
ZipAgent = Annotated[Optional[str], typer.Option("--agent", help="The class of a stable-baselines3 .zip.")]
Sample = Annotated[bool, typer.Option("--sample", help="Draw actions of stochastic policies instead of the best.")]
Prefix = Annotated[
    Optional[str],
    typer.Option(help="How much of a training log: mid, full, a share of its steps, or a number of them."),
]


@app.command()
def compare(
    env: Annotated[str, typer.Argument(help="A card's name, a Gymnasium id, or module:Name-v0 of your own.")],
    dataset: Annotated[Optional[str], typer.Option(metavar="DATA", help="Your log; default: PPO's own training.")] = None,
    profile: Annotated[str, typer.Option(help="quick (3 seeds) or standard (10 seeds, the whole ladder).")] = "quick",
    arms: Annotated[Optional[str], typer.Option(metavar="A,B,...", help="Agents instead of the profile's.")] = None,
    seeds: Annotated[Optional[int], typer.Option(help="Seeds instead of the profile's.", min=1)] = None,
    jobs: Annotated[Optional[int], typer.Option(help="Runs side by side; default: one a core.", min=1)] = None,
    prefix: Annotated[str, typer.Option(help="How much of PPO's training is the log: mid, full, or a share.")] = "mid",
    runs: Annotated[Path, typer.Option(metavar="DIR", help="The folder of run directories.")] = Path("runs"),
    out: Annotated[Optional[Path], typer.Option(metavar="DIR", help="The report's folder.")] = None,
    threads: Threads = 1,
    settings: Annotated[Optional[list[str]], typer.Option("--set", metavar="AGENT.KEY=VALUE", help="Change a preset.")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Train online RL and sequence models on one task, and write one report."""
    from rlformer import api, console, study

    log = None if dataset is None else api.open_data(dataset, env=env).path
    options: dict[str, Any] = {
        "profile": profile,
        "arms": None if arms is None else [a.strip() for a in arms.split(",") if a.strip()],
        "seeds": seeds,
        "dataset": log,
        "prefix": prefix,
        "overrides": settings or (),
        "root": runs,
    }
    total = len(study.plan(env, **options).jobs)
    console.say(f"{total} runs in {runs}; the same command continues after an interruption")
    progress = console.StudyProgress(total)
    try:
        results = api.compare(
            env, jobs=jobs, threads=threads, out=out, listen=progress, command=_typed(), **options
        )
    finally:
        progress.close()
    folder = out or Path("reports") / env.replace("/", "-")
    if as_json:
        console.print_json(results)
    else:
        print((folder / "report.md").read_text(encoding="utf-8"))
        print(folder / "report.html")


@app.command("train-agent")
def train_agent(
    env: Annotated[str, typer.Argument(help="A card's name, a Gymnasium id, or module:Name-v0 of your own.")],
    agent: Annotated[str, typer.Option(help="ppo, dqn, a2c, sac, td3, ... (rlformer agents).")] = "ppo",
    steps: Annotated[Optional[int], typer.Option(help="Environment steps instead of the preset's.", min=1)] = None,
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
    _train(agent, as_json, env=env, seed=seed, overrides=overrides, log_trajectories=log_trajectories, root=out, threads=threads)


@app.command("train-transformer")
def train_transformer(
    data: Annotated[str, typer.Argument(help="A dataset, a run that kept its training, a Minari id, HDF5 or NPZ.")],
    agent: Annotated[str, typer.Option(help="dt, dt-k1, dt-no-rtg, dt-lstm, rvs, bc, bc-top, ...")] = "dt",
    env: Env = None,
    gradient_steps: Annotated[Optional[int], typer.Option(help="Gradient steps instead of the preset's.", min=1)] = None,
    target_return: Annotated[Optional[str], typer.Option(metavar="R|auto", help="What return to ask for.")] = None,
    prefix: Prefix = None,
    seed: Seed = 0,
    settings: Set = None,
    out: Root = Path("runs"),
    threads: Threads = 1,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Train a sequence model on a log of trajectories."""
    from rlformer import api

    overrides = list(settings or ())
    overrides += [f"gradient_steps={gradient_steps}"] if gradient_steps else []
    overrides += [f'target_return="{target_return}"'] if target_return else []
    dataset = api.open_data(data, env=env, prefix=prefix)
    _train(agent, as_json, env=env, dataset=dataset, seed=seed, overrides=overrides, root=out, threads=threads)


@app.command()
def collect(
    policy: Annotated[str, typer.Argument(help="A run directory, a stable-baselines3 .zip, or random.")],
    env: Env = None,
    episodes: Annotated[Optional[int], typer.Option(help="Whole episodes.", min=1)] = None,
    steps: Annotated[Optional[int], typer.Option(help="Whole episodes, until this many steps.", min=1)] = None,
    epsilon: Annotated[float, typer.Option(help="Share of steps with a uniform action instead.")] = 0.0,
    seed: Seed = 0,
    num_envs: Annotated[int, typer.Option(help="Environments side by side.", min=1)] = 16,
    sample: Sample = False,
    agent: ZipAgent = None,
    trust: Trust = False,
    out: Annotated[Optional[Path], typer.Option(metavar="DATA", help="The dataset's folder.")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Let a policy play, and keep the episodes as a dataset."""
    from rlformer import api, console
    from rlformer.data.describe import describe, describe_text
    from rlformer.runs.interrupt import Interrupt

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
            progress=bar,
            stop=lambda: interrupt.ever,
        )
    info = describe(dataset)
    if as_json:
        console.print_json({"path": str(dataset.path), **info})
    else:
        print(describe_text(info))
        print(dataset.path)


@app.command()
def evaluate(
    policies: Annotated[list[str], typer.Argument(metavar="POLICY...", help="Run directories, .zip files, random.")],
    env: Env = None,
    episodes: Annotated[int, typer.Option(help="Episodes of each policy.", min=1)] = 100,
    seed: Annotated[int, typer.Option(help="Chooses the fixed episodes.", min=0)] = 0,
    num_envs: Annotated[int, typer.Option(help="Environments side by side; changes no return.", min=1)] = 16,
    target_return: Annotated[Optional[str], typer.Option(metavar="R|auto", help="What return to ask for.")] = None,
    sample: Sample = False,
    agent: ZipAgent = None,
    trust: Trust = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Evaluate policies on the same fixed episodes."""
    from rlformer import api, console
    from rlformer.evaluation import paired_difference, summarize

    with console.Bar("episodes") as bar:
        spec, results = api.evaluate(
            policies,
            env=env,
            episodes=episodes,
            seed=seed,
            num_envs=num_envs,
            target_return=_target(target_return),
            agent=agent,
            sample=sample,
            trust=trust,
            progress=bar,
        )
    rows = [summarize(result, spec) for result in results]
    pairs = [paired_difference(a, b) for i, a in enumerate(results) for b in results[i + 1 :]]
    if as_json:
        console.print_json({"env": spec.name, "policies": rows, "differences": pairs})
        return
    columns = ["policy", "mean", "standard_error", "q1", "median", "q3", "success_rate", "normalized_score", "target_return"]
    print(console.table([c.replace("_", " ") for c in columns], [[row[c] for c in columns] for row in rows]))
    if pairs:
        body = [[*p["policies"], p["mean"], p["low"], p["high"], p["wins"]] for p in pairs]
        print("\nthe same episodes, first minus second:")
        print(console.table(["first", "second", "difference", "95 % from", "to", "share won"], body))


@app.command()
def report(
    directories: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Run directories, or folders of them.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The report's folder.")] = Path("reports/report"),
    title: Annotated[Optional[str], typer.Option(help="The page's title.")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Rebuild report.html, report.md and results.json from run directories."""
    from rlformer import api, console

    results = api.report(directories, out=out, title=title, command=_typed())
    if as_json:
        console.print_json(results)
    else:
        print(out / "report.html")


@app.command()
def envs(as_json: Json = False, debug: Debug = False) -> None:
    """List the environments in the catalogue, and which extra is missing."""
    from rlformer import catalogue, console
    from rlformer.extras import missing_extra

    rows = [
        {"name": name, **spec.to_dict(), "missing_extra": missing_extra(spec.extra)}
        for name, spec in catalogue.environments().items()
    ]
    if as_json:
        console.print_json({"environments": rows})
        return
    body = [
        [r["name"], r.get("random_score"), r.get("reference_score"), r.get("solved_threshold"), _needs(r), r.get("summary", "")]
        for r in rows
    ]
    print(console.table(["environment", "random", "reference", "solved", "needs", ""], body))


@app.command()
def agents(as_json: Json = False, debug: Debug = False) -> None:
    """List the agents in the catalogue, and which extra is missing."""
    from rlformer import catalogue, console
    from rlformer.extras import missing_extra

    rows = [
        {
            "name": name,
            "learner": card.learner,
            "summary": card.summary,
            "source": card.source,
            "tuning": card.tuning,
            "presets": card.presets,
            "defaults": card.defaults,
            "missing_extra": missing_extra(card.extra),
        }
        for name, card in catalogue.agents().items()
    ]
    if as_json:
        console.print_json({"agents": rows})
        return
    body = [[r["name"], r["learner"], ", ".join(r["presets"]) or "-", _needs(r), r["summary"]] for r in rows]
    print(console.table(["agent", "learner", "presets", "needs", ""], body))


@data_app.command("info")
def data_info(
    data: Annotated[str, typer.Argument(help="A dataset, a run that kept its training, a Minari id, HDF5 or NPZ.")],
    env: Env = None,
    prefix: Prefix = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """What a log holds: spaces, episodes, steps, returns, lengths, endings, provenance, hash."""
    from rlformer import api, console
    from rlformer.data.describe import describe, describe_text

    with console.Bar("import") as bar:
        info = describe(api.open_data(data, env=env, prefix=prefix, progress=bar))
    if as_json:
        console.print_json(info)
    else:
        print(describe_text(info))


@data_app.command("import")
def data_import(
    data: Annotated[str, typer.Argument(help="A Minari id or folder, a D4RL- or d3rlpy-style HDF5 file, an NPZ.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The dataset's folder.")],
    env: Env = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Turn a foreign log into a dataset."""
    from rlformer import catalogue, console
    from rlformer.data.describe import describe, describe_text
    from rlformer.data.doors import import_data

    with console.Bar("import") as bar:
        dataset = import_data(data, out, None if env is None else catalogue.environment(env), progress=bar)
    info = describe(dataset)
    if as_json:
        console.print_json({"path": str(dataset.path), **info})
    else:
        print(describe_text(info))
        print(dataset.path)


@data_app.command("export")
def data_export(
    data: Annotated[str, typer.Argument(help="A dataset, or a run that kept its training.")],
    minari: Annotated[str, typer.Option(metavar="ID", help="The Minari id to create, such as cartpole/mixed-v0.")],
    env: Env = None,
    prefix: Prefix = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a log as a Minari dataset, which minari.load_dataset reads."""
    from rlformer import api, console, experiment
    from rlformer.data.minari import export_minari

    dataset = api.open_data(data, env=env, prefix=prefix)
    path = export_minari(dataset, minari, experiment.dataset_env(dataset))
    if as_json:
        console.print_json({"minari": minari, "path": str(path), "episodes": dataset.num_episodes})
    else:
        print(path)


def _train(agent: str, as_json: bool, **options: Any) -> None:
    """Train, and print where the run lies and what it scored."""
    from rlformer import api, console
    from rlformer.evaluation import summarize
    from rlformer.runs.directory import RunDirectory
    from rlformer.runs.interrupt import Interrupt

    with Interrupt() as interrupt, console.Bar(agent) as bar:
        path = api.train(agent, stop=lambda: interrupt.ever, listener=bar, **options)
    run = RunDirectory.open(path)
    final = run.evaluations().get("final")
    summary = None if final is None else summarize(final, run.config.env)
    record = run.record
    if as_json:
        console.print_json({"run": str(path), "record": record.to_dict(), "evaluation": summary})
        return
    for note in record.notes:
        console.say(f"note: {note}")
    if summary is not None:
        score = "" if summary["normalized_score"] is None else f", normalised score {summary['normalized_score']:.3f}"
        error = "" if summary["standard_error"] is None else f" +- {summary['standard_error']:.1f}"
        print(f"return {summary['mean']:.1f}{error} over {summary['episodes']} episodes{score}")
    print(f"wall {record.times['wall']:.1f} s, cpu {record.times['cpu']:.1f} s, {record.parameters} parameters")
    if (path / "trajectories" / "dataset.json").is_file():
        print(f"training episodes: {path / 'trajectories'}")
    print(path)


def _target(text: str | None) -> float | None:
    """A number, or None for what the policy chose from its log."""
    from rlformer.errors import InputError

    if text is None or text == "auto":
        return None
    try:
        return float(text)
    except ValueError:
        raise InputError(f"--target-return '{text}' is neither a number nor auto") from None


def _needs(row: dict[str, Any]) -> str:
    extra = row["missing_extra"]
    return f"pip install 'rlformer[{extra}]'" if extra else ""


def _typed() -> str:
    return shlex.join(["rlformer", *sys.argv[1:]])


def main() -> None:
    """Run the command line; errors are one line on standard error."""
    debug = "--debug" in sys.argv
    try:
        app(standalone_mode=True)
    except Exception as error:
        from rlformer.errors import InputError, Interrupted

        if debug:
            raise
        if isinstance(error, Interrupted):
            print("stopped; the same command continues", file=sys.stderr)
            raise SystemExit(130) from None
        print(f"error: {' '.join(str(error).split()) or type(error).__name__}", file=sys.stderr)
        raise SystemExit(2 if isinstance(error, InputError) else 1) from None
    except KeyboardInterrupt:
        print("stopped; the same command continues", file=sys.stderr)
        raise SystemExit(130) from None
