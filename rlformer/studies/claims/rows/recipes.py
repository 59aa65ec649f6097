"""How the small trainings of several claims are made, alike for all that they compare."""

from __future__ import annotations

import math
from dataclasses import replace

from rlformer.studies.claims.base import Text
from rlformer.studies.claims.cells import Online, task

# Of a world whose log is large: no early stopping, since a held-out loss over mostly random actions says little.
WORLD_STEPS = 1_500  # gradient steps
WORLD = (
    f"gradient_steps={WORLD_STEPS}",
    f"validate_every={WORLD_STEPS}",
    "patience=0",
    "dropout=0",
    "learning_rate=2e-3",
    "batch_size=128",
)
EPISODES = 4_000


NOISY = replace(task("CartPole-v1"), distractors=8)
# The card's preset for CartPole-v1, which an environment with noise beside it does not have.
NOISY_PPO = Online(
    NOISY,
    "ppo",
    (
        "steps=32768", "num_envs=8", "normalize_observations=false", "normalize_rewards=false",
        "learning_rate={ start = 1e-3, end = 0.0 }", "n_steps=64", "batch_size=256", "n_epochs=20", "gamma=0.98",
        "gae_lambda=0.9", "clip_range={ start = 0.2, end = 0.0 }",
    ),
)  # fmt: skip

_SHORT = 16  # steps

FORGET_GATES = Text(
    "The LSTM's forget gates begin open, for as long as a window is (Tallec & Ollivier 2018): as torch begins them, it did not "
    "learn on 2 seeds to remember a cue of 9 steps ago in 1,500 gradient steps.",
    "LSTM 的遗忘门初始时按窗口长度保持打开（Tallec 与 Ollivier 2018）：若用 torch 的默认初始值，在试过的 2 个种子上，它在 1,500 个梯度步内没有学会记住 9 步前的线索。",
)


def together(*texts: Text) -> Text:
    """One after the other."""
    return Text(" ".join(text.en for text in texts), "".join(text.zh for text in texts))


def share_of_guess(ago: int) -> str:
    """By how much of the loss of a guess `half_remembered` is lower, in words: 0.9 %."""
    return f"{100 * (1 - half_remembered(ago) / math.log(2)):.1f} %"


def half_remembered(ago: int) -> float:
    """The held-out loss, in nats, at which half of what a cue says is known, in windows of `ago` + 1 steps.

    Windows begin at every step, so that one step of 1 + 2 + ... + (ago + 1) is a turn whose cue is seen. All others are
    guessed, at log(2) each.
    """
    return (1 - 0.5 / ((ago + 1) * (ago + 2) / 2)) * math.log(2)


def of_episodes(steps: int) -> tuple[str, ...]:
    """The same on episodes of so many steps, n, of which n (n + 1) / 2 lie in the windows of an episode.

    Of long ones twice the gradient steps: all that a cue says is said of the last step of one of these windows.
    """
    return WORLD if steps <= _SHORT else (*WORLD, "gradient_steps=3000", "validate_every=3000")


def reading(steps: int, *more: str) -> tuple[str, ...]:
    """The same for a model that reads them all at once."""
    return (*of_episodes(steps), f"context_length={steps}", *more)
