"""The one door to captum: a question of ours as its flat rows, and its answers as ours."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rlformer.explain.explainers.attribution import Attribution
from rlformer.explain.groups import Groups
from rlformer.explain.replacement import repeated
from rlformer.explain.states import Sample, States
from rlformer.explain.subject import Subject

_GRADIENT_STEPS, _PERMUTATIONS = 32, 16


class Question:
    """The states of a sample, R times over, with everything replaced as the baselines.

    Gradients are integrated along straight lines from the replacements; ablation and Shapley values put them in place.
    All are averaged over the replacements.
    """

    def __init__(self, subject: Subject, groups: Groups, sample: Sample) -> None:
        self.subject, self.groups, self.sample = subject, groups, sample
        self._states = repeated(sample.states, sample.replacements)
        everything = torch.ones(len(self._states), len(groups), dtype=torch.bool)
        chosen = subject.actions(sample.states).repeat(sample.replacements, 1)
        self._inputs = _flat(self._states)
        self._baselines = _flat(groups.replace(self._states, sample, everything))
        self._arguments = (self._states.lengths, self._states.times, chosen)
        self._mask = torch.cat([mask.flatten() for mask in groups.masks])[None]  # (1, N)

    def integrated_gradients(self) -> Attribution:
        """To every single input, summed over groups."""
        from captum.attr import IntegratedGradients

        of_groups, elements = [], None
        for output in range(self.subject.outputs):
            flat = IntegratedGradients(self._forward(output)).attribute(
                self._inputs,
                self._baselines,
                additional_forward_args=self._arguments,
                n_steps=_GRADIENT_STEPS,
                internal_batch_size=max(len(self._inputs), self.subject.at_once(self._states)),
            )
            flat = self._mean(flat)
            of_groups.append(torch.zeros(len(flat), len(self.groups)).index_add_(1, self._mask[0], flat))
            elements = elements or _unflat(flat, self.sample.states)
        return Attribution(torch.stack(of_groups, dim=1), elements)

    def feature_ablation(self) -> Attribution:
        """To every group, by itself."""
        from captum.attr import FeatureAblation

        def answer(forward: Callable[..., Tensor]) -> Tensor:
            ablated: Tensor = FeatureAblation(forward).attribute(
                self._inputs, self._baselines, additional_forward_args=self._arguments, feature_mask=self._mask
            )
            return ablated

        return self._of_groups(answer)

    def shapley_values(self, seed: int) -> Attribution:
        """To every group, over random orders."""
        from captum.attr import ShapleyValueSampling

        def answer(forward: Callable[..., Tensor]) -> Tensor:
            torch.manual_seed(seed)  # captum draws its permutations from the global generator
            sampled: Tensor = ShapleyValueSampling(forward).attribute(
                self._inputs,
                self._baselines,
                additional_forward_args=self._arguments,
                feature_mask=self._mask,
                n_samples=_PERMUTATIONS,
            )
            return sampled

        return self._of_groups(answer)

    def _of_groups(self, answer: Callable[[Callable[..., Tensor]], Tensor]) -> Attribution:
        found = []
        for output in range(self.subject.outputs):
            with torch.no_grad():
                flat = answer(self._forward(output))
            # Every input of a group carries the whole group's value.
            of_groups = torch.zeros(len(flat), len(self.groups), dtype=flat.dtype)
            of_groups[:, self._mask[0]] = flat
            found.append(self._mean(of_groups))
        return Attribution(torch.stack(found, dim=1))

    def _mean(self, flat: Tensor) -> Tensor:
        """(R * B, n) -> (B, n)."""
        return flat.view(self.sample.replacements, len(self.sample.states), -1).mean(dim=0).float()

    def _forward(self, output: int) -> Callable[..., Tensor]:
        """What captum calls: (flat inputs, lengths, times, chosen actions) -> one number for each row."""

        def forward(flat: Tensor, lengths: Tensor, at: Tensor, chosen: Tensor) -> Tensor:
            states = States(*_unflat(flat.float(), self._states), lengths, at)
            return self.subject.preferences(states, chosen)[:, output]

        return forward


def _flat(states: States) -> Tensor:
    """All inputs of each state in a row: (B, N)."""
    return torch.cat([x.flatten(1) for x in states.inputs], dim=1)


def _unflat(flat: Tensor, like: States) -> tuple[Tensor, Tensor, Tensor]:
    """The inverse of `_flat`."""
    sizes = [x[0].numel() for x in like.inputs]
    a, b, c = (p.view(len(flat), *x.shape[1:]) for p, x in zip(flat.split(sizes, dim=1), like.inputs, strict=True))
    return a, b, c
