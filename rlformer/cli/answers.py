"""What a terminal shows of a report or an evaluation: the answer first, then a narrow table."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlformer.cli.console import table, width
from rlformer.core import formats

if TYPE_CHECKING:
    from rlformer.core.records import EnvSpec
    from rlformer.evaluator.judge.evidence import Evidence
    from rlformer.evaluator.judge.facts import ArmEvidence
    from rlformer.evaluator.judge.values import Estimate, Spread
    from rlformer.evaluator.measure.summary import Difference, Summary
    from rlformer.report import Report

_NAME = 36  # letters of a policy's name, at most
_REASONS = 3  # of the verdict, at most
_HEAD = ("arm", "seeds", "return", "95 % interval", "score", "solved", "env steps", "logged", "time")


def report(found: Report) -> str:
    """The answer of every environment of a report, its arms, and what to beware of."""
    parts = []
    for evidence, said in zip(found.judgement.environments, found.results["environments"], strict=True):
        parts.append(_environment(evidence, said))
    return "\n\n".join(parts)


@dataclass(frozen=True)
class Ending:
    """What a comparison ends with, of one environment."""

    verdict: str  # two lines on most terminals: the answer, and how sure it is
    table: str  # the families side by side


def endings(found: Report) -> list[Ending]:
    """Of every environment of a report."""
    from rlformer.report.sections.verdict.scorecard import card

    made = []
    for evidence, said in zip(found.judgement.environments, found.results["environments"], strict=True):
        verdict, shown = said["verdict"], card(evidence)
        lines = [_wrapped(f"{evidence.name}: {verdict['headline']}", "")]
        lines += [_wrapped(verdict["certainty"], "")] * bool(verdict["certainty"])
        below = ""
        if shown is not None:
            head, rows = shown.narrow
            below = table(head, [[_shortened(row[0], 26), *row[1:]] for row in rows])
            below += "\n" + _wrapped(f"who leads: {shown.leaders}", "")
        made.append(Ending("\n".join(lines), below))
    return made


def diagnosis(results: Mapping[str, Any]) -> str:
    """The summary of `diagnose`, what was predicted beside what was observed, and the controls."""
    from rlformer.core.codec import decode
    from rlformer.report.diagnostics import Diagnosis, cells, control_text

    found = decode(Diagnosis, results)
    head = ("row", "arm", "target", "greedy: predicted", "observed", "sampled: predicted", "observed", "verdict")
    parts = [
        "\n".join(_wrapped(text, "- ") for text in results["summary"]),
        table(head, cells(found), right=head[2:7]),
        "\n".join(_wrapped(control_text(control), "- ") for control in found.controls),
        "\n".join(_wrapped(f"{run.what}, seed {run.seed}: {run.reason}", "- ") for run in found.failures),
    ]
    return "\n\n".join(part for part in parts if part)


def _environment(evidence: Evidence, said: Mapping[str, Any]) -> str:
    """The answer, its reasons, the arms, what to beware of, and at the end what to type next."""
    verdict = said["verdict"]
    lines = [evidence.name, _wrapped(verdict["headline"], "  ")]
    lines += [_wrapped(verdict["certainty"], "  ")] * bool(verdict["certainty"])
    lines += ["", *(_wrapped(text, "  - ") for text in verdict["reasons"][:_REASONS])] * bool(verdict["reasons"])
    lines += ["", "every arm at the end of its training (time: of the whole training):"]
    lines += [_arms(evidence)]
    if verdict["warnings"]:
        lines += ["", "warnings:", *(_wrapped(text, "  - ") for text in verdict["warnings"])]
    if more := len(said["warnings"]):
        lines += ["", f"{formats.plural(more, 'more warning')} and all figures are in the report"]
    if verdict["next"]:
        lines += ["", "next:", *(_typed(step) for step in verdict["next"])]
    return "\n".join(lines)


def _typed(step: Mapping[str, str]) -> str:
    """What to type, on lines that a shell reads as one, and what it is for."""
    told = textwrap.wrap(
        step["command"], width() - 6, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    return f"  {step['why']}:\n    " + " \\\n    ".join(told)


def _arms(evidence: Evidence) -> str:
    """The arms; on a narrow terminal without the columns that the page shows better."""
    rows, kept = [_arm(arm, evidence) for arm in evidence.arms], list(range(len(_HEAD)))
    for left_out in ("logged", "95 % interval", "solved", "seeds"):
        head = [_HEAD[i] for i in kept]
        shown = table(head, [[row[i] for i in kept] for row in rows], right=head[1:])
        if max(map(len, shown.splitlines())) <= width():
            return shown
        kept.remove(_HEAD.index(left_out))
    head = [_HEAD[i] for i in kept]
    return table(head, [[row[i] for i in kept] for row in rows], right=head[1:])


def _arm(arm: ArmEvidence, evidence: Evidence) -> list[str]:
    from rlformer.evaluator.judge.prices import score_of

    lost = arm.failed + arm.unfinished + len(arm.missing)
    return [
        _shortened(arm.label, 26),
        f"{len(arm.counted)}" + (f" of {len(arm.counted) + lost}" if lost else ""),
        _point(arm.mean_return, formats.number),
        formats.interval(arm.mean_return),
        _point(score_of(evidence, arm), formats.score),
        _point(arm.success_rate, formats.percent),
        _mean(arm.cost.env_steps),
        _mean(arm.cost.logged_steps),
        _seconds(arm),
    ]


def _point(value: Estimate | None, show: Any) -> str:
    return formats.MISSING if value is None else str(show(value.point))


def _mean(value: Spread | None) -> str:
    return formats.MISSING if value is None else formats.count(value.mean)


def _seconds(arm: ArmEvidence) -> str:
    """Of training, without evaluation."""
    spent = [run.learning_seconds for run in arm.counted if run.learning_seconds]
    return formats.seconds(sum(spent) / len(spent)) if spent else formats.MISSING


def evaluation(env: EnvSpec, policies: Sequence[Summary], differences: Sequence[Difference]) -> str:
    """Which policy returns most, then all of them, best first, then what sets the first apart from each other one."""
    names = _names([policy.policy for policy in policies])
    order = sorted(range(len(policies)), key=lambda i: -policies[i].mean)
    best = policies[order[0]]
    error = "" if best.standard_error is None else f" +- {formats.number(best.standard_error)} (standard error)"
    over = f"over {formats.plural(best.episodes, 'episode')} of {env.name}"
    ways = {policy.action_selection for policy in policies}
    over += ", sampled actions" * (ways == {"sampled"})
    head = f"{names[order[0]]} returns {formats.number(best.mean)}{error} {over}"
    asked = any(policy.target_return is not None for policy in policies)
    columns = [
        "policy",
        "mean",
        "standard error",
        "q1",
        "median",
        "q3",
        "solved",
        "score",
        *(["target"] * asked),
        *(["actions"] * (len(ways) > 1)),
    ]
    rows = [
        [
            names[i],
            *_summary(policies[i]),
            *([formats.number(policies[i].target_return)] * asked),
            *([policies[i].action_selection] * (len(ways) > 1)),
        ]
        for i in order
    ]
    parts = [head, table(columns, rows, right=columns[1:])]
    if differences:
        pairs = ["first", "second", "difference", "95 % interval", "share won"]
        by_name = {policy.policy: name for policy, name in zip(policies, names, strict=True)}
        body = [[*(by_name[name] for name in d.policies), *_difference(d)] for d in differences]
        same = all(getattr(difference, "paired", True) for difference in differences)
        parts.append(
            f"first minus second, on {'the same' if same else 'different'} episodes:\n"
            + table(pairs, body, right=pairs[2:])
        )
    return "\n\n".join(parts)


def _summary(policy: Summary) -> list[str]:
    returns = (policy.mean, policy.standard_error, policy.q1, policy.median, policy.q3)
    return [*map(formats.number, returns), formats.percent(policy.success_rate), formats.score(policy.normalized_score)]


def _difference(difference: Difference) -> list[str]:
    interval = {"low": difference.low, "point": difference.mean, "high": difference.high}
    return [formats.signed(difference.mean), formats.interval(interval), formats.percent(difference.wins)]


def _names(texts: Sequence[str]) -> list[str]:
    """The names; where one is too long, paths without their first folders, if that tells them apart."""
    if max(map(len, texts)) <= _NAME:
        return list(texts)
    short = [_shortened("/".join(Path(text).parts[-2:]), _NAME) for text in texts]
    return short if len(set(short)) == len(set(texts)) else list(texts)


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else f"…{text[1 - width :]}"


def _wrapped(text: str, start: str) -> str:
    return textwrap.fill(
        text, width(), initial_indent=start, subsequent_indent=" " * len(start), break_on_hyphens=False
    )
