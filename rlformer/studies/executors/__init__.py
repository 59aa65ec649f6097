"""Where the jobs of a study run, as `--on` names it. An executor is one file, and one line here."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from rlformer.core.errors import InputError, unknown
from rlformer.studies.executors.base import Executor, Request

LOCAL = "local"


@dataclass(frozen=True)
class ExecutorKind:
    """A way to run jobs. Its module, imported late, has `opened(at, request)`, a context with the executor."""

    module: str
    at: str | None = None  # what may follow its name and a colon
    own_machines: bool = False  # it has machines of its own: what this one has, such as a GPU, says nothing


EXECUTORS: Mapping[str, ExecutorKind] = {
    LOCAL: ExecutorKind("rlformer.studies.executors.local"),
    "ray": ExecutorKind("rlformer.studies.executors.ray", at="ADDRESS", own_machines=True),
    "slurm": ExecutorKind("rlformer.studies.executors.slurm", at="PARTITION", own_machines=True),
}


@dataclass(frozen=True)
class Place:
    """Where jobs run, as it was typed."""

    name: str = LOCAL
    at: str | None = None

    @classmethod
    def parse(cls, text: str) -> Place:
        """Raises InputError for what names no executor.

        >>> Place.parse("ray:10.0.0.1:6379")
        Place(name='ray', at='10.0.0.1:6379')
        >>> Place.parse("slurm").at is None
        True
        """
        name, colon, at = text.partition(":")
        if name not in EXECUTORS:
            raise InputError(f"--on {text}: {unknown('executor', name, EXECUTORS)} ({shown()})")
        takes = EXECUTORS[name].at
        if colon and (takes is None or not at.strip() or at != at.strip()):
            raise InputError(f"--on {text}: {'nothing follows local' if takes is None else f'{name}:{takes}'}")
        return cls(name, at or None)

    @property
    def usual_jobs(self) -> int | None:
        """How many run side by side where a suite of many small runs is asked for no number; None: as many as fit."""
        return None if self.own_machines else 1

    @property
    def own_machines(self) -> bool:
        """See `ExecutorKind`."""
        return EXECUTORS[self.name].own_machines


def shown() -> str:
    """What `--on` takes, in one line."""
    return "|".join(name if kind.at is None else f"{name}[:{kind.at}]" for name, kind in EXECUTORS.items())


@contextmanager
def opened(place: Place, request: Request) -> Iterator[Executor]:
    """The executor, ready: what cannot work is told now. Raises InputError as the `opened` of its module does."""
    with importlib.import_module(EXECUTORS[place.name].module).opened(place.at, request) as executor:
        yield executor
