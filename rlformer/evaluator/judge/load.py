"""Run directories in, plain records out; what cannot be read is told, not raised."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rlformer.agents.base import LearnerKind
from rlformer.agents.learners import learner
from rlformer.core import files
from rlformer.core.codec import decode
from rlformer.core.errors import InputError
from rlformer.core.records import EvalResult
from rlformer.evaluator.judge.facts import Progress, Scales, Skipped
from rlformer.explain import parts
from rlformer.explain.parts import Explanation
from rlformer.runs import episodes, metrics
from rlformer.runs.directory import RunDirectory
from rlformer.runs.episodes import TrainingEpisodes
from rlformer.runs.inputs import Recipe
from rlformer.runs.record import RunRecord
from rlformer.runs.spec import RunSpec


@dataclass(frozen=True)
class Recording:
    """An episode of the run to watch, or `skipped`, why there is none."""

    webp: bytes = b""
    episode_seed: int | None = None
    episode_return: float | None = None
    length: int | None = None
    skipped: str | None = None


@dataclass(frozen=True)
class Point:
    """An evaluation while training. `confirmed`: of fresh episodes, where they were played. None: unknown."""

    step: float
    seconds: float
    return_: float
    confirmed: float | None = None
    cpu: float | None = None  # learning CPU seconds so far
    success: float | None = None  # a rate, where the environment tells it
    confirmed_success: float | None = None
    env_steps: float | None = None  # that its episodes took


@dataclass(frozen=True)
class Run:
    """What the evaluator needs of one run directory."""

    path: str  # relative to the folder it was found below
    spec: RunSpec
    record: RunRecord
    final: EvalResult | None  # on the evaluation seeds that all arms share
    asked: tuple[EvalResult, ...]  # a return-conditioned policy asked for other target returns, in their order
    other: EvalResult | None  # actions chosen the other way, sampled or greedy, on the first of the same episodes
    curve: tuple[Point, ...]
    kept: tuple[tuple[int, EvalResult], ...] = ()  # policies kept while it learned, by their step
    test: EvalResult | None = None  # the final policy on the episodes of a curve's point
    fresh: EvalResult | None = None  # and on fresh ones
    video: Recording | None = None
    explanation: Explanation = field(default_factory=Explanation)
    training: TrainingEpisodes | None = None  # of what learned by interaction; None: not recorded

    @property
    def kind(self) -> LearnerKind:
        """How it was trained: whether it learns and acts, and the unit of its curve."""
        return learner(self.spec.agent.learner)

    @property
    def recipe(self) -> Recipe | None:
        """How the log that it learned from was made and cut; None without one."""
        return None if self.spec.log is None else self.spec.log.recipe

    @property
    def data_hash(self) -> str | None:
        """Identifies the log the run learned from; None without one."""
        return None if self.spec.log is None else self.spec.log.hash

    @property
    def budget(self) -> float | None:
        """The share of a log that a point of the data-scaling grid read; None for an arm of the ladder."""
        return self.spec.budget

    @property
    def counts(self) -> bool:
        """Whether the run enters the statistics."""
        return self.record.status == "finished" and self.final is not None


def find_runs(paths: Iterable[Path]) -> list[RunDirectory]:
    """Every run directory at or below `paths`, each once, in the order of the paths and then by name.

    Raises InputError where a path is no folder.
    """
    found: dict[Path, RunDirectory] = {}
    for root in paths:
        if not root.is_dir():
            raise InputError(f"{root}: {'not a folder' if root.exists() else 'no such folder'}")
        for folder, children, names in os.walk(root):
            children[:] = sorted(child for child in children if not child.startswith("."))
            lost = "spec.toml" in names and "record.damaged.json" not in names  # a run whose record is not there
            if "record.json" in names or lost:
                children.clear()  # nothing below a run is another run
                found.setdefault(Path(folder).resolve(), RunDirectory(Path(folder)))
    return list(found.values())


def read_runs(directories: Sequence[RunDirectory]) -> tuple[list[Run], list[Skipped]]:
    """The runs that can be read and count once, and for each of the others where it is and why it is left out.

    Of runs that are the same training (see `_identity`) a finished one is kept, of several the one written last.
    """
    shown = _relative([directory.path for directory in directories])
    kept: dict[str, tuple[Run, float]] = {}  # with the time of its record
    skipped: list[Skipped] = []
    for directory, path in zip(directories, shown, strict=True):
        try:
            run, written = _read(directory, path), (directory.path / "record.json").stat().st_mtime
        except (InputError, OSError, TypeError, KeyError, ValueError, AttributeError) as error:
            reason = " ".join(str(error).split()).replace(f"{directory.path}{os.sep}", "")
            skipped.append(Skipped(path, f"unreadable: {reason}"))
            continue
        for name, wrong in parts.damaged(directory.path / "explain").items():
            reason = wrong.replace(f"{directory.path}{os.sep}", "")
            skipped.append(Skipped(f"{path}/explain/{name}", f"unreadable: {reason}; run explain again to recreate it"))
        key = _identity(run)
        if key not in kept:
            kept[key] = run, written
            continue
        other, then = kept[key]
        # A copy that kept its trajectories is the one that others learned from; one that was measured longer says more.
        if (run.counts, run.spec.keeps_log, _episodes(run), written) > (
            other.counts,
            other.spec.keeps_log,
            _episodes(other),
            then,
        ):
            kept[key], run, other = (run, written), other, run
        copy = run.record.spec_hash == other.record.spec_hash
        reason = f"a second copy of {other.path}" if copy else f"the same training as {other.path}, counted once"
        skipped.append(Skipped(run.path, reason))
    return [run for run, _ in kept.values()], skipped


def _episodes(run: Run) -> int:
    """Of its final evaluation."""
    return 0 if run.final is None else len(run.final.returns)


def _identity(run: Run) -> str:
    """What makes two runs the same training. Whether it was logged changes a run's hash and not its outcome."""
    spec = run.spec
    values = [spec.env.definition, spec.agent.name, spec.agent.learner, dict(spec.values)]
    return json.dumps([*values, run.data_hash, run.budget, run.record.seed], sort_keys=True, default=str)


def _read(directory: RunDirectory, path: str) -> Run:
    record, spec = directory.record, directory.spec
    learner(spec.agent.learner)  # that this version knows
    for kind, given in ((Scales, record.scales), (Progress, record.progress)):
        decode(kind, given)  # what does not fit is told here
    evaluations = directory.evaluations()
    asked = [result for name, result in evaluations.items() if name.startswith("target-")]
    kept = [(int(name.removeprefix("kept-")), result) for name, result in evaluations.items() if _is_kept(name)]
    return Run(
        path=path,
        spec=spec,
        record=record,
        final=evaluations.get("final"),
        asked=tuple(sorted((r for r in asked if r.target_return is not None), key=lambda r: r.target_return or 0.0)),
        other=evaluations.get("other", evaluations.get("sampled")),  # as runs made before call it
        curve=tuple(_curve(directory)),
        kept=tuple(sorted(kept, key=lambda item: item[0])),
        test=evaluations.get("test"),
        fresh=evaluations.get("fresh"),
        video=_video(directory.path / "eval"),
        explanation=parts.read(directory.path / "explain"),
        training=episodes.read(directory.path),
    )


def _video(folder: Path) -> Recording | None:
    if not (folder / "episode.toml").is_file():
        return None
    picture = folder / "episode.webp"
    try:
        shown = files.read_toml(folder / "episode.toml")
        if "skipped" in shown and not picture.is_file():
            return Recording(skipped=str(shown["skipped"]))
        about = int(shown["episode_seed"]), float(shown["episode_return"]), int(shown["length"])
    except (InputError, KeyError, TypeError, ValueError):
        return Recording(skipped="episode.toml is damaged; delete it, and compare plays the episode again")
    if not picture.is_file():
        return None
    packed = picture.read_bytes()
    if (packed[:4], packed[8:12]) != (b"RIFF", b"WEBP") or int.from_bytes(packed[4:8], "little") + 8 != len(packed):
        return Recording(skipped="episode.webp is damaged; delete it, and compare plays the episode again")
    return Recording(packed, *about)


def _is_kept(name: str) -> bool:
    return name.startswith("kept-") and name.removeprefix("kept-").isdecimal()


def _curve(directory: RunDirectory) -> Iterator[Point]:
    """The evaluations while it trained: of the curves, with what the returns behind them tell beside."""
    behind = {point["step"]: point for point in metrics.checked(directory.path / "eval" / "curve.jsonl")}
    for point in directory.points():
        if "eval/return" in point:
            played = behind.get(point["step"], {})
            fresh = _mean(played.get("fresh"))
            yield Point(
                step=point["step"],
                seconds=point["seconds"],
                return_=point["eval/return"],
                confirmed=point.get("eval/confirmed_return") if fresh is None else fresh,
                cpu=played.get("cpu"),
                success=_mean(played.get("successes")),
                confirmed_success=_mean(played.get("fresh_successes")),
                env_steps=played.get("env_steps"),
            )


def _mean(values: Sequence[float] | None) -> float | None:
    return sum(values) / len(values) if values else None


def _relative(paths: Sequence[Path]) -> list[str]:
    """The paths without what they have in common, so that no report tells where its author's home is."""
    if not paths:
        return []
    resolved = [str(path.resolve()) for path in paths]
    parents = os.path.commonpath([os.path.dirname(path) for path in resolved])
    return [os.path.relpath(path, parents).replace(os.sep, "/") for path in resolved]
