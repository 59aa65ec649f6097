"""A saved tree that anybody may have written is checked before it acts: no circle, no column that is not there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.core.spaces import ActionSpec
from rlformer.explain.tree import Reading, SavedTree, Tree

TREE = Tree(
    feature=np.array([0, -1, 1, -1, -1]),
    threshold=np.array([0.5, -2.0, 0.1, -2.0, -2.0]),
    left=np.array([1, -1, 3, -1, -1]),
    right=np.array([2, -1, 4, -1, -1]),
    value=np.array([[0.0], [1.0], [0.0], [1.0], [0.0]]),
    share=np.array([1.0, 0.5, 0.5, 0.25, 0.25]),
)
READING = Reading("observation", ActionSpec("discrete", (2,)), 2, 1, False, None, ("a", "b"))


def saved(folder: Path) -> Path:
    SavedTree(TREE, READING, EnvSpec("CartPole-v1", "CartPole-v1"), {"agent": "ppo"}).save(folder)
    return folder / "tree.json"


def test_a_tree_comes_back_as_it_was(tmp_path: Path) -> None:
    saved(tmp_path)
    again = SavedTree.load(tmp_path)
    rows = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    assert again.tree(rows).tolist() == TREE(rows).tolist() == [[1.0], [1.0], [0.0]]
    assert again.reading == READING


def put(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        inner: Any = data
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("tree", "left", 2, value=0), "its nodes are no tree"),
        (put("tree", "left", 2, value=2), "its nodes are no tree"),
        (put("tree", "right", 0, value=1), "its nodes are no tree"),
        (put("tree", "right", 0, value=99), "its nodes are no tree"),
        (put("tree", "left", 0, value=-1), "a node with one child"),
        (put("tree", "feature", 0, value=7), "a split by a column that is none of 2"),
        (put("tree", "feature", 0, value=-1), "a split by a column that is none of 2"),
        (put("tree", "feature", value=[]), "0 nodes"),
        (put("tree", "threshold", value=[0.5]), "threshold: 5 numbers expected"),
        (put("tree", "value", value=[[0.0]] * 4 + [[3.0]]), r"value: a category outside of \[2\]"),
        (put("tree", "value", value=[0.0] * 5), "value: an action of 1 numbers"),
        (put("tree", "left", value=["x"] * 5), "left: 5 numbers expected"),
        (put("reading", "observation_size", value=10**9), "observations of 1000000000 numbers"),
        (put("reading", "names", value=["a"]), "names: 1 for 2 columns"),
        (put("reading", "actions", "nvec", value=[-2]), "actions: no space"),
        (put("env", "id", value=3), "env.id: a string expected"),
        (put("of", value=3), "a damaged tree"),
    ],
)
def test_what_is_no_tree_is_one_line(tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str) -> None:
    path = saved(tmp_path)
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=rf"^{path}: a damaged tree: .*{message}|^{path}: {message}"):
        SavedTree.load(tmp_path)
