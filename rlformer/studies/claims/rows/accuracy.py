"""Statement 1: a Transformer is more accurate than a recurrent network."""

from __future__ import annotations

from rlformer.studies.claims.base import Claim, Effect, Text
from rlformer.studies.claims.cells import Online, Task, Trained, task
from rlformer.studies.claims.rows import recipes

_PPO = Online(task("CartPole-v1"), "ppo")
_LANDER = Online(task("LunarLander-v3"), "ppo")


def _better(where: str, other: str, english: str, chinese: str, cells: tuple[Trained, Trained], quick: bool) -> Effect:
    return Effect(
        Text(
            f"score of the Transformer minus that of {english}, {where}",
            f"{where}：Transformer 的得分减去{chinese}的得分",
        ),
        *cells,
        "z",
        "greater",
        0.05,
        "normalised score",
        quick=quick,
    )


def _world(where: Task, other: str, steps: int) -> tuple[Trained, Trained]:
    values = recipes.reading(steps)
    return tuple(Trained(where, agent, values, episodes=recipes.EPISODES) for agent in ("dt", other))  # type: ignore[return-value]


def _training(ppo: Online, other: str) -> tuple[Trained, Trained]:
    return Trained(ppo.task, "dt", training=ppo), Trained(ppo.task, other, training=ppo)


_MAZE, _KEY = task("PassiveTMaze", length=9), task("KeyDoor", length=8)
_OTHERS = (("dt-lstm", "the LSTM", " LSTM "), ("dt-gru", "the GRU", " GRU "))

CLAIM = Claim(
    name="accuracy",
    number="1",
    statement=Text(
        "A Transformer is more accurate and performs better than a recurrent network.",
        "Transformer 比循环网络更准确，性能更好。",
    ),
    experiment=Text(
        "Transformer, LSTM and GRU with as many parameters learn from the same logs: PassiveTMaze (memory), KeyDoor "
        "(credit), CartPole-v1 and LunarLander-v3 (a PPO training until it is half way).",
        "参数量相近的 Transformer、LSTM、GRU 从同样的日志学习：PassiveTMaze（记忆）、KeyDoor（信用分配）、CartPole-v1 与 LunarLander-v3（PPO 训练到得分过半为止）。",
    ),
    effects=tuple(
        effect
        for number, (other, english, chinese) in enumerate(_OTHERS)
        for effect in (
            _better("PassiveTMaze", other, english, chinese, _world(_MAZE, other, 10), number == 0),
            _better("KeyDoor", other, english, chinese, _world(_KEY, other, 10), number == 0),
            _better("CartPole-v1", other, english, chinese, _training(_PPO, other), False),
            _better("LunarLander-v3", other, english, chinese, _training(_LANDER, other), False),
        )
    ),
    code=("rlformer/agents/sequence/trajectory.py", "rlformer/agents/sequence/backbones/transformer/network.py"),
    caveat=recipes.together(
        Text(
            "The models are small, the episodes short: this says nothing of language, nor of models a thousand times as large. "
            "On the two worlds a recurrent network that reaches the best score leaves a Transformer nothing to be better in. "
            "All but the network is the same: on CartPole-v1 and LunarLander-v3 the Transformer's values, tuned for it on "
            "CartPole-v1; on the two worlds a learning rate of 2e-3, 128 windows a batch, no dropout, 1,500 gradient steps.",
            "这里只有小模型和短回合：不涉及语言，也不涉及规模大上千倍的模型。在两个小环境里，循环网络若已得满分，Transformer 就不可能更好。网络以外的一切都相同：CartPole-v1 与 LunarLander-v3 上沿用 Transformer 在 CartPole-v1 上调好的设置；两个小环境上学习率为 2e-3，每批 128 个窗口，不用 dropout，1,500 个梯度步。",
        ),
        recipes.FORGET_GATES,
    ),
)
