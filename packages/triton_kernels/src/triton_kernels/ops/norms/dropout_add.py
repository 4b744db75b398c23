"""dropout_add_rms_norm and dropout_add_layer_norm: norm(residual + dropout(x)), and that sum.

The forward is one pass: x and residual are read, the sum and its norm written. The seed alone
decides which elements drop, word by word as in ``dropout``, so no mask is kept: the backward is the
norm's own, on the sum, and drops what the forward dropped from x's gradient (see
dropout_add_backward.py).
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from triton_kernels import _compat, autocast, definition, registry
from triton_kernels._compat import cdiv, dense_like, launch, next_power_of_2, tl, triton
from triton_kernels.backends import Backend, triton_refuses, wish
from triton_kernels.checks import FLOATS, check_seed, check_tensors
from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.kernel import Kernel
from triton_kernels.ops.foundations import dropout
from triton_kernels.ops.norms import (
    dropout_add_backward,
    drops,
    forward,
    reference,
    rows,
    samples,
)
from triton_kernels.ops.norms.drops import dropped
from triton_kernels.registry import Case, Cost, ErrorSample, Op, Sample

_Results = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

# --- reference ------------------------------------------------------------------------------------


def norm_reference(
    x: torch.Tensor, residual: torch.Tensor, weight: torch.Tensor | None,
    bias: torch.Tensor | None, p: float, seed: int, eps: float, offset: float, casting: str,
    centered: bool,
) -> _Results:  # fmt: skip
    """The norm of residual + dropout(x), that sum, rounded once, and its rows' statistics."""
    wide = torch.float64 if x.dtype is torch.float64 else torch.float32
    total = (residual.to(wide) + dropout.dropout_reference(x.to(wide), p, seed)).to(x.dtype)
    total = total.contiguous()
    options = (eps, offset, casting, centered)
    y, statistics = reference.norm(total, None, weight, bias, *options)
    return y, total, statistics


# --- portable -------------------------------------------------------------------------------------


def longest_row(on_gpu: bool) -> int:
    """The longest row held in registers; the interpreter has time for less."""
    return 16384 if on_gpu else 256


@triton.jit
def _dropout_add_norm(
    x_ptr, residual_ptr, weight_ptr, bias_ptr, y_ptr, sum_ptr, statistics_ptr,
    n_rows, n_columns, x_row, residual_row, eps, offset, seed, threshold, scale,
    CENTERED: tl.constexpr, ROUNDED: tl.constexpr, DROPPED: tl.constexpr, ALIGNED: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Whole rows; or, with no y to write, chunks of rows of which the sum alone is made."""
    first = tl.program_id(1) * COLUMNS
    columns = first + tl.arange(0, COLUMNS)[None, :]
    within = columns < n_columns
    lines = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    mask = (lines < n_rows) & within
    z = tl.load(residual_ptr + lines * residual_row + columns, mask=mask, other=0.0)
    z = z.to(tl.float32)
    if DROPPED != "all":
        x = tl.load(x_ptr + lines * x_row + columns, mask=mask, other=0.0).to(tl.float32)
        if DROPPED == "some":
            x = dropped(
                x, lines, first, n_columns, seed, threshold, scale, ROWS, COLUMNS, ALIGNED
            )  # fmt: skip
        z += x
    rounded = z.to(sum_ptr.dtype.element_ty)
    tl.store(sum_ptr + lines * n_columns + columns, rounded, mask=mask)
    if y_ptr is not None:
        z = rounded.to(tl.float32)
        mean = tl.zeros((ROWS, 1), tl.float32)
        if CENTERED:
            mean = tl.sum(z, axis=1, keep_dims=True) / n_columns
            tl.store(statistics_ptr + n_rows + lines, mean, mask=lines < n_rows)
        deviation = tl.where(within, z - mean, 0.0)
        squares = deviation * deviation
        if COLUMNS <= 128:  # else lanes fuse each its own square with their first exchange
            squares = tl.where(within, squares, 0.0)
        variance = tl.sum(squares, axis=1, keep_dims=True) / n_columns
        rstd = 1 / tl.sqrt(variance + eps)
        tl.store(statistics_ptr + lines, rstd, mask=lines < n_rows)
        y = deviation * rstd
        if ROUNDED:
            y = y.to(sum_ptr.dtype.element_ty).to(tl.float32)
        if weight_ptr is not None:
            weight = tl.load(weight_ptr + columns, mask=within, other=0.0).to(tl.float32)
            y *= weight + offset
        if bias_ptr is not None:
            y += tl.load(bias_ptr + columns, mask=within, other=0.0).to(tl.float32)
        tl.store(y_ptr + lines * n_columns + columns, y, mask=mask, cache_modifier=".cs")


def norm_portable(
    x: torch.Tensor, residual: torch.Tensor, weight: torch.Tensor | None,
    bias: torch.Tensor | None, p: float, seed: int, eps: float, offset: float, casting: str,
    centered: bool,
) -> _Results:  # fmt: skip
    """In one pass while a row fits; the sum first and then its norm beyond."""
    n_columns, n_rows = x.shape[-1], x.shape[:-1].numel()
    total = dense_like(x)
    options = (eps, offset, casting, centered)
    if not total.numel():
        empty, statistics = forward.norm(total, None, weight, bias, *options)
        return empty, total, statistics
    power = next_power_of_2(n_columns)
    longest = longest_row(_compat.device_of(x.device).capability > (0, 0))
    fits = power <= longest
    size = power if fits else min(4096, longest)
    lines = max(1, 1024 // size)
    y = torch.empty_like(total) if fits else None
    statistics = torch.empty((1 + centered, n_rows), dtype=torch.float32, device=x.device)
    left, right = forward.rows_of(x), forward.rows_of(residual)
    launch(
        _dropout_add_norm, (cdiv(n_rows, lines), cdiv(n_columns, size)),
        (
            left, right, None if weight is None else weight.contiguous(),
            None if bias is None else bias.contiguous(), y, total, statistics,
        ),
        (n_rows, n_columns, left.stride(0), right.stride(0)),
        (eps, offset, *drops.choice(p, seed)),
        CENTERED=centered, ROUNDED=casting == "llama",
        DROPPED="none" if p == 0 else "some" if p < 1 else "all",
        **drops.aligned(n_columns, size), ROWS=lines, COLUMNS=size,
        num_warps=max(4, min(32, lines * size // 512)),
    )  # fmt: skip
    if y is not None:
        return y, total, statistics
    beyond, statistics = forward.norm(total, None, weight, bias, *options)
    return beyond, total, statistics


# --- op -------------------------------------------------------------------------------------------


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: _Results) -> None:
    _, _, weight, bias, ctx.p, ctx.seed, *ctx.options, ctx.backend = inputs
    _, total, statistics = output
    ctx.mark_non_differentiable(statistics)
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(weight, bias, total, statistics)


def _fake(
    x: torch.Tensor, residual: torch.Tensor, weight: Any, bias: Any, p: float, seed: int,
    eps: float, offset: float, casting: str, centered: bool, backend: str,
) -> _Results:  # fmt: skip
    wide = torch.float64 if x.dtype is torch.float64 else torch.float32
    n_rows = x.shape[:-1].numel()
    statistics = x.new_empty((1 + centered, n_rows), dtype=wide)
    return x.new_empty(x.shape), x.new_empty(x.shape), statistics


def _kernel(op: str, gradient: Kernel, both: Kernel) -> Kernel:
    """The forward kernel; its backward is ``both``, or where nothing or everything was dropped
    ``gradient``, the norm's own."""

    def backward(
        ctx: Any, grad: torch.Tensor | None, grad_sum: torch.Tensor | None, _: Any
    ) -> tuple[Any, ...]:
        weight, bias, total, statistics = ctx.saved_tensors
        x_wanted, _, weight_wanted, bias_wanted, *_ = ctx.needs_input_grad
        backend = wish(ctx.backend)
        dx = dz = dweight = dbias = parameters = None
        if grad is None:  # only the sum was used
            dz = grad_sum
        elif definition.is_recorded():  # through the sum, which knows where it is from
            inputs = (total, None, weight, bias, *ctx.options)
            dz, _, dweight, dbias, *_ = definition.differentiate(reference.norm, inputs, (grad,))
            dz = dz if grad_sum is None or dz is None else dz + grad_sum
        else:
            inputs = (grad, grad_sum, total, weight, statistics, *ctx.options[1:])
            inputs = (*inputs, weight_wanted, bias_wanted)
            if x_wanted and 0 < ctx.p < 1:
                dx, dz, parameters = both.outputs(*inputs, ctx.p, ctx.seed, backend=backend)
            else:
                dz, parameters = gradient.outputs(*inputs, backend=backend)
            dweight = parameters[0] if weight_wanted else None
            dbias = parameters[-1] if bias_wanted else None
        if x_wanted and dx is None and dz is not None:
            dx = _DROPOUT(dz, ctx.p, ctx.seed, backend=backend) if ctx.p else dz
        return dx, dz, dweight, dbias, *[None] * 7

    return Kernel(
        op,
        op=op,
        inputs="Tensor x, Tensor residual, Tensor? weight, Tensor? bias, float p, SymInt seed, "
        "float eps, float offset, str casting, bool centered",
        outputs="(Tensor, Tensor, Tensor)",
        backends=(
            Backend("portable", f"{__name__}:norm_portable", triton_refuses),
            Backend("reference", f"{__name__}:norm_reference"),
        ),
        fake=_fake,
        setup_context=_setup_context,
        backward=backward,
    )


_DROPOUT = registry.get("dropout").kernel
_RMS_BACKWARD, _LAYER_BACKWARD = (
    registry.get(name).gradients[0] for name in ("rms_norm", "layer_norm")
)
_RMS_BOTH, _LAYER_BOTH = (
    dropout_add_backward.kernel(f"dropout_add_{norm}") for norm in ("rms_norm", "layer_norm")
)
_rms = _kernel("dropout_add_rms_norm", _RMS_BACKWARD, _RMS_BOTH)
_layer = _kernel("dropout_add_layer_norm", _LAYER_BACKWARD, _LAYER_BOTH)


def _checked(op: str, x: Any, residual: Any, p: float, seed: int, *options: Any) -> tuple[Any, ...]:
    x, residual = autocast.promoted(x, residual)
    check_tensors(op, x=x, residual=residual)
    checked = rows.checked(op, x, residual, *options)
    if isinstance(p, bool) or not isinstance(p, int | float):
        raise DtypeError(op, f"p of type {type(p).__name__}", "a number", "pass 0 to drop nothing")
    if not 0 <= p <= 1:
        raise ShapeError(op, f"p {p}", "0 <= p <= 1", "pass a probability")
    check_seed(op, seed)
    return *checked[:4], float(p), seed, *checked[4:]


def _checked_rms(
    x: torch.Tensor, residual: torch.Tensor, p: float, seed: int,
    weight: torch.Tensor | None = None, eps: float = 1e-6, offset: float = 0.0,
    casting: str = "float32",
) -> tuple[Any, ...]:  # fmt: skip
    op = "dropout_add_rms_norm"
    return _checked(op, x, residual, p, seed, weight, None, eps, offset, casting, False)


def _checked_layer(
    x: torch.Tensor, residual: torch.Tensor, p: float, seed: int,
    weight: torch.Tensor | None = None, bias: torch.Tensor | None = None, eps: float = 1e-5,
) -> tuple[Any, ...]:  # fmt: skip
    op = "dropout_add_layer_norm"
    return _checked(op, x, residual, p, seed, weight, bias, eps, 0.0, "float32", True)


def dropout_add_rms_norm(
    x: torch.Tensor,
    residual: torch.Tensor,
    p: float,
    seed: int,
    weight: torch.Tensor | None = None,
    eps: float = 1e-6,
    offset: float = 0.0,
    casting: str = "float32",
    *,
    backend: str | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """``rms_norm(residual + dropout(x, p, seed))`` and the sum itself, in one pass.

    Args:
        x: (..., n), any strides; float16, bfloat16, float32, or float64 (reference).
        residual: as x. The sum is rounded to their dtype before it is normalised.
        p: the probability to drop an element of x, as in ``dropout``; 0 where nothing is trained.
        seed: 0 <= seed < 2**63; pass another at every step and for every layer.
        weight: as in ``rms_norm``, like all that follow.
        eps: added to the mean square.
        offset: added to the weight.
        casting: ``float32`` or ``llama``.
        backend: one of ``explain("dropout_add_rms_norm", x, residual, p, seed).reasons``; None: the
            first that can.

    Returns:
        The norm and the sum, both contiguous, of x's shape and dtype. Every backend drops the same
        elements, forward and backward, and no mask is kept. Differentiable any number of times.

    Raises:
        ShapeError: the shapes differ, p is no probability, the seed is out of range, or as in
            ``rms_norm``.
        DtypeError, DeviceError, BackendError: as in ``rms_norm``.
    """
    inputs = _checked_rms(x, residual, p, seed, weight, eps, offset, casting)
    y, total, _ = _rms.outputs(*inputs, backend=backend)
    return y, total


def dropout_add_layer_norm(
    x: torch.Tensor,
    residual: torch.Tensor,
    p: float,
    seed: int,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    eps: float = 1e-5,
    *,
    backend: str | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """``layer_norm(residual + dropout(x, p, seed))`` and the sum itself, in one pass.

    Args:
        x: as in ``dropout_add_rms_norm``, like the next three.
        residual: as x.
        p: the probability to drop an element of x.
        seed: what decides which.
        weight: as in ``layer_norm``, like all that follow.
        bias: as weight.
        eps: added to the variance.
        backend: one of ``explain("dropout_add_layer_norm", x, residual, p, seed).reasons``; None:
            the first that can.

    Returns:
        As ``dropout_add_rms_norm``.

    Raises:
        ShapeError, DtypeError, DeviceError, BackendError: as ``dropout_add_rms_norm``.
    """
    inputs = _checked_layer(x, residual, p, seed, weight, bias, eps)
    y, total, _ = _layer.outputs(*inputs, backend=backend)
    return y, total


# --- samples --------------------------------------------------------------------------------------


def _torch_rms(
    x: torch.Tensor, residual: torch.Tensor, p: float, seed: int, *parameters: Any, **options: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    dropped = dropout.dropout_reference(x, p, seed)
    return samples.torch_add_rms_norm(dropped, residual, *parameters, **options)


def _torch_layer(
    x: torch.Tensor, residual: torch.Tensor, p: float, seed: int, *options: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    dropped = dropout.dropout_reference(x, p, seed)
    return samples.torch_add_layer_norm(dropped, residual, *options)


def _samples(parameters: int) -> Callable[[torch.device, torch.dtype], Iterator[Sample]]:
    """With up to two parameters: of a multiple of four columns and not, long, strided, empty."""

    def found(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
        make = samples.maker(device, dtype)

        def call(name: str, x: torch.Tensor, p: float, r: Any = None) -> Sample:
            r = make(*x.shape) if r is None else r
            scales = (make(x.shape[-1]) for _ in range(parameters))
            return Sample(name, (x, r, p, 2**40 + 7, *scales))

        def plain(name: str, x: torch.Tensor, p: float, r: Any = None) -> Sample:
            r = make(*x.shape) if r is None else r
            return Sample(name, (x, r), {"p": p, "seed": 3})

        yield (call if parameters == 1 else plain)("2x3x64", make(2, 3, 64), 0.25)
        yield plain("5x7", make(5, 7), 0.5)
        yield plain("nothing dropped", make(2, 12), 0.0)
        yield plain("all dropped", make(2, 12), 1.0)
        yield plain("vector", make(50), 0.1)
        yield call("0x4", make(0, 4), 0.5)
        yield plain("transposed", make(9, 13).t(), 0.1, make(1, 9).expand(13, 9))
        long = longest_row(device.type == "cuda") * 2 + 13
        yield call("long", make(2, long), 0.5)
        if parameters == 1:
            options = {"eps": 1e-5, "offset": 1.0, "casting": "llama"}
            gemma = (make(3, 40), make(3, 40), 0.5, 0, make(40))
            yield Sample("1 + weight, rounded", gemma, options)

    return found


def _errors(device: torch.device) -> Iterator[ErrorSample]:
    x, w = torch.zeros(2, 4, device=device), torch.ones(4, device=device)
    yield ErrorSample(Sample("shapes", (x, x[:1], 0.5, 0, w)), ShapeError, "shape (1, 4)")
    yield ErrorSample(Sample("None", (x, None, 0.5, 0, w)), DtypeError, "type NoneType")
    yield ErrorSample(Sample("dtypes", (x, x.half(), 0.5, 0, w)), DtypeError, "of float16")
    yield ErrorSample(Sample("devices", (x, x.to("meta"), 0.5, 0)), DeviceError, "one device")
    yield ErrorSample(Sample("size", (x, x, 0.5, 0, w[:3])), ShapeError, "weight of shape (3,)")
    yield ErrorSample(Sample("p", (x, x, 1.5, 0)), ShapeError, "p 1.5")
    yield ErrorSample(Sample("p type", (x, x, None, 0)), DtypeError, "p of type NoneType")
    yield ErrorSample(Sample("seed", (x, x, 0.5, -1)), ShapeError, "seed -1")
    yield ErrorSample(Sample("seed type", (x, x, 0.5, 0.5)), DtypeError, "seed of type float")
    yield ErrorSample(Sample("eps", (x, x, 0.5, 0, w), {"eps": -1.0}), ShapeError, "eps -1.0")


def _cost(x: torch.Tensor, residual: torch.Tensor, *others: object) -> Cost:
    """Two read, two written; back, the sum and two gradients read, two gradients written."""
    return Cost(4 * x.nbytes, 5 * x.nbytes, 30 * x.numel(), 36 * x.numel())


def _case(columns: int, parameters: int) -> Case:
    n_rows = 2**26 // columns

    def make(device: torch.device) -> Sample:
        new = samples.maker(device, torch.bfloat16)
        scales = (new(columns) for _ in range(parameters))
        return Sample("", (new(n_rows, columns), new(n_rows, columns), 0.1, 7, *scales))

    return Case(f"{n_rows}x{columns} bfloat16", make)


def _op(
    function: Any, kernel: Kernel, gradients: tuple[Kernel, ...], checked: Any, theirs: Any,
    parameters: int, source: str,
) -> Op:  # fmt: skip
    name = function.__name__
    summary = f"residual + dropout(x), and its {name.removeprefix('dropout_add_')}"
    return Op(
        name=name, summary=summary, function=function, kernel=kernel,
        gradients=(*gradients, _DROPOUT), checked=checked, torch_function=theirs, dtypes=FLOATS,
        samples=_samples(parameters), errors=_errors, cost=_cost, bound="memory",
        cases=(_case(4096, parameters),),
        source=f"Srivastava et al. 2014, Dropout; {source}",
    )  # fmt: skip


OPS = (
    _op(
        dropout_add_rms_norm, _rms, (_RMS_BOTH, _RMS_BACKWARD), _checked_rms, _torch_rms, 1,
        "Zhang and Sennrich 2019, arXiv:1910.07467, equation 4",
    ),
    _op(
        dropout_add_layer_norm, _layer, (_LAYER_BOTH, _LAYER_BACKWARD), _checked_layer,
        _torch_layer, 2,
        "Ba, Kiros and Hinton 2016, arXiv:1607.06450, equation 4",
    ),
)  # fmt: skip
