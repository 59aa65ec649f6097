"""Statement 4: recurrent networks remember; LSTM and GRU are the usual kinds."""

from __future__ import annotations

from rlformer.studies.claims.base import Claim, Curve, Effect, Picture, Point, Text
from rlformer.studies.claims.cells import Trained, task
from rlformer.studies.claims.rows import recipes

_LENGTHS = (5, 10, 20)


def _on(length: int, agent: str) -> Trained:
    values = recipes.of_episodes(length + 1) if agent == "rvs" else recipes.reading(length + 1)
    return Trained(task("PassiveTMaze", length=length), agent, values, episodes=recipes.EPISODES)


def _remembers(length: int, agent: str, name: str, quick: bool) -> Effect:
    return Effect(
        Text(
            f"score of the {name} minus that of an MLP, a cue {length} steps ago",
            f"线索在 {length} 步之前：{name} 的得分减去 MLP 的得分",
        ),
        _on(length, agent),
        _on(length, "rvs"),
        "return",
        "greater",
        0.25,
        "return, of 1",
        quick=quick,
    )


def _alike(length: int) -> Effect:
    return Effect(
        Text(f"LSTM against GRU, a cue {length} steps ago", f"线索在 {length} 步之前：LSTM 与 GRU 之差"),
        _on(length, "dt-lstm"),
        _on(length, "dt-gru"),
        "return",
        "alike",
        0.05,
        "return, of 1",
    )


CLAIM = Claim(
    name="memory",
    number="4",
    statement=Text(
        "Recurrent networks remember and catch the order of a sequence; LSTM and GRU are the usual kinds.",
        "RNN 有记忆，能捕捉序列的先后；LSTM 与 GRU 是常用的变体。",
    ),
    experiment=Text(
        "PassiveTMaze: a cue at the first step says where to turn 5, 10 or 20 steps later. An MLP, which sees the current "
        "step, expects one half. LSTM and GRU against it, and against each other.",
        "PassiveTMaze：第一步的线索指明 5、10 或 20 步之后该向哪边转。只看当前一步的 MLP 期望得到一半。比较 LSTM、GRU 与它，以及两者之间。",
    ),
    effects=(
        _remembers(5, "dt-lstm", "LSTM", quick=True),
        _remembers(5, "dt-gru", "GRU", quick=True),
        *(_remembers(n, "dt-lstm", "LSTM", quick=False) for n in _LENGTHS[1:]),
        *(_remembers(n, "dt-gru", "GRU", quick=False) for n in _LENGTHS[1:]),
        *(_alike(n) for n in _LENGTHS),
    ),
    code=("rlformer/agents/sequence/backbones/lstm.py", "rlformer/agents/sequence/backbones/gru.py"),
    caveat=recipes.together(
        Text(
            "One cue is to be remembered: the order of several is not tested.",
            "只需记住一个线索：未检验多个线索的先后次序。",
        ),
        recipes.FORGET_GATES,
    ),
    pictures=(
        Picture(
            Text("Score against how long ago the cue was", "得分与线索距今的步数"),
            Text("steps since the cue", "线索距今的步数"),
            Text("score, of 1", "得分（满分 1）"),
            tuple(
                Curve(Text(name, name), tuple(Point(n, _on(n, agent), "return") for n in _LENGTHS))
                for agent, name in (("dt-lstm", "LSTM"), ("dt-gru", "GRU"), ("rvs", "MLP"))
            ),
        ),
    ),
)
