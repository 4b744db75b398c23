"""The Triton kernels of divergences, for any GPU and the interpreter. The maths: see reference.py.

One program a row adds up its losses, a chunk at a time; one program in all adds the rows. Logits
need log Σ exp of both rows first: a pass with running maxima (Milakov and Gimelshein 2018,
arXiv:1805.02867). A Kullback–Leibler divergence is carried along in it, since
KL(p‖q) = Σ p·(y - x) - log Σ exp y + log Σ exp x for logits y and x, both counted from their
maxima: they are read once. Between the two, m needs both sums: a second pass, which finds the row
in the cache. Given the rows' statistics the gradient is elementwise, unless each element has a loss
gradient of its own.

A row's maximum and its log Σ exp beyond that stay apart: added up far from 0, they would lose the
places by which probabilities differ.

What these kernels wait for is their own arithmetic. So chunks that a row fills have no mask,
numbers of 16 bits are widened by an instruction each, and factors of all terms wait for the sums.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels import _compat
from triton_kernels._compat import tl, triton
from triton_kernels.ops.special import exp, exp2, log2_exact, log2_near_1

_LOG2_E = tl.constexpr(1.4426950408889634)
_LN_2 = tl.constexpr(0.6931471805599453)
_INTERPRETED = tl.constexpr(_compat.interpreting())


@triton.jit
def _fma(x, y, z):
    """x·y + z, rounded once."""
    if _INTERPRETED:  # it rounds twice
        return (x.to(tl.float64) * y + z).to(tl.float32)
    else:
        return tl.fma(x, y, z)


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
        # they differ by. Beyond any float32 they are as far apart as that, and -inf is no NaN.
        difference = x - y
        apart = tl.minimum(tl.abs(difference), 20000.0)
        smaller = exp2(-apart)
        # Of weights 1/2 m is half their sum, and the halves wait until all are added up.
        if KIND == "half":
            log_mixed = log2_near_1(0.5 * smaller - 0.5)
            larger = 1.0
        else:
            larger = tl.where(difference > 0, 1 - beta, beta)
            smaller *= 1 - larger
            log_mixed = log2_exact(larger + smaller)
        scale = exp2(tl.maximum(x, y, propagate_nan=tl.PropagateNan.ALL))
        by_larger = scale * larger * log_mixed
        by_smaller = scale * smaller * (apart + log_mixed)
        by_x = tl.where(difference > 0, by_larger, by_smaller)
        by_y = tl.where(difference > 0, by_smaller, by_larger)
        return by_larger + by_smaller, by_x, by_y


@triton.jit
def _factor(KIND: tl.constexpr):
    """What the terms are to be multiplied by."""
    if KIND == "forward" or KIND == "reverse":
        return 1.0
    elif KIND == "half":
        return -0.5 * _LN_2
    else:
        return -_LN_2


@triton.jit
def _wide(x):
    """To float32: of bfloat16 by assembly, as the compiler takes three instructions for two."""
    if x.dtype == tl.bfloat16 and not _INTERPRETED:
        return tl.inline_asm_elementwise(
            "shl.b32 $0, $2, 16; and.b32 $1, $2, 0xffff0000;", "=r,=r,r", [x],
            dtype=tl.float32, is_pure=True, pack=2,
        )  # fmt: skip
    else:
        return x.to(tl.float32)


@triton.jit
def _load(ptr, columns, mask):
    """A chunk in float32; what lies outside has probability zero. No mask: nothing does."""
    if mask is None:
        return _wide(tl.load(ptr + columns))
    else:
        return _wide(tl.load(ptr + columns, mask=mask, other=-float("inf")))


@triton.jit
def _logarithms(ptr, columns, mask, maximum, beyond, scale):
    """A chunk's logarithms of probabilities, given the row's maximum and log Σ exp beyond it.

    Rounded once, also where nothing is beyond: a product that a difference follows would be rounded
    with that, and what is equal would differ.
    """
    return _fma(_load(ptr, columns, mask) - maximum, scale, 0.0 - beyond)


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
def _along(maxima, sums, ptr, columns, mask, power, GROUP: tl.constexpr):
    """The lanes' maxima, times ``power``, and Σ exp beyond them, with a chunk's."""
    x = tl.reshape(_load(ptr, columns, mask), (maxima.shape[0], GROUP))
    new_maxima = tl.maximum(maxima, tl.max(x, axis=1) * power)
    shift = _finite(new_maxima)
    powers = exp2(_fma(x, power, -shift[:, None]))
    return new_maxima, sums * exp2(maxima - shift) + tl.sum(powers, axis=1)


@triton.jit
def _of_all(maxima, sums, power):
    """A row's maximum, but for rounding, and the logarithm to base 2 of Σ exp beyond it."""
    shift = _finite(tl.max(maxima, axis=0))
    total = tl.sum(sums * exp2(maxima - shift), axis=0)
    maximum = shift / power
    return maximum, tl.log2(total) - _fma(maximum, power, -shift)


@triton.jit
def _together(maxima, sums, power):
    """Maximum and Σ exp beyond it of all lanes, how far each lane's is off, and its factor."""
    shift = _finite(tl.max(maxima, axis=0))
    factors = exp2((maxima - shift) * power)
    return shift, tl.sum(sums * factors, axis=0), _finite(maxima) - shift, factors


@triton.jit
def _lanes(COLUMNS: tl.constexpr, GROUP: tl.constexpr):
    """A maximum and a sum for every GROUP of neighbours, which one thread holds: no exchange
    between threads until the row is read."""
    maxima = tl.full((COLUMNS // GROUP,), -float("inf"), tl.float32)
    return maxima, tl.zeros((COLUMNS // GROUP,), tl.float32)


@triton.jit
def _sums_of_logits(
    x_ptr, y_ptr, n_columns, power, COLUMNS: tl.constexpr, GROUP: tl.constexpr
):  # fmt: skip
    """Each row's maximum and the logarithm of Σ exp beyond it, to base 2."""
    x_maxima, x_sums = _lanes(COLUMNS, GROUP)
    y_maxima, y_sums = _lanes(COLUMNS, GROUP)
    full = n_columns // COLUMNS * COLUMNS
    for start in tl.range(0, full, COLUMNS):
        columns = start + tl.arange(0, COLUMNS)
        x_maxima, x_sums = _along(x_maxima, x_sums, x_ptr, columns, None, power, GROUP)
        y_maxima, y_sums = _along(y_maxima, y_sums, y_ptr, columns, None, power, GROUP)
    for start in tl.range(full, n_columns, COLUMNS):
        columns = start + tl.arange(0, COLUMNS)
        mask = columns < n_columns
        x_maxima, x_sums = _along(x_maxima, x_sums, x_ptr, columns, mask, power, GROUP)
        y_maxima, y_sums = _along(y_maxima, y_sums, y_ptr, columns, mask, power, GROUP)
    x_maximum, x_beyond = _of_all(x_maxima, x_sums, power)
    y_maximum, y_beyond = _of_all(y_maxima, y_sums, power)
    return x_maximum, x_beyond, y_maximum, y_beyond


@triton.jit
def _divergence_of_logits(
    x_ptr, y_ptr, n_columns, scale, power,
    KIND: tl.constexpr, COLUMNS: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """The same to base e, and the Kullback–Leibler divergence, which the pass carries along."""
    x_maxima, x_sums = _lanes(COLUMNS, GROUP)
    y_maxima, y_sums = _lanes(COLUMNS, GROUP)
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
        else:
            weighted = (weighted + x_sums * (x_moved - y_moved)) * x_factor
            weighted += tl.sum(_product(q, x - y), axis=1)
        x_sums = x_sums * x_factor + tl.sum(q, axis=1)
        y_sums = y_sums * y_factor + tl.sum(p, axis=1)
    x_maximum, x_total, x_off, x_factors = _together(x_maxima, x_sums, power)
    y_maximum, y_total, y_off, y_factors = _together(y_maxima, y_sums, power)
    # y_beyond - x_beyond without what the two have in common, which would round more away.
    between = tl.log2(y_total / x_total) * _LN_2
    x_beyond, y_beyond = tl.log2(x_total), tl.log2(y_total)
    x_beyond *= _LN_2
    y_beyond *= _LN_2
    if KIND == "forward":
        weighted = (weighted + y_sums * (y_off - x_off)) * y_factors
        divergence = tl.sum(weighted, axis=0) / y_total * scale - between
    else:
        weighted = (weighted + x_sums * (x_off - y_off)) * x_factors
        divergence = tl.sum(weighted, axis=0) / x_total * scale + between
    return x_maximum, x_beyond, y_maximum, y_beyond, divergence


@triton.jit
def _more_terms(
    x_terms, y_terms, x_ptr, y_ptr, losses_ptr, at, columns, mask, x_maximum, x_beyond,
    y_maximum, y_beyond, scale, beta, temperature, counts,
    FORM: tl.constexpr, KIND: tl.constexpr,
):  # fmt: skip
    """A chunk's losses, which are stored where wanted, and the sums of the terms with its own."""
    x = _logarithms(x_ptr, columns, mask, x_maximum, x_beyond, scale)
    if FORM != "probabilities":
        y = _logarithms(y_ptr, columns, mask, y_maximum, y_beyond, scale)
    elif mask is None:
        y = tl.load(y_ptr + columns).to(tl.float32)
    else:
        y = tl.load(y_ptr + columns, mask=mask, other=0.0).to(tl.float32)
    loss, x_term, y_term = _terms(x, y, beta, FORM, KIND)
    if losses_ptr is not None:
        one = loss * _factor(KIND) * (temperature * temperature)
        one = tl.where(counts, one, 0.0)
        tl.store(losses_ptr + at + columns, one, mask=mask)
    return loss, x_terms + x_term, y_terms + y_term


@triton.jit
def losses_of_rows(
    x_ptr, y_ptr, labels_ptr, losses_ptr, row_loss_ptr, row_weight_ptr, statistics_ptr,
    n_rows, n_columns, x_row, y_row, ignore_index, beta, temperature, weight,
    FORM: tl.constexpr, KIND: tl.constexpr, COLUMNS: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """Each row's loss and weight, and of logits its statistics."""
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
        if KIND == "between" or KIND == "half":
            x_maximum, x_beyond, y_maximum, y_beyond = _sums_of_logits(
                x_ptr, y_ptr, n_columns, power, COLUMNS, GROUP
            )
            x_beyond *= _LN_2 * _LOG2_E
            y_beyond *= _LN_2 * _LOG2_E
        else:
            x_maximum, x_beyond, y_maximum, y_beyond, divergence = _divergence_of_logits(
                x_ptr, y_ptr, n_columns, scale, power, KIND, COLUMNS, GROUP
            )
        scale *= _unit(KIND)
        if KIND == "reverse":
            by_x, by_y = divergence + 1, -1.0
        elif KIND == "forward":
            by_x, by_y = -1.0, divergence + 1

    if FORM != "logits" or KIND == "between" or KIND == "half" or losses_ptr is not None:
        x_terms = tl.zeros((COLUMNS,), tl.float32)
        y_terms = tl.zeros((COLUMNS,), tl.float32)
        sums = tl.zeros((COLUMNS,), tl.float32)
        full = n_columns // COLUMNS * COLUMNS
        # Backwards: what was read last is surest to be in the cache.
        for start in tl.range(full, n_columns, COLUMNS):
            columns = start + tl.arange(0, COLUMNS)
            loss, x_terms, y_terms = _more_terms(
                x_terms, y_terms, x_ptr, y_ptr, losses_ptr, row * n_columns, columns,
                columns < n_columns, x_maximum, x_beyond, y_maximum, y_beyond, scale, beta,
                temperature, counts, FORM, KIND,
            )  # fmt: skip
            sums += loss
        for chunk in tl.range(0, full, COLUMNS):
            columns = full - COLUMNS - chunk + tl.arange(0, COLUMNS)
            loss, x_terms, y_terms = _more_terms(
                x_terms, y_terms, x_ptr, y_ptr, losses_ptr, row * n_columns, columns,
                None, x_maximum, x_beyond, y_maximum, y_beyond, scale, beta,
                temperature, counts, FORM, KIND,
            )  # fmt: skip
            sums += loss
        if FORM != "logits":
            divergence = tl.sum(sums, axis=0) * _factor(KIND)
        elif KIND == "between" or KIND == "half":
            by_x = tl.sum(x_terms, axis=0) * _factor(KIND)
            by_y = tl.sum(y_terms, axis=0) * _factor(KIND)
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
def terms_of_rows(
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
    tl.store(statistics_ptr + row, tl.sum(x_terms, axis=0) * _factor(KIND))
    tl.store(statistics_ptr + n_rows + row, tl.sum(y_terms, axis=0) * _factor(KIND))


@triton.jit
def _gradient(
    term, x, total, own, common, labels_ptr, row, ignore_index,
    FORM: tl.constexpr, KIND: tl.constexpr,
):  # fmt: skip
    """By one of the two inputs, given its term and logarithms; of logits its row's sum as well."""
    dx = term * (own * _factor(KIND))
    if FORM == "logits":
        dx -= _power(x, KIND) * total
    dx *= common
    if labels_ptr is not None:
        dx = tl.where(tl.load(labels_ptr + row) != ignore_index, dx, 0.0)
    return dx


@triton.jit
def gradient_of_rows(
    grad_ptr, x_ptr, y_ptr, labels_ptr, statistics_ptr, divisor_ptr, dx_ptr, dy_ptr,
    n_rows, n_columns, grad_row, grad_column, x_row, y_row, ignore_index, beta, temperature,
    FORM: tl.constexpr, KIND: tl.constexpr, ELEMENTWISE: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """The gradients, given the rows' statistics; a program takes a chunk of a row."""
    chunks = tl.cdiv(n_columns, COLUMNS)
    row = (tl.program_id(0) // chunks).to(tl.int64)
    columns = (tl.program_id(0) % chunks) * COLUMNS + tl.arange(0, COLUMNS)
    mask = columns < n_columns
    scale = _unit(KIND)
    x_maximum, y_maximum, x_beyond, y_beyond, x_total, y_total = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
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
        dx = _gradient(x_term, x, x_total, own, common, labels_ptr, row, ignore_index, FORM, KIND)
        tl.store(dx_ptr + at, dx, mask=mask)
    if dy_ptr is not None:
        dy = _gradient(y_term, y, y_total, own, common, labels_ptr, row, ignore_index, FORM, KIND)
        tl.store(dy_ptr + at, dy, mask=mask)
