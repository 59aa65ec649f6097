"""Explanations on policies whose truth is known: linear ones, one that looks at nothing, a T-maze that is solved."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import rlformer
from rlformer import api
from rlformer.agents.sequence.acting import SequencePolicy
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec, Episode, Window
from rlformer.core.spaces import ActionSpec, ObservationSpec, Part, Spaces
from rlformer.data.collect import collect
from rlformer.data.dataset import Dataset, DatasetInfo, from_episodes
from rlformer.envs import cards as env_cards
from rlformer.envs.make import make
from rlformer.envs.worlds.behaviour import BehaviourPolicy
from rlformer.explain import quality, units
from rlformer.explain.explainers import EXPLAINERS
from rlformer.explain.explainers.attention_rollout import rollout
from rlformer.explain.groups import HISTORY, RETURN, Groups, named, shared
from rlformer.explain.naming import feature_names, features_of
from rlformer.explain.parts import Attributions, Controllability, Effects, Explanation, Surrogate
from rlformer.explain.parts.controllability import Following, controllability
from rlformer.explain.parts.effects import reliance
from rlformer.explain.replacement import effect_of, total_effects
from rlformer.explain.states import LogStates, Sample, sample
from rlformer.explain.subject import Subject, randomised, subject_of
from rlformer.explain.tree import Reading, SavedTree
from rlformer.explain.truth import log_with_distractors, truth_of, with_distractors
from rlformer.explain.viper import fit
from rlformer.runs.directory import RunDirectory
from tests.support.make_sequences import OBSERVATION_SIZE, SPACES, log, model

FEATURES = {"a": (0,), "b": (1,), "c": (2,)}


PERTURBING = ("integrated gradients", "feature ablation", "Shapley values")
ATTENTION = ("attention rollout", "last-layer attention", "uniform attention")


class Linear:
    """Scores that are a linear function of the current observation, of a policy that remembers nothing."""

    context_length, reads_returns, stochastic = 1, False, True

    def __init__(self, weights: list[list[float]], actions: ActionSpec) -> None:
        self.actions = actions
        self.layer = torch.nn.Linear(OBSERVATION_SIZE, len(weights), bias=True)
        with torch.no_grad():
            self.layer.weight.copy_(torch.tensor(weights))
        self.networks = (self.layer,)

    def scores(self, window: Window) -> torch.Tensor:
        last = window.mask.long().sum(dim=1) - 1
        scores: torch.Tensor = self.layer(window.observations[torch.arange(len(last)), last])
        return scores


def prepared(policy: Any, dataset: Dataset, count: int = 40) -> tuple[Subject, Groups, Sample]:
    subject = subject_of(policy, dataset)
    states = LogStates(dataset, subject.context_length)
    width = subject.codec.width
    groups = shared(FEATURES, subject.context_length, width, subject.reads_history, policy.reads_returns)
    return subject, groups, sample(states, count, 4, np.random.default_rng(0), known_decisions=False)


@pytest.fixture(scope="module")
def twelve() -> Dataset:
    """Twelve random episodes of eight steps with three actions."""
    return log(SPACES["discrete"], (8,) * 12)


def test_integrated_gradients_of_a_linear_policy_are_weights_times_distance_from_the_baseline(twelve: Dataset) -> None:
    reals = log(SPACES["box-single"], (8,) * 12)
    subject, groups, drawn = prepared(Linear([[2.0, -3.0, 0.5]], SPACES["box-single"]), reals)
    found = EXPLAINERS["integrated gradients"].attribute(subject, groups, drawn, 0).groups[:, 0]
    baseline = drawn.alike.observations[:, -1].view(4, 40, 3).mean(dim=0)
    expected = torch.tensor([2.0, -3.0, 0.5]) * (drawn.states.observations[:, -1] - baseline)
    torch.testing.assert_close(found[:, :3], expected, atol=1e-4, rtol=0)
    assert not found[:, 3:].any()  # history and returns-to-go


def test_every_perturbing_explainer_agrees_on_a_linear_policy() -> None:
    reals = log(SPACES["box-single"], (8,) * 12)
    subject, groups, drawn = prepared(Linear([[2.0, -3.0, 0.5]], SPACES["box-single"]), reals)
    first, *others = (EXPLAINERS[name].attribute(subject, groups, drawn, 0).groups for name in PERTURBING)
    for other in others:
        torch.testing.assert_close(first, other, atol=1e-3, rtol=0)


def test_a_policy_that_ignores_its_input_has_no_effects_and_no_reliance(twelve: Dataset) -> None:
    subject, groups, drawn = prepared(Linear([[0.0] * 3] * 3, SPACES["discrete"]), twelve)
    effects = total_effects(subject, groups, drawn)
    assert not effects.any()
    assert reliance(effects.mean(dim=0).tolist(), groups.names, frozenset(FEATURES)) is None


def test_reliance_is_the_share_of_effect_on_what_matters(twelve: Dataset) -> None:
    subject, groups, drawn = prepared(
        Linear([[9.0, 0.0, 0.0], [-9.0, 0.0, 0.0], [-99.0, 0, 0]], SPACES["discrete"]), twelve
    )
    effects = total_effects(subject, groups, drawn).mean(dim=0).tolist()
    assert effects[0] > 0.2
    assert effects[1:] == [0.0] * 4
    assert reliance(effects, groups.names, frozenset({"a"})) == 1.0
    assert reliance(effects, groups.names, frozenset({"b"})) == 0.0


def test_what_a_policy_does_not_read_has_effect_0_by_definition_and_what_it_reads_has_not(twelve: Dataset) -> None:
    policy = SequencePolicy(model(SPACES["discrete"], context_length=5, tokens="separate"), 1.0)
    subject, groups, drawn = prepared(policy, twelve, 200)
    assert groups.read == (True,) * 5
    effects = dict(zip(groups.names, total_effects(subject, groups, drawn).mean(dim=0).tolist(), strict=True))
    assert effects[HISTORY] > 0
    assert effects[RETURN] > 0


@pytest.mark.parametrize("kind", ["discrete", "multidiscrete", "box"])
def test_aligned_states_are_the_windows_that_the_policy_reads_when_it_acts(kind: str) -> None:
    """Played with rewards of 0, so that the returns-to-go of the log are those that are asked for."""
    actions = SPACES[kind]
    policy = SequencePolicy(model(actions, context_length=4, tokens="separate", timestep_encoding="episode"), 0.0)
    silent = [Episode(e.observations, e.actions, 0.0 * e.rewards, True, False) for e in log(actions, (7, 7))]
    dataset = from_episodes(DatasetInfo("E", Spaces.plain((OBSERVATION_SIZE,), actions)), silent)
    subject = subject_of(policy, dataset)
    states = LogStates(dataset, 4).at(np.zeros(7, np.int64), np.arange(7))
    policy.begin(np.array([0]), np.array([0]), None)
    for t in range(7):
        acted = policy.act(dataset[0].observations[t][None])
        expected = np.ravel(actions.clip(acted))
        np.testing.assert_allclose(subject.actions(states)[t].numpy(), expected, atol=1e-5)
        policy.observe(dataset[0].actions[t][None], np.zeros(1))


@pytest.mark.parametrize("tokens", ["separate", "step"])
def test_attention_becomes_shares_of_the_inputs_that_sum_to_one(twelve: Dataset, tokens: str) -> None:
    policy = SequencePolicy(model(SPACES["discrete"], context_length=4, tokens=tokens), 1.0)
    subject, groups, drawn = prepared(policy, twelve)
    for name in ATTENTION:
        shares = EXPLAINERS[name].attribute(subject, groups, drawn, 0).groups[:, 0].sum(dim=1)
        if tokens == "separate":
            torch.testing.assert_close(shares, torch.ones(40), atol=1e-5, rtol=0)
        else:  # a window's first step has no action before it, whose part is nobody's
            assert bool((shares <= 1 + 1e-5).all())


def test_a_rollout_of_attention_multiplies_layers_mixed_with_the_identity() -> None:
    """By hand: one layer [[1, 0], [.5, .5]] mixes to [[1, 0], [.25, .75]], whose square has .4375 and .5625."""
    layer = torch.tensor([[[1.0, 0.0], [0.5, 0.5]]])
    torch.testing.assert_close(rollout([layer, layer])[0, 1], torch.tensor([0.4375, 0.5625]))


def test_relevance_against_a_truth_by_hand() -> None:
    shares = np.array([[0.6, 0.3, 0.1], [0.2, 0.1, 0.7]])
    mass, rank = quality.relevance(shares, [0, 1])
    assert mass == pytest.approx((0.9 + 0.3) / 2)
    assert rank == pytest.approx((1.0 + 0.5) / 2)


def test_spread_relevance_counts_all_groups_and_a_single_one_counts_one() -> None:
    effective, gini = quality.concentration(np.full((2, 4), 0.25))
    assert (effective, gini) == pytest.approx((4.0, 0.0))
    effective, gini = quality.concentration(np.eye(4))
    assert (effective, gini) == pytest.approx((1.0, 0.75))


def test_the_right_order_is_more_comprehensive_than_a_random_one_and_the_reverse_less(twelve: Dataset) -> None:
    weights = [[9.0, 1.0, 0.0], [-9.0, -1.0, 0.0], [-99.0, 0.0, 0.0]]
    subject, groups, drawn = prepared(Linear(weights, SPACES["discrete"]), twelve, 100)
    right, wrong = np.tile([3.0, 2.0, 1.0], (100, 1)), np.tile([1.0, 2.0, 3.0], (100, 1))
    trial = quality.Trial(subject, groups, units.of_groups(groups, groups.read), drawn, drawn, 0)
    better, worse = (quality.faithfulness(trial, shares) for shares in (right, wrong))
    assert better.counts == (1, 2)  # four would be more groups than it reads
    assert better.comprehensiveness is not None
    assert worse.comprehensiveness is not None
    assert better.comprehensiveness > 0 > worse.comprehensiveness
    assert better.sufficiency is not None
    assert worse.sufficiency is not None
    assert better.sufficiency < 0 < worse.sufficiency


def test_shuffled_weights_come_back(twelve: Dataset) -> None:
    policy = Linear([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]], SPACES["discrete"])
    before = policy.layer.weight.clone()
    with randomised(policy.networks, 1):
        assert not torch.equal(policy.layer.weight, before)
        assert torch.equal(policy.layer.weight.flatten().sort().values, before.flatten().sort().values)
    assert torch.equal(policy.layer.weight, before)


def test_a_function_of_time_is_replaced_at_any_decision_and_only_there(twelve: Dataset) -> None:
    """The feature is the time itself: at equal times nothing could change."""
    episodes = [
        Episode(
            np.repeat(np.arange(4.0, dtype=np.float32)[:, None], 3, 1), np.zeros(3, np.int64), np.zeros(3), True, False
        )
        for _ in range(6)
    ]
    clock = from_episodes(DatasetInfo("E", Spaces.plain((3,), SPACES["discrete"])), episodes)
    policy = Linear([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [-9.0, 0.0, 0.0]], SPACES["discrete"])
    with torch.no_grad():
        policy.layer.bias.copy_(torch.tensor([-1.0, 1.0, 0.0]))
    subject = subject_of(policy, clock)
    found = {}
    for decisions in (None, (0, 2)):
        groups = named({"clock": (0,), "rest": (1, 2)}, 1, 3, False, False, decisions is not None)
        drawn = sample(LogStates(clock, 1, decisions), 60, 4, np.random.default_rng(0), decisions is not None)
        found[decisions] = float(total_effects(subject, groups, drawn)[:, 0].mean())
    assert found[None] == 0.0
    assert found[0, 2] > 0.3


def test_replacing_keeps_what_the_other_state_does_not_have(twelve: Dataset) -> None:
    states = LogStates(twelve, 4)
    early, late = states.at(np.array([0]), np.array([0])), states.at(np.array([1]), np.array([5]))
    groups = shared(FEATURES, 4, 3, True, True)
    everything = torch.ones(1, 5, dtype=torch.bool)
    changed = groups.replace(late, Sample(late, early, early), everything)
    assert torch.equal(changed.observations[:, -1], early.observations[:, -1])
    assert torch.equal(changed.observations[:, :-1], late.observations[:, :-1])


def test_no_effect_of_nothing_replaced(twelve: Dataset) -> None:
    policy = SequencePolicy(model(SPACES["discrete"], context_length=5), 1.0)
    subject, groups, drawn = prepared(policy, twelve)
    assert not effect_of(subject, groups, drawn, torch.zeros(40, 5, dtype=torch.bool)).any()


@pytest.mark.parametrize("kind", ["discrete", "multidiscrete", "box"])
def test_a_tree_learns_what_a_rule_says_and_survives_json(kind: str, tmp_path: Path) -> None:
    actions, rng = SPACES[kind], np.random.default_rng(0)
    rows = rng.standard_normal((400, 3)).astype(np.float32)
    low, high = actions.sample(rng, 1)[0], actions.sample(np.random.default_rng(1), 1)[0]
    answers = np.where((rows[:, 1] > 0.3).reshape(-1, *[1] * len(actions.shape)), high, low)
    tree = fit(rows, answers, actions, 2, 0)
    np.testing.assert_allclose(tree(rows), answers.reshape(400, -1), rtol=1e-6)
    env = EnvSpec("E", "E-v0")
    saved = SavedTree(tree, Reading("observation", actions, 3, 1, False, None, tuple(FEATURES)), env, {"agent": "rule"})
    saved.save(tmp_path)
    policy = SavedTree.load(tmp_path).policy()
    policy.begin(np.arange(4), np.arange(4), None)
    np.testing.assert_allclose(policy.act(rows[:4]), answers[:4].astype(actions.dtype), rtol=1e-6)


def test_controllability_by_hand_inside_the_log_and_beyond_apart() -> None:
    inside, beyond = controllability([0, 5, 10, 20], [1, 5, 9, 9], 0.0, 10.0)
    assert inside == Following(3, pytest.approx(2 / 30), pytest.approx(0.8), pytest.approx(1.0))
    assert beyond == Following(1, pytest.approx(1.1), None, None)


def test_distractors_added_to_a_log_are_those_of_the_wrapper() -> None:
    spec = env_cards.environment("CartPole-v1")
    env = with_distractors(spec, 2)
    made = make(env)
    observations, taken, over = [made.reset(seed=3)[0]], [], False
    while not over:
        taken.append(len(taken) % 2)
        observation, _, terminated, truncated, _ = made.step(np.int64(taken[-1]))
        observations.append(observation)
        over = terminated or truncated
    whole = np.array(observations, np.float32)
    plain = Episode(whole[:, :4], np.array(taken), np.ones(len(taken)), True, False)
    base = from_episodes(
        DatasetInfo("CartPole-v1", Spaces.plain((4,), SPACES["discrete"].__class__("discrete", (2,)))), [plain]
    )
    added = log_with_distractors(base, env, 2, 0)[0].observations
    np.testing.assert_array_equal(added[:, :4], whole[:, :4])
    assert set(np.unique(added[:, 4:6])) == {-1.0, 1.0}
    np.testing.assert_array_equal(added[:, 6:], whole[:, 6:])  # the copy of the action before
    truth = truth_of(env, ObservationSpec.vector(8), "log")
    assert truth is not None
    assert truth.relevant.isdisjoint({"distractor 1", "previous action: push left"})
    assert "pole angle" in truth.relevant
    assert truth_of(spec, ObservationSpec.vector(4), "log") is None


TMAZE = """
schema = "rlformer/2"
id = "rlformer:rlformer/PassiveTMaze-v0"
wrappers = [{ kind = "distractors", count = 2 }]
[kwargs]
length = 1
[scores]
random = 0.5
reference = 1.0
"""


@dataclass(frozen=True)
class Solved:
    """A run that solves its task, what explains it, and what the tree that stands for it returns."""

    run: Path
    explanation: Explanation
    tree_return: float


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> Solved:
    """A Decision Transformer that remembers the cue."""
    folder = tmp_path_factory.mktemp("tmaze")
    (folder / "envs").mkdir()
    (folder / "envs" / "Maze.toml").write_text(TMAZE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        spec = env_cards.environment("Maze")
        base: Any = make(spec).unwrapped
        made = collect(
            BehaviourPolicy(base), spec, folder / "data", seed=0, episodes=600, provenance={}, upstream_env_steps=0
        )
        small = ["context_length=2", "width=32", "layers=2", "heads=1", "dropout=0.0", "gradient_steps=1000"]
        small += ["tokens=separate", "learning_rate=2e-3", "patience=0", "validate_every=1000"]
        run = rlformer.train("dt", env="Maze", dataset=made, overrides=small, root=folder / "runs")
        explanation = api.explain(run, only=["effects", "explainers", "surrogate"], tree=folder / "tree")
        _, results = rlformer.evaluate([folder / "tree"], episodes=50)
    return Solved(run, explanation, results[0].mean)


@pytest.mark.slow
def test_a_transformer_that_solves_the_t_maze_relies_on_cue_and_return(solved: Solved) -> None:
    effects = solved.explanation.need(Effects)
    assert effects.policy.score == 1.0
    assert effects.own.reliance is not None
    assert effects.own.reliance >= 0.95
    assert effects.own.truth is not None
    assert effects.own.truth.relevant == ("cue", RETURN)
    assert effects.decisions == (1,)


def test_explainers_are_compared_with_the_truth_and_attention_where_its_tokens_tell_inputs_apart(
    solved: Solved,
) -> None:
    attributions = solved.explanation.need(Attributions)
    assert attributions.no_truth is None
    assert attributions.by_group is not None
    assert attributions.by_token is not None
    skill, over_tokens = (
        {name: judged.truth.skill for name, judged in scored.explainers.items() if judged.truth is not None}
        for scored in (attributions.by_group, attributions.by_token)
    )
    assert set(skill) == {*PERTURBING, "random"}
    assert set(over_tokens) == set(EXPLAINERS)
    known = {name: value for name, value in skill.items() if value is not None}
    assert known["feature ablation"] > 0.7
    assert abs(known["random"]) < 0.2
    uniform = over_tokens["uniform attention"]
    assert uniform is not None
    assert abs(uniform) < 0.2


def test_a_tree_of_the_window_stands_for_it_and_one_of_the_observation_cannot(solved: Solved) -> None:
    surrogate = solved.explanation.need(Surrogate)
    assert surrogate.observation is not None
    assert surrogate.observation.l90 is None
    assert surrogate.observation.censored
    assert surrogate.window is not None
    assert surrogate.window.l90 is not None
    assert surrogate.tree == "window"
    assert solved.tree_return == 1.0


def test_parts_are_made_once_and_what_they_cost_is_recorded(solved: Solved) -> None:
    run = solved.run
    before = {path: path.stat().st_mtime_ns for path in (run / "explain").glob("*.json")}
    api.explain(run, only=["explainers"])
    assert before == {path: path.stat().st_mtime_ns for path in before}
    again = api.explain(run, only=["controllability"])
    assert set(again.made) == {"controllability"}
    inside = again.need(Controllability).inside
    assert inside is not None
    assert inside.targets >= 2
    recorded = RunDirectory.open(run).record.times["explaining"]
    assert recorded == pytest.approx(solved.explanation.seconds + again.seconds, abs=0.01)


def test_a_part_made_in_another_way_or_torn_is_made_again(solved: Solved, tmp_path: Path) -> None:
    api.explain(solved.run, only=["controllability"], out=tmp_path)
    path = tmp_path / "controllability.json"
    whole = path.read_text()
    for changed in (whole.replace('"version": 1', '"version": 0'), whole.replace('"inside"', '"within"'), "{"):
        assert changed != whole
        path.write_text(changed)
        api.explain(solved.run, only=["controllability"], out=tmp_path)
        assert json.loads(path.read_text())["inside"] == json.loads(whole)["inside"]


def test_what_cannot_be_explained_is_told(solved: Solved) -> None:
    with pytest.raises(InputError, match="does not score actions"):
        api.explain("random", env="CartPole-v1", only=["effects"], out=solved.run.parent / "none")
    with pytest.raises(InputError, match="unknown part 'efects'; did you mean 'effects'"):
        api.explain(solved.run, only=["efects"])
    with pytest.raises(InputError, match="not a run directory"):
        api.explain("random", env="CartPole-v1", distractors=2)


def test_features_are_the_parts_of_an_observation_and_their_numbers() -> None:
    env = EnvSpec("E", "E-v0")
    one = ObservationSpec((Part("position", "vector", (2,)),))
    assert features_of(env, one) == {"position[0]": (0,), "position[1]": (1,)}
    several = ObservationSpec(
        (Part("camera", "image", (1, 2, 2), "uint8"), Part("goal", "category", (3,)), Part("speed", "vector", (1,)))
    )
    assert features_of(env, several) == {"camera": (0, 1, 2, 3), "goal": (4, 5, 6), "speed": (7,)}
    assert feature_names(env, several)[3:] == ["camera[3]", "goal[0]", "goal[1]", "goal[2]", "speed"]


def test_a_card_names_features_and_a_part_stands_before_them_where_there_are_several() -> None:
    env = EnvSpec("E", "E-v0", feature_names=("x", "y", "door"))
    assert list(features_of(env, ObservationSpec.vector(3))) == ["x", "y", "door"]
    parts = ObservationSpec((Part("place", "vector", (2,)), Part("map", "vector", (1,))))
    assert features_of(env, parts) == {"place: x": (0,), "place: y": (1,), "map: door": (2,)}


def test_groups_of_several_numbers_are_replaced_whole() -> None:
    groups = shared({"camera": (0, 1), "speed": (2,)}, 2, 3, True, False)
    assert groups.names == ("camera", "speed", HISTORY, RETURN)
    assert groups.observations.tolist() == [[2, 2, 2], [0, 0, 1]]
