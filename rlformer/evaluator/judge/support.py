"""What a log shows of the return that a model is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from rlformer import statistics
from rlformer.evaluator.judge.prices import counted


def coverage(environment: Mapping[str, Any], level: float, arm: Mapping[str, Any]) -> dict[str, Any] | None:
    """How many of the log's episodes reach a return, over the logs of an arm; None where no arm holds the episodes."""
    read = {run["data_hash"] for run in counted(arm)}
    logs = {log["hash"]: log for log in environment["logs"] if log["hash"] in read}
    episodes = total = 0
    for other in environment["arms"]:
        for run in counted(other) if other["family"] == "behaviour" else ():
            if run["data_hash"] not in read or not run["returns"]:
                continue
            read.discard(run["data_hash"])
            size = logs[run["data_hash"]].get("num_episodes", len(run["returns"]))
            reach = float(np.mean(np.array(run["returns"]) >= level))  # of very many episodes, evenly spaced ones
            episodes, total = episodes + round(reach * size), total + size
    if not total:
        return None
    share = statistics.clopper_pearson(episodes, total)
    logs_read = max(1, len(logs) - len(read))
    return {
        "level": level,
        "episodes": episodes,
        "of": total,
        "logs": logs_read,
        "share": asdict(share),
        "covered": episodes >= 10 * logs_read or share.low >= 0.01,
    }


def asked(arm: Mapping[str, Any]) -> Sequence[tuple[float, float]]:
    """(asked, achieved) of every run of a return-conditioned arm at its deployed target."""
    return [(run["target_return"], run["mean_return"]) for run in counted(arm) if run["target_return"] is not None]
