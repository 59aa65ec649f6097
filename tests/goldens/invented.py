"""Invented runs, in no format: which arms there are, what a run of each scores and costs.

All chance comes from `random.Random.random` seeded by words, which is the same in every version of Python and on every
machine, and invented numbers are rounded.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

EPISODES, TARGET_EPISODES, SAMPLED_EPISODES = 12, 5, 6
TARGETS = (0.1, 0.3, 0.5, 0.7, 1.1)  # shares of the log's range
CURVE_EPISODES, FRESH_EPISODES = 10, 30


@dataclass(frozen=True)
class Task:
    """An environment: the card's words, and the range of its returns."""

    name: str
    low: float
    high: float
    random: float
    reference: float
    solved: float | None
    summary: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    scored: bool = True  # whether the card tells its scores

    def at(self, z: float) -> float:
        """The return of a normalised score, within the range."""
        return min(self.high, max(self.low, self.random + z * (self.reference - self.random)))

    def z(self, value: float) -> float:
        """The inverse of `at`."""
        return (value - self.random) / (self.reference - self.random)


@dataclass(frozen=True)
class Arm:
    """One agent: where its scores lie, and what a run of it costs."""

    agent: str
    learner: str
    z: float
    spread: float  # between seeds
    seconds: float
    parameters: int = 0
    steps: int = 0  # of the environment, or gradient steps on a log
    conditioned: bool = False
    success: float = 1.0  # the share of seeds that learn anything
    tuning: str = "Not tuned for this environment."
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)


_WINDOW = {"context_length": 10, "width": 64, "gradient_steps": 1500, "learning_rate": 1e-3}
_NOW = {**_WINDOW, "context_length": 1}
ARMS = {
    arm.agent: arm
    for arm in (
        Arm("random", "random", 0.0, 0.01, 1.0),
        Arm("behaviour", "behaviour", 0.0, 0.0, 0.5),
        Arm("bc", "sequence", 0.35, 0.08, 14, 67_330, 1500, hyperparameters=_NOW),
        Arm("bc-top", "sequence", 0.82, 0.08, 15, 67_330, 1500, hyperparameters={**_NOW, "episode_filter": "top"}),
        Arm("rvs", "sequence", 0.78, 0.1, 16, 67_586, 1500, conditioned=True, hyperparameters=_NOW),
        Arm("dt-k1", "sequence", 0.72, 0.1, 41, 72_834, 1500, conditioned=True, hyperparameters=_NOW),
        Arm("dt-no-rtg", "sequence", 0.4, 0.08, 58, 72_450, 1500, hyperparameters=_WINDOW),
        Arm("dt-lstm", "sequence", 0.8, 0.1, 90, 101_250, 1500, conditioned=True, hyperparameters=_WINDOW),
        Arm("dt", "sequence", 0.9, 0.06, 61, 73_090, 1500, True, tuning="5 trials.", hyperparameters=_WINDOW),
        Arm("cql", "offline", 0.75, 0.2, 70, 67_842, 8000, hyperparameters={"alpha": 1.0, "hidden": [256, 256]}),
        Arm("ppo", "sb3", 0.99, 0.01, 38, 9_155, 20_000, success=0.9, tuning="Tuned.", hyperparameters={"gamma": 0.98}),
        Arm("dqn", "sb3", 0.95, 0.05, 44, 67_842, 40_000, success=0.6, hyperparameters={"gamma": 0.99}),
    )
}


@dataclass(frozen=True)
class Log:
    """How the log of each seed is made and cut."""

    name: str  # its rule
    steps: int
    upstream: int | None
    episodes: int
    level: float  # mean normalised score of its episodes
    selection: str
    spread: float = 0.25
    shared: bool = False  # one log for all seeds
    maker: str | None = "ppo"
    made_here: bool | None = True


@dataclass(frozen=True)
class Evaluation:
    """Episodes that were played."""

    seeds: list[int]
    returns: list[float]
    lengths: list[int]
    terminated: list[bool]
    selection: str
    target_return: float | None


@dataclass(frozen=True)
class Run:
    """All that a run directory tells."""

    task: Task
    arm: Arm
    seed: int
    hash: str
    status: str
    keeps_log: bool
    budget: float | None
    data: Mapping[str, Any]  # of the log; empty without one
    evaluations: Mapping[str, Evaluation]
    curve: list[dict[str, float]]
    returns: list[dict[str, Any]]  # behind the curve
    cost: Mapping[str, int | None]
    times: Mapping[str, float]
    parameters: int
    inference_seconds: Mapping[str, float]
    flops: Mapping[str, float]
    scales: Mapping[str, Any]
    progress: Mapping[str, Any]
    peak_memory_bytes: int
    peak_gpu_memory_bytes: int
    hardware: Mapping[str, Any]
    versions: Mapping[str, str]
    command: str
    error: str | None = None
    notes: list[str] = field(default_factory=list)
    video: Mapping[str, Any] = field(default_factory=dict)
    explanation: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by part


def invent(
    task: Task,
    arm: Arm,
    seed: int,
    log: Log | None = None,
    *,
    budget: float | None = None,
    gain: float = 0.0,
    keeps_log: bool = False,
    status: str = "finished",
    error: str | None = None,
) -> Run:
    """One run. budget: a share of the log, as a point of the data-scaling grid. gain: added to the arm's score."""
    rng = random.Random(f"{task.name} {arm.agent} {log and log.name} {budget} {seed} {arm.hyperparameters}")
    finished, online = status == "finished", arm.learner == "sb3"
    data = {} if log is None else _data(task, log, seed, budget)
    learned = arm.learner not in ("random", "behaviour")
    z = arm.z + gain + arm.spread * _gauss(rng) if rng.random() < arm.success else 0.1
    if log is not None and arm.learner == "behaviour":
        z = log.level
    share = 1.0 if finished else 0.4
    curve, returns = _curve(task, arm, z, share, rng) if learned else ([], [])
    scales = _scales(task, data) if arm.conditioned and finished else {}
    wall = round(arm.seconds * (0.9 + 0.2 * rng.random()) * share, 3)
    waits, evaluates = (0.28, 0.1) if online else (0.0, 0.12)
    parts = {"learning": 1 - waits - evaluates, "environment": waits, "evaluation": evaluates}
    processor = {"cpu": 1.02, "learning_cpu": 1.02 - evaluates, "evaluation_cpu": evaluates, "log_cpu": 0.0}
    machine = int(seed % 5 == 4 and arm.agent == "dt")  # one of them with a GPU
    logged, upstream = (data["num_steps"], data["upstream_env_steps"]) if data else (0, 0)
    return Run(
        task=task,
        arm=arm,
        seed=seed,
        hash=hash_of(task, arm, None if log is None else log.name, budget, keeps_log),
        status=status,
        keeps_log=keeps_log,
        budget=budget,
        data=data,
        evaluations=_evaluations(task, arm, seed, log, z, scales, returns, rng) if finished else {},
        curve=curve,
        returns=returns,
        cost={
            "env_steps": round(arm.steps * share) if online else 0,
            "selection_env_steps": 200 if arm.agent == "rvs" else 0,
            "logged_steps": logged,
            "upstream_env_steps": upstream,
            "samples_seen": round(64 * arm.steps * share),
            "evaluation_env_steps": sum(point["env_steps"] for point in returns) + 480,
            "upstream_cpu_seconds": data.get("upstream_cpu_seconds") if data else 0.0,
        },
        times={"wall": wall, **{k: round(v * wall, 3) for k, v in {**parts, **processor}.items()}},
        parameters=arm.parameters if finished else 0,
        inference_seconds={"1": 2e-4, "64": 5e-4} if learned and finished else {},
        flops={
            "training": 6.0 * arm.parameters * 64 * arm.steps,
            "action": 2.0 * arm.parameters,
            "evaluation": 2e4 * arm.parameters,
        }
        if finished
        else {},
        scales=scales,
        progress={"done": round(share * arm.steps), "total": arm.steps, "note": ""},
        peak_memory_bytes=400_000_000 + 1_000_000 * seed,
        peak_gpu_memory_bytes=machine * 250_000_000,
        hardware={"cpu": "Invented CPU", "cores": 8, "memory_bytes": 2**34, "system": "Linux x86_64"}
        | {"side_by_side": 1 + seed % 2}
        | ({"gpu": "Invented GPU"} if machine else {}),
        versions={"python": "3.11.0", "rlformer": "0.1.0", "torch": "2.0.0"},
        command="rlformer compare" if log is None else "rlformer compare --log " + log.name,
        error=error,
    )


def hash_of(task: Task, arm: Arm, log: str | None, budget: float | None, keeps_log: bool) -> str:
    """The invented hash of a configuration."""
    return _digest(task.name, arm.agent, sorted(arm.hyperparameters.items()), log, budget, keeps_log)[:10]


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _gauss(rng: random.Random) -> float:
    """Nearly normal; of sums, since logarithms and cosines differ between machines in the last bit."""
    return sum(rng.random() for _ in range(12)) - 6


def _data(task: Task, log: Log, seed: int, budget: float | None) -> dict[str, Any]:
    share, whose = budget or 1.0, "given" if log.shared else f"seed-{seed}"
    returns = _log_returns(task, log, seed)
    returns = returns[: max(2, round(share * len(returns)))]
    upstream = None if log.upstream is None else round(share * log.upstream) + 16 * seed
    maker = None if log.maker is None else ARMS[log.maker]
    name = log.name if log.maker is None else f"runs/{log.maker}-log/{whose}/trajectories"
    return {
        "hash": _digest("log", task.name, log.name, whose, budget)[:16],
        "path": f"datasets/{name}" if log.shared else name,
        "selection": log.selection.format(upstream=upstream),
        "rule": log.name if share == 1 else f"{log.name}, {share:g} of it",
        "num_episodes": len(returns),
        "num_steps": round(share * log.steps) + (0 if log.shared else 10 * seed),
        "upstream_env_steps": upstream,
        "upstream_cpu_seconds": None if upstream is None else round(upstream / 600, 3),
        "mean_return": round(sum(returns) / len(returns), 3),
        "min_return": min(returns),
        "max_return": max(returns),
        "source": "training" if maker else "hdf5",
        "maker": log.maker,
        "maker_config": None if maker is None else hash_of(task, maker, None, None, keeps_log=True),
        "made_here": log.made_here,
        "budget": budget,
        "task": {"nonzero_rewards": 1.0, "rewarded_steps": 40.0, "median_length": 40.0, "max_length": 361,
                 "repeated_steps": 50, "luck": 0.1 * log.level, "repeated_episodes": 4}
        | ({"chance_per_step": 0.02} if log.shared else {}),
    }  # fmt: skip


def _log_returns(task: Task, log: Log, seed: int) -> list[float]:
    rng = random.Random(f"log {task.name} {log.name} {0 if log.shared else seed}")
    return _returns(task, log.level, log.episodes, rng, log.spread)


def _returns(task: Task, z: float, count: int, rng: random.Random, spread: float = 0.08) -> list[float]:
    """Whole numbers around a normalised score; of a task whose returns are 0 and 1, successes in that share."""
    if task.high - task.low <= 1:
        return [float(rng.random() < task.at(z)) for _ in range(count)]
    return [float(round(task.at(z + spread * _gauss(rng)))) for _ in range(count)]


def _grid(total: float) -> list[int]:
    """Where trainings are evaluated, whatever their budget."""
    points = [round(1000 * 2 ** (k / 2)) for k in range(40)]
    return [point for point in points if point <= total]


def _curve(
    task: Task, arm: Arm, z: float, share: float, rng: random.Random
) -> tuple[list[dict[str, float]], list[dict[str, Any]]]:
    """From random play to the score along a slope that begins at a place of its own; a loss between the points.

    And the returns behind it: fresh episodes where a point on the grid may be the first to pass some threshold.
    """
    begins, found, behind = 0.1 + 0.3 * rng.random(), list[dict[str, float]](), list[dict[str, Any]]()
    highest = -math.inf
    for step in sorted({0, *_grid(share * arm.steps), round(share * arm.steps)}):
        at = step / arm.steps
        now = z * min(1.0, max(0.0, (at - begins) / 0.3)) + 0.02 * _gauss(rng)
        head = {"step": step, "seconds": round(0.9 * arm.seconds * at, 3)}
        point = head | {"eval/return": round(task.at(now), 2), "eval/length": 40.0}
        fresh: list[float] = []
        again = round(task.at(now - 0.02 + 0.02 * _gauss(rng)), 2)
        value = point["eval/return"]
        if step in _grid(step) and arm.learner == "sb3" and value > highest and (not task.scored or now >= 0.5):
            fresh, highest = [again] * FRESH_EPISODES, min(value, again)
            point["eval/confirmed_return"] = again
        if task.scored:
            point["eval/normalized_score"] = round(task.z(value), 4)
        found += [head | {"train/loss": 0.1}, point]
        told = {"cpu": round(0.95 * arm.seconds * at, 3), "env_steps": 40 * (CURVE_EPISODES + len(fresh))}
        behind.append({**head, **told, "returns": [value] * CURVE_EPISODES, "fresh": fresh})
    return found, behind


def _scales(task: Task, data: Mapping[str, Any]) -> dict[str, Any]:
    least, most, episodes = data["min_return"], data["max_return"], data["num_episodes"]
    covered = {"covered": episodes > 30, "episodes": 3, "share": {"low": 0.02, "point": 3 / 24, "high": 0.3}}
    levels = {"target": covered, "solved": {**covered, "covered": False, "episodes": 0}}
    target = float(most + 20) if data["rule"] == "full" and task.name == "Walk-v0" else float(most)
    return {
        "target_return": target,
        "log_min": least,
        "log_max": most,
        "coverage": {name: levels[name] for name in ("target", *(["solved"] if task.solved is not None else []))},
    }


def _evaluations(
    task: Task, arm: Arm, seed: int, log: Log | None, z: float, scales: Mapping[str, Any],
    curve: list[dict[str, Any]], rng: random.Random,
) -> dict[str, Evaluation]:  # fmt: skip
    if log is not None and arm.learner == "behaviour":
        return {"final": _evaluation(task, _log_returns(task, log, seed), -1, "sampled", None)}
    target = scales.get("target_return")
    selection = "sampled" if arm.learner == "random" else "greedy"
    found = {"final": _evaluation(task, _returns(task, z, EPISODES, rng), 1000, selection, target)}
    if arm.learner == "sequence":
        gap = 0.2 if arm.agent == "bc" else 0.01
        found["other"] = _evaluation(task, _returns(task, z + gap, SAMPLED_EPISODES, rng), 1000, "sampled", target)
    if log is not None and arm.learner in ("sequence", "offline"):
        for name, episodes, first in (("test", CURVE_EPISODES, 3000), ("fresh", FRESH_EPISODES, 4000)):
            found[name] = _evaluation(task, _returns(task, z, episodes, rng), first, "greedy", target)
    for point in [point for point in curve if point["fresh"]]:
        played = _returns(task, task.z(point["returns"][0]), EPISODES, rng)
        found[f"kept-{point['step']}"] = _evaluation(task, played, 1000, "greedy", None)
    for i, share in enumerate(TARGETS if target is not None else ()):
        asked = round(scales["log_min"] + share * (scales["log_max"] - scales["log_min"]), 1)
        reached = min(z, 0.05 + 1.1 * task.z(asked))
        played = _returns(task, reached, TARGET_EPISODES, rng)
        found[f"target-{i}"] = _evaluation(task, played, 5000, "greedy", asked)
    return found


def _evaluation(task: Task, returns: list[float], first: int, selection: str, target: float | None) -> Evaluation:
    seeds = [-1] * len(returns) if first < 0 else list(range(first, first + len(returns)))
    ended = [value < task.high for value in returns]
    return Evaluation(seeds, returns, [max(1, int(abs(value))) for value in returns], ended, selection, target)
