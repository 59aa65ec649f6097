"""One policy explained by an executor, as `explain --on` does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

import rlformer
from rlformer import api
from rlformer.core.errors import InputError
from rlformer.data.folder import load
from rlformer.envs import cards as env_cards
from rlformer.explain.parts import Effects, Surrogate
from rlformer.runs.hooks import Hooks
from rlformer.studies.executors.base import Event, Job, Work
from rlformer.studies.executors.process import outcome
from rlformer.studies.explain_one import Asked, elsewhere

ENV = env_cards.environment("CartPole-v1")
SMALL = ["gradient_steps=20", "patience=0", "validate_every=20"]


class Elsewhere:
    """Does jobs in another folder, as a worker might."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._move: Callable[[], None] = lambda: monkeypatch.chdir(folder)

    def run(self, work: Work, tasks: Sequence[Job]) -> Iterator[Event]:
        self._move()
        for job in tasks:
            yield outcome(work, job, lambda: False, lambda done, total, note: None)


@pytest.fixture
def run(workspace: Path) -> Path:
    """A run, by a path that only the current folder knows."""
    log = rlformer.collect("random", env="CartPole-v1", out="log", episodes=20)
    path = api.train("bc", env="CartPole-v1", dataset=log, overrides=SMALL)
    (workspace / "elsewhere").mkdir()
    return path.relative_to(workspace) if path.is_absolute() else path


def test_an_explanation_is_the_same_elsewhere(run: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the states of a part of the log, which is found again from its place and its episodes."""
    log = load(Path("log")).top(0.5)
    here = api.explain(run, dataset=log, only=["effects"], out="here")
    asked = Asked(str(run), dataset=log, only=("effects",), out=Path("there"), tree=Path("tree"))
    there = elsewhere(asked, Elsewhere(monkeypatch, workspace / "elsewhere"), Hooks())  # type: ignore[arg-type]
    assert there.need(Effects) == here.need(Effects)
    assert there.need(Effects).log is not None
    assert there.need(Surrogate)
    assert sorted(path.name for path in workspace.iterdir() if path.name != "log") == [
        "elsewhere", "here", "runs", "there", "tree",
    ]  # fmt: skip


def test_what_a_worker_refuses_is_the_user_s(run: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no-such-run"):
        elsewhere(Asked("no-such-run"), Elsewhere(monkeypatch, workspace), Hooks())  # type: ignore[arg-type]
    monkeypatch.setattr("rlformer.studies.explain_runs.open_run", lambda *_: 1 / 0)
    with pytest.raises(RuntimeError, match="ZeroDivisionError: division by zero; the same command continues"):
        elsewhere(Asked(str(run)), Elsewhere(monkeypatch, workspace), Hooks())  # type: ignore[arg-type]


def test_a_mistake_is_told_before_a_cluster_is_looked_for(run: Path) -> None:
    for mistake, told in (
        ({"only": ["efects"]}, "did you mean 'effects'"),
        ({"on": "rya"}, "did you mean 'ray'"),
        ({"env": "Acrobot-v1"}, "Acrobot-v1"),
    ):
        with pytest.raises(InputError, match=told):
            api.explain(run, **{"on": "ray:127.0.0.1:1", **mistake})  # type: ignore[arg-type]
    assert not (run / "explain").exists()
