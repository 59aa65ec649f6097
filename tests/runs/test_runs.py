"""Run directories: one writer at a time, curves that survive a kill, times that add up over sessions."""

import json
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rlformer.agents.cards import resolve
from rlformer.agents.loading import load_learner
from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.records import Cost, EvalResult
from rlformer.envs import cards as env_cards
from rlformer.runs import curves, kept, ledger, metrics
from rlformer.runs.curves import CurvePoint
from rlformer.runs.directory import RunDirectory
from rlformer.runs.hooks import Hooks
from rlformer.runs.inputs import LogInput
from rlformer.runs.spec import RunSpec


@pytest.fixture
def spec() -> RunSpec:
    return resolve(env_cards.environment("CartPole-v1"), "random")


def test_a_run_says_what_it_is_and_how_it_ended(tmp_path: Path, spec: RunSpec) -> None:
    run = RunDirectory.of(tmp_path, spec, seed=3)
    with run.session(spec, 3) as log:
        log.scalars({"eval/return": 20.0}, step=100)
        log.progress(100, 200, "half")
        log.note("a remark")
        log.note("a remark")
        log.end("finished", Cost(env_steps=200))
    again = RunDirectory.open(run.path)
    assert run.path.parent.parent.name == "CartPole-v1"
    assert again.finished
    assert again.spec == spec
    assert (again.record.seed, again.record.cost.env_steps, again.record.notes) == (3, 200, ["a remark"])
    assert [point["eval/return"] for point in metrics.read(run.path / "metrics.jsonl")] == [20.0]
    assert list((run.path / "tb").iterdir())


def test_a_file_is_for_all_who_may_read_its_neighbours_whoever_wrote_it(tmp_path: Path) -> None:
    with files.replacing(tmp_path / "a") as temporary:
        other = tmp_path / "other"
        other.touch(mode=0o600)
        other.replace(temporary)
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_a_run_that_used_a_gpu_says_so_though_it_ended_without_one(tmp_path: Path, spec: RunSpec) -> None:
    run = RunDirectory.of(tmp_path, spec, seed=0)
    with run.session(spec, 0) as log:
        assert "gpu" not in log.record.hardware
        log.on_gpu("G 100", 2_000)
        log.on_gpu("G 100", 1_000)
        log.end("interrupted")
    with run.session(spec, 0) as log:
        log.end("finished")
    assert (run.record.hardware["gpu"], run.record.peak_gpu_memory_bytes) == ("G 100", 2_000)


def test_what_a_killed_writer_left_is_cleared_away(tmp_path: Path) -> None:
    """The next writer of the same file does it; what living processes or other machines write stays."""

    def die(path: Path) -> None:
        with files.replacing(path) as temporary:
            temporary.write_text("half")
            os._exit(9)

    process = multiprocessing.get_context("fork").Process(target=die, args=(tmp_path / "x.json",))
    process.start()
    process.join()
    (left,) = tmp_path.iterdir()
    elsewhere = tmp_path / f".x.json.another-machine.{process.pid}.tmp"
    alive = tmp_path / left.name.replace(str(process.pid), str(os.getppid()))
    for path in (elsewhere, alive):
        path.touch()
    files.write_text(tmp_path / "y.json", "other")
    assert left.exists()
    files.write_text(tmp_path / "x.json", "whole")
    assert {*tmp_path.iterdir()} == {tmp_path / "x.json", tmp_path / "y.json", elsewhere, alive}


def test_by_hand_is_what_differs_from_the_preset() -> None:
    env = env_cards.environment("CartPole-v1")
    width = resolve(env, "dt").values["width"]
    assert "by hand" not in resolve(env, "dt", [f"width={width}"]).agent.tuning
    assert resolve(env, "dt", [f"width={width}", "heads=4"]).agent.tuning.endswith("Changed by hand: heads=4")


def test_the_hash_covers_what_changes_the_outcome_and_nothing_else(spec: RunSpec) -> None:
    env = env_cards.environment("CartPole-v1")
    one = resolve(env, "bc", inputs=(LogInput("a", path="here"),))
    assert one.hash == resolve(env, "bc", inputs=(LogInput("a", path="there"),)).hash
    assert one.hash != resolve(env, "bc", inputs=(LogInput("b", path="here"),)).hash
    assert one.hash != resolve(env, "bc", ["width=8"], inputs=(LogInput("a"),)).hash
    assert one.hash != spec.hash


def _hold(path: Path, spec: RunSpec, ready: object, release: object) -> None:
    with RunDirectory(path).session(spec, 0):
        ready.set()  # type: ignore[attr-defined]
        release.wait(300)  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_second_process_is_refused_and_a_dead_one_is_not_in_the_way(tmp_path: Path, spec: RunSpec) -> None:
    context = multiprocessing.get_context("spawn")
    ready, release = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(tmp_path / "run", spec, ready, release))
    process.start()
    assert ready.wait(300)  # on a busy machine
    with (
        pytest.raises(InputError, match=f"another process \\({process.pid}\\)"),
        RunDirectory(tmp_path / "run").session(spec, 0),
    ):
        pass
    process.kill()
    process.join()
    with RunDirectory(tmp_path / "run").session(spec, 0) as log:
        assert log.record.status == "running"


def test_a_torn_line_is_dropped_and_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "seconds": 0.1, "a": 1.0}\n{"step": 2, "sec')
    assert [p["step"] for p in metrics.read(path)] == [1]
    curves = metrics.Metrics(tmp_path)
    curves.write({"a": 3.0, "b": float("nan")}, step=3, seconds=0.3)
    curves.close()
    assert list(metrics.read(path)) == [
        {"step": 1, "seconds": 0.1, "a": 1.0},
        {"step": 3, "seconds": 0.3, "a": 3.0},
    ]


def test_points_lost_behind_a_damaged_line_are_told(tmp_path: Path, spec: RunSpec) -> None:
    run = RunDirectory(tmp_path / "run")
    with run.session(spec, 0) as log:
        for step in (1, 2, 3):
            log.scalars({"eval/return": 1.0}, step)
        log.end("interrupted")
    path = run.path / "metrics.jsonl"
    first, _, last = path.read_text().splitlines(keepends=True)
    path.write_text(f"{first}x\n{last}")
    for _ in range(2):
        with run.session(spec, 0) as log:
            log.end("interrupted")
    (note,) = run.record.notes
    assert note.endswith("metrics.jsonl: damaged: line 2 is no point of a curve; the points from there on are lost")
    assert path.read_text() == first


def test_rewinding_forgets_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    curves = metrics.Metrics(tmp_path)
    for step in (10, 20, 30):
        curves.write({"a": float(step)}, step, seconds=step / 10)
    curves.rewind(20)
    curves.write({"a": 21.0}, 21, seconds=2.1)
    curves.close()
    assert [p["step"] for p in metrics.read(tmp_path / "metrics.jsonl")] == [10, 20, 21]


def test_every_return_behind_a_curve_is_kept_with_its_step(tmp_path: Path, spec: RunSpec) -> None:
    """Judging needs them all; scalars alone are means. What a rewound run played is forgotten with its points."""
    run = RunDirectory.of(tmp_path, spec, seed=0)
    with run.session(spec, 0) as log:
        for step, returns, fresh in ((10, [1.0, 3.0], []), (20, [5.0, 7.0], [4.0, 8.0]), (30, [9.0, 9.0], [])):
            log.scalars({"train/loss": 0.5}, step)
            log.played(CurvePoint(step, tuple(returns), tuple(fresh), env_steps=5))
            log.scalars({"eval/return": sum(returns) / 2}, step)
        log.rewind(20)
    with (run.path / "eval" / "curve.jsonl").open("a") as file:
        file.write('{"step": 25, "sec')  # a kill
    with run.session(spec, 0) as log:
        log.played(CurvePoint(30, (6.0,), (), (True,), env_steps=7))
        log.scalars({"eval/return": 6.0}, 30)
        log.end("interrupted")
    points = list(metrics.read(run.path / "eval" / "curve.jsonl"))
    assert [(p["step"], p["returns"], p["fresh"]) for p in points] == [
        (10, [1.0, 3.0], []),
        (20, [5.0, 7.0], [4.0, 8.0]),
        (30, [6.0], []),
    ]
    assert [p.get("successes") for p in points] == [None, None, [1]]  # where the environment tells them
    assert curves.read(run.path)[-1].success_rate == 1.0
    assert run.record.cost.evaluation_env_steps == 17
    times = {p["step"]: p["seconds"] for p in metrics.read(run.path / "metrics.jsonl") if "eval/return" in p}
    assert {p["step"]: p["seconds"] for p in points} == times
    assert run.evaluations() == {}  # a curve is none of the evaluations at the end


def test_a_caller_hears_how_far_it_is_and_may_stop_it(tmp_path: Path, spec: RunSpec) -> None:
    heard: list[object] = []
    hooks = Hooks(lambda: True, lambda *far: heard.append(far), heard.append)
    with RunDirectory.of(tmp_path, spec, 0).session(spec, 0, hooks) as log:
        log.progress(1, 2, "half")
        log.note("a remark")
        log.note("a remark")
        assert log.stop_requested()
    assert heard == [(1, 2, "half"), "a remark"]


def test_times_of_parts_add_up_and_continue(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(ledger.time, "perf_counter", lambda: now[0])
    first = ledger.Ledger()
    with first.clock("evaluation"):
        now[0] += 2.0
        with first.clock("environment"):  # inside an evaluation it counts for the evaluation alone
            now[0] += 1.0
    now[0] += 4.0
    times = first.times()
    assert (times["wall"], times["evaluation"], times["environment"], times["learning"]) == (7.0, 3.0, 0.0, 4.0)
    second = ledger.Ledger(times)
    now[0] += 1.0
    assert second.times()["wall"] == 8.0
    assert ledger.training_seconds(second.times())[0] == 5.0


def test_cpu_seconds_of_learning_stand_apart_from_those_that_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    now, cpu = [0.0], [0.0]
    monkeypatch.setattr(ledger.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(ledger, "_cpu_seconds", lambda: cpu[0])
    first = ledger.Ledger({"wall": 8.0, "cpu": 4.0, "learning": 8.0, "learning_cpu": 4.0})  # of an earlier session
    for part, wall, busy in (("environment", 1.0, 1.0), ("evaluation", 2.0, 4.0), ("log", 3.0, 1.0)):
        with first.clock(part):
            now[0], cpu[0] = now[0] + wall, cpu[0] + busy
            times = first.times()  # also while a clock is open
            parts = sum(times[each] for each in ("learning", "environment", "evaluation", "log"))
            assert (parts, times["learning"]) == (times["wall"], 8.0)
            assert sum(times[f"{each}_cpu"] for each in ("learning", "evaluation", "log")) == times["cpu"]
    now[0], cpu[0] = now[0] + 5.0, cpu[0] + 2.0
    times = first.times()
    assert (times["learning_cpu"], times["evaluation_cpu"], times["log_cpu"]) == (7.0, 4.0, 1.0)
    assert ledger.training_seconds(times) == (14.0, 7.0)  # learning and the environment


def test_a_kept_policy_goes_with_the_steps_that_a_kill_undid(tmp_path: Path, spec: RunSpec) -> None:
    run = RunDirectory.of(tmp_path, spec, seed=0)

    def write(text: str) -> Callable[[Path], None]:
        return lambda folder: (folder / "model.json").write_text(text) and None

    with run.session(spec, 0) as log:
        for step in (1000, 2000, 4000):
            log.keep(step, write("first"))
        log.rewind(2000)
        assert kept.steps(run.path) == (1000, 2000)
        (kept.folder(run.path, 2000) / "torn").write_text("")  # of an attempt that was killed
        log.keep(2000, write("again"))
        (path,) = kept.folder(run.path, 2000).iterdir()
        assert path.read_text() == "again"
        log.end("finished")
    run.check()
    (kept.folder(run.path, 1000) / "model.json").write_text("changed")
    with pytest.raises(InputError, match=r"checkpoints/kept/1000/model\.json: damaged"):
        run.check()


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    files.write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="Out of range float"):
        files.write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}
    assert os.listdir(tmp_path) == ["record.json"]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="there is a file where a folder is needed"):
        files.writable_directory(tmp_path / "file" / "below")
    with pytest.raises(InputError, match="cannot be written"):
        files.writable_directory(Path("/proc/rlformer"))


@pytest.mark.parametrize(
    ("name", "before", "after", "said"),
    [
        (
            "record.json",
            "rlformer/2",
            "rlformer/1",
            "record.json: schema 'rlformer/1', this version reads 'rlformer/2'",
        ),
        ("spec.toml", "rlformer/2", "rlformer/1", "spec.toml: schema 'rlformer/1', this version reads 'rlformer/2'"),
        ("record.json", '"cost": {', '"cost": 3, "rest": {', "record.json: damaged: "),
        ("record.json", '"seed"', '"sead"', "record.json: damaged: "),
        ("spec.toml", "role", "rule", "spec.toml: damaged: "),
        ("spec.toml", "[env]", "[elsewhere]", "spec.toml: damaged: 'env' is missing"),
    ],
)
def test_a_damaged_run_or_one_of_another_version_is_one_line(
    tmp_path: Path, spec: RunSpec, name: str, before: str, after: str, said: str
) -> None:
    run = RunDirectory.of(tmp_path, spec, seed=0)
    with run.session(spec, 0) as log:
        log.end("finished")
    text = (run.path / name).read_text()
    (run.path / name).write_text(text.replace(before, after))
    with pytest.raises(InputError) as error:
        _ = run.record, run.spec
    assert str(error.value).startswith(f"{run.path}/{said}")
    assert "\n" not in str(error.value)
    assert run.set_aside_damaged() is not None


def test_a_run_of_an_older_version_says_so_and_not_that_a_file_is_lost(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text('{"schema": "rlformer/1", "config_hash": "0"}')
    with pytest.raises(InputError, match=r"record\.json: schema 'rlformer/1', this version reads 'rlformer/2'"):
        _ = RunDirectory.open(tmp_path).spec


@pytest.mark.parametrize("content", [None, "{torn"])
def test_a_path_that_is_no_run_is_one_line(tmp_path: Path, content: str | None) -> None:
    if content is None:
        with pytest.raises(InputError, match="not a run directory"):
            RunDirectory.open(tmp_path / "nowhere")
        return
    (tmp_path / "record.json").write_text(content)
    with pytest.raises(InputError, match="not valid JSON"):
        _ = RunDirectory.open(tmp_path).record


@pytest.mark.parametrize("damage", ["old", "record", "spec"])
def test_a_run_that_cannot_be_read_says_which_file_and_why(tmp_path: Path, spec: RunSpec, damage: str) -> None:
    run = RunDirectory(tmp_path / "run")
    with run.session(spec, 0) as log:
        log.end("finished")
    if damage == "old":  # what version 1 wrote had another file in the place of spec.toml
        (run.path / "spec.toml").rename(run.path / "config.toml")
        (run.path / "record.json").write_text('{"schema": "rlformer/1", "config_hash": "abc"}')
        message = "record.json: schema 'rlformer/1', this version reads 'rlformer/2'; train the run again"
    elif damage == "record":
        record = {**json.loads((run.path / "record.json").read_text()), "surplus": 1}
        (run.path / "record.json").write_text(json.dumps(record))
        message = "record.json: damaged: .*surplus"
    else:
        (run.path / "spec.toml").write_text('schema = "rlformer/2"\nagent = 3\nenv = 4\n')
        message = "spec.toml: damaged"
    with pytest.raises(InputError, match=message):
        _ = (run.record, run.spec)
    with pytest.raises(InputError, match=message):
        load_learner(run.path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("returns", [], "no returns"),
        ("returns", "ab", "a list expected"),
        ("returns", [[1.0, 2.0]], "not one seed, length and ending"),
        ("seeds", [0.5, 1.5], "not one seed, length and ending"),
        ("lengths", [0, 3], "not one seed, length and ending"),
        ("terminated", [0, 1], "not one seed, length and ending"),
        ("successes", [True], "not one seed, length and ending"),
        ("seconds", None, "EvalResult.seconds: float expected"),
        ("num_envs", "two", "EvalResult.num_envs: int expected"),
        ("action_selection", "best", "one of greedy, sampled expected"),
        ("seed_obeyed", "no", "EvalResult.seed_obeyed: bool expected"),
        ("surplus", 1, "surplus"),
    ],
)
def test_an_evaluation_with_a_value_that_is_none_is_one_line(
    tmp_path: Path, key: str, value: object, message: str
) -> None:
    whole = EvalResult("e", "p", np.arange(2), np.ones(2), np.array([2, 3]), np.array([True, False]), "greedy")
    run = RunDirectory(tmp_path)
    run.save_evaluation("final", whole)
    assert run.evaluations()["final"].lengths.tolist() == [2, 3]
    files.write_json(tmp_path / "eval/final.json", {**whole.to_dict(), key: value})
    with pytest.raises(InputError, match=rf"^\S+eval/final\.json: .*{message}"):
        run.evaluations()
