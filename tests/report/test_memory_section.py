"""The section on where models keep what they have to remember."""

from __future__ import annotations

import re
import runpy
from collections.abc import Sequence
from pathlib import Path

import pytest

from rlformer.core import files
from rlformer.evaluator.as_json import encode
from rlformer.evaluator.judge.explanations.memory import memory_of
from rlformer.evaluator.judge.load import find_runs, read_runs
from rlformer.explain.parts import Explanation, Patching, Probes
from rlformer.report import templates
from rlformer.report.build import view_of
from rlformer.report.sections import EnvironmentView, memory
from tests.support.make_memory import CARRIED, CUE, FETCHED, PARTLY, explanation, holding
from tests.support.make_runs import BC, DT, PPO, Invented, make_run

UNABLE = "it is no sequence model: it has no layers that can be read step by step"


def view(root: Path, arms: Sequence[tuple[Invented, Sequence[Explanation]]]) -> EnvironmentView:
    """Of a study with these explanations, seed by seed."""
    for arm, seeds in arms:
        for seed, made in enumerate(seeds):
            run = make_run(root, arm, seed)
            for part in made:
                files.write_json(files.writable_directory(run.path / "explain") / f"{part.part}.json", part.to_dict())
    runs, skipped = read_runs(find_runs([root]))
    return view_of(runs, skipped, title="").environments[0]


def test_each_arm_is_told_in_plain_words(tmp_path: Path) -> None:
    arms = [
        (DT, [explanation(FETCHED), explanation(FETCHED), explanation(CARRIED)]),
        (BC, [explanation(PARTLY)]),
        (PPO, [holding(Probes(UNABLE, CUE), Patching(UNABLE, CUE))]),
    ]
    title, first, told = memory.markdown(view(tmp_path, arms))
    assert title == "### Where the cue is kept"
    assert first.endswith("remember the cue (up or down): it is determined at step 0 and needed at step 4.")
    lines = {re.findall(r"Where does (\S+) keep it", line)[0]: line for line in told.splitlines()}
    assert (
        "It stays in tokens at step 0 and layer 1 fetches it at step 4 (in 2 of 3 seeds): "
        "replacing the activation of a layer at any one step from 1 to 3 has at most 30 % of the effect of "
        "replacing the cue itself."
    ) in lines[DT.agent]
    assert (
        "It is carried along in part: replacing the activation of a layer at any one step from 1 to 3 has "
        "10 % to 90 % of the effect of replacing the cue itself; layer 1 fetches it at step 4."
    ) in lines[BC.agent]
    assert (
        "A linear probe reads it in tokens at step 0; layer 1 at steps 0 to 4; layer 2 at steps 0 to 4; "
        "so does a probe of the untrained network, so this proves nothing."
    ) in lines[BC.agent]
    assert lines[PPO.agent].endswith(f"n/a: {UNABLE}.")


def test_a_carried_one_is_told_with_the_least_that_a_step_does(tmp_path: Path) -> None:
    (_, _, told) = memory.markdown(view(tmp_path, [(DT, [explanation(CARRIED)])]))
    assert (
        "It is carried along: replacing the activation of a layer at any one step from 1 to 3 has "
        "at least 70 % of the effect of replacing the cue itself."
    ) in told


def test_what_has_no_effect_is_told_with_the_reason(tmp_path: Path) -> None:
    (_, _, told) = memory.markdown(view(tmp_path, [(DT, [explanation(changed=0.0)])]))
    assert "Nothing can be traced: nothing to trace." in told


def test_it_is_left_out_where_nothing_is_known_to_be_remembered(tmp_path: Path) -> None:
    nothing = holding(Probes("nothing is known"), Patching("nothing is known"))
    assert not memory.SECTION.applies(view(tmp_path, [(DT, [nothing])]))


@pytest.mark.slow
def test_the_page_draws_a_map_of_layers_and_steps_with_the_inputs_below(tmp_path: Path) -> None:
    found = view(tmp_path, [(DT, [explanation(FETCHED)])])
    block = memory.SECTION.block(found)
    page = templates.fill(block.template, block.values)
    (figure,) = memory.content(found).figures
    assert [each.title for each in figure.maps] == [
        "Replaced: share of changed choices",
        "Read by a linear probe (by chance 50 %)",
        "Read so before training",
        "Share of variance explained by the cue",
    ]
    replaced = figure.maps[0]
    assert [layer for layer, _ in replaced.rows] == ["tokens", "layer 1", "layer 2"]
    assert [place.weight for _, places in replaced.rows for place in places] == [x for row in FETCHED for x in row]
    assert re.findall(r'<th scope="row">([^<]+)</th>', page)[:3] == ["layer 2", "layer 1", "tokens"]
    assert 'title="layer 1, step 4: 90 %"' in page
    assert figure.caption in page


@pytest.mark.slow
def test_the_script_of_the_study_prints_its_maps_as_tables() -> None:
    script = runpy.run_path(str(Path(__file__).resolve().parents[2] / "scripts" / "where_is_the_cue"))
    known = memory_of([explanation(FETCHED), explanation(CARRIED)])
    told = script["tables"]({"tasks": {"A": {"dt": {"score": None, "seeds": 2, "memory": encode(known)}}}})
    assert "| dt |  | 1 | 1.00 | 2 of 2 | 1 | 1 | 0 |" in told
    assert "| layer 2 | 0.00 | 0.05 | 0.05 | 0.35 | 1.00 |" in told
    assert "| tokens | 1.00 (1.00) | 0.50 (0.50) |" in told
