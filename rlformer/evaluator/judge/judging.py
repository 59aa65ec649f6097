"""`judge`: runs in, a judgement out. The whole way from runs to the verdict, a line for each step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rlformer.core import formats
from rlformer.core.errors import InputError
from rlformer.core.records import SCHEMA
from rlformer.evaluator.as_json import rounded
from rlformer.evaluator.judge import environments, training
from rlformer.evaluator.judge.across import across
from rlformer.evaluator.judge.break_even import break_even
from rlformer.evaluator.judge.choosing import choosing
from rlformer.evaluator.judge.comparisons import compare_arms
from rlformer.evaluator.judge.decision import decide
from rlformer.evaluator.judge.doubts import about_the_open, doubts
from rlformer.evaluator.judge.evidence import Evidence, Judgement, Machine
from rlformer.evaluator.judge.facts import Skipped
from rlformer.evaluator.judge.fill_scorecard import scorecard
from rlformer.evaluator.judge.load import Run, find_runs, read_runs
from rlformer.evaluator.judge.needs import needs
from rlformer.evaluator.judge.objections import NoRun, RunsLost
from rlformer.evaluator.judge.outcomes import resolved
from rlformer.evaluator.judge.profile import task_profile
from rlformer.evaluator.judge.sweep import sweep
from rlformer.evaluator.judge.terms import Terms
from rlformer.evaluator.judge.threats import absences, threats
from rlformer.evaluator.judge.verdict import Verdict
from rlformer.runs.episodes import TrainingEpisodes
from rlformer.runs.missing import MissingRun
from rlformer.runs.spec import ONLINE, SEQUENCE


def judge(
    runs: Iterable[Run | Path | str] | Path | str,
    *,
    terms: Terms | None = None,
    missing: Sequence[MissingRun] = (),
    skipped: Sequence[Skipped] = (),
) -> Judgement:
    """Everything that runs tell, and the verdict that follows.

    runs: run directories, folders anywhere above some, or runs that `read_runs` has read. terms: prices and thresholds
    that the verdict hangs on, the defaults where not given. missing: runs that were meant to be and left no directory.
    skipped: directories that were left out in reading `runs`. Raises InputError where a path is no folder, or no run
    below can be read.

        judgement = judge("runs")
        print(judgement.verdict)                        # sequence (dt), probable
        judgement.verdict.pair.difference.low           # of z, PPO minus dt
        judgement.environments[0].arm("dt").mean_return.point
    """
    given = [runs] if isinstance(runs, (str, Path)) else list(runs)
    loaded = [run for run in given if isinstance(run, Run)]
    paths = [Path(path) for path in given if not isinstance(path, Run)]
    if paths:
        read, left_out = read_runs(find_runs(paths))
        loaded, skipped = [*loaded, *read], (*skipped, *left_out)
    if not loaded:
        raise InputError(_nothing(paths, skipped, missing))
    terms = terms or Terms()
    found, machines, homeless = environments.evidence(loaded, missing, terms)
    trained = {run.path: run.training for run in loaded if run.training is not None}
    judged = tuple(judged_environment(evidence, machines, terms, trained) for evidence in found)
    return Judgement(
        schema=SCHEMA,
        environments=judged,
        machines=machines,
        skipped=tuple(skipped),
        missing=homeless,
        across=rounded(across(judged)) if len(judged) > 1 else None,
        threats=absences(homeless),
    )


def judged_environment(
    evidence: Evidence,
    machines: Sequence[Machine],
    terms: Terms,
    trained: Mapping[str, TrainingEpisodes],
) -> Evidence:
    """The evidence with all that follows from it. machines: of the judgement, by number. trained: see `choosing`."""
    serious = tuple(arm for arm in evidence.arms if not training.is_smoke(arm))
    if not serious:
        return _smoke_tested(evidence, machines, terms)
    whole, evidence = evidence, replace(evidence, arms=serious)  # a smoke test's arms compare nothing
    compared = rounded(replace(whole, comparisons=compare_arms(evidence, terms)))
    needed, found = needs(evidence, terms), verdict(evidence, terms)
    return rounded(
        replace(
            compared,
            needs=needed,
            verdict=found,
            scorecard=scorecard(evidence, found),
            profile=task_profile(compared, terms),
            threats=threats(evidence, machines),
            choosing=choosing(replace(evidence, needs=needed), terms, trained),
        )
    )


def _smoke_tested(evidence: Evidence, machines: Sequence[Machine], terms: Terms) -> Evidence:
    """Whether everything ran: nothing is compared, and nobody wins."""
    broken = [arm.label for arm in evidence.arms if arm.failed or arm.unfinished or not arm.counted]
    broken += [item.agent for item in evidence.missing]
    lost = tuple(threat for threat in threats(evidence, machines) if isinstance(threat, RunsLost | NoRun))
    reason = "every arm ran; a smoke test compares nothing"
    if broken:
        reason = f"{formats.listed(list(dict.fromkeys(broken)))} did not finish"
    found = Verdict("does not work" if broken else "works", None, None, reason, terms, None)
    return rounded(replace(evidence, verdict=found, profile=task_profile(evidence, terms), threats=lost))


def verdict(evidence: Evidence, terms: Terms) -> Verdict:
    """The decision with lambda*, what to beware of, and its sweep."""
    found = replace(decide(evidence, terms), within=training.within(evidence))
    cut, lacking = tuple(training.cuts(evidence)), tuple(training.lacks(evidence))
    if found.pair is None or found.scale is None:
        return replace(found, doubts=(*cut, *lacking))
    rl = evidence.arm(found.stands_for(ONLINE) or found.pair.a.label)
    model = evidence.arm(found.stands_for(SEQUENCE) or found.pair.b.label)
    star = break_even(evidence, rl, model, resolved(evidence, terms), found.selected)
    said = about_the_open(found, (*doubts(evidence, found), *lacking))
    return replace(found, lambda_star=star, doubts=(*cut, *said), sweep=sweep(evidence, found))


def _nothing(paths: Sequence[Path], skipped: Sequence[Skipped], missing: Sequence[MissingRun]) -> str:
    """Why there is no run."""
    where = ", ".join(map(str, paths)) or "nowhere"
    if missing:
        first = missing[0]
        return f"no run to report: {first.agent} on {first.env}, seed {first.seed}: {first.reason}"
    if skipped:
        return f"{where}: no run there can be read; the first, {skipped[0].path}, is {skipped[0].reason}"
    return f"{where}: no run directory there (a folder that holds a record.json)"
