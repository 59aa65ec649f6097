"""What a finished run is asked later: policies that it kept pass a threshold that nobody had named when it was made."""

from __future__ import annotations

from dataclasses import replace

from rlformer.agents.base import LearnerKind
from rlformer.core import files
from rlformer.evaluator.measure.curve import passed
from rlformer.evaluator.measure.kept import name_of, play_kept
from rlformer.evaluator.measure.protocol import Protocol
from rlformer.runs import curves, kept, seal
from rlformer.runs.directory import RunDirectory
from rlformer.runs.ledger import Ledger
from rlformer.runs.spec import RunSpec


def play_later(kind: LearnerKind, spec: RunSpec, run: RunDirectory, protocol: Protocol) -> None:
    """Let kept policies play the final episodes that are the first to pass a threshold and have not played yet.

    Nothing is trained. Their seconds and steps are added to what the run's evaluations took. Raises files.Busy where
    another process works on the run, InputError where its environment cannot be made.
    """
    points = curves.read(run.path)
    there = kept.steps(run.path)
    asked = [step for step in passed(points, spec.env, protocol) if step in there]
    if all((run.path / "eval" / f"{name_of(step)}.json").is_file() for step in asked):
        return
    with files.locked_directory(run.path, "lock", "run"):
        record, known = run.record, run.evaluations()
        ledger = Ledger(record.times)
        sealed = [name for name in known if f"eval/{name}.json" in record.digests]
        with ledger.clock("evaluation"):
            found = play_kept(kind, spec, run.path, points, protocol, sealed)
        if not found:
            return
        for name, result in found.items():
            run.save_evaluation(name, replace(result, seed_obeyed=known["final"].seed_obeyed))
        steps = record.cost.evaluation_env_steps + sum(result.env_steps for result in found.values())
        record.cost = replace(record.cost, evaluation_env_steps=steps)
        if "action" in record.flops:
            record.flops["evaluation"] = steps * record.flops["action"]
        record.times, record.digests = ledger.times(), seal.of(run.path)
        files.write_json(run.path / "record.json", record.to_dict())
