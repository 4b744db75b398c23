"""The Triton kernels of cross_entropy, for any GPU and the interpreter.

One program a row gives the row's loss and log Σ exp, reading the logits once, a chunk at a time
with a running maximum (Milakov and Gimelshein 2018, arXiv:1805.02867). Given log Σ exp the gradient
is elementwise: any tile will do. Exponents are taken of differences, not differences of products:
of one class the loss is 0, not nearly 0. Far from 0 a float32 holds log Σ exp to fewer places than
the loss has: the loss is added up from the maximum, and the gradient gets what rounding took off.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._compat import tl, triton
from triton_kernels.ops.parts import after_the_kernel_before
from triton_kernels.ops.special import exp2, tanh

_LOG2_E = tl.constexpr(1.4426950408889634)
_LN_2 = tl.constexpr(0.6931471805599453)


@triton.jit
def _capped(x, soft_cap, CAPPED: tl.constexpr):
    """cap·tanh(x / cap)."""
    x = x.to(tl.float32)
    if CAPPED:
        x = tanh(x * tl.div_rn(1.0, soft_cap), True) * soft_cap
    return x


@triton.jit
def _log_sum_exp(shift, sums):
    """log Σ exp from Σ exp beyond ``shift``: that sum's logarithm, both, what adding rounds off."""
    beyond = tl.log2(sums) * _LN_2
    lse = shift + beyond
    added = lse - shift
    rest = (shift - (lse - added)) + (beyond - added)  # Knuth's two-sum
    return beyond, lse, tl.where(rest == rest, rest, 0.0)


@triton.jit
def _row_coefficients(
    target, weight_ptr, weight_sum_ptr, lse, n_classes, ignore_index, smoothing, z_loss,
    SMOOTHED: tl.constexpr,
):  # fmt: skip
    """Factors of -onehot, of softmax and of -weight in a row's gradient; NaN if out of range."""
    counts = target != ignore_index
    wrong = counts & ((target < 0) | (target >= n_classes))
    along = tl.where(counts, 1.0, 0.0)
    if weight_ptr is not None:
        along = tl.load(weight_ptr + target, mask=counts & (wrong == 0), other=0.0).to(tl.float32)
    share = 0.0
    total = along
    if SMOOTHED:
        share = tl.where(counts, smoothing / n_classes, 0.0)
        weight_sum = n_classes * 1.0
        if weight_ptr is not None:
            weight_sum = tl.load(weight_sum_ptr)
        along = along * (1 - smoothing)
        total = along + share * weight_sum
    total += tl.where(counts, lse * z_loss * 2, 0.0)
    total = tl.where(wrong, float("nan"), total)
    return along, total, share


@triton.jit
def _gradient_of(
    x, columns, target, along, total, share, dloss, dlse, lse, rest, weight_ptr, mask, soft_cap,
    SMOOTHED: tl.constexpr, CAPPED: tl.constexpr,
):  # fmt: skip
    """A chunk's gradient from its (capped) logits."""
    p = exp2((x - lse) * _LOG2_E - rest * _LOG2_E)
    dx = p * (total * dloss + dlse)
    if SMOOTHED:
        if weight_ptr is not None:
            weight = tl.load(weight_ptr + columns, mask=mask, other=0.0).to(tl.float32)
            dx -= weight * (share * dloss)
        else:
            dx -= share * dloss
    dx = tl.where(columns == target, dx - along * dloss, dx)
    if CAPPED:
        t = x / soft_cap
        dx *= 1 - t * t
    return dx


@triton.jit
def _line(ptr, row, start, step, n_classes, STEP: tl.constexpr, LIES: tl.constexpr):
    """Where a row's column 0 is, or would be, as the chunk that begins at ``start`` has it.

    LIES ``rows``: rows are ``step`` apart. Else the classes lie in blocks of STEP, ``step`` apart,
    and each block holds its part of all rows, one after the other.
    """
    if LIES == "rows":
        return ptr + row * step
    else:
        block = start // STEP
        width = tl.minimum(n_classes - block * STEP, STEP)
        if LIES == "aligned blocks":
            width = tl.multiple_of(width, 16)
        return ptr + block.to(tl.int64) * step + row * width - block * STEP


@triton.jit
def _end(start, n_classes, STEP: tl.constexpr, LIES: tl.constexpr):
    """The class past a chunk's last."""
    if LIES == "rows":
        return n_classes
    else:
        return tl.minimum(start + STEP, n_classes)


@triton.jit
def _logits(line, columns, mask, soft_cap, CAPPED: tl.constexpr):
    """A chunk's capped logits, -inf where there is none."""
    x = _capped(tl.load(line + columns, mask=mask, other=-float("inf")), soft_cap, CAPPED)
    if CAPPED:
        x = tl.where(mask, x, -float("inf"))
    return x


@triton.jit
def _apart(x, base, weight_ptr, columns, mask):
    """Each logit less ``base``, by its class's weight: what smoothing adds up."""
    scale = 1.0
    if weight_ptr is not None:
        scale = tl.load(weight_ptr + columns, mask=mask, other=0.0).to(tl.float32)
    return tl.where(mask, (x - base) * scale, 0.0)


@triton.jit
def _sums_of_held(x, columns, mask, weight_ptr, SMOOTHED: tl.constexpr):
    """Of a row in registers: its maximum, Σ exp beyond that, and what smoothing adds up."""
    maximum = tl.max(x, axis=0)
    # Where all is -inf the difference would be NaN: subtract 0 instead.
    shift = tl.where(maximum == -float("inf"), 0.0, maximum)
    sums = tl.sum(exp2((x - shift) * _LOG2_E), axis=0)
    spread = 0.0
    if SMOOTHED:
        spread = tl.sum(_apart(x, shift, weight_ptr, columns, mask), axis=0)
    return shift, sums, spread


@triton.jit
def _sums_of_chunks(
    logits_ptr, row, logits_row, weight_ptr, n_classes, base, soft_cap,
    SMOOTHED: tl.constexpr, CAPPED: tl.constexpr, CLASSES: tl.constexpr, STAGES: tl.constexpr,
    GROUP: tl.constexpr, STEP: tl.constexpr, LIES: tl.constexpr,
):  # fmt: skip
    """The same of a longer row, read chunk by chunk; smoothing's counts from ``base``."""
    # A maximum and a sum for every GROUP of neighbours, which one thread holds: no exchange
    # between threads until the row is read.
    maxima = tl.full((CLASSES // GROUP,), -float("inf"), tl.float32)
    lanes = tl.zeros((CLASSES // GROUP,), tl.float32)
    spreads = tl.zeros((CLASSES,), tl.float32)
    for start in tl.range(0, n_classes, STEP, num_stages=STAGES):
        line = _line(logits_ptr, row, start, logits_row, n_classes, STEP, LIES)
        columns = start + tl.arange(0, CLASSES)
        mask = columns < _end(start, n_classes, STEP, LIES)
        x = _logits(line, columns, mask, soft_cap, CAPPED)
        grouped = tl.reshape(x, (CLASSES // GROUP, GROUP))
        new_maxima = tl.maximum(maxima, tl.max(grouped, axis=1))
        shift = tl.where(new_maxima == -float("inf"), 0.0, new_maxima)
        powers = exp2((grouped - shift[:, None]) * _LOG2_E)
        lanes = lanes * exp2((maxima - shift) * _LOG2_E) + tl.sum(powers, axis=1)
        maxima = new_maxima
        if SMOOTHED:
            spreads += _apart(x, base, weight_ptr, columns, mask)
    maximum = tl.max(maxima, axis=0)
    shift = tl.where(maximum == -float("inf"), 0.0, maximum)
    sums = tl.sum(lanes * exp2((maxima - shift) * _LOG2_E), axis=0)
    return shift, sums, tl.sum(spreads, axis=0)


@triton.jit
def _write_chunks(
    gradient_ptr, logits_ptr, row, gradient_row, logits_row, n_classes, counts,
    target, along, total, share, dloss, lse, rest, weight_ptr, soft_cap,
    SMOOTHED: tl.constexpr, CAPPED: tl.constexpr, CLASSES: tl.constexpr,
    STEP: tl.constexpr, LIES: tl.constexpr,
):  # fmt: skip
    """A long row's gradient, from logits that are read again."""
    # Backwards: what was read last is surest to be in the cache.
    chunks = tl.cdiv(n_classes, STEP)
    for chunk in tl.range(0, chunks):
        start = (chunks - 1 - chunk) * STEP
        line = _line(logits_ptr, row, start, logits_row, n_classes, STEP, LIES)
        columns = start + tl.arange(0, CLASSES)
        mask = columns < _end(start, n_classes, STEP, LIES)
        x = tl.load(line + columns, mask=mask, other=0.0)
        x = _capped(tl.where(counts, x, 0.0), soft_cap, CAPPED)
        dx = _gradient_of(
            x, columns, target, along, total, share, dloss, 0.0, lse, rest, weight_ptr,
            mask, soft_cap, SMOOTHED, CAPPED,
        )  # fmt: skip
        line = _line(gradient_ptr, row, start, gradient_row, n_classes, STEP, LIES)
        tl.store(line + columns, dx, mask=mask)


@triton.jit
def losses_of_rows(
    logits_ptr, target_ptr, weight_ptr, weight_sum_ptr, loss_ptr, row_weight_ptr, lse_ptr,
    gradient_ptr, denominator_ptr, n_classes, logits_row, gradient_row, lse_apart,
    ignore_index, smoothing, z_loss, soft_cap,
    SMOOTHED: tl.constexpr, CAPPED: tl.constexpr, ONE_PASS: tl.constexpr,
    CLASSES: tl.constexpr, STAGES: tl.constexpr, GROUP: tl.constexpr,
    STEP: tl.constexpr, LIES: tl.constexpr,
):  # fmt: skip
    """Each row's loss, weight, log Σ exp (and its rest) and, where wanted, its gradient."""
    row = tl.program_id(0).to(tl.int64)
    target = tl.load(target_ptr + row)
    counts = target != ignore_index
    wrong = counts & ((target < 0) | (target >= n_classes))
    # Read before any gradient is written: it may lie in the same place.
    line = _line(logits_ptr, row, target, logits_row, n_classes, STEP, LIES)
    x_target = tl.load(line + target, mask=counts & (wrong == 0), other=0.0)
    x_target = _capped(x_target, soft_cap, CAPPED)

    if ONE_PASS:
        columns = tl.arange(0, CLASSES)
        mask = columns < n_classes
        x = _logits(line, columns, mask, soft_cap, CAPPED)
        shift, sums, spread = _sums_of_held(x, columns, mask, weight_ptr, SMOOTHED)
        base = shift
    else:
        base = tl.where(x_target == -float("inf"), 0.0, x_target)
        shift, sums, spread = _sums_of_chunks(
            logits_ptr, row, logits_row, weight_ptr, n_classes, base, soft_cap,
            SMOOTHED, CAPPED, CLASSES, STAGES, GROUP, STEP, LIES,
        )  # fmt: skip
    beyond, lse, rest = _log_sum_exp(shift, sums)

    along, total, share = _row_coefficients(
        target, weight_ptr, weight_sum_ptr, lse, n_classes, ignore_index, smoothing, z_loss,
        SMOOTHED,
    )  # fmt: skip
    loss = along * ((shift - x_target) + beyond)
    if SMOOTHED:
        weight_sum = n_classes * 1.0
        if weight_ptr is not None:
            weight_sum = tl.load(weight_sum_ptr)
        loss += share * (weight_sum * ((shift - base) + beyond) - spread)
    loss += tl.where(counts, lse * lse * z_loss, 0.0)
    loss = tl.where(counts, loss, 0.0)
    tl.store(loss_ptr + row, tl.where(wrong, float("nan"), loss))
    tl.store(lse_ptr + row, lse)
    tl.store(lse_ptr + lse_apart + row, rest)
    row_weight = tl.where(counts, 1.0, 0.0)
    if weight_ptr is not None:
        row_weight = tl.load(weight_ptr + target, mask=counts & (wrong == 0), other=0.0)
    tl.store(row_weight_ptr + row, row_weight.to(tl.float32))

    if gradient_ptr is not None:
        dloss = 1.0
        if denominator_ptr is not None:
            dloss = 1 / tl.load(denominator_ptr)
        dloss = tl.where(counts, dloss, 0.0)
        # A row that does not count may hold anything, NaN too.
        lse = tl.where(counts, lse, 0.0)
        if ONE_PASS:
            x = tl.where(counts, x, 0.0)
            dx = _gradient_of(
                x, columns, target, along, total, share, dloss, 0.0, lse, rest, weight_ptr,
                mask, soft_cap, SMOOTHED, CAPPED,
            )  # fmt: skip
            tl.store(gradient_ptr + row * gradient_row + columns, dx, mask=mask)
        else:
            _write_chunks(
                gradient_ptr, logits_ptr, row, gradient_row, logits_row, n_classes, counts,
                target, along, total, share, dloss, lse, rest, weight_ptr, soft_cap,
                SMOOTHED, CAPPED, CLASSES, STEP, LIES,
            )  # fmt: skip


@triton.jit
def sum_losses(
    loss_ptr, row_weight_ptr, total_ptr, denominator_ptr, n_rows, MEAN: tl.constexpr,
    ROWS: tl.constexpr, PARTS: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    """The sum of the losses, or their mean by weight; by each of PARTS programs, of its share."""
    after_the_kernel_before(EARLY)
    part = tl.program_id(0)
    losses = tl.zeros((ROWS,), tl.float32)
    weights = tl.zeros((ROWS,), tl.float32)
    for start in range(part * ROWS, n_rows, PARTS * ROWS):
        rows = start + tl.arange(0, ROWS)
        losses += tl.load(loss_ptr + rows, mask=rows < n_rows, other=0.0)
        weights += tl.load(row_weight_ptr + rows, mask=rows < n_rows, other=0.0)
    total = tl.sum(losses, axis=0)
    denominator = tl.sum(weights, axis=0)
    tl.store(denominator_ptr + part, denominator)
    if MEAN:
        total = total / denominator
    tl.store(total_ptr + part, total)


@triton.jit
def sum_weights(
    target_ptr, weight_ptr, denominator_ptr, n_rows, n_classes, ignore_index, ROWS: tl.constexpr
):
    """What a mean divides by, by one program."""
    weights = tl.zeros((ROWS,), tl.float32)
    for start in range(0, n_rows, ROWS):
        rows = start + tl.arange(0, ROWS)
        target = tl.load(target_ptr + rows, mask=rows < n_rows, other=ignore_index)
        counts = target != ignore_index
        if weight_ptr is not None:
            inside = counts & (target >= 0) & (target < n_classes)
            weights += tl.load(weight_ptr + target, mask=inside, other=0.0).to(tl.float32)
        else:
            weights += tl.where(counts, 1.0, 0.0)
    tl.store(denominator_ptr, tl.sum(weights, axis=0))


@triton.jit
def gradient_of_rows(
    dloss_ptr, dlse_ptr, logits_ptr, target_ptr, weight_ptr, weight_sum_ptr, lse_ptr,
    denominator_ptr, gradient_ptr, n_classes, dloss_row, dlse_row, logits_row, lse_apart,
    ignore_index, smoothing, z_loss, soft_cap,
    SMOOTHED: tl.constexpr, CAPPED: tl.constexpr, CLASSES: tl.constexpr,
):  # fmt: skip
    """The gradient, given log Σ exp; a program takes a chunk of a row."""
    chunks = tl.cdiv(n_classes, CLASSES)
    row = (tl.program_id(0) // chunks).to(tl.int64)
    columns = (tl.program_id(0) % chunks) * CLASSES + tl.arange(0, CLASSES)
    mask = columns < n_classes
    x = tl.load(logits_ptr + row * logits_row + columns, mask=mask, other=0.0)
    target = tl.load(target_ptr + row)
    lse = tl.load(lse_ptr + row)
    rest = tl.load(lse_ptr + lse_apart + row)
    if dlse_ptr is None:
        # A row that does not count may hold anything, NaN too.
        x = tl.where(target == ignore_index, 0.0, x)
        lse = tl.where(target == ignore_index, 0.0, lse)
    dloss = tl.load(dloss_ptr + row * dloss_row).to(tl.float32)
    if denominator_ptr is not None:
        dloss = dloss / tl.load(denominator_ptr)
    dloss = tl.where(target != ignore_index, dloss, 0.0)
    dlse = 0.0
    if dlse_ptr is not None:
        dlse = tl.load(dlse_ptr + row * dlse_row).to(tl.float32)
    along, total, share = _row_coefficients(
        target,
        weight_ptr,
        weight_sum_ptr,
        lse,
        n_classes,
        ignore_index,
        smoothing,
        z_loss,
        SMOOTHED,
    )
    x = _capped(x, soft_cap, CAPPED)
    dx = _gradient_of(
        x, columns, target, along, total, share, dloss, dlse, lse, rest, weight_ptr, mask,
        soft_cap, SMOOTHED, CAPPED,
    )  # fmt: skip
    tl.store(gradient_ptr + row * n_classes + columns, dx, mask=mask)
