"""Which optional dependencies are here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

# The modules that each extra of pyproject.toml brings.
EXTRAS: Mapping[str, tuple[str, ...]] = {
    "atari": ("ale_py",),
    "box2d": ("Box2D",),
    "contrib": ("sb3_contrib",),
    "minigrid": ("minigrid",),
    "mujoco": ("mujoco", "imageio"),
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
    "ray": ("ray",),
    "slurm": ("submitit",),
    "tables": ("pyarrow",),
    "video": ("imageio_ffmpeg",),
}


def missing_modules(extra: str) -> list[str]:
    """Those of the extra's modules that are not installed; a name that is no extra is a module's own."""
    return [module for module in EXTRAS.get(extra, (extra,)) if find_spec(module) is None]


def missing_extra(extra: str | None) -> str | None:
    """`extra` if something a card needs is not installed, else None."""
    return extra if extra is not None and missing_modules(extra) else None
