"""One episode looked at closely: attributions through time, attention over the context, frames."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from rlformer.core.records import EnvSpec
from rlformer.core.spaces import Array
from rlformer.envs.make import make
from rlformer.explain.attribution import attention_of_tokens, explain, has_attention, scale_of
from rlformer.explain.groups import Groups
from rlformer.explain.states import Log, Sample, States
from rlformer.explain.subject import Subject

_COLUMNS = 60  # steps of an episode that are shown
_FRAMES, _WIDTH = 6, 150  # pictures of it, and their pixels across
_CHOSEN = 3  # steps whose attention is shown
_DONORS = 4


def through_time(
    subject: Subject, groups: Groups, log: Log, states: States, actions: Array, seed: int
) -> dict[str, Any]:
    """Integrated gradients of the greedy action at steps of one episode: states (T) in order."""
    steps = np.unique(np.linspace(0, len(states) - 1, min(len(states), _COLUMNS)).round().astype(int))
    chosen = states[torch.from_numpy(steps)]
    rng = np.random.default_rng(seed)
    nearest = np.clip(np.searchsorted(log.times, chosen.times.numpy()), 0, len(log.times) - 1)
    others = log.any(np.tile(log.times[nearest], _DONORS), rng)
    found = explain("integrated gradients", subject, groups, Sample(chosen, others, others), seed)
    values = (found.groups / scale_of(subject)[:, None]).sum(dim=1).numpy()  # (T, G)
    return {
        "steps": steps.tolist(),
        "actions": np.asarray(actions)[steps].tolist(),
        "values": {name: values[:, i].tolist() for i, name in enumerate(groups.names) if groups.read[i]},
    }


def attention_over_context(
    subject: Subject, states: States, actions: Array, decisions: Sequence[int] | None
) -> list[dict[str, Any]]:
    """What the attention of chosen steps lies on, step by step and kind of token by kind; [] without attention."""
    if not has_attention(subject):
        return []
    last = len(states) - 1
    steps = [t for t in decisions if t <= last][-_CHOSEN:] if decisions else []
    if not steps:
        steps = sorted({last // 4, last // 2, 3 * last // 4})
    at = states[torch.tensor(steps)]
    found = []
    weights = {name: attention_of_tokens(name, subject, at) for name in ("attention rollout", "last-layer attention")}
    kinds = subject.scorer.model.inputs_of_tokens  # type: ignore[attr-defined]
    for row, step in enumerate(steps):
        length = int(at.lengths[row])
        found.append(
            {
                "step": int(step),
                "action": np.asarray(actions)[step].tolist(),
                "first": int(step) - length + 1,
                "tokens": [" + ".join(parts) for parts in kinds],
                "weights": {n: w[row, -length:].tolist() for n, w in weights.items()},  # (steps, kinds)
            }
        )
    return found


def frames(env: EnvSpec, seed: int, actions: Array) -> tuple[list[dict[str, Any]], str | None]:
    """Pictures of an episode as PNG in base64, by playing it again, and why there are none if so."""
    wanted = set(np.unique(np.linspace(0, len(actions) - 1, _FRAMES).round().astype(int)).tolist())
    try:
        made = make(env, render_mode="rgb_array")
    except Exception as error:  # whatever a user's environment or its graphics library lacks
        return [], f"it cannot be rendered here: {' '.join(str(error).split())}"
    found = []
    try:
        made.reset(seed=int(seed))
        for step, action in enumerate(actions):
            if step in wanted:
                picture = made.render()
                if not isinstance(picture, np.ndarray):
                    return [], "it renders no image"
                found.append({"step": step, "png": base64.b64encode(png(_small(picture))).decode()})
            made.step(action)
    except Exception as error:
        return [], f"rendering failed: {' '.join(str(error).split())}"
    finally:
        made.close()
    return found, None


def _small(picture: Array) -> Array:
    """Means over blocks, so that thin lines survive."""
    block = max(1, round(picture.shape[1] / _WIDTH))
    height, width = (n // block * block for n in picture.shape[:2])
    blocks = picture[:height, :width, :3].reshape(height // block, block, width // block, block, 3)
    return (blocks.mean(axis=(1, 3)) // 16 * 17).clip(0, 255).astype(np.uint8)  # few shades compress well


def png(picture: Array) -> bytes:
    """(height, width, 3) uint8 as a PNG file (W3C, Portable Network Graphics)."""
    height, width = picture.shape[:2]
    rows = np.concatenate([np.zeros((height, 1), np.uint8), picture.reshape(height, -1)], axis=1)  # 0: no filter

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(rows.tobytes(), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
