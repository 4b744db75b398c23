"""Function transforms, as in `torch.func`: derivatives of functions as functions.

They nest in each other in any order, take and return nested tuples, lists and dicts of tensors,
and touch no `.grad`. A transform records its own pass only where an outer one, or a tensor that
requires grad, can ask for more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from . import tree
from .autograd import grad as autograd_grad
from .batching import logical, physical, vmap
from .errors import ArgumentError, ArgumentTypeError, GraphError, ShapeError
from .forward_ad import dual_level, make_dual, unpack_dual
from .func_run import Argnums, Run
from .mode import mode
from .registry import op
from .tensor import Tensor, wrap

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "stack_module_state",
    "value_and_grad",
    "vjp",
    "vmap",
]

# ---- reverse mode --------------------------------------------------------------------------------


def grad_and_value(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """As `grad`; the function made returns (gradient, value), or (gradient, (value, aux))."""

    def transformed(*args: Any, **kwargs: Any) -> Any:
        run = Run("grad", func, args, kwargs, argnums, has_aux)
        if not isinstance(run.result, Tensor) or run.result.ndim:
            shape = getattr(run.result, "shape", type(run.result).__name__)
            raise ShapeError(f"grad: expected a 0-d tensor from the function, got {shape}")
        seed = wrap(np.ones(run.outputs[0].shape, run.outputs[0].dtype))
        gradient = run.pull([seed], run.create)
        return gradient, (run.value(), run.extra()) if has_aux else run.value()

    return transformed


def value_and_grad(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """As `grad_and_value`, in the other order, as JAX has it."""
    both = grad_and_value(func, argnums, has_aux)
    return lambda *args, **kwargs: both(*args, **kwargs)[::-1]


def grad(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """The function that computes the gradient of `func`, whose result is one number.

    Args:
        func: From tensors to a 0-d tensor, or to (0-d tensor, aux).
        argnums: The argument, or the arguments, to differentiate by; a nested structure of
            tensors gives gradients in the same structure.
        has_aux: Whether `func` returns something else besides; the new function then returns
            (gradient, aux).
    """
    both = grad_and_value(func, argnums, has_aux)

    def transformed(*args: Any, **kwargs: Any) -> Any:
        gradient, value = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return transformed


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """Value of `func`, and the function that pulls a cotangent of it back to the primals.

    Returns:
        (value, pull) or (value, pull, aux); ``pull(cotangents)`` takes the structure of the value
        and returns a gradient for each primal (not in a tuple if there is one). It may be called
        again and again.
    """
    run = Run("vjp", func, primals, {}, tuple(range(len(primals))), has_aux)

    def pull(cotangents: Any) -> Any:
        seeds = tree.leaves(cotangents)
        if len(seeds) != len(run.outputs):
            raise GraphError(f"vjp: {len(run.outputs)} outputs, but {len(seeds)} cotangents")
        needed = run.create or any(seed.requires_grad for seed in seeds)
        if len(mode.batches) == run.depth:
            seeds = [physical(seed) for seed in seeds]
        found = run.pull(seeds, mode.grad and needed)
        return found[0] if len(primals) == 1 else found

    return (run.value(), pull, run.extra()) if has_aux else (run.value(), pull)


def jacrev(
    func: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """The function that computes the Jacobian of `func`, all rows at once in reverse mode.

    With `chunk_size` so many rows at once, which takes less memory.

    For each result of shape s and each argument of shape t, a tensor of shape s + t, in the
    structure of the results and, within, of the arguments.
    """

    def transformed(*args: Any, **kwargs: Any) -> Any:
        run = Run("jacrev", func, args, kwargs, argnums, has_aux)
        outs = tree.leaves(run.result)
        zeros = [wrap(np.zeros(out.shape, out.dtype)) for out in outs]

        def row(place: int, seed: Any) -> list[Any]:
            seeds = [seed if i == place else zero for i, zero in enumerate(zeros)]
            if len(mode.batches) == run.depth:
                seeds = [physical(seed) for seed in seeds]
            return tree.leaves(run.pull(seeds, run.create))

        found = []
        for i, out in enumerate(outs):
            shapes = [(*out.shape, *value.shape) for value in tree.leaves(run.wanted)]
            if not out.numel():
                parts = [wrap(np.zeros(shape, out.dtype)) for shape in shapes]
            else:
                rows = vmap(partial(row, i), chunk_size=chunk_size)(_basis(out))
                parts = [op.reshape(r, shape) for r, shape in zip(rows, shapes, strict=True)]
            found.append(tree.rebuild(run.wanted, parts))
        jacobian = _graft(run.result, found)
        return (jacobian, run.extra()) if has_aux else jacobian

    return transformed


def _basis(like: Any) -> Tensor:
    """One tensor after the other with a single 1, of the shape and dtype of `like`."""
    count = like.numel()
    return wrap(np.eye(count, dtype=like.dtype).reshape(count, *like.shape))


def _graft(structure: Any, subtrees: list[Any]) -> Any:
    source = iter(subtrees)
    return tree.mapped(lambda _: next(source), structure)


# ---- forward mode --------------------------------------------------------------------------------


def jvp(
    func: Callable[..., Any],
    primals: tuple[Any, ...],
    tangents: tuple[Any, ...],
    *,
    has_aux: bool = False,
) -> tuple[Any, ...]:
    """Value of `func`, and its derivative in the direction of `tangents`, by forward mode.

    Returns:
        (value, tangent) or (value, tangent, aux), in the structure that `func` returns.
    """
    if not isinstance(primals, tuple) or not isinstance(tangents, tuple):
        raise ArgumentTypeError("jvp: expected the primals and the tangents as tuples")
    points, directions = tree.leaves(primals), tree.leaves(tangents)
    if len(points) != len(directions):
        raise ArgumentError(f"jvp: {len(points)} primals, but {len(directions)} tangents")
    with dual_level() as level:
        duals = [
            logical(make_dual(physical(point), physical(direction)))
            for point, direction in zip(points, directions, strict=True)
        ]
        result = func(*tree.rebuild(primals, duals))
        result, aux = result if has_aux else (result, None)
        pairs = [unpack_dual(physical(out), level=level) for out in tree.leaves(result)]
        extra = tree.mapped(
            lambda v: unpack_dual(v, level=level).primal if isinstance(v, Tensor) else v, aux
        )
    values = [logical(pair.primal) for pair in pairs]
    pushed = [
        logical(op.zeros_like(pair.primal) if pair.tangent is None else pair.tangent)
        for pair in pairs
    ]
    found = (tree.rebuild(result, values), tree.rebuild(result, pushed))
    return (*found, extra) if has_aux else found


def jacfwd(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """As `jacrev`, all columns at once in forward mode: for more results than arguments."""

    def transformed(*args: Any, **kwargs: Any) -> Any:
        numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        numbers = tuple(number % len(args) for number in numbers)
        chosen = tuple(args[number] for number in numbers)
        points = tree.leaves(chosen)
        sizes = [point.numel() for point in points]
        if not sum(sizes):
            raise ShapeError("jacfwd: the arguments have no elements")
        values: list[Any] = []  # of the function, for their structure

        def of_chosen(*given: Any) -> Any:
            full = list(args)
            for number, value in zip(numbers, given, strict=True):
                full[number] = value
            return func(*full, **kwargs)

        def column(*directions: Any) -> list[Any]:
            along = tree.rebuild(chosen, list(directions))
            value, pushed, *_ = jvp(of_chosen, chosen, along, has_aux=has_aux)
            values[:] = [value]
            return tree.leaves(pushed)

        columns = vmap(column)(*_bases(points, sizes))
        ends = np.cumsum(sizes).tolist()
        found = []
        for pushed in columns:
            parts = [
                op.reshape(op.movedim(pushed[end - size : end], 0, -1), (*shape, *point.shape))
                for end, size, point in zip(ends, sizes, points, strict=True)
                for shape in [pushed.shape[1:]]
            ]
            tree_of_parts = tree.rebuild(chosen, parts)
            found.append(tree_of_parts[0] if isinstance(argnums, int) else tree_of_parts)
        jacobian = _graft(values[0], found)
        return (jacobian, func(*args, **kwargs)[1]) if has_aux else jacobian

    return transformed


def _bases(points: list[Any], sizes: list[int]) -> list[Tensor]:
    """For each point as many directions as all have elements: one of them 1 in one place."""
    starts, total = np.cumsum([0, *sizes]), sum(sizes)
    return [
        wrap(np.eye(total, size, -start, point.dtype).reshape(total, *point.shape))
        for point, size, start in zip(points, sizes, starts, strict=False)
    ]


def hessian(func: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """The function that computes second derivatives: forward mode over reverse mode."""
    return jacfwd(jacrev(func, argnums), argnums)


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """Value of `func`, and the linear function that pushes tangents of the primals forward.

    The pull-back is linear in its cotangent, so pulling tangents back through it pushes them
    forward through `func`: each call costs a backward pass, and `func` runs once.
    """
    run = Run("linearize", func, primals, {}, tuple(range(len(primals))), False)
    seeds = [op.zeros_like(out).requires_grad_() for out in run.outputs]
    gradients = tree.leaves(run.pull(seeds, True))

    def push(*tangents: Any) -> Any:
        given = [physical(value) for value in tree.leaves(tangents)]
        pairs = [(physical(g), t) for g, t in zip(gradients, given, strict=True) if g.requires_grad]
        if not pairs:
            return tree.rebuild(run.result, [op.zeros_like(out) for out in run.outputs])
        outs, directions = zip(*pairs, strict=True)
        found = autograd_grad(
            outs, seeds, directions, True, mode.grad and run.create, materialize_grads=True
        )
        return tree.rebuild(run.result, [logical(value) for value in found])

    return run.value(), push


# ---- modules -------------------------------------------------------------------------------------


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Mapping[str, Tensor] | Sequence[Mapping[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    strict: bool = False,
) -> Any:
    """``module(*args, **kwargs)`` with other tensors in the place of its parameters and buffers.

    Args:
        module: A module; it is left as it was.
        parameter_and_buffer_dicts: Tensors by dotted name, in one dict or in several.
        args: The arguments in a tuple, or the only one.
        kwargs: Keyword arguments.
        strict: Whether every parameter and buffer must be given.
    """
    dicts = parameter_and_buffer_dicts
    several = [dicts] if isinstance(dicts, Mapping) else list(dicts)
    values = {name: value for part in several for name, value in part.items()}
    with _replaced(module, values, strict):
        args = () if args is None else args if isinstance(args, tuple) else (args,)
        return module(*args, **(kwargs or {}))


@contextmanager
def _replaced(module: Any, values: Mapping[str, Tensor], strict: bool) -> Iterator[None]:
    owners = dict(module.named_modules())
    before: list[tuple[dict[str, Any], str, Any]] = []
    own = {name for name, _ in (*module.named_parameters(), *module.named_buffers())}
    if strict and own != set(values):
        raise ArgumentError(
            f"functional_call: missing {sorted(own - set(values))}, "
            f"unexpected {sorted(set(values) - own)}"
        )
    try:
        for name, value in values.items():
            path, _, last = name.rpartition(".")
            fields = vars(owners[path]) if path in owners else {"_parameters": {}, "_buffers": {}}
            place = next((p for k in ("_parameters", "_buffers") if last in (p := fields[k])), None)
            if place is None:
                raise ArgumentError(f"functional_call: the module has no {name!r}")
            before.append((place, last, place[last]))
            place[last] = value
        yield
    finally:
        for place, last, old in reversed(before):
            place[last] = old


def stack_module_state(models: Sequence[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters and buffers of equal models, each stacked along a new first dimension."""
    if not models:
        raise ArgumentError("stack_module_state: expected at least one model")

    def stacked(kind: str) -> dict[str, Any]:
        columns = [dict(getattr(model, kind)()) for model in models]
        return {
            name: op.stack([column[name].detach() for column in columns], 0) for name in columns[0]
        }

    parameters = {name: v.requires_grad_() for name, v in stacked("named_parameters").items()}
    return parameters, stacked("named_buffers")
