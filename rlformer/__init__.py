"""Online RL or a sequence model, for your Gymnasium environment? Train both, count every cost, read one report.

The functions behind the commands, imported when they are first used so that `import rlformer` costs nothing.
"""

from typing import Any

from rlformer.envs.worlds.registration import register_with_gymnasium as _register

_register()

__all__ = [
    "Grid",
    "Log",
    "Study",
    "Terms",
    "TrainedRun",
    "collect",
    "compare",
    "dataset",
    "doctor",
    "evaluate",
    "export",
    "join",
    "judge",
    "list_runs",
    "load",
    "open_data",
    "play",
    "train",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from rlformer import api

        return getattr(api, name)
    raise AttributeError(f"module 'rlformer' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
