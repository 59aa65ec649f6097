"""Errors that teach: an environment that is not there, and the command or the id that helps."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import gymnasium as gym

from rlformer.core.errors import InputError, MissingExtra
from rlformer.envs import families
from rlformer.runs.mistaken import instead, kind_of


@dataclass(frozen=True)
class _Library:
    """A library that registers environments when it is imported, and the ids that are its own."""

    ids: str  # a pattern of them, without a module
    package: str  # for pip
    module: str
    name: str = r"{id}"  # the id that works, from the pattern's groups
    extra: str | None = None  # of this distribution, that brings it: then its ids need no module

    @property
    def is_here(self) -> bool:
        """Whether it is installed."""
        return find_spec(self.module) is not None


_GAMES = (
    "Adventure AirRaid Alien Amidar Assault Asterix Asteroids Atlantis BankHeist BattleZone BeamRider Berzerk Bowling "
    "Boxing Breakout Carnival Centipede ChopperCommand CrazyClimber Defender DemonAttack DoubleDunk ElevatorAction "
    "Enduro FishingDerby Freeway Frostbite Gopher Gravitar Hero IceHockey Jamesbond JourneyEscape Kangaroo Krull "
    "KungFuMaster MontezumaRevenge MsPacman NameThisGame Phoenix Pitfall Pong Pooyan PrivateEye Qbert Riverraid "
    "RoadRunner Robotank Seaquest Skiing Solaris SpaceInvaders StarGunner Surround Tennis TimePilot Tutankham UpNDown "
    "Venture VideoPinball WizardOfWor YarsRevenge Zaxxon"
)
_LIBRARIES = (
    _Library(
        rf"(?:ALE/(\w+?)|({'|'.join(_GAMES.split())})|(\w+?)(?=NoFrameskip|Deterministic|-ram))"
        r"(?:-ram)?(?:NoFrameskip|Deterministic)?(?:-v\d+)?",
        "ale-py",
        "ale_py",
        r"ALE/\1\2\3-v5",
        "atari",
    ),
    _Library(r"(?:MiniGrid|BabyAI)-.*", "minigrid", "minigrid", extra="minigrid"),
    _Library(
        r"(?:Fetch|HandReach|HandManipulate|AdroitHand|FrankaKitchen|PointMaze|AntMaze).*",
        "gymnasium-robotics",
        "gymnasium_robotics",
    ),
    _Library(
        r"(?:highway|merge|roundabout|parking|intersection|racetrack)(?:-\w+)*-v\d+", "highway-env", "highway_env"
    ),
)
_REGISTERS = re.compile(r"""\bregister\(\s*(?:id\s*=\s*)?["']([\w/.-]+)["']""")
_MOST_FILES, _MOST_BYTES = 100, 1_000_000  # of the current folder, looked through for what they register
_BEFORE = frozenset(gym.registry)  # ids that need no module: registered before any module of a user's was imported
_EXTRAS = {
    "mujoco": "gymnasium[mujoco]",
    "toy_text": "gymnasium[toy-text]",
    "classic_control": "gymnasium[classic-control]",
}


def unknown_environment(env_id: str, cards: Iterable[str], registered: Iterable[str]) -> InputError:
    """The error for an id that nobody registered: what to install, the nearest name that works, or what an id is.

    cards: names of cards. registered: ids that Gymnasium knows, those of a module that the id names among them.
    """
    module, _, plain = env_id.rpartition(":")
    unknown = f"unknown environment '{env_id}'"
    if (found := instead(Path(env_id))) is not None:
        takes = "compare ENV --dataset, train-transformer and data info take it"
        is_log = kind_of(Path(env_id)) in ("dataset", "log file")
        return InputError(f"{unknown}: that is {f'a log: rlformer {takes}' if is_log else found}")
    library = None if module else _library(plain)
    if library is not None and library[0].extra is not None and library[0].is_here:
        families.register(library[0].extra, env_id)
        registered = [*registered, *gym.registry]
    registered, cards = sorted({*registered}), sorted(cards)
    if library is not None and library[1] not in registered and not (library[0].extra and library[0].is_here):
        return InputError(f"{unknown}: {_advice(*library)}")
    if library is not None:  # installed and imported, yet of another name
        return InputError(f"{unknown}{_in_library(*library, registered)}")
    mine = {} if module else _registered_here()
    if (meant := _meant_here(plain, mine)) is not None:
        return InputError(f"{unknown}{meant}")
    near = nearest_id(plain, [*cards, *registered, *mine])
    if near in mine and near not in (*cards, *registered):
        return InputError(f"{unknown}; did you mean '{mine[near]}:{near}'?")
    if near is not None:
        alone = near in cards or near in _BEFORE or not module
        return InputError(f"{unknown}; did you mean '{near if alone else f'{module}:{near}'}'?")
    if module:
        own = [name for name in registered if name not in _BEFORE or _made_in(name, module)]
        own.sort(key=lambda name: not _made_in(name, module))  # its own classes' first
        listed = f"it registers {', '.join(own[:8])}" if own else "it registers none; gymnasium.register(...) does"
        return InputError(f"{unknown}: module '{module}' registers no such name; {listed}")
    return InputError(f"{unknown}; valid: {', '.join(cards)}, module:Name-v0 of your own, or any Gymnasium id")


def _in_library(library: _Library, name: str, registered: Sequence[str]) -> str:
    """What to say of an id that a library which is here does not register. name: as it would call it."""
    own = [one for one in registered if (found := families.of(one)) is not None and found.module == library.module]
    near = name if name in registered else nearest_id(name, own)
    if near is not None:
        return f"; did you mean '{near}'?"
    return f": {library.package} has none of that name, but {len(own):,} others, such as {', '.join(own[:3])}"


def renamed(name: str) -> str | None:
    """The id by which a library of ours registers today what had this one; None: it was none of such.

    Some libraries still register the old ids, and make them without the wrappers of the new ones.

    >>> renamed("PongNoFrameskip-v4"), renamed("ALE/Pong-v5"), renamed("MiniGrid-Empty-5x5-v0")
    ('ALE/Pong-v5', None, None)
    """
    library = None if families.of(name) is not None else _library(name)
    return None if library is None or library[0].extra is None or library[1] == name else library[1]


def missing_module(env_id: str, module: str) -> InputError:
    """The error for an id whose module is neither here nor installed."""
    plain = env_id.rpartition(":")[2]
    for library in _LIBRARIES:
        if library.module == module.partition(".")[0]:
            found = _library(plain)
            name = found[1] if found is not None and found[0] is library else plain
            return InputError(f"environment '{env_id}' needs '{module}': {_advice(library, name)}")
    near = difflib.get_close_matches(module, [*_modules_here(), *(library.module for library in _LIBRARIES)], 1, 0.6)
    guess = f"; did you mean '{near[0]}:{plain}'?" if near else ""
    return InputError(f"environment '{env_id}': no module '{module}' here or installed{guess}")


def no_module_name(env_id: str, module: str) -> InputError:
    """The error for an id before whose colon a path stands, or something else that Python cannot import."""
    plain = env_id.rpartition(":")[2]
    wanted = f"environment '{env_id}': '{module}' is not a module name"
    named = _module_of(module)
    if named in _modules_here():
        return InputError(f"{wanted}; did you mean '{named}:{plain}'?")
    path = Path(f"{module.removesuffix('.py')}.py")
    if path.is_file():
        return InputError(f"{wanted}; cd {path.parent}, then the id is '{path.stem}:{plain}'")
    return InputError(f"{wanted}; such an id is module:Name-v0")


def missing_dependency(name: str, entry_point: object, extra: str | None, error: Exception) -> InputError:
    """The error for an environment whose code needs a library that is absent: with the command that installs it.

    entry_point: of its registration. extra: of rlformer, as its card says.
    """
    folder = re.match(r"gymnasium\.envs\.(\w+)", str(entry_point))
    if extra or (folder and folder[1] == "box2d"):
        return MissingExtra(extra or "box2d", name)
    if folder and folder[1] in _EXTRAS:
        return InputError(f"environment '{name}' needs {_lacking(error)}: pip install '{_EXTRAS[folder[1]]}'")
    reason = " ".join(str(error).split())
    if isinstance(error, ModuleNotFoundError) and error.name:
        near = difflib.get_close_matches(error.name, _modules_here(), 1, 0.8)
        if near and str(entry_point).startswith(f"{error.name}:"):
            wrong = f"its entry point '{entry_point}' names no module here or installed"
            return InputError(f"environment '{name}': {wrong}; did you mean '{near[0]}'?")
        package = error.name.partition(".")[0].replace("_", "-")
        return InputError(f"environment '{name}' needs '{error.name}', not installed: pip install {package}")
    return InputError(f"environment '{name}': {reason}")


def _modules_here() -> dict[str, Path]:
    """The files of the modules that lie in the current folder, by name."""
    files = {path.stem: path for path in sorted(Path.cwd().glob("*.py"))[:_MOST_FILES]}
    return files | {path.parent.name: path for path in sorted(Path.cwd().glob("*/__init__.py"))[:_MOST_FILES]}


def _registered_here() -> dict[str, str]:
    """The modules of the current folder by the ids that their text registers; nothing is imported."""
    found: dict[str, str] = {}
    for module, path in _modules_here().items():
        with suppress(OSError):
            if path.stat().st_size <= _MOST_BYTES:
                for env_id in _REGISTERS.findall(path.read_text(encoding="utf-8", errors="replace")):
                    found.setdefault(env_id, module)
    return found


def _meant_here(typed: str, mine: Mapping[str, str]) -> str | None:
    """What to say of an id whose module was left out, or of a module without an id; None: it is neither."""
    if typed in mine:
        return f"; did you mean '{mine[typed]}:{typed}'?"
    module = _module_of(typed)
    if module not in _modules_here():
        return None
    own = [env_id for env_id, where in mine.items() if where == module]
    if len(own) == 1:
        return f"; did you mean '{module}:{own[0]}'?"
    listed = f"such as {module}:{own[0]}" if own else f"{module}:Name-v0, which gymnasium.register(...) there names"
    return f": that is a module, and an id is {listed}"


def _module_of(typed: str) -> str:
    """./my_module.py as Python imports it."""
    return typed.removeprefix("./").removesuffix(".py")


def _made_in(name: str, module: str) -> bool:
    """Whether an environment's code lies in that module, whoever imported it."""
    entry = getattr(gym.registry.get(name), "entry_point", None)
    where = entry.partition(":")[0] if isinstance(entry, str) else getattr(entry, "__module__", "")
    return bool(where == module)


def nearest_id(name: str, ids: Iterable[str]) -> str | None:
    """The id whose name is nearest, versions aside: of the same version if there is one, else of the newest.

    >>> nearest_id("CartPol-v1", ["CartPole-v0", "CartPole-v1", "Ant-v5"]), nearest_id("Ant-v9", ["Ant-v4", "Ant-v5"])
    ('CartPole-v1', 'Ant-v5')
    """
    named: dict[str, dict[str, str]] = {}
    for known in ids:
        base, version = _split(known)
        named.setdefault(base.lower(), {})[version] = known
    for base in [key for key in named if "/" in key]:  # a namespace may be forgotten
        named.setdefault(base.rpartition("/")[2], named[base])
    base, version = _split(name)
    near = difflib.get_close_matches(base.lower(), named, 1, 0.7)
    if not near:
        return None
    versions = named[near[0]]
    return versions.get(version) or versions[max(versions, key=lambda text: int(text or 0))]


def newest_version(name: str, ids: Iterable[str]) -> str | None:
    """The newest of these ids that has this name, whatever its version; None: there is none.

    >>> newest_version("Ant-v3", ["Ant-v4", "Ant-v5", "Antelope-v6"]), newest_version("Ant-v3", ["Bee-v1"])
    ('Ant-v5', None)
    """
    versions = {
        int(version or 0): known for known in ids for base, version in [_split(known)] if base == _split(name)[0]
    }
    return versions[max(versions)] if versions else None


def _split(name: str) -> tuple[str, str]:
    found = re.fullmatch(r"(.*?)(?:-v(\d+))?", name)
    assert found is not None  # everything matches
    return found[1], found[2] or ""


def _library(plain: str) -> tuple[_Library, str] | None:
    """The library whose ids look like this one, and the id that it registers."""
    for library in _LIBRARIES:
        found = re.fullmatch(library.ids, plain)
        if found is not None:
            return library, (plain if library.name == "{id}" else found.expand(library.name))
    return None


def _advice(library: _Library, name: str) -> str:
    if library.extra is not None:
        return f"pip install 'rlformer[{library.extra}]', then the id is '{name}'"
    return f"pip install {library.package}, then the id is '{library.module}:{name}'"


def _lacking(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"'{error.name}'"
    return "MuJoCo" if "mujoco" in str(error).lower() else "a library that is not installed"
