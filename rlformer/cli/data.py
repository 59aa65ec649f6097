"""data info, data import, data export, data verify."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from rlformer.cli.opening import open_log
from rlformer.cli.options import Debug, Env, Grouped, Json, Map, Prefix, Quiet, RewardColumn

_FOREIGN = "a Minari id or folder, or an HDF5, NPZ, CSV or Parquet file"

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Inspect, check, import, join and export logs.")


@app.command("info", cls=Grouped)
def data_info(
    data: Annotated[
        str,
        typer.Argument(metavar="DATA", help=f"A dataset, a run that kept its training episodes, {_FOREIGN}."),
    ],
    env: Env = None,
    prefix: Prefix = None,
    maps: Map = None,
    reward_column: RewardColumn = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what a log holds and what looks wrong with it. Nothing is written."""
    from rlformer.cli import console
    from rlformer.data.describe import describe
    from rlformer.studies import logs

    dataset = open_log(data, env=env, prefix=prefix, maps=maps, reward_column=reward_column, keep=False, tell=False)
    info = describe(dataset, *logs.held_against(dataset, env))
    if info.path is None:
        info = replace(info, path=data)
    if as_json:
        console.print_json(info.to_dict())
    else:
        print(info)


@app.command("verify", cls=Grouped)
def data_verify(
    data: Annotated[
        list[Path], typer.Argument(metavar="DATA", help="Datasets, or runs that kept their training episodes.")
    ],
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Check a whole dataset for damage. Every byte must be as it was written, and every value must be valid."""
    from rlformer.cli import console
    from rlformer.data.folder import load
    from rlformer.runs.directory import TRAJECTORIES

    found = []
    for path in data:
        kept = path / TRAJECTORIES
        dataset = load(kept if kept.is_dir() else path, verify=True)
        found.append({"path": str(dataset.path), "hash": dataset.hash, "episodes": len(dataset)})
    if as_json:
        console.print_json({"verified": found})
    else:
        for row in found:
            print(f"{row['path']}: intact, {row['episodes']} episodes, hash {row['hash']}")


@app.command("import", cls=Grouped)
def data_import(
    data: Annotated[str, typer.Argument(metavar="DATA", help=f"{_FOREIGN[0].upper()}{_FOREIGN[1:]}.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the dataset.")],
    env: Env = None,
    maps: Map = None,
    reward_column: RewardColumn = None,
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Import a log in another format as a dataset."""
    from rlformer.cli import console
    from rlformer.data.loaders.names import Choice
    from rlformer.data.open import import_data
    from rlformer.envs import cards as env_cards
    from rlformer.studies import logs

    spec, choice = None if env is None else env_cards.environment(env), Choice.parse(maps, reward_column)
    with console.Bar("import") as bar:
        dataset = import_data(data, out, spec, progress=bar, choice=choice)
    console.show_dataset(dataset, as_json, *logs.held_against(dataset, env))


@app.command("join")
def data_join(
    data: Annotated[
        list[str],
        typer.Argument(metavar="DATA", help=f"Any of: a dataset, a run that kept its training episodes, {_FOREIGN}."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the joined log.")],
    env: Env = None,
    maps: Map = None,
    reward_column: RewardColumn = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Join several logs into one, in the given order. Datasets stay where they are; others are imported into DIR."""
    from rlformer import api
    from rlformer.cli import console
    from rlformer.data.loaders.names import Choice
    from rlformer.studies import logs

    choice = Choice.parse(maps, reward_column)
    with console.Bar("import") as bar:
        dataset = api.join(data, out, env=env, map=choice.columns, reward_column=reward_column, progress=bar)
    console.show_dataset(dataset, as_json, *logs.held_against(dataset, env))


@app.command("export", cls=Grouped)
def data_export(
    data: Annotated[
        str,
        typer.Argument(metavar="DATA", help=f"A dataset, a run that kept its training episodes, {_FOREIGN}."),
    ],
    minari: Annotated[str, typer.Option(metavar="ID", help="The Minari id to create, such as cartpole/mixed-v0.")],
    env: Env = None,
    prefix: Prefix = None,
    maps: Map = None,
    reward_column: RewardColumn = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a log as a Minari dataset, which minari.load_dataset reads."""
    from rlformer.cli import console
    from rlformer.data.loaders.minari import export_minari
    from rlformer.envs import cards as env_cards
    from rlformer.studies import logs

    dataset = open_log(data, env=env, prefix=prefix, maps=maps, reward_column=reward_column, keep=False)
    spec = None if env is None else env_cards.environment(env)
    if spec is None and dataset.info.env is not None:
        spec = logs.dataset_env(dataset)
    path = export_minari(dataset, minari, spec)
    if as_json:
        console.print_json({"minari": minari, "path": str(path), "episodes": dataset.num_episodes})
    else:
        print(path)
