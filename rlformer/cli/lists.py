"""envs, agents."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rlformer.cli import completion
from rlformer.cli.options import Debug, Grouped, Json

if TYPE_CHECKING:
    from rlformer.agents.cards import AgentCard

app = typer.Typer()


@app.command(cls=Grouped)
def envs(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="Show only this environment, with all that is known of it.",
            autocompletion=completion.environments,
        ),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """List the environments, or show one."""
    from rlformer.cli import console
    from rlformer.core.errors import unknown
    from rlformer.core.extras import missing_extra
    from rlformer.envs import cards as env_cards

    known = env_cards.environments()
    if name is not None and name not in known:
        from rlformer.envs.make import without_card

        spec = without_card(name)
        if spec is None:
            raise unknown("card", name, known, "rlformer envs lists them; an environment without a card works too")
        name, known = spec.name, {spec.name: spec}
    rows = [
        {"name": each, **spec.to_dict(), "missing_extra": missing_extra(spec.extra)}
        for each, spec in known.items()
        if name in (None, each)
    ]
    if as_json:
        console.print_json({"environments": rows})
    elif name is not None:
        print(_pairs([[key.replace("_", " "), _plain(value)] for key, value in rows[0].items() if value]))
    else:
        head = ["environment", "random", "reference", "solved"]
        keys = ("name", "random_score", "reference_score", "solved_threshold")
        print(console.fitted(_with_summaries(head, [[r.get(key) for key in keys] for r in rows], rows)))
    _tell_missing(rows)


@app.command(cls=Grouped)
def agents(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="Show only this agent, with every key of --set, its value and its range.",
            autocompletion=completion.agents,
        ),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """List the agents, or show one."""
    from rlformer.agents import cards as agent_cards
    from rlformer.cli import console
    from rlformer.core.extras import missing_extra

    known = agent_cards.agents() if name is None else {name: agent_cards.agent(name)}
    rows: list[dict[str, Any]] = [
        {
            "name": each,
            "learner": card.learner,
            "role": card.role,
            "family": card.family,
            "summary": card.summary,
            "source": card.source,
            "tuning": card.tuning,
            "presets": card.presets,
            "defaults": card.defaults,
            "missing_extra": missing_extra(card.extra),
        }
        for each, card in known.items()
    ]
    if as_json:
        console.print_json({"agents": rows})
    elif name is not None:
        print(_described(known[name]))
    else:
        head, keys = ["agent", "learner", "family"], ("name", "learner", "family")
        print(console.fitted(_with_summaries(head, [[r[key] or None for key in keys] for r in rows], rows)))
    _tell_missing(rows)


def _with_summaries(head: list[str], body: list[list[Any]], rows: list[dict[str, Any]]) -> str:
    """The table, what is missing where anything is, and a summary last, since it is the longest."""
    from rlformer.cli import console

    if any(row["missing_extra"] for row in rows):
        head = [*head, "missing extra"]
        body = [[*cells, row["missing_extra"] or ""] for cells, row in zip(body, rows, strict=True)]
    summaries = [row.get("summary", "") for row in rows]
    return console.table([*head, "summary"], [[*cells, text] for cells, text in zip(body, summaries, strict=True)])


def _described(card: AgentCard) -> str:
    """One agent: what it is, where it has presets, and its keys with what each may be."""
    from rlformer.agents.learners import learner
    from rlformer.cli import console

    about: list[list[Any]] = [
        ["agent", card.name],
        ["summary", card.summary],
        ["source", card.source],
        ["learner", card.learner],
        ["role", card.role],
        ["family", card.family],
        ["extra", card.extra],
        ["tuning", " ".join(card.tuning.split())],
        ["presets for", ", ".join(card.presets)],
    ]
    values = card.defaults
    ranges = learner(card.learner).ranges
    known = {} if ranges is None else ranges(values)
    keys = [[key, _plain(value), known[key].words if key in known else ""] for key, value in values.items()]
    text = _pairs([row for row in about if row[1]])
    return f"{text}\n\n{console.table(['key', 'value', 'range'], keys)}" if keys else text


def _pairs(rows: list[list[Any]]) -> str:
    """What is said of one, a line each, within the width of the terminal."""
    from rlformer.cli import console

    first = max(len(str(row[0])) for row in rows) + 2
    lines = []
    for name, text in rows:
        inner = textwrap.wrap(str(text), max(20, console.width() - first), break_long_words=False) or [""]
        lines += [f"{name:<{first}}{inner[0]}", *(" " * first + line for line in inner[1:])]
    return "\n".join(lines)


def _plain(value: Any) -> str:
    """As it is typed behind --set."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], str):
        return ", ".join(value)
    return str(value)


def _tell_missing(rows: list[dict[str, Any]]) -> None:
    """Say, beside the table, what installs the extras that are missing."""
    from rlformer.cli import console

    missing = sorted({row["missing_extra"] for row in rows} - {None})
    if missing:
        console.say(f"to install the missing extras: pip install 'rlformer[{','.join(missing)}]'")
