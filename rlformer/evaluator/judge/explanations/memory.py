"""Where an arm keeps what it has to remember: maps by layer and step, means over its explained seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rlformer.explain.parts import Explanation, Patching, Probes
from rlformer.explain.parts.patching import Patched
from rlformer.explain.parts.probes import Probed, Rows

HALF = 0.5  # of what replacing the input does: from here on a place is said to carry the latent
Kept = Literal["carried", "fetched", "in part", "no step between"]


@dataclass(frozen=True)
class MemoryAt:
    """Of an arm that is asked for one return; rows by layer, then by step."""

    target_return: float | None
    accuracy: Rows  # of linear probes on held-out episodes
    shuffled: Rows
    untrained: Rows
    share: Rows  # of an activation's variance that the latent explains
    share_untrained: Rows
    changed: float  # share of choices that replacing the input itself changes
    effect: Rows | None  # of replaced activations, 1 being that of the input itself; mean over the traced seeds
    measure: Literal["choices", "logits"] | None
    kept: tuple[Kept, ...]  # how each traced seed brings it to the decision
    reason: str | None  # why there is no effect to show


@dataclass(frozen=True)
class MemoryEvidence:
    """Of an arm in a task of which it is known what has to be remembered."""

    latent: str
    values: tuple[str, ...]
    shown: int  # the step
    decided: int
    reason: str | None  # why nothing was looked at
    layers: tuple[str, ...]
    steps: tuple[int, ...]
    chance: float | None
    seeds: int  # that were looked at
    at: tuple[MemoryAt, ...]  # by target return, the arm's own first


def memory_of(explanations: Sequence[Explanation]) -> MemoryEvidence | None:
    """Over the seeds of an arm; None where nothing is known that has to be remembered, or it was not looked for."""
    pairs = [(each.get(Probes), each.get(Patching)) for each in explanations]
    both = [(one, two) for one, two in pairs if one is not None and two is not None and one.latent is not None]
    if not both:
        return None
    known = [(one, two) for one, two in both if one.runs and two.runs]
    first, latent = (known or both)[0][0], (known or both)[0][0].latent
    assert latent is not None
    alike = [pair for pair in known if (pair[0].layers, pair[0].steps) == (first.layers, first.steps)]
    reasons = list(dict.fromkeys(reason for one, two in both if (reason := one.reason or two.reason)))
    return MemoryEvidence(
        latent=latent.name,
        values=latent.values,
        shown=latent.shown,
        decided=latent.decided,
        reason=None if alike else "; ".join(reasons),
        layers=first.layers,
        steps=first.steps,
        chance=float(np.mean([one.chance for one, _ in alike])) if alike else None,
        seeds=len(alike),
        at=tuple(
            _at([one.runs[i] for one, _ in alike], [two.runs[i] for _, two in alike], first.steps, latent.decided)
            for i in range(min((len(one.runs) for one, _ in alike), default=0))
        ),
    )


def _at(probes: Sequence[Probed], patches: Sequence[Patched], steps: Sequence[int], decided: int) -> MemoryAt:
    """Where some seed's choices change, choices over those seeds; else the logits of those whose logits move."""
    targets = [probe.target_return for probe in probes if probe.target_return is not None]
    choices = [patch.choices for patch in patches if patch.choices is not None]
    traced = choices or [patch.logits for patch in patches if patch.logits is not None]
    return MemoryAt(
        target_return=float(np.mean(targets)) if targets else None,
        accuracy=_mean([probe.accuracy for probe in probes]),
        shuffled=_mean([probe.shuffled for probe in probes]),
        untrained=_mean([probe.untrained for probe in probes]),
        share=_mean([probe.share for probe in probes]),
        share_untrained=_mean([probe.share_untrained for probe in probes]),
        changed=float(np.mean([patch.changed for patch in patches])),
        effect=_mean(traced) if traced else None,
        measure=None if not traced else "choices" if choices else "logits",
        kept=tuple(kept(rows, steps, decided) for rows in traced),
        reason=None if traced else next((patch.reason for patch in patches if patch.reason), None),
    )


def _mean(maps: Sequence[Rows]) -> Rows:
    return tuple(map(tuple, np.mean(maps, axis=0).tolist()))


def kept(effect: Rows, steps: Sequence[int], decided: int) -> Kept:
    """How the latent comes to the decision, from the effects of replaced activations.

    "carried": at every step between the last input that shows it and the decision, some layer holds it, so that
    replacing that one place is half of replacing the input at least. "fetched": at none of them, so that it is read
    from where it was shown when it is needed.
    """
    rows = np.array(effect)
    inputs = [step for step, value in zip(steps, rows[0], strict=True) if value >= HALF]
    between = [i for i, step in enumerate(steps) if max(inputs, default=steps[0]) < step < decided]
    if not between:
        return "no step between"
    held = rows[1:, between].max(axis=0) >= HALF
    return "carried" if held.all() else "in part" if held.any() else "fetched"
