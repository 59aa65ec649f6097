"""What each group adds on average over random orders in which groups are replaced.

Castro et al. 2009, doi:10.1016/j.cor.2008.04.004, by sampling permutations.
"""

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

    return Question(subject, groups, sample).shapley_values(seed)


EXPLAINER = Explainer(
    name="Shapley values",
    attribute=attribute,
    separates="groups",
    complete=True,
    drawn=True,
)
