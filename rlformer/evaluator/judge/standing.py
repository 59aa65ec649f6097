"""Which arm is best, and which one stands for its family: answered here alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.evaluator.judge.outcomes import Outcome, bar_of, outcomes, resolved
from rlformer.evaluator.judge.terms import Terms
from rlformer.evaluator.judge.verdict import Selected
from rlformer.runs.spec import Family

_SELECT_FROM = 8  # seeds: with fewer nothing is selected
_SELECTION, _LARGE_SELECTION, _LARGE = 3, 5, 20  # seeds that select, and those from so many seeds on


def standing(arm: ArmEvidence) -> tuple[float, float]:
    """What the best of some arms is the largest of: its score, and where that ties, fewer environment steps."""
    steps = [spread.mean for spread in (arm.cost.env_steps, arm.cost.upstream_env_steps) if spread is not None]
    return (arm.point if arm.score is None else arm.score.point), -sum(steps)


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


def candidate(evidence: Evidence, family: Family, terms: Terms) -> ArmEvidence | None:
    """The arm that stands for a family; None where it has none."""
    found = candidate_of(evidence, family, terms)
    return None if found is None else found.arm


def candidate_of(evidence: Evidence, family: Family, terms: Terms) -> Candidate | None:
    """The arm that stands for a family, of those with two finished runs if there are any; None where it has none.

    One lucky run is no candidate beside an arm that was repeated. Of several arms the one that scores highest on the
    first seeds stands for the family and is judged on its other seeds alone: the seeds that chose it are its luck. Who
    has no other seeds was not sent on by the study, and is passed over. Below 8 seeds nothing can be kept apart, and
    the highest of all is named, by the seeds that judge it.
    """
    own = [arm for arm in evidence.trained if arm.role == "candidate" and arm.family == family]
    own = [arm for arm in own if len(arm.counted) > 1] or own
    if not own:
        return None
    names = tuple(arm.label for arm in own)
    if len(own) == 1:
        return Candidate(own[0], ended(own[0]), Selected(family, own[0].label, names))
    first = _selection_seeds(own)
    ranked = by_score(evidence, own, first, terms) if first else []
    chosen = next((arm for arm in ranked if _others(arm, first)), None)
    if chosen is None or len(_others(chosen, first)) < _SELECT_FROM - _SELECTION:
        alike = repeated(own)
        every = sorted({seed for arm in alike for seed in ended(arm)})
        top = by_score(evidence, alike, every, terms)[0]
        return Candidate(top, ended(top), Selected(family, top.label, names, optimistic=True))
    return Candidate(chosen, _others(chosen, first), Selected(family, chosen.label, names, first))


def by_score(evidence: Evidence, arms: Sequence[ArmEvidence], seeds: Sequence[int], terms: Terms) -> list[ArmEvidence]:
    """Some arms from the one that scores highest on these seeds on; where that ties, the one of fewer steps first.

    The score of a run is what the verdict counts: that of the policy that one would deploy, see `outcomes`, so that the
    length of a training does not choose. Nothing but the runs of these seeds counts, of arms with two finished ones if
    there are any: so the choice is the same before the others are made and after. Empty where no run of them finished.
    """
    terms = resolved(evidence, terms)
    bar = bar_of(evidence, terms)
    on = [(arm, [one for one in outcomes(evidence, arm, bar, terms) if one.seed in seeds]) for arm in arms]
    for least in (2, 1):
        if known := [(arm, found) for arm, found in on if sum(one.score is not None for one in found) >= least]:
            break
    every = [_value(one) for _, found in known for one in found if one.score is not None]
    # What broke off scores as random play; where nobody knows that, with the lowest of all that stand beside it.
    lowest = min(every, default=0.0) if bar.scale is None else 0.0

    def rank(found: Sequence[Outcome]) -> tuple[float, float]:
        ended_well = [one for one in found if one.score is not None]
        values = {one.seed: _value(one) for one in ended_well}
        steps = [one.spent.env_steps + (one.spent.upstream_env_steps or 0.0) for one in ended_well]
        return sum(values.get(seed, lowest) for seed in seeds) / len(seeds), -sum(steps) / len(steps)

    return [arm for arm, _ in sorted(known, key=lambda one: rank(one[1]), reverse=True)]


def _value(one: Outcome) -> float:
    """z of a run that did not break off, or its return where nothing says what z is."""
    return one.z if one.z is not None else one.score or 0.0


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


def _others(arm: ArmEvidence, seeds: Sequence[int]) -> tuple[int, ...]:
    """Its seeds that ended, without these."""
    return tuple(seed for seed in ended(arm) if seed not in seeds)


def _selection_seeds(arms: Sequence[ArmEvidence]) -> tuple[int, ...]:
    """The first seeds that all of these arms have; all of them where some arms were sent on to others."""
    begun = [{run.seed for run in arm.runs}.union(arm.missing) for arm in arms]
    shared, most = sorted(set.intersection(*begun)), max(map(len, begun))
    if len(shared) < most and len(shared) <= _LARGE_SELECTION:
        return tuple(shared)
    return tuple(shared[: _SELECTION if most < _LARGE else _LARGE_SELECTION])
