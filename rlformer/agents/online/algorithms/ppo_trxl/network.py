"""A gated Transformer-XL that reads one step at a time (Parisotto et al. 2020, arXiv:1910.06764; Dai et al. 2019).

Each layer attends to its own normalised inputs of the last M steps of an episode and of this one. Those of the past are
cached and detached, as in Transformer-XL: what a step remembers is what was computed then. Normalisation stands before
attention, so that the way from bottom to top is the identity, and gated recurrent units take the place of residuals.

B rows, L layers, M remembered steps, H heads, W the width, D = W / H that of a head.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rlformer.agents.online.algorithms.ppo_trxl import FEEDFORWARD

_IDENTITY = 2.0  # b_g: how far the gates of an untrained network are shut, so that it passes on what it reads
_SPREAD = 0.02  # of the first embeddings of places


class Gate(nn.Module):
    """A GRU in the place of a residual connection (eq. 7 of Parisotto et al.)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.of_new = nn.Linear(width, 3 * width)
        self.of_old = nn.Linear(width, 2 * width, bias=False)
        self.of_kept = nn.Linear(width, width, bias=False)
        with torch.no_grad():
            self.of_new.bias.zero_()[width : 2 * width] = -_IDENTITY

    def forward(self, old: Tensor, new: Tensor) -> Tensor:
        """(B, W), (B, W) -> (B, W)."""
        reset_new, update_new, state_new = self.of_new(new).chunk(3, dim=1)
        reset_old, update_old = self.of_old(old).chunk(2, dim=1)
        reset, update = torch.sigmoid(reset_new + reset_old), torch.sigmoid(update_new + update_old)
        state = torch.tanh(state_new + self.of_kept(reset * old))
        return (1 - update) * old + update * state


class Attention(nn.Module):
    """Of one step to itself and to the M before it, with relative places (Dai et al. 2019, arXiv:1901.02860, 3.3).

    The embedding of a distance is learned, in place of a linear map of sines. There is one query, so that it is cheaper
    to bring it to the rows that are attended to than to make a key and a value of each of them; the sums are the same.
    """

    def __init__(self, width: int, heads: int, memory_length: int) -> None:
        super().__init__()
        size = width // heads
        self.heads = heads
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Parameter(torch.empty(heads, size, width))
        self.value = nn.Parameter(torch.empty(heads, width, size))
        self.places = nn.Parameter(torch.empty(heads, size, memory_length + 1))  # the farthest first
        self.content_bias = nn.Parameter(torch.zeros(heads, 1, size))  # u
        self.place_bias = nn.Parameter(torch.zeros(heads, 1, size))  # v
        self.out = nn.Linear(width, width)
        for parameter in (self.key, self.value):
            nn.init.uniform_(parameter, -1 / math.sqrt(width), 1 / math.sqrt(width))
        nn.init.normal_(self.places, std=_SPREAD)

    def forward(self, rows: Tensor, hidden: Tensor) -> Tensor:
        """rows (B, M + 1, W), the last of them this step's; hidden (B, M + 1) bool: not to be seen -> (B, W)."""
        query = self.query(rows[:, -1]).unflatten(1, (self.heads, -1)).transpose(0, 1)  # (H, B, D)
        content = ((query + self.content_bias) @ self.key).transpose(0, 1) @ rows.transpose(1, 2)  # (B, H, M + 1)
        place = ((query + self.place_bias) @ self.places).transpose(0, 1)
        scores = (content + place) / math.sqrt(query.shape[-1])
        shares = scores.masked_fill(hidden[:, None], -torch.inf).softmax(dim=-1)
        seen = (shares @ rows).transpose(0, 1) @ self.value  # (H, B, D)
        mixed: Tensor = self.out(seen.transpose(0, 1).flatten(1))
        return mixed


class Block(nn.Module):
    """Attention, then two linear layers, each behind a gate."""

    def __init__(self, width: int, heads: int, memory_length: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads, memory_length)
        self.attended = Gate(width)
        self.up, self.down = nn.Linear(width, FEEDFORWARD * width), nn.Linear(FEEDFORWARD * width, width)
        self.thought = Gate(width)

    def forward(self, state: Tensor, memory: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """state (B, W), memory (B, M, W) -> the state (B, W), and what is to be remembered of this step (B, W)."""
        row = normalized(state)
        rows = torch.cat([memory, row[:, None]], dim=1)
        state = self.attended(state, torch.relu(self.attention(rows, hidden)))
        between = torch.relu(self.down(torch.relu(self.up(normalized(state)))))
        return self.thought(state, between), row


class GatedTransformerXL(nn.Module):
    """See the module's words."""

    def __init__(self, inputs: int, width: int, layers: int, heads: int, memory_length: int) -> None:
        super().__init__()
        self.width, self.heads, self.memory_length = width, heads, memory_length
        self.embed = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(Block(width, heads, memory_length) for _ in range(layers))
        self.register_buffer("distances", torch.arange(memory_length, -1, -1), persistent=False)

    distances: Tensor

    @property
    def memory_shape(self) -> tuple[int, int, int]:
        """Of what is remembered of an episode: (L, M, W)."""
        return len(self.blocks), self.memory_length, self.width

    def forward(self, observations: Tensor, memory: Tensor, age: Tensor) -> tuple[Tensor, Tensor]:
        """observations (B, inputs), memory (B, L, M, W), age (B,): how many steps the episode has had before.

        -> what is known now (B, W), and what is to be remembered of this step (B, L, W). Of the memory no more is read
        than the episode is old, so that nothing crosses its beginning.
        """
        hidden = self.distances > age[:, None]  # (B, M + 1)
        state, kept = self.embed(observations), []
        for block, past in zip(self.blocks, memory.unbind(1), strict=True):
            state, row = block(state, past, hidden)
            kept.append(row)
        return state, torch.stack(kept, dim=1)


def normalized(rows: Tensor) -> Tensor:
    """Layer normalisation (Ba et al. 2016); its gains are those of the linear maps behind it."""
    return F.layer_norm(rows, rows.shape[-1:])


def advanced(memory: Tensor, row: Tensor) -> Tensor:
    """The memory (B, L, M, W) one step later, with the row (B, L, W) as its newest."""
    return torch.cat([memory[:, :, 1:], row[:, :, None]], dim=2)
