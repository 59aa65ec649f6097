"""What a test of claims would take, before it runs: from what was measured already, or figures of earlier runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import MappingProxyType

from rlformer.core import formats
from rlformer.studies.claims.base import Cell, Claim, Measured, read
from rlformer.studies.claims.taken import Known

_RATIO = (0.2, 5.0)  # between which this machine is taken to be faster or slower than the figures say


@dataclass(frozen=True)
class ForeseenClaim:
    """The measurements of a claim that no claim before it needs too."""

    claim: str
    cells: int
    measured: int  # of cells x seeds, already
    left: int
    seconds: float  # of those that are left, of CPU


@dataclass(frozen=True)
class Forecast:
    """What a test of claims would take."""

    profile: str
    seeds: int
    jobs: int
    claims: tuple[ForeseenClaim, ...]
    cpu_seconds: float  # of all that is left
    wall_seconds: float  # about: what takes time runs alone

    @property
    def left(self) -> int:
        """Measurements that are left."""
        return sum(row.left for row in self.claims)

    @property
    def measured(self) -> int:
        """Measurements that lie there already."""
        return sum(row.measured for row in self.claims)

    def line(self) -> str:
        """All of it in a sentence."""
        cells, seeds = sum(row.cells for row in self.claims), formats.plural(self.seeds, "seed")
        done = f", {self.measured} of them done" if self.measured else ""
        what = f"{formats.plural(cells, 'measurement')} on {seeds}{done}"
        if not self.left:
            return f"{what}: nothing is left to measure"
        at_once = f", {formats.seconds(self.wall_seconds)} with {self.jobs} in parallel" if self.jobs > 1 else ""
        return f"{what}: about {formats.seconds(self.cpu_seconds)} on one core{at_once}"


def foresee(
    asked: Sequence[Claim],
    profile: str,
    seeds: int,
    root: Path,
    jobs: int = 1,
    known: Known = MappingProxyType({}),
) -> Forecast:
    """What measuring these claims would take. Nothing is trained and nothing is written.

    A cell that another seed has measured takes as long again; of the others the figures in `cells` say how long they
    take, corrected by how much longer than that the measured ones took. known: measurements of an earlier report.
    Raises InputError where a file is damaged.
    """
    quick, every = profile == "quick", dict[Cell, list[Measured | None]]()
    rows = list[tuple[str, list[Cell]]]()
    for claim in asked:
        own = [cell for cell in claim.cells(quick) if cell not in every]
        every |= {cell: [read(cell, seed, root) or known.get((cell, seed)) for seed in range(seeds)] for cell in own}
        rows.append((claim.name, own))
    each = _seconds(every)
    left = {cell: sum(one is None for one in found) for cell, found in every.items()}
    claims = tuple(
        ForeseenClaim(
            name,
            len(own),
            seeds * len(own) - sum(left[cell] for cell in own),
            sum(left[cell] for cell in own),
            sum(left[cell] * each[cell] for cell in own),
        )
        for name, own in rows
    )
    alone = sum(left[cell] * each[cell] for cell in every if cell.alone)
    total = sum(row.seconds for row in claims)
    return Forecast(profile, seeds, jobs, claims, total, (total - alone) / jobs + alone)


def _seconds(every: Mapping[Cell, Sequence[Measured | None]]) -> dict[Cell, float]:
    """Of one measurement of each cell."""
    took = {cell: [one.seconds for one in found if one is not None] for cell, found in every.items()}
    ratios = [median(seconds) / cell.foreseen for cell, seconds in took.items() if seconds]
    ratio = min(max(median(ratios), _RATIO[0]), _RATIO[1]) if ratios else 1.0
    return {cell: median(seconds) if seconds else ratio * cell.foreseen for cell, seconds in took.items()}
