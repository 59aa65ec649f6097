"""Learning apart from evaluation: seconds, CPU seconds, operations and memory of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rlformer.core import formats
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.evaluator.judge.objections import UnlikeMachines
from rlformer.evaluator.judge.values import Spread
from rlformer.report.sections.base import EnvironmentView
from rlformer.report.words import times
from rlformer.report.words.arms import trained


@dataclass(frozen=True)
class Content:
    """A row for each arm that measured its time."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    shared: bool  # whether some seconds are marked
    unlike: bool = False  # whether runs were made on several kinds of machines, so that no seconds are compared


def content(view: EnvironmentView) -> Content:
    """What the template needs."""
    arms = [arm for arm in trained(view.evidence) if arm.times.get("wall")]
    heads = ["Arm", *times.PARTS.values(), "CPU upstream", "Environment, of training", "FLOPs", "FLOPs, evaluation"]
    unlike = any(isinstance(threat, UnlikeMachines) for threat in view.evidence.threats)
    return Content([*heads, "Peak memory"], [_row(arm) for arm in arms], any(map(times.shared, arms)), unlike)


def _row(arm: ArmEvidence) -> list[str]:
    spent, mark = times.of(arm), "*" if times.shared(arm) else ""
    seconds = [_seconds(spent[key], mark) for key in (*times.PARTS, "upstream_cpu")]
    seconds.append(_seconds(arm.times.get("environment"), mark))
    flops = [_count(arm.flops.get(key)) for key in ("training", "evaluation")]
    memory = f"{_count(arm.peak_memory_bytes)}B"
    if arm.peak_gpu_memory_bytes:
        memory += f", GPU {_count(arm.peak_gpu_memory_bytes)}B"
    return [arm.label, *seconds, *flops, memory]


def _seconds(spread: Spread | None, mark: str) -> str:
    return formats.MISSING if spread is None else f"{formats.seconds(spread.mean)}{mark}"


def _count(spread: Spread | None) -> str:
    return formats.count(None if spread is None else spread.mean)
