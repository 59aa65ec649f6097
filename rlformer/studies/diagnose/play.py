"""One arm of one row: its log, its training, its episodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from gymnasium.utils.seeding import np_random

from rlformer.agents import cards as agent_cards
from rlformer.agents.cards import resolve
from rlformer.agents.learners import learner
from rlformer.agents.loading import load_policy
from rlformer.core import files, seeding
from rlformer.core.errors import InputError
from rlformer.core.policy import Policy
from rlformer.core.records import EnvSpec, EvalResult
from rlformer.core.spaces import Array, ObservationSpec, Spaces
from rlformer.data.collect import collect
from rlformer.data.dataset import Dataset
from rlformer.data.describe import log_input
from rlformer.envs.spaces import action_spec
from rlformer.envs.vector import Environments
from rlformer.envs.worlds.behaviour import BehaviourPolicy
from rlformer.evaluator.measure.evaluation import evaluate
from rlformer.evaluator.measure.protocol import Protocol
from rlformer.runs.directory import RunDirectory
from rlformer.runs.hooks import Hooks
from rlformer.runs.spec import RunSpec
from rlformer.studies import experiment
from rlformer.studies.diagnose.rows import Expectation, Row, Selection, rules_of

_SIDE_BY_SIDE = 512
_PROTOCOL = Protocol(episodes=100, curve_episodes=0, target_episodes=10)  # a row asks how it ends, not when


class NativeEnvironments(Environments):
    """Environments over a diagnostic's rules, all stepped at once, with the same episodes as one at a time."""

    def __init__(self, spec: EnvSpec, num: int) -> None:
        self.name = spec.name
        self._rules = rules_of(_name(spec), spec.kwargs)
        self._envs = []
        self._state = self._rules.begin(np.zeros((num, len(self._rules.coins)), bool))
        observation = ObservationSpec.vector(len(self._rules.feature_names))
        self.spaces = Spaces(observation, action_spec(self._rules.action_space))

    def __len__(self) -> int:
        return len(self._state.time)

    def reset(self, slots: Array, seeds: Array) -> Array:
        """See `Environments`."""
        seeded = seeds.tolist() if len(self._rules.coins) else [0] * len(slots)  # nothing is left to chance
        begun = self._rules.begin(self._rules.toss([np_random(seed)[0] for seed in seeded]))
        self._state[slots] = begun
        return self._rules.features(begun)

    def step(self, slots: Array, actions: Array) -> tuple[Array, Array, Array, Array]:
        """See `Environments`."""
        state = self._state
        some = type(state)(state.time[slots], state.memory[slots], state.coins[slots], state.over[slots])
        after, rewards = self._rules.successor(some, actions)
        self._state[slots] = after
        return self._rules.features(after), rewards, after.over, np.zeros(len(slots), bool)

    def success(self, slot: int) -> bool | None:
        """See `Environments`: these tell of none."""
        return None


def make_log(spec: EnvSpec, episodes: int, seed: int, root: Path, stop: Callable[[], bool] | None = None) -> Dataset:
    """The log that this seed's arms learn from: episodes of the environment's own behaviour policy.

    A finished one is returned, an unfinished one continued. Raises Interrupted when `stop` said so.
    """
    return collect(
        BehaviourPolicy(rules_of(_name(spec), spec.kwargs)),
        spec,
        log_path(spec, episodes, seed, root),
        seed=seed,
        episodes=episodes,
        provenance={"policy": "the diagnostic's own behaviour"},
        upstream_env_steps=0,
        stop=stop,
    )


def log_path(spec: EnvSpec, episodes: int, seed: int, root: Path) -> Path:
    """Where that log lies below `root`."""
    ways = [
        f"{key}-{value:.4g}" if isinstance(value, float) else f"{key}-{value}" for key, value in spec.kwargs.items()
    ]
    kinds = ["-".join(map(str, wrapper.values())) for wrapper in spec.wrappers]
    return root / "logs" / files.slug("-".join([spec.name, *ways, *kinds, f"{episodes}-episodes"])) / f"seed-{seed}"


def specify(row: Row, arm: Expectation, dataset: Dataset | None) -> RunSpec:
    """What the arm trains; filtered cloning keeps the log's episodes that return the row's `best`.

    Raises InputError where the log holds none of them.
    """
    overrides = list(arm.overrides)
    if arm.law == "filtered":
        assert dataset is not None
        assert row.best is not None
        count = int(np.isclose(dataset.returns, row.best).sum())
        if not count:
            raise InputError(f"{row.name}: no episode of the log returns {row.best:g}: filtered cloning has no data")
        overrides.append(f"episode_filter_share={count / len(dataset)}")
    return resolve(row.spec, arm.agent, overrides, () if dataset is None else (log_input(dataset),))


def learn_and_play(
    row: Row,
    arm: Expectation,
    seed: int,
    root: Path,
    *,
    threads: int = 1,
    command: str | None = None,
    hooks: Hooks | None = None,
) -> RunDirectory:
    """Train the arm and let it play every way that the row asks for; what is done already is not done again.

    The episodes that it is judged by differ from seed to seed, so that runs are independent. They are kept as
    evaluations of the run, see `evaluation_name`. Raises what `experiment.train` raises.
    """
    dataset = None
    if "log" in learner(agent_cards.agent(arm.agent).learner).needs:
        dataset = make_log(row.log_spec, row.log_episodes, seed, root, None if hooks is None else hooks.stop)
    run = experiment.train(
        specify(row, arm, dataset),
        seed,
        root,
        dataset=dataset,
        threads=threads,
        protocol=_PROTOCOL,
        command=command,
        hooks=hooks,
    )
    kept = run.evaluations()
    seeds = seeding.episode_seeds(seed, "evaluate", row.episodes)
    for selection in arm.selections:
        policy = None
        for asked in questions(row, arm):
            name = evaluation_name(selection, asked)
            if name in kept and len(kept[name].returns) >= row.episodes:
                continue
            policy = policy or load_policy(run.path, sample=selection == "sampled")[0]
            run.save_evaluation(name, play(policy, row.spec, seeds, arm.agent, selection, asked))
    return run


def questions(row: Row, arm: Expectation) -> Sequence[float | None]:
    """The returns that the arm is asked for; None for one that cannot be asked."""
    return row.asked if arm.law == "conditioned" else (None,)


def evaluation_name(selection: Selection, asked: float | None) -> str:
    """The file name, without its ending, of a row's evaluation in a run directory."""
    return files.slug(f"suite-{selection}" + ("" if asked is None else f"-asked-{asked:g}"))


def play(
    policy: Policy, spec: EnvSpec, seeds: Array, name: str, selection: Selection, asked: float | None = None
) -> EvalResult:
    """One episode for each of `seeds` (E,) in a diagnostic environment, the policy being asked for `asked`."""
    return evaluate(
        policy,
        spec,
        seeds,
        name=name,
        num_envs=_SIDE_BY_SIDE,
        target_return=asked,
        sampled=selection == "sampled",
        environments=Environments if spec.wrappers else NativeEnvironments,
    )


def _name(spec: EnvSpec) -> str:
    """'KeyDoor' of 'rlformer:rlformer/KeyDoor-v0'."""
    return spec.id.rpartition("/")[2].removesuffix("-v0")
