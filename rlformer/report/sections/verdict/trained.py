"""How long arms were trained beside how long they should have been, in sentences."""

from __future__ import annotations

from rlformer.core import formats
from rlformer.evaluator.judge.objections import CutShortArms, ShortArm, StillRising, UndertrainedArms

_UNITS = {"env_steps": "environment steps", "gradient_steps": "gradient steps"}


def trained(found: CutShortArms | StillRising | UndertrainedArms) -> str:
    """What to beware of."""
    match found:
        case CutShortArms(reason, arms):
            why = "to fit into the time" if reason == "time" else "as somebody set it by hand"
            first, *others = arms
            parts = formats.listed([_short(first, "was trained for", "of its preset's steps "), *map(_short, others)])
            return f"{parts}, {why}: what more steps would make of them is not known."
        case StillRising(risen):
            parts = formats.listed(
                [f"{arm.label} (by {formats.score(arm.rising.rise)} of z over its last third)" for arm in risen]
            )
            return f"Still rising where the training ends: {parts}. More steps may change the score."
        case UndertrainedArms(under):
            parts = formats.listed(
                [
                    f"{arm.label} saw its log {formats.number(arm.saw.passes)} times, its paper's training sees one "
                    f"{formats.number(arm.saw.paper_passes)} times ({arm.saw.source})"
                    for arm in under
                ]
            )
            return f"Undertrained: {parts}."


def _short(arm: ShortArm, verb: str = "for", of: str = "") -> str:
    cut = arm.cut
    steps = f"{formats.count(cut.given)} of {formats.count(cut.preset)} {_UNITS[cut.unit or 'env_steps']}"
    return f"{arm.label} {verb} {formats.percent(cut.share)} {of}({steps})"
