"""What choosing and deploying cost, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rlformer.core import formats
from rlformer.evaluator.judge.choices import Breaking, Choice, Choosing, Deployment, Failing, Unit, WhileLearning
from rlformer.evaluator.judge.values import Estimate

_FAMILIES = {
    "online": "the online agents",
    "sequence": "the sequence models",
    "offline": "offline RL",
    "hybrid": "the agents that read a log first and then interact",
}
_GROUPS = {
    "log": "all that learned from a log",
    "all": "all that was trained",
    "trainings": "all that was trained on all seeds",
}


def shown(value: float | None, unit: Unit) -> str:
    """A score."""
    return formats.score(value) if unit == "z" else formats.number(value)


def added(value: Estimate | None, unit: Unit) -> str:
    """What a choice adds, with its interval.

    >>> added(Estimate(-0.01, 0.05, 0.1), "z"), added(None, "z"), added(Estimate(None, 0.0, None), "z")
    ('+0.05 (−0.01 to +0.10)', '–', '0.00')
    """
    if value is None:
        return formats.MISSING

    def signed(number: float) -> str:
        text = shown(number, unit)
        return text if text.startswith(formats.MINUS) or not text.strip("0.") else f"+{text}"

    ends = "" if value.low is None or value.high is None else f" ({signed(value.low)} to {signed(value.high)})"
    return signed(value.point) + ends


def among(deployment: Deployment) -> str:
    """What a choice is among."""
    if deployment.group == "targets":
        return f"the target returns of {deployment.name}"
    if deployment.group == "family":
        return _FAMILIES.get(deployment.name, deployment.name)
    return _GROUPS[deployment.group]


def sentences(found: Choosing) -> list[str]:
    """The choices that matter most, what the reported number hangs on, and what broke; tables hold the rest."""
    said = [deployed(each, found.unit) for each in foremost(found.deployments)]
    said += list(_chosen(found))
    return said + list(_broke(found.breaking) if found.breaking is not None else ())


def foremost(deployments: Sequence[Deployment]) -> list[Deployment]:
    """The target returns of the arm that may come highest; what learned from a log, or families; and everything."""
    targets = [each for each in deployments if each.group == "targets"]
    highest = max(targets, key=lambda each: each.best.point, default=None)
    logs = [each for each in deployments if each.group == "log"]
    kept = [highest, *(logs or [each for each in deployments if each.group == "family"])]
    kept += [each for each in deployments if each.group in ("all", "trainings")]
    return [each for each in kept if each is not None]


def deployed(deployment: Deployment, unit: Unit) -> str:
    """After how many episodes a choice is worth it."""
    at = _settled(deployment)
    episodes, steps = deployment.episodes[at], formats.count(deployment.env_steps[at])
    text = (
        f"Choosing among {among(deployment)} ({deployment.policies} policies{_of(deployment)}): after "
        f"{formats.plural(episodes, 'deployed episode')} ({steps} environment steps), the policy that looks best "
        f"scores {shown(deployment.score[at], unit)} on average. Not choosing scores "
        f"{shown(deployment.unchosen.point, unit)}, and the best of them scores {shown(deployment.best.point, unit)}."
    )
    first = deployment.worth_from
    if first is None:
        return f"{text} Within {deployment.episodes[-1]} episodes, choosing is never better than not choosing."
    if first == deployment.episodes[0]:
        return text
    return f"{text} With fewer than {formats.plural(first, 'episode')}, choosing is worse than not choosing."


def _of(deployment: Deployment) -> str:
    return "" if deployment.group == "trainings" else " per seed"


def _settled(deployment: Deployment) -> int:
    """Where nine tenths of what the last episode has come to are there."""
    start, end = deployment.score[0], deployment.score[-1]
    return next(i for i, score in enumerate(deployment.score) if score - start >= 0.9 * (end - start) or score >= end)


def _chosen(found: Choosing) -> Iterator[str]:
    """Of the arm to which a choice adds most."""
    chosen = [each for each in found.choices if each.checkpoint_adds is not None or each.target_adds is not None]
    each = max(chosen, key=_most_added, default=None)
    if each is None:
        return
    parts = list(_parts(each, found.unit))
    both = "Both are chosen on the same episodes that score them, so they are optimistic."
    one = "It is chosen on the same episodes that score it, so it is optimistic."
    yield (
        f"The reported score of {each.label} depends on what is chosen: the last checkpoint has "
        f"{shown(each.last.point, found.unit)}; {' and '.join(parts)}. {both if len(parts) > 1 else one}"
    )


def _most_added(choice: Choice) -> float:
    return max(found.point for found in (choice.checkpoint_adds, choice.target_adds) if found is not None)


def _parts(choice: Choice, unit: Unit) -> Iterator[str]:
    if choice.checkpoint_adds is not None:
        yield f"the best checkpoint adds {added(choice.checkpoint_adds, unit)}"
    if choice.target_adds is not None:
        elsewhere = choice.target_adds_elsewhere
        there = "" if elsewhere is None else f", on other episodes {added(elsewhere, unit)}"
        yield f"the best target return adds {added(choice.target_adds, unit)}{there}"


def failure(failing: Failing) -> str:
    """When an episode is a failure."""
    level = formats.number(failing.level)
    return {
        "threshold": f"its return is below {level}, far below the verdict’s threshold",
        "success": "the environment does not report a success",
        "log": f"its return is below {level}, the 5 % quantile of the log’s own episodes",
        "random": f"its return is below {level}, the mean of random play",
    }[failing.rule]


def _broke(breaking: Breaking) -> Iterator[str]:
    said = [text for arm in breaking.arms if (text := _while_learning(arm)) is not None]
    if said:
        behind = [arm for arm in breaking.arms if arm.behind_log is not None and not arm.runs]
        free = [arm.label for arm in breaking.arms if arm.budget is not None and not arm.runs]
        rule = failure(breaking.failing)
        yield f"Failures while learning: {'; '.join(said)}. An episode counts as a failure if {rule}."
        if free:
            own = "its" if len(free) == 1 else "their"
            text = f"{formats.listed(free)} learned only from a log, without failures of {own} own"
            counts = sorted({round(arm.behind_log.failures.point) for arm in behind if arm.behind_log is not None})
            if counts:
                ends = dict.fromkeys(formats.count(count) for count in (counts[0], counts[-1]))
                text += f"; in the training that made the log, {' to '.join(ends)} episodes failed"
            yield f"{text}."


def _while_learning(arm: WhileLearning) -> str | None:
    if not arm.runs or arm.to_threshold is None:
        return None
    reached = sum(run.until is not None for run in arm.runs)
    until = "over its whole budget"
    if reached:
        until = (
            "until it reached the threshold"
            if reached == len(arm.runs)
            else "until it reached the threshold or its budget ended"
        )
    broken = arm.to_threshold
    share = broken.failures.point / broken.episodes.point if broken.episodes.point else 0.0
    return (
        f"{arm.label} had {formats.count(broken.failures.point)} failures in {formats.count(broken.episodes.point)} "
        f"episodes ({formats.percent(share)}) {until}"
    )
