"""Invented explanations of a policy: the parts of explain/, each with what its file holds."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from rlformer.explain.explainers import EXPLAINERS
from rlformer.explain.parts import Attributions, Controllability, Deletion, Effects, Made, PartCost, Pictures, Surrogate
from rlformer.explain.parts.attributions import NO_ATTENTION, Faithfulness, Judged, Scored, Skill, Stability
from rlformer.explain.parts.controllability import Following
from rlformer.explain.parts.effects import EffectsAt, KnownEffects, PolicyScore
from rlformer.explain.parts.pictures import AttentionShown, EpisodeShown, Frame, ThroughTime
from rlformer.explain.parts.surrogate import TreeCurve, TreePoint
from rlformer.explain.tree import Tree

GROUPS = ("pole angle", "cart <velocity>", "history", "returns-to-go")
LEAVES = (2, 8, 32, 256)
COUNTS = (0, 1, 2)
PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


def parts(
    seed: int, effect: float, skill: float | None, leaves: int | None, conditioned: bool
) -> dict[str, dict[str, Any]]:
    """Of one run, as their files hold them. effect: of the first group. skill: of the best explainer; None where no
    truth is known. leaves: of the smallest tree that does as well; None: none does. conditioned: whether it reads past
    and return.
    """
    effects = (round(effect + 0.01 * seed, 3), 0.05, *((0.2, 0.1) if conditioned else (0.0, 0.0)))
    contents = {
        "effects": _effects(effects, skill is not None, conditioned),
        "explainers": _explainers(effects, skill, seed, conditioned),
        "deletion": _deletion(seed),
        "surrogate": _surrogate(leaves, seed, conditioned),
        "controllability": _controllability(seed, conditioned),
        "pictures": _pictures(conditioned),
    }
    return {name: Made(name, content, PartCost(2.0, 1.5, 100)).to_dict() for name, content in contents.items()}


def _effects(effects: tuple[float, ...], known: bool, conditioned: bool) -> Effects:
    read = (True, True, conditioned, conditioned)
    return Effects(
        groups=GROUPS,
        read=read,
        unit="share of changed greedy actions",
        own=_effects_at(effects, known, read),
        log=_effects_at((0.25, 0.25, *effects[2:]), known, read),
        no_divergence=None if conditioned else "no probabilities",
        decisions=None,
        policy=PolicyScore(500.0, 1.0, 100),
        target_return=500.0 if conditioned else None,
    )


def _effects_at(effects: tuple[float, ...], known: bool, read: tuple[bool, ...]) -> EffectsAt:
    return EffectsAt(
        effects=effects,
        varies=(1.0, 1.0, 1.0, 0.0),
        divergence=effects if read[2] else None,
        truth=KnownEffects("distractors", GROUPS, effects, GROUPS[:1], read) if known else None,
        reliance=round(effects[0] / sum(effects), 4) if known else None,
        no_reliance=None if known else "no truth is known for this task",
        episodes=9,
        steps=99,
        mean_return=450.0,
    )


def _explainers(effects: tuple[float, ...], skill: float | None, seed: int, conditioned: bool) -> Attributions:
    best, units = Faithfulness(COUNTS[1:], 0.3, -0.2), {group: (group,) for group in GROUPS}
    first, second = round(0.7 - 0.02 * seed, 3), 0.3
    shares = dict(zip(GROUPS, (first, second, 0.0, 0.0), strict=True))
    judged = {
        n: _judged(EXPLAINERS[n].control, shares, effects, skill, seed) for n in ("integrated gradients", "random")
    }
    by_token = None
    if conditioned:
        names = ("integrated gradients", "attention rollout", "uniform attention", "random")
        tokens = {"observation": first, "history": second, "returns-to-go": 0.0}
        over = {n: _judged(EXPLAINERS[n].control, tokens, effects, skill, seed) for n in names}
        parts = {"observation": GROUPS[:2], "history": GROUPS[2:3], "returns-to-go": GROUPS[3:]}
        by_token = Scored(parts, (0.4, 0.2, 0.1), best, over)
    return Attributions(
        groups=GROUPS,
        read=(True, True, conditioned, conditioned),
        varies=(True, True, True, False),
        by_group=Scored(units, effects, best, judged),
        no_groups=None,
        by_token=by_token,
        no_tokens=None if conditioned else NO_ATTENTION,
        no_truth=None if skill is not None else "no truth is known for this task",
        states=64,
    )


def _judged(
    control: bool, shares: dict[str, float], effects: tuple[float, ...], skill: float | None, seed: int
) -> Judged:
    found = None if skill is None else Skill(0.9, 1.0, 0.25, 0.0 if control else round(skill + 0.02 * seed, 3), 1.0)
    return Judged(
        shares=shares,
        agreement=0.8 + 0.03 * seed,
        agreement_by_chance=0.8,
        comprehensiveness=0.0 if control else 0.2 + effects[0] / 10,
        sufficiency=-0.1,
        counts=COUNTS[1:],
        effective_units=1.8,
        gini=0.5,
        stability=Stability(None if control else 0.04),
        sanity=None if control else 0.3,
        truth=found,
    )


def _deletion(seed: int) -> Deletion:
    return Deletion(
        counts=COUNTS,
        returns={"integrated gradients": (500.0, 60.0 + seed, 30.0), "random": (500.0, 300.0, 90.0 + seed)},
        episodes=8,
        scores={"integrated gradients": (1.0, 0.08, 0.02), "random": (1.0, 0.58, 0.14)},
    )


def _surrogate(leaves: int | None, seed: int, conditioned: bool) -> Surrogate:
    tree = Tree(
        np.array([0, -1, -1]), np.array([0.02, 0.0, 0.0]), np.array([1, -1, -1]), np.array([2, -1, -1]),
        np.array([[0.0], [0.0], [1.0]]), np.array([1.0, 0.5, 0.5]),
    )  # fmt: skip
    points = tuple(TreePoint(n, n, 0.7 + 0.08 * i, 100.0 * i + seed, 0.25 * i) for i, n in enumerate(LEAVES))
    curve = TreeCurve(
        reads="observation",
        curve=points,
        policy=PolicyScore(500.0, 1.0, 10),
        l90=leaves and leaves * 2 ** (seed % 2),
        censored=leaves is None,
        reason=None,
        samples=99,
        episodes=10,
        tree=tree,
        names=GROUPS[:2],
    )
    no_window = None if conditioned else "it reads the current observation alone"
    window = curve if conditioned else None
    return Surrogate(curve, window, no_window, ("left", "right"), "discrete", "observation")


def _controllability(seed: int, conditioned: bool) -> Controllability:
    if not conditioned:
        return Controllability("it is not return-conditioned", None, None)
    return Controllability(None, Following(4, 0.05 + 0.01 * seed, 0.9, 1.0), Following(1, 0.4, None, None))


def _pictures(conditioned: bool) -> Pictures:
    weights = {"attention rollout": ((0.1, 0.4, 0.1), (0.1, 0.3, 0.0))}
    attention = AttentionShown(1, 1, 0, ("return", "observation", "action"), weights)
    return Pictures(
        episode=EpisodeShown(1, 2, 2.0, None),
        actions=("left", "right"),
        kind="discrete",
        through_time=ThroughTime((0, 1), (0, 1), dict.fromkeys(GROUPS, (0.1, -0.4))),
        attention=(attention,) if conditioned else (),
        frames=(Frame(0, PICTURE),),
        no_frames=None,
    )
