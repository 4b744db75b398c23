"""flash_attention and flash_attention_varlen: what a caller passes, checked, to the kernels."""

from __future__ import annotations

import functools
from typing import Any

import torch

from triton_kernels import autocast
from triton_kernels.backends import asked_for
from triton_kernels.checks import FLOATS
from triton_kernels.errors import DtypeError, ShapeError
from triton_kernels.kernel import PLAIN, Settled
from triton_kernels.ops.attention import checks, read_once, samples
from triton_kernels.ops.attention.kernels import (
    backward_kernel,
    bias_kernel,
    delta_kernel,
    forward_kernel,
)
from triton_kernels.ops.attention.layout import ALIGNMENT
from triton_kernels.registry import Op

_NAME = "flash_attention"
_VARLEN = "flash_attention_varlen"


def checked_heads(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    bias: torch.Tensor | None = None, sinks: torch.Tensor | None = None, *,
    mask: torch.Tensor | None = None, causal: bool = False, window: checks.Window = (None, None),
    scale: float | None = None, soft_cap: float | None = None,
    alibi_slopes: torch.Tensor | None = None, dropout: float = 0.0, seed: int = 0,
    precision: str = "ieee", deterministic: bool = False, return_lse: bool = False,
) -> tuple[Any, ...]:  # fmt: skip
    """The kernel's inputs: query, key and value in autocast's dtype, and the features."""
    query, key, value = autocast.lowered(query, key, value)
    checks.check_heads(_NAME, query, key, value)
    checks.check_flag(_NAME, "return_lse", return_lse)
    features = checks.checked_features(
        _NAME, query, key, value, bias=bias, sinks=sinks, mask=mask, alibi_slopes=alibi_slopes,
        causal=causal, window=window, scale=scale, soft_cap=soft_cap, dropout=dropout, seed=seed,
        precision=precision, deterministic=deterministic,
    )  # fmt: skip
    return query, key, value, *features


def flash_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bias: torch.Tensor | None = None,
    sinks: torch.Tensor | None = None,
    *,
    mask: torch.Tensor | None = None,
    causal: bool = False,
    window: checks.Window = (None, None),
    scale: float | None = None,
    soft_cap: float | None = None,
    alibi_slopes: torch.Tensor | None = None,
    dropout: float = 0.0,
    seed: int = 0,
    precision: str = "ieee",
    deterministic: bool = False,
    return_lse: bool = False,
    backend: str | None = None,
) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
    """softmax(scale·query·keyᵀ)·value without holding the scores; everything but the inputs of
    one call is a feature that combines with all others.

    Query i stands at position i + Sk - Sq: the last query beside the last key. Scores pass, in
    this order, through scale, soft cap, ALiBi, bias, and mask, window or causal mask.

    Args:
        query: (B, H, Sq, D), any strides: (B, Sq, H, D) transposed is not copied. float16,
            bfloat16, float32, or float64 (reference). D up to 256 for the kernels.
        key: (B, Hk, Sk, D), Hk a divisor of H: each serves H / Hk neighbouring query heads.
        value: (B, Hk, Sk, Dv).
        bias: added to the scores; of four dimensions, each that of (B, H, Sq, Sk) or 1; query's
            dtype or float32; differentiable.
        sinks: (H,): one more score a head, of a key without a value; differentiable.
        mask: bool, sizes as bias's: True where a query may see a key.
        causal: a query sees keys up to its own position.
        window: how many keys before and after its own position it sees; None: all.
        scale: None: 1/√D.
        soft_cap: cap: scores become cap·tanh(score / cap), as in Gemma 2.
        alibi_slopes: float32, (H,) or (B, H): slope·distance is taken from the score.
        dropout: probability, below 1, that a weight is dropped; the others grow by 1/(1 - p).
        seed: decides which, the same for every backend; pass another at every step.
        precision: how float32 is multiplied: ``ieee`` or ``tf32``; other dtypes ignore it.
        deterministic: gradients the same bit for bit from run to run; else a backend may add them
            up in an order that changes.
        return_lse: return each row's log Σ exp too; differentiable.
        backend: one of ``explain("flash_attention", query, key, value).reasons``; None: the first
            that can.

    Returns:
        (B, H, Sq, Dv) of query's dtype, in memory as the query: (B, H, Sq, Dv), or (B, Sq, H, Dv)
        if the query is a transposed view. With ``return_lse`` also (B, H, Sq), float32 (float64).
        A row that sees no key is zeros, its lse -inf. Differentiable any number of times.
        Under autocast query, key and value are cast as torch's own attention casts them.

    Raises:
        ShapeError: ranks or sizes that do not fit, or a number out of its range.
        DtypeError: dtypes that differ or do not fit, or an option of another type.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    query, key, value = autocast.lowered(query, key, value)
    calls = None
    if bias is None and sinks is None and mask is None and alibi_slopes is None:
        calls = _calls_like(
            query, key, value, causal, window, dropout, scale, soft_cap, seed, precision,
            deterministic, return_lse, backend or asked_for(_NAME),
        )  # fmt: skip
        if calls is not None and calls.settled is not None:
            results = forward_kernel.repeat(calls.settled, query, key, value, None, None)
            return (results[0], results[1]) if return_lse else results[0]
    inputs = checked_heads(
        query, key, value, bias, sinks, mask=mask, causal=causal, window=window, scale=scale,
        soft_cap=soft_cap, alibi_slopes=alibi_slopes, dropout=dropout, seed=seed,
        precision=precision, deterministic=deterministic, return_lse=return_lse,
    )  # fmt: skip
    output, lse = forward_kernel.outputs(*inputs, backend=backend)
    if calls is not None:
        calls.settled = forward_kernel.settle(*inputs, backend=backend, shown=1 + return_lse)
    return (output, lse) if return_lse else output


class _Calls:
    """What calls that are alike have settled; nothing before the first of them has passed."""

    settled: Settled | None = None


@functools.lru_cache(maxsize=4096, typed=True)  # typed: 1 is not True
def _calls(*likeness: Any) -> _Calls:
    return _Calls()


def _calls_like(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, causal: bool,
    window: checks.Window, dropout: float, *options: Any,
) -> _Calls | None:  # fmt: skip
    """The calls that differ from this one in what tensors hold alone. None where each call is one
    of its own: compiled, of tensors that are none in memory or not as they lie there, with
    dropout and so a seed."""
    if torch.compiler.is_compiling() or type(query) not in PLAIN or type(window) is not tuple:
        return None
    try:
        if dropout or query.is_neg() or key.is_neg() or value.is_neg():
            return None
        left, right = window
        return _calls(
            query.shape, key.shape, value.shape, query.stride(), key.stride(), value.stride(),
            query.dtype, key.dtype, value.dtype, query.device, key.device, value.device,
            (query.data_ptr() | key.data_ptr() | value.data_ptr()) % ALIGNMENT,
            causal, left, right, dropout, *options,
        )  # fmt: skip
    except (AttributeError, RuntimeError, TypeError, ValueError):  # what the checks refuse, too
        return None


def flash_attention_varlen(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_q: torch.Tensor,
    cu_k: torch.Tensor,
    max_q: int | None = None,
    max_k: int | None = None,
    sinks: torch.Tensor | None = None,
    *,
    causal: bool = False,
    window: checks.Window = (None, None),
    scale: float | None = None,
    soft_cap: float | None = None,
    alibi_slopes: torch.Tensor | None = None,
    dropout: float = 0.0,
    seed: int = 0,
    precision: str = "ieee",
    deterministic: bool = False,
    return_lse: bool = False,
    check: bool | None = None,
    backend: str | None = None,
) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
    """``flash_attention`` of sequences that lie one behind the other, each seeing itself only.

    Args:
        query: (Tq, H, D), any strides.
        key: (Tk, Hk, D).
        value: (Tk, Hk, Dv).
        cu_q: int32, (sequences + 1,): 0 and the end of each sequence's queries; may repeat.
        cu_k: the same of its keys.
        max_q: no fewer than the longest sequence's queries; None: Tq, or on the CPU and with
            ``check=True`` the longest.
        max_k: the same of keys.
        sinks: as for ``flash_attention``, like the options that follow.
        causal: each sequence's last query stands beside its last key.
        window: as for ``flash_attention``.
        scale: as for ``flash_attention``.
        soft_cap: as for ``flash_attention``.
        alibi_slopes: float32, (H,) or (sequences, H).
        dropout: as for ``flash_attention``.
        seed: as for ``flash_attention``; which weights it drops also depends on ``max_k``.
        precision: as for ``flash_attention``.
        deterministic: as for ``flash_attention``.
        return_lse: return the lse, (H, Tq), too; differentiable.
        check: refuse cu_q and cu_k that do not add up, or a longer sequence than max_q and max_k
            say. On a GPU that waits for the device. None: once for each tensor as torch last wrote
            it, so that the layers of a model wait once a step, and never while a CUDA graph is
            captured or torch.compile traces; True: at every call; False: never, and wrong numbers
            read and write what they say.
        backend: as for ``flash_attention``.

    Returns:
        (Tq, H, Dv) of query's dtype, contiguous; with ``return_lse`` also (H, Tq).

    Raises:
        ShapeError: ranks or sizes that do not fit, ends that do not rise to Tq and Tk.
        DtypeError: dtypes that differ or do not fit, or an option of another type.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    q, k, v, *features = checked_packed(
        query, key, value, cu_q, cu_k, max_q, max_k, sinks, causal=causal, window=window,
        scale=scale, soft_cap=soft_cap, alibi_slopes=alibi_slopes, dropout=dropout, seed=seed,
        precision=precision, deterministic=deterministic, return_lse=return_lse, check=check,
    )  # fmt: skip
    output, lse = forward_kernel.outputs(q, k, v, *features, backend=backend)
    # A dimension squeezed out: an index would have autograd fill and copy a tensor of zeros.
    output = output.squeeze(0).transpose(0, 1).contiguous()
    return (output, lse.squeeze(0)) if return_lse else output


def checked_packed(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, cu_q: torch.Tensor,
    cu_k: torch.Tensor, max_q: int | None = None, max_k: int | None = None,
    sinks: torch.Tensor | None = None, *, causal: bool = False,
    window: checks.Window = (None, None), scale: float | None = None,
    soft_cap: float | None = None, alibi_slopes: torch.Tensor | None = None,
    dropout: float = 0.0, seed: int = 0, precision: str = "ieee", deterministic: bool = False,
    return_lse: bool = False, check: bool | None = None,
) -> tuple[Any, ...]:  # fmt: skip
    """The kernel's inputs: one batch of heads, (1, H, T, D), which are views, and the features."""
    query, key, value = autocast.lowered(query, key, value)
    checks.check_heads(_VARLEN, query, key, value, dimensions=3)
    checks.check_flag(_VARLEN, "return_lse", return_lse)
    checks.check_flag(_VARLEN, "check", check, unknown=True)
    for name, ends in (("cu_q", cu_q), ("cu_k", cu_k)):
        checks.check_cumulative(_VARLEN, name, ends, query)
    if len(cu_q) != len(cu_k):
        raise ShapeError(
            _VARLEN, f"{len(cu_q) - 1} sequences of queries and {len(cu_k) - 1} of keys",
            "as many of both", "an empty one repeats the end before it",
        )  # fmt: skip
    max_q = _longest("cu_q", cu_q, query.shape[0], max_q, check)
    max_k = _longest("cu_k", cu_k, key.shape[0], max_k, check)
    q, k, v = (x.transpose(0, 1)[None] for x in (query, key, value))
    features = checks.checked_features(
        _VARLEN, q, k, v, bias=None, sinks=sinks, mask=None, alibi_slopes=alibi_slopes,
        causal=causal, window=window, scale=scale, soft_cap=soft_cap, dropout=dropout, seed=seed,
        precision=precision, deterministic=deterministic, sequences=len(cu_q) - 1,
    )._replace(cu_q=cu_q, cu_k=cu_k, max_q=max_q, max_k=max_k)  # fmt: skip
    return q, k, v, *features


def _longest(
    name: str, ends: torch.Tensor, total: int, longest: int | None, check: bool | None
) -> int:
    """The bound of a sequence's length, after the checks that are asked for."""
    if longest is not None and (isinstance(longest, bool) or not isinstance(longest, int)):
        kind = type(longest).__name__
        raise DtypeError(_VARLEN, f"a greatest length of type {kind}", "an int", "pass one")
    bound = total if longest is None else min(longest, total)
    if read_once.due(check, (total, bound), ends):
        measured = checks.check_ends(_VARLEN, name, ends, total, bound)
        read_once.remember((total, bound), ends)
        # Not what a check happened to read: the same call makes the same launch again.
        if longest is None and (check or ends.device.type == "cpu"):
            return measured
    return bound


OPS = (
    Op(
        name=_NAME,
        summary="softmax(q·kᵀ)·v: masks, bias, windows, soft cap, ALiBi, sinks, dropout, GQA",
        function=flash_attention,
        kernel=forward_kernel,
        gradients=(delta_kernel, backward_kernel, bias_kernel),
        checked=checked_heads,
        torch_function=samples.torch_attention,
        dtypes=FLOATS,
        samples=samples.samples,
        errors=samples.errors,
        cost=samples.cost,
        bound="compute",
        cases=samples.CASES,
        source="Dao et al. 2022, arXiv:2205.14135, appendix B; Dao 2023, arXiv:2307.08691; Press "
        "et al. 2021, arXiv:2108.12409 (ALiBi); Xiao et al. 2023, arXiv:2309.17453 (sinks)",
    ),
)
