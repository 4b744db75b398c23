"""The one list of ops: tests, benchmarks, the README's table and ``python -m`` are made from it.

To add an op: add its room under ``ops/``, with an ``OPS`` tuple of ``Op`` entries, and name the
room and its ops in ``ROOMS``.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from triton_kernels.errors import BackendError, KernelError

if TYPE_CHECKING:
    import torch

    from triton_kernels.kernel import Kernel

ROOMS: dict[str, tuple[str, ...]] = {
    "triton_kernels.ops.vector_add": ("vector_add",),
    "triton_kernels.ops.foundations.elementwise": ("multiply_add", "strided_copy", "transpose"),
    "triton_kernels.ops.foundations.reductions": (
        "reduce_sum",
        "reduce_mean",
        "reduce_max",
        "argmax",
    ),
    "triton_kernels.ops.foundations.vectors": ("matvec", "outer"),
    "triton_kernels.ops.foundations.dropout": ("dropout",),
    "triton_kernels.ops.foundations.scan": ("cumsum",),
    "triton_kernels.ops.softmax.op": ("softmax",),
    "triton_kernels.ops.masked_softmax.op": ("masked_softmax", "log_softmax"),
    "triton_kernels.ops.gemm.op": ("matmul",),
    "triton_kernels.ops.gemm.linear": ("linear",),
    "triton_kernels.ops.gemm.scaled": ("matmul_fp8",),
    "triton_kernels.ops.activations.elementwise": ("relu", "gelu", "silu"),
    "triton_kernels.ops.activations.gated": ("swiglu", "geglu"),
    "triton_kernels.ops.activations.biased": ("bias_activation",),
    "triton_kernels.ops.norms.rms": ("rms_norm", "add_rms_norm"),
    "triton_kernels.ops.norms.layer": ("layer_norm", "add_layer_norm"),
    "triton_kernels.ops.norms.group": ("group_norm",),
    "triton_kernels.ops.norms.dropout_add": ("dropout_add_rms_norm", "dropout_add_layer_norm"),
    "triton_kernels.ops.positions.rope": ("rope",),
    "triton_kernels.ops.positions.rope_qk": ("rope_qk",),
    "triton_kernels.ops.positions.embedding": ("embedding",),
    "triton_kernels.ops.quantised.quantise": ("quantise_nf4", "quantise_int8"),
    "triton_kernels.ops.quantised.nf4": (
        "dequantise_nf4",
        "dequantise_int8",
        "matvec_nf4",
        "matvec_int8",
    ),
    "triton_kernels.ops.lora.op": ("lora_linear",),
    "triton_kernels.ops.cross_entropy.op": ("cross_entropy",),
    "triton_kernels.ops.linear_cross_entropy.op": ("linear_cross_entropy",),
    "triton_kernels.ops.divergences.op": ("kl_divergence", "js_divergence"),
    "triton_kernels.ops.attention.op": ("flash_attention",),
    "triton_kernels.ops.attention.decode": ("decode_attention", "mla_decode_attention"),
}
"""Module of each room, imported when one of its ops is first used, and the ops it offers."""

FACES: dict[str, tuple[str, str, str]] = {
    "flash_attention_varlen": (
        "flash_attention", "triton_kernels.ops.attention.op", "checked_packed",
    ),
    "scaled_dot_product_attention": (
        "flash_attention", "triton_kernels.ops.attention.faces", "checked_as_torchs",
    ),
}  # fmt: skip
"""Other functions that an op's kernel does: the op, and what checks their arguments."""


@dataclass(frozen=True)
class Sample:
    """One call: ``function(*args, **kwargs)``. Tensors in ``args`` are differentiated."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ErrorSample:
    """A call that must raise ``error`` before anything is launched."""

    sample: Sample
    error: type[KernelError]
    says: str
    """Part of the message."""


@dataclass(frozen=True)
class Cost:
    """What one call must move and compute, at the least: the roofline's model."""

    forward_bytes: int
    backward_bytes: int
    forward_flops: int
    backward_flops: int


@dataclass(frozen=True)
class Case:
    """A row of the benchmark; inputs are made when it runs."""

    name: str
    make: Callable[[torch.device], Sample]


@dataclass(frozen=True)
class Op:
    """Everything the rest of the package and its tests know of one op."""

    name: str
    summary: str
    function: Callable[..., Any]
    """The public function."""
    kernel: Kernel
    """The forward kernel; its backends are the op's."""
    gradients: tuple[Kernel, ...]
    """Further kernels that its backward runs."""
    checked: Callable[..., tuple[Any, ...]]
    """Checks the public arguments and gives the kernel's inputs."""
    torch_function: Callable[..., Any]
    """Torch's own, with the same arguments: yardstick of error and speed."""
    dtypes: tuple[torch.dtype, ...]
    samples: Callable[[torch.device, torch.dtype], Iterator[Sample]]
    errors: Callable[[torch.device], Iterator[ErrorSample]]
    cost: Callable[..., Cost]
    bound: str
    """What limits it on large inputs: ``memory`` or ``compute``."""
    cases: tuple[Case, ...]
    source: str
    """Where the maths stands."""
    rounds_within: bool = False
    """Whether it rounds what it makes on the way to its inputs' dtype, as torch's own does."""
    together: bool = False
    """Whether its forward makes the gradients, so that only both together can be timed."""
    differentiable: bool = True
    """Whether it has a gradient; its samples' tensors are floating-point then."""


def op_names() -> tuple[str, ...]:
    """The names of all ops, without importing any room."""
    return tuple(name for names in ROOMS.values() for name in names)


@functools.cache
def get(name: str) -> Op:
    """The entry of one op; imports its room.

    Raises:
        BackendError: there is no op of that name.
    """
    for module, names in ROOMS.items():
        if name in names:
            ops: tuple[Op, ...] = importlib.import_module(module).OPS
            return next(op for op in ops if op.name == name)
    raise BackendError(
        name, f"the op name {name!r}", f"one of {', '.join(op_names())}", "check the spelling"
    )


def kernel_of(name: str) -> tuple[Kernel, Callable[..., tuple[Any, ...]]]:
    """The kernel that does an op or a face of one, and what checks its arguments.

    Raises:
        BackendError: there is neither of that name.
    """
    if name in FACES:
        op, module, checked = FACES[name]
        return get(op).kernel, getattr(importlib.import_module(module), checked)
    return get(name).kernel, get(name).checked


def room_of(name: str) -> str | None:
    """The module that defines an op, or None."""
    return next((module for module, names in ROOMS.items() if name in names), None)
