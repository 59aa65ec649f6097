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
        return ProfileRow(lead, "unknown: train dt and dt-k1, or recurrent-ppo and ppo")
    like = {
        True: "like PassiveTMaze: the policy must remember what it no longer sees",
        False: "unlike PassiveTMaze: memory does not help",
        None: "undecided with these seeds",
    }[memory.needed]
    if memory.needed is None and memory.undone:
        like = "undecided: the gap closes when actions are chosen the other way (greedy or sampled)"
    return ProfileRow(lead, "; ".join(map(_gap, memory.comparisons)), like)


def _luck(luck: Luck | None) -> ProfileRow:
    lead = "Luck in the target return"
    if luck is None:
        return ProfileRow(lead, "unknown: no run is return-conditioned")
    like = "unlike Gamble: the policy reaches its target return"
    if luck.error > LUCKY:
        like = "the policy misses its target return; the reason may be luck, the log or the training"
    if luck.singled_out:
        like = "like Gamble or Bandit: the policy misses its target return"
    share, runs = formats.number(100 * luck.error), formats.plural(luck.runs, "run")
    measured = f"returns differ from the target return by {share} % of the log's range (mean of {runs})"
    return ProfileRow(lead, measured, like)


def _chance(chance: Chance | None) -> ProfileRow:
    lead = "Chance in the log"
    if chance is None or (chance.steps is None and chance.returns is None):
        return ProfileRow(lead, "unknown: no pair of observation and action occurs twice in the log")
    measured = []
    if chance.steps is not None:
        measured.append(
            f"where a step occurs again in the log, it leads elsewhere in {formats.number(100 * chance.steps)} % of "
            "cases"
        )
    if chance.returns is not None:
        share = formats.number(100 * chance.returns)
        measured.append(f"{share} % of the variance of returns is between episodes with the same actions")
    return ProfileRow(lead, "; ".join(measured), _chance_like(chance))


def _chance_like(chance: Chance) -> str:
    if chance.returns is not None and chance.returns > LUCKY:
        return "like Gamble and Umbrella: returns are partly luck"
    if chance.returns is not None:
        return "unlike Gamble: actions decide the return"
    if chance.steps:
        return "chance, or something that the policy does not observe, like the key of KeyDoor"
    return "no chance in what repeats"


def _coverage(coverage: Coverage | None) -> ProfileRow:
    lead = "Coverage of the target"
    if coverage is None:
        return ProfileRow(lead, "unknown: no run is return-conditioned")
    named = ((coverage.target, "the target"), (coverage.solved, "the return at which the task counts as solved"))
    levels = [(level, name) for level, name in named if level is not None]
    covered = all(level.covered == level.logs for level, _ in levels)
    like = "the log reaches the target return" if covered else "like Lock or Stitch: the log rarely reaches the target"
    return ProfileRow(lead, "; ".join(_level(level, name) for level, name in levels), like)


def _level(level: Level, name: str) -> str:
    logs = f"enough in {level.covered} of {formats.plural(level.logs, 'log')}"
    return f"{formats.number(100 * level.share)} % of the log's episodes reach {name} ({logs})"


def _stitching(found: Comparison | None) -> ProfileRow:
    if found is None:
        return ProfileRow("Stitching", "unknown: train dt, and cql or td3-bc")
    like = {
        "ahead": "like Stitch: joining parts of different episodes may help",
        "behind": "unlike Stitch: offline RL does not help here",
        "equivalent": "unlike Stitch: offline RL does not help here",
    }.get(found.outcome, "undecided with these seeds")
    return ProfileRow("Stitching", _gap(found), like)


def _sparsity(sparsity: Sparsity | None) -> ProfileRow:
    lead = "Sparsity of reward"
    if sparsity is None:
        return ProfileRow(lead, "unknown: no log shows it")
    like = "between Lock and DenseBits"
    if sparsity.steps <= 1:
        like = "sparse, like KeyDoor and Lock"
    elif sparsity.share > 0.5:
        like = "dense, like DenseBits"
    share, steps = formats.number(100 * sparsity.share), formats.number(sparsity.steps)
    return ProfileRow(lead, f"{share} % of the log's steps give reward: {steps} steps of its median episode", like)


def _horizon(horizon: Horizon | None) -> ProfileRow:
    if horizon is None:
        return ProfileRow("Horizon", "unknown: no log shows it")
    like = "far longer than in any diagnostic" if horizon.median >= LONG else "as in the diagnostics"
    steps = f"{formats.number(horizon.median)} steps in the log's median episode, {horizon.longest:,} in its longest"
    return ProfileRow("Horizon", steps, like)


def _gap(found: Comparison) -> str:
    gap, ends = found.difference, ""
    if gap.low is not None and gap.high is not None:
        ends = f" ({formats.signed(gap.low)} to {formats.signed(gap.high)})"
    return f"{found.a} compared with {found.b}: {formats.signed(gap.point)}{ends}"
