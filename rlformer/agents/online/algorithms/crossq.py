"""CrossQ (Bhatt et al. 2024, arXiv:1902.05605), of sb3-contrib: its .zip files."""

from __future__ import annotations

from rlformer.agents.online.algorithms.base import Published
from rlformer.agents.online.algorithms.sac import actor

CROSSQ = Published(
    name="CrossQ",
    implementation="sb3_contrib:CrossQ",
    actor=actor,  # SAC's, with batch renormalisation between its layers
    extra="contrib",
    zip_module="sb3_contrib.crossq.policies",
)
