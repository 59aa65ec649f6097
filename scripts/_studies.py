"""What studies and makers of logs share: commands of rlformer, one after the other, and tables of what came out.

A command that was done before is done again in a moment: finished runs and logs are left alone. So a script that was
stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn


@dataclass(frozen=True)
class Score:
    """What one run scored at its end."""

    agent: str
    seed: int
    mean: float  # return
    error: float  # standard error of it over its episodes
    z: float | None  # by the environment's card
    run: str


@dataclass(frozen=True)
class Published:
    """What rl-baselines3-zoo's benchmark.md says of an agent: over so many episodes, of one training."""

    mean: float
    deviation: float  # standard deviation of its episodes' returns
    episodes: int


def published_scores() -> dict[str, Published]:
    """By ALGORITHM/ENV, as published_scores.csv beside this file has them."""
    lines = (Path(__file__).parent / "published_scores.csv").read_text(encoding="utf-8").splitlines()
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    return {
        f"{row['algorithm']}/{row['env']}": Published(float(row["mean"]), float(row["std"]), int(row["episodes"]))
        for row in rows
    }


def refuse(text: str) -> NoReturn:
    """End the script over what its user can mend, in one line."""
    print(f"error: {text}", file=sys.stderr)
    sys.exit(2)


def read_results(path: Path, *keys: str) -> dict[str, Any]:
    """What a script here wrote, with at least these keys. Ends the script in one line where that is not in the file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        refuse(f"{path}: no results of this script: {' '.join(str(error).split())}")
    if not isinstance(found, dict) or (lost := [key for key in keys if key not in found]):
        refuse(f"{path}: no results of this script{f': it lacks {lost[0]}' if isinstance(found, dict) else ''}")
    return found


def at_least_one(text: str) -> int:
    """Of the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number from 1, got '{text}'")
    return int(text)


def rlformer(*words: str) -> dict[str, Any]:
    """What `rlformer WORDS --json` answers; its progress goes to standard error. Ends the script where it fails."""
    command = [sys.executable, "-m", "rlformer", *words, "--json"]
    print(f"$ rlformer {shlex.join(words)}", file=sys.stderr, flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def trained(agent: str, seed: int, *words: str) -> Score:
    """The score of a run that `train-agent` or `train-transformer` makes. words: the command but for agent and seed."""
    answer = rlformer(*words, "--agent", agent, "--seed", str(seed))
    found = answer["evaluation"]
    return Score(agent, seed, found["mean"], found["standard_error"] or 0.0, found["normalized_score"], answer["run"])


def compared(env: str, agents: Sequence[str], folder: Path, *words: str) -> dict[str, Any]:
    """What `rlformer compare` says of each arm: its return by seed, its number of parameters, and the mean of the CPU
    seconds that it learned for. Runs lie beside `folder`.
    """
    more = ("--with", "selection=false", "--with", f"runs={folder.parent / 'runs'}")  # every arm on every seed
    results = rlformer("compare", env, "--arms", ",".join(agents), *words, *more, "--out", str(folder))
    (environment,) = results["environments"]
    arms = {}
    for arm in (arm for arm in environment["arms"] if arm["acts"]):
        runs = [run for run in arm["runs"] if run["mean_return"] is not None]
        arms[arm["label"]] = {
            "returns": {str(run["seed"]): run["mean_return"] for run in runs},
            "parameters": next((run["parameters"] for run in runs), 0),
            "cpu_seconds": sum(run["times"].get("learning_cpu", 0.0) for run in runs) / max(len(runs), 1),
        }
    return {"arms": arms}


def going_on_from(own: Path, earlier: Path | None) -> Path | None:
    """The results that a study goes on from: its own, or else those that --from names; None: it begins."""
    return own if own.is_file() else earlier


def kept_results(path: Path, earlier: Path | None, quick: bool, key: str) -> dict[str, Any]:
    """What `path` holds, or, where nothing is there, `earlier`: a study that goes on.

    Ends the script where that is of a smoke test and this is none, or the other way round.
    """
    source = going_on_from(path, earlier)
    if source is None:
        return {"quick": quick, key: {}}
    found = read_results(source, "quick", key)
    if found["quick"] != quick:
        refuse(f"{source}: of a {'quick' if found['quick'] else 'whole'} study; name another folder with --out")
    return found


def mean_and_error(values: Sequence[float]) -> tuple[float, float | None]:
    """Over runs; the standard error is None of one.

    >>> mean_and_error([1.0, 3.0]), mean_and_error([2.0])
    ((2.0, 1.0), (2.0, None))
    """
    mean = sum(values) / len(values)
    if len(values) == 1:
        return mean, None
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, math.sqrt(variance / len(values))


def shown(values: Sequence[float], digits: int = 1) -> str:
    """In a cell: the mean and the standard error over runs; nothing where there is none."""
    if not values:
        return "-"
    mean, error = mean_and_error(values)
    return f"{mean:.{digits}f}" + ("" if error is None else f" ± {error:.{digits}f}")


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown: the first column to the left, all others to the right."""
    lines = [head, [":--", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def made_by(command: str, results: str) -> str:
    """The last line of a page in docs: what made it, and the file beside it that holds its figures."""
    return f"Made by `scripts/{command}`, from [{results}]({results})."


def write_json(path: Path, value: Any) -> None:
    """Replaced at once: a reader finds the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


def write_text(path: Path, text: str) -> None:
    """Likewise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(path)
