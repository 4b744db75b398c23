"""Activations in Triton, for any GPU and the interpreter.

One program an (ROWS, COLUMNS) tile. Tensors that lie without gaps are one long row; halves of a
packed tensor are rows apart, read where they lie.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
from typing import Any

import torch

from triton_kernels import _compat
from triton_kernels._compat import Launch, cdiv, dense_like, launch, starts_aligned, tl, triton
from triton_kernels.ops.activations import shapes
from triton_kernels.ops.activations.maths import activate, activate_and_derivative


@triton.jit
def _tile(n_rows, n_columns, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Rows, columns and mask of this program's tile; 64-bit, for tensors beyond 2³¹ elements."""
    column_tiles = tl.cdiv(n_columns, COLUMNS)
    first_row = (tl.program_id(0) // column_tiles).to(tl.int64) * ROWS
    first_column = (tl.program_id(0) % column_tiles).to(tl.int64) * COLUMNS
    rows = first_row + tl.arange(0, ROWS)[:, None]
    columns = first_column + tl.arange(0, COLUMNS)[None, :]
    return rows, columns, (rows < n_rows) & (columns < n_columns)


@triton.jit
def _activation(x_ptr, y_ptr, n, ACTIVATION: tl.constexpr, BLOCK: tl.constexpr):
    start = tl.program_id(0).to(tl.int64) * BLOCK
    offsets = tl.arange(0, BLOCK)
    mask = offsets < n - start
    x = tl.load(x_ptr + start + offsets, mask=mask).to(tl.float32)
    tl.store(y_ptr + start + offsets, activate(x, ACTIVATION), mask=mask)


@triton.jit
def _activation_backward(dy_ptr, x_ptr, dx_ptr, n, ACTIVATION: tl.constexpr, BLOCK: tl.constexpr):
    start = tl.program_id(0).to(tl.int64) * BLOCK
    offsets = tl.arange(0, BLOCK)
    mask = offsets < n - start
    dy = tl.load(dy_ptr + start + offsets, mask=mask).to(tl.float32)
    x = tl.load(x_ptr + start + offsets, mask=mask).to(tl.float32)
    _, slope = activate_and_derivative(x, ACTIVATION)
    tl.store(dx_ptr + start + offsets, dy * slope, mask=mask)


@triton.jit
def _gated_flat(gate_ptr, up_ptr, y_ptr, n, ACTIVATION: tl.constexpr, BLOCK: tl.constexpr):
    start = tl.program_id(0).to(tl.int64) * BLOCK
    offsets = tl.arange(0, BLOCK)
    mask = offsets < n - start
    gate = tl.load(gate_ptr + start + offsets, mask=mask).to(tl.float32)
    up = tl.load(up_ptr + start + offsets, mask=mask).to(tl.float32)
    tl.store(y_ptr + start + offsets, activate(gate, ACTIVATION) * up, mask=mask)


@triton.jit
def _gated(
    gate_ptr, up_ptr, y_ptr, n_rows, n_columns, gate_row, up_row,
    ACTIVATION: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    rows, columns, mask = _tile(n_rows, n_columns, ROWS, COLUMNS)
    gate = tl.load(gate_ptr + rows * gate_row + columns, mask=mask).to(tl.float32)
    up = tl.load(up_ptr + rows * up_row + columns, mask=mask).to(tl.float32)
    tl.store(y_ptr + rows * n_columns + columns, activate(gate, ACTIVATION) * up, mask=mask)


@triton.jit
def _gated_backward(
    dy_ptr, gate_ptr, up_ptr, dgate_ptr, dup_ptr,
    n_rows, n_columns, dy_row, gate_row, up_row, d_row,
    ACTIVATION: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    rows, columns, mask = _tile(n_rows, n_columns, ROWS, COLUMNS)
    dy = tl.load(dy_ptr + rows * dy_row + columns, mask=mask).to(tl.float32)
    gate = tl.load(gate_ptr + rows * gate_row + columns, mask=mask).to(tl.float32)
    up = tl.load(up_ptr + rows * up_row + columns, mask=mask).to(tl.float32)
    activated, slope = activate_and_derivative(gate, ACTIVATION)
    tl.store(dgate_ptr + rows * d_row + columns, dy * up * slope, mask=mask)
    tl.store(dup_ptr + rows * d_row + columns, dy * activated, mask=mask)


@triton.jit
def _biased(
    x_ptr, bias_ptr, y_ptr, n_rows, n_columns, x_row,
    ACTIVATION: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    rows, columns, mask = _tile(n_rows, n_columns, ROWS, COLUMNS)
    x = tl.load(x_ptr + rows * x_row + columns, mask=mask).to(tl.float32)
    bias = tl.load(bias_ptr + columns, mask=columns < n_columns).to(tl.float32)
    tl.store(y_ptr + rows * n_columns + columns, activate(x + bias, ACTIVATION), mask=mask)


@triton.jit
def _biased_backward(
    dy_ptr, x_ptr, bias_ptr, dx_ptr, partials_ptr, n_rows, n_columns, dy_row, x_row,
    ACTIVATION: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    # Down a stripe of columns with a stride of programs; the order of the sum is fixed.
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    bias = tl.load(bias_ptr + columns, mask=columns < n_columns, other=0.0).to(tl.float32)
    sums = tl.zeros((ROWS, COLUMNS), tl.float32)
    for first in tl.range(tl.program_id(0) * ROWS, n_rows, tl.num_programs(0) * ROWS):
        rows = (first + tl.arange(0, ROWS)[:, None]).to(tl.int64)
        mask = (rows < n_rows) & (columns < n_columns)
        dy = tl.load(dy_ptr + rows * dy_row + columns, mask=mask, other=0.0).to(tl.float32)
        x = tl.load(x_ptr + rows * x_row + columns, mask=mask, other=0.0).to(tl.float32)
        _, slope = activate_and_derivative(x + bias, ACTIVATION)
        dx = tl.where(mask, dy * slope, 0.0)
        tl.store(dx_ptr + rows * n_columns + columns, dx, mask=mask)
        sums += dx
    total = tl.sum(sums, axis=0, keep_dims=True)
    partials = partials_ptr + tl.program_id(0).to(tl.int64) * n_columns
    tl.store(partials + columns, total, mask=columns < n_columns)


def _rows_of(x: torch.Tensor) -> torch.Tensor:
    """As (rows, columns) with neighbouring columns; a copy only where the strides forbid."""
    n = x.shape[-1] if x.dim() else 1
    if x.dim() and x.stride(-1) != 1 and n > 1:
        x = x.contiguous()
    return x.reshape(-1, n)


def _as_one_row(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """All as one row if none has gaps, so that no tile ends at the end of a row."""
    if all(x.is_contiguous() for x in tensors):
        return tuple(x.reshape(1, -1) for x in tensors)
    return tensors


def _variant(name: str, dtype: torch.dtype) -> str:
    """The code for an activation: a cheaper gelu where the result has 16 bits."""
    return "gelu_16" if name == "gelu" and dtype.itemsize == 2 else name


@functools.lru_cache(maxsize=4096)
def _plan(
    kernel: Any, shape: torch.Size, strides: tuple[int, ...], dtype: torch.dtype,
    device: torch.device, aligned: bool, name: str,
) -> Launch:  # fmt: skip
    """The launch over all tiles of tensors of one shape with such row strides."""
    n_rows, n_columns = shape
    tile = shapes.elementwise_tile(n_rows, n_columns, dtype)
    return Launch(
        kernel, cdiv(n_rows, tile.rows) * cdiv(n_columns, tile.columns),
        (n_rows, n_columns, *strides),
        {"ACTIVATION": _variant(name, dtype), "ROWS": tile.rows, "COLUMNS": tile.columns},
        {"num_warps": tile.warps},
    )  # fmt: skip


def _launch(kernel: Any, tensors: tuple[Any, ...], strides: tuple[int, ...], name: str) -> None:
    """Runs a kernel over all tiles of its first tensor."""
    first = tensors[0]
    aligned = all(map(starts_aligned, tensors))
    _plan(kernel, first.shape, strides, first.dtype, first.device, aligned, name)(*tensors)


@functools.lru_cache(maxsize=4096)
def _flat_plan(
    kernel: Any, n: int, dtype: torch.dtype, device: torch.device, aligned: bool, name: str
) -> Launch:
    block, warps = shapes.flat_block(dtype)
    constants = {"ACTIVATION": _variant(name, dtype), "BLOCK": block}
    return Launch(kernel, cdiv(n, block), (n,), constants, {"num_warps": warps})


def _launch_flat(kernel: Any, name: str, *tensors: torch.Tensor) -> None:
    """Runs a kernel over tensors without gaps, the last of which it writes."""
    out = tensors[-1]
    aligned = all(map(starts_aligned, tensors))
    if n := out.numel():
        _flat_plan(kernel, n, out.dtype, out.device, aligned, name)(*tensors)


def activation(x: torch.Tensor, name: str) -> torch.Tensor:
    """f(x); the result is contiguous."""
    y = dense_like(x)
    _launch_flat(_activation, name, x.contiguous(), y)
    return y


def activation_backward(grad: torch.Tensor, x: torch.Tensor, name: str) -> torch.Tensor:
    """dy · f'(x); reads both once."""
    dx = dense_like(x)
    _launch_flat(_activation_backward, name, grad.contiguous(), x.contiguous(), dx)
    return dx


def gated(gate: torch.Tensor, up: torch.Tensor | None, name: str) -> torch.Tensor:
    """f(gate) · up; without ``up``, of the halves of gate's rows, without a copy."""
    if up is not None and gate.is_contiguous() and up.is_contiguous():
        y = torch.empty_like(gate)
        _launch_flat(_gated_flat, name, gate, up, y)
        return y
    first, second = gate.chunk(2, -1) if up is None else (gate, up)
    y = torch.empty(first.shape, dtype=gate.dtype, device=gate.device)
    if y.numel():
        first, second, rows = map(_rows_of, (first, second, y))
        _launch(_gated, (first, second, rows), (first.stride(0), second.stride(0)), name)
    return y


def gated_backward(
    grad: torch.Tensor, gate: torch.Tensor, up: torch.Tensor | None, name: str
) -> torch.Tensor:
    """d(gate) and d(up) in one tensor: stacked, or side by side where gate holds both."""
    shape = gate.shape if up is None else (2, *gate.shape)
    d = torch.empty(shape, dtype=gate.dtype, device=gate.device)
    if d.numel():
        first, second = gate.chunk(2, -1) if up is None else (gate, up)
        halves = d.chunk(2, -1) if up is None else d.unbind(0)
        tensors = _as_one_row(*map(_rows_of, (grad, first, second, *halves)))
        strides = tuple(x.stride(0) for x in tensors[:-1])
        _launch(_gated_backward, tensors, strides, name)
    return d


def biased(x: torch.Tensor, bias: torch.Tensor, name: str) -> torch.Tensor:
    """f(x + bias); the result is contiguous."""
    y = dense_like(x)
    if y.numel():
        rows = _rows_of(x)
        n_rows, n_columns = rows.shape
        tile = shapes.biased_tile(n_rows, n_columns, x.dtype)
        grid = (cdiv(n_rows, tile.rows) * cdiv(n_columns, tile.columns),)
        launch(
            _biased, grid, (rows, bias.contiguous(), y), (n_rows, n_columns, rows.stride(0)),
            ACTIVATION=_variant(name, x.dtype), ROWS=tile.rows, COLUMNS=tile.columns,
            num_warps=tile.warps,
        )  # fmt: skip
    return y


def biased_backward(
    grad: torch.Tensor, x: torch.Tensor, bias: torch.Tensor, name: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """dx, and d(bias) from one partial sum a program, added in a fixed order."""
    dx = dense_like(x)
    if not dx.numel():
        return dx, torch.zeros(bias.shape, dtype=bias.dtype, device=bias.device)
    grad, rows = _rows_of(grad), _rows_of(x)
    n_rows, n_columns = rows.shape
    tile, programs = shapes.stripe(n_rows, n_columns, x.dtype, _compat.device_of(x.device))
    stripes = cdiv(n_columns, tile.columns)
    partials = torch.empty((programs, n_columns), dtype=torch.float32, device=x.device)
    launch(
        _biased_backward, (programs, stripes), (grad, rows, bias.contiguous(), dx, partials),
        (n_rows, n_columns, grad.stride(0), rows.stride(0)), ACTIVATION=_variant(name, x.dtype),
        ROWS=tile.rows, COLUMNS=tile.columns, num_warps=tile.warps,
    )  # fmt: skip
    return dx, partials.sum(0).to(bias.dtype)
