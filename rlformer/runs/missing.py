"""A run that was meant to be and has no record."""

from __future__ import annotations

from dataclasses import dataclass

from rlformer.runs.inputs import Recipe


@dataclass(frozen=True)
class MissingRun:
    """What is known of it; environment, agent and recipe say to which arm it belongs."""

    env: str
    agent: str
    seed: int
    reason: str
    name: str  # in words: the agent, and what tells the run from its others
    recipe: Recipe | None = None  # of its log, the share of a grid included; None: it learns from none
