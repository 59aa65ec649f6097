"""What cells are made of: agents trained on logs of a world or of another agent's training, and speeds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rlformer.agents.cards import resolve
from rlformer.agents.loop import DivergedError
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.data.cut import cut_log
from rlformer.data.dataset import Dataset
from rlformer.data.describe import log_input
from rlformer.data.folder import load
from rlformer.envs import cards as env_cards
from rlformer.evaluator.measure.curve import first_to_pass
from rlformer.evaluator.measure.protocol import Protocol
from rlformer.explain.truth import log_with_distractors, with_distractors
from rlformer.runs import curves, metrics
from rlformer.runs.directory import RunDirectory
from rlformer.runs.hooks import Hooks
from rlformer.runs.inputs import Cut, Recipe
from rlformer.runs.spec import RunSpec
from rlformer.studies import experiment
from rlformer.studies.claims import pace
from rlformer.studies.claims.base import Cell, Numbers
from rlformer.studies.diagnose.play import make_log
from rlformer.studies.diagnose.rows import rules_of
from rlformer.studies.logs import CollectedLog

GOOD_ENOUGH = 0.9  # of the normalised score
NEVER = 2.0  # times what was spent at most: what stands for a time that never came
VANISHED = 2.0**-24  # of a ratio of gradients: less is nothing beside 1 in float32, and no single seed may decide

_END = Protocol(episodes=100, curve_episodes=0, target_episodes=0, other_episodes=0)  # a cell asks how it ends
_CURVE = Protocol(target_episodes=0, other_episodes=0)


@dataclass(frozen=True)
class Task:
    """An environment: a card, with other keywords, observations so many times as large, or noise beside them."""

    card: str
    kwargs: tuple[tuple[str, int], ...] = ()
    scale: float = 1.0
    distractors: int = 0  # dimensions of noise beside the observation, and the action before

    @property
    def label(self) -> str:
        """In a few words."""
        ways = [f"{key} {value}" for key, value in self.kwargs] + [f"x{self.scale:g}"] * (self.scale != 1)
        return " ".join([self.card, *ways, *([f"{self.distractors} distractors"] * (self.distractors > 0))])

    @property
    def spec(self) -> EnvSpec:
        """As runs are given it."""
        card = env_cards.environment(self.card)
        if self.kwargs:  # the card's names and scores are of its own sizes; a world knows its scores itself
            rules = rules_of(self.card, {**card.kwargs, **dict(self.kwargs)})
            card = replace(
                card,
                feature_names=(),
                action_names=(),
                kwargs={**card.kwargs, **dict(self.kwargs)},
                random_score=rules.random_return(),
                reference_score=rules.optimum(),
            )
        if self.scale != 1:
            card = replace(card, wrappers=(*card.wrappers, {"kind": "scaled_observation", "factor": self.scale}))
        return with_distractors(card, self.distractors) if self.distractors else card

    def world_log(self, episodes: int, seed: int, root: Path, hooks: Hooks) -> Dataset:
        """Episodes of the world's own behaviour policy, at the scale of the task, and with its noise."""
        spec = replace(self, distractors=0).spec
        rules = rules_of(self.card, spec.kwargs)
        plain = replace(spec, kwargs={**spec.kwargs, **rules.log_kwargs})
        log = make_log(plain, episodes, seed, root, hooks.stop)
        return log_with_distractors(log, self.spec, self.distractors, seed) if self.distractors else log


def task(card: str, scale: float = 1.0, **kwargs: int) -> Task:
    """A task in one line."""
    return Task(card, tuple(sorted(kwargs.items())), scale)


@dataclass(frozen=True)
class Online:
    """An agent that learns by interaction, evaluated as it learns; its training is a log for others."""

    task: Task
    agent: str
    values: tuple[str, ...] = ()
    alone = False
    needs: tuple[Cell, ...] = ()

    @property
    def name(self) -> str:
        """See `Cell`."""
        return _name(self.task, self.agent, self.values)

    @property
    def spec(self) -> RunSpec:
        """What it trains."""
        return resolve(self.task.spec, self.agent, list(self.values), keeps_log=True)

    @property
    def specs(self) -> tuple[RunSpec, ...]:
        """See `Cell`."""
        return (self.spec,)

    @property
    def foreseen(self) -> float:
        """See `Cell`."""
        return pace.CELL + pace.training(self.spec)

    def train(self, seed: int, root: Path, hooks: Hooks) -> RunDirectory:
        """The run; a finished one is left alone. Measured elsewhere, it is made here for those who read its log."""
        return experiment.train(self.spec, seed, root, protocol=_CURVE, hooks=hooks)

    def measure(self, seed: int, root: Path, hooks: Hooks) -> Numbers:
        """z: of the last policy. steps, cpu: until the normalised score of .9, confirmed by fresh episodes; they are
        missing where it never came there. reached: 1, or 0.
        """
        run = self.train(seed, root, hooks)
        points, env = curves.read(run.path), self.task.spec
        at = first_to_pass(points, lambda value: (env.normalize(value) or 0.0) >= GOOD_ENOUGH)
        if at is None:
            return {**_end(run), "reached": 0.0}
        cpu = {point.step: point.cpu for point in points}
        return {**_end(run), "steps": float(at), "cpu": cpu[at], "reached": 1.0}


@dataclass(frozen=True)
class Trained:
    """An agent that learns from a log: of the world's own behaviour, or of the training of an `Online` cell.

    recipe: how much of that training, or how its trained agent plays for so many steps, as `--log` writes it. episodes:
    of the world's log.
    """

    task: Task
    agent: str
    values: tuple[str, ...] = ()
    training: Online | None = None
    recipe: str = "prefix"
    steps: int = 0
    episodes: int = 2_000
    loss: float | None = None  # a held-out loss whose time is asked for
    alone: bool = False

    @property
    def name(self) -> str:
        """See `Cell`."""
        log = (
            f"{self.episodes} episodes"
            if self.training is None
            else f"{self.recipe} {self.steps} of {self.training.name}"
        )
        return _name(self.task, self.agent, self.values, log, str(self.loss))

    @property
    def needs(self) -> tuple[Cell, ...]:
        """See `Cell`."""
        return () if self.training is None else (self.training,)

    @property
    def spec(self) -> RunSpec:
        """What it trains, without its log."""
        return resolve(self.task.spec, self.agent, list(self.values))

    @property
    def specs(self) -> tuple[RunSpec, ...]:
        """See `Cell`."""
        return (self.spec, *(() if self.training is None else self.training.specs))

    @property
    def foreseen(self) -> float:
        """See `Cell`."""
        return pace.CELL + pace.training(self.spec)

    def log(self, seed: int, root: Path, hooks: Hooks) -> Dataset:
        """What it learns from."""
        if self.training is None:
            return self.task.world_log(self.episodes, seed, root, hooks)
        recipe, run = Recipe.parse(self.recipe), self.training.train(seed, root, hooks)
        if recipe.played:
            return load(CollectedLog(self.training.spec, recipe, self.steps).make(root, seed, hooks.stop, None))
        return cut_log(load(run.trajectories), recipe, seed, self.task.spec)

    def train(self, seed: int, root: Path, hooks: Hooks) -> RunDirectory:
        """The run; a finished one is left alone."""
        log = self.log(seed, root, hooks)
        return fit(self.task, self.agent, self.values, log, seed, root, hooks)

    def measure(self, seed: int, root: Path, hooks: Hooks) -> Numbers:
        """return, z: of the trained policy. loss: the lowest on held-out episodes. steps_to_loss, cpu_to_loss: gradient
        steps, and CPU seconds, of learning until the loss that is asked for; where it never came there, twice those of
        the training. gradient/BLOCK: its norm in a block of a transformer, where it was first logged. first_over_last:
        that of the first block over the last.

        Of a training that diverged: what random play scores, and that it never came to the loss.
        """
        try:
            run = self.train(seed, root, hooks)
        except DivergedError:
            return self._diverged()
        found = dict(_end(run))
        points = list(metrics.read(run.path / "metrics.jsonl"))
        losses = [(p["step"], p["train/held_out_loss"]) for p in points if "train/held_out_loss" in p]
        if losses:
            found["loss"] = min(loss for _, loss in losses)
            if self.loss is not None:
                last = losses[-1][0]
                at = next((float(step) for step, loss in losses if loss <= self.loss), NEVER * last)
                found |= {"steps_to_loss": at, "cpu_to_loss": at / last * run.record.times["learning_cpu"]}
        norms = _gradients(points)
        found |= {f"gradient/{block}": norm for block, norm in norms.items()}
        if norms and norms[max(norms)] > 0:
            found["first_over_last"] = max(norms[min(norms)] / norms[max(norms)], VANISHED)
        return found

    def _diverged(self) -> Numbers:
        spec = self.spec
        found = {"diverged": 1.0, "z": 0.0}
        if spec.env.random_score is not None:
            found["return"] = spec.env.random_score
        if self.loss is not None:
            found["steps_to_loss"] = NEVER * spec.values["gradient_steps"]
        return found


@dataclass(frozen=True)
class FirstGood:
    """The shortest beginning of a training whose imitator is good enough: a normalised score of .9 in 100 episodes."""

    training: Online
    agent: str
    prefixes: tuple[int, ...]  # steps, increasing
    alone = False

    @property
    def name(self) -> str:
        """See `Cell`."""
        steps = ", ".join(map(str, self.prefixes))
        return f"{self.agent} on the first {steps} steps of {self.training.name}"

    @property
    def needs(self) -> tuple[Cell, ...]:
        """See `Cell`."""
        return (self.training,)

    @property
    def specs(self) -> tuple[RunSpec, ...]:
        """See `Cell`."""
        return (resolve(self.training.task.spec, self.agent, []), *self.training.specs)

    @property
    def foreseen(self) -> float:
        """See `Cell`: half of the beginnings are tried."""
        each = pace.CELL + pace.training(self.specs[0])
        return each * (len(self.prefixes) + 1) / 2

    def measure(self, seed: int, root: Path, hooks: Hooks) -> Numbers:
        """steps, cpu: of the log, and of learning from it; without them where none is good enough. reached: 1, or 0."""
        whole, env = load(self.training.train(seed, root, hooks).trajectories), self.training.task
        taken = whole.upstream_env_steps or whole.num_steps
        for steps in (steps for steps in self.prefixes if steps <= taken):
            log = cut_log(whole, Recipe(Cut.parse(str(steps))), seed, env.spec)
            run = fit(env, self.agent, (), log, seed, root, hooks)
            end = _end(run)
            if end["z"] >= GOOD_ENOUGH:
                return {"steps": float(steps), "cpu": run.record.times["learning_cpu"], "z": end["z"], "reached": 1.0}
        return {"z": end["z"], "reached": 0.0}


@dataclass(frozen=True)
class Speed:
    """How many gradient steps a model makes in a second of one CPU thread, with windows of so many steps.

    Of CPU seconds, which others that run beside it hardly change. What begins and ends a training is among them.
    """

    agent: str
    context: int
    values: tuple[str, ...] = ()
    steps: int = 300
    alone = True
    needs: tuple[Cell, ...] = ()

    @property
    def name(self) -> str:
        """See `Cell`."""
        return "speed of " + _name(self._world, self.agent, self.values, str(self.steps))

    @property
    def specs(self) -> tuple[RunSpec, ...]:
        """See `Cell`."""
        return (resolve(self._world.spec, self.agent, list(self._all_values)),)

    @property
    def foreseen(self) -> float:
        """See `Cell`."""
        return pace.CELL + pace.training(self.specs[0])

    @property
    def _world(self) -> Task:
        return task("PassiveTMaze", length=self.context - 1)

    @property
    def _all_values(self) -> tuple[str, ...]:
        values = (f"context_length={self.context}", f"gradient_steps={self.steps}", f"validate_every={self.steps}")
        return (*values, "patience=0", *self.values)

    def measure(self, seed: int, root: Path, hooks: Hooks) -> Numbers:
        """steps_a_second: of learning, CPU. parameters."""
        log = self._world.world_log(512, seed, root, hooks)
        run = fit(self._world, self.agent, self._all_values, log, seed, root, hooks)
        return {"steps_a_second": self.steps / run.record.times["learning_cpu"], "parameters": run.record.parameters}


def fit(
    where: Task, agent: str, values: Sequence[str], log: Dataset, seed: int, root: Path, hooks: Hooks
) -> RunDirectory:
    """An agent trained on a log, in the environment of the task; a finished run is left alone."""
    spec = resolve(where.spec, agent, list(values), (log_input(log),))
    return experiment.train(spec, seed, root, dataset=log, protocol=_END, hooks=hooks)


def _name(where: Task, agent: str, values: Sequence[str], *more: str) -> str:
    """A few words, and a few digits of all that they leave out."""
    digest = hashlib.sha256("\n".join([*values, "", *more]).encode()).hexdigest()[:6]
    return f"{where.label} {agent} ({digest})"


def _end(run: RunDirectory) -> dict[str, float]:
    """Of the last policy, and what it took."""
    final = run.evaluations().get("final")
    if final is None:
        raise InputError(f"{run.path}: was not evaluated")
    z = run.spec.env.normalize(final.mean)
    found = {"return": final.mean, "parameters": float(run.record.parameters)}
    return found if z is None else {**found, "z": z}


def _gradients(points: Sequence[Mapping[str, Any]]) -> dict[int, float]:
    """Norms of the gradient in each block of a transformer, where they were first logged; empty of another backbone."""
    tag = "train/gradient_norm/backbone.blocks."
    every = (
        {int(key.removeprefix(tag)): norm for key, norm in point.items() if key.startswith(tag)} for point in points
    )
    return next(filter(None, every), {})
