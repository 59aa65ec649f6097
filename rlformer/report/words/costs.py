"""What a run cost, in words."""

from __future__ import annotations

from collections.abc import Mapping

from rlformer.core import formats


def spent(cost: Mapping[str, float | None], wall: float | None) -> list[str]:
    """What of a run's costs is known and not zero. wall: seconds."""
    parts = []
    if cost["env_steps"]:
        parts.append(f"{formats.count(cost['env_steps'])} environment steps")
    if cost["logged_steps"]:
        behind = cost["upstream_env_steps"]
        parts.append(
            f"{formats.count(cost['logged_steps'])} logged steps"
            + (" of unknown origin" if behind is None else f" ({formats.count(behind)} environment steps made them)")
        )
    if cost["selection_env_steps"]:
        parts.append(f"{formats.count(cost['selection_env_steps'])} environment steps to choose")
    if wall:
        parts.append(f"{formats.seconds(wall)} of wall time")
    return parts
