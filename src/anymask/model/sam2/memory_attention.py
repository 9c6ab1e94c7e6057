"""Memory attention: a frame in the light of earlier ones (arXiv 2408.00714, section 4).

Each layer attends among the frame's own tokens, then to the remembered maps and object pointers.
Values of remembered tokens have fewer channels than their queries, so the mean is taken of the
tokens themselves and projected afterwards: Σp·(W·x) = W·(Σp·x), in a quarter of the work.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anymask.model.config import Sam2Config
from anymask.model.layers import apply_linear
from anymask.model.products import wants_gradient
from anymask.model.sam2.attention import attend_tokens
from anymask.model.sam2.positions import rotated, rotations, sine_positions

# How much of the fixed code of places is added to a frame.
_POSITION_SHARE = 0.1


class Memory(NamedTuple):
    """What is remembered of one object.

    Attributes
    ----------
    tokens : (1, M·h·w + P, c) tensor
        Cells of M maps, row by row, then P parts of object pointers.
    positions : (1, M·h·w + P, c) tensor
        Codes of their places and times.
    pointers : int
        P.
    """

    tokens: Tensor
    positions: Tensor
    pointers: int


class MemoryAttention(nn.Module):
    """A stack of `MemoryAttentionLayer`."""

    def __init__(self, config: Sam2Config) -> None:
        super().__init__()
        assert config.memory is not None
        dim, memory = config.prompt_dim, config.memory
        self.layers = nn.ModuleList(
            MemoryAttentionLayer(dim, memory.channels, memory.attention_mlp_dim)
            for _ in range(memory.attention_depth)
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, frame: Tensor, memory: Memory) -> Tensor:
        """Condition a frame on its memory.

        Parameters
        ----------
        frame : (1, C, h, w) tensor
            The image embedding.
        memory : Memory

        Returns
        -------
        (1, C, h, w) tensor
        """
        _, channels, height, width = frame.shape
        places = sine_positions((height, width), channels).to(frame.device, frame.dtype)
        turns = rotations((height, width), channels).to(frame.device)
        x = (frame + _POSITION_SHARE * places).flatten(2).transpose(1, 2)  # (1, h·w, C)
        placed = memory.tokens + memory.positions
        for layer in self.layers:
            x = layer(x, memory.tokens, placed, memory.pointers, turns)
        return self.norm(x).transpose(1, 2).unflatten(2, (height, width))


class MemoryAttentionLayer(nn.Module):
    """Attention among a frame's tokens, attention to the memory, and an MLP."""

    def __init__(self, dim: int, memory_dim: int, mlp_dim: int) -> None:
        super().__init__()
        self.self_attn = RotaryAttention(dim, dim)
        self.cross_attn_image = RotaryAttention(dim, memory_dim)
        self.linear1 = nn.Linear(dim, mlp_dim)
        self.linear2 = nn.Linear(mlp_dim, dim)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.norm3 = nn.LayerNorm(dim)

    def forward(
        self, x: Tensor, tokens: Tensor, placed: Tensor, pointers: int, turns: Tensor
    ) -> Tensor:
        """Update the tokens (1, h·w, C) of a frame.

        Parameters
        ----------
        x : (1, h·w, C) tensor
        tokens, placed : (1, S, c) tensors
            Remembered tokens, without and with their positions.
        pointers : int
            How many tokens at the end have no place in the image.
        turns : (h·w, C // 2) complex tensor
        """
        y = self.norm1(x)
        x = x + self.self_attn(y, y, y, turns)
        x = x + self.cross_attn_image(self.norm2(x), placed, tokens, turns, pointers)
        hidden = F.relu(apply_linear(self.linear1, self.norm3(x)))
        return apply_linear(self.linear2, hidden, plus=x)


class RotaryAttention(nn.Module):
    """Attention of one head with rotary positions."""

    def __init__(self, dim: int, memory_dim: int) -> None:
        super().__init__()
        self.q_proj = nn.Linear(dim, dim)
        self.k_proj = nn.Linear(memory_dim, dim)
        self.v_proj = nn.Linear(memory_dim, dim)
        self.out_proj = nn.Linear(dim, dim)

    def forward(self, q: Tensor, k: Tensor, v: Tensor, turns: Tensor, unplaced: int = 0) -> Tensor:
        """Attend.

        Parameters
        ----------
        q : (1, T, C) tensor
        k, v : (1, S, c) tensors
            Cells of whole maps, then `unplaced` tokens that are not rotated.
        turns : (T, C // 2) complex tensor
        unplaced : int
        """
        q, k = apply_linear(self.q_proj, q), apply_linear(self.k_proj, k)
        placed = k.shape[1] - unplaced
        maps = placed // len(turns)
        q = rotated(q, turns)
        k = torch.cat([rotated(k[:, :placed], turns.repeat(maps, 1)), k[:, placed:]], 1)
        late = v.shape[2] < q.shape[2] and not wants_gradient(v, self.v_proj.weight)
        y = attend_tokens(q, k, v if late else apply_linear(self.v_proj, v), 1)
        return apply_linear(self.out_proj, apply_linear(self.v_proj, y) if late else y)
