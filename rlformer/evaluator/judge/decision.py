"""The decision: online RL or a sequence model, by what they score and what they cost, with its uncertainty.

A family is chosen where its score is not worse by more than the margin (95 % bound of the paired bootstrap) and its
cost is lower with probability .95; a failure is paid as in the expected running time of Hansen et al. 2021. Ten seeds
make it probable, twenty a claim; fewer only lean. Where neither is chosen it is a trade-off, or inconclusive.
"""

from __future__ import annotations

from dataclasses import dataclass

from rlformer.core import formats
from rlformer.evaluator.judge.comparisons import strength
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.facts import ArmEvidence
from rlformer.evaluator.judge.findings import Strength
from rlformer.evaluator.judge.prices import made_here, scale_of
from rlformer.evaluator.judge.simple import simpler
from rlformer.evaluator.judge.standing import best, candidate
from rlformer.evaluator.judge.terms import Scale, Terms
from rlformer.evaluator.judge.verdict import Answer, Verdict
from rlformer.evaluator.judge.weighing import Pair, weigh
from rlformer.runs.spec import FAMILIES, HYBRID, OFFLINE, ONLINE, SEQUENCE


@dataclass(frozen=True)
class Candidates:
    """The two arms to choose between."""

    rl: ArmEvidence  # the best that learns by interaction; where there is none, the best offline RL
    model: ArmEvidence  # the best sequence model


def candidates(evidence: Evidence, terms: Terms) -> Candidates | str:
    """The two arms to choose between, or why there are no two."""
    model = candidate(evidence, SEQUENCE)
    interacting = [candidate(evidence, family) for family in (ONLINE, HYBRID) if terms.interaction]
    rl = best(arm for arm in interacting if arm is not None) or candidate(evidence, OFFLINE)
    if model is None:
        return _no_sequence_model([arm for arm in evidence.arms if _is_model(arm)])
    if rl is None:
        missing = "online agent" if terms.interaction else "offline RL"
        return f"no {missing} has finished, so there is nothing to hold the sequence model against"
    return Candidates(rl, model)


def decide(evidence: Evidence, terms: Terms, resamples: int = 10_000) -> Verdict:
    """The verdict without lambda*, doubts and sweep, which follow from it: see `judging.verdict`."""
    found, scale = candidates(evidence, terms), scale_of(evidence)
    if isinstance(found, str):
        return _cannot_tell(found, terms)
    if scale is None:
        return _cannot_tell(
            "no card gives scores, and random play was not measured: nothing says what a small difference is", terms
        )
    arms = (found.rl, found.model)
    if not all(terms.settled(made_here(evidence, arm)).known(run) for arm in arms for run in arm.counted):
        reason = "the log does not say how many steps made it, so that nobody knows its cost (lambda 0: it existed)"
        return _cannot_tell(reason, terms)
    pair = weigh(evidence, *arms, terms, scale, resamples)
    if pair is None:
        return _cannot_tell("one seed of an arm says nothing about the next: give it --seeds 3 or more", terms)
    return _weighed(evidence, pair, terms, scale, resamples)


def _weighed(evidence: Evidence, pair: Pair, terms: Terms, scale: Scale, resamples: int) -> Verdict:
    answer, arm, certain = _answer(pair)
    others = simpler(evidence, pair, arm, scale, resamples)
    wins = next((other for other in others if other.recommended), None)
    label, seeds = None if arm is None else arm.label, pair.seeds
    if wins is not None:
        answer, label, certain, seeds = "simpler", wins.label, True, min(seeds, wins.seeds)
    here = made_here(evidence, pair.b)
    return Verdict(
        answer=answer,
        arm=label,
        strength=None if label is None else _strength(seeds, certain, pair.b),
        reason=None,
        terms=terms.settled(here),
        sweep=None,
        asked=terms,  # what is None there follows from the log
        scale=scale,
        made_here=here,
        pair=pair.facts(),
        simpler=tuple(others),
    )


def _answer(pair: Pair) -> tuple[Answer, ArmEvidence | None, bool]:
    """The answer between two arms, the arm that it names, and whether it is more than leaning."""
    side, sure = pair.chosen()
    traded = pair.traded() if side is None or not sure else None
    if traded is not None:
        return "trade-off", pair.arms[traded], True
    if side is None:
        return "inconclusive", None, False
    arm = pair.arms[side]
    return next(family for family in FAMILIES if family == arm.family), arm, sure


def _strength(seeds: int, certain: bool, model: ArmEvidence) -> Strength:
    said = strength(seeds) if certain else "lean"
    one_log = len({run.data_hash for run in model.counted}) == 1
    return "probable" if said == "claim" and one_log else said  # another log might tell otherwise; seeds do not vary it


def _cannot_tell(reason: str, terms: Terms) -> Verdict:
    return Verdict("cannot tell", None, None, reason, terms, None)


def _is_model(arm: ArmEvidence) -> bool:
    return arm.role == "candidate" and arm.family == SEQUENCE


def _no_sequence_model(arms: list[ArmEvidence]) -> str:
    """Why none of the sequence models can be a candidate."""
    if not arms:
        return "no sequence model was trained"
    if any(arm.counted for arm in arms):
        return (
            "no sequence model was evaluated: without the environment, held-out loss cannot rank imitation against RL"
        )
    return f"no run of {formats.listed([arm.label for arm in arms])} finished: the failed runs are told below"
