"""What a careful reader would object to, in sentences."""

from __future__ import annotations

import re

from rlformer.core import formats
from rlformer.evaluator.judge import objections
from rlformer.evaluator.judge.objections import Threat

_NOT_TUNED = re.compile(r"\b(not|un)[ -]?tuned\b", re.IGNORECASE)  # in the words of a card


def sentence(threat: Threat) -> str:
    """An objection to one environment's results."""
    match threat:
        case objections.RunsLost():
            arms = [f"{arm.label} ({arm.runs} of {arm.of})" for arm in threat.arms]
            listed = formats.listed(arms)
            if threat.status == "unfinished":
                return f"Some runs did not finish: {listed}. They are left out of all results until they do."
            return (
                f"Some runs failed: {listed}. The means and intervals of the tables leave them out, so an arm that "
                "fails through its own fault looks too good there. The answer counts them as failures."
            )
        case objections.NoRun():
            return absence(threat, threat.agent)
        case objections.FarUnder(label, z):
            return (
                f"{label} scores {formats.score(z)}, far below its reference (1). It is a weaker baseline than it "
                "should be, so beating it proves little."
            )
        case objections.BeyondLog(runs, target, most):
            return (
                f"On {runs.runs} of {formats.plural(runs.of, 'seed')}, the target return of {runs.label} was above "
                f"every episode of its log (targets up to {formats.number(target)}; the best logged episode returns "
                f"{formats.number(most)})."
            )
        case objections.SelectionMatters(arms):
            return _selection(arms)
        case objections.UnlikeTuning() | objections.TuningUnknown():
            return _tuning(threat)
        case objections.UnlikeSizes(small, large):
            return (
                f"The sequence arms differ in size: {small.label} has {formats.count(small.parameters)} parameters, "
                f"{large.label} has {formats.count(large.parameters)}. Size may explain a part of their difference."
            )
        case objections.OneLog():
            return (
                "All offline arms learned from one log. Their intervals show how much another seed would change, but "
                "not how much another log would change."
            )
        case _:
            return _unlike(threat)


def absence(threat: objections.NoRun, name: str) -> str:
    """Runs that left no directory: their seeds, and the first reason. name: of what has none."""
    kinds: dict[str, str] = {}  # reasons that differ in a seed's number are one
    for reason in threat.reasons:
        kinds.setdefault(re.sub(r"\d+", "N", reason), reason)
    first, *others = kinds.values()
    more = f" ({formats.plural(len(others), 'other reason')} below, with the runs without a result)" if others else ""
    noun = "seed" if len(threat.seeds) == 1 else "seeds"
    return f"{name} has no run on {noun} {', '.join(map(str, threat.seeds))}: {first}{more}"


def _selection(arms: tuple[objections.OtherWay, ...]) -> str:
    parts = []
    for better, now, option in (("sampled", "greedy", "--sample"), ("greedy", "sampled", "--greedy")):
        gains = [f"{arm.label} ({formats.signed(round(arm.z, 2))})" for arm in arms if arm.better == better]
        if gains:
            agent = next(arm.agent for arm in arms if arm.better == better)
            parts.append(
                f"With {better} instead of {now} actions, some arms score higher on the same episodes: "
                f"{formats.listed(gains)}. The scores here are for {now} actions, as the cards say. rlformer evaluate "
                f"RUN {option} uses {better} actions; --set {agent}.action_selection={better} makes them the default."
            )
    return " ".join(parts)


def _tuning(threat: objections.UnlikeTuning | objections.TuningUnknown) -> str:
    """How settings were found, in the words of the cards."""
    if isinstance(threat, objections.TuningUnknown):
        return f"It was not recorded how the settings of {formats.listed(threat.arms)} were found."
    untuned = [group.arms for group in threat.groups if _NOT_TUNED.search(group.tuning)]
    where = "The settings of each arm, under “How to reproduce it” in report.html, say how they were found."
    if 0 < len(untuned) < len(threat.groups):
        names = formats.listed([label for arms in untuned for label in arms])
        return f"Some arms were tuned and others were not ({names}), which may explain a difference. {where}"
    return f"The arms were tuned with different effort, which may explain a difference. {where}"


def _unlike(threat: Threat) -> str:
    """What was not alike for all runs."""
    match threat:
        case objections.UnlikeSeeds():
            return "The arms did not play the same evaluation episodes: some may have had easier starts."
        case objections.SeedIgnored():
            return (
                "This environment ignores its seed: the same seed gives different episodes. The arms cannot be "
                "compared episode by episode, and no run can be repeated."
            )
        case objections.UnlikeCards():
            return "The runs were made with different reference scores. Those of the first run are used for all."
        case objections.UnlikeMachines():
            return (
                "The runs were made on different kinds of machines. Scores, steps and FLOPs are averaged and compared, "
                "but seconds are not."
            )
        case objections.UnlikeGpus(names):
            return (
                f"Some runs were trained on a GPU ({formats.listed(names)}). Their CPU seconds do not include the work "
                "of the GPU; their FLOPs do."
            )
        case objections.UnlikeVersions():
            return "The runs were made with different versions of this program."
    raise AssertionError(f"no sentence for {threat}")
