"""Divergences in Triton, for any GPU and the interpreter. The maths: see reference.py.

One program a row adds up its losses, a chunk at a time; one program in all adds the rows. Logits
need log Σ exp of both rows first: a pass with running maxima (Milakov and Gimelshein 2018,
arXiv:1805.02867). A Kullback–Leibler divergence is carried along in it, since
KL(p‖q) = Σ p·(y - x) - log Σ exp y + log Σ exp x for logits y and x, both counted from their
maxima: they are read once. Between the two, m needs both sums: a second pass, which finds the row
in the cache. Given the rows' statistics the gradient is elementwise, unless each element has a loss
gradient of its own.

A row's maximum and its log Σ exp beyond that stay apart: added up far from 0, they would lose the
places by which probabilities differ.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

import torch

from triton_kernels import _compat
from triton_kernels._compat import cdiv, launch, tl, triton
from triton_kernels.ops.cross_entropy.portable import reduced
from triton_kernels.ops.divergences import shapes
from triton_kernels.ops.special import exp, exp2, log2_exact, log2_near_1

_LOG2_E = tl.constexpr(1.4426950408889634)
_LN_2 = tl.constexpr(0.6931471805599453)


@triton.jit
def _product(p, x):
    """p·x, zero where p is, whatever x."""
    return tl.where(p == 0, 0.0, p * x)


@triton.jit
def _unit(KIND: tl.constexpr):
    """What logarithms are multiplied by: those of m are of powers of two."""
    if KIND == "forward" or KIND == "reverse":
        return 1.0
    else:
        return _LOG2_E


@triton.jit
def _power(x, KIND: tl.constexpr):
    """exp, of logarithms in that unit."""
    if KIND == "forward" or KIND == "reverse":
        return exp(x)
    else:
        return exp2(x)


@triton.jit
def _terms(x, y, beta, FORM: tl.constexpr, KIND: tl.constexpr):
    """Each element's loss, and its derivatives by x and by y; what is not used is not computed."""
    if FORM == "probabilities":
        logarithm = tl.log2(y) * _LN_2
        loss = _product(y, logarithm - x)
        return loss, -y, logarithm + 1 - x
    elif KIND == "forward":
        p = exp(y)
        loss = _product(p, y - x)
        return loss, -p, loss + p
    elif KIND == "reverse":
        q = exp(x)
        loss = _product(q, x - y)
        return loss, loss + q, -q
    else:
        # Relative to the larger of the two: that one is 1, and log m itself would round away what
        # they differ by. What is far below any float32 stands for -inf: it has probability zero and
        # makes no NaN.
        x = tl.maximum(x, -10000.0, propagate_nan=tl.PropagateNan.ALL)
        y = tl.maximum(y, -10000.0, propagate_nan=tl.PropagateNan.ALL)
        difference = x - y
        apart = tl.abs(difference)
        # Each weighted and over the larger probability: the larger's part is its weight itself.
        if KIND == "half":
            larger = 0.5
            smaller = 0.5 * exp2(-apart)
            log_mixed = log2_near_1(smaller - 0.5)
        else:
            larger = tl.where(difference > 0, 1 - beta, beta)
            smaller = (1 - larger) * exp2(-apart)
            log_mixed = log2_exact(larger + smaller)
        mixed = larger + smaller
        scale = exp2(tl.maximum(x, y)) * -_LN_2
        loss = scale * (mixed * log_mixed + smaller * apart)
        by_larger = scale * larger * log_mixed
        by_smaller = scale * smaller * (apart + log_mixed)
        by_x = tl.where(difference > 0, by_larger, by_smaller)
        by_y = tl.where(difference > 0, by_smaller, by_larger)
        return loss, by_x, by_y


@triton.jit
def _load(ptr, columns, mask):
    """A chunk in float32; what lies outside has probability zero."""
    return tl.load(ptr + columns, mask=mask, other=-float("inf")).to(tl.float32)


@triton.jit
def _logarithms(ptr, columns, mask, maximum, beyond, scale):
    """A chunk's logarithms of probabilities, given the row's maximum and log Σ exp beyond it."""
    return (_load(ptr, columns, mask) - maximum) * scale - beyond


@triton.jit
def _finite(maxima):
    """While all is -inf the difference of two maxima would be NaN: subtract 0 instead."""
    return tl.where(maxima == -float("inf"), 0.0, maxima)


@triton.jit
def _moved_along(maxima, x, power):
    """The lanes' maxima with a chunk's and how far they moved, the factor for old sums; x from
    them, and exp of that."""
    new_maxima = tl.maximum(maxima, tl.max(x, axis=1))
    shift = _finite(new_maxima)
    x = x - shift[:, None]
    return new_maxima, _finite(maxima) - shift, exp2((maxima - shift) * power), x, exp2(x * power)


@triton.jit
def _together(maxima, sums, power):
    """Maximum and Σ exp beyond it of all lanes, how far each lane's is off, and its factor."""
    shift = _finite(tl.max(maxima, axis=0))
    factors = exp2((maxima - shift) * power)
    return shift, tl.sum(sums * factors, axis=0), _finite(maxima) - shift, factors


@triton.jit
def _rows(
    x_ptr, y_ptr, labels_ptr, losses_ptr, row_loss_ptr, row_weight_ptr, statistics_ptr,
    n_rows, n_columns, x_row, y_row, ignore_index, beta, temperature, weight,
    FORM: tl.constexpr, KIND: tl.constexpr, COLUMNS: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    x_ptr += row * x_row
    y_ptr += row * y_row
    counts = row >= 0
    if labels_ptr is not None:
        counts = tl.load(labels_ptr + row) != ignore_index
    scale = _unit(KIND)
    x_maximum, y_maximum, x_beyond, y_beyond, divergence = 0.0, 0.0, 0.0, 0.0, 0.0
    if FORM == "logits":
        scale = 1 / temperature
        power = scale * _LOG2_E
        # A maximum and a sum for every GROUP of neighbours, which one thread holds: no exchange
        # between threads until the row is read.
        x_maxima = tl.full((COLUMNS // GROUP,), -float("inf"), tl.float32)
        y_maxima = tl.full((COLUMNS // GROUP,), -float("inf"), tl.float32)
        x_sums = tl.zeros((COLUMNS // GROUP,), tl.float32)
        y_sums = tl.zeros((COLUMNS // GROUP,), tl.float32)
        weighted = tl.zeros((COLUMNS // GROUP,), tl.float32)
        for start in tl.range(0, n_columns, COLUMNS):
            columns = start + tl.arange(0, COLUMNS)
            mask = columns < n_columns
            x = tl.reshape(_load(x_ptr, columns, mask), (COLUMNS // GROUP, GROUP))
            y = tl.reshape(_load(y_ptr, columns, mask), (COLUMNS // GROUP, GROUP))
            x_maxima, x_moved, x_factor, x, q = _moved_along(x_maxima, x, power)
            y_maxima, y_moved, y_factor, y, p = _moved_along(y_maxima, y, power)
            if KIND == "forward":
                weighted = (weighted + y_sums * (y_moved - x_moved)) * y_factor
                weighted += tl.sum(_product(p, y - x), axis=1)
            elif KIND == "reverse":
                weighted = (weighted + x_sums * (x_moved - y_moved)) * x_factor
                weighted += tl.sum(_product(q, x - y), axis=1)
            x_sums = x_sums * x_factor + tl.sum(q, axis=1)
            y_sums = y_sums * y_factor + tl.sum(p, axis=1)
        x_maximum, x_total, x_off, x_factors = _together(x_maxima, x_sums, power)
        y_maximum, y_total, y_off, y_factors = _together(y_maxima, y_sums, power)
        scale *= _unit(KIND)
        x_beyond = tl.log2(x_total) * (_LN_2 * _unit(KIND))
        y_beyond = tl.log2(y_total) * (_LN_2 * _unit(KIND))
        # y_beyond - x_beyond without what the two have in common, which would round more away.
        between = tl.log2(y_total / x_total) * _LN_2
        if KIND == "reverse":
            weighted = (weighted + x_sums * (x_off - y_off)) * x_factors
            divergence = tl.sum(weighted, axis=0) / x_total * scale + between
            by_x, by_y = divergence + 1, -1.0
        else:
            weighted = (weighted + y_sums * (y_off - x_off)) * y_factors
            divergence = tl.sum(weighted, axis=0) / y_total * scale - between
            by_x, by_y = -1.0, divergence + 1

    if FORM != "logits" or KIND == "between" or KIND == "half" or losses_ptr is not None:
        x_terms = tl.zeros((COLUMNS,), tl.float32)
        y_terms = tl.zeros((COLUMNS,), tl.float32)
        sums = tl.zeros((COLUMNS,), tl.float32)
        chunks = tl.cdiv(n_columns, COLUMNS)
        # Backwards: what was read last is surest to be in the cache.
        for chunk in tl.range(0, chunks):
            columns = (chunks - 1 - chunk) * COLUMNS + tl.arange(0, COLUMNS)
            mask = columns < n_columns
            x = _logarithms(x_ptr, columns, mask, x_maximum, x_beyond, scale)
            if FORM == "probabilities":
                y = tl.load(y_ptr + columns, mask=mask, other=0.0).to(tl.float32)
            else:
                y = _logarithms(y_ptr, columns, mask, y_maximum, y_beyond, scale)
            loss, x_term, y_term = _terms(x, y, beta, FORM, KIND)
            if losses_ptr is not None:
                loss = tl.where(counts, loss * (temperature * temperature), 0.0)
                tl.store(losses_ptr + row * n_columns + columns, loss, mask=mask)
            elif FORM == "logits":
                x_terms += x_term
                y_terms += y_term
            else:
                sums += loss
        if FORM != "logits":
            divergence = tl.sum(sums, axis=0)
        elif KIND == "between" or KIND == "half":
            by_x, by_y = tl.sum(x_terms, axis=0), tl.sum(y_terms, axis=0)
            divergence = by_x + by_y

    tl.store(row_weight_ptr + row, tl.where(counts, weight, 0.0))
    divergence = divergence * temperature * temperature
    tl.store(row_loss_ptr + row, tl.where(counts, divergence, 0.0))
    if FORM == "logits":
        tl.store(statistics_ptr + row, by_x)
        tl.store(statistics_ptr + n_rows + row, by_y)
        tl.store(statistics_ptr + 2 * n_rows + row, x_maximum)
        tl.store(statistics_ptr + 3 * n_rows + row, y_maximum)
        tl.store(statistics_ptr + 4 * n_rows + row, x_beyond)
        tl.store(statistics_ptr + 5 * n_rows + row, y_beyond)


@triton.jit
def _row_terms(
    grad_ptr, x_ptr, y_ptr, statistics_ptr, n_rows, n_columns, grad_row, grad_column, x_row, y_row,
    beta, temperature, KIND: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """The rows' sums of the derivatives, where each element has a loss gradient of its own."""
    row = tl.program_id(0).to(tl.int64)
    x_maximum = tl.load(statistics_ptr + 2 * n_rows + row)
    y_maximum = tl.load(statistics_ptr + 3 * n_rows + row)
    x_beyond = tl.load(statistics_ptr + 4 * n_rows + row)
    y_beyond = tl.load(statistics_ptr + 5 * n_rows + row)
    scale = _unit(KIND) / temperature
    x_terms = tl.zeros((COLUMNS,), tl.float32)
    y_terms = tl.zeros((COLUMNS,), tl.float32)
    for start in tl.range(0, n_columns, COLUMNS):
        columns = start + tl.arange(0, COLUMNS)
        mask = columns < n_columns
        x = _logarithms(x_ptr + row * x_row, columns, mask, x_maximum, x_beyond, scale)
        y = _logarithms(y_ptr + row * y_row, columns, mask, y_maximum, y_beyond, scale)
        _loss, x_term, y_term = _terms(x, y, beta, "logits", KIND)
        grad_at = grad_ptr + row * grad_row + columns * grad_column
        grad = tl.load(grad_at, mask=mask, other=0.0).to(tl.float32)
        x_terms += grad * x_term
        y_terms += grad * y_term
    tl.store(statistics_ptr + row, tl.sum(x_terms, axis=0))
    tl.store(statistics_ptr + n_rows + row, tl.sum(y_terms, axis=0))


@triton.jit
def _gradient(
    grad_ptr, x_ptr, y_ptr, labels_ptr, statistics_ptr, divisor_ptr, dx_ptr, dy_ptr,
    n_rows, n_columns, grad_row, grad_column, x_row, y_row, ignore_index, beta, temperature,
    FORM: tl.constexpr, KIND: tl.constexpr, ELEMENTWISE: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    chunks = tl.cdiv(n_columns, COLUMNS)
    row = (tl.program_id(0) // chunks).to(tl.int64)
    columns = (tl.program_id(0) % chunks) * COLUMNS + tl.arange(0, COLUMNS)
    mask = columns < n_columns
    scale = _unit(KIND)
    x_maximum, y_maximum, x_beyond, y_beyond = 0.0, 0.0, 0.0, 0.0
    if FORM == "logits":
        scale /= temperature
        x_total = tl.load(statistics_ptr + row)
        y_total = tl.load(statistics_ptr + n_rows + row)
        x_maximum = tl.load(statistics_ptr + 2 * n_rows + row)
        y_maximum = tl.load(statistics_ptr + 3 * n_rows + row)
        x_beyond = tl.load(statistics_ptr + 4 * n_rows + row)
        y_beyond = tl.load(statistics_ptr + 5 * n_rows + row)
    x = _logarithms(x_ptr + row * x_row, columns, mask, x_maximum, x_beyond, scale)
    if FORM == "probabilities":
        y = tl.load(y_ptr + row * y_row + columns, mask=mask, other=0.0).to(tl.float32)
    else:
        y = _logarithms(y_ptr + row * y_row, columns, mask, y_maximum, y_beyond, scale)
    if ELEMENTWISE:
        grad_at = grad_ptr + row * grad_row + columns * grad_column
        grad = tl.load(grad_at, mask=mask, other=0.0).to(tl.float32)
        own, common = grad, temperature
    else:
        grad = tl.load(grad_ptr).to(tl.float32)
        if divisor_ptr is not None:
            grad = grad / tl.load(divisor_ptr)
        own, common = 1.0, grad * temperature
    _loss, x_term, y_term = _terms(x, y, beta, FORM, KIND)
    at = row * n_columns + columns
    if dx_ptr is not None:
        dx = x_term * own
        if FORM == "logits":
            dx -= _power(x, KIND) * x_total
        dx *= common
        if labels_ptr is not None:
            dx = tl.where(tl.load(labels_ptr + row) != ignore_index, dx, 0.0)
        tl.store(dx_ptr + at, dx, mask=mask)
    if dy_ptr is not None:
        dy = y_term * own
        if FORM == "logits":
            dy -= _power(y, KIND) * y_total
        dy *= common
        if labels_ptr is not None:
            dy = tl.where(tl.load(labels_ptr + row) != ignore_index, dy, 0.0)
        tl.store(dy_ptr + at, dy, mask=mask)


def _kind(beta: float) -> str:
    return {0.0: "forward", 0.5: "half", 1.0: "reverse"}.get(beta, "between")


def _rows_of(x: torch.Tensor) -> torch.Tensor:
    """Rows of neighbouring columns; a copy only where the strides forbid."""
    return x.contiguous() if x.stride(1) != 1 and x.shape[1] > 1 else x


def divergence(
    input: torch.Tensor, target: torch.Tensor, labels: torch.Tensor | None, form: str, beta: float,
    temperature: float, reduction: str, ignore_index: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    """The loss, of logits the rows' statistics, and what a mean divides by."""
    n_rows, n_columns = input.shape
    x, y = _rows_of(input), _rows_of(target)
    row_losses = torch.empty(n_rows, dtype=torch.float32, device=input.device)
    row_weights = torch.empty_like(row_losses)
    statistics = row_losses.new_empty((6 if form == "logits" else 0, n_rows))
    losses = row_losses.new_empty(input.shape) if reduction == "none" else None
    tile = shapes.row_tile(n_columns, input.dtype, _compat.device_of(input.device))
    if n_rows:
        launch(
            _rows, (n_rows,),
            (
                x, y, None if labels is None else labels.contiguous(), losses, row_losses,
                row_weights, statistics,
            ),
            (n_rows, n_columns, x.stride(0), y.stride(0), ignore_index),
            (beta, temperature, float(n_columns if reduction == "mean" else 1)),
            FORM=form, KIND=_kind(beta), COLUMNS=tile.columns,
            GROUP=min(tile.columns, 16 // input.dtype.itemsize), num_warps=tile.warps,
        )  # fmt: skip
    total, divisor = reduced(row_losses, row_weights, "sum" if reduction == "sum" else "mean")
    return total if losses is None else losses, statistics, divisor


def divergence_backward(
    grad: torch.Tensor, input: torch.Tensor, target: torch.Tensor, labels: torch.Tensor | None,
    statistics: torch.Tensor, divisor: torch.Tensor, form: str, beta: float, temperature: float,
    reduction: str, ignore_index: int, input_wanted: bool, target_wanted: bool,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """The gradients of input and target, as far as they are wanted."""
    n_rows, n_columns = input.shape
    x, y = _rows_of(input), _rows_of(target)
    shape = {True: input.shape, False: torch.Size([0])}
    dx, dy = (
        torch.empty(shape[wanted], dtype=input.dtype, device=input.device)
        for wanted in (input_wanted, target_wanted)
    )
    if not n_rows * n_columns:
        return dx, dy
    elementwise = reduction == "none"
    strides = grad.stride() if elementwise else (0, 0)
    device = _compat.device_of(input.device)
    if elementwise and form == "logits":
        statistics = statistics.clone()  # the saved ones serve another backward
        tile = shapes.row_tile(n_columns, input.dtype, device)
        launch(
            _row_terms, (n_rows,), (grad, x, y, statistics),
            (n_rows, n_columns, *strides, x.stride(0), y.stride(0)), (beta, temperature),
            KIND=_kind(beta), COLUMNS=tile.columns, num_warps=tile.warps,
        )  # fmt: skip
    tile = shapes.gradient_tile(n_columns, input.dtype, device)
    launch(
        _gradient, (n_rows * cdiv(n_columns, tile.columns),),
        (
            grad, x, y, None if labels is None else labels.contiguous(), statistics,
            divisor if reduction in ("mean", "batchmean") else None,
            dx if input_wanted else None, dy if target_wanted else None,
        ),
        (n_rows, n_columns, *strides, x.stride(0), y.stride(0), ignore_index),
        (beta, temperature),
        FORM=form, KIND=_kind(beta), ELEMENTWISE=elementwise, COLUMNS=tile.columns,
        num_warps=tile.warps,
    )  # fmt: skip
    return dx, dy
