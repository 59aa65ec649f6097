"""What to beware of in a verdict, in sentences: the gravest first."""

from __future__ import annotations

from collections.abc import Sequence

from rlformer.core import formats
from rlformer.evaluator.judge.objections import (
    CutShortArms,
    Doubt,
    HardlyInLog,
    MeasuredScale,
    Miscalibrated,
    NoSuccess,
    Optimistic,
    ShortArm,
    StillRising,
    Stitched,
    UndertrainedArms,
    UnknownOrigin,
    WorseWithMore,
)

_UNITS = {"env_steps": "environment steps", "gradient_steps": "gradient steps"}


def doubts(found: Sequence[Doubt]) -> tuple[str, ...]:
    """One sentence for each kind; all arms that were chosen by the seeds that judge them share one."""
    chosen = [each for each in found if isinstance(each, Optimistic)]
    said = {id(each): _optimistic(chosen) if isinstance(each, Optimistic) else doubt(each) for each in found}
    return tuple(dict.fromkeys(said.values()))


def doubt(found: Doubt) -> str:
    """What to beware of."""
    match found:
        case CutShortArms(reason, arms):
            why = "to fit into the time limit" if reason == "time" else "because its steps were set by hand"
            parts = formats.listed([_short(arm) for arm in arms])
            return f"Some training was cut short {why}: {parts}. It is unknown what more steps would bring."
        case StillRising(risen):
            parts = formats.listed([f"{arm.label} (by {formats.score(arm.rising.rise)})" for arm in risen])
            return f"The score was still rising late in training: {parts}. More steps may change the answer."
        case UndertrainedArms(under):
            parts = formats.listed(
                [
                    f"{arm.label} saw its log {formats.number(arm.saw.passes)} times, compared with "
                    f"{formats.number(arm.saw.paper_passes)} times in its paper ({arm.saw.source})"
                    for arm in under
                ]
            )
            return f"Some training is shorter than in the paper: {parts}."
        case HardlyInLog():
            return _hardly_in_log(found)
        case Miscalibrated(label, error, by_luck) if error < 0:
            why = "Luck decides the return here." if by_luck else "The reason may be luck, the log or the training."
            return (
                f"{label} returns less than its target return, by {formats.score(-error)} of score on average. {why} "
                "Do not rely on its target return."
            )
        case Miscalibrated(label, error):
            return (
                f"{label} returns more than its target return, by {formats.score(error)} of score on average: it does "
                "not follow the target."
            )
        case Stitched(label, model, gap):
            return (
                f"{label} scores higher than {model} on the same log, by {formats.score(gap)}: joining good parts of "
                "different episodes seems to help here."
            )
        case WorseWithMore(label, judged, longest, runs):
            return (
                f"More of the log made {label} worse: it scores {formats.score(judged)} on the shortest part that "
                f"sufficed, and {formats.score(longest)} on the longest ({formats.plural(runs, 'run')}). "
                "Nobody knows beforehand which part suffices."
            )
        case NoSuccess(threshold):
            return (
                f"No run of either arm reaches a score of {threshold:g}. Costs are therefore given per run, not per "
                "success."
            )
        case UnknownOrigin():
            return (
                "The log does not record how many environment steps it took to make. If you have to pay for them "
                "(lambda above 0), it costs more than is counted here."
            )
        case Optimistic():
            return _optimistic([found])
        case MeasuredScale(source):
            return f"The score is relative to {source}. It changes when the arms change."


def _short(arm: ShortArm) -> str:
    cut = arm.cut
    steps = f"{formats.count(cut.given)} of {formats.count(cut.preset)} {_UNITS[cut.unit or 'env_steps']}"
    return f"{arm.label} was trained for {formats.percent(cut.share)} of its steps ({steps})"


def _hardly_in_log(found: HardlyInLog) -> str:
    level, of = formats.number(found.level), f"{formats.count(found.of)} episodes"
    if found.what == "target":
        return f"{_few(found, of)} the target return of {found.label} ({level}){_so_many(found, of)}."
    before = "rarely" if found.episodes else "never"
    return (
        f"{_few(found, of)} a score of {found.z:g} (a return of {level}){_so_many(found, of)}. To reach it, "
        f"{found.label} must do what it has {before} seen."
    )


def _few(found: HardlyInLog, of: str) -> str:
    return "Few episodes of the log reach" if found.episodes else f"None of the log’s {of} reaches"


def _so_many(found: HardlyInLog, of: str) -> str:
    return f": {found.episodes} of {of}" if found.episodes else ""


def _optimistic(chosen: Sequence[Optimistic]) -> str:
    """Arms that stand for their families by the seeds that judge them."""
    parts = formats.listed([f"{each.label} (the best of {formats.listed(each.of)})" for each in chosen])
    verb, noun = ("was", "its score is") if len(chosen) == 1 else ("were", "their scores are")
    return (
        f"{parts} {verb} chosen and judged on the same seeds, so {noun} slightly too high. With 8 seeds or more, some "
        "seeds choose and the others judge."
    )
