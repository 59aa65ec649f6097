"""What a log shows of the return that a model is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rlformer import statistics
from rlformer.evaluator.judge.estimates import estimate
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.evaluator.judge.values import Estimate


@dataclass(frozen=True)
class Support:
    """How many episodes of some logs reach a return."""

    level: float
    episodes: int
    of: int
    logs: int
    share: Estimate

    @property
    def covered(self) -> bool:
        """Whether there are enough to learn from."""
        low = self.share.low
        return self.episodes >= 10 * self.logs or (low is not None and low >= 0.01)


def support(evidence: Evidence, level: float, arm: ArmEvidence) -> Support | None:
    """How many of the log's episodes reach a return, over the logs of an arm; None where no arm holds the episodes."""
    read = {run.data_hash for run in arm.counted}
    logs = {log.hash: log for log in evidence.logs if log.hash in read}
    episodes = total = 0
    for run in [run for other in evidence.arms if not other.acts for run in other.counted]:
        if run.data_hash is None or run.data_hash not in read or not run.returns:
            continue
        read.discard(run.data_hash)
        size = logs[run.data_hash].num_episodes or len(run.returns)
        reach = float(np.mean(np.array(run.returns) >= level))  # of very many episodes, evenly spaced ones
        episodes, total = episodes + round(reach * size), total + size
    if not total:
        return None
    share = statistics.clopper_pearson(episodes, total)
    return Support(level, episodes, total, max(1, len(logs) - len(read)), estimate(share))


def targets(arm: ArmEvidence) -> Sequence[tuple[float, float]]:
    """(target return, mean return) of every run of a return-conditioned arm."""
    return [(run.target_return, run.score) for run in arm.counted if run.target_return is not None]
