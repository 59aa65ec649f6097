"""Records that every room shares.

Shapes: T steps of an episode, E episodes, B windows, K steps of context, `*obs` one observation as it is stored,
`*act` one action.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from rlformer.core import notebook
from rlformer.core.frames import Frames
from rlformer.core.packed import Packed
from rlformer.core.spaces import Array

SCHEMA = "rlformer/2"


@dataclass(frozen=True)
class Episode:
    """One episode, whole."""

    observations: Array | Frames | Packed  # (T+1, *obs): the last one included, as in Minari
    actions: Array  # (T, *act)
    rewards: Array  # (T,)
    terminated: bool
    truncated: bool
    seed: int | None = None
    success: bool | None = None  # what the environment told at its end, in info["is_success"]; None: nothing

    def __len__(self) -> int:
        return len(self.rewards)

    @property
    def episode_return(self) -> float:
        """The undiscounted sum of rewards."""
        return float(np.sum(self.rewards, dtype=np.float64))


@dataclass(frozen=True)
class EnvSpec:
    """An environment as a card defines it, or a bare Gymnasium id with nothing known about it."""

    name: str
    id: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    wrappers: tuple[Mapping[str, Any], ...] = ()
    extra: str | None = None
    summary: str = ""
    random_score: float | None = None
    random_source: str = ""
    reference_score: float | None = None
    reference_source: str = ""
    solved_threshold: float | None = None
    feature_names: tuple[str, ...] = ()
    action_names: tuple[str, ...] = ()
    # The file that it was read from, which must not choose what is imported: see `envs.consent`. "": the user named it.
    source: str = field(default="", compare=False, metadata={"written": False})

    @property
    def definition(self) -> dict[str, Any]:
        """What makes two environments the same one: id, keywords, wrappers."""
        return {"id": self.id, "kwargs": dict(self.kwargs), "wrappers": [dict(w) for w in self.wrappers]}

    def normalize(self, episode_return: float) -> float | None:
        """(R - R_random) / (R_reference - R_random); None where the card has no scores."""
        if self.random_score is None or self.reference_score is None:
            return None
        return (episode_return - self.random_score) / (self.reference_score - self.random_score)

    def to_dict(self) -> dict[str, Any]:
        """A JSON- and TOML-ready form, without the keys that are empty."""
        return {k: v for k, v in plain(asdict(self)).items() if v not in (None, "", [], {}) and k != "source"}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "") -> EnvSpec:
        """The inverse of `to_dict`. source: the file that holds it. Raises ValueError where a value is of another type.

        >>> EnvSpec.from_dict({"name": "CartPole-v1", "id": 1})
        Traceback (most recent call last):
        ...
        ValueError: env.id: a string expected, not 1
        """
        known: dict[str, Any] = {**dict(data), "source": source}
        for key in ("wrappers", "feature_names", "action_names"):
            known[key] = tuple(known.get(key, ()))
        for key, (words, fits) in _ENV_TYPES.items():
            if key in known and not fits(known[key]):
                raise ValueError(f"env.{key}: {words} expected, not {str(known[key])[:60]}")
        return cls(**known)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and bool(np.isfinite(float(value)))


_ENV_TYPES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {  # of an `EnvSpec` in a file, where it is given
    **dict.fromkeys(("name", "id", "extra", "summary", "random_source", "reference_source"), ("a string", _is_text)),
    **dict.fromkeys(("random_score", "reference_score", "solved_threshold"), ("a number", _is_number)),
    **dict.fromkeys(("feature_names", "action_names"), ("strings", lambda names: all(map(_is_text, names)))),
    "kwargs": ("a table", lambda value: isinstance(value, Mapping)),
    "wrappers": ("tables", lambda tables: all(isinstance(table, Mapping) for table in tables)),
}


@dataclass(frozen=True)
class Cost:
    """What a run cost in data. Repeated draws of the same transition are `samples_seen`, not data."""

    env_steps: int = 0  # stepped in order to learn
    selection_env_steps: int = 0  # stepped in order to choose a checkpoint or a target return
    logged_steps: int = 0  # distinct logged transitions read
    upstream_env_steps: int | None = 0  # all the steps behind that log, the logged ones among them; None: unknown
    samples_seen: int = 0  # transitions that entered a gradient, with repeats
    evaluation_env_steps: int = 0  # stepped in order to measure: of the curve, and of all episodes behind the training
    upstream_cpu_seconds: float | None = None  # of learning, of who made that log, up to its cut; None: unknown

    def after(self, earlier: Cost) -> Cost:
        """With what another run cost, from whose weights this one went on; CPU seconds and measuring are left alone."""
        known = self.upstream_env_steps is not None and earlier.upstream_env_steps is not None
        return replace(
            self,
            env_steps=self.env_steps + earlier.env_steps,
            selection_env_steps=self.selection_env_steps + earlier.selection_env_steps,
            logged_steps=self.logged_steps + earlier.logged_steps,
            upstream_env_steps=(self.upstream_env_steps or 0) + (earlier.upstream_env_steps or 0) if known else None,
            samples_seen=self.samples_seen + earlier.samples_seen,
        )


@dataclass(frozen=True)
class EvalResult:
    """One policy on fixed episode seeds, in the order of the seeds."""

    env: str
    policy: str
    seeds: Array  # (E,) int64
    returns: Array  # (E,) float64
    lengths: Array  # (E,) int64
    terminated: Array  # (E,) bool
    action_selection: Literal["greedy", "sampled"]
    target_return: float | None = None
    seconds: float = 0.0  # wall time of the whole rollout
    num_envs: int = 1
    successes: Array | None = None  # (E,) bool, where the environment tells them
    seed_obeyed: bool | None = None  # False: one seed gives several episodes, so that nothing is paired; None: unknown

    @property
    def env_steps(self) -> int:
        """Environment steps that the evaluation took."""
        return int(self.lengths.sum())

    @property
    def mean(self) -> float:
        """Mean episode return."""
        return float(self.returns.mean())

    def _repr_html_(self) -> str:
        """For a notebook: the returns in short."""
        low, middle, high = np.quantile(self.returns, (0.25, 0.5, 0.75))
        row = [self.env, self.policy, self.action_selection, self.target_return, len(self.returns)]
        row += [f"{value:.4g}" for value in (self.mean, low, middle, high)]
        head = ["environment", "policy", "actions", "target return", "episodes", "mean return", "q1", "median", "q3"]
        return notebook.table(head, [row])

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        optional = {key for key in ("successes", "seed_obeyed") if getattr(self, key) is None}
        return {**plain({k: v for k, v in asdict(self).items() if k not in optional}), "schema": SCHEMA}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> EvalResult:
        """The inverse of `to_dict`."""
        known = {k: v for k, v in data.items() if k != "schema"}
        for key, dtype in (
            ("seeds", np.int64),
            ("returns", np.float64),
            ("lengths", np.int64),
            ("terminated", bool),
        ):
            known[key] = np.asarray(known[key], dtype)
        if known.get("successes") is not None:
            known["successes"] = np.asarray(known["successes"], bool)
        return cls(**known)


@dataclass(frozen=True)
class Window:
    """A batch of contexts, padded on the right: row k is real where mask[:, k].

    The arrays are numpy's or torch's, alike in shape: observations (B, K, *obs), actions (B, K, *act),
    returns_to_go (B, K), timesteps (B, K), mask (B, K) bool.
    """

    observations: Any
    actions: Any
    returns_to_go: Any
    timesteps: Any
    mask: Any


def plain(value: Any) -> Any:
    """numpy and tuples as JSON knows them."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    return value
