"""Statement 4: generative adversarial networks, as imitation."""

from __future__ import annotations

from rlformer.studies.claims.base import Claim, Effect, Text
from rlformer.studies.claims.cells import Online, Trained, task

_POLE, _ACROBOT = (Online(task(card), "ppo") for card in ("CartPole-v1", "Acrobot-v1"))


def _than(ppo: Online, other: str, steps: int, shown: Text, english: str, chinese: str, quick: bool = False) -> Effect:
    where = ppo.task
    return Effect(
        Text(
            f"{where.card}, {steps:,} expert steps ({shown.en}): score of GAIL minus {english}",
            f"{where.card}，专家数据 {steps:,} 步（{shown.zh}）：GAIL 的得分减去{chinese}的得分",
        ),
        Trained(where, "gail", training=ppo, recipe="expert", steps=steps),
        Trained(where, other, training=ppo, recipe="expert", steps=steps),
        "z",
        "greater",
        0.05,
        "normalised score",
        quick=quick,
    )


def _as_expert(ppo: Online, steps: int, quick: bool = False) -> Effect:
    where = ppo.task
    return Effect(
        Text(
            f"{where.card}, {steps:,} expert steps: score of GAIL against the expert's own",
            f"{where.card}，专家数据 {steps:,} 步：GAIL 与专家本身的得分之差",
        ),
        Trained(where, "gail", training=ppo, recipe="expert", steps=steps),
        ppo,
        "z",
        "alike",
        0.1,
        "normalised score",
        quick=quick,
    )


CLAIM = Claim(
    name="gans",
    number="4",
    statement=Text(
        "Generative adversarial networks learn to make what cannot be told from the data: here, an expert's behaviour.",
        "生成对抗网络（GAN）学习生成与真实数据难以区分的样本：在这里就是专家的行为。",
    ),
    experiment=Text(
        "GAIL (a discriminator tells the expert's steps from the learner's, PPO learns to deceive it, no reward is read) "
        "against the expert itself, the control whose reward is always 1, and behaviour cloning of the same few expert "
        "steps. GAIL and its control also take 65,536 steps in CartPole-v1, 131,072 in Acrobot-v1; cloning takes none, and "
        "holds one episode back to know when to stop.",
        "GAIL（判别器区分专家与学习者的步，PPO 学会骗过它，不读取任何奖励）与专家本身、奖励恒为 1 的对照、以及同样少量专家数据上的行为克隆相比。GAIL 及其对照还要与环境交互（CartPole-v1 中 65,536 步，Acrobot-v1 中 131,072 步）；行为克隆不交互，并留出一个回合来判断何时停止。",
    ),
    effects=(
        _as_expert(_POLE, 1_000, quick=True),
        _as_expert(_ACROBOT, 1_000),
        _than(
            _ACROBOT, "gail-constant", 1_000, Text("some ten episodes", "约十个回合"), "the constant reward", "恒定奖励"
        ),
        _than(_ACROBOT, "bc", 250, Text("some three episodes", "约三个回合"), "behaviour cloning", "行为克隆"),
    ),
    code=("rlformer/agents/adversarial/learner.py",),
    caveat=Text(
        "CartPole-v1 pays for staying alive, so that any positive reward solves it: Acrobot-v1 is the fair test. Where cloning "
        "already scores nearly what the expert does, little is left to gain. "
        "The discriminator also sees whether an episode is over, in an absorbing state (Kostrikov et al. 2019): on these two tasks that "
        "alone may suffice, and no control was run. docs/architectures.md has GAIL on more seeds, one of which falls short on "
        "CartPole-v1. That GAIL beats cloning is more than the article says: it tells whether the adversary is worth its interaction.",
        "CartPole-v1 奖励“活着”，任何正奖励都能解决它：Acrobot-v1 才是公平的检验。若行为克隆已接近专家的得分，就没有多少可提高的了。判别器还能看到回合是否结束（吸收状态，Kostrikov 等，2019）：在这两个任务上，仅此也许就足够，这里没有做相应的对照。docs/architectures.md 中有更多种子上的 GAIL，其中一个在 CartPole-v1 上没有达标。GAIL 胜过行为克隆并不是文章的论断：它说明对抗训练是否值得那些交互。",
    ),
)
