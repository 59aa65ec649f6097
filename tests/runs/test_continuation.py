"""What a kill costs: steps and seconds hold to the last checkpoint, and every clock goes on from there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rlformer.agents.cards import resolve
from rlformer.core import files
from rlformer.core.errors import InputError, Interrupted
from rlformer.core.records import Cost
from rlformer.envs import cards as env_cards
from rlformer.runs import ledger, metrics
from rlformer.runs.directory import RunDirectory
from rlformer.runs.hooks import Hooks
from rlformer.runs.session import RunSession
from rlformer.runs.spec import RunSpec
from rlformer.runs.waiting import in_line


class Killed(BaseException):
    """As if the process were gone: nothing is told to anybody."""


@pytest.fixture
def spec() -> RunSpec:
    return resolve(env_cards.environment("CartPole-v1"), "random")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Seconds pass when they are told to."""
    now = [100.0]
    monkeypatch.setattr(ledger.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(ledger, "_cpu_seconds", lambda: now[0] / 2)

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


def killed(run: RunDirectory, spec: RunSpec, work: Callable[[RunSession], None], at: int = 0) -> None:
    """Work in the run from the checkpoint at that step, until a kill."""
    try:
        with run.session(spec, 0) as log:
            log.rewind(at)
            work(log)
            raise Killed
    except Killed:
        assert run.record.status == "running"


def seconds(run: RunDirectory) -> dict[int, float]:
    return {point["step"]: point["seconds"] for point in metrics.read(run.path / "metrics.jsonl")}


def test_after_a_kill_the_record_is_that_of_the_last_checkpoint(
    tmp_path: Path, spec: RunSpec, clock: Callable[[float], None]
) -> None:
    run = RunDirectory(tmp_path / "run")

    def work(log: RunSession) -> None:
        clock(10.0)
        log.scalars({"a": 1.0}, 100)
        with log.checkpoint(100):
            log.spent(Cost(env_steps=100))
        clock(3.0)
        log._due = lambda: True  # type: ignore[assignment]
        log.progress(130, 200)

    killed(run, spec, work)
    record = run.record
    assert (record.cost.env_steps, record.times["wall"], record.times["cpu"]) == (100, 10.0, 5.0)
    assert (record.unsaved, record.lost) == ({"wall": 3.0, "cpu": 1.5}, {})


def test_what_is_made_again_counts_once_and_is_told(
    tmp_path: Path, spec: RunSpec, clock: Callable[[float], None]
) -> None:
    run = RunDirectory(tmp_path / "run")

    def work(log: RunSession) -> None:
        clock(10.0)
        log.scalars({"a": 1.0}, 100)
        with log.checkpoint(100):
            log.spent(Cost(env_steps=100))
        clock(3.0)
        log.scalars({"a": 2.0}, 130)
        log._due = lambda: True  # type: ignore[assignment]
        log.progress(130, 200)

    killed(run, spec, work)
    with run.session(spec, 0) as log:
        log.rewind(100)
        assert seconds(run) == {100: 10.0}
        clock(4.0)
        log.scalars({"a": 2.0}, 130)
        log.end("finished", Cost(env_steps=200))
    record = run.record
    assert (record.cost.env_steps, record.times["wall"], record.times["cpu"]) == (200, 14.0, 7.0)
    assert record.lost == {"wall": 3.0, "cpu": 1.5, "steps": 30}
    assert seconds(run) == {100: 10.0, 130: 14.0}


def test_what_one_kill_cost_is_not_told_of_the_next(
    tmp_path: Path, spec: RunSpec, clock: Callable[[float], None]
) -> None:
    """The second comes before anything was done again."""
    run = RunDirectory(tmp_path / "run")

    def work(log: RunSession) -> None:
        clock(10.0)
        with log.checkpoint(100):
            log.spent(Cost(env_steps=100))
        clock(3.0)
        log._due = lambda: True  # type: ignore[assignment]
        log.progress(130, 200)

    killed(run, spec, work)
    for _ in range(3):
        killed(run, spec, lambda log: None, at=100)
    assert run.record.lost == {"wall": 3.0, "cpu": 1.5, "steps": 30}
    assert run.record.times["wall"] == 10.0


def test_a_run_whose_checkpoint_was_damaged_goes_back_to_the_times_of_the_one_before(
    tmp_path: Path, spec: RunSpec, clock: Callable[[float], None]
) -> None:
    run = RunDirectory(tmp_path / "run")

    def work(log: RunSession) -> None:
        for step in (10, 20):
            clock(5.0)
            with log.checkpoint(step):
                log.spent(Cost(env_steps=step))

    killed(run, spec, work)
    with run.session(spec, 0) as log:
        log.rewind(10)
        clock(1.0)
        log.end("finished")
    assert run.record.times["wall"] == 6.0


def test_without_a_checkpoint_all_begins_anew(tmp_path: Path, spec: RunSpec, clock: Callable[[float], None]) -> None:
    run = RunDirectory(tmp_path / "run")

    def work(log: RunSession) -> None:
        clock(7.0)
        log.scalars({"a": 1.0}, 5)
        log._due = lambda: True  # type: ignore[assignment]
        log.progress(5, 10)

    killed(run, spec, work)
    killed(run, spec, work)
    with run.session(spec, 0) as log:
        log.rewind(0)
        clock(2.0)
        log.end("finished")
    record = run.record
    assert record.times["wall"] == 2.0
    assert record.lost == {"wall": 14.0, "cpu": 7.0, "steps": 10}
    assert seconds(run) == {}


@pytest.mark.slow
def test_tensorboard_shows_each_point_once_against_steps_and_against_seconds(
    tmp_path: Path, spec: RunSpec, clock: Callable[[float], None]
) -> None:
    """In gradient steps a run has fewer steps than seconds, in environment steps far more: neither cuts the other."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for scale in (1, 1000):
        run = RunDirectory(tmp_path / f"run-{scale}")

        def work(log: RunSession, scale: int = scale) -> None:
            for step in range(1, 5):
                clock(30.0)
                log.scalars({"eval/return": float(step)}, step * scale)
                if step == 2:
                    with log.checkpoint(step * scale):
                        log.spent(Cost())

        killed(run, spec, work)
        with run.session(spec, 0) as log:
            log.rewind(2 * scale)
            for step in (3, 4):
                clock(30.0)
                log.scalars({"eval/return": float(step)}, step * scale)
            log.end("finished")
        shown = EventAccumulator(str(run.path / "tb"))
        shown.Reload()
        against = {tag: [(e.step, e.value) for e in shown.Scalars(tag)] for tag in ("eval/return", "time/return")}
        assert against["eval/return"] == [(scale * step, float(step)) for step in range(1, 5)]
        assert against["time/return"] == [(30 * step, float(step)) for step in range(1, 5)]


def test_a_line_that_is_no_point_is_named_and_a_torn_tail_is_not(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    whole = [json.dumps({"step": i, "seconds": 0.1 * i, "a": 1.0}) + "\n" for i in range(3)]
    path.write_text("".join(whole) + '{"step": 3, "sec')
    assert len(metrics.checked(path)) == 3
    for wrong in ("garbage", "3", '{"seconds": 1.0}', '{"step": "4", "seconds": 1.0}', '{"step": 4, "seconds": NaN}'):
        path.write_text("".join([whole[0], wrong + "\n", *whole[1:]]))
        with pytest.raises(InputError, match=r"metrics\.jsonl: damaged: line 2 is no point of a curve"):
            metrics.checked(path)


def test_a_run_that_another_process_finished_meanwhile_is_left_as_it_is(tmp_path: Path, spec: RunSpec) -> None:
    run = RunDirectory(tmp_path / "run")
    with run.session(spec, 0) as log:
        log.end("finished", Cost(env_steps=7))
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.name != "lock"}
    with run.session(spec, 0) as log:
        assert log.finished
    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.name != "lock"} == before


def test_who_waits_says_for_whom_and_looks_anew(tmp_path: Path) -> None:
    heard: list[str] = []
    lock = tmp_path / "run" / "lock"
    lock.parent.mkdir()
    holding = files.locked(lock, "run")
    holding.__enter__()
    turns = []

    def work() -> str:
        turns.append(1)
        with files.locked(lock, "run"):
            return "done"

    def stop() -> bool:
        holding.__exit__(None, None, None)  # the other one ends while this one waits
        return False

    assert in_line(work, Hooks(stop, tell=heard.append)) == "done"
    assert len(turns) == 2
    assert "another process" in heard[0]
    assert str(tmp_path / "run") in heard[0]


def test_who_waits_may_be_stopped_and_who_does_not_is_told_at_once(tmp_path: Path) -> None:
    lock = tmp_path / "lock"

    def work() -> None:
        with files.locked(lock, "run"):
            raise AssertionError

    with files.locked(lock, "run"):
        assert not files.is_free(lock)
        with pytest.raises(Interrupted):
            in_line(work, Hooks(lambda: True))
        with pytest.raises(files.Busy, match="is working on this run"):
            in_line(work, Hooks(waits=False))
    assert files.is_free(lock)
    assert files.is_free(tmp_path / "nowhere")


def test_a_lock_that_was_moved_away_guards_nothing(tmp_path: Path) -> None:
    """Who waits on the lock of a folder that is put aside or finished must not work beside who made it anew."""
    lock = tmp_path / "lock"
    with files.locked(lock, "run"):
        lock.rename(tmp_path / "moved")
        with files.locked(lock, "run"):
            assert lock.exists()


def test_a_folder_that_was_moved_away_just_before_it_is_locked_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = files.writable_directory

    def moved_once(path: Path) -> Path:
        monkeypatch.setattr(files, "writable_directory", made)
        return made(path).rename(tmp_path / "moved").with_name("run")

    monkeypatch.setattr(files, "writable_directory", moved_once)
    with files.locked_directory(tmp_path / "run", "lock", "run"):
        assert (tmp_path / "run/lock").is_file()
