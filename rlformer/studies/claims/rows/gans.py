"""Statement 4: generative adversarial networks, as imitation."""

from __future__ import annotations

from rlformer.studies.claims.base import Claim, Effect, Text
from rlformer.studies.claims.cells import Online, Trained, task

_POLE, _ACROBOT = (Online(task(card), "ppo") for card in ("CartPole-v1", "Acrobot-v1"))


def _than(ppo: Online, other: str, steps: int, shown: str, english: str, chinese: str, quick: bool = False) -> Effect:
    where = ppo.task
    return Effect(
        Text(
            f"{where.card}, {shown}: score of GAIL minus {english}",
            f"{where.card},专家数据 {steps} 步:GAIL 与{chinese}的得分之差",
        ),
        Trained(where, "gail", training=ppo, recipe="expert", steps=steps),
        Trained(where, other, training=ppo, recipe="expert", steps=steps),
        "z",
        "greater",
        0.05,
        "normalised score",
        quick=quick,
    )


CLAIM = Claim(
    name="gans",
    number="4",
    statement=Text(
        "Generative adversarial networks learn to make what cannot be told from the data: here, an expert's behaviour.",
        "生成对抗网络学习产生与数据难以区分的样本:在这里,就是专家的行为。",
    ),
    experiment=Text(
        "GAIL (a discriminator tells the expert's steps from the learner's, PPO learns to deceive it, no reward is read) "
        "against behaviour cloning of the same few expert steps, and against the control whose reward is always 1.",
        "GAIL(判别器区分专家与学习者的步,PPO 学会骗过它,不读取任何奖励)与同样少量专家数据上的行为克隆相比,并与奖励恒为 1 的对照相比。",
    ),
    effects=(
        _than(_POLE, "bc", 500, "one expert episode", "behaviour cloning", "行为克隆", quick=True),
        _than(_POLE, "bc", 2_000, "four expert episodes", "behaviour cloning", "行为克隆"),
        _than(_ACROBOT, "bc", 100, "one or two expert episodes", "behaviour cloning", "行为克隆"),
        _than(_ACROBOT, "gail-constant", 1_000, "some ten expert episodes", "the constant reward", "恒定奖励"),
    ),
    code=("rlformer/agents/adversarial/learner.py",),
    caveat=Text(
        "CartPole-v1 pays for staying alive, so that any positive reward solves it: Acrobot-v1 is the fair test.",
        "CartPole-v1 奖励“活着”,任何正奖励都能解决它:Acrobot-v1 才是公平的检验。",
    ),
)
