"""lora_linear: validation, autograd, custom ops, choice of backend.

y = x·Wᵀ + s·(x·aᵀ)·bᵀ + bias, W dense or NF4 (Hu et al. 2022; Dettmers et al. 2023, QLoRA). The
gradients: see passes.py. Of what the forward makes, only h = s·x·aᵀ, of few columns, is kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from triton_kernels import _compat, autocast, definition
from triton_kernels.backends import Backend, gluon_refuses, triton_refuses, wish
from triton_kernels.checks import FLOATS, check_seed, check_tensors, shapes_in_words
from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.kernel import Kernel
from triton_kernels.ops.gemm.layout import ALIGNMENT
from triton_kernels.ops.lora import reference, samples
from triton_kernels.ops.quantised.codes import BLOCK
from triton_kernels.registry import Op

_ROOM = "triton_kernels.ops.lora"
_NAME = "lora_linear"
Weight = samples.Weight


def _check_codes(codes: torch.Tensor, scale: torch.Tensor, x: torch.Tensor) -> int:
    check_tensors(_NAME, dtypes=(torch.uint8,), codes=codes)
    check_tensors(_NAME, dtypes=(torch.float32,), scale=scale)
    n, k = codes.shape[0] if codes.dim() else 0, x.shape[-1]
    if codes.dim() != 2 or 2 * codes.shape[1] != k or tuple(scale.shape) != (n, k // BLOCK):
        raise ShapeError(
            _NAME, shapes_in_words(x=x, codes=codes, scale=scale),
            f"x of (..., k), codes of (n, k / 2), scale of (n, k / {BLOCK})",
            "quantise the weight with quantise_nf4",
        )  # fmt: skip
    if not codes.device == scale.device == x.device:
        raise DeviceError(
            _NAME, f"x on {x.device}, codes on {codes.device}, scale on {scale.device}",
            "one device", "move them",
        )  # fmt: skip
    return n


def check_options(op: str, scaling: float, p: float) -> None:
    """A finite number and a probability."""
    _check_number(op, "scaling", scaling, "a finite number", lambda s: abs(s) < math.inf)
    _check_number(op, "p", p, "0 <= p <= 1", lambda p: 0 <= p <= 1)


def _check_number(
    op: str, name: str, value: float, expected: str, fits: Callable[[float], bool]
) -> None:  # fmt: skip
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DtypeError(op, f"{name} of type {type(value).__name__}", "a number", "pass one")
    if not fits(value):
        raise ShapeError(op, f"{name} {value}", expected, "choose another")


def _checked(
    x: torch.Tensor, weight: Weight, a: torch.Tensor, b: torch.Tensor, scaling: float = 1.0,
    bias: torch.Tensor | None = None, p: float = 0.0, seed: int = 0,
) -> tuple[Any, ...]:  # fmt: skip
    x, a, b, bias = autocast.lowered(x, a, b, bias)
    if isinstance(weight, torch.Tensor):
        _, weight = autocast.lowered(x, weight)
    given = {} if bias is None else {"bias": bias}
    check_tensors(_NAME, FLOATS, x=x, a=a, b=b, **given)
    if x.dim() == 0:
        raise ShapeError(_NAME, shapes_in_words(x=x), "one dimension or more", "unsqueeze it")
    dense, codes, scale = None, None, None
    if isinstance(weight, tuple) and len(weight) == 2:
        codes, scale = weight
        n = _check_codes(codes, scale, x)
    else:
        dense = weight
        check_tensors(_NAME, x=x, weight=dense)
        if dense.dim() != 2 or dense.shape[1] != x.shape[-1]:
            raise ShapeError(
                _NAME, shapes_in_words(x=x, weight=dense), "x of (..., k) and weight of (n, k)",
                "transpose a weight of (k, n)",
            )  # fmt: skip
        n = dense.shape[0]
    if a.dim() != 2 or a.shape[1] != x.shape[-1] or tuple(b.shape) != (n, a.shape[0]):
        raise ShapeError(
            _NAME, shapes_in_words(x=x, a=a, b=b), f"a of (rank, {x.shape[-1]}), b of ({n}, rank)",
            "a comes first, as in lora_A and lora_B",
        )  # fmt: skip
    if bias is not None and tuple(bias.shape) != (n,):
        raise ShapeError(_NAME, shapes_in_words(bias=bias), f"bias of ({n},)", "pass one a row")
    check_options(_NAME, scaling, p)
    check_seed(_NAME, seed)
    return x, dense, codes, scale, a, b, bias, float(scaling), float(p), seed


def _hopper_refuses(
    x: torch.Tensor, weight: torch.Tensor | None, codes: torch.Tensor | None,
    scale: torch.Tensor | None, a: torch.Tensor, b: torch.Tensor, *others: Any,
) -> str | None:  # fmt: skip
    """Why the Gluon kernel cannot take these, or None; what is strided is copied for it."""
    if reason := gluon_refuses(x):
        return reason
    if x.dtype not in (torch.float16, torch.bfloat16):
        return "it multiplies float16 and bfloat16 only"
    (r, k), n = a.shape, b.shape[0]
    if not x.numel() * r * n:
        return "an empty matrix has no descriptor"
    if any(size % 8 for size in (r, k, n)):
        return f"rank {r}, columns {k} and rows {n} of the weight must be multiples of 8"
    for name, tensor in (("x", x), ("weight", weight), ("a", a), ("b", b)):
        if tensor is not None and tensor.is_contiguous() and not _compat.starts_aligned(tensor):
            return f"{name} does not begin at a multiple of {ALIGNMENT} bytes"
    return None


def _hopper_refuses_gradient(grad: torch.Tensor, *inputs: Any) -> str | None:
    if grad.is_cuda and grad.is_contiguous() and not _compat.starts_aligned(grad):
        return f"the gradient does not begin at a multiple of {ALIGNMENT} bytes"
    return _hopper_refuses(*inputs)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
    *tensors, ctx.scaling, ctx.p, ctx.seed, ctx.backend = inputs
    _, h = output
    ctx.mark_non_differentiable(h)
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*tensors, h)


def _backward(ctx: Any, grad: torch.Tensor | None, _: Any) -> tuple[Any, ...]:
    *tensors, h = ctx.saved_tensors
    options = (ctx.scaling, ctx.p, ctx.seed)
    if grad is None:
        return (None,) * 11
    if definition.is_recorded():
        inputs = (*tensors, *options)
        return (*definition.differentiate(reference.lora_linear, inputs, (grad,)), None)
    needs = ctx.needs_input_grad
    wanted = [needs[i] for i in (0, 1, 4, 5, 6)]
    found = _gradient.outputs(
        grad, *tensors[:6], h, *options, wanted, backend=wish(ctx.backend)
    )  # fmt: skip
    dx, dw, da, db, dbias = (d if w else None for d, w in zip(found, wanted, strict=True))
    return dx, dw, None, None, da, db, dbias, None, None, None, None


def _fake_gradient(
    grad: torch.Tensor, x: torch.Tensor, weight: Any, codes: Any, scale: Any, a: torch.Tensor,
    b: torch.Tensor, h: torch.Tensor, scaling: float, p: float, seed: int, wanted: list[bool],
    backend: str,
) -> tuple[torch.Tensor, ...]:  # fmt: skip
    n, k = b.shape[0], x.shape[-1]
    shapes = (x.shape, (n, k), a.shape, b.shape, (n,))
    return tuple(x.new_empty(s if w else 0) for s, w in zip(shapes, wanted, strict=True))


_TENSORS = "Tensor x, Tensor? weight, Tensor? codes, Tensor? scale, Tensor a, Tensor b"

_gradient = Kernel(
    f"{_NAME}_backward",
    op=_NAME,
    inputs=f"Tensor grad, {_TENSORS}, Tensor h, float scaling, float p, SymInt seed, bool[] wanted",
    outputs="(Tensor, Tensor, Tensor, Tensor, Tensor)",
    backends=(
        Backend(
            "hopper", f"{_ROOM}.hopper:lora_linear_backward", _hopper_refuses_gradient,
        ),
        Backend("portable", f"{_ROOM}.portable:lora_linear_backward", triton_refuses),
        Backend("reference", f"{_ROOM}.reference:lora_linear_backward"),
    ),
    fake=_fake_gradient,
)  # fmt: skip

_kernel = Kernel(
    _NAME,
    op=_NAME,
    inputs=f"{_TENSORS}, Tensor? bias, float scaling, float p, SymInt seed",
    outputs="(Tensor, Tensor)",
    backends=(
        Backend("hopper", f"{_ROOM}.hopper:lora_linear", _hopper_refuses),
        Backend("portable", f"{_ROOM}.portable:lora_linear", triton_refuses),
        Backend("reference", f"{_ROOM}.reference:lora_linear"),
    ),
    fake=lambda x, weight, codes, scale, a, b, *_: (
        x.new_empty((*x.shape[:-1], b.shape[0])),
        x.new_empty((math.prod(x.shape[:-1]), a.shape[0])),
    ),
    setup_context=_setup_context,
    backward=_backward,
)


def lora_linear(
    x: torch.Tensor,
    weight: Weight,
    a: torch.Tensor,
    b: torch.Tensor,
    scaling: float = 1.0,
    bias: torch.Tensor | None = None,
    p: float = 0.0,
    seed: int = 0,
    *,
    backend: str | None = None,
) -> torch.Tensor:
    """x·Wᵀ + scaling·(dropout(x)·aᵀ)·bᵀ + bias, the two products summed in float32 in one kernel.

    Args:
        x: (..., k), any strides; float16, bfloat16, float32, or float64 (reference).
        weight: W, (n, k), as torch.nn.Linear has it, of x's dtype, with a gradient if it requires
            one; or the pair that ``quantise_nf4`` gave for it: codes (n, k / 2) and scale (n, k /
            64), which have none.
        a: (rank, k), of x's dtype: lora_A.
        b: (n, rank): lora_B.
        scaling: of the low-rank part: alpha / rank, usually.
        bias: (n,), or None.
        p: the probability to drop an element of x on its way to ``a``, as in ``dropout``.
        seed: which elements drop; pass another at every step and for every layer.
        backend: one of ``explain("lora_linear", x, weight, a, b).reasons``; None: the first that
            can.

    Returns:
        (..., n), contiguous, of x's dtype. Differentiable any number of times in all but codes and
        scale. NF4 codes become a dense weight of x's dtype for the time of a call.

    Raises:
        ShapeError: sizes that do not fit, or numbers out of range.
        DtypeError: dtypes that do not fit.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    inputs = _checked(x, weight, a, b, scaling, bias, p, seed)
    return _kernel.outputs(*inputs, backend=backend)[0]


OPS = (
    Op(
        name=_NAME,
        summary="x·Wᵀ + s·(x·aᵀ)·bᵀ, W dense or NF4",
        function=lora_linear,
        kernel=_kernel,
        gradients=(_gradient,),
        checked=_checked,
        torch_function=samples.torch_lora_linear,
        dtypes=FLOATS,
        samples=samples.samples,
        errors=samples.errors,
        cost=samples.cost,
        bound="compute",
        cases=samples.CASES,
        source="Hu et al. 2022, LoRA, arXiv:2106.09685, equation 3; Dettmers et al. 2023, QLoRA, "
        "arXiv:2305.14314, equation 5",
        rounds_within=True,
    ),
)
