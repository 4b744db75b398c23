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

            @staticmethod
            def constexpr(value: Any) -> Any:
                return value

            @staticmethod
            def jit(function: Callable[..., Any]) -> Callable[..., Any]:
                return function

        triton = tl = _Absent()

__all__ = [
    "TRITON_VERSION",
    "Device",
    "Launch",
    "Layout",
    "device_of",
    "has_gluon",
    "index_dtype",
    "interpreter_fault",
    "interpreting",
    "on_device",
    "starts_aligned",
    "starts_early",
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


def starts_early(device: Device) -> bool:
    """Whether a kernel can start before the one ahead of it has ended, and wait for it later on.

    Programmatic dependent launch: the option ``launch_pdl``, and ``tl.extra.cuda.gdc_wait``.
    """
    return device.capability >= (9, 0) and not _INTERPRETED


def upcasts_dot(dtype: torch.dtype) -> bool:
    """Whether ``tl.dot`` operands must be float32: the interpreter's other dots are wrong."""
    return _INTERPRETED and dtype in (torch.bfloat16, torch.float8_e4m3fn)


class Layout(NamedTuple):
    """All that a launch depends on in a tensor but its address: the key of a cached launch."""

    shape: torch.Size
    strides: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    aligned: bool
    """Whether it starts at a multiple of 16 bytes, which triton compiles in."""

    @classmethod
    def of(cls, x: torch.Tensor) -> Layout:
        """The layout of a tensor."""
        return cls(x.shape, x.stride(), x.dtype, x.device, starts_aligned(x))

    def contiguous(self, aligned: bool) -> Layout:
        """That of a contiguous tensor of the same shape."""
        strides = torch.empty(self.shape, device="meta").stride()
        return self._replace(strides=strides, aligned=aligned)

    def example(self) -> torch.Tensor:
        """A tensor so laid out that holds no memory."""
        return torch.empty_strided(self.shape, self.strides, dtype=self.dtype, device="meta")

    def extent(self) -> int:
        """The largest offset within it, in elements."""
        return sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True) if n > 1)


def index_dtype(*layouts: Layout) -> Any:
    """``tl.int32``, or ``tl.int64`` if an offset within a tensor may pass 2³¹ elements."""
    wide = any(layout.extent() >= 2**31 - 2**24 for layout in layouts)
    return tl.int64 if wide else tl.int32


@functools.cache
def has_gluon() -> bool:
    """Whether this triton has Gluon with what Hopper kernels need."""
    return TRITON_VERSION is not None and _version(TRITON_VERSION) >= (3, 6)


def starts_aligned(x: torch.Tensor) -> bool:
    """Whether the tensor starts at a multiple of 16 bytes."""
    return x.data_ptr() % 16 == 0


class Launch:
    """A kernel with all but its tensors fixed.

    The first call compiles; later calls go straight to the compiled kernel, without triton's
    look-up by arguments. So one instance serves tensors of one ``Layout`` each, on one device.

    Args:
        kernel: a jitted function whose parameters are the tensors, the scalars, the constants.
        programs: the size of the grid.
        scalars: values of its run-time parameters after the tensors.
        constants: its ``tl.constexpr`` parameters, in order.
        options: num_warps, num_stages.
    """

    def __init__(
        self,
        kernel: Any,
        programs: int,
        scalars: tuple[float, ...],
        constants: dict[str, Any],
        options: dict[str, int],
    ) -> None:
        self._kernel = kernel
        self._grid = (programs, 1, 1)
        self._scalars = scalars
        self._constants = constants
        self._options = options
        self._fixed = (*scalars, *constants.values())
        self._compiled: Callable[..., Any] | None = None

    def __call__(self, *tensors: Any) -> None:
        """Runs the kernel on tensors of the layouts that this launch was made for."""
        if self._compiled is not None:
            self._compiled(*tensors, *self._fixed)
            return
        compiled = self._kernel[self._grid](
            *tensors, *self._scalars, **self._constants, **self._options
        )
        if compiled is not None:  # the interpreter compiles nothing
            self._compiled = compiled[self._grid]


def on_device(tensor: torch.Tensor) -> contextlib.AbstractContextManager[Any]:
    """Makes the tensor's GPU current: triton launches on the current device."""
    if tensor.is_cuda and tensor.get_device() != torch.cuda.current_device():
        return torch.cuda.device(tensor.device)
    return contextlib.nullcontext()


def triton_dtype(dtype: torch.dtype) -> Any:
    """The dtype of ``tl`` that holds what the torch dtype holds."""
    return getattr(tl, str(dtype).removeprefix("torch."))
