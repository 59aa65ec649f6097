"""The page of the article's claims, in English and Chinese: what was declared, what was found, the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rlformer.core import files, formats
from rlformer.core.printable import visible
from rlformer.core.records import SCHEMA
from rlformer.evaluator.as_json import encode, rounded
from rlformer.report import chart, templates
from rlformer.report.files import now
from rlformer.report.markup import bullets, escape, table
from rlformer.studies.claims.answer import ClaimAnswer, EffectAnswer, PictureAnswer
from rlformer.studies.claims.base import Text
from rlformer.studies.claims.suite import Answers

Language = Literal["en", "zh"]
_WORDS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "title": "The article's claims, tested",
        "lead": "Each claim of the article is answered by an experiment whose effects, margins and tests were declared "
        "before it ran. {seeds}, {hours} hours of computing.",
        "one": "One seed can illustrate a claim, but not prove it. The answers “holds” and “does not hold” need the "
        "full profile.",
        "rule": "Holds: every declared effect is confirmed, by one-sided t-tests against its margin over seeds, with "
        "Holm’s correction at 5 %. Does not hold: at least one effect is refuted. Depends: some effects are confirmed "
        "and others refuted.",
        "claim": "Claim", "answer": "Answer", "experiment": "Experiment", "statement": "statement {n} of the article",
        "effect": "Declared effect", "found": "Found", "margin": "Margin", "first": "First", "second": "Second",
        "says": "Answer", "greater": "above {m}", "alike": "within ±{m}", "limits": "What it cannot show", "code": "Code",
        "failures": "What was not measured", "reproduce": "How to reproduce it", "depends": "Depends. It holds for: {a}. It does not for: {b}.",
        "built": "Built {t}; results.json holds every number.",
        "holds": "holds", "does not hold": "does not hold", "undecided": "undecided", "depends on": "depends",
        "as claimed": "shown as claimed", "not as claimed": "shown otherwise", "not measured": "not measured",
        "shown as claimed": "shown as claimed (one seed)", "shown otherwise": "shown otherwise (one seed)",
        "shown in part": "shown in part (one seed)",
    },
    "zh": {
        "title": "文章论断的检验",
        "lead": "文章的每条论断都由一个实验回答,实验的效应、界限与检验在运行之前就已写明。{seeds},计算共 {hours} 小时。",
        "one": "一个种子只能展示,不能证明。要得出“成立”或“不成立”,需要 full 档。",
        "rule": "成立:每个写明的效应都超过界限(对种子做单侧 t 检验,Holm 校正,5 %)。不成立:其中之一确实没有。视情况而定:有的成立,有的确实不成立。",
        "claim": "论断", "answer": "回答", "experiment": "实验", "statement": "文章第 {n} 条",
        "effect": "写明的效应", "found": "测得", "margin": "界限", "first": "前者", "second": "后者",
        "says": "回答", "greater": "大于 {m}", "alike": "±{m} 之内", "limits": "它不能说明什么", "code": "代码",
        "failures": "未测得", "reproduce": "如何重现", "depends": "视情况而定。成立:{a}。不成立:{b}。",
        "built": "生成于 {t};results.json 有全部数字。",
        "holds": "成立", "does not hold": "不成立", "undecided": "未定", "depends on": "视情况而定",
        "as claimed": "所见与论断一致", "not as claimed": "所见与论断不一致", "not measured": "未测得",
        "shown as claimed": "所见与论断一致(一个种子)", "shown otherwise": "所见与论断不一致(一个种子)",
        "shown in part": "所见与论断部分一致(一个种子)",
    },
}  # fmt: skip
_SOURCE = "../../"  # of reports/claims in a checkout, and of docs/claims


@dataclass(frozen=True)
class _Drawn:
    """An effect in a small figure: positions from 0 to 100."""

    point: float
    low: float
    high: float
    zero: float
    margin: tuple[float, float]  # the band in which an effect is "alike", or what lies at and below the margin


@dataclass(frozen=True)
class _Row:
    """An effect as a line of a table."""

    what: str
    first: str
    second: str
    found: str
    margin: str
    says: str
    drawn: _Drawn | None


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
    number: str
    short: str  # the answer in a word or two
    answer: str
    verdict: str
    experiment: str
    rows: tuple[_Row, ...]
    pictures: tuple[_Shot, ...]
    caveat: str | None
    code: tuple[tuple[str, str], ...]


def build(answers: Answers, out: Path, *, command: str | None = None) -> dict[str, Any]:
    """Write report.html, report.md, the same in Chinese (report.zh.html, report.zh.md), the pictures that the Markdown
    shows (figures/) and results.json into `out`.

    Returns what the last one holds. Raises InputError where `out` cannot be written.
    """
    built = now()
    found: dict[str, Any] = {"schema": SCHEMA, "title": _WORDS["en"]["title"], **rounded(encode(answers))}
    found |= {"command": command, "built": built}
    folder = files.writable_directory(out)
    files.write_json(folder / "results.json", found)
    languages: tuple[tuple[Language, str], ...] = (("en", ""), ("zh", ".zh"))
    for language, ending in languages:
        files.write_text(folder / f"report{ending}.md", visible(document(answers, language, command, built)))
        files.write_text(folder / f"report{ending}.html", visible(page(answers, language, command, built)))
        for claim in answers.claims:
            for shot in shown(claim, language).pictures:
                files.writable_directory((folder / shot.file).parent)
                files.write_text(folder / shot.file, visible(shot.svg))
    return found


def page(answers: Answers, language: Language, command: str | None, built: str) -> str:
    """The HTML: no script, nothing fetched."""
    from markupsafe import Markup

    return str(
        templates.fill(
            "claims.html.jinja",
            {
                "language": {"en": "en", "zh": "zh-CN"}[language],
                "other": {"en": ("report.zh.html", "中文"), "zh": ("report.html", "English")}[language],
                "words": _WORDS[language],
                "style": Markup(templates.asset("style.css")),
                "lead": lead(answers, language),
                "claims": [shown(claim, language) for claim in answers.claims],
                "failures": answers.failures,
                "command": command,
                "built": built,
            },
        )
    )


def document(answers: Answers, language: Language, command: str | None, built: str) -> str:
    """The Markdown."""
    words = _WORDS[language]
    every = [shown(claim, language) for claim in answers.claims]
    blocks = [f"# {words['title']}", *lead(answers, language)]
    blocks.append(table((words["claim"], words["answer"]), [(escape(c.statement), f"**{c.short}**") for c in every]))
    for claim in every:
        rows = [
            (escape(r.what), r.first, r.second, r.found, r.margin, r.says) for r in claim.rows
        ]  # fmt: skip
        head = tuple(words[key] for key in ("effect", "first", "second", "found", "margin", "says"))
        blocks += [f"## {escape(claim.statement)}", f"**{claim.answer}** ({claim.number})", escape(claim.experiment)]
        blocks.append(table(head, rows))
        blocks += [f"![{escape(shot.title)}]({shot.file})" for shot in claim.pictures]
        if claim.caveat:
            blocks.append(f"{words['limits']}: {escape(claim.caveat)}")
        blocks.append(f"{words['code']}: " + ", ".join(f"[`{name}`]({link})" for name, link in claim.code))
    if answers.failures:
        lost = (escape(f"{each.cell}, seed {each.seed}: {each.reason}") for each in answers.failures)
        blocks += [f"## {words['failures']}", bullets(lost)]
    if command:
        blocks += [f"## {words['reproduce']}", f"    {command}"]
    blocks.append(words["built"].format(t=built))
    return "\n\n".join(blocks) + "\n"


def lead(answers: Answers, language: Language) -> list[str]:
    """What stands above all answers."""
    words = _WORDS[language]
    seeds = formats.plural(answers.seeds, "seed") if language == "en" else f"{answers.seeds} 个种子"
    first = words["lead"].format(seeds=seeds, hours=formats.number(answers.hours))
    return [first, words["one"] if answers.seeds == 1 else words["rule"]]


def shown(claim: ClaimAnswer, language: Language) -> _Shown:
    """A claim in one language."""
    words = _WORDS[language]
    if claim.verdict == "depends":
        both = ["; ".join(_said(text, language) for text in texts) for texts in (claim.holding, claim.failing)]
        said = words["depends"].format(a=both[0], b=both[1])
    else:
        said = words[claim.verdict]
    return _Shown(
        claim.name,
        _said(claim.statement, language),
        words["statement"].format(n=claim.number),
        words["depends on"] if claim.verdict == "depends" else said,
        said,
        claim.verdict,
        _said(claim.experiment, language),
        tuple(_row(effect, language) for effect in claim.effects),
        tuple(_shot(claim.name, i, picture, language) for i, picture in enumerate(claim.pictures, 1)),
        None if claim.caveat is None else _said(claim.caveat, language),
        tuple((name, f"{_SOURCE}{name}") for name in claim.code),
    )


def _said(text: Text, language: Language) -> str:
    return text.en if language == "en" else text.zh


def _row(effect: EffectAnswer, language: Language) -> _Row:
    words = _WORDS[language]
    return _Row(
        _said(effect.what, language),
        formats.number(_mean(effect.more)),
        formats.number(_mean(effect.less)),
        _found(effect),
        words[effect.says].format(m=formats.number(effect.margin)) + f" ({effect.unit})",
        words[effect.found],
        _drawn(effect),
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
    ending = {"en": "", "zh": ".zh"}[language]
    return _Shot(title, f"figures/{claim}-{number}{ending}.svg", svg)


def _mean(values: tuple[float, ...]) -> float | None:
    return sum(values) / len(values) if values else None


def _found(effect: EffectAnswer) -> str:
    if effect.effect is None:
        return formats.MISSING
    point = formats.number(effect.effect)
    if effect.low is None or effect.high is None:
        return point
    return f"{point} ({formats.number(effect.low)} to {formats.number(effect.high)})"


def _drawn(effect: EffectAnswer) -> _Drawn | None:
    """Where an effect, its interval, 0 and the margin lie on a line that holds them all."""
    if effect.effect is None:
        return None
    low, high = effect.low, effect.high
    low, high = (effect.effect if low is None else low), (effect.effect if high is None else high)
    first = -effect.margin if effect.says == "alike" else min(0.0, effect.margin)
    ends = (low, high, 0.0, effect.margin, first)
    start, width = min(ends), max(max(ends) - min(ends), 1e-12)

    def at(value: float) -> float:
        return round(6 + 88 * (value - start) / width, 2)

    band = (at(first), at(effect.margin)) if effect.says == "alike" else (0.0, at(effect.margin))
    return _Drawn(at(effect.effect), at(low), at(high), at(0.0), band)
