"""embedding: rows of a table by their numbers, and the gradient, added up in a fixed order.

y_i = W[ids_i];  dW_v = Σ over i with ids_i = v of dy_i. The numbers are sorted first, so that those
who share a row stand together, and each row learns where its own begin. Then every row of dW is
written once: as zeros, or as the sum of its gradients, in the order they came, in float32, by
Kahan's summation. Of a frequent number each 64 neighbours are added up by a program of their own
first.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from triton_kernels import definition
from triton_kernels._compat import cdiv, launch, next_power_of_2, tl, triton
from triton_kernels.backends import Backend, triton_refuses, wish
from triton_kernels.checks import FLOATS, check_dense, check_tensors, shapes_in_words
from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.kernel import Kernel
from triton_kernels.registry import Case, Cost, ErrorSample, Op, Sample

# --- reference ------------------------------------------------------------------------------------


def reference(weight: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """The rows of weight that ids name; NaN where there is none."""
    wrong = (ids < 0) | (ids >= weight.shape[0])
    if not weight.shape[0]:
        return weight.new_full((*ids.shape, weight.shape[1]), torch.nan)
    rows = weight[torch.where(wrong, 0, ids).long()]
    return torch.where(wrong[..., None], torch.nan, rows)


def backward_reference(grad: torch.Tensor, ids: torch.Tensor, rows: int) -> torch.Tensor:
    """Each row's gradients added up."""
    wide = grad if grad.dtype is torch.float64 else grad.float()
    flat, n = ids.flatten().long(), grad.shape[-1]
    inside = (flat >= 0) & (flat < rows)
    lines = wide.reshape(ids.numel(), n)[inside]
    # Torch's own, of a fixed order: index_add_ adds on a GPU as its threads come.
    dw: torch.Tensor = torch.ops.aten.embedding_dense_backward(lines, flat[inside], rows, -1, False)
    return dw.to(grad.dtype)


# --- portable -------------------------------------------------------------------------------------

_PART = 64
"""Neighbours among the sorted numbers whose gradients are added up at once if they are equal."""


@triton.jit
def _gather(ids_ptr, weight_ptr, y_ptr, n_rows, n_columns, weight_row, COLUMNS: tl.constexpr):
    line = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    row = tl.load(ids_ptr + line).to(tl.int64)
    inside = (row >= 0) & (row < n_rows)
    there = columns < tl.where(inside, n_columns, 0)
    x = tl.load(weight_ptr + row * weight_row + columns, mask=there, other=0.0)
    y = tl.where(inside, x.to(tl.float32), float("nan"))
    tl.store(y_ptr + line * n_columns + columns, y, mask=columns < n_columns)


@triton.jit
def _number(ids_ptr, inside_ptr, begins_ptr, n_ids, n_rows, BLOCK: tl.constexpr):
    """The ids as int32, -1 where there is no such row; no row has begun yet."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row = tl.load(ids_ptr + at, mask=at < n_ids, other=-1)
    there = (row >= 0) & (row < n_rows)
    tl.store(inside_ptr + at, tl.where(there, row, -1).to(tl.int32), mask=at < n_ids)
    tl.store(begins_ptr + at, tl.zeros((BLOCK,), tl.int32) - 1, mask=at < n_rows)


@triton.jit
def _begin(ids_ptr, begins_ptr, n_ids, BLOCK: tl.constexpr):
    """Where each row's numbers begin among the sorted ones."""
    line = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row = tl.load(ids_ptr + line, mask=line < n_ids, other=-1)
    before = tl.load(ids_ptr + line - 1, mask=(line > 0) & (line < n_ids), other=-1)
    tl.store(begins_ptr + row, line, mask=row != before)  # -1 stands first, after a -1


@triton.jit
def _added(sums, lost, x):
    """Kahan's summation: what an addition loses is added to the next number."""
    x -= lost
    total = sums + x
    return total, (total - sums) - x


@triton.jit
def _add_parts(
    ids_ptr, order_ptr, grad_ptr, parts_ptr, n_columns, grad_row,
    PART: tl.constexpr, LINES: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """The sum of PART neighbours among the sorted numbers, if all are equal."""
    part = tl.program_id(0).to(tl.int64)
    row = tl.load(ids_ptr + part * PART)
    last = tl.load(ids_ptr + part * PART + PART - 1)
    if (row >= 0) & (row == last):
        columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
        mask = columns < n_columns
        sums = tl.zeros((COLUMNS,), tl.float32)
        lost = tl.zeros((COLUMNS,), tl.float32)
        for start in range(0, PART, LINES):
            source = tl.load(order_ptr + part * PART + start + tl.arange(0, LINES))
            at = grad_ptr + source[:, None] * grad_row + columns[None, :]
            x = tl.load(at, mask=mask[None, :], other=0.0)
            sums, lost = _added(sums, lost, tl.sum(x.to(tl.float32), axis=0))
        tl.store(parts_ptr + part * n_columns + columns, sums, mask=mask)


@triton.jit
def _add_up(
    begins_ptr, ids_ptr, order_ptr, grad_ptr, parts_ptr, dw_ptr, n_ids, n_columns, grad_row,
    PART: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    mask = columns < n_columns
    line = tl.load(begins_ptr + row)
    sums = tl.zeros((COLUMNS,), tl.float32)
    lost = tl.zeros((COLUMNS,), tl.float32)
    same = line >= 0
    while same:
        aligned = (line % PART == 0) & (line + PART <= n_ids)
        last = tl.load(ids_ptr + line + PART - 1, mask=aligned, other=-1)
        if last == row:
            part = (line // PART).to(tl.int64)
            x = tl.load(parts_ptr + part * n_columns + columns, mask=mask, other=0.0)
            line += PART
        else:
            source = tl.load(order_ptr + line)
            x = tl.load(grad_ptr + source * grad_row + columns, mask=mask).to(tl.float32)
            line += 1
        sums, lost = _added(sums, lost, x)
        following = tl.load(ids_ptr + line, mask=line < n_ids, other=-1)
        same = following == row
    tl.store(dw_ptr + row.to(tl.int64) * n_columns + columns, sums, mask=mask)


def _block(n_columns: int) -> int:
    return int(min(2048, next_power_of_2(max(n_columns, 1))))


def portable(weight: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """A program a row, or a part of one."""
    weight = weight if weight.stride(1) == 1 else weight.contiguous()
    n_columns = weight.shape[1]
    y = torch.empty((*ids.shape, n_columns), dtype=weight.dtype, device=weight.device)
    if y.numel():
        block = _block(n_columns)
        launch(
            _gather, (ids.numel(), cdiv(n_columns, block)), (ids.contiguous(), weight, y),
            (weight.shape[0], n_columns, weight.stride(0)), COLUMNS=block, num_warps=4,
        )  # fmt: skip
    return y


def backward_portable(grad: torch.Tensor, ids: torch.Tensor, rows: int) -> torch.Tensor:
    """A program a row of dW, or a part of one, writes it whole."""
    n_columns, n_ids = grad.shape[-1], ids.numel()
    dw = torch.empty((rows, n_columns), dtype=grad.dtype, device=grad.device)
    if not (n_ids and dw.numel()):
        return dw.zero_()
    grad = grad.reshape(-1, n_columns)
    grad = grad if grad.stride(1) == 1 else grad.contiguous()
    inside = torch.empty(n_ids, dtype=torch.int32, device=ids.device)  # half the passes of a sort
    begins = torch.empty(rows, dtype=torch.int32, device=ids.device)
    launch(
        _number, (cdiv(max(n_ids, rows), 1024),), (ids.contiguous(), inside, begins),
        (n_ids, rows), BLOCK=1024, num_warps=4,
    )  # fmt: skip
    ordered, order = torch.sort(inside, stable=True)
    launch(_begin, (cdiv(n_ids, 256),), (ordered, begins), (n_ids,), BLOCK=256, num_warps=4)
    parts = torch.empty((n_ids // _PART, n_columns), dtype=torch.float32, device=grad.device)
    if len(parts):
        block = min(1024, next_power_of_2(n_columns))
        launch(
            _add_parts, (len(parts), cdiv(n_columns, block)), (ordered, order, grad, parts),
            (n_columns, grad.stride(0)), PART=_PART, LINES=8, COLUMNS=block, num_warps=4,
        )  # fmt: skip
    block = min(4096, next_power_of_2(n_columns))
    launch(
        _add_up, (rows, cdiv(n_columns, block)), (begins, ordered, order, grad, parts, dw),
        (n_ids, n_columns, grad.stride(0)),
        PART=_PART, COLUMNS=block, num_warps=max(1, block // 512),
    )  # fmt: skip
    return dw


# --- op -------------------------------------------------------------------------------------------


def _checked(weight: torch.Tensor, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    check_tensors("embedding", weight=weight)
    if not isinstance(ids, torch.Tensor) or ids.dtype not in (torch.int64, torch.int32):
        kind = ids.dtype if isinstance(ids, torch.Tensor) else type(ids).__name__
        raise DtypeError("embedding", f"ids of {kind}", "a tensor of int64 or int32", "ids.long()")
    check_dense("embedding", "ids", ids)
    if weight.dim() != 2:
        raise ShapeError(
            "embedding", shapes_in_words(weight=weight), "weight of (rows, columns)", "reshape it"
        )
    if weight.device != ids.device:
        raise DeviceError(
            "embedding", f"weight on {weight.device} and ids on {ids.device}", "one device",
            "move one: ids.to(weight.device)",
        )  # fmt: skip
    plain = type(ids) is torch.Tensor and not torch.compiler.is_compiling()
    if plain and ids.device.type == "cpu" and ids.numel():
        least, most = int(ids.min()), int(ids.max())
        if least < 0 or most >= weight.shape[0]:
            raise ShapeError(
                "embedding", f"ids from {least} to {most}", f"0 <= id < {weight.shape[0]}",
                "look for a wrong padding value or a table that is too small",
            )  # fmt: skip
    return weight, ids


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    weight, ids, ctx.backend = inputs
    ctx.rows = weight.shape[0]
    ctx.save_for_backward(ids)


def _backward(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:
    (ids,) = ctx.saved_tensors
    return _gradient(grad, ids, ctx.rows, backend=wish(ctx.backend)), None, None


def _setup_gradient(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    _, ids, _, ctx.backend = inputs
    ctx.save_for_backward(ids)


def _double_backward(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:
    (ids,) = ctx.saved_tensors
    if definition.is_recorded():
        return reference(grad, ids), None, None, None
    return _kernel(grad, ids, backend=wish(ctx.backend)), None, None, None


_kernel = Kernel(
    "embedding",
    op="embedding",
    inputs="Tensor weight, Tensor ids",
    backends=(
        Backend("portable", f"{__name__}:portable", triton_refuses),
        Backend("reference", f"{__name__}:reference"),
    ),
    fake=lambda weight, ids, backend: weight.new_empty((*ids.shape, weight.shape[1])),
    setup_context=_setup_context,
    backward=_backward,
)
_gradient = Kernel(
    "embedding_backward",
    op="embedding",
    inputs="Tensor grad, Tensor ids, int rows",
    backends=(
        Backend("portable", f"{__name__}:backward_portable", triton_refuses),
        Backend("reference", f"{__name__}:backward_reference"),
    ),
    fake=lambda grad, ids, rows, backend: grad.new_empty((rows, grad.shape[-1])),
    setup_context=_setup_gradient,
    backward=_double_backward,
)


def embedding(
    weight: torch.Tensor, ids: torch.Tensor, *, backend: str | None = None
) -> torch.Tensor:
    """The rows of weight that ids name.

    Args:
        weight: (rows, columns), any strides; float16, bfloat16, float32, or float64 (reference).
        ids: any shape, int64 or int32. On the CPU those out of range are refused; on a GPU, where
            that would wait for it, their rows are NaN and their gradient goes nowhere.
        backend: one of ``explain("embedding", weight, ids).reasons``; None: the first that can.

    Returns:
        (*ids.shape, columns), contiguous, of weight's dtype. Differentiable any number of times;
        the gradient is added up in float32 in an order that does not change from run to run.

    Raises:
        ShapeError: weight is no matrix, or ids out of range.
        DtypeError: dtypes that do not fit.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    return _kernel(*_checked(weight, ids), backend=backend)


# --- samples --------------------------------------------------------------------------------------


def _torch_embedding(weight: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.embedding(ids, weight)


def _samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    def make(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device, dtype=dtype)

    def call(name: str, weight: torch.Tensor, *shape: int) -> Sample:
        ids = torch.randint(max(weight.shape[0], 1), shape, device=device)
        return Sample(name, (weight,), {"ids": ids})

    for rows, columns, *shape in ((7, 5, 6), (9, 8, 2, 3), (40, 65, 30), (2, 40, 300), (5, 4, 0)):
        yield call(f"{rows}x{columns}, {shape}", make(rows, columns), *shape)
    yield call("one id", make(4, 6))
    yield call("transposed", make(33, 40).t(), 9)
    yield call("every second", make(40, 66)[:, ::2], 9)
    yield call("expanded", make(1, 40).expand(30, 40), 9)
    yield Sample("int32", (make(9, 8),), {"ids": torch.arange(5, device=device, dtype=torch.int32)})


def _errors(device: torch.device) -> Iterator[ErrorSample]:
    weight, ids = torch.zeros(4, 3, device=device), torch.zeros(2, device=device).long()
    yield ErrorSample(Sample("vector", (weight[0], ids)), ShapeError, "weight of shape (3,)")
    yield ErrorSample(Sample("floats", (weight, ids.float())), DtypeError, "torch.float32")
    yield ErrorSample(Sample("list", (weight, [0])), DtypeError, "ids of list")
    yield ErrorSample(Sample("sparse", (weight, ids.to_sparse())), DtypeError, "layout sparse_coo")
    yield ErrorSample(Sample("devices", (weight, ids.to("meta"))), DeviceError, "one device")


def _cost(weight: torch.Tensor, ids: torch.Tensor) -> Cost:
    """Forward: a row read and written for each id. Backward: dy read, dW written whole."""
    moved = ids.numel() * weight.shape[1] * weight.element_size()
    return Cost(2 * moved, moved + weight.nbytes, 0, moved)


def _case(rows: int, columns: int, n: int, words: bool = False) -> Case:
    """``words``: of rank k with a probability of 1/k, as words come (Zipf), not all alike."""

    def make(device: torch.device) -> Sample:
        weight = torch.randn(rows, columns, device=device, dtype=torch.bfloat16)
        ids = torch.randint(rows, (n,), device=device)
        if words:
            ids = (rows ** torch.rand(n, device=device)).long() - 1
        return Sample("", (weight,), {"ids": ids})

    return Case(f"{n} of {rows}x{columns} bfloat16{', as words come' if words else ''}", make)


OPS = (
    Op(
        name="embedding", summary="rows of a table by number", function=embedding, kernel=_kernel,
        gradients=(_gradient,), checked=_checked, torch_function=_torch_embedding, dtypes=FLOATS,
        samples=_samples, errors=_errors, cost=_cost, bound="memory",
        cases=(_case(128256, 4096, 16384), _case(128256, 4096, 16384, words=True)),
        source="a product with a one-hot matrix; Bengio et al. 2003, A neural probabilistic "
        "language model, section 2",
    ),
)  # fmt: skip
