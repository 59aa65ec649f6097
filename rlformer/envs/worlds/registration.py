"""The names under which Gymnasium finds the diagnostic environments, registered without importing it.

`gymnasium.make("rlformer:rlformer/Name-v0")` imports `rlformer` and then looks `rlformer/Name-v0` up. Where
`rlformer` was imported before Gymnasium, that import does nothing and the names have to be there already: a
finder waits for Gymnasium and registers them as soon as it is imported. `import rlformer` stays light.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # importlib.abc takes as long to import as all the rest
    from collections.abc import Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType

MODULES = {
    "KeyDoor": "key_door",
    "KeyToDoor": "key_to_door",
    "PassiveTMaze": "tmaze",
    "Gamble": "gamble",
    "Bandit": "bandit",
    "Umbrella": "umbrella",
    "Stitch": "stitch",
    "DenseBits": "bits",
    "Lock": "bits",
    "DeepSea": "deep_sea",
}


def register() -> None:
    """Register every diagnostic environment as rlformer/Name-v0, without importing any of their modules."""
    import gymnasium

    for name, module in MODULES.items():
        entry_point = f"rlformer.envs.worlds.{module}:{name}"
        gymnasium.register(f"rlformer/{name}-v0", entry_point, vector_entry_point=f"{entry_point}Vector")


def register_with_gymnasium() -> None:
    """Register now if Gymnasium has been imported, otherwise when it is."""
    if "gymnasium" in sys.modules:
        register()
    else:
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds Gymnasium as the other finders do, and has it loaded by `_Loader`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "gymnasium":
            return None
        found = (finder.find_spec(fullname, path, target) for finder in sys.meta_path if finder is not self)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self)  # type: ignore[assignment]
        return spec


class _Loader:
    """Another loader, and afterwards the registration, for which nothing needs to be found again."""

    def __init__(self, loader: Loader, finder: _Finder) -> None:
        self._loader, self._finder = loader, finder

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self._loader  # it knows sources and resources
        self._loader.exec_module(module)
        sys.meta_path.remove(self._finder)
        register()
