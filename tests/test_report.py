"""Reports from invented runs: what they count, what they dare to say, and that the page is whole and safe."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rlformer.evaluator.judge.collect import collect

from rlformer import statistics
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.evaluator.judge.arms import by_arm
from rlformer.evaluator.judge.load import read_runs
from rlformer.evaluator.judge.threats import absences, warnings
from rlformer.report import build, find_runs
from rlformer.report.build import results_of
from tests.make_runs import (
    BC,
    BC_TOP,
    BEHAVIOUR,
    CARTPOLE,
    DQN,
    DT,
    PPO,
    QUICK,
    RANDOM,
    make_run,
    make_runs,
)

OTHER = replace(CARTPOLE, name="Other-v0", id="Other-v0")
HOSTILE = EnvSpec(name="<script>alert(1)</script>", id="<script>alert(1)</script>")


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of the quick profile, with a failed one."""
    root = tmp_path_factory.mktemp("runs")
    make_runs(root)
    make_run(root, DT, 3, error="RuntimeError: the loss is NaN at step 412")
    return root


@pytest.fixture(scope="module")
def report(quick: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    build([quick], out, command="rlformer compare CartPole-v1 --profile quick")
    return out


@pytest.fixture(scope="module")
def results(report: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((report / "results.json").read_text(encoding="utf-8"))
    return found


def arm_of(results: dict[str, Any], label: str) -> dict[str, Any]:
    arms = results["environments"][0]["arms"]
    return next(arm for arm in arms if arm["label"] == label)


def environment_of(root: Path) -> dict[str, Any]:
    """The one environment of the results of the runs below `root`."""
    environment: dict[str, Any] = results_of(read_runs(find_runs([root]))[0])["environments"][0]
    return environment


# Finding and reading runs.


def test_runs_are_found_at_and_below_paths_each_once(quick: Path) -> None:
    everything = find_runs([quick])
    assert len(everything) == len(QUICK) * 3 + 1
    one = everything[0].path
    assert find_runs([one, one])[0].path == one
    assert len(find_runs([quick, one])) == len(everything)


def test_a_path_that_is_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        build([tmp_path / "nowhere"], tmp_path / "out")
    with pytest.raises(InputError, match="no run directory there"):
        build([tmp_path], tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("record.json", '{"schema": "rlform'),
        ("record.json", '{"schema": "rlformer/1", "seed": 0}'),
        ("record.json", "[]"),
        ("spec.toml", "agent = "),
        ("eval/final.json", '{"returns": [1.0]}'),
    ],
)
def test_an_unreadable_run_is_left_out_and_told(tmp_path: Path, name: str, text: str) -> None:
    _, bad = make_runs(tmp_path / "runs", [BC], seeds=(0, 1))
    (bad.path / name).write_text(text, encoding="utf-8")
    results = build([tmp_path / "runs"], tmp_path / "out")
    assert [arm["seeds"] for arm in results["environments"][0]["arms"]] == [[0]]
    (skipped,) = results["skipped"]
    assert skipped["path"].endswith("seed-1")
    assert skipped["reason"].startswith("unreadable")
    assert "seed-1" in (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert "seed-1" in (tmp_path / "out/report.md").read_text(encoding="utf-8")


def test_a_run_copied_from_another_machine_counts_once(tmp_path: Path) -> None:
    make_runs(tmp_path / "a", [BC], seeds=(0,))
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    runs, skipped = read_runs(find_runs([tmp_path]))
    assert len(runs) == 1
    assert "second copy" in skipped[0]["reason"]


@pytest.mark.parametrize("newer", [True, False])
def test_a_training_counts_once_and_the_logged_one_is_kept(tmp_path: Path, newer: bool) -> None:
    """Others learned from its trajectories, and name it by its hash."""
    logged = make_run(tmp_path, PPO, 0, log_trajectories=True)
    plain = make_run(tmp_path, PPO, 0)
    assert logged.path != plain.path
    for run, written in ((logged, newer), (plain, not newer)):
        os.utime(run.path / "record.json", (1e9 + written, 1e9 + written))
    (run,), (skipped,) = read_runs(find_runs([tmp_path]))
    assert run.spec.keeps_log
    assert skipped["reason"] == f"the same training as {run.path}, counted once"


def test_of_one_training_the_finished_run_is_kept_though_it_is_older(tmp_path: Path) -> None:
    done = make_run(tmp_path, PPO, 0)
    failed = make_run(tmp_path, PPO, 0, log_trajectories=True, error="KilledError")
    os.utime(done.path / "record.json", (1e9, 1e9))
    (run,), (skipped,) = read_runs(find_runs([tmp_path]))
    assert run.counts
    assert failed.path.match(skipped["path"])


def test_no_path_of_the_machine_enters_a_report(quick: Path, report: Path) -> None:
    for name in ("report.html", "report.md", "results.json"):
        assert str(quick) not in (report / name).read_text(encoding="utf-8")


# Arms.


def test_arms_stand_in_the_order_of_the_ladder(results: dict[str, Any]) -> None:
    labels = [arm["label"] for arm in results["environments"][0]["arms"]]
    assert labels == ["random", "behaviour", "bc", "bc-top", "rvs", "dt", "dqn", "ppo"]


def test_one_agent_in_two_configurations_is_two_arms(tmp_path: Path) -> None:
    for rate in (1e-3, 1e-4):
        make_runs(tmp_path, [replace(BC, hyperparameters={"learning_rate": rate, "width": 64})], seeds=(0, 1))
    arms = by_arm(read_runs(find_runs([tmp_path]))[0])
    assert [arm.label for arm in arms] == ["bc (learning_rate 0.0001)", "bc (learning_rate 0.001)"]
    assert [len(arm.runs) for arm in arms] == [2, 2]


def test_a_log_for_each_seed_does_not_part_an_arm_but_another_selection_does(tmp_path: Path) -> None:
    make_runs(tmp_path, [BC], seeds=(0, 1, 2))
    whole = {"selection": "whole log", "hash": "f" * 16}
    make_runs(tmp_path, [BC], seeds=(0, 1), log=whole)
    arms = by_arm(read_runs(find_runs([tmp_path]))[0])
    assert {arm.label: len(arm.runs) for arm in arms} == {
        "bc (log: prefix of 16000 training steps)": 3,
        "bc (log: whole log)": 2,
    }


@pytest.mark.parametrize(
    ("rules", "labels"),
    [
        (({"rule": "mid"}, {"rule": "full"}), ["dt (log: full)", "dt (log: mid)"]),
        (({}, {}), ["dt (log: prefix of N training steps)", "dt (log: whole log)"]),
        (({"rule": "0.25"}, {"rule": "0.5", "selection": ""}), ["dt (log: 0.25)", "dt (log: 0.5)"]),
    ],
)
def test_a_prefix_of_another_length_for_each_seed_is_one_arm(
    tmp_path: Path, rules: tuple[dict[str, str], dict[str, str]], labels: list[str]
) -> None:
    for seed in range(3):
        make_run(tmp_path, DT, seed, log={"selection": f"prefix of {8112 + seed} training steps", **rules[0]})
        make_run(tmp_path, DT, seed, log={"selection": "whole log", "hash": f"f{seed}", **rules[1]})
    arms = by_arm(read_runs(find_runs([tmp_path]))[0])
    assert sorted(arm.label for arm in arms) == labels
    assert [[run.record.seed for run in arm.runs] for arm in arms] == [[0, 1, 2], [0, 1, 2]]


def test_another_cut_of_the_log_is_another_arm_though_no_seed_occurs_twice(tmp_path: Path) -> None:
    make_runs(tmp_path, [BC], seeds=(0, 1), log={"rule": "mid"})
    make_runs(tmp_path, [BC], seeds=(2, 3), log={"rule": "full"})
    arms = by_arm(read_runs(find_runs([tmp_path]))[0])
    assert [arm.label for arm in arms] == ["bc (log: full)", "bc (log: mid)"]


def test_no_arm_holds_a_seed_twice_even_where_nothing_tells_its_runs_apart(tmp_path: Path) -> None:
    make_runs(tmp_path, [PPO], seeds=(0, 1))
    runs, _ = read_runs(find_runs([tmp_path]))
    arms = by_arm([*runs, runs[0]])
    assert sorted([run.record.seed for run in arm.runs] for arm in arms) == [[0], [0, 1]]


# Numbers.


def test_means_and_scores_are_those_of_the_runs(results: dict[str, Any], quick: Path) -> None:
    arm = arm_of(results, "dt")
    finals = [
        np.mean(json.loads((path / "eval/final.json").read_text())["returns"])
        for path in sorted((quick / "CartPole-v1").glob("dt-*/seed-[012]"), key=lambda path: path.name)
    ]
    assert [run["mean_return"] for run in arm["runs"] if run["counts"]] == pytest.approx(finals)
    assert arm["mean_return"]["point"] == pytest.approx(np.mean(finals))
    assert arm["normalized_score"]["point"] == pytest.approx((np.mean(finals) - 22.3) / (500 - 22.3))
    solved = [np.mean(np.array(run["returns"]) >= 475) for run in arm["runs"] if run["counts"]]
    assert arm["success_rate"]["point"] == pytest.approx(np.mean(solved))


def test_the_interval_can_be_recomputed_from_the_results(results: dict[str, Any]) -> None:
    arm = arm_of(results, "bc-top")
    means = np.array([run["mean_return"] for run in arm["runs"]])
    again = statistics.stratified_bootstrap(statistics.mean, means, rng=np.random.default_rng(0)).interval()
    assert (arm["mean_return"]["low"], arm["mean_return"]["high"]) == pytest.approx((again.low, again.high))
    assert means.min() <= again.low <= again.high <= means.max()


def test_a_failed_run_is_counted_as_failed_and_enters_no_mean(results: dict[str, Any]) -> None:
    arm = arm_of(results, "dt")
    assert (arm["seeds"], arm["failed"], arm["unfinished"]) == ([0, 1, 2], 1, 0)
    assert arm["runs"][3]["mean_return"] is None
    assert arm["runs"][3]["error"] == "RuntimeError: the loss is NaN at step 412"


def test_reasons_of_more_than_one_kind_are_counted_in_the_warning() -> None:
    reasons = ("ppo seed 0 did not finish", "killed", "ppo seed 2 did not finish")
    missing = [{"env": "E", "agent": "bc", "seed": i, "reason": reason} for i, reason in enumerate(reasons)]
    assert absences(missing) == [
        "bc: no run on seeds 0, 1, 2: ppo seed 0 did not finish (1 other reason below, with the failed runs)"
    ]


def test_a_missing_run_of_an_agent_with_two_arms_is_counted_in_neither(tmp_path: Path) -> None:
    for rule in ("mid", "full"):
        make_runs(tmp_path, [BC], seeds=(0,), log={"rule": rule, "hash": rule})
    missing = [{"env": "CartPole-v1", "agent": "bc", "seed": 1, "reason": "killed"}]
    (environment,) = collect(read_runs(find_runs([tmp_path]))[0], missing=missing)["environments"]
    assert [arm["missing"] for arm in environment["arms"]] == [[], []]
    assert environment["missing"] == missing


def test_without_any_run_the_error_names_the_first_reason(tmp_path: Path) -> None:
    missing = [{"env": "E", "agent": "ppo", "seed": 0, "reason": "no module named 'box2d'"}]
    for directories in ([], [tmp_path]):
        with pytest.raises(InputError, match="ppo on E, seed 0: no module named 'box2d'"):
            build(directories, tmp_path / "out", missing=missing)


def test_one_log_for_all_seeds_has_no_interval_of_its_own(tmp_path: Path) -> None:
    make_runs(tmp_path, [replace(BEHAVIOUR, spread=0), BC], log={"hash": "a" * 16})
    environment = environment_of(tmp_path)
    behaviour, bc = environment["arms"]
    assert behaviour["mean_return"]["low"] is None
    assert bc["mean_return"]["low"] is not None
    assert any("learned from one log" in text for text in warnings(environment, [{}]))


def test_curves_meet_where_all_seeds_have_points(results: dict[str, Any]) -> None:
    curve = arm_of(results, "ppo")["curves"]["step"]
    assert (curve["x"][0], curve["x"][-1]) == (0, 100_000)
    assert all(low <= mean <= high for low, mean, high in zip(curve["low"], curve["mean"], curve["high"], strict=True))


def test_arms_that_overlap_are_left_open_and_equal_ones_are_called_equivalent(tmp_path: Path) -> None:
    make_runs(tmp_path, [replace(BC_TOP, spread=60), replace(DT, mean=430, spread=60), replace(PPO, spread=0)])
    make_runs(tmp_path, [replace(DQN, mean=498, spread=0.5)])
    outcomes = {(c["question"], c["b"]): c["outcome"] for c in environment_of(tmp_path)["comparisons"]}
    assert outcomes["filtered", "bc-top"] == "open"
    assert outcomes["best", "dqn"] == "equivalent"


@pytest.mark.parametrize(
    ("arms", "options", "expected"),
    [
        ([BC, replace(PPO, mean=120)], {}, "ppo is far under its reference score"),
        ([BC, DT], {"asked_beyond": True}, "dt was asked for more than its log holds on 3 of 3 seeds"),
        ([BC, PPO], {}, "Tuning is a confound: some arms ran untuned"),
        ([replace(BC, tuning="20 trials."), PPO], {}, "Tuning effort differs between arms"),
        ([replace(BC, tuning="")], {}, "Nothing is recorded of how the settings of bc were found"),
        ([BC, replace(DT, parameters=200_000)], {}, "The sequence arms differ in size"),
    ],
)
def test_warnings(tmp_path: Path, arms: list[Any], options: dict[str, Any], expected: str) -> None:
    make_runs(tmp_path, arms, **options)
    assert any(text.startswith(expected) for text in warnings(environment_of(tmp_path), [{}]))


def test_runs_on_a_gpu_beside_others_are_told(tmp_path: Path) -> None:
    make_runs(tmp_path, [BC, DT])
    environment = environment_of(tmp_path)
    for arm, machine in zip(environment["arms"], (0, 1), strict=True):
        for run in arm["runs"]:
            run["machine"] = machine
    machines = [{"cpu": "c", "cores": 2}, {"cpu": "c", "cores": 2, "gpu": "G 100"}]
    assert any("trained on a GPU (G 100): their CPU seconds" in text for text in warnings(environment, machines))
    assert not any("GPU" in text for text in warnings(environment, machines[1:] * 2))


def test_nothing_to_warn_of_is_no_warning(tmp_path: Path) -> None:
    make_runs(tmp_path, [RANDOM, replace(BC, tuning="20 trials."), replace(PPO, tuning="20 trials.")])
    assert warnings(environment_of(tmp_path), [{}]) == []


def test_two_definitions_under_one_name_are_told_apart(tmp_path: Path) -> None:
    make_runs(tmp_path, [BC], seeds=(0,))
    make_runs(tmp_path, [BC], seeds=(0,), env=replace(CARTPOLE, kwargs={"gravity": 1}))
    names = [e["name"] for e in collect(read_runs(find_runs([tmp_path]))[0])["environments"]]
    assert len(set(names)) == 2
    assert all(name.startswith("CartPole-v1 {") for name in names)


def test_an_imitator_that_does_better_by_drawing_its_actions_is_told(tmp_path: Path) -> None:
    for run in make_runs(tmp_path, [BC, PPO]):
        if run.spec.agent.name == "bc":
            final = run.evaluations()["final"]
            drawn = replace(final, seeds=final.seeds[:20], returns=final.returns[:20] + 100, action_selection="sampled")
            run.save_evaluation("sampled", drawn)
    told = [text for text in warnings(environment_of(tmp_path), [{}]) if text.startswith("Drawing actions")]
    assert len(told) == 1
    assert "bc (+0.21 of z)" in told[0]
