"""The final episodes of the policies that a run kept: of those that were the first to pass a threshold."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from rlformer.agents.base import LearnerKind
from rlformer.core import seeding
from rlformer.core.records import EvalResult
from rlformer.evaluator.measure.curve import passed
from rlformer.evaluator.measure.evaluation import evaluate
from rlformer.evaluator.measure.protocol import EVALUATION_SEED, Protocol
from rlformer.runs import kept
from rlformer.runs.curves import CurvePoint
from rlformer.runs.spec import RunSpec


def name_of(step: int) -> str:
    """Of the evaluation of the policy that was kept at this step: its file is `eval/kept-STEP.json`."""
    return f"kept-{step}"


def play_kept(
    kind: LearnerKind,
    spec: RunSpec,
    run: Path,
    points: Sequence[CurvePoint],
    protocol: Protocol,
    known: Collection[str] = (),
) -> dict[str, EvalResult]:
    """Results by name of the kept policies that are T for a threshold of the protocol, on the final episodes.

    They are what one would deploy who stops as soon as the threshold is reached; the end of the budget is played
    beside them. run: its folder. known: names of those that were played before, which are not played again.
    """
    seeds = seeding.episode_seeds(EVALUATION_SEED, "evaluate", protocol.episodes)
    there, found, sampled = kept.steps(run), dict[str, EvalResult](), kind.samples(spec.values)
    for step in passed(points, spec.env, protocol):
        name = name_of(step)
        if step not in there or name in known:
            continue
        policy = kind.load().load(kept.folder(run, step), spec.env, spec.values).policy(sample=sampled)
        found[name] = evaluate(
            policy, spec.env, seeds, name=spec.agent.name, num_envs=protocol.num_envs, sampled=sampled
        )
    return found
