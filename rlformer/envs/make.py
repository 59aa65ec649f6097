"""Make one environment in canonical form, from a card or a Gymnasium id, the user's own modules included."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import find_highest_version, parse_env_id

from rlformer.core.errors import InputError, MissingExtra, unknown
from rlformer.core.records import EnvSpec
from rlformer.core.spaces import Spaces
from rlformer.envs import cards as env_cards
from rlformer.envs import consent
from rlformer.envs.spaces import ImageError, canonical, spaces_in
from rlformer.envs.wrappers import WRAPPERS

NOWHERE = "none"  # the id in place of an environment: a log is learned from and nothing evaluated


def make(env: EnvSpec, render_mode: str | None = None) -> gym.Env[Any, Any]:
    """One environment in canonical form: see `envs.spaces`.

    Raises InputError where the id is unknown, its module or extra is missing, its keywords are wrong, or
    its spaces are not supported.
    """
    if _is_nowhere(env):
        raise InputError(f"'{env.name}' was learned from a log alone; --env names an environment to act in")
    if render_mode == "rgb_array":
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # a picture needs no display, which pygame looks for
    env_cards.check_wrappers(env.wrappers)
    made = _registered(env, render_mode)
    for table in env.wrappers:
        made = WRAPPERS[table["kind"]].wrap(made, **{key: value for key, value in table.items() if key != "kind"})
    try:
        return canonical(made)
    except ImageError as error:
        advice = 'if they are none, { kind = "flatten" } in a card makes them vectors'
        raise InputError(f"environment '{env.name}': {error}; {advice}") from error
    except InputError as error:
        raise InputError(f"environment '{env.name}': {error}") from error


def spaces_of(env: EnvSpec) -> Spaces:
    """Both spaces, canonical: the environment is made once to see them. Raises InputError as `make` does."""
    if _is_nowhere(env):
        return Spaces.from_dict(env.kwargs)
    made = make(env)
    try:
        found = spaces_in(made)
    finally:
        made.close()
    _check_names(env, found)
    return found


def _check_names(env: EnvSpec, spaces: Spaces) -> None:
    """Raise InputError where a card names other numbers of an observation or an action than there are.

    It need not name those that the distractors put behind an observation.
    """
    actions, size = spaces.actions, spaces.observation.size
    counts = [int(table["count"]) for table in env.wrappers if table["kind"] == "distractors"]
    added = sum(counts) + len(counts) * (len(actions.low) if actions.kind == "box" else sum(actions.nvec))
    categories = actions.kind == "discrete"
    one_action = actions.nvec[0] if categories else actions.shape[0]
    for key, names, valid, what in (
        ("observation", env.feature_names, {size, size - added}, "numbers"),
        ("action", env.action_names, {one_action}, "categories" if categories else "numbers"),
    ):
        if names and len(names) not in valid:
            are = " or ".join(map(str, sorted(valid)))
            raise InputError(f"environment '{env.name}': [features] {key}: {len(names)} names for {are} {what}")


def nowhere(name: str, spaces: Spaces) -> EnvSpec:
    """In place of an environment that is not to be made: the spaces of its log."""
    return EnvSpec(name, NOWHERE, spaces.to_dict())


def _is_nowhere(env: EnvSpec) -> bool:
    return env.id == NOWHERE and "observation" in env.kwargs


def _registered(env: EnvSpec, render_mode: str | None) -> gym.Env[Any, Any]:
    module, colon, registered = env.id.rpartition(":")
    if colon:
        consent.check(env, module)
        _import_module(module, env.id)
    kwargs: dict[str, Any] = dict(env.kwargs)
    if render_mode:
        kwargs["render_mode"] = render_mode
    try:
        _check_version(env.id, registered)
        # The passive checker warns once and then costs time at every step.
        return gym.make(env.id, disable_env_checker=True, **kwargs)
    except (gym.error.NameNotFound, gym.error.NamespaceNotFound, gym.error.VersionNotFound) as error:
        cards = env_cards.environments()
        listed = f"{', '.join(cards)}, or any Gymnasium id"
        raise unknown("environment", env.id, {*cards, *gym.registry}, listed) from error
    except gym.error.DependencyNotInstalled as error:
        if env.extra:
            raise MissingExtra(env.extra, env.name) from error
        raise InputError(f"environment '{env.name}': {' '.join(str(error).split())}") from error
    except gym.error.Error as error:
        raise InputError(f"environment '{env.name}': {' '.join(str(error).split())}") from error
    except TypeError as error:
        raise InputError(f"environment '{env.name}' with keywords {kwargs}: {error}") from error


def _check_version(env_id: str, registered: str) -> None:
    """Raise InputError where Gymnasium would choose a version by itself: a card and a record name one.

    registered: the id without its module.
    """
    namespace, name, version = parse_env_id(registered)
    if version is None and registered not in gym.registry:
        latest = find_highest_version(namespace, name)
        if latest is not None:
            raise InputError(f"unknown environment '{env_id}'; did you mean '{env_id}-v{latest}'?")


def _import_module(module: str, env_id: str) -> None:
    """The user's module, from the current folder too where nothing installed has its name."""
    if not all(part.isidentifier() for part in module.split(".")):
        raise InputError(f"environment '{env_id}': '{module}' is no module's name; such an id is module:Name-v0")
    package, here = module.partition(".")[0], os.getcwd()
    # Behind all else, since a file here must not take the place of a library that is imported later.
    if package not in sys.modules and importlib.util.find_spec(package) is None and here not in sys.path:
        sys.path.append(here)
        importlib.invalidate_caches()
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and f"{module}.".startswith(f"{error.name}."):
            raise InputError(f"environment '{env_id}': no module '{module}' here or installed") from error
        raise InputError(f"environment '{env_id}': module '{module}' needs '{error.name}', not installed") from error
    except (Exception, SystemExit) as error:  # whatever the user's own code does
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise InputError(f"environment '{env_id}': importing {module}: {reason}") from error
