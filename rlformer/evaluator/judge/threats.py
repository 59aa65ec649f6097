"""What a careful reader would object to: warnings that the results themselves give rise to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rlformer.core import formats
from rlformer.evaluator.judge.comparisons import MARGIN
from rlformer.evaluator.judge.prices import scale_of

FAR_UNDER = 0.75  # of the normalised score: an online agent below is not the baseline its card promises
SIMILAR_SIZE = 1.2  # ratio of parameters between arms that are compared


def warnings(environment: Mapping[str, Any], machines: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a careful reader would object to, the gravest first."""
    checks = (
        _failures,
        _without_run,
        _far_under,
        _beyond_the_log,
        _drawn,
        _tuning,
        _unlike_evaluations,
        _one_log,
        _sizes,
        _card,
    )
    found = [text for check in checks for text in check(environment)]
    return found + list(_unlike_machines(environment, machines))


def _failures(environment: Mapping[str, Any]) -> Iterator[str]:
    for key, word in (("failed", "failed"), ("unfinished", "did not finish")):
        arms = [f"{arm['label']} ({arm[key]} of {len(arm['runs'])})" for arm in environment["arms"] if arm[key]]
        if arms:
            yield (
                f"Some runs {word}: {formats.listed(arms)}. They are left out of every mean and interval, "
                "which flatters an arm whose failures are its own fault."
            )


def _without_run(environment: Mapping[str, Any]) -> Iterator[str]:
    yield from absences(environment["missing"])


def absences(missing: Sequence[Mapping[str, Any]], *, name_environment: bool = False) -> list[str]:
    """A sentence for each agent with runs that left no directory: its seeds, and the first reason."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for item in missing:
        groups.setdefault((item["env"], item["agent"]), []).append(item)
    found = []
    for (env, agent), items in groups.items():
        seeds = sorted({item["seed"] for item in items})
        kinds: dict[str, str] = {}  # reasons that differ in a seed's number are one
        for item in items:
            kinds.setdefault(re.sub(r"\d+", "N", item["reason"]), item["reason"])
        first, *others = kinds.values()
        more = f" ({formats.plural(len(others), 'other reason')} below, with the failed runs)" if others else ""
        who = f"{agent} on {env}" if name_environment else agent
        noun = "seed" if len(seeds) == 1 else "seeds"
        found.append(f"{who}: no run on {noun} {', '.join(map(str, seeds))}: {first}{more}")
    return found


def _far_under(environment: Mapping[str, Any]) -> Iterator[str]:
    for arm in environment["arms"]:
        z = arm["normalized_score"]
        if arm["family"] == "online" and z is not None and z["point"] < FAR_UNDER:
            yield (
                f"{arm['label']} is far under its reference score (normalised {formats.score(z['point'])}, "
                "1 is the reference): it is not the baseline it should be, and beating it proves little."
            )


def _beyond_the_log(environment: Mapping[str, Any]) -> Iterator[str]:
    for arm in environment["arms"]:
        scales = [(run["scales"].get("target_return"), run["scales"].get("log_max")) for run in arm["runs"]]
        known = [(asked, most) for asked, most in scales if asked is not None and most is not None]
        beyond = [(asked, most) for asked, most in known if asked > most]
        if beyond:
            asked, most = max(beyond, key=lambda pair: pair[0] - pair[1])
            yield (
                f"{arm['label']} was asked for more than its log holds on {len(beyond)} of "
                f"{formats.plural(len(known), 'seed')} (up to {formats.number(asked)}, best logged episode "
                f"{formats.number(most)}): there it extrapolates."
            )


def _drawn(environment: Mapping[str, Any]) -> Iterator[str]:
    """Imitators that return something else when they draw their actions: all scores here are of the likeliest."""
    scale = scale_of(environment)
    told = []
    for arm in environment["arms"]:
        pairs = [run["sampled"] for run in arm["runs"] if run["counts"] and run["sampled"]]
        if not pairs or scale is None:
            continue
        gap = sum(pair["drawn"] - pair["likeliest"] for pair in pairs) / len(pairs) / (scale.reference - scale.random)
        if abs(gap) > MARGIN:
            told.append(f"{arm['label']} ({formats.signed(round(gap, 2))} of z)")
    if told:
        yield (
            f"Drawing actions instead of taking the likeliest changes the score of {formats.listed(told)}, on the same "
            "episodes: where a log's actions are spread out, the likeliest is not what anybody did. The scores here "
            "are of the likeliest; rlformer evaluate RUN --sample plays the other way."
        )


def _tuning(environment: Mapping[str, Any]) -> Iterator[str]:
    """How the arms' settings were found, in the words of their cards, where that differs."""
    groups: dict[str, list[str]] = {}
    for arm in environment["arms"]:
        if arm["family"] not in ("random", "behaviour"):
            groups.setdefault(arm["tuning"].strip().rstrip("."), []).append(arm["label"])
    silent = groups.pop("", [])
    told = "; ".join(f"{formats.listed(labels)}: “{text}”" for text, labels in groups.items())
    untuned = [text for text in groups if re.search(r"\b(not|un)[ -]?tuned\b", text, re.IGNORECASE)]
    if 0 < len(untuned) < len(groups):
        yield f"Tuning is a confound: some arms ran untuned against others that were tuned. {told}."
    elif len(groups) > 1:
        yield f"Tuning effort differs between arms and may explain a difference. {told}."
    if silent:
        yield f"Nothing is recorded of how the settings of {formats.listed(silent)} were found."


def _unlike_evaluations(environment: Mapping[str, Any]) -> Iterator[str]:
    evaluation = environment["evaluation"]
    if not evaluation["same_seeds"]:
        yield "The arms were not evaluated on the same episode seeds, so their luck with starts differs."
    if len(evaluation["action_selection"]) > 1:
        yield "Some trained arms acted greedily and others sampled their actions: their returns are not of one kind."


def _one_log(environment: Mapping[str, Any]) -> Iterator[str]:
    if len(environment["logs"]) == 1 and len(environment["logs"][0]["seeds"]) > 1:
        yield (
            "All offline arms learned from one log. Their intervals tell what another training seed would "
            "change, not what another log would."
        )


def _sizes(environment: Mapping[str, Any]) -> Iterator[str]:
    sizes = {
        a["label"]: a["parameters"]["mean"]
        for a in environment["arms"]
        if a["family"] == "sequence" and a["parameters"]
    }
    if len(sizes) > 1 and max(sizes.values()) > SIMILAR_SIZE * min(sizes.values()):
        small, large = min(sizes, key=lambda k: sizes[k]), max(sizes, key=lambda k: sizes[k])
        yield (
            f"The sequence arms differ in size: {small} has {formats.count(sizes[small])} parameters, "
            f"{large} {formats.count(sizes[large])}. Part of a difference between them may be size."
        )


def _card(environment: Mapping[str, Any]) -> Iterator[str]:
    if environment["cards_differ"]:
        yield "The runs were made with different reference scores; the first run’s are used for all of them."


def _unlike_machines(environment: Mapping[str, Any], machines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    used = [machines[i] for i in sorted({run["machine"] for arm in environment["arms"] for run in arm["runs"]})]
    if len({(machine.get("cpu"), machine.get("cores")) for machine in used}) > 1:
        yield "The runs were made on different machines: don't compare their times."
    gpus = {machine.get("gpu") for machine in used}
    if len(gpus) > 1:
        named = formats.listed(sorted(gpu for gpu in gpus if gpu))
        yield f"Some runs were trained on a GPU ({named}): their CPU seconds leave out its work, the operations do not."
    if len({machine.get("commit") for machine in used}) > 1:
        yield "The runs were made with different versions of this program's code."
