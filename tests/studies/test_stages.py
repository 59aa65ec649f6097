"""Two stages: the first seeds choose who stands for a family, and the best goes on alone; the prefixes of a profile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rlformer
from rlformer.core.errors import InputError
from rlformer.core.records import Cost, EvalResult
from rlformer.data.dataset import Dataset
from rlformer.evaluator.judge.load import find_runs
from rlformer.evaluator.measure.protocol import Protocol
from rlformer.runs.hooks import Hooks
from rlformer.runs.inputs import Cut, Recipe
from rlformer.studies import prefixes
from rlformer.studies.execute import anything_left, execute
from rlformer.studies.executors.base import Event, Job, Work
from rlformer.studies.jobs import PlannedRun
from rlformer.studies.pace import Pace, Paces, World
from rlformer.studies.plan import Plan, plan
from rlformer.studies.projection import projected
from rlformer.studies.study import Grid, Log, Study

NO_GRID = Grid(())


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """60 random episodes of CartPole."""
    return rlformer.collect("random", env="CartPole-v1", out=tmp_path_factory.mktemp("log") / "data", episodes=60)


def counts(jobs: Sequence[Job]) -> dict[str, int]:
    return dict(Counter(job.key[0] for job in jobs))  # type: ignore[index]


def projection_of(made: Plan) -> dict[str, int]:
    names = {run.spec.agent.name for run in made.runs}
    paces = Paces(World(1e-4, 20, 500, True), {name: Pace(0.0, 1e-3, (1e-4, 1e-3)) for name in names})
    return {row.agent: row.runs for row in projected(made, paces, 2).agents}


def test_a_forecast_counts_with_the_stages_that_more_seeds_have() -> None:
    """13 seeds of ppo and dqn: 3 of both, and 10 more of the log's maker and of whom is chosen."""
    made = plan(Study("CartPole-v1", arms=("random", "bc", "ppo", "dqn"), grid=NO_GRID))
    assert counts(made.enlarged(13).first) == {"random": 13, "bc": 13, "ppo": 13, "dqn": 3}
    assert len(made.enlarged(13).contests) == 1
    small = Study("CartPole-v1", arms=("dt", "dqn"), seeds=3)
    enlarged, planned = plan(replace(small, seeds=9)).enlarged(3), plan(small).stages
    assert {job.key: job for job in enlarged.first} == {job.key: job for job in planned.first}


CARDS = {"online": ("ppo", "dqn", "a2c"), "offline": ("cql",), "sequence": ("dt", "dt-lstm"), "hybrid": ()}


def test_12_arms_of_4_families_with_20_fresh_seeds_are_140_runs(workspace: Path, log: Dataset) -> None:
    """5 seeds of all of them, and 20 of one in each family: METHODS' example."""
    (workspace / "agents").mkdir()
    names = []
    for family, known in CARDS.items():
        parent = known[0] if known else "dt"
        made = [f"{family}-{i}" for i in range(3 - len(known))]
        for name in made:
            text = f'schema = "rlformer/2"\nextends = "{parent}"\nrole = "candidate"\nfamily = "{family}"\n'
            (workspace / "agents" / f"{name}.toml").write_text(text)
        names += [*known, *made]
    study = Study("CartPole-v1", profile="full", arms=tuple(names), grid=NO_GRID)
    made_plan = plan(study, dataset=log)
    assert len(made_plan.runs) == 12 * 25
    assert sum(projection_of(made_plan).values()) == 140
    assert [len(contest.agents) for contest in made_plan.stages.contests] == [3] * 4


def test_simple_arms_controls_and_the_logs_maker_have_all_seeds_and_few_seeds_choose_nothing(log: Dataset) -> None:
    study = Study("CartPole-v1", arms=("random", "bc", "dt", "dt-lstm", "ppo", "dqn"), seeds=10, grid=NO_GRID)
    stages = plan(study).stages
    assert counts(stages.first) == {"ppo": 10, "dqn": 3, "bc": 10, "dt": 3, "dt-lstm": 3, "random": 10}
    assert {contest.agents: contest.seeds for contest in stages.contests} == {
        ("ppo", "dqn"): (0, 1, 2), ("dt", "dt-lstm"): (0, 1, 2),
    }  # fmt: skip
    assert counts(plan(replace(study, seeds=20)).stages.first)["dqn"] == 5
    assert plan(replace(study, seeds=7)).stages.contests == ()
    assert counts(plan(replace(study, selection=False)).stages.first)["dqn"] == 10
    alone = plan(replace(study, arms=("random", "ppo", "dt"))).stages
    assert (alone.contests, counts(alone.first)) == ((), {"ppo": 10, "dt": 10, "random": 10})


def test_each_log_has_its_own_choice_and_is_collected_for_whom_goes_on() -> None:
    study = Study(
        "CartPole-v1", arms=("dt", "dt-lstm"), seeds=8, grid=NO_GRID, log=Log(kinds=("expert", "prefix"), steps=600)
    )
    stages = plan(study).stages
    assert counts(stages.first) == {
        "ppo": 8, "log expert": 3, "dt on expert": 3, "dt": 3, "dt-lstm on expert": 3, "dt-lstm": 3,
    }  # fmt: skip
    assert [(contest.agents, contest.recipe) for contest in stages.contests] == [
        (("dt", "dt-lstm"), Recipe.parse("expert")), (("dt", "dt-lstm"), Recipe(Cut("mid"))),
    ]  # fmt: skip
    expert = stages.contests[0].later
    assert counts(expert["dt-lstm"]) == {"log expert": 5, "dt-lstm on expert": 5}


# Runs of invented scores, in this process.

SCORES: Mapping[str, float] = {"random": 22.0, "bc": 200.0, "dt": 400.0, "dt-lstm": 450.0, "ppo": 500.0, "dqn": 300.0}


class Invented:
    """An executor whose runs score what a table says, at once. fails: (agent, seed) that raise."""

    def __init__(
        self, scores: Mapping[str, float], fails: Sequence[tuple[str, int]] = (), dies_after: int = 10**9
    ) -> None:
        self._scores, self._fails, self._left = scores, fails, dies_after
        self.trained: list[tuple[str, int]] = []

    def run(self, work: Work, tasks: Sequence[Job]) -> Iterator[Event]:
        done: set[Any] = set()
        for job in tasks:
            assert done.issuperset(job.needs), job
            run = job.payload
            assert isinstance(run, PlannedRun)
            if self._left == 0:
                raise KeyboardInterrupt
            self._left -= 1
            if (run.spec.agent.name, run.seed) in self._fails:
                yield Event(job.key, "failed", "it broke")
                continue
            path = self._train(run)
            done.add(job.key)
            yield Event(job.key, "finished", path)

    def _train(self, run: PlannedRun) -> Path:
        from rlformer.runs.directory import RunDirectory

        dataset = run.log()
        spec = run.spec if dataset is None else run.with_log(dataset)
        directory = RunDirectory.of(run.setting.root, spec, run.seed)
        if not directory.finished:
            self.trained.append((run.name, run.seed))
            with directory.session(spec, run.seed, Hooks()) as session:
                directory.save_evaluation("final", self._result(run))
                session.end("finished", Cost(1000 * (run.source is None)))
        return directory.path

    def _result(self, run: PlannedRun) -> EvalResult:
        level = self._scores[run.spec.agent.name] - run.seed
        seeds = np.arange(10)
        return EvalResult(
            run.spec.env.name, run.spec.agent.name, seeds, np.full(10, level), np.full(10, 9), seeds > -1, "greedy"
        )


STUDY = Study("CartPole-v1", arms=("random", "bc", "dt", "dt-lstm", "dqn"), seeds=9, grid=NO_GRID)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return replace(STUDY, runs=str(tmp_path / "runs"))


def test_the_highest_scorer_of_each_family_goes_on_alone(study: Study, log: Dataset) -> None:
    told: list[Event] = []
    made = plan(study, dataset=log)
    assert anything_left(made)
    outcome = execute(made, Invented(SCORES), told.append)
    runs = Counter(path.parent.name.rpartition("-")[0] for path in outcome.runs)
    assert runs == {"random": 9, "bc": 9, "dqn": 9, "dt": 3, "dt-lstm": 9}
    assert outcome.missing == ()
    assert [event.value for event in told if event.kind in ("planned", "chosen", "more")] == [
        33, "dt-lstm scores highest of dt and dt-lstm on 3 seeds, and only this arm continues", 6,
    ]  # fmt: skip
    assert not anything_left(made)


def test_the_judge_judges_whom_the_study_chose_on_the_other_seeds(study: Study, log: Dataset) -> None:
    outcome = execute(plan(study, dataset=log), Invented(SCORES))
    verdict = rlformer.judge(list(outcome.runs)).verdict
    (chosen,) = [one for one in verdict.selected if one.family == "sequence"]
    assert (chosen.arm, chosen.seeds, chosen.optimistic) == ("dt-lstm", (0, 1, 2), False)


def test_one_finished_run_of_the_first_seeds_does_not_go_on_beside_a_repeated_arm(study: Study, log: Dataset) -> None:
    fails = [("dt-lstm", 0), ("dt-lstm", 2)]
    outcome = execute(plan(study, dataset=log), Invented({**SCORES, "bc": 0}, fails))
    runs = Counter(path.parent.name.rpartition("-")[0] for path in outcome.runs)
    assert (runs["dt"], runs["dt-lstm"]) == (9, 1)
    assert {(run.agent, run.seed) for run in outcome.missing} == set(fails)
    none = execute(plan(replace(study, runs=f"{study.runs}-2"), dataset=log), Invented(SCORES, [
        (name, seed) for name in ("dt", "dt-lstm") for seed in range(3)
    ]))  # fmt: skip
    assert len(none.missing) == 6  # and none of them goes on


@pytest.mark.parametrize("after", [0, 5, 20, 33, 35])
def test_a_study_that_was_killed_anywhere_goes_on_to_the_same_runs(after: int, study: Study, log: Dataset) -> None:
    made = plan(study, dataset=log)
    first = Invented(SCORES, dies_after=after)
    with pytest.raises(KeyboardInterrupt):
        execute(made, first)
    again = Invented(SCORES)
    assert anything_left(made)
    outcome = execute(plan(study, dataset=log), again)
    assert len(outcome.runs) == 39
    assert len(first.trained) == after
    assert not set(first.trained) & set(again.trained)


def test_a_later_study_of_other_arms_chooses_anew_and_trains_what_is_missing(study: Study, log: Dataset) -> None:
    execute(plan(study, dataset=log), Invented(SCORES))
    later = replace(study, arms=("random", "dt", "dqn"))
    more = Invented(SCORES)
    outcome = execute(plan(later, dataset=log), more)
    assert more.trained == [("dt", seed) for seed in range(3, 9)]
    assert len(outcome.runs) == 27
    assert len(find_runs([Path(study.runs)])) == 45


# The prefixes of a profile.


def points(made: Plan) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for run in made.runs:
        if run.budget is not None and run.seed == 0:
            found.setdefault(run.arm, []).append(run.budget)
    return found


def test_every_profile_but_smoke_has_prefixes() -> None:
    assert points(plan(Study("CartPole-v1", profile="smoke"))) == {}
    assert points(plan(Study("CartPole-v1"))) == {"dt": [0.5, 2.0]}
    four = [0.25, 0.5, 2.0, 4.0]
    for profile in ("standard", "full"):
        made = points(plan(Study("CartPole-v1", profile=profile)))
        assert made == {"dt": four, "dt-lstm": four, "cql": four, "bc-top": four}
    assert points(plan(Study("CartPole-v1", arms=("dt-lstm", "bc-top", "ppo")))) == {"dt-lstm": [0.5, 2.0]}
    assert points(plan(Study("CartPole-v1", grid=NO_GRID))) == {}


def test_of_a_given_log_they_are_shares_of_which_too_small_ones_are_left_out(log: Dataset) -> None:
    assert points(plan(Study("CartPole-v1", arms=("dt",)), dataset=log)) == {"dt": [0.25, 0.5]}
    assert points(plan(Study("CartPole-v1", "standard", arms=("dt",)), dataset=log)) == {"dt": [0.125, 0.25, 0.5]}
    few = replace(log, index=log.index[:4])
    assert points(plan(Study("CartPole-v1", arms=("dt",)), dataset=few)) == {}


def test_a_multiple_that_is_known_to_be_longer_than_the_training_is_not_planned() -> None:
    """Of all of it, of a share, and of half of it where no card says what a good return is."""

    def of(log: Log, env: str = "CartPole-v1") -> list[float]:
        (found,) = points(plan(Study(env, "standard", arms=("dt", "ppo"), log=log))).values()
        return found

    assert of(Log(kinds=("replay",))) == [0.125, 0.25, 0.5]
    assert of(Log(prefix="0.2")) == [0.25, 0.5, 2.0, 4.0]
    assert of(Log(prefix="0.4")) == [0.25, 0.5, 2.0]
    assert of(Log(prefix="16000")) == [0.25, 0.5, 2.0]
    assert of(Log(), env="FrozenLake8x8-v1") == [0.25, 0.5, 2.0]


def test_a_point_of_a_grid_is_asked_for_no_other_target_returns() -> None:
    runs = {run.budget: run.protocol for run in plan(Study("CartPole-v1", arms=("dt",), seeds=1)).runs if run.source}
    assert runs[None] == replace(Protocol(), thresholds=(0.9,))  # a quick study plays the policy of its threshold alone
    assert (runs[0.5].target_episodes, runs[0.5].episodes, runs[0.5].curve_episodes) == (0, 100, 10)


def test_of_several_cuts_of_one_training_the_first_has_the_prefixes() -> None:
    made = points(plan(Study("CartPole-v1", arms=("dt",), log=Log(kinds=("prefix", "replay", "expert")))))
    assert made == {"dt": [0.5, 2.0], "dt on expert": [0.25, 0.5]}


def test_named_arms_of_a_grid_have_three_doublings_where_the_profile_has_none() -> None:
    study = Study("CartPole-v1", profile="smoke", arms=("bc", "dt"), grid=Grid(arms=("bc",)))
    assert points(plan(study)) == {"bc": [0.125, 0.25, 0.5]}
    assert prefixes.learners(study, ("bc", "dt"), plan(study).env, None) == ("bc",)  # type: ignore[arg-type]


def test_an_agent_that_learns_from_no_log_alone_has_no_parts_of_it() -> None:
    study = Study("CartPole-v1", profile="smoke", arms=("ppo", "dt"), grid=Grid(budgets=(0.5,), arms=("ppo",)))
    with pytest.raises(InputError, match=r"grid\.arms: ppo does not learn from a log alone"):
        plan(study)
