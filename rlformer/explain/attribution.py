"""Explainers: how much each group of inputs contributed to the greedy action. The one door to captum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rlformer.agents.sequence.acting import SequencePolicy
from rlformer.explain.effects import repeated
from rlformer.explain.groups import Groups
from rlformer.explain.states import Sample, States
from rlformer.explain.subject import Subject

_GRADIENT_STEPS, _PERMUTATIONS, _AT_ONCE = 32, 16, 4096
CAPTUM = ("integrated gradients", "feature ablation", "Shapley values")
ATTENTION = ("attention rollout", "last-layer attention", "uniform attention")
RANDOM = "random"


@dataclass(frozen=True)
class Attribution:
    """Of B states to G groups; `elements` to every single input, where the explainer goes that far."""

    groups: Tensor  # (B, outputs, G), signed where the explainer has signs
    elements: tuple[Tensor, Tensor, Tensor] | None = None  # (B, *input) of the first output, as in `States.inputs`

    def shares(self, scale: Tensor) -> Tensor:
        """(B, G): absolute values, outputs weighed by 1 / scale (outputs,) and summed, each state's sum being 1."""
        sizes = (self.groups.abs() / scale[:, None]).sum(dim=1)
        total = sizes.sum(dim=1, keepdim=True)
        return torch.where(total > 0, sizes / total.clamp(min=1e-30), 0.0)


def explainers(subject: Subject) -> tuple[str, ...]:
    """Those that can explain it; attention only where there is one."""
    return (*CAPTUM, *(ATTENTION if has_attention(subject) else ()), RANDOM)


def has_attention(subject: Subject) -> bool:
    """Whether the policy's model has attention weights."""
    return isinstance(subject.scorer, SequencePolicy) and subject.scorer.model.architecture.kind.attends


def explain(name: str, subject: Subject, groups: Groups, sample: Sample, seed: int) -> Attribution:
    """One explainer's attributions at the states of the sample.

    Gradients are integrated along straight lines from the replacements, which so are the baselines, and averaged
    over them (Sundararajan et al. 2017, arXiv:1703.01365; expected gradients, Erion et al. 2021,
    doi:10.1038/s42256-021-00343-w); ablation and Shapley values (Castro et al. 2009) put the replacements in place.
    """
    if name in ATTENTION:
        elements = _attention(name, subject, sample.states)
        return Attribution(groups.gather(elements)[:, None], elements)
    if name == RANDOM:
        rng = torch.Generator().manual_seed(seed)
        drawn = torch.randn(len(sample.states), subject.outputs, len(groups), generator=rng)
        return Attribution(drawn * torch.tensor(groups.read))
    return _captum(name, subject, groups, sample, seed)


def chance(name: str, subject: Subject, groups: Groups, sample: Sample, seed: int) -> Attribution:
    """Random attributions of the same form as the explainer's, to be aggregated in the same way."""
    rng = torch.Generator().manual_seed(seed)
    states, read = sample.states, torch.tensor(groups.read)
    if name in ATTENTION:
        weights = torch.rand(_tokens(subject, states).shape, generator=rng) * (_tokens(subject, states) > 0)
        return Attribution(groups.gather(_spread(subject, states, weights))[:, None])
    if name == "integrated gradients":
        seen = states.seen
        drawn = tuple(
            torch.randn(x.shape, generator=rng) * (seen if x.dim() == 2 else seen[..., None]) for x in states.inputs
        )
        return Attribution((groups.gather(drawn) * read)[:, None])
    return Attribution(torch.randn(len(states), 1, len(groups), generator=rng) * read)


def _captum(name: str, subject: Subject, groups: Groups, sample: Sample, seed: int) -> Attribution:
    from captum.attr import FeatureAblation, IntegratedGradients, ShapleyValueSampling

    times, count = sample.replacements, len(sample.states)
    states = repeated(sample.states, times)
    everything = torch.ones(len(states), len(groups), dtype=torch.bool)
    baseline, chosen = groups.replace(states, sample, everything), subject.actions(sample.states).repeat(times, 1)
    inputs, before = _flat(states), _flat(baseline)
    mask = torch.cat([m.flatten() for m in groups.masks])[None]
    found, elements = [], None
    for output in range(subject.outputs):
        forward = _forward(subject, states, output)
        rest = (states.lengths, states.times, chosen)
        if name == "integrated gradients":
            flat = IntegratedGradients(forward).attribute(
                inputs, before, additional_forward_args=rest, n_steps=_GRADIENT_STEPS, internal_batch_size=_AT_ONCE
            )
            flat = flat.view(times, count, -1).mean(dim=0).float()
            found.append(_gather(flat, mask[0], len(groups)))
            elements = elements or _unflat(flat, sample.states)
            continue
        if name == "feature ablation":
            with torch.no_grad():
                flat = FeatureAblation(forward).attribute(
                    inputs, before, additional_forward_args=rest, feature_mask=mask
                )
        else:
            torch.manual_seed(seed)  # captum draws its permutations from the global generator
            with torch.no_grad():
                flat = ShapleyValueSampling(forward).attribute(
                    inputs, before, additional_forward_args=rest, feature_mask=mask, n_samples=_PERMUTATIONS
                )
        # Every input of a group carries the whole group's value.
        of_groups = torch.zeros(len(flat), len(groups), dtype=flat.dtype)
        of_groups[:, mask[0]] = flat
        found.append(of_groups.view(times, count, -1).mean(dim=0).float())
    return Attribution(torch.stack(found, dim=1), elements)


def _forward(subject: Subject, like: States, output: int) -> Callable[..., Tensor]:
    """What captum calls: (flat inputs, lengths, times, chosen actions) -> one number for each row."""

    def forward(flat: Tensor, lengths: Tensor, at: Tensor, chosen: Tensor) -> Tensor:
        states = States(*_unflat(flat.float(), like), lengths, at)
        return subject.preferences(states, chosen)[:, output]

    return forward


def _flat(states: States) -> Tensor:
    """All inputs of each state in a row: (B, N)."""
    return torch.cat([x.flatten(1) for x in states.inputs], dim=1)


def _unflat(flat: Tensor, like: States) -> tuple[Tensor, Tensor, Tensor]:
    """The inverse of `_flat`."""
    sizes = [x[0].numel() for x in like.inputs]
    a, b, c = (p.view(len(flat), *x.shape[1:]) for p, x in zip(flat.split(sizes, dim=1), like.inputs, strict=True))
    return a, b, c


def _gather(flat: Tensor, mask: Tensor, count: int) -> Tensor:
    return torch.zeros(len(flat), count).index_add_(1, mask, flat)


def _attention(name: str, subject: Subject, states: States) -> tuple[Tensor, Tensor, Tensor]:
    return _spread(subject, states, _weights(name, subject, states))


def _weights(name: str, subject: Subject, states: States) -> Tensor:
    """Of the tokens that the prediction sees, in the window: (B, T)."""
    if name == "uniform attention":
        return _tokens(subject, states)
    assert isinstance(subject.scorer, SequencePolicy)
    layers = [weights.mean(dim=1) for weights in subject.scorer.model.attention(states.window())]  # (B, T, T) each
    mixed = layers[-1] if name == "last-layer attention" else rollout(layers)
    return mixed[torch.arange(len(states)), _row(subject, states)]


def attention_of_tokens(name: str, subject: Subject, states: States) -> Tensor:
    """Attention by step and token of the step, aligned at the current one: (B, K, kinds)."""
    return _aligned(subject, states, _weights(name, subject, states))


def rollout(layers: list[Tensor]) -> Tensor:
    """Attention through all layers, residual connections included: (B, T, T).

    Each layer's weights, averaged over heads, are mixed half and half with the identity and multiplied
    (Abnar & Zuidema 2020, arXiv:2005.00928).
    """
    through = torch.eye(layers[0].shape[-1]).expand_as(layers[0])
    for weights in layers:
        mixed = weights / 2 + torch.eye(weights.shape[-1]) / 2
        through = mixed / mixed.sum(dim=-1, keepdim=True) @ through
    return through


def _row(subject: Subject, states: States) -> Tensor:
    """The token that predicts the current action, counted in the window: (B,)."""
    assert isinstance(subject.scorer, SequencePolicy)
    model = subject.scorer.model
    return model.token_of_scores + len(model.inputs_of_tokens) * (states.lengths - 1)


def _tokens(subject: Subject, states: States) -> Tensor:
    """Uniform weights over the tokens that the prediction can see: (B, T)."""
    assert isinstance(subject.scorer, SequencePolicy)
    total = len(subject.scorer.model.inputs_of_tokens) * states.returns_to_go.shape[1]
    visible = (torch.arange(total) <= _row(subject, states)[:, None]).float()
    return visible / visible.sum(dim=1, keepdim=True)


def _spread(subject: Subject, states: States, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weights of tokens (B, T) to inputs, aligned at the current step: a token's inputs share its weight evenly."""
    assert isinstance(subject.scorer, SequencePolicy)
    kinds, aligned = subject.scorer.model.inputs_of_tokens, _aligned(subject, states, weights)
    returns, observations, actions = (torch.zeros_like(x) for x in states.inputs)
    for number, parts in enumerate(kinds):
        share = aligned[..., number] / len(parts)
        for part in parts:
            if part == "return":
                returns += share
            elif part == "observation":
                observations += share[..., None] / observations.shape[2]
            else:
                moved = share if part == "action" else torch.nn.functional.pad(share[:, 1:], (0, 1))
                actions += moved[..., None] / actions.shape[2]
    return returns, observations, actions


def _aligned(subject: Subject, states: States, weights: Tensor) -> Tensor:
    """Weights of tokens in the window (B, T) by step, the current one last: (B, K, kinds)."""
    assert isinstance(subject.scorer, SequencePolicy)
    kinds, steps = len(subject.scorer.model.inputs_of_tokens), states.returns_to_go.shape[1]
    by_step = torch.nn.functional.pad(weights, (0, kinds * steps - weights.shape[1])).unflatten(1, (steps, kinds))
    place = torch.arange(steps) - (steps - states.lengths[:, None])  # (B, K): of each aligned step in the window
    aligned = by_step.gather(1, place.clamp(min=0)[..., None].expand(-1, -1, kinds))
    return aligned * states.seen[..., None]


def scale_of(subject: Subject) -> Tensor:
    """What attributions to each output are divided by: (outputs,)."""
    return subject.action_range if subject.spec.kind == "box" else torch.ones(1)


def concentration(shares: np.ndarray) -> tuple[float, float]:
    """Effective number of groups exp(entropy), and the Gini index, of shares (B, G): means over states.

    Sources: Bhatt et al. 2020 (arXiv:2005.00631); Chalasani et al. 2020 (arXiv:1810.06583).
    """
    rows = shares[shares.sum(axis=1) > 0]
    if not len(rows):
        return float("nan"), float("nan")
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.where(rows > 0, rows * np.log(rows), 0.0).sum(axis=1)
    ordered, count = np.sort(rows, axis=1), rows.shape[1]
    gini = 1.0 - 2.0 * (ordered * (count - np.arange(1, count + 1) + 0.5)).sum(axis=1) / count
    return float(np.exp(entropy).mean()), float(gini.mean())
