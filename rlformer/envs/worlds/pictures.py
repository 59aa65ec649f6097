"""Rows of characters as a picture: every character is a tile of 8 by 8 points in two colours."""

from __future__ import annotations

import numpy as np

from rlformer.core.spaces import Array

_SCALE = 4  # pixels of a point

# character: (eight bytes, one for each row, the most significant bit left; background; foreground)
_TILES = {
    " ": ("0000000000000000", "12181f", "12181f"),  # nothing
    "#": ("0000000000000000", "39465a", "39465a"),  # wall
    ".": ("0000001818000000", "1d2733", "2f3d4e"),  # floor
    "~": ("0000629508000000", "12395a", "2a6a9e"),  # sea
    "@": ("3c7edbffffdb663c", "1d2733", "ffb454"),  # the agent
    "k": ("0070d88fda720000", "1d2733", "ffd75e"),  # key
    "D": ("3c4242424a42427e", "1d2733", "b98a5e"),  # door
    "^": ("183c7e1818181800", "1d2733", "7cd5f1"),  # cue: up
    "v": ("001818187e3c1800", "1d2733", "7cd5f1"),  # cue: down
    "?": ("0038440810001000", "1d2733", "8fa3b8"),  # not known yet
    "$": ("00183c7e7e3c1800", "1d2733", "ffd75e"),  # paid
    "+": ("000306cc78300000", "1d2733", "86d986"),  # right
    "x": ("00663c183c660000", "1d2733", "ef6b73"),  # wrong
    "/": ("2244001122004488", "2b3a4d", "6db3e8"),  # rain
    "*": ("104418bc3d184208", "2d4a66", "ffe08a"),  # sun
    "T": ("187eff99181a1e0c", "1d2733", "c792ea"),  # umbrella
    "A": ("001824243c242400", "1d2733", "8fa3b8"),
    "B": ("0038243824243800", "1d2733", "8fa3b8"),
    "M": ("00446c5444444400", "1d2733", "8fa3b8"),
}


def _image(points: str, background: str, foreground: str) -> Array:
    """(8, 8, 3) uint8."""
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(points), np.uint8)).reshape(8, 8, 1)
    colours = [np.frombuffer(bytes.fromhex(colour), np.uint8) for colour in (background, foreground)]
    return np.where(bits, colours[1], colours[0])


_IMAGES = {character: _image(*tile) for character, tile in _TILES.items()}


def paint(rows: list[str]) -> Array:
    """Rows of tiles, filled up on the right to the longest, as an image: (height, width, 3) uint8."""
    width = max(len(row) for row in rows)
    lines = [np.concatenate([_IMAGES[tile] for tile in row.ljust(width)], axis=1) for row in rows]
    return np.concatenate(lines).repeat(_SCALE, axis=0).repeat(_SCALE, axis=1)
