"""Runs sorted into environments and arms: which are seeds of one arm, what it is called, where it stands."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlformer.evaluator.judge.load import Run

# From the bottom rung up; neighbours differ in one thing: data, objective, conditioning, history, network.
LADDER = ("random", "behaviour", "bc", "bc-top", "rvs", "dt-k1", "dt-no-rtg", "dt-lstm", "dt")
FAMILIES = ("random", "behaviour", "sequence", "offline", "online")
LEARNERS = {"random": "random", "behaviour": "behaviour", "sequence": "sequence", "sb3": "online"}


@dataclass(frozen=True)
class Arm:
    """One rung of the ladder on one environment: the same configuration over several seeds."""

    label: str
    runs: tuple[Run, ...]  # by seed

    @property
    def agent(self) -> str:
        """The name of its card."""
        return self.runs[0].spec.agent.name

    @property
    def log(self) -> str:
        """How the log of its runs was made and cut, alike for every seed; "" without one."""
        return _recipe(self.runs[0])

    @property
    def family(self) -> str:
        """random, behaviour, sequence (imitates a log), offline (RL on a log) or online."""
        agent = self.runs[0].spec.agent
        return agent.family or agent.learner


def by_environment(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs by environment; two definitions under one name are told apart by what they are."""
    groups: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        groups[run.spec.env.name, json.dumps(run.spec.env.definition, sort_keys=True)].append(run)
    names = Counter(name for name, _ in groups)
    ordered = sorted(groups.items(), key=lambda item: item[0])
    return {name if names[name] == 1 else f"{name} {definition}": runs for (name, definition), runs in ordered}


def by_arm(runs: Sequence[Run]) -> list[Arm]:
    """The arms of one environment, in the order of the ladder.

    How the log was cut parts arms. Each seed usually has a log of its own, so which log it is parts them only where
    a seed occurs twice. No arm holds a seed twice.
    """
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        config = run.spec
        values = [config.agent.name, config.agent.learner, dict(config.values), _cut(run)]
        groups[json.dumps(values, sort_keys=True, default=str)].append(run)
    parted = [part for group in groups.values() for part in _part(group, [_source, _selection, _hash])]
    by_agent: dict[str, list[list[Run]]] = defaultdict(list)
    for part in parted:
        by_agent[part[0].spec.agent.name].append(sorted(part, key=lambda run: run.record.seed))
    arms = [
        Arm(agent if not difference else f"{agent} ({difference})", tuple(part))
        for agent, parts in by_agent.items()
        for part, difference in zip(parts, _differences(parts), strict=True)
    ]
    return sorted(arms, key=lambda arm: rung(arm.family, arm.agent, arm.label))


def rung(family: str, agent: str, label: str) -> tuple[int, int, str]:
    """What arms are ordered by: from random play over the ladder's imitators to offline and online RL."""
    place = LADDER.index(agent) if agent in LADDER else len(LADDER)
    return FAMILIES.index(family), place, label


def _part(runs: list[Run], ways: Sequence[Callable[[Run], str]]) -> list[list[Run]]:
    """Part runs that hold a seed twice, by the first of these ways that tells some of them apart."""
    seeds = Counter(run.record.seed for run in runs)
    if max(seeds.values()) == 1:
        return [runs]
    if not ways:  # nothing tells them apart: the second run of each seed goes into a second arm, and so on
        seen: Counter[int] = Counter()
        dealt: list[list[Run]] = [[] for _ in range(max(seeds.values()))]
        for run in runs:
            dealt[seen[run.record.seed]].append(run)
            seen[run.record.seed] += 1
        return dealt
    parts: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        parts[ways[0](run)].append(run)
    return [piece for part in parts.values() for piece in _part(part, ways[1:])]


def _cut(run: Run) -> str:
    """How the log was made and cut, alike for every seed."""
    return _recipe(run)


def _recipe(run: Run) -> str:
    return "" if run.spec.log is None else run.spec.log.recipe.label


def _selection(run: Run) -> str:
    return "" if run.spec.log is None else run.spec.log.selection


def _source(run: Run) -> str:
    """Where the log lies, the seed's own folder aside."""
    return re.sub(r"seed-\d+", "seed-*", (run.spec.log.path or "" if run.spec.log else ""))


def _hash(run: Run) -> str:
    return run.data_hash or ""


def _differences(parts: list[list[Run]]) -> list[str]:
    """For each arm of one agent what tells it apart from the others; "" for an agent with one arm."""
    if len(parts) == 1:
        return [""]
    described = [_describe(part) for part in parts]
    keys = sorted({key for description in described for key in description})
    telling = [key for key in keys if len({json.dumps(d.get(key), default=str) for d in described}) > 1]
    if "log" in telling and len({json.dumps([d.get(k) for k in telling if k != "from"]) for d in described}) == len(
        parts
    ):
        telling = [key for key in telling if key != "from"]  # where it lies says no more
    labels = [", ".join(_name(key, d[key]) for key in telling if key in d) for d in described]
    labels = [label if len(label) <= 60 else f"{label[:57]}…" for label in labels]
    repeated = Counter(labels)
    return [
        label if label and repeated[label] == 1 else f"{label} {part[0].record.spec_hash}".strip()
        for label, part in zip(labels, parts, strict=True)
    ]


def _describe(part: Sequence[Run]) -> Mapping[str, Any]:
    run = part[0]
    known = {**run.spec.values, "learner": run.spec.agent.learner}
    if run.data_hash:
        one = len({_selection(run) for run in part}) == 1  # then its numbers can be told
        log = _recipe(run) or (_selection(run) if one else "whole log")
        known |= {"log": log, "from": "/".join(_source(run).split("/")[-2:])}
    return known


def _name(key: str, value: Any) -> str:
    return f"log: {value}" if key == "log" else f"{key} {value}"
