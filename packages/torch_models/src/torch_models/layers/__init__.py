"""The layers that models share."""

from torch_models.layers.attention import CausalSelfAttention
from torch_models.layers.cache import KVCache, LayerCache
from torch_models.layers.feed_forward import FeedForward
from torch_models.layers.linear import Linear
from torch_models.layers.norm import LayerNorm, RMSNorm
from torch_models.layers.positions import LearnedPositions, Rotary

__all__ = [
    "CausalSelfAttention",
    "FeedForward",
    "KVCache",
    "LayerCache",
    "LayerNorm",
    "LearnedPositions",
    "Linear",
    "RMSNorm",
    "Rotary",
]
