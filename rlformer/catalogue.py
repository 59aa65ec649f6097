"""The cards of environments and agents: definitions in TOML, never evaluated, overlaid by the user's own.

A card's `[defaults]` name every key that can be set; presets, children, the user's overlays and `--set`
may only change keys that exist. A card that `extends` another inherits its defaults and presets, and its
own differences win over both.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from rlformer.core.errors import InputError, unknown
from rlformer.core.types import SCHEMA, EnvSpec

# The keys of each section, with a value of the type that theirs must have.
_ENV_KEYS: Mapping[str, Any] = {
    **dict.fromkeys(("schema", "id", "summary", "extra"), ""),
    **{key: {} for key in ("kwargs", "scores", "features")},
    "wrappers": [],
}
_SCORE_KEYS: Mapping[str, Any] = {
    **dict.fromkeys(("random", "reference", "solved"), 0.0),
    **dict.fromkeys(("random_source", "reference_source"), ""),
}
_FEATURE_KEYS: Mapping[str, Any] = {"observation": [], "action": []}
_AGENT_KEYS: Mapping[str, Any] = {
    **dict.fromkeys(("schema", "extends", "learner", "summary", "source", "tuning", "extra"), ""),
    **{key: {} for key in ("defaults", "presets")},
}

# The closed list of wrappers a card may name, and the keys of each with a value of their type; see `environments`.
WRAPPERS: Mapping[str, Mapping[str, Any]] = {
    "time_limit": {"steps": 1},
    "observation_noise": {"std": 1.0},
    "delayed_reward": {},
    "distractors": {"count": 1},
    "flatten": {},
}


@dataclass(frozen=True)
class AgentCard:
    """An agent as its card defines it, parents included."""

    name: str
    learner: str
    summary: str = ""
    source: str = ""
    extra: str | None = None
    layers: tuple[Mapping[str, Any], ...] = field(
        default_factory=tuple
    )  # root first: {name, tuning, defaults, presets}

    @property
    def defaults(self) -> dict[str, Any]:
        """Every key that can be set, with its value where no preset applies."""
        return self.resolve(None)

    def resolve(self, env_name: str | None) -> dict[str, Any]:
        """The hyperparameters for one environment: each ancestor's defaults, then its preset, in turn."""
        merged: dict[str, Any] = {}
        for layer in self.layers:
            merged.update(layer["defaults"])
            merged.update({k: v for k, v in layer["presets"].get(env_name, {}).items() if k != "tuning"})
        return merged

    @property
    def tuning(self) -> str:
        """How the defaults were found."""
        return self.tuning_for(None)

    def tuning_for(self, env_name: str | None) -> str:
        """How these hyperparameters were found: the nearest card's word, and whose it is where it is a parent's."""
        for layer in reversed(self.layers):
            text = layer["presets"].get(env_name, {}).get("tuning") or layer["tuning"]
            if text:
                return str(text) if layer["name"] == self.name else f"Not tuned itself; {layer['name']}: {text}"
        return "Not tuned."

    @property
    def presets(self) -> list[str]:
        """Environments with a preset of their own."""
        return sorted({name for layer in self.layers for name in layer["presets"]})


def environment(name: str) -> EnvSpec:
    """The environment of that card, or a bare Gymnasium id (`Name-v0`, `module:Name-v0`) with nothing known.

    Raises InputError where a card is malformed. Whether a bare id exists is found when it is made.
    """
    cards = _cards("envs")
    if name in cards:
        return _env_spec(name, *cards[name])
    return EnvSpec(name=name, id=name)


def environments() -> dict[str, EnvSpec]:
    """Every environment that has a card, by name."""
    return {name: _env_spec(name, *card) for name, card in sorted(_cards("envs").items())}


def agent(name: str) -> AgentCard:
    """The agent of that card. Raises InputError with the nearest name where there is none."""
    cards = _cards("agents")
    if name not in cards:
        raise unknown("agent", name, cards)
    chain: list[tuple[str, Mapping[str, Any], Path]] = []
    while name:
        if any(name == seen for seen, _, _ in chain):
            raise InputError(f"{chain[0][2]}: 'extends' runs in a circle through '{name}'")
        if name not in cards:
            raise InputError(f"{chain[-1][2]}: extends an {unknown('agent', name, cards)}")
        card, path = cards[name]
        _check(card, _AGENT_KEYS, path, "card")
        chain.append((name, card, path))
        name = card.get("extends", "")
    return _agent_card(chain)


def agents() -> dict[str, AgentCard]:
    """Every agent that has a card, by name."""
    return {name: agent(name) for name in sorted(_cards("agents"))}


def _agent_card(chain: list[tuple[str, Mapping[str, Any], Path]]) -> AgentCard:
    """`chain`: the card, its parent, ..., the root."""
    inherited: dict[str, Any] = {}
    layers, known = [], chain[-1][1].get("defaults", {})
    if "learner" not in chain[-1][1]:
        raise InputError(f"{chain[-1][2]}: a card needs 'learner' or 'extends'")
    for name, card, path in reversed(chain):
        defaults, presets = card.get("defaults", {}), card.get("presets", {})
        _check(defaults, known, path, "defaults")
        for env_name, preset in presets.items():
            _check(preset, {**known, "tuning": ""}, path, f"presets.{env_name}")
        layers.append({"name": name, "tuning": card.get("tuning"), "defaults": defaults, "presets": presets})
        inherited.update({k: card[k] for k in ("learner", "summary", "source", "extra") if k in card})
    return AgentCard(name=chain[0][0], layers=tuple(layers), **inherited)


def _env_spec(name: str, card: Mapping[str, Any], path: Path) -> EnvSpec:
    _check(card, _ENV_KEYS, path, "card")
    scores, features = card.get("scores", {}), card.get("features", {})
    _check(scores, _SCORE_KEYS, path, "scores")
    _check(features, _FEATURE_KEYS, path, "features")
    for wrapper in card.get("wrappers", []):
        if not isinstance(wrapper, dict) or wrapper.get("kind") not in WRAPPERS:
            kind = wrapper.get("kind") if isinstance(wrapper, dict) else wrapper
            raise InputError(f"{path}: {unknown('wrapper', str(kind), WRAPPERS)}")
        _check(wrapper, {**WRAPPERS[wrapper["kind"]], "kind": ""}, path, f"wrapper '{wrapper['kind']}'")
    if "id" not in card:
        raise InputError(f"{path}: an environment's card needs 'id', a Gymnasium id such as 'CartPole-v1'")
    return EnvSpec(
        name=name,
        id=card["id"],
        kwargs=card.get("kwargs", {}),
        wrappers=tuple(card.get("wrappers", [])),
        extra=card.get("extra"),
        summary=card.get("summary", ""),
        random_score=scores.get("random"),
        random_source=scores.get("random_source", ""),
        reference_score=scores.get("reference"),
        reference_source=scores.get("reference_source", ""),
        solved_threshold=scores.get("solved"),
        feature_names=tuple(features.get("observation", [])),
        action_names=tuple(features.get("action", [])),
    )


def _check(table: Any, valid: Mapping[str, Any], path: Path, where: str) -> None:
    """Raise InputError unless `table` has keys of `valid` alone, and values of their types."""
    if not isinstance(table, dict):
        raise InputError(f"{path}: {where}: expected a table, got {table!r}")
    for key, value in table.items():
        if key not in valid:
            raise InputError(f"{path}: [{where}] {unknown('key', key, valid)}")
        _coerced(key, value, valid[key], path, where)


def _coerced(key: str, value: Any, default: Any, path: Path, where: str) -> Any:
    if isinstance(default, dict) and isinstance(value, dict):
        return value  # a section, or a schedule, which its learner checks
    try:
        return coerce(key, value, default)
    except InputError as error:
        raise InputError(f"{path}: [{where}] {error}") from None


def coerce(key: str, value: Any, default: Any) -> Any:
    """`value` with the type of the default; numbers may become schedules (a table with 'start' and 'end').

    Raises InputError where it has another type.
    """
    number = isinstance(default, (int, float)) and not isinstance(default, bool)
    if isinstance(value, dict) and (number or isinstance(default, dict)):
        if set(value) != {"start", "end"}:
            raise InputError(f"{key}: a schedule is a table such as {{ start = 1e-3, end = 0.0 }}, got {value}")
        return value
    if isinstance(default, dict) and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(default, int) and not isinstance(default, bool) and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(default, str) and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)  # such as a target return
    if type(value) is not type(default):
        raise InputError(
            f"{key}: expected {_type_name(default)} such as {default!r}, got {_type_name(value)} {value!r}"
        )
    return value


def _type_name(value: Any) -> str:
    names = {
        bool: "true or false",
        int: "an integer",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "a table",
    }
    return names.get(type(value), type(value).__name__)


def folders(kind: str) -> list[Path]:
    """Where cards of a kind ('envs' or 'agents') are read, the first overlaid by the next.

    In a checkout the repository's folder comes before the copy that the wheel carries, since an editable
    install leaves that copy stale.
    """
    package = Path(__file__).resolve().parent
    checkout, wheel = package.parent / kind, package / "_catalogue" / kind
    shipped = checkout if (package.parent / "pyproject.toml").is_file() and checkout.is_dir() else wheel
    own = Path.cwd() / kind
    return [shipped, own] if own.is_dir() and own.resolve() != shipped else [shipped]


def _cards(kind: str) -> dict[str, tuple[dict[str, Any], Path]]:
    return _read_folders(tuple(folders(kind)))


@cache
def _read_folders(places: tuple[Path, ...]) -> dict[str, tuple[dict[str, Any], Path]]:
    cards: dict[str, tuple[dict[str, Any], Path]] = {}
    for index, folder in enumerate(places):
        for path in sorted(folder.glob("*.toml")):
            card = _read(path)
            if card.get("schema") != SCHEMA:
                if index:  # some other tool's file in the user's folder
                    continue
                raise InputError(f'{path}: a card begins with schema = "{SCHEMA}"')
            name = path.stem
            cards[name] = (_overlay(cards[name][0], card), path) if name in cards else (card, path)
    return cards


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid TOML: {error}") from error


def _overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Section by section, preset by preset, key by key; a hyperparameter that is a table is replaced whole."""
    merged = {**below, **{k: v for k, v in above.items() if not isinstance(v, dict)}}
    for section in (k for k, v in above.items() if isinstance(v, dict)):
        old = below.get(section, {})
        if section == "presets":
            merged[section] = {**old, **{e: {**old.get(e, {}), **p} for e, p in above[section].items()}}
        else:
            merged[section] = {**old, **above[section]}
    return merged
