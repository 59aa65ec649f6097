"""What a section of the report is, and what it may read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from rlformer.evaluator.judge.evidence import Evidence, Judgement
from rlformer.evaluator.judge.verdict import Verdict
from rlformer.report.plots import Figure
from rlformer.report.words.types import ReportWords, Words


@dataclass(frozen=True)
class Video:
    """An episode as data URIs: an animated WebP, and its first frame for who wants no motion."""

    moving: str
    still: str


@dataclass(frozen=True)
class ReportView:
    """What a section about the whole report may read."""

    judgement: Judgement
    words: ReportWords
    words_by_environment: tuple[Words, ...]
    colours: Mapping[str, int]  # of the style sheet, by an arm's label: the same in every environment
    videos: Mapping[str, Video] = field(default_factory=dict)  # by the path of a run

    @property
    def single(self) -> bool:
        """Whether there is one environment, whose sections then stand in the navigation."""
        return len(self.judgement.environments) == 1

    @property
    def environments(self) -> tuple[EnvironmentView, ...]:
        """A view of each environment, in the order of the page."""
        return tuple(EnvironmentView(self, index) for index in range(len(self.judgement.environments)))


@dataclass(frozen=True)
class EnvironmentView:
    """What a section about one environment may read."""

    report: ReportView
    index: int

    @property
    def evidence(self) -> Evidence:
        """What is known of this environment."""
        return self.report.judgement.environments[self.index]

    @property
    def verdict(self) -> Verdict:
        """What follows from it."""
        assert self.evidence.verdict is not None  # a judgement has judged all its environments
        return self.evidence.verdict

    @property
    def words(self) -> Words:
        """What is said of it."""
        return self.report.words_by_environment[self.index]

    @property
    def colours(self) -> Mapping[str, int]:
        """By an arm's label."""
        return self.report.colours

    @property
    def anchor(self) -> str:
        """The id of the environment's part of the page."""
        return f"e{self.index}"


View = TypeVar("View", ReportView, EnvironmentView)
Plots = Mapping[str, tuple[str, Figure]]  # figures by name, each with the id of its element


@dataclass(frozen=True)
class Block:
    """A section that is to be shown: where it stands, and what its template is given."""

    anchor: str  # the id of its heading
    link: str  # its name in the navigation
    environment: bool  # whether it is about one environment
    opens: bool  # whether it is the first of that
    template: str
    plots: Plots
    values: Mapping[str, object]


@dataclass(frozen=True)
class Section(Generic[View]):
    """A part of the report: its folder holds this value and `section.html.jinja`.

    The template is given `content`, what `context` returns; `plots`, those of `figures` that have data; `anchor`,
    `level` and `title` of its heading, `prefix` of its other ids; `env` (or `judgement`), `words`, `single`, `colours`.
    It sees nothing of another section. `markdown` returns blocks of report.md, names escaped.
    """

    name: str  # of its folder, and what its anchor ends with
    title: str
    navigation: str
    context: Callable[[View], object] = lambda view: None
    figures: Mapping[str, Callable[[View], Figure | None]] = field(default_factory=dict)
    markdown: Callable[[View], Sequence[str]] = lambda view: ()
    applies: Callable[[View], bool] = lambda view: True

    @property
    def template(self) -> str:
        """The name under which the loader of templates finds it."""
        return f"{self.name}/section.html.jinja"

    def drawn(self, view: View, prefix: str) -> Plots:
        """The figures that have data."""
        drawn = {name: draw(view) for name, draw in self.figures.items()}
        return {name: (f"{prefix}-figure-{name}", figure) for name, figure in drawn.items() if figure is not None}


@dataclass(frozen=True)
class ReportSection(Section[ReportView]):
    """A section about the whole report."""

    def block(self, view: ReportView) -> Block:
        """What is to be shown of it."""
        plots = self.drawn(view, self.name)
        given = {
            "anchor": self.name, "prefix": self.name, "title": self.title, "level": 2, "plots": plots,
            "content": self.context(view), "judgement": view.judgement, "words": view.words,
            "single": view.single, "colours": view.colours,
        }  # fmt: skip
        return Block(self.name, self.navigation, False, False, self.template, plots, given)


@dataclass(frozen=True)
class EnvironmentSection(Section[EnvironmentView]):
    """A section that every environment has."""

    opens: bool = False  # whether it is the first: among several environments its heading is the environment's name

    def block(self, view: EnvironmentView) -> Block:
        """What is to be shown of it."""
        single = view.report.single
        anchor = view.anchor if self.opens else f"{view.anchor}-{self.name}"
        plots = self.drawn(view, view.anchor)
        named = self.opens and not single
        given = {
            "anchor": anchor, "prefix": view.anchor, "title": view.evidence.name if named else self.title,
            "level": 2 if single or named else 3, "plots": plots, "content": self.context(view),
            "env": view.evidence, "words": view.words, "single": single, "colours": view.colours,
        }  # fmt: skip
        link = self.navigation if single else view.evidence.name
        return Block(anchor, link, True, self.opens, self.template, plots, given)
