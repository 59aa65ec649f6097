"""A causal transformer in the form of GPT-2: normalisation first, residual connections, a wide inner layer."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Transformer(nn.Module):
    """(B, T, D) token embeddings -> (B, M, D) at the asked rows.

    The last layer is computed at the asked rows alone: no other row of it is read (exact, and a fifth of the work).
    """

    def __init__(self, width: int, layers: int, heads: int, dropout: float, activation: str) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} cannot be split into {heads} heads")
        self.embedding_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(_Block(width, heads, dropout, activation) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.apply(_initialise)
        for block in self.blocks:  # GPT-2: keeps the variance of the residual stream flat over depth
            for projection in (block.attention.project, block.contract):
                nn.init.normal_(projection.weight, std=0.02 / math.sqrt(2 * layers))

    def forward(self, tokens: Tensor, rows: Tensor) -> Tensor:
        """tokens: (B, T, D). rows: (M,) or (B, M) integers, the positions to compute -> (B, M, D).

        A row sees the tokens at and before it.
        """
        h = self.dropout(self.embedding_norm(tokens))  # (B, T, D)
        everywhere = torch.arange(tokens.shape[1], device=tokens.device)
        for block in self.blocks[:-1]:
            h = block(h, everywhere)
        return self.norm(self.blocks[-1](h, rows))  # (B, M, D)

    @torch.no_grad()
    def attention(self, tokens: Tensor) -> list[Tensor]:
        """The attention weights of every layer, (B, heads, T, T), without dropout."""
        h = self.embedding_norm(tokens)
        everywhere = torch.arange(tokens.shape[1], device=tokens.device)
        weights = []
        for block in self.blocks:
            weights.append(block.attention.weights(block.attention_norm(h), everywhere)[0])
            h = block(h, everywhere)
        return weights


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float, activation: str) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = _Attention(width, heads, dropout)
        self.inner_norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 4 * width)
        self.activation = {"relu": nn.ReLU, "gelu": nn.GELU}[activation]()
        self.contract = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, h: Tensor, rows: Tensor) -> Tensor:
        residual = take_rows(h, rows)  # (B, M, D)
        residual = residual + self.attention(self.attention_norm(h), rows)
        inner = self.contract(self.activation(self.expand(self.inner_norm(residual))))
        return residual + self.dropout(inner)


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.output_dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, rows: Tensor) -> Tensor:
        weights, value = self.weights(x, rows)
        mixed = self.dropout(weights) @ value  # (B, nh, M, hs)
        return self.output_dropout(self.project(mixed.transpose(1, 2).flatten(2)))  # (B, M, D)

    def weights(self, x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """x: (B, T, D) -> attention weights (B, nh, M, T) and values (B, nh, T, hs)."""
        batch, length, width = x.shape
        whole = rows.ndim == 1 and len(rows) == length
        if whole:
            query, key, value = self.qkv(x).split(width, dim=2)
        else:  # queries at few rows, keys and values at all
            query = nn.functional.linear(take_rows(x, rows), self.qkv.weight[:width], self.qkv.bias[:width])
            others = nn.functional.linear(x, self.qkv.weight[width:], self.qkv.bias[width:])
            key, value = others.split(width, dim=2)
        split = (batch, -1, self.heads, width // self.heads)
        query, key, value = (t.reshape(split).transpose(1, 2) for t in (query, key, value))  # (B, nh, *, hs)
        scores = query @ key.transpose(2, 3) / math.sqrt(width // self.heads)  # (B, nh, M, T)
        future = torch.arange(length, device=x.device) > rows[..., None]  # (M, T) or (B, M, T)
        if future.ndim == 3:
            future = future[:, None]
        return scores.masked_fill(future, -torch.inf).softmax(dim=3), value


def take_rows(h: Tensor, rows: Tensor) -> Tensor:
    """h: (B, T, D), rows: (M,) or (B, M) -> (B, M, D)."""
    if rows.ndim == 1:
        return h if len(rows) == h.shape[1] else h[:, rows]
    return h.gather(1, rows[..., None].expand(-1, -1, h.shape[2]))


def _initialise(module: nn.Module) -> None:
    """GPT-2's: weights from a normal of .02, biases zero."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
