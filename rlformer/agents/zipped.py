"""An agent that others trained, as an arm of a comparison: NAME=PATH.zip, NAME being the agent that is in the file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlformer.core.errors import InputError
from rlformer.core.records import Cost
from rlformer.runs.inputs import WeightsInput

if TYPE_CHECKING:
    from rlformer.agents.cards import AgentCard

_SUFFIX = ".zip"


def is_zipped(name: str) -> bool:
    """Whether an arm's name is that of such an agent.

    >>> is_zipped("ppo=best/model.zip"), is_zipped("ppo"), is_zipped("model.zip")
    (True, False, False)
    """
    return "=" in name and name.endswith(_SUFFIX)


def shown(name: str) -> str:
    """An arm's name without the folders of its file.

    >>> shown("ppo=zoo/ppo/Hopper-v3_1/Hopper-v3.zip"), shown("dt")
    ('ppo=Hopper-v3.zip', 'dt')
    """
    agent, _, path = name.partition("=")
    return f"{agent}={Path(path).name}" if is_zipped(name) else name


def card(name: str) -> AgentCard:
    """What a card would say of the agent in a .zip. Nothing is unpickled.

    One whose training steps nobody knows cannot be weighed against what was trained, and is a control. Raises
    InputError where there is no such file, or another agent in it.
    """
    from rlformer.agents.cards import AgentCard, Layer, agents
    from rlformer.agents.online import normalization, zips
    from rlformer.agents.online.algorithms import ALGORITHMS

    agent, _, text = name.partition("=")
    path = Path(text)
    if not path.is_file():
        raise InputError(f"{name}: {path}: no such file")
    data = normalization.description(path)
    algorithm, inside = zips.named(agent), zips.recognised(data)
    if inside is not None and inside is not algorithm:
        raise InputError(f"{name}: it holds an agent of {inside.name}: {zips.advised(inside)}={path}")
    known = data.get("num_timesteps")
    steps = known if isinstance(known, int) and not isinstance(known, bool) and known > 0 else 0
    told = (
        f"Trained elsewhere, for {steps:,} environment steps"
        if steps
        else "Trained elsewhere for an unknown number of steps"
    )
    values = {"zip": str(path), "agent": agent, "digest": _digest(path), "trained_steps": steps, "trust": False}
    rungs = [own.rung for own in agents().values() if own.defaults.get("algorithm") == algorithm.name]
    highest = max(own.rung for own in agents().values() if own.defaults.get("algorithm") in ALGORITHMS)
    return AgentCard(
        name=name,
        learner="zip",
        role="candidate" if steps else "control",
        family="online",
        rung=min(rungs, default=highest),
        summary=f"{algorithm.name}: {told.lower()}",
        source=str(path),
        extra=algorithm.extra,
        layers=(Layer(name, f"{told}; its values were chosen there.", values, {}),),
    )


def weights(values: Mapping[str, Any]) -> WeightsInput:
    """What a run of such an agent starts from, and what is known of its cost."""
    steps = values["trained_steps"] or None
    return WeightsInput(values["digest"], values["zip"], Cost(upstream_env_steps=steps))


def _digest(path: Path) -> str:
    """Of the file and of the statistics beside it: both decide how it acts."""
    beside = sorted(one for folder in (path.parent, path.with_suffix("")) for one in folder.glob("*.pkl"))
    whole = hashlib.sha256()
    for one in (path, *beside, path.with_suffix("") / "config.yml"):
        if one.is_file():
            whole.update(one.read_bytes())
    return whole.hexdigest()[:10]
