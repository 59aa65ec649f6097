"""What a cluster takes is computed from what a report measured, and the page holds what the script computes."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    """What scripts/project_scale defines."""
    return runpy.run_path(str(ROOT / "scripts" / "project_scale"))


@pytest.fixture(scope="module")
def results() -> Any:
    """Of the published report."""
    return runpy.run_path(str(ROOT / "scripts" / "publish"))["results"](ROOT / "docs" / "reports" / "CartPole-v1")


@pytest.mark.slow
def test_the_page_holds_what_the_script_computes(script: dict[str, Any], results: Any) -> None:
    page = script["PAGE"].read_text(encoding="utf-8")
    assert script["with_tables"](page, results) == page
    assert all(table in page for table in script["tables"](results).values())


def test_arms_cost_what_the_report_measured(script: dict[str, Any], results: Any) -> None:
    arms = script["arms_of"](results)
    measured = {arm["label"]: arm["times"]["cpu"]["mean"] for arm in results["environments"][0]["arms"]}
    assert len(arms) == script["ARMS"]
    assert {arm.name: pytest.approx(arm.mean) for arm in arms} == measured


def test_one_core_takes_the_sum_and_a_core_a_run_the_longest_chain(script: dict[str, Any]) -> None:
    arm, worlds, more = script["Arm"], script["ENVIRONMENTS"] * script["SEEDS"], script["IMPORTS"]
    arms = [arm("ppo", (10.0,), False, 1, 1, 1), arm("dt", (5.0, 7.0), True, 1, 1, 1)]
    alone, chain = script["makespan"](arms, 1, 1.0)
    assert chain == pytest.approx(10 + 7 + 2 * more)
    assert alone == pytest.approx(worlds * (10 + 6 + 2 * more))
    assert script["makespan"](arms, 2 * worlds, 1.0)[0] == pytest.approx(chain)
    assert script["makespan"](arms, 2 * worlds, 100.0)[0] == pytest.approx(1000 + 700 + 2 * more)
