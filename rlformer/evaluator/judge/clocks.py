"""Seconds are those of one kind of machine: those of several are neither averaged nor compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rlformer.evaluator.judge.load import Run


def comparable(runs: Sequence[Run]) -> Sequence[Run]:
    """The runs as they are where all were made on one kind of machine; else without their seconds, which are left in
    their records. Scores, steps and FLOPs are the same on every machine.
    """
    kinds = {(run.record.hardware.get("cpu"), run.record.hardware.get("cores")) for run in runs}
    return runs if len(kinds) < 2 else [_without_seconds(run) for run in runs]


def _without_seconds(run: Run) -> Run:
    cost = replace(run.record.cost, upstream_cpu_seconds=None)
    record = replace(run.record, times={}, unsaved={}, inference_seconds={}, cost=cost)
    return replace(run, record=record, curve=tuple(replace(point, seconds=0.0, cpu=None) for point in run.curve))
