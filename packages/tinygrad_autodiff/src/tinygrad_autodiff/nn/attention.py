"""Attention of several heads as a module."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError
from ..registry import op
from . import init
from .linear import Linear
from .module import Module
from .parameter import uninitialized


class NonDynamicallyQuantizableLinear(Linear):
    """A `Linear` under the name that torch gives to an attention's last map."""


class MultiheadAttention(Module):
    """Attention with `num_heads` heads on (L, N, E), with `batch_first` on (N, L, E).

    `kdim` and `vdim` are the widths of keys and values where they are not `embed_dim`;
    `add_bias_kv` appends a learned key and value, `add_zero_attn` a zero one. Vaswani et al. 2017.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if embed_dim <= 0 or num_heads <= 0 or embed_dim % num_heads:
            raise ArgumentError(
                f"MultiheadAttention: embed_dim {embed_dim} must be divisible by num_heads "
                f"{num_heads}, both above 0"
            )
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.kdim, self.vdim = kdim or embed_dim, vdim or embed_dim
        self.batch_first, self.add_zero_attn = batch_first, add_zero_attn
        self.head_dim = embed_dim // num_heads
        self._one_width = self.kdim == embed_dim and self.vdim == embed_dim
        widths = {
            "q_proj_weight": embed_dim,
            "k_proj_weight": self.kdim,
            "v_proj_weight": self.vdim,
        }
        for name, width in widths.items():
            made = None if self._one_width else uninitialized(embed_dim, width, dtype=dtype)
            self.register_parameter(name, made)
        joint = uninitialized(3 * embed_dim, embed_dim, dtype=dtype) if self._one_width else None
        self.register_parameter("in_proj_weight", joint)
        made = uninitialized(3 * embed_dim, dtype=dtype) if bias else None
        self.register_parameter("in_proj_bias", made)
        self.out_proj = NonDynamicallyQuantizableLinear(
            embed_dim, embed_dim, bias=bias, dtype=dtype
        )
        for name in ("bias_k", "bias_v"):
            made = uninitialized(1, 1, embed_dim, dtype=dtype) if add_bias_kv else None
            self.register_parameter(name, made)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for name in ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"):
            if self._parameters[name] is not None:
                init.xavier_uniform_(self._parameters[name])
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for name in ("bias_k", "bias_v"):
            if self._parameters[name] is not None:
                init.xavier_normal_(self._parameters[name])

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Any, Any]:
        """The result, and the weights or None; see `nn.functional.multi_head_attention_forward`."""
        turned = self.batch_first and query.ndim == 3
        if turned:  # what is the same tensor stays one, for its three maps are one product
            made: dict[int, Any] = {}
            for v in (query, key, value):
                if id(v) not in made:
                    made[id(v)] = op.transpose(v, 0, 1)
            query, key, value = (made[id(v)] for v in (query, key, value))
        out, weights = op.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            self.training,
            key_padding_mask,
            need_weights,
            attn_mask,
            not self._one_width,
            self.q_proj_weight,
            self.k_proj_weight,
            self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return op.transpose(out, 0, 1) if turned else out, weights
