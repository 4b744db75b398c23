"""Everybody else's version of an op, with the same arguments: torch's own, compiled, Liger's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
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
        from liger_kernel.ops.layer_norm import LigerLayerNormFunction
        from liger_kernel.ops.rms_norm import LigerRMSNormFunction
        from liger_kernel.ops.softmax import LigerSoftmaxFunction
        from liger_kernel.ops.swiglu import LigerSiLUMulFunction
    except ImportError:
        return {}

    def linear_cross_entropy(x: Any, w: Any, *, target: Any, **ours: Any) -> torch.Tensor:
        loss: torch.Tensor = LigerFusedLinearCrossEntropyFunction.apply(x, w, target)[0]
        return loss

    return {
        "linear_cross_entropy": linear_cross_entropy,
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


_TORCH: dict[str, Function] = {
    "dropout": lambda x, p, seed: torch.nn.functional.dropout(x, p),
}
"""What takes the place of a definition that is there to be read, not to be fast."""


def peers_of(op: Op, args: tuple[Any, ...]) -> dict[str, Function]:
    """Ours first, then everybody else's."""
    product = op.bound == "compute" and not op.together
    theirs = _TORCH.get(op.name, op.torch_function)
    peers: dict[str, Function] = {"ours": op.function, "cuBLAS" if product else "eager": theirs}
    if not product:
        peers["compile"] = torch.compile(theirs, dynamic=False)
    if op.name in _LIGER and _FITS_LIGER.get(op.name, lambda _: True)(args):
        peers["liger"] = _LIGER[op.name]
    return peers
