"""What every explainer of the registry promises, on policies that it can explain."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from rlformer.agents.sequence.acting import SequencePolicy
from rlformer.core.policy import Scorer
from rlformer.core.records import Window
from rlformer.core.spaces import ActionSpec
from rlformer.explain.explainers import EXPLAINERS, SHARED, explainers_of
from rlformer.explain.explainers.base import ATTENTION, GRADIENTS, Explainer
from rlformer.explain.explainers.chance import chance
from rlformer.explain.groups import Groups, shared
from rlformer.explain.replacement import repeated
from rlformer.explain.states import LogStates, Sample, sample
from rlformer.explain.subject import Subject, subject_of
from tests.support.make_sequences import OBSERVATION_SIZE, SPACES, log, model

STATES, REPLACEMENTS = 12, 3
FEATURES = {"a": (0,), "b": (1,), "c": (2,)}
KINDS = ("discrete", "multidiscrete", "box")


class Linear:
    """Scores that are a linear function of the current observation, of a policy that remembers nothing."""

    context_length, reads_returns, stochastic = 1, False, True

    def __init__(self, actions: ActionSpec, only: int | None = None) -> None:
        """only: the one dimension that it looks at."""
        self.actions = actions
        width = len(actions.low) if actions.kind == "box" else sum(actions.nvec)
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(OBSERVATION_SIZE, width)
        if only is not None:
            with torch.no_grad():
                self.layer.weight[:, [i for i in range(OBSERVATION_SIZE) if i != only]] = 0.0
        self.networks = (self.layer,)

    def scores(self, window: Window) -> torch.Tensor:
        last = window.mask.long().sum(dim=1) - 1
        scores: torch.Tensor = self.layer(window.observations[torch.arange(len(last)), last])
        return scores


@dataclass(frozen=True)
class Prepared:
    subject: Subject
    groups: Groups
    sample: Sample


def prepared(policy: Scorer, kind: str) -> Prepared:
    dataset = log(SPACES[kind], (8,) * 12)
    subject = subject_of(policy, dataset)  # type: ignore[arg-type]
    groups = shared(FEATURES, subject.context_length, subject.codec.width, subject.reads_history, policy.reads_returns)
    drawn = sample(LogStates(dataset, subject.context_length), STATES, REPLACEMENTS, np.random.default_rng(0), False)
    return Prepared(subject, groups, drawn)


def transformer(kind: str, tokens: str = "separate") -> Prepared:
    return prepared(SequencePolicy(model(SPACES[kind], context_length=4, tokens=tokens), 1.0), kind)


CASES = {
    **{f"linear-{kind}": prepared(Linear(SPACES[kind]), kind) for kind in KINDS},
    **{f"transformer-{kind}": transformer(kind) for kind in KINDS},
    "transformer-step": transformer("discrete", "step"),
}


def pairs() -> list[pytest.param]:  # type: ignore[valid-type]
    return [
        pytest.param(explainer, case, id=f"{explainer.name}-{name}")
        for name, case in CASES.items()
        for explainer in explainers_of(case.subject)
    ]


def attributed(explainer: Explainer, case: Prepared, seed: int = 0) -> torch.Tensor:
    return explainer.attribute(case.subject, case.groups, case.sample, seed).groups


@pytest.mark.slow
@pytest.mark.parametrize(("explainer", "case"), pairs())
def test_attributions_have_their_shape_and_are_finite(explainer: Explainer, case: Prepared) -> None:
    found = explainer.attribute(case.subject, case.groups, case.sample, 0)
    outputs = 1 if explainer.separates == "tokens" else case.subject.outputs  # attention is the same for every output
    assert found.groups.shape == (STATES, outputs, len(case.groups))
    assert torch.isfinite(found.groups).all()
    if found.elements is not None:
        assert [x.shape for x in found.elements] == [x.shape for x in case.sample.states.inputs]


@pytest.mark.slow
@pytest.mark.parametrize(("explainer", "case"), pairs())
def test_a_seed_decides_all(explainer: Explainer, case: Prepared) -> None:
    before = attributed(explainer, case, 3)
    torch.manual_seed(99)
    assert torch.equal(before, attributed(explainer, case, 3))
    if not explainer.drawn:
        assert torch.equal(before, attributed(explainer, case, 4))


@pytest.mark.slow
@pytest.mark.parametrize(("explainer", "case"), pairs())
def test_shares_are_of_one_whole(explainer: Explainer, case: Prepared) -> None:
    from rlformer.explain.explainers.attribution import scale_of

    found = explainer.attribute(case.subject, case.groups, case.sample, 0)
    scale = torch.ones(1) if explainer.separates == "tokens" else scale_of(case.subject)
    torch.testing.assert_close(found.shares(scale).sum(dim=1), torch.ones(STATES))


@pytest.mark.slow
@pytest.mark.parametrize(("explainer", "case"), [p for p in pairs() if p.values[0].complete])
def test_complete_attributions_sum_to_the_distance_from_the_baseline(explainer: Explainer, case: Prepared) -> None:
    subject, groups, drawn = case.subject, case.groups, case.sample
    chosen = subject.actions(drawn.states)
    everything = torch.ones(STATES * REPLACEMENTS, len(groups), dtype=torch.bool)
    baseline = groups.replace(repeated(drawn.states, REPLACEMENTS), drawn, everything)
    before = subject.preferences(drawn.states, chosen)
    after = subject.preferences(baseline, chosen.repeat(REPLACEMENTS, 1)).view(REPLACEMENTS, STATES, -1).mean(dim=0)
    sums = attributed(explainer, case).sum(dim=2)
    torch.testing.assert_close(sums, before - after, atol=5e-3, rtol=5e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("explainer", [e for e in EXPLAINERS.values() if ATTENTION not in e.needs and not e.control])
def test_what_the_policy_ignores_gets_nothing(explainer: Explainer, kind: str) -> None:
    """Attention, which says nothing of that, and controls aside."""
    found = attributed(explainer, prepared(Linear(SPACES[kind], only=1), kind))
    assert found[..., 1].abs().max() > 0
    np.testing.assert_allclose(np.delete(found.numpy(), 1, axis=2), 0.0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("explainer", "case"), pairs())
def test_groups_that_are_not_read_get_nothing(explainer: Explainer, case: Prepared) -> None:
    unread = [i for i, read in enumerate(case.groups.read) if not read]
    assert not attributed(explainer, case)[..., unread].any()


@pytest.mark.parametrize(("explainer", "case"), [p for p in pairs() if p.values[0].separates == "tokens"])
def test_what_separates_tokens_gives_the_numbers_of_one_alike(explainer: Explainer, case: Prepared) -> None:
    elements = explainer.attribute(case.subject, case.groups, case.sample, 0).elements
    assert elements is not None
    observations = elements[1]  # (B, K, O)
    torch.testing.assert_close(observations, observations[..., :1].expand_as(observations))


@pytest.mark.parametrize(("explainer", "case"), [p for p in pairs() if not p.values[0].reads_state])
def test_what_does_not_read_the_state_does_not_change_with_it(explainer: Explainer, case: Prepared) -> None:
    states = case.sample.states
    moved = states.having(states.returns_to_go + 1.0, states.observations + 1.0, states.actions)
    other = Sample(moved, case.sample.alike, case.sample.anywhen)
    after = explainer.attribute(case.subject, case.groups, other, 0).groups
    assert torch.equal(after, attributed(explainer, case))


@pytest.mark.parametrize(("explainer", "case"), pairs())
def test_chance_has_the_form_of_the_explainer(explainer: Explainer, case: Prepared) -> None:
    found = chance(explainer, case.subject, case.groups, case.sample.states, 5)
    assert found.groups.shape == (STATES, 1, len(case.groups))
    assert not found.groups[..., [i for i, read in enumerate(case.groups.read) if not read]].any()
    again = chance(explainer, case.subject, case.groups, case.sample.states, 5)
    assert torch.equal(found.groups, again.groups)


def test_every_policy_has_those_that_need_no_attention() -> None:
    assert CASES["linear-box"].subject.offers == {GRADIENTS}
    assert explainers_of(CASES["linear-box"].subject) == tuple(
        e for e in EXPLAINERS.values() if ATTENTION not in e.needs
    )
    assert explainers_of(CASES["transformer-box"].subject) == tuple(EXPLAINERS.values())
    assert SHARED in explainers_of(CASES["linear-box"].subject)


def test_names_are_those_of_the_registry_and_needs_are_known() -> None:
    for name, explainer in EXPLAINERS.items():
        assert explainer.name == name
        assert explainer.needs <= {GRADIENTS, ATTENTION}
        assert (explainer.weights is not None) == (ATTENTION in explainer.needs)


def test_reports_read_the_registries_without_torch() -> None:
    """It takes seconds to import."""
    code = "import sys; import rlformer.explain.parts, rlformer.explain.explainers; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
