"""envs, agents."""

from __future__ import annotations

from typing import Any

import typer

from rlformer.cli.options import Debug, Grouped, Json

app = typer.Typer()


@app.command(cls=Grouped)
def envs(as_json: Json = False, debug: Debug = False) -> None:
    """List the environments, and which extra is missing."""
    from rlformer.cli import console
    from rlformer.core.extras import missing_extra
    from rlformer.envs import cards as env_cards

    rows = [
        {"name": name, **spec.to_dict(), "missing_extra": missing_extra(spec.extra)}
        for name, spec in env_cards.environments().items()
    ]
    if as_json:
        console.print_json({"environments": rows})
        return
    body = [
        [
            r["name"],
            r.get("random_score"),
            r.get("reference_score"),
            r.get("solved_threshold"),
            r["missing_extra"] or "",
            r.get("summary", ""),
        ]
        for r in rows
    ]
    print(console.fitted(console.table(["environment", "random", "reference", "solved", "missing extra", ""], body)))
    _tell_missing(rows)


@app.command(cls=Grouped)
def agents(as_json: Json = False, debug: Debug = False) -> None:
    """List the agents, and which extra is missing."""
    from rlformer.agents import cards as agent_cards
    from rlformer.cli import console
    from rlformer.core.extras import missing_extra

    rows: list[dict[str, Any]] = [
        {
            "name": name,
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
        for name, card in agent_cards.agents().items()
    ]
    if as_json:
        console.print_json({"agents": rows})
        return
    body = [
        [r["name"], r["learner"], r["missing_extra"] or "", r["summary"], ", ".join(r["presets"]) or "-"] for r in rows
    ]
    print(console.fitted(console.table(["agent", "learner", "missing extra", "", "presets for"], body)))
    _tell_missing(rows)


def _tell_missing(rows: list[dict[str, Any]]) -> None:
    """Say, beside the table, what installs the extras that are missing."""
    from rlformer.cli import console

    missing = sorted({row["missing_extra"] for row in rows} - {None})
    if missing:
        console.say(f"to install the missing extras: pip install 'rlformer[{','.join(missing)}]'")
