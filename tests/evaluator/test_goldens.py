"""Two invented studies judge as they always did, and every card costs what it did; see `tests/goldens/make.py`."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from rlformer.report import markdown
from tests.goldens import make

RELATIVE = 1e-9
MASKED = ("schema", "built")  # paths of results.json that may differ: versions of formats, times
MOST_SHOWN = 12
AGAIN = "meant so? python tests/goldens/make.py --write, and say in CHANGELOG.md what changed and why"


def differences(expected: Any, found: Any, path: str = "") -> Iterator[str]:
    """A line for each value that is not the same, with its path; numbers are the same to `RELATIVE`."""
    if path in MASKED:
        return
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in [*expected, *(key for key in found if key not in expected)]:
            inner = f"{path}.{key}".lstrip(".")
            if key not in found or key not in expected:
                yield f"{inner}: {'gone' if key in expected else 'new'}"
            else:
                yield from differences(expected[key], found[key], inner)
    elif isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            yield f"{path}: {len(expected)} items were {len(found)} now"
        for i, (one, other) in enumerate(zip(expected, found, strict=False)):
            yield from differences(one, other, f"{path}[{i}]")
    elif not _same(expected, found):
        yield f"{path}: was {json.dumps(expected)}, is {json.dumps(found)}"


def _same(expected: Any, found: Any) -> bool:
    numbers = [isinstance(value, (int, float)) and not isinstance(value, bool) for value in (expected, found)]
    if all(numbers):
        return math.isclose(expected, found, rel_tol=RELATIVE)
    return type(expected) is type(found) and bool(expected == found)


def told(lines: Iterator[str]) -> str:
    """The first of them, and how many there are."""
    shown = list(islice(lines, MOST_SHOWN))
    more = sum(1 for _ in lines)
    return "\n".join([*shown, *([f"... and {more} more"] if more else []), AGAIN])


@pytest.fixture(scope="module", params=make.STUDIES)
def study(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A study's name and the folder of its report, built now.

    A section that is new since the goldens were written has no words there to be held to.
    """
    root = tmp_path_factory.mktemp(request.param)
    known = json.loads((make.HERE / "sections.json").read_text(encoding="utf-8"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(markdown, "SECTIONS", [section for section in markdown.SECTIONS if section.name in known])
        make.build(request.param, root / "runs", root / "out")
    return request.param, root / "out"


@pytest.mark.slow
def test_results_are_what_they_were(study: tuple[str, Path]) -> None:
    name, out = study
    before, now = (
        json.loads((folder / "results.json").read_text(encoding="utf-8")) for folder in (make.HERE / name, out)
    )
    if next(differences(before, now), None) is not None:
        pytest.fail(f"{name}/results.json\n{told(differences(before, now))}", pytrace=False)


def test_the_report_reads_as_it_did(study: tuple[str, Path]) -> None:
    name, out = study
    before, now = (
        re.sub(r"(?m)^Built \S+;", "Built;", (folder / "report.md").read_text(encoding="utf-8")).splitlines()
        for folder in (make.HERE / name, out)
    )
    if before != now:
        lines = difflib.unified_diff(before, now, "was", "is", lineterm="", n=0)
        pytest.fail(f"{name}/report.md\n{told(lines)}", pytrace=False)


def test_every_card_costs_what_it_did() -> None:
    """A card that is new since has no figures to be held to."""
    before = json.loads((make.HERE / "flops.json").read_text(encoding="utf-8"))
    now = make.flops()
    known = {key: value for key, value in now.items() if key in before}
    if next(differences(before, known), None) is not None:
        pytest.fail(f"flops.json\n{told(differences(before, known))}", pytrace=False)


def test_a_difference_is_named_by_its_path() -> None:
    before = {"schema": "a", "arms": [{"z": 0.5, "n": 1, "seeds": [0, 1]}], "gone": None}
    now = {"schema": "b", "arms": [{"z": 0.5 + 1e-8, "n": True, "seeds": [0]}], "new": 1}
    assert list(differences(before, now)) == [
        "arms[0].z: was 0.5, is 0.50000001",
        "arms[0].n: was 1, is true",
        "arms[0].seeds: 2 items were 1 now",
        "gone: gone",
        "new: new",
    ]
    close = {**before, "arms": [{"z": 0.5 + 1e-12, "n": 1.0, "seeds": [0, 1]}]}
    assert not list(differences(before, close))
