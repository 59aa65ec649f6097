"""What mkdocs asks while it builds the site (`scripts/docs`): pages made from the code, and links out of docs/.

Made from the code: a page for every agent, the environments, the glossary, the commands, the keys of a study, the
schema of results.json, the published reports. A document links to files of the repository (`../agents/dt.toml`), which
is true wherever it is read; here such a link leads to the page made from the file, or to a page that shows it.
`<!-- code: FILE NAME -->` names a function or class: a document holds it below the comment, put there by
`scripts/docs code`; on the site it is shown with its lines.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
import pkgutil
import posixpath
import re
import runpy
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

_LINK = re.compile(r"(?<=\]\()([^)\s#]+)(#[^)\s]*)?(?=\))")
_CODE = re.compile(r"^<!-- code: (\S+) (\S+) -->$(?:\n```python\n.*?^```$)?", re.DOTALL | re.MULTILINE)
_FILM = re.compile(r'<img src="data:image/webp;base64,([^"]+)" alt="(\S+) acting')  # of a report's page
_FIELD = re.compile(r"^    (\w+): .*?\s#\s(.*)$")  # a field of a class with a comment behind it
_COMMENTED = re.compile(r"^(\w+)\s*=\s*.*?\s#\s(.*)$")  # a key of a card with a comment behind its value

# Pages that are files elsewhere in the repository, as they are.
WHOLE = {
    "index.md": "README.md",
    "zh/index.md": "README.zh-CN.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "reference/agent-cards.md": "agents/README.md",
    "reference/environment-cards.md": "envs/README.md",
}
# Files that a page is made from: a link to the file leads there.
MADE = {
    "rlformer/report/glossary.py": "glossary.md",
    "rlformer/cli/__init__.py": "reference/commands.md",
    "rlformer/studies/study.py": "reference/study.md",
    "rlformer/evaluator/results.schema.json": "reference/results.md",
}

# Where what a card names is described: the key, the package, its registry.
_REGISTRIES = (
    ("backbone", "rlformer.agents.sequence.backbones", "BACKBONES"),
    ("objective", "rlformer.agents.sequence.objectives", "OBJECTIVES"),
    ("algorithm", "rlformer.agents.offline.algorithms", "ALGORITHMS"),
    ("algorithm", "rlformer.agents.online.algorithms", "ALGORITHMS"),
)


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A table in Markdown."""
    lines = [tuple(head), *(tuple(row) for row in rows)]
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in [cells[0], ["---"] * len(cells[0]), *cells[1:]])


def shown(value: object) -> str:
    """A value of a card, as TOML writes it."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {shown(item)}" for key, item in value.items()) + " }"
    return json.dumps(value) if isinstance(value, (bool, str, list)) else repr(value)


# --- agents


def arm_page(name: str) -> str:
    """The page of an agent: what its card says, its keys, its presets, and the code that it is made of."""
    from rlformer.agents import cards
    from rlformer.agents.learners import learner

    card = cards.agent(name)
    kind = learner(card.learner)
    from_what = {frozenset({"env"}): "interaction", frozenset({"log"}): "a log"}
    facts = [
        ("Learns from", from_what.get(kind.needs, "a log, then interaction") if kind.learns else "nothing"),
        ("In a comparison", f"{card.role}{f' of the family `{card.family}`' if card.family else ''}, rung {card.rung}"),
        ("Trained by the profiles", ", ".join(card.profiles) or "none: name it with `--arms`"),
        ("Action spaces", ", ".join(card.default_for) or ", ".join(sorted(kind.action_kinds(card.defaults)))),
        ("Source", card.source or "–"),
        ("How the values were found", card.tuning),
        ("Card", f"[agents/{name}.toml](../repository/agents/{name}.toml.md)"),
    ]
    if card.extra:
        facts.insert(-1, ("Needs", f"`pip install 'rlformer[{card.extra}]'`"))
    if card.paper is not None:
        paper = card.paper
        facts.insert(
            -1, ("Its paper trains", f"{paper.gradient_steps:,} gradient steps of {paper.batch_steps:,} steps")
        )
    parts = [f"# {name}", f"{card.summary}.", table(("", ""), facts)]
    parts += [*_contrasts(name), *_code_of(card, kind), *_keys(card, kind), *_presets(card), *_commands(name, kind)]
    return "\n\n".join(parts) + "\n"


def _contrasts(name: str) -> Iterator[str]:
    """Which differences between it and another arm answer a question."""
    from rlformer.agents import cards

    found = [c for card in cards.agents().values() for c in card.contrasts if name in (c.more, c.less)]
    if found:
        yield "## What a difference from it shows"
        yield table(("question", "difference"), ((c.question, f"`{c.more}` minus `{c.less}`") for c in found))


def _code_of(card: Any, kind: Any) -> Iterator[str]:
    """What the modules of its parts say of themselves, and the functions in them that are a formula."""
    modules = list(_modules(card, kind))
    if modules:
        yield "## What it is, in the code"
    for module in modules:
        file = Path(inspect.getfile(module)).relative_to(ROOT).as_posix()
        yield f"[`{file}`](../repository/{file}.md): {inspect.cleandoc(module.__doc__ or '')}"
        for value in vars(module).values():
            formula = (
                inspect.isfunction(value)
                and value.__module__ == module.__name__
                and "Tensor" in str(inspect.signature(value).return_annotation)
            )
            if formula and value.__doc__ and not value.__name__.startswith("_"):
                yield f"<!-- code: {file} {value.__name__} -->"


def _modules(card: Any, kind: Any) -> Iterator[Any]:
    """The modules that describe the parts which the card names in registries, or else its learner's."""
    learner_module = kind.implementation.partition(":")[0]
    home = learner_module.rpartition(".")[0]
    if home in ("rlformer.agents", "rlformer.agents.sequence", "rlformer.agents.offline", "rlformer.agents.online"):
        if not kind.learns:
            yield import_module(learner_module)
    else:
        yield from _within(import_module(home))
    for key, place, registry in _REGISTRIES:
        package = import_module(place)
        part = getattr(package, registry).get(card.defaults.get(key))
        if part is None:
            continue
        for info in pkgutil.iter_modules(package.__path__):
            module = import_module(f"{place}.{info.name}")
            if any(value is part for value in vars(module).values()):
                yield from _within(module)


def _within(module: Any) -> Iterator[Any]:
    """A module; of a package all of its modules too."""
    yield module
    for info in pkgutil.iter_modules(getattr(module, "__path__", [])):
        yield import_module(f"{module.__name__}.{info.name}")


def _keys(card: Any, kind: Any) -> Iterator[str]:
    """Every key with its default, what it may be, and what the card says behind it."""
    if not card.defaults:
        return
    told: dict[str, str] = {}
    for layer in card.layers:
        section = ""
        for line in (ROOT / "agents" / f"{layer.name}.toml").read_text(encoding="utf-8").splitlines():
            section = line if line.startswith("[") else section
            if section == "[defaults]" and (found := _COMMENTED.match(line)):
                told[found[1]] = found[2]
    ranges = kind.ranges(card.defaults) if kind.ranges else {}
    rows = (
        (f"`{key}`", f"`{shown(value)}`", ranges[key].words if key in ranges else "", told.get(key, ""))
        for key, value in card.defaults.items()
    )
    yield "## Keys"
    yield f"Change one with `--set KEY=VALUE`, in a comparison with `--set {card.name}.KEY=VALUE`."
    yield table(("key", "default", "may be", "what it is"), rows)


def _presets(card: Any) -> Iterator[str]:
    """What is different on which environment, and how that was found."""
    if not card.presets:
        return
    yield "## Presets"
    for env in card.presets:
        default, values = card.defaults, card.values_for(env)
        changed = [f"`{key} = {shown(value)}`" for key, value in values.items() if default[key] != value]
        yield f"**{env}**: {', '.join(changed) or 'as above'}. {card.tuning_for(env)}"


def _commands(name: str, kind: Any) -> Iterator[str]:
    """How it is trained alone, and in a comparison."""
    if not kind.learns:
        return
    alone = f"rlformer train-agent CartPole-v1 --agent {name}"
    if kind.learns_offline:
        command = "train-transformer LOG" if kind.name == "sequence" else "train-agent --dataset LOG"
        alone = f"rlformer {command} --agent {name}"
    elif "log" in kind.needs:
        alone += " --dataset LOG"
    yield "## Commands"
    yield f"```bash\n{alone}\nrlformer compare ENV --arms {name},ppo,dt\n```"


def arms_page() -> str:
    """All agents in a table, in the order of the ladder."""
    from rlformer.agents import cards

    rows = (
        (f"[{name}](arms/{name}.md)", card.family or "–", card.role, card.summary, ", ".join(card.profiles) or "–")
        for name, card in sorted(cards.agents().items(), key=lambda item: (item[1].rung, item[0]))
    )
    words = "From the simplest to the strongest. `rlformer agents` prints the same list, including your own cards."
    head = ("arm", "family", "role", "", "trained by the profiles")
    return f"# The arms\n\n{words}\n\n{table(head, rows)}\n"


# --- other pages


def environments_page() -> str:
    """Every environment with a card."""
    from rlformer.envs import cards

    parts = ["# Environments", "`rlformer envs` prints a table of them. A card is not needed: any Gymnasium id works."]
    for name, env in cards.environments().items():
        facts = [("Gymnasium id", f"`{env.id}`")]
        if env.extra:
            facts.append(("Needs", f"`pip install 'rlformer[{env.extra}]'`"))
        if env.kwargs:
            facts.append(("Keywords", f"`{shown(dict(env.kwargs))}`"))
        facts += [("Wrapper", f"`{shown(dict(wrapper))}`") for wrapper in env.wrappers]
        if env.random_score is not None:
            facts.append(("Random play returns", f"{env.random_score:g}: {env.random_source}"))
        if env.reference_score is not None:
            facts.append(("Score 1 is a return of", f"{env.reference_score:g}: {env.reference_source}"))
        if env.solved_threshold is not None:
            facts.append(("An episode succeeds from a return of", f"{env.solved_threshold:g}"))
        if env.feature_names:
            facts.append(("Observation", ", ".join(env.feature_names)))
        if env.action_names:
            facts.append(("Action", ", ".join(env.action_names)))
        facts.append(("Card", f"[envs/{name}.toml](repository/envs/{name}.toml.md)"))
        parts += [f"## {name}", f"{env.summary}.", table(("", ""), facts)]
    return "\n\n".join(parts) + "\n"


def glossary_page() -> str:
    """The words of a report."""
    from rlformer.report.glossary import TERMS

    return "# Glossary\n\n" + "\n\n".join(f"**{term.name}.** {term.meaning}" for term in TERMS) + "\n"


def tutorial_page() -> str:
    """The notebook as a page: its words, and its code in blocks."""
    cells = json.loads((ROOT / "docs/tutorial.ipynb").read_text("utf-8"))["cells"]
    texts = ["".join(cell["source"]) for cell in cells]
    parts = [
        text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```"
        for cell, text in zip(cells, texts, strict=True)
    ]
    parts.insert(1, "This page as a notebook: [tutorial.ipynb](tutorial.ipynb).")
    return "\n\n".join(parts) + "\n"


def commands_page() -> str:
    """The help of every command, at 80 columns."""
    from typer.testing import CliRunner

    from rlformer.cli import app

    def told(*words: str) -> str:
        result = CliRunner().invoke(app, [*words, "--help"], prog_name="rlformer", env={"COLUMNS": "80"})
        assert result.exit_code == 0, result.output
        return result.output.rstrip()

    def names(text: str) -> list[str]:
        return re.findall(r"^  ([a-z][\w-]*)", text.partition("Commands:")[2], re.MULTILINE)

    parts = ["# Commands", "What `--help` prints.", f"```text\n{told()}\n```"]
    for name in names(told()):
        parts += [f"## {name}", f"```text\n{told(name)}\n```"]
        for inner in names(told(name)):
            parts += [f"### {name} {inner}", f"```text\n{told(name, inner)}\n```"]
    return "\n\n".join(parts) + "\n"


def study_page() -> str:
    """The keys of a study file."""
    from rlformer.studies.study import KEYS, Study

    usual = Study(env="CartPole-v1")
    rows = (
        (f"`{key}`", f"`{shown(value)}`" if (value := known.of(usual)) is not None else "the profile's")
        for key, known in KEYS.items()
    )
    source = inspect.cleandoc(inspect.getmodule(Study).__doc__ or "")
    words = "`rlformer compare ENV --save-study study.toml` writes one, `rlformer compare study.toml` runs it."
    return f"# The study file\n\n{source}\n\n{words}\n\n{table(('key', 'default'), rows)}\n"


def results_page() -> str:
    """The schema of results.json: its types, and the fields of each."""
    schema = json.loads((ROOT / "rlformer/evaluator/results.schema.json").read_text(encoding="utf-8"))
    parts = [
        "# results.json",
        "Every number of a report, as JSON. The [schema](../repository/rlformer/evaluator/results.schema.json.md) is a "
        "file of the package; `rlformer.judge(...)` gives the same as typed Python values.",
        f"The file is a [{schema['$ref'].rpartition('/')[2]}](#{schema['$ref'].rpartition('/')[2].lower()}).",
        *_types(schema),
    ]
    return "\n\n".join(parts) + "\n"


def _types(schema: Mapping[str, Any]) -> Iterator[str]:
    """Of each type what its class says, and its fields with the comments behind them."""
    classes = dict(_classes())
    for name, one in sorted(schema["$defs"].items()):
        if not one.get("properties"):
            continue
        node, lines = classes.get(name, (None, []))
        yield f"## {name}"
        told: dict[str, str] = {}
        if node is not None:
            yield ast.get_docstring(node) or ""
            told = {found[1].rstrip("_"): found[2] for line in lines if (found := _FIELD.match(line))}
        rows = ((f"`{key}`", _word(value), told.get(key, "")) for key, value in one["properties"].items())
        yield table(("field", "type", ""), rows)


def _classes() -> Iterator[tuple[str, tuple[ast.ClassDef, list[str]]]]:
    """The classes of the package that results.json may hold, with their lines."""
    for file in sorted((ROOT / "rlformer").glob("**/*.py")):
        if {"evaluator", "core", "runs", "report", "statistics", "explain", "data"} & set(file.relative_to(ROOT).parts):
            text = file.read_text(encoding="utf-8")
            lines = text.splitlines()
            for node in ast.parse(text).body:
                if isinstance(node, ast.ClassDef):
                    yield node.name, (node, lines[node.lineno - 1 : node.end_lineno])


def _word(one: Mapping[str, Any]) -> str:
    """A JSON schema's type in a few words."""
    if "$ref" in one:
        name = one["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in one:
        return ", ".join(f"`{json.dumps(value)}`" for value in one["enum"])
    for key in ("anyOf", "oneOf"):
        if key in one:
            return " or ".join(map(_word, one[key]))
    kind = one.get("type", "any")
    if kind == "array" and isinstance(one.get("items"), dict):
        return f"list of {_word(one['items'])}"
    if kind == "object" and isinstance(one.get("additionalProperties"), dict):
        return f"object of {_word(one['additionalProperties'])}"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def reports_page() -> str:
    """A card for every published report: its answer, its scorecard, its first screen, a film of an arm."""
    published = runpy.run_path(str(ROOT / "scripts" / "publish"))
    words = "These reports are kept with the code. A page contains every number that it shows."
    parts = ["# Reports", words]
    for page in sorted((ROOT / "docs/reports").glob("*/report.html")):
        folder, name = page.parent, page.parent.name
        found = published["results"](folder)
        parts.append(f"## {name}")
        for one in found.get("environments", ()):
            verdict = one.get("verdict") or {}
            parts.append(f"**{one.get('name', name)}.** {verdict.get('headline') or verdict.get('answer', '')}")
        scorecard = re.search(
            r"^\| candidate \|.*?(?=\n\n)", (folder / "report.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
        )
        parts += [scorecard[0]] if scorecard else []
        parts += [published["arms_table"](one["arms"]) for one in found.get("environments", ()) if one.get("arms")]
        if (folder / "report.webp").is_file():
            parts.append(f"[![The first screen of the report](reports/{name}/report.webp)](reports/{name}/report.html)")
        films = {arm: webp for webp, arm in _FILM.findall(page.read_text("utf-8"))}
        chosen = [(one.get("verdict") or {}).get("arm") for one in found.get("environments", ())]
        arm = next((each for each in chosen if each in films), None)
        if films:
            arm = arm or list(films)[-1]
            parts.append(f'![{arm} acting](data:image/webp;base64,{films[arm]}){{ width="240" }}')
        built = f"Built {found['built'][:10]}. " if "built" in found else ""
        parts.append(f"{built}[The page](reports/{name}/report.html).")
    return "\n\n".join(parts) + "\n"


# --- links, and files of the repository as pages


class Site:
    """What is made while a site is built: the pages, and where each comes from."""

    def __init__(self) -> None:
        from rlformer.agents import cards

        self.pages: dict[str, str] = {
            page: (ROOT / file).read_text("utf-8") for page, file in WHOLE.items() if (ROOT / file).is_file()
        }
        self.origin: dict[str, str] = {page: WHOLE[page] for page in self.pages}
        self.page_of = {file: page for page, file in self.origin.items()} | MADE
        self.arms = sorted(cards.agents())
        self.page_of |= {f"agents/{name}.toml": f"arms/{name}.md" for name in self.arms}
        self.pages |= {f"arms/{name}.md": arm_page(name) for name in self.arms}
        self.pages |= {
            "arms.md": arms_page(),
            "environments.md": environments_page(),
            "glossary.md": glossary_page(),
            "tutorial.md": tutorial_page(),
            "reports.md": reports_page(),
            "reference/commands.md": commands_page(),
            "reference/study.md": study_page(),
            "reference/results.md": results_page(),
        }
        for file in sorted((ROOT / "agents").glob("*.toml")):
            self.show(f"agents/{file.name}")
        for file in sorted((ROOT / "envs").glob("*.toml")):
            self.page_of[f"envs/{file.name}"] = self.show(f"envs/{file.name}")
        for file in documents():
            self._links(file.read_text("utf-8"), file.relative_to(ROOT).as_posix())
        for page in list(self.pages):
            if page in self.origin:
                self._links(self.pages[page], self.origin[page])
            else:
                for file in re.findall(r"\]\((?:\.\./)?repository/([^)]+)\.md\)", self.pages[page]):
                    self.show(file)

    def show(self, file: str) -> str:
        """The page that shows a file of the repository."""
        page = f"repository/{file}.md"
        if page not in self.pages and (ROOT / file).is_file():
            kind = {".py": "python", ".toml": "toml", ".json": "json", ".md": "markdown"}.get(Path(file).suffix, "bash")
            text = (ROOT / file).read_text(encoding="utf-8")
            if kind == "bash" and text.startswith("#!/usr/bin/env python"):
                kind = "python"
            if kind == "markdown":
                self.pages[page], self.origin[page], self.page_of[file] = text, file, page
            else:
                fence = "`" * 5
                self.pages[page] = f'# {file}\n\n{fence} {{ .{kind} linenums="1" }}\n{text}\n{fence}\n'
        return page

    def _links(self, text: str, origin: str) -> None:
        for link, _ in _LINK.findall(text):
            file = _file(link, origin)
            if (
                file is not None
                and not file.startswith("docs/")
                and file not in self.page_of
                and (ROOT / file).is_file()
            ):
                self.page_of[file] = self.show(file)

    def linked(self, text: str, page: str, origin: str) -> str:
        """The text with links to files of the repository led to their pages; those to folders are words."""

        def led(found: re.Match[str]) -> str:
            file = _file(found[1], origin)
            if file is None:
                return found[0]
            file = re.sub(r"(docs/reports/[^/]+/report)\.md", r"\1.html", file)  # both would be the same page
            target = file.removeprefix("docs/") if file.startswith("docs/") else self.page_of.get(file)
            if target is None:
                return found[0]
            return posixpath.relpath(target, posixpath.dirname(page) or ".") + (found[2] or "")

        text = re.sub(
            r"\[([^\]\[]+)\]\(([^)\s#:]+)/?\)", lambda m: m[0] if not _is_folder(m[2], origin) else m[1], text
        )
        return _LINK.sub(led, text)


def _file(link: str, origin: str) -> str | None:
    """The file of the repository that a link in the file `origin` names; None: it leads elsewhere."""
    if re.match(r"[a-z]+:|//", link):
        return None
    return posixpath.normpath(posixpath.join(posixpath.dirname(origin), link))


def _is_folder(link: str, origin: str) -> bool:
    file = _file(link, origin)
    return file is not None and (ROOT / file).is_dir()


# --- code in documents


def _passage(file: str, name: str) -> tuple[str, int, int]:
    """A function or class of a file (`Class.method` too), as it stands there, and its first and last line."""
    text = (ROOT / file).read_text(encoding="utf-8")
    found: Any = ast.parse(text)
    for part in name.split("."):
        found = next((node for node in found.body if getattr(node, "name", None) == part), None)
        if found is None:
            raise ValueError(f"{file} has no {name}: <!-- code: {file} {name} -->")
    first = min([found.lineno, *(each.lineno for each in found.decorator_list)])
    lines = "\n".join(text.splitlines()[first - 1 : found.end_lineno])
    return textwrap.dedent(lines) if "." in name else lines, first, found.end_lineno


def code(file: str, name: str) -> str:
    """A function or class as the site shows it: with its lines."""
    lines, first, last = _passage(file, name)
    return f'``` {{ .python title="{file}, lines {first} to {last}" linenums="{first}" }}\n{lines}\n```'


def with_lines(text: str) -> str:
    """A page's text with the code that it names as the site shows it, whether the page holds it or not."""
    return _CODE.sub(lambda found: code(found[1], found[2]), text)


def with_code(text: str) -> str:
    """A document's text that holds the code which it names. No lines: they would be others after each change above."""

    def held(found: re.Match[str]) -> str:
        return f"<!-- code: {found[1]} {found[2]} -->\n```python\n{_passage(found[1], found[2])[0]}\n```"

    return _CODE.sub(held, text)


def documents() -> list[Path]:
    """The pages of docs/ but the published reports."""
    return [page for page in sorted((ROOT / "docs").glob("**/*.md")) if "reports" not in page.parts]


def put_in() -> None:
    """What `scripts/docs code` does: write the code into the documents that name it, and print those that changed."""
    for page in documents():
        text = page.read_text(encoding="utf-8")
        if (held := with_code(text)) != text:
            page.write_text(held, encoding="utf-8")
            print(page.relative_to(ROOT))


# --- mkdocs


_site: Site | None = None


def site() -> Site:
    """What is made, once a build."""
    global _site
    if _site is None:
        os.chdir(ROOT)  # cards of the folder one stands in would join those of the repository
        _site = Site()
    return _site


def on_config(config: Any) -> Any:
    """mkdocs: the navigation names a page an arm, and pages only where they are there."""
    global _site
    _site = None

    def filled(entries: list[Any]) -> Iterator[Any]:
        for entry in entries:
            if entry == "arms/*":
                yield from ({name: f"arms/{name}.md"} for name in site().arms)
            elif isinstance(entry, dict):
                ((title, inner),) = entry.items()
                if isinstance(inner, list):
                    yield {title: list(filled(inner))}
                elif inner in site().pages or (ROOT / "docs" / inner).is_file():
                    yield entry
            else:
                yield entry

    config.nav = list(filled(config.nav))
    return config


def on_files(files: Any, config: Any) -> Any:
    """mkdocs: the pages that are made."""
    from mkdocs.structure.files import File

    for page, text in site().pages.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """mkdocs: code where it is asked for, links that lead to pages."""
    name = page.file.src_uri
    markdown = with_lines(markdown)
    if name in site().pages and name not in site().origin:
        return markdown
    return site().linked(markdown, name, site().origin.get(name, f"docs/{name}"))


if __name__ == "__main__":
    put_in()
