"""One policy to be explained, as a job: here, or on a machine of a cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from rlformer.agents.online.normalization import Normalization
from rlformer.agents.threads import one_thread
from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.core.spaces import Array
from rlformer.data.dataset import Dataset
from rlformer.data.folder import load
from rlformer.explain import parts
from rlformer.explain.parts import Explanation
from rlformer.runs.hooks import Hooks
from rlformer.runs.waiting import in_line
from rlformer.studies import explain_runs
from rlformer.studies.executors.base import Executor, Job, Refused
from rlformer.studies.explain_runs import Opened, Progress
from rlformer.studies.shards import absolute_normalization, absolute_policy


@dataclass(frozen=True)
class Asked:
    """What is asked of one policy; see `api.explain`."""

    policy: str
    env: EnvSpec | None = None
    dataset: Dataset | None = None
    distractors: int | None = None
    seed: int = 0
    tree: Path | None = None  # a folder for the surrogate tree
    only: tuple[str, ...] | None = None
    out: Path | None = None
    agent: str | None = None
    step: int | None = None
    trust: bool = False
    normalized: Normalization = field(default_factory=Normalization)

    @property
    def of_run(self) -> bool:
        """Whether the policy is a run of ours."""
        return (Path(self.policy) / "record.json").is_file()

    @property
    def folder(self) -> Path:
        """Where all of this is written, or below."""
        return self.out or (Path(self.policy) / "explain" if self.of_run else Path("explanations"))

    def explain(self, hooks: Hooks) -> tuple[Path, Explanation]:
        """The explanation, and its folder; where another process makes it, that is waited for if the hooks say so.

        Raises as `explain_runs.explain` does.
        """
        with one_thread():
            opened = self.open(hooks)
            return opened.folder, in_line(
                lambda: explain_runs.explain(
                    opened, only=self.only, tree=self.tree, progress=hooks.listener, stop=hooks.stop
                ),
                hooks,
            )

    def open(self, hooks: Hooks) -> Opened:
        """What is to be explained; a counterpart with distractors is trained first. Raises as `explain` does."""
        if not self.of_run:
            if self.distractors is not None:
                raise InputError(f"{self.policy}: --distractors trains a run again, and this is not a run directory")
            return explain_runs.open_other(
                self.policy,
                self.env,
                self.seed,
                self.dataset,
                self.agent,
                self.trust,
                self.out,
                self.normalized,
                hooks.tell,
            )
        path = Path(self.policy)
        if self.distractors is not None:
            path = explain_runs.distracted_run(
                path, self.distractors, hooks=replace(hooks, listener=Hooks().listener), env=self.env, trust=self.trust
            )
        opened = explain_runs.open_run(path, self.seed, self.dataset, self.env, self.trust, self.step)
        return opened if self.out is None else replace(opened, folder=self.out)


@dataclass(frozen=True)
class _Sent:
    """The same for a worker: its paths are absolute, and the log is named by where it lies."""

    asked: Asked  # without the log
    log: Path | None
    index: Array | None  # the episodes of the view; None: all
    selection: str

    @classmethod
    def of(cls, asked: Asked) -> _Sent:
        """Raises InputError for a log that lies on no disk."""
        log = asked.dataset
        if log is not None and log.path is None:
            raise InputError("a log that lies on no disk: a worker cannot read it; save it, or leave --on out")
        return cls(
            replace(
                asked,
                dataset=None,
                policy=absolute_policy(asked.policy),
                tree=None if asked.tree is None else asked.tree.absolute(),
                out=None if asked.out is None else asked.out.absolute(),
                normalized=absolute_normalization(asked.normalized),
            ),
            None if log is None or log.path is None else log.path.absolute(),
            None if log is None or not log.selection else np.asarray(log.index),
            "" if log is None else log.selection,
        )

    def whole(self) -> Asked:
        """What was asked, with the log."""
        if self.log is None:
            return self.asked
        log = load(self.log)
        return replace(self.asked, dataset=log if self.index is None else log.select(self.index, self.selection))


def elsewhere(asked: Asked, executor: Executor, hooks: Hooks) -> Explanation:
    """The same made by an executor.

    Raises InputError where a worker was refused, Interrupted on Ctrl-C, and RuntimeError where it failed.
    """
    answer: Path | None = None
    for event in executor.run(_work, [Job(("explain", asked.seed), _Sent.of(asked))]):
        if event.kind == "progress":
            hooks.listener(*event.value)
        elif event.kind in ("waiting", "again"):
            hooks.tell(f"{asked.policy}: {event.kind}: {event.value}")
        elif isinstance(event.value, Refused):
            raise InputError(event.value.reason)
        elif event.kind == "finished":
            answer = event.value
        elif event.kind == "failed":
            raise RuntimeError(f"{asked.policy}: {event.value}; the same command continues")
    assert answer is not None
    wanted = asked.only and (*asked.only, *["surrogate"] * (asked.tree is not None))
    made = parts.read(answer).made
    return Explanation({name: part for name, part in made.items() if wanted is None or name in wanted})


def _work(sent: _Sent, stop: Callable[[], bool], progress: Progress) -> Path | Refused:
    """In a process of its own. Its answer is short: the parts are on disk."""
    try:
        return sent.whole().explain(Hooks(stop, progress, waits=False))[0].absolute()
    except files.Busy:
        raise  # the executor waits for it
    except InputError as error:
        return Refused(str(error))
