"""Trajectory models (`models.trajectory`), from the hyperparameters of their cards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlformer.core.flops import Work, attention, linear, lstm
from rlformer.core.spaces import ActionSpec
from rlformer.runs.record import RunRecord

HISTORY = frozenset({"transformer", "lstm"})  # backbones that read earlier tokens


def of_run(values: Mapping[str, Any], size: int, actions: ActionSpec, record: RunRecord) -> dict[str, float]:
    """See `agents.flops.of_run`. Whole windows are computed, padding too, so that gradient steps count."""
    counts = {"action": window(values, size, actions, acting=True).forward}
    gradient_steps = record.progress.get("done")
    if gradient_steps is not None:
        counts["training"] = gradient_steps * values["batch_size"] * window(values, size, actions).training
    return counts


def window(values: Mapping[str, Any], observation_size: int, actions: ActionSpec, acting: bool = False) -> Work:
    """One window of a full context: every step's action predicted, as in training, or the last one's, `acting`.

    The rows that acting computes twice so that rounding does not depend on the batch are left out, and so is what the
    paper's model need not compute again as its window slides. With a band, acting computes the newest step alone.
    """
    band = int(values.get("attention_band", 0)) if acting else 0
    steps, width = 1 if band else int(values["context_length"]), int(values["width"])
    separate, conditioned = values["tokens"] == "separate", values["conditioning"] == "return"
    reads_actions = values["backbone"] in HISTORY and int(values["context_length"]) > 1
    encoded = len(actions.low) if actions.kind == "box" else sum(actions.nvec)

    embedding = linear(observation_size, width, input_gradient=False) * steps
    if conditioned:
        embedding += linear(1, width, input_gradient=False) * steps
    if reads_actions:  # one token a step shows the action before it, which the first step of a window lacks
        embedding += linear(encoded, width, input_gradient=False) * (steps if separate or band else steps - 1)
    tokens = steps
    if separate:
        tokens = steps * (1 + conditioned + reads_actions) - reads_actions  # the last action is read by nobody
    asked = 1 if acting else steps
    body = _block(1, 1, width, band) * int(values["layers"]) if band else _backbone(values, tokens, asked, width)
    return embedding + body + linear(width, encoded) * asked


def _backbone(values: Mapping[str, Any], tokens: int, asked: int, width: int) -> Work:
    layers = int(values["layers"])
    if values["backbone"] == "mlp":
        return linear(width, width) * (layers * asked)
    if values["backbone"] == "lstm":
        return lstm(width, width, layers) * tokens
    return _block(tokens, tokens, width) * (layers - 1) + _block(tokens, asked, width)


def _block(tokens: int, asked: int, width: int, seen: int = 0) -> Work:
    """A transformer's layer: queries and what follows at the asked rows, keys and values at every token.

    seen: tokens that each row attends to, where that is not all of them.
    """
    projections = linear(width, width) * (2 * asked) + linear(width, 2 * width) * tokens
    inner = (linear(width, 4 * width) + linear(4 * width, width)) * asked
    return projections + attention(asked, seen or tokens, width) + inner
