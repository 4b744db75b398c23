"""rms_norm and layer_norm on Hopper in Gluon: rows taken by one program, or by those of a cluster.

Kernels are launched while the one before still runs, and wait for its end before they read.

Forward, rows of a power of two up to 32k columns have a program each (see hopper_forward.py). Else
programs stay, and each takes the same columns of one row after the other, so that the
parameters, or in the backward the sums of their gradients, stay in its registers. The next row is
loaded to registers while one is worked on, the one after it on its way to the L2 cache. How the
threads of a row meet for its sums is told in ops/clusters.py; the backward of rows up to 16k is in
hopper_backward.py, beside a gradient of the sum or with dropout, and of 32k, in hopper_full.py.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
from typing import Any

import torch

from triton_kernels import _compat
from triton_kernels._compat import Launch, Layout, launch, starts_aligned, tl
from triton_kernels._gluon import gl, gluon
from triton_kernels.ops.clusters import (
    ask,
    columns_of,
    open_boxes,
    owned,
    put,
    row_layout,
    take,
    wait_for_boxes,
)
from triton_kernels.ops.norms import drops, streams
from triton_kernels.ops.norms.backward import sum_lines
from triton_kernels.ops.norms.forward import rows_of
from triton_kernels.ops.norms.hopper_backward import backward_of_words
from triton_kernels.ops.norms.hopper_forward import (
    AHEAD,
    forward,
    forward_once,
    forward_twice,
    in_row,
    row_of,
    scale_of,
)
from triton_kernels.ops.norms.hopper_full import backward_of_full_rows
from triton_kernels.ops.streaming import wide
from triton_kernels.ops.streams import Cluster

_IN_WORDS = 16384
"""Columns up to which the backward of words was measured as faster."""


@gluon.jit
def _statistics(statistics_ptr, row, n_rows, CENTERED: gl.constexpr):
    rstd = gl.load(statistics_ptr + row)
    mean = rstd
    if CENTERED:
        mean = gl.load(statistics_ptr + n_rows + row)
    return rstd, mean


@gluon.jit
def _store_line(line_ptr, line, mask):
    """A line of float32, four neighbours at a time: as it lies, though a bfloat16 layout's."""
    gl.inline_asm_elementwise(
        "{ .reg .pred p; setp.ne.b32 p, $12, 0; @p st.global.v4.b32 [$4], {$8, $9, $10, $11}; }",
        "=r,=r,=r,=r,l,l,l,l,r,r,r,r,r,r,r,r", [line_ptr.to(gl.int64), line, mask.to(gl.int32)],
        dtype=gl.int32, is_pure=False, pack=4,
    )  # fmt: skip


@gluon.jit
def _backward(
    dy_ptr, dsum_ptr, z_ptr, weight_ptr, statistics_ptr, dz_ptr, dweight_ptr, dbias_ptr,
    n_rows, n_columns, offset,
    CENTERED: gl.constexpr, ROUNDED: gl.constexpr, OFFSET: gl.constexpr,
    PARTS: gl.constexpr, REPEATS: gl.constexpr, LAYOUT: gl.constexpr,
):  # fmt: skip
    KIND: gl.constexpr = "sums" if CENTERED else "sum"
    boxes = open_boxes(PARTS)
    tl.extra.cuda.gdc_wait()
    columns = columns_of(PARTS, REPEATS, LAYOUT)
    PART: gl.constexpr = columns.shape[1] * columns.shape[2] * columns.shape[3]
    mask = columns < n_columns
    start = gl.program_id(0)
    stride = gl.num_programs(0)
    z = row_of(z_ptr, start, n_columns, columns, mask)
    dy = row_of(dy_ptr, start, n_columns, columns, mask)
    rstd, mean = _statistics(statistics_ptr, start, n_rows, CENTERED)
    weight = z
    if weight_ptr is not None:
        weight = gl.load(weight_ptr + columns, mask=mask, other=0.0)
    dweight = gl.full(z.shape, 0, gl.float32, LAYOUT)
    dbias = dweight
    wait_for_boxes(boxes, PARTS)
    turn = 0
    for row in range(start, n_rows, stride):
        following = gl.minimum(row + stride, n_rows - 1)
        next_z = row_of(z_ptr, following, n_columns, columns, mask)
        next_dy = row_of(dy_ptr, following, n_columns, columns, mask)
        next_rstd, next_mean = _statistics(statistics_ptr, following, n_rows, CENTERED)
        if AHEAD > 1:
            far = gl.minimum(row + AHEAD * stride, n_rows - 1).to(gl.int64)
            ask(z_ptr + far * n_columns, n_columns, PART)
            ask(dy_ptr + far * n_columns, n_columns, PART)
            if dsum_ptr is not None:
                ask(dsum_ptr + far * n_columns, n_columns, PART)
        g = wide(dy)
        normal = wide(z) * rstd
        if CENTERED:
            normal -= mean * rstd
        if dweight_ptr is not None:
            if ROUNDED:
                dweight += g * normal.to(z.dtype).to(gl.float32)
            else:
                dweight += g * normal
        if dbias_ptr is not None:
            dbias += g
        if weight_ptr is not None:
            g *= scale_of(weight, offset, OFFSET)
        # Beyond the row's end dy is 0, hence g.
        along = owned(g * normal)
        across = along
        if CENTERED:
            across = owned(g)
        put(boxes, turn, along, across, KIND, PARTS)
        dsum = dy
        if dsum_ptr is not None:
            dsum = row_of(dsum_ptr, row, n_columns, columns, mask)
        along, across = take(boxes, turn, KIND, PARTS)
        # (g - n·mean(g·n) - mean(g))·rstd, with what is the same for a row taken together.
        slope = rstd * (along / n_columns)
        level = 0.0
        if CENTERED:
            level = rstd * (across / n_columns)
        dz = g * rstd - (normal * slope + level)
        if dsum_ptr is not None:
            dz += wide(dsum)
        at = in_row(row, n_columns, columns)
        gl.store(dz_ptr + at, dz.to(z.dtype), mask=mask, cache_modifier=".cs")
        z, dy, rstd, mean = next_z, next_dy, next_rstd, next_mean
        turn += 1  # noqa: SIM113 (Gluon has no enumerate)
    line = in_row(start, n_columns, columns)
    if dweight_ptr is not None:
        _store_line(dweight_ptr + line, dweight, mask)
    if dbias_ptr is not None:
        _store_line(dbias_ptr + line, dbias, mask)


@functools.lru_cache(maxsize=1024)
def _plan(
    x: Layout, parameters: tuple[torch.dtype | None, ...], aligned: bool, eps: float | None,
    offset: float, casting: str, centered: bool, wanted: tuple[bool, bool, bool],
    cluster: Cluster | None,
) -> tuple[Launch, int]:  # fmt: skip
    """The launch of the forward, or without eps of the backward; how many clusters take rows."""
    n_rows, n_columns = x.shape
    itemsize = x.dtype.itemsize
    cluster = cluster or streams.row_cluster(n_columns, itemsize, centered, eps is None)
    assert cluster is not None  # the backend refuses such rows
    in_pairs = itemsize == 2 and n_columns <= cluster.columns_at_once(itemsize)
    assert cluster.rows == 1 or in_pairs
    groups = _compat.cdiv(n_rows, cluster.rows)
    clusters = cluster.evenly(groups, _compat.device_of(x.device).processors)
    repeats = cluster.repeats(n_columns, itemsize)
    full = n_columns == cluster.columns(n_columns, itemsize)
    layout = row_layout(cluster.parts, cluster.warps, itemsize)
    constants: dict[str, Any] = {
        "CENTERED": centered, "ROUNDED": casting == "llama", "OFFSET": offset != 0,
    }  # fmt: skip
    options = {**cluster.options(), "launch_pdl": True}
    if eps is not None and full and cluster.parts == 1:
        held = cluster.holds(n_columns, itemsize)
        constants |= {"REPEATS" if held else "CHUNKS": repeats, "LAYOUT": layout}
        scalars: tuple[float, ...] = (n_rows, n_columns, eps, offset)
        alone = forward_once if held else forward_twice
        return Launch(alone, n_rows, scalars, constants, options), n_rows
    shape = {"PARTS": cluster.parts, "REPEATS": repeats, "LAYOUT": layout}
    if eps is not None:
        kernel: Any = forward
        scalars = (n_rows, n_columns, eps, offset)
        constants["FULL"] = full
    else:
        kernel = _backward
        scalars = (n_rows, n_columns, offset)
        if cluster.rows > 1 or (itemsize == 2 and n_columns <= _IN_WORDS):
            kernel = backward_of_words
            del constants["OFFSET"]
            constants |= {"FULL": full and n_rows % cluster.rows == 0, "ROWS": cluster.rows}
            shape["LAYOUT"] = row_layout(cluster.parts, cluster.warps, 4)  # of two columns a word
    constants |= shape
    return Launch(kernel, clusters, scalars, constants, options), clusters


def _given(*parameters: torch.Tensor | None) -> tuple[tuple[torch.dtype | None, ...], bool]:
    """Dtypes, and whether all start at a multiple of 16 bytes."""
    dtypes = tuple(None if p is None else p.dtype for p in parameters)
    return dtypes, all(starts_aligned(p) for p in parameters if p is not None)


def norm(
    x: torch.Tensor, residual: torch.Tensor | None,
    weight: torch.Tensor | None, bias: torch.Tensor | None,
    eps: float, offset: float, casting: str, centered: bool, cluster: Cluster | None = None,
) -> tuple[torch.Tensor, ...]:  # fmt: skip
    """As the portable one, without a residual: the normalised rows, and their statistics."""
    y = torch.empty_like(x, memory_format=torch.contiguous_format)
    x = rows_of(x)
    statistics = torch.empty((1 + centered, x.shape[0]), dtype=torch.float32, device=x.device)
    weight = None if weight is None else weight.contiguous()
    bias = None if bias is None else bias.contiguous()
    plan, _ = _plan(
        Layout.of(x), *_given(weight, bias), eps, offset, casting, centered, (False,) * 3, cluster
    )
    plan(x, weight, bias, y, statistics)
    return y, statistics


def norm_backward(
    grad: torch.Tensor, grad_sum: torch.Tensor | None, z: torch.Tensor,
    weight: torch.Tensor | None, statistics: torch.Tensor, offset: float, casting: str,
    centered: bool, weight_wanted: bool, bias_wanted: bool, cluster: Cluster | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """As the portable one."""
    n_columns, n_rows = z.shape[-1], z.shape[:-1].numel()
    added = grad_sum is not None
    full = streams.full_cluster(n_rows, n_columns, z.element_size(), added, False)
    if full and cluster is None:
        return _of_full_rows(
            grad, grad_sum, z, weight, statistics, offset, casting, centered, weight_wanted,
            bias_wanted, full, None, (0, 0, 0.0),
        )  # fmt: skip
    dz = torch.empty(z.shape, dtype=z.dtype, device=z.device)
    dy, z = rows_of(grad), rows_of(z)
    dsum = None if grad_sum is None else rows_of(grad_sum)
    weight = None if weight is None else weight.contiguous()
    plan, clusters = _plan(
        Layout.of(z), *_given(weight), None, offset, casting, centered,
        (dsum is not None, weight_wanted, bias_wanted), cluster,
    )  # fmt: skip
    lines = torch.empty(
        (weight_wanted + bias_wanted, clusters, z.shape[1]), dtype=torch.float32, device=z.device
    )
    plan(
        dy, dsum, z, weight, statistics, dz,
        lines[0] if weight_wanted else None, lines[-1] if bias_wanted else None,
    )  # fmt: skip
    return dz, sum_lines(lines, z.dtype if weight is None else weight.dtype)


def _of_full_rows(
    grad: torch.Tensor, grad_sum: torch.Tensor | None, z: torch.Tensor,
    weight: torch.Tensor | None, statistics: torch.Tensor, offset: float, casting: str,
    centered: bool, weight_wanted: bool, bias_wanted: bool, cluster: Cluster,
    dx: torch.Tensor | None, choice: tuple[float, ...],
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """As ``norm_backward``; with a dx to write what was chosen of its elements is dropped."""
    dz = torch.empty(z.shape, dtype=z.dtype, device=z.device)
    dy, z = rows_of(grad), rows_of(z)
    dsum = None if grad_sum is None else rows_of(grad_sum)
    weight = None if weight is None else weight.contiguous()
    n_rows, n_columns = z.shape
    assert n_columns == cluster.columns(n_columns, 2)
    assert n_rows % cluster.teams == 0
    processors = _compat.device_of(z.device).processors
    clusters = cluster.evenly(n_rows // cluster.teams, processors)
    lines = torch.empty(
        (weight_wanted + bias_wanted, clusters, n_columns), dtype=torch.float32, device=z.device
    )
    launch(
        backward_of_full_rows, (clusters,),
        (
            dy, dsum, z, weight, statistics, dz,
            lines[0] if weight_wanted else None, lines[-1] if bias_wanted else None, dx,
        ),
        (n_rows, n_columns, float(offset)), choice,
        CENTERED=centered, ROUNDED=casting == "llama", TEAMS=cluster.teams, PARTS=cluster.parts,
        REPEATS=cluster.repeats(n_columns, 2), LAYOUT=row_layout(cluster.parts, cluster.warps, 4),
        **cluster.options(), launch_pdl=True,
    )  # fmt: skip
    return dz, sum_lines(lines, z.dtype if weight is None else weight.dtype)


def norm_dropout_backward(
    cluster: Cluster, grad: torch.Tensor, grad_sum: torch.Tensor | None, z: torch.Tensor,
    weight: torch.Tensor | None, statistics: torch.Tensor, offset: float, casting: str,
    centered: bool, weight_wanted: bool, bias_wanted: bool, p: float, seed: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """As ``gradient_portable`` of dropout_add_backward.py, in one kernel."""
    dx = torch.empty(z.shape, dtype=z.dtype, device=z.device)
    dz, parameters = _of_full_rows(
        grad, grad_sum, z, weight, statistics, offset, casting, centered, weight_wanted,
        bias_wanted, cluster, dx, drops.choice(p, seed),
    )  # fmt: skip
    return dx, dz, parameters
