"""The report's section "Your task among the diagnostics"."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rlformer.report.build import build
from tests.support.make_runs import BEHAVIOUR, DT, DT_K1, PPO, make_runs

SPARSE = {"nonzero_rewards": 0.01, "rewarded_steps": 1.0, "median_length": 12.0, "max_length": 12}
LUCKY = {**SPARSE, "luck": 0.6, "repeated_episodes": 900, "chance_per_step": 0.3, "repeated_steps": 8000}


def placed(tmp_path: Path, arms: Any, log: dict[str, Any] | None = None) -> dict[str, dict[str, str]]:
    make_runs(tmp_path / "runs", arms, log={"task": log} if log else None)
    results = build([tmp_path / "runs"], tmp_path / "out").results
    assert "Your task among the diagnostics" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    return {row["lead"]: row for row in results["environments"][0]["placing"]}


def test_without_the_runs_that_would_tell_a_question_is_unknown_and_says_which_they_are(tmp_path: Path) -> None:
    rows = placed(tmp_path, [PPO])
    assert rows["Need of memory"]["measured"] == "unknown: train dt and dt-k1, or recurrent-ppo and ppo"
    assert all(row["measured"].startswith("unknown: ") and not row["like"] for row in rows.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("short", "like"), [(300.0, "like PassiveTMaze"), (446.0, "unlike PassiveTMaze"), (490.0, "unlike PassiveTMaze")]
)
def test_memory_is_needed_where_a_context_of_one_step_loses(tmp_path: Path, short: float, like: str) -> None:
    arms = [replace(DT, spread=1.0), replace(DT_K1, mean=short, spread=1.0)]
    assert placed(tmp_path, arms)["Need of memory"]["like"].startswith(like)


def test_luck_shows_where_what_is_asked_for_does_not_come(tmp_path: Path) -> None:
    """That it must be luck takes a log whose returns are chance, and enough of its episodes at the target return."""
    rows = placed(tmp_path, [replace(DT, mean=200.0, spread=1.0)])
    measured = rows["Luck in the target return"]["measured"]
    assert measured.startswith("returns differ from the target return by 36.7 % of the log's range")
    assert "the reason may be luck, the log or the training" in rows["Luck in the target return"]["like"]


def test_what_the_log_tells(tmp_path: Path) -> None:
    rows = placed(tmp_path, [BEHAVIOUR, DT], LUCKY)
    assert rows["Chance in the log"]["like"] == "like Gamble and Umbrella: returns are partly luck"
    assert "60 % of the variance of returns" in rows["Chance in the log"]["measured"]
    assert rows["Sparsity of reward"]["like"] == "sparse, like KeyDoor and Lock"
    assert rows["Horizon"]["measured"] == "12 steps in the log's median episode, 12 in its longest"


def test_a_log_in_which_nothing_repeats_tells_nothing_of_chance(tmp_path: Path) -> None:
    rows = placed(tmp_path, [DT], SPARSE)
    assert rows["Chance in the log"]["measured"] == "unknown: no pair of observation and action occurs twice in the log"
