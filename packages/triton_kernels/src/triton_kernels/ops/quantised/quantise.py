"""quantise_int8 and quantise_nf4: a weight to codes of 8 or 4 bits and their scales.

A scale is the largest magnitude of what shares it, a row or a block of 64, and a code the nearest
of the levels that it spreads: 255 whole numbers, or NF4's 16. Kernel and definition ask the same
questions in float32 and give the same codes, bit for bit. Neither has a gradient.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import torch

from triton_kernels._compat import cdiv, launch, next_power_of_2, tl, triton
from triton_kernels.backends import Backend, triton_refuses
from triton_kernels.checks import FLOATS, check_tensors, shapes_in_words
from triton_kernels.errors import DtypeError, ShapeError
from triton_kernels.kernel import Kernel, detached
from triton_kernels.ops.quantised import codes
from triton_kernels.ops.quantised.codes import BLOCK
from triton_kernels.registry import Case, Cost, ErrorSample, Op, Sample

_Pair = tuple[torch.Tensor, torch.Tensor]

# --- portable -------------------------------------------------------------------------------------

WHOLE = tl.constexpr(12582912.0)
"""3·2²²: beside it a float32 has no room for fractions. What is added is rounded to the nearest
whole number, halves to the even, and stands in the last bits."""


@triton.jit
def _values(x_ptr, mask):
    """Some values, and their magnitudes as bits: whole numbers in the same order, NaN above all."""
    x = tl.load(x_ptr, mask=mask, other=0.0).to(tl.float32)
    return x, x.to(tl.int32, bitcast=True) & 0x7FFFFFFF


@triton.jit
def _largest(bits):
    return tl.max(bits, axis=1, keep_dims=True).to(tl.float32, bitcast=True)


@triton.jit
def _quantise_int8(
    x_ptr, codes_ptr, scale_ptr, n, k,
    LEAST: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, ONE_PASS: tl.constexpr,
):  # fmt: skip
    rows = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)[:, None]
    columns = tl.arange(0, COLUMNS)[None, :]
    x, bits = _values(x_ptr + rows * k + columns, (rows < n) & (columns < k))
    if not ONE_PASS:
        for start in range(COLUMNS, k, COLUMNS):
            mask = (rows < n) & (start + columns < k)
            bits = tl.maximum(bits, _values(x_ptr + rows * k + start + columns, mask)[1])
    largest = _largest(bits)
    nothing = largest < LEAST
    tl.store(scale_ptr + rows, tl.where(nothing, 0.0, tl.div_rn(largest, 127.0)), mask=rows < n)
    steps = tl.where(nothing, 0.0, tl.div_rn(127.0, largest))
    for start in range(0, COLUMNS if ONE_PASS else k, COLUMNS):
        mask = (rows < n) & (start + columns < k)
        if not ONE_PASS:
            x, _ = _values(x_ptr + rows * k + start + columns, mask)
        sums = x * steps + WHOLE
        code = tl.where(sums == sums, sums.to(tl.int32, bitcast=True), 0)
        tl.store(codes_ptr + rows * k + start + columns, code.to(tl.int8), mask=mask)


@triton.jit
def _quantise_nf4(
    x_ptr, codes_ptr, scale_ptr, cells_ptr, n, LEAST: tl.constexpr, BLOCKS: tl.constexpr
):  # fmt: skip
    block = tl.program_id(0).to(tl.int64) * BLOCKS + tl.arange(0, BLOCKS)[:, None]
    x, bits = _values(x_ptr + block * 64 + tl.arange(0, 64)[None, :], block < n)
    largest = _largest(bits)
    tl.store(scale_ptr + block, tl.where(largest < LEAST, 0.0, largest), mask=block < n)
    scaled = (largest >= LEAST) & (largest < float("inf"))
    # The nearest sixteenth says which of the 15 middles may be near, and how many are below.
    sixteenths = x * tl.where(scaled, 16.0 / largest, 0.0) + WHOLE
    cell = tl.load(cells_ptr + (sixteenths.to(tl.int32, bitcast=True) & 63))
    above = x > (cell & -16).to(tl.float32, bitcast=True) * largest
    code = tl.where(scaled, (cell & 15) + tl.where(above, 1, 0), 0)
    even, odd = tl.split(tl.reshape(code, (BLOCKS, 32, 2)))
    at = codes_ptr + block * 32 + tl.arange(0, 32)[None, :]
    tl.store(at, (even | (odd << 4)).to(tl.uint8), mask=block < n)


MOST_COLUMNS = 16384
"""Of a row that a program holds; a longer one it reads twice."""


def portable_int8(weight: torch.Tensor) -> _Pair:
    """A program a row, or some short ones."""
    weight = weight.contiguous()
    n, k = weight.shape
    coded = torch.empty((n, k), dtype=torch.int8, device=weight.device)
    scale = torch.empty(n, dtype=torch.float32, device=weight.device)
    if n:
        columns = min(MOST_COLUMNS, next_power_of_2(max(k, 1)))
        rows = max(1, 4096 // columns)
        launch(
            _quantise_int8, (cdiv(n, rows),), (weight, coded, scale), (n, k),
            LEAST=codes.LEAST, ROWS=rows, COLUMNS=columns, ONE_PASS=k <= columns,
            num_warps=4 if columns <= 4096 else 8, enable_fp_fusion=False,
        )  # fmt: skip
    return coded, scale


@functools.cache
def _cells(device: torch.device) -> torch.Tensor:
    return codes.cells(device)


def portable_nf4(weight: torch.Tensor) -> _Pair:
    """A program 64 blocks, whichever their rows."""
    weight = weight.contiguous()
    n, k = weight.shape
    coded = torch.empty((n, k // 2), dtype=torch.uint8, device=weight.device)
    scale = torch.empty((n, k // BLOCK), dtype=torch.float32, device=weight.device)
    if blocks := scale.numel():
        tensors = (weight, coded, scale, _cells(weight.device))
        launch(
            _quantise_nf4, (cdiv(blocks, 64),), tensors, (blocks,),
            LEAST=codes.LEAST, BLOCKS=64, num_warps=4,
        )  # fmt: skip
    return coded, scale


# --- op -------------------------------------------------------------------------------------------


def _check(op: str, weight: torch.Tensor, multiple: int) -> tuple[torch.Tensor]:
    check_tensors(op, dtypes=FLOATS, weight=weight)
    if weight.dim() != 2 or weight.shape[1] % multiple:
        raise ShapeError(
            op, shapes_in_words(weight=weight),
            "(rows, columns)" + (f", columns a multiple of {multiple}" if multiple > 1 else ""),
            "pad the columns with zeros" if weight.dim() == 2 else "reshape it",
        )  # fmt: skip
    return (weight,)


def _checked_int8(weight: torch.Tensor) -> tuple[torch.Tensor]:
    return _check("quantise_int8", weight, 1)


def _checked_nf4(weight: torch.Tensor) -> tuple[torch.Tensor]:
    return _check("quantise_nf4", weight, BLOCK)


def _kernel(name: str, kind: str, fake: Any) -> Kernel:
    return Kernel(
        name,
        op=name,
        inputs="Tensor weight",
        outputs="(Tensor, Tensor)",
        backends=(
            Backend("portable", f"{__name__}:portable_{kind}", triton_refuses),
            Backend("reference", f"{codes.__name__}:{kind}_codes"),
        ),
        fake=fake,
    )


_int8_kernel = _kernel(
    "quantise_int8", "int8",
    lambda weight, backend: (
        weight.new_empty(weight.shape, dtype=torch.int8),
        weight.new_empty(weight.shape[0], dtype=torch.float32),
    ),
)  # fmt: skip
_nf4_kernel = _kernel(
    "quantise_nf4", "nf4",
    lambda weight, backend: (
        weight.new_empty((weight.shape[0], weight.shape[1] // 2), dtype=torch.uint8),
        weight.new_empty((weight.shape[0], weight.shape[1] // BLOCK), dtype=torch.float32),
    ),
)  # fmt: skip


def quantise_int8(weight: torch.Tensor, *, backend: str | None = None) -> _Pair:
    """int8 codes and one scale a row, so that code · scale is nearest.

    Args:
        weight: (rows, columns); float16, bfloat16, float32, or float64 (reference), which is
            rounded to float32 first; any strides.
        backend: one of ``explain("quantise_int8", weight).reasons``; None: the first that can.

    Returns:
        Codes, int8 of weight's shape, in [-127, 127]; scales, float32 of (rows,). A row that holds
        an infinity or NaN has a scale of that, one of nothing but magnitudes below 2⁻¹²⁰ a scale of
        0. Not differentiable.

    Raises:
        ShapeError: weight is no matrix.
        DtypeError: it is not floating-point.
        BackendError: the backend asked for cannot take it.
    """
    coded, scale = _int8_kernel.outputs(*detached(_checked_int8(weight)), backend=backend)
    return coded, scale


def quantise_nf4(weight: torch.Tensor, *, backend: str | None = None) -> _Pair:
    """NF4 codes, two a byte, the first in the low half, and one scale a block of 64.

    Args:
        weight: (rows, columns), columns a multiple of 64; dtypes and strides as ``quantise_int8``.
        backend: one of ``explain("quantise_nf4", weight).reasons``; None: the first that can.

    Returns:
        Codes, uint8 of (rows, columns / 2); scales, float32 of (rows, columns / 64). A block that
        holds an infinity or NaN has a scale of that, one of nothing but magnitudes below 2⁻¹²⁰ a
        scale of 0. Not differentiable.

    Raises:
        ShapeError: weight is no matrix, or its columns no multiple of 64.
        DtypeError: it is not floating-point.
        BackendError: the backend asked for cannot take it.
    """
    coded, scale = _nf4_kernel.outputs(*detached(_checked_nf4(weight)), backend=backend)
    return coded, scale


# --- samples --------------------------------------------------------------------------------------


def _samples(nf4: bool) -> Any:
    """Ragged, empty and long weights, zeros, and what has no scale."""
    any_columns = () if nf4 else ((5, 1), (7, 33), (4, 0), (2, 20_001))

    def samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
        def make(*shape: int) -> torch.Tensor:
            return torch.randn(shape, device=device, dtype=dtype)

        for n, k in ((1, 64), (33, 192), (70, 64), (0, 64), (2, 4096), *any_columns):
            yield Sample(f"{n}x{k}", (make(n, k),))
        yield Sample("transposed", (make(128, 5).t(),))
        yield Sample("expanded", (make(1, 128).expand(5, 128),))
        odd = make(3, 128)
        odd[0] = 0.0
        odd[1, 70], odd[2, 3] = torch.inf, torch.nan
        yield Sample("no scale", (odd,))
        yield Sample("halfway", (torch.arange(-128, 128, device=device).to(dtype)[None] / 2,))

    return samples


def _errors(nf4: bool) -> Any:
    """Calls that must be refused."""

    def errors(device: torch.device) -> Iterator[ErrorSample]:
        weight = torch.zeros(2, 64, device=device)
        yield ErrorSample(Sample("vector", (weight[0],)), ShapeError, "weight of shape (64,)")
        yield ErrorSample(Sample("batches", (weight[None],)), ShapeError, "reshape it")
        yield ErrorSample(Sample("integers", (weight.long(),)), DtypeError, "int64")
        yield ErrorSample(Sample("list", ([[1.0]],)), DtypeError, "type list")
        if nf4:
            yield ErrorSample(Sample("part", (weight[:, 1:],)), ShapeError, "a multiple of 64")

    return errors


def _cost(nf4: bool) -> Any:
    """The weight read, codes and scales written."""

    def cost(weight: torch.Tensor) -> Cost:
        n = weight.numel()
        written = n // 2 + n // BLOCK * 4 if nf4 else n + 4 * weight.shape[0]
        return Cost(weight.nbytes + written, 0, (5 if nf4 else 2) * n, 0)

    return cost


def _case(n: int, k: int) -> Case:
    def make(device: torch.device) -> Sample:
        return Sample("", (torch.randn(n, k, device=device, dtype=torch.bfloat16),))

    return Case(f"{n}x{k} bfloat16", make)


_CASES = _case(14336, 4096), _case(16384, 16384)
OPS = (
    Op(
        name="quantise_nf4", summary="a weight to 4-bit codes and scales", function=quantise_nf4,
        kernel=_nf4_kernel, gradients=(), checked=_checked_nf4, torch_function=codes.nf4_codes,
        dtypes=FLOATS, samples=_samples(True), errors=_errors(True), cost=_cost(True),
        bound="memory", cases=_CASES,
        source="Dettmers et al. 2023, QLoRA, arXiv:2305.14314, section 3", differentiable=False,
    ),
    Op(
        name="quantise_int8", summary="a weight to 8-bit codes and scales",
        function=quantise_int8, kernel=_int8_kernel, gradients=(), checked=_checked_int8,
        torch_function=codes.int8_codes, dtypes=FLOATS, samples=_samples(False),
        errors=_errors(False), cost=_cost(False), bound="memory", cases=_CASES,
        source="Dettmers et al. 2022, LLM.int8(), arXiv:2208.07339, section 2",
        differentiable=False,
    ),
)  # fmt: skip
