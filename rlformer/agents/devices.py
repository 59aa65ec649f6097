"""Where a sequence model is trained."""

from __future__ import annotations

import torch

from rlformer.core.errors import InputError


def device(name: str) -> torch.device:
    """The device of this name: cpu, cuda, cuda:N; auto is a GPU if there is one.

    Raises InputError where it is not here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = name.partition(":")
    if name != "cpu" and (kind != "cuda" or (":" in name and not index.isdecimal())):
        raise InputError(f"--device {name}: must be cpu, cuda, cuda:N or auto")
    if kind == "cuda" and not torch.cuda.is_available():
        why = (
            "there is no CUDA device here"
            if torch.version.cuda
            else f"torch {torch.__version__} was built without CUDA"
        )
        raise InputError(f"--device {name}: {why}")
    if int(index or 0) >= (count := torch.cuda.device_count()) and kind == "cuda":
        raise InputError(f"--device {name}: there are {count}, counted from 0")
    return torch.device("cpu" if name == "cpu" else f"cuda:{int(index or 0)}")
