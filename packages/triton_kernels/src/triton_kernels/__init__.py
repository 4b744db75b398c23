"""Triton kernels with autograd: a plain torch definition, a portable kernel, a CPU path for each.

Importing the package imports neither torch nor triton; the first use of an op does.
"""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any

from triton_kernels import errors
from triton_kernels.registry import op_names, room_of

if TYPE_CHECKING:
    from triton_kernels.backends import (
        Explanation as Explanation,
    )
    from triton_kernels.backends import (
        record_backends as record_backends,
    )
    from triton_kernels.backends import (
        use_backend as use_backend,
    )
    from triton_kernels.nn import CrossEntropyLoss as CrossEntropyLoss
    from triton_kernels.nn import Embedding as Embedding
    from triton_kernels.nn import GeGLU as GeGLU
    from triton_kernels.nn import GroupNorm as GroupNorm
    from triton_kernels.nn import JSDivLoss as JSDivLoss
    from triton_kernels.nn import KLDivLoss as KLDivLoss
    from triton_kernels.nn import LayerNorm as LayerNorm
    from triton_kernels.nn import Linear as Linear
    from triton_kernels.nn import LinearCrossEntropyLoss as LinearCrossEntropyLoss
    from triton_kernels.nn import LoRALinear as LoRALinear
    from triton_kernels.nn import RMSNorm as RMSNorm
    from triton_kernels.nn import SwiGLU as SwiGLU
    from triton_kernels.ops.activations.biased import bias_activation as bias_activation
    from triton_kernels.ops.activations.elementwise import gelu as gelu
    from triton_kernels.ops.activations.elementwise import relu as relu
    from triton_kernels.ops.activations.elementwise import silu as silu
    from triton_kernels.ops.activations.gated import geglu as geglu
    from triton_kernels.ops.activations.gated import swiglu as swiglu
    from triton_kernels.ops.attention.decode import decode_attention as decode_attention
    from triton_kernels.ops.attention.decode import mla_decode_attention as mla_decode_attention
    from triton_kernels.ops.attention.faces import FlashAttention as FlashAttention
    from triton_kernels.ops.attention.faces import (
        register_transformers_attention as register_transformers_attention,
    )
    from triton_kernels.ops.attention.faces import (
        scaled_dot_product_attention as scaled_dot_product_attention,
    )
    from triton_kernels.ops.attention.op import flash_attention as flash_attention
    from triton_kernels.ops.attention.op import flash_attention_varlen as flash_attention_varlen
    from triton_kernels.ops.cross_entropy.op import cross_entropy as cross_entropy
    from triton_kernels.ops.divergences.op import js_divergence as js_divergence
    from triton_kernels.ops.divergences.op import kl_divergence as kl_divergence
    from triton_kernels.ops.foundations.dropout import dropout as dropout
    from triton_kernels.ops.foundations.elementwise import multiply_add as multiply_add
    from triton_kernels.ops.foundations.elementwise import strided_copy as strided_copy
    from triton_kernels.ops.foundations.elementwise import transpose as transpose
    from triton_kernels.ops.foundations.reductions import argmax as argmax
    from triton_kernels.ops.foundations.reductions import reduce_max as reduce_max
    from triton_kernels.ops.foundations.reductions import reduce_mean as reduce_mean
    from triton_kernels.ops.foundations.reductions import reduce_sum as reduce_sum
    from triton_kernels.ops.foundations.scan import cumsum as cumsum
    from triton_kernels.ops.foundations.vectors import matvec as matvec
    from triton_kernels.ops.foundations.vectors import outer as outer
    from triton_kernels.ops.gemm.linear import linear as linear
    from triton_kernels.ops.gemm.op import matmul as matmul
    from triton_kernels.ops.gemm.scaled import matmul_fp8 as matmul_fp8
    from triton_kernels.ops.linear_cross_entropy.op import (
        linear_cross_entropy as linear_cross_entropy,
    )
    from triton_kernels.ops.lora.op import lora_linear as lora_linear
    from triton_kernels.ops.masked_softmax.op import log_softmax as log_softmax
    from triton_kernels.ops.masked_softmax.op import masked_softmax as masked_softmax
    from triton_kernels.ops.norms.dropout_add import (
        dropout_add_layer_norm as dropout_add_layer_norm,
    )
    from triton_kernels.ops.norms.dropout_add import (
        dropout_add_rms_norm as dropout_add_rms_norm,
    )
    from triton_kernels.ops.norms.group import group_norm as group_norm
    from triton_kernels.ops.norms.layer import add_layer_norm as add_layer_norm
    from triton_kernels.ops.norms.layer import layer_norm as layer_norm
    from triton_kernels.ops.norms.rms import add_rms_norm as add_rms_norm
    from triton_kernels.ops.norms.rms import rms_norm as rms_norm
    from triton_kernels.ops.positions.embedding import embedding as embedding
    from triton_kernels.ops.positions.rope import rope as rope
    from triton_kernels.ops.positions.rope_qk import rope_qk as rope_qk
    from triton_kernels.ops.quantised.nf4 import dequantise_int8 as dequantise_int8
    from triton_kernels.ops.quantised.nf4 import dequantise_nf4 as dequantise_nf4
    from triton_kernels.ops.quantised.nf4 import matvec_int8 as matvec_int8
    from triton_kernels.ops.quantised.nf4 import matvec_nf4 as matvec_nf4
    from triton_kernels.ops.quantised.quantise import quantise_int8 as quantise_int8
    from triton_kernels.ops.quantised.quantise import quantise_nf4 as quantise_nf4
    from triton_kernels.ops.softmax.op import softmax as softmax
    from triton_kernels.ops.vector_add import vector_add as vector_add

__all__ = [
    "CrossEntropyLoss",
    "Embedding",
    "Explanation",
    "FlashAttention",
    "GeGLU",
    "GroupNorm",
    "JSDivLoss",
    "KLDivLoss",
    "LayerNorm",
    "Linear",
    "LinearCrossEntropyLoss",
    "LoRALinear",
    "RMSNorm",
    "SwiGLU",
    "add_layer_norm",
    "add_rms_norm",
    "argmax",
    "bias_activation",
    "cross_entropy",
    "cumsum",
    "decode_attention",
    "dequantise_int8",
    "dequantise_nf4",
    "dropout",
    "dropout_add_layer_norm",
    "dropout_add_rms_norm",
    "embedding",
    "errors",
    "explain",
    "flash_attention",
    "flash_attention_varlen",
    "geglu",
    "gelu",
    "group_norm",
    "js_divergence",
    "kl_divergence",
    "layer_norm",
    "linear",
    "linear_cross_entropy",
    "log_softmax",
    "lora_linear",
    "masked_softmax",
    "matmul",
    "matmul_fp8",
    "matvec",
    "matvec_int8",
    "matvec_nf4",
    "mla_decode_attention",
    "multiply_add",
    "op_names",
    "outer",
    "quantise_int8",
    "quantise_nf4",
    "record_backends",
    "reduce_max",
    "reduce_mean",
    "reduce_sum",
    "register_ops",
    "register_transformers_attention",
    "relu",
    "rms_norm",
    "rope",
    "rope_qk",
    "scaled_dot_product_attention",
    "silu",
    "softmax",
    "strided_copy",
    "swiglu",
    "transpose",
    "use_backend",
    "vector_add",
]

_LAZY = {
    "CrossEntropyLoss": "triton_kernels.nn",
    "Embedding": "triton_kernels.nn",
    "Explanation": "triton_kernels.backends",
    "GeGLU": "triton_kernels.nn",
    "GroupNorm": "triton_kernels.nn",
    "JSDivLoss": "triton_kernels.nn",
    "KLDivLoss": "triton_kernels.nn",
    "FlashAttention": "triton_kernels.ops.attention.faces",
    "LayerNorm": "triton_kernels.nn",
    "LinearCrossEntropyLoss": "triton_kernels.nn",
    "Linear": "triton_kernels.nn",
    "LoRALinear": "triton_kernels.nn",
    "RMSNorm": "triton_kernels.nn",
    "SwiGLU": "triton_kernels.nn",
    "flash_attention_varlen": "triton_kernels.ops.attention.op",
    "record_backends": "triton_kernels.backends",
    "register_transformers_attention": "triton_kernels.ops.attention.faces",
    "scaled_dot_product_attention": "triton_kernels.ops.attention.faces",
    "use_backend": "triton_kernels.backends",
}


def explain(op: str, *args: Any, backend: str | None = None, **kwargs: Any) -> Explanation:
    """Which backend ``op(*args, **kwargs)`` would take, and why not the others.

    Raises:
        BackendError: no such op or backend, or the backend asked for refuses these inputs.
        DtypeError: arguments are missing, or the op has no such.
        ShapeError, DtypeError, DeviceError: as the op itself.
    """
    from triton_kernels import registry

    kernel, checked = registry.kernel_of(op)
    signature = inspect.signature(checked)
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        given = f"arguments that do not fit ({error})"
        call = f"explain({op!r}, {', '.join(signature.parameters)})"
        raise errors.DtypeError(op, given, call, "pass what the op itself takes") from None
    return kernel.explain(*checked(*args, **kwargs), backend=backend)


def register_ops() -> None:
    """Registers all custom ops, ``torch.ops.roadmap_kernels.*``, as a program that loads an
    exported or compiled graph needs them; else an op's are registered when it is first used."""
    from triton_kernels import registry

    for name in op_names():
        registry.get(name)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            value: Any = version("roadmap-triton-kernels")
        except PackageNotFoundError:  # run from the source tree, never installed
            value = "0+source"
    else:
        module = _LAZY.get(name) or room_of(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
