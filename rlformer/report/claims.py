"""The page of the article's claims, in English and Chinese: what was declared, what was found, the answer."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlformer.core import files, formats
from rlformer.core.printable import visible
from rlformer.core.records import SCHEMA
from rlformer.evaluator.as_json import encode, rounded
from rlformer.report import chart, rails, templates
from rlformer.report.files import now
from rlformer.report.markup import bullets, escape, table
from rlformer.report.words.claims import TIMES, UNITS, WORDS, Language
from rlformer.studies.claims.answer import ClaimAnswer, EffectAnswer, PictureAnswer
from rlformer.studies.claims.base import Text
from rlformer.studies.claims.suite import Answers

_ENDINGS: Mapping[Language, str] = {"en": "", "zh": ".zh"}  # of the names of files
_SOURCE = "../../"  # of reports/claims in a checkout, and of docs/claims


@dataclass(frozen=True)
class _Row:
    """An effect as a line of a table."""

    what: str
    first: str
    second: str
    found: str
    margin: str
    p: str
    says: str
    rail: rails.Rail | None
    confirmed: bool | None  # None: neither this nor refuted


@dataclass(frozen=True)
class _Shot:
    """A picture: its title, and the file that holds it beside the page."""

    title: str
    file: str
    svg: str


@dataclass(frozen=True)
class _Shown:
    """A claim as a page shows it, in one language."""

    name: str
    statement: str
    statements: str  # of the article, in words
    number: str  # the same
    short: str  # the answer in a word or two
    answer: str
    verdict: str
    experiment: str
    rows: tuple[_Row, ...]
    effects: _Shot  # the rows, drawn
    pictures: tuple[_Shot, ...]
    caveat: str | None
    code: tuple[tuple[str, str], ...]


def build(answers: Answers, out: Path, *, command: str | None = None) -> dict[str, Any]:
    """Write report.html, report.md, the same in Chinese (report.zh.html, report.zh.md), the pictures that the Markdown
    shows (figures/) and results.json into `out`.

    Returns what the last one holds. Raises InputError where `out` cannot be written.
    """
    built = now()
    found: dict[str, Any] = {"schema": SCHEMA, "title": WORDS["en"]["title"], **rounded(encode(answers))}
    found |= {"command": command, "built": built, "measured": [entry.to_dict() for entry in answers.measured]}
    folder = files.writable_directory(out)
    files.write_json(folder / "results.json", found)
    for language, ending in _ENDINGS.items():
        made = edition(answers, language, command, built)
        files.write_text(folder / f"report{ending}.md", visible(document(made)))
        files.write_text(folder / f"report{ending}.html", visible(page(made)))
        for shot in (shot for claim in made.claims for shot in (claim.effects, *claim.pictures)):
            files.writable_directory((folder / shot.file).parent)
            files.write_text(folder / shot.file, visible(shot.svg))
    return found


@dataclass(frozen=True)
class Edition:
    """All that the pages of one language show, drawn once."""

    language: Language
    lead: tuple[str, ...]
    claims: tuple[_Shown, ...]
    failures: tuple[str, ...]
    command: str | None
    built: str


def edition(answers: Answers, language: Language, command: str | None, built: str) -> Edition:
    """The answers in one language. built: when."""
    lost = WORDS[language]["lost"]
    return Edition(
        language,
        tuple(lead(answers, language)),
        tuple(shown(claim, language) for claim in answers.claims),
        tuple(lost.format(cell=each.cell, seed=each.seed, why=each.reason) for each in answers.failures),
        command,
        built,
    )


def page(made: Edition) -> str:
    """The HTML: no script, nothing fetched."""
    from markupsafe import Markup

    language = made.language
    return str(
        templates.fill(
            "claims.html.jinja",
            {
                "language": {"en": "en", "zh": "zh-CN"}[language],
                "other": {"en": ("report.zh.html", "中文"), "zh": ("report.html", "English")}[language],
                "words": WORDS[language],
                "style": Markup(templates.asset("style.css")),
                "lead": made.lead,
                "claims": made.claims,
                "failures": made.failures,
                "command": made.command,
                "built": made.built,
            },
        )
    )


def document(made: Edition) -> str:
    """The Markdown."""
    words = WORDS[made.language]
    blocks = [f"# {words['title']}", *made.lead]
    answered = [(f"[{escape(c.statement)}](#{c.name})", c.number, f"**{c.short}**") for c in made.claims]
    blocks.append(table((words["claim"], words["where"], words["answer"]), answered))
    for claim in made.claims:
        rows = [(escape(r.what), r.first, r.second, r.found, r.margin, r.p, r.says) for r in claim.rows]
        head = tuple(words[key] for key in ("effect", "first", "second", "found", "margin", "p", "says"))
        blocks += [f'<a id="{claim.name}"></a>', f"## {escape(claim.statement)}"]
        blocks += [
            f"**{claim.answer}**{words['bracket'].format(n=claim.statements)}",
            escape(claim.experiment),
            table(head, rows),
        ]
        blocks += [f"![{escape(shot.title)}]({shot.file})" for shot in (claim.effects, *claim.pictures)]
        if claim.caveat:
            blocks.append(f"{words['limits']}{words['colon']}{escape(claim.caveat)}")
        blocks.append(
            f"{words['code']}{words['colon']}" + words["comma"].join(f"[`{name}`]({link})" for name, link in claim.code)
        )
    if made.failures:
        blocks += [f"## {words['failures']}", bullets(map(escape, made.failures))]
    if made.command:
        blocks += [f"## {words['reproduce']}", f"    {made.command}"]
    blocks.append(words["built"].format(t=made.built))
    return "\n\n".join(blocks) + "\n"


def lead(answers: Answers, language: Language) -> list[str]:
    """What stands above all answers."""
    words = WORDS[language]
    seeds = formats.plural(answers.seeds, "seed") if language == "en" else f"{answers.seeds} 个种子"
    first = words["lead"].format(seeds=seeds, time=_time(answers.hours, language))
    found = [first, words["untested"], words["one"] if answers.seeds == 1 else words["rule"]]
    found += [words["intervals"]] if answers.seeds > 1 else []
    found += [words["quick"]] if answers.profile == "quick" else []
    found += [words["same"]] if any(_same(effect) for claim in answers.claims for effect in claim.effects) else []
    return [*found, words["unit of ratios"]]


def _same(effect: EffectAnswer) -> bool:
    """Whether seeds are many and say exactly the same."""
    return len(effect.seeds) > 1 and len(set(effect.more)) == len(set(effect.less)) == 1


def _time(hours: float, language: Language) -> str:
    count, _, unit = formats.seconds(3600 * hours).partition(" ")
    return f"{count} {unit if language == 'en' else TIMES[unit]}"


def shown(claim: ClaimAnswer, language: Language) -> _Shown:
    """A claim in one language."""
    words = WORDS[language]
    if claim.verdict == "depends":
        both = [
            words["semicolon"].join(_said(text, language) for text in texts) for texts in (claim.holding, claim.failing)
        ]
        said = words["depends"].format(a=both[0], b=both[1])
    else:
        said = words[claim.verdict]
    number = claim.number.replace(", ", words["comma"])
    where = "" if claim.where is None else words["within"].format(w=_said(claim.where, language))
    rows = tuple(_row(effect, language) for effect in claim.effects)
    return _Shown(
        claim.name,
        _said(claim.statement, language),
        words["statements" if "," in claim.number else "statement"].format(n=number),
        number,
        f"{words['depends on'] if claim.verdict == 'depends' else said}{where}",
        f"{said}{where}",
        claim.verdict,
        _said(claim.experiment, language),
        rows,
        _effects(claim.name, rows, language),
        tuple(_shot(claim.name, i, picture, language) for i, picture in enumerate(claim.pictures, 1)),
        None if claim.caveat is None else _said(claim.caveat, language),
        tuple((name, f"{_SOURCE}{name}") for name in claim.code),
    )


def _said(text: Text, language: Language) -> str:
    return text.en if language == "en" else text.zh


def _row(effect: EffectAnswer, language: Language) -> _Row:
    words = WORDS[language]
    return _Row(
        _said(effect.what, language),
        formats.number(_typical(effect, effect.more)),
        formats.number(_typical(effect, effect.less)),
        _found(effect, language),
        words["unit"].format(
            m=words[effect.says].format(m=formats.number(effect.margin)), unit=_unit(effect, language)
        ),
        _p(effect, language),
        words[effect.found],
        _rail(effect),
        {"holds": True, "as claimed": True, "does not hold": False, "not as claimed": False}.get(effect.found),
    )


def _effects(claim: str, rows: tuple[_Row, ...], language: Language) -> _Shot:
    """The rows as one picture."""
    words = WORDS[language]
    title = words["rails"]
    drawn = [
        rails.Row(row.what, words["declared"].format(found=row.found, margin=row.margin), row.confirmed, row.rail)
        for row in rows
    ]
    return _Shot(
        title,
        f"figures/{claim}-effects{_ENDINGS[language]}.svg",
        rails.draw(title, drawn, {True: words["confirmed"], False: words["refuted"], None: words["undecided"]}),
    )


def _shot(claim: str, number: int, picture: PictureAnswer, language: Language) -> _Shot:
    """A picture, drawn."""
    title = _said(picture.title, language)
    lines = [
        chart.Line(
            _said(curve.label, language),
            tuple(chart.Mark(point.at, point.mean, point.low, point.high) for point in curve.points),
        )
        for curve in picture.curves
    ]
    svg = chart.draw(
        title,
        chart.Axis(_said(picture.x, language), picture.log_x),
        chart.Axis(_said(picture.y, language), picture.log_y),
        lines,
    )
    return _Shot(title, f"figures/{claim}-{number}{_ENDINGS[language]}.svg", svg)


def _unit(effect: EffectAnswer, language: Language) -> str:
    return effect.unit if language == "en" else UNITS.get(effect.unit, effect.unit)


def _typical(effect: EffectAnswer, values: tuple[float, ...]) -> float | None:
    """The mean over seeds, as the effect has it: of a ratio the geometric one, so that both columns give the effect."""
    if not values:
        return None
    return statistics.fmean(values) if effect.measure == "difference" else statistics.geometric_mean(values)


def _p(effect: EffectAnswer, language: Language) -> str:
    """For the claim and against it; none where all seeds say the same."""
    if effect.p_holds is None or effect.p_fails is None or effect.low == effect.high:
        return formats.MISSING
    said = "; ".join(map(formats.p_value, (effect.p_holds, effect.p_fails)))
    return said.replace("below", WORDS[language]["below"])


def _found(effect: EffectAnswer, language: Language) -> str:
    """The effect and its interval, and on how many seeds it could be told where that is not all of them."""
    if effect.effect is None:
        return formats.MISSING
    words, said = WORDS[language], formats.number(effect.effect)
    if effect.low is not None and effect.high is not None:
        low, high = formats.number(effect.low), formats.number(effect.high)
        said = words["between"].format(point=said, low=low, high=high)
    if effect.left_out:
        count = len(effect.seeds)
        said += words["of seeds"].format(n=count, all=count + len(effect.left_out))
    return said


def _rail(effect: EffectAnswer) -> rails.Rail | None:
    """Where an effect, its interval, 0, the margin and what was claimed lie on a line that holds them all."""
    if effect.effect is None:
        return None
    low, high = effect.low, effect.high
    low, high = (effect.effect if low is None else low), (effect.effect if high is None else high)
    first = -effect.margin if effect.says == "alike" else min(0.0, effect.margin)
    ends = (low, high, 0.0, effect.margin, first)
    start, width = min(ends), max(max(ends) - min(ends), 1e-12)

    def at(value: float) -> float:
        return round(6 + 88 * (value - start) / width, 2)

    band = (at(first), at(effect.margin)) if effect.says == "alike" else (at(effect.margin), 100.0)
    ticks = tuple((at(v), formats.number(v)) for v in dict.fromkeys((0.0, effect.margin, first, low, high)))
    return rails.Rail(at(effect.effect), at(low), at(high), at(0.0), band, ticks)
