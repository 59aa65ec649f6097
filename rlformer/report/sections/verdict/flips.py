"""What would change the answer, in sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from rlformer.core import formats
from rlformer.evaluator.judge.verdict import Answer, Flip, Verdict
from rlformer.report.words.families import FAMILY_WORDS

_CONDITIONS: Mapping[str, Callable[[str], str]] = {
    "share": lambda values: f"this task paid a share of {values} of the cost of making the log (lambda {values})",
    "threshold": lambda values: f"a score of {values} were good enough",
    "env_step": lambda values: f"an environment step cost {values}",
    "logged_step": lambda values: f"a logged step cost {values}",
    "cpu_second": lambda values: f"a CPU second cost {values}",
    "budget": lambda values: (
        f"each run had {values} steps to be good enough, and a run that fails were charged all of them"
    ),
    "evaluation_step": lambda values: f"an evaluation step cost {values}",
}
_AT_ZERO: Mapping[str, str] = {
    "share": "making the log were free (lambda 0)",
    "env_step": "environment steps were free",
    "logged_step": "logged steps were free",
    "cpu_second": "computing time were free",
    "evaluation_step": "evaluation steps were free",
}
_AT_ONE: Mapping[str, str] = {"share": "this task paid the whole cost of making the log (lambda 1)"}
_ANSWERS: Mapping[Answer, str] = {
    "trade-off": "the answer would be a trade-off: {arm} would score higher and cost more",
    "simpler": "the answer would be the simple method {arm}",
    "inconclusive": "these seeds would not decide",
    "none works": "no method would work in half of its runs",
    "keep what made the log": "the answer would be to keep the policy that made the log",
    "cannot tell": "there would be no answer",
}


def flips(verdict: Verdict) -> tuple[str, ...]:
    """One sentence for each term and answer; more seeds where they could make a direction probable."""
    if verdict.sweep is None:
        return ()
    groups: dict[tuple[str, str], list[float]] = {}
    for flip in verdict.sweep.flips:
        groups.setdefault((flip.term, _other(flip)), []).append(flip.value)
    conditions = dict(_CONDITIONS)
    if verdict.terms.success is not None:
        conditions["threshold"] = lambda values: f"a success rate of {values} were good enough"
    said = [f"If {_conditions(term, values, conditions)}, {then}." for (term, then), values in groups.items()]
    return (*said, *_more_seeds(verdict))


def _other(flip: Flip) -> str:
    if flip.answer in FAMILY_WORDS and flip.arm is not None:
        return f"the answer would be {flip.arm}"
    return _ANSWERS[flip.answer].format(arm=flip.arm)


def _conditions(term: str, values: Sequence[float], words: Mapping[str, Callable[[str], str]]) -> str:
    """One term at one value or at several."""
    special: dict[float, str] = {}
    for value, known in ((0.0, _AT_ZERO), (1.0, _AT_ONE)):
        if value in values and term in known:
            special[value] = known[term]
    rest = [formats.count(value) if value >= 1000 else f"{value:g}" for value in values if value not in special]
    told = [special[0.0]] if 0.0 in special else []
    told += [words[term](formats.listed(rest, "or"))] if rest else []
    return " or ".join(told + ([special[1.0]] if 1.0 in special else []))


def _more_seeds(verdict: Verdict) -> Iterator[str]:
    needed = None if verdict.pair is None else verdict.pair.seeds_to_settle
    if verdict.strength != "lean" or verdict.answer not in FAMILY_WORDS or verdict.pair is None or needed is None:
        return
    if needed > verdict.pair.seeds:
        yield f"About {needed:.0f} seeds could make the answer probable, if the new ones look like these."
