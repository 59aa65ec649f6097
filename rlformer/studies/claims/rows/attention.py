"""Statement 5: attention shows what a Transformer looks at; an RL agent's decisions are harder to explain."""

from __future__ import annotations

from dataclasses import replace

from rlformer.explain.groups import RETURN
from rlformer.explain.looking import observation
from rlformer.studies.claims.base import Claim, Curve, Effect, Picture, Point, Text
from rlformer.studies.claims.cells import Trained, task
from rlformer.studies.claims.explained import Explained, LooksAt
from rlformer.studies.claims.rows import recipes

_AGO, _NOISE = 5, 4  # steps since the cue; dimensions of noise, so that every observation differs between episodes
_MATTER = (RETURN, observation(-_AGO))  # at the turn: whether the turn of the cue is asked for, and the cue
_MAZE = Trained(
    replace(task("PassiveTMaze", length=_AGO), distractors=_NOISE),
    "dt",
    recipes.reading(_AGO + 1, "tokens=separate"),
    episodes=recipes.EPISODES,
)
_PPO = recipes.NOISY_PPO
_DT = Trained(recipes.NOISY, "dt", ("gradient_steps=1500", "patience=0"), training=_PPO)

_EXPLAINERS = (
    ("attention rollout", "attention rollout", "注意力展开（rollout）"),
    ("last-layer attention", "last layer's attention", "末层注意力"),
    ("uniform attention", "uniform attention", "均匀注意力"),
    ("integrated gradients", "integrated gradients", "积分梯度"),
)


def _at(explainer: str) -> LooksAt:
    return LooksAt(_MAZE, explainer, _MATTER)


def _shows(explainer: str, control: str, english: tuple[str, str], chinese: tuple[str, str]) -> Effect:
    return Effect(
        Text(
            f"share of weight on what can change the action: {english[0]} minus {english[1]}",
            f"落在真正能改变动作的输入上的权重份额：{chinese[0]}与{chinese[1]}之差",
        ),
        _at(explainer),
        _at(control),
        "mass",
        "greater",
        0.1,
        "share of all weight",
        quick=True,
    )


CLAIM = Claim(
    name="attention",
    number="5",
    statement=Text(
        "Attention weights show what a Transformer looks at; an RL agent's decisions are harder to explain.",
        "注意力权重显示 Transformer 关注什么；强化学习智能体的决策更难解释。",
    ),
    experiment=Text(
        "PassiveTMaze with 4 dimensions of noise in every observation. At the turn, a Decision Transformer with separate "
        "tokens for returns, observations and actions has 17 tokens to look at. Only the cue, 5 steps ago, and the "
        "returns-to-go can change its action: replacing inputs by those of other episodes confirms it. The share of "
        "attention on these is compared with that of equal weights on all tokens: 0.41, and 0.35 by their rollout. Then PPO and a Decision Transformer "
        "that learned from its training until half way, on CartPole-v1 with 8 dimensions of noise: how well the same explainer finds "
        "what each relies on, and how small a tree can be that scores 0.9 of it.",
        "每个观测另加 4 维噪声的 PassiveTMaze。在岔路口，回报、观测、动作各有词元的 Decision Transformer 可以关注 17 个词元，但只有 5 步之前的线索和剩余回报（returns-to-go）"
        "能改变它的动作：用其他回合的输入做替换可以证实这一点。比较注意力落在这些词元上的份额与各词元权重相等时的份额（0.41；经展开为 0.35）。然后在另加 8 维噪声的 CartPole-v1 上比较 PPO 与从其训练（到得分过半为止）学习的 Decision "
        "Transformer：同一种解释方法能在多大程度上找到各自真正依赖的输入，以及得分达到其 0.9 的决策树可以小到什么程度。",
    ),
    effects=(
        _shows(
            "attention rollout",
            "rollout of uniform attention",
            ("attention rollout", "that of uniform attention"),
            ("注意力展开（rollout）", "均匀注意力的展开"),
        ),
        _shows(
            "last-layer attention",
            "uniform attention",
            ("the last layer's attention", "uniform attention"),
            ("末层注意力", "均匀注意力"),
        ),
        Effect(
            Text(
                "rank correlation of integrated gradients with what the policy relies on: the Transformer minus PPO",
                "积分梯度与策略真正依赖的输入的秩相关：Transformer 减去 PPO",
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
                "可替代策略的最小决策树叶数：PPO 除以 Transformer",
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
        "rlformer/explain/looking.py",
        "rlformer/explain/explainers/attention_rollout.py",
        "rlformer/explain/explainers/last_layer_attention.py",
        "rlformer/explain/replacement.py",
    ),
    caveat=Text(
        "The most that can be reached is a share of 1; of rollout over two layers it is 0.75, since a quarter of its weight "
        "stays, by its definition, at the token that predicts. Explainers are compared on policies that solve their task and "
        "rely on what matters; on CartPole-v1 the two policies do not score alike. "
        "A tree that is not good enough with 256 leaves counts as one of 512.",
        "份额最高为 1；两层的注意力展开最高只有 0.75，因为按其定义，四分之一的权重留在做预测的词元上。只在解决了任务、并且确实依赖关键输入的策略上比较解释方法；CartPole-v1 上两个策略的得分并不相同。若 256 个叶子的树仍不够好，则计为 512 个。",
    ),
    pictures=(
        Picture(
            Text(
                "Share of each explainer on the observation of so many steps ago, at the turn",
                "在岔路口，各解释方法落在若干步之前的观测上的份额",
            ),
            Text("steps ago; the cue is 5 steps ago", "多少步之前（线索在 5 步之前）"),
            Text("share of all weight", "占全部权重的份额"),
            (
                Curve(
                    Text("effect of replacing it", "替换它的实际效应"),
                    tuple(Point(ago, _at("uniform attention"), f"effect/{ago}") for ago in range(_AGO + 1)),
                ),
                *(
                    Curve(
                        Text(english, chinese),
                        tuple(Point(ago, _at(explainer), f"share/{ago}") for ago in range(_AGO + 1)),
                    )
                    for explainer, english, chinese in _EXPLAINERS
                ),
            ),
        ),
    ),
)
