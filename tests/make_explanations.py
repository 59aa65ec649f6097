"""Invented explanations in run directories as `rlformer.studies.explanation` writes them, for tests of reports."""

from __future__ import annotations

from typing import Any

import numpy as np

from rlformer.core import files
from rlformer.core.records import SCHEMA
from rlformer.explain.pictures import png
from rlformer.runs.directory import RunDirectory

GROUPS = ["pole angle", "cart <velocity>", "history", "returns-to-go"]
LEAVES = [2, 4, 8, 16, 32, 64, 128, 256]


def explain_run(run: RunDirectory, effects: list[float], *, skill: float | None = None, l90: int | None = 8) -> None:
    """All parts but those that a policy of this kind has not; effects: of `GROUPS`.

    skill: of integrated gradients, where the truth is known and the policy solves the task by it.
    """
    attends = effects[2] > 0
    names = ["integrated gradients", *(["attention rollout", "uniform attention"] if attends else []), "random"]
    reason = None if skill is not None else "no truth is known for this task"
    read = [True, True, attends, attends]
    truth = {"source": "distractors", "groups": GROUPS, "effects": effects, "relevant": GROUPS[:1], "read": read}
    parts: dict[str, dict[str, Any]] = {
        "effects": {
            "groups": GROUPS, "read": read, "effects": effects, "unit": "share of changed greedy actions",
            "divergence": effects if attends else None, "no_divergence": None if attends else "no probabilities",
            "decisions": None, "log": {"own": False, "episodes": 9, "steps": 99}, "policy": {"score": 1.0},
            "truth": None if skill is None else truth,
            "reliance": None if skill is None else effects[0] / sum(effects),
            "no_reliance": None if skill is not None else "no truth is known for this task; --distractors makes one",
        },
        "explainers": {
            "groups": GROUPS, "read": read, "no_truth": reason, "no_attention": None, "states": 64,
            "explainers": {name: _judged(name, effects, skill) for name in names},
        },
        "deletion": {
            "counts": [0, 1, 2], "episodes": 8,
            "returns": {"integrated gradients": [500.0, 60.0, 30.0], "random": [500.0, 300.0, 90.0]},
            "scores": {"integrated gradients": [1.0, 0.08, 0.02], "random": [1.0, 0.58, 0.14]},
        },
        "surrogate": {"tree": "observation", "observation": _surrogate(l90), "window": None,
                      "no_window": "it reads the current observation alone", "actions": ["left", "right"],
                      "kind": "discrete"},
        "controllability": {"reason": "it is not told what return to reach", "inside": None, "beyond": None},
        "pictures": {
            "actions": ["left", "right"], "kind": "discrete", "no_frames": None,
            "episode": {"seed": 1, "length": 3, "return": 3.0, "target_return": None},
            "through_time": {"steps": [0, 1, 2], "actions": [0, 1, 0], "values": {g: [0.1, -0.4, 0.2] for g in GROUPS}},
            "attention": [{"step": 2, "action": 1, "first": 1, "tokens": ["return", "observation", "action"],
                           "weights": {"attention rollout": [[0.1, 0.4, 0.1], [0.1, 0.3, 0.0]]}}] if attends else [],
            "frames": [{"step": 0, "png": _picture()}],
        },
    }  # fmt: skip
    for name, part in parts.items():
        cost = {"seconds": 2.0, "cpu_seconds": 1.5, "env_steps": 100}
        head = {"schema": SCHEMA, "part": name, "settings": {"version": 1}, "cost": cost}
        files.write_json(files.writable_directory(run.path / "explain") / f"{name}.json", {**head, **part})


def _judged(name: str, effects: list[float], skill: float | None) -> dict[str, Any]:
    known = {"skill": skill, "relevance_mass": 0.9, "relevance_rank": 1.0, "chance": 0.25}
    control = name in ("random", "uniform attention")
    return {
        "shares": dict(zip(GROUPS, [0.7, 0.3, 0.0, 0.0], strict=True)),
        "agreement": 0.8, "comprehensiveness": 0.0 if control else 0.2 + effects[0] / 10, "sufficiency": -0.1,
        "counts": [1, 2], "effective_groups": 1.8, "gini": 0.5, "sanity": None if control else 0.3,
        "stability": {"sensitivity": None if control else 0.04},
        "truth": None if skill is None else ({**known, "skill": 0.0} if control else known),
    }  # fmt: skip


def _surrogate(l90: int | None) -> dict[str, Any]:
    curve = [
        {"leaves": n, "grown": n, "fidelity": 0.9, "return": 50.0 * i, "score": i / 8} for i, n in enumerate(LEAVES)
    ]
    tree = {
        "feature": [0, -1, -1], "threshold": [0.02, 0.0, 0.0], "left": [1, -1, -1], "right": [2, -1, -1],
        "value": [[0.0], [0.0], [1.0]], "share": [1.0, 0.5, 0.5],
    }  # fmt: skip
    return {"curve": curve, "policy": {"return": 500.0, "score": 1.0}, "l90": l90, "censored": l90 is None,
            "reason": None, "samples": 99, "episodes": 10, "tree": tree, "names": GROUPS[:2]}  # fmt: skip


def _picture() -> str:
    import base64

    return base64.b64encode(png(np.zeros((2, 3, 3), np.uint8))).decode()
