"""All arms of the chosen rows on all seeds, over processes; the same call continues."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlformer.agents import cards as agent_cards
from rlformer.agents.learners import learner
from rlformer.core.errors import InputError
from rlformer.runs.hooks import Hooks
from rlformer.studies import executors
from rlformer.studies.diagnose import judge
from rlformer.studies.diagnose.play import learn_and_play, make_log
from rlformer.studies.diagnose.rows import Expectation, Row, chosen
from rlformer.studies.executors import Place
from rlformer.studies.executors.base import Event, Job, Request

PROFILES: Mapping[str, int] = {"quick": 1, "full": 10}  # seeds


@dataclass(frozen=True)
class _Work:
    """What a process does: the log of a row where `arm` is None, else that arm."""

    row: Row
    arm: Expectation | None
    seed: int
    root: Path
    threads: int
    command: str | None


def diagnose(
    *,
    only: str | None = None,
    profile: str = "quick",
    seeds: int | None = None,
    root: Path = Path("runs/diagnose"),
    jobs: int | None = None,
    threads: int = 1,
    on: Place = Place(),  # noqa: B008 - frozen
    command: str | None = None,
    listen: Callable[[Event], None] = lambda event: None,
) -> dict[str, Any]:
    """Train and play every arm of the chosen rows, and return what `judge.results` says of them.

    only: names or numbers of rows with commas between; by default rows 1 to 6 in the profile `quick` (one seed), all of
    them in `full` (10 seeds). jobs: side by side; by default one on this machine, as many as fit elsewhere. Finished
    runs below `root` are left alone. A failed run does not stop the rest and is listed. Raises InputError for what the
    caller can mend, Interrupted on Ctrl-C.
    """
    rows = rows_of(only, profile)
    count = PROFILES[profile] if seeds is None else seeds
    planned = plan(rows, count, root, threads, command)
    failures: dict[Any, str] = {}
    found: dict[Any, Path] = {}
    root = root.absolute()
    request = Request(root, root, jobs or on.usual_jobs, threads, lambda text: listen(Event(None, "told", text)))
    with executors.opened(on, request) as executor:
        listen(Event(None, "planned", len(planned)))
        for event in executor.run(_work, planned):
            if event.kind in ("failed", "skipped"):
                failures[event.key] = str(event.value)
            elif event.kind == "finished" and event.value is not None:
                found[event.key] = event.value
            listen(event)
    runs = {(row.name, arm.agent): [found[key] for seed in range(count) if (key := (_label(row, arm), seed)) in found]
            for row in rows for arm in row.arms}  # fmt: skip
    lost = [{"what": what, "seed": seed, "reason": reason} for (what, seed), reason in failures.items()]
    return {**judge.results(rows, runs).to_dict(), "profile": profile, "seeds": count, "failures": lost}


def rows_of(only: str | None, profile: str) -> tuple[Row, ...]:
    """The rows that `diagnose` makes. Raises InputError for an unknown profile or row."""
    if profile not in PROFILES:
        raise InputError(f"unknown profile '{profile}'; valid: {', '.join(PROFILES)}")
    return chosen(only, profile == "quick" and only is None)


def plan(rows: tuple[Row, ...], seeds: int, root: Path, threads: int = 1, command: str | None = None) -> list[Job]:
    """Every run, a seed after the other, so that an interrupted suite holds whole seeds; each log before its arms."""
    jobs, root = [], root.absolute()  # a worker may stand elsewhere
    for seed in range(seeds):
        for row in rows:
            log = _Work(row, None, seed, root, threads, command)
            jobs.append(Job((f"{row.name} log", seed), log))
            for arm in row.arms:
                offline = "log" in learner(agent_cards.agent(arm.agent).learner).needs
                needs = ((f"{row.name} log", seed),) if offline else ()
                jobs.append(Job((_label(row, arm), seed), _Work(row, arm, seed, root, threads, command), needs))
    return jobs


def _label(row: Row, arm: Expectation) -> str:
    return f"{row.name} {arm.agent}"


def _work(work: _Work, stop: Callable[[], bool], progress: Callable[[int, int, str], None]) -> Path | None:
    """In a process of its own: one log, or one run."""
    if work.arm is None:
        make_log(work.row.log_spec, work.row.log_episodes, work.seed, work.root, stop)
        return None
    run = learn_and_play(
        work.row, work.arm, work.seed, work.root,
        threads=work.threads, command=work.command, hooks=Hooks(stop, progress, waits=False),
    )  # fmt: skip
    return run.path
