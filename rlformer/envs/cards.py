"""The cards of environments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rlformer.core import cards
from rlformer.core.cards import Card, check, named
from rlformer.core.errors import InputError, unknown
from rlformer.core.ranges import real, shown
from rlformer.core.records import EnvSpec
from rlformer.envs import families
from rlformer.envs.wrappers import WRAPPERS

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


def environment(name: str) -> EnvSpec:
    """The environment of that card, or a bare Gymnasium id (`Name-v0`, `module:Name-v0`) with nothing known.

    One of a library whose environments are made alike (`families`) has its wrappers and its extra without a card too.
    Raises InputError where a card is malformed. Whether a bare id exists is found when it is made.
    """
    known, name = cards.read("envs", _ENV_KEYS), families.plain(name)
    if name in known:
        return _env_spec(name, known[name])
    return families.spec_of(name) or EnvSpec(name=name, id=name)


def environments() -> dict[str, EnvSpec]:
    """Every environment that has a card, by name."""
    return {name: _env_spec(name, card) for name, card in sorted(cards.read("envs", _ENV_KEYS).items())}


def check_wrappers(tables: Iterable[Any]) -> None:
    """Raise InputError unless each table describes one of `WRAPPERS`, with all its keys in their ranges."""
    for table in tables:
        kind = table.get("kind") if isinstance(table, Mapping) else table
        if not isinstance(table, Mapping) or not isinstance(kind, str) or kind not in WRAPPERS:
            raise unknown("wrapper", str(kind), WRAPPERS)
        keys = WRAPPERS[kind].keys
        for key in table:
            if key not in {*keys, "kind"}:
                raise InputError(f"wrapper '{kind}': {unknown('key', key, {*keys, 'kind'})}")
        for key, allowed in keys.items():
            if key not in table:
                raise InputError(f"wrapper '{kind}': {key} is missing, {allowed.words}")
            allowed.check(f"wrapper '{kind}': {key}", table[key])


def _check_scores(scores: Mapping[str, Any], path: Path) -> None:
    for key in ("random", "reference", "solved"):
        if key in scores:
            real(-1e300, 1e300).check(f"{path}: [scores] {key}", scores[key])
    if "random" in scores and scores["random"] == scores.get("reference"):
        both = shown(scores["random"])
        raise InputError(f"{path}: [scores] random and reference are both {both}, so returns cannot be normalised")


def _env_spec(name: str, read: Card) -> EnvSpec:
    card, path = read
    check(card, _ENV_KEYS, path, "card")
    scores, features = card.get("scores", {}), card.get("features", {})
    scores = check(scores, _SCORE_KEYS, path, "scores")
    _check_scores(scores, path)
    check(features, _FEATURE_KEYS, path, "features")
    for key, names in features.items():
        if not all(isinstance(name, str) for name in names):
            raise InputError(f"{path}: [features] {key}: expected a list of strings, got {shown(names)}")
    with named(path, "wrappers"):
        check_wrappers(card.get("wrappers", []))
    if not card.get("id"):
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
