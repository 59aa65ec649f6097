"""The one door to Minari: its datasets in, ours out. Nothing is ever downloaded."""

from __future__ import annotations

import json
import os
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.records import SCHEMA, EnvSpec, Episode
from rlformer.core.spaces import ActionSpec, Spaces
from rlformer.data.dataset import Dataset, DatasetInfo, check_spaces
from rlformer.data.loaders.foreign import ForeignLog, Native, canonical_actions, canonical_observations
from rlformer.envs import environments

if TYPE_CHECKING:
    from minari import MinariDataset
    from minari.data_collector import EpisodeBuffer

_ID = re.compile(r"[-\w]+(/[-\w]+)*-v\d+")
MAIN_FILE = "main_data.hdf5"  # what its HDF5 storage is called; `metadata.json` beside it makes it a dataset
_OURS = "rlformer"  # the key in Minari's metadata for what Minari has no place for
_CREDITS = ("dataset_id", "algorithm_name", "author", "code_permalink", "minari_version", "requirements")


def is_id(text: str) -> bool:
    """Whether this has the form of a Minari id, such as D4RL/door/human-v2."""
    return _ID.fullmatch(text) is not None


def datasets_path() -> Path:
    """Where Minari keeps its datasets on this machine."""
    return Path(os.environ.get("MINARI_DATASETS_PATH") or Path.home() / ".minari" / "datasets")


def find(text: str | Path) -> Path | None:
    """The folder of data that a path or an id names; None where there is none here."""
    for folder in (Path(text), Path(text) / "data", datasets_path() / text / "data"):
        if (folder / "metadata.json").is_file():
            return folder
    return None


def name_of(folder: Path) -> str:
    """The id of the Minari dataset in that folder."""
    return str(files.read_json(folder / "metadata.json").get("dataset_id", folder.parent.name))


def open_minari(folder: Path, env: Native | None) -> ForeignLog:
    """The log in that folder. Raises InputError where it is damaged, has spaces that have no vector form, or
    does not fit `env`.
    """
    from minari import MinariDataset

    try:
        data = MinariDataset(folder)
        metadata = data.storage.read_raw_metadata(folder)
        count = int(data.total_episodes)
    except (ValueError, KeyError, AssertionError, OSError, ImportError, gym.error.Error) as error:
        raise InputError(f"a Minari dataset that cannot be read: {_one_line(error)}") from error
    if count == 0:
        raise InputError("no episodes in it")
    if not data.observation_space.is_np_flattenable:
        raise InputError(f"observation space {type(data.observation_space).__name__} cannot be flattened")
    info = _info(metadata, data.observation_space, data.action_space)
    if env is not None:
        own = Spaces.plain((spaces.flatdim(env.observation_space),), environments.action_spec(env.action_space))
        check_spaces(info, env.name, own)
        info = replace(info, env=env.name, env_definition=env.definition, spaces=own)
    return ForeignLog(data.id, info, count, lambda first: _episodes(data, range(first, count)))


def export_minari(dataset: Dataset, dataset_id: str, env: EnvSpec | None = None) -> Path:
    """Write the log as the Minari dataset of that id; the folder it lies in.

    Observations and actions are in canonical form, as flat vectors and zero-based categories. Seeds and
    endings are Minari's own; whether last observations are true, and where the log comes from, goes into its
    metadata. `env` lets `recover_environment` make the environment. Raises InputError where the id is
    malformed or taken, or the log does not fit `env`.
    """
    from minari import create_dataset_from_buffers

    if not is_id(dataset_id):
        raise InputError(f"'{dataset_id}' is no Minari id; such an id is namespace/name-v0")
    folder = datasets_path() / dataset_id
    if folder.exists():
        raise InputError(f"{folder}: a Minari dataset stands there already; choose another id or remove it")
    info = dataset.info
    observation_space: spaces.Space[Any] = spaces.Box(-np.inf, np.inf, info.observation_shape, np.float32)
    made = environments.make(env) if env else None
    if made is not None:
        check_spaces(info, env.name if env else "", environments.spaces_in(made))
        observation_space = made.observation_space
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about an author and a link that are not known
            data = create_dataset_from_buffers(
                dataset_id,
                (_buffer(episode) for episode in dataset),
                env=made if made is not None and _can_be_recovered(made) else None,
                observation_space=observation_space,
                action_space=_action_space(info.actions),
                algorithm_name=_algorithm(info.provenance),
                description=f"Written by rlformer. Source: {info.provenance.get('source', 'unknown')}.",
            )
            data.storage.update_metadata({_OURS: _what_minari_lacks(dataset)})
    except PermissionError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)  # a half-written dataset would load
        raise
    finally:
        if made is not None:
            made.close()
    return folder


def _episodes(data: MinariDataset, positions: range) -> Iterator[Episode]:
    both = zip(data.storage.get_episodes(positions), data.storage.get_episode_metadata(positions), strict=True)
    for i in positions:
        try:
            raw, about = next(both)
            yield Episode(
                canonical_observations(data.observation_space, raw["observations"]),
                canonical_actions(data.action_space, raw["actions"]),
                np.asarray(raw["rewards"], np.float64),
                bool(np.any(raw["terminations"][-1:])),
                bool(np.any(raw["truncations"][-1:])),
                _seed(about.get("seed")),
            )
        except InputError as error:
            raise InputError(f"episode {i}: {error}") from error
        except (OSError, RuntimeError, KeyError, ValueError, AssertionError) as error:
            raise InputError(f"episode {i}: damaged: {_one_line(error)}") from error


def _seed(seed: Any) -> int | None:
    """Minari draws seeds of 64 bits without a sign; what our 63 bits do not hold is unknown here."""
    return None if seed is None or not 0 <= int(seed) < 1 << 63 else int(seed)


def _info(metadata: Mapping[str, Any], observations: spaces.Space[Any], actions: spaces.Space[Any]) -> DatasetInfo:
    ours = metadata.get(_OURS, {})
    name, definition = _environment(metadata)
    provenance = {"source": "minari", "action_space": "of the Minari dataset"}
    provenance |= {key: metadata[key] for key in _CREDITS if metadata.get(key)}
    if "provenance" in ours:
        provenance["exported"] = ours["provenance"]
    return DatasetInfo(
        env=ours.get("env", name),
        env_definition=ours.get("env_definition", definition),
        spaces=Spaces.plain((spaces.flatdim(observations),), environments.action_spec(actions)),
        provenance=provenance,
        final_observations=ours.get("final_observations", True),
        upstream_env_steps=ours.get("upstream_env_steps"),
    )


def _environment(metadata: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """Name and definition; an id from another package than Gymnasium gets that package's name before it."""
    if not metadata.get("env_spec"):
        return None, {}
    spec = json.loads(metadata["env_spec"])
    package = str(spec.get("entry_point") or "").partition(":")[0].partition(".")[0]
    name = spec["id"] if package in ("", "gymnasium") else f"{package}:{spec['id']}"
    return name, {"id": name, "kwargs": spec.get("kwargs") or {}, "wrappers": []}


def _what_minari_lacks(dataset: Dataset) -> dict[str, Any]:
    info = dataset.info
    return {
        "schema": SCHEMA,
        "env": info.env,
        "env_definition": dict(info.env_definition),
        "final_observations": info.final_observations,
        "upstream_env_steps": dataset.upstream_env_steps,
        "provenance": {**info.provenance, "hash": dataset.hash, "selection": dataset.selection},
    }


def _algorithm(provenance: Mapping[str, Any]) -> str | None:
    """What made the log: a training algorithm itself, or the policy that was collected from."""
    known = provenance.get("behaviour_policy", provenance)
    return next((str(known[key]) for key in ("algorithm", "agent", "policy") if key in known), None)


def _buffer(episode: Episode) -> EpisodeBuffer:
    from minari.data_collector import EpisodeBuffer

    last = np.arange(len(episode)) == len(episode) - 1
    return EpisodeBuffer(
        seed=episode.seed,
        observations=episode.observations,
        actions=episode.actions,
        rewards=episode.rewards,
        terminations=last & episode.terminated,
        truncations=last & episode.truncated,
        infos={},
    )


def _action_space(actions: ActionSpec) -> spaces.Space[Any]:
    """The inverse of `environments.action_spec`."""
    if actions.kind == "discrete":
        return spaces.Discrete(actions.nvec[0])
    if actions.kind == "multidiscrete":
        return spaces.MultiDiscrete(list(actions.nvec))
    if actions.kind == "multibinary":
        return spaces.MultiBinary(len(actions.nvec))
    return spaces.Box(np.array(actions.low, np.float32), np.array(actions.high, np.float32), dtype=np.float32)


def _can_be_recovered(env: gym.Env[Any, Any]) -> bool:
    """Whether Minari can write down how the environment is made, which a function in a wrapper prevents."""
    try:
        return env.spec is not None and bool(env.spec.to_json())
    except (TypeError, ValueError):
        return False


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
