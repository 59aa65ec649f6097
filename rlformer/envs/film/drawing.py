"""A frame of a video: a panel for each policy, with its name, what it has so far, and what it is asked for."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from rlformer.core import formats
from rlformer.core.spaces import Array
from rlformer.envs.film.stage import Moment, Player

_BACKGROUND, _LINE = (17, 20, 26), (44, 50, 61)
_TEXT, _QUIET = (240, 243, 247), (140, 150, 165)
_ACCENTS = ((88, 166, 255), (255, 166, 87), (126, 217, 143), (222, 137, 255), (255, 120, 130), (94, 220, 220))
_LEAST_WIDTH = 256  # of a panel: smaller pictures are enlarged by whole numbers, so that their pixels stay sharp
_MOST_PANEL = 720
_GAP = 12


@dataclass(frozen=True)
class Layout:
    """Where everything lies, in pixels; the frame's sides are even, as video codecs want them."""

    columns: int
    picture: tuple[int, int]  # width and height of what the environment shows, scaled
    head: int  # height of the line above
    foot: int  # and of the one below
    size: tuple[int, int]  # of the whole frame

    @classmethod
    def of(cls, count: int, shown: tuple[int, int], widest: int) -> Layout:
        """For so many panels of a picture (width, height), at most `widest` pixels wide together."""
        columns = count if count <= 3 else math.ceil(math.sqrt(count))
        room = min(_MOST_PANEL, (widest - _GAP * (columns + 1)) // columns)
        width, height = shown
        scale: float = min(room / width, 900 / height)
        if scale >= 1:
            scale = min(max(1, math.ceil(_LEAST_WIDTH / width)), max(1, math.floor(scale)))
        picture = max(1, round(width * scale)), max(1, round(height * scale))
        wide = max(picture[0], min(room, 200))  # room for the words beside a narrow picture
        unit = min(1.0, max(0.66, wide / 440))
        head, foot = round(36 * unit), round(60 * unit)
        rows = math.ceil(count / columns)
        across = _GAP + columns * (wide + _GAP)
        down = _GAP + rows * (head + picture[1] + foot + _GAP)
        return cls(columns, picture, head, foot, (across + across % 2, down + down % 2))

    @property
    def width(self) -> int:
        """Of a panel."""
        return (self.size[0] - _GAP) // self.columns - _GAP


class Drawing:
    """Draws frames of one size for these players.

    widest: pixels across, at most. shown: (width, height) of the environment's own picture.
    """

    def __init__(self, players: Sequence[Player], shown: tuple[int, int], widest: int) -> None:
        self._players = players
        self.layout = Layout.of(len(players), shown, widest)

    def frame(self, moments: Sequence[Moment], note: str = "") -> Any:
        """The frame (a PIL image, RGB) of a moment of each player. note: which episode it is."""
        from PIL import Image

        layout = self.layout
        canvas = Image.new("RGB", layout.size, _BACKGROUND)
        for i, (player, moment) in enumerate(zip(self._players, moments, strict=True)):
            row, column = divmod(i, layout.columns)
            left = _GAP + column * (layout.width + _GAP)
            top = _GAP + row * (layout.head + layout.picture[1] + layout.foot + _GAP)
            accent = _ACCENTS[i % len(_ACCENTS)]
            canvas.paste(_head((layout.width, layout.head), player.name, note, accent), (left, top))
            picture = _scaled(moment.picture, layout.picture, dimmed=moment.ended is not None)
            inset = (layout.width - layout.picture[0]) // 2
            canvas.paste(picture, (left + inset, top + layout.head))
            below = top + layout.head + layout.picture[1]
            canvas.paste(_foot((layout.width, layout.foot), player, moment, accent), (left, below))
        return canvas


def _head(size: tuple[int, int], name: str, note: str, accent: tuple[int, ...]) -> Any:
    """The line above a picture: whose it is, and which episode."""
    strip = _Strip(size)
    height, middle = strip.height, strip.height * 0.45
    font, quiet, dot = _font(height * 0.5), _font(height * 0.4), height * 0.14
    strip.draw.ellipse((0, middle - dot, 2 * dot, middle + dot), fill=accent)
    start = 2 * dot + height * 0.25
    room = strip.width - strip.draw.textlength(note, font=quiet) - height * 0.5 - start
    strip.draw.text((start, middle), _fitting(strip.draw, _plain(name), font, room), _TEXT, font, "lm")
    strip.draw.text((strip.width, middle), note, _QUIET, quiet, "rm")
    return strip.image()


def _foot(size: tuple[int, int], player: Player, moment: Moment, accent: tuple[int, ...]) -> Any:
    """The lines below a picture: return so far, target return, step; a bar shows the share of the target."""
    strip = _Strip(size)
    width, height = strip.width, strip.height
    bar = (0, height * 0.05, width, height * 0.12)
    strip.draw.rectangle(bar, fill=_LINE)
    if (share := _share(player.target_return, moment.episode_return)) is not None:
        strip.draw.rectangle((*bar[:2], max(bar[3], share * width), bar[3]), fill=accent)
    cells = [("return", _number(moment.episode_return)), (moment.ended or "step", f"{moment.steps:,}")]
    if player.target_return is not None:
        cells.insert(1, ("target", _number(player.target_return)))
    places = ((0, "l"), (width, "r")) if len(cells) == 2 else ((0, "l"), (width / 2, "m"), (width, "r"))
    for i, ((label, value), (x, side)) in enumerate(zip(cells, places, strict=True)):
        strip.draw.text((x, height * 0.34), label, _QUIET, _font(height * 0.23), f"{side}m")
        strip.draw.text((x, height * 0.72), value, accent if i == 0 else _TEXT, _font(height * 0.4), f"{side}m")
    return strip.image()


class _Strip:
    """A strip of words, drawn at twice its size: small letters then keep their distances."""

    def __init__(self, size: tuple[int, int]) -> None:
        from PIL import Image, ImageDraw

        self._size, self.width, self.height = size, 2 * size[0], 2 * size[1]
        self._large = Image.new("RGB", (self.width, self.height), _BACKGROUND)
        self.draw: Any = ImageDraw.Draw(self._large)

    def image(self) -> Any:
        """The strip in its own size."""
        from PIL import Image

        return self._large.resize(self._size, Image.Resampling.LANCZOS)


def _plain(text: str) -> str:
    """The text in ASCII, which is what Pillow's own font has."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode() or "policy"


def _number(value: float) -> str:
    return formats.number(value).replace(formats.MINUS, "-")  # Pillow's own font has no minus sign


def _share(target: float | None, so_far: float) -> float | None:
    """How much of the target return is there; None where a share of it means nothing."""
    return None if target is None or target <= 0 else min(1.0, max(0.0, so_far / target))


def _scaled(picture: Array, size: tuple[int, int], dimmed: bool) -> Any:
    from PIL import Image

    shown = picture if not dimmed else (picture * np.float32(0.55)).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(shown))
    if image.size == size:
        return image
    larger = size[0] >= image.width
    return image.resize(size, Image.Resampling.NEAREST if larger else Image.Resampling.LANCZOS)


@cache
def _font(size: float) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _fitting(draw: Any, text: str, font: Any, room: float) -> str:
    """The text, its middle left out where it is too wide."""
    if draw.textlength(text, font=font) <= room:
        return text
    for kept in range(len(text) - 1, 1, -1):
        short = f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"
        if draw.textlength(short, font=font) <= room:
            return short
    return text[:1]
