"""Runs in, evidence out: every environment with its logs, its arms and what they make of growing shares of a log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rlformer.core.records import EvalResult
from rlformer.evaluator.as_json import rounded
from rlformer.evaluator.judge.arm_evidence import Machines, action_selection, arm_evidence
from rlformer.evaluator.judge.arms import Arm, by_arm, by_environment
from rlformer.evaluator.judge.clocks import comparable
from rlformer.evaluator.judge.evidence import EvaluationFacts, Evidence, LogFacts, Machine, Quartiles
from rlformer.evaluator.judge.explanations.explained import explained
from rlformer.evaluator.judge.load import Run
from rlformer.evaluator.judge.scaling import scaling
from rlformer.evaluator.judge.terms import Terms
from rlformer.evaluator.judge.training import is_smoke, marked
from rlformer.runs.inputs import LogInput
from rlformer.runs.missing import MissingRun


def evidence(
    runs: Sequence[Run], missing: Sequence[MissingRun], terms: Terms
) -> tuple[tuple[Evidence, ...], tuple[Machine, ...], tuple[MissingRun, ...]]:
    """What is known of each environment, the machines of the runs, and the missing runs of no environment here.

    A missing run belongs to the environment and the arm of its names and recipe. terms: on which families choose the
    arms whose explanations are compared.
    Intervals are 95 % percentile bootstraps over seeds, each run reduced to its mean return; where some runs share a
    log, logs are drawn first and then the runs on each. Floats keep seven significant digits.
    """
    machines = Machines()
    found: list[Evidence] = []
    placed: set[int] = set()
    groups = by_environment(runs)
    names = Counter(group[0].spec.env.name for group in groups.values())
    for name, group in groups.items():
        card = group[0].spec.env.name
        own = [item for item in missing if item.env == card and names[card] == 1]
        placed.update(map(id, own))
        found.append(_environment(name, comparable(group), own, machines, terms))
    homeless = tuple(item for item in missing if id(item) not in placed)
    return tuple(rounded(found)), tuple(rounded(machines.found)), homeless


def _environment(
    name: str, runs: Sequence[Run], missing: Sequence[MissingRun], machines: Machines, terms: Terms
) -> Evidence:
    env = runs[0].spec.env
    cards = {(run.spec.env.random_score, run.spec.env.reference_score) for run in runs}
    ladder = [run for run in runs if run.budget is None]
    arms = by_arm(ladder)
    measured = tuple(arm_evidence(arm, env, machines, _missing_seeds(arm, arms, missing)) for arm in arms)
    found = Evidence(
        name=name,
        card=env,
        cards_differ=len(cards) > 1,  # scores of one and the same environment; the first run's are used
        evaluation=_evaluation(runs),
        logs=_logs(ladder),
        arms=measured,
        grid=scaling(runs, env, arms),
        missing=tuple(missing),
        explanations=None,
    )
    serious = tuple(arm for arm in measured if not is_smoke(arm))
    found = replace(found, explanations=explained(arms, replace(found, arms=serious), terms))
    return marked(found, {arm.label: arm.spec.paper for arm in arms if arm.spec.paper is not None})


def _missing_seeds(arm: Arm, arms: Sequence[Arm], missing: Sequence[MissingRun]) -> list[int]:
    """Seeds of an arm that left no run; none where an agent has two arms on logs of one recipe."""
    alike = [other for other in arms if (other.agent, other.recipe) == (arm.agent, arm.recipe)]
    there = {run.record.seed for run in arm.runs}
    own = [item.seed for item in missing if (item.agent, item.recipe) == (arm.agent, arm.recipe)]
    return [seed for seed in own if seed not in there] if alike == [arm] else []


def _evaluation(runs: Sequence[Run]) -> EvaluationFacts:
    played: list[EvalResult] = [run.final for run in runs if run.final is not None and run.kind.acts]
    return EvaluationFacts(
        episodes=tuple(sorted({len(result.returns) for result in played})),
        same_seeds=len({result.seeds.tobytes() for result in played}) <= 1,
        first_seed=int(played[0].seeds[0]) if played else None,
        action_selection=action_selection([run for run in runs if run.kind.learns]),
        seed_obeyed=False if any(result.seed_obeyed is False for result in played) else None,
    )


def _logs(runs: Sequence[Run]) -> tuple[LogFacts, ...]:
    """Every log that a run learned from, and its returns where an arm holds them."""
    seeds: dict[str, list[int]] = {}
    inputs: dict[str, LogInput] = {}
    quartiles: dict[str, Quartiles] = {}
    for run in runs:
        log = run.spec.log
        if log is None:
            continue
        inputs.setdefault(log.hash, log)
        if run.record.seed not in seeds.setdefault(log.hash, []):
            seeds[log.hash].append(run.record.seed)
        if not run.kind.acts and run.final is not None:
            quartiles[log.hash] = Quartiles(*np.quantile(run.final.returns, [0.25, 0.5, 0.75]).tolist())
    found = [_log(log, seeds[key], quartiles.get(key)) for key, log in inputs.items()]
    return tuple(sorted(found, key=lambda log: (min(log.seeds), log.hash)))


def _log(log: LogInput, seeds: Sequence[int], quartiles: Quartiles | None) -> LogFacts:
    return LogFacts(
        hash=log.hash,
        seeds=tuple(seeds),
        recipe=log.recipe,
        selection=log.selection,
        num_episodes=log.num_episodes,
        num_steps=log.num_steps,
        mean_return=log.mean_return,
        min_return=log.min_return,
        max_return=log.max_return,
        source=log.source,
        made_here=log.made_here,
        upstream_env_steps=log.upstream_env_steps,
        maker=log.maker,
        maker_hash=log.maker_hash,
        task=log.task,
        quartiles=quartiles,
        upstream_cpu_seconds=log.upstream_cpu_seconds,
    )
