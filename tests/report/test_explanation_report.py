"""What a report says of explained runs: both questions apart, intervals over seeds, "n/a" with its reason."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rlformer import statistics
from rlformer.envs.animation import png
from rlformer.evaluator.judge.explanations.arms import fewest
from rlformer.evaluator.judge.explanations.evidence import (
    BothTrees,
    DrawnTree,
    FamilyRow,
    FewestLeaves,
    TreesEvidence,
)
from rlformer.evaluator.judge.explanations.families import MEASURES, Measure, compared
from rlformer.evaluator.judge.values import Estimate
from rlformer.explain.tree import Tree
from rlformer.report import build
from rlformer.report.sections.interpretability.pictures import tree_picture
from tests.support.make_explanations import explain_run
from tests.support.make_runs import BC_TOP, DT, PPO, RANDOM, make_run

SEEDS = (0, 1, 2)


def report(root: Path) -> tuple[dict[str, Any], str]:
    build([root], root / "out")
    page = (root / "out" / "report.html").read_text(encoding="utf-8")
    return json.loads((root / "out" / "results.json").read_text(encoding="utf-8")), page


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """Three seeds: PPO and DT explained with a known truth, bc-top not explained, random play."""
    root = tmp_path_factory.mktemp("explained")
    for seed in SEEDS:
        make_run(root, RANDOM, seed)
        make_run(root, BC_TOP, seed)
        explain_run(make_run(root, PPO, seed), [0.5 + 0.01 * seed, 0.01, 0.0, 0.0], skill=0.9 + 0.01 * seed)
        explain_run(make_run(root, DT, seed), [0.1, 0.3, 0.2, 0.1 + 0.01 * seed], l90=None)
    return report(root)


def arm(results: dict[str, Any], label: str) -> dict[str, Any]:
    found: dict[str, Any] = next(a for a in results["environments"][0]["explanations"]["arms"] if a["label"] == label)
    return found


@pytest.mark.slow
def test_numbers_are_means_over_seeds_with_intervals(told: tuple[dict[str, Any], str]) -> None:
    ppo = arm(told[0], "ppo")
    assert ppo["own"]["effects"]["pole angle"]["point"] == pytest.approx(0.51)
    assert ppo["own"]["effects"]["pole angle"]["low"] == pytest.approx(0.50)
    assert ppo["log"]["effects"]["pole angle"]["point"] == pytest.approx(0.2)
    assert ppo["best"] == {"name": "integrated gradients", "by": "skill", "value": ppo["best"]["value"]}
    assert ppo["best"]["value"]["point"] == pytest.approx(0.91)
    assert ppo["l90"]["values"] == [8, 8, 8]
    columns = told[0]["environments"][0]["scorecard"]["columns"]
    assert next(column for column in columns if column["label"] == "ppo")["explained"]["depends_on"] == "pole angle"
    screen = told[1][told[1].index("What explains it") :][:1500]
    assert "pole angle" in screen
    assert "found best by" in screen


def test_what_is_not_defined_says_why(told: tuple[dict[str, Any], str]) -> None:
    results, page = told
    dt, top = arm(results, "dt"), arm(results, "bc-top")
    assert dt["own"]["reliance"] is None
    assert "--distractors" in dt["own"]["no_reliance"]
    assert dt["l90"] == {"values": [None] * 3, "median": None, "censored": 3, "undefined": 0, "reason": None}
    assert top["reason"].startswith("not explained")
    assert 'title="it looks at nothing"' in page
    assert ">&gt;256" in page


def test_the_two_questions_are_answered_apart_and_families_by_measure(told: tuple[dict[str, Any], str]) -> None:
    results, page = told
    for lead in ("Does it rely on what matters?", "Do explainers find what it uses?", "Is attention an explanation?"):
        assert lead in page
    families = results["environments"][0]["explanations"]["families"]
    says = {row["label"].split(" (")[0]: row["says"] for row in families["rows"]}
    assert says["comprehensiveness of integrated gradients"] == "alike"  # .25 and .21: a sure difference, a small one
    assert says["L90"] == "the same on every seed"  # three against three: one order of ten, by chance
    assert says["Reliance"] == "undefined for one of them"
    assert "are not added up" in page


def test_sentences_say_which_policy_is_explained_and_that_the_best_of_several_is_flattered(
    told: tuple[dict[str, Any], str],
) -> None:
    _, page = told
    assert "as they are at the end of their training" in page  # not the policy that was first good enough
    assert "The values of the best explainer are slightly too high" in page
    assert 'href="#term-reliance"' in page[page.index("Does it rely on what matters?") :]


def test_kept_policies_are_said_to_be_explained(tmp_path: Path) -> None:
    for seed in SEEDS:
        explain_run(make_run(tmp_path, PPO, seed), [0.5, 0.01, 0.0, 0.0], step=2000 if seed else None)
        explain_run(make_run(tmp_path, DT, seed), [0.1, 0.3, 0.2, 0.1])
    report(tmp_path)
    said = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "For ppo (on 2 of 3 seeds), it is the first policy that was good enough. All others" in said


def test_a_skill_that_some_seeds_lack_says_on_how_many_it_was_measured(tmp_path: Path) -> None:
    for seed in SEEDS:
        explain_run(make_run(tmp_path, PPO, seed), [0.5, 0.01, 0.0, 0.0], skill=0.9 if seed else None)
        explain_run(make_run(tmp_path, DT, seed), [0.1, 0.3, 0.2, 0.1], skill=0.9)
    report(tmp_path)
    said = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "(integrated gradients, 2 of 3 seeds)" in said


@pytest.mark.slow
def test_for_its_family_stands_the_arm_that_the_verdict_weighs(tmp_path: Path) -> None:
    """Filtered imitation scores as high as it likes: it is no candidate."""
    for seed in SEEDS:
        explain_run(make_run(tmp_path, PPO, seed), [0.5, 0.01, 0.0, 0.0], skill=0.9)
        explain_run(make_run(tmp_path, DT, seed), [0.1, 0.3, 0.2, 0.1], skill=0.9)
        explain_run(make_run(tmp_path, replace(BC_TOP, mean=480, spread=5), seed), [0.1, 0.3, 0.2, 0.1], skill=0.9)
    (environment,) = report(tmp_path)[0]["environments"]
    pair, families = environment["verdict"]["pair"], environment["explanations"]["families"]
    assert (families["a"], families["b"]) == (pair["a"]["label"], pair["b"]["label"]) == ("ppo", "dt")


@pytest.mark.slow
def test_an_arm_that_the_verdict_weighs_and_nobody_explained_is_named_and_no_other_stands_in(tmp_path: Path) -> None:
    for seed in SEEDS:
        make_run(tmp_path, PPO, seed)
        explain_run(make_run(tmp_path, replace(PPO, agent="a2c", mean=300.0), seed), [0.5, 0.01, 0.0, 0.0], skill=0.9)
        explain_run(make_run(tmp_path, DT, seed), [0.1, 0.3, 0.2, 0.1], skill=0.9)
    explanations = report(tmp_path)[0]["environments"][0]["explanations"]
    assert explanations["families"] is None
    assert explanations["no_families"] == "ppo, which the verdict weighs, was not explained: rlformer explain RUN"


@pytest.mark.slow
def test_families_are_compared_on_the_seeds_that_judge_and_not_on_those_that_chose(tmp_path: Path) -> None:
    """Of two online arms the first three seeds choose, and the others judge."""
    for seed in range(9):
        explain_run(make_run(tmp_path, PPO, seed), [0.5, 0.01, 0.0, 0.0], skill=0.9 if seed < 3 else 0.5)
        explain_run(make_run(tmp_path, replace(PPO, agent="a2c", mean=300.0), seed), [0.5, 0.01, 0.0, 0.0], skill=0.9)
        explain_run(make_run(tmp_path, DT, seed), [0.1, 0.3, 0.2, 0.1], skill=0.5)
    (environment,) = report(tmp_path)[0]["environments"]
    families = environment["explanations"]["families"]
    assert families["a"] == "ppo"
    assert families["seeds"] == 6
    skill = next(row for row in families["rows"] if row["label"].startswith("skill"))
    assert skill["a"]["point"] == pytest.approx(0.5)


def rows(*measures: tuple[str, list[float], list[float]], margin: float = 0.05) -> tuple[FamilyRow, ...]:
    return compared(
        [(Measure(f"m{i}", better, margin, lambda arm: ()), a, b) for i, (better, a, b) in enumerate(measures)]
    )  # type: ignore[arg-type]


def says(*measures: tuple[str, list[float], list[float]], margin: float = 0.05) -> list[str]:
    return [row.says for row in rows(*measures, margin=margin)]


WIDE = ("+", [0.1, 0.5, 0.9], [0.2, 0.5, 0.8])  # neither a difference nor none can be seen


def test_a_difference_that_is_not_seen_is_undecided_and_no_equality() -> None:
    assert says(WIDE) == ["undecided"]
    assert says(("+", [0.1], [0.2, 0.2])) == ["one seed cannot tell"]
    once = ("+", [0.2, 0.3, 0.4, 0.35], [0.45, 0.5, 0.41, 0.6])  # p = .02: one of seven measures may well look so
    assert says(once) == ["b"]
    assert says(once, *6 * [WIDE])[0] == "undecided"


def test_equality_is_claimed_by_a_test_of_equivalence_within_the_declared_margin() -> None:
    near = ("+", [0.80, 0.81, 0.82, 0.79, 0.80], [0.80, 0.80, 0.81, 0.82, 0.81])
    assert says(near) == ["alike"]
    assert says(near, margin=0.01) == ["undecided"]
    (row,) = rows(near)
    tested = statistics.equivalence_test(near[1], near[2], 0.05)
    assert row.p_alike == pytest.approx(tested.pvalue)


def test_measures_that_cannot_be_tested_count_among_those_that_p_values_are_adjusted_for() -> None:
    once = ("+", [0.2, 0.3, 0.4, 0.35], [0.45, 0.5, 0.41, 0.6])
    undefined = ("+", [], [0.1, 0.2])
    alone, among = rows(once)[0].p, rows(once, *6 * [undefined])[0].p
    assert alone is not None
    assert among == pytest.approx(7 * alone)
    assert {measure.label.split()[0] for measure in MEASURES} >= {"Reliance", "skill", "sensitivity", "L90"}
    assert len(MEASURES) == 7


def test_trees_beyond_the_largest_are_never_called_alike() -> None:
    """Most seeds of both need more than 256 leaves: one may need 300, the other 10,000."""
    sizes = [9.0, 9.0, 9.0, 9.0, 8.0], [9.0, 8.0, 9.0, 9.0, 9.0]
    measure = next(measure for measure in MEASURES if measure.label.startswith("L90"))
    (row,) = compared([(measure, *sizes)])
    assert (row.says, row.p_alike) == ("undecided", 1.0)
    known = [[size - 1 for size in side] for side in sizes]
    assert compared([(measure, known[0], known[1])])[0].says == "alike"


def test_seeds_that_all_agree_are_no_certainty() -> None:
    assert says(("-", [0.1] * 3, [0.2] * 3)) == ["the same on every seed"]  # 2 of 20 orders are as extreme
    assert says(("-", [0.1] * 5, [0.2] * 5)) == ["a"]  # 2 of 252
    assert says(("+", [1.0] * 5, [1.0] * 5)) == ["the same on every seed"]


@pytest.mark.slow
def test_families_that_are_alike_are_rarely_told_apart() -> None:
    rng = np.random.default_rng(0)
    found = [says(*(("+", *rng.normal(size=(2, 5)).tolist()) for _ in range(7))) for _ in range(200)]
    assert sum("a" in words or "b" in words for words in found) <= 20  # 5 % of 200, and luck


@pytest.mark.slow
def test_families_that_differ_by_the_margin_are_rarely_called_alike() -> None:
    rng = np.random.default_rng(0)

    def measured() -> tuple[str, list[float], list[float]]:
        a, b = rng.normal(size=(2, 10)) * 0.3
        return "+", a.tolist(), (b + 1.0).tolist()

    found = [says(*(measured() for _ in range(7)), margin=1.0) for _ in range(200)]
    assert sum("alike" in words for words in found) <= 20


def test_seeds_without_a_tree_are_no_seeds_that_need_a_large_one() -> None:
    bad = "the policy plays no better than random"
    point = (Estimate(None, 0.9, None),)
    trees = TreesEvidence((8,), point, point, None, (8, 8, None), (None, None, bad))
    assert fewest(BothTrees(trees, None)) == FewestLeaves((8, 8), 8.0, 0, 1, None)
    none = TreesEvidence((8,), point, point, None, (None,), (bad,))
    assert fewest(BothTrees(none, None)).reason == bad


def test_names_from_outside_are_escaped_and_pictures_are_on_the_page(told: tuple[dict[str, Any], str]) -> None:
    page = told[1]
    assert "<velocity>" not in page.partition('<script type="application/json"')[0]
    assert '<svg class="tree"' in page
    assert "data:image/png;base64," in page
    assert 'class="grid attention"' in page
    for figure in ("effects", "deletion", "trees"):
        assert f'id="e0-figure-{figure}"' in page


def test_a_report_without_explanations_has_no_columns_for_them_and_says_how_to_make_them(tmp_path: Path) -> None:
    make_run(tmp_path, PPO, 0)
    results, page = report(tmp_path)
    assert results["environments"][0]["explanations"] is None
    assert "Best skill" not in page
    assert "rlformer explain RUN" in page


def test_a_torn_part_is_left_out(tmp_path: Path) -> None:
    run = make_run(tmp_path, PPO, 0)
    explain_run(run, [0.5, 0.1, 0.0, 0.0])
    (run.path / "explain" / "effects.json").write_text("{")
    results, _ = report(tmp_path)
    assert arm(results, "ppo")["own"] is None
    assert arm(results, "ppo")["l90"]["values"] == [8]


def test_children_of_a_drawn_tree_stand_under_their_parent() -> None:
    tree = Tree(
        np.array([0, -1, 1, -1, -1]), np.zeros(5), np.array([1, -1, 3, -1, -1]), np.array([2, -1, 4, -1, -1]),
        np.array([[0.0], [0.0], [0.0], [1.0], [0.0]]), np.ones(5),
    )  # fmt: skip
    drawn = tree_picture(DrawnTree("observation", tree, ("a", "b"), ("no", "yes"), "discrete", None))
    placed = {(node.text, node.x): node for node in drawn.nodes}
    root = next(node for node in drawn.nodes if node.text == "a ≤ 0")
    inner = next(node for node in drawn.nodes if node.text == "b ≤ 0")
    assert root.parent is None
    assert inner.parent == (root.x, root.y)
    assert not inner.yes
    assert sorted(node.text for node in drawn.nodes if node.leaf) == ["no", "no", "yes"]
    assert len(placed) == 5


def test_a_png_holds_its_pixels() -> None:
    picture = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    data = png(picture)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(np.asarray(image), picture)
