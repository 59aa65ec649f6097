"""Judging invented runs: which are read, which are seeds of one arm, what the numbers are and what is objected."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rlformer
from rlformer import statistics
from rlformer.core.errors import InputError
from rlformer.evaluator import Evidence, Judgement, judge
from rlformer.evaluator.judge import estimates
from rlformer.evaluator.judge.arms import by_arm
from rlformer.evaluator.judge.evidence import Machine
from rlformer.evaluator.judge.load import find_runs, read_runs
from rlformer.evaluator.judge.threats import absences, threats
from rlformer.report.build import build
from rlformer.report.sections.summary.threats import absence, sentence
from rlformer.runs.inputs import Cut, Recipe
from rlformer.runs.missing import MissingRun
from tests.support.make_runs import (
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
    reseal,
)

MID, FULL = Recipe(Cut("mid")), Recipe(Cut("full"))


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of the quick profile, with a failed one."""
    root = tmp_path_factory.mktemp("runs")
    make_runs(root)
    make_run(root, DT, 3, error="RuntimeError: the loss is NaN at step 412")
    return root


@pytest.fixture(scope="module")
def judgement(quick: Path) -> Judgement:
    return judge(quick)


@pytest.fixture(scope="module")
def evidence(judgement: Judgement) -> Evidence:
    return judgement.environments[0]


def evidence_of(root: Path) -> Evidence:
    """Of the only environment of the runs below `root`."""
    (found,) = judge(root).environments
    return found


def warnings_of(root: Path) -> list[str]:
    """What the report objects to."""
    return [sentence(threat) for threat in evidence_of(root).threats]


# From Python.


@pytest.mark.slow
def test_runs_are_judged_without_a_page(quick: Path, judgement: Judgement) -> None:
    assert judge(str(quick)) == judgement
    assert rlformer.judge(read_runs(find_runs([quick]))[0]) == judgement
    assert judgement.verdict is judgement.environment("CartPole-v1").verdict
    assert str(judgement.verdict) == "inconclusive"  # of three seeds


def test_of_several_environments_no_verdict_is_the_only_one(tmp_path: Path) -> None:
    make_runs(tmp_path, [PPO, DT], seeds=(0, 1))
    make_runs(tmp_path, [PPO], seeds=(0, 1), env=replace(CARTPOLE, name="Other-v0", id="Other-v0"))
    found = judge(tmp_path)
    with pytest.raises(InputError, match=r"CartPole-v1 and Other-v0: see Judgement.environments"):
        _ = found.verdict
    assert found.environment("Other-v0").verdict is not None
    with pytest.raises(InputError, match="unknown environment 'Othre-v0'; did you mean 'Other-v0'"):
        found.environment("Othre-v0")


def test_without_any_run_there_is_nothing_to_judge(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        judge(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no run directory there"):
        judge([tmp_path])
    bad = make_run(tmp_path, BC, 0)
    (bad.path / "record.json").write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match=r"no run there can be read; the first, .*seed-0, is unreadable"):
        judge(tmp_path)


# Finding and reading runs.


def test_runs_are_found_at_and_below_paths_each_once(quick: Path) -> None:
    everything = find_runs([quick])
    assert len(everything) == len(QUICK) * 3 + 1
    one = everything[0].path
    assert find_runs([one, one])[0].path == one
    assert len(find_runs([quick, one])) == len(everything)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("record.json", '{"schema": "rlform'),
        ("record.json", '{"schema": "rlformer/1", "seed": 0}'),
        ("record.json", "[]"),
        ("spec.toml", "agent = "),
        ("eval/final.json", '{"returns": [1.0]}'),
        ("spec.toml", 'schema = "rlformer/2"\n[agent]\nname = "bc"\nlearner = "sequenze"\nrole = "simple"\n'),
    ],
)
def test_an_unreadable_run_is_left_out_and_told(tmp_path: Path, name: str, text: str) -> None:
    _, bad = make_runs(tmp_path / "runs", [BC], seeds=(0, 1))
    (bad.path / name).write_text(text, encoding="utf-8")
    found = judge(tmp_path / "runs")
    assert [arm.seeds for arm in found.environments[0].arms] == [(0,)]
    (skipped,) = found.skipped
    assert skipped.path.endswith("seed-1")
    assert skipped.reason.startswith("unreadable")
    build([tmp_path / "runs"], tmp_path / "out")
    assert "seed-1" in (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert "seed-1" in (tmp_path / "out/report.md").read_text(encoding="utf-8")


def test_a_run_copied_from_another_machine_counts_once(tmp_path: Path) -> None:
    make_runs(tmp_path / "a", [BC], seeds=(0,))
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    runs, skipped = read_runs(find_runs([tmp_path]))
    assert len(runs) == 1
    assert "second copy" in skipped[0].reason


@pytest.mark.parametrize("newer", [True, False])
def test_a_training_counts_once_and_the_logged_one_is_kept(tmp_path: Path, newer: bool) -> None:
    """Others learned from its trajectories, and name it by its hash."""
    logged = make_run(tmp_path, PPO, 0, keeps_log=True)
    plain = make_run(tmp_path, PPO, 0)
    assert logged.path != plain.path
    for run, written in ((logged, newer), (plain, not newer)):
        os.utime(run.path / "record.json", (1e9 + written, 1e9 + written))
    (run,), (skipped,) = read_runs(find_runs([tmp_path]))
    assert run.spec.keeps_log
    assert skipped.reason == f"the same training as {run.path}, counted once"


def test_of_one_training_the_finished_run_is_kept_though_it_is_older(tmp_path: Path) -> None:
    done = make_run(tmp_path, PPO, 0)
    failed = make_run(tmp_path, PPO, 0, keeps_log=True, error="KilledError")
    os.utime(done.path / "record.json", (1e9, 1e9))
    (run,), (skipped,) = read_runs(find_runs([tmp_path]))
    assert run.counts
    assert failed.path.match(skipped.path)


@pytest.mark.slow
def test_no_path_of_the_machine_enters_a_report(quick: Path, tmp_path: Path) -> None:
    build([quick], tmp_path)
    for name in ("report.html", "report.md", "results.json"):
        assert str(quick) not in (tmp_path / name).read_text(encoding="utf-8")


# Arms.


def test_arms_stand_in_the_order_of_the_ladder(evidence: Evidence) -> None:
    labels = [arm.label for arm in evidence.arms]
    assert labels == ["random", "behaviour", "bc", "bc-top", "rvs", "dt", "ppo", "dqn"]


def test_one_agent_in_two_configurations_is_two_arms(tmp_path: Path) -> None:
    for rate in (1e-3, 1e-4):
        make_runs(tmp_path, [replace(BC, hyperparameters={"learning_rate": rate, "width": 64})], seeds=(0, 1))
    arms = by_arm(read_runs(find_runs([tmp_path]))[0])
    assert [arm.label for arm in arms] == ["bc (learning_rate 0.0001)", "bc (learning_rate 0.001)"]
    assert [len(arm.runs) for arm in arms] == [2, 2]


def test_a_log_for_each_seed_does_not_part_an_arm_but_another_recipe_does(tmp_path: Path) -> None:
    make_runs(tmp_path, [BC], seeds=(0, 1, 2), log={"recipe": MID})
    make_runs(tmp_path, [BC], seeds=(0, 1), log={"recipe": FULL, "hash": "f" * 16})
    arms = by_arm(read_runs(find_runs([tmp_path]))[0])
    assert {arm.label: len(arm.runs) for arm in arms} == {"bc (log: full)": 2, "bc (log: mid)": 3}


@pytest.mark.parametrize(
    ("recipes", "labels"),
    [
        ((MID, FULL), ["dt (log: full)", "dt (log: mid)"]),
        ((Recipe(Cut("share", 0.25)), Recipe(Cut("share", 0.5))), ["dt (log: 0.25)", "dt (log: 0.5)"]),
        ((Recipe.parse("expert"), Recipe.parse("epsilon=0.3")), ["dt (log: epsilon=0.3)", "dt (log: expert)"]),
    ],
)
def test_a_prefix_of_another_length_for_each_seed_is_one_arm(
    tmp_path: Path, recipes: tuple[Recipe, Recipe], labels: list[str]
) -> None:
    for seed in range(3):
        prefix = {"selection": f"prefix of {8112 + seed} training steps", "recipe": recipes[0]}
        make_run(tmp_path, DT, seed, log=prefix)
        make_run(tmp_path, DT, seed, log={"selection": "whole log", "hash": f"f{seed}", "recipe": recipes[1]})
    arms = by_arm(read_runs(find_runs([tmp_path]))[0])
    assert sorted(arm.label for arm in arms) == labels
    assert [[run.record.seed for run in arm.runs] for arm in arms] == [[0, 1, 2], [0, 1, 2]]


def test_another_cut_of_the_log_is_another_arm_though_no_seed_occurs_twice(tmp_path: Path) -> None:
    make_runs(tmp_path, [BC], seeds=(0, 1), log={"recipe": MID})
    make_runs(tmp_path, [BC], seeds=(2, 3), log={"recipe": FULL})
    arms = by_arm(read_runs(find_runs([tmp_path]))[0])
    assert [arm.label for arm in arms] == ["bc (log: full)", "bc (log: mid)"]


def test_logs_of_two_makers_part_the_arms_that_learned_from_them(tmp_path: Path) -> None:
    for maker in ("ppo", "dqn"):
        for seed in (0, 1):
            log = {"maker": maker, "maker_hash": f"{maker}-hash", "hash": f"{maker}{seed}",
                   "path": f"runs/{maker}/seed-{seed}/trajectories"}  # fmt: skip
            make_run(tmp_path, BC, seed, log=log)
    arms = by_arm(read_runs(find_runs([tmp_path]))[0])
    makers = sorted([run.spec.log.maker for run in arm.runs if run.spec.log] for arm in arms)
    assert makers == [["dqn", "dqn"], ["ppo", "ppo"]]


def test_no_arm_holds_a_seed_twice_even_where_nothing_tells_its_runs_apart(tmp_path: Path) -> None:
    make_runs(tmp_path, [PPO], seeds=(0, 1))
    runs, _ = read_runs(find_runs([tmp_path]))
    arms = by_arm([*runs, runs[0]])
    assert sorted([run.record.seed for run in arm.runs] for arm in arms) == [[0], [0, 1]]


# Numbers.


def test_where_the_environment_ignores_its_seed_nothing_is_paired_and_the_page_says_so(tmp_path: Path) -> None:
    for run in make_runs(tmp_path, [BC, PPO], seeds=(0, 1, 2)):
        run.save_evaluation("final", replace(run.evaluations()["final"], seed_obeyed=False))
        reseal(run)
    judged = judge(tmp_path).environments[0]
    assert judged.evaluation.seed_obeyed is False
    assert "This environment ignores its seed" in "".join(sentence(threat) for threat in judged.threats)
    assert judged.comparisons
    assert not any(comparison.paired for comparison in judged.comparisons)


def test_successes_are_those_that_the_environment_tells(tmp_path: Path) -> None:
    for run in make_runs(tmp_path, [BC], seeds=(0, 1)):
        told = np.arange(100) < 30
        run.save_evaluation("final", replace(run.evaluations()["final"], successes=told))
        reseal(run)
    arm = judge(tmp_path).environments[0].arm("bc")
    assert arm.success_rate is not None
    assert arm.success_rate.point == pytest.approx(0.3)


def test_means_and_scores_are_those_of_the_runs(evidence: Evidence, quick: Path) -> None:
    arm = evidence.arm("dt")
    finals = [
        np.mean(json.loads((path / "eval/final.json").read_text())["returns"])
        for path in sorted((quick / "CartPole-v1").glob("dt-*/seed-[012]"), key=lambda path: path.name)
    ]
    assert [run.mean_return for run in arm.counted] == pytest.approx(finals)
    assert arm.point == pytest.approx(np.mean(finals))
    assert arm.normalized_score is not None
    assert arm.normalized_score.point == pytest.approx((np.mean(finals) - 22.3) / (500 - 22.3))
    solved = [np.mean(np.array(run.returns) >= 475) for run in arm.counted]
    assert arm.success_rate is not None
    assert arm.success_rate.point == pytest.approx(np.mean(solved))


def test_the_interval_can_be_recomputed_from_the_evidence(evidence: Evidence) -> None:
    arm = evidence.arm("bc-top")
    means = np.array([run.score for run in arm.runs])
    again = statistics.stratified_bootstrap(statistics.mean, means, rng=np.random.default_rng(0)).interval()
    assert arm.mean_return is not None
    assert (arm.mean_return.low, arm.mean_return.high) == pytest.approx((again.low, again.high))
    assert means.min() <= again.low <= again.high <= means.max()


def test_a_failed_run_is_counted_as_failed_and_enters_no_mean(evidence: Evidence) -> None:
    arm = evidence.arm("dt")
    assert (arm.seeds, arm.failed, arm.unfinished) == ((0, 1, 2), 1, 0)
    assert arm.runs[3].mean_return is None
    assert arm.runs[3].error == "RuntimeError: the loss is NaN at step 412"


def test_one_log_for_all_seeds_has_no_interval_of_its_own(tmp_path: Path) -> None:
    make_runs(tmp_path, [replace(BEHAVIOUR, spread=0), BC], log={"hash": "a" * 16})
    behaviour, bc = evidence_of(tmp_path).arms
    assert behaviour.mean_return is not None
    assert bc.mean_return is not None
    assert behaviour.mean_return.low is None
    assert bc.mean_return.low is not None
    assert any("learned from one log" in text for text in warnings_of(tmp_path))


def test_curves_meet_where_all_seeds_have_points(evidence: Evidence) -> None:
    curve = evidence.arm("ppo").curves.step
    assert curve is not None
    assert (curve.x[0], curve.x[-1]) == (0, 100_000)
    ends = zip(curve.low or (), curve.mean, curve.high or (), strict=True)
    assert all(low <= mean <= high for low, mean, high in ends)


def test_arms_that_overlap_are_left_open_and_equal_ones_are_called_equivalent(tmp_path: Path) -> None:
    make_runs(tmp_path, [replace(BC_TOP, spread=60), replace(DT, mean=430, spread=60), replace(PPO, spread=0)])
    make_runs(tmp_path, [replace(DQN, mean=498, spread=0.5)])
    outcomes = {(found.question, found.b): found.outcome for found in evidence_of(tmp_path).comparisons}
    assert outcomes["filtered", "bc-top"] == "open"
    assert outcomes["best", "dqn"] == "equivalent"


def test_without_dt_another_sequence_model_answers_for_its_family(tmp_path: Path) -> None:
    lstm = replace(DT, agent="dt-lstm")
    make_runs(tmp_path, [BEHAVIOUR, BC_TOP, lstm, PPO])
    asked = {found.question: (found.a, found.b) for found in evidence_of(tmp_path).comparisons}
    assert asked["filtered"] == ("dt-lstm", "bc-top")
    assert asked["log"] == ("dt-lstm", "behaviour")
    assert asked["families"] == ("ppo", "dt-lstm")


def test_two_definitions_under_one_name_are_told_apart(tmp_path: Path) -> None:
    make_runs(tmp_path, [BC], seeds=(0,))
    make_runs(tmp_path, [BC], seeds=(0,), env=replace(CARTPOLE, kwargs={"gravity": 1}))
    names = [found.name for found in judge(tmp_path).environments]
    assert len(set(names)) == 2
    assert all(name.startswith("CartPole-v1 {") for name in names)


# Runs without a directory.


def missing_run(agent: str, seed: int, recipe: Recipe | None = None, env: str = "CartPole-v1") -> MissingRun:
    return MissingRun(env, agent, seed, "killed", agent, recipe)


def test_a_missing_run_reaches_the_arm_of_its_log(tmp_path: Path) -> None:
    for recipe, name in ((MID, "a"), (Recipe.parse("expert"), "b")):
        make_runs(tmp_path, [BC], seeds=(0,), log={"recipe": recipe, "hash": name})
    missing = [missing_run("bc", 1, Recipe.parse("expert")), missing_run("ppo", 1), missing_run("bc", 0, FULL)]
    away = missing_run("bc", 0, FULL, "Other-v0")
    found = judge(tmp_path, missing=[*missing, away])
    (evidence,) = found.environments
    assert {arm.label: arm.missing for arm in evidence.arms} == {"bc (log: expert)": (1,), "bc (log: mid)": ()}
    assert (evidence.missing, found.missing) == (tuple(missing), (away,))


def test_of_two_arms_that_fit_a_missing_run_neither_counts_it(tmp_path: Path) -> None:
    for rate in (1e-3, 1e-4):
        make_runs(tmp_path, [replace(PPO, hyperparameters={"learning_rate": rate})], seeds=(0,))
    (evidence,) = judge(tmp_path, missing=[missing_run("ppo", 1)]).environments
    assert [arm.missing for arm in evidence.arms] == [(), ()]


def test_reasons_of_more_than_one_kind_are_counted_in_the_warning() -> None:
    reasons = ("ppo seed 0 did not finish", "killed", "ppo seed 2 did not finish")
    (threat,) = absences([MissingRun("E", "bc", i, reason, "bc") for i, reason in enumerate(reasons)])
    assert absence(threat, "bc") == (
        "bc has no run on seeds 0, 1, 2: ppo seed 0 did not finish (1 other reason below, with the runs without a "
        "result)"
    )


def test_without_any_run_the_error_names_the_first_reason(tmp_path: Path) -> None:
    missing = [MissingRun("E", "ppo", 0, "no module named 'box2d'", "ppo")]
    for directories in ([], [tmp_path]):
        with pytest.raises(InputError, match="ppo on E, seed 0: no module named 'box2d'"):
            build(directories, tmp_path / "out", missing=missing)
        with pytest.raises(InputError, match="ppo on E, seed 0: no module named 'box2d'"):
            judge(directories, missing=missing)


# Objections.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arms", "options", "expected"),
    [
        ([BC, replace(PPO, mean=120)], {}, "ppo scores 0.21, far below its reference (1)"),
        (
            [BC, DT],
            {"asked_beyond": True},
            "On 3 of 3 seeds, the target return of dt was above every episode",
        ),
        ([BC, PPO], {}, "Some arms were tuned and others were not"),
        ([replace(BC, tuning="20 trials."), PPO], {}, "The arms were tuned with different effort"),
        ([replace(BC, tuning="")], {}, "It was not recorded how the settings of bc were found"),
        ([BC, replace(DT, parameters=200_000)], {}, "The sequence arms differ in size"),
    ],
)
def test_warnings(tmp_path: Path, arms: list[Any], options: dict[str, Any], expected: str) -> None:
    make_runs(tmp_path, arms, **options)
    assert any(text.startswith(expected) for text in warnings_of(tmp_path))


def test_runs_on_a_gpu_beside_others_are_told(tmp_path: Path) -> None:
    make_runs(tmp_path, [BC, DT])
    found = evidence_of(tmp_path)
    arms = [
        replace(arm, runs=tuple(replace(run, machine=machine) for run in arm.runs))
        for machine, arm in enumerate(found.arms)
    ]
    found = replace(found, arms=tuple(arms))
    machines = [Machine({}, None, "c", 2), Machine({}, None, "c", 2, gpu="G 100")]
    said = [sentence(threat) for threat in threats(found, machines)]
    assert any("trained on a GPU (G 100). Their CPU seconds" in text for text in said)
    assert not any("GPU" in sentence(threat) for threat in threats(found, machines[1:] * 2))


def test_nothing_to_warn_of_is_no_warning(tmp_path: Path) -> None:
    make_runs(tmp_path, [RANDOM, replace(BC, tuning="20 trials."), replace(PPO, tuning="20 trials.")])
    assert evidence_of(tmp_path).threats == ()


def test_the_episodes_that_runs_share_widen_the_interval_of_a_score() -> None:
    """Known: the deviation of the mean over 8 runs is .1 / sqrt(8), that over 50 episodes 5 / sqrt(50)."""
    rng = np.random.default_rng(0)
    scores = 0.1 * rng.standard_normal((8, 1)) + 5 * rng.standard_normal(50)
    logs: list[str | None] = [None] * 8
    alone, both = (estimates.interval(scores.mean(axis=1), logs, True, given) for given in (None, scores))
    assert alone is not None
    assert both is not None
    assert alone.interval is not None
    assert both.interval is not None
    assert alone.interval[1] - alone.interval[0] < 0.2
    assert 2.2 < both.interval[1] - both.interval[0] < 3.4  # 2 x 1.96 x .71 is 2.8
    for seed in range(5):  # three runs: few means can be drawn
        table = np.random.default_rng(seed).normal(size=(3, 1)) + 0.1 * np.random.default_rng(seed).normal(size=(3, 20))
        a, b = (estimates.interval(table.mean(axis=1), logs[:3], True, given) for given in (None, table))
        assert a is not None
        assert b is not None
        assert a.interval is not None
        assert b.interval is not None
        assert b.interval[0] <= a.interval[0]
        assert a.interval[1] <= b.interval[1]


def test_episodes_are_shared_where_every_run_played_the_same(tmp_path: Path) -> None:
    finals = [run.evaluations()["final"] for run in make_runs(tmp_path, [BC], (0, 1))]
    shared = estimates.on_shared_episodes(finals)
    assert shared is not None
    assert shared.shape == (2, 100)
    assert estimates.on_shared_episodes([finals[0], replace(finals[1], seeds=finals[1].seeds + 1)]) is None
    assert estimates.on_shared_episodes([finals[0], replace(finals[1], seed_obeyed=False)]) is None
    assert estimates.on_shared_episodes(finals, lambda result: result.successes) is None


def test_an_imitator_that_does_better_by_sampling_its_actions_is_told(tmp_path: Path) -> None:
    for run in make_runs(tmp_path, [BC, PPO]):
        if run.spec.agent.name == "bc":
            final = run.evaluations()["final"]
            few = {"seeds": final.seeds[:20], "lengths": final.lengths[:20], "terminated": final.terminated[:20]}
            drawn = replace(final, returns=final.returns[:20] + 100, action_selection="sampled", **few)
            run.save_evaluation("other", drawn)
    (said,) = [text for text in warnings_of(tmp_path) if text.startswith("With sampled instead of greedy")]
    assert "bc (+0.21)" in said
    assert "--set bc.action_selection=sampled" in said


def test_an_imitator_whose_card_samples_is_told_only_where_greedy_actions_are_better(tmp_path: Path) -> None:
    for run in make_runs(tmp_path, [BC, PPO]):
        if run.spec.agent.name == "bc":
            final = run.evaluations()["final"]
            few = {"seeds": final.seeds[:20], "lengths": final.lengths[:20], "terminated": final.terminated[:20]}
            gap = (-101, 100, 1)[run.record.seed]  # nothing is gained on the mean
            run.save_evaluation("final", replace(final, action_selection="sampled"))
            run.save_evaluation("other", replace(final, returns=final.returns[:20] + gap, **few))
            reseal(run)
    assert not [text for text in warnings_of(tmp_path) if "instead of" in text]
    (bc,) = [arm for arm in evidence_of(tmp_path).arms if arm.label == "bc"]
    both = [run.sampled for run in bc.counted if run.sampled is not None]
    assert [(each.deployed, round(each.gain), round(each.greedy - each.sampled)) for each in both] == [
        ("sampled", gap, gap) for gap in (-101, 100, 1)
    ]
