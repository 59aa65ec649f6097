"""One side of `scripts/bench_commits`: CHECKOUT ROW,...; prints the seconds of each row as one line of JSON.

It uses what both sides have: the functions behind the commands, and run directories.
"""

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import rlformer
from rlformer import api

SHORT = ("gradient_steps=600", "validate_every=600")
COPIES = 25  # of each of 8 runs, by seed


def timed(work: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def train() -> Path:
    """A short `dt` on random play."""
    log = api.collect("random", env="CartPole-v1", out="log", steps=20_000)
    return api.train("dt", env="none", dataset=log, overrides=SHORT, root="runs")


def make_study(folder: Path) -> None:
    """Directories of 200 runs that are alike but for their seeds and scores."""
    log = api.collect("random", env="CartPole-v1", out="small", steps=2000)
    begun = [api.train("ppo", env="CartPole-v1", overrides=("steps=2048",), root="begun")]
    for agent in ("bc", "bc-top", "dt", "dt-k1", "rvs", "behaviour"):
        short = ("gradient_steps=20",) if agent != "behaviour" else ()
        begun.append(api.train(agent, env="CartPole-v1", dataset=log, overrides=short, root="begun"))
    begun.append(api.train("random", env="CartPole-v1", root="begun"))
    for run in begun:
        for seed in range(COPIES):
            copy = folder / run.parent.name / f"seed-{seed}"
            shutil.copytree(run, copy)
            record, final = (json.loads((copy / name).read_text()) for name in ("record.json", "eval/final.json"))
            record["seed"] = seed
            returns = np.random.default_rng(seed).normal(100 + seed, 20, len(final["returns"]))
            final["returns"] = returns.tolist()
            (copy / "record.json").write_text(json.dumps(record))
            (copy / "eval/final.json").write_text(json.dumps(final))


def main() -> None:
    """Measure the rows asked for."""
    checkout, rows = Path(sys.argv[1]), sys.argv[2].split(",")
    assert Path(rlformer.__file__).is_relative_to(checkout), f"{rlformer.__file__} is not of {checkout}"
    seconds: dict[str, float] = {}
    if {"train", "act", "one"} & set(rows):
        run = train()
        learning = json.loads((run / "record.json").read_text())["times"]
        seconds["train"] = learning["wall"] - learning["evaluation"] - learning["log"]
        for row, episodes, side_by_side in (("act", 1024, 64), ("one", 128, 1)):
            if row in rows:
                _, (result,) = api.evaluate([run], env="CartPole-v1", episodes=episodes, num_envs=side_by_side)
                seconds[row] = result.seconds / result.env_steps * 10_000  # a better model plays longer
    if "rl" in rows:
        run = api.train("ppo", env="CartPole-v1", overrides=("steps=8192",), root="runs")
        times = json.loads((run / "record.json").read_text())["times"]
        seconds["rl"] = times["wall"] - times["evaluation"]
    if "collect" in rows:
        seconds["collect"] = timed(lambda: api.collect("random", env="CartPole-v1", out="many", steps=100_000))
    if "page" in rows:
        make_study(Path("study"))
        seconds["page"] = timed(lambda: api.write_report(["study"], out="page"))
    print(json.dumps({row: seconds[row] for row in rows}))


main()
