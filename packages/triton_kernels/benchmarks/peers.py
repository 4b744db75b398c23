"""Everybody else's version of an op, with the same arguments: torch's own, compiled, Liger's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import triton_kernels
from attention_peers import PEERS as ATTENTION
from triton_kernels import registry
from triton_kernels.ops.masked_softmax.samples import torch_scores
from triton_kernels.registry import Op

Function = Callable[..., Any]


def _liger() -> dict[str, Function]:
    """Liger's kernels behind our ops' arguments; none where it is not installed.

    Its cross_entropy is missing: it leaves the gradient in the logits, so no half of it compares.
    """
    try:
        from liger_kernel.ops.fused_linear_cross_entropy import (
            LigerFusedLinearCrossEntropyFunction,
        )
        from liger_kernel.ops.jsd import LigerJSDFunction
        from liger_kernel.ops.kl_div import LigerKLDivLossFunction
        from liger_kernel.ops.layer_norm import LigerLayerNormFunction
        from liger_kernel.ops.rms_norm import LigerRMSNormFunction
        from liger_kernel.ops.rope import LigerRopeFunction
        from liger_kernel.ops.softmax import LigerSoftmaxFunction
        from liger_kernel.ops.swiglu import LigerSiLUMulFunction
    except ImportError:
        return {}

    def linear_cross_entropy(x: Any, w: Any, *, target: Any, **ours: Any) -> torch.Tensor:
        loss: torch.Tensor = LigerFusedLinearCrossEntropyFunction.apply(x, w, target)[0]
        return loss

    def rope_qk(q: Any, k: Any, *, cos: torch.Tensor, sin: torch.Tensor) -> Any:
        heads_first = q.transpose(1, 2), k.transpose(1, 2)
        return LigerRopeFunction.apply(*heads_first, cos[None], sin[None], None, 1, q.shape[-1])

    return {
        "linear_cross_entropy": linear_cross_entropy,
        "kl_divergence": lambda x, *, target, reduction, log_target: LigerKLDivLossFunction.apply(
            x, target, reduction, log_target
        ),
        "js_divergence": lambda x, *, target, reduction, beta: LigerJSDFunction.apply(
            x, target, None, beta
        ),
        "rope_qk": rope_qk,
        "softmax": lambda x, dim=-1: LigerSoftmaxFunction.apply(x),
        "rms_norm": lambda x, w: LigerRMSNormFunction.apply(x, w, 1e-6, 0.0, "none", False),
        "layer_norm": lambda x, w, b: LigerLayerNormFunction.apply(x, w, b, 1e-5),
        "swiglu": lambda gate, up: LigerSiLUMulFunction.apply(gate, up),
    }


_LIGER = _liger()
_FITS_LIGER: dict[str, Callable[[tuple[Any, ...]], bool]] = {
    "softmax": lambda args: len(args) < 2 or args[1] in (-1, args[0].dim() - 1),
    "swiglu": lambda args: len(args) == 2,
}


def _dropped_and_added(norm: str) -> Function:
    theirs = registry.get(norm).torch_function
    dropout = torch.nn.functional.dropout
    return lambda x, residual, p, seed, *options: theirs(dropout(x, p), residual, *options)


def _masked_softmax(x: Any, mask: Any = None, causal: bool = False) -> torch.Tensor:
    return torch.softmax(torch_scores(x, mask, causal), -1)


def _lora_linear(
    x: Any, weight: Any, a: Any, b: Any, scaling: float, bias: Any = None
) -> torch.Tensor:
    """As peft writes it, with our kernel for the codes: torch has none."""
    dense = triton_kernels.dequantise_nf4(*weight) if isinstance(weight, tuple) else weight
    linear = torch.nn.functional.linear
    return linear(x, dense, bias) + linear(linear(x, a), b) * scaling


_TORCH: dict[str, Function] = {
    "dropout": lambda x, p, seed: torch.nn.functional.dropout(x, p),
    "dropout_add_rms_norm": _dropped_and_added("add_rms_norm"),
    "dropout_add_layer_norm": _dropped_and_added("add_layer_norm"),
    "masked_softmax": _masked_softmax,
    "lora_linear": _lora_linear,
}
"""What takes the place of a definition that is there to be read, not to be fast."""


def peers_of(op: Op, args: tuple[Any, ...]) -> dict[str, Function]:
    """Ours first, then everybody else's."""
    if op.name in ATTENTION:
        return {"ours": op.function, **ATTENTION[op.name]}
    product = op.bound == "compute" and not op.together
    theirs = _TORCH.get(op.name, op.torch_function)
    peers: dict[str, Function] = {"ours": op.function, "cuBLAS" if product else "eager": theirs}
    if not product:
        peers["compile"] = torch.compile(theirs, dynamic=False)
    if op.name in _LIGER and _FITS_LIGER.get(op.name, lambda _: True)(args):
        peers["liger"] = _LIGER[op.name]
    return peers
