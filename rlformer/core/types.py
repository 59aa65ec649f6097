"""Records and protocols that every room shares. Needs numpy alone.

Shapes: T steps of an episode, N environments side by side, B windows, K steps of context,
`*obs` one observation (a vector, see `environments`), `*act` one action.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

SCHEMA = "rlformer/1"


@dataclass(frozen=True)
class Episode:
    """One episode, whole."""

    observations: Array  # (T+1, *obs): the last one included, as in Minari
    actions: Array  # (T, *act)
    rewards: Array  # (T,)
    terminated: bool
    truncated: bool
    seed: int | None = None

    def __len__(self) -> int:
        return len(self.rewards)

    @property
    def episode_return(self) -> float:
        """The undiscounted sum of rewards."""
        return float(np.sum(self.rewards, dtype=np.float64))


@dataclass(frozen=True)
class ActionSpec:
    """An action space in its canonical form: zero-based categories, or a vector of reals.

    kind          one action                        nvec
    discrete      () int64                          (n,)
    multidiscrete (d,) int64                        (n_1, ..., n_d)
    multibinary   (d,) int64                        (2, ..., 2)
    box           (d,) float32, `low` to `high`     ()
    """

    kind: Literal["discrete", "multidiscrete", "multibinary", "box"]
    nvec: tuple[int, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one action."""
        return () if self.kind == "discrete" else (len(self.low if self.kind == "box" else self.nvec),)

    @property
    def dtype(self) -> type[np.generic]:
        """The dtype of stored actions."""
        return np.float32 if self.kind == "box" else np.int64

    @property
    def bounded(self) -> bool:
        """Whether every dimension has finite bounds (always so for categories)."""
        return bool(np.isfinite(self.low).all() and np.isfinite(self.high).all())

    def clip(self, actions: Array) -> Array:
        """What the environment executes: real actions are clipped into the bounds, categories are as they are."""
        if self.kind != "box":
            return actions
        low, high = np.asarray(self.low, np.float32), np.asarray(self.high, np.float32)
        return np.clip(actions, low, high)

    def contains(self, actions: Array) -> Array:
        """Which of (N, *act) actions lie in the space: (N,) bool. Bounds of a box hold to 1e-4 of rounding."""
        rows = actions.reshape(len(actions), -1)
        if self.kind == "box":
            low, high = np.asarray(self.low), np.asarray(self.high)
            slack = 1e-4 * np.maximum(1.0, np.abs(np.where(np.isfinite(high), high, 1.0)))
            return np.asarray(((rows >= low - slack) & (rows <= high + slack)).all(axis=1))
        return np.asarray(((rows >= 0) & (rows < np.asarray(self.nvec))).all(axis=1))

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        """`count` uniform actions: (count, *act). Unbounded dimensions are drawn from a standard normal."""
        if self.kind != "box":
            return rng.integers(0, self.nvec, (count, len(self.nvec))).reshape(count, *self.shape)
        low, high = np.asarray(self.low), np.asarray(self.high)
        finite = np.isfinite(low) & np.isfinite(high)
        drawn = rng.uniform(np.where(finite, low, 0.0), np.where(finite, high, 1.0), (count, len(low)))
        if not finite.all():
            drawn = np.where(finite, drawn, rng.standard_normal(drawn.shape))
        return np.clip(drawn, low, high).astype(np.float32)

    def describe(self) -> str:
        """In a few words, for messages.

        >>> ActionSpec("discrete", nvec=(2,)).describe()
        'discrete [2]'
        """
        if self.kind == "box":
            low, high = (b[0] if len(set(b)) == 1 else list(b) for b in (self.low, self.high))
            return f"box of {len(self.low)} from {low} to {high}"
        return f"{self.kind} {list(self.nvec)}"

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form; infinite bounds are written as null."""
        if self.kind != "box":
            return {"kind": self.kind, "nvec": list(self.nvec)}
        finite = lambda bounds: [float(b) if np.isfinite(b) else None for b in bounds]  # noqa: E731
        return {"kind": self.kind, "low": finite(self.low), "high": finite(self.high)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ActionSpec:
        """The inverse of `to_dict`."""
        return cls(
            kind=data["kind"],
            nvec=tuple(int(n) for n in data.get("nvec", ())),
            low=tuple(-np.inf if b is None else float(b) for b in data.get("low", ())),
            high=tuple(np.inf if b is None else float(b) for b in data.get("high", ())),
        )


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
        return {k: v for k, v in _plain(asdict(self)).items() if v not in (None, "", [], {})}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> EnvSpec:
        """The inverse of `to_dict`."""
        known = dict(data)
        for key in ("wrappers", "feature_names", "action_names"):
            known[key] = tuple(known.get(key, ()))
        return cls(**known)


@dataclass(frozen=True)
class DataCost:
    """What a run cost in data. Repeated draws of the same transition are `samples_seen`, not data."""

    env_steps: int = 0  # stepped in order to learn
    selection_env_steps: int = 0  # stepped in order to choose a checkpoint or a target return
    logged_steps: int = 0  # distinct logged transitions read
    upstream_env_steps: int | None = 0  # all the steps behind that log, the logged ones among them; None: unknown
    samples_seen: int = 0  # transitions that entered a gradient, with repeats


@dataclass
class RunRecord:
    """What is known of a run besides its curves; `record.json`."""

    env: str
    agent: str
    seed: int
    config_hash: str
    status: Literal["running", "interrupted", "failed", "finished"] = "running"
    cost: DataCost = field(default_factory=DataCost)
    times: dict[str, float] = field(default_factory=dict)  # seconds, by part; see runs.ledger
    peak_memory_bytes: int = 0
    peak_gpu_memory_bytes: int = 0
    parameters: int = 0  # numbers that gradients changed
    inference_seconds: dict[str, float] = field(default_factory=dict)  # per call of `act`, by number of environments
    flops: dict[str, float] = field(default_factory=dict)  # of "training" and of one "action"; see `flops.of_run`
    scales: dict[str, Any] = field(default_factory=dict)  # of conditioning: chosen target return, range in the log
    progress: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    hardware: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    commit: str | None = None
    command: str | None = None  # as it was typed
    error: str | None = None
    notes: list[str] = field(default_factory=list)
    schema: str = SCHEMA

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return _plain(asdict(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RunRecord:
        """The inverse of `to_dict`."""
        known = dict(data)
        known["cost"] = DataCost(**known["cost"])
        return cls(**known)


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

    @property
    def env_steps(self) -> int:
        """Environment steps that the evaluation took."""
        return int(self.lengths.sum())

    @property
    def mean(self) -> float:
        """Mean episode return."""
        return float(self.returns.mean())

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {**_plain(asdict(self)), "schema": SCHEMA}

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


class Policy(Protocol):
    """Acts in N environments side by side; N = 1 is no special case."""

    def begin(self, slots: Array, seeds: Array, target_returns: Array | None) -> None:
        """New episodes begin in these of the N slots, each with a random stream of its own."""

    def act(self, observations: Array) -> Array:
        """(N, *obs) -> (N, *act). Rows of slots without an episode are stale; their actions are ignored."""

    def observe(self, actions: Array, rewards: Array) -> None:
        """The executed actions (N, *act) and what they earned (N,)."""


@runtime_checkable
class Scorer(Protocol):
    """A policy whose preferences can be explained, whatever is behind it."""

    actions: ActionSpec
    context_length: int | None  # steps that it reads, the current one included; None: its whole episode
    reads_returns: bool
    stochastic: bool  # whether its scores are logits of a distribution that it learned, so that shares mean something
    networks: tuple[Any, ...]  # torch modules that hold all that it learned

    def scores(self, window: Window) -> Any:
        """(B, A) torch tensor, differentiable in the window's observations, returns-to-go and encoded actions.

        Categories: what the greedy action has most of, for each level, component after component (as in
        `models.actions.ActionCodec`). Reals: the greedy action itself.
        """


class RunLog(Protocol):
    """Where a learner writes while it learns."""

    directory: Path

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Points of curves at `step` of the family's own unit of data."""

    def progress(self, done: int, total: int, note: str = "") -> None:
        """How far the run is."""

    def clock(self, part: str) -> AbstractContextManager[None]:
        """Time spent inside counts for `part` (environment, evaluation, log) and not for learning."""

    def spent(self, cost: DataCost) -> None:
        """What the data has cost so far, so that a run that fails or is stopped does not count as free."""

    def on_gpu(self, name: str, peak_bytes: int) -> None:
        """The learner computes on this GPU, where its tensors have taken so many bytes at most."""

    def stop_requested(self) -> bool:
        """Whether the user asked to stop: save a checkpoint and raise `Interrupted`."""

    def rewind(self, step: int) -> None:
        """Forget the points after `step`: the run continues from a checkpoint made there."""

    def note(self, text: str) -> None:
        """A remark that belongs into the record, such as a warning."""


@dataclass(frozen=True)
class Task:
    """What a learner is asked to do."""

    env: EnvSpec | None
    dataset: Any  # data.dataset.Dataset or None
    hyperparameters: Mapping[str, Any]
    seed: int
    threads: int = 1
    device: str = "cpu"  # of sequence models: see `training.devices`
    log_trajectories: Path | None = None  # a folder for every training episode, as a dataset
    evaluate: Any = None  # callable (policy) -> a point of the curves (name -> value), or None


class Learner(Protocol):
    """Fits one agent to one task."""

    needs: frozenset[str]  # {"env"}, {"dataset"}, or both
    num_parameters: int  # that gradients changed
    scales: Mapping[str, Any]  # of a condition: the chosen target return and the log's range; empty without one

    @classmethod
    def check(cls, env: EnvSpec, hyperparameters: Mapping[str, Any]) -> None:
        """Raise InputError where a value cannot be used, or the environment's actions do not fit, before any work."""

    def fit(self, task: Task, log: RunLog) -> DataCost:
        """Learn, continuing from the checkpoint in `log.directory` if there is one."""

    def policy(self, sample: bool = False) -> Policy:
        """The learned policy; `sample` draws actions instead of taking the best."""

    def save(self, directory: Path) -> None:
        """Write what `load` needs."""

    @classmethod
    def load(cls, directory: Path, env: EnvSpec | None, hyperparameters: Mapping[str, Any]) -> Learner:
        """The inverse of `save`."""


def _plain(value: Any) -> Any:
    """numpy and tuples as JSON knows them."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    return value
