"""The colours of arms are told apart by every kind of eye, on both papers."""

from __future__ import annotations

import re

import numpy as np
import pytest

from rlformer.report.plots import COLOURS
from rlformer.report.templates import asset

# How dichromats see linear RGB (Machado, Oliveira and Fernandes 2009, severity 1).
EYES = {
    "trichromat": np.eye(3),
    "deuteranope": np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]),
    "protanope": np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]),
    "tritanope": np.array([[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]]),
}
# Of the profile `quick`: random play, the log, bc-top, dt, and two online agents.
QUICK = (0, 1, 3, 8, 10, 11)


def linear(colour: str) -> np.ndarray:
    """(3,) linear RGB."""
    value = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def oklab(rgb: np.ndarray) -> np.ndarray:
    """(3,) of Ottosson 2020, times 100: a distance of 2 is just seen."""
    cones = np.array([[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]]) @ np.clip(
        rgb, 0, 1
    )
    mixed = np.array([[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]])
    return 100 * (mixed @ np.cbrt(cones))


def contrast(one: np.ndarray, other: np.ndarray) -> float:
    """As WCAG counts it."""
    low, high = sorted(float(rgb @ (0.2126, 0.7152, 0.0722)) for rgb in (one, other))
    return (high + 0.05) / (low + 0.05)


def palette(theme: str) -> tuple[np.ndarray, list[np.ndarray]]:
    """The paper, and the colours of arms."""
    light, dark = asset("style.css").split("prefers-color-scheme: dark", 1)
    text = light if theme == "light" else dark
    found = {name: linear(value) for name, value in re.findall(r"--(arm-\d+|paper): (#\w{6})", text)}
    return found["paper"], [found[f"arm-{i}"] for i in range(COLOURS)]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("eye", EYES)
def test_arms_are_told_apart_by_colour(theme: str, eye: str) -> None:
    seen = [oklab(EYES[eye] @ colour) for colour in palette(theme)[1]]
    apart = {(i, j): float(np.linalg.norm(seen[i] - seen[j])) for j in range(COLOURS) for i in range(j)}
    assert min(apart.values()) > 7
    assert min(distance for pair, distance in apart.items() if set(pair) <= set(QUICK)) > 13


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_arm_stands_out_from_the_paper(theme: str) -> None:
    paper, colours = palette(theme)
    assert min(contrast(colour, paper) for colour in colours) >= 3
