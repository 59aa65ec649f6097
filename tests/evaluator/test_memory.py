"""Where arms keep what they have to remember, from the parts of their seeds."""

from __future__ import annotations

import pytest

from rlformer.evaluator.as_json import decode, encode, rounded
from rlformer.evaluator.judge.explanations.memory import MemoryEvidence, kept, memory_of
from rlformer.explain.parts import Explanation, Patching, Probes
from rlformer.explain.parts.probes import Rows
from tests.support.make_memory import CARRIED, CUE, FETCHED, PARTLY, STEPS, TOLD, explanation, holding


def known(*seeds: Explanation) -> MemoryEvidence:
    found = memory_of(seeds)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("effect", "expected"), [(FETCHED, "fetched"), (CARRIED, "carried"), (PARTLY, "in part")], ids=lambda x: str(x)[:8]
)
def test_how_it_comes_to_the_decision_is_read_from_the_steps_between(effect: Rows, expected: str) -> None:
    assert kept(effect, STEPS, 4) == expected


def test_steps_before_the_last_input_that_shows_it_are_not_between() -> None:
    """As of an action, which a model reads a step later."""
    late = ((0.0, 1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.9, 0.8, 0.7), (0.0,) * 4 + (1.0,))
    assert kept(late, STEPS, 4) == "carried"
    assert kept(tuple(row[:3] for row in late), STEPS[:3], 2) == "no step between"


def test_maps_are_means_over_seeds_and_each_seed_says_how() -> None:
    (at,) = known(explanation(FETCHED), explanation(CARRIED)).at
    assert at.kept == ("fetched", "carried")
    assert at.measure == "choices"
    assert at.effect is not None
    assert at.effect[1] == pytest.approx((0.55, 0.45, 0.4, 0.15, 0.45))
    assert at.accuracy == TOLD


def test_seeds_whose_choices_do_not_change_are_left_out_where_others_do() -> None:
    (at,) = known(explanation(logits=CARRIED, changed=0.0), explanation(FETCHED, CARRIED)).at
    assert (at.measure, at.kept, at.changed) == ("choices", ("fetched",), 0.5)
    (at,) = known(explanation(logits=CARRIED, changed=0.0), explanation(changed=0.0)).at
    assert (at.measure, at.kept) == ("logits", ("carried",))
    (at,) = known(explanation(changed=0.0)).at
    assert (at.effect, at.measure, at.kept, at.reason) == (None, None, (), "nothing to trace")


def test_a_task_of_which_nothing_is_known_has_no_such_evidence() -> None:
    assert memory_of([holding(Probes("nothing is known"), Patching("nothing is known"))]) is None
    assert memory_of([Explanation()]) is None


def test_a_model_that_cannot_remember_is_told_with_the_reason() -> None:
    found = known(holding(Probes("too short", CUE), Patching("too short", CUE)))
    assert (found.reason, found.seeds, found.at, found.decided) == ("too short", 0, (), 4)


def test_it_is_written_and_read_whole() -> None:
    found = known(explanation(FETCHED), explanation(CARRIED))
    assert decode(MemoryEvidence, encode(found)) == rounded(found)
