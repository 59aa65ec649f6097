"""Make one environment in canonical form, from a card or a Gymnasium id, the user's own modules included."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import warnings
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import find_highest_version, parse_env_id

from rlformer.core.errors import InputError
from rlformer.core.extras import missing_extra
from rlformer.core.records import SCHEMA, EnvSpec
from rlformer.core.spaces import Spaces
from rlformer.envs import cards as env_cards
from rlformer.envs import consent, families
from rlformer.envs.checked import check
from rlformer.envs.faults import fault, foreign, no_silent_end, place
from rlformer.envs.images import UnreadableError
from rlformer.envs.spaces import canonical, spaces_in
from rlformer.envs.unknown import (
    missing_dependency,
    missing_module,
    newest_version,
    no_module_name,
    renamed,
    unknown_environment,
)
from rlformer.envs.wrappers import WRAPPERS

NOWHERE = "none"  # the id in place of an environment: a log is learned from and nothing evaluated


def without_card(name: str) -> EnvSpec | None:
    """An environment that Gymnasium or a family of its own knows, and no card; None: it is neither.

    Where what registers it is not installed, its name is believed. Raises InputError where its library has none of
    that name.
    """
    env = env_cards.environment(name)
    if missing_extra(env.extra) is None:
        if env.extra is not None:
            families.register(env.extra, name)
        if env.id not in gym.registry:
            if env.extra is None:
                return None
            raise unknown_environment(env.id, env_cards.environments(), gym.registry)
    return replace(env, summary="Has no card: it can be used, and returns are not normalised")


def make(env: EnvSpec, render_mode: str | None = None) -> gym.Env[Any, Any]:
    """One environment in canonical form, see `envs.spaces`, held to Gymnasium's interface, see `envs.checked`.

    Raises InputError where the id is unknown, its module or extra is missing, its keywords are wrong, its own code
    fails, or its spaces are not supported.
    """
    if _is_nowhere(env):
        raise InputError(f"'{env.name}' was learned from a log without an environment; use --env ENV to act in one")
    if render_mode == "rgb_array":
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # a picture needs no display, which pygame looks for
    env_cards.check_wrappers(env.wrappers)
    made = check(_registered(env, render_mode), env.name)
    for table in env.wrappers:
        made = WRAPPERS[table["kind"]].wrap(made, **{key: value for key, value in table.items() if key != "kind"})
    try:
        return canonical(made, env.name)
    except UnreadableError as error:
        raise InputError(f"environment '{env.name}': {error}; {_image_advice(env, made)}") from error
    except InputError as error:
        raise InputError(f"environment '{env.name}': {error}") from error


def _image_advice(env: EnvSpec, made: gym.Env[Any, Any]) -> str:
    """What makes vectors of what is not read: a card, tried here; where that fails too, a wrapper of the user's own."""
    try:
        canonical(WRAPPERS["flatten"].wrap(made))
    except Exception:  # spaces that Gymnasium cannot flatten fail each in its own way
        return (
            "wrap it in a module of your own: gymnasium.register('Flat-v0', lambda **k: "
            f"YourWrapper(gymnasium.make('{env.id}', **k))), and the id is your_module:Flat-v0"
        )
    if env.name != env.id:
        return 'if they are small, { kind = "flatten" } among the wrappers of its card makes them vectors'
    card = f'schema = "{SCHEMA}", id = "{env.id}", wrappers = [{{ kind = "flatten" }}]'
    return f"if they are small, a card makes them vectors; write envs/Flat.toml, a key a line: {card}"


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
    if colon and not registered:
        raise InputError(f"environment '{env.id}': no name after the colon; such an id is module:Name-v0")
    if colon:
        no_silent_end()
        consent.check(env, module)
        _import_module(module, env.id)
    if env.extra is not None:
        families.register(env.extra, env.name)
    elif not module and renamed(registered) is not None:
        raise unknown_environment(env.id, env_cards.environments(), gym.registry)
    kwargs: dict[str, Any] = dict(env.kwargs)
    if render_mode:
        kwargs["render_mode"] = render_mode
    kwargs |= _raised_limit(env, registered)
    with foreign(f"environment '{env.name}': making it"):
        return _made(env, registered, kwargs)


def _made(env: EnvSpec, registered: str, kwargs: dict[str, Any]) -> gym.Env[Any, Any]:
    """Raises whatever the environment's own code raises."""
    try:
        _check_version(env.id, registered)
        with warnings.catch_warnings():
            # A card and a record name a version on purpose; a newer one would be another task.
            warnings.filterwarnings("ignore", ".*is out of date.*")
            warnings.filterwarnings("ignore", ".*not in the possible render_modes.*")  # who wants to see it is told
            # The passive checker warns once and then costs time at every step.
            return gym.make(env.id, disable_env_checker=True, **kwargs)
    except (gym.error.NameNotFound, gym.error.NamespaceNotFound, gym.error.VersionNotFound) as error:
        raise unknown_environment(env.id, env_cards.environments(), gym.registry) from error
    except (gym.error.DependencyNotInstalled, ModuleNotFoundError) as error:
        registration = gym.registry.get(registered)
        entry_point = None if registration is None else registration.entry_point
        raise missing_dependency(env.name, entry_point, env.extra, error) from error
    except ImportError as error:  # MuJoCo's older versions, which have left Gymnasium
        newest = newest_version(registered, gym.registry)
        if newest in (None, registered):
            raise
        raise InputError(f"environment '{env.name}': {_line(error)}; did you mean '{newest}'?") from error
    except OSError as error:
        family = families.of(registered)
        if family is None or not family.remedy:
            raise
        raise InputError(f"environment '{env.name}': {_line(error)}; {family.remedy}") from error
    except gym.error.Error as error:
        if Path(env.id).exists():
            raise unknown_environment(env.id, env_cards.environments(), gym.registry) from error
        raise InputError(f"environment '{env.name}': {_line(error)}") from error
    except TypeError as error:
        if place(error):  # Gymnasium raises what a constructor raised again
            raise (error.__cause__ or error) from None
        raise InputError(f"environment '{env.name}' with keywords {kwargs}: {_first(error)}{_advice(env)}") from error


def _line(error: Exception) -> str:
    """What was said, without breaks or a full stop."""
    return " ".join(str(error).split()).removesuffix(".")


def _first(error: TypeError) -> str:
    """What the constructor said, without Gymnasium's repetition of the keywords."""
    return str(error).partition(" was raised from the environment creator")[0]


def _advice(env: EnvSpec) -> str:
    if env.name != env.id:
        return "; the table kwargs of its card holds its keywords"
    card = f'schema = "{SCHEMA}", id = "{env.id}", kwargs = {{ KEY = VALUE }}'
    return f"; a card gives keywords; write envs/Mine.toml, a key a line: {card}"


def _raised_limit(env: EnvSpec, registered: str) -> dict[str, int]:
    """For `gymnasium.make`, where a card's time limit is longer than the registered one, which would cut before it."""
    known = gym.registry.get(registered)
    limits = [table["steps"] for table in env.wrappers if table["kind"] == "time_limit" and "steps" in table]
    if not limits or known is None or known.max_episode_steps is None or "max_episode_steps" in env.kwargs:
        return {}
    return {"max_episode_steps": max(limits)} if max(limits) > known.max_episode_steps else {}


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
        raise no_module_name(env_id, module)
    package, here = module.partition(".")[0], os.getcwd()
    # Behind all else, since a file here must not take the place of a library that is imported later.
    if package not in sys.modules and importlib.util.find_spec(package) is None and here not in sys.path:
        sys.path.append(here)
        importlib.invalidate_caches()
    try:
        with redirect_stdout(sys.stderr):
            importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and f"{module}.".startswith(f"{error.name}."):
            raise missing_module(env_id, module) from error
        raise InputError(f"environment '{env_id}': module '{module}' needs '{error.name}', not installed") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever the user's own code does
        raise fault(f"environment '{env_id}': importing {module}", error) from error
