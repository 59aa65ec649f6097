"""The part "probes": in which layer, and at which step, a linear probe reads what the model has to remember.

Linear probes after Alain & Bengio 2016 (arXiv:1610.01644), on held-out episodes, beside two controls. Probes of
shuffled labels say what a probe finds where there is nothing: accuracy minus theirs is its selectivity (Hewitt & Liang
2019, arXiv:1909.03368, whose control task gives labels at random to word types; here every episode is given its own).
Probes of an untrained model of the same architecture say what its wiring carries along without having learned anything
(Zhang & Bowman 2018, arXiv:1809.10040). Both often read everything where little else varies, so that beside them stands
what share of an activation's variance the latent explains: how much room it is given.

That a probe reads something does not say that the model uses it: see the part "patching".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rlformer.explain.parts.base import Explanation, Part

if TYPE_CHECKING:
    from rlformer.agents.sequence.trajectory import TrajectoryModel
    from rlformer.core.spaces import Array
    from rlformer.envs.worlds.diagnostic import Latent
    from rlformer.explain.latent import Remembering, Shown
    from rlformer.explain.material import Material

_EPISODES = 512  # half of which the probes learn from
_SHUFFLES = 8
_PENALTY = 1e-2  # of the squared weights, beside the mean squared error, in units of standardised activations
_STILL = 1e-3  # what varies less, in units of a layer's activations, is as good as constant

Rows = tuple[tuple[float, ...], ...]  # by layer, then by step


@dataclass(frozen=True)
class LatentShown:
    """What has to be remembered."""

    name: str
    values: tuple[str, ...]
    shown: int  # the step that shows it
    decided: int  # the step at which it is needed


@dataclass(frozen=True)
class Probed:
    """Accuracies on held-out episodes, of a model that is asked for one return."""

    target_return: float | None
    accuracy: Rows
    shuffled: Rows  # mean over labels that were shuffled
    untrained: Rows  # of the model with fresh weights
    share: Rows  # of the variance that the latent explains
    share_untrained: Rows


@dataclass(frozen=True)
class Probes:
    """Linear probes for what has to be remembered, by layer and step."""

    reason: str | None  # why nothing is probed
    latent: LatentShown | None = None
    layers: tuple[str, ...] = ()  # the first are the tokens: the inputs, encoded
    steps: tuple[int, ...] = ()  # of the episode
    chance: float | None = None  # accuracy of the most frequent value
    held_out: int = 0  # episodes
    runs: tuple[Probed, ...] = ()  # by target return, the policy's own first


def make(material: Material, made: Explanation) -> Probes:
    """Of a model that reads the step which shows what it has to remember."""
    from rlformer.agents.sequence.tracing import untrained
    from rlformer.explain.latent import Unable, remembering, shown

    subject = remembering(material)
    if isinstance(subject, Unable):
        return Probes(subject.reason, described(subject.latent))
    episodes = shown(material, subject, _EPISODES)
    fresh = untrained(subject.model, material.case.seed)
    rng, runs = np.random.default_rng(material.case.seed), list[Probed]()
    for target in subject.targets:
        own, other = (probed(subject, model, episodes, target, rng) for model in (subject.model, fresh))
        runs.append(Probed(target, own.accuracy, own.shuffled, other.accuracy, own.share, other.share))
    held_out = episodes.values[len(episodes.values) // 2 :]
    return Probes(
        None,
        described(subject.latent),
        subject.layers,
        subject.steps,
        chance=float(np.bincount(held_out).max() / len(held_out)),
        held_out=len(held_out),
        runs=tuple(runs),
    )


def described(latent: Latent | None) -> LatentShown | None:
    """A latent as it is written down."""
    return None if latent is None else LatentShown(latent.name, latent.values, latent.shown, latent.decided)


@dataclass(frozen=True)
class Read:
    """What is read of one model."""

    accuracy: Rows
    shuffled: Rows
    share: Rows


def probed(
    subject: Remembering, model: TrajectoryModel, episodes: Shown, target: float | None, rng: np.random.Generator
) -> Read:
    """Held-out accuracies of probes in each layer at each step, for the values and for shuffled ones."""
    from rlformer.agents.sequence.tracing import traced

    values = episodes.values
    labels = np.stack([values, *(shuffled_labels(values, rng) for _ in range(_SHUFFLES))])
    accuracy, shuffled, share = list[tuple[float, ...]](), list[tuple[float, ...]](), list[tuple[float, ...]]()
    for activations in traced(model, episodes.asked(target)).activations:
        still = _STILL * float(activations.square().mean().sqrt())
        places = [activations[:, subject.tokens(step)].flatten(1).double().numpy() for step in subject.steps]
        found = np.array([held_out_accuracy(x, labels, still) for x in places])  # (T, 1 + S)
        accuracy.append(tuple(found[:, 0].tolist()))
        shuffled.append(tuple(found[:, 1:].mean(axis=1).tolist()))
        share.append(tuple(explained(x, values, still) for x in places))
    return Read(tuple(accuracy), tuple(shuffled), tuple(share))


def shuffled_labels(values: Array, rng: np.random.Generator) -> Array:
    """The values (N,) in random order within each half.

    Over both halves at once, what is frequent in the one would be rare in the other, and nothing would look worse than
    chance.
    """
    half = len(values) // 2
    found: Array = np.concatenate([rng.permutation(values[:half]), rng.permutation(values[half:])])
    return found


def held_out_accuracy(activations: Array, labels: Array, still: float) -> Array:
    """Accuracy on the second half of a ridge classifier that learned on the first, for several labellings at once.

    activations: (N, W). labels: (S, N) from 0. still: a standard deviation that is nothing beside the activations'.
    Least squares on one-hot labels; the largest output is the answer, and the most frequent label where nothing tells.
    """
    half, (count, width) = len(activations) // 2, activations.shape
    mean, spread = activations[:half].mean(axis=0), activations[:half].std(axis=0)
    x = (activations - mean) / np.sqrt(spread**2 + max(still, 1e-12) ** 2)
    targets = np.eye(int(labels.max()) + 1)[labels]  # (S, N, C)
    shares = targets[:, :half].mean(axis=1, keepdims=True)
    gram = x[:half].T @ x[:half] / half + _PENALTY * np.eye(width)
    moments = x[:half].T @ (targets[:, :half] - shares).swapaxes(0, 1).reshape(half, -1) / half
    outputs = (x[half:] @ np.linalg.solve(gram, moments)).reshape(count - half, len(labels), -1).swapaxes(0, 1)
    accuracy: Array = ((outputs + shares).round(9).argmax(axis=2) == labels[:, half:]).mean(axis=1)
    return accuracy


def explained(activations: Array, values: Array, still: float) -> float:
    """The share of the variance of activations (N, W), over all of their numbers, that lies between values (N,)."""
    total = float(activations.var(axis=0).sum())
    if total <= activations.shape[1] * still**2:
        return 0.0
    mean, shares = activations.mean(axis=0), np.bincount(values) / len(values)
    means = [activations[values == value].mean(axis=0) for value in range(len(shares))]
    return float(sum(p * np.square(m - mean).sum() for p, m in zip(shares, means, strict=True)) / total)


PART = Part("probes", Probes, make, version=2)
