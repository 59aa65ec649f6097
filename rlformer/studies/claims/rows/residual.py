"""Statement 7: residual connections cure vanishing gradients in deep networks."""

from __future__ import annotations

from rlformer.studies.claims.base import Claim, Curve, Effect, Picture, Point, Says, Text
from rlformer.studies.claims.cells import Trained, task
from rlformer.studies.claims.rows import recipes

_MAZE = task("PassiveTMaze", length=5)


def _deep(layers: int, residual: bool) -> Trained:
    values = recipes.reading(6, f"layers={layers}", "width=32", "gradient_steps=800", "validate_every=800")
    plain = () if residual else ("residual=false",)
    return Trained(_MAZE, "dt", (*values, *plain), episodes=recipes.EPISODES)


def _gradients(layers: int, quick: bool) -> Effect:
    return Effect(
        Text(
            f"{layers} layers: the gradient's norm in the first block over that in the last, with residual connections "
            "over without",
            f"{layers} 层：首块与末块梯度范数之比，有残差除以无残差",
        ),
        _deep(layers, True),
        _deep(layers, False),
        "first_over_last",
        "greater",
        1.0,
        "doublings",
        "log2 ratio",
        quick,
    )


def _score(layers: int, says: Says, margin: float, quick: bool) -> Effect:
    return Effect(
        Text(
            f"{layers} layers: score with residual connections minus without",
            f"{layers} 层：有残差的得分减去无残差的得分",
        ),
        _deep(layers, True),
        _deep(layers, False),
        "return",
        says,
        margin,
        "return, of 1",
        quick=quick,
    )


_WAYS = ((True, "with", "有残差"), (False, "without", "无残差"))

CLAIM = Claim(
    name="residual",
    number="7",
    statement=Text(
        "Residual connections cure vanishing and exploding gradients in deep networks, and avoid degradation.",
        "残差连接解决深层网络中的梯度消失与梯度爆炸，避免网络退化。",
    ),
    experiment=Text(
        "Transformers of 8 and 16 layers on PassiveTMaze, with and without residual connections, normalisation kept; each "
        "begins with the weights that suit it: GPT-2's with, those that keep the variance (He et al.) without. The "
        "gradient's norm in the first block over that in the last at gradient step 100, and the score after 800 steps. A "
        "picture shows 2 and 4 layers too.",
        "PassiveTMaze 上 8、16 层的 Transformer，保留层归一化，比较有残差连接与没有残差连接；两者各用适合自己的初始权重：有残差时为 GPT-2 的，无残差时为保持方差的（He 等）。比较第 100 个梯度步时首块与末块梯度范数之比，以及 800 步之后的得分。图中还有 2 层与 4 层。",
    ),
    effects=(
        _gradients(8, quick=True),
        _gradients(16, quick=False),
        _score(8, "greater", 0.25, quick=True),
        _score(16, "greater", 0.25, quick=False),
    ),
    code=("rlformer/agents/sequence/backbones/transformer/network.py",),
    caveat=Text(
        "It is about deep networks: one of 8 layers without residual connections may learn this task too. Layer "
        "normalisation, which both have, mends a part of what they are for.",
        "结论针对深层网络：没有残差连接的 8 层网络也可能学会这个任务。两者都有的层归一化已经起到了一部分作用。",
    ),
    pictures=(
        Picture(
            Text("The gradient's norm in each block, at gradient step 100", "第 100 个梯度步时各块的梯度范数"),
            Text("block, from the input", "块（从输入起）"),
            Text("norm of the gradient", "梯度范数"),
            tuple(
                Curve(
                    Text(f"{layers} layers, {english}", f"{layers} 层，{chinese}"),
                    tuple(Point(k + 1, _deep(layers, residual), f"gradient/{k}") for k in range(layers)),
                )
                for layers in (16, 8)
                for residual, english, chinese in _WAYS
            ),
            log_y=True,
        ),
        Picture(
            Text("Score against depth, with and without residual connections", "得分与深度：有无残差连接"),
            Text("layers", "层数"),
            Text("score, of 1", "得分（满分 1）"),
            tuple(
                Curve(Text(english, chinese), tuple(Point(n, _deep(n, residual), "return") for n in (2, 4, 8, 16)))
                for residual, english, chinese in _WAYS
            ),
            log_x=True,
        ),
    ),
)
