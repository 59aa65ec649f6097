"""The part "patching": which activations, by layer and step, carry what has to be remembered to the decision.

Activation patching (interchange interventions, causal tracing): a model reads an episode with one value of the latent;
at one layer and step its activation is replaced by that of the same episode with another value, the rest is computed
anew, and the decision may follow the other value or not (Vig et al. 2020, arXiv:2004.12265; Geiger et al. 2021,
arXiv:2106.02997; Meng et al. 2022, arXiv:2202.05262). Both episodes differ in the input of one step alone. 0 is no
effect, 1 is what replacing that input itself does.

Two measures, one of choices and one that is linear in the logits, as Heimersheim & Nanda 2024 (arXiv:2404.15255) say.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rlformer.explain.parts.base import Explanation, Part
from rlformer.explain.parts.probes import LatentShown, Rows, described

if TYPE_CHECKING:
    from torch import Tensor

    from rlformer.core.records import Window
    from rlformer.core.spaces import Array
    from rlformer.explain.latent import Remembering
    from rlformer.explain.material import Material

_PAIRS = 128
_CHANGED = 0.1  # share of pairs whose choice the input itself must change, so that there is something to trace
_MOVED = 0.02  # and of probability that it must move


@dataclass(frozen=True)
class Patched:
    """Effects at the decision, of a model that is asked for one return; by layer, then by step."""

    target_return: float | None
    changed: float  # share of the pairs in which replacing the input itself changes the greedy action
    moved: float  # probability that it moves from some actions to others, mean over the pairs
    choices: Rows | None  # of the pairs that the input changes, the share that a replaced activation changes alike
    logits: Rows | None  # how far the logits go, of the way that the input makes them go
    reason: str | None = None  # why both are not defined


@dataclass(frozen=True)
class Patching:
    """Activation patching of what has to be remembered."""

    reason: str | None  # why nothing is patched
    latent: LatentShown | None = None
    layers: tuple[str, ...] = ()  # the first are the tokens: the inputs, encoded
    steps: tuple[int, ...] = ()  # of the episode
    pairs: int = 0
    runs: tuple[Patched, ...] = ()  # by target return, the policy's own first


def make(material: Material, made: Explanation) -> Patching:
    """Of a model that reads the step which shows what it has to remember."""
    from rlformer.explain.latent import Unable, remembering, shown

    subject = remembering(material)
    if isinstance(subject, Unable):
        return Patching(subject.reason, described(subject.latent))
    if subject.model.architecture.actions.kind != "discrete":
        return Patching("its decision is not one choice among several", described(subject.latent))
    episodes = shown(material, subject, _PAIRS)
    partners = _partners(episodes.values, np.random.default_rng(material.case.seed))
    found = [_traced(subject, target, episodes.asked(target), partners) for target in subject.targets]
    return Patching(None, described(subject.latent), subject.layers, subject.steps, len(partners), tuple(found))


def _partners(values: Array, rng: np.random.Generator) -> Array:
    """For each episode another with another value."""
    found = [rng.choice(np.flatnonzero(values != value)) for value in values]
    return np.array(found)


def twins(subject: Remembering, window: Window, partners: Array) -> Window:
    """The same windows with the input that shows the latent, and nothing else, as their partners have it."""
    latent = subject.latent
    name = "observations" if latent.made_by is None else "actions"
    step = latent.shown - (latent.decided + 1 - subject.window_steps)
    changed = getattr(window, name).clone()
    changed[:, step] = changed[partners, step]
    return replace(window, **{name: changed})


def _traced(subject: Remembering, target: float | None, window: Window, partners: Array) -> Patched:
    from rlformer.agents.sequence.tracing import Patch, patched, traced

    model = subject.model
    own, other = traced(model, window), traced(model, twins(subject, window, partners))
    before, after = _logits(own.predictions), _logits(other.predictions)
    flips = before.argmax(dim=1) != after.argmax(dim=1)
    changed = float(flips.float().mean())
    moved = float((before.softmax(dim=1) - after.softmax(dim=1)).abs().sum(dim=1).mean() / 2)
    if changed < _CHANGED and moved < _MOVED:
        nothing = f"replacing the {subject.latent.name} itself changes nothing at the decision"
        return Patched(target, changed, moved, None, None, nothing)
    choices, logits = list[tuple[float, ...]](), list[tuple[float, ...]]()
    for layer, theirs in enumerate(other.activations):
        patches = [Patch(layer, subject.tokens(s), theirs[:, subject.tokens(s)]) for s in subject.steps]
        found = [_logits(patched(model, window, [patch])) for patch in patches]
        same = [f.argmax(dim=1) == after.argmax(dim=1) for f in found]
        choices.append(tuple(float(s[flips].float().mean()) if flips.any() else 0.0 for s in same))
        logits.append(tuple(along(before, after, f) for f in found))
    return Patched(
        target,
        changed,
        moved,
        tuple(choices) if changed >= _CHANGED else None,
        tuple(logits) if moved >= _MOVED else None,
    )


def along(before: Tensor, after: Tensor, found: Tensor) -> float:
    """How far logits (N, A) went from `before` to `after`: 0 at the one, 1 at the other; over all rows.

    The projection on the way, sum of <found - before, after - before> over sum of |after - before|^2; with two actions
    that of the logit difference.
    """
    way = after - before
    return float(((found - before) * way).sum() / way.square().sum())


def _logits(predictions: Tensor) -> Tensor:
    """(N, K, A) to those at the decision, without what a softmax does not see: (N, A)."""
    last = predictions[:, -1]
    return last - last.mean(dim=1, keepdim=True)


PART = Part("patching", Patching, make)
