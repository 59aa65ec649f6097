"""Statement 4: autoencoders learn compact representations without labels."""

from __future__ import annotations

from rlformer.studies.claims.base import Claim, Effect, Text
from rlformer.studies.claims.cells import Online, Task, Trained, task
from rlformer.studies.claims.rows import recipes

_PLAIN = task("CartPole-v1")
_NOISY = recipes.NOISY  # 14 numbers: 4 say all, 2 the last action


def _squeezed(where: Task, width: int, quick: bool = False) -> Effect:
    ppo = recipes.NOISY_PPO if where.distractors else Online(where, "ppo")
    latent = (f"latent_width={width}", "pretraining=autoencoder", "gradient_steps=3000", "patience=0")
    noise = ("", "") if not where.distractors else (" with 8 dimensions of noise", "（另加 8 维噪声）")
    return Effect(
        Text(
            f"CartPole-v1{noise[0]}: a policy that reads {width} numbers of an autoencoder against one that reads all",
            f"CartPole-v1{noise[1]}：读取自编码器 {width} 个数的策略与读取全部观测的策略之差",
        ),
        # An expert's log: from a training half way imitators differ by .2 between seeds, and no likeness within .1 is seen.
        Trained(where, "bc", latent, training=ppo, recipe="expert", steps=10_000),
        Trained(where, "bc", ("gradient_steps=1500", "patience=0"), training=ppo, recipe="expert", steps=10_000),
        "z",
        "alike",
        0.1,
        "normalised score",
        quick=quick,
    )


CLAIM = Claim(
    name="autoencoders",
    number="4",
    statement=Text(
        "Autoencoders learn compact representations without labels: features, fewer dimensions, compression.",
        "自编码器无需标签即可学习紧凑表示：特征提取、降维、压缩。",
    ),
    experiment=Text(
        "An autoencoder squeezes each observation through 2, 3, 4 or 8 numbers and is then left as it is; an imitator "
        "reads these instead of the observation. CartPole-v1 has 4 numbers; with 8 random ones and the 2 of the last "
        "action beside them, all standardised, an autoencoder does not know which of the 14 matter. Both imitate 10,000 steps "
        "of a trained PPO, for as many gradient steps.",
        "自编码器把每个观测压缩为 2、3、4 或 8 个数后不再改变，模仿者只读这些数。CartPole-v1 有 4 个数；旁边再加 8 个随机数和上一动作的 2 个数并全部标准化后，自编码器并不知道 14 个数中哪些重要。两者都模仿训练好的 PPO "
        "的 10,000 步，梯度步数相同。",
    ),
    effects=(
        _squeezed(_PLAIN, 3, quick=True),
        _squeezed(_PLAIN, 2),
        _squeezed(_NOISY, 4),
        _squeezed(_NOISY, 8),
    ),
    code=("rlformer/agents/sequence/objectives/autoencoder.py",),
    caveat=Text(
        "With fewer numbers than the state has, some of it must be lost: these effects show that it matters, not that another code of "
        "that size would do better. What a policy can do with the numbers is measured, not how well they give back the observation. Where some seeds "
        "succeed and others fail, a mean says little: results.json has each.",
        "若数的个数少于状态的维数，必有信息丢失：这些效应说明丢失有影响，而不说明同样大小的其他编码会更好。这里衡量策略能用这些数做到什么，而不衡量它们能多好地重建观测。若有的种子成功、有的失败，均值说明不了什么：results.json 有每个种子的数字。",
    ),
)
