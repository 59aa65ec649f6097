"""Logs that a command learns from: opened, and what looks wrong with them told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rlformer.data.dataset import Dataset


def open_log(
    text: str,
    *,
    env: str | None = None,
    prefix: str | None = None,
    maps: Sequence[str] | None = None,
    reward_column: int | None = None,
    keep: bool = True,
    tell: bool = True,
) -> Dataset:
    """See `studies.logs.open_data`. maps: what was typed as --map. tell: a line on standard error for each doubt."""
    from rlformer import api
    from rlformer.cli import console
    from rlformer.data.loaders.names import Choice
    from rlformer.studies import logs

    chosen = Choice.parse(maps, reward_column)
    with console.Bar("import") as bar:
        dataset = api.open_data(
            text, env=env, prefix=prefix, map=chosen.columns, reward_column=reward_column, keep=keep, progress=bar
        )
    if tell:
        for doubt in logs.doubts(dataset, env):
            console.say(f"note: {text}: {doubt.text}")
    return dataset
