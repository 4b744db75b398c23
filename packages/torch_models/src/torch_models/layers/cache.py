"""Keys and values of the tokens already seen, so that generation computes each only once."""

import torch
from torch import Tensor

from torch_models.errors import CacheError, CacheFullError, ConfigError, ShapeError


class LayerCache:
    """Preallocated keys and values of one attention layer.

    Args:
        batch: Sequences side by side.
        num_kv_heads: Key and value heads.
        capacity: Most tokens it can hold for each sequence.
        head_dim: Size of one head.
        dtype: Of keys and values.
        device: Where they live.
    """

    def __init__(
        self,
        batch: int,
        num_kv_heads: int,
        capacity: int,
        head_dim: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        if min(batch, num_kv_heads, capacity, head_dim) < 1:
            raise ConfigError(
                f"a cache needs positive sizes, got batch {batch}, num_kv_heads {num_kv_heads}, "
                f"capacity {capacity}, head_dim {head_dim}"
            )
        shape = (batch, num_kv_heads, capacity, head_dim)
        self.keys = torch.zeros(shape, dtype=dtype, device=device)
        self.values = torch.zeros(shape, dtype=dtype, device=device)
        self.length = 0

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Add keys and values (batch, num_kv_heads, new, head_dim); return all held so far.

        Raises:
            CacheFullError: If there is no room for the new tokens; nothing is stored then.
            CacheError: If gradients are being recorded.
            ShapeError: If the shapes are not the cache's.
        """
        batch, num_kv_heads, _, head_dim = self.keys.shape
        if key.requires_grad or value.requires_grad:
            raise CacheError("a cache is for inference: run under torch.inference_mode()")
        if key.shape != value.shape or key.shape != (batch, num_kv_heads, key.shape[2], head_dim):
            raise ShapeError(
                f"this cache takes keys and values ({batch}, {num_kv_heads}, new, {head_dim}), "
                f"got {tuple(key.shape)} and {tuple(value.shape)}"
            )
        self.check_room(key.shape[2])
        end = self.length + key.shape[2]
        self.keys[:, :, self.length : end] = key
        self.values[:, :, self.length : end] = value
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def check_room(self, new: int) -> None:
        """Raise CacheFullError if there is no room for `new` more tokens."""
        capacity = self.keys.shape[2]
        if self.length + new > capacity:
            raise CacheFullError(
                f"cache of {capacity} tokens holds {self.length}, no room for {new} more; "
                "make it with a larger capacity, at most the model's context_length"
            )


class KVCache:
    """The caches of all layers of a model.

    Args:
        layers: One cache for each layer, in order.
        starts: For sequences padded on the left to one length: the index of each sequence's
            first real token, int64 (batch,). What stands before it is never looked at.
    """

    def __init__(self, layers: list[LayerCache], starts: Tensor | None = None) -> None:
        self.layers = layers
        self.starts = starts

    @property
    def length(self) -> int:
        """Tokens held so far, padding included."""
        return self.layers[0].length

    @property
    def batch(self) -> int:
        """Sequences side by side."""
        return self.layers[0].keys.shape[0]

    def positions(self, new: int) -> Tensor:
        """Positions of the next `new` tokens, int64 (batch or 1, new); padding has position 0."""
        device = self.layers[0].keys.device
        steps = torch.arange(self.length, self.length + new, device=device)[None]
        return steps if self.starts is None else (steps - self.starts[:, None]).clamp_min(0)

    def mask(self, new: int) -> Tensor | None:
        """Which keys the next `new` queries may see besides causality, (batch, 1, new, keys)."""
        if self.starts is None:
            return None
        keys = torch.arange(self.length + new, device=self.starts.device)
        queries = keys[self.length :]
        real = keys >= self.starts[:, None, None, None]
        # A query in the padding sees itself: a softmax over nothing would be NaN.
        return real | (keys == queries[:, None])
