"""dequantise_nf4, matvec_nf4 and matvec_int8: weights of 4 and 8 bits, for decoding.

Decoding multiplies a few rows of activations by the whole weight, so its time is that of reading
the weight: codes of 4 or 8 bits are read and never written back as 16. For many rows it pays to
dequantise once and multiply then. None of them has a gradient.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import torch

from triton_kernels._compat import tl, triton
from triton_kernels.backends import Backend, triton_refuses
from triton_kernels.checks import check_tensors, shapes_in_words
from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.kernel import Kernel
from triton_kernels.ops.quantised.codes import (
    BLOCK,
    levels,
    nf4_values,
    quantise_int8,
    quantise_nf4,
)
from triton_kernels.registry import Case, Cost, ErrorSample, Op, Sample

_DTYPES = (torch.float16, torch.bfloat16, torch.float32)
MOST_ROWS = 8
"""Of activations: beyond, dequantise and multiply."""
_Tensors = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

# --- reference ------------------------------------------------------------------------------------


def dequantise_reference(
    codes: torch.Tensor, scale: torch.Tensor, dtype: torch.dtype
) -> torch.Tensor:
    """level · scale, in dtype."""
    return nf4_values(codes, scale).to(dtype)


def matvec_nf4_reference(x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """x times the transpose of the weight that codes and scales stand for."""
    return (x.float() @ nf4_values(codes, scale).t()).to(x.dtype)


def matvec_int8_reference(
    x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """x times the transpose of codes · scale."""
    return (x.float() @ codes.float().t() * scale).to(x.dtype)


# --- portable -------------------------------------------------------------------------------------


@functools.cache
def _table(device: torch.device) -> torch.Tensor:
    return levels(device)


@triton.jit
def _dequantise(codes_ptr, scale_ptr, table_ptr, y_ptr, n_bytes, BYTES: tl.constexpr):
    start = tl.program_id(0).to(tl.int64) * BYTES
    offsets = tl.arange(0, BYTES)
    mask = offsets < n_bytes - start
    codes = tl.load(codes_ptr + start + offsets, mask=mask, other=0).to(tl.int32)
    scale = tl.load(scale_ptr + (start + offsets) // 32, mask=mask, other=0.0)
    low = tl.load(table_ptr + (codes & 15)) * scale
    high = tl.load(table_ptr + (codes >> 4)) * scale
    y = tl.reshape(tl.join(low, high), (2 * BYTES,))
    places = tl.arange(0, 2 * BYTES)
    tl.store(y_ptr + 2 * start + places, y, mask=places < 2 * (n_bytes - start))


@triton.jit
def _matvec_nf4(
    x_ptr, codes_ptr, scale_ptr, table_ptr, y_ptr, n, n_bytes, x_row,
    ROWS: tl.constexpr, BYTES: tl.constexpr,
):  # fmt: skip
    rows = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)[:, None]
    x_ptr += tl.program_id(1).to(tl.int64) * x_row
    sums = tl.zeros((ROWS, BYTES // 32), tl.float32)
    for start in range(0, n_bytes, BYTES):
        columns = start + tl.arange(0, BYTES)[None, :]
        mask = (rows < n) & (columns < n_bytes)
        codes = tl.load(codes_ptr + rows * n_bytes + columns, mask=mask, other=0).to(tl.int32)
        even = tl.load(x_ptr + 2 * columns, mask=columns < n_bytes, other=0.0).to(tl.float32)
        odd = tl.load(x_ptr + 2 * columns + 1, mask=columns < n_bytes, other=0.0).to(tl.float32)
        products = (
            tl.load(table_ptr + (codes & 15)) * even + tl.load(table_ptr + (codes >> 4)) * odd
        )
        blocks = start // 32 + tl.arange(0, BYTES // 32)[None, :]
        there = (rows < n) & (blocks < n_bytes // 32)
        scale = tl.load(scale_ptr + rows * (n_bytes // 32) + blocks, mask=there, other=0.0)
        sums += tl.sum(tl.reshape(products, (ROWS, BYTES // 32, 32)), axis=2) * scale
    y_ptr += tl.program_id(1).to(tl.int64) * n
    tl.store(y_ptr + rows, tl.sum(sums, axis=1, keep_dims=True), mask=rows < n)


@triton.jit
def _matvec_int8(
    x_ptr, codes_ptr, scale_ptr, y_ptr, n, k, x_row, ROWS: tl.constexpr, COLUMNS: tl.constexpr
):
    rows = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)[:, None]
    x_ptr += tl.program_id(1).to(tl.int64) * x_row
    sums = tl.zeros((ROWS, COLUMNS), tl.float32)
    for start in range(0, k, COLUMNS):
        columns = start + tl.arange(0, COLUMNS)[None, :]
        mask = (rows < n) & (columns < k)
        codes = tl.load(codes_ptr + rows * k + columns, mask=mask, other=0).to(tl.float32)
        sums += codes * tl.load(x_ptr + columns, mask=columns < k, other=0.0).to(tl.float32)
    scale = tl.load(scale_ptr + rows, mask=rows < n, other=0.0)
    y_ptr += tl.program_id(1).to(tl.int64) * n
    tl.store(y_ptr + rows, tl.sum(sums, axis=1, keep_dims=True) * scale, mask=rows < n)


def dequantise_portable(
    codes: torch.Tensor, scale: torch.Tensor, dtype: torch.dtype
) -> torch.Tensor:
    """One program a block of bytes; the 16 levels come from the cache."""
    y = torch.empty((codes.shape[0], 2 * codes.shape[1]), dtype=dtype, device=codes.device)
    if y.numel():
        grid = (triton.cdiv(codes.numel(), 2048),)
        table = _table(codes.device)
        _dequantise[grid](
            codes.contiguous(), scale.contiguous(), table, y, codes.numel(), BYTES=2048, num_warps=4
        )
    return y


def matvec_nf4_portable(x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """A program takes some rows of the weight and one of x; scales apply once a block."""
    n, n_bytes = codes.shape
    y = torch.empty((x.shape[0], n), dtype=x.dtype, device=x.device)
    if y.numel():
        x = x.contiguous()
        size = max(32, min(1024, triton.next_power_of_2(n_bytes)))
        rows = max(1, 2048 // size)
        _matvec_nf4[(triton.cdiv(n, rows), x.shape[0])](
            x, codes.contiguous(), scale.contiguous(), _table(x.device), y, n, n_bytes, x.stride(0),
            ROWS=rows, BYTES=size, num_warps=4,
        )  # fmt: skip
    return y


def matvec_int8_portable(x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """A program takes some rows of the weight and one of x; the scale applies at the end."""
    n, k = codes.shape
    y = torch.empty((x.shape[0], n), dtype=x.dtype, device=x.device)
    if y.numel():
        x = x.contiguous()
        columns = min(2048, triton.next_power_of_2(max(k, 1)))
        rows = max(1, 4096 // columns)
        _matvec_int8[(triton.cdiv(n, rows), x.shape[0])](
            x, codes.contiguous(), scale.contiguous(), y, n, k, x.stride(0),
            ROWS=rows, COLUMNS=columns, num_warps=4,
        )  # fmt: skip
    return y


# --- op -------------------------------------------------------------------------------------------


def _check_weight(
    op: str, codes: torch.Tensor, scale: torch.Tensor, dtype: torch.dtype, fits: Any, expected: str
) -> None:
    check_tensors(op, dtypes=(dtype,), codes=codes)
    check_tensors(op, dtypes=(torch.float32,), scale=scale)
    if codes.dim() != 2 or tuple(scale.shape) != fits(codes):
        raise ShapeError(
            op, shapes_in_words(codes=codes, scale=scale), expected, "quantise the weight with us"
        )
    if codes.device != scale.device:
        raise DeviceError(
            op, f"codes on {codes.device} and scale on {scale.device}", "one device", "move one"
        )


def _check_nf4(op: str, codes: torch.Tensor, scale: torch.Tensor) -> None:
    expected = f"codes of (n, k / 2) and scale of (n, k / {BLOCK})"

    def fits(codes: torch.Tensor) -> Any:
        whole = 2 * codes.shape[1] % BLOCK == 0
        return (codes.shape[0], 2 * codes.shape[1] // BLOCK) if whole else None

    _check_weight(op, codes, scale, torch.uint8, fits, expected)


def _check_rows(op: str, x: torch.Tensor, codes: torch.Tensor, k: int) -> None:
    check_tensors(op, dtypes=_DTYPES, x=x)
    if x.dim() != 2 or x.shape[1] != k or x.shape[0] > MOST_ROWS:
        raise ShapeError(
            op, shapes_in_words(x=x, codes=codes), f"x of (up to {MOST_ROWS}, {k})",
            "dequantise the weight and use matmul for more rows",
        )  # fmt: skip
    if x.device != codes.device:
        raise DeviceError(
            op, f"x on {x.device} and codes on {codes.device}", "one device", "move one"
        )


def _checked_dequantise(
    codes: torch.Tensor, scale: torch.Tensor, dtype: torch.dtype = torch.bfloat16
) -> tuple[torch.Tensor, torch.Tensor, torch.dtype]:
    _check_nf4("dequantise_nf4", codes, scale)
    if dtype not in _DTYPES:
        raise DtypeError(
            "dequantise_nf4", f"dtype {dtype}", f"one of {', '.join(map(str, _DTYPES))}", "name one"
        )
    return codes, scale, dtype


def _checked_nf4(x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor) -> _Tensors:
    _check_nf4("matvec_nf4", codes, scale)
    _check_rows("matvec_nf4", x, codes, 2 * codes.shape[1])
    return x, codes, scale


def _checked_int8(x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor) -> _Tensors:
    expected = "codes of (n, k) and scale of (n,)"
    _check_weight("matvec_int8", codes, scale, torch.int8, lambda c: (c.shape[0],), expected)
    _check_rows("matvec_int8", x, codes, codes.shape[1])
    return x, codes, scale


def _kernel(name: str, inputs: str, room: str, fake: Any) -> Kernel:
    return Kernel(
        name,
        op=name,
        inputs=inputs,
        backends=(
            Backend("portable", f"{__name__}:{room}_portable", triton_refuses),
            Backend("reference", f"{__name__}:{room}_reference"),
        ),
        fake=fake,
    )


_dequantise_kernel = _kernel(
    "dequantise_nf4", "Tensor codes, Tensor scale, ScalarType dtype", "dequantise",
    lambda codes, scale, dtype, backend: codes.new_empty(
        (codes.shape[0], 2 * codes.shape[1]), dtype=dtype
    ),
)  # fmt: skip
_nf4_kernel, _int8_kernel = (
    _kernel(
        name, "Tensor x, Tensor codes, Tensor scale", name,
        lambda x, codes, scale, backend: x.new_empty((x.shape[0], codes.shape[0])),
    )
    for name in ("matvec_nf4", "matvec_int8")
)  # fmt: skip


def dequantise_nf4(
    codes: torch.Tensor,
    scale: torch.Tensor,
    dtype: torch.dtype = torch.bfloat16,
    *,
    backend: str | None = None,
) -> torch.Tensor:
    """The weight that NF4 codes and scales stand for.

    Args:
        codes: (n, k / 2), uint8, from ``quantise_nf4``.
        scale: (n, k / 64), float32.
        dtype: of the result: float16, bfloat16 or float32.
        backend: one of ``explain("dequantise_nf4", codes, scale).reasons``; None: the first.

    Returns:
        (n, k), contiguous; level · scale, rounded once. Not differentiable.

    Raises:
        ShapeError: sizes that do not fit.
        DtypeError: other dtypes.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    return _dequantise_kernel(*_checked_dequantise(codes, scale, dtype), backend=backend)


def matvec_nf4(
    x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor, *, backend: str | None = None
) -> torch.Tensor:
    """x times the transpose of an NF4 weight, for up to 8 rows of x.

    Args:
        x: (rows, k); float16, bfloat16 or float32.
        codes: (n, k / 2), uint8, from ``quantise_nf4``.
        scale: (n, k / 64), float32.
        backend: one of ``explain("matvec_nf4", x, codes, scale).reasons``; None: the first.

    Returns:
        (rows, n), contiguous, of x's dtype, summed in float32. Not differentiable.

    Raises:
        ShapeError, DtypeError, DeviceError, BackendError: as ``dequantise_nf4``, or too many rows.
    """
    return _nf4_kernel(*_checked_nf4(x, codes, scale), backend=backend)


def matvec_int8(
    x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor, *, backend: str | None = None
) -> torch.Tensor:
    """x times the transpose of an int8 weight, for up to 8 rows of x.

    Args:
        x: (rows, k); float16, bfloat16 or float32.
        codes: (n, k), int8, from ``quantise_int8``.
        scale: (n,), float32.
        backend: one of ``explain("matvec_int8", x, codes, scale).reasons``; None: the first.

    Returns:
        (rows, n), contiguous, of x's dtype, summed in float32. Not differentiable.

    Raises:
        ShapeError, DtypeError, DeviceError, BackendError: as ``dequantise_nf4``, or too many rows.
    """
    return _int8_kernel(*_checked_int8(x, codes, scale), backend=backend)


# --- samples --------------------------------------------------------------------------------------


def _torch_dequantise(
    codes: torch.Tensor, scale: torch.Tensor, dtype: torch.dtype = torch.bfloat16
) -> torch.Tensor:
    return nf4_values(codes, scale).to(scale.dtype if scale.dtype is torch.float64 else dtype)


def _torch_nf4(x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    return x @ nf4_values(codes, scale).to(x.dtype).t()


def _torch_int8(x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    return x @ (codes.to(x.dtype) * scale[:, None].to(x.dtype)).t()


def _weights(device: torch.device, n: int, k: int, nf4: bool) -> tuple[torch.Tensor, ...]:
    if device.type == "meta":  # shapes alone
        if nf4:
            codes = torch.empty(n, k // 2, dtype=torch.uint8, device=device)
            return codes, torch.empty(n, k // BLOCK, device=device)
        return torch.empty(n, k, dtype=torch.int8, device=device), torch.empty(n, device=device)
    weight = torch.randn(n, k, device=device)
    return quantise_nf4(weight) if nf4 else quantise_int8(weight)


def _dequantise_samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    for n, k in ((1, 64), (3, 128), (33, 192), (70, 64), (0, 64), (20, 4096)):
        yield Sample(f"{n}x{k}", (*_weights(device, n, k, True), dtype))


def _matvec_samples(nf4: bool) -> Any:
    def samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
        for rows, n, k in ((1, 5, 64), (8, 33, 192), (3, 70, 128), (1, 20, 4096), (0, 5, 64)):
            x = torch.randn(rows, k, device=device, dtype=dtype)
            yield Sample(f"{rows}, {n}x{k}", (x, *_weights(device, n, k, nf4)))

    return samples


def _nf4_errors(device: torch.device) -> Iterator[ErrorSample]:
    codes = torch.zeros(2, 32, device=device, dtype=torch.uint8)
    scale = torch.zeros(2, 1, device=device)
    yield ErrorSample(Sample("sizes", (codes, scale[:1])), ShapeError, "scale of shape (1, 1)")
    yield ErrorSample(Sample("half a block", (codes[:, :16], scale)), ShapeError, "(2, 16)")
    yield ErrorSample(Sample("codes", (codes.int(), scale)), DtypeError, "int32")
    yield ErrorSample(Sample("dtype", (codes, scale, torch.int8)), DtypeError, "torch.int8")
    yield ErrorSample(Sample("devices", (codes, scale.to("meta"))), DeviceError, "one device")


def _matvec_errors(nf4: bool) -> Any:
    def errors(device: torch.device) -> Iterator[ErrorSample]:
        codes, scale = _weights(device, 2, 64, nf4)
        x = torch.zeros(1, 64, device=device)
        yield ErrorSample(Sample("k", (x[:, :32], codes, scale)), ShapeError, "x of shape (1, 32)")
        yield ErrorSample(
            Sample("rows", (x.expand(9, 64), codes, scale)), ShapeError, "dequantise the weight"
        )
        yield ErrorSample(Sample("scale", (x, codes, scale[:1])), ShapeError, "scale of shape")
        yield ErrorSample(Sample("codes", (x, codes.int(), scale)), DtypeError, "int32")
        yield ErrorSample(
            Sample("devices", (x.to("meta"), codes, scale)), DeviceError, "one device"
        )

    return errors


def _dequantise_cost(
    codes: torch.Tensor, scale: torch.Tensor, dtype: torch.dtype = torch.bfloat16
) -> Cost:
    """Codes and scales read, the weight written."""
    n = 2 * codes.numel()
    return Cost(codes.nbytes + scale.nbytes + n * dtype.itemsize, 0, n, 0)


def _matvec_cost(x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor) -> Cost:
    """The weight read once, whatever the rows."""
    n = codes.numel() * (2 if codes.dtype is torch.uint8 else 1)
    return Cost(codes.nbytes + scale.nbytes, 0, 2 * n * x.shape[0], 0)


def _case(rows: int, n: int, k: int, nf4: bool) -> Case:
    def make(device: torch.device) -> Sample:
        x = (torch.randn(rows, k, device=device, dtype=torch.bfloat16),) if rows else ()
        return Sample("", (*x, *_weights(device, n, k, nf4)))

    return Case(f"{n}x{k} bfloat16" + (f", batch {rows}" if rows else ""), make)


OPS = (
    Op(
        name="dequantise_nf4", summary="4-bit codes and scales to a weight",
        function=dequantise_nf4, kernel=_dequantise_kernel, gradients=(),
        checked=_checked_dequantise, torch_function=_torch_dequantise, dtypes=_DTYPES,
        samples=_dequantise_samples, errors=_nf4_errors, cost=_dequantise_cost, bound="memory",
        cases=(_case(0, 14336, 4096, True), _case(0, 16384, 16384, True)),
        source="Dettmers et al. 2023, QLoRA, arXiv:2305.14314, section 3", differentiable=False,
    ),
    Op(
        name="matvec_nf4", summary="up to 8 rows times a 4-bit weight", function=matvec_nf4,
        kernel=_nf4_kernel, gradients=(), checked=_checked_nf4, torch_function=_torch_nf4,
        dtypes=_DTYPES, samples=_matvec_samples(True), errors=_matvec_errors(True),
        cost=_matvec_cost, bound="memory",
        cases=(_case(1, 16384, 16384, True), _case(4, 16384, 16384, True)),
        source="Dettmers et al. 2023, QLoRA, arXiv:2305.14314, section 3", differentiable=False,
        rounds_within=True,
    ),
    Op(
        name="matvec_int8", summary="up to 8 rows times an 8-bit weight", function=matvec_int8,
        kernel=_int8_kernel, gradients=(), checked=_checked_int8, torch_function=_torch_int8,
        dtypes=_DTYPES, samples=_matvec_samples(False), errors=_matvec_errors(False),
        cost=_matvec_cost, bound="memory",
        cases=(_case(1, 16384, 16384, False), _case(4, 16384, 16384, False)),
        source="Dettmers et al. 2022, LLM.int8(), arXiv:2208.07339, section 2",
        differentiable=False, rounds_within=True,
    ),
)  # fmt: skip
