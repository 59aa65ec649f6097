"""Explainers are scored over what they can tell apart, by replacements that they have not seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from rlformer.agents.sequence.acting import SequencePolicy
from rlformer.core.records import Episode
from rlformer.core.spaces import Spaces
from rlformer.data.dataset import Dataset, DatasetInfo, from_episodes
from rlformer.explain import quality, units
from rlformer.explain.explainers import EXPLAINERS, attention
from rlformer.explain.explainers.attribution import Attribution
from rlformer.explain.explainers.base import Explainer
from rlformer.explain.groups import HISTORY, RETURN, Groups, shared
from rlformer.explain.states import LogStates, Sample, two_samples
from rlformer.explain.subject import Subject, subject_of
from tests.support.make_sequences import OBSERVATION_SIZE, SPACES, log, model

FEATURES = {"a": (0,), "b": (1,), "c": (2,)}
PATTERNS = 50


def tried(tokens: str, count: int = 24) -> tuple[Subject, Groups, Sample, Sample]:
    """A Decision Transformer whose weights are random, on random episodes."""
    dataset = log(SPACES["discrete"], (8,) * 24)
    policy = SequencePolicy(model(SPACES["discrete"], context_length=4, tokens=tokens), 1.0)
    subject = subject_of(policy, dataset)
    groups = shared(FEATURES, 4, subject.codec.width, subject.reads_history, policy.reads_returns)
    shown, fresh = two_samples(LogStates(dataset, 4), count, 4, np.random.default_rng(0), known_decisions=False)
    return subject, groups, shown, fresh


def pattern(number: int) -> Explainer:
    """Attention that is drawn at random, whatever the model says."""

    def attribute(subject: Subject, groups: Groups, sample: Sample, seed: int) -> Attribution:
        visible = attention.visible(subject, sample.states)
        drawn = torch.rand(visible.shape, generator=torch.Generator().manual_seed(number))
        return attention.attribution(subject, groups, sample.states, drawn * (visible > 0))

    return Explainer(f"pattern {number}", attribute, "tokens", control=True, reads_state=False)


def test_one_token_a_step_tells_nothing_apart() -> None:
    subject, groups, _, _ = tried("step")
    assert units.of_tokens(subject, groups, groups.read).members == ((0, 1, 2, 3, 4),)


def test_tokens_of_their_own_tell_observation_history_and_return_apart() -> None:
    subject, groups, _, _ = tried("separate")
    found = units.of_tokens(subject, groups, groups.read)
    assert dict(zip(found.names, found.members, strict=True)) == {
        "observation": (0, 1, 2),
        HISTORY: (3,),
        RETURN: (4,),
    }
    without = units.of_tokens(subject, groups, (True, True, True, True, False))
    assert without.names == ("observation", HISTORY)


def test_fifty_random_patterns_of_attention_do_not_score_alike_where_tokens_can_be_told_apart() -> None:
    subject, groups, shown, fresh = tried("separate", 6)
    trial = quality.Trial(subject, groups, units.of_tokens(subject, groups, groups.read), shown, fresh, 0)
    masses = [quality.relevance(trial.shares(pattern(i)), [1])[0] for i in range(PATTERNS)]
    assert len({round(mass, 6) for mass in masses}) == PATTERNS
    assert max(masses) - min(masses) > 0.1


def test_no_explainer_is_above_what_is_attainable() -> None:
    subject, groups, shown, fresh = tried("separate")
    trial = quality.Trial(subject, groups, units.of_tokens(subject, groups, groups.read), shown, fresh, 0)
    judged = [quality.judge(pattern(i), trial) for i in range(3)]
    best = quality.attainable(trial, judged)
    assert best.comprehensiveness is not None
    assert best.sufficiency is not None
    for one in judged:
        assert one.comprehensiveness is not None
        assert one.sufficiency is not None
        assert one.comprehensiveness <= best.comprehensiveness
        assert one.sufficiency >= best.sufficiency


def test_with_one_token_a_step_their_shares_of_features_are_all_the_same() -> None:
    """Why they are not scored there: what is in a token gets one and the same weight."""
    subject, groups, shown, _ = tried("step")
    for number in range(PATTERNS):
        shares = pattern(number).attribute(subject, groups, shown, 0).groups[:, 0, :3]
        torch.testing.assert_close(shares, shares[:, :1].expand_as(shares))


def test_skill_of_the_right_token_is_what_is_attainable_and_of_the_wrong_one_below_chance() -> None:
    subject, groups, shown, fresh = tried("separate")
    own = units.of_tokens(subject, groups, groups.read)
    trial = quality.Trial(subject, groups, own, shown, fresh, 0)
    history = own.names.index(HISTORY)

    def only(group: int) -> Explainer:
        def attribute(subject: Subject, groups: Groups, sample: Sample, seed: int) -> Attribution:
            found = torch.zeros(len(sample.states), 1, len(groups))
            found[..., group] = 1.0
            return Attribution(found)

        return replace(EXPLAINERS["attention rollout"], attribute=attribute)

    right, wrong = (quality.skill(only(group), trial, [history], groups.read) for group in (3, 4))
    assert right.skill == pytest.approx(1.0)
    assert right.attainable == pytest.approx(1.0)
    assert wrong.skill is not None
    assert wrong.skill < 0
    unable = quality.skill(only(4), trial, [history], (True, True, True, False, True))
    assert unable.attainable is not None
    assert unable.attainable <= 0  # what it can weigh does not matter


def numbered(episodes: int = 16, length: int = 6) -> Dataset:
    """Every observation says which episode it is of."""
    spec = SPACES["discrete"]
    made = [
        Episode(
            np.full((length + 1, OBSERVATION_SIZE), i, np.float32), np.arange(length) % 3, np.ones(length), True, False
        )
        for i in range(episodes)
    ]
    return from_episodes(DatasetInfo("E", Spaces.plain((OBSERVATION_SIZE,), spec)), made)


def donors(sample: Sample) -> set[int]:
    return {int(number) for of in (sample.alike, sample.anywhen) for number in of.observations[:, -1, 0]}


@pytest.mark.parametrize("decisions", [None, (1, 4)])
def test_an_attribution_and_its_test_never_share_donors(decisions: tuple[int, ...] | None) -> None:
    states = LogStates(numbered(), 1, decisions)
    shown, fresh = two_samples(states, 60, 8, np.random.default_rng(0), decisions is not None)
    assert torch.equal(shown.states.observations, fresh.states.observations)
    assert torch.equal(shown.states.times, fresh.states.times)
    assert donors(shown).isdisjoint(donors(fresh))
    assert len(donors(shown)) == len(donors(fresh)) == 8


def test_a_donor_is_another_episode_at_the_same_time() -> None:
    shown, fresh = two_samples(LogStates(numbered(), 1), 60, 8, np.random.default_rng(0), False)
    for drawn in (shown, fresh):
        own = drawn.states.observations[:, -1, 0].repeat(8)
        assert not (drawn.alike.observations[:, -1, 0] == own).any()
        assert torch.equal(drawn.alike.times, drawn.states.times.repeat(8))


def test_too_few_episodes_for_two_halves_are_told() -> None:
    with pytest.raises(Exception, match="no two episodes of each half reach the same step"):
        LogStates(numbered(3), 1).halves()
