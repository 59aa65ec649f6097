"""What a careful reader would object to, in sentences."""

from __future__ import annotations

import re

from rlformer.core import formats
from rlformer.evaluator.judge import objections
from rlformer.evaluator.judge.objections import Threat


def sentence(threat: Threat) -> str:
    """An objection to one environment's results."""
    match threat:
        case objections.RunsLost():
            arms = [f"{arm.label} ({arm.runs} of {arm.of})" for arm in threat.arms]
            lost = "failed" if threat.status == "failed" else "did not finish"
            return (
                f"Some runs {lost}: {formats.listed(arms)}. They are left out of every mean and interval, "
                "which flatters an arm whose failures are its own fault."
            )
        case objections.NoRun():
            return absence(threat, threat.agent)
        case objections.FarUnder(label, z):
            return (
                f"{label} is far under its reference score (normalised {formats.score(z)}, 1 is the reference): it is "
                "not the baseline it should be, and beating it proves little."
            )
        case objections.BeyondLog(runs, target, most):
            return (
                f"{runs.label} had a target return beyond its log on {runs.runs} of "
                f"{formats.plural(runs.of, 'seed')} (up to {formats.number(target)}, best logged episode "
                f"{formats.number(most)}): there it extrapolates."
            )
        case objections.SelectionMatters(arms):
            return _selection(arms)
        case objections.UnlikeTuning() | objections.TuningUnknown():
            return _tuning(threat)
        case objections.UnlikeSizes(small, large):
            return (
                f"The sequence arms differ in size: {small.label} has {formats.count(small.parameters)} parameters, "
                f"{large.label} {formats.count(large.parameters)}. Part of a difference between them may be size."
            )
        case objections.OneLog():
            return (
                "All offline arms learned from one log. Their intervals tell what another training seed would "
                "change, not what another log would."
            )
        case _:
            return _unlike(threat)


def absence(threat: objections.NoRun, name: str) -> str:
    """Runs that left no directory: their seeds, and the first reason. name: of what has none."""
    kinds: dict[str, str] = {}  # reasons that differ in a seed's number are one
    for reason in threat.reasons:
        kinds.setdefault(re.sub(r"\d+", "N", reason), reason)
    first, *others = kinds.values()
    more = f" ({formats.plural(len(others), 'other reason')} below, with the failed runs)" if others else ""
    noun = "seed" if len(threat.seeds) == 1 else "seeds"
    return f"{name}: no run on {noun} {', '.join(map(str, threat.seeds))}: {first}{more}"


def _selection(arms: tuple[objections.OtherWay, ...]) -> str:
    parts = []
    for better, now, option in (("sampled", "greedy", "--sample"), ("greedy", "sampled", "--greedy")):
        gains = [f"{arm.label} ({formats.signed(round(arm.z, 2))} of z)" for arm in arms if arm.better == better]
        if gains:
            agent = next(arm.agent for arm in arms if arm.better == better)
            parts.append(
                f"{better.capitalize()} instead of {now} actions score more on the same episodes for "
                f"{formats.listed(gains)}. The scores here are of {now} actions, as the cards say: rlformer evaluate "
                f"RUN {option} plays the other way, and --set {agent}.action_selection={better} deploys it."
            )
    return " ".join(parts)


def _tuning(threat: objections.UnlikeTuning | objections.TuningUnknown) -> str:
    """How settings were found, in the words of the cards."""
    if isinstance(threat, objections.TuningUnknown):
        return f"Nothing is recorded of how the settings of {formats.listed(threat.arms)} were found."
    efforts = "; ".join(f"{formats.listed(group.arms)}: “{group.tuning}”" for group in threat.groups)
    untuned = [re.search(r"\b(not|un)[ -]?tuned\b", group.tuning, re.IGNORECASE) for group in threat.groups]
    if any(untuned) and not all(untuned):
        return f"Tuning is a confound: some arms ran untuned against others that were tuned. {efforts}."
    return f"Tuning effort differs between arms and may explain a difference. {efforts}."


def _unlike(threat: Threat) -> str:
    """What was not alike for all runs."""
    match threat:
        case objections.UnlikeSeeds():
            return "The arms were not evaluated on the same episode seeds, so their luck with starts differs."
        case objections.SeedIgnored():
            return (
                "This environment ignores its seed: one seed gives several episodes, so that differences between arms "
                "are not paired, and no run can be repeated."
            )
        case objections.UnlikeCards():
            return "The runs were made with different reference scores; the first run’s are used for all of them."
        case objections.UnlikeMachines():
            return "The runs were made on different machines: don't compare their times."
        case objections.UnlikeGpus(names):
            return (
                f"Some runs were trained on a GPU ({formats.listed(names)}): their CPU seconds leave out its work, the "
                "operations do not."
            )
        case objections.UnlikeVersions():
            return "The runs were made with different versions of this program's code."
    raise AssertionError(f"no sentence for {threat}")
