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
        "An MLP against the same without a hidden layer. Umbrella: which action earned a return is the product of the need "
        "and that return, which no linear model can express; how well each foretells the actions of held-out episodes, "
        "where a guess costs 0.693 nats. CartPole-v1, from an expert's episodes: a linear policy is known to balance the "
        "pole.",
        "MLP 与没有隐藏层的线性模型对比。Umbrella：哪个动作得到某个回报，由“需要”与该回报的乘积决定，线性模型无法表达；比较两者预测验证回合动作的好坏，随机猜测的损失为 0.693 nat。CartPole-v1（专家数据）：线性策略足以平衡。",
    ),
    effects=(
        Effect(
            Text(
                "held-out loss of the linear model minus that of the MLP, where a product is needed",
                "需要乘积时：线性模型的验证损失减去 MLP 的验证损失",
            ),
            Trained(_UMBRELLA, "rvs", (*recipes.WORLD, *_LINEAR), episodes=recipes.EPISODES),
            Trained(_UMBRELLA, "rvs", recipes.WORLD, episodes=recipes.EPISODES),
            "loss",  # a linear policy's score is chance: what it learned by luck is played as if it were sure of it
            "greater",
            0.35,
            "nats",
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
    caveat=Text(
        "That a product is needed is so by construction: this shows what nonlinearity does, not how often a task needs it.",
        "需要乘积是特意构造的：这里说明非线性的作用，而不说明任务有多常需要它。",
    ),
)
