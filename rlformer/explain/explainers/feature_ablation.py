"""How far the preference for the greedy action falls where one group is replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlformer.explain.explainers.base import Explainer

if TYPE_CHECKING:
    from rlformer.explain.explainers.attribution import Attribution
    from rlformer.explain.groups import Groups
    from rlformer.explain.states import Sample
    from rlformer.explain.subject import Subject


def attribute(subject: Subject, groups: Groups, sample: Sample, seed: int) -> Attribution:
    """See `Explainer`."""
    from rlformer.explain.explainers.captum_door import Question

    return Question(subject, groups, sample).feature_ablation()


EXPLAINER = Explainer(
    name="feature ablation",
    attribute=attribute,
    separates="groups",
)
