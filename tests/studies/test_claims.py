"""Claims: declared effects, their tests, the answers, and cells that are measured once."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from rlformer import api
from rlformer.agents.loop import DivergedError
from rlformer.core.errors import InputError
from rlformer.report import chart, rails
from rlformer.report.claims import build, document, edition
from rlformer.report.words.claims import UNITS, WORDS, Language
from rlformer.runs.hooks import Hooks
from rlformer.runs.spec import RunSpec
from rlformer.studies.claims import suite
from rlformer.studies.claims.answer import ClaimAnswer, answer
from rlformer.studies.claims.answer import tests as p_values
from rlformer.studies.claims.base import (
    Cell,
    Claim,
    Curve,
    Effect,
    Measured,
    Numbers,
    Picture,
    Point,
    Says,
    Text,
    read,
    write,
)
from rlformer.studies.claims.cells import FirstGood, Online, Speed, Trained, task
from rlformer.studies.claims.explained import LooksAt
from rlformer.studies.claims.forecast import foresee
from rlformer.studies.claims.rows import CLAIMS, chosen

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Given:
    """A cell whose numbers are known."""

    name: str
    alone: bool = False
    needs: tuple[Cell, ...] = ()
    foreseen: float = 10.0
    specs: tuple[RunSpec, ...] = ()

    def measure(self, seed: int, root: Path, hooks: Hooks) -> Numbers:
        return {"score": float(len(self.name) + seed)}


MORE, LESS = Given("more"), Given("less")


def claim(says: Says = "greater", margin: float = 0.1, *more: Effect) -> Claim:
    effect = Effect(Text("more", "多"), MORE, LESS, "score", says, margin, "points", quick=True)
    return Claim(
        "given", "1", Text("It is more.", "更多。"), Text("Compare.", "比较。"), (effect, *more), ("rlformer/a.py",)
    )


def measured(more: list[float], less: list[float]) -> dict[Cell, Mapping[int, Numbers]]:
    return {
        MORE: {seed: {"score": value} for seed, value in enumerate(more)},
        LESS: {seed: {"score": value} for seed, value in enumerate(less)},
    }


NONE = [0.0] * 5


@pytest.mark.parametrize(
    ("says", "differences", "verdict"),
    [
        ("greater", [0.5, 0.6, 0.4, 0.55, 0.45], "holds"),
        ("greater", [0.0, 0.01, -0.02, 0.03, 0.0], "does not hold"),  # surely under the margin of .1
        ("greater", [0.5, -0.3, 0.2, 0.4, -0.1], "undecided"),
        ("alike", [0.01, -0.02, 0.0, 0.03, -0.01], "holds"),
        ("alike", [0.5, 0.6, 0.4, 0.55, 0.45], "does not hold"),
        ("alike", [-0.5, -0.6, -0.4, -0.55, -0.45], "does not hold"),
        ("alike", [0.5, -0.3, 0.2, 0.4, -0.1], "undecided"),
        ("greater", [1.0, 1.0, 1.0, 1.0, 1.0], "holds"),  # no variance: by the difference alone
        ("greater", [0.05, 0.05, 0.05, 0.05, 0.05], "does not hold"),
        ("greater", [0.1, 0.1, 0.1, 0.1, 0.1], "does not hold"),  # at the margin is not above it
        ("alike", [0.1, 0.1, 0.1, 0.1, 0.1], "does not hold"),  # nor within it
        ("alike", [0.05, 0.05, 0.05, 0.05, 0.05], "holds"),
    ],
)
def test_an_answer_is_what_the_tests_allow(says: Says, differences: list[float], verdict: str) -> None:
    assert answer(claim(says), measured(differences, NONE), quick=False).verdict == verdict


def test_one_seed_shows_and_never_holds() -> None:
    assert answer(claim(), measured([0.5], [0.0]), quick=True).verdict == "shown as claimed"
    assert answer(claim(), measured([0.05], [0.0]), quick=True).verdict == "shown otherwise"
    assert answer(claim("alike"), measured([0.05], [0.0]), quick=True).verdict == "shown as claimed"
    assert answer(claim(), {}, quick=True).verdict == "not measured"


def test_effects_that_hold_beside_others_that_do_not_make_it_depend_and_are_named() -> None:
    back = Effect(Text("the other way", "反之"), LESS, MORE, "score", "greater", 0.1, "points")
    found = answer(claim("greater", 0.1, back), measured([0.5, 0.6, 0.4], [0.0] * 3), quick=False)
    assert (found.verdict, found.holding[0].en, found.failing[0].en) == ("depends", "more", "the other way")


def test_p_values_are_those_of_students_t_corrected_after_holm() -> None:
    from scipy import stats

    values = np.array([0.3, 0.1, 0.4, 0.2])
    expected = stats.ttest_1samp(values, 0.1, alternative="greater").pvalue
    assert p_values(values, "greater", 0.1)[0] == pytest.approx(expected)
    assert p_values(values, "greater", 0.1)[1] == pytest.approx(1 - expected)
    two = Effect(Text("twice", "两次"), MORE, LESS, "score", "greater", 0.1, "points")
    found = answer(claim("greater", 0.1, two), measured(values.tolist(), [0.0] * 4), quick=False)
    assert [effect.p_holds for effect in found.effects] == pytest.approx([2 * expected] * 2)


def test_a_ratio_is_counted_in_doublings() -> None:
    effect = Effect(Text("twice", "两倍"), MORE, LESS, "score", "greater", 0.5, "doublings", "log2 ratio", quick=True)
    found = answer(Claim("r", "1", Text("", ""), Text("", ""), (effect,), ()), measured([8.0, 8.0], [2.0, 4.0]), False)
    assert found.effects[0].effect == pytest.approx((2 + 1) / 2)
    lost = answer(Claim("r", "1", Text("", ""), Text("", ""), (effect,), ()), measured([8.0], [0.0]), True)
    assert lost.verdict == "not measured"  # there is no ratio


def test_the_columns_of_a_ratio_give_its_effect_and_p_stands_for_and_against(tmp_path: Path) -> None:
    effect = Effect(Text("twice", "两倍"), MORE, LESS, "score", "greater", 0.5, "doublings", "log2 ratio", quick=True)
    given = replace(claim(), effects=(effect,), number="4, 5", where=Text("here", "这里"))
    found = answer(given, measured([8.0, 32.0], [2.0, 4.0]), False)
    made = edition(suite.Answers("full", 2, (found,), (), 0.0), "en", None, "now").claims[0]
    row = made.rows[0]
    assert (row.first, row.second, row.found.split()[0]) == ("16", "2.83", "2.5")  # log2 of 16 over 2.83
    holds, fails = p_values(np.array([2.0, 3.0]), "greater", 0.5)
    assert row.p == f"{holds:.2g}; {fails:.2g}" == "0.078; 0.92"
    assert made.short == "undecided (here)"
    chinese = edition(suite.Answers("full", 2, (found,), (), 0.0), "zh", None, "now").claims[0]
    assert (chinese.short, chinese.number) == ("尚无定论（这里）", "4、5")
    sure = answer(claim(), measured([1.0, 1.001, 1.0], [0.0] * 3), False)
    alike = answer(claim(), measured([1.0, 1.0, 1.0], [0.0] * 3), False)

    def p(found: ClaimAnswer, language: Language) -> str:
        return edition(suite.Answers("full", 3, (found,), (), 0.0), language, None, "now").claims[0].rows[0].p

    assert [p(sure, "en"), p(sure, "zh"), p(alike, "en")] == ["below 0.001; 1", "小于 0.001; 1", "–"]


def test_a_seed_on_which_neither_came_to_its_loss_decides_nothing() -> None:
    effect = Effect(
        Text("sooner", "更快"), MORE, LESS, "steps_to_loss", "greater", 0.25, "doublings", "log2 ratio", never=2_000.0
    )
    given = replace(claim(), effects=(effect,))

    def said(*pairs: tuple[float, float]) -> tuple[str, tuple[int, ...]]:
        cells = {
            cell: {seed: {"steps_to_loss": pair[side]} for seed, pair in enumerate(pairs)}
            for side, cell in enumerate((MORE, LESS))
        }
        found = answer(given, cells, quick=False)
        return found.verdict, found.effects[0].seeds

    never = (2_000.0, 2_000.0)
    assert said(never, never, never) == ("not measured", ())
    assert said(never, (2_000.0, 400.0), (2_000.0, 420.0)) == ("holds", (1, 2))  # one came there, the other did not
    assert said((500.0, 500.0), (500.0, 500.0)) == ("does not hold", (0, 1))


def test_a_quantity_that_a_cell_lacks_or_that_is_not_finite_is_left_out_of_the_pairs() -> None:
    """A deep network without residual connections may have no gradient at all."""
    found = measured([0.5, math.nan, 0.7, 0.6], [0.0, 0.0, 0.0, 0.0])
    found[MORE] = {**found[MORE], 3: {}}
    said = answer(claim(), found, quick=False)
    assert said.effects[0].seeds == (0, 2)
    assert said.verdict in ("holds", "undecided")


def test_times_that_no_seed_has_leave_the_rest_of_a_claim_answered() -> None:
    """An imitator that never gets there has no time; that it does not is answered all the same."""
    times = Effect(Text("times", "时间"), MORE, LESS, "time", "greater", 0.1, "points", quick=True)
    said = answer(claim("greater", 0.1, times), measured([0.0, 0.01, 0.0], [0.0] * 3), quick=False)
    assert ([effect.found for effect in said.effects], said.verdict) == (["does not hold", "no pair"], "does not hold")
    assert answer(claim("greater", 0.1, times), measured([0.5], [0.0]), quick=True).verdict == "shown in part"
    assert answer(claim("greater", 0.1, times), measured([0.0], [0.0]), quick=True).verdict == "shown otherwise"
    assert answer(claim("greater", 0.1, times), measured([0.5, 0.6], [0.0] * 2), quick=False).verdict == "undecided"


def test_a_page_says_on_how_many_seeds_an_effect_could_be_told(tmp_path: Path) -> None:
    found = measured([0.5, 0.6, 0.4], [0.0] * 3)
    found[MORE] = {**found[MORE], 1: {"other": 1.0}}
    said = answer(claim(), found, quick=False)
    assert (said.effects[0].seeds, said.effects[0].left_out) == ((0, 2), (1,))
    build(suite.Answers("full", 3, (said,), (), 0.0), tmp_path)
    assert "; 2 of 3 seeds" in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "；3 个种子中的 2 个" in (tmp_path / "report.zh.md").read_text(encoding="utf-8")


def test_a_page_says_what_seeds_that_all_agree_cannot_tell() -> None:
    def lead(more: list[float]) -> tuple[str, ...]:
        found = answer(claim(), measured(more, [0.0] * 3), quick=False)
        return edition(suite.Answers("full", 3, (found,), (), 0.0), "en", None, "now").lead

    assert WORDS["en"]["same"] in lead([1.0, 1.0, 1.0])
    assert WORDS["en"]["same"] not in lead([1.0, 1.0, 0.9])


def test_one_seed_of_an_effect_beside_several_of_others_is_undecided() -> None:
    other = Given("only once")
    once = Effect(Text("once", "一次"), other, LESS, "score", "greater", 0.1, "points")
    found = measured([0.5, 0.6, 0.4], [0.0, 0.0, 0.0])
    found[other] = {0: {"score": 1.0}}
    assert answer(claim("greater", 0.1, once), found, quick=False).verdict == "undecided"


def test_a_seed_that_one_cell_lacks_is_left_out() -> None:
    found = answer(claim(), measured([0.5, 0.6, 0.7], [0.0, 0.0]), quick=False)
    assert found.effects[0].seeds == (0, 1)


def test_numbers_are_kept(tmp_path: Path) -> None:
    assert read(MORE, 0, tmp_path) is None
    write(MORE, 0, tmp_path, Measured({"score": 4.0}, 1.5))
    assert read(MORE, 0, tmp_path) == Measured({"score": 4.0}, 1.5)


@pytest.mark.parametrize(
    "changed",
    [
        {"numbers": 3}, {"numbers": {}}, {"numbers": {"score": "much"}}, {"numbers": {"score": None}}, {"seconds": []},
        {"seconds": "long"}, {"numbers": {"score": 10**400}}, {"schema": "rlformer/9"}, {"seed": 3}, {"cell": "less"},
        {"numbers": {"score": True}},
    ],
)  # fmt: skip
def test_a_damaged_file_is_one_line(changed: dict[str, object], tmp_path: Path) -> None:
    write(MORE, 0, tmp_path, Measured({"score": 4.0}, 1.5))
    (path,) = tmp_path.rglob("seed-0.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    with pytest.raises(InputError, match=r"seed-0\.json: damaged: delete it"):
        read(MORE, 0, tmp_path)
    for torn in ("[]", '{"numbers'):
        path.write_text(torn)
        with pytest.raises(InputError, match="damaged: delete it"):
            read(MORE, 0, tmp_path)


def test_names_are_checked_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown claim 'sped'.*speed"):
        api.claims(only="sped", root=tmp_path / "runs", out=tmp_path / "out")
    with pytest.raises(InputError, match="--only names no claim"):
        api.claims(only=" ,", root=tmp_path / "runs", out=tmp_path / "out")
    with pytest.raises(InputError, match="unknown profile 'long'; valid: quick, full"):
        api.claims(profile="long", root=tmp_path / "runs", out=tmp_path / "out")
    assert not list(tmp_path.iterdir())
    assert [each.name for each in chosen("memory, speed")] == ["speed", "memory"]


@pytest.mark.parametrize("each", CLAIMS.values(), ids=CLAIMS)
def test_each_claim_declares_what_it_needs(each: Claim) -> None:
    for quick in (True, False):
        cells = each.cells(quick)
        assert cells, "the smallest experiment too"
        assert len({cell.name for cell in cells}) == len(cells)  # a file of its own for each
        assert all(need in cells[: cells.index(cell)] for cell in cells for need in cell.needs)
    assert all((ROOT / path).is_file() for path in each.code)
    assert all(effect.margin >= 0 and (effect.says == "greater" or effect.margin > 0) for effect in each.effects)
    texts = [each.statement, each.experiment, *(effect.what for effect in each.effects)]
    texts += [text for picture in each.pictures for text in (picture.title, picture.x, picture.y)]
    for curve in (curve for picture in each.pictures for curve in picture.curves):
        places = [point.at for point in curve.points]
        assert places == sorted(places)
    assert all(text.en.isascii() and any("\u4e00" <= letter <= "\u9fff" for letter in text.zh) for text in texts)


@pytest.mark.parametrize("each", CLAIMS.values(), ids=CLAIMS)
def test_chinese_sentences_have_the_same_numbers_and_chinese_punctuation_and_units(each: Claim) -> None:
    texts = [each.statement, each.experiment, *(effect.what for effect in each.effects)]
    texts += [] if each.caveat is None else [each.caveat]
    texts += [text for picture in each.pictures for text in (picture.title, picture.x, picture.y)]
    texts += [curve.label for picture in each.pictures for curve in picture.curves]
    for said in [text.zh for text in texts] + list(WORDS["zh"].values()):
        assert not re.search(r"[\u4e00-\u9fff”）}][,:;?!(]|[,:;?!)][\u4e00-\u9fff“（]", said), said
    for text in texts:
        english, chinese = (sorted(re.findall(r"\d+(?:[.,]\d+)*", said)) for said in (text.en, text.zh))
        assert english == chinese, text  # as every translation of the documents
    assert WORDS["en"].keys() == WORDS["zh"].keys()
    assert {effect.unit for effect in each.effects} <= UNITS.keys()


@pytest.mark.parametrize("each", CLAIMS.values(), ids=CLAIMS)
def test_each_cell_names_agents_and_values_that_exist(each: Claim) -> None:
    from rlformer.agents.cards import resolve

    for cell in each.cells(False):
        if isinstance(cell, Online):
            assert cell.spec.keeps_log
        elif isinstance(cell, Trained):
            resolve(cell.task.spec, cell.agent, list(cell.values))
        elif isinstance(cell, (FirstGood, Speed)):
            resolve(task("PassiveTMaze", length=3).spec, cell.agent, [])
        assert 1 < cell.foreseen < 3600, cell.name


_OF_TRAINING = (
    "batch_size", "learning_rate", "final_learning_rate", "warmup_steps", "weight_decay", "gradient_clip", "dropout",
    "validate_every", "patience", "held_out_share", "episode_filter", "target_return", "action_selection", "tokens",
    "standardise", "conditioning",
)  # fmt: skip


@pytest.mark.parametrize("each", CLAIMS.values(), ids=CLAIMS)
def test_what_an_effect_compares_is_trained_alike(each: Claim) -> None:
    """Down to the steps of imitation and of a window, but for an MLP's, which reads one."""
    from rlformer.agents.cards import resolve
    from rlformer.agents.sequence.objectives import pretraining_steps

    for effect in each.effects:
        cells = [cell for cell in (effect.more, effect.less) if isinstance(cell, Trained)]
        specs = [resolve(cell.task.spec, cell.agent, list(cell.values)) for cell in cells]
        if len(specs) < 2 or any(spec.agent.learner != "sequence" for spec in specs):
            continue
        logs = [(cell.task, cell.training, cell.recipe, cell.steps, cell.episodes) for cell in cells]
        assert logs[0] == logs[1], effect.what
        alike = [{key: spec.values[key] for key in _OF_TRAINING} for spec in specs]
        assert alike[0] == alike[1], effect.what
        imitation = [spec.values["gradient_steps"] - pretraining_steps(spec.values) for spec in specs]
        assert imitation[0] == imitation[1], effect.what
        contexts = {spec.values["context_length"] for spec in specs if spec.values["backbone"] not in ("mlp", "linear")}
        assert len(contexts) < 2, effect.what


def test_half_of_a_cue_is_half_way_between_a_guess_and_what_can_be_known() -> None:
    """Of windows of two steps three steps are read, one of them a turn whose cue is seen."""
    from rlformer.studies.claims.rows.recipes import half_remembered

    guess, known = math.log(2), 2 / 3 * math.log(2)
    assert half_remembered(1) == pytest.approx((guess + known) / 2)


def small(**given: object) -> Trained:
    values = ("gradient_steps=4", "validate_every=2", "patience=0", "batch_size=4")
    return Trained(task("Umbrella", length=1), "rvs", values, episodes=20, **given)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_loss_is_reached_at_a_step_or_never(tmp_path: Path) -> None:
    at_once, never = (small(loss=loss).measure(0, tmp_path, Hooks()) for loss in (10.0, 0.0))
    assert (at_once["steps_to_loss"], never["steps_to_loss"]) == (2.0, 8.0)
    assert never["cpu_to_loss"] == pytest.approx(4 * at_once["cpu_to_loss"])


def test_a_training_that_diverged_scores_as_random_play_and_never_reaches_its_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(*given: object) -> None:
        raise DivergedError("the loss is not finite")

    monkeypatch.setattr(Trained, "train", diverge)
    assert small(loss=0.5).measure(0, tmp_path, Hooks()) == {
        "diverged": 1.0, "z": 0.0, "return": 0.0, "steps_to_loss": 8.0,
    }  # fmt: skip


def test_models_that_are_compared_have_matched_parameters() -> None:
    """Within 20 %, for worlds whose observations are as long as PassiveTMaze's."""
    from rlformer.agents.cards import resolve
    from rlformer.agents.sequence.architecture import Architecture
    from rlformer.agents.sequence.trajectory import TrajectoryModel
    from rlformer.envs.make import spaces_of

    where = task("PassiveTMaze", length=9).spec
    counts = {}
    for agent in ("dt", "dt-lstm", "dt-gru", "dt-conv"):
        values = resolve(where, agent, ["context_length=10"]).values
        counts[agent] = TrajectoryModel(Architecture.of(values, spaces_of(where), 10)).num_parameters
    assert max(counts.values()) <= 1.2 * min(counts.values()), counts


def test_logs_of_tasks_that_differ_lie_apart(tmp_path: Path) -> None:
    """Scales too: they are wrappers of one kind."""
    from rlformer.studies.diagnose.play import log_path

    specs = [task("PassiveTMaze", scale, length=5).spec for scale in (1.0, 10.0, 100.0)]
    assert len({log_path(spec, 20, 0, tmp_path) for spec in specs}) == 3


@pytest.mark.slow
def test_the_command_measures_once_answers_and_writes_both_languages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = ("gradient_steps=2", "validate_every=2", "patience=0", "batch_size=4")
    world = task("Umbrella", length=1)
    one = Trained(world, "rvs", small, episodes=20)
    other = Trained(world, "rvs", (*small, "backbone=linear", "layers=1"), episodes=20)
    effect = Effect(Text("more", "多"), one, other, "return", "greater", 0.1, "points", quick=True)
    given = Claim(
        "given", "6", Text("It is more.", "更多。"), Text("Compare.", "比较。"), (effect,), ("rlformer/a.py",)
    )
    monkeypatch.setitem(CLAIMS, "given", given)
    told: list[str] = []
    places = {"root": tmp_path / "runs", "out": tmp_path / "out"}
    first = api.claims(only="given", listen=lambda event: told.append(event.kind), **places)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("seed-0.json")}
    assert len(times) == 2
    again = api.claims(only="given", **places)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert first["claims"] == again["claims"]
    assert first["claims"][0]["verdict"] in ("shown as claimed", "shown otherwise")
    for name, word in (("report.md", "It is more."), ("report.zh.md", "更多。"), ("report.html", "It is more.")):
        assert word in (tmp_path / "out" / name).read_text(encoding="utf-8")
    assert "<script" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def pictured(*at: float, log_y: bool = False) -> Claim:
    """A claim with a picture: a point of the cell `more` at each place, and one of a cell that is measured for it."""
    points = [Point(x, MORE, "score") for x in at]
    curves = (Curve(Text("more", "多"), tuple(points)), Curve(Text("own", "独"), (Point(1.0, Given("own"), "score"),)))
    axes = (Text("Scores", "得分"), Text("size", "大小"), Text("score", "得分"))
    return replace(claim(), pictures=(Picture(*axes, curves, log_y=log_y),))


def test_a_picture_shows_the_mean_over_seeds_and_its_interval() -> None:
    from scipy.stats import t

    (picture,) = answer(pictured(1.0, 2.0), measured([1.0, 2.0, 6.0], [0.0] * 3), quick=False).pictures
    assert [curve.label.en for curve in picture.curves] == ["more"]  # nothing is known of the other
    point = picture.curves[0].points[1]
    half = t.ppf(0.975, 2) * np.std([1, 2, 6], ddof=1) / math.sqrt(3)
    assert (point.at, point.mean, point.values) == (2.0, 3.0, (1.0, 2.0, 6.0))
    assert (point.low, point.high) == pytest.approx((3 - half, 3 + half))


def test_a_picture_of_one_point_is_left_out_and_a_logarithm_needs_what_is_positive() -> None:
    assert not answer(pictured(1.0), measured([1.0], [0.0]), quick=False).pictures
    numbers = measured([0.0, 4.0], [0.0, 0.0])
    (picture,) = answer(pictured(1.0, 2.0, log_y=True), numbers, quick=False).pictures
    assert [point.values for point in picture.curves[0].points] == [(4.0,), (4.0,)]


def test_what_only_a_picture_shows_is_measured_in_the_full_experiment_alone() -> None:
    names = [[cell.name for cell in pictured(1.0, 2.0).cells(quick)] for quick in (True, False)]
    assert names == [["more", "less"], ["more", "less", "own"]]


def test_pictures_stand_in_the_page_and_in_files_that_the_markdown_shows(tmp_path: Path) -> None:
    found = answer(pictured(1.0, 2.0), measured([1.0, 2.0], [0.0] * 2), quick=False)
    build(suite.Answers("full", 2, (found,), (), 0.0), tmp_path)
    for ending, title in (("", "Scores"), (".zh", "得分")):
        file = f"figures/given-1{ending}.svg"
        drawn = (tmp_path / file).read_text(encoding="utf-8")
        assert f"![{title}]({file})" in (tmp_path / f"report{ending}.md").read_text(encoding="utf-8")
        assert drawn in (tmp_path / f"report{ending}.html").read_text(encoding="utf-8")


def test_each_picture_is_drawn_once_in_each_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    for module in (chart, rails):
        draw = module.draw
        monkeypatch.setattr(module, "draw", lambda *given, draw=draw: drawn.append(given[0]) or draw(*given))
    found = answer(pictured(1.0, 2.0), measured([1.0, 2.0], [0.0] * 2), quick=False)
    build(suite.Answers("full", 2, (found,), (), 0.0), tmp_path)
    assert sorted(drawn) == sorted(["Scores", "得分", WORDS["en"]["rails"], WORDS["zh"]["rails"]])


def test_the_markdown_shows_every_effect_in_a_figure_and_links_to_each_claim(tmp_path: Path) -> None:
    found = answer(claim(), measured([0.5, 0.6, 0.4], [0.0] * 3), quick=False)
    build(suite.Answers("full", 3, (found,), (), 0.5), tmp_path)
    for ending, said in (("", "claimed: above 0.1 (points)"), (".zh", "声明：大于 0.1（points）")):
        file = f"figures/given-effects{ending}.svg"
        text = (tmp_path / f"report{ending}.md").read_text(encoding="utf-8")
        assert f"]({file})" in text
        assert "](#given)" in text
        assert '<a id="given"></a>' in text
        drawn = re.sub(r"<[^>]+>|\s", "", (tmp_path / file).read_text(encoding="utf-8"))  # over several lines
        assert said.replace(" ", "") in drawn
    assert "0.5 (0.252 to 0.748)" in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "0.5（0.252 至 0.748）" in (tmp_path / "report.zh.md").read_text(encoding="utf-8")


def test_a_rail_holds_its_interval_zero_and_margin() -> None:
    effect = answer(claim(), measured([0.5, 0.6, 0.4], [0.0] * 3), quick=False)
    (row,) = edition(suite.Answers("full", 3, (effect,), (), 0.0), "en", None, "now").claims[0].rows
    assert row.rail is not None
    assert (row.rail.zero, row.rail.band[1], row.rail.high) == (6.0, 100.0, 94.0)
    assert row.rail.zero < row.rail.band[0] < row.rail.low < row.rail.point < row.rail.high
    assert dict(row.rail.ticks)[row.rail.band[0]] == "0.1"
    assert row.confirmed is True
    with pytest.raises(ValueError, match="no effect"):
        rails.draw("none", [])


class Sleeps(Given):
    """Waits, as beside other work."""

    def measure(self, seed: int, root: Path, hooks: Hooks) -> Numbers:
        time.sleep(0.5)
        return {"score": 1.0}


def test_what_a_cell_takes_is_cpu_time_and_not_waiting(tmp_path: Path) -> None:
    suite._measure(suite._Work(Sleeps("waits"), 0, tmp_path), lambda: False, lambda *_: None)
    found = read(Sleeps("waits"), 0, tmp_path)
    assert found is not None
    assert found.seconds < 0.25


def test_a_forecast_counts_what_is_left_and_takes_what_was_measured_as_its_pace(tmp_path: Path) -> None:
    alone = Given("timed", alone=True, foreseen=20.0)
    timed = Effect(Text("timed", "计时"), alone, LESS, "score", "greater", 0.1, "points", quick=True)
    asked = (claim("greater", 0.1, timed), replace(claim(), name="again"))
    before = foresee(asked, "full", 3, tmp_path / "runs", jobs=2)
    assert [(row.claim, row.cells, row.left) for row in before.claims] == [("given", 3, 9), ("again", 0, 0)]
    assert (before.cpu_seconds, before.wall_seconds) == (3 * 40.0, 3 * (20.0 / 2 + 20.0))  # what is timed runs alone
    assert not list(tmp_path.iterdir())
    write(MORE, 0, tmp_path / "runs", Measured({"score": 1.0}, 5.0))  # twice as fast as foreseen
    after = foresee(asked, "full", 3, tmp_path / "runs")
    assert (after.measured, after.left) == (1, 8)
    assert after.cpu_seconds == pytest.approx(2 * 5.0 + 3 * (5.0 + 10.0))
    assert after.line() == "3 measurements on 3 seeds, 1 of them done: about 55 s on one core"
    for cell in (MORE, LESS, alone):
        for seed in range(3):
            write(cell, seed, tmp_path / "runs", Measured({"score": 1.0}, 5.0))
    assert foresee(asked, "full", 3, tmp_path / "runs").line().endswith("9 of them done: nothing is left to measure")


def test_the_forecast_of_a_training_follows_its_steps_and_tokens() -> None:
    world = task("PassiveTMaze", length=5)
    few, many, three = (
        Trained(world, "dt", ("gradient_steps=1000", "context_length=6", "batch_size=128", *more)).foreseen
        for more in ((), ("gradient_steps=2000",), ("tokens=separate",))
    )
    assert few < many < three
    assert (
        Online(task("CartPole-v1"), "ppo", ("steps=20000",)).foreseen
        > Online(task("CartPole-v1"), "ppo", ("steps=10000",)).foreseen
    )


def test_where_an_explainer_looks_is_asked_of_a_policy_that_solves_its_task_alone(tmp_path: Path) -> None:
    small = ("gradient_steps=2", "validate_every=2", "patience=0", "batch_size=4", "tokens=separate")
    of = Trained(replace(task("PassiveTMaze", length=2), distractors=1), "dt", small, episodes=40)
    with pytest.raises(InputError, match="does not solve its task, so that nothing is known of what it looks at"):
        LooksAt(of, "attention rollout", ("observation -2",)).measure(0, tmp_path, Hooks())


def test_only_what_is_left_is_handed_out_and_waits_only_for_what_is_left(tmp_path: Path) -> None:
    base = Given("base")
    cells: tuple[Cell, ...] = (base, Given("above", needs=(base,)))
    write(base, 0, tmp_path, Measured({"score": 1.0}, 1.0))
    jobs = suite._jobs(cells, 2, tmp_path)
    assert [(job.key, job.needs) for job in jobs] == [
        (("above", 0), ()),
        (("base", 1), ()),
        (("above", 1), (("base", 1),)),
    ]
    for cell in cells:
        for seed in range(2):
            write(cell, seed, tmp_path, Measured({"score": 1.0}, 1.0))
    assert suite._jobs(cells, 2, tmp_path) == []


def test_a_failed_measurement_is_told_and_leaves_the_claim_unmeasured(tmp_path: Path) -> None:
    lost = suite.Answers("full", 2, (answer(claim(), {}, quick=False),), (suite.Unmeasured("more", 1, "broke"),), 0.0)
    found = build(lost, tmp_path)
    assert found["claims"][0]["verdict"] == "not measured"
    assert "more, seed 1: broke" in document(edition(lost, "en", None, "now"))
    assert "未测得" in document(edition(lost, "zh", None, "now"))
