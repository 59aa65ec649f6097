"""Arms that were cut short, saw their log too seldom or still rise are marked; a smoke test compares nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rlformer.evaluator import Evidence, judge
from rlformer.evaluator.as_json import decode, encode
from rlformer.evaluator.judge.evidence import Judgement
from rlformer.evaluator.judge.facts import Curve
from rlformer.evaluator.judge.terms import Scale
from rlformer.evaluator.judge.training import rising
from rlformer.report import build
from rlformer.report.sections.verdict.words import words
from rlformer.runs.budget import CutShort
from rlformer.runs.missing import MissingRun
from tests.support.make_runs import BC, DT, PPO, RANDOM, Invented, make_run, make_runs

TIME = CutShort("time", 3.0, "gradient_steps", 1500, 450)
HAND = CutShort("hand", None, "env_steps", 100_000, 50_000)
SMOKE = CutShort("smoke", 2.0, "env_steps", 100_000, 1024)
SCALE = Scale(0.0, 100.0, "the card")


def judged(root: Path, *arms: tuple[Invented, CutShort | None], seeds: int = 3) -> Evidence:
    for arm, cut in arms:
        make_runs(root, [arm], seeds=range(seeds), cut=cut)
    return judge(root).environments[0]


@pytest.mark.slow
def test_an_answer_of_arms_cut_short_by_time_begins_with_its_condition(tmp_path: Path) -> None:
    found = judged(tmp_path, (RANDOM, None), (DT, TIME), (PPO, None))
    assert found.verdict is not None
    assert (found.verdict.within, found.arm("dt").cut_short, found.arm("ppo").cut_short) == (3.0, TIME, None)
    said = words(found, found.verdict)
    assert said.headline.startswith("Within 3 minutes: ")
    assert said.headline[len("Within 3 minutes: ")].islower()
    assert "dt was trained for 30 % of its steps (450 of 1.5k gradient steps)" in said.warnings[0]
    assert str(found.verdict).startswith("within 3 minutes: ")


def test_an_arm_that_somebody_cut_short_is_a_doubt_and_no_condition(tmp_path: Path) -> None:
    found = judged(tmp_path, (DT, None), (PPO, HAND))
    assert found.verdict is not None
    assert found.verdict.within is None
    said = words(found, found.verdict)
    assert not said.headline.startswith("Within")
    assert "because its steps were set by hand: ppo was trained for 50 % of its steps" in said.warnings[0]
    assert "by hand" in said.warnings[0]


@pytest.mark.slow
def test_where_nothing_can_be_told_the_condition_and_the_doubts_are_told_all_the_same(tmp_path: Path) -> None:
    found = judged(tmp_path, (DT, TIME), (PPO, None), seeds=1)
    assert found.verdict is not None
    said = words(found, found.verdict)
    assert said.headline.startswith("Within 3 minutes: there is no answer: ")
    assert "30 %" in said.warnings[0]


@pytest.mark.slow
def test_marks_survive_results_json_and_stand_in_the_table(tmp_path: Path) -> None:
    make_runs(tmp_path / "runs", [DT], cut=TIME)
    make_runs(tmp_path / "runs", [PPO])
    report = build([tmp_path / "runs"], tmp_path / "report")
    arm = report.results["environments"][0]["arms"][0]
    assert arm["cut_short"] == encode(TIME)
    assert arm["cut_short"]["minutes"] == 3.0
    assert decode(Judgement, encode(report.judgement)) == report.judgement
    assert "| dt (30 % of its steps" in (tmp_path / "report" / "report.md").read_text()
    assert "dt (30 % of its steps" in (tmp_path / "report" / "report.html").read_text()


def curved(evidence: Evidence, label: str, *runs: list[float]) -> "Evidence":
    """The arm with these returns at evenly spaced points of its runs' curves."""
    arm = evidence.arm(label)
    steps = tuple(float(step) for step in range(len(runs[0])))
    made = [
        replace(run, curve=Curve(steps, steps, tuple(points), (None,) * len(steps)))
        for run, points in zip(arm.runs, runs, strict=True)
    ]
    return replace(evidence, arms=(replace(arm, runs=tuple(made)),))


def test_a_curve_that_rises_at_its_end_is_told_with_its_statistic(tmp_path: Path) -> None:
    evidence = judged(tmp_path, (PPO, None))
    line = [0.0] * 8 + [10.0, 20.0, 30.0, 40.0]  # the last third: 30 of 100 over its length
    found = rising(curved(evidence, "ppo", line, [each + 5 for each in line], line).arms[0], SCALE)
    assert found is not None
    assert found.rise == pytest.approx(0.3)
    assert found.points == 12
    bent = [0.0] * 8 + [10.0, 22.0, 28.0, 40.0]
    found = rising(curved(evidence, "ppo", bent, line, line).arms[0], SCALE)
    assert found is not None
    assert found.t is not None
    x = np.tile([-0.5, -1 / 6, 1 / 6, 0.5], 3)
    y = np.concatenate([np.array(each[8:]) / 100 - 0.25 for each in (bent, line, line)])
    slope = x @ y / (x @ x)
    error = np.sqrt(((y - slope * x) ** 2).sum() / (12 - 3 - 1) / (x @ x))
    assert (found.rise, found.t) == (pytest.approx(slope), pytest.approx(slope / error))


@pytest.mark.parametrize(
    "points",
    [
        [0.0] * 8 + [90.0, 91.0, 92.0, 93.0],  # less than matters
        [0.0] * 8 + [40.0, 80.0, 30.0, 75.0],  # scatter
        [0.0] * 8 + [90.0, 80.0, 70.0, 60.0],
        [0.0, 50.0, 100.0],  # too few points
    ],
)
def test_a_flat_scattered_falling_or_short_curve_is_not(tmp_path: Path, points: list[float]) -> None:
    evidence = judged(tmp_path, (PPO, None), seeds=1)
    assert rising(curved(evidence, "ppo", points).arms[0], SCALE) is None


@pytest.mark.slow
def test_an_arm_that_saw_its_log_less_often_than_its_paper_is_undertrained(tmp_path: Path) -> None:
    """The card of dt: 100,000 gradient steps of 1,280 logged steps on a log of 1,000,000."""
    for folder, passes in (("few", 12.8), ("many", 200)):
        make_runs(tmp_path / folder, [PPO, DT, BC], samples_seen=int(14_200 * passes))
    few, many = (judge(tmp_path / folder).environments[0] for folder in ("few", "many"))
    under = few.arm("dt").undertrained
    assert under is not None
    assert (under.passes, under.paper_passes) == (pytest.approx(12.8), 128)
    assert few.arm("bc").undertrained is None  # its card tells of no paper, its parent's is not its own
    assert many.arm("dt").undertrained is None
    assert few.verdict is not None
    assert any("in the paper: dt saw its log 12.8 times" in text for text in words(few, few.verdict).warnings)


@pytest.mark.slow
def test_a_smoke_test_works_or_says_what_does_not_and_never_who_wins(tmp_path: Path) -> None:
    for name in ("works", "fails", "missing"):
        make_runs(tmp_path / name, [RANDOM, PPO], seeds=[0], cut=SMOKE)
    make_runs(tmp_path / "works", [DT], seeds=[0], cut=SMOKE)
    make_run(tmp_path / "fails", DT, 0, cut=SMOKE, error="ValueError: no such thing")
    absent = MissingRun("CartPole-v1", "dt", 0, "ppo seed 0 did not finish", "dt")

    report = build([tmp_path / "works"], tmp_path / "page")
    verdict = report.verdict
    assert (verdict.answer, verdict.arm, verdict.strength) == ("works", None, None)
    assert report.results["environments"][0]["comparisons"] == []
    text = (tmp_path / "page" / "report.md").read_text()
    assert text.startswith("# CartPole-v1: does everything run?")
    assert "**Works: every arm ran; a smoke test compares nothing.**" in text
    assert "3 of 3 arms finished" in text
    for word in ("highest mean return", "probably", "leans"):
        assert word not in text.partition("## What this report cannot tell")[0]

    report = build([tmp_path / "fails"], tmp_path / "page")
    assert (report.verdict.answer, report.verdict.arm) == ("does not work", None)
    text = (tmp_path / "page" / "report.md").read_text()
    assert "**Does not work: dt did not finish.**" in text
    assert "- dt: ValueError: no such thing" in text

    report = build([tmp_path / "missing"], tmp_path / "page", missing=[absent])
    assert report.verdict.answer == "does not work"
    assert "- dt: ppo seed 0 did not finish" in (tmp_path / "page" / "report.md").read_text()


@pytest.mark.slow
def test_beside_real_runs_those_of_a_smoke_test_are_no_candidates(tmp_path: Path) -> None:
    lucky = replace(PPO, mean=500, spread=0, hyperparameters={"steps": 1024})
    alone = judged(tmp_path / "alone", (RANDOM, None), (DT, None), (PPO, None)).verdict
    found = judged(tmp_path / "both", (RANDOM, None), (DT, None), (PPO, None), (lucky, SMOKE))
    assert found.verdict is not None
    assert alone is not None
    assert found.verdict.pair is not None
    assert alone.pair is not None
    assert (found.verdict.answer, found.verdict.pair.a.z) == (alone.answer, alone.pair.a.z)
    assert all("1024" not in one.a + one.b for one in found.comparisons)
