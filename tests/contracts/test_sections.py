"""What every section of the report keeps to, over the registry itself."""

from __future__ import annotations

import html.parser
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import jinja2.meta
import pytest
from jinja2 import nodes

from rlformer.core.records import EnvSpec
from rlformer.evaluator.judge.load import find_runs, read_runs
from rlformer.report import sections, templates
from rlformer.report.build import results, view_of
from rlformer.report.markdown import document
from rlformer.report.page import blocks, page
from rlformer.report.plots import Figure
from rlformer.report.sections import SECTIONS, EnvironmentSection, EnvironmentView, ReportView
from rlformer.report.sections.base import Block
from tests.goldens import make
from tests.support.make_runs import BC, DT, PPO, make_run, make_runs

NAMES = [section.name for section in SECTIONS]
GIVEN = {"anchor", "prefix", "title", "level", "plots", "content", "single", "colours", "missing", "words"}
EVIL = "<img src=x onerror=alert(1)>|*b*`c`"


@pytest.fixture(scope="module", params=["study-one", "study-two", "nothing finished", "hostile names"])
def view(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ReportView:
    """What the sections read of both golden studies, of runs that all failed, and of names that look like markup."""
    root = tmp_path_factory.mktemp("runs")
    if request.param == "study-one":
        make.make_study_one(root)
    elif request.param == "study-two":
        make.make_study_two(root)
    elif request.param == "nothing finished":
        for arm in (BC, PPO):
            make_run(root, arm, 0, error="KilledError")
    else:
        evil = replace(BC, agent=EVIL, tuning=EVIL, learner="sequence")
        make_runs(root, [evil, DT, PPO], seeds=(0, 1), env=EnvSpec(name=EVIL, id=EVIL))
        make_run(root, PPO, 2, env=EnvSpec(name=EVIL, id=EVIL), error=EVIL)
    runs, skipped = read_runs(find_runs([root]))
    return view_of(runs, skipped, title=EVIL)


class Page(html.parser.HTMLParser):
    """The elements of some HTML, each with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, Mapping[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    @property
    def ids(self) -> list[str | None]:
        """Of all elements."""
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]


def views(view: ReportView, name: str) -> list[ReportView | EnvironmentView]:
    """What the section of that name is shown for."""
    section = next(section for section in SECTIONS if section.name == name)
    if isinstance(section, EnvironmentSection):
        return [environment for environment in view.environments if section.applies(environment)]
    return [view] if section.applies(view) else []


def shown(view: ReportView, name: str) -> list[Block]:
    """The blocks of the section of that name."""
    section = next(section for section in SECTIONS if section.name == name)
    return [section.block(about) for about in views(view, name)]  # type: ignore[arg-type]


def test_a_section_is_a_folder_and_a_line() -> None:
    folder = Path(sections.__file__).parent
    assert sorted(path.parent.name for path in folder.glob("*/__init__.py")) == sorted(NAMES)
    assert all((folder / name / "section.html.jinja").is_file() for name in NAMES)


def test_one_section_opens_an_environment_and_is_its_first() -> None:
    own = [section for section in SECTIONS if isinstance(section, EnvironmentSection)]
    assert [section.opens for section in own] == [True, *[False] * (len(own) - 1)]


@pytest.mark.slow
def test_every_anchor_is_in_the_navigation_and_on_the_page_once(view: ReportView) -> None:
    parsed = Page(page(view, results(view)))
    links = [attributes["href"] for tag, attributes in parsed.elements if tag == "a" and "href" in attributes]
    assert len(parsed.ids) == len(set(parsed.ids))
    for block in blocks(view):
        assert parsed.ids.count(block.anchor) == 1
        if view.single or block.opens or not block.environment:
            assert f"#{block.anchor}" in links


@pytest.mark.parametrize("name", NAMES)
def test_it_renders_a_heading_and_its_figures(name: str, view: ReportView) -> None:
    for block in shown(view, name):
        parsed = Page(templates.fill(block.template, block.values))
        (section, *_) = [attributes for tag, attributes in parsed.elements if tag == "section"]
        assert section["aria-labelledby"] == block.anchor
        heading = next(tag for tag, attributes in parsed.elements if attributes.get("id") == block.anchor)
        assert heading == f"h{block.values['level']}"
        assert {id_ for id_, _ in block.plots.values()} <= set(parsed.ids)


@pytest.mark.parametrize("name", NAMES)
def test_names_from_outside_stay_text(name: str, view: ReportView) -> None:
    for block in shown(view, name):
        parsed = Page(templates.fill(block.template, block.values))
        assert not [attributes for _, attributes in parsed.elements if any(key.startswith("on") for key in attributes)]
        sources = [attributes.get("src") for tag, attributes in parsed.elements if tag == "img"]
        assert all(source and source.startswith("data:") for source in sources)
        for _, figure in block.plots.values():
            assert "<img" not in json.dumps([figure.data, figure.layout])


@pytest.mark.parametrize("name", NAMES)
def test_its_markdown_is_escaped(name: str, view: ReportView) -> None:
    section = next(section for section in SECTIONS if section.name == name)
    for about in views(view, name):
        for text in section.markdown(about):  # type: ignore[arg-type]
            assert text == text.strip("\n")
            if not text.startswith("    "):  # code
                assert not re.search(r"(?<!\\)<", text)
                assert not re.search(r"(?<!\\)`", text)
    assert not re.search(r"(?<!\\)<img", document(view))


@pytest.mark.parametrize("name", NAMES)
def test_its_figures_say_what_they_show(name: str, view: ReportView) -> None:
    for block in shown(view, name):
        for _, figure in block.plots.values():
            assert isinstance(figure, Figure)
            assert figure.title
            assert figure.label
            assert figure.caption.endswith((".", ")"))
            assert figure.data


@pytest.mark.parametrize("name", NAMES)
def test_its_template_reads_nothing_of_another_section(name: str) -> None:
    """Every name is one that all sections are given; includes and imports are its own or every page's."""
    environment = templates.environment()
    about = "judgement" if name in _of_the_report() else "env"
    for file in _files(environment, f"{name}/section.html.jinja"):
        assert file.startswith(f"{name}/") or "/" not in file
        tree = environment.parse(templates.asset(file))
        if "/" in file:
            own = {node.target.name for node in tree.find_all(nodes.Assign) if isinstance(node.target, nodes.Name)}
            assert jinja2.meta.find_undeclared_variables(tree) - GIVEN - own <= {about}


def _of_the_report() -> set[str]:
    return {section.name for section in SECTIONS if not isinstance(section, EnvironmentSection)}


def _files(environment: jinja2.Environment, name: str) -> Iterator[str]:
    """A template and all that it includes."""
    yield name
    for node in environment.parse(templates.asset(name)).find_all((nodes.Include, nodes.FromImport)):
        template = node.template  # type: ignore[attr-defined]
        assert isinstance(template, nodes.Const)
        yield from _files(environment, template.value)
