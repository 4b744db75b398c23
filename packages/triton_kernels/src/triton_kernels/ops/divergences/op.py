"""kl_divergence and js_divergence: validation, autograd, custom ops, choice of backend.

Both are one kernel: the sum over a row's classes of the losses in reference.py. With g the
derivatives by log q there and q = softmax(x / T), the gradient of logits x is T·(g - q·Σ g), the
loss being multiplied by T² so that gradients keep their size (Hinton, Vinyals and Dean 2015,
arXiv:1503.02531, section 2).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from triton_kernels import autocast, definition
from triton_kernels.backends import Backend, triton_refuses, wish
from triton_kernels.checks import FLOATS, check_flag, check_tensors, shapes_in_words
from triton_kernels.errors import DtypeError, ShapeError
from triton_kernels.kernel import Kernel
from triton_kernels.ops.cross_entropy.checks import check_ignore_index, check_target
from triton_kernels.ops.divergences import reference, samples
from triton_kernels.registry import Op

_ROOM = "triton_kernels.ops.divergences"
REDUCTIONS = ("none", "batchmean", "mean", "sum")
_Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None, str, float, float, str, int]


def _number(op: str, name: str, value: float, fits: Callable[[], bool], expected: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DtypeError(op, f"{name} of type {type(value).__name__}", "a number", "pass one")
    if not fits():
        raise ShapeError(op, f"{name} {value}", expected, "choose another")
    return float(value)


def _checked_options(
    op: str, form: str, beta: float, reduction: str, temperature: float, ignore_index: int
) -> tuple[str, float, float, str, int]:
    if reduction not in REDUCTIONS:
        raise DtypeError(
            op, f"reduction {reduction!r}", f"one of {', '.join(REDUCTIONS)}", "name one"
        )
    beta = _number(op, "beta", beta, lambda: 0 <= beta <= 1, "0 <= beta <= 1")
    temperature = _number(
        op, "temperature", temperature, lambda: 0 < temperature < math.inf,
        "a finite number above 0",
    )  # fmt: skip
    if temperature != 1 and form != "logits":
        raise ShapeError(
            op, f"temperature {temperature} for logarithms of probabilities",
            "temperature 1, or logits", "pass logits and from_logits=True",
        )  # fmt: skip
    check_ignore_index(op, ignore_index)
    return form, beta, temperature, reduction, ignore_index


def checked_kl_options(
    op: str, reduction: str = "mean", log_target: bool = False, from_logits: bool = False,
    temperature: float = 1.0, ignore_index: int = -100,
) -> tuple[str, float, float, str, int]:  # fmt: skip
    """The options as the kernels take them: form, beta, temperature, reduction, ignore_index.

    Raises:
        ShapeError: a number out of range or out of place.
        DtypeError: an option of another type, or an unknown reduction.
    """
    check_flag(op, "log_target", log_target)
    check_flag(op, "from_logits", from_logits)
    form = "logits" if from_logits else "log_probabilities" if log_target else "probabilities"
    return _checked_options(op, form, 0.0, reduction, temperature, ignore_index)


def checked_js_options(
    op: str, beta: float = 0.5, reduction: str = "batchmean", from_logits: bool = False,
    temperature: float = 1.0, ignore_index: int = -100,
) -> tuple[str, float, float, str, int]:  # fmt: skip
    """As ``checked_kl_options``."""
    check_flag(op, "from_logits", from_logits)
    form = "logits" if from_logits else "log_probabilities"
    return _checked_options(op, form, beta, reduction, temperature, ignore_index)


def _check_rows(
    op: str, input: torch.Tensor, target: torch.Tensor, labels: torch.Tensor | None
) -> None:
    check_tensors(op, input=input, target=target)
    if input.dim() != 2 or input.shape != target.shape or not input.shape[1]:
        raise ShapeError(
            op, shapes_in_words(input=input, target=target),
            "both of (rows, classes), one class or more",
            "flatten them: input.flatten(0, -2), target.flatten(0, -2)",
        )  # fmt: skip
    if labels is not None:
        _check_labels(op, input, labels)


def _check_labels(op: str, input: torch.Tensor, labels: torch.Tensor) -> None:
    try:
        check_target(op, labels, input=input)
    except (ShapeError, DtypeError) as error:  # they are no targets here: say what they are for
        advice = "pass one label a row, or None if all rows count"
        given = error.given.replace("target", "labels")
        expected = error.expected.replace("target", "labels")
        raise type(error)(op, given, expected, advice) from None


def _checked_kl(
    input: torch.Tensor, target: torch.Tensor, reduction: str = "mean", log_target: bool = False,
    from_logits: bool = False, temperature: float = 1.0, labels: torch.Tensor | None = None,
    ignore_index: int = -100,
) -> _Inputs:  # fmt: skip
    op = "kl_divergence"
    input, target = autocast.promoted(input, target)
    _check_rows(op, input, target, labels)
    options = checked_kl_options(
        op, reduction, log_target, from_logits, temperature, ignore_index
    )  # fmt: skip
    return input, target, labels, *options


def _checked_js(
    input: torch.Tensor, target: torch.Tensor, beta: float = 0.5, reduction: str = "batchmean",
    from_logits: bool = False, temperature: float = 1.0, labels: torch.Tensor | None = None,
    ignore_index: int = -100,
) -> _Inputs:  # fmt: skip
    op = "js_divergence"
    input, target = autocast.promoted(input, target)
    _check_rows(op, input, target, labels)
    options = checked_js_options(op, beta, reduction, from_logits, temperature, ignore_index)
    return input, target, labels, *options


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
    input, target, labels, *ctx.options, ctx.backend = inputs
    _, statistics, divisor = output
    ctx.mark_non_differentiable(statistics, divisor)
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(input, target, labels, statistics, divisor)


def _fake(
    input: torch.Tensor, target: torch.Tensor, labels: torch.Tensor | None, form: str, beta: float,
    temperature: float, reduction: str, ignore_index: int, backend: str,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
    wide = torch.float64 if input.dtype is torch.float64 else torch.float32
    loss = input.new_empty(input.shape if reduction == "none" else (), dtype=wide)
    statistics = loss.new_empty((6 if form == "logits" else 0, input.shape[0]))
    return loss, statistics, loss.new_empty(())


_OPTIONS = "str form, float beta, float temperature, str reduction, int ignore_index"


def _kernels(op: str) -> tuple[Kernel, Kernel]:
    """The forward kernel of an op and that of its gradient."""

    def backward(ctx: Any, grad: torch.Tensor | None, *_: Any) -> tuple[Any, ...]:
        input, target, labels, statistics, divisor = ctx.saved_tensors
        nothing = (None,) * 7
        if grad is None:
            return (None, None, *nothing)
        if definition.is_recorded():
            inputs = (input, target, labels, *ctx.options)
            found = definition.differentiate(reference.divergence, inputs, (grad,))
            return (*found[:2], *nothing)
        wanted = tuple(ctx.needs_input_grad[:2])
        found = gradient.outputs(
            grad, input, target, labels, statistics, divisor, *ctx.options, *wanted,
            backend=wish(ctx.backend),
        )  # fmt: skip
        return (*(d if w else None for d, w in zip(found, wanted, strict=True)), *nothing)

    gradient = Kernel(
        f"{op}_backward",
        op=op,
        inputs="Tensor grad, Tensor input, Tensor target, Tensor? labels, Tensor statistics, "
        f"Tensor divisor, {_OPTIONS}, bool input_wanted, bool target_wanted",
        outputs="(Tensor, Tensor)",
        backends=(
            Backend("portable", f"{_ROOM}.portable:divergence_backward", triton_refuses),
            Backend("reference", f"{_ROOM}.reference:divergence_backward"),
        ),
        fake=lambda grad, input, *others: tuple(
            input.new_empty(input.shape if wanted else 0) for wanted in others[-3:-1]
        ),
    )
    forward = Kernel(
        op,
        op=op,
        inputs=f"Tensor input, Tensor target, Tensor? labels, {_OPTIONS}",
        outputs="(Tensor, Tensor, Tensor)",
        backends=(
            Backend("portable", f"{_ROOM}.portable:divergence", triton_refuses),
            Backend("reference", f"{_ROOM}.reference:divergence"),
        ),
        fake=_fake,
        setup_context=_setup_context,
        backward=backward,
    )
    return forward, gradient


_kl, _kl_backward = _kernels("kl_divergence")
_js, _js_backward = _kernels("js_divergence")


def kl_divergence(
    input: torch.Tensor,
    target: torch.Tensor,
    reduction: str = "mean",
    log_target: bool = False,
    from_logits: bool = False,
    temperature: float = 1.0,
    labels: torch.Tensor | None = None,
    ignore_index: int = -100,
    *,
    backend: str | None = None,
) -> torch.Tensor:
    """KL(target‖input), as torch's kl_div names it, or from the logits of student and teacher.

    Args:
        input: (rows, classes), log-probabilities, any strides; float16, bfloat16, float32, or
            float64 (reference).
        target: (rows, classes), of input's dtype: probabilities.
        reduction: ``mean`` over all elements, torch's default; ``batchmean`` over the rows, the
            divergence; ``sum``; ``none``, an element's losses.
        log_target: target holds log-probabilities too.
        from_logits: input and target are logits of student and teacher: the loss is that of their
            softmax over ``temperature``, times its square.
        temperature: of logits, above 0.
        labels: (rows,), int64 or int32: rows whose label is ``ignore_index`` do not count.
        ignore_index: that label.
        backend: one of ``explain("kl_divergence", input, target).reasons``; None: the first that
            can.

    Returns:
        A scalar, or (rows, classes) for ``none``; float32, or float64 for float64. A class whose
        target is 0 adds nothing, whatever the input. Differentiable any number of times, in both.

    Raises:
        ShapeError: sizes that do not fit, or a temperature out of place.
        DtypeError: dtypes that do not fit, or an unknown reduction.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    inputs = _checked_kl(
        input, target, reduction, log_target, from_logits, temperature, labels, ignore_index
    )
    return _kl.outputs(*inputs, backend=backend)[0]


def js_divergence(
    input: torch.Tensor,
    target: torch.Tensor,
    beta: float = 0.5,
    reduction: str = "batchmean",
    from_logits: bool = False,
    temperature: float = 1.0,
    labels: torch.Tensor | None = None,
    ignore_index: int = -100,
    *,
    backend: str | None = None,
) -> torch.Tensor:
    """Generalised Jensen–Shannon divergence of q (input) and p (target).

    beta·KL(p‖m) + (1 - beta)·KL(q‖m) with m = beta·p + (1 - beta)·q.

    Args:
        input: (rows, classes), log q, the student's, any strides; float16, bfloat16, float32, or
            float64 (reference).
        target: (rows, classes), log p, the teacher's, of input's dtype.
        beta: 0.5 is Jensen and Shannon's; 0 means KL(p‖q) and 1 means KL(q‖p), as in distillation
            on one's own samples.
        reduction: ``batchmean`` over the rows; ``mean`` over all elements; ``sum``; ``none``.
        from_logits: input and target are logits, as in ``kl_divergence``, like all that follow.
        temperature: of logits.
        labels: (rows,): rows whose label is ``ignore_index`` do not count.
        ignore_index: that label.
        backend: one of ``explain("js_divergence", input, target).reasons``; None: the first that
            can.

    Returns:
        As ``kl_divergence``.

    Raises:
        ShapeError: as ``kl_divergence``, or beta out of range.
        DtypeError, DeviceError, BackendError: as ``kl_divergence``.
    """
    inputs = _checked_js(
        input, target, beta, reduction, from_logits, temperature, labels, ignore_index
    )
    return _js.outputs(*inputs, backend=backend)[0]


OPS = (
    Op(
        name="kl_divergence",
        summary="KL of log-probabilities or of logits over a temperature",
        function=kl_divergence,
        kernel=_kl,
        gradients=(_kl_backward,),
        checked=_checked_kl,
        torch_function=samples.torch_kl_divergence,
        dtypes=FLOATS,
        samples=samples.kl_samples,
        errors=samples.errors(False),
        cost=samples.cost,
        bound="memory",
        cases=samples.KL_CASES,
        source="Kullback and Leibler 1951, equation 2.4; Hinton, Vinyals and Dean 2015, "
        "arXiv:1503.02531, section 2 (temperature)",
    ),
    Op(
        name="js_divergence",
        summary="generalised Jensen–Shannon divergence, forward KL to reverse KL",
        function=js_divergence,
        kernel=_js,
        gradients=(_js_backward,),
        checked=_checked_js,
        torch_function=samples.torch_js_divergence,
        dtypes=FLOATS,
        samples=samples.js_samples,
        errors=samples.errors(True),
        cost=samples.cost,
        bound="memory",
        cases=samples.JS_CASES,
        source="Agarwal et al. 2024, arXiv:2306.13649, equation 1",
    ),
)
