"""Runs sorted into environments and arms: which are seeds of one arm, what it is called, where it stands."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from rlformer.agents import zipped
from rlformer.agents.base import LearnerKind
from rlformer.evaluator.judge.load import Run
from rlformer.runs.inputs import Recipe
from rlformer.runs.spec import AgentSpec

LONGEST = 60  # characters of what tells two arms of one agent apart


@dataclass(frozen=True)
class Arm:
    """One rung of the ladder on one environment: the same specification over several seeds."""

    label: str
    runs: tuple[Run, ...]  # by seed

    @property
    def spec(self) -> AgentSpec:
        """Who was trained, and what it is in a comparison."""
        return self.runs[0].spec.agent

    @property
    def agent(self) -> str:
        """The name of its card."""
        return self.spec.name

    @property
    def kind(self) -> LearnerKind:
        """How it was trained."""
        return self.runs[0].kind

    @property
    def recipe(self) -> Recipe | None:
        """How the log of its runs was made and cut, alike for every seed; None without one."""
        return self.runs[0].recipe

    @property
    def family(self) -> str:
        """That of the verdict; a reference that has none goes by its learner: random, behaviour."""
        return self.spec.family or self.spec.learner


def by_environment(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs by environment; two definitions under one name are told apart by what they are."""
    groups: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        groups[run.spec.env.name, json.dumps(run.spec.env.definition, sort_keys=True)].append(run)
    names = Counter(name for name, _ in groups)
    ordered = sorted(groups.items(), key=lambda item: item[0])
    return {name if names[name] == 1 else f"{name} {definition}": runs for (name, definition), runs in ordered}


def by_arm(runs: Sequence[Run]) -> list[Arm]:
    """The arms of one environment, from the bottom rung up.

    Runs of one agent with the same values, on logs of the same recipe, are seeds of one arm. Each seed usually has a
    log of its own, so which log it is parts them only where a seed occurs twice. No arm holds a seed twice.
    """
    groups: dict[tuple[str, str, str, Recipe | None], list[Run]] = defaultdict(list)
    for run in runs:
        agent = run.spec.agent
        groups[agent.name, agent.learner, _values(run), run.recipe].append(run)
    parted = [part for group in groups.values() for part in _part(group, [_maker, _place, _hash])]
    by_agent: dict[str, list[list[Run]]] = defaultdict(list)
    for part in parted:
        by_agent[zipped.shown(part[0].spec.agent.name)].append(sorted(part, key=lambda run: run.record.seed))
    arms = [
        Arm(agent if not difference else f"{agent} ({difference})", tuple(part))
        for agent, parts in by_agent.items()
        for part, difference in zip(parts, _differences(parts), strict=True)
    ]
    return sorted(arms, key=lambda arm: (arm.spec.rung, arm.agent, arm.label))


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


def _values(run: Run) -> str:
    return json.dumps(dict(run.spec.values), sort_keys=True, default=str)


def _maker(run: Run) -> str:
    """The specification, alike for every seed, of the run that made the log."""
    return "" if run.spec.log is None else run.spec.log.maker_hash or ""


def _place(run: Run) -> str:
    """Where the log lies, the seed's own folder aside."""
    if run.spec.log is None or run.spec.log.path is None:
        return ""
    own = f"seed-{run.record.seed}"
    return "/".join("seed-*" if part == own else part for part in PurePosixPath(run.spec.log.path).parts)


def _hash(run: Run) -> str:
    return run.data_hash or ""


def _differences(parts: list[list[Run]]) -> list[str]:
    """For each arm of one agent what tells it apart from the others; "" for an agent with one arm."""
    if len(parts) == 1:
        return [""]
    described = [_describe(part[0]) for part in parts]
    keys = sorted({key for description in described for key in description})
    telling = [key for key in keys if len({d.get(key) for d in described}) > 1]
    if "log" in telling and len({tuple(d.get(k) for k in telling if k != "from") for d in described}) == len(parts):
        telling = [key for key in telling if key != "from"]  # where it lies says no more
    labels = [", ".join(_name(key, d[key]) for key in telling if key in d) for d in described]
    labels = [label if len(label) <= LONGEST else f"{label[: LONGEST - 3]}…" for label in labels]
    repeated = Counter(labels)
    return [
        label if label and repeated[label] == 1 else f"{label} {part[0].record.spec_hash}".strip()
        for label, part in zip(labels, parts, strict=True)
    ]


def _describe(run: Run) -> Mapping[str, str]:
    known = {key: str(value) for key, value in {**run.spec.values, "learner": run.spec.agent.learner}.items()}
    if run.recipe is not None:
        known |= {"log": run.recipe.label, "from": "/".join(_place(run).split("/")[-2:])}
    return known


def _name(key: str, value: str) -> str:
    return f"log: {value}" if key == "log" else f"{key} {value}"
