"""From run directories to the three files of a report."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlformer.core import formats, notebook
from rlformer.core.errors import InputError
from rlformer.evaluator.as_json import encode
from rlformer.evaluator.judge.evidence import Evidence, Judgement
from rlformer.evaluator.judge.facts import ArmEvidence, Skipped
from rlformer.evaluator.judge.judging import judge
from rlformer.evaluator.judge.load import Run, find_runs, read_runs
from rlformer.evaluator.judge.terms import Terms
from rlformer.evaluator.judge.verdict import Verdict
from rlformer.report import markdown, page, plots
from rlformer.report.files import now, write
from rlformer.report.sections import ReportView
from rlformer.report.sections.limits.words import limits
from rlformer.report.sections.profile import words as profile
from rlformer.report.sections.summary import threats
from rlformer.report.sections.summary.words import sentences
from rlformer.report.sections.verdict import words as verdict
from rlformer.report.words.command import HERE, Origin
from rlformer.report.words.types import ReportWords, Words
from rlformer.runs.missing import MissingRun
from rlformer.runs.mistaken import instead

if TYPE_CHECKING:
    import pandas

FRAME = (
    "env", "arm", "agent", "family", "seed", "status", "mean_return", "normalized_score", "success_rate",
    "target_return", "env_steps", "logged_steps", "learning_seconds", "learning_cpu_seconds", "parameters", "path",
)  # fmt: skip


@dataclass(frozen=True)
class Report:
    """What a report says, and where it lies."""

    folder: Path  # with report.html, report.md and results.json
    judgement: Judgement
    results: Mapping[str, Any]  # what results.json holds

    @property
    def verdict(self) -> Verdict:
        """See `Judgement.verdict`."""
        return self.judgement.verdict

    def arm(self, label: str) -> ArmEvidence:
        """See `Judgement.arm`."""
        return self.judgement.arm(label)

    def frame(self) -> pandas.DataFrame:
        """A row for each run, those that failed too. Raises InputError where pandas is absent."""
        from rlformer.core import dataframe

        rows = [
            {
                "env": evidence.name,
                "arm": arm.label,
                "agent": arm.agent,
                "family": arm.family,
                "seed": run.seed,
                "status": run.status,
                "mean_return": run.mean_return,
                "normalized_score": run.normalized_score,
                "success_rate": run.told_success,
                "target_return": run.target_return,
                "env_steps": run.cost.env_steps,
                "logged_steps": run.cost.logged_steps,
                "learning_seconds": run.learning_seconds,
                "learning_cpu_seconds": run.learning_cpu,
                "parameters": run.parameters,
                "path": run.path,
            }
            for evidence in self.judgement.environments
            for arm in evidence.arms
            for run in arm.runs
        ]
        return dataframe.frame(rows, FRAME)

    def _repr_html_(self) -> str:
        """For a notebook: the answer of each environment, and its arms."""
        parts = []
        for evidence, said in zip(self.judgement.environments, self.results["environments"], strict=True):
            rows = [
                [arm.label, len(arm.counted), formats.estimate(arm.mean_return, "return"),
                 formats.estimate(arm.normalized_score, "z")]
                for arm in evidence.arms
            ]  # fmt: skip
            title = f"{evidence.name}: {said['verdict']['headline']}"
            parts.append(notebook.table(["arm", "seeds", "mean return (95 % interval)", "score"], rows, title))
        return "".join(parts) + notebook.paragraph(str(self.folder / "report.html"))


def build(
    run_dirs: Sequence[Path],
    out: Path,
    *,
    title: str | None = None,
    command: str | None = None,
    missing: Sequence[MissingRun] = (),
    terms: Terms | None = None,
) -> Report:
    """Write report.html, report.md and results.json into `out`, each at once.

    run_dirs: run directories, or folders anywhere above some. command: what reproduces the runs; where it is
    not given, the commands that the runs remember. missing: runs that were meant to be and left no directory.
    terms: what the verdict hangs on.
    Raises InputError where a path is no folder, no run below can be read, or `out` cannot be written.
    """
    directories = find_runs(run_dirs)
    where = ", ".join(map(str, run_dirs)) or "nowhere"
    runs, skipped = read_runs(directories)
    if not runs and missing:
        first = missing[0]
        raise InputError(f"no run to report: {first.agent} on {first.env}, seed {first.seed}: {first.reason}")
    if not directories:
        raise InputError(f"{where}: no run directory there (a folder that holds a record.json); {_meant(run_dirs)}")
    if not runs:
        raise InputError(f"{where}: no run there can be read; the first, {skipped[0].path}, is {skipped[0].reason}")
    folder = _seen_from_here([run.path for run in directories])
    view = view_of(runs, skipped, missing, terms=terms, title=title, command=command, folder=folder)
    found = results(view)
    write(out, found, markdown.document(view), page.page(view, found))
    return Report(out, view.judgement, found)


def _meant(paths: Sequence[Path]) -> str:
    """What lies there instead of runs, or what makes some."""
    other = next((other for path in paths if (other := instead(path)) is not None), None)
    return "rlformer compare or train-agent creates some" if other is None else f"it is {other}"


def _seen_from_here(runs: Sequence[Path]) -> str:
    """The folder that runs have in common, where it lies below this one; "" elsewhere: no report tells of a home."""
    common = Path(os.path.commonpath([run.resolve().parent for run in runs]))
    return common.relative_to(Path.cwd()).as_posix() if common.is_relative_to(Path.cwd()) else ""


def view_of(
    runs: Sequence[Run],
    skipped: Sequence[Skipped] = (),
    missing: Sequence[MissingRun] = (),
    *,
    terms: Terms | None = None,
    title: str | None = None,
    command: str | None = None,
    folder: str = "",
) -> ReportView:
    """All that a report on these runs shows; arguments as in `build`. folder: that the runs' paths begin in."""
    judgement = judge(runs, terms=terms, missing=missing, skipped=skipped)
    remembered = dict.fromkeys(run.record.command for run in runs if run.record.command)
    typed = command or "\n".join(remembered) or None
    origin = Origin(typed, folder)
    return ReportView(
        judgement,
        ReportWords(
            title=title or _title(judgement.environments),
            warnings=tuple(threats.absence(threat, f"{threat.agent} on {threat.env}") for threat in judgement.threats),
            limits=limits(judgement.environments),
            command=typed,
            built=now(),
        ),
        tuple(words(evidence, origin) for evidence in judgement.environments),
        plots.slots(arm for evidence in judgement.environments for arm in evidence.arms),
        {run.path: page.video(run.video.webp) for run in runs if run.video is not None and run.video.webp},
    )


def words(evidence: Evidence, origin: Origin = HERE) -> Words:
    """What is said of a judged environment."""
    assert evidence.verdict is not None
    assert evidence.profile is not None
    return Words(
        verdict=verdict.words(evidence, evidence.verdict, origin),
        placing=profile.rows(evidence.profile),
        summary=sentences(evidence),
        warnings=tuple(map(threats.sentence, evidence.threats)),
    )


def results(view: ReportView) -> dict[str, Any]:
    """What results.json holds: the evidence, and what is said of it."""
    found: dict[str, Any] = encode(view.judgement) | encode(view.words)
    for environment, said in zip(found["environments"], view.words_by_environment, strict=True):
        spoken = encode(said)
        environment["verdict"] |= spoken.pop("verdict")
        environment |= spoken
    return found


def _title(environments: Sequence[Evidence]) -> str:
    names, answers = [evidence.name for evidence in environments], [evidence.verdict for evidence in environments]
    if all(verdict is not None and verdict.answer in ("works", "does not work") for verdict in answers):
        return f"{formats.listed(names)}: does everything run?"
    if len(names) == 1:
        return f"{names[0]}: online RL or a sequence model?"
    return f"Online RL or a sequence model? {len(names)} environments"
