"""The cards of agents: what is trained, with which values, and what it is in a comparison.

A card's `[defaults]` name every key that can be set; presets, children, the user's overlays and `--set` may only change
keys that exist. A card that `extends` another inherits its defaults, presets, role and family, and its own differences
win over both.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rlformer.agents import zipped
from rlformer.agents.base import LearnerKind
from rlformer.agents.key_names import called_here
from rlformer.agents.learners import learner
from rlformer.core import cards, ranges
from rlformer.core.cards import Card, check, coerce, named, typed_value
from rlformer.core.errors import InputError, unknown
from rlformer.core.records import EnvSpec
from rlformer.runs.budget import CutShort, Paper
from rlformer.runs.inputs import Input
from rlformer.runs.spec import FAMILIES, ROLES, AgentSpec, Contrast, Family, Role, RunSpec

# The keys of a card, with a value of the type that theirs must have.
_KEYS: Mapping[str, Any] = {
    **dict.fromkeys(("schema", "extends", "learner", "summary", "source", "tuning", "extra", "role", "family"), ""),
    **{key: {} for key in ("defaults", "presets", "paper")},
    "rung": 0,
    "profiles": [],
    "default_for": [],
    "contrasts": [],
}
SMOKE = "smoke"  # the profile that asks whether everything runs, and compares nothing
PROFILES = (SMOKE, "quick", "standard", "full")  # of `compare`, from the smallest on
FEW_TARGETS = (SMOKE, "quick")  # those in which a return-conditioned policy is asked for three target returns
_ACTIONS = ("discrete", "multidiscrete", "multibinary", "box")  # kinds of action space, see `core.spaces.ActionSpec`
_CONTRAST = ("question", "more", "less")
_PAPER = ("gradient_steps", "batch_steps", "logged_steps", "source")
_FEW_KEYS = 12  # that a message lists
_INHERITED = ("learner", "summary", "source", "extra", "role", "family", "rung")


@dataclass(frozen=True)
class Layer:
    """What one card of a chain of `extends` adds."""

    name: str
    tuning: str
    defaults: Mapping[str, Any]
    presets: Mapping[str, Mapping[str, Any]]  # by the environment's name


@dataclass(frozen=True)
class AgentCard:
    """An agent as its card defines it, parents included."""

    name: str
    learner: str
    role: Role
    family: Family | Literal[""]  # of the verdict; "": a reference has none
    rung: int  # where it stands in the ladder, from the bottom up
    summary: str = ""
    source: str = ""
    extra: str | None = None
    profiles: tuple[str, ...] = ()  # of `compare` that train it
    default_for: tuple[str, ...] = ()  # kinds of action space in which it stands for its family
    contrasts: tuple[Contrast, ...] = ()
    layers: tuple[Layer, ...] = ()  # root first
    paper: Paper | None = None  # how long its own paper trains it; no parent's

    @property
    def defaults(self) -> dict[str, Any]:
        """Every key that can be set, with its value where no preset applies."""
        return self.values_for(None)

    def values_for(self, env_name: str | None) -> dict[str, Any]:
        """The hyperparameters for one environment: each ancestor's defaults, then its preset, in turn."""
        merged: dict[str, Any] = {}
        for layer in self.layers:
            merged.update(layer.defaults)
            merged.update({k: v for k, v in layer.presets.get(env_name or "", {}).items() if k != "tuning"})
        return merged

    @property
    def tuning(self) -> str:
        """How the defaults were found."""
        return self.tuning_for(None)

    def tuning_for(self, env_name: str | None) -> str:
        """How these hyperparameters were found: the nearest card's word, and whose it is where it is a parent's."""
        for layer in reversed(self.layers):
            text = layer.presets.get(env_name or "", {}).get("tuning") or layer.tuning
            if text:
                return str(text) if layer.name == self.name else f"Not tuned itself; {layer.name}: {text}"
        return "Not tuned."

    @property
    def presets(self) -> list[str]:
        """Environments with a preset of their own."""
        return sorted({name for layer in self.layers for name in layer.presets})


def agent(name: str) -> AgentCard:
    """The agent of that card, or in NAME=PATH.zip. Raises InputError with the nearest name where there is none."""
    if zipped.is_zipped(name):
        return zipped.card(name)
    known = cards.read("agents", _KEYS)
    if name not in known:
        raise unknown("agent", name, known)
    chain: list[tuple[str, Card]] = []
    while name:
        if any(name == seen for seen, _ in chain):
            raise InputError(f"{chain[0][1].path}: 'extends' runs in a circle through '{name}'")
        if name not in known:
            raise InputError(f"{chain[-1][1].path}: extends an {unknown('agent', name, known)}")
        check(known[name].values, _KEYS, known[name].path, "card")
        chain.append((name, known[name]))
        name = known[name].values.get("extends", "")
    return _agent_card(chain, known)


def agents() -> dict[str, AgentCard]:
    """Every agent that has a card, by name."""
    return {name: agent(name) for name in sorted(cards.read("agents", _KEYS))}


def resolve(
    env: EnvSpec,
    agent_name: str,
    overrides: Sequence[str] = (),
    inputs: tuple[Input, ...] = (),
    keeps_log: bool = False,
    fitted: Sequence[str] = (),
) -> RunSpec:
    """Card, preset and overrides ("key=value" strings, as `--set` takes them) made one.

    fitted: overrides too, which come first, and which nobody chose by hand: they fit the run into a study's time.
    Raises InputError for an unknown agent or key, or a value of another type than the card's.
    """
    card = agent(agent_name)
    preset, defaults = card.values_for(env.name), card.defaults
    values, changed = dict(preset), []
    for override in fitted:
        key, value = _parse(override)
        if key not in values:
            raise _unknown_key(agent_name, key, values)
        values[key] = coerce(key, value, defaults[key])
    for override in overrides:
        key, value = _parse(override)
        if key not in values:
            raise _unknown_key(agent_name, key, values)
        values[key] = coerce(key, value, defaults[key])
        check_values(learner(card.learner), {key: values[key]}, values)
        changed += [override] * (values[key] != preset[key])
    by_hand = " Changed by hand: " + ", ".join(changed) if changed else ""
    return RunSpec(
        env=env,
        agent=AgentSpec(
            name=agent_name,
            learner=card.learner,
            role=card.role,
            family=card.family,
            rung=card.rung,
            contrasts=card.contrasts,
            tuning=card.tuning_for(env.name) + by_hand,
            paper=card.paper,
        ),
        values=values,
        inputs=inputs,
        keeps_log=keeps_log,
        cut_short=_cut_short(card, preset, values),
    )


def _unknown_key(agent_name: str, key: str, valid: Collection[str]) -> InputError:
    """With the key that is meant, by another library's name for it too; else with the command that lists them."""
    if (meant := called_here(key, valid)) is not None:
        return InputError(f"unknown key '{key}'; did you mean '{meant}'?")
    if zipped.is_zipped(agent_name):
        return unknown("key", key, valid)
    many = f"rlformer agents {agent_name} lists its {len(valid)} keys"
    return unknown("key", key, valid, None if len(valid) <= _FEW_KEYS else many)


def _cut_short(card: AgentCard, preset: Mapping[str, Any], values: Mapping[str, Any]) -> CutShort | None:
    """What is trained of the preset's steps, where that is less."""
    kind = learner(card.learner)
    asked, given = (table.get(kind.steps_key) for table in (preset, values))
    if not kind.learns or not isinstance(asked, int) or not isinstance(given, int) or given >= asked:
        return None
    return CutShort("hand", None, kind.curve_unit, asked, given)


def check_values(kind: LearnerKind, changed: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Raise InputError, with what would be right, where a changed value is not one that the learner takes.

    values: all of them, the changed ones among them: which keys there are depends on the algorithm that they name.
    """
    if kind.ranges is None:
        return
    known = kind.ranges(values)
    for key in changed:
        if known and key not in known:
            raise unknown("key", key, known)
        if not known:
            raise InputError(f"{key}: the learner '{kind.name}' takes no values")
    ranges.check(changed, known)


def _parse(override: str) -> tuple[str, Any]:
    key, separator, text = override.partition("=")
    if not separator or not key.strip():
        raise InputError(f"--set takes key=value, got '{override}'")
    return key.strip(), typed_value(text)


def _agent_card(chain: list[tuple[str, Card]], known_agents: Collection[str]) -> AgentCard:
    """chain: the card, its parent, ..., the root. known_agents: the names of all cards."""
    root = chain[-1][1]
    if "learner" not in root.values:
        raise InputError(f"{root.path}: a card needs 'learner' or 'extends'")
    inherited: dict[str, Any] = {}
    for _, (card, _) in reversed(chain):
        inherited.update({k: card[k] for k in _INHERITED if k in card})
    name, (card, path) = chain[0]
    role, family = inherited.pop("role", "candidate"), inherited.pop("family", "")
    _check_place(role, family, path)
    with named(path, "card"):
        kind = learner(inherited["learner"])
    return AgentCard(
        name=name,
        role=role,
        family=family,
        rung=inherited.pop("rung", 100),
        profiles=_names(card, "profiles", "profile", PROFILES, path),
        default_for=_names(card, "default_for", "kind of action space", _ACTIONS, path),
        contrasts=tuple(_contrast(table, known_agents, path) for table in card.get("contrasts", ())),
        layers=tuple(_layers(chain, kind)),
        paper=_paper(card["paper"], path) if "paper" in card else None,
        **inherited,
    )


def _layers(chain: list[tuple[str, Card]], kind: LearnerKind) -> Iterator[Layer]:
    """What each card adds, the root first. Raises InputError where a value is none that the learner takes."""
    root = chain[-1][1]
    known = root.values.get("defaults", {})
    with named(root.path, "defaults"):
        missing = kind.missing(known) if isinstance(known, dict) else []
    if missing:
        raise InputError(f"{root.path}: [defaults] lacks {', '.join(missing)}, which the learner '{kind.name}' needs")
    values: dict[str, Any] = {}
    for name, (card, path) in reversed(chain):
        defaults = check(card.get("defaults", {}), known, path, "defaults")
        values |= defaults
        with named(path, "defaults"):
            check_values(kind, defaults, values)
        presets: dict[str, dict[str, Any]] = {}
        for env, table in card.get("presets", {}).items():
            presets[env] = check(table, {**known, "tuning": ""}, path, f"presets.{env}")
            changed = {key: value for key, value in presets[env].items() if key != "tuning"}
            with named(path, f"presets.{env}"):
                check_values(kind, changed, {**values, **changed})
        yield Layer(name, card.get("tuning", ""), defaults, presets)


def _check_place(role: str, family: str, path: Path) -> None:
    if role not in ROLES:
        raise InputError(f"{path}: {unknown('role', role, ROLES)}")
    if family and family not in FAMILIES:
        raise InputError(f"{path}: {unknown('family', family, FAMILIES)}")
    if role == "candidate" and not family:
        raise InputError(f"{path}: a candidate needs 'family', one of {', '.join(FAMILIES)}")


def _names(card: Mapping[str, Any], key: str, what: str, valid: Collection[str], path: Path) -> tuple[str, ...]:
    """The names in the card's list. Raises InputError where one is none of the valid ones."""
    for name in card.get(key, ()):
        if name not in valid:
            raise InputError(f"{path}: [{key}] {unknown(what, str(name), valid)}")
    return tuple(card.get(key, ()))


def _contrast(table: Any, known_agents: Collection[str], path: Path) -> Contrast:
    if not isinstance(table, dict) or set(table) != set(_CONTRAST) or not all(map(_is_text, table.values())):
        raise InputError(f"{path}: [contrasts] takes strings {', '.join(_CONTRAST)}, got {ranges.shown(table)}")
    for key in ("more", "less"):
        if table[key] not in known_agents:
            raise InputError(f"{path}: [contrasts] {key}: {unknown('agent', table[key], known_agents)}")
    return Contrast(**table)


def _paper(table: Any, path: Path) -> Paper:
    numbers, source = [table.get(key) for key in _PAPER[:3]], table.get("source")
    positive = all(isinstance(number, int) and not isinstance(number, bool) and number > 0 for number in numbers)
    if set(table) != set(_PAPER) or not positive or not _is_text(source):
        raise InputError(f"{path}: [paper] takes {', '.join(_PAPER[:3])} above 0 and a source, got {table!r}")
    return Paper(**table)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
