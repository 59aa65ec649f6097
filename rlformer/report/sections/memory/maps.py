"""Maps of layers and steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rlformer.core import formats
from rlformer.evaluator.judge.explanations.memory import MemoryAt, MemoryEvidence
from rlformer.explain.parts.probes import Rows


@dataclass(frozen=True)
class Place:
    """A layer at a step: how dark, from 0 to 1, and its number in words."""

    weight: float
    text: str
    minus: bool = False  # whether it goes the other way


@dataclass(frozen=True)
class Map:
    """Layers from the inputs on, each with a place for every step."""

    title: str
    rows: tuple[tuple[str, tuple[Place, ...]], ...]


@dataclass(frozen=True)
class MapFigure:
    """The maps of one arm that is asked for one return."""

    title: str
    steps: tuple[int, ...]
    maps: tuple[Map, ...]
    caption: str


def figures(label: str, memory: MemoryEvidence) -> Iterator[MapFigure]:
    """One for each return that the arm was asked for; none where nothing was looked at."""
    chance, name = memory.chance or 0.0, memory.latent
    for at in memory.at:
        maps = []
        if at.effect is not None:
            unit = "changed choices" if at.measure == "choices" else "the logits’ way"
            maps.append(_map(memory, at.effect, f"Replaced: share of {unit}"))
        maps += [
            _map(memory, at.accuracy, f"Read by a linear probe (by chance {formats.percent(chance)})", chance),
            _map(memory, at.untrained, "Read so before training", chance),
            _map(memory, at.share, f"Share of variance explained by the {name}"),
        ]
        asked = "" if at.target_return is None else f", target return {formats.number(at.target_return)}"
        seeds = "one seed" if memory.seeds == 1 else f"mean of {memory.seeds} seeds"
        yield MapFigure(
            f"{label}{asked}: {_strongest(memory, at)} ({seeds})", memory.steps, tuple(maps), _caption(memory, at)
        )


def _strongest(memory: MemoryEvidence, at: MemoryAt) -> str:
    """The place with the largest effect, or where nothing was replaced that from which a probe reads best."""
    rows = at.accuracy if at.effect is None else at.effect
    value, layer, step = max(
        (value, layer, step)
        for layer, row in zip(memory.layers, rows, strict=True)
        for step, value in zip(memory.steps, row, strict=True)
    )
    what = "is read best" if at.effect is None else "matters most"
    return f"the {memory.latent} {what} in {layer} at step {step}, {formats.percent(value)}"


def _map(memory: MemoryEvidence, rows: Rows, title: str, nothing: float = 0.0) -> Map:
    """nothing: the value that is pale."""

    def place(layer: str, step: int, value: float) -> Place:
        weight, text = (value - nothing) / (1 - nothing), f"{layer}, step {step}: {formats.percent(value)}"
        minus = nothing == 0.0 and weight < -0.05  # accuracies only scatter below chance
        return Place(round(min(1.0, abs(weight) if minus else max(0.0, weight)), 2), text, minus)

    layers = zip(memory.layers, rows, strict=True)
    return Map(
        title,
        tuple((n, tuple(place(n, *at) for at in zip(memory.steps, row, strict=True))) for n, row in layers),
    )


def _caption(memory: MemoryEvidence, at: MemoryAt) -> str:
    """What to see."""
    found = [
        f"Rows are layers, columns are steps: the {memory.latent} is determined at step {memory.shown}",
        f"and needed at step {memory.decided}.",
    ]
    if at.effect is not None:
        found += [
            f"First map: what putting another {memory.latent} there does, of what it does as an input;",
            "where it is dark, that place alone brings it to the decision.",
            "Dark at both ends and pale between, it is fetched when it is needed;",
            "a row that is dark all along carries it.",
        ]
    found += [
        "A probe says what can be read there, not what is used:",
        "only what is darker than in the network before training was learned.",
    ]
    return " ".join(found)
