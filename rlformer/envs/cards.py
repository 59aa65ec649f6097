"""The cards of environments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlformer.core import cards
from rlformer.core.cards import Card, check
from rlformer.core.errors import InputError, unknown
from rlformer.core.records import EnvSpec
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

    Raises InputError where a card is malformed. Whether a bare id exists is found when it is made.
    """
    known = cards.read("envs", _ENV_KEYS)
    if name in known:
        return _env_spec(name, known[name])
    return EnvSpec(name=name, id=name)


def environments() -> dict[str, EnvSpec]:
    """Every environment that has a card, by name."""
    return {name: _env_spec(name, card) for name, card in sorted(cards.read("envs", _ENV_KEYS).items())}


def _env_spec(name: str, read: Card) -> EnvSpec:
    card, path = read
    check(card, _ENV_KEYS, path, "card")
    scores, features = card.get("scores", {}), card.get("features", {})
    check(scores, _SCORE_KEYS, path, "scores")
    check(features, _FEATURE_KEYS, path, "features")
    for key, names in features.items():
        if not all(isinstance(name, str) for name in names):
            raise InputError(f"{path}: [features] {key}: expected a list of strings, got {names}")
    for wrapper in card.get("wrappers", []):
        if not isinstance(wrapper, dict) or wrapper.get("kind") not in WRAPPERS:
            kind = wrapper.get("kind") if isinstance(wrapper, dict) else wrapper
            raise InputError(f"{path}: {unknown('wrapper', str(kind), WRAPPERS)}")
        check(wrapper, {**WRAPPERS[wrapper["kind"]].keys, "kind": ""}, path, f"wrapper '{wrapper['kind']}'")
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
