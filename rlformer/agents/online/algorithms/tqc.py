"""Truncated quantile critics (Kuznetsov et al. 2020, arXiv:2005.04269), of sb3-contrib."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlformer.agents.online.algorithms import sac
from rlformer.agents.online.algorithms.base import Algorithm
from rlformer.agents.online.flops import Counts
from rlformer.core.ranges import whole


def counts(values: Mapping[str, Any], observation: int, size: int) -> Counts:
    """SAC's, with as many outputs of each critic as it has quantiles."""
    return sac.counts(values, observation, size, values["n_quantiles"])


TQC = Algorithm(
    name="TQC",
    implementation="sb3_contrib:TQC",
    action_kinds=frozenset({"box"}),
    actor=sac.actor,  # SAC's networks
    counts=counts,
    extra="contrib",
    network_keys=("n_quantiles", "log_std_init"),
    ranges={**sac.RANGES, "n_quantiles": whole(1, 10**4), "top_quantiles_to_drop_per_net": whole(0, 10**4)},
    zip_module="sb3_contrib.tqc.policies",
)
