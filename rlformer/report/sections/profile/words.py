"""The task beside the diagnostic environments, in sentences: memory, luck, coverage, stitching, sparsity, horizon."""

from __future__ import annotations

from rlformer.core import formats
from rlformer.evaluator.judge.findings import Comparison
from rlformer.evaluator.judge.task import (
    Chance,
    Coverage,
    Horizon,
    Level,
    Luck,
    Memory,
    Sparsity,
    TaskProfile,
)
from rlformer.report.words.types import ProfileRow

LUCKY = 0.1  # distance of achieved from target return, as a share of the log's range, from which luck is suspected
LONG = 100  # steps of an episode from which credit has far to travel


def rows(profile: TaskProfile) -> tuple[ProfileRow, ...]:
    """A measure each; what the runs do not tell is said to be unknown, with the runs that would tell."""
    return (
        _memory(profile.memory),
        _luck(profile.luck),
        _chance(profile.chance),
        _coverage(profile.coverage),
        _stitching(profile.stitching),
        _sparsity(profile.sparsity),
        _horizon(profile.horizon),
    )


def _memory(memory: Memory | None) -> ProfileRow:
    lead = "Need of memory"
    if memory is None or not memory.comparisons:
        return ProfileRow(lead, "unknown: it takes dt beside dt-k1, or recurrent-ppo beside ppo")
    like = {
        True: "like PassiveTMaze: the past holds what the present does not show",
        False: "unlike PassiveTMaze: seeing the past gains nothing",
        None: "not settled by so many seeds",
    }[memory.needed]
    if memory.needed is None and memory.undone:
        like = "not settled: choosing actions the other way, greedy or sampled, closes the gap"
    return ProfileRow(lead, "; ".join(map(_gap, memory.comparisons)), like)


def _luck(luck: Luck | None) -> ProfileRow:
    lead = "Luck in the target return"
    if luck is None:
        return ProfileRow(lead, "unknown: no run is return-conditioned")
    like = "unlike Gamble: the target return is achieved"
    if luck.error > LUCKY:
        like = "not what comes, and nothing tells luck from the log and the training as the reason"
    if luck.singled_out:
        like = "like Gamble or Bandit: the target return is not what comes"
    share, runs = formats.number(100 * luck.error), formats.plural(luck.runs, "run")
    measured = f"achieved returns lie {share} % of the log's range from the target return (mean of {runs})"
    return ProfileRow(lead, measured, like)


def _chance(chance: Chance | None) -> ProfileRow:
    lead = "Chance in the log"
    if chance is None or (chance.steps is None and chance.returns is None):
        return ProfileRow(lead, "unknown: no observation and action occur twice in it")
    measured = []
    if chance.steps is not None:
        measured.append(f"{formats.number(100 * chance.steps)} % of the steps that occurred before led elsewhere")
    if chance.returns is not None:
        share = formats.number(100 * chance.returns)
        measured.append(f"{share} % of the variance of returns lies between episodes with the same actions")
    return ProfileRow(lead, "; ".join(measured), _chance_like(chance))


def _chance_like(chance: Chance) -> str:
    if chance.returns is not None and chance.returns > LUCKY:
        return "like Gamble and Umbrella: returns are partly luck"
    if chance.returns is not None:
        return "unlike Gamble: actions decide the return"
    if chance.steps:
        return "chance, or something that is not observed, as the key of KeyDoor"
    return "deterministic, as far as it repeats"


def _coverage(coverage: Coverage | None) -> ProfileRow:
    lead = "Coverage of the target"
    if coverage is None:
        return ProfileRow(lead, "unknown: no run is return-conditioned")
    named = ((coverage.target, "the target"), (coverage.solved, "the threshold of the card"))
    levels = [(level, name) for level, name in named if level is not None]
    covered = all(level.covered == level.logs for level, _ in levels)
    like = "within the log's support" if covered else "like Lock or Stitch: the log hardly holds the target return"
    return ProfileRow(lead, "; ".join(_level(level, name) for level, name in levels), like)


def _level(level: Level, name: str) -> str:
    logs = f"enough in {level.covered} of {formats.plural(level.logs, 'log')}"
    return f"{formats.number(100 * level.share)} % of the log's episodes reach {name} ({logs})"


def _stitching(found: Comparison | None) -> ProfileRow:
    if found is None:
        return ProfileRow("Stitching", "unknown: it takes cql or td3-bc beside dt")
    like = {
        "ahead": "like Stitch: parts of episodes join to more than any episode",
        "behind": "unlike Stitch: dynamic programming gains nothing here",
        "equivalent": "unlike Stitch: dynamic programming gains nothing here",
    }.get(found.outcome, "not settled by so many seeds")
    return ProfileRow("Stitching", _gap(found), like)


def _sparsity(sparsity: Sparsity | None) -> ProfileRow:
    lead = "Sparsity of reward"
    if sparsity is None:
        return ProfileRow(lead, "unknown: no log tells")
    like = "between Lock and DenseBits"
    if sparsity.steps <= 1:
        like = "sparse, like KeyDoor and Lock"
    elif sparsity.share > 0.5:
        like = "dense, like DenseBits"
    share, steps = formats.number(100 * sparsity.share), formats.number(sparsity.steps)
    return ProfileRow(lead, f"{share} % of the log's steps pay, {steps} in its median episode", like)


def _horizon(horizon: Horizon | None) -> ProfileRow:
    if horizon is None:
        return ProfileRow("Horizon", "unknown: no log tells")
    like = "far longer than any diagnostic's" if horizon.median >= LONG else "as in the diagnostics"
    steps = f"{formats.number(horizon.median)} steps in the log's median episode, {horizon.longest:,} in its longest"
    return ProfileRow("Horizon", steps, like)


def _gap(found: Comparison) -> str:
    gap, ends = found.difference, ""
    if gap.low is not None and gap.high is not None:
        ends = f" ({formats.signed(gap.low)} to {formats.signed(gap.high)})"
    return f"{found.a} minus {found.b}: {formats.signed(gap.point)}{ends}"
