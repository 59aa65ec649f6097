"""Statement 1: attention is parallel, so that it trains faster than recurrence."""

from __future__ import annotations

from rlformer.studies.claims.base import Claim, Curve, Effect, Picture, Point, Text
from rlformer.studies.claims.cells import NEVER, Speed, Trained, task
from rlformer.studies.claims.rows import recipes

_AGO = 9  # steps since a cue that is to be remembered


def _faster(context: int, other: str, english: str, chinese: str, quick: bool = False) -> Effect:
    return Effect(
        Text(
            f"gradient steps per CPU second of the Transformer over {english}, windows of {context} steps",
            f"窗口长度 {context} 步，每 CPU 秒的梯度步数：Transformer 除以{chinese}",
        ),
        Speed("dt", context),
        Speed(other, context),
        "steps_a_second",
        "greater",
        0.0,
        "doublings",
        "log2 ratio",
        quick,
    )


def _learns(agent: str) -> Trained:
    values = recipes.reading(_AGO + 1, "validate_every=50")
    maze = task("PassiveTMaze", length=_AGO)
    return Trained(maze, agent, values, episodes=recipes.EPISODES, loss=recipes.half_remembered(_AGO), alone=True)


_MODELS = (("dt", "Transformer", "Transformer"), ("dt-lstm", "LSTM", "LSTM"), ("dt-gru", "GRU", "GRU"))

CLAIM = Claim(
    name="speed",
    number="1",
    statement=Text(
        "A Transformer trains faster than a recurrent network, since attention suits parallel computation.",
        "Transformer 的注意力适合并行计算，因此训练比循环网络更快。",
    ),
    experiment=Text(
        "Models with as many parameters (within 20 %) train on one CPU thread, on windows of 8, 32 and 128 steps: gradient "
        "steps per CPU second, and CPU seconds until the held-out loss has come half way from that of a guess to what it is "
        f"where a cue of 9 steps ago is remembered ({recipes.share_of_guess(_AGO)} lower: few steps of a window tell it).",
        "参数量相近（相差 20 % 以内）的模型各用一个 CPU 线程训练，窗口为 8、32、128 步：比较每 CPU 秒的梯度步数，以及验证损失从随机猜测的水平出发，下降幅度达到“记住 9 步前的线索”时的一半"
        f"（即降低 {recipes.share_of_guess(_AGO)}，因为窗口中只有少数步用得上线索）所需的 CPU 秒数。",
    ),
    effects=(
        *(_faster(n, "dt-lstm", "the LSTM", " LSTM ", quick=n == 32) for n in (8, 32, 128)),
        *(_faster(n, "dt-gru", "the GRU", " GRU ") for n in (8, 32, 128)),
        Effect(
            Text(
                "CPU seconds of the LSTM over those of the Transformer until a cue is remembered over 9 steps",
                "学会记住 9 步前的线索所需的 CPU 秒数：LSTM 除以 Transformer",
            ),
            _learns("dt-lstm"),
            _learns("dt"),
            "cpu_to_loss",
            "greater",
            0.0,
            "doublings",
            "log2 ratio",
            never=NEVER * recipes.WORLD_STEPS,
        ),
    ),
    where=Text("on one CPU thread", "单个 CPU 线程上"),
    code=(
        "rlformer/agents/sequence/backbones/transformer/network.py",
        "rlformer/agents/sequence/backbones/lstm.py",
        "rlformer/agents/sequence/backbones/gru.py",
    ),
    caveat=recipes.together(
        Text(
            "A CPU says nothing about parallel hardware. One gradient step on K steps needs K recurrent steps one after the "
            "other in an LSTM, and as many as there are layers in a Transformer, whatever K is.",
            "CPU 上的计时不能说明并行硬件上的情况。对 K 步窗口，LSTM 需要 K 个先后相继的循环步，Transformer 则只需与层数相同的步数，与 K 无关。",
        ),
        recipes.FORGET_GATES,
    ),
    pictures=(
        Picture(
            Text("Gradient steps per CPU second against the length of a window", "每 CPU 秒梯度步数与窗口长度"),
            Text("steps in a window", "窗口长度（步）"),
            Text("gradient steps per CPU second", "每 CPU 秒梯度步数"),
            tuple(
                Curve(Text(english, chinese), tuple(Point(n, Speed(agent, n), "steps_a_second") for n in (8, 32, 128)))
                for agent, english, chinese in _MODELS
            ),
            log_x=True,
            log_y=True,
        ),
    ),
)
