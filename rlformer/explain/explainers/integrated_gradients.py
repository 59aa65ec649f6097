"""Gradients along straight lines from the replacements, which so are the baselines, averaged over them.

Sundararajan et al. 2017, arXiv:1703.01365; expected gradients, Erion et al. 2021, doi:10.1038/s42256-021-00343-w.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlformer.explain.explainers.base import GRADIENTS, Explainer

if TYPE_CHECKING:
    from rlformer.explain.explainers.attribution import Attribution
    from rlformer.explain.groups import Groups
    from rlformer.explain.states import Sample
    from rlformer.explain.subject import Subject


def attribute(subject: Subject, groups: Groups, sample: Sample, seed: int) -> Attribution:
    """See `Explainer`."""
    from rlformer.explain.explainers.captum_door import Question

    return Question(subject, groups, sample).integrated_gradients()


EXPLAINER = Explainer(
    name="integrated gradients",
    attribute=attribute,
    separates="inputs",
    needs=frozenset({GRADIENTS}),
    complete=True,
)
