"""Invented explanations in run directories as `explain.making` writes them, for tests of reports."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import numpy as np

from rlformer.core import files
from rlformer.envs.animation import png
from rlformer.explain.parts import Attributions, Controllability, Deletion, Effects, Made, PartCost, Pictures, Surrogate
from rlformer.explain.parts.attributions import NO_ATTENTION, Faithfulness, Judged, Scored, Skill, Stability
from rlformer.explain.parts.effects import EffectsAt, KnownEffects, PolicyScore
from rlformer.explain.parts.pictures import AttentionShown, EpisodeShown, Frame, ThroughTime
from rlformer.explain.parts.surrogate import TreeCurve, TreePoint
from rlformer.explain.tree import Tree
from rlformer.runs.directory import RunDirectory

GROUPS = ("pole angle", "cart <velocity>", "history", "returns-to-go")
LEAVES = (2, 4, 8, 16, 32, 64, 128, 256)
STUMP = Tree(
    np.array([0, -1, -1]), np.array([0.02, 0.0, 0.0]), np.array([1, -1, -1]), np.array([2, -1, -1]),
    np.array([[0.0], [0.0], [1.0]]), np.array([1.0, 0.5, 0.5]),
)  # fmt: skip


def explain_run(
    run: RunDirectory, effects: list[float], *, skill: float | None = None, l90: int | None = 8, step: int | None = None
) -> None:
    """All parts but those that a policy of this kind has not; effects: of `GROUPS`.

    step: of the kept policy. skill: of integrated gradients, where the truth is known and the policy solves the
    task by it.
    """
    attends, of = effects[2] > 0, tuple(effects)
    read = (True, True, attends, attends)
    contents: dict[str, Any] = {
        "effects": Effects(
            groups=GROUPS, read=read, unit="share of changed greedy actions", own=_effects(of, skill, read),
            log=_effects((0.2, 0.2, *of[2:]), skill, read), no_divergence=None if attends else "no probabilities",
            decisions=None, policy=PolicyScore(500.0, 1.0, 100), target_return=500.0 if attends else None,
        ),
        "explainers": _explainers(of, skill, read),
        "deletion": Deletion(
            counts=(0, 1, 2), episodes=8,
            returns={"integrated gradients": (500.0, 60.0, 30.0), "random": (500.0, 300.0, 90.0)},
            scores={"integrated gradients": (1.0, 0.08, 0.02), "random": (1.0, 0.58, 0.14)},
        ),
        "surrogate": Surrogate(
            _trees(l90), None, "it reads the current observation alone", ("left", "right"), "discrete", "observation"
        ),
        "controllability": Controllability("it is not return-conditioned", None, None),
        "pictures": _pictures(attends),
    }  # fmt: skip
    folder = files.writable_directory(run.path / "explain")
    settings = {} if step is None else {"policy": {"step": step}}
    for name, content in contents.items():
        files.write_json(folder / f"{name}.json", Made(name, content, PartCost(2.0, 1.5, 100), settings).to_dict())


def _effects(of: tuple[float, ...], skill: float | None, read: tuple[bool, ...]) -> EffectsAt:
    return EffectsAt(
        effects=of, varies=(1.0, 1.0, 1.0, 0.0), divergence=of if read[2] else None,
        truth=None if skill is None else KnownEffects("distractors", GROUPS, of, GROUPS[:1], read),
        reliance=None if skill is None else of[0] / sum(of),
        no_reliance=None if skill is not None else "no truth is known for this task; --distractors makes one",
        episodes=9, steps=99, mean_return=450.0,
    )  # fmt: skip


def _explainers(effects: tuple[float, ...], skill: float | None, read: tuple[bool, ...]) -> Attributions:
    judged = Judged(
        shares=dict(zip(GROUPS, (0.7, 0.3, 0.0, 0.0), strict=True)), agreement=0.8, agreement_by_chance=0.8,
        comprehensiveness=0.2 + effects[0] / 10, sufficiency=-0.1, counts=(1, 2), effective_units=1.8, gini=0.5,
        stability=Stability(0.04), sanity=0.3, truth=None if skill is None else Skill(0.9, 1.0, 0.25, skill, 1.0),
    )  # fmt: skip
    control = replace(
        judged, comprehensiveness=0.0, stability=Stability(None), sanity=None,
        truth=None if skill is None else Skill(0.9, 1.0, 0.25, 0.0, 1.0),
    )  # fmt: skip
    best = Faithfulness((1, 2), 0.3, -0.2)
    by_group = Scored({g: (g,) for g in GROUPS}, effects, best, {"integrated gradients": judged, "random": control})
    by_token = None
    if read[2]:
        shares = {"observation": 0.6, "history": 0.4}
        over = {name: replace(judged, shares=shares, agreement=None) for name in by_group.explainers}
        over |= dict.fromkeys(("attention rollout", "uniform attention"), over["integrated gradients"])
        by_token = Scored({"observation": GROUPS[:2], "history": GROUPS[2:3]}, (0.4, 0.1), best, over)
    return Attributions(
        groups=GROUPS, read=read, varies=(True, True, True, False), by_group=by_group, no_groups=None,
        by_token=by_token, no_tokens=None if by_token else NO_ATTENTION,
        no_truth=None if skill is not None else "no truth is known for this task", states=64,
    )  # fmt: skip


def _trees(l90: int | None) -> TreeCurve:
    return TreeCurve(
        reads="observation", curve=tuple(TreePoint(n, n, 0.9, 50.0 * i, i / 8) for i, n in enumerate(LEAVES)),
        policy=PolicyScore(500.0, 1.0, 10), l90=l90, censored=l90 is None, reason=None, samples=99, episodes=10,
        tree=STUMP, names=GROUPS[:2],
    )  # fmt: skip


def _pictures(attends: bool) -> Pictures:
    weights = {"attention rollout": ((0.1, 0.4, 0.1), (0.1, 0.3, 0.0))}
    attention = AttentionShown(2, 1, 1, ("return", "observation", "action"), weights)
    picture = base64.b64encode(png(np.zeros((2, 3, 3), np.uint8))).decode()
    return Pictures(
        episode=EpisodeShown(1, 3, 3.0, None), actions=("left", "right"), kind="discrete",
        through_time=ThroughTime((0, 1, 2), (0, 1, 0), dict.fromkeys(GROUPS, (0.1, -0.4, 0.2))),
        attention=(attention,) if attends else (), frames=(Frame(0, picture),), no_frames=None,
    )  # fmt: skip
