"""Statement 5: reinforcement learning needs much interaction and long training, a Transformer labelled data."""

from __future__ import annotations

from rlformer.studies.claims.base import Claim, Effect, Text
from rlformer.studies.claims.cells import FirstGood, Online, task

_PPO = Online(task("CartPole-v1"), "ppo")
_DT = FirstGood(_PPO, "dt", (4_000, 8_000, 11_314, 16_000, 22_627))
_TOP = FirstGood(_PPO, "bc-top", (4_000, 8_000, 11_314, 16_000, 22_627))


def _more(other: FirstGood, name: str, quantity: str, english: str, chinese: str, quick: bool) -> Effect:
    return Effect(
        Text(
            f"{english} of PPO over those of {name}, until good enough",
            f"达标所需的{chinese}：PPO 除以 {name}",
        ),
        _PPO,
        other,
        quantity,
        "greater",
        0.0,
        "doublings",
        "log2 ratio",
        quick,
    )


def _gets_there(other: FirstGood, name: str, quick: bool) -> Effect:
    """Times are compared on the seeds where both come there: how many do is an effect of its own."""
    return Effect(
        Text(f"share of seeds on which {name} gets there, against PPO", f"达标种子的比例：{name} 减去 PPO"),
        other,
        _PPO,
        "reached",
        "alike",
        0.2,
        "share of seeds",
        quick=quick,
    )


CLAIM = Claim(
    name="interaction",
    number="5",
    statement=Text(
        "Reinforcement learning needs much interaction and long training; a Transformer is trained on labelled data.",
        "强化学习需要大量交互和长时间训练；Transformer 用有标签的数据做监督学习。",
    ),
    experiment=Text(
        "CartPole-v1: environment steps and CPU seconds of PPO until a score of 0.9, beside the shortest beginning of that "
        "same training from which an imitator reaches 0.9, and the CPU seconds that it learns for. Five beginnings are "
        "tried, from 4,000 to 22,627 steps. Steps and seconds are compared on the seeds on which both come there.",
        "CartPole-v1：PPO 达到 0.9 分所需的环境步数与 CPU 秒数，对照同一次训练中足以让模仿者达到 0.9 分的最短开头部分，以及它学习所用的 CPU 秒数。尝试五种开头长度，从 4,000 到 22,627 步。步数与秒数只在两者都达到的种子上比较。",
    ),
    effects=(
        _gets_there(_DT, "dt", quick=True),
        _more(_DT, "dt", "steps", "steps", "步数", quick=True),
        _more(_DT, "dt", "cpu", "CPU seconds", " CPU 秒数", quick=True),
        _more(_TOP, "bc-top", "steps", "steps", "步数", quick=False),
    ),
    code=("rlformer/evaluator/judge/passing.py", "rlformer/data/prefix.py", "rlformer/runs/ledger.py"),
    caveat=Text(
        "The log had to be made by somebody: here by PPO itself. A log that exists already costs nothing more. The CPU seconds "
        "of PPO hold those of its environment, which is simple; who imitates learns for a fixed number of gradient steps. "
        "The shortest beginning has 4,000 steps: where PPO gets there before, an imitator cannot need less. "
        "PPO is tested more often than an imitator is, each time on fewer episodes.",
        "日志总要有人来收集：这里正是 PPO 自己。若日志已经存在，就没有额外代价。PPO 的 CPU 秒数包含环境本身的计算，而这个环境很简单；模仿者则学习固定的梯度步数。最短的开头有 4,000 步：若 PPO 在此之前已达标，模仿者不可能用得更少。PPO 受检的次数更多，每次的回合更少。",
    ),
)
