"""flash_attention as others call it: torch's signature, a module, transformers' interface."""

from __future__ import annotations

import functools
import math
from typing import Any

import torch
from torch import nn

from triton_kernels import autocast
from triton_kernels.checks import check_seed, check_tensors, shapes_in_words
from triton_kernels.errors import DtypeError, ShapeError
from triton_kernels.ops.attention import checks
from triton_kernels.ops.attention.op import checked_heads, flash_attention
from triton_kernels.ops.foundations.dropout import drawn_seed

_SDPA = "scaled_dot_product_attention"
_MODULE = "FlashAttention"


def scaled_dot_product_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | torch.Tensor | None = None,
    enable_gqa: bool = False,
    *,
    seed: int | None = None,
    backend: str | None = None,
) -> torch.Tensor:
    """``torch.nn.functional.scaled_dot_product_attention`` by ``flash_attention``.

    Batches, and heads without ``enable_gqa``, broadcast as torch's do. A row that sees no key is
    zeros here. With unequal lengths ``is_causal`` is torch's: the first query stands beside the
    first key.

    Args:
        query: (..., H, L, E), or (L, E).
        key: (..., Hk, S, E).
        value: (..., Hv, S, Ev).
        attn_mask: broadcasts to (..., H, L, S): bool, True where a query may see a key, or numbers
            that are added to the scores, differentiably, of query's dtype or float32.
        dropout_p: the probability that a weight is dropped.
        is_causal: query i sees keys 0 to i; excludes ``attn_mask``.
        scale: None: 1/√E; a tensor of no dimensions is read, which waits for its device.
        enable_gqa: a key head serves H / Hk neighbouring query heads, a value head H / Hv.
        seed: of the dropout; None: drawn from torch's CPU generator; a whole graph of
            torch.compile holds that with ``torch._dynamo.config.capture_scalar_outputs``.
        backend: as for ``flash_attention``.

    Returns:
        (..., H, L, Ev) of query's dtype.

    Raises:
        ShapeError: sizes that do not fit, or a mask beside ``is_causal``.
        DtypeError: dtypes that differ or do not fit, or an option of another type.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    heads, options, shape = _as_flash(
        query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa, seed=seed
    )
    output = flash_attention(*heads, **options, backend=backend)
    assert isinstance(output, torch.Tensor)
    output = output[..., : shape[-1]]  # values of no size have had one
    return output if output.shape == shape else output.reshape(shape)


def _as_flash(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    attn_mask: torch.Tensor | None = None, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | torch.Tensor | None = None, enable_gqa: bool = False, *, seed: int | None = None,
) -> tuple[tuple[Any, ...], dict[str, Any], tuple[int, ...]]:  # fmt: skip
    """Arguments and options of the ``flash_attention`` that does it, and the output's shape."""
    query, key, value = autocast.lowered(query, key, value)
    check_tensors(_SDPA, query=query, key=key, value=value)
    checks.check_flag(_SDPA, "is_causal", is_causal)
    checks.check_flag(_SDPA, "enable_gqa", enable_gqa)
    if is_causal and attn_mask is not None:
        raise ShapeError(
            _SDPA, "is_causal and an attn_mask", "one of them", "put the triangle into the mask"
        )
    leading = _leading(query, key, value, enable_gqa)
    few = enable_gqa or all(x.dim() > 2 and x.shape[-3] == 1 for x in (key, value))
    q = _four_dimensions(query, leading)
    k, v = (_four_dimensions(x, leading, grouped=few) for x in (key, value))
    if k.shape[1] != v.shape[1]:  # as few as both can be repeated to
        heads = math.lcm(k.shape[1], v.shape[1])
        k, v = (x.repeat_interleave(heads // x.shape[1], 1) for x in (k, v))
    options: dict[str, Any] = {"scale": _number(scale, query.shape[-1])}
    if not query.shape[-1]:  # all scores are 0
        q, k = (torch.nn.functional.pad(x, (0, 1)) for x in (q, k))
    if not value.shape[-1]:
        v = torch.nn.functional.pad(v, (0, 1))
    length, keys = query.shape[-2], key.shape[-2]
    if is_causal:
        options["causal"] = True
        if length < keys:  # no query sees the keys beyond
            k, v = k[:, :, :length], v[:, :, :length]
        elif length > keys:  # the last queries see all
            options.update(causal=False, window=(None, length - keys))
    bias = None
    if attn_mask is not None:
        scores = _four_scores(attn_mask, query, (*leading, length, keys))
        if scores.dtype is torch.bool:
            options["mask"] = scores
        else:
            bias = scores
    p = checks.checked_number(_SDPA, "dropout_p", dropout_p)
    if seed is not None:
        check_seed(_SDPA, seed)
    if not 0 <= p <= 1:
        raise ShapeError(_SDPA, f"dropout_p {p}", "0 <= dropout_p <= 1", "pass a probability")
    if p == 1:
        v = v * 0.0
    elif p:
        options.update(dropout=p, seed=drawn_seed() if seed is None else seed)
    return (q, k, v, bias), options, (*leading, length, value.shape[-1])


@functools.wraps(_as_flash)
def checked_as_torchs(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
    """The kernel's inputs for a call of ``scaled_dot_product_attention``."""
    heads, options, _ = _as_flash(*args, **kwargs)
    return checked_heads(*heads, **options)


def _number(scale: Any, size: int) -> float:
    if isinstance(scale, torch.Tensor) and scale.dim() == 0 and not scale.requires_grad:
        scale = float(scale)
    return checks.checked_scale(_SDPA, scale, size or 1)


def _leading(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, grouped: bool
) -> tuple[int, ...]:
    """(..., H) of the output, which has as many dimensions as the tensor that has most."""

    def unfit(expected: str, advice: str) -> ShapeError:
        given = shapes_in_words(query=query, key=key, value=value)
        return ShapeError(_SDPA, given, expected, advice)

    sizes = [tuple(x.shape) for x in (query, key, value)]
    least = min(map(len, sizes))
    if least < 2:
        raise unfit("two dimensions at least", "unsqueeze what lacks one")
    if sizes[0][-1] != sizes[1][-1] or sizes[1][-2] != sizes[2][-2]:
        raise unfit("query and key of one size, key and value of one length", "project them alike")
    if grouped:
        if least < 3:
            raise unfit("heads of each with enable_gqa", "unsqueeze what lacks them")
        heads = sizes[0][-3]
        if any(heads and (not n[-3] or heads % n[-3]) for n in sizes[1:]):
            raise unfit("query heads a multiple of the others", "split them into equal groups")
        sizes = [(*n[:-3], heads, *n[-2:]) for n in sizes]
    leading: list[int] = []
    for place in range(3, 1 + max(map(len, sizes))):
        own = [n[-place] for n in sizes if len(n) >= place and n[-place] != 1]
        if any(n != own[0] for n in own):
            advice = "pass enable_gqa=True if a key head serves several query heads"
            raise unfit("batches and heads that broadcast", advice)
        leading.insert(0, own[0] if own else 1)
    return tuple(leading)


def _four_dimensions(
    x: torch.Tensor, leading: tuple[int, ...], grouped: bool = False
) -> torch.Tensor:
    """(batch, heads, length, size) of the output's batch, its heads too unless they are grouped;
    a copy where more than one dimension of a batch was broadcast."""
    if leading:
        heads = x.shape[-3] if grouped else leading[-1]
        x = x.expand(*leading[:-1], heads, *x.shape[-2:])
    return x[(None,) * (4 - x.dim())] if x.dim() <= 4 else x.flatten(0, -4)


def _four_scores(mask: torch.Tensor, query: torch.Tensor, full: tuple[int, ...]) -> torch.Tensor:
    """The mask of (..., H, L, S) in four dimensions, without a copy where that can be."""
    checks.check_beside(_SDPA, query, (torch.bool, *checks.beside(query)), attn_mask=mask)
    own = (1,) * (len(full) - mask.dim()) + tuple(mask.shape)
    if len(own) > len(full) or any(n not in (1, m) for n, m in zip(own, full, strict=True)):
        raise ShapeError(
            _SDPA, shapes_in_words(attn_mask=mask), f"what broadcasts to {full}",
            "leave out or unsqueeze dimensions",
        )  # fmt: skip
    mask = mask.view(own) if mask.dim() < len(full) else mask
    if len(full) <= 4:
        return mask[(None,) * (4 - len(full))]
    return mask.expand(*full[:-3], *own[-3:]).flatten(0, -4)


class FlashAttention(nn.Module):
    """``flash_attention`` with its options kept; dropout only while training.

    Args:
        dropout: the probability that a weight is dropped in training; the seed is drawn from
            torch's CPU generator at every call; a whole graph of torch.compile holds that with
            ``torch._dynamo.config.capture_scalar_outputs``.
        causal: as for ``flash_attention``, like the options that follow.
        window: how many keys before and behind a query's own place it sees.
        scale: of the scores; None: 1/√D.
        soft_cap: cap: scores become cap·tanh(score / cap).
        alibi_slopes: (H) or (B, H); moves with the module.
        precision: of float32 products, "ieee" or "tf32".
        deterministic: the gradients have the same bits in every run.
        return_lse: give log Σ exp of the scores beside the output.

    Raises:
        ShapeError: an option out of its range.
        DtypeError: an option of another type, or slopes of another dtype.
    """

    def __init__(
        self,
        dropout: float = 0.0,
        *,
        causal: bool = False,
        window: checks.Window = (None, None),
        scale: float | None = None,
        soft_cap: float | None = None,
        alibi_slopes: torch.Tensor | None = None,
        precision: str = "ieee",
        deterministic: bool = False,
        return_lse: bool = False,
    ) -> None:
        super().__init__()
        checks.check_options(
            _MODULE, causal, window, scale, soft_cap, dropout, precision, deterministic
        )
        checks.check_flag(_MODULE, "return_lse", return_lse)
        if alibi_slopes is not None:
            check_tensors(_MODULE, dtypes=(torch.float32,), alibi_slopes=alibi_slopes)
        self.dropout = dropout
        self.register_buffer("alibi_slopes", alibi_slopes, persistent=False)
        self.options: dict[str, Any] = {
            "causal": causal, "window": window, "scale": scale, "soft_cap": soft_cap,
            "precision": precision, "deterministic": deterministic, "return_lse": return_lse,
        }  # fmt: skip

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
        usual = (None, False, (None, None), "ieee")
        options = {n: value for n, value in self.options.items() if value not in usual}
        options = {"dropout": self.dropout, **options}
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
        DtypeError: the name is none.
        ImportError: transformers is not installed, or too old for its attention interface.
    """
    if not isinstance(name, str) or not name:
        raise DtypeError(
            "register_transformers_attention", f"name {name!r}", "a string that names it",
            "pass what models will ask for",
        )  # fmt: skip
    from transformers import AttentionInterface  # type: ignore[import-not-found, unused-ignore]
    from transformers.masking_utils import (  # type: ignore[import-not-found, unused-ignore]
        AttentionMaskInterface,
        sdpa_mask,
    )

    AttentionInterface.register(name, transformers_attention)
    AttentionMaskInterface.register(name, sdpa_mask)
