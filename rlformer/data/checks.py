"""Whether what goes into a log, and what a log is used for, fits its spaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.frames import check_packed, check_stacked
from rlformer.core.records import Episode
from rlformer.core.spaces import ObservationSpec, Spaces, computable

if TYPE_CHECKING:
    from rlformer.data.info import DatasetInfo

INFERRED = "inferred from the log"  # provenance's word on an action space that no environment gave


def check_spaces(info: DatasetInfo, env: str, spaces: Spaces) -> None:
    """Raise InputError, naming both, where a log's spaces are not those of the environment called `env`.

    Bounds are compared too, to 1e-6: the same number means another action where they differ. The names of parts are
    not, nor the precision of observations: a log in another one is of the same task. But what learns from whole
    numbers would round the fractions that the environment shows.
    """
    shape, logged, actions = info.observation_shape, info.actions, spaces.actions
    if shape != spaces.observation.shape:
        raise InputError(f"observations have shape {shape}, but those of '{env}' have {spaces.observation.shape}")
    have, shown = info.spaces.observation.dtype, spaces.observation.dtype
    if not np.can_cast(shown, have, "same_kind"):
        raise InputError(
            f"observations are {have}, but those of '{env}' are {shown}, which {have} cannot hold; "
            f"import the log with --env {env}"
        )
    _check_pixels_alike(info.spaces.observation, env, spaces.observation)
    same = (logged.kind, logged.nvec, logged.shape) == (actions.kind, actions.nvec, actions.shape)
    if not same or not _close(logged.low, actions.low) or not _close(logged.high, actions.high):
        inferred = info.provenance.get("action_space") == INFERRED
        advice = f"import it with --env {env}" if inferred else "--env names the environment it was made in"
        raise InputError(f"actions are {logged.describe()}, but those of '{env}' are {actions.describe()}; {advice}")


def _check_pixels_alike(logged: ObservationSpec, env: str, shown: ObservationSpec) -> None:
    """Raise InputError where images are bytes here and reals from 0 to 1 there: a number is another brightness then."""
    for own, other in zip(logged.parts, shown.parts, strict=False):
        kinds = [np.dtype(part.dtype).kind == "f" for part in (own, other)]
        if own.kind == other.kind == "image" and kinds[0] != kinds[1]:
            words = [f"{'reals from 0 to 1' if real else 'bytes from 0 to 255'}" for real in kinds]
            raise InputError(
                f"the pixels of '{own.name}' are {words[0]}, but those of '{env}' are {words[1]}: the log must hold "
                "those of the environment"
            )


def _close(bounds: tuple[float, ...], others: tuple[float, ...]) -> bool:
    return np.allclose(bounds, others, rtol=1e-6, atol=0.0)


def check_episode(episode: Episode, info: DatasetInfo, where: str) -> None:
    """Raise InputError, naming `where`, unless the episode is whole, finite and inside its spaces."""
    length = len(episode.rewards)
    if length == 0:
        raise InputError(f"{where}: no steps")
    if len(episode.observations) != length + 1 or len(episode.actions) != length:
        raise InputError(
            f"{where}: {length} rewards need {length + 1} observations and {length} actions, "
            f"got {len(episode.observations)} and {len(episode.actions)}"
        )
    for name, expected in (("observations", info.observation_shape), ("actions", info.actions.shape)):
        if (shape := getattr(episode, name).shape[1:]) != expected:
            raise InputError(f"{where}: {name} of shape {shape}, expected {expected}")
    dtype = info.spaces.observation.dtype
    if not np.can_cast(episode.observations.dtype, dtype, "same_kind"):
        raise InputError(f"{where}: observations are {episode.observations.dtype}, expected {dtype}")
    for name in ("observations", "actions", "rewards"):
        if getattr(episode, name).dtype.kind in "iub":
            continue
        fine = np.isfinite if name == "rewards" else computable
        finite = fine(getattr(episode, name)).reshape(len(getattr(episode, name)), -1).all(axis=1)
        if not finite.all():
            raise InputError(f"{where}, step {int(np.argmin(finite))}: NaN or infinity in {name}")
    if (row := check_stacked(episode.observations, info.spaces.observation)) is not None:
        raise InputError(
            f"{where}, step {row}: the image is not made of the frames of the steps before, zeros before the first: "
            f"the {info.spaces.observation.frames} frames of the environment are stacked in another way in this log"
        )
    if (row := check_packed(episode.observations, info.spaces.observation)) is not None:
        raise InputError(f"{where}, step {row}: a pixel of an image of bytes is no whole number from 0 to 255")
    inside = info.actions.contains(episode.actions)
    if not inside.all():
        step = int(np.argmin(inside))
        action = episode.actions[step].tolist()
        raise InputError(f"{where}, step {step}: action {action} is outside {info.actions.describe()}")
