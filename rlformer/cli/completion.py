"""What a shell completes besides commands and options: environments, agents, files. Nothing heavy is loaded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def environments(incomplete: str) -> list[str]:
    """Environments that have a card, ids of Gymnasium's own, and modules here that may register more."""
    return _starting([*_cards("envs"), *_gymnasium(), *(f"{path.stem}:" for path in _modules())], incomplete)


def agents(incomplete: str) -> list[str]:
    """Agents that have a card; of a list with commas the last one."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in _starting(_cards("agents"), last)]


def targets(incomplete: str) -> list[str]:
    """What `compare` takes: environments and study files."""
    return [*environments(incomplete), *(path for path in _paths(incomplete) if path.endswith((".toml", "/")))]


def policies(incomplete: str) -> list[str]:
    """What acts: `random`, and folders on the way to a run, or files of agents."""
    return [*_starting(["random"], incomplete), *(path for path in _paths(incomplete) if path.endswith(("/", ".zip")))]


def _cards(kind: str) -> list[str]:
    from rlformer.core.cards import folders  # no card is read: its name is that of its file

    return sorted({path.stem for folder in folders(kind) for path in folder.glob("*.toml")})


def _gymnasium() -> list[str]:
    """Ids that Gymnasium registers by itself, of the newest versions; none where it cannot be imported."""
    try:
        from gymnasium.envs.registration import registry
    except ImportError:
        return []
    return sorted(name for name, spec in registry.items() if not str(spec.entry_point).startswith("rlformer."))


def _modules() -> Iterator[Path]:
    return (path for path in Path.cwd().glob("*.py") if path.stem.isidentifier())


def _paths(incomplete: str) -> list[str]:
    folder, start = os.path.split(incomplete)
    where = Path(folder or ".")
    if not where.is_dir():
        return []
    found = (path for path in where.iterdir() if path.name.startswith(start) and not path.name.startswith("."))
    return sorted(os.path.join(folder, path.name) + ("/" if path.is_dir() else "") for path in found)


def _starting(names: list[str], incomplete: str) -> list[str]:
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]
