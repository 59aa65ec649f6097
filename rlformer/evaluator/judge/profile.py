"""Your task among the diagnostics: what the runs and their logs tell of memory, luck, coverage, sparsity, horizon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rlformer.core import formats
from rlformer.core.records import EnvSpec
from rlformer.evaluator.judge.comparisons import difference

LUCKY = 0.1  # distance of achieved from asked return, as a share of the log's range, from which luck is suspected
LONG = 100  # steps of an episode from which credit has far to travel


def place(environment: Mapping[str, Any]) -> list[dict[str, str]]:
    """A measure each: `lead`, what was `measured` and from what, and which diagnostic it is `like`.

    What the runs do not tell is said to be unknown, with the runs that would tell.
    """
    spec = EnvSpec.from_dict(environment["card"])
    arms = {arm["agent"]: arm for arm in reversed(environment["arms"]) if arm["mean_return"] is not None}
    logs = [log["task"] for log in environment["logs"] if "task" in log]
    return [
        _memory(arms, spec),
        _luck(arms),
        _chance(logs),
        _coverage(arms),
        _stitching(arms, spec),
        _sparsity(logs),
        _horizon(logs),
    ]


def _memory(arms: Mapping[str, Mapping[str, Any]], spec: EnvSpec) -> dict[str, str]:
    pairs = [(arms[a], arms[b]) for a, b in (("dt", "dt-k1"), ("recurrent-ppo", "ppo")) if a in arms and b in arms]
    if not pairs:
        return _row("Need of memory", "unknown: it takes dt beside dt-k1, or recurrent-ppo beside ppo")
    found = [difference(long, short, spec) for long, short in pairs]
    ahead = [d for d in found if d["outcome"] == "ahead"]
    none = all(d["outcome"] in ("equivalent", "behind") for d in found)
    like = "like PassiveTMaze: the past holds what the present does not show" if ahead else (
        "unlike PassiveTMaze: seeing the past gains nothing" if none else "not settled by so many seeds"
    )  # fmt: skip
    return _row("Need of memory", "; ".join(_gap(d) for d in found), like)


def _luck(arms: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    runs = _conditioned(arms)
    spans = [(run, run["scales"]["log_max"] - run["scales"]["log_min"]) for run in runs]
    errors = [abs(run["target_return"] - run["mean_return"]) / span for run, span in spans if span > 0]
    if not errors:
        return _row("Luck in what was asked for", "unknown: no run was told what return to reach")
    error = float(np.mean(errors))
    like = "unlike Gamble: what is asked for comes"
    if error > LUCKY:
        like = "like Gamble or Bandit, if training was long enough: what is asked for is not what comes"
    return _row(
        "Luck in what was asked for",
        f"achieved lies {formats.number(100 * error)} % of the log's range from asked "
        f"(mean of {formats.plural(len(errors), 'run')})",
        like,
    )


def _chance(logs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    luck, steps = _mean(logs, "luck"), _mean(logs, "chance_per_step")
    if luck is None and steps is None:
        return _row("Chance in the log", "unknown: no observation and action occur twice in it")
    told = []
    if steps is not None:
        told.append(f"{formats.number(100 * steps)} % of the steps that occurred before led elsewhere")
    if luck is not None:
        told.append(
            f"{formats.number(100 * luck)} % of the variance of returns lies between episodes with the same actions"
        )
    if luck is not None:
        like = (
            "like Gamble and Umbrella: returns are partly luck"
            if luck > LUCKY
            else "unlike Gamble: actions decide the return"
        )
    elif steps is not None and steps > 0:
        like = "chance, or something that is not observed, as the key of KeyDoor"
    else:
        like = "deterministic, as far as it repeats"
    return _row("Chance in the log", "; ".join(told), like)


def _coverage(arms: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    runs = [run for run in _conditioned(arms) if "coverage" in run["scales"]]
    if not runs:
        return _row("Coverage of the target", "unknown: no run was told what return to reach")
    told, all_covered = [], True
    for level, words in (("target", "the target"), ("solved", "the threshold of the card")):
        known = [run["scales"]["coverage"][level] for run in runs if level in run["scales"]["coverage"]]
        if known:
            covered = sum(found["covered"] for found in known)
            share = float(np.mean([found["share"]["point"] for found in known]))
            all_covered &= covered == len(known)
            told.append(f"{formats.number(100 * share)} % of the log's episodes reach {words} "
                        f"(enough in {covered} of {formats.plural(len(known), 'log')})")  # fmt: skip
    like = (
        "within the log's support"
        if all_covered
        else "like Lock or Stitch: more is asked than the log shows often enough"
    )
    return _row("Coverage of the target", "; ".join(told), like)


def _stitching(arms: Mapping[str, Mapping[str, Any]], spec: EnvSpec) -> dict[str, str]:
    offline = arms.get("cql") or arms.get("td3-bc")
    if offline is None or "dt" not in arms:
        return _row("Stitching", "unknown: it takes cql or td3-bc beside dt")
    found = difference(offline, arms["dt"], spec)
    like = {
        "ahead": "like Stitch: parts of episodes join to more than any episode",
        "behind": "unlike Stitch: dynamic programming gains nothing here",
        "equivalent": "unlike Stitch: dynamic programming gains nothing here",
    }.get(found["outcome"], "not settled by so many seeds")
    return _row("Stitching", _gap(found), like)


def _sparsity(logs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    share, steps = _mean(logs, "nonzero_rewards"), _mean(logs, "rewarded_steps")
    if share is None or steps is None:
        return _row("Sparsity of reward", "unknown: no log tells")
    like = (
        "sparse, like KeyDoor and Lock"
        if steps <= 1
        else "dense, like DenseBits"
        if share > 0.5
        else "between Lock and DenseBits"
    )
    told = f"{formats.number(100 * share)} % of the log's steps pay, {formats.number(steps)} in its median episode"
    return _row("Sparsity of reward", told, like)


def _horizon(logs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    median = _mean(logs, "median_length")
    if median is None:
        return _row("Horizon", "unknown: no log tells")
    longest = max(log["max_length"] for log in logs)
    like = "far longer than any diagnostic's" if median >= LONG else "as in the diagnostics"
    return _row(
        "Horizon", f"{formats.number(median)} steps in the log's median episode, {longest:,} in its longest", like
    )


def _conditioned(arms: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The finished runs of dt, or of the first arm that was told a return."""
    asked = [arm for arm in arms.values() if any(run["target_return"] is not None for run in arm["runs"])]
    arm = arms.get("dt") or next(iter(asked), None)
    runs = [] if arm is None else arm["runs"]
    return [run for run in runs if run["counts"] and run["target_return"] is not None and "log_max" in run["scales"]]


def _gap(found: Mapping[str, Any]) -> str:
    gap = found["difference"]
    ends = "" if gap["low"] is None else f" ({formats.signed(gap['low'])} to {formats.signed(gap['high'])})"
    return f"{found['a']} minus {found['b']}: {formats.signed(gap['point'])}{ends}"


def _mean(logs: Sequence[Mapping[str, Any]], key: str) -> float | None:
    known = [log[key] for log in logs if log.get(key) is not None]
    return float(np.mean(known)) if known else None


def _row(lead: str, measured: str, like: str = "") -> dict[str, str]:
    return {"lead": lead, "measured": measured, "like": like}
