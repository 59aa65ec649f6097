"""Heat maps over images: what the cells of an image did to the action, drawn over what the image showed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rlformer.explain.parts.maps import Cells, ImageMap, Maps

_FAINT = 0.02  # of the greatest: below, a cell is not drawn


@dataclass(frozen=True)
class Square:
    """A cell, in pixels of the image; weight: its share of the greatest."""

    x: int
    y: int
    width: int
    height: int
    weight: float


@dataclass(frozen=True)
class Heat:
    """An image with squares over it."""

    title: str
    width: int
    height: int
    png: str  # in base64
    squares: tuple[Square, ...]


@dataclass(frozen=True)
class HeatRow:
    """Heat maps side by side."""

    label: str
    maps: tuple[Heat, ...]


def heat_rows(maps: Maps | None) -> tuple[HeatRow, ...]:
    """Means over states first, then each step of the episode; none without images."""
    return () if maps is None else tuple(row for image in maps.images for row in _rows(maps, image))


def _rows(maps: Maps, image: ImageMap) -> Iterator[HeatRow]:
    shots = [shot for shot in maps.shots if shot.part == image.part]
    if not shots:
        return

    def heat(title: str, cells: Cells, png: str) -> Heat:
        return Heat(title, image.width, image.height, png, tuple(_squares(image, cells)))

    means = (("replaced", image.changes), ("occlusion", image.occlusion), ("integrated gradients", image.gradients))
    yield HeatRow(
        f"{image.part}: mean over {maps.states} states", tuple(heat(title, of, shots[0].png) for title, of in means)
    )
    for shot in shots:
        named = (("occlusion", shot.occlusion), ("integrated gradients", shot.gradients))
        yield HeatRow(f"{image.part}: step {shot.step}", tuple(heat(title, of, shot.png) for title, of in named))


def _squares(image: ImageMap, cells: Cells) -> Iterator[Square]:
    most = max((value for row in cells for value in row), default=0.0)
    for i, row in enumerate(cells):
        for j, value in enumerate(row):
            if most > 0 and value / most >= _FAINT:
                x, y = j * image.cell, i * image.cell
                width, height = min(image.cell, image.width - x), min(image.cell, image.height - y)
                yield Square(x, y, width, height, round(value / most, 2))
