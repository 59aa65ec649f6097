"""Which arm is best, and which one stands for its family: answered here alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlformer.evaluator.judge.facts import ArmEvidence, RunFacts
from rlformer.evaluator.judge.verdict import Selected
from rlformer.runs.spec import Family

if TYPE_CHECKING:
    from rlformer.evaluator.judge.evidence import Evidence

_SELECT_FROM = 8  # seeds: with fewer nothing is selected
_SELECTION, _LARGE_SELECTION, _LARGE = 3, 5, 20  # seeds that select, and those from so many seeds on


def standing(arm: ArmEvidence) -> tuple[float, float]:
    """What the best of some arms is the largest of: its mean return, and where that ties, fewer environment steps."""
    steps = [spread.mean for spread in (arm.cost.env_steps, arm.cost.upstream_env_steps) if spread is not None]
    return arm.point, -sum(steps)


def best(arms: Iterable[ArmEvidence]) -> ArmEvidence | None:
    """The best of these arms, of those that have a mean return; of equal ones the first."""
    return max((arm for arm in arms if arm.mean_return is not None), key=standing, default=None)


def repeated(arms: Iterable[ArmEvidence]) -> list[ArmEvidence]:
    """Those with at least half as many finished runs as the arm that has most.

    An arm that some seeds left out of its family has no others: the best of it is the luck of few.
    """
    found = list(arms)
    most = max((len(arm.counted) for arm in found), default=0)
    return [arm for arm in found if 2 * len(arm.counted) >= most]


@dataclass(frozen=True)
class Candidate:
    """The arm that stands for a family in the verdict, and the seeds that it is judged on."""

    arm: ArmEvidence
    seeds: tuple[int, ...]
    selected: Selected


def candidate(evidence: Evidence, family: Family) -> ArmEvidence | None:
    """The arm that stands for a family; None where it has none."""
    found = candidate_of(evidence.trained, family)
    return None if found is None else found.arm


def candidate_of(arms: Iterable[ArmEvidence], family: Family) -> Candidate | None:
    """Of these arms, which learn, the one that stands for the family, of those with two finished runs if there are any.

    One lucky run is no candidate beside an arm that was repeated. Of several arms the one that scores highest on the
    first seeds stands for the family and is judged on its other seeds alone: the seeds that chose it are its luck.
    Below 8 seeds nothing can be kept apart, and the highest of all is named, by the seeds that judge it.
    """
    own = [arm for arm in arms if arm.role == "candidate" and arm.family == family]
    own = [arm for arm in own if len(arm.counted) > 1] or own
    of_all = best(own)
    if of_all is None:
        return None
    names = tuple(arm.label for arm in own)
    if len(own) == 1:
        return Candidate(of_all, ended(of_all), Selected(family, of_all.label, names))
    first = _selection_seeds(own)
    chosen = highest(own, first) or of_all
    judging = tuple(seed for seed in ended(chosen) if seed not in first)
    if not first or len(judging) < _SELECT_FROM - _SELECTION:
        return Candidate(of_all, ended(of_all), Selected(family, of_all.label, names, optimistic=True))
    return Candidate(chosen, judging, Selected(family, chosen.label, names, first))


def highest(arms: Sequence[ArmEvidence], seeds: Sequence[int]) -> ArmEvidence | None:
    """Of some arms the one that scores highest on these seeds; where that ties, the one of fewer steps, then the first.

    Nothing but the runs of these seeds counts, of arms with two finished ones if there are any: so the choice is the
    same before the others are made and after. None where no run of them finished.
    """
    own = [arm for arm in arms if _on(arm, seeds)]
    own = [arm for arm in own if len(_on(arm, seeds)) > 1] or own
    return max(own, key=lambda arm: (_score_on(arm, seeds, own), -_steps_on(arm, seeds)), default=None)


def selection(seeds: Sequence[int]) -> tuple[int, ...]:
    """Which of a study's seeds choose among the arms of a family; none where there are too few to keep any apart."""
    if len(seeds) < _SELECT_FROM:
        return ()
    return tuple(seeds[: _SELECTION if len(seeds) < _LARGE else _LARGE_SELECTION])


def alone(arm: ArmEvidence) -> Candidate:
    """An arm that stands for itself, such as a simple one, is judged on all its seeds: nothing was selected."""
    return Candidate(arm, ended(arm), Selected("offline", arm.label, (arm.label,)))


def seeds_for(judging: int, several: bool) -> int:
    """How many seeds a study needs for so many to judge. several: whether a family has arms to choose among."""
    if not several or judging < _SELECT_FROM - _SELECTION:
        return judging
    return judging + (_SELECTION if judging + _SELECTION < _LARGE else _LARGE_SELECTION)


def ended(arm: ArmEvidence) -> tuple[int, ...]:
    """The seeds of an arm's runs that ended, well or not, or left no directory."""
    found = {run.seed for run in arm.runs if run.counts or run.status == "failed"}
    return tuple(sorted(found | set(arm.missing)))


def _selection_seeds(arms: Sequence[ArmEvidence]) -> tuple[int, ...]:
    """The first seeds that all of these arms have."""
    shared = set.intersection(*(set(ended(arm)) for arm in arms))
    most = max(len(ended(arm)) for arm in arms)
    return tuple(sorted(shared)[: _SELECTION if most < _LARGE else _LARGE_SELECTION])


def _on(arm: ArmEvidence, seeds: Sequence[int]) -> list[RunFacts]:
    """Its runs on these seeds that count."""
    return [run for run in arm.counted if run.seed in seeds]


def _score_on(arm: ArmEvidence, seeds: Sequence[int], beside: Sequence[ArmEvidence]) -> float:
    """Mean return on these seeds; a run that failed counts with the lowest of all that stand beside it."""
    known = {run.seed: run.score for run in _on(arm, seeds)}
    lowest = min(run.score for other in beside for run in _on(other, seeds))
    return sum(known.get(seed, lowest) for seed in seeds) / len(seeds)


def _steps_on(arm: ArmEvidence, seeds: Sequence[int]) -> float:
    """Mean environment steps of its runs on these seeds, those behind its log included."""
    costs = [run.cost for run in _on(arm, seeds)]
    return sum(cost.env_steps + (cost.upstream_env_steps or 0) for cost in costs) / len(costs)
