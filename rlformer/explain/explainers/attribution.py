"""What explainers give, and its unit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rlformer.explain.subject import Subject


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


def scale_of(subject: Subject) -> Tensor:
    """What attributions to each output are divided by: (outputs,)."""
    return subject.action_range if subject.spec.kind == "box" else torch.ones(1)
