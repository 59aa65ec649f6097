"""Why the verdict is what it is: the strongest reason first."""

from __future__ import annotations

from collections.abc import Iterator

from rlformer.core import formats
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.findings import Early
from rlformer.evaluator.judge.terms import Terms
from rlformer.evaluator.judge.verdict import PairFacts, Side, Simpler, Verdict
from rlformer.report.sections.verdict.answer import by_cost, sides
from rlformer.report.words.thresholds import goal
from rlformer.runs.spec import HYBRID, ONLINE


def reasons(evidence: Evidence, verdict: Verdict) -> tuple[str, ...]:
    """What decides first, then what else is known of scores, costs and data; nothing where nothing was compared."""
    pair = verdict.pair
    if pair is None:
        return ()
    own, other = sides(pair, verdict.arm)
    scores, costs = _scores(verdict, own, other), _costs(verdict.terms, pair, own, other)
    if verdict.answer == "none works":  # then nothing follows from what runs cost that reach nothing
        return (scores, *_reached(evidence, verdict, pair))
    first = [costs, scores] if _decided_by_cost(verdict, own, other) else [scores, costs]
    traded = [_price_of_score(pair, own, other)] if verdict.answer == "trade-off" else []
    simple = [_beside_simple(row) for row in verdict.simpler or () if row.recommended]
    return (
        *simple,
        *first,
        *filter(None, traded),
        _what_is_left_open(verdict.terms, own, other),
        *_stopping(evidence, verdict, pair),
        *_break_even(verdict),
        *_reached(evidence, verdict, pair),
        _prices(verdict),
    )


def _decided_by_cost(verdict: Verdict, own: Side, other: Side) -> bool:
    return verdict.nearest is None and verdict.strength is not None and by_cost(own, other)


def _scores(verdict: Verdict, own: Side, other: Side) -> str:
    """How many runs work, and what those score."""
    text = (
        f"{own.worked} of {formats.plural(own.runs, 'run')} of {own.label} and {other.worked} of {other.runs} of "
        f"{other.label} work, that is, {_working(verdict)}."
    )
    gap = own.typical.point
    if gap is None:
        return text
    if round(abs(gap), 2) == 0:
        return f"{text} The runs that work score the same."
    way = "more" if gap > 0 else "less"
    return (
        f"{text} The runs of {own.label} that work score {formats.score(abs(gap))} {way} than those of {other.label}."
    )


def _working(verdict: Verdict) -> str:
    """What a run that works does, in the unit of what was asked for."""
    terms = verdict.terms
    if verdict.scale is not None and verdict.scale.measured and terms.success is None:
        return f"score at least {terms.margin:g} more than random play"
    reach = f"reach {goal(terms)} and then, on new episodes,"
    if terms.success is not None:
        return f"{reach} succeed on {formats.percent(terms.failure)} or more"
    if terms.good_enough is not None:
        below = terms.threshold - terms.failure
        return f"{reach} score at most {below:.2g} below it"
    return f"{reach} score {terms.failure:.2g} or more"


def _costs(terms: Terms, pair: PairFacts, own: Side, other: Side) -> str:
    """What a run that is good enough costs, failures paid."""
    of = "One run that is good enough costs" if pair.per_success else "No run is good enough. One run costs"
    known = [side for side in (own, other) if side.cost is not None]
    unit = " steps" * _in_steps(terms)
    costs = formats.listed([f"{_amount(side.cost or 0.0)}{unit} with {side.label}" for side in known])
    never = "".join(f" No run of {side.label} is good enough." for side in (own, other) if side.cost is None)
    logs = terms.share and any(side.family not in (ONLINE, HYBRID) for side in known)
    behind = " and the steps behind the log" if logs else ""
    return f"{of} {costs}{f' (failed runs{behind} included)' * pair.per_success}.{never}"


def _in_steps(terms: Terms) -> bool:
    """Whether nothing but steps of the environment is paid, and each alike."""
    priced = {price for price in (terms.env_step, terms.logged_step) if price}
    return priced == {1.0} and not terms.cpu_second and not terms.evaluation_step


def _amount(cost: float) -> str:
    """A cost, as steps are written where it is as large."""
    return formats.count(cost) if cost >= 1000 else formats.number(cost)


def _price_of_score(pair: PairFacts, own: Side, other: Side) -> str:
    """What each hundredth of score costs; "" where the better arm has no cost of a success."""
    if own.cost is None:
        return ""
    extra, gap = own.cost - (other.cost or 0.0), abs(pair.difference.point)
    return (
        f"{own.label} costs {_amount(extra)} more than {other.label}: {_amount(extra / gap / 100)} for "
        "each 0.01 of score."
    )


def _what_is_left_open(terms: Terms, own: Side, other: Side) -> str:
    """How much worse the arm could still be than the other."""
    share = own.reliability.low or 0.0
    runs, text = _points(abs(share)), f"With 97.5 % confidence, {own.label}’s share of runs that work is"
    if runs == "0":
        text = f"{text} not below {other.label}’s"
    elif share > 0:
        text = f"{text} at least {runs} percentage points above {other.label}’s"
    else:
        tolerated = f"({_points(terms.reliability)} are tolerated)"
        text = f"{text} at most {runs} percentage points below {other.label}’s {tolerated}"
    score = own.typical.low
    if score is None:
        return f"{text}."
    if own.typical.p_worse > own.p_worse:  # see `statistics.not_worse`
        return f"{text}. Too few runs of {other.label} work for their scores to count."
    gap = formats.score(abs(score))
    if round(abs(score), 2) == 0:
        return f"{text}, and its runs that work score no less."
    if score > 0:
        return f"{text}, and its runs that work score at least {gap} more."
    return f"{text}, and its runs that work score at most {gap} less ({terms.margin:g} is tolerated)."


def _points(share: float) -> str:
    """A share as a number of percentage points."""
    return formats.percent(share).removesuffix(" %")


def _beside_simple(row: Simpler) -> str:
    own, other = row.cpu_seconds
    gap = row.difference
    needs = "and needs neither a target return nor interaction"
    if own or other:  # else nobody measured both on one kind of machine
        cpu = f"{formats.seconds(own)} of CPU time for learning instead of {formats.seconds(other)}"
        needs = f"needs neither a target return nor interaction, and takes {cpu}"
    return (
        f"{row.label} scores {formats.signed(round(gap.point, 2))} compared with {row.against} (95 % interval "
        f"{formats.interval(gap)}), {needs}."
    )


def _stopping(evidence: Evidence, verdict: Verdict, pair: PairFacts) -> Iterator[str]:
    """How early the training could have been stopped and the rest been left to the model."""
    level, model = verdict.terms.threshold, evidence.arm(verdict.stands_for("sequence") or pair.b.label)
    known = [each for each in (evidence.needs.early if evidence.needs else ()) if each.threshold == level]
    named = [each for each in known if each.label == model.label]
    for early in named or [each for each in known if each.agent == model.agent][:1]:
        (prefix, own), (first, second) = map(formats.count, early.rmst), early.reached
        if not first:
            yield (
                f"Wherever the training of {early.online} was stopped{_places(evidence, early)}, {early.label} was not "
                f"good enough when it learned from its log ({formats.plural(len(early.seeds), 'run')})."
            )
            continue
        counted = " Runs that do not get there count with the common budget."
        yield (
            f"If the training of {early.online} is stopped early and {early.label} learns from its log, "
            f"{early.label} is good enough after {prefix} environment steps on average ({first} of "
            f"{len(early.seeds)} runs get there). {early.online} alone takes {own} ({second} get there)."
            f"{counted * (min(early.reached) < len(early.seeds))}"
        )


def _places(evidence: Evidence, early: Early) -> str:
    """At how many lengths of the log it was tried: no other was."""
    rows = evidence.needs.grid if evidence.needs else ()
    sizes = [row.sizes for row in rows if (row.label, row.threshold) == (early.label, early.threshold)]
    return f" ({formats.plural(sizes[0], 'place')} tried)" if sizes else ""


def _break_even(verdict: Verdict) -> Iterator[str]:
    star = verdict.lambda_star
    if star is None or star.reason is not None or star.low is None or star.high is None:
        return
    ends = f"(lambda* {formats.number(star.point)}, 95 % interval {formats.interval(star)})"
    if star.low >= 1:
        yield f"Counted in steps, the log is cheaper than interaction even if you pay for all that made it {ends}."
    elif star.high <= 0:
        yield f"Counted in steps, the log costs more than interaction even if you pay only for its own steps {ends}."
    else:
        share = formats.percent(star.point)
        yield f"Counted in steps, the log is cheaper if you pay for less than {share} of what led up to it {ends}."


def _reached(evidence: Evidence, verdict: Verdict, pair: PairFacts) -> Iterator[str]:
    """How soon the online arm was good enough."""
    level = verdict.terms.threshold
    for row in evidence.needs.online if evidence.needs else ():
        if row.threshold == level and row.label == (verdict.stands_for("online") or pair.a.label):
            runs, what = formats.plural(len(row.seeds), "run"), goal(verdict.terms)
            more = "" if len(row.seeds) == _judged(pair, row.label) else " (including those that chose it)"
            if not row.reached:
                yield f"{row.label} reaches {what} in none of {runs}{more}."
                continue
            counted = "" if row.reached == len(row.seeds) else " Other runs count with the common budget."
            yield (
                f"{row.label} reaches {what} in {row.reached} of {runs}{more}, after {formats.count(row.rmst)} "
                f"environment steps on average.{counted}"
            )


def _judged(pair: PairFacts, label: str) -> int | None:
    """How many runs of an arm judge it; None where it is none of the pair."""
    return next((side.runs for side in (pair.a, pair.b) if side.label == label), None)


def _prices(verdict: Verdict) -> str:
    terms = verdict.terms
    paid = "was made for this comparison" if verdict.made_here else "existed already"
    return (
        f"Prices: {terms.env_step:g} for an environment step, {terms.logged_step:g} for a logged step, "
        f"{terms.cpu_second:g} for a CPU second. The log {paid}. This task pays {formats.percent(terms.share or 0.0)} "
        f"of what led up to the log (lambda is {terms.share:g})."
    )
