"""softmax on Hopper in Gluon: rows held in registers by the programs of a cluster.

Each warp takes its powers relative to its own maximum, so that the row's threads meet once, for the
maximum and the sum together, as chunks do in online softmax (Milakov and Gimelshein 2018,
arXiv:1805.02867). How they meet is told in ops/clusters.py.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools

import torch

from triton_kernels._compat import Launch, Layout, starts_aligned, tl
from triton_kernels._gluon import gl, gluon
from triton_kernels.ops.clusters import (
    columns_of,
    open_boxes,
    owned,
    put,
    row_layout,
    take,
    to_row,
    wait_for_boxes,
    warp_maximum,
)
from triton_kernels.ops.softmax import shapes
from triton_kernels.ops.streaming import wide
from triton_kernels.ops.streams import Cluster

_LOG2_E = gl.constexpr(1.4426950408889634)


@gluon.jit
def _exp2(x):
    return gl.inline_asm_elementwise(
        "ex2.approx.ftz.f32 $0, $1;", "=r,r", [x], dtype=gl.float32, is_pure=True, pack=1
    )


@gluon.jit
def _forward(
    x_ptr, y_ptr, n_columns,
    LOG: gl.constexpr, PARTS: gl.constexpr, REPEATS: gl.constexpr, LAYOUT: gl.constexpr,
):  # fmt: skip
    boxes = open_boxes(PARTS)
    columns = columns_of(PARTS, REPEATS, LAYOUT)
    mask = columns < n_columns
    at = gl.program_id(0).to(gl.int64) * n_columns + columns
    x = gl.load(x_ptr + at, mask=mask, other=-float("inf"), eviction_policy="evict_first")
    top = warp_maximum(gl.max(gl.max(wide(x), 3), 1) * _LOG2_E)
    # Where all is -inf the difference would be NaN: subtract 0 instead.
    shift = gl.where(top == -float("inf"), 0.0, top)
    powers = _exp2(wide(x) * _LOG2_E - to_row(shift))
    wait_for_boxes(boxes, PARTS)
    put(boxes, 0, top, owned(powers), "powers", PARTS)
    most, total = take(boxes, 0, "powers", PARTS)
    if LOG:
        # A row that is -inf throughout stays so; one with +inf or NaN has no such sum.
        level = gl.where(most == -float("inf"), 0.0, most / _LOG2_E + gl.log(total))
        y = wide(x) - level
    else:
        y = powers * to_row(_exp2(shift - most) / total)
    gl.store(y_ptr + at, y.to(x.dtype), mask=mask, cache_modifier=".cs")


@gluon.jit
def _backward(
    dy_ptr, y_ptr, dx_ptr, n_columns,
    PARTS: gl.constexpr, REPEATS: gl.constexpr, LAYOUT: gl.constexpr,
):  # fmt: skip
    boxes = open_boxes(PARTS)
    columns = columns_of(PARTS, REPEATS, LAYOUT)
    mask = columns < n_columns
    at = gl.program_id(0).to(gl.int64) * n_columns + columns
    tl.extra.cuda.gdc_wait()  # the kernel before has ended: this one may have started early
    dy = gl.load(dy_ptr + at, mask=mask, other=0.0)
    y = gl.load(y_ptr + at, mask=mask, other=0.0)
    along = owned(wide(dy) * wide(y))
    wait_for_boxes(boxes, PARTS)
    put(boxes, 0, along, along, "sum", PARTS)
    along, _nothing = take(boxes, 0, "sum", PARTS)
    dx = wide(y) * (wide(dy) - along)
    gl.store(dx_ptr + at, dx.to(y.dtype), mask=mask, cache_modifier=".cs")


@functools.lru_cache(maxsize=1024)
def _plan(source: Layout, aligned: bool, log: bool | None, cluster: Cluster | None) -> Launch:
    """The launch, of the gradient without ``log``."""
    n_columns, itemsize = source.shape[-1], source.dtype.itemsize
    cluster = cluster or shapes.cluster_for(n_columns, itemsize, log is None)
    assert cluster is not None  # the backend refuses such rows
    constants = {
        **({} if log is None else {"LOG": log}), "PARTS": cluster.parts,
        "REPEATS": cluster.repeats(n_columns, itemsize),
        "LAYOUT": row_layout(cluster.parts, cluster.warps, itemsize),
    }  # fmt: skip
    return Launch(
        _backward if log is None else _forward, source.shape[:-1].numel(), (n_columns,), constants,
        cluster.options() | ({"launch_pdl": True} if log is None else {}),
    )  # fmt: skip


def softmax(
    x: torch.Tensor, dim: int, log: bool = False, cluster: Cluster | None = None
) -> torch.Tensor:
    """As the portable one, along the last dimension of a contiguous tensor."""
    y = torch.empty_like(x)
    _plan(Layout.of(x), starts_aligned(y), log, cluster)(x, y)
    return y


def without_mask(x: torch.Tensor, mask: None, causal: bool, log: bool) -> torch.Tensor:
    """What masked_softmax and log_softmax take where there is no mask."""
    return softmax(x, x.dim() - 1, log)


def softmax_backward(
    grad: torch.Tensor, y: torch.Tensor, dim: int, cluster: Cluster | None = None
) -> torch.Tensor:
    """As the portable one, along the last dimension of contiguous tensors."""
    dx = torch.empty_like(y)
    _plan(Layout.of(grad), starts_aligned(y), None, cluster)(grad, y, dx)
    return dx
