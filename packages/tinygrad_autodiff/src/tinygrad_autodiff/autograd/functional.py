"""Jacobians, Hessians and their products, as in `torch.autograd.functional`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ArgumentError, GraphError
from ..mode import mode, set_grad_enabled
from ..tensor import Tensor, edge_of, wrap

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Function = Callable[..., Any]


def _tuple(value: Any) -> tuple[Any, ...]:
    return (value,) if isinstance(value, Tensor) else tuple(value)


def _like(given: Any, values: Any) -> Any:
    """`values` as a tuple if `given` is one, else the only one."""
    return tuple(values) if isinstance(given, (tuple, list)) else values[0]


def _strictly(func: Function, inputs: tuple[Any, ...]) -> None:
    """Raise if an output does not depend on an input."""
    from . import grad

    fresh = [wrap(value._data).requires_grad_() for value in inputs]
    for number, out in enumerate(_tuple(func(*fresh))):
        if edge_of(out) is None:
            raise GraphError(f"output {number} does not depend on the inputs (strict=True)")
        for i, found in enumerate(grad(out.sum(), fresh, retain_graph=True, allow_unused=True)):
            if found is None:
                raise GraphError(f"output {number} does not depend on input {i} (strict=True)")


def jacobian(
    func: Function,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian of `func` at `inputs`: a tensor, or tuples of them over outputs and inputs.

    Args:
        func: From tensors to a tensor or a tuple of tensors.
        inputs: A tensor or a tuple of tensors.
        create_graph: Let the result be differentiated.
        strict: Whether an output that does not depend on an input is an error (else it is 0).
        vectorize: Taken for the sake of torch's signature; rows are always computed at once.
        strategy: "reverse-mode" or "forward-mode".
    """
    from ..func import jacfwd, jacrev

    if strategy not in ("reverse-mode", "forward-mode"):
        raise ArgumentError(f"jacobian: strategy is reverse-mode or forward-mode, not {strategy!r}")
    points = _tuple(inputs)
    if strict:
        _strictly(func, points)
    transform = jacrev if strategy == "reverse-mode" else jacfwd
    with set_grad_enabled(create_graph and mode.grad):
        found = transform(func, tuple(range(len(points))))(*points)
    if isinstance(inputs, Tensor):
        several = bool(found) and isinstance(found[0], tuple)
        return type(found)(row[0] for row in found) if several else found[0]
    return found


def hessian(
    func: Function,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """Second derivatives of `func`, whose result is one number, at `inputs`."""
    points = _tuple(inputs)

    def first(*values: Any) -> Any:
        return jacobian(func, values, create_graph=True, strict=strict)

    found = jacobian(first, points, create_graph, False, vectorize, outer_jacobian_strategy)
    return found[0][0] if isinstance(inputs, Tensor) else found


def vjp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Value of `func`, and `v` (default 1, for a number) times its Jacobian."""
    from ..func import vjp as pull_back

    points = _tuple(inputs)
    if strict:
        _strictly(func, points)
    with set_grad_enabled(create_graph and mode.grad):
        value, pull = pull_back(func, *points)
        found = pull(_direction("vjp", value) if v is None else v)
    return value, _like(inputs, _tuple(found))


def _direction(name: str, value: Any) -> Any:
    if not isinstance(value, Tensor) or value.numel() != 1:
        raise ArgumentError(f"{name}: v may be left out only where there is one number")
    return wrap(np.ones(value.shape, value.dtype))


def jvp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Value of `func`, and its Jacobian times `v`, by forward mode."""
    from ..func import jvp as push_forward

    points = _tuple(inputs)
    if strict:
        _strictly(func, points)
    directions = (_direction("jvp", inputs),) if v is None else _tuple(v)
    with set_grad_enabled(create_graph and mode.grad):
        value, tangent = push_forward(func, points, directions)
    return value, tangent


def vhp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Value of `func`, and `v` times its Hessian: reverse mode over reverse mode."""
    from ..func import grad_and_value
    from ..func import vjp as pull_back

    points = _tuple(inputs)
    if strict:
        _strictly(func, points)
    directions = (_direction("vhp", inputs),) if v is None else _tuple(v)
    both = grad_and_value(func, tuple(range(len(points))))
    with set_grad_enabled(create_graph and mode.grad):
        _, pull, value = pull_back(both, *points, has_aux=True)
        found = pull(directions)
    return value, _like(inputs, _tuple(found))


def hvp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Value of `func`, and its Hessian times `v`: forward mode over reverse mode."""
    from ..func import grad_and_value
    from ..func import jvp as push_forward

    points = _tuple(inputs)
    if strict:
        _strictly(func, points)
    directions = (_direction("hvp", inputs),) if v is None else _tuple(v)
    both = grad_and_value(func, tuple(range(len(points))))
    with set_grad_enabled(create_graph and mode.grad):
        _, found, value = push_forward(both, points, directions, has_aux=True)
    return value, _like(inputs, found)
