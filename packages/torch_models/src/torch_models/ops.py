"""The ops a model is made of, each with a choice of implementations.

Models call the functions of this module. Every op starts on plain torch; another implementation
comes in only when it is chosen, by name, for the whole process or for a block:

    ops.use(softmax="kernels")
    with ops.use(attention="explicit", softmax="kernels"):
        ...
    ops.report()

Nothing is patched: torch, transformers and other modules stay as they are. This is the one module
that imports triton_kernels (extra `kernels`), and it does so when an implementation is chosen.
"""

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from torch_models.errors import KernelsUnavailableError, OpError

_EXTRA = "roadmap-torch-models[kernels]"


def softmax(x: Tensor, dim: int = -1) -> Tensor:
    """exp(x) / sum(exp(x)) along `dim`; same shape and dtype as x."""
    result: Tensor = _chosen["softmax"](x, dim)
    return result


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor | None, eps: float) -> Tensor:
    """Layer normalisation over the last dimension (Ba et al. 2016).

    weight and bias (hidden_size,), the size of that dimension.
    """
    result: Tensor = _chosen["layer_norm"](x, weight, bias, eps)
    return result


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """x / sqrt(mean(x^2) + eps) * weight over the last dimension (Zhang and Sennrich 2019)."""
    result: Tensor = _chosen["rms_norm"](x, weight, eps)
    return result


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x @ weight.T + bias; x (..., in), weight (out, in), bias (out,)."""
    result: Tensor = _chosen["linear"](x, weight, bias)
    return result


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    causal: bool = True,
    mask: Tensor | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """softmax(query key^T / sqrt(head_dim)) value (Vaswani et al. 2017, equation 1).

    Args:
        query: (batch, num_heads, queries, head_dim).
        key: (batch, num_kv_heads, keys, head_dim); each key head serves num_heads / num_kv_heads
            query heads.
        value: As key.
        causal: Query i sees keys up to i + keys - queries: the last query sees every key.
        mask: Boolean, broadcastable to (batch, num_heads, queries, keys), True where a query may
            look; joined with `causal` by and. Every query must keep at least one key.
        dropout: Probability of dropping an attention weight.

    Returns:
        (batch, num_heads, queries, head_dim).
    """
    result: Tensor = _chosen["attention"](query, key, value, causal, mask, dropout)
    return result


def cross_entropy(logits: Tensor, targets: Tensor, ignore_index: int = -100) -> Tensor:
    """Mean of -log softmax(logits)[target], in nats, over the targets not ignored.

    logits (rows, classes), targets (rows,) of int64; the result is a scalar.
    """
    result: Tensor = _chosen["cross_entropy"](logits, targets, ignore_index)
    return result


# --- implementations -----------------------------------------------------------------------


def _torch_layer_norm(x: Tensor, weight: Tensor, bias: Tensor | None, eps: float) -> Tensor:
    return functional.layer_norm(x, weight.shape, weight, bias, eps)


def _torch_rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return functional.rms_norm(x, weight.shape, weight, eps)


def _torch_cross_entropy(logits: Tensor, targets: Tensor, ignore_index: int) -> Tensor:
    return functional.cross_entropy(logits, targets, ignore_index=ignore_index)


def _torch_attention(
    query: Tensor, key: Tensor, value: Tensor, causal: bool, mask: Tensor | None, dropout: float
) -> Tensor:
    queries, keys = query.shape[-2], key.shape[-2]
    square = causal and mask is None and queries == keys
    if causal and not square and queries > 1:  # torch's is_causal aligns to the first key
        mask = _causal_mask(queries, keys, query.device, mask)
    return functional.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask,
        dropout_p=dropout,
        is_causal=square,
        enable_gqa=key.shape[1] != query.shape[1],
    )


def _explicit_attention(
    query: Tensor, key: Tensor, value: Tensor, causal: bool, mask: Tensor | None, dropout: float
) -> Tensor:
    group = query.shape[1] // key.shape[1]
    key, value = (x.repeat_interleave(group, dim=1) for x in (key, value))
    scores = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5
    if causal:
        mask = _causal_mask(query.shape[-2], key.shape[-2], query.device, mask)
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = functional.dropout(softmax(scores), dropout)
    return weights @ value


def _causal_mask(queries: int, keys: int, device: torch.device, mask: Tensor | None) -> Tensor:
    causal = torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)
    return causal if mask is None else causal & mask


def _kernels_linear() -> Callable[..., Any]:
    matmul = _from_kernels("matmul")

    def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        product: Tensor = matmul(rows, weight.t()).view(*x.shape[:-1], weight.shape[0])
        # Under autocast the product is of its dtype, as matmul knows; torch's sum would not be.
        return product if bias is None else product + bias.to(product.dtype)

    return linear


def _from_kernels(name: str) -> Callable[..., Any]:
    try:
        module = importlib.import_module("triton_kernels")
        function: Callable[..., Any] = getattr(module, name)
    except ImportError as error:
        raise KernelsUnavailableError(
            f"implementation 'kernels' needs the package roadmap-triton-kernels ({error}); "
            f"install the extra: pip install '{_EXTRA}'"
        ) from error
    except AttributeError as error:
        raise KernelsUnavailableError(
            f"the installed triton_kernels has no {name!r}: it is an older version, or another "
            f"project's package of the same name; install the extra: pip install '{_EXTRA}'"
        ) from error
    return function


# --- the registry --------------------------------------------------------------------------

# op -> implementation -> what loads it. The first implementation is the default.
_IMPLEMENTATIONS: dict[str, dict[str, Callable[[], Callable[..., Any]]]] = {
    "attention": {"torch": lambda: _torch_attention, "explicit": lambda: _explicit_attention},
    "cross_entropy": {"torch": lambda: _torch_cross_entropy},
    "layer_norm": {"torch": lambda: _torch_layer_norm},
    "linear": {"torch": lambda: functional.linear, "kernels": _kernels_linear},
    "rms_norm": {"torch": lambda: _torch_rms_norm},
    "softmax": {"torch": lambda: torch.softmax, "kernels": lambda: _from_kernels("softmax")},
}
_names: dict[str, str] = {op: next(iter(table)) for op, table in _IMPLEMENTATIONS.items()}
_chosen: dict[str, Callable[..., Any]] = {
    op: _IMPLEMENTATIONS[op][name]() for op, name in _names.items()
}


class use:
    """Choose implementations, for good or, as a context manager, for a block.

    The choice holds for the whole process, all threads included, from this call on.

    Example:
        `use(softmax="kernels")`, or `with use(softmax="kernels"): ...`

    Raises:
        OpError: If an op or implementation is unknown; nothing is changed then.
        KernelsUnavailableError: If the implementation's package is not installed; likewise.
    """

    def __init__(self, **choices: str) -> None:
        loaded = {op: _load(op, name) for op, name in choices.items()}
        self._before = {op: (_names[op], _chosen[op]) for op in choices}
        _names.update(choices)
        _chosen.update(loaded)

    def __enter__(self) -> "use":
        return self

    def __exit__(self, *_: object) -> None:
        for op, (name, function) in self._before.items():
            _names[op], _chosen[op] = name, function


def choices() -> Mapping[str, str]:
    """The implementation in use for each op, as a copy."""
    return dict(_names)


def report() -> None:
    """Print, for each op, what is in use, what that replaced, and what else there is."""
    rows = [("op", "in use", "replaces", "also there"), *map(_row, _IMPLEMENTATIONS)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print("  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[3]]))


def _row(op: str) -> tuple[str, str, str, str]:
    default, name = next(iter(_IMPLEMENTATIONS[op])), _names[op]
    others = [other + _unavailable(op, other) for other in _IMPLEMENTATIONS[op] if other != name]
    return op, name, "-" if name == default else default, ", ".join(others) or "-"


def _unavailable(op: str, name: str) -> str:
    try:
        _load(op, name)
    except KernelsUnavailableError as error:
        return f" (unavailable: {error})"
    return ""


def _load(op: str, name: str) -> Callable[..., Any]:
    if op not in _IMPLEMENTATIONS:
        raise OpError(f"unknown op {op!r}; ops are {', '.join(_IMPLEMENTATIONS)}")
    table = _IMPLEMENTATIONS[op]
    if name not in table:
        raise OpError(f"unknown implementation {name!r} of {op}; it has {', '.join(table)}")
    return table[name]()
