"""What learners on stable-baselines3 share once they are trained: acting, counting, weights on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.policy import Policy
from rlformer.core.records import SCHEMA

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm


class SB3Learner:
    """Holds the trained algorithm; how it was trained is the subclass's."""

    scales: Mapping[str, Any] = {}

    def __init__(self) -> None:
        self._model: BaseAlgorithm | None = None

    @property
    def model(self) -> BaseAlgorithm:
        """The algorithm of stable-baselines3, for what this project does not do with it."""
        assert self._model is not None, "fit or load first"
        return self._model

    def policy(self, sample: bool = False) -> Policy:
        """See `agents.base.Learner`."""
        from rlformer.agents.online import sb3_training

        return sb3_training.policy(self.model, sample)

    @property
    def num_parameters(self) -> int:
        """Numbers that gradients changed: target networks follow without any."""
        from rlformer.agents.online import sb3_state

        groups = [g for o in sb3_state.optimizers(self.model).values() for g in o.param_groups]
        return sum({id(p): p.numel() for group in groups for p in group["params"]}.values())

    def _write(self, directory: Path, described: Mapping[str, Any]) -> None:
        """What it takes to act, without the state of the optimisers: model.safetensors, model.json."""
        from safetensors.numpy import save_file

        from rlformer.agents.online import sb3_state

        files.writable_directory(directory)
        arrays = sb3_state.acting_arrays(self.model)
        with files.replacing(directory / "model.safetensors") as temporary:
            save_file(arrays, temporary)
        files.write_json(directory / "model.json", {"schema": SCHEMA, **described})

    def _read(self, directory: Path) -> None:
        """The weights into an untrained model. Raises InputError where they are damaged or another model's."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        from rlformer.agents.online import sb3_state

        try:
            sb3_state.restore_acting(self.model, load_file(directory / "model.safetensors"))
        except (OSError, SafetensorError, RuntimeError, KeyError) as error:
            raise InputError(f"{directory}: the weights cannot be read: {' '.join(str(error).split())}") from error
