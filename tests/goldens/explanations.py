"""Invented explanations of a policy: the parts of explain/, each with what its file holds beside its head."""

from __future__ import annotations

import base64
from typing import Any

GROUPS = ["pole angle", "cart <velocity>", "history", "returns-to-go"]
LEAVES = [2, 8, 32, 256]
COUNTS = [0, 1, 2]
PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
Part = dict[str, Any]  # as its file holds it


def parts(seed: int, effect: float, skill: float | None, leaves: int | None, conditioned: bool) -> dict[str, Part]:
    """Of one run. effect: of the first group. skill: of the best explainer; None where no truth is known.

    leaves: of the smallest tree that does as well; None: none does. conditioned: whether it reads past and return.
    """
    effects = [round(effect + 0.01 * seed, 3), 0.05, *((0.2, 0.1) if conditioned else (0.0, 0.0))]
    untold = None if skill is not None else "no truth is known for this task"
    read = [True, True, conditioned, conditioned]
    names = ["integrated gradients", "attention rollout", "uniform attention", "random"]
    names = names if conditioned else [names[0], names[-1]]
    truth = {"source": "distractors", "groups": GROUPS, "effects": effects, "relevant": GROUPS[:1], "read": read}
    tree = _surrogate(leaves, seed)
    found: dict[str, Part] = {
        "effects": {
            "groups": GROUPS, "read": read, "effects": effects, "unit": "share of changed greedy actions",
            "divergence": effects if conditioned else None,
            "no_divergence": None if conditioned else "no probabilities", "decisions": None,
            "log": {"own": False, "episodes": 9, "steps": 99}, "policy": {"score": 1.0},
            "truth": None if untold else truth, "reliance": None if untold else round(effects[0] / sum(effects), 4),
            "no_reliance": untold,
        },
        "explainers": {
            "groups": GROUPS, "read": read, "no_truth": untold, "no_attention": None, "states": 64,
            "explainers": {name: _judged(name, effects, skill, seed) for name in names},
        },
        "deletion": {
            "counts": COUNTS, "episodes": 8,
            "returns": {"integrated gradients": [500.0, 60.0 + seed, 30.0], "random": [500.0, 300.0, 90.0 + seed]},
            "scores": {"integrated gradients": [1.0, 0.08, 0.02], "random": [1.0, 0.58, 0.14]},
        },
        "surrogate": {
            "tree": "observation", "observation": tree, "window": tree if conditioned else None,
            "no_window": None if conditioned else "it reads the current observation alone",
            "actions": ["left", "right"], "kind": "discrete",
        },
        "controllability": {
            "reason": None if conditioned else "it is not told what return to reach",
            "inside": {"targets": 4, "error": 0.05 + 0.01 * seed, "slope": 0.9, "tau": 1.0} if conditioned else None,
            "beyond": {"targets": 1, "error": 0.4, "slope": None, "tau": None} if conditioned else None,
        },
        "pictures": {
            "actions": ["left", "right"], "kind": "discrete", "no_frames": None,
            "episode": {"seed": 1, "length": 2, "return": 2.0, "target_return": None},
            "through_time": {"steps": [0, 1], "actions": [0, 1], "values": {group: [0.1, -0.4] for group in GROUPS}},
            "attention": [{"step": 1, "action": 1, "first": 0, "tokens": ["return", "observation", "action"],
                           "weights": {"attention rollout": [[0.1, 0.4, 0.1], [0.1, 0.3, 0.0]]}}][:conditioned],
            "frames": [{"step": 0, "png": PICTURE}],
        },
    }  # fmt: skip
    return {
        name: part | {"cost": {"seconds": 2.0, "cpu_seconds": 1.5, "env_steps": 100}} for name, part in found.items()
    }


def _judged(name: str, effects: list[float], skill: float | None, seed: int) -> Part:
    control = name in ("random", "uniform attention")
    relevance = {"relevance_mass": 0.9, "relevance_rank": 1.0, "chance": 0.25}
    told = None if skill is None else {"skill": 0.0 if control else round(skill + 0.02 * seed, 3), **relevance}
    return {
        "shares": dict(zip(GROUPS, [0.7 - 0.02 * seed, 0.3, 0.0, 0.0], strict=True)),
        "agreement": 0.8 + 0.03 * seed, "comprehensiveness": 0.0 if control else 0.2 + effects[0] / 10,
        "sufficiency": -0.1, "counts": COUNTS[1:], "effective_groups": 1.8, "gini": 0.5,
        "sanity": None if control else 0.3, "stability": {"sensitivity": None if control else 0.04}, "truth": told,
    }  # fmt: skip


def _surrogate(leaves: int | None, seed: int) -> Part:
    curve = [
        {"leaves": n, "grown": n, "fidelity": 0.7 + 0.08 * i, "return": 100.0 * i + seed, "score": 0.25 * i}
        for i, n in enumerate(LEAVES)
    ]
    tree = {
        "feature": [0, -1, -1], "threshold": [0.02, 0.0, 0.0], "left": [1, -1, -1], "right": [2, -1, -1],
        "value": [[0.0], [0.0], [1.0]], "share": [1.0, 0.5, 0.5],
    }  # fmt: skip
    return {
        "curve": curve, "policy": {"return": 500.0, "score": 1.0}, "l90": leaves and leaves * 2 ** (seed % 2),
        "censored": leaves is None, "reason": None, "samples": 99, "episodes": 10, "tree": tree, "names": GROUPS[:2],
    }  # fmt: skip
