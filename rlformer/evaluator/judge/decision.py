"""The decision: which family, by what its runs score and what they cost, and how sure that is.

Every family that was trained stands for itself with one arm. One is chosen where against each of the others it is not
worse (in how many runs work, and in what those score) and cheaper, or better and not dearer. The error that is
accepted says how firmly: .025 a claim, .10 probable, .25 a direction; seeds bound it besides. Nothing is chosen between
arms that do not work.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rlformer.core import formats
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.evaluator.judge.findings import Strength
from rlformer.evaluator.judge.outcomes import resolved
from rlformer.evaluator.judge.prices import made_here, scale_of
from rlformer.evaluator.judge.simple import Weighed, simpler
from rlformer.evaluator.judge.standing import Candidate, candidate_of
from rlformer.evaluator.judge.terms import Scale, Terms
from rlformer.evaluator.judge.verdict import Answer, Verdict
from rlformer.evaluator.judge.weighing import ERRORS, Pair, weigh
from rlformer.evaluator.judge.working import keep_the_maker, none_works, nothing_betters_random
from rlformer.runs.spec import HYBRID, OFFLINE, ONLINE, SEQUENCE, Family

BY_INTERACTION: tuple[Family, ...] = (ONLINE, HYBRID, OFFLINE, SEQUENCE)  # from the one that interacts most
_FIRMNESS: tuple[Strength, ...] = tuple(ERRORS)  # from the firmest on


def candidates(evidence: Evidence, terms: Terms) -> list[Candidate] | str:
    """Who stands for each family that may be chosen, by how much it interacts; or why there are no two."""
    allowed = [family for family in BY_INTERACTION if terms.interaction or family not in (ONLINE, HYBRID)]
    found = [one for family in allowed if (one := candidate_of(evidence, family, terms)) is not None]
    if len(found) > 1:
        return found
    families = {one.selected.family for one in found}
    if SEQUENCE not in families:
        return _no_sequence_model([arm for arm in evidence.arms if arm.role == "candidate" and arm.family == SEQUENCE])
    missing = "online agent" if terms.interaction else "offline RL"
    return f"no {missing} has finished, so there is nothing to compare the sequence model with"


def decide(evidence: Evidence, terms: Terms, resamples: int = 10_000) -> Verdict:
    """The verdict without lambda*, doubts and sweep, which follow from it: see `judging.verdict`."""
    found, asked, terms = candidates(evidence, terms), terms, resolved(evidence, terms)
    if isinstance(found, str):
        return _cannot_tell(found, terms)
    scale = scale_of(evidence, terms.good_enough)
    if scale is None:
        nearest = nothing_betters_random(evidence, terms)
        if nearest is not None:
            return Verdict("none works", None, None, None, terms, None, asked=asked, nearest=nearest)
        reason = "no card gives scores and random play was not measured, so it is unknown which difference is small"
        return _cannot_tell(reason, terms)
    arms = [one.arm for one in found]
    unknown = [run for arm in arms for run in arm.counted if not terms.settled(made_here(evidence, arm)).known(run)]
    if unknown:
        steps = any(run.cost.upstream_env_steps is None for run in unknown)
        what = "how many steps made it" if steps else "how much CPU time made it, which has a price here"
        reason = f"the log does not say {what}, so its cost is unknown (use --lambda 0 if it is free)"
        return _cannot_tell(reason, terms)
    pairs = {
        (i, j): pair
        for i, j in itertools.combinations(range(len(found)), 2)
        if (pair := weigh(evidence, found[i], found[j], terms, resamples)) is not None
    }
    if not pairs:
        return _cannot_tell("an arm with one seed does not show how other seeds would do: use --seeds 3 or more", terms)
    told = _told(evidence, found, _choose(found, pairs), terms, scale, resamples)
    return replace(told, asked=asked)


@dataclass(frozen=True)
class Choice:
    """What follows from weighing the families."""

    answer: Answer
    winner: Candidate | None
    strength: Strength | None
    error: float
    pair: Pair  # the winner, or the likeliest, against what comes nearest to it
    others: tuple[Pair, ...]  # against further families


def _choose(found: Sequence[Candidate], pairs: Mapping[tuple[int, int], Pair]) -> Choice:
    """The family that may be chosen most firmly over each of the others."""
    standing = []
    for own in range(len(found)):
        against = [(pair, key.index(own)) for key, pair in pairs.items() if own in key]
        if against:
            # The one that comes nearest first: the choice is as sure as it is over this one.
            against.sort(key=lambda one: -one[0].error(one[1]))
            standing.append((against[0][0].error(against[0][1]), own, against))
    error, own, against = min(standing, key=lambda one: one[0])
    pair, others = against[0][0], tuple(other for other, _ in against[1:])
    strengths = [one.strength(side) for one, side in against]
    firm = None if None in strengths else max((s for s in strengths if s), key=_FIRMNESS.index)
    family = found[own].selected.family
    if firm in ("claim", "probable"):
        return Choice(family, found[own], firm, error, pair, others)
    traded = _trade_off(found, pairs)
    if traded is not None and (firm is None or traded.strength != "lean"):
        return traded
    if firm == "lean":
        return Choice(family, found[own], firm, error, pair, others)
    return Choice("inconclusive", None, None, error, pair, others)


def _trade_off(found: Sequence[Candidate], pairs: Mapping[tuple[int, int], Pair]) -> Choice | None:
    """The firmest pair of which one is better and dearer, and over neither of which a third may be chosen."""
    beaten = {key[1 - side] for key, pair in pairs.items() for side in (0, 1) if pair.strength(side) is not None}
    for level in _FIRMNESS:
        for key, pair in pairs.items():
            if not beaten.isdisjoint(key):
                continue
            for side in (0, 1):
                if pair.traded(side, level):
                    rest = tuple(other for other in pairs.values() if other is not pair)
                    error = max(pair.held[side].p_better, 1 - pair.cheaper[1 - side])
                    return Choice("trade-off", found[key[side]], level, error, pair, rest)
    return None


def _told(
    evidence: Evidence, found: Sequence[Candidate], choice: Choice, terms: Terms, scale: Scale, resamples: int
) -> Verdict:
    """The choice as a verdict, unless nothing works, the log's own maker does as well, or something simpler does."""
    answer, arm, strength = choice.answer, choice.winner, choice.strength
    label, error = None if arm is None else arm.arm.label, choice.error
    here = made_here(evidence, choice.pair.b)
    target = arm or next(one for one in found if one.arm is choice.pair.arms[choice.pair.likelier()])
    nearest = none_works(evidence, terms, scale)
    beside: list[Weighed] = []
    if nearest is not None:
        answer, label, strength = "none works", None, None
    elif (nearest := keep_the_maker(evidence, terms, scale)) is not None:
        answer, label, strength = "keep what made the log", None, None
    else:
        recipe = next((one.arm.recipe for one in reversed(found) if one.arm.recipe is not None), None)
        beside = simpler(evidence, target, recipe, terms, resamples)
        wins = next((one for one in beside if one.facts.recommended), None)
        if wins is not None:
            answer, label, strength, error = "simpler", wins.facts.label, wins.strength, wins.error
    return Verdict(
        answer=answer,
        arm=label,
        strength=None if label is None or strength is None else _bounded(strength, choice.pair),
        reason=None,
        terms=terms.settled(here),
        sweep=None,
        scale=scale,
        made_here=here,
        error=None if label is None else error,
        selected=tuple(one.selected for one in found),
        pair=choice.pair.facts(),
        others=tuple(other.facts() for other in choice.others),
        nearest=nearest,
        simpler=tuple(one.facts for one in beside),
    )


def _bounded(strength: Strength, pair: Pair) -> Strength:
    """Another log might tell otherwise, and seeds do not vary it."""
    logs = [{run.data_hash for run in arm.counted} - {None} for arm in pair.arms]
    return "probable" if strength == "claim" and any(len(read) == 1 for read in logs) else strength


def _cannot_tell(reason: str, terms: Terms) -> Verdict:
    return Verdict("cannot tell", None, None, reason, terms, None)


def _no_sequence_model(arms: Sequence[ArmEvidence]) -> str:
    """Why none of the sequence models can be a candidate."""
    if not arms:
        return "no sequence model was trained"
    if any(arm.counted for arm in arms):
        return (
            "no sequence model was evaluated: without the environment, held-out loss cannot rank imitation against RL"
        )
    return f"no run of {formats.listed([arm.label for arm in arms])} finished: the failed runs are listed below"
