"""The part "maps": where in an image a policy looks, cell by cell, on average and in pictures of an episode."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from rlformer.core.records import Episode
from rlformer.core.spaces import Array, ObservationSpec
from rlformer.core.spaces import Part as Seen
from rlformer.envs.animation import png
from rlformer.explain.naming import features_of
from rlformer.explain.parts.base import Explanation, Part

if TYPE_CHECKING:
    from torch import Tensor

    from rlformer.explain.groups import Groups
    from rlformer.explain.material import Material
    from rlformer.explain.states import Sample

_STATES, _REPLACEMENTS = 16, 2
_SHOTS = 4  # steps of the episode
_ACROSS = 11  # cells along an image's longer side, about
_WIDTH = 168  # of a picture, in pixels, about

Cells: TypeAlias = tuple[tuple[float, ...], ...]  # (rows, columns) of an image's cells, from the top left


@dataclass(frozen=True)
class ImageMap:
    """What each cell of an image does to the greedy action, means over states; cells of all its channels.

    changes: the total effect of replacing the cell by another state's, as in the part "effects". occlusion: how far the
    preference for the action moves there, absolute. gradients: integrated gradients, summed over the cell, absolute.
    """

    part: str  # of the observation
    height: int  # in pixels
    width: int
    cell: int  # its side, in pixels; those at the right and at the bottom may be smaller
    changes: Cells
    occlusion: Cells
    gradients: Cells


@dataclass(frozen=True)
class Shot:
    """One image of one step, and what mattered in it."""

    step: int
    action: Any  # categories or reals, as they were executed
    part: str
    png: str  # in base64: of several frames the newest
    occlusion: Cells
    gradients: Cells


@dataclass(frozen=True)
class Maps:
    """Of the current observation's images; earlier steps are one group, as in the other parts."""

    images: tuple[ImageMap, ...]
    shots: tuple[Shot, ...]
    seed: int | None  # of the episode that is shown
    unit: str  # of `changes`
    reason: str | None  # why there are no maps
    states: int = 0
    replacements: int = 0


def side_of_cells(part: Seen) -> int:
    """Pixels along a cell: 8 of 84, and 1 of a map of 7."""
    return max(1, round(max(part.shape[1:]) / _ACROSS))


def cells(part: Seen, first: int = 0) -> dict[str, tuple[int, ...]]:
    """The cells of an image (C, H, W), row by row, each with the numbers of an observation that it stands for.

    first: the number of the image's own first one. Together they hold all of the image, once.
    """
    side, (_, height, width) = side_of_cells(part), part.shape
    places = first + np.arange(part.size).reshape(part.shape)
    return {
        f"{part.name} {top}-{min(top + side, height) - 1}, {left}-{min(left + side, width) - 1}": tuple(
            places[:, top : top + side, left : left + side].ravel().tolist()
        )
        for top in range(0, height, side)
        for left in range(0, width, side)
    }


def features(named: Mapping[str, tuple[int, ...]], observation: ObservationSpec) -> dict[str, tuple[int, ...]]:
    """Those of an observation with cells in the place of each image. named: all features, images whole."""
    found: dict[str, tuple[int, ...]] = {}
    for name, dimensions in named.items():
        images = [p for p in observation.parts if p.kind == "image" and p.name == name]
        found |= cells(images[0], dimensions[0]) if images and len(dimensions) == images[0].size else {name: dimensions}
    return found


def make(material: Material, made: Explanation) -> Maps:
    """Means over states of its own episodes, and some steps of one of them."""
    from rlformer.explain import groups as grouping
    from rlformer.explain.replacement import total_effects
    from rlformer.explain.states import Sample

    subject, observation = material.subject, material.observation
    unit = "share of the log's action range" if subject.spec.kind == "box" else "share of changed greedy actions"
    images = [part for part in observation.parts if part.kind == "image"]
    if not images:
        return Maps((), (), None, unit, "its observations hold no image")
    groups = grouping.shared(
        features(features_of(material.case.env, observation), observation),
        subject.context_length,
        subject.codec.width,
        subject.reads_history,
        subject.scorer.reads_returns,
        material.decisions is not None,
    )
    sample = material.sample(_STATES, _REPLACEMENTS, "maps")
    changes = total_effects(subject, groups, sample).mean(dim=0)
    occlusion, gradients = (of.mean(dim=0) for of in _attributed(material, groups, sample))
    maps = tuple(
        ImageMap(
            part=part.name,
            height=part.shape[1],
            width=part.shape[2],
            cell=side_of_cells(part),
            changes=_of_cells(changes, groups, part),
            occlusion=_of_cells(occlusion, groups, part),
            gradients=_of_cells(gradients, groups, part),
        )
        for part in images
    )

    chosen = int(np.argmax(material.own.lengths))
    episode, own = material.own[chosen], material.whole
    steps = np.unique(own.times[np.linspace(0, len(own.times) - 1, _SHOTS).round().astype(int)])
    rng = np.random.default_rng(material.case.seed)
    at, whose = np.tile(steps, _REPLACEMENTS), np.full(len(steps) * _REPLACEMENTS, chosen)
    others = own.at(own.others(whose, at, rng), at)  # at the last step it may be one of two that are left
    shown = Sample(own.at(np.full(len(steps), chosen), steps), others, others)
    attributed = _attributed(material, groups, shown)
    shots = tuple(
        Shot(
            int(step),
            np.asarray(episode.actions)[step].tolist(),
            part.name,
            picture(episode, int(step), part, observation),
            *(_of_cells(values[row], groups, part) for values in attributed),
        )
        for row, step in enumerate(steps)
        for part in images
    )
    return Maps(maps, shots, episode.seed, unit, None, len(sample.states), sample.replacements)


def _attributed(material: Material, groups: Groups, sample: Sample) -> tuple[Tensor, Tensor]:
    """Absolute attributions to each group in each state, (B, G) each: by occlusion, and by integrated gradients."""
    from rlformer.explain.explainers import feature_ablation, integrated_gradients
    from rlformer.explain.explainers.attribution import scale_of

    subject, seed = material.subject, material.case.seed
    scale = scale_of(subject)[:, None]
    occlusion, gradients = (
        (one.attribute(subject, groups, sample, seed).groups.abs() / scale).sum(dim=1)
        for one in (feature_ablation, integrated_gradients)
    )
    return occlusion, gradients


def _of_cells(values: Tensor, groups: Groups, part: Seen) -> Cells:
    """The numbers of an image's cells, of those of all groups (G,)."""
    numbers = groups.numbers(list(cells(part)))
    columns = -(-part.shape[2] // side_of_cells(part))
    rows = values[numbers].view(-1, columns)
    return tuple(tuple(float(f"{x:.4g}") for x in row) for row in rows.tolist())


def picture(episode: Episode, step: int, part: Seen, observation: ObservationSpec) -> str:
    """What an image showed at a step, as a PNG in base64: grey, or in colours where it has three channels."""
    flat = np.ravel(np.asarray(episode.observations[step]))
    image = flat[observation.slices[part.name]].reshape(part.shape)[-(part.shape[0] // part.frames) :]
    image = image if len(image) == 3 else np.repeat(image[-1:], 3, axis=0)  # (3, H, W)
    bright = np.clip(np.asarray(image, np.float64) / part.peak, 0.0, 1.0) * 255
    times = max(1, round(_WIDTH / max(part.shape[1:])))
    large: Array = bright.astype(np.uint8).transpose(1, 2, 0).repeat(times, axis=0).repeat(times, axis=1)
    return base64.b64encode(png(np.ascontiguousarray(large))).decode()


PART = Part("maps", Maps, make, version=2)
