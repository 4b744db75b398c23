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
        hidden_size: Size of the residual stream.
        num_heads: Query heads; they divide hidden_size.
        num_kv_heads: Key and value heads, each shared by num_heads / num_kv_heads query heads
            (Ainslie et al. 2023); None for as many as query heads.
        rotary: Turns queries and keys by their positions; None where positions are added.
        dropout: Probability of dropping an attention weight, and an output value, in training.
        bias: Whether the maps have biases.

    Raises:
        ConfigError: If num_heads does not divide hidden_size, or num_kv_heads num_heads.
    """

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        num_kv_heads: int | None = None,
        rotary: Rotary | None = None,
        dropout: float = 0.0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        num_kv_heads = num_heads if num_kv_heads is None else num_kv_heads
        if num_heads < 1 or num_kv_heads < 1 or hidden_size % num_heads or num_heads % num_kv_heads:
            raise ConfigError(
                "num_heads must divide hidden_size and num_kv_heads must divide num_heads, got "
                f"hidden_size {hidden_size}, num_heads {num_heads}, num_kv_heads {num_kv_heads}"
            )
        self.num_heads, self.num_kv_heads = num_heads, num_kv_heads
        self.head_dim = hidden_size // num_heads
        self.rotary = rotary
        self.qkv = Linear(hidden_size, (num_heads + 2 * num_kv_heads) * self.head_dim, bias=bias)
        self.project = Linear(hidden_size, hidden_size, bias=bias)
        self.weight_dropout = dropout
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        positions: Tensor,
        cache: LayerCache | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Map x (batch, sequence, hidden_size) to the same shape.

        Args:
            x: The normalised residual stream.
            positions: int64 (batch or 1, sequence); only rotary positions read it.
            cache: Holds the keys and values of earlier tokens; the new ones are added to it.
            mask: Boolean (batch, 1, sequence, keys), joined with causality.
        """
        batch, sequence, hidden_size = x.shape
        shape = (batch, sequence, self.num_heads + 2 * self.num_kv_heads, self.head_dim)
        qkv = self.qkv(x).view(shape).transpose(1, 2)
        query, key, value = qkv.split((self.num_heads, self.num_kv_heads, self.num_kv_heads), dim=1)
        if self.rotary is not None:
            query, key = self.rotary(query, positions), self.rotary(key, positions)
        if cache is not None:
            key, value = cache.append(key, value)
        dropout = self.weight_dropout if self.training else 0.0
        mixed = ops.attention(query, key, value, causal=True, mask=mask, dropout=dropout)
        result: Tensor = self.dropout(
            self.project(mixed.transpose(1, 2).reshape(batch, sequence, hidden_size))
        )
        return result
