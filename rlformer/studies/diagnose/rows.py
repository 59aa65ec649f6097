"""The table of the suite, as data: environment, log, arms, what they are asked for, what must hold.

Predictions are closed forms of the environment: an arm that learns by interaction, or from transitions, is held
against the optimum for what it sees; one that imitates and is told the return, against return-conditioned imitation
of an endless log (Brandfonbrener et al. 2022); one that imitates without, against the log's own behaviour.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from rlformer.core.errors import InputError, unknown
from rlformer.core.records import EnvSpec
from rlformer.envs import cards as env_cards
from rlformer.envs.worlds.diagnostic import Diagnostic
from rlformer.envs.worlds.registration import MODULES

Law = Literal["optimum", "conditioned", "cloning", "filtered", "none"]
Selection = Literal["greedy", "sampled"]
SELECTIONS: tuple[Selection, ...] = ("greedy", "sampled")


@dataclass(frozen=True)
class Expectation:
    """An agent in a row. `law` is the closed form it is held against; `context` the steps it sees, None for all."""

    agent: str
    law: Law
    context: int | None = None
    overrides: tuple[str, ...] = ()
    why: str = ""  # where there is no prediction
    selections: tuple[Selection, ...] = SELECTIONS


@dataclass(frozen=True)
class Row:
    """One environment of the table with its arms."""

    name: str
    number: str
    environment: str  # a card
    shows: str
    arms: tuple[Expectation, ...]
    asked: tuple[float, ...]  # returns that conditioned arms are asked for
    kwargs: Mapping[str, Any] = field(default_factory=dict)  # other than the card's
    wrappers: tuple[Mapping[str, Any], ...] = ()
    log_episodes: int = 10_000
    episodes: int = 2_000  # that each policy plays, for each way to choose actions and each asked return
    best: float | None = None  # what filtered cloning keeps: the log's episodes with this return

    @property
    def spec(self) -> EnvSpec:
        """The environment that policies are trained and judged in."""
        card = env_cards.environment(self.environment)
        if self.kwargs:  # the card's names are of its own sizes
            card = replace(card, feature_names=(), action_names=())
        return replace(card, kwargs={**card.kwargs, **self.kwargs}, wrappers=self.wrappers)

    @property
    def log_spec(self) -> EnvSpec:
        """The environment that the log is made in."""
        return replace(self.spec, kwargs={**self.spec.kwargs, **self.rules.log_kwargs})

    @property
    def rules(self) -> Diagnostic:
        """The environment with its closed forms."""
        return rules_of(self.environment, self.spec.kwargs)

    @property
    def margin(self) -> float:
        """Of equivalence: .05 of the return, or of the way from random play to the optimum where that is above 1."""
        rules = self.rules
        return 0.05 * max(1.0, abs(rules.optimum() - rules.random_return()))


@dataclass(frozen=True)
class Control:
    """What must hold, or the machinery that measures is broken. kind: 'equal' to the prediction, or 'no better'."""

    text: str
    row: str
    agents: tuple[str, ...]
    kind: Literal["equal", "no better"]
    asked: float | None = None


def rules_of(environment: str, kwargs: Mapping[str, Any]) -> Diagnostic:
    """The rules of a diagnostic environment by its name."""
    made = getattr(importlib.import_module(f"rlformer.envs.worlds.{MODULES[environment]}"), environment)(**kwargs)
    assert isinstance(made, Diagnostic)
    return made


def predicted(row: Row, arm: Expectation, asked: float | None, selection: Selection) -> float | None:
    """The closed form that the arm is held against; None where theory says nothing.

    A sampled policy of an online learner still explores, a greedy one that imitates a uniform log breaks a tie
    as it happens: neither has a closed form.
    """
    rules, greedy = row.rules, selection == "greedy"
    if arm.law == "optimum":
        return rules.optimum(arm.context) if greedy else None
    if arm.law == "cloning":
        return None if greedy else rules.cloning(arm.context)
    if arm.law == "conditioned" and asked is not None:
        return rules.rcsl(asked, greedy=greedy, context=arm.context)
    if arm.law == "filtered" and row.best is not None:
        return rules.rcsl(row.best, greedy=greedy, context=arm.context)
    return None


def chosen(names: str | None, quick: bool) -> tuple[Row, ...]:
    """The rows that a comma-separated list names, by name or number. Raises InputError for an unknown one."""
    rows = tuple(row for row in ROWS if not quick or int(row.number[0]) <= 6)
    if names is None:
        return rows
    found = []
    for name in (part.strip() for part in names.split(",") if part.strip()):
        like = [row for row in ROWS if name in (row.name, row.number)]
        if not like:
            raise unknown("row", name, [row.name for row in ROWS])
        found += [row for row in like if row not in found]
    if not found:
        raise InputError("--only names no row")
    return tuple(found)


# Networks and budgets for worlds as small as these. The last weights are taken: most steps of these logs are coin
# flips, whose held-out loss says little.
_IMITATE = (
    "width=32", "dropout=0", "gradient_steps=1500", "learning_rate=2e-3", "batch_size=128", "validate_every=1500",
    "patience=0",
)  # fmt: skip
_LONG = ("gradient_steps=3000", "validate_every=3000")  # where few steps tell
_EVEN = ("learning_rate=3e-3", "final_learning_rate=0.01")  # where a probability must be met, not an argmax
_CLONE = (
    "width=64", "dropout=0", "gradient_steps=600", "learning_rate=3e-3", "batch_size=256", "validate_every=600",
    "patience=0",
)  # fmt: skip
_PPO = (
    "steps=10240", "normalize_observations=false", "normalize_rewards=false", "gamma=1.0",
    "gae_lambda=1.0", "learning_rate=2e-3", "n_steps=128", "batch_size=256", "n_epochs=4", "ent_coef=0.01",
)  # fmt: skip
_DQN = (
    "steps=10000", "num_envs=8", "hidden=[64, 64]", "gamma=1.0", "learning_rate=1e-3",
    "train_freq=4", "gradient_steps=4", "batch_size=64", "learning_starts=500", "target_update_interval=200",
    "exploration_fraction=0.6", "exploration_final_eps=0.05",
)  # fmt: skip
# Conservatism of .1 is too much for Bandit: where the log pulls an arm with share beta, CQL's fixed point is
# Q = r - alpha (softmax(Q) / beta - 1), so that the rare arm's .7 looks worth .3.
_CQL = (
    "gradient_steps=1500", "hidden=[64, 64]", "gamma=1.0", "learning_rate=1e-3",
    "batch_size=128", "target_update_interval=50", "alpha=0.01",
)  # fmt: skip


def _dt(context: int, *more: str) -> Expectation:
    return Expectation("dt", "conditioned", None, (*_IMITATE, f"context_length={context}", *more))


def _lstm(context: int, *more: str) -> Expectation:
    return Expectation("dt-lstm", "conditioned", None, (*_IMITATE, f"context_length={context}", *more))


_DT_K1 = Expectation("dt-k1", "conditioned", 1, (*_IMITATE, "batch_size=256"))
_BC = Expectation("bc", "cloning", 1, _CLONE)
_TOP = Expectation("bc-top", "filtered", 1, _CLONE)
_PPO_ARM = Expectation("ppo", "optimum", 1, _PPO)
_DQN_ARM = Expectation("dqn", "optimum", 1, _DQN, selections=("greedy",))  # values have no distribution to sample from
_CQL_ARM = Expectation("cql", "optimum", 1, _CQL, selections=("greedy",))

# What decides is hidden from the step after it, so that all actions have the same value there.
_CQL_TIED = replace(_CQL_ARM, law="none", why="one-step bootstrapping: all actions tie")


def _reaching(horizon: int) -> Expectation:
    """DQN with returns of a whole episode, where one step of bootstrapping cannot carry credit."""
    return replace(_DQN_ARM, overrides=(*_DQN, f"n_steps={horizon}"))


ROWS: tuple[Row, ...] = (
    Row(
        "KeyDoor", "1", "KeyDoor",
        "credit over a delay: the return carries what one-step bootstrapping cannot",
        (
            _PPO_ARM, _reaching(5), _CQL_TIED,
            _BC, _TOP, _DT_K1, _lstm(5, *_LONG), _dt(5, *_LONG),
        ),
        (1.0,), kwargs={"length": 3, "choices": 2}, best=1.0,
    ),
    Row(
        "PassiveTMaze", "2", "PassiveTMaze",
        "memory: what was seen at the first step only",
        (
            _PPO_ARM,
            Expectation("recurrent-ppo", "optimum", None, (
                *(v for v in _PPO if not v.startswith(("steps", "n_epochs"))),
                "steps=40960", "n_epochs=6",
                "ent_coef=0.05", "lstm_hidden_size=32", "hidden=[32]",
            )),
            Expectation("ppo-trxl", "optimum", None, (
                "steps=12288", "num_envs=8", "n_steps=64", "batch_size=128", "n_epochs=4", "learning_rate=3e-3",
                "ent_coef=0.02", "normalize_observations=false", "normalize_rewards=false",
                "width=16", "layers=2", "memory_length=4", "hidden=[16]",
            )),
            _BC, _TOP, _DT_K1, _lstm(4), _dt(4),
        ),
        (1.0,), kwargs={"length": 3}, best=1.0,
    ),
    Row(
        "Gamble", "3", "Gamble",
        "luck: with target return 5, return conditioning takes the losing gamble",
        (
            # Huber's loss is flat between -14 and 4 for a gamble of +5 or -15: any value there is a minimum. With
            # rewards scaled, or squared errors, the minimum is the mean.
            _PPO_ARM, replace(_DQN_ARM, overrides=(*_DQN, "normalize_rewards=true")),
            replace(_CQL_ARM, overrides=(*_CQL, "huber=false")), _BC, _TOP, _dt(1),
        ),
        (5.0, 1.0), episodes=40_000, best=5.0,
    ),
    Row(
        "Bandit", "3b", "Bandit",
        "luck, in its smallest form",
        (_PPO_ARM, _CQL_ARM, _BC, _TOP, _dt(1)),
        (1.0,), episodes=5_000, best=1.0,
    ),
    Row(
        "Umbrella", "4", "Umbrella",
        "credit under noise",
        (
            _PPO_ARM, _reaching(4), _BC,
            replace(_DT_K1, overrides=(*_IMITATE, *_LONG, *_EVEN, "batch_size=512")),
            # Of these episodes 1 in 16 returns 4: an LSTM takes longer to learn what follows from it.
            _lstm(4, *_EVEN, "learning_rate=5e-3", "gradient_steps=6000", "validate_every=6000"),
            _dt(4, *_LONG, *_EVEN),
        ),
        (2.0, 4.0), log_episodes=40_000, episodes=40_000,
    ),
    Row(
        "Stitch", "5", "Stitch",
        "stitching: dynamic programming joins parts of episodes, imitation does not",
        (_PPO_ARM, _CQL_ARM, _BC, _DT_K1, _lstm(2), _dt(2)),
        (0.5,), log_episodes=4_000,
    ),
    Row(
        "DenseBits", "6", "DenseBits",
        "extrapolation: every step pays, returns add up",
        (_PPO_ARM, _CQL_ARM, _BC, _DT_K1, _dt(8)),
        (6.0, 7.0),
    ),
    Row(
        "Lock", "6b", "Lock",
        "extrapolation: only a complete success pays, so the log must contain one",
        (_PPO_ARM, _CQL_TIED, _BC, _TOP, _DT_K1, _dt(4)),
        (1.0,), kwargs={"bits": 4}, best=1.0,
    ),
    Row(
        "DeepSea", "7", "DeepSea",
        "exploration: dithering needs about 2^N episodes",
        (_DQN_ARM, _BC, _TOP, _dt(5)),
        (0.99,), kwargs={"size": 5}, best=0.99,
    ),
    Row(
        "KeyDoor-distractors", "8", "KeyDoor",
        "the same with six irrelevant inputs",
        (_PPO_ARM, _TOP, _dt(5, *_LONG)),
        (1.0,), kwargs={"length": 3, "choices": 2}, wrappers=({"kind": "distractors", "count": 6},), best=1.0,
    ),
    Row(
        "Lock-mixed", "9", "Lock",
        "quality of the log: 3 of 10 actions at random (row 6b: all)",
        (_CQL_TIED, _BC, _TOP, _dt(4)),
        (1.0,), kwargs={"bits": 4, "epsilon": 0.3}, best=1.0,
    ),
    Row(
        "Lock-expert", "9b", "Lock",
        "quality of the log: an expert's log, which contains only its actions",
        (_CQL_ARM, _BC, _TOP, _dt(4)),
        (1.0,), kwargs={"bits": 4, "epsilon": 0.0}, best=1.0,
    ),
)  # fmt: skip

CONTROLS: tuple[Control, ...] = (
    Control("Gamble with target return 5 breaks return conditioning", "Gamble", ("dt",), "no better", 5.0),
    Control("Stitch with target return 0.5 returns 0.5", "Stitch", ("dt", "dt-k1"), "equal", 0.5),
    Control(
        "PassiveTMaze breaks policies without memory", "PassiveTMaze", ("ppo", "bc", "bc-top", "dt-k1"), "no better"
    ),
)
