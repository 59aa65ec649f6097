"""Statement 6: fully connected layers combine features and add nonlinearity."""

from __future__ import annotations

from rlformer.studies.claims.base import Claim, Effect, Text
from rlformer.studies.claims.cells import Online, Trained, task
from rlformer.studies.claims.rows import recipes

_LINEAR = ("backbone=linear", "layers=1")
_UMBRELLA = task("Umbrella", length=1)
_PPO = Online(task("CartPole-v1"), "ppo")

CLAIM = Claim(
    name="nonlinearity",
    number="6",
    statement=Text(
        "Fully connected layers combine features, and their activations add nonlinearity.",
        "全连接层组合特征，激活函数带来非线性。",
    ),
    experiment=Text(
        "An MLP against the same without a hidden layer. Umbrella, asked for a return: the right action is a product of "
        "the need and the asked return, which no linear policy can express. CartPole-v1, from an expert's episodes: a "
        "linear policy is known to balance the pole.",
        "MLP 与没有隐藏层的线性模型对比。Umbrella（以回报为条件）：正确动作是“需要”与“要求的回报”的乘积，线性策略无法表达；CartPole-v1（专家数据）：线性策略足以平衡。",
    ),
    effects=(
        Effect(
            Text(
                "score of the MLP minus the linear one, where a product is needed",
                "需要乘积时：MLP 与线性模型的得分之差",
            ),
            Trained(_UMBRELLA, "rvs", recipes.WORLD, episodes=recipes.EPISODES),
            Trained(_UMBRELLA, "rvs", (*recipes.WORLD, *_LINEAR), episodes=recipes.EPISODES),
            "return",
            "greater",
            0.25,
            "return, of 1",
            quick=True,
        ),
        Effect(
            Text("the MLP against the linear one, where no product is needed", "不需要乘积时：MLP 与线性模型之差"),
            Trained(_PPO.task, "bc", training=_PPO, recipe="expert", steps=10_000),
            Trained(_PPO.task, "bc-linear", training=_PPO, recipe="expert", steps=10_000),
            "z",
            "alike",
            0.05,
            "normalised score",
        ),
    ),
    code=("rlformer/agents/sequence/backbones/mlp.py", "rlformer/agents/sequence/backbones/linear.py"),
)
