"""What of a log may mislead a learner, or looks as if it had been recorded wrongly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from gymnasium import spaces
from scipy.optimize import linear_sum_assignment

from rlformer.core.records import EnvSpec, Episode
from rlformer.core.spaces import Array
from rlformer.data.checks import INFERRED
from rlformer.data.dataset import Dataset
from rlformer.data.loaders.base import Native
from rlformer.data.precision import is_finer, merged_in_float32
from rlformer.data.swaps import swapped_columns

_NAMED = 5  # columns in a sentence, at most
_ROWS_AT_ONCE = 1 << 16
_FEW = 3  # episodes of one length that may be chance
_SHARE = 0.2  # of the episodes that end at the longest length, from which on it looks like a time limit
_MOST_COMPARED = 64  # columns of which another order is looked for
_SLACK = 1e-3  # of rounding at an environment's bounds

Kind = Literal[
    "one-episode",
    "equal-returns",
    "zero-rewards",
    "no-final-observations",
    "unknown-environment",
    "other-environment",
    "unknown-upstream",
    "unknown-ends",
    "time-limit-as-terminal",
    "time-limit",
    "constant-columns",
    "outside-bounds",
    "swapped-columns",
    "float32",
    "feature-names",
    "inferred-actions",
    "import",
]
# What is worth a line wherever the log is opened; the others describe it, and `data info` tells them.
_TOLD_WHEN_OPENED: tuple[Kind, ...] = (
    *(
        "other-environment",
        "unknown-ends",
        "time-limit-as-terminal",
        "time-limit",
        "constant-columns",
        "outside-bounds",
    ),
    *("swapped-columns", "float32", "feature-names", "inferred-actions", "import"),
)


@dataclass(frozen=True)
class Finding:
    """One sentence on a log. columns: of the stored observation, where it is about some."""

    kind: Kind
    text: str
    columns: tuple[int, ...] = ()

    @property
    def told_when_opened(self) -> bool:
        """Whether a command that learns from the log tells it too."""
        return self.kind in _TOLD_WHEN_OPENED

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {**asdict(self), "columns": list(self.columns)}


def find(dataset: Dataset, env: Native | None = None, played: Sequence[Episode] = ()) -> tuple[Finding, ...]:
    """What is to be said of this view of a log.

    env: where it is from, or is to be used, as far as that is known; played: episodes of uniform actions there.
    """
    columns = _columns(dataset, env, swapped_columns(dataset, played))
    return (*elsewhere(dataset, env), *_plain(dataset), *_endings(dataset, env), *columns, *_imported(dataset))


def elsewhere(dataset: Dataset, env: Native | EnvSpec | None) -> Iterator[Finding]:
    """That a log was made in another environment: its spaces may fit all the same."""
    info = dataset.info
    if env is None or info.env is None or info.env == env.name:
        return
    made, used = (
        str(definition.get("id", name)).rpartition(":")[2]
        for name, definition in ((info.env, info.env_definition), (env.name, env.definition))
    )
    if made != used:
        text = f"it was made in '{info.env}', and is used for '{env.name}', which may move or pay otherwise"
        yield Finding("other-environment", text)


def _plain(dataset: Dataset) -> Iterator[Finding]:
    returns, info = dataset.returns, dataset.info
    rows = dataset.episodes[dataset.index]
    unended = int((~rows["terminated"] & ~rows["truncated"]).sum())
    if len(dataset) == 1:
        yield Finding("one-episode", "there is only one episode, so none can be held out from training")
    if len(dataset) > 1 and returns.min() == returns.max():
        yield Finding("equal-returns", "all returns are equal, so conditioning on a return teaches nothing")
    if not dataset.rewarded_steps.any():
        yield Finding("zero-rewards", "all rewards are zero")
    if not info.final_observations:
        yield Finding(
            "no-final-observations", "last observations were not recorded: each one repeats the previous observation"
        )
    if unended:
        guess = "; with --env ENV, those at its time limit count as truncated" if "import" in info.provenance else ""
        advice = guess if info.env is None and "not recorded" in str(info.provenance.get("endings")) else ""
        yield Finding("unknown-ends", f"{unended:,} episodes neither terminate nor are truncated{advice}")
    if info.env is None:
        yield Finding("unknown-environment", "the environment is not recorded")
    if dataset.upstream_env_steps is None:
        yield Finding("unknown-upstream", "it is unknown how many environment steps the log took to make")


def _endings(dataset: Dataset, env: Native | None) -> Iterator[Finding]:
    """Time limits: recorded as terminations, or other than the environment's."""
    rows, lengths = dataset.episodes[dataset.index], dataset.lengths
    recorded = dataset.info.provenance.get("time_limit")  # of an environment that cannot be made here
    longest, limit = int(lengths.max()), recorded if env is None else env.time_limit
    name = dataset.info.env if env is None else env.name
    at_longest = rows["terminated"] & ~rows["truncated"] & (lengths == longest)
    count = int(at_longest.sum())
    endless = env is not None and limit is None  # the environment ends episodes itself, however regularly
    if count >= max(_FEW, _SHARE * len(dataset)) and longest > 1 and not endless:
        who = "all episodes" if count == len(dataset) else f"{count:,} of {len(dataset):,} episodes"
        yield Finding(
            "time-limit-as-terminal",
            f"{who} end after exactly {longest:,} steps and are marked as terminated: "
            "a time limit should be recorded as truncated",
        )
    if not isinstance(limit, int):
        return
    if longest > limit:
        beyond = int((lengths > limit).sum())
        yield Finding(
            "time-limit",
            f"{beyond:,} episodes last up to {longest:,} steps, but '{name}' ends them after {limit:,}",
        )
        return
    cut = lengths[rows["truncated"] & ~rows["terminated"]]
    if len(cut) >= _FEW:
        common = np.bincount(cut).argmax()
        if common != limit and (cut == common).mean() >= 0.5:
            yield Finding(
                "time-limit",
                f"episodes are cut after {common:,} steps, but the time limit of '{name}' is {limit:,}",
            )


def _columns(dataset: Dataset, env: Native | None, moving: tuple[int, ...] | None) -> Iterator[Finding]:
    """Constant columns, those outside of the environment's bounds or in another order, and what float32 merges.

    moving: the order in which the log moves as the environment does, where that is another.
    """
    spec = dataset.info.spaces.observation
    if env is not None and env.feature_names and len(env.feature_names) != spec.size:
        yield Finding(
            "feature-names",
            f"the card of '{env.name}' names {len(env.feature_names)} features, but observations have {spec.size}",
        )
    if len(dataset.info.observation_shape) != 1:
        return
    low, high = _ranges(dataset)
    measured = np.zeros(spec.size, bool)  # reals: categories and bytes may well stay the same
    for part, place in zip(spec.parts, spec.slices.values(), strict=True):
        measured[place] = part.kind == "vector" and np.dtype(part.dtype).kind == "f"
    if dataset.num_steps > 1 and (constant := np.flatnonzero(measured & (low == high))).size:
        yield Finding(
            "constant-columns", f"{_name(dataset, constant)} never change{'s' * (len(constant) == 1)}", _ints(constant)
        )
    if env is not None and moving is not None:
        order = ", ".join(map(str, moving))
        yield Finding(
            "swapped-columns",
            f"columns of the observation look swapped: in the order {order} the log moves as '{env.name}' does; "
            f"{_reordered(dataset, moving)} reads it so",
            tuple(i for i, column in enumerate(moving) if i != column),
        )
    elif env is not None and env.spaces.observation.size == spec.size:
        yield from _bounds(dataset, env, low, high)
    if is_finer(dataset.observations.dtype):
        merged = merged_in_float32(np.asarray(dataset.observations[_rows(dataset)[:_ROWS_AT_ONCE]]))
        if merged:
            yield Finding(
                "float32",
                f"{_name(dataset, merged)}: values that differ become equal in float32, in which models compute; "
                "subtract an offset before, as of timestamps",
                tuple(merged),
            )


def _reordered(dataset: Dataset, order: tuple[int, ...]) -> str:
    """How a person reads a log's columns in this order: by names where each has one, else in Python."""
    columns = dataset.info.provenance.get("columns")
    names = columns.get("observations", ()) if isinstance(columns, Mapping) else ()
    if len(names) == len(order):
        return f"--map observations={','.join(str(names[i]) for i in order)}"
    return f"rlformer.dataset(observations=rows[:, {list(order)}], ...) in Python"


def _bounds(dataset: Dataset, env: Native, low: Array, high: Array) -> Iterator[Finding]:
    flat = spaces.flatten_space(env.observation_space)
    if not isinstance(flat, spaces.Box):
        return
    least, most = flat.low.ravel().astype(np.float64), flat.high.ravel().astype(np.float64)
    slack = _SLACK * np.maximum(1.0, np.where(np.isfinite(most - least), most - least, 1.0))
    fits = (low[:, None] >= (least - slack)) & (high[:, None] <= (most + slack))  # (column, place)
    outside = np.flatnonzero(~np.diag(fits))
    if not outside.size:
        return
    if len(low) <= _MOST_COMPARED:
        columns, places = linear_sum_assignment(~fits + 1e-3 * ~np.eye(len(low), dtype=bool))
        if fits[columns, places].all():
            moved = [(int(c), int(p)) for c, p in zip(columns, places, strict=True) if c != p]
            order = ", ".join(f"{c} at {p}" for c, p in moved[:_NAMED])
            yield Finding(
                "swapped-columns",
                f"observations fit the bounds of '{env.name}' only in another order, such as column {order}: "
                "are columns swapped?",
                tuple(c for c, _ in moved),
            )
            return
    i = outside[0]
    yield Finding(
        "outside-bounds",
        f"{_name(dataset, outside)} lie{'s' * (len(outside) == 1)} outside of the bounds of '{env.name}': "
        f"observation[{i}] goes from {low[i]:.4g} to {high[i]:.4g}, allowed is {least[i]:.4g} to {most[i]:.4g}",
        _ints(outside),
    )


def _imported(dataset: Dataset) -> Iterator[Finding]:
    provenance = dataset.info.provenance
    if provenance.get("action_space") == INFERRED:
        actions = dataset.info.actions.describe()
        yield Finding(
            "inferred-actions",
            f"the action space is inferred from the log: {actions}; --env ENV gives the environment's own",
        )
    for note in provenance.get("notes", ()):
        yield Finding("import", str(note))


def _ranges(dataset: Dataset) -> tuple[Array, Array]:
    """(n,) least and largest number of each column, over the steps and the last observations of the view."""
    width = dataset.observations.shape[1]
    low, high = np.full(width, np.inf), np.full(width, -np.inf)
    rows = _rows(dataset)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        block = dataset.observations[rows[start : start + _ROWS_AT_ONCE]]
        low, high = np.minimum(low, block.min(axis=0)), np.maximum(high, block.max(axis=0))
    return low, high


def _rows(dataset: Dataset) -> Array:
    """Where in `observations` those of the view stand, last ones included: (num_steps + n,)."""
    counts = dataset.lengths + 1
    before = np.cumsum(counts) - counts
    return np.arange(int(counts.sum())) + np.repeat(dataset.observation_starts - before, counts)


def _name(dataset: Dataset, columns: Array | list[int]) -> str:
    """Columns by the names of their parts, or by number."""
    slices = dataset.info.spaces.observation.slices
    names = []
    for i in list(columns)[:_NAMED]:
        part, place = next((part, place) for part, place in slices.items() if place.start <= i < place.stop)
        names.append(part if place.stop - place.start == 1 and len(slices) > 1 else f"{part}[{i - place.start}]")
    more = f" and {len(columns) - _NAMED} more" if len(columns) > _NAMED else ""
    return ", ".join(names) + more


def _ints(columns: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in columns)
