"""Forward mode: dual tensors, as in `torch.autograd.forward_ad`, but nestable.

Inside ``with dual_level():`` a tensor made by `make_dual` carries a tangent, and every operation
computes, beside its result, the tangent of its result by the op's forward-mode rule. The rule runs
on tensors, so tangents are part of the reverse graph (reverse over forward), and a backward pass
inside a level computes tangents of gradients (forward over reverse).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, NamedTuple

from .errors import ArgumentTypeError, GraphError, ShapeError
from .mode import mode
from .registry import op
from .tensor import Tensor, wrap
from .versions import next_sequence


class UnpackedDual(NamedTuple):
    """A primal tensor and its tangent, None if it has none at the level."""

    primal: Any
    tangent: Any


class dual_level:
    """Context in which dual tensors live; levels nest, and an inner one sees outer tangents."""

    def __enter__(self) -> int:
        self._level = next_sequence()
        mode.levels = (*mode.levels, self._level)
        return self._level

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        mode.levels = mode.levels[: mode.levels.index(self._level)]


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """`tensor` with `tangent` (same shape and dtype) at the innermost, or the given, level."""
    level = _level(level)
    if not isinstance(tensor, Tensor) or not isinstance(tangent, Tensor):
        raise ArgumentTypeError("make_dual: expected two tensors")
    if tensor.shape != tangent.shape or tensor.dtype != tangent.dtype:
        raise ShapeError(
            f"make_dual: the tangent has shape {tangent.shape} and dtype {tangent.dtype}, "
            f"the primal {tensor.shape} and {tensor.dtype}"
        )
    dual: Tensor = op.alias(tensor)
    dual._tangents = {**getattr(dual, "_tangents", {}), level: tangent}
    return dual


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDual:
    """The primal (without the tangent) and the tangent at the innermost, or the given, level."""
    level = _level(level)
    held = getattr(tensor, "_tangents", None) or {}
    primal = wrap(tensor._data, tensor._node)
    if tensor._node is None and tensor._requires_grad:
        levels, mode.levels = mode.levels, ()
        try:
            primal = op.alias(tensor)
        finally:
            mode.levels = levels
    rest = {key: value for key, value in held.items() if key != level}
    if rest:
        primal._tangents = rest
    return UnpackedDual(primal, held.get(level))


def _level(level: int | None) -> int:
    if not mode.levels:
        raise GraphError("there is no dual level; enter one: with dual_level(): …")
    if level is None:
        return mode.levels[-1]
    if level not in mode.levels:
        raise GraphError(f"dual level {level} is not active; active are {mode.levels}")
    return level


def jvp(function: Callable[..., Any], inputs: Tensor | Sequence[Tensor], v: Any) -> tuple[Any, Any]:
    """Value of `function` at `inputs`, and its derivative in the direction `v`.

    Args:
        function: From tensors to a tensor or a tuple of tensors.
        inputs: One tensor, or a sequence that is passed on as separate arguments.
        v: Direction: a tensor for each input, None for an input that is held fixed.

    Returns:
        (value, tangent), each of the structure that `function` returns. Nests with itself and
        with the reverse mode.
    """
    one = isinstance(inputs, Tensor)
    primals: tuple[Any, ...] = (inputs,) if one else tuple(inputs)
    directions = (v,) if one else tuple(v)
    with dual_level() as level:
        duals = [
            primal if direction is None else make_dual(primal, direction)
            for primal, direction in zip(primals, directions, strict=True)
        ]
        result = function(*duals)
        outputs = result if isinstance(result, tuple) else (result,)
        pairs = [unpack_dual(out, level=level) for out in outputs]
    values = tuple(pair.primal for pair in pairs)
    tangents = tuple(
        op.zeros_like(pair.primal) if pair.tangent is None else pair.tangent for pair in pairs
    )
    return (values, tangents) if isinstance(result, tuple) else (values[0], tangents[0])
