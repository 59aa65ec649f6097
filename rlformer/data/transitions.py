"""A log as single transitions, for learning by temporal differences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rlformer.core.spaces import Array
from rlformer.data.dataset import Dataset
from rlformer.data.windows import observation_rows, step_rows


@dataclass(frozen=True)
class Transitions:
    """S steps in the order of the log; the arrays are copies in memory."""

    observations: Array  # (S, *obs)
    actions: Array  # (S, *act)
    rewards: Array  # (S,)
    next_observations: Array  # (S, *obs): after an episode's last step its final observation
    terminated: Array  # (S,) bool: nothing follows
    ended: Array  # (S,) bool: the last step of an episode, whatever ended it
    left_out: int  # steps of the log that are not here, since what they led to is unknown

    def __len__(self) -> int:
        return len(self.rewards)


def transitions(dataset: Dataset) -> Transitions:
    """Every step of the view with what it led to.

    An episode that was cut off goes on behind its final observation, so that only termination ends a return
    (Pardo et al. 2018, arXiv:1712.00378). Where the log lacks final observations, the last step of such an
    episode is left out.
    """
    rows, observed = step_rows(dataset), observation_rows(dataset)
    ended = np.zeros(len(rows), bool)
    ended[np.cumsum(dataset.lengths) - 1] = True
    terminated = ended & np.repeat(dataset.episodes["terminated"][dataset.index], dataset.lengths)
    known = np.ones(len(rows), bool) if dataset.info.final_observations else terminated | ~ended
    kept, at = rows[known], observed[known]
    return Transitions(
        observations=dataset.observations[at],
        actions=dataset.actions[kept],
        rewards=dataset.rewards[kept],
        next_observations=dataset.observations[at + 1],
        terminated=terminated[known],
        ended=ended[known],
        left_out=len(rows) - len(kept),
    )
