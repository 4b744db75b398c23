"""softmax, log-softmax and logsumexp: shifted by the maximum, so that exp cannot overflow."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..dtypes import Array, as_dtype, get_default_dtype
from ..errors import ArgumentError, ArgumentTypeError, DimError
from ..op import Bad, Op, Sample, compose, op
from ..random import default_generator
from ..samples import array
from ..tensor import array_of
from .dims import Dims, add_reduce, all_dims, max_reduce, one_dim, restored

_EVERYWHERE = ("", "Tensor", "nn.functional", "special")


def _shifted(input: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """``input - max`` and the maximum, in float32 for float16; infinite maxima count as 0."""
    if input.dtype.kind not in "fc":
        input = input.astype(get_default_dtype())
    wide = input.astype(np.float32) if input.dtype == np.float16 else input
    largest = max_reduce(wide, axes, keepdims=True, initial=-np.inf if wide.size == 0 else None)
    largest = np.where(np.isinf(largest), 0, largest) if np.isinf(largest).any() else largest
    return wide - largest, largest


class _Softmax(Op):
    quiet = True

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Every dimension; large values; 0-d."""
        x = array((2, 3, 4))
        for dim in (0, 1, -1):
            yield Sample((x, dim))
        yield Sample((x * 300, 1))
        yield Sample((array(()), 0))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A dimension out of range, and none."""
        yield Bad((array((2, 3)), 2), {}, DimError, "but got 2")
        yield Bad((array((2, 3)),), {}, ArgumentTypeError, "missing argument 'dim'")


class Softmax(_Softmax, name="softmax", spaces=_EVERYWHERE):
    """``exp(x)/Σexp(x)`` along `dim`.

    The Jacobian diag(s) - s·sᵀ is symmetric: one rule, s·(t - Σ s·t), serves both directions.
    """

    def forward(self, input: Array, dim: int, dtype: Any = None) -> Array:
        """Values."""
        self.source = input.dtype
        if dtype is not None:
            input = input.astype(as_dtype(dtype), copy=False)
        axis = one_dim(dim, input.ndim)
        if not input.ndim:
            return np.ones_like(input)
        out, _ = _shifted(input, (axis,))
        np.exp(out, out=out)
        out /= add_reduce(out, axis, keepdims=True)
        return out.astype(input.dtype if input.dtype.kind == "f" else out.dtype, copy=False)

    def backward(self, g: Any, out: Any, dim: Any, source: Any) -> Any:
        """s·(g - Σ s·g)."""
        return _as(out * (g - op.sum(out * g, dim, True)), source)

    def jvp(self, t: Any, out: Any, dim: Any) -> Any:
        """The same map."""
        return self.backward(_as(t, out.dtype), out, dim, out.dtype)


def _as(value: Any, dtype: Any) -> Any:
    return value if value.dtype == dtype else op.to(value, dtype)


class LogSoftmax(_Softmax, name="log_softmax", spaces=_EVERYWHERE):
    """``x - log Σexp(x)`` along `dim`.  Rules: g - s·Σg backward, t - Σ s·t forward."""

    def forward(self, input: Array, dim: int, dtype: Any = None) -> Array:
        """Values."""
        self.source = input.dtype
        if dtype is not None:
            input = input.astype(as_dtype(dtype), copy=False)
        axis = one_dim(dim, input.ndim)
        if not input.ndim:
            return np.zeros_like(input)
        out, _ = _shifted(input, (axis,))
        out -= np.log(add_reduce(np.exp(out), axis, keepdims=True))
        return out.astype(input.dtype if input.dtype.kind == "f" else out.dtype, copy=False)

    def backward(self, g: Any, out: Any, dim: Any, source: Any) -> Any:
        """g - s·Σg."""
        return _as(g - op.exp(out) * op.sum(g, dim, True), source)

    def jvp(self, t: Any, out: Any, dim: Any) -> Any:
        """t - Σ s·t."""
        t = _as(t, out.dtype)
        return t - op.sum(op.exp(out) * t, dim, True)


class Logsumexp(Op, name="logsumexp", spaces=("", "Tensor", "special")):
    """``log Σexp(x)`` over `dim`; ∂out/∂x = exp(x - out)."""

    quiet = True

    def forward(self, input: Array, dim: Dims, keepdim: bool = False) -> Array:
        """Values."""
        self.axes = all_dims(dim, input.ndim)
        out, largest = _shifted(input, self.axes)
        result = np.log(add_reduce(np.exp(out), self.axes, keepdims=True)) + largest
        if not keepdim:
            result = np.squeeze(result, self.axes)
        return result.astype(input.dtype if input.dtype.kind == "f" else result.dtype, copy=False)

    def backward(self, g: Any, input: Any, axes: Any, out: Any) -> Any:
        """g times the softmax."""
        return restored(g, input.shape, axes) * _weights(input, axes, out)

    def jvp(self, t: Any, input: Any, axes: Any, out: Any) -> Any:
        """Softmax-weighted mean of the tangents."""
        return op.reshape(op.sum(_weights(input, axes, out) * t, axes), out.shape)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """One dimension and several; large values; 0-d."""
        x = array((2, 3, 4))
        yield Sample((x, 1))
        yield Sample((x, (0, 2), True))
        yield Sample((x * 300, -1))
        yield Sample((array(()), 0))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """A dimension out of range."""
        yield Bad((array((2, 3)), 2), {}, DimError, "but got 2")


def _weights(input: Any, axes: tuple[int, ...], out: Any) -> Any:
    out = restored(out, input.shape, axes)
    return op.exp(input - op.where(op.isinf(out), 0.0, out))


@compose(Sample((array((3, 4)), 1)), spaces=("nn.functional",))
def softmin(input: Any, dim: int, dtype: Any = None) -> Any:
    """``softmax(-input)`` along `dim`."""
    return op.softmax(-input, dim, dtype)


@compose(
    spaces=("nn.functional",),
    errors=(Bad((array((3,)), -1.0), {}, ArgumentError, "tau, got -1"),),
)
def gumbel_softmax(
    logits: Any, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Any:
    """A draw from the relaxed categorical distribution: softmax((logits + Gumbel noise)/tau).

    With `hard` the draw is one-hot and its gradient that of the soft one (straight through).
    Jang et al. 2017; Maddison et al. 2017.
    """
    if not tau > 0:
        raise ArgumentError(f"gumbel_softmax: expected a positive tau, got {tau}")
    shape = tuple(logits.shape)
    uniform = default_generator.uniform(math.prod(shape), np.dtype(np.float64))
    exponential = -np.log1p(-uniform).astype(logits.dtype).reshape(shape)
    soft = op.softmax((logits - np.log(exponential)) / tau, dim)
    if not hard:
        return soft
    values = array_of(soft)
    top = np.expand_dims(values.argmax(dim), dim)
    one = np.zeros_like(values)
    np.put_along_axis(one, top, 1, dim)
    return soft + (one - values)


@compose(spaces=("",))
def _softmax_backward_data(grad_output: Any, output: Any, dim: int, input_dtype: Any) -> Any:
    """The rule of softmax as a function of its own: ``s·(g - Σ s·g)``."""
    return output * (grad_output - op.sum(output * grad_output, dim, True))
