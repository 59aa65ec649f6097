"""Titles that say what a figure shows: pure functions of the numbers that are drawn, which test nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rlformer.core import formats

Words = Callable[[float], str]
MOST = 3  # names in a title


def highest(values: Mapping[str, float], what: str, words: Words = formats.number) -> str:
    """Who has most, and who comes next; those that print alike share a place.

    >>> highest({"random": 22.4, "dt": 480.0, "ppo": 500.0}, "mean return")
    'Highest mean return: ppo with 500, then dt with 480'
    >>> highest({"dt": 500.0, "ppo": 500.0}, "mean return")
    'Highest mean return: dt and ppo with 500'
    """
    return f"Highest {what}: {_places(values, words, highest_first=True)}"


def lowest(values: Mapping[str, float], what: str, words: Words = formats.number) -> str:
    """Who has least, and who comes next.

    >>> lowest({"dt": 0.2, "ppo": 0.1}, "optimality gap")
    'Lowest optimality gap: ppo with 0.1, then dt with 0.2'
    """
    return f"Lowest {what}: {_places(values, words, highest_first=False)}"


def _places(values: Mapping[str, float], words: Words, *, highest_first: bool) -> str:
    ordered = sorted(values.items(), key=lambda pair: -pair[1] if highest_first else pair[1])
    places: dict[str, list[str]] = {}
    for label, value in ordered:
        places.setdefault(words(value), []).append(label)
    said = [f"{few(labels)} with {value}" for value, labels in places.items()]
    return ", then ".join(said[:2])


def few(labels: Sequence[str]) -> str:
    """Names, the last of many counted.

    >>> few(["a", "b"]), few(["a", "b", "c", "d", "e"])
    ('a and b', 'a, b and 3 others')
    """
    if len(labels) <= MOST:
        return formats.listed(list(labels))
    return f"{', '.join(labels[: MOST - 1])} and {len(labels) - MOST + 1} others"


def each(parts: Mapping[str, str]) -> str:
    """What is said of each name, of many only the first.

    >>> each({"ppo": "3 of 3", "dt": "2 of 3"})
    'ppo 3 of 3, dt 2 of 3'
    """
    said = [f"{label} {text}" for label, text in parts.items()]
    return ", ".join(said if len(said) <= MOST + 1 else [*said[:MOST], "..."])


def change(low: Mapping[str, float], high: Mapping[str, float], at: tuple[str, str]) -> str:
    """Who leads at both ends of an axis. at: the ends in words.

    >>> change({"dt": 0.4, "ppo": 0.1}, {"dt": 0.5, "ppo": 0.9}, ("after 1,000 steps", "after 32,000"))
    'Highest after 1,000 steps: dt; after 32,000: ppo'
    >>> change({"dt": 0.4, "ppo": 0.1}, {"dt": 1.0, "ppo": 0.9}, ("after 1,000 steps", "after 32,000"))
    'Highest after 1,000 steps and after 32,000: dt'
    """
    first, last = (leaders(values) for values in (low, high))
    if first == last:
        return f"Highest {at[0]} and {at[1]}: {few(first)}"
    return f"Highest {at[0]}: {few(first)}; {at[1]}: {few(last)}"


def leaders(values: Mapping[str, float]) -> list[str]:
    """Who has most; several where they are equal."""
    most = max(values.values())
    return [label for label, value in values.items() if value == most]


def ends(means: Mapping[str, tuple[float, float]], what: str, shown: Words, spent: Words, unit: str = "") -> str:
    """Where the arm with the highest score ended, and the best of those that spent less.

    means: what each spent, and its score. Of scores that print alike the one that spent least is named.

    >>> reached = {"dt": (8000.0, 0.95), "ppo": (30000.0, 1.0), "bc": (8000.0, 0.9)}
    >>> ends(reached, "score", formats.score, formats.count, "steps")
    'Highest score: ppo with 1.00 after 30k steps; dt has 0.95 after 8k'
    >>> ends({"dqn": (9000.0, 1.0), "ppo": (5000.0, 0.999)}, "score", formats.score, formats.count, "steps")
    'Highest score: ppo with 1.00 after 5k steps'
    >>> ends({"ppo": (30.0, 1.0)}, "score", formats.score, formats.seconds)
    'Highest score: ppo with 1.00 after 30 s'
    """
    most = shown(max(score for _, score in means.values()))
    alike = [label for label, (_, score) in means.items() if shown(score) == most]
    best = min(alike, key=lambda label: means[label][0])
    spending, score = means[best]
    text = f"Highest {what}: {best} with {shown(score)} after {spent(spending)} {unit}".rstrip()
    cheaper = {label: value for label, (value, _) in means.items() if value < spending}
    if not cheaper:
        return text
    other = max(cheaper, key=lambda label: means[label][1])
    return f"{text}; {other} has {shown(means[other][1])} after {spent(cheaper[other])}"
