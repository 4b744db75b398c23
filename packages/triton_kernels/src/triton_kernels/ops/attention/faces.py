"""flash_attention as others call it: torch's signature, a module, transformers' interface."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from triton_kernels.checks import check_tensors, shapes_in_words
from triton_kernels.errors import DtypeError, ShapeError
from triton_kernels.ops.attention.op import autocasted, flash_attention

_SDPA = "scaled_dot_product_attention"
_SEEDS = 2**62


def drawn_seed() -> int:
    """A seed from torch's CPU generator: ``torch.manual_seed`` decides it, no device waits."""
    return int(torch.randint(_SEEDS, ()))


def scaled_dot_product_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    *,
    seed: int | None = None,
    backend: str | None = None,
) -> torch.Tensor:
    """``torch.nn.functional.scaled_dot_product_attention`` by ``flash_attention``.

    A row that sees no key is zeros here. With unequal lengths ``is_causal`` is torch's: the first
    query stands beside the first key.

    Args:
        query: (..., H, L, E), or (L, E).
        key: (..., Hk, S, E).
        value: (..., Hk, S, Ev).
        attn_mask: broadcasts to (..., H, L, S): bool, True where a query may see a key, or numbers
            that are added to the scores, differentiably.
        dropout_p: the probability that a weight is dropped.
        is_causal: query i sees keys 0 to i; excludes ``attn_mask``.
        scale: None: 1/√E.
        enable_gqa: allow fewer key heads than query heads.
        seed: of the dropout; None: drawn from torch's CPU generator, which torch.compile cannot do.
        backend: as for ``flash_attention``.

    Returns:
        (..., H, L, Ev) of query's dtype.

    Raises:
        ShapeError: sizes that do not fit, or a mask beside ``is_causal``.
        DtypeError: dtypes that differ or do not fit.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    query, key, value = autocasted(query, key, value)
    check_tensors(_SDPA, query=query, key=key, value=value)
    if not query.dim() == key.dim() == value.dim() >= 2:
        raise ShapeError(
            _SDPA, shapes_in_words(query=query, key=key, value=value),
            "as many dimensions each, two at least", "unsqueeze what lacks one",
        )  # fmt: skip
    if is_causal and attn_mask is not None:
        raise ShapeError(
            _SDPA, "is_causal and an attn_mask", "one of them", "put the triangle into the mask"
        )
    if query.dim() > 2 and query.shape[-3] != key.shape[-3] and not enable_gqa:
        raise ShapeError(
            _SDPA, shapes_in_words(query=query, key=key), "as many heads of both",
            "pass enable_gqa=True if a key head serves several query heads",
        )  # fmt: skip
    q, k, v = (_four_dimensions(x) for x in (query, key, value))
    lengths = query.shape[-2], key.shape[-2]
    options: dict[str, Any] = {}
    if is_causal:
        options = {"causal": True}
        if lengths[0] < lengths[1]:  # no query sees the keys beyond
            k, v = k[:, :, : lengths[0]], v[:, :, : lengths[0]]
        elif lengths[0] > lengths[1]:  # the last queries see all
            options = {"window": (None, lengths[0] - lengths[1])}
    bias = None
    if attn_mask is not None:
        scores = _four_scores(attn_mask, query, q)
        if scores.dtype is torch.bool:
            options["mask"] = scores
        else:
            bias = scores
    if dropout_p:
        options.update(dropout=dropout_p, seed=drawn_seed() if seed is None else seed)
    output = flash_attention(q, k, v, bias, scale=scale, backend=backend, **options)
    assert isinstance(output, torch.Tensor)
    return output if query.dim() == 4 else output.reshape(*query.shape[:-1], value.shape[-1])


def _four_dimensions(x: torch.Tensor) -> torch.Tensor:
    """(..., heads, length, size) as (batch, heads, length, size), (length, size) as one head."""
    if x.dim() == 4:
        return x
    if x.dim() < 4:
        return x[(None,) * (4 - x.dim())]
    return x.flatten(0, -4)


def _four_scores(mask: torch.Tensor, query: torch.Tensor, four: torch.Tensor) -> torch.Tensor:
    """The mask of (..., H, L, S) for a query seen as ``four``, without a copy where that can be."""
    if not isinstance(mask, torch.Tensor):
        raise DtypeError(
            _SDPA, f"attn_mask of type {type(mask).__name__}", "a torch.Tensor", "wrap it"
        )
    if mask.dim() <= 4 and query.dim() <= 4:
        return mask[(None,) * (4 - mask.dim())]
    leading = mask[(None,) * (query.dim() - mask.dim())]
    return leading.expand(*query.shape[:-3], *leading.shape[-3:]).reshape(
        four.shape[0], *leading.shape[-3:]
    )


class FlashAttention(nn.Module):
    """``flash_attention`` with its options kept; dropout only while training.

    Args:
        dropout: the probability that a weight is dropped in training; the seed is drawn from
            torch's CPU generator at every call.
        options: those of ``flash_attention``, by name: causal, window, scale, soft_cap,
            alibi_slopes, precision, deterministic, return_lse.
    """

    def __init__(self, dropout: float = 0.0, **options: Any) -> None:
        super().__init__()
        self.dropout = dropout
        self.register_buffer("alibi_slopes", options.pop("alibi_slopes", None), persistent=False)
        self.options = options

    def forward(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
        bias: torch.Tensor | None = None, sinks: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
        """(B, H, Sq, D), (B, Hk, Sk, D), (B, Hk, Sk, Dv) to (B, H, Sq, Dv)."""
        drops = self.dropout if self.training else 0.0
        seed = drawn_seed() if drops else 0
        slopes = self.alibi_slopes
        assert slopes is None or isinstance(slopes, torch.Tensor)
        return flash_attention(
            query, key, value, bias, sinks, mask=mask, dropout=drops, seed=seed,
            alibi_slopes=slopes, **self.options,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """The options, for printing."""
        options = {"dropout": self.dropout, **self.options}
        return ", ".join(f"{name}={value!r}" for name, value in options.items())


def transformers_attention(
    module: nn.Module, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    attention_mask: torch.Tensor | None, dropout: float = 0.0, scaling: float | None = None,
    is_causal: bool | None = None, softcap: float | None = None,
    s_aux: torch.Tensor | None = None, position_bias: torch.Tensor | None = None, **others: Any,
) -> tuple[torch.Tensor, None]:  # fmt: skip
    """An attention as transformers calls it, with the masks of its ``sdpa``.

    Args:
        module: the layer; ``is_causal`` is asked of it if it is not given.
        query: (B, H, Sq, D).
        key: (B, Hk, Sk, D).
        value: (B, Hk, Sk, Dv).
        attention_mask: (B, 1 or H, Sq, Sk), bool or additive; None: causal where that is meant.
        dropout: the probability, drawn anew at every call.
        scaling: None: 1/√D.
        is_causal: whether no mask means a causal one.
        softcap: as ``soft_cap`` (Gemma 2).
        s_aux: the sinks (gpt-oss).
        position_bias: added to the scores (T5).
        others: not needed: windows are in the mask.

    Returns:
        (B, Sq, H, Dv), and None for the weights, which are never held.
    """
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    causal = bool(causal) and attention_mask is None and query.shape[2] > 1
    mask, bias = None, position_bias
    if attention_mask is not None:
        given = attention_mask[..., : key.shape[2]]
        if given.dtype is torch.bool:
            mask = given
        else:
            bias = given if bias is None else given + bias
    if bias is not None:
        bias = bias[..., : key.shape[2]].to(query.dtype)
    output = flash_attention(
        query, key, value, bias, None if s_aux is None else s_aux.to(query.dtype), mask=mask,
        causal=causal, scale=scaling, soft_cap=softcap, dropout=dropout,
        seed=drawn_seed() if dropout else 0,
    )  # fmt: skip
    assert isinstance(output, torch.Tensor)
    return output.transpose(1, 2), None


def register_transformers_attention(name: str = "triton_kernels") -> None:
    """Offers ``flash_attention`` to transformers under a name; no model changes until it asks.

    Then ``AutoModel.from_pretrained(…, attn_implementation=name)`` or
    ``model.set_attn_implementation(name)`` takes it.

    Args:
        name: what models ask for.

    Raises:
        ImportError: transformers is not installed, or too old for its attention interface.
    """
    from transformers import AttentionInterface  # type: ignore[import-not-found, unused-ignore]
    from transformers.masking_utils import (  # type: ignore[import-not-found, unused-ignore]
        AttentionMaskInterface,
        sdpa_mask,
    )

    AttentionInterface.register(name, transformers_attention)
    AttentionMaskInterface.register(name, sdpa_mask)
