"""Statement 5: attention shows what a Transformer looks at; an RL agent's decisions are harder to explain."""

from __future__ import annotations

from rlformer.studies.claims.base import Claim, Effect, Text
from rlformer.studies.claims.cells import Explained, Online, Trained, task
from rlformer.studies.claims.rows import recipes

_KEY = task("KeyDoor", length=3)
_DT = Trained(_KEY, "dt", recipes.reading(5, "tokens=separate"), episodes=recipes.EPISODES)
_PPO = Online(_KEY, "ppo", ("steps=30000", "n_steps=128", "num_envs=8", "learning_rate=1e-3", "ent_coef=0.01"))


def _beats(explainer: str, other: str, english: str, chinese: str, quick: bool) -> Effect:
    return Effect(
        Text(f"rank correlation with what the policy relies on: {english}", f"与策略真正依赖的输入的秩相关:{chinese}"),
        Explained(_DT, f"token/{explainer}"),
        Explained(_DT, f"token/{other}"),
        "value",
        "greater",
        0.1,
        "rank correlation",
        quick=quick,
    )


CLAIM = Claim(
    name="attention",
    number="5",
    statement=Text(
        "Attention weights show what a Transformer looks at; an RL agent's decisions are harder to explain.",
        "注意力权重显示 Transformer 关注什么;强化学习智能体的决策更难解释。",
    ),
    experiment=Text(
        "A Decision Transformer with separate tokens for return, observation and action, and PPO, on KeyDoor. What a "
        "policy relies on is measured by replacing inputs; explainers are scored by how well they find it.",
        "KeyDoor 上的 Decision Transformer(回报、观测、动作各有词元)与 PPO。用替换输入的方法测量策略真正依赖什么,再看各种解释方法能否找到它。",
    ),
    effects=(
        _beats(
            "attention rollout",
            "uniform attention",
            "attention rollout minus uniform attention",
            "注意力展开与均匀注意力之差",
            True,
        ),
        _beats(
            "attention rollout",
            "integrated gradients",
            "attention rollout minus integrated gradients",
            "注意力展开与积分梯度之差",
            True,
        ),
        Effect(
            Text(
                "rank correlation of integrated gradients: the Transformer minus PPO",
                "积分梯度的秩相关:Transformer 与 PPO 之差",
            ),
            Explained(_DT, "agreement/integrated gradients"),
            Explained(_PPO, "agreement/integrated gradients"),
            "value",
            "greater",
            0.1,
            "rank correlation",
        ),
        Effect(
            Text(
                "leaves of the smallest tree that stands for PPO over those for the Transformer",
                "可替代策略的最小决策树叶数:PPO 与 Transformer 之比",
            ),
            Explained(_PPO, "leaves"),
            Explained(_DT, "leaves"),
            "value",
            "greater",
            0.0,
            "doublings",
            "log2 ratio",
        ),
    ),
    code=(
        "rlformer/explain/explainers/attention_rollout.py",
        "rlformer/explain/explainers/integrated_gradients.py",
        "rlformer/explain/replacement.py",
    ),
)
