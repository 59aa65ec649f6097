"""The verdict in sentences: what it is, the strongest reasons, what would turn it, and what to beware of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from rlformer.core import formats
from rlformer.core.records import EnvSpec
from rlformer.evaluator.judge.comparisons import difference
from rlformer.evaluator.judge.decision import break_even, decide, sweep
from rlformer.evaluator.judge.prices import OFFLINE, ONLINE, SEQUENCE, Terms, counted, scale_of
from rlformer.evaluator.judge.support import asked, coverage

_FAMILIES = {ONLINE: "online RL", SEQUENCE: "the sequence model", OFFLINE: "offline RL"}
_MISCALIBRATED = 0.1  # of z, between what was asked for and what was achieved
_TERMS = {
    "share": "lambda",
    "threshold": "the threshold",
    "env_step": "an environment step",
    "logged_step": "a logged step",
    "cpu_second": "a CPU second",
}


def verdict(environment: Mapping[str, Any], terms: Terms) -> dict[str, Any]:
    """The decision with its sentences: `headline`, `reasons`, `flips`, `warnings`, and its `sweep`."""
    found = decide(environment, terms)
    swept = sweep(environment, terms, found)
    if found["answer"] == "cannot tell":
        headline = f"Cannot tell: {found['reason']}."
        return {**found, "headline": headline, "reasons": [], "flips": [], "warnings": [], "sweep": None}
    scale = scale_of(environment)
    assert scale is not None
    online, model = (_arm(environment, found["pair"][side]["label"]) for side in "ab")
    found["lambda_star"] = break_even(environment, online, model, terms, scale)
    return {
        **found,
        "headline": _headline(found),
        "reasons": _reasons(environment, found),
        "flips": list(_flips(found, swept)),
        "warnings": list(_warnings(environment, found)),
        "sweep": swept,
    }


def _headline(found: Mapping[str, Any]) -> str:
    pair, arm, margin = found["pair"], found["arm"], found["terms"]["margin"]
    if found["answer"] == "inconclusive":
        needed, gap = pair["seeds_to_settle"], pair["difference"]
        if max(abs(gap["low"]), abs(gap["high"])) <= margin:
            return (
                f"No difference that matters: {pair['a']['label']} and {pair['b']['label']} score alike within "
                f"{margin:g} of z, and neither is clearly cheaper."
            )
        if needed is not None and needed <= pair["seeds"]:
            return (
                f"Inconclusive: it is the cost that {formats.plural(pair['seeds'], 'seed')} leave open between "
                f"{pair['a']['label']} and {pair['b']['label']}."
            )
        more = "no number of seeds would" if needed is None else f"about {needed:.0f} seeds would, at 80 % power,"
        return (
            f"Inconclusive: {formats.plural(pair['seeds'], 'seed')} do not tell whether {pair['a']['label']} or "
            f"{pair['b']['label']} is the better buy; {more} settle whether the cheaper is worse by {margin:g} of z."
        )
    better, other = _sides(pair, arm)
    if found["answer"] == "trade-off":
        gap, said = abs(pair["difference"]["point"]), _said(found["strength"], "a trade-off")
        if better["cost"] is None:
            return (
                f"{said}: {arm} scores higher by {formats.score(gap)} of z but never reaches "
                f"{found['terms']['threshold']:g}; {other['label']} does on {other['reached']} of its runs."
            )
        extra = better["cost"] - (other["cost"] or 0.0)
        return (
            f"{said}: {arm} scores higher and costs more: {formats.number(extra)} more for {formats.score(gap)} of z, "
            f"{formats.number(extra / gap / 100)} for each 0.01."
        )
    if found["answer"] == "simpler":
        against = next(o["against"] for o in found["simpler"] if o["label"] == arm)
        return (
            f"Neither. {_said(found['strength'], arm)}: it is not worse than {against} by more than {margin:g} of z, "
            "and cheaper."
        )
    chosen = _said(found["strength"], f"{_FAMILIES[found['answer']]} ({arm})")
    odds = [formats.probability(better[key]) for key in ("not_worse", "cheaper")]
    if better["cost"] == other["cost"]:
        return f"{chosen}: it scores higher than {other['label']}, at the same cost."
    return (
        f"{chosen}: it is not worse than {other['label']} by more than {margin:g} of z with probability {odds[0]}, "
        f"and cheaper with probability {odds[1]}."
    )


def _said(strength: str, what: str) -> str:
    """A choice with as much conviction as its seeds allow."""
    text = {"lean": "the evidence leans towards ", "probable": "probably ", "claim": ""}[strength] + what
    return text[0].upper() + text[1:]


def _sides(pair: Mapping[str, Any], label: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    first = "a" if pair["a"]["label"] == label else "b"
    return pair[first], pair["b" if first == "a" else "a"]


def _reasons(environment: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """The score, the cost, and what the data would have allowed: three at most."""
    pair, terms = found["pair"], found["terms"]
    a, b = pair["a"], pair["b"]
    gap = pair["difference"]
    runs = pair["seeds"]
    text = (
        f"Score: {a['label']} minus {b['label']} is {formats.signed(gap['point'])} of z, 95 % interval "
        f"{formats.number(gap['low'])} to {formats.number(gap['high'])} over {formats.plural(runs, 'seed')}; "
        f"z of {terms['threshold']:g} or more on {a['reached']} of {len(counted(_arm(environment, a['label'])))} and "
        f"{b['reached']} of {len(counted(_arm(environment, b['label'])))} seeds."
    )
    paid = "of a success (failures paid)" if pair["per_success"] else "of a run (no run reached the threshold)"
    infinite = "infinite (none succeeded)"
    costs = [f"{infinite if s['cost'] is None else formats.number(s['cost'])} for {s['label']}" for s in (a, b)]
    price = (
        f"Cost {paid}: {formats.listed(costs)}, at {terms['env_step']:g} an environment step, "
        f"{terms['logged_step']:g} a logged one, {terms['cpu_second']:g} a CPU second and lambda {terms['share']:g} "
        f"({'the log was made for this comparison' if found['made_here'] else 'the log existed'})."
    )
    return [text, price, *list(_third(environment, found))[:1]]


def _third(environment: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    for other in found["simpler"]:
        if other["recommended"]:
            gap = other["difference"]
            yield (
                f"{other['label']} minus {other['against']}: {formats.signed(gap['point'])} of z "
                f"({formats.interval(gap)}); it needs neither a return to ask for nor interaction, and "
                f"{formats.seconds(other['cpu_seconds'][0])} of CPU against {formats.seconds(other['cpu_seconds'][1])}."
            )
    needs = environment["needs"] or {"early": [], "online": []}
    level = found["terms"]["threshold"]
    for pair in needs["early"]:
        if pair["threshold"] == level and pair["agent"] == _arm(environment, found["pair"]["b"]["label"])["agent"]:
            steps = [f"{formats.count(value)} ({n} of {len(pair['seeds'])})" for value, n in
                     zip(pair["rmst"], pair["reached"], strict=True)]  # fmt: skip
            yield (
                f"Stopping early: {pair['agent']} on a prefix of the training reaches z {level:g} after {steps[0]} "
                f"environment steps on average, {pair['online']} itself after {steps[1]}; those that never did count "
                "with the whole budget."
            )
    star = found["lambda_star"]
    if star.get("reason") is None:
        ends = f"(lambda* {formats.number(star['point'])}, 95 % interval {formats.interval(star)})"
        if star["low"] >= 1 or star["high"] <= 0:
            way = "always" if star["low"] >= 1 else "never"
            yield f"Break-even: in steps the log is {way} the cheaper way, whatever share of its making is paid {ends}."
        else:
            yield f"Break-even: with its N steps paid, the log is the cheaper way below this share of the rest {ends}."
    for row in needs["online"]:
        if row["threshold"] == level and row["label"] == found["pair"]["a"]["label"]:
            yield (
                f"{row['label']} reached z {level:g} on {row['reached']} of {len(row['seeds'])} seeds, after "
                f"{formats.count(row['rmst'])} environment steps on average (the whole budget where it did not)."
            )


def _flips(found: Mapping[str, Any], swept: Mapping[str, Any] | None) -> Iterator[str]:
    if swept is None:
        return
    for flip in swept["flips"]:
        what = {"inconclusive": "inconclusive", "trade-off": f"a trade-off ({flip['arm']})"}.get(flip["answer"])
        name = _TERMS[flip["term"]]
        told = (
            f"at {flip['value']:g}"
            if flip["term"] in ("env_step", "logged_step", "cpu_second")
            else f"{flip['value']:g}"
        )
        yield f"{name[0].upper()}{name[1:]} {told}: {what or flip['arm'] or 'cannot be told'}."
    if found["answer"] in (ONLINE, SEQUENCE, OFFLINE) and found["strength"] == "lean":
        needed = found["pair"]["seeds_to_settle"]
        if needed is not None and needed > found["pair"]["seeds"]:
            yield f"More seeds: about {needed:.0f} would settle the difference of scores at 80 % power."


def _warnings(environment: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    scale = scale_of(environment)
    assert scale is not None
    pair, terms = found["pair"], found["terms"]
    model = _arm(environment, pair["b"]["label"])
    targets = asked(model)
    for level, what in _levels(scale.return_at(terms["threshold"]), terms["threshold"], targets):
        held = coverage(environment, level, model)
        if held is not None and not held["covered"]:
            reach = f"{held['episodes']} of {formats.count(held['of'])} episodes reach it"
            yield (
                f"{what[0].upper()}{what[1:]} ({formats.number(level)}) is hardly in the log: {reach}. There "
                f"{model['label']} extrapolates."
            )
    errors = [(achieved - target) / (scale.reference - scale.random) for target, achieved in targets]
    error = float(np.mean(errors)) if errors else 0.0
    if error < -_MISCALIBRATED:
        yield (
            f"{model['label']} falls short of what it is asked for by {formats.score(-error)} of z on average: luck "
            "decides the return here, or the log or the training does not suffice; do not trust the request."
        )
    elif error > _MISCALIBRATED:
        yield (
            f"{model['label']} overshoots what it is asked for by {formats.score(error)} of z on average: it does not "
            "follow the request."
        )
    for arm in environment["arms"]:
        if (
            arm["family"] == OFFLINE
            and arm["log"] == model["log"]
            and counted(arm)
            and arm["label"] != pair["a"]["label"]
        ):
            gap = difference(arm, model, EnvSpec.from_dict(environment["card"]))["difference"]
            unit = abs(scale.reference - scale.random)
            if gap["low"] is not None and gap["low"] > 0 and gap["point"] / unit > terms["margin"]:
                yield (
                    f"{arm['label']} makes more of the same log than {model['label']} (by "
                    f"{formats.score(gap['point'] / unit)} of z): good parts of different episodes have to be stitched."
                )
    if not pair["per_success"]:
        yield f"No run of either reached z {terms['threshold']:g}: costs are those of runs, not of successes."
    if not found["made_here"] and any(run["cost"]["upstream_env_steps"] is None for run in counted(model)):
        yield "The log does not say how many steps made it: at lambda above 0 it cost more than is counted here."
    if "measured here" in found["scale"]["source"]:
        yield f"z is measured by {found['scale']['source']}: it moves with the arms."


def _levels(threshold: float, z: float, targets: Any) -> Iterator[tuple[float, str]]:
    yield threshold, f"the return of z {z:g}"
    if targets:
        yield float(np.mean([target for target, _ in targets])), "the return it is asked for on average"


def _arm(environment: Mapping[str, Any], label: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(arm for arm in environment["arms"] if arm["label"] == label)
    return found
