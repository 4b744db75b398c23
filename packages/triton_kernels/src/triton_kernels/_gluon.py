"""Gluon's names, the same for every version of triton that has what Hopper kernels need.

Imported by Hopper kernels alone; importing it where Gluon is missing raises ImportError.
"""

# mypy: ignore-errors

from __future__ import annotations

import triton.language.core as _core
from triton.experimental import gluon as gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.hopper import (
    fence_async_shared as fence_async_shared,
)
from triton.experimental.gluon.language.nvidia.hopper import mbarrier as mbarrier
from triton.experimental.gluon.language.nvidia.hopper import tma as _tma
from triton.experimental.gluon.language.nvidia.hopper import warpgroup_mma as warpgroup_mma
from triton.experimental.gluon.language.nvidia.hopper import (
    warpgroup_mma_wait as warpgroup_mma_wait,
)
from triton.experimental.gluon.nvidia.hopper import TensorDescriptor as TensorDescriptor

# A class whose instances are passed on whole; private until triton 3.7.
aggregate = gluon.aggregate if hasattr(gluon, "aggregate") else _core._aggregate
# triton 3.8 renamed the copies and left functions that raise under the old names.
_RENAMED = hasattr(_tma, "async_load")
load_async = _tma.async_load if _RENAMED else _tma.async_copy_global_to_shared
store_async = _tma.async_store if _RENAMED else _tma.async_copy_shared_to_global
store_wait = _tma.store_wait


if hasattr(_tma, "async_atomic_add"):
    add_async = _tma.async_atomic_add
else:  # triton 3.6 has the instruction, and no name for it

    @gl._core.builtin
    def add_async(tensor_desc, coord, src, _semantic=None):
        """Adds what lies in shared memory to what a descriptor describes."""
        coord = _semantic._convert_to_ir_values(coord, require_i64=False)
        kind = gl._core.ir.DESCRIPTOR_REDUCE_KIND.ADD
        _semantic.builder.create_async_tma_reduce(kind, tensor_desc.handle, coord, src.handle)


thread_barrier = gl.barrier if hasattr(gl, "barrier") else gl.thread_barrier  # renamed in 3.7
Barrier = mbarrier.MBarrierLayout
_Memory = gl.shared_memory_descriptor
reinterpret = _Memory.reinterpret if hasattr(_Memory, "reinterpret") else _Memory._reinterpret

__all__ = [
    "Barrier",
    "TensorDescriptor",
    "add_async",
    "aggregate",
    "fence_async_shared",
    "gl",
    "gluon",
    "load_async",
    "mbarrier",
    "reinterpret",
    "store_async",
    "store_wait",
    "thread_barrier",
    "warpgroup_mma",
    "warpgroup_mma_wait",
]
