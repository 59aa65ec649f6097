"""The documents: what they tell to type can be typed, in whatever language; what is published is small and whole.

A block of commands or of Python in README, or in a page of docs/, is run as it stands, page by page, each in a folder
of its own. Comments of HTML before a block, which no reader sees, say what is different here:

    <!-- run: skip (REASON) -->         it is not run
    <!-- run: add OPTIONS -->           each command gets these too: less training
    <!-- run: replace OLD => NEW -->    the same for Python
    <!-- run: before                    what the block needs, in its language
    ... -->

Code that a page takes from a file (`<!-- code: FILE NAME -->`) is not run: it is compared with the file.
"""

from __future__ import annotations

import ast
import base64
import gzip
import hashlib
import html
import json
import os
import re
import runpy
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from rlformer.core.extras import EXTRAS

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
PAGES = [page for page in PAGES if not {"reports", "zh"} & set(page.parts)]  # translations have the same code
BLOCK = re.compile(r"((?:<!-- run: (?:(?!-->).)*?-->\s*)*)^```(bash|python)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
TAKEN = re.compile(r"^<!-- code: \S+ \S+ -->\n```python\n.*?^```$", re.DOTALL | re.MULTILINE)
DIRECTIVE = re.compile(r"<!-- run: (\w+)\s(.*?)-->", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """Code of a document, as it is to be run."""

    language: str
    code: str
    skipped: bool


def blocks(page: Path) -> list[Block]:
    """All of a page, in their order. Raises AssertionError for a comment that says nothing known."""
    found = []
    for comments, language, code in BLOCK.findall(TAKEN.sub("", page.read_text(encoding="utf-8"))):
        skipped, before = False, ""
        for word, rest in DIRECTIVE.findall(comments):
            rest = html.unescape(rest)
            if word == "skip":
                assert re.fullmatch(r"\(.{10,}\)\s*", rest, re.DOTALL), f"skip wants a reason: {rest}"
                skipped = True
            elif word == "add":
                code = "\n".join(added(line, rest.strip()) for line in code.splitlines())
            elif word == "replace":
                old, _, new = rest.strip().partition(" => ")
                assert old in code, f"{page}: '{old}' is not in the block"
                code = code.replace(old, new)
            else:
                assert word == "before", f"{page}: run: {word}"
                before += rest
        found.append(Block(language, before + code, skipped))
    return found


def added(line: str, options: str) -> str:
    """A command with further options, before its comment."""
    command, mark, comment = line.partition("  #")
    return f"{command} {options}{mark}{comment}" if command.startswith("rlformer ") else line


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


RUN = [page for page in PAGES if any(not block.skipped for block in blocks(page))]


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """An environment in which `rlformer`, `python` and the scripts are those of this checkout."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, words in (("rlformer", "-m rlformer"), ("python", "")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        (programs / name).chmod(0o755)
    return {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=name_of)
def test_what_a_page_tells_to_type_can_be_typed(page: Path, tmp_path: Path, shell: dict[str, str]) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "scripts").symlink_to(ROOT / "scripts")
    for number, block in enumerate(blocks(page)):
        if block.skipped:
            continue
        if block.language == "bash":
            command = ["bash", "-e", "-o", "pipefail", "-c", block.code]
        else:
            (folder / f"block_{number}.py").write_text(guarded(block.code))
            command = [sys.executable, f"block_{number}.py"]
        done = subprocess.run(command, cwd=folder, env=shell, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{block.code}\n{done.stdout}\n{done.stderr}"


def guarded(code: str) -> str:
    """As a script whose workers may import it."""
    body = "".join(f"    {line}\n" for line in code.splitlines())
    return f'if __name__ == "__main__":\n{body}'


def test_every_page_says_what_of_it_is_not_run_and_why() -> None:
    skipped = {name_of(page): sum(block.skipped for block in blocks(page)) for page in PAGES}
    assert sum(len(blocks(page)) for page in PAGES) > 3 * sum(skipped.values())


def test_the_readme_is_read_in_minutes() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


TRANSLATED = [
    (ROOT / "README.md", ROOT / "README.zh-CN.md"),
    *((ROOT / "docs" / page.name, page) for page in sorted(ROOT.glob("docs/zh/*.md"))),
]


@pytest.mark.parametrize("page", ["docs/start.md", "docs/zh/start.md"])
def test_every_extra_is_in_the_table_of_the_page_on_installing(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    rows = [row for row in re.findall(r"^\| (.*?) \|", text, re.MULTILINE) if re.fullmatch(r"(`\w+`[,、 ]*)+", row)]
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(EXTRAS)


@pytest.mark.parametrize("pair", TRANSLATED, ids=lambda pair: name_of(pair[1]))
def test_a_translation_has_the_same_headings_commands_links_and_numbers(pair: tuple[Path, Path]) -> None:
    english, chinese = (page.read_text(encoding="utf-8") for page in pair)
    assert shape(chinese) == shape(english)
    assert code(chinese) == code(english)
    assert numbers(chinese) == numbers(english)


def shape(text: str) -> list[int]:
    """The levels of the headings."""
    return [len(marks) for marks in re.findall(r"^(#+) ", without_code(text), re.MULTILINE)]


def code(text: str) -> list[str]:
    """The lines of all blocks, without comments."""
    lines = [
        line
        for block in re.findall(r"^```\w*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        for line in block.split("\n")
    ]
    return [re.sub(r"\s+#.*", "", line) for line in lines]


def numbers(text: str) -> Counter[str]:
    """How often each number stands in the prose."""
    prose = re.sub(r"\]\([^)]*\)", "]", without_code(text))
    return Counter(re.findall(r"(?<![\w.-])\d+(?:[.,]\d+)*", prose, re.ASCII))


def without_code(text: str) -> str:
    return re.sub(r"<!--.*?-->|^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("notebook", sorted((ROOT / "docs").glob("*.ipynb")), ids=name_of)
def test_a_notebook_runs_from_its_first_cell_to_its_last(notebook: Path, tmp_path: Path, shell: dict[str, str]) -> None:
    pytest.importorskip("pandas")
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] for cell in cells if cell["cell_type"] == "code")  # they would age
    (tmp_path / "notebook.py").write_text(guarded("\n".join(map(displayed, code))), encoding="utf-8")
    command = [sys.executable, "notebook.py"]
    done = subprocess.run(command, cwd=tmp_path, env=shell, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def displayed(cell: str) -> str:
    """A cell whose last line, where it is a value, is shown as a notebook shows it."""
    *before, last = ast.parse(cell).body
    if not isinstance(last, ast.Expr):
        return cell
    value = ast.unparse(last)
    return "\n".join([*map(ast.unparse, before), f"shown = {value}", 'assert shown._repr_html_().startswith("<")'])


def published() -> list[Path]:
    return sorted(ROOT.glob("docs/reports/*/report.html"))


def test_tables_of_results_are_those_of_the_published_pages() -> None:
    publish = runpy.run_path(str(ROOT / "scripts" / "publish"))
    text = (ROOT / "docs" / "results.md").read_text("utf-8")
    assert "<!-- arms: CartPole-v1 -->" in text
    assert publish["with_tables"](text) == text, "meant so? scripts/publish REPORT NAME makes them anew"


TRAINED = ROOT / "docs" / "how-a-decision-transformer-is-trained.md"
SEVEN = [TRAINED, TRAINED.parent / "zh" / TRAINED.name]


@pytest.mark.parametrize("page", SEVEN, ids=name_of)
def test_the_seven_steps_lead_to_code_that_is_there(page: Path) -> None:
    """Each passage of code that the page takes, and each function that a link names, with its file."""
    code = runpy.run_path(str(ROOT / "scripts" / "_site.py"))["code"]
    text = page.read_text(encoding="utf-8")
    put_in = re.findall(r"^<!-- code: (\S+) (\S+) -->$", text, re.MULTILINE)
    assert len(put_in) >= 9
    named = re.findall(r"\[`([\w.]+)`\]\(([^)]+\.py)\)", text)
    assert len(named) == 7
    for file, name in [*put_in, *(((page.parent / link).resolve().relative_to(ROOT), name) for name, link in named)]:
        assert name.rpartition(".")[2] in code(str(file), name)
    assert all((page.parent / link).is_file() for link in re.findall(r"\]\((\.[^)]+\.py)\)", text))


def test_pages_hold_the_code_that_they_name_and_the_site_shows_it_once() -> None:
    site = runpy.run_path(str(ROOT / "scripts" / "_site.py"))
    for page in site["documents"]():
        text = page.read_text(encoding="utf-8")
        assert site["with_code"](text) == text, f"{name_of(page)}: meant so? scripts/docs code puts the code in anew"
        taken = TAKEN.findall(text)
        assert len(taken) == len(re.findall(r"^<!-- code: ", text, re.MULTILINE))
        shown = site["with_lines"](text)
        assert shown.count("``` { .python title=") == len(taken)
        assert shown.count("```python") == text.count("```python") - len(taken)
    assert len(TAKEN.findall(TRAINED.read_text(encoding="utf-8"))) > 9


def test_code_is_put_in_anew_where_it_has_changed_and_only_there() -> None:
    with_code = runpy.run_path(str(ROOT / "scripts" / "_site.py"))["with_code"]
    page = "<!-- code: rlformer/core/errors.py InputError -->\n{}\nWords.\n\n```python\nmine = 1\n```\n"
    old = "```python\nclass InputError:\n    pass\n```\n"
    for held in ("", old):
        text = with_code(page.format(held))
        (taken,) = TAKEN.findall(text)
        assert taken.partition("\n")[2].startswith("```python\nclass InputError(ValueError):\n")
        assert TAKEN.sub("", text) == TAKEN.sub("", page.format(old))
        assert with_code(text) == text
    with pytest.raises(ValueError, match=r"errors\.py has no Nothing"):
        with_code("<!-- code: rlformer/core/errors.py Nothing -->")


@pytest.mark.slow
def test_the_curves_of_the_seven_steps_are_those_of_a_training(tmp_path: Path) -> None:
    from rlformer import api
    from rlformer.runs import metrics

    log = api.collect("random", env="CartPole-v1", episodes=20, out=tmp_path / "log")
    values = ["gradient_steps=20", "validate_every=10", "width=16", "layers=1", "heads=1"]
    run = api.train("dt", dataset=log, overrides=values, root=tmp_path / "runs")
    tags = {tag for point in metrics.read(run / "metrics.jsonl") for tag in point}
    text = TRAINED.read_text(encoding="utf-8")
    told = {tag for tag in re.findall(r"`((?:train|eval)/[\w/]+)`", text) if not tag.endswith("LAYER")}
    assert len(told) == 6
    assert told <= tags, told - tags
    assert any(tag.startswith("train/gradient_norm/") for tag in tags)


def test_docs_are_small() -> None:
    files = [path for path in (ROOT / "docs").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 4_000_000


@pytest.mark.parametrize("page", published(), ids=lambda page: page.parent.name)
def test_a_published_page_admits_the_shared_library_and_its_own_script(page: Path) -> None:
    """What its policy admits is what it loads: else a browser shows no figure."""
    text = page.read_text(encoding="utf-8")
    policy = html.unescape(re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[1])  # type: ignore[index]
    shared, nonce = re.search(r'<script src="([^"]*)" nonce="([^"]*)"></script>', text).groups()  # type: ignore[union-attr]
    packed = re.search(r'textContent = "([^"]*)"', (page.parent / shared).read_text(encoding="utf-8"))[1]  # type: ignore[index]
    library = gzip.decompress(base64.b64decode(packed)).decode()
    (own,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digests = {base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in (library, own)}
    assert {f"'nonce-{nonce}'", *(f"'sha256-{digest}'" for digest in digests)} <= set(policy.replace(";", " ").split())


def test_published_answers_to_claims_lead_to_the_files_that_they_name(tmp_path: Path) -> None:
    report, docs = tmp_path / "report", tmp_path / "docs"
    for ending in ("", ".zh"):
        write = "![a](figures/a.svg) [`x`](../../rlformer/x.py) results.json"
        report.mkdir(exist_ok=True)
        (report / f"report{ending}.md").write_text(write)
    (report / "results.json").write_text("{}")
    (report / "figures").mkdir()
    (report / "figures/a.svg").write_text("<svg/>")
    (tmp_path / "rlformer").mkdir()
    (tmp_path / "rlformer/x.py").touch()
    runpy.run_path(str(ROOT / "scripts" / "publish"))["publish_claims"](report, docs)
    assert gzip.decompress((docs / "claims.json.gz").read_bytes()) == b"{}"
    for page in (docs / "claims.md", docs / "zh/claims.md"):
        links = re.findall(r"\]\(([^)]+)\)", page.read_text())
        assert len(links) == 3
        assert all((page.parent / link).is_file() for link in links), links


def test_publishing_keeps_every_number_and_takes_the_library_out(tmp_path: Path) -> None:
    """Twice does nothing new; what a page carries comes back as it was."""
    from rlformer.report.files import write
    from rlformer.report.page import compose

    results = {"title": "A title", "built": "2026-01-01T00:00:00", "environments": [], "value": 0.5, "warnings": []}
    page = compose("page.html.jinja", results, {}, navigation=[], sections=[])
    write(tmp_path / "report", results, "# A title\n", page)
    script = runpy.run_path(str(ROOT / "scripts" / "publish"))
    folder = script["publish"](tmp_path / "report", "one", tmp_path / "published")
    first = (folder / "report.html").read_text(encoding="utf-8")
    assert script["results"](folder) == results
    assert len(first) < len(page) / 10
    assert (folder / "report.md").read_text(encoding="utf-8") == "# A title\n"
    script["publish"](folder, "one", tmp_path / "published")
    assert (folder / "report.html").read_text(encoding="utf-8") == first


@pytest.mark.slow
def test_pages_made_from_the_code_tell_of_every_agent_key_and_command(monkeypatch: pytest.MonkeyPatch) -> None:
    from rlformer.agents import cards

    monkeypatch.chdir(ROOT)
    pages = runpy.run_path(str(ROOT / "scripts" / "_site.py"))["site"]().pages
    for name, card in cards.agents().items():
        page = pages[f"arms/{name}.md"]
        assert card.summary in page
        assert all(f"| `{key}` |" in page for key in card.defaults), name
        assert all(f"**{env}**" in page for env in card.presets), name
    assert "logsumexp_a Q(s, a) - Q(s, a_log)" not in pages["arms/cql.md"]  # it is put in when the page is built
    assert "<!-- code: rlformer/agents/offline/algorithms/cql/train.py conservative_gap -->" in pages["arms/cql.md"]
    assert "--max-minutes" in pages["reference/commands.md"]
    assert "`verdict.lambda`" in pages["reference/study.md"]
    assert "## ArmEvidence" in pages["reference/results.md"]


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_asks_no_network(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="pip install 'rlformer[docs]'")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {path.relative_to(tmp_path / "site").as_posix(): path for path in (tmp_path / "site").rglob("*.html")}
    assert {"index.html", "arms/dt.html", "environments.html", "reference/commands.html", "python.html"} <= set(pages)
    for name, path in pages.items():
        fetched = re.findall(
            r'<(?:script|img|link rel="stylesheet")[^>]*(?:src|href)="(https?:[^"]*)"', path.read_text("utf-8")
        )
        assert not fetched, f"{name} fetches {fetched}"
