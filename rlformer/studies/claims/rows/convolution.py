"""Statement 4: convolutional networks are mainly for images, but serve for sequences too."""

from __future__ import annotations

from rlformer.studies.claims.base import Claim, Curve, Effect, Picture, Point, Text
from rlformer.studies.claims.cells import Trained, task
from rlformer.studies.claims.rows import recipes

_NEAR, _EDGE, _FAR = 5, 8, 20  # steps since the cue: two layers of filters over five tokens reach eight steps back
# Greedy actions in the corridor, which mean nothing, may depend on the cue, and so carry it further than filters reach.
_SAMPLED = "action_selection=sampled"


def _on(length: int, agent: str) -> Trained:
    values = recipes.of_episodes(length + 1) if agent == "rvs" else recipes.reading(length + 1)
    return Trained(task("PassiveTMaze", length=length), agent, (*values, _SAMPLED), episodes=recipes.EPISODES)


def _serves(length: int, agent: str, english: str, chinese: str, quick: bool = False) -> Effect:
    return Effect(
        Text(
            f"score of {english} minus that of an MLP, a cue {length} steps ago",
            f"线索在 {length} 步之前：{chinese}的得分减去 MLP 的得分",
        ),
        _on(length, agent),
        _on(length, "rvs"),
        "return",
        "greater",
        0.25,
        "return, of 1",
        quick=quick,
    )


CLAIM = Claim(
    name="convolution",
    number="4",
    statement=Text(
        "Convolutional networks are mainly for images, but they serve for sequences too.",
        "CNN 主要用于图像，但也可用于序列。",
    ),
    experiment=Text(
        "Causal depthwise convolutions (Decision ConvFormer) whose two layers reach 8 steps back, on PassiveTMaze: a cue 5 "
        "steps ago is well within their reach, one 8 steps ago is at its edge, one 20 steps ago is beyond it, and there "
        "they are predicted to fail. Actions are sampled: greedy ones in the corridor, which mean nothing, may depend on the "
        "cue, and the filters would read there what they no longer see.",
        "两层因果逐通道卷积（depthwise，即 Decision ConvFormer）最远看到 8 步之前。PassiveTMaze 上，5 步之前的线索在感受野之内，8 步之前的在其边缘，20 步之前的在其外，预计在那里失败。动作按概率采样：若取最可能的动作，走廊里本无意义的动作也可能随线索而变，卷积就能从中读出早已看不见的线索。",
    ),
    effects=(
        _serves(_NEAR, "dt-conv", "the convolution", "卷积", quick=True),
        _serves(_EDGE, "dt-conv", "the convolution", "卷积"),
        _serves(_FAR, "dt-conv", "the convolution", "卷积", quick=True),
    ),
    code=("rlformer/agents/sequence/backbones/conv.py",),
    caveat=Text(
        "More layers or longer filters reach further: the claim depends on the reach, not on convolution as such. At the "
        "edge a cue passes through the outermost weight of each filter alone, and may stay unlearned although it is within reach.",
        "层数更多或卷积核更长，感受野就更大：结论取决于感受野，而不是卷积本身。在边缘处，线索只经过每个卷积核最外侧的一个权重，虽在感受野之内，也可能学不到。",
    ),
    pictures=(
        Picture(
            Text("Score against how long ago the cue was", "得分与线索距今的步数"),
            Text("steps since the cue; 8 are within reach", "线索距今的步数（感受野为 8 步）"),
            Text("score, of 1", "得分（满分 1）"),
            tuple(
                Curve(Text(english, chinese), tuple(Point(n, _on(n, agent), "return") for n in (_NEAR, _EDGE, _FAR)))
                for agent, english, chinese in (("dt-conv", "convolution", "卷积"), ("rvs", "MLP", "MLP"))
            ),
        ),
    ),
)
