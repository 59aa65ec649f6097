"""A study fitted into minutes: what is given up, in which order, and that the plan stays what it was."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from rlformer.core.errors import InputError
from rlformer.studies import pace
from rlformer.studies.choices import whole_choices
from rlformer.studies.execute import anything_left
from rlformer.studies.fit import Fitted, fit, limit
from rlformer.studies.foresee import foresee
from rlformer.studies.pace import Pace, Paces, World
from rlformer.studies.plan import Plan, plan
from rlformer.studies.projection import forecast, projected
from rlformer.studies.study import Study

FAST = World(step_seconds=1e-4, length=20, limit=500, ended=True)
SLOW = World(step_seconds=0.05, length=200, limit=200, ended=True)
STANDARD = Study("CartPole-v1", profile="standard")


def paces_of(made: Plan, world: World = FAST, step: float = 1e-3) -> Paces:
    """Every agent takes a millisecond a step."""
    names = {run.spec.agent.name: run.spec for run in made.runs}
    return Paces(world, {name: Pace(0.0, step if spec.values else 0.0, (1e-4, 1e-3)) for name, spec in names.items()})


def fitted(study: Study, minutes: float, world: World = FAST, step: float = 1e-3) -> Fitted:
    study = replace(study, max_minutes=minutes)
    made = plan(study)
    return fit(study, made, paces_of(made, world, step), jobs=2)


def shares(found: Fitted) -> dict[str, float]:
    return {cut.agent: cut.cut.share for cut in found.cuts}


def test_with_time_enough_nothing_is_given_up() -> None:
    found = fitted(STANDARD, 600)
    assert (found.left_out, found.cuts, found.seeds, found.episodes) == ((), (), (13, 13), (100, 100))
    assert found.lines()[-1] == "No arm is cut short."
    assert plan(found.study).runs == plan(STANDARD).runs


def test_seeds_are_given_up_first_and_down_to_three() -> None:
    some = fitted(STANDARD, 30)
    assert 3 <= some.seeds[0] < 10
    assert (some.left_out, some.cuts, some.episodes) == ((), (), (100, 100))


def test_then_optional_arms_those_of_larger_profiles_first_and_never_what_a_verdict_needs() -> None:
    """Random play, the log and its maker, the first arm of each family and the filtered imitation stay."""
    made = plan(STANDARD)
    choices = list(whole_choices(STANDARD, made, paces_of(made)))
    assert [choice.seeds for choice in choices[:11]] == list(range(13, 2, -1))
    order = list(dict.fromkeys(choice.arms for choice in choices))
    assert [set(earlier) - set(later) for earlier, later in itertools.pairwise(order)] == [
        {"dt-lstm"}, {"dt-no-rtg"}, {"dt-k1"}, {"rvs"}, {"dqn"}, {"bc"},
    ]  # fmt: skip
    assert set(order[-1]) == {"random", "behaviour", "bc-top", "dt", "cql", "ppo"}


def test_then_episodes_and_then_the_steps_of_all_arms_by_one_factor() -> None:
    found = fitted(Study("CartPole-v1"), 1.5, step=2e-3)
    assert found.episodes == (20, 100)
    assert found.left_out == ("bc", "dqn")
    assert found.study.fitted is not None
    part = shares(found)
    assert part["dt"] == part["bc-top"] < 1
    assert part["ppo"] <= part["dt"] < part["ppo"] + 512 / 32768  # whole rollouts
    specs = {run.spec.agent.name: run.spec for run in plan(found.study).runs}
    assert specs["ppo"].values["steps"] % 512 == 0
    cut = specs["dt"].cut_short
    assert cut is not None
    assert (cut.reason, cut.minutes, cut.unit, cut.preset) == ("time", 1.5, "gradient_steps", 1500)
    assert specs["dt"].values["warmup_steps"] == int(100 * part["dt"])
    assert "Changed by hand" not in specs["dt"].agent.tuning


def test_less_time_never_gives_more() -> None:
    found = [fitted(Study("CartPole-v1"), minutes, step=2e-3) for minutes in (8, 4, 2, 1.5, 1)]
    seeds = [each.seeds[0] for each in found]
    assert seeds == sorted(seeds, reverse=True)
    assert all(each.seconds <= 0.8 * 60 * each.minutes for each in found)


def test_what_the_study_says_itself_stands_and_the_rest_is_fitted() -> None:
    study = Study("CartPole-v1", seeds=5, arms=("random", "dt", "ppo"), overrides={"ppo": ("steps=2048",)})
    found = fitted(study, 1.4, step=3e-3)
    assert (found.seeds, found.study.arms, found.left_out) == ((5, 5), ("random", "dt", "ppo"), ())
    assert set(shares(found)) == {"dt"}
    specs = {run.spec.agent.name: run.spec for run in plan(found.study).runs}
    assert specs["ppo"].values["steps"] == 2048
    assert specs["ppo"].cut_short is not None
    assert specs["ppo"].cut_short.reason == "hand"


def test_where_even_the_least_does_not_fit_one_line_says_what_would() -> None:
    with pytest.raises(InputError, match=r"0.2 do not suffice on CartPole-v1: 1 seed of .*: --max-minutes ") as told:
        fitted(Study("CartPole-v1"), 0.2)
    assert "\n" not in str(told.value)
    needed = float(str(told.value).split("--max-minutes ")[1].split(",")[0])
    assert fitted(Study("CartPole-v1"), needed).minutes == needed


@pytest.mark.parametrize(
    ("study", "message"),
    [
        (Study("CartPole-v1", profile="smoke", seeds=3), "a smoke test has one seed, got 3"),
        (Study("CartPole-v1", max_minutes=3, explain=True), "rlformer explain"),
    ],
)
def test_keys_that_contradict_a_time_are_one_line(study: Study, message: str) -> None:
    with pytest.raises(InputError, match=message):
        limit(study)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "soon"])
def test_minutes_are_a_number_above_zero(value: object) -> None:
    with pytest.raises(InputError, match="max_minutes: a number"):
        Study("CartPole-v1").with_values({"max_minutes": value})


def test_a_fitted_study_is_written_with_all_that_makes_its_runs(tmp_path: Path) -> None:
    for study, minutes in (
        (Study("CartPole-v1"), 1.5),
        (Study("CartPole-v1", profile="smoke"), 2),
        (Study("CartPole-v1"), 600),
    ):
        found = fitted(study, minutes, step=2e-3)
        found.study.write(tmp_path / "study.toml")
        again = Study.read(tmp_path / "study.toml")
        assert again == found.study
        assert [run.spec for run in plan(again).runs] == [run.spec for run in plan(found.study).runs]
    other = again.with_values({"max_minutes": 3})
    assert other.fitted is None  # another time is fitted anew


def test_the_same_question_continues_its_plan_and_another_one_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Plan] = []

    def measure(made: Plan, *_: object) -> Paces:
        asked.append(made)
        return paces_of(made, step=1e-3 * len(asked))  # slower each time

    monkeypatch.setattr(pace, "measure", measure)
    study = Study("CartPole-v1", max_minutes=2, runs=str(tmp_path))
    first = foresee(study, jobs=2, always=False, keep=True)
    again = foresee(study, jobs=2, always=False, keep=True)
    assert len(asked) == 1
    assert first.kept is None
    assert again.kept is not None
    assert again.kept.is_file()
    assert [run.spec for run in again.plan.runs] == [run.spec for run in first.plan.runs]
    assert "started before" in again.lines()[-1]
    other = foresee(replace(study, max_minutes=1.9), jobs=2, always=False)
    assert (len(asked), other.kept) == (2, None)
    assert anything_left(first.plan)


def test_a_smoke_test_is_one_seed_of_few_steps_of_every_arm() -> None:
    found = fitted(Study("CartPole-v1", profile="smoke"), 2)
    made = plan(found.study)
    assert (made.seeds, found.left_out) == ((0,), ())
    assert {run.spec.cut_short.reason for run in made.runs if run.spec.cut_short} == {"smoke"}
    assert all(run.spec.cut_short is not None for run in made.runs)  # random play among them
    assert found.study.log.prefix == "full"


def test_on_a_slow_environment_a_smoke_test_ends_its_episodes_early_and_still_has_every_arm() -> None:
    found = fitted(Study("CartPole-v1", profile="smoke"), 2, world=replace(SLOW, length=1000, limit=None, ended=False))
    assert (found.left_out, found.study.time_limit, found.episodes[0]) == ((), 100, 1)
    made = plan(found.study)
    assert made.env.wrappers[-1] == {"kind": "time_limit", "steps": 100}
    ppo = next(run.spec.values for run in made.runs if run.spec.agent.name == "ppo")
    assert ppo["num_envs"] == 1
    assert ppo["steps"] >= 2 * 100  # two episodes to learn from
    assert ppo["n_steps"] * ppo["num_envs"] % ppo["batch_size"] == 0


def test_where_nothing_can_be_smoke_tested_in_time_one_line_says_so() -> None:
    with pytest.raises(InputError, match=r"a smoke test takes about .* a step of it takes 5000 ms"):
        fitted(Study("CartPole-v1", profile="smoke"), 2, world=replace(SLOW, step_seconds=5.0))


def test_a_forecast_says_what_the_seeds_can_show() -> None:
    def said(study: Study) -> str:
        made = plan(study)
        return forecast(study, made, projected(made, paces_of(made), 2))

    few = said(Study("CartPole-v1"))
    assert few.startswith("3 seeds (about ")
    assert "give a direction only; 13 take about" in few
    assert few.endswith("and can claim.")
    assert "can make an answer probable; 25 take" in said(Study("CartPole-v1", seeds=13))  # 3 choose ppo or dqn
    assert "can make an answer probable; 20 take" in said(Study("CartPole-v1", arms=("random", "dt", "ppo"), seeds=10))
    assert said(Study("CartPole-v1", seeds=25)).endswith("can claim an answer.")
    assert said(Study("CartPole-v1", profile="smoke")).endswith("whether everything runs; it does not compare arms.")
