"""What holds of every learner in the registry, and of one that is added: here one that needs a log and an environment.

A new learner is held to it as soon as it has its line in `rlformer/agents/learners.py` and a card.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

import rlformer
from rlformer import api
from rlformer.agents import cards as agent_cards
from rlformer.agents.base import ANY_ACTIONS, CurveUnit, EvaluationName, Learner, LearnerKind, Need, RunLog, Task
from rlformer.agents.learners import LEARNERS
from rlformer.agents.online.learner import OnlineLearner
from rlformer.agents.online.training import Training
from rlformer.core import files
from rlformer.core.errors import InputError, Interrupted
from rlformer.core.records import Cost, EnvSpec
from rlformer.data.dataset import Dataset
from rlformer.data.describe import log_input
from rlformer.envs import cards as env_cards
from rlformer.envs.make import nowhere, spaces_of
from rlformer.envs.rollout import RandomPolicy
from rlformer.evaluator.measure.protocol import Protocol
from rlformer.report.plots.colours import SYMBOLS, slots, symbol_of
from rlformer.report.words.families import FAMILY_WORDS
from rlformer.runs import metrics
from rlformer.runs.directory import RunDirectory
from rlformer.runs.hooks import Hooks
from rlformer.runs.spec import FAMILIES, HYBRID, RunSpec
from rlformer.studies import experiment
from rlformer.studies.execute import execute
from rlformer.studies.executors.base import Event, Job, Work
from rlformer.studies.study import Study
from tests.support.make_training import match, played

# What makes a training small, for the keys that a card has.
SMALL: Mapping[str, Any] = {
    "hidden": [8], "num_envs": 2, "batch_size": 16, "steps": 64, "n_epochs": 1, "learning_starts": 16,
    "gradient_steps": 12, "width": 8, "layers": 1, "heads": 1, "validate_every": 6,
}  # fmt: skip
PROTOCOL = Protocol(episodes=4, curve_episodes=2, fresh_episodes=4, target_episodes=2, other_episodes=2, num_envs=4)


class ImitatesFirst(OnlineLearner):
    """PPO whose first weights follow from a log: about the least that needs a log and an environment."""

    def fit(self, task: Task, log: RunLog) -> Cost:
        """See `agents.base.Learner`."""
        assert task.dataset is not None
        training = Training(task, log)
        self._algorithm, self._model = training.algorithm, training.model
        if training.model.num_timesteps == 0:
            bias: Any = training.model.policy.action_net.bias  # type: ignore[union-attr]
            bias.data[:] = bias.new_tensor([float(np.mean(task.dataset.actions == i)) for i in range(len(bias))])
        return training.run()


KIND = replace(
    LEARNERS["sb3"], name="imitates-first", implementation=f"{__name__}:ImitatesFirst", needs=frozenset({"env", "log"})
)


class Here:
    """An executor in this process, whose registry holds what a test adds to it."""

    def run(self, work: Work, tasks: Sequence[Job]) -> Iterator[Event]:
        """See `studies.executors.Executor`: each job after those before it."""
        for job in tasks:
            yield Event(job.key, "finished", work(job.payload, lambda: False, lambda *told: None))


@dataclass(frozen=True)
class Case:
    """A learner with the card that names it first."""

    kind: LearnerKind
    card: agent_cards.AgentCard

    @property
    def env(self) -> EnvSpec:
        kinds = self.kind.action_kinds(self.card.defaults)
        return match("discrete" if "discrete" in kinds else min(kinds))

    def log(self, folder: Path) -> Dataset | None:
        if "log" not in self.kind.needs:
            return None
        return replace(played(self.env, RandomPolicy(spaces_of(self.env).actions), 12), path=folder)

    def spec(self, dataset: Dataset | None, name: str | None = None, **changed: Any) -> RunSpec:
        made = agent_cards.resolve(self.env, self.card.name, inputs=() if dataset is None else (log_input(dataset),))
        small = {**SMALL, **changed}
        small |= {} if "buffer_size" in made.values else {"n_steps": 16}
        if self.kind.steps_env:
            small.pop("gradient_steps")
        agent = replace(made.agent, name=name or made.agent.name, learner=self.kind.name)
        return replace(made, agent=agent, values={key: small.get(key, value) for key, value in made.values.items()})

    def train(self, root: Path, hooks: Hooks | None = None, **changed: Any) -> RunDirectory:
        dataset = self.log(root)
        spec = self.spec(dataset, **changed)
        return experiment.train(spec, 0, root, dataset=dataset, protocol=PROTOCOL, hooks=hooks)


def _first(kind: LearnerKind) -> agent_cards.AgentCard:
    return next(card for card in agent_cards.agents().values() if card.learner == kind.name)


ADDED = Case(KIND, _first(LEARNERS["sb3"]))
# An agent that was trained elsewhere has no card: tests/studies/test_published_arms.py.
CASES = [pytest.param(Case(kind, _first(kind)), id=kind.name) for kind in LEARNERS.values() if kind.trains]
ALL = [*CASES, pytest.param(ADDED, id=KIND.name)]


@pytest.fixture(autouse=True)
def _added(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line that adds it to the registry."""
    monkeypatch.setitem(LEARNERS, KIND.name, KIND)


@pytest.mark.parametrize("case", ALL)
def test_it_is_told_in_known_words(case: Case) -> None:
    kind = case.kind
    assert LEARNERS[kind.name] is kind
    assert kind.needs <= set(get_args(Need))
    assert kind.needs
    assert kind.curve_unit in get_args(CurveUnit)
    assert kind.steps_env == (kind.curve_unit == "env_steps")  # figures and data needs go by it
    assert kind.evaluations <= set(get_args(EvaluationName))
    assert kind.action_kinds(case.card.defaults) <= ANY_ACTIONS
    assert not kind.learns or kind.steps_key in case.card.defaults


@pytest.mark.parametrize("case", ALL)
def test_its_implementation_has_the_protocol(case: Case) -> None:
    made = case.kind.load()
    for name in ("check", "fit", "policy", "save", "load"):
        wanted, own = (inspect.signature(getattr(owner, name)) for owner in (Learner, made))
        assert list(own.parameters) == list(wanted.parameters)
    assert all(hasattr(made, name) or name in vars(made()) for name in ("num_parameters", "scales"))


@pytest.mark.parametrize("case", ALL)
def test_what_it_needs_is_asked_for(case: Case, tmp_path: Path) -> None:
    needs, name = case.kind.needs, case.card.name
    dataset = played(case.env, RandomPolicy(spaces_of(case.env).actions), 4)
    if "log" in needs:
        experiment.check_data(name, case.kind, dataset)
        with pytest.raises(InputError, match="learns from a log: add --dataset"):
            experiment.check_data(name, case.kind, None)
    else:
        experiment.check_data(name, case.kind, None)
        with pytest.raises(InputError, match="takes no dataset"):
            experiment.check_data(name, case.kind, dataset)
    if needs == {"env", "log"}:
        spec = replace(case.spec(dataset), env=nowhere("E", spaces_of(case.env)))
        with pytest.raises(InputError, match="learns by interaction: give it an environment"):
            experiment.train(spec, 0, tmp_path, dataset=dataset)


@pytest.mark.slow
@pytest.mark.parametrize("case", ALL)
def test_a_finished_run_tells_what_it_took(case: Case, tmp_path: Path) -> None:
    run, kind = case.train(tmp_path), case.kind
    record, cost = run.record, run.record.cost
    assert record.status == "finished"
    assert (cost.env_steps > 0) == kind.steps_env
    assert (cost.logged_steps > 0) == ("log" in kind.needs)
    assert (cost.samples_seen > 0) == (record.parameters > 0) == kind.learns
    assert {"training"} | ({"action", "evaluation"} if kind.acts else set()) == set(record.flops)
    assert (cost.evaluation_env_steps > 0) == kind.acts
    assert cost.upstream_cpu_seconds == (None if "log" in kind.needs else 0.0)  # nobody knows who made this log
    assert (record.flops["training"] > 0) == kind.learns
    points = list(metrics.read(run.path / "metrics.jsonl"))
    most = cost.env_steps if kind.steps_env else case.spec(case.log(tmp_path)).values.get("gradient_steps", 0)
    assert max([point["step"] for point in points], default=0) == most
    assert bool(points) == kind.learns
    names = {"final"} | ({"other"} & kind.evaluations) | ({"test", "fresh"} if kind.learns_offline else set())
    assert names <= set(run.evaluations())
    assert set(run.evaluations()) - names == {n for n in run.evaluations() if n.startswith("target-")}
    if kind.acts:
        policy = rlformer.load(run.path)
        policy.begin(np.arange(3), np.arange(3), None)
        assert spaces_of(case.env).actions.contains(policy.act(np.zeros((3, 2), np.float32))).all()
    else:
        with pytest.raises(InputError, match="cannot act"):
            rlformer.load(run.path)


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in ALL if case.values[0].kind.learns])  # type: ignore[attr-defined]
def test_a_stopped_run_is_not_free_and_goes_on(case: Case, tmp_path: Path) -> None:
    left = iter(range(5))
    with pytest.raises(Interrupted):
        case.train(tmp_path, Hooks(lambda: next(left, None) is None))
    (record,) = (RunDirectory.open(path.parent).record for path in tmp_path.rglob("record.json"))
    assert record.status == "interrupted"
    assert (record.cost.env_steps > 0) == case.kind.steps_env
    assert (record.cost.logged_steps > 0) == ("log" in case.kind.needs)
    run = case.train(tmp_path)
    assert run.record.status == "finished"
    assert run.record.cost.env_steps >= record.cost.env_steps


CARD = """\
schema = "rlformer/2"
extends = "ppo"
learner = "imitates-first"
summary = "PPO that begins where a log is"
role = "candidate"
family = "hybrid"
rung = 130
profiles = ["quick"]
"""


@pytest.fixture
def card(workspace: Path) -> Path:
    """A user's own card of the learner that is added."""
    files.write_text(files.writable_directory(workspace / "agents") / "log-ppo.toml", CARD)
    return workspace


CARTPOLE = env_cards.environment("CartPole-v1")
STUDY = Study("CartPole-v1", arms=("random", "ppo", "dt", "log-ppo"), seeds=2, overrides={
    "ppo": ("steps=2048", "hidden=[8]"), "log-ppo": ("steps=512", "hidden=[8]"),
    "dt": ("gradient_steps=10", "width=8", "heads=1", "layers=1"),
})  # fmt: skip


def test_a_study_gives_it_the_log_and_the_environment(card: Path) -> None:
    made = api.plan(STUDY)
    own = [job for job in made.jobs if getattr(job.payload, "spec", None) and job.payload.spec.agent.name == "log-ppo"]
    assert [job.needs for job in own] == [(("ppo", seed),) for seed in (0, 1)]  # whose training is its log
    assert all(job.payload.source.recipe.cut.kind == "mid" for job in own)
    barred = replace(STUDY, terms=replace(STUDY.terms, interaction=False))
    with pytest.raises(InputError, match="without interaction, these agents cannot be trained: ppo, log-ppo"):
        api.plan(barred)
    usual = replace(STUDY, arms=None, profile="quick", overrides={}, terms=barred.terms)
    spaces = spaces_of(CARTPOLE)
    given = replace(played(CARTPOLE, RandomPolicy(spaces.actions), 4), path=card)
    assert "log-ppo" in api.plan(replace(usual, terms=STUDY.terms)).arms
    assert "log-ppo" not in api.plan(usual, dataset=given).arms


@pytest.mark.slow
def test_it_is_compared_and_judged_by_its_card(card: Path) -> None:
    outcome = execute(api.plan(STUDY), Here())
    assert not outcome.failures
    report = rlformer.write_report(outcome.runs, out=card / "report", terms=STUDY.terms)
    arm = report.arm("log-ppo")
    assert (arm.family, arm.role, arm.curve_unit, arm.log) == ("hybrid", "candidate", "env_steps", "mid")
    assert arm.cost.env_steps is not None
    assert arm.cost.logged_steps is not None
    assert arm.cost.env_steps.mean == 512
    assert arm.cost.logged_steps.mean > 0
    environment = report.judgement.environments[0]
    assert environment.needs is not None
    assert {row.label for row in environment.needs.online} == {"ppo", "log-ppo"}
    pair = report.verdict.pair
    assert pair is not None
    best = max((report.arm(label) for label in ("ppo", "log-ppo")), key=lambda arm: arm.point)
    assert pair.a.label == best.label
    again = rlformer.judge([card / "runs"])
    assert again.verdict == report.verdict
    assert "log-ppo" in (card / "report" / "report.html").read_text()
    assert json.loads((card / "report" / "results.json").read_text())["environments"][0]["arms"]


def test_every_family_has_words_a_symbol_and_a_colour() -> None:
    assert set(FAMILY_WORDS) == set(SYMBOLS) == set(FAMILIES)
    assert HYBRID in FAMILIES
    assert len({symbol_of(family) for family in (*FAMILIES, "")}) == len(FAMILIES) + 1

    @dataclass
    class Arm:
        label: str
        family: str
        rung: int = 121

    arms = [Arm(family, family) for family in FAMILIES]
    assert len(set(slots(arms).values())) == len(arms)
