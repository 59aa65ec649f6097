"""Imports go downwards, or to a file listed earlier in the same folder; read from the syntax trees.

Imports inside functions and those under TYPE_CHECKING count too: a cycle is a cycle.
"""

from __future__ import annotations

import ast
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rlformer

PACKAGE = Path(__file__).resolve().parents[1] / "rlformer"

# The rooms by layer, the lowest first; those of one layer in the order in which they may import each other.
LAYERS = (
    ("errors", "types", "seeding", "statistics", "flops"),
    ("catalogue", "config", "runs", "diagnostics", "environments"),
    ("rollout", "data"),
    ("evaluation", "animation", "models"),
    ("training",),
    ("learners", "explain"),
    (
        "executor",
        "experiment",
        "films",
        "sources",
        "logs",
        "study",
        "explanation_parts",
        "explanation",
        "projection",
        "diagnose",
    ),
    ("report",),
    ("api", "console", "extras", "cli", "__main__"),
)

# The files of every folder in that order. One not listed neither imports a neighbour nor is imported by one.
ORDER = {
    "": [room for layer in LAYERS for room in layer],
    "statistics": [
        "inputs", "intervals", "aggregates", "bootstrap", "proportions", "equivalence",
        "survival", "scaling", "costs",
    ],
    "flops": ["rules", "sequence", "agents", "runs"],
    "runs": ["files", "ledger", "metrics", "directory"],
    "diagnostics": [
        "pictures", "diagnostic", "vector", "behaviour",
        "bandit", "gamble", "stitch", "umbrella", "deep_sea", "bits", "key_door", "key_to_door",
        "tmaze",
    ],
    "data": [
        "dataset", "describe", "writer", "prefix", "windows", "transitions", "scales", "collect",
        "foreign", "columns", "npz", "hdf5", "minari", "doors",
    ],
    "models": [
        "rows", "placement", "dropout", "norms", "transformer", "sliding", "lstm", "mlp", "backbones", "actions",
        "trajectory", "acting",
    ],
    "training": ["devices", "memory", "checkpoints", "parameters", "state", "step", "loop"],
    "learners": [
        "sb3_state", "sb3_policy", "recording", "offline_algorithms", "sb3_training", "sb3_learner", "sb3",
        "offline_training", "offline", "foreign", "sequence", "huggingface",
    ],
    "explain": [
        "states", "groups", "subject", "effects", "attribution", "quality", "memory", "deletion", "tree", "surrogate",
        "controllability", "truth", "pictures",
    ],
    "diagnose": ["rows", "play", "judge", "suite"],
    "report": [
        "formats", "aggregates", "scores", "reading", "arms", "estimates", "grid", "collect", "comparisons",
        "placing", "terms",
        "support", "needs", "verdict", "advice", "across", "summary", "cautions", "limits", "failures", "table",
        "explanations", "explanation_words", "traces", "figures", "figures_data", "explanation_figures", "compute",
        "profiles", "markdown", "render", "diagnostics", "build",
    ],
    "api": ["policies", "studies"],
    "cli": ["options", "data", "lists", "policies", "studies", "training"],
}  # fmt: skip

# Outside libraries with one door: nothing else imports them, not even inside a function.
DOORS = {
    "stable_baselines3": ["learners"],
    "sb3_contrib": ["learners"],
    "minari": ["data.minari"],
    "plotly": ["report.figures"],
    "PIL": ["animation"],
    "captum": ["explain.attribution"],
    "sklearn": ["explain.surrogate"],
    "ray": ["executor"],
}
# Torch takes seconds to import, so that only these do it at once; elsewhere the function that needs it does.
TORCH = ["models", "training", "learners", "explain", "data.windows"]


def module_name(path: Path) -> str:
    """'runs.files' of runs/files.py, 'runs' of runs/__init__.py, '' of the package's own __init__.py."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}


def may_import(name: str, target: str) -> bool:
    """Whether the module `name` may import the module `target`, both named below `rlformer`."""
    ours, theirs = name.split(".") if name else [], target.split(".") if target else []
    shared = 0
    while shared < min(len(ours), len(theirs)) and ours[shared] == theirs[shared]:
        shared += 1
    if shared == len(ours):  # a folder's __init__ gathers what the folder holds
        return True
    if shared == len(theirs):  # and so nothing in the folder imports it
        return False
    order = ORDER.get(".".join(ours[:shared]), [])
    above, below = ours[shared], theirs[shared]
    return above in order and below in order and order.index(below) < order.index(above)


def targets(name: str, node: ast.AST) -> list[str]:
    """The full names of the modules that a statement in module `name` imports, if it is an import."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        package = ["rlformer", *name.split(".")][: None if SOURCES[name].name == "__init__.py" else -1]
        base = ".".join(filter(None, [*package[: len(package) + 1 - node.level], base]))
    names = (f"{base}.{alias.name}" for alias in node.names)  # of modules, or of what a module holds
    return list(dict.fromkeys(full if full.removeprefix("rlformer.") in SOURCES else base for full in names))


def executed(node: ast.AST) -> Iterator[ast.AST]:
    """What runs when the module is imported: no function's body, nothing for type checkers alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield child
        yield from executed(child)


def imports(name: str, nodes: Iterator[ast.AST]) -> Iterator[tuple[str, str]]:
    """(where, full name of the module) of every import among the nodes of module `name`."""
    for node in nodes:
        for target in targets(name, node):
            yield f"{SOURCES[name].relative_to(PACKAGE.parent)}:{node.lineno} imports {target}", target  # type: ignore[attr-defined]


def within(name: str, places: list[str]) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places)


@pytest.mark.parametrize(
    ("name", "target", "allowed"),
    [
        ("rollout", "environments", True),  # a layer down
        ("config", "catalogue", True),  # listed earlier in the same layer
        ("catalogue", "config", False),
        ("types", "data.dataset", False),  # up
        ("runs.directory", "runs.files", True),
        ("runs.files", "runs.directory", False),
        ("statistics", "statistics.costs", True),  # an __init__ gathers
        ("statistics.costs", "statistics", False),
        ("", "study", True),  # so does the package's own
        ("catalogue", "", False),
        ("evaluation", "no_such_room", False),
    ],
)
def test_what_may_import_what(name: str, target: str, allowed: bool) -> None:
    assert may_import(name, target) is allowed


def test_imports_go_downwards() -> None:
    """A new room gets its place in LAYERS, a new file that shares code with its neighbours one in ORDER."""
    wrong = [
        where
        for name in TREES
        for where, target in imports(name, ast.walk(TREES[name]))
        if target.partition(".")[0] == "rlformer" and not may_import(name, target[len("rlformer.") :])
    ]
    assert not wrong, "\n".join(wrong)


def test_the_order_names_files_that_exist() -> None:
    listed = {f"{folder}.{file}" for folder, files in ORDER.items() if folder in SOURCES for file in files if folder}
    assert listed <= set(SOURCES)


def test_outside_libraries_have_one_door() -> None:
    wrong = [
        where
        for name in TREES
        for where, target in imports(name, ast.walk(TREES[name]))
        if (library := target.partition(".")[0]) in DOORS and not within(name, DOORS[library])
    ]
    assert not wrong, "\n".join(wrong)


def test_torch_is_imported_where_it_is_used() -> None:
    wrong = [
        where
        for name in TREES
        for where, target in imports(name, executed(TREES[name]))
        if target.partition(".")[0] == "torch" and not within(name, TORCH)
    ]
    assert not wrong, "\n".join(wrong)


def loaded(*arguments: str) -> set[str]:
    """The top-level modules that Python imports when it is run with these arguments."""
    command = [sys.executable, "-P", "-X", "importtime", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in result.stderr.splitlines()}


@pytest.mark.parametrize("arguments", [("-c", "import rlformer"), ("-m", "rlformer", "--help")], ids=" ".join)
def test_help_comes_at_once(arguments: tuple[str, ...]) -> None:
    modules = loaded(*arguments)
    assert "rlformer" in modules
    assert not modules & {"numpy", "torch", "gymnasium", "scipy", "h5py", *DOORS}


def test_stepping_and_evaluating_needs_no_torch() -> None:
    """Nor does reading logs: the workers that only collect start in a blink."""
    light = [name for name in SOURCES if name.partition(".")[0] in {*LAYERS[0], *LAYERS[1], "rollout", "evaluation"}]
    modules = loaded("-c", f"import {', '.join(f'rlformer.{name}' for name in [*light, 'data.dataset'])}")
    assert {"rlformer", "numpy", "gymnasium"} <= modules
    assert not modules & {"torch", *DOORS}


def test_files_are_short() -> None:
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in SOURCES.items()}
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}


def test_no_room_hides_a_function_of_the_package() -> None:
    """Importing `rlformer.report` sets an attribute of that name: a function of the same would be gone."""
    assert not set(rlformer.__all__) & {module.name for module in pkgutil.iter_modules(rlformer.__path__)}
    assert all(callable(getattr(rlformer, name)) for name in rlformer.__all__)
