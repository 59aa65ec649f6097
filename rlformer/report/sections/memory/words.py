"""What the maps allow to be said, a few sentences an arm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rlformer.core import formats
from rlformer.evaluator.judge.explanations.memory import HALF, MemoryAt, MemoryEvidence
from rlformer.explain.parts.probes import Rows
from rlformer.report.words.types import Answer

_TOLD = 0.8  # of the way from chance to always right: from here on a probe is said to read it


def introduction(arms: Sequence[tuple[str, MemoryEvidence]]) -> str:
    """What has to be remembered."""
    first = arms[0][1]
    return (
        f"The policy has to remember the {first.latent} ({' or '.join(first.values)}): "
        f"it is determined at step {first.shown} and needed at step {first.decided}."
    )


def sentences(arms: Sequence[tuple[str, MemoryEvidence]]) -> tuple[Answer, ...]:
    """An answer for each arm."""
    return tuple(Answer(f"Where does {label} keep it?", " ".join(_of_arm(memory))) for label, memory in arms)


def _of_arm(memory: MemoryEvidence) -> Iterator[str]:
    if memory.reason:
        yield f"n/a: {memory.reason}."
        return
    several = len(memory.at) > 1
    for at in memory.at:
        if at.effect is not None:
            text = _traced(memory, at, at.effect)
            yield f"{_asked(at)}: {text[0].lower()}{text[1:]}" if several else text
    if idle := [at for at in memory.at if at.effect is None]:
        asked = formats.listed([_asked(at).lower() for at in idle]) if several else ""
        yield f"{asked[:1].upper()}{asked[1:]}{', n' if asked else 'N'}othing can be traced: {idle[0].reason}."
    yield from _read(memory, next((at for at in memory.at if at.effect is not None), memory.at[0]))


def _asked(at: MemoryAt) -> str:
    return f"With target return {formats.number(at.target_return)}"


def _traced(memory: MemoryEvidence, at: MemoryAt, effect: Rows) -> str:
    """What replaced activations do."""
    found = Counter(at.kept)
    kind, most = found.most_common(1)[0]
    other = "" if len(found) == 1 else f" (in {most} of {len(at.kept)} seeds)"
    origin = _strong(memory, effect[0])
    between = [i for i in range(len(memory.steps) - 1) if memory.steps[i] > max(origin, default=memory.shown)]
    if kind == "no step between" or not between:
        return f"It is shown just before it is needed; {_fetches(memory, effect)}."
    peaks = [max(rows[i] for rows in effect[1:]) for i in between]
    places = f"{memory.steps[between[0]]} to {memory.steps[between[-1]]}"
    replacing = f"replacing the activation of a layer at any one step from {places} has"
    itself = f"of the effect of replacing the {memory.latent} itself"
    if kind == "carried":
        return f"It is carried along{other}: {replacing} {_least(peaks)} {itself}."
    if kind == "fetched":
        return (
            f"It stays in {_stays(memory, effect, origin)} and {_fetches(memory, effect)}{other}: "
            f"{replacing} {_most(peaks)} {itself}."
        )
    shares = f"{formats.percent(min(peaks))} to {formats.percent(max(peaks))}"
    return f"It is carried along in part{other}: {replacing} {shares} {itself}; {_fetches(memory, effect)}."


def _strong(memory: MemoryEvidence, row: Sequence[float]) -> list[int]:
    return [step for step, value in zip(memory.steps, row, strict=True) if value >= HALF]


def _stays(memory: MemoryEvidence, effect: Rows, origin: Sequence[int]) -> str:
    """The layers that hold it where it was shown."""
    places = [memory.steps.index(step) for step in origin]
    named = [n for n, row in zip(memory.layers, effect, strict=True) if any(row[i] >= HALF for i in places)]
    return f"{formats.listed(named or [memory.layers[0]])} at {_steps(origin or [memory.shown], memory.steps)}"


def _fetches(memory: MemoryEvidence, effect: Rows) -> str:
    """The first layer that holds it at the decision."""
    first = next((n for n, row in zip(memory.layers[1:], effect[1:], strict=True) if row[-1] >= HALF), None)
    return f"{first or 'no layer alone'} fetches it at step {memory.steps[-1]}"


def _least(values: Sequence[float]) -> str:
    return f"{'at least ' if max(values) > min(values) else ''}{formats.percent(min(values))}"


def _most(values: Sequence[float]) -> str:
    most = max(0.0, *values)
    return ("" if most < 0.005 else "at most ") + formats.percent(most)  # beyond what is shown as 0 %


def _read(memory: MemoryEvidence, at: MemoryAt) -> Iterator[str]:
    """What linear probes read."""
    chance = memory.chance or 0.0
    told = chance + _TOLD * (1 - chance)
    where = []
    for layer, row in zip(memory.layers, at.accuracy, strict=True):
        steps = [step for step, value in zip(memory.steps, row, strict=True) if value >= told]
        if steps:
            where.append(f"{layer} at {_steps(steps, memory.steps)}")
    if not where:
        yield "A linear probe reads it nowhere."
        return
    pairs = zip(
        (value for row in at.accuracy for value in row), (value for row in at.untrained for value in row), strict=True
    )
    before = [other >= told for own, other in pairs if own >= told]
    if all(before):
        since = "so does a probe of the untrained network, so this proves nothing"
    else:
        since = f"{len(before) - sum(before)} of these {len(before)} places reveal it only after training"
    yield f"A linear probe reads it in {'; '.join(where)}; {since}."
    last = (at.share[-1][-1], at.share_untrained[-1][-1])
    yield (
        f"The {memory.latent} accounts for {formats.percent(last[0])} of the variance in {memory.layers[-1]} at step "
        f"{memory.decided} (before training: {formats.percent(last[1])})."
    )


def _steps(found: Sequence[int], looked_at: Sequence[int]) -> str:
    """Runs of neighbours among the steps that were looked at.

    >>> _steps([0, 1, 2, 5], range(7)), _steps([4], range(7))
    ('steps 0 to 2, 5', 'step 4')
    """
    places = [list(looked_at).index(step) for step in found]
    runs: list[list[int]] = []
    for place in places:
        if runs and place == runs[-1][-1] + 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    ends = [(looked_at[run[0]], looked_at[run[-1]]) for run in runs]
    texts = [f"{first}" if first == last else f"{first} to {last}" for first, last in ends]
    return f"step{'s' if len(found) > 1 else ''} {', '.join(texts)}"
