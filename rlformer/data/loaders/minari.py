"""The loader of Minari datasets, and the way back: all that uses the library. Nothing is ever downloaded."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from rlformer.core import untrusted
from rlformer.core.errors import InputError
from rlformer.core.records import SCHEMA, EnvSpec, Episode
from rlformer.core.spaces import ObservationSpec, Spaces
from rlformer.data.checks import check_spaces
from rlformer.data.dataset import Dataset, DatasetInfo
from rlformer.data.loaders import safe
from rlformer.data.loaders.base import (
    ForeignLog,
    Loader,
    Native,
    canonical_actions,
    canonical_observations,
    check_return,
    in_dtype,
    one_reward,
)
from rlformer.data.loaders.names import AS_NAMED, Choice
from rlformer.data.loaders.recorded import Recorded, recorded_environment
from rlformer.envs.make import make
from rlformer.envs.spaces import action_space, action_spec, observation_spec, spaces_in

if TYPE_CHECKING:
    from minari import MinariDataset
    from minari.data_collector import EpisodeBuffer

_MAIN_FILE = "main_data.hdf5"  # what its HDF5 storage is called; `metadata.json` beside it makes it a dataset
_OURS = "rlformer"  # the key in Minari's metadata for what Minari has no place for
_CREDITS = ("dataset_id", "algorithm_name", "author", "code_permalink", "minari_version", "requirements")


def is_id(text: str) -> bool:
    """Whether this is an id by Minari's own rule, such as D4RL/door/human-v2, with a version."""
    from minari.dataset.minari_dataset import parse_dataset_id

    try:
        return parse_dataset_id(text)[2] is not None
    except (ValueError, TypeError):  # an id without a version is no int to it
        return False


def datasets_path() -> Path:
    """Where Minari keeps its datasets on this machine."""
    return Path(os.environ.get("MINARI_DATASETS_PATH") or Path.home() / ".minari" / "datasets")


def find(text: str) -> Path | None:
    """The folder of data that a path, also of the file of its episodes, or an id names; None: there is none here."""
    text = str(Path(text).parent) if Path(text).name == _MAIN_FILE else text
    for folder in (Path(text), Path(text) / "data", datasets_path() / text / "data"):
        if (folder / "metadata.json").is_file():
            return folder
    return None


def name_of(folder: Path) -> str:
    """The id of the Minari dataset in that folder."""
    return str(untrusted.json_object(folder / "metadata.json", constants=True).get("dataset_id", folder.parent.name))


def open_minari(folder: Path, env: Native | None, choice: Choice = AS_NAMED) -> ForeignLog:
    """The log in that folder. Raises InputError where it is damaged, has spaces that have no vector form or several
    rewards, or does not fit `env`.
    """
    from minari import MinariDataset

    if choice.columns:
        raise InputError(f"a Minari dataset has fixed names, so --map {next(iter(choice.columns))}=... has no effect")
    untrusted.json_object(folder / "metadata.json", constants=True)
    if (folder / _MAIN_FILE).is_file():
        safe.check_hdf5(folder / _MAIN_FILE)
    try:
        data = MinariDataset(folder)
        metadata = data.storage.read_raw_metadata(folder)
        count = int(data.total_episodes)
        lengths = [int(about["total_steps"]) for about in data.storage.get_episode_metadata(range(count))]
    except (ValueError, KeyError, TypeError, AssertionError, OSError, ImportError, gym.error.Error) as error:
        raise InputError(f"a Minari dataset that cannot be read: {_one_line(error)}") from error
    whole = [i for i, length in enumerate(lengths) if length]
    if not whole:
        raise InputError("no steps in it" if count else "no episodes in it")
    recorded = recorded_environment(metadata)
    info = _info(metadata, data.observation_space, data.action_space, recorded)
    notes = () if len(whole) == count else (f"{count - len(whole):,} episodes without a step were left out",)
    if env is not None:
        check_spaces(info, env.name, env.spaces)
        info = replace(info, env=env.name, env_definition=env.definition, spaces=env.spaces)
    else:
        notes = (*notes, *recorded.notes)
    if choice.reward_column is not None:
        info = replace(info, provenance={**info.provenance, "reward_column": choice.reward_column})
    dtype = info.spaces.observation.dtype

    def episodes(first: int) -> Iterator[Episode]:
        return _episodes(data, whole[first:], dtype, choice.reward_column)

    return ForeignLog(data.id, info, len(whole), episodes, notes)


def export_minari(dataset: Dataset, dataset_id: str, env: EnvSpec | None = None) -> Path:
    """Write the log as the Minari dataset of that id; the folder it lies in.

    Observations and actions are in canonical form, as flat vectors and zero-based categories. Seeds and
    endings are Minari's own; whether last observations are true, where the log comes from, and as Minari's reference
    scores those of the environment's card, go into its metadata. `env` lets `recover_environment` make the environment.
    Raises InputError where the id is malformed or taken, or the log does not fit `env`.
    """
    from minari import create_dataset_from_buffers

    if not is_id(dataset_id):
        raise InputError(f"'{dataset_id}' is not a Minari id, which looks like namespace/name-v0")
    folder = datasets_path() / dataset_id
    if folder.exists():
        raise InputError(f"{folder}: there is already a Minari dataset; choose another id or remove it")
    info = dataset.info
    observation_space: spaces.Space[Any] = _box(info.spaces.observation)
    made = make(env) if env else None
    if made is not None:
        check_spaces(info, env.name if env else "", spaces_in(made))
        observation_space = made.observation_space
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about an author and a link that are not known
            data = create_dataset_from_buffers(
                dataset_id,
                (_buffer(episode) for episode in dataset),
                env=made if made is not None and _can_be_recovered(made) else None,
                observation_space=observation_space,
                action_space=action_space(info.actions),
                algorithm_name=_algorithm(info.provenance),
                description=f"Written by rlformer. Source: {info.provenance.get('source', 'unknown')}.",
            )
            data.storage.update_metadata({_OURS: _what_minari_lacks(dataset), **_reference_scores(env)})
    except PermissionError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from error
    except gym.error.Error as error:
        raise InputError(f"'{dataset_id}': {_one_line(error)}") from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)  # a half-written dataset would load
        raise
    finally:
        if made is not None:
            made.close()
    return folder


def _episodes(
    data: MinariDataset, positions: Sequence[int], dtype: np.dtype[Any], reward_column: int | None
) -> Iterator[Episode]:
    both = zip(data.storage.get_episodes(positions), data.storage.get_episode_metadata(positions), strict=True)
    for i in positions:
        try:
            raw, about = next(both)
            rewards = one_reward(raw["rewards"], reward_column)
            check_return(rewards)
            yield Episode(
                in_dtype(canonical_observations(data.observation_space, raw["observations"]), dtype),
                canonical_actions(data.action_space, raw["actions"]),
                rewards,
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


def _info(
    metadata: Mapping[str, Any], observations: spaces.Space[Any], actions: spaces.Space[Any], recorded: Recorded
) -> DatasetInfo:
    ours: Mapping[str, Any] = metadata.get(_OURS, {})
    provenance: dict[str, Any] = {"source": "minari", "action_space": "of the Minari dataset"}
    provenance |= {key: metadata[key] for key in _CREDITS if metadata.get(key)}
    if recorded.time_limit is not None:
        provenance["time_limit"] = recorded.time_limit
    if "provenance" in ours:
        provenance["exported"] = ours["provenance"]
    return DatasetInfo(
        env=ours.get("env", recorded.name),
        env_definition=ours.get("env_definition", recorded.definition),
        spaces=Spaces(_parts(ours, observation_spec(observations)), action_spec(actions)),
        provenance=provenance,
        final_observations=ours.get("final_observations", True),
        upstream_env_steps=ours.get("upstream_env_steps"),
    )


def _parts(ours: Mapping[str, Any], found: ObservationSpec) -> ObservationSpec:
    """What Minari's space says, with the names of the parts where we wrote the dataset."""
    if "observation" not in ours:
        return found
    named = ObservationSpec.from_dict(ours["observation"])
    return named if (named.shape, named.dtype) == (found.shape, found.dtype) else found


def _what_minari_lacks(dataset: Dataset) -> dict[str, Any]:
    info = dataset.info
    return {
        "schema": SCHEMA,
        "env": info.env,
        "observation": info.spaces.observation.to_dict(),
        "env_definition": dict(info.env_definition),
        "final_observations": info.final_observations,
        "upstream_env_steps": dataset.upstream_env_steps,
        "provenance": {**info.provenance, "hash": dataset.hash, "selection": dataset.selection},
    }


def _reference_scores(env: EnvSpec | None) -> dict[str, float]:
    """What Minari's `get_normalized_score` takes, where a card says it: returns of random play and of a good policy."""
    if env is None or env.random_score is None or env.reference_score is None:
        return {}
    return {"ref_min_score": env.random_score, "ref_max_score": env.reference_score}


def _algorithm(provenance: Mapping[str, Any]) -> str | None:
    """What made the log: a training algorithm itself, or the policy that was collected from."""
    known = provenance.get("behaviour_policy", provenance)
    return next((str(known[key]) for key in ("algorithm", "agent", "policy") if key in known), None)


def _buffer(episode: Episode) -> EpisodeBuffer:
    from minari.data_collector import EpisodeBuffer

    last = np.arange(len(episode)) == len(episode) - 1
    return EpisodeBuffer(
        seed=episode.seed,
        observations=np.asarray(episode.observations),
        actions=episode.actions,
        rewards=episode.rewards,
        terminations=last & episode.terminated,
        truncations=last & episode.truncated,
        infos={},
    )


def _box(observation: ObservationSpec) -> spaces.Box:
    """The widest space of such observations."""
    dtype = observation.dtype
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return spaces.Box(limits.min, limits.max, observation.shape, dtype.type)
    return spaces.Box(-np.inf, np.inf, observation.shape, dtype.type)


def _can_be_recovered(env: gym.Env[Any, Any]) -> bool:
    """Whether Minari can write down how the environment is made, which a function in a wrapper prevents."""
    try:
        return env.spec is not None and bool(env.spec.to_json())
    except (TypeError, ValueError):
        return False


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _absent(text: str) -> str | None:
    if not is_id(text):
        return None
    return f"Minari dataset '{text}' is not in {datasets_path()}; to get it: minari download {text}"


MINARI = Loader("minari", "a Minari id or folder", find, open_minari, name_of, _absent)
