"""An agent that others trained, as a learner that has nothing left to learn."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rlformer.agents.base import Learner, RunLog, Task
from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.policy import Policy
from rlformer.core.records import SCHEMA, Cost, EnvSpec
from rlformer.core.spaces import Array

if TYPE_CHECKING:
    from rlformer.agents.online.scaling import Scaling
    from rlformer.agents.online.zips import OpenedZip

_FILES = ("agent.zip", "agent.json")
_LEFT_OUT = ("optimizer_class", "optimizer_kwargs", "features_extractor_class", "features_extractor_kwargs")


class ZipLearner(Learner):
    """See `agents.base.Learner`. What it keeps of a .zip holds no pickle, so that a run of it is opened like any other.

    Values are those of `agents.zipped.card`: it unpickles the file where `trust` says so.
    """

    scales: Mapping[str, Any] = {}

    def __init__(self) -> None:
        self._path = Path()
        self._opened: OpenedZip | None = None

    @classmethod
    def check(cls, env: EnvSpec, hyperparameters: Mapping[str, Any]) -> None:
        """See `agents.base.Learner`. Raises InputError where it may not be unpickled, or does not fit `env`."""
        _open(env, hyperparameters)

    @property
    def opened(self) -> OpenedZip:
        """What is in the file."""
        assert self._opened is not None, "fit or load first"
        return self._opened

    def fit(self, task: Task, log: RunLog) -> Cost:
        """See `agents.base.Learner`: nothing is trained, and what was spent was spent before."""
        assert task.env is not None
        self._path, self._opened = Path(task.hyperparameters["zip"]), _open(task.env, task.hyperparameters)
        statistics = self.opened.statistics
        if statistics is not None:
            log.note(f"its observations are normalised by {statistics}")
        steps = task.hyperparameters["trained_steps"]
        log.note(f"trained elsewhere, for {steps:,} environment steps" if steps else "trained elsewhere: unknown steps")
        return Cost(upstream_env_steps=0 if steps else None)  # the run inherits what its weights took

    def policy(self, sample: bool = False) -> Policy:
        """See `agents.base.Learner`."""
        return self.opened.policy(sample)

    @property
    def num_parameters(self) -> int:
        """Of the networks that act."""
        return sum(p.numel() for network in self.opened.actor.networks for p in network.parameters())

    def save(self, directory: Path) -> None:
        """Write agent.zip, the file without its pickles, and agent.json, which says what they were."""
        from rlformer.agents.online import normalization, zips
        from rlformer.envs.space_files import space_to_dict

        files.writable_directory(directory)
        found, data = self.opened, normalization.description(self._path)
        plain = json.dumps(zips.without_pickles(data))
        with (
            files.replacing(directory / _FILES[0]) as temporary,
            zipfile.ZipFile(self._path) as source,
            zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as target,
        ):
            for name in source.namelist():
                if name == "data" or name.endswith(".pth"):
                    target.writestr(name, plain if name == "data" else source.read(name))
        kind = found.algorithm.load()
        described = {
            "schema": SCHEMA,
            "algorithm": found.algorithm.name,
            "policy": zips.networks(found.algorithm, kind, data).__name__,
            "policy_kwargs": _plain_keywords(found.model.policy_kwargs, self._path),
            "observation_space": space_to_dict(found.model.observation_space),
            "action_space": space_to_dict(found.model.action_space),
            "frame": space_to_dict(found.space),
            "frames": found.frames,
            "order": None if found.order is None else found.order.tolist(),
            "scaling": None if found.scale is None else [_finite(column) for column in found.scale.numbers()],
        }
        files.write_json(directory / _FILES[1], described)

    @classmethod
    def load(cls, directory: Path, env: EnvSpec | None, hyperparameters: Mapping[str, Any]) -> ZipLearner:
        """The inverse of `save`. Nothing is unpickled."""
        from rlformer.agents.online import zips
        from rlformer.agents.online.algorithms import PUBLISHED
        from rlformer.agents.online.scaling import Frozen
        from rlformer.envs.space_files import space_from_dict

        told: dict[str, Any] = files.read_json(directory / _FILES[1])
        learner, path = cls(), directory / _FILES[0]
        try:
            algorithm = PUBLISHED[told["algorithm"]]
            seen, acts, frame = (space_from_dict(told[key]) for key in ("observation_space", "action_space", "frame"))
            keywords = _keywords(told["policy_kwargs"])
            scale: Scaling | None = None
            if told["scaling"] is not None:
                mean, std, bound = (np.array([np.inf if x is None else x for x in col]) for col in told["scaling"])
                scale = Frozen(mean, std, bound)
            order = None if told["order"] is None else np.array(told["order"], np.int64)
            frames, policy = int(told["frames"]), str(told["policy"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{directory / _FILES[1]}: damaged: {' '.join(str(error).split())}") from error
        given = {"observation_space": seen, "action_space": acts, "policy_kwargs": keywords}
        model = zips.load_safely(path, algorithm, given, policy)
        learner._path = path
        learner._opened = zips.OpenedZip(algorithm, model, frame, scale, order, frames)
        return learner


def _open(env: EnvSpec, values: Mapping[str, Any]) -> OpenedZip:
    from rlformer.agents.online import zips

    return zips.open_zip(Path(values["zip"]), values["agent"], trust=bool(values["trust"]), env=env)


def _finite(column: Array) -> list[float | None]:
    return [float(x) if np.isfinite(x) else None for x in column]


def _plain_keywords(keywords: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """What its networks were made with, as JSON: activations by their names. Raises InputError for what has no name."""
    import torch

    found: dict[str, Any] = {}
    for key, value in keywords.items():
        if key in _LEFT_OUT:  # what trains, and readers of vectors, which `actor_of` knows to be the usual ones
            continue
        name = str(getattr(value, "__name__", ""))
        if isinstance(value, type) and vars(torch.nn).get(name) is value:
            value = {"torch.nn": name}
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            raise InputError(f"{path}: its networks were made with {key} = {value}, which is not supported") from error
        found[key] = value
    return found


def _keywords(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse. Raises ValueError where a name is none of PyTorch's modules."""
    import torch

    found: dict[str, Any] = {}
    for key, value in plain.items():
        if isinstance(value, Mapping) and set(value) == {"torch.nn"}:
            named = vars(torch.nn).get(str(value["torch.nn"]))
            if not (isinstance(named, type) and issubclass(named, torch.nn.Module)):
                raise ValueError(f"policy_kwargs: {key}: no module of torch.nn")
            value = named
        found[key] = value
    return found
