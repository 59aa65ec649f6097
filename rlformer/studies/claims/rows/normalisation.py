"""Statement 7: normalisation speeds up convergence, stabilises gradients, and is robust to the scale of inputs."""

from __future__ import annotations

from rlformer.studies.claims.base import Claim, Curve, Effect, Picture, Point, Text
from rlformer.studies.claims.cells import Trained, task
from rlformer.studies.claims.rows import recipes


def _with(norm: str, scale: float, rate: str = "2e-3") -> Trained:
    values = recipes.reading(
        6, f"norm={norm}", "standardise=false", "width=32", "gradient_steps=400", "validate_every=400",
        f"learning_rate={rate}",
    )  # fmt: skip
    return Trained(task("PassiveTMaze", scale, length=5), "dt", values, episodes=recipes.EPISODES)


def _lower(norm: str, name: str, scale: float, rate: str, quick: bool) -> Effect:
    return Effect(
        Text(
            f"held-out loss without normalisation minus with {name}, inputs times {scale:g}, learning rate {rate}",
            f"输入放大 {scale:g} 倍、学习率 {rate}：无归一化与{name}的验证损失之差",
        ),
        _with("none", scale, rate),
        _with(norm, scale, rate),
        "loss",
        "greater",
        0.01,
        "nats",
        quick=quick,
    )


_NAMES = (("layer", "layer normalisation"), ("rms", "RMS normalisation"))
_KINDS = (("layer", "layer", "层归一化"), ("rms", "RMS", "RMS 归一化"), ("none", "none", "无归一化"))


def _losses(rate: str) -> Picture:
    return Picture(
        Text(f"Held-out loss against the scale of inputs, learning rate {rate}", f"验证损失与输入尺度，学习率 {rate}"),
        Text("inputs times", "输入放大倍数"),
        Text("held-out loss, nats", "验证损失（nat）"),
        tuple(
            Curve(Text(english, chinese), tuple(Point(x, _with(norm, x, rate), "loss") for x in (1.0, 10.0, 100.0)))
            for norm, english, chinese in _KINDS
        ),
        log_x=True,
    )


CLAIM = Claim(
    name="normalisation",
    number="7",
    statement=Text(
        "Normalisation speeds up convergence, stabilises gradients and makes a network robust to the scale of its inputs.",
        "归一化加快收敛、稳定梯度，使网络对输入的尺度具有鲁棒性。",
    ),
    experiment=Text(
        "Transformers with layer, RMS and no normalisation on PassiveTMaze, observations not standardised and 1, 10 and "
        "100 times as large, three learning rates, the same few gradient steps: held-out loss.",
        "PassiveTMaze 上使用层归一化、RMS 归一化或不用归一化的 Transformer；观测不做标准化，放大 1、10、100 倍，三种学习率，同样少的梯度步数：比较验证损失。",
    ),
    effects=tuple(
        _lower(norm, name, scale, rate, quick=(norm, rate) == ("layer", "2e-3") and scale != 10)
        for norm, name in _NAMES
        for scale in (1.0, 10.0, 100.0)
        for rate in ("5e-4", "2e-3", "8e-3")
    ),
    code=("rlformer/agents/sequence/norms.py", "rlformer/agents/sequence/backbones/transformer/network.py"),
    caveat=Text(
        "Batch normalisation is not among them: it mixes the episodes of a batch, and a policy acts on one.",
        "未包括批归一化：它混合同一批中的不同回合，而策略只对单个回合行动。",
    ),
    pictures=tuple(map(_losses, ("5e-4", "2e-3", "8e-3"))),
)
