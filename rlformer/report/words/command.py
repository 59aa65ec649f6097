"""A command of `compare` as words, whose options can be changed."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from rlformer.evaluator.judge.evidence import Evidence

_COMPARE = ("rlformer", "compare")


@dataclass(frozen=True)
class Origin:
    """Where runs come from: the commands that were typed, and the folder that their paths begin in, seen from here."""

    typed: str | None = None
    folder: str = ""

    def path(self, run: str) -> str:
        """What to type for a run directory."""
        return f"{self.folder}/{run}" if self.folder else run


HERE = Origin()


@dataclass(frozen=True)
class Command:
    """What a person types.

    >>> study = Command(("rlformer", "compare", "CartPole-v1", "--seeds", "3"))
    >>> str(study.with_option("--seeds", "10").with_flag("--explain"))
    'rlformer compare CartPole-v1 --seeds 10 --explain'
    """

    words: tuple[str, ...]

    @classmethod
    def of(cls, evidence: Evidence, typed: str | None) -> Command:
        """The first line of `typed` that compares on this environment; else a comparison of the arms that are here."""
        for line in (typed or "").splitlines():
            words = _split(line)
            own = any(word == evidence.name or word.endswith(".toml") for word in words[2:])
            if tuple(words[:2]) == _COMPARE and own:
                return cls(tuple(words))
        agents = dict.fromkeys(arm.agent for arm in evidence.arms)
        return cls((*_COMPARE, evidence.name, "--arms", ",".join(agents)))

    def with_option(self, name: str, value: str) -> Command:
        """An option set to this value and to no other."""
        return Command((*self.without(name).words, name, value))

    def with_flag(self, name: str) -> Command:
        """An option that takes no value."""
        return self if name in self.words else Command((*self.words, name))

    def with_setting(self, key: str, value: object) -> Command:
        """A preset changed, beside others that are changed already."""
        pairs = zip(self.words, (*self.words[1:], ""), strict=True)
        old = {i for i, pair in enumerate(pairs) if pair[0] == "--set" and pair[1].startswith(f"{key}=")}
        kept = [word for i, word in enumerate(self.words) if i not in old and i - 1 not in old]
        return Command((*kept, "--set", f"{key}={value}"))

    def without(self, name: str) -> Command:
        """An option and its value left out."""
        kept: list[str] = []
        words = iter(self.words)
        for word in words:
            if word == name:
                next(words, None)
            elif not word.startswith(f"{name}="):
                kept.append(word)
        return Command(tuple(kept))

    def __str__(self) -> str:
        return shlex.join(self.words)


def _split(line: str) -> list[str]:
    """The words of a line as a shell reads them; none where it could not."""
    try:
        return shlex.split(line)
    except ValueError:
        return []
