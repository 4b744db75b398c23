"""Where a token stands: learned embeddings, or rotations of queries and keys."""

import torch
from torch import Tensor, nn

from torch_models.errors import ConfigError, ShapeError


class LearnedPositions(nn.Module):
    """One learned vector for each position up to `context_length` (Radford et al. 2019)."""

    def __init__(self, context_length: int, hidden_size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(context_length, hidden_size))

    def forward(self, positions: Tensor) -> Tensor:
        """Vectors (..., hidden_size) for int64 positions (...)."""
        return nn.functional.embedding(positions, self.weight)


class Rotary(nn.Module):
    """Rotary positions (Su et al. 2021, section 3.4.2), halves layout as in Llama.

    Feature i of the first half turns together with feature i of the second half, by the angle
    position * base^(-2i / head_dim).

    Raises:
        ConfigError: If head_dim is odd.
    """

    frequencies: Tensor

    def __init__(self, head_dim: int, base: float = 10000.0) -> None:
        super().__init__()
        if head_dim % 2:
            raise ConfigError(f"rotary positions turn pairs: head_dim must be even, got {head_dim}")
        exponents = torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim
        self.register_buffer("frequencies", base**-exponents, persistent=False)

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        """Turn x (batch, heads, sequence, head_dim) by positions (batch or 1, sequence).

        Angles are computed in float32; the result has x's dtype.
        """
        if positions.dim() != 2 or positions.shape[1] != x.shape[-2]:
            raise ShapeError(
                f"positions must be (batch or 1, {x.shape[-2]}), got {tuple(positions.shape)}"
            )
        angles = positions[:, None, :, None].float() * self.frequencies
        cos, sin = angles.cos(), angles.sin()
        first, second = x.float().chunk(2, dim=-1)
        turned = torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
        return turned.to(x.dtype)
