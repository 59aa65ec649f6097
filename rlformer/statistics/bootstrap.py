"""The bootstrap over runs: independent, paired, stratified by task, in two levels where runs share a log."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from rlformer.statistics.aggregates import mean, probability_of_improvement
from rlformer.statistics.inputs import Array, Scores, Statistic, as_floats, as_tasks
from rlformer.statistics.intervals import Resampled

Indices: TypeAlias = npt.NDArray[np.intp]
Sources: TypeAlias = Sequence[npt.ArrayLike | None]

RESAMPLES = 10_000
_CHUNK = 2**20  # numbers held at once, whatever the number of resamples


def bootstrap(
    statistic: Statistic,
    *samples: npt.ArrayLike,
    rng: np.random.Generator,
    paired: bool = False,
    sources: Sources | None = None,
    resamples: int = RESAMPLES,
) -> Resampled:
    """Distribution of a statistic when the runs are drawn again with replacement.

    samples: one array (runs, ...) per sample, one row per run; infinities allowed. They are drawn
    independently, or, with `paired`, together: row i of each then belongs to the same seed.
    statistic: gets each resampled sample as (resamples, runs, ...) and returns (resamples, ...), for instance
    `lambda x, y: x.mean(-1) - y.mean(-1)`. Called once more with a single row, the data, for the point.
    sources: for runs that share a source and so are correlated, such as learner seeds on one log: one entry
    per sample (a single entry if paired), None or one label per run. The bootstrap then has two levels:
    sources are drawn, and each brings all its runs: the inner level is drawn without replacement, since runs
    within a source vary in the data already, and drawing them again would count that twice. With a single
    source its runs are drawn, and the interval is conditional on it.
    The result is in the unit of the statistic; the same Generator state gives the same bits.
    ValueError: empty or NaN samples, unpaired lengths, labels that do not match, no sample with two runs
    (nothing is known of the variance then), fewer than one resample, or a statistic that does not keep the
    first axis.
    Sources: Efron & Tibshirani 1993; two levels: Davison & Hinkley 1997, section 3.8, strategy 2.
    """
    arrays = [as_floats(f"sample {i}", sample, infinite=True) for i, sample in enumerate(samples)]
    if any(array.ndim == 0 for array in arrays):
        raise ValueError("samples: expected arrays of shape (runs, ...)")
    strata = [[array] for array in arrays]
    labels = None if sources is None else [None if s is None else [s] for s in sources]
    return _bootstrap(lambda *sets: statistic(*(s[0] for s in sets)), strata, labels, rng, paired, resamples)


def stratified_bootstrap(
    statistic: Statistic,
    *scores: Scores,
    rng: np.random.Generator,
    paired: bool = False,
    sources: Sources | None = None,
    resamples: int = RESAMPLES,
) -> Resampled:
    """As `bootstrap`, drawing runs within each task, for one or more sets of scores over tasks.

    scores: (runs, tasks), (runs,), or a list of one (runs,) array per task, each run already reduced to one
    scalar.
    statistic: gets each set as a list of one (resamples, runs) array per task, as the functions in
    `aggregates` do: `stratified_bootstrap(mean, z, rng=rng)`,
    `stratified_bootstrap(probability_of_improvement, x, y, rng=rng)`.
    paired: the sets have the same runs on the same tasks and are drawn with the same indices.
    sources: one entry per set (a single entry if paired): None, or labels in the form of that set, (runs,
    tasks) or a list of (runs,) per task, or (runs,) for labels common to all tasks.
    ValueError: as `bootstrap`. Source: Agarwal et al. 2021.
    """
    strata = [as_tasks(f"scores {i}", s) for i, s in enumerate(scores)]
    if any(task.ndim != 1 for tasks in strata for task in tasks):
        raise ValueError("scores: expected one (runs,) array per task")
    labels = None if sources is None else [None if s is None else _labels(s) for s in sources]
    return _bootstrap(statistic, strata, labels, rng, paired, resamples)


def bootstrap_difference(
    x: Scores,
    y: Scores,
    rng: np.random.Generator,
    *,
    statistic: Statistic | None = None,
    paired: bool = False,
    sources: Sources | None = None,
    resamples: int = RESAMPLES,
) -> Resampled:
    """statistic(x) - statistic(y), by default of the mean, with its bootstrap distribution.

    x, y, paired, sources, errors: as `stratified_bootstrap`. In the unit of the scores.
    Source: Efron & Tibshirani 1993, chapters 8 and 16.
    """
    of = statistic or mean
    return stratified_bootstrap(
        lambda a, b: of(a) - of(b), x, y, rng=rng, paired=paired, sources=sources, resamples=resamples
    )


def crossed_bootstrap(
    scores: npt.ArrayLike,
    rng: np.random.Generator,
    *,
    sources: npt.ArrayLike | None = None,
    resamples: int = RESAMPLES,
) -> Resampled:
    """Distribution of the mean where every run played the same episodes: both runs and episodes are drawn again.

    scores: (runs, episodes), each entry of one run on one episode. Two episodes of one run are correlated, and so are
    two runs on one episode: the mean has the variance s_run^2 / R + s_episode^2 / E + s_rest^2 / (R E). Runs are drawn
    as in `bootstrap`, by their means, which holds the first and the last term. What is added is the mean of E drawn
    effects of episodes, the means over runs, shrunk to the variance of the effects alone: drawing both levels as they
    are would count the rest three times (Owen 2007). The sum stays between the least and the greatest score.
    sources: as in `bootstrap`, one label a run. ValueError: fewer than two runs or episodes, NaN or infinite.
    Sources: two-way clustered variance, Cameron, Gelbach & Miller 2011; effects by analysis of variance, Searle 1971.
    """
    table = as_floats("scores", scores)
    if table.ndim != 2 or min(table.shape) < 2:
        raise ValueError(f"scores: two runs and two episodes at least expected, (runs, episodes), got {table.shape}")
    runs, episodes = table.shape
    means, effects = table.mean(axis=1), table.mean(axis=0) - table.mean()
    drawn = bootstrap(_row_mean, means, rng=rng, sources=None if sources is None else [sources], resamples=resamples)
    rest = ((table - means[:, None] - effects) ** 2).sum() / ((runs - 1) * (episodes - 1))
    seen = effects.var(ddof=1)
    if seen == 0 or (share := 1 - rest / (runs * seen)) <= 0:  # nothing but the rest, which the runs hold
        return drawn
    shrunk, distribution = np.sqrt(share) * effects, drawn.distribution
    chunk = max(1, _CHUNK // episodes)
    for start in range(0, resamples, chunk):
        part = distribution[start : start + chunk]
        part += shrunk[rng.integers(episodes, size=(len(part), episodes))].mean(axis=1)
    return Resampled(drawn.point, distribution.clip(table.min(), table.max()))


def _row_mean(rows: Array) -> Array:
    return np.asarray(rows.mean(axis=-1))


def bootstrap_improvement(x: Scores, y: Scores, rng: np.random.Generator, *, resamples: int = RESAMPLES) -> Resampled:
    """`stratified_bootstrap(probability_of_improvement, x, y)`: the same draws, many times faster.

    Runs are compared once; a resample only says how often each of them was drawn. x, y, errors: as there.
    Source: Agarwal et al. 2021.
    """
    tasks = [as_tasks(name, scores) for name, scores in (("x", x), ("y", y))]
    probability_of_improvement(*tasks)  # its errors
    wins = [((a[:, None] > b) + 0.5 * (a[:, None] == b)) / (len(a) * len(b)) for a, b in zip(*tasks, strict=True)]

    def share(a: list[Array], b: list[Array]) -> Array:
        each = [((_counts(i) @ table) * _counts(j)).sum(axis=-1) for i, j, table in zip(a, b, wins, strict=True)]
        return np.mean(each, axis=0)

    runs = [[np.arange(len(task), dtype=np.float64) for task in of] for of in tasks]
    return stratified_bootstrap(share, *runs, rng=rng, resamples=resamples)


def _counts(drawn: Array) -> Array:
    """(resamples, runs) of drawn runs' numbers -> how often each of the runs was drawn, in the same shape."""
    rows, runs = drawn.shape
    flat = drawn.astype(np.intp) + runs * np.arange(rows)[:, None]
    return np.bincount(flat.ravel(), minlength=rows * runs).reshape(rows, runs).astype(np.float64)


def _bootstrap(
    statistic: Statistic,
    sets: list[list[Array]],  # per set, per stratum: (runs, ...)
    labels: list[list[npt.ArrayLike] | None] | None,
    rng: np.random.Generator,
    paired: bool,
    resamples: int,
) -> Resampled:
    if not sets or resamples < 1:
        raise ValueError("bootstrap: expected at least one sample and one resample")
    if all(len(stratum) < 2 for strata in sets for stratum in strata):
        raise ValueError("bootstrap: one run alone has no interval; give at least two runs")
    lengths = [[len(stratum) for stratum in strata] for strata in sets]
    if paired and any(other != lengths[0] for other in lengths):
        raise ValueError(f"bootstrap: paired samples need the same numbers of runs, got {lengths}")
    drawn = lengths[:1] if paired else lengths
    members = _members(drawn, labels)
    point = np.asarray(statistic(*([stratum[None] for stratum in strata] for strata in sets)))
    if point.shape[:1] != (1,):
        raise ValueError("statistic: must keep the first axis: (resamples, runs, ...) -> (resamples, ...)")
    distribution = np.empty((resamples, *point.shape[1:]))
    chunk = max(1, _CHUNK // sum(stratum.size for strata in sets for stratum in strata))
    for start in range(0, resamples, chunk):
        stop = min(start + chunk, resamples)
        draws = [_draw(rng, stop - start, m) for m in members]
        for rows, indices in _rectangles(draws):
            parts = iter(indices)
            split = [[next(parts) for _ in strata] for strata in drawn]
            if paired:
                split *= len(sets)
            resampled = [
                [stratum[index] for stratum, index in zip(strata, own, strict=True)]
                for strata, own in zip(sets, split, strict=True)
            ]
            distribution[start + rows] = statistic(*resampled)
    return Resampled(point[0], distribution)


def _labels(labels: npt.ArrayLike) -> list[npt.ArrayLike]:
    """Labels of one set as one array per task; a single vector is shared by all tasks."""
    if isinstance(labels, Sequence) and any(isinstance(task, np.ndarray) for task in labels):
        return list(labels)
    array = np.asarray(labels)
    return list(array.T) if array.ndim == 2 else [array]


def _members(lengths: list[list[int]], labels: list[list[npt.ArrayLike] | None] | None) -> list[list[Indices]]:
    """For every stratum, which rows belong to each source. Independent runs are one source: all rows."""
    if labels is None:
        labels = [None] * len(lengths)
    if len(labels) != len(lengths):
        raise ValueError(f"sources: expected {len(lengths)} entries (paired samples share one), got {len(labels)}")
    members: list[list[Indices]] = []
    for strata, given in zip(lengths, labels, strict=True):
        if given is None:
            members += [[np.arange(n)] for n in strata]
            continue
        shared = given * len(strata) if len(given) == 1 else given
        if [np.shape(task) for task in shared] != [(n,) for n in strata]:
            raise ValueError(f"sources: expected one label per run, numbers of runs {strata}")
        for task in shared:
            _, source = np.unique(np.asarray(task), return_inverse=True)
            members.append([np.flatnonzero(source == s) for s in range(source.max() + 1)])
    return members


def _draw(rng: np.random.Generator, rows: int, members: list[Indices]) -> tuple[Indices, npt.NDArray[np.bool_]]:
    """Drawn run indices (rows, m) and which of them count: drawn sources of unequal size leave padding."""
    if len(members) == 1:
        n = len(members[0])
        index = rng.integers(n, size=(rows, n))
        return index, np.ones_like(index, dtype=bool)
    sizes = np.array([len(m) for m in members])
    table = np.zeros((len(members), sizes.max()), dtype=np.intp)
    for row, m in zip(table, members, strict=True):
        row[: len(m)] = m
    chosen = rng.integers(len(members), size=(rows, len(members)))[..., None]  # (rows, sources, 1)
    within = np.broadcast_to(np.arange(sizes.max()), (rows, len(members), sizes.max()))
    counted = within < sizes[chosen]
    return table[chosen, within].reshape(rows, -1), counted.reshape(rows, -1)


def _rectangles(
    draws: list[tuple[Indices, npt.NDArray[np.bool_]]],
) -> Iterator[tuple[Indices, list[Indices]]]:
    """Group resamples by how many runs they drew, so that each group is a full rectangle without padding."""
    counts = np.stack([counted.sum(axis=1) for _, counted in draws], axis=1)  # (rows, strata)
    _, group = np.unique(counts, axis=0, return_inverse=True)
    for g in range(int(group.max()) + 1):
        rows = np.flatnonzero(group.reshape(-1) == g)
        yield rows, [index[rows][counted[rows]].reshape(len(rows), -1) for index, counted in draws]
