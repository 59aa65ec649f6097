"""data info, data import, data export, data verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rlformer.cli.options import Debug, Env, Json, Prefix

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look at logs, and move them in and out.")


@app.command("info")
def data_info(
    data: Annotated[str, typer.Argument(help="A dataset, a run that kept its training, a Minari id, HDF5 or NPZ.")],
    env: Env = None,
    prefix: Prefix = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """What a log holds: spaces, episodes, steps, returns, lengths, endings, provenance, hash."""
    from rlformer import api
    from rlformer.cli import console
    from rlformer.data.describe import describe

    with console.Bar("import") as bar:
        info = describe(api.open_data(data, env=env, prefix=prefix, progress=bar))
    if as_json:
        console.print_json(info.to_dict())
    else:
        print(info)


@app.command("verify")
def data_verify(
    data: Annotated[list[Path], typer.Argument(metavar="DATA...", help="Datasets, or runs that kept their training.")],
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Read all of a dataset: every byte must be what was written, every value one that an episode can have."""
    from rlformer.cli import console
    from rlformer.data.dataset import load
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
            print(f"{row['path']}: whole, {row['episodes']} episodes, hash {row['hash']}")


@app.command("import")
def data_import(
    data: Annotated[str, typer.Argument(help="A Minari id or folder, a D4RL- or d3rlpy-style HDF5 file, an NPZ.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The dataset's folder.")],
    env: Env = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Turn a foreign log into a dataset."""
    from rlformer.cli import console
    from rlformer.data.open import import_data
    from rlformer.envs import cards as env_cards

    with console.Bar("import") as bar:
        dataset = import_data(data, out, None if env is None else env_cards.environment(env), progress=bar)
    console.show_dataset(dataset, as_json)


@app.command("export")
def data_export(
    data: Annotated[str, typer.Argument(help="A dataset, or a run that kept its training.")],
    minari: Annotated[str, typer.Option(metavar="ID", help="The Minari id to create, such as cartpole/mixed-v0.")],
    env: Env = None,
    prefix: Prefix = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a log as a Minari dataset, which minari.load_dataset reads."""
    from rlformer import api
    from rlformer.cli import console
    from rlformer.data.loaders.minari import export_minari
    from rlformer.envs import cards as env_cards
    from rlformer.studies import logs

    dataset = api.open_data(data, env=env, prefix=prefix)
    spec = None if env is None else env_cards.environment(env)
    if spec is None and dataset.info.env is not None:
        spec = logs.dataset_env(dataset)
    path = export_minari(dataset, minari, spec)
    if as_json:
        console.print_json({"minari": minari, "path": str(path), "episodes": dataset.num_episodes})
    else:
        print(path)
