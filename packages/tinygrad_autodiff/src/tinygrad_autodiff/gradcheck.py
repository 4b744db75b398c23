"""Analytical derivatives against central finite differences, as in `torch.autograd`.

Every element of every input is moved by ±eps; the Jacobian so found is compared with the one that
reverse mode gives, one output element at a time, and, on request, with forward mode's. In fast mode
a few random directions take the place of the elements: a wrong Jacobian J gives a wrong vᵀJu for
almost every v and u. A complex number counts as its two parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from . import autograd
from .dtypes import Array
from .errors import ArgumentError, GradcheckError
from .forward_ad import jvp
from .registry import op
from .tensor import Tensor, wrap


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    check_forward_ad: bool = False,
    fast_mode: bool = False,
) -> bool:
    """Check the first derivatives of `func` at `inputs`.

    Args:
        func: From tensors to a tensor or a tuple of them.
        inputs: Arguments; float64 and complex128 tensors that require grad are checked.
        eps: Step of the central difference.
        atol: Absolute tolerance of |analytical - numerical|.
        rtol: Tolerance relative to |numerical|.
        raise_exception: Raise instead of returning False.
        check_forward_ad: Also check forward mode.
        fast_mode: Compare along random directions instead of element by element.

    Raises:
        GradcheckError: Names the output, the input, its element and both values.
        ArgumentError: No input requires grad, one is not of double precision, or no output is
            floating.
    """
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    checked = [i for i, v in enumerate(args) if isinstance(v, Tensor) and v.requires_grad]
    if not checked:
        raise ArgumentError("gradcheck: expected at least one input that requires grad")
    for i in checked:
        if args[i].dtype not in (np.float64, np.complex128):
            raise ArgumentError(
                f"gradcheck: input {i} is {args[i].dtype}; differences need float64"
            )
    if not _outputs(result := func(*_fresh(args))):
        raise ArgumentError(
            f"gradcheck: expected a floating tensor from func, got {_kinds(result)}"
        )
    if any(_is_complex(v) for v in (*args, *_outputs(result))):
        func, args = _in_pairs(func, args)
    try:
        for i in checked:
            rows = _directions(args[i].numel(), fast_mode)
            numerical = _numerical(func, args, i, rows, eps)
            columns = [_directions(jacobian.shape[1], fast_mode) for jacobian in numerical]
            along = _along(numerical, columns)
            _compare("reverse", i, _reverse(func, args, i, rows, columns), along, atol, rtol)
            if check_forward_ad:
                forward = _along(_forward(func, args, i, rows), columns)
                _compare("forward", i, forward, along, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Sequence[Tensor] | None = None,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    check_forward_ad: bool = False,
    fast_mode: bool = False,
) -> bool:
    """Check the second derivatives: `gradcheck` of the gradient itself.

    The gradient is taken for random `grad_outputs` (or the given ones), which are checked as
    inputs too. With `check_forward_ad` also forward mode over reverse mode.

    Raises:
        GradcheckError: As `gradcheck`, for the gradient.
        ArgumentError: As `gradcheck`, or no output of `func` requires grad.
    """
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    places = [i for i, v in enumerate(args) if isinstance(v, Tensor) and v.requires_grad]
    result = func(*args)
    outputs = [out for out in _outputs(result) if out.requires_grad]
    if not outputs:
        raise ArgumentError(
            "gradgradcheck: expected a floating tensor that requires grad from func, "
            f"got {_kinds(result)}"
        )
    random = np.random.default_rng(0)
    seeds = grad_outputs or [wrap(_direction(random, out)) for out in outputs]
    seeds = [wrap(seed._data).requires_grad_() for seed in seeds]

    def gradient(*values: Any) -> tuple[Tensor, ...]:
        given, weights = values[: len(args)], values[len(args) :]
        outs = [out for out in _outputs(func(*given)) if out.requires_grad]
        found = autograd.grad(
            outs,
            [given[i] for i in places],
            list(weights),
            create_graph=True,
            materialize_grads=True,
        )
        return tuple(found)

    return gradcheck(
        gradient, (*args, *seeds), eps, atol, rtol, raise_exception, check_forward_ad, fast_mode
    )


def _outputs(result: Any) -> list[Tensor]:
    several = result if isinstance(result, (tuple, list)) else (result,)
    return [out for out in several if isinstance(out, Tensor) and out.dtype.kind in "fc"]


def _direction(random: np.random.Generator, out: Tensor) -> Array:
    values = random.standard_normal(out.shape)
    return np.asarray(values * (1 - 0.7j) if _is_complex(out) else values)


def _is_complex(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype.kind == "c"


def _in_pairs(func: Callable[..., Any], args: Sequence[Any]) -> tuple[Callable[..., Any], Any]:
    """The same function with (…, 2) real numbers for every complex input and output."""
    paired = [_is_complex(v) for v in args]

    def function(*values: Any) -> tuple[Tensor, ...]:
        given = [op.view_as_complex(v) if p else v for v, p in zip(values, paired, strict=True)]
        outs = _outputs(func(*given))
        return tuple(op.view_as_real(out) if _is_complex(out) else out for out in outs)

    parts = [
        op.view_as_real(wrap(v._data)).requires_grad_(v.requires_grad) if p else v
        for v, p in zip(args, paired, strict=True)
    ]
    return function, parts


def _kinds(result: Any) -> str:
    several = result if isinstance(result, (tuple, list)) else (result,)
    kinds = [f"{o.dtype} tensor" if isinstance(o, Tensor) else type(o).__name__ for o in several]
    return ", ".join(kinds) or "an empty tuple"


def _fresh(args: Sequence[Any]) -> list[Any]:
    """Leaves with the same values, so that a check leaves the caller's tensors alone."""
    return [
        wrap(v._data.copy()).requires_grad_(v.requires_grad) if isinstance(v, Tensor) else v
        for v in args
    ]


def _directions(size: int, fast: bool) -> Array | None:
    """Two random rows of `size` numbers in fast mode, else None for every unit vector."""
    return np.random.default_rng(size).standard_normal((2, size)) if fast and size > 2 else None


def _along(jacobians: Sequence[Array], columns: Sequence[Array | None]) -> list[Array]:
    """Jacobians (rows, elements of an output) along the directions `columns` of the outputs."""
    pairs = zip(jacobians, columns, strict=True)
    return [jacobian if u is None else jacobian @ u.T for jacobian, u in pairs]


def _units(directions: Array | None, shape: tuple[int, ...]) -> Iterator[Array]:
    """Each direction in a tensor's shape."""
    size = int(np.prod(shape))
    for row in np.eye(size) if directions is None else directions:
        yield row.reshape(shape)


def _numerical(
    func: Callable[..., Any], args: Sequence[Any], i: int, rows: Array | None, eps: float
) -> list[Array]:
    """For each output, the Jacobian (directions of input `i`, elements of the output)."""
    values = _fresh(args)
    data = values[i]._data
    before = data.copy()
    slopes: list[list[Array]] = []
    for direction in _units(rows, data.shape):
        ends = []
        for step in (eps, -eps):
            data[...] = before + step * direction
            ends.append([out._data.copy() for out in _outputs(func(*values))])
        data[...] = before
        pairs = zip(*ends, strict=True)
        slopes.append([(high - low).reshape(-1) / (2 * eps) for high, low in pairs])
    return _stacked(slopes, _outputs(func(*values)))


def _stacked(rows: Sequence[Sequence[Array]], outputs: Sequence[Tensor]) -> list[Array]:
    return [
        np.array([row[j] for row in rows]).reshape(len(rows), out.numel())
        for j, out in enumerate(outputs)
    ]


def _reverse(
    func: Callable[..., Any],
    args: Sequence[Any],
    i: int,
    rows: Array | None,
    columns: Sequence[Array | None],
) -> list[Array]:
    values = _fresh(args)
    jacobians = []
    for out, directions in zip(_outputs(func(*values)), columns, strict=True):
        found = [
            _pulled(out, values[i], i, direction) for direction in _units(directions, out.shape)
        ]
        jacobian = np.array(found).reshape(len(found), values[i].numel()).T
        jacobians.append(jacobian if rows is None else rows @ jacobian)
    return jacobians


def _pulled(out: Tensor, value: Tensor, i: int, direction: Array) -> Array:
    if not out.requires_grad:
        return np.zeros(value.numel())
    (found,) = autograd.grad(out, value, wrap(direction), retain_graph=True, materialize_grads=True)
    if found.shape != value.shape or found.dtype != value.dtype:
        raise GradcheckError(
            f"gradient of input {i} has shape {found.shape} and dtype {found.dtype}, "
            f"the input {value.shape} and {value.dtype}"
        )
    flat: Array = found.detach().numpy().reshape(-1)
    return flat


def _forward(
    func: Callable[..., Any], args: Sequence[Any], i: int, rows: Array | None
) -> list[Array]:
    values = _fresh(args)
    pushed: list[list[Array]] = []
    for direction in _units(rows, values[i].shape):
        directions = [wrap(direction) if j == i else None for j in range(len(values))]
        _, tangents = jvp(lambda *given: tuple(_outputs(func(*given))), values, directions)
        pushed.append([tangent.detach().numpy().reshape(-1) for tangent in tangents])
    return _stacked(pushed, _outputs(func(*values)))


def _compare(
    direction: str, i: int, analytical: Any, numerical: Any, atol: float, rtol: float
) -> None:
    for j, (found, expected) in enumerate(zip(analytical, numerical, strict=True)):
        if not expected.size:
            continue
        apart = ~np.isclose(found, expected, rtol=rtol, atol=atol, equal_nan=True)
        if apart.any():
            element, output = np.argwhere(apart)[0]
            raise GradcheckError(
                f"{direction} mode, output {j} element {output}, input {i} element {element}: "
                f"analytical {found[element, output]:.9g}, "
                f"numerical {expected[element, output]:.9g} "
                f"({int(apart.sum())} of {apart.size} entries differ)"
            )
