"""Offline RL: it puts together what no episode of the log shows, and knows where a log ends and where it is cut."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rlformer.agents.base import Task
from rlformer.agents.cards import resolve
from rlformer.agents.loop import DivergedError
from rlformer.agents.offline.algorithms.cql.train import conservative_gap
from rlformer.agents.offline.algorithms.iql.train import expectile_loss
from rlformer.agents.offline.learner import OfflineLearner
from rlformer.core import grid
from rlformer.core.errors import InputError, Interrupted
from rlformer.core.records import Cost, EnvSpec, Episode
from rlformer.core.spaces import ActionSpec, Spaces
from rlformer.data.dataset import Dataset, DatasetInfo, from_episodes
from rlformer.data.transitions import transitions
from rlformer.envs import cards as env_cards
from rlformer.envs.make import make
from rlformer.envs.rollout import RandomPolicy
from rlformer.envs.spaces import action_spec
from rlformer.envs.worlds.behaviour import BehaviourPolicy
from rlformer.envs.worlds.stitch import Stitch
from rlformer.studies import study
from tests.support.make_training import Log, match, play, played, same, weights

BUTTON = ActionSpec("discrete", (2,))
LEVER = ActionSpec("box", low=(-1.0,), high=(3.0,))
QUICK = ("hidden=[32]", "gamma=1.0", "learning_rate=3e-3")


def two_steps(terminated: bool, final_observations: bool = True) -> Dataset:
    """Ten times the same episode: rooms 0, 1, 0, action 0 throughout, a reward of 1 at each step."""
    info = DatasetInfo("TwoRooms", Spaces.plain((1,), BUTTON), final_observations=final_observations)
    rooms = np.array([[0.0], [1.0], [0.0]], np.float32)
    episode = Episode(rooms, np.zeros(2, np.int64), np.ones(2), terminated, not terminated)
    return from_episodes(info, [episode] * 10)


def one_step(actions: np.ndarray[Any, Any], rewards: np.ndarray[Any, Any]) -> Dataset:
    """An episode for each of (E,) positions of the lever and what it earned; nothing is seen."""
    nothing = np.zeros((2, 1), np.float32)
    pulls = zip(actions.astype(np.float32)[:, None, None], rewards[:, None], strict=True)
    return from_episodes(
        DatasetInfo("Lever", Spaces.plain((1,), LEVER)), [Episode(nothing, a, r, True, False) for a, r in pulls]
    )


def random_log(env: str, count: int) -> Dataset:
    spec = env_cards.environment(env)
    return played(spec, RandomPolicy(action_spec(make(spec).action_space)), count)


def task(dataset: Dataset, agent: str, *overrides: str, env: EnvSpec | None = None, **rest: Any) -> Task:
    values = resolve(env or EnvSpec("x", "x"), agent, overrides).values
    return Task(env=env, dataset=dataset, hyperparameters=values, seed=0, **rest)


# -- what is learned -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_cql_goes_a_way_that_no_episode_went(tmp_path: Path) -> None:
    """From A the log earns .5 at most, and imitation no more; the way from A to M and on is worth 1."""
    spec = env_cards.environment("Stitch")
    start_in_b = EnvSpec("Stitch", spec.id, Stitch.log_kwargs)
    dataset = played(start_in_b, BehaviourPolicy(Stitch()), 300)
    from_a = np.array([episode.observations[0, 0] == 1 for episode in dataset])
    assert dataset.returns[from_a].max() == Stitch().cloning(context=1) == 0.5
    learner = OfflineLearner()
    learner.fit(
        task(dataset, "cql", *QUICK, "gradient_steps=600", "alpha=0.1", "target_update_interval=50"), Log(tmp_path)
    )
    assert play(learner.policy(), spec).mean == 1.0


@pytest.mark.slow
def test_cql_prefers_what_the_log_shows(tmp_path: Path) -> None:
    """The action that was never taken is worth less than the one that was, the more so the larger alpha is."""
    behind = []
    for alpha in (0.1, 1.0):
        learner = OfflineLearner()
        fit = task(two_steps(terminated=True), "cql", *QUICK, "gradient_steps=200", f"alpha={alpha}")
        learner.fit(fit, Log(tmp_path / str(alpha)))
        taken, other = values_of(learner)[0]
        behind.append(taken - other)
    assert 0 < behind[0] < behind[1]


@pytest.mark.slow
def test_td3_bc_plays_as_the_log_where_all_is_worth_the_same(tmp_path: Path) -> None:
    learner = OfflineLearner()
    settings = ("gradient_steps=1500", "learning_rate=1e-3")
    around = np.random.default_rng(0).normal(2.0, 0.1, 200)
    learner.fit(task(one_step(around, np.ones(200)), "td3-bc", *QUICK, *settings), Log(tmp_path))
    assert pulled(learner) == pytest.approx(2.0, abs=0.25)


@pytest.mark.slow
def test_td3_bc_leaves_the_logs_mean_for_what_is_worth_more(tmp_path: Path) -> None:
    """Uniform pulls p from -1 to 3 earn 5 - (p - 2)^2: imitation alone plays their mean, 1.

    With a = (p - 1) / 2 in [-1, 1] and Q about 5 the least of -(10 / 5) (5 - 4 (a - 1/2)^2) + a^2 lies at a = 4/9.
    """
    pulls = np.random.default_rng(0).uniform(-1.0, 3.0, 500)
    dataset = one_step(pulls, 5.0 - (pulls - 2.0) ** 2)
    settings = ("gradient_steps=1200", "learning_rate=1e-2", "policy_delay=4")
    found = {}
    for alpha in (0.0, 10.0):
        learner = OfflineLearner()
        fit = task(dataset, "td3-bc", *QUICK, *settings, f"alpha={alpha}")
        learner.fit(fit, Log(tmp_path / str(alpha)))
        found[alpha] = pulled(learner)
    assert found[0.0] == pytest.approx(1.0, abs=0.2)
    assert found[10.0] == pytest.approx(1.0 + 2.0 * 4.0 / 9.0, abs=0.25)


def pulled(learner: OfflineLearner) -> float:
    return float(learner.policy().act(np.zeros((1, 1), np.float32))[0, 0])


def values_of(learner: OfflineLearner) -> np.ndarray[Any, Any]:
    """Q of rooms 0 and 1: (2, A)."""
    model: Any = learner.model
    rooms = model.get_vec_normalize_env().normalize_obs(np.array([[0.0], [1.0]], np.float32))
    with torch.no_grad():
        return np.asarray(model.q_net(torch.from_numpy(rooms)))


def test_the_conservative_gap_is_that_of_the_paper() -> None:
    """Values 0 and ln 3: logsumexp is ln 4, from which the logged action's value is taken."""
    values = torch.tensor([[0.0, np.log(3.0)]] * 2, dtype=torch.float64)
    gap = conservative_gap(values, torch.tensor([[0], [1]]))
    np.testing.assert_allclose(gap.numpy(), [[np.log(4.0)], [np.log(4.0 / 3.0)]])


# -- where a log ends ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("terminated", "expected"),
    [(True, (1.5, 1.0)), (False, (2.0, 2.0))],  # 1 + 1/2, 1; and 1 + 1/2 + 1/4 + ... from both
    ids=["terminated", "cut off"],
)
def test_only_termination_ends_a_return(terminated: bool, expected: tuple[float, float], tmp_path: Path) -> None:
    """A reward of 1 at each step and a discount of 1/2."""
    learner = OfflineLearner()
    settings = ("gradient_steps=1000", "alpha=0.0", "target_update_interval=20", "hidden=[32]", "learning_rate=3e-3")
    learner.fit(task(two_steps(terminated), "cql", *settings, "gamma=0.5"), Log(tmp_path))
    np.testing.assert_allclose(values_of(learner)[:, 0], expected, atol=0.05)


def test_a_step_leads_to_the_next_observation_and_the_last_one_to_the_final() -> None:
    found = transitions(two_steps(terminated=False).select(np.array([3]), "one"))
    assert found.observations.ravel().tolist() == [0.0, 1.0]
    assert found.next_observations.ravel().tolist() == [1.0, 0.0]
    assert (found.ended.tolist(), found.terminated.tolist()) == ([False, True], [False, False])


def test_a_view_has_the_transitions_of_its_own_episodes() -> None:
    dataset = random_log("CartPole-v1", 5).select(np.array([4, 1]), "two")
    found = transitions(dataset)
    episodes = list(dataset)
    np.testing.assert_array_equal(found.observations, np.concatenate([e.observations[:-1] for e in episodes]))
    np.testing.assert_array_equal(found.next_observations, np.concatenate([e.observations[1:] for e in episodes]))
    np.testing.assert_array_equal(found.actions, np.concatenate([e.actions for e in episodes]))


@pytest.mark.parametrize(("terminated", "kept"), [(True, 20), (False, 10)])
def test_what_led_nowhere_known_is_left_out(terminated: bool, kept: int, tmp_path: Path) -> None:
    """Without final observations the last step of an episode that was cut off teaches nothing."""
    dataset, log = two_steps(terminated, final_observations=False), Log(tmp_path)
    assert len(transitions(dataset)) == kept
    OfflineLearner().fit(task(dataset, "cql", *QUICK, "gradient_steps=1"), log)
    assert [note.split(";")[0] for note in log.notes] == (
        [] if terminated else [
            "the log lacks final observations: what the last step of 10 episodes that were cut off led to is unknown, "
            "so those steps are left out"
        ]
    )  # fmt: skip


# -- a run -----------------------------------------------------------------------------------------------

RUNS = [("cql", "CartPole-v1"), ("td3-bc", "Pendulum-v1")]


@pytest.mark.slow
@pytest.mark.parametrize(("agent", "env"), RUNS)
def test_a_stopped_training_ends_as_if_it_never_stopped(agent: str, env: str, tmp_path: Path) -> None:
    settings = (*QUICK, "gradient_steps=40", "learning_rate={ start = 1e-3, end = 0.0 }")
    wanted = task(random_log(env, 3), agent, *settings)
    whole, parts, log = OfflineLearner(), OfflineLearner(), Log(tmp_path / "parts", stop_after=25)
    cost = whole.fit(wanted, Log(tmp_path / "whole"))
    with pytest.raises(Interrupted):
        parts.fit(wanted, log)
    log.left = float("inf")
    assert parts.fit(wanted, log) == cost
    assert same(weights(parts), weights(whole))
    assert [step for step, _ in log.curve("train/learning_rate")] == list(range(1, 41))


@pytest.mark.slow
@pytest.mark.parametrize(("agent", "env"), RUNS)
def test_evaluations_make_a_curve_against_gradient_steps(
    agent: str, env: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grid, "_ALL", (10, 20, 40))
    spec, dataset = env_cards.environment(env), random_log(env, 3)
    with_curve, without, log = OfflineLearner(), OfflineLearner(), Log(tmp_path / "a")
    settings = (*QUICK, "gradient_steps=25")
    curve = lambda policy, step, save=None: {"eval/return": play(policy, spec, 2).mean}  # noqa: E731
    wanted = task(dataset, agent, *settings, env=spec, evaluate=curve)
    cost = with_curve.fit(wanted, log)
    assert [step for step, _ in log.curve("eval/return")] == [10, 20, 25]
    batch = with_curve.model.batch_size  # type: ignore[attr-defined]
    assert cost == Cost(logged_steps=dataset.num_steps, upstream_env_steps=None, samples_seen=25 * batch)
    assert log.costs[0] == Cost(logged_steps=dataset.num_steps, upstream_env_steps=None)  # known at once
    assert log.costs[-1] == cost  # at the last checkpoint
    without.fit(replace(wanted, env=None, evaluate=None), Log(tmp_path / "b"))  # as where the environment is not here
    assert same(weights(with_curve), weights(without))


@pytest.mark.slow
@pytest.mark.parametrize(("agent", "env"), RUNS)
def test_a_saved_policy_acts_the_same(agent: str, env: str, tmp_path: Path) -> None:
    learner, wanted = OfflineLearner(), task(random_log(env, 3), agent, *QUICK, "gradient_steps=20")
    learner.fit(wanted, Log(tmp_path / "run"))
    learner.save(tmp_path / "saved")
    loaded = OfflineLearner.load(tmp_path / "saved", None, wanted.hyperparameters)
    assert loaded.num_parameters == learner.num_parameters
    expected = play(learner.policy(), env, 5, num_envs=1).returns
    for sample in (False, True):  # nothing is drawn: neither explored
        np.testing.assert_array_equal(play(loaded.policy(sample), env, 5, num_envs=5).returns, expected)


def test_bounds_far_beyond_the_log_set_no_scale(tmp_path: Path) -> None:
    """The same log with bounds of 3 and of a million gives the same policy, also once it is saved and loaded."""
    pulls = np.random.default_rng(0).uniform(-1.0, 2.0, 200)
    log = one_step(pulls, pulls)
    acted = []
    for bound in (1e3, 1e6):
        wide = replace(log.info, spaces=Spaces.plain((1,), ActionSpec("box", low=(-bound,), high=(bound,))))
        learner = OfflineLearner()
        learner.fit(task(replace(log, info=wide), "td3-bc", *QUICK, "gradient_steps=20"), Log(tmp_path / f"{bound}"))
        learner.save(tmp_path / f"best-{bound}")
        values = resolve(EnvSpec("x", "x"), "td3-bc", (*QUICK, "gradient_steps=20")).values
        loaded = OfflineLearner.load(tmp_path / f"best-{bound}", None, values)
        nothing = np.zeros((1, 1), np.float32)
        acted += [float(each.policy().act(nothing)[0, 0]) for each in (learner, loaded)]
    assert len(set(acted)) == 1
    assert -1.0 <= acted[0] <= 2.0


def test_observations_are_standardised_by_the_log(tmp_path: Path) -> None:
    learner, dataset = OfflineLearner(), random_log("Pendulum-v1", 4)
    learner.fit(task(dataset, "td3-bc", *QUICK, "gradient_steps=1"), Log(tmp_path))
    model: Any = learner.model
    seen = model.get_vec_normalize_env().normalize_obs(np.concatenate([e.observations[:-1] for e in dataset]))
    np.testing.assert_allclose(seen.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(seen.std(axis=0), 1.0, atol=1e-5)


@pytest.mark.parametrize(("agent", "env"), RUNS)
def test_offline_rl_is_the_arm_that_fits_the_actions(agent: str, env: str) -> None:
    assert planned(env, arms=("offline-rl",)) == {"ppo", agent}  # which makes the log
    assert agent in planned(env, profile="standard")


def planned(env: str, **values: Any) -> set[str]:
    """The agents of a study."""
    from rlformer.studies.plan import plan

    return set(plan(study.Study(env, seeds=1, **values)).arms)


def test_a_profile_leaves_out_what_fits_no_action_space() -> None:
    switches = match("multidiscrete").name
    assert not {"cql", "td3-bc"} & planned(switches, profile="standard")
    with pytest.raises(InputError, match="no offline RL fits the multidiscrete actions of Match-multidiscrete-v0: cql"):
        planned(switches, arms=("offline-rl",))


# -- mistakes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("agent", "env", "message"),
    [
        (
            "cql",
            "Pendulum-v1",
            "cql needs a Discrete action space, Pendulum-v1 has Box; agents that fit: bc, bc-linear, bc-top, dt,",
        ),
        ("td3-bc", "CartPole-v1", "td3-bc needs a Box action space, CartPole-v1 has Discrete; agents that fit: bc,"),
    ],
)
def test_an_unfitting_log_is_told_which_agents_fit(agent: str, env: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        OfflineLearner().fit(task(random_log(env, 2), agent), Log(tmp_path))
    assert str(caught.value).startswith(message)
    fitting = str(caught.value).partition("agents that fit: ")[2].split(", ")
    assert {"cql", "td3-bc"} & set(fitting) == {"td3-bc" if agent == "cql" else "cql"}


def test_td3_bc_needs_bounds(tmp_path: Path) -> None:
    endless = ActionSpec("box", low=(-np.inf,), high=(np.inf,))
    episode = Episode(np.zeros((2, 1), np.float32), np.zeros((1, 1), np.float32), np.zeros(1), True, False)
    with pytest.raises(InputError, match=r"Lever: td3-bc needs finite bounds of a Box action space, it has \[-inf\]"):
        OfflineLearner().fit(
            task(from_episodes(DatasetInfo("Lever", Spaces.plain((1,), endless)), [episode]), "td3-bc"), Log(tmp_path)
        )


def test_none_fits_several_categories_but_imitators_do(tmp_path: Path) -> None:
    dataset = played(match("multidiscrete"), RandomPolicy(ActionSpec("multidiscrete", (2, 2))), 2)
    with pytest.raises(InputError, match="has MultiDiscrete; agents that fit: bc, bc-linear, bc-top, dt, "):
        OfflineLearner().fit(task(dataset, "cql"), Log(tmp_path))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("gradient_steps=0", "gradient_steps: a whole number from 1 to 1,000,000,000, got 0"),
        ("alpha=-1.0", "alpha: a number from 0 to 1,000,000,000, got -1.0"),
        ("algorithm=CLQ", "unknown algorithm 'CLQ'; did you mean 'CQL'?"),
        (
            "algorithm=IQL",
            "algorithm IQL: it has no alpha, huber, max_grad_norm, target_update_interval, which this card sets; "
            "use a card of IQL's own",
        ),
    ],
)
def test_a_value_that_cannot_be_trained_with_is_named(override: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        OfflineLearner().fit(task(two_steps(True), "cql", override), Log(tmp_path))
    assert str(caught.value) == message


@pytest.mark.parametrize(("log_steps", "made"), [(0, 6), (20, 6), (12, 10)])
def test_a_larger_log_takes_more_gradient_steps_in_proportion(log_steps: int, made: int, tmp_path: Path) -> None:
    """The log has 20 steps; one that is no larger than what the steps are for changes nothing."""
    log = Log(tmp_path)
    dataset = two_steps(True)
    given = task(dataset, "cql", "hidden=[4]", "batch_size=2", "gradient_steps=6", f"log_steps={log_steps}")
    cost = OfflineLearner().fit(given, log)
    assert cost.samples_seen == 2 * made
    assert any("10 gradient steps instead of 6" in note for note in log.notes) == (made == 10)


def test_a_log_that_no_memory_holds_is_refused_with_what_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million frames of a game, before and after each step, are 113 GB."""
    log = random_log("CartPole-v1", 20)
    needed = 2 * 4 * (4 + 4) * log.num_steps
    monkeypatch.setattr("rlformer.core.machine.memory_bytes", lambda: needed - 1)
    with pytest.raises(InputError, match=rf"CQL on a log of {log.num_steps} steps of \(4,\) float32 takes at least"):
        OfflineLearner().fit(task(log, "cql", "gradient_steps=1"), Log(tmp_path))
    monkeypatch.setattr("rlformer.core.machine.memory_bytes", lambda: needed)
    assert OfflineLearner().fit(task(log, "cql", "gradient_steps=1"), Log(tmp_path)).samples_seen


def test_a_training_that_diverges_says_where(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match="a loss is not finite at gradient step"):
        OfflineLearner().fit(task(two_steps(True), "cql", "gradient_steps=50", "learning_rate=1e30"), Log(tmp_path))


@pytest.mark.slow
def test_iql_goes_a_way_that_no_episode_went(tmp_path: Path) -> None:
    """As CQL does, and with an expectile near 1: at .5 the value of M is the mean of what the log did there."""
    spec = env_cards.environment("Stitch")
    dataset = played(EnvSpec("Stitch", spec.id, Stitch.log_kwargs), BehaviourPolicy(Stitch()), 300)
    learner = OfflineLearner()
    settings = ("gradient_steps=1500", "expectile=0.95", "temperature=10.0")
    learner.fit(task(dataset, "iql", *QUICK, *settings), Log(tmp_path))
    assert play(learner.policy(), spec).mean == 1.0


@pytest.mark.slow
def test_iql_leaves_the_logs_mean_for_what_is_worth_more(tmp_path: Path) -> None:
    """Uniform pulls p from -1 to 3 earn 5 - (p - 2)^2: without a temperature it plays their mean, 1."""
    pulls = np.random.default_rng(0).uniform(-1.0, 3.0, 500)
    dataset = one_step(pulls, 5.0 - (pulls - 2.0) ** 2)
    found = {}
    for temperature in (0.0, 3.0):
        learner = OfflineLearner()
        settings = ("gradient_steps=1200", "learning_rate=1e-2", f"temperature={temperature}")
        learner.fit(task(dataset, "iql", *QUICK, *settings), Log(tmp_path / str(temperature)))
        found[temperature] = pulled(learner)
    assert found[0.0] == pytest.approx(1.0, abs=0.2)
    assert found[3.0] == pytest.approx(2.0, abs=0.35)


@pytest.mark.slow
def test_rebrac_leaves_the_logs_mean_as_far_as_its_penalty_lets_it(tmp_path: Path) -> None:
    """As TD3+BC: with a = (p - 1) / 2 and Q about 5 the least of -(5 - 4 (a - 1/2)^2) / 5 + penalty a^2."""
    pulls = np.random.default_rng(0).uniform(-1.0, 3.0, 500)
    dataset = one_step(pulls, 5.0 - (pulls - 2.0) ** 2)
    for penalty, at in ((0.01, 0.5 * 0.8 / 0.81), (100.0, 0.5 * 0.8 / 100.8)):
        learner = OfflineLearner()
        settings = ("gradient_steps=1200", "batch_size=256", f"actor_penalty={penalty}")
        learner.fit(task(dataset, "rebrac", *QUICK, *settings), Log(tmp_path / str(penalty)))
        assert pulled(learner) == pytest.approx(1.0 + 2.0 * at, abs=0.25)


def test_an_expectile_above_one_half_weighs_what_turned_out_better() -> None:
    errors = torch.tensor([1.0, -2.0])
    assert expectile_loss(errors, 0.5).item() == pytest.approx((0.5 * 1 + 0.5 * 4) / 2)
    assert expectile_loss(errors, 0.9).item() == pytest.approx((0.9 * 1 + 0.1 * 4) / 2)
