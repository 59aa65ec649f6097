"""Imports go downwards from room to room; read from the syntax trees.

Imports inside functions count too: a cycle is a cycle. Those for type checkers alone do not.
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

PACKAGE = Path(rlformer.__file__).resolve().parent

# The rooms, the lowest first: each imports from itself and from those before it.
ROOMS = (
    "core", "statistics", "runs", "envs", "data", "agents", "explain", "evaluator", "studies", "report", "api", "cli",
    "__main__",
)  # fmt: skip

# Each outside library has one door.
DOORS = {
    "stable_baselines3": ["agents.online", "agents.offline", "agents.adversarial"],
    "sb3_contrib": ["agents.online"],
    "minari": ["data.loaders.minari"],
    "pyarrow": ["data.loaders.tables"],
    "h5py": ["data.loaders.hdf5", "data.loaders.safe"],
    "plotly": ["report.plots"],
    "captum": ["explain.explainers"],
    "sklearn": ["explain"],
    "onnx": ["agents.export"],
    "onnxruntime": ["agents.export"],
    "transformers": ["agents.sequence.huggingface"],
    "ray": ["studies.executors"],
    "submitit": ["studies.executors"],
}
# Torch takes seconds to import, so that only these do it at once; elsewhere the function that needs it does.
TORCH = ["agents", "explain", "data.windows"]


def module_name(path: Path) -> str:
    """'runs.directory' of runs/directory.py, 'runs' of runs/__init__.py, '' of the package's own __init__.py."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}


def may_import(name: str, target: str) -> bool:
    """Whether the module `name` may import the module `target`, both named below `rlformer`."""
    if not name or not target:  # the package's own __init__ gathers, and nothing imports it
        return not name
    ours, theirs = name.partition(".")[0], target.partition(".")[0]
    return ours in ROOMS and theirs in ROOMS and ROOMS.index(theirs) <= ROOMS.index(ours)


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


def walked(node: ast.AST, functions: bool) -> Iterator[ast.AST]:
    """What runs, nothing for type checkers alone. functions: those of their bodies too, or the import's alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not functions:
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield child
        yield from walked(child, functions)


def imports(functions: bool) -> Iterator[tuple[str, str, str]]:
    """(module, where, full name of what is imported) of every import."""
    for name, tree in TREES.items():
        for node in walked(tree, functions):
            for target in targets(name, node):
                where = f"{SOURCES[name].relative_to(PACKAGE.parent)}:{node.lineno} imports {target}"  # type: ignore[attr-defined]
                yield name, where, target


def within(name: str, places: list[str]) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places)


@pytest.mark.parametrize(
    ("name", "target", "allowed"),
    [
        ("envs.rollout", "core.spaces", True),
        ("core.spaces", "envs.rollout", False),
        ("runs.directory", "runs.record", True),
        ("evaluator.judge.decision", "report.build", False),
        ("", "api", True),
        ("core.errors", "", False),
        ("evaluator.judge", "no_such_room", False),
    ],
)
def test_what_may_import_what(name: str, target: str, allowed: bool) -> None:
    assert may_import(name, target) is allowed


def test_every_room_has_its_place() -> None:
    assert {name.partition(".")[0] for name in SOURCES if name} == set(ROOMS)


@pytest.mark.slow
def test_imports_go_downwards() -> None:
    wrong = [
        where
        for name, where, target in imports(functions=True)
        if target.partition(".")[0] == "rlformer" and not may_import(name, target[len("rlformer.") :])
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
def test_outside_libraries_have_one_door() -> None:
    wrong = [
        where
        for name, where, target in imports(functions=True)
        if (library := target.partition(".")[0]) in DOORS and not within(name, DOORS[library])
    ]
    assert not wrong, "\n".join(wrong)


def test_torch_is_imported_where_it_is_used() -> None:
    wrong = [
        where
        for name, where, target in imports(functions=False)
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


@pytest.mark.slow
@pytest.mark.parametrize("module", ["envs.play", "data.dataset", "agents.learners", "agents.cards", "evaluator"])
def test_what_trains_nothing_needs_no_torch(module: str) -> None:
    """Workers that only collect, and judging, start in a blink."""
    modules = loaded("-c", f"import rlformer.{module}")
    assert {"rlformer", "numpy"} <= modules
    assert not modules & {"torch", *DOORS}


def test_files_are_short() -> None:
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in SOURCES.items()}
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}


def test_no_room_hides_a_function_of_the_package() -> None:
    """Importing `rlformer.report` sets an attribute of that name: a function of the same would be gone."""
    assert not set(rlformer.__all__) & {module.name for module in pkgutil.iter_modules(rlformer.__path__)}
    assert all(callable(getattr(rlformer, name)) for name in rlformer.__all__)
