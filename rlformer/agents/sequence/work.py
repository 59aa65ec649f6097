"""Operations of a trajectory model: the sum of what its parts say, by how it is used."""

from __future__ import annotations

from rlformer.agents.sequence import encoders, latent
from rlformer.agents.sequence.architecture import Architecture
from rlformer.core.flops import Work, linear


def window(a: Architecture) -> Work:
    """One window of a full context whose actions are all predicted, as imitation does."""
    return embedding(a) + a.kind.work(a, a.tokens_per_window, a.context_length) + predicting(a) * a.context_length


def acting(a: Architecture) -> Work:
    """One action with a full context.

    The rows that are computed twice so that rounding does not depend on the batch are left out, and so is what the
    paper's model need not compute again as its window slides. What streams computes the newest step alone. What
    predicts returns reads its window twice: first for the return.
    """
    heads = predicting(a) + (linear(a.width, 1) if a.predicts_returns else Work())
    if a.executes_chunks:  # of each action its share
        assert a.kind.chunk_work is not None
        chunk = a.kind.chunk_work(a, a.tokens_per_window, 1) + predicting(a) * a.chunk_length
        return (embedding(a) + chunk) * (1 / a.chunk_length)
    if a.streams:
        assert a.kind.step_work is not None
        return embedding(a, 1) + a.kind.step_work(a) * a.tokens_per_step + heads
    kept = a.context_length - 1 if a.observation.has_images else 0  # images are encoded once
    body = a.kind.work(a, a.tokens_per_window, 1)
    return (embedding(a, encoded_before=kept) + body) * (1 + a.predicts_returns) + heads


def embedding(a: Architecture, latest: int = 0, encoded_before: int = 0) -> Work:
    """What makes tokens of a window; latest: or of so many steps of an episode that goes on.

    encoded_before: steps whose observations are kept as they were encoded.
    """
    steps = latest or a.context_length
    found = encoders.work(a.observation, a.width, a.encoder)
    if a.latent_width:
        found = latent.work(a.observation.size, a.latent_width, a.width, a.latent_frozen)
    found *= steps - encoded_before
    if a.conditioned:
        found += linear(1, a.width, input_gradient=False) * steps
    if a.reads_actions:  # one token a step shows the action before it, which the first step of a window lacks
        read = steps if a.tokens == "separate" or latest else steps - 1
        found += linear(encoded(a), a.width, input_gradient=False) * read
    return found


def predicting(a: Architecture) -> Work:
    """The head of one action."""
    box = a.actions.kind == "box"
    return linear(a.width, 2 * encoded(a) if box and a.action_head == "gaussian" else encoded(a))


def encoded(a: Architecture) -> int:
    """Numbers of an action as the model reads it: see `ActionCodec`."""
    return len(a.actions.low) if a.actions.kind == "box" else sum(a.actions.nvec)
