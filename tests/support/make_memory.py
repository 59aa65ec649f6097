"""Invented probes and patches of a model that has to remember a cue from step 0 to step 4."""

from __future__ import annotations

from rlformer.explain.parts import Explanation, Made, PartCost, Patching, Probes
from rlformer.explain.parts.patching import Patched
from rlformer.explain.parts.probes import LatentShown, Probed, Rows

CUE = LatentShown("cue", ("up", "down"), 0, 4)
STEPS, LAYERS = (0, 1, 2, 3, 4), ("tokens", "layer 1", "layer 2")
TOLD = ((1.0, 0.5, 0.5, 0.5, 0.5), (1.0, 1.0, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0, 1.0))
INPUT = (1.0, 0.0, 0.0, 0.0, 0.0)
FETCHED = (INPUT, (0.1, 0.0, 0.0, 0.1, 0.9), (0.0, 0.0, 0.0, 0.0, 1.0))
CARRIED = (INPUT, (1.0, 0.9, 0.8, 0.2, 0.0), (0.0, 0.1, 0.1, 0.7, 1.0))
PARTLY = (INPUT, (1.0, 0.9, 0.1, 0.2, 0.6), (0.0, 0.1, 0.1, 0.2, 1.0))


def explanation(choices: Rows | None = None, logits: Rows | None = None, changed: float = 1.0) -> Explanation:
    """Of one seed."""
    reason = None if choices or logits else "nothing to trace"
    probed = Probed(1.0, TOLD, TOLD, TOLD, TOLD, TOLD)
    patched = Patched(1.0, changed, changed, choices, logits, reason)
    return holding(
        Probes(None, CUE, LAYERS, STEPS, 0.5, 256, (probed,)), Patching(None, CUE, LAYERS, STEPS, 128, (patched,))
    )


def holding(probes: Probes, patching: Patching) -> Explanation:
    cost = PartCost(1.0, 1.0, 0)
    return Explanation({"probes": Made("probes", probes, cost), "patching": Made("patching", patching, cost)})
