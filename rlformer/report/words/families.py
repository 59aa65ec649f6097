"""The families of a verdict in words."""

from __future__ import annotations

from collections.abc import Mapping

from rlformer.runs.spec import Family

FAMILY_WORDS: Mapping[Family, str] = {
    "online": "online RL",
    "sequence": "the sequence model",
    "offline": "offline RL",
    "hybrid": "a log first, then interaction",
}
COLUMN_HEADS: Mapping[Family | None, str] = {
    "online": "Online RL",
    "sequence": "Sequence model",
    "offline": "Offline RL",
    "hybrid": "Log first, then interaction",
    None: "Simple method",
}


def named(family: Family, arm: str) -> str:
    """A family with the arm that stands for it.

    >>> named("online", "ppo")
    'online RL (ppo)'
    """
    return f"{FAMILY_WORDS[family]} ({arm})"
