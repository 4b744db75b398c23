"""Everybody else's version of an op, with the same arguments: torch's own, compiled, Liger's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import triton_kernels
from attention_peers import PEERS as ATTENTION
from attention_peers import chosen_by_torch
from triton_kernels import registry
from triton_kernels.ops.masked_softmax.samples import torch_scores
from triton_kernels.registry import Op, Sample

Function = Callable[..., Any]


def _liger() -> dict[str, Function]:
    """Liger's kernels behind our ops' arguments; none where it is not installed.

    Its cross_entropy leaves the gradient in the logits, so no half of it compares: it is a peer of
    the host's time alone.
    """
    try:
        from liger_kernel.ops.cross_entropy import LigerCrossEntropyFunction
        from liger_kernel.ops.experimental.embedding import LigerEmbeddingFunction
        from liger_kernel.ops.fused_add_rms_norm import LigerFusedAddRMSNormFunction
        from liger_kernel.ops.fused_linear_cross_entropy import (
            LigerFusedLinearCrossEntropyFunction,
        )
        from liger_kernel.ops.geglu import LigerGELUMulFunction
        from liger_kernel.ops.group_norm import LigerGroupNormFunction
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

    def add_rms_norm(x: Any, residual: Any, w: Any) -> Any:
        return LigerFusedAddRMSNormFunction.apply(x, residual, w, 1e-6, 0.0, "gemma", False)

    def group_norm(x: Any, groups: int, w: Any, b: Any) -> torch.Tensor:
        y: torch.Tensor = LigerGroupNormFunction.apply(x, w, b, x.shape[1], groups, 1e-5)
        return y

    return {
        "cross_entropy": lambda x, *, target: LigerCrossEntropyFunction.apply(x, target, None)[0],
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
        "geglu": lambda gate, up, tanh: LigerGELUMulFunction.apply(gate, up),
        "group_norm": group_norm,
        "add_rms_norm": add_rms_norm,
        "embedding": lambda weight, *, ids: LigerEmbeddingFunction.apply(weight, ids),
    }


_LIGER = _liger()
_FITS_LIGER: dict[str, Callable[[tuple[Any, ...]], bool]] = {
    "softmax": lambda args: len(args) < 2 or args[1] in (-1, args[0].dim() - 1),
    "swiglu": lambda args: len(args) == 2,
    "geglu": lambda args: args[1:] and args[1] is not None and args[2:] == ("tanh",),
    "group_norm": lambda args: len(args) == 4,
    "add_rms_norm": lambda args: len(args) == 3,
}


def _of_losses(op: str, device: torch.device) -> Sample:
    x = torch.randn(64, 1000, device=device).log_softmax(-1).bfloat16()
    ids = torch.randint(1000, (64,), device=device)
    if op == "cross_entropy":
        return Sample("", (x,), {"target": ids})
    if op == "linear_cross_entropy":
        return Sample("", (x[:, :128].clone(), x.new_ones(1000, 128)), {"target": ids})
    form = {"log_target": True} if op == "kl_divergence" else {"beta": 0.5}
    return Sample("", (x,), {"target": x.flip(0), "reduction": "batchmean", **form})


def small_call(op: Op, device: torch.device) -> Sample:
    """A call as a model makes it, which Liger takes too, so small that the host's time shows."""

    def make(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device, dtype=torch.bfloat16)

    if op.name in ("cross_entropy", "linear_cross_entropy", "kl_divergence", "js_divergence"):
        return _of_losses(op.name, device)
    if op.name == "geglu":
        return Sample("", (make(32, 128), make(32, 128), "tanh"))
    if op.name == "group_norm":
        return Sample("", (make(4, 32, 8, 8), 4, make(32), make(32)))
    if op.name == "add_rms_norm":
        return Sample("", (make(32, 128), make(32, 128), make(128)))
    if op.name == "rope_qk":
        angles = torch.randn(16, 32, device=device)
        tables = {"cos": angles.cos(), "sin": angles.sin()}
        return Sample("", (make(2, 16, 4, 64), make(2, 16, 2, 64)), tables)
    if op.name == "flash_attention":
        return Sample("", (make(1, 4, 128, 64), make(1, 4, 128, 64), make(1, 4, 128, 64)))
    if op.name == "embedding":
        return Sample("", (make(100, 128),), {"ids": torch.randint(100, (32,), device=device)})
    return next(s for s in op.samples(device, torch.bfloat16) if s.args[0].numel() >= 1000)


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


def peers_of(op: Op, args: tuple[Any, ...], host: bool = False) -> dict[str, Function]:
    """Ours first, then everybody else's; ``host``: of the host's time, where none is compiled."""
    if op.name in ATTENTION:
        chosen = {"SDPA": chosen_by_torch} if host and op.name == "flash_attention" else {}
        return {"ours": op.function, **chosen, **ATTENTION[op.name]}
    product = op.bound == "compute" and not op.together
    theirs = _TORCH.get(op.name, op.torch_function)
    peers: dict[str, Function] = {"ours": op.function, "cuBLAS" if product else "eager": theirs}
    if not product and not host:
        peers["compile"] = torch.compile(theirs, dynamic=False)
    if (
        op.name in _LIGER
        and (host or op.name != "cross_entropy")
        and _FITS_LIGER.get(op.name, lambda _: True)(args)
    ):
        peers["liger"] = _LIGER[op.name]
    return peers
