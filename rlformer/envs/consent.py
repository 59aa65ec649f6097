"""A file must not choose what is imported: a run or a tree may name a module, and the user allows it, or not."""

from __future__ import annotations

import sys
from dataclasses import replace

from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.envs import cards as env_cards


def given(read: EnvSpec, named: EnvSpec | None, trust: bool) -> EnvSpec:
    """An environment that a file names, as the user's own where the user allowed it.

    named: what the user typed, which allows its module. trust: whether the user said so of the file.
    """
    allowed = trust or (named is not None and not named.source and module_of(named) == module_of(read))
    return replace(read, source="") if allowed else read


def check(env: EnvSpec, module: str) -> None:
    """Raise InputError where a file, and nobody else, asks to import this module.

    Ours, those of the user's cards, and what is imported already may be.
    """
    if not env.source or module == "rlformer" or module in sys.modules:
        return
    if env.id in {card.id for card in env_cards.environments().values()}:
        return
    raise InputError(
        f"{env.source}: needs the module '{module}', and a file may not decide what is imported: "
        f"use --trust or --env {env.id} to import it"
    )


def module_of(env: EnvSpec) -> str:
    """The module that its id names; "": none."""
    return env.id.rpartition(":")[0]
