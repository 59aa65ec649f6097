"""Statements 4 and 5: pretraining on data without labels helps, and fine-tuning then needs little data."""

from __future__ import annotations

from rlformer.studies.claims.base import Claim, Effect, Text
from rlformer.studies.claims.cells import Online, Trained, task

_POLE = Online(task("CartPole-v1"), "ppo")
_LANDER = Online(task("LunarLander-v3"), "ppo")
_CONTROL = ("pretraining=random-tokens",)


def _helps(
    ppo: Online,
    share: float,
    more: tuple[str, ...],
    less: tuple[str, ...],
    said: Text,
    quick: bool = False,
) -> Effect:
    """more, less: an agent, and its values. said: what is subtracted from what."""
    cells = [
        Trained(ppo.task, agent, tuple(values), training=ppo, recipe=f"prefix={share:g}")
        for agent, *values in (more, less)
    ]
    return Effect(
        Text(
            f"{ppo.task.card}, the first {share:g} of a training: score of {said.en}",
            f"{ppo.task.card}，训练的前 {share:g}：{said.zh}",
        ),
        cells[0],
        cells[1],
        "z",
        "greater",
        0.05,
        "normalised score",
        quick=quick,
    )


_MASKED, _CHAIN, _SCRATCH = ("dt-masked",), ("dt-pretrained",), ("dt",)
_APART = ("dt", "tokens=separate")  # as the masked one reads them
_RANDOM = ("dt-pretrained", *_CONTROL)
_MASKED_GAINS = Text("the masked one minus that from scratch", "掩码预训练的得分减去从头训练的得分")
_CHAIN_GAINS = Text("the chain's minus that from scratch", "马尔可夫链预训练的得分减去从头训练的得分")
_CHAIN_OVER_CONTROL = Text("the chain's minus its control's", "马尔可夫链预训练的得分减去其对照的得分")

CLAIM = Claim(
    name="pretraining",
    number="4, 5",
    statement=Text(
        "Models that are pretrained on data without labels need only little data to be fine-tuned to a task.",
        "在无标签数据上预训练的模型，只需少量数据即可微调到具体任务。",
    ),
    experiment=Text(
        "A Decision Transformer that first reconstructs masked tokens of the log (BERT's counterpart), or first predicts "
        "a random Markov chain, is compared with one from scratch that reads the same tokens and imitates for as many "
        "steps at most, on the first eighth of a PPO training, and on its first half too. The chain's control is pretrained on tokens that cannot be "
        "predicted. Pretraining comes on top: those that are pretrained make twice the gradient steps.",
        "先还原日志中被掩码遮盖的词元（对应 BERT）或先预测随机马尔可夫链的 Decision Transformer，与读取同样词元、模仿步数上限相同、从头训练的模型相比，数据取自一次 PPO 训练的前八分之一，也取前一半。马尔可夫链的对照则在无法预测的随机词元上预训练。预训练的步数是额外的：预训练过的模型总梯度步数是两倍。",
    ),
    effects=(
        _helps(_POLE, 0.125, _MASKED, _APART, _MASKED_GAINS, quick=True),
        _helps(_POLE, 0.125, _CHAIN, _SCRATCH, _CHAIN_GAINS),
        _helps(_POLE, 0.125, _CHAIN, _RANDOM, _CHAIN_OVER_CONTROL),
        *(_helps(_LANDER, share, _MASKED, _APART, _MASKED_GAINS) for share in (0.125, 0.5)),
        _helps(_LANDER, 0.125, _CHAIN, _SCRATCH, _CHAIN_GAINS),
        _helps(_LANDER, 0.125, _CHAIN, _RANDOM, _CHAIN_OVER_CONTROL),
    ),
    code=(
        "rlformer/agents/sequence/objectives/masked.py",
        "rlformer/agents/sequence/objectives/synthetic.py",
        "rlformer/agents/sequence/training/train.py",
    ),
    caveat=Text(
        "The pretraining data is the log itself, or a chain: no collection of a million other trajectories is at hand. Most "
        "episodes of so early a part of a training are poor: what can be learned from them is bounded.",
        "预训练数据就是日志本身或马尔可夫链：这里没有百万条其他轨迹可用。训练早期的回合大多很差，从中能学到的东西有限。",
    ),
)
