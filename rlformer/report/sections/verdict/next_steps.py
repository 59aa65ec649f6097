"""What to type next: commands that fit the study, each with what it is for."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from rlformer.core import formats
from rlformer.evaluator.judge.evidence import Evidence
from rlformer.evaluator.judge.findings import Strength
from rlformer.evaluator.judge.objections import CutShortArms, MeasuredScale, StillRising
from rlformer.evaluator.judge.standing import seeds_for
from rlformer.evaluator.judge.verdict import Verdict
from rlformer.evaluator.judge.weighing import SEEDS
from rlformer.report.words.command import Command, Origin
from rlformer.report.words.types import NextStep

MOST = 3  # that are shown
_MOST_SEEDS = 60  # that anybody is told to type: beyond, the answer says how many it would take
_MARKUP = re.compile(r"[<>\x00-\x1f\x7f]")  # in a name from outside: nobody should type it


def next_steps(evidence: Evidence, verdict: Verdict, origin: Origin) -> tuple[NextStep, ...]:
    """The most useful first."""
    study = Command.of(evidence, origin.typed)
    used, surer = list(_answered(evidence, verdict, origin)), list(_unsure(verdict, evidence, study))
    explained = list(_unexplained(evidence, verdict, study))
    firm = verdict.strength in ("claim", "probable")
    found = [*used, *surer, *explained] if firm else [*surer, *explained, *used]
    return tuple(step for step in found if not _MARKUP.search(step.command))[:MOST]


def _unsure(verdict: Verdict, evidence: Evidence, study: Command) -> Iterator[NextStep]:
    """What would make the answer surer, or give one."""
    if verdict.answer in ("works", "does not work"):
        if verdict.answer == "works":
            yield NextStep("Compare the arms", str(study.with_option("--profile", "quick")))
        return
    cut = next((each for each in verdict.doubts if isinstance(each, CutShortArms)), None)
    if cut is not None and cut.reason == "time":
        yield NextStep("Train without a time limit", str(study.without("--max-minutes")))
        return
    if verdict.answer == "cannot tell":
        yield from _to_get_an_answer(evidence, study)
        return
    if verdict.terms.success is None and any(isinstance(each, MeasuredScale) for each in verdict.doubts):
        level = _best_return(evidence)
        yield NextStep("Say which return is good enough", str(study.with_option("--good-enough", level)))
    yield from _longer(verdict, evidence, study)
    yield from _more_seeds(verdict, study)


def _more_seeds(verdict: Verdict, study: Command) -> Iterator[NextStep]:
    """So many that the next level of certainty is open; none where more that look like these would not open it."""
    pair = verdict.pair
    if pair is None or verdict.nearest is not None or verdict.strength == "claim":
        return
    level: Strength = "claim" if verdict.strength == "probable" else "probable"
    if level == "probable" and pair.seeds_to_settle is None:
        return
    judging = max(SEEDS[level], round(pair.seeds_to_settle or 0))
    total = seeds_for(judging, several=any(len(one.of) > 1 for one in verdict.selected))
    if pair.seeds < judging and total <= _MOST_SEEDS:
        kept = "finished runs are kept"
        roles = f"{total - judging} choose an arm of each family, {judging} judge it; " * (total > judging)
        what = f"Add seeds, up to {total} ({roles}{kept})"
        yield NextStep(what, str(study.with_option("--seeds", str(total))))


def _longer(verdict: Verdict, evidence: Evidence, study: Command) -> Iterator[NextStep]:
    """Twice the steps of an arm that still rises, or that comes nearest where nothing works."""
    rising = next((each for each in verdict.doubts if isinstance(each, StillRising)), None)
    label = rising.arms[0].label if rising is not None else None
    if verdict.answer == "none works" and verdict.nearest is not None:
        label = verdict.nearest.label
    arm = None if label is None else evidence.arm(label)
    steps = None if arm is None else arm.hyperparameters.get("steps")
    if arm is not None and isinstance(steps, int):
        yield NextStep(f"Train {arm.agent} twice as long", str(study.with_setting(f"{arm.agent}.steps", 2 * steps)))


def _to_get_an_answer(evidence: Evidence, study: Command) -> Iterator[NextStep]:
    """At least an arm of two families, random play and three seeds."""
    agents = list(dict.fromkeys(arm.agent for arm in evidence.arms))
    lacking = [agent for agent in ("random", "ppo", "dt") if agent not in agents]
    families = {arm.family for arm in evidence.arms if arm.learns}
    needed = [agent for agent in lacking if agent != "ppo" or "online" not in families]
    needed = [agent for agent in needed if agent != "dt" or "sequence" not in families]
    if needed:
        arms = study.with_option("--arms", ",".join([*agents, *needed]))
        yield NextStep(f"Also train {formats.listed(needed)}", str(arms))
    elif max((len(arm.counted) for arm in evidence.arms), default=0) < 3:
        yield NextStep("Run three seeds", str(study.with_option("--seeds", "3")))


def _unexplained(evidence: Evidence, verdict: Verdict, study: Command) -> Iterator[NextStep]:
    if evidence.explanations is None and verdict.pair is not None and verdict.answer != "none works":
        yield NextStep("See what the policies rely on", str(study.with_flag("--explain")))


def _answered(evidence: Evidence, verdict: Verdict, origin: Origin) -> Iterator[NextStep]:
    """Watch the policy that was chosen, and take it elsewhere."""
    if verdict.arm is None:
        return
    run = max(evidence.arm(verdict.arm).counted, key=lambda run: run.score, default=None)
    if run is not None:
        path, where = origin.path(run.path), "" if origin.folder else " (in the folder of the runs)"
        yield NextStep(f"Watch its best run{where}", shlex.join(["rlformer", "play", path]))
        yield NextStep(f"Use it elsewhere{where}", shlex.join(["rlformer", "export", path, "--onnx", "policy.onnx"]))


def _best_return(evidence: Evidence) -> str:
    """The highest mean return of an arm that was trained, to four digits."""
    return f"{max(arm.point for arm in evidence.trained):.4g}"
