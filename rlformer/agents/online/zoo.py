"""What rl-baselines3-zoo leaves beside an agent's .zip: a folder of its name that tells in which environment, behind
which wrappers it was trained.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import gymnasium as gym

from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.envs import cards as env_cards
from rlformer.envs.unknown import newest_version, renamed

_LARGEST = 2**20  # bytes of a description
_TIME_FEATURE_STEPS = 1000  # TimeFeatureWrapper's own `max_steps`, where an episode has no limit


@dataclass(frozen=True)
class TrainedIn:
    """The environment of an agent of the zoo, as it can be made here."""

    env: EnvSpec
    remark: str | None  # what differs from where it was trained


def trained_in(path: Path) -> TrainedIn | None:
    """Where the agent of a .zip was trained; None where no folder of the zoo tells it.

    An older version of an environment that has a card stands for it, since Gymnasium does not make most of them any
    more, and so does the newest of one that nobody registers: that is said. Raises InputError where none of its name
    is known.
    """
    folder = path.with_suffix("")
    arguments, config = _text(folder / "args.yml"), _text(folder / "config.yml")
    name = _value(arguments, "env") or (path.stem if config else None)
    if name is None:
        return None
    cards, ids = set(env_cards.environments()), set(gym.registry)
    here = renamed(name)  # some are registered under their old names too, and made without wrappers
    here = here or (name if name in cards else newest_version(name, cards))
    here = here or (name if name in ids else newest_version(name, ids))
    if here is None:
        raise InputError(f"{path}: was trained in '{name}', which is not a known environment; use --env ENV")
    env = env_cards.environment(here)
    remark = None if here == name else f"{path}: was trained in {name}; {here} is used instead, and scores may differ"
    return TrainedIn(_behind(env, config), remark)


def frames(path: Path) -> int:
    """How many observations the agent of a .zip reads at once: those before are behind its VecNormalize, if any."""
    stacked = _value(_text(path.with_suffix("") / "config.yml"), "frame_stack")
    return int(stacked) if stacked is not None and stacked.isdecimal() and int(stacked) > 0 else 1


def _behind(env: EnvSpec, config: str) -> EnvSpec:
    """The environment behind the wrappers that change what the agent observes."""
    if "TimeFeatureWrapper" not in config:
        return env
    names = (*env.feature_names, "share of the episode left") if env.feature_names else ()
    limit = gym.spec(env.id).max_episode_steps if env.id in gym.registry else None
    wrapper = {"kind": "time_feature", "steps": limit or _TIME_FEATURE_STEPS}
    return replace(env, wrappers=(*env.wrappers, wrapper), feature_names=names)


def _text(path: Path) -> str:
    if not path.is_file() or path.stat().st_size > _LARGEST:
        return ""
    return path.read_text(encoding="utf-8", errors="replace")


def _value(text: str, key: str) -> str | None:
    """Of a key in the YAML that the zoo writes: a list of pairs, each on two lines, or a mapping.

    Nothing of it is built: such files name Python's classes.

    >>> _value("- - - algo\\n    - ppo\\n  - - env\\n    - Hopper-v3\\n", "env"), _value("seed: 4\\n", "seed")
    ('Hopper-v3', '4')
    """
    found = re.search(rf"^(?:[- ]*- {key}\n\s*- |{key}:[ ]*)(\S+)\s*$", text, re.MULTILINE)
    return None if found is None else found[1].strip("'\"")
