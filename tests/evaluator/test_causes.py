"""Luck and memory are named as causes only where nothing else explains the same numbers."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from rlformer.evaluator import Evidence
from rlformer.evaluator.judge.comparisons import difference
from rlformer.evaluator.judge.facts import ArmEvidence, BothWays, LevelCoverage, Rising, RunFacts, Scales
from rlformer.evaluator.judge.profile import task_profile
from rlformer.evaluator.judge.terms import Terms
from rlformer.evaluator.judge.values import Estimate
from rlformer.runs.inputs import LogTask
from tests.support.make_evidence import CARD, arm, evidence, logged

CHANCE = LogTask(1.0, 1.0, 10.0, 10, luck=0.6)


def asked(seed: int, covered: bool = True, both: BothWays | None = None) -> RunFacts:
    """Asked for 90 of a log from 0 to 100, it returns 40."""
    level = LevelCoverage(covered, 20, Estimate(0.1, 0.2, 0.3))
    scales = Scales(90.0, log_min=0.0, log_max=100.0, coverage={"target": level})
    return replace(logged(seed, 40.0, 900, 1000), target_return=90.0, scales=scales, sampled=both)


def study(model: ArmEvidence, task: LogTask | None = CHANCE) -> Evidence:
    found = evidence([model])
    return replace(found, logs=tuple(replace(log, task=task) for log in found.logs))


def test_luck_is_singled_out_where_the_log_is_chance_and_all_else_suffices() -> None:
    luck = task_profile(study(arm("dt", "sequence", [asked(0), asked(1)])), Terms()).luck
    assert luck is not None
    assert (luck.error, luck.runs, luck.singled_out) == (0.5, 2, True)


@pytest.mark.parametrize(
    ("changed", "task"),
    [
        ({"runs": (asked(0, covered=False),)}, CHANCE),  # the log hardly holds the target return
        ({"runs": (asked(0, both=BothWays(88.0, 40.0, 20)),)}, CHANCE),  # sampled actions reach it
        ({"rising": Rising(0.1, None, 9)}, CHANCE),  # more training might
        ({}, replace(CHANCE, luck=0.0)),  # actions decide the return
        ({}, None),  # nothing in the log tells
    ],
)
def test_luck_is_not_named_where_something_else_explains_it(changed: Mapping[str, Any], task: LogTask | None) -> None:
    model = replace(arm("dt", "sequence", [asked(0), asked(1)]), **changed)
    luck = task_profile(study(model, task), Terms()).luck
    assert luck is not None
    assert luck.error == 0.5
    assert not luck.singled_out


@pytest.mark.parametrize(("sampled", "needed"), [(45.0, True), (95.0, None)])
def test_memory_is_needed_only_where_sampled_actions_do_not_close_the_gap(sampled: float, needed: bool | None) -> None:
    long = arm("dt", "sequence", [logged(seed, 90.0 + seed, 900, 1000) for seed in range(3)])
    short = [replace(logged(seed, 40.0 + seed, 900, 1000), sampled=BothWays(sampled, 40.0, 20)) for seed in range(3)]
    arms = [long, arm("dt-k1", "sequence", short, role="control")]
    compared = difference("memory", *arms, CARD)
    assert compared.outcome == "ahead"
    memory = task_profile(replace(evidence(arms), comparisons=(compared,)), Terms()).memory
    assert memory is not None
    assert memory.needed is needed
