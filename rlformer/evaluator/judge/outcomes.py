"""Runs as they are counted, everywhere: where one was first good enough, what it scores there, what it has cost.

What learns by interaction has T(tau), the training steps up to the first evaluation that passes (see `passing`); the
policy of that moment is what one would deploy, and its final episodes are its score. A run that never passes pays the
common budget B, its CPU time scaled alike. What learns from a log alone has N(tau), the shortest of its prefixes whose
model passes; where none does, it pays B too, in logged steps, or its largest log if that is longer. What lies between
two prefixes is rounded up. A run that broke off, never passed, or scores far below the threshold has failed. Where
nothing says what is good enough (no card, no return or rate that is), nothing passes: runs cost what they took, and
have failed where they are no better than random play.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from rlformer.core.errors import InputError
from rlformer.core.spaces import Array
from rlformer.evaluator.judge.evidence import Evidence, GridRun, ScalingCurve
from rlformer.evaluator.judge.facts import ArmEvidence, RunFacts, Tested, learning_cpu, learning_seconds
from rlformer.evaluator.judge.passing import Bar, First, first_pass, tested
from rlformer.evaluator.judge.prices import random_play, scale_of
from rlformer.evaluator.judge.terms import Spent, Terms

ScoredBy = Literal["kept", "fresh", "final", "curve"]
Prefix: TypeAlias = RunFacts | GridRun


@dataclass(frozen=True)
class Outcome:
    """What came of one seed of an arm."""

    seed: int
    at: float | None  # T(tau) in environment steps, or N(tau) in logged ones; None: it never passed
    above: float  # N(tau) lies above this many steps, the largest shorter prefix; 0 of what learns by interaction
    limit: float  # what it pays instead where it never passes: B, of logged steps where its largest log is shorter
    confirmed: bool  # whether fresh episodes confirmed that it passes
    score: float | None  # mean return of the policy that one would deploy; None: it broke off
    z: float | None  # the same as a normalised score
    scored_by: ScoredBy | None  # episodes behind the score: see `_Deployed`
    end: float | None  # mean return of the last policy, of the arm's own log
    failed: bool
    spent: Spent
    log: str | None = None  # the hash of the log that it learned from
    seed_obeyed: bool | None = None  # see `pairing.Seeded`
    episodes: tuple[float, ...] | None = None  # z of each that it is scored on; None: other ones than other runs have

    @property
    def reached(self) -> bool:
        """Whether it was good enough, and its final episodes do not say otherwise."""
        return self.at is not None and not self.failed


def resolved(evidence: Evidence, terms: Terms) -> Terms:
    """The terms with their threshold (of z, or a rate of successes) and their budget B, as this evidence has them."""
    terms = replace(terms, budget=terms.budget or common_budget(evidence))
    if terms.success is not None:
        if not _tells_success(evidence):
            raise InputError(
                f"success {terms.success:g}: the environment reported success to no run on {evidence.name} "
                '(info["is_success"]); use a mean return instead: --good-enough RETURN'
            )
        return replace(terms, threshold=terms.success)
    if terms.good_enough is None:
        return terms
    scale, random = scale_of(evidence, terms.good_enough), random_play(evidence)
    if scale is None and random is None:
        return terms
    z = 0.0 if scale is None else scale.z(terms.good_enough)
    if z <= 0:
        level = random if scale is None else scale.random
        raise InputError(
            f"good enough {terms.good_enough:g}: on {evidence.name} random play returns {level:g}; give a higher return"
        )
    return replace(terms, threshold=z)


def _tells_success(evidence: Evidence) -> bool:
    """Whether an evaluation of some run knows which episodes succeeded."""
    runs = [run for arm in evidence.arms for run in arm.runs]
    rates = [rate for run in runs for rate in (run.told_success, *run.curve.success)]
    return not runs or any(rate is not None for rate in rates)


def bar_of(evidence: Evidence, terms: Terms) -> Bar:
    """What is good enough. terms: resolved."""
    scale = scale_of(evidence, terms.good_enough)
    if terms.success is not None:
        return Bar(scale, terms.success, "success", terms.failure)
    if scale is None or scale.measured:
        return Bar(scale, None, "score", terms.margin)
    return Bar(scale, terms.threshold, "score", terms.failure)


def common_budget(evidence: Evidence) -> int | None:
    """B: the steps of the longest training by interaction, as presets have it; None where nothing interacts."""
    steps = [run.cost.env_steps for arm in evidence.arms if arm.steps_env for run in arm.counted]
    cuts = [arm.cut_short for arm in evidence.arms if arm.steps_env and arm.cut_short is not None]
    steps += [cut.preset for cut in cuts if cut.unit == "env_steps"]
    return max(steps, default=0) or None


def outcomes(evidence: Evidence, arm: ArmEvidence, bar: Bar, terms: Terms) -> tuple[Outcome, ...]:
    """By seed, of all runs that ended, well or not, or left no directory. terms: resolved."""
    found = [_of(evidence, arm, run, bar, terms) for run in arm.runs if run.counts or run.status == "failed"]
    lost = [_lost(seed) for seed in arm.missing if seed not in {one.seed for one in found}]
    return tuple(sorted((*found, *lost), key=lambda one: one.seed))


def on_shared_episodes(found: Sequence[Outcome]) -> Array | None:
    """z of each run on each episode, (runs, episodes), where all of them are scored on the same; see `estimates`."""
    rows = [one.episodes for one in found]
    if any(one.seed_obeyed is False for one in found) or len({len(row or ()) for row in rows}) != 1 or not rows[0]:
        return None
    return np.array(rows, np.float64)


def _of(evidence: Evidence, arm: ArmEvidence, run: RunFacts, bar: Bar, terms: Terms) -> Outcome:
    if not run.counts:
        limit = float((terms.budget if arm.steps_env else None) or run.cost.env_steps or run.cost.logged_steps)
        return Outcome(
            run.seed, None, 0.0, limit, False, None, None, None, None, True, _spent(run), run.data_hash,
            run.seed_obeyed,
        )  # fmt: skip
    if arm.steps_env:
        return _interacting(run, bar, terms)
    return _from_log(run, prefixes(evidence, arm, run.seed), bar, terms.budget)


def _lost(seed: int) -> Outcome:
    """A run that left no directory: nobody knows what it took."""
    nothing = Spent(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    return Outcome(seed, None, 0.0, 0.0, False, None, None, None, None, True, nothing)


# What learns by interaction.


def _interacting(run: RunFacts, bar: Bar, terms: Terms) -> Outcome:
    budget = float(terms.budget or run.cost.env_steps)
    limit = float(run.cost.env_steps) if bar.level is None else budget
    if not any(step > 0 for step in run.curve.step):  # no curve: its end is all that is known
        return _ended(run, bar, limit)
    first = first_pass(run.curve, bar)
    step = None if first is None else run.curve.step[first.index]
    if first is None or step is None or (terms.budget is not None and step > terms.budget):
        return _scored(run, bar, None, limit, False, _at_budget(run, limit), _scaled(run, limit))
    return _scored(run, bar, step, limit, first.confirmed, _deployed(run, first, step), _until(run, first.index))


@dataclass(frozen=True)
class _Deployed:
    """What the policy that one would deploy has on the best episodes that there are of it.

    kept: 100 final episodes of a policy that passed. fresh: the 30 that confirmed it. final: 100 of the last policy.
    curve: those of an evaluation while it was trained.
    """

    score: float  # mean return
    by: ScoredBy
    success: float | None  # rate
    returns: tuple[float, ...] | None  # of episodes that all runs are scored on


def _deployed(run: RunFacts, first: First, step: float) -> _Deployed:
    """The policy that passed."""
    kept = next((one for one in run.kept if one.step == step), None)
    if kept is not None:
        return _Deployed(kept.mean_return, "kept", kept.success_rate, kept.returns)
    if first.tested.confirmed is not None:
        return _Deployed(first.tested.confirmed, "fresh", first.tested.confirmed_success, None)
    return _final(run)


def _at_budget(run: RunFacts, budget: float) -> _Deployed:
    """The last policy, or of a longer training the one that it had within the budget."""
    before = [i for i, step in enumerate(run.curve.step) if 0 < step <= budget]
    if run.cost.env_steps <= budget or not before:
        return _final(run)
    told = tested(run.curve, before[-1])
    return _Deployed(told.return_, "curve", told.success, None)


def _final(run: Prefix) -> _Deployed:
    """The last policy."""
    thinned = isinstance(run, RunFacts) and len(run.returns or ()) != run.episodes
    returns = None if thinned else run.returns
    return _Deployed(_mean(run), "final", run.told_success, returns)


def _ended(run: RunFacts, bar: Bar, limit: float) -> Outcome:
    passed = bar.passed_by(Tested(run.score, None, run.told_success), fresh=False)
    at = float(run.cost.env_steps) if passed is not None and run.cost.env_steps <= limit else None
    spent = _spent(run) if at is not None else _scaled(run, limit)
    return _scored(run, bar, at, limit, False, _final(run), spent)


def _scored(
    run: Prefix, bar: Bar, at: float | None, limit: float, confirmed: bool, found: _Deployed, spent: Spent
) -> Outcome:
    value = bar.value(found.score, found.success)
    failed = value is None or value < bar.failure or (bar.level is not None and at is None)
    z = None if bar.scale is None else bar.scale.z(found.score)
    episodes = None
    if bar.scale is not None and found.returns is not None:
        episodes = tuple(((np.array(found.returns) - bar.scale.random) / bar.scale.unit).tolist())
    return Outcome(
        run.seed, at, 0.0, limit, confirmed, found.score, z, found.by, run.mean_return, failed, spent, run.data_hash,
        run.seed_obeyed, episodes,
    )  # fmt: skip


def _until(run: RunFacts, index: int) -> Spent:
    """What a run had taken at a point of its curve; what the curve does not tell, in proportion to the steps."""
    curve, step = run.curve, run.curve.step[index]
    cpu = curve.cpu[index] if curve.cpu else None
    whole = _scaled(run, step)
    measured = [steps for steps in curve.env_steps[: index + 1] if steps is not None]
    return replace(
        whole,
        learning_cpu=whole.learning_cpu if cpu is None else cpu,
        learning_seconds=curve.seconds[index],
        evaluation_env_steps=sum(measured) if len(measured) == index + 1 else whole.evaluation_env_steps,
    )


def _scaled(run: RunFacts, steps: float) -> Spent:
    """As if it had trained for so many steps, time and arithmetic in proportion."""
    own = run.cost.env_steps or max(run.curve.step, default=0.0)
    share, whole = (steps / own if own else 1.0), _spent(run)
    return replace(
        whole,
        env_steps=steps if own else 0.0,
        learning_cpu=share * whole.learning_cpu,
        learning_seconds=share * whole.learning_seconds,
        flops=None if whole.flops is None else share * whole.flops,
    )


# What learns from a log alone.


def prefixes(evidence: Evidence, arm: ArmEvidence, seed: int) -> list[Prefix]:
    """The logs of an arm that one seed learned from, its own among them, by their steps; of equal ones its own."""
    own: list[Prefix] = [run for run in arm.counted if run.seed == seed]
    more = [run for curve in evidence.grid if arm.label in curve.arms for point in curve.points for run in point.runs]
    by_size: dict[int, Prefix] = {}
    for run in (*own, *(run for run in more if run.seed == seed)):
        by_size.setdefault(run.cost.logged_steps, run)
    return [by_size[size] for size in sorted(by_size)]


def shortest(read: Sequence[Prefix], bar: Bar) -> tuple[int, bool] | None:
    """The place of the first of these, by size, that passes, and whether fresh episodes say so; None: none does."""
    for i, prefix in enumerate(read):
        test = prefix.test or Tested(_mean(prefix), None, prefix.told_success)  # made before: its final episodes
        found = bar.passed_by(test, fresh=prefix.test is not None)
        if found is not None:
            return i, found.by_fresh
    return None


def of_curve(curve: ScalingCurve, bar: Bar, budget: int | None) -> tuple[Outcome, ...]:
    """By seed, of shares of a log that no arm of the ladder learned from. budget: B."""
    by_seed: dict[int, dict[int, Prefix]] = {}
    for run in [run for point in curve.points for run in point.runs]:
        by_seed.setdefault(run.seed, {}).setdefault(run.cost.logged_steps, run)
    read = [[sizes[size] for size in sorted(sizes)] for _, sizes in sorted(by_seed.items())]
    return tuple(_from_log(sizes[-1], sizes, bar, budget) for sizes in read)


def _from_log(run: Prefix, read: Sequence[Prefix], bar: Bar, budget: int | None) -> Outcome:
    """read: by size; `run` is the arm's own. budget: B."""
    limit = float(max(read[-1].cost.logged_steps, budget or 0))
    found = shortest(read, bar)
    if bar.level is None:  # nothing says which prefix suffices: its own log
        return _scored(run, bar, None, limit, False, _final(run), _spent(run))
    if found is None:
        most = read[-1]
        return _scored(run, bar, None, limit, False, _final(most), _longer(_spent(most), limit))
    place, confirmed = found
    prefix = read[place]
    steps = float(prefix.cost.logged_steps)
    outcome = _scored(run, bar, steps, limit, confirmed, _final(prefix), _spent(prefix))
    return replace(outcome, above=float(read[place - 1].cost.logged_steps) if place else 0.0)


def _longer(spent: Spent, steps: float) -> Spent:
    """As if its log had had so many steps, all of them taken by whoever made it; its gradient steps stay."""
    more, behind = steps - spent.logged_steps, spent.upstream_env_steps
    return replace(spent, logged_steps=steps, upstream_env_steps=None if behind is None else behind + more)


def _mean(prefix: Prefix) -> float:
    assert prefix.mean_return is not None  # of a run that counts
    return prefix.mean_return


def _spent(run: Prefix) -> Spent:
    """All that a run took."""
    cost = run.cost
    return Spent(
        env_steps=float(cost.env_steps),
        selection_env_steps=float(cost.selection_env_steps),
        evaluation_env_steps=float(cost.evaluation_env_steps),
        logged_steps=float(cost.logged_steps),
        upstream_env_steps=None if cost.upstream_env_steps is None else float(cost.upstream_env_steps),
        learning_cpu=learning_cpu(run.times),
        learning_seconds=learning_seconds(run.times),
        upstream_cpu=cost.upstream_cpu_seconds if cost.logged_steps else 0.0,
        flops=run.flops.get("training"),
    )
