"""The page and report.md of invented runs: what they show and say, and that they are whole and safe."""

from __future__ import annotations

import csv
import html
import html.parser
import io
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlformer import statistics
from rlformer.core.records import EnvSpec
from rlformer.evaluator.as_json import encode
from rlformer.evaluator.judge.load import Point, read_runs
from rlformer.report import build, find_runs, plots
from rlformer.report.build import results as results_of
from rlformer.report.build import view_of
from rlformer.report.markdown import document
from rlformer.report.page import page
from rlformer.report.sections import SECTIONS, EnvironmentSection, EnvironmentView
from rlformer.report.sections.performance import figures, table
from rlformer.report.sections.time.flops import score_against_flops
from rlformer.report.templates import asset
from rlformer.runs.inputs import Recipe
from rlformer.runs.missing import MissingRun
from tests.support.make_runs import (
    BC,
    BC_TOP,
    CARTPOLE,
    DT,
    FULL,
    PPO,
    RANDOM,
    make_run,
    make_runs,
)

ROOT = Path(__file__).resolve().parents[2]
OTHER = replace(CARTPOLE, name="Other-v0", id="Other-v0")
HOSTILE = EnvSpec(name="<script>alert(1)</script>", id="<script>alert(1)</script>")


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of the quick profile, with a failed one."""
    root = tmp_path_factory.mktemp("runs")
    make_runs(root)
    make_run(root, DT, 3, error="RuntimeError: the loss is NaN at step 412")
    return root


@pytest.fixture(scope="module")
def report(quick: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    build([quick], out, command="rlformer compare CartPole-v1 --profile quick")
    return out


@pytest.fixture(scope="module")
def results(report: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((report / "results.json").read_text(encoding="utf-8"))
    return found


def arm_of(results: dict[str, Any], label: str) -> dict[str, Any]:
    arms = results["environments"][0]["arms"]
    return next(arm for arm in arms if arm["label"] == label)


def view(root: Path) -> EnvironmentView:
    """What the sections of a report on the runs below `root` read of the one environment."""
    return view_of(read_runs(find_runs([root]))[0]).environments[0]


def environment_of(root: Path) -> dict[str, Any]:
    """The one environment of the results of the runs below `root`."""
    environment: dict[str, Any] = results_of(view(root).report)["environments"][0]
    return environment


def summary_of(root: Path) -> list[str]:
    """The answers of the summary."""
    return [answer.text for answer in view(root).words.summary]


def test_what_a_failed_run_spent_is_told(tmp_path: Path) -> None:
    make_run(tmp_path / "runs", PPO, 0, error="KilledError")
    build([tmp_path / "runs"], tmp_path / "out")
    for name in ("report.html", "report.md"):
        assert "40k environment steps" in (tmp_path / "out" / name).read_text(encoding="utf-8")


def test_memory_on_a_gpu_stands_beside_the_hosts(tmp_path: Path) -> None:
    make_runs(tmp_path / "runs", [BC, PPO])
    for path in (tmp_path / "runs").rglob("record.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["agent"] == "bc":
            path.write_text(json.dumps({**record, "peak_gpu_memory_bytes": 2_000_000_000}), encoding="utf-8")
    results = build([tmp_path / "runs"], tmp_path / "out").results
    assert arm_of(results, "bc")["peak_gpu_memory_bytes"]["mean"] == 2e9
    assert (tmp_path / "out" / "report.html").read_text(encoding="utf-8").count(", GPU 2GB<") == 1


def test_runs_without_a_directory_are_told_everywhere(tmp_path: Path) -> None:
    make_runs(tmp_path / "runs", [BC, PPO], seeds=(0, 1))
    missing = [MissingRun("CartPole-v1", "bc", 2, "killed <by> the kernel", "bc", Recipe())]
    missing += [MissingRun("CartPole-v1", "dt", seed, f"ppo seed {seed} did not finish", "dt") for seed in (1, 0)]
    missing += [MissingRun("Other-v0", "dt", 0, "no display", "dt")]
    results = build([tmp_path / "runs"], tmp_path / "out", missing=missing).results
    (environment,) = results["environments"]
    assert (environment["missing"], results["missing"]) == (encode(missing[:3]), encode(missing[3:]))
    shown = view_of(read_runs(find_runs([tmp_path / "runs"]))[0], missing=missing).environments[0]
    seeds = {row["arm"].text: row["seeds"] for row in table.rows(shown)}
    assert (seeds["bc"].text, seeds["bc"].title) == ("2 (1 failed)", "seeds 0, 1; no run on 2")
    assert seeds["ppo"].text == "2"
    assert "bc has no run on seed 2: killed <by> the kernel" in environment["warnings"]
    assert "dt has no run on seeds 0, 1: ppo seed 1 did not finish" in environment["warnings"]
    assert results["warnings"] == ["dt on Other-v0 has no run on seed 0: no display"]
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    section = page.split('id="failures"')[1].split("</section>")[0]
    for text in ("killed &lt;by&gt; the kernel", "ppo seed 0 did not finish", "Other-v0", "no display"):
        assert text in section
    assert "dt on Other-v0 has no run" in page
    assert "Other-v0, dt, seed 0: no run: no display" in (tmp_path / "out/report.md").read_text(encoding="utf-8")


def test_random_play_is_labelled_sampled_and_is_no_reason_to_warn(tmp_path: Path) -> None:
    make_runs(tmp_path / "runs", [RANDOM, BC], seeds=(0, 1))
    (environment,) = build([tmp_path / "runs"], tmp_path / "out").results["environments"]
    assert [arm["action_selection"] for arm in environment["arms"]] == [["sampled"], ["greedy"]]
    assert environment["evaluation"]["action_selection"] == ["greedy"]
    assert not [text for text in environment["warnings"] if "greedily" in text]
    assert "greedy actions (random: sampled)," in (tmp_path / "out/report.html").read_text(encoding="utf-8")


def test_random_play_alone_is_labelled_sampled(tmp_path: Path) -> None:
    make_runs(tmp_path / "runs", [RANDOM], seeds=(0,))
    build([tmp_path / "runs"], tmp_path / "out")
    assert "policy, sampled actions," in (tmp_path / "out/report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_operations_are_those_of_the_runs_and_curves_end_at_them(results: dict[str, Any], quick: Path) -> None:
    spent = [run["flops"]["training"] for run in arm_of(results, "ppo")["runs"]]
    cell = {row["arm"].text: row for row in table.rows(view(quick))}["ppo"]["flops"]
    assert cell.value == pytest.approx(np.mean(spent))
    figure = score_against_flops(view(quick))
    assert figure is not None
    lines = [trace for trace in figure.data if trace["name"] == "ppo" and trace["mode"] == "lines"]
    ends = [x for x, after in zip(lines[0]["x"], [*lines[0]["x"][1:], None], strict=True) if x and after is None]
    assert ends == pytest.approx(spent)  # of each seed
    assert lines[-1]["x"][-1] == pytest.approx(np.mean(spent))  # of their mean


def test_runs_made_before_operations_were_counted_are_shown_without(tmp_path: Path) -> None:
    for run in make_runs(tmp_path, [BC, PPO], seeds=(0, 1)):
        old = json.loads((run.path / "record.json").read_text())
        del old["flops"]
        (run.path / "record.json").write_text(json.dumps(old))
    cell = table.rows(view(tmp_path))[0]["flops"]
    assert (cell.text, cell.title) == ("–", "not counted")
    assert score_against_flops(view(tmp_path)) is None


def test_one_seed_has_a_mean_and_no_interval(tmp_path: Path) -> None:
    make_runs(tmp_path, [BC, PPO], seeds=(0,))
    shown = view(tmp_path)
    assert shown.evidence.arms[0].mean_return.low is None
    assert table.rows(shown)[0]["interval"].title == "one seed: no interval"
    said = " ".join(summary_of(tmp_path))
    assert "seems" not in said
    assert "One seed cannot show" in said


def test_without_a_card_there_is_no_score_and_the_reason_is_told(tmp_path: Path) -> None:
    make_runs(tmp_path, [BC, PPO], seeds=(0, 1), env=HOSTILE)
    row = table.rows(view(tmp_path))[0]
    assert (row["z"].text, row["z"].title) == ("–", "no scores to normalise by on the card")
    assert row["success"].title == "no solved threshold on the card"


def test_few_seeds_only_ever_lean(results: dict[str, Any]) -> None:
    said = [item["text"] for item in results["environments"][0]["summary"]]
    assert "It seems to score higher than bc" in said[0]
    for word in ("It scores higher", "is probably", "There is probably", "There is no"):
        assert word not in " ".join(said)
    assert "75 %" in said[-1]  # the coverage of three seeds at even odds


def test_an_arm_alone_is_not_called_the_best(tmp_path: Path) -> None:
    make_runs(tmp_path, [RANDOM, PPO])
    make_run(tmp_path, BC, 0, error="KilledError")
    assert "ppo is the only trained arm that finished" in summary_of(tmp_path)[0]


@pytest.mark.slow
def test_twenty_seeds_may_claim(tmp_path: Path) -> None:
    make_runs(tmp_path, [BC, PPO], seeds=range(20))
    assert "It scores higher than bc." in summary_of(tmp_path)[0]


def test_filtered_imitation_may_win(tmp_path: Path) -> None:
    make_runs(tmp_path, [replace(BC_TOP, mean=480, spread=5), replace(DT, mean=300, spread=20)])
    answers = view(tmp_path).words.summary
    asked = next(answer for answer in answers if answer.lead.startswith("Does the sequence model"))
    assert asked.text.startswith("bc-top seems to be better than dt.")


def test_limits_are_always_told(report: Path, results: dict[str, Any]) -> None:
    page = (report / "report.html").read_text(encoding="utf-8")
    assert "What this report cannot tell you" in page
    assert len(results["limits"]) >= 8
    assert (
        "in 75 % of cases when every second run succeeds, and in 27 % of cases when 9" in results["limits"][2]["text"]
    )


class Attributes(html.parser.HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_fetches_nothing(report: Path) -> None:
    elements = Attributes((report / "report.html").read_text(encoding="utf-8")).found
    for _, attributes in elements:
        for name in ("src", "href", "action", "srcset", "data"):
            assert not re.match(r"\s*(https?:)?//", attributes.get(name) or "")
    policy = next(a["content"] for tag, a in elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "connect-src" not in policy
    assert sum(tag == "script" for tag, _ in elements) == 4  # results, figures, plotly.js once, the page's own


def test_headings_labels_and_references_fit(report: Path) -> None:
    elements = Attributes((report / "report.html").read_text(encoding="utf-8")).found
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in elements:
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids
        if tag == "a" and (attributes.get("href") or "").startswith("#"):
            assert (attributes["href"] or "")[1:] in ids
        if tag == "th":
            assert attributes.get("scope") in ("col", "row", "colgroup")
    levels = [int(tag[1]) for tag, _ in elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(below - above <= 1 for above, below in itertools.pairwise(levels))


def test_names_stay_text_everywhere(tmp_path: Path) -> None:
    evil = replace(BC, agent="<img src=x onerror=alert(2)>", tuning="</script><b>|`*", learner="sequence")
    make_runs(tmp_path / "runs", [evil, PPO], seeds=(0, 1), env=HOSTILE)
    make_run(tmp_path / "runs", PPO, 2, env=HOSTILE, error="Error: <script>alert(3)</script>")
    build([tmp_path / "runs"], tmp_path / "out", title="<i>T</i>", command="rlformer </code><script>")
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    elements = Attributes(page).found
    assert not [tag for tag, _ in elements if tag in ("img", "i", "b")]
    assert not [name for _, attributes in elements for name in attributes if name.startswith("on")]
    assert sum(tag == "script" for tag, _ in elements) == 4
    assert "<script>" not in re.sub(r"`[^`]*`", "", (tmp_path / "out/report.md").read_text().split("    rlf")[0])
    data = figures.runs(view(tmp_path / "runs"))
    assert data is not None
    assert "&lt;img src=x" in data.layout["yaxis"]["ticktext"][1]


EVIL = "<script>alert(1)</script>`|*_[x](y)\r<b>\x1b[31m\x9b\u202e\x00"


def test_no_field_of_a_run_becomes_markup_or_steers_a_terminal(tmp_path: Path) -> None:
    env = replace(HOSTILE, name=EVIL, id=EVIL, summary=EVIL, random_source=EVIL, feature_names=(EVIL,) * 4)
    for seed in (0, 1):
        make_run(tmp_path / "runs", replace(BC, agent=EVIL, tuning=EVIL), seed, env=env)
        make_run(tmp_path / "runs", PPO, seed, env=env)
    make_run(tmp_path / "runs", PPO, 2, env=env, error=EVIL)
    left_out = tmp_path / "runs" / EVIL.replace("/", "-").replace("\x00", "")
    left_out.mkdir()
    (left_out / "record.json").write_text(json.dumps({"schema": EVIL}))
    build([tmp_path / "runs"], tmp_path / "out", title=EVIL, command=f"rlformer {EVIL}\n\n{EVIL}")
    text, written = ((tmp_path / "out" / name).read_bytes().decode() for name in ("report.md", "report.html"))
    for shown in (text, written):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]", shown)
    prose = [line for line in text.split("\n") if not line.startswith("    ")]  # the rest is code
    assert len(prose) < len(text.split("\n"))
    assert not [line for line in prose if re.search(r"(?<!\\)(\\\\)*[<`]", line)]
    assert "Folders left out" in text
    assert written.count("<script") == written.count("</script>") == 4


@pytest.mark.slow
def test_markdown_holds_the_main_table(quick: Path) -> None:
    lines = document(view(quick).report).splitlines()
    head = next(line for line in lines if line.startswith("| Arm"))
    table = lines[lines.index(head) :]
    table = table[: table.index("")]  # other tables have rows of these arms too
    rows = [line for line in table if re.match(r"\| (random|behaviour|bc|bc-top|rvs|dt|dqn|ppo) \|", line)]
    assert len(rows) == 8
    assert head.endswith("| Training time |")
    assert {line.count(" | ") for line in (head, *rows)} == {8}
    assert "3 (1 failed)" in "".join(rows)


@pytest.mark.slow
def test_several_environments_share_a_table(tmp_path: Path) -> None:
    make_runs(tmp_path / "runs", [BC, PPO], seeds=(0, 1))
    make_runs(tmp_path / "runs", [BC, DT, PPO], seeds=(0, 1), env=OTHER)
    make_runs(tmp_path / "runs", [PPO], seeds=(0, 1), env=HOSTILE)
    results = build([tmp_path / "runs"], tmp_path / "out").results
    assert results["across"]["units"] == ["return", "z", "z"]
    rows = {row["label"]: row for row in results["across"]["rows"]}
    assert list(rows) == ["bc", "dt", "ppo"]
    runs = [arm_["runs"] for e in results["environments"][1:] for arm_ in e["arms"] if arm_["label"] == "ppo"]
    scores = [np.array([run["normalized_score"] for run in some]) for some in runs]
    expected = statistics.interquartile_mean(scores)
    assert rows["ppo"]["interquartile_mean"]["point"] == pytest.approx(float(expected))
    assert rows["dt"]["interquartile_mean"] is None  # it did not run on one of them
    assert results["across"]["left_out"] == ["dt"]
    (pair,) = results["across"]["improvement"]
    assert (pair["a"], pair["b"], pair["point"], pair["high"]) == ("bc", "ppo", 0.0, 0.0)
    share = results["across"]["profiles"]["curves"][1]["share"]  # ppo's: every run above the least score
    assert (share[0], share[-1]) == (1.0, 0.0)
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert 'id="across-figure-profile"' in page
    assert "<strong>1.00 (1.00 to 1.00)</strong>" in page.split("across-pairs-caption")[2]
    assert "Other-v0" in (tmp_path / "out/report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_every_figure_is_valid_for_plotly(quick: Path) -> None:
    graph_objects = pytest.importorskip("plotly.graph_objects")
    shown = view(quick)
    drawn = {
        name: make(shown)
        for one in SECTIONS
        if isinstance(one, EnvironmentSection)
        for name, make in one.figures.items()
    }
    for name in ("performance", "data", "time", "flops", "parts", "asked"):
        figure = drawn[name]
        assert figure is not None
        plain = json.loads(re.sub(r'"@[a-z0-9/.-]+"', '"#123456"', json.dumps([figure.data, figure.layout])))
        graph_objects.Figure(data=plain[0], layout=plain[1])  # raises on a property that plotly does not know


@pytest.mark.slow
def test_colours_are_distinct_and_defined_for_both_themes(quick: Path) -> None:
    slots = plots.slots(view(quick).evidence.arms)
    assert len(set(slots.values())) == len(slots)
    style = asset("style.css")
    for slot in range(plots.COLOURS):
        assert len(re.findall(rf"--arm-{slot}: #[0-9a-f]{{6}};", style)) == 2


@pytest.mark.slow
def test_twenty_seeds_of_ten_arms_fit_into_six_megabytes(tmp_path: Path) -> None:
    make_runs(tmp_path, FULL, seeds=(0,))
    runs = read_runs(find_runs([tmp_path]))[0]
    rng = np.random.default_rng(0)
    many = []
    for run in runs:
        assert run.final is not None
        final = replace(run.final, returns=rng.normal(200, 50, 100))  # of many digits, unlike CartPole's
        curve = tuple(Point(1000 * i, i / 7, rng.normal(200, 50), None) for i in range(300))
        for seed in range(20):
            record = replace(run.record, seed=seed)
            many.append(replace(run, record=record, final=final, curve=curve, path=f"{run.path}-{seed}"))
    shown = view_of(many)
    assert len(page(shown, results_of(shown)).encode()) < 6e6


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr", "--v=0",
    "--virtual-time-budget=8000", "--dump-dom",
]  # fmt: skip


def browse(page: Path, profile: Path) -> tuple[str, list[str]]:
    """The page as the browser has it in the end, and what it wrote to the console."""
    assert CHROMIUM is not None
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_in_a_browser_the_plots_are_drawn_and_nothing_is_refused(report: Path, tmp_path: Path) -> None:
    dom, console = browse(report / "report.html", tmp_path)
    assert console == []  # an attempt to fetch anything would be refused by the policy, and told here
    for key in ("performance", "data", "time", "flops", "parts", "asked"):
        canvas = dom.split(f'id="e0-figure-{key}"')[1].split("<figcaption>")[0]
        assert "main-svg" in canvas
        assert re.search(r'class="(points|lines|scatterlayer|barlayer)', canvas)
        assert "@arm" not in canvas
    assert 'href="blob:' in dom


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_in_a_browser_the_table_sorts_with_what_is_missing_last(report: Path, quick: Path, tmp_path: Path) -> None:
    page = (report / "report.html").read_text(encoding="utf-8")
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)  # it refuses the driver below
    driver = """<script>
      const press = (key) => document.querySelector(`.main button[data-key="${key}"]`).click();
      const order = () => [...document.querySelectorAll(".main tbody th")].map((c) => c.textContent).join(",");
      const say = (id, text) => {
        document.body.append(Object.assign(document.createElement("p"), { id, textContent: text }));
      };
      say("csv", csv(document.querySelector(".main")).replaceAll("\\r\\n", "|"));
      press("mean"); say("down", order()); press("mean"); say("up", order());
      press("parameters"); say("missing", order()); press("arm"); say("ladder", order());
    </script>"""
    copy = tmp_path / "driven.html"
    copy.write_text(page.replace("</body>", driver + "</body>"), encoding="utf-8")
    dom, _ = browse(copy, tmp_path / "profile")
    said = dict(re.findall(r'<p id="(down|up|missing|ladder)">([^<]*)</p>', dom))
    rows = {row["arm"].text: row for row in table.rows(view(quick))}
    ladder = list(rows)
    by_mean = sorted(ladder, key=lambda label: rows[label]["mean"].value)
    assert said["up"].split(",") == by_mean
    assert said["down"].split(",") == by_mean[::-1]
    assert set(said["missing"].split(",")[-2:]) == {"random", "behaviour"}
    assert said["ladder"].split(",") == ladder
    head, *lines, end = html.unescape(re.findall(r'<p id="csv">([^<]*)</p>', dom)[0]).split("|")
    assert (head.split(","), end) == (["arm", *(column.key for column in table.COLUMNS)], "")
    values = dict(zip(head.split(","), lines[ladder.index("ppo")].split(","), strict=True))
    assert float(values["mean"]) == rows["ppo"]["mean"].value
    assert values["interval"] == rows["ppo"]["interval"].text
    random = dict(zip(head.split(","), lines[ladder.index("random")].split(","), strict=True))
    assert (float(random["env_steps"]), random["parameters"]) == (0.0, "")  # nothing, and nothing to say


def test_a_figure_says_its_finding_in_the_title_and_can_be_saved(report: Path) -> None:
    page = (report / "report.html").read_text(encoding="utf-8")
    said = dict(re.findall(r'id="e0-figure-(\w+)-title">([^<]*)<', page))
    assert re.fullmatch(r"Highest mean return: ppo with [\d.]+, then \S+ with [\d.]+", said["performance"])
    assert re.match(r"Highest score: ppo with 1.00 after \S+ environment or logged steps; ", said["data"])
    assert re.match(r"Seeds that reached a score of 0.9: ppo \d of \d", said["survival"])
    for key in said:
        saved = re.findall(rf'<button type="button" data-figure="e0-figure-{key}" data-format="(\w+)"', page)
        assert saved == ["png", "svg", "csv"]


def test_no_box_that_scrolls_is_a_landmark_and_each_is_reached_by_the_keyboard(report: Path) -> None:
    page = (report / "report.html").read_text(encoding="utf-8")
    boxes = re.findall(r'<div class="scroll[^>]*>', page)
    assert boxes
    assert all('role="group"' in box and 'tabindex="0"' in box and "aria-label" in box for box in boxes)
    assert "<th></th>" not in page


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_in_a_browser_a_figure_is_saved_as_the_values_that_it_draws(report: Path, quick: Path, tmp_path: Path) -> None:
    page = (report / "report.html").read_text(encoding="utf-8")
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)  # it refuses the driver below
    driver = """<script>
      for (const id of Object.keys(specs)) {
        document.body.append(
          Object.assign(document.createElement("p"), { id: "csv-" + id, textContent: figureCsv(specs[id]) }),
        );
      }
    </script>"""
    copy = tmp_path / "driven.html"
    copy.write_text(page.replace("</body>", driver + "</body>"), encoding="utf-8")
    dom, _ = browse(copy, tmp_path / "profile")
    saved = {key: html.unescape(text) for key, text in re.findall(r'<p id="csv-e0-figure-(\w+)">([^<]*)</p>', dom)}
    assert set(saved) >= {"performance", "data", "time", "asked", "survival", "parts"}
    rows = list(csv.DictReader(io.StringIO(saved["performance"])))
    drawn = [row for row in rows if row["series"] == "ppo" and row["note"].startswith("seed")]
    scores = [run.score for run in view(quick).evidence.arm("ppo").counted]
    assert [float(row["mean episode return"]) for row in drawn] == pytest.approx(scores, rel=1e-4)
    bands = [row for row in csv.DictReader(io.StringIO(saved["data"])) if row["drawn as"] == "band"]
    assert bands
    assert all(float(row["low"]) <= float(row["high"]) for row in bands)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_report_is_printed_on_few_pages_and_fits_a_phone(report: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "audit_report"), str(report)]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=env)
    assert "ok    printed" in done.stdout, done.stdout + done.stderr
    assert "ok    width on a phone " in done.stdout
    assert "ok    width on a phone, unfolded" in done.stdout
    assert "ok    errors in the console" in done.stdout
    assert "-     axe, light                   not measured: no axe.min.js" in done.stdout
