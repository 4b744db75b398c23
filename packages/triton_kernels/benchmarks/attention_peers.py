"""Other attentions behind our arguments; each raises for what it cannot do and is left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from triton_kernels import registry

Function = Callable[..., Any]


def _beside_any_gpu(ours: str | None) -> None:
    """Our portable kernels stand beside FlashAttention-2, which needs no Hopper either."""
    if ours == "portable":
        raise NotImplementedError("it is for Hopper, the portable kernels are for any GPU")


def _by(backend: SDPBackend) -> Function:
    """One of torch's own kernels: no window, soft cap, ALiBi, sinks, bias or mask."""

    def attention(
        query: Any, key: Any, value: Any, bias: Any = None, sinks: Any = None, *,
        causal: bool = False, scale: float | None = None,
        **features: Any,
    ) -> torch.Tensor:  # fmt: skip
        if backend is not SDPBackend.FLASH_ATTENTION:
            _beside_any_gpu(features.get("backend"))
        features.pop("backend", None)
        if features or bias is not None or sinks is not None:
            raise NotImplementedError(f"no {', '.join(features) or 'bias or sinks'}")
        if causal and query.shape[2] != key.shape[2]:
            raise NotImplementedError("its causal mask starts at the first key")
        with sdpa_kernel(backend):
            return scaled_dot_product_attention(
                query, key, value, is_causal=causal, scale=scale,
                enable_gqa=query.shape[1] != key.shape[1],
            )  # fmt: skip

    return attention


def chosen_by_torch(query: Any, key: Any, value: Any) -> torch.Tensor:
    """Torch's attention as one calls it, whichever kernel it takes."""
    return scaled_dot_product_attention(query, key, value)


def _fa3(
    query: Any, key: Any, value: Any, *others: Any, causal: bool = False,
    window: tuple[int | None, int | None] = (None, None), soft_cap: float | None = None,
    scale: float | None = None, backend: str | None = None, **features: Any,
) -> torch.Tensor:  # fmt: skip
    """FlashAttention-3's forward, of the package fa3-fwd; heads lie inside, a view."""
    _beside_any_gpu(backend)
    if others or features:
        raise NotImplementedError(f"no {', '.join(features) or 'bias or sinks'}")
    if torch.is_grad_enabled() and any(x.requires_grad for x in (query, key, value)):
        raise NotImplementedError("the package has the forward only")
    from fa3_fwd_interface import flash_attn_func

    output: torch.Tensor = flash_attn_func(
        *(x.transpose(1, 2) for x in (query, key, value)), softmax_scale=scale, causal=causal,
        window_size=tuple(-1 if side is None else side for side in window),
        softcap=soft_cap or 0.0,
    )  # fmt: skip
    return output.transpose(1, 2)


def varlen_by_fa3(
    query: Any, key: Any, value: Any, cu_q: Any, cu_k: Any, max_q: int, max_k: int, *,
    causal: bool = False,
) -> torch.Tensor:  # fmt: skip
    """The same of packed sequences."""
    if torch.is_grad_enabled() and any(x.requires_grad for x in (query, key, value)):
        raise NotImplementedError("the package has the forward only")
    from fa3_fwd_interface import flash_attn_varlen_func

    output: torch.Tensor = flash_attn_varlen_func(
        query, key, value, cu_q, cu_k, max_q, max_k, causal=causal
    )
    return output


def _eager(*args: Any, backend: str | None = None, causal: bool = False, **features: Any) -> Any:
    """The definition, for what nothing else can do: it holds the scores."""
    if len(args) == 3 and not features:
        raise NotImplementedError("torch's kernels can do it")
    return registry.get("flash_attention").torch_function(*args, causal=causal, **features)


def _decode(query: Any, keys: Any, values: Any, *others: Any, **options: Any) -> torch.Tensor:
    """Torch's FlashAttention-2 with its own split over the keys."""
    if others or options:
        raise NotImplementedError("no lengths and pages")
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        return scaled_dot_product_attention(query, keys, values, enable_gqa=True)


def _gathered(*args: Any, **options: Any) -> Any:
    """What one writes without a kernel: pages gathered, then torch's attention."""
    if len(args) == 3 and not options:
        raise NotImplementedError("FlashAttention-2 can do it")
    return registry.get("decode_attention").torch_function(*args, **options)


PEERS: dict[str, dict[str, Function]] = {
    "flash_attention": {
        "FA2": _by(SDPBackend.FLASH_ATTENTION),
        "cuDNN": _by(SDPBackend.CUDNN_ATTENTION),
        "FA3": _fa3,
        "eager": _eager,
    },
    "decode_attention": {"FA2": _decode, "eager": _gathered},
    "mla_decode_attention": {
        "eager": lambda *args, **options: registry.get("mla_decode_attention").torch_function(
            *args, **options
        )
    },
}
"""By op: everybody else's, in place of the general peers."""
