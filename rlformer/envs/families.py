"""Environments that come by the hundred in a library of their own: each is made alike, with or without a card."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from rlformer.core.errors import MissingExtra
from rlformer.core.records import EnvSpec


@dataclass(frozen=True)
class Family:
    """How every environment of a library is made that has no card."""

    ids: str  # a pattern of them
    extra: str  # of this distribution
    module: str  # that registers them as it is imported
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    wrappers: tuple[Mapping[str, Any], ...] = ()
    remedy: str = ""  # where a file of the library is missing or damaged


FAMILIES = (
    Family(r"(?:MiniGrid|BabyAI)-\S+", "minigrid", "minigrid", wrappers=({"kind": "minigrid"},)),
    Family(
        r"ALE/[A-Za-z0-9]+-v5",
        "atari",
        "ale_py",
        {"frameskip": 1, "obs_type": "grayscale"},
        ({"kind": "atari", "frame_skip": 4, "noops": 30, "side": 84}, {"kind": "frame_stack", "frames": 4}),
        "the games come with ale-py: pip install --force-reinstall --no-deps ale-py; the variable ALE_ROMS_DIR, where "
        "it is set, must name a folder that holds this one",
    ),
)


def plain(name: str) -> str:
    """The id without the module of its family, where somebody typed it: "minigrid:MiniGrid-Empty-5x5-v0"."""
    module, _, registered = name.rpartition(":")
    family = of(registered)
    return registered if family is not None and module in ("", family.module) else name


def of(name: str) -> Family | None:
    """The family of this id; None: it is of none."""
    return next((family for family in FAMILIES if re.fullmatch(family.ids, name)), None)


def spec_of(name: str) -> EnvSpec | None:
    """The environment of this id, made as its family is; None: it is of none."""
    family = of(name)
    if family is None:
        return None
    return EnvSpec(name, name, kwargs=family.kwargs, wrappers=family.wrappers, extra=family.extra)


def register(extra: str, name: str) -> None:
    """Import what registers the environments of an extra, where something must. Raises MissingExtra. name: for it."""
    for family in FAMILIES:
        if family.extra != extra:
            continue
        if find_spec(family.module) is None:
            raise MissingExtra(extra, f"environment '{name}'")
        if family.module not in sys.modules:
            with redirect_stdout(sys.stderr):
                module: Any = importlib.import_module(family.module)
            if family.module == "ale_py":  # a banner for each game
                module.ALEInterface.setLoggerMode(module.LoggerMode.Error)
