"""Operations of trajectory models, from the hyperparameters of their cards: the sum of what their parts say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlformer.agents.sequence import encoders
from rlformer.agents.sequence.architecture import Architecture
from rlformer.core.flops import Work, linear
from rlformer.core.spaces import Spaces
from rlformer.runs.record import RunRecord


def of_run(values: Mapping[str, Any], spaces: Spaces, record: RunRecord) -> dict[str, float]:
    """See `agents.flops.of_run`. Whole windows are computed, padding too, so that gradient steps count."""
    architecture = Architecture.of(values, spaces, longest=1)
    counts = {"action": window(architecture, acting=True).forward}
    gradient_steps = record.progress.get("done")
    if gradient_steps is not None:
        counts["training"] = gradient_steps * values["batch_size"] * window(architecture).training
    return counts


def window(a: Architecture, acting: bool = False) -> Work:
    """One window of a full context: every step's action predicted, as in training, or the last one's, `acting`.

    The rows that acting computes twice so that rounding does not depend on the batch are left out, and so is what the
    paper's model need not compute again as its window slides. What streams computes the newest step alone.
    """
    stream = a.kind.step_work if acting and a.streams else None
    steps = 1 if stream else a.context_length
    encoded = len(a.actions.low) if a.actions.kind == "box" else sum(a.actions.nvec)
    shown = 1 if acting and a.observation.has_images else steps  # what is made of images is kept
    embedding = encoders.work(a.observation, a.width, a.encoder) * shown
    if a.conditioning == "return":
        embedding += linear(1, a.width, input_gradient=False) * steps
    if a.reads_actions:  # one token a step shows the action before it, which the first step of a window lacks
        read = steps if a.tokens == "separate" or stream else steps - 1
        embedding += linear(encoded, a.width, input_gradient=False) * read
    asked = 1 if acting else steps
    body = stream(a) * a.tokens_per_step if stream else a.kind.work(a, a.tokens_per_window, asked)
    predicted = 2 * encoded if a.actions.kind == "box" and a.action_head == "gaussian" else encoded
    return embedding + body + linear(a.width, predicted) * asked
