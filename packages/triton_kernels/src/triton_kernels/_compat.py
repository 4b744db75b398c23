"""Everything that depends on the version of triton, on the interpreter or on the device."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

if TYPE_CHECKING:
    import triton  # type: ignore[import-untyped]
    import triton.language as tl  # type: ignore[import-untyped]
else:
    try:
        import triton
        import triton.language as tl
    except ImportError:

        class _Absent:
            """Stands for triton where it is missing: decorated kernels stay plain functions."""

            __version__ = None
            constexpr = object

            @staticmethod
            def jit(function: Callable[..., Any]) -> Callable[..., Any]:
                return function

        triton = tl = _Absent()

__all__ = [
    "TRITON_VERSION",
    "Device",
    "device_of",
    "index_dtype",
    "interpreter_fault",
    "interpreting",
    "on_device",
    "set_workspace_allocator",
    "tl",
    "triton",
    "triton_dtype",
    "upcasts_dot",
]

TRITON_VERSION: str | None = triton.__version__


class Device(NamedTuple):
    """What the choice of a configuration may depend on."""

    capability: tuple[int, int]
    """Compute capability of the GPU, (0, 0) on the CPU."""
    processors: int
    """Streaming multiprocessors, 1 on the CPU."""


@functools.lru_cache(maxsize=64)
def device_of(device: torch.device) -> Device:
    """The facts of a torch device, asked once."""
    if device.type != "cuda":
        return Device((0, 0), 1)
    properties = torch.cuda.get_device_properties(device)
    return Device((properties.major, properties.minor), properties.multi_processor_count)


def interpreting() -> bool:
    """Whether ``@triton.jit`` functions run in triton's interpreter (TRITON_INTERPRET=1)."""
    return _INTERPRETED


# Triton decides when it decorates a kernel: later changes of the variable have no effect.
_INTERPRETED = TRITON_VERSION is not None and os.environ.get("TRITON_INTERPRET", "0") == "1"


@functools.cache
def interpreter_fault() -> str | None:
    """Why the interpreter cannot run here, or None: triton 3.6 needs numpy below 2.4."""
    try:
        import numpy
    except ImportError:
        return "the interpreter needs numpy"
    old_triton = _version(TRITON_VERSION or "0") < (3, 7, 1)
    if old_triton and _version(numpy.__version__) >= (2, 4):
        return f"the interpreter of triton {TRITON_VERSION} needs numpy < 2.4"
    return None


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("+")[0].split(".")[:3] if part.isdigit())


def upcasts_dot(dtype: torch.dtype) -> bool:
    """Whether ``tl.dot`` operands must be float32: the interpreter's bfloat16 dot is wrong."""
    return _INTERPRETED and dtype is torch.bfloat16


def index_dtype(*tensors: torch.Tensor) -> Any:
    """``tl.int32``, or ``tl.int64`` if an offset within a tensor may pass 2³¹ elements."""
    return tl.int64 if any(_extent(t) >= 2**31 - 2**24 for t in tensors) else tl.int32


def _extent(tensor: torch.Tensor) -> int:
    return sum((n - 1) * s for n, s in zip(tensor.shape, tensor.stride(), strict=True) if n > 1)


def on_device(tensor: torch.Tensor) -> contextlib.AbstractContextManager[Any]:
    """Makes the tensor's GPU current: triton launches on the current device."""
    if tensor.is_cuda and tensor.get_device() != torch.cuda.current_device():
        return torch.cuda.device(tensor.device)
    return contextlib.nullcontext()


def set_workspace_allocator() -> None:
    """Gives triton torch's memory for the descriptors that kernels build themselves."""
    triton.set_allocator(_allocate)


def _allocate(size: int, alignment: int, stream: int | None) -> torch.Tensor:
    return torch.empty(size, dtype=torch.int8, device="cuda")


def triton_dtype(dtype: torch.dtype) -> Any:
    """The dtype of ``tl`` that holds what the torch dtype holds."""
    return getattr(tl, str(dtype).removeprefix("torch."))
