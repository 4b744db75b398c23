"""Causal multi-head self-attention, with grouped key/value heads, rotary positions and a cache."""

from torch import Tensor, nn

from torch_models import ops
from torch_models.errors import ConfigError
from torch_models.layers.cache import LayerCache
from torch_models.layers.linear import Linear
from torch_models.layers.positions import Rotary


class CausalSelfAttention(nn.Module):
    """Every token looks at itself and the tokens before it (Vaswani et al. 2017).

    Args:
        width: Size of the residual stream.
        heads: Query heads; they divide width.
        kv_heads: Key and value heads, each shared by heads / kv_heads query heads (Ainslie et al.
            2023); None for as many as query heads.
        rotary: Turns queries and keys by their positions; None where positions are added.
        dropout: Probability of dropping an attention weight, and an output value, in training.
        bias: Whether the maps have biases.

    Raises:
        ConfigError: If the heads do not divide the width, or the key heads the heads.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        kv_heads: int | None = None,
        rotary: Rotary | None = None,
        dropout: float = 0.0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        kv_heads = heads if kv_heads is None else kv_heads
        if heads < 1 or kv_heads < 1 or width % heads or heads % kv_heads:
            raise ConfigError(
                f"heads must divide width and kv_heads must divide heads, "
                f"got width {width}, heads {heads}, kv_heads {kv_heads}"
            )
        self.heads, self.kv_heads, self.head_dim = heads, kv_heads, width // heads
        self.rotary = rotary
        self.qkv = Linear(width, (heads + 2 * kv_heads) * self.head_dim, bias=bias)
        self.project = Linear(width, width, bias=bias)
        self.weight_dropout = dropout
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        positions: Tensor,
        cache: LayerCache | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Map x (batch, sequence, width) to the same shape.

        Args:
            x: The normalised residual stream.
            positions: int64 (batch or 1, sequence); only rotary positions read it.
            cache: Holds the keys and values of earlier tokens; the new ones are added to it.
            mask: Boolean (batch, 1, sequence, keys), joined with causality.
        """
        batch, sequence, width = x.shape
        shape = (batch, sequence, self.heads + 2 * self.kv_heads, self.head_dim)
        qkv = self.qkv(x).view(shape).transpose(1, 2)
        query, key, value = qkv.split((self.heads, self.kv_heads, self.kv_heads), dim=1)
        if self.rotary is not None:
            query, key = self.rotary(query, positions), self.rotary(key, positions)
        if cache is not None:
            key, value = cache.append(key, value)
        dropout = self.weight_dropout if self.training else 0.0
        mixed = ops.attention(query, key, value, causal=True, mask=mask, dropout=dropout)
        result: Tensor = self.dropout(
            self.project(mixed.transpose(1, 2).reshape(batch, sequence, width))
        )
        return result
