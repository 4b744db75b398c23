"""The same elements: copies, other dtypes, and torch's functions that copy where others view."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..dtypes import Array, as_dtype
from ..errors import ArgumentTypeError
from ..op import Bad, Composite, Op, Sample, compose, op
from ..place import is_place
from ..registry import OPS
from ..samples import array
from ..tensor import Tensor, array_of, wrap
from . import diagonal, order, shape, split, strided  # noqa: F401 - what is copied below


class _Same(Op):
    linear = True

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Any tensor."""
        yield Sample((array((2, 3)),))
        yield Sample((array(()),))


class Clone(_Same, name="clone"):
    """A copy with memory of its own."""

    def forward(self, input: Array, memory_format: Any = None) -> Array:
        """Values."""
        return input.copy()

    def backward(self, g: Any) -> Any:
        """As it comes."""
        return g


class Contiguous(_Same, name="contiguous", spaces=("Tensor",)):
    """The tensor itself if its elements are in row-major order, else a copy in which they are."""

    def forward(self, input: Array, memory_format: Any = None) -> Array:
        """Values."""
        return np.ascontiguousarray(input) if input.ndim else input

    def backward(self, g: Any) -> Any:
        """As it comes."""
        return g


class Alias(_Same, name="alias", spaces=()):
    """The same memory as another node of the graph."""

    def forward(self, input: Array) -> Array:
        """Values."""
        return input[...]

    def backward(self, g: Any) -> Any:
        """As it comes."""
        return g


class To(Op, name="to", aliases=("type",), spaces=("Tensor",)):
    """Another dtype, by itself or that of another tensor; the gradient goes back in the old one.

    The tensor itself if it is of that dtype already, unless `copy` is asked for.

    A device, as in ``to(device, dtype)``, can only be the CPU. Complex to real keeps the real part.
    """

    linear = True

    def forward(
        self,
        input: Array,
        dtype: Any = None,
        second: Any = None,
        non_blocking: bool = False,
        copy: bool = False,
        memory_format: Any = None,
        device: Any = None,
    ) -> Array:
        """Values; the same memory if nothing changes."""
        self.source = input.dtype
        if isinstance(dtype, Tensor):
            dtype = dtype.dtype
        elif is_place(dtype):
            dtype = second if second.__class__ is not bool else None
        wanted = input.dtype if dtype is None else as_dtype(dtype)
        if input.dtype.kind == "c" and wanted.kind not in "cb":
            input = input.real
        return input.astype(wanted, copy=copy)

    def backward(self, g: Any, source: Any) -> Any:
        """The old dtype."""
        return op.to(g, source)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """To itself; other dtypes are tested apart."""
        yield Sample((array((2, 3)), np.float64))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """No dtype at all."""
        yield Bad((array((3,)), "colour"), {}, ArgumentTypeError, "expected a dtype")


class ZerosLike(Composite, name="zeros_like", spaces=()):
    """Zeros of the same shape and dtype, without a graph."""

    differentiable = False

    @staticmethod
    def forward(input: Any) -> Any:
        """An array for an array, a tensor for a tensor."""
        if isinstance(input, Tensor):
            return wrap(np.zeros(input.shape, input.dtype))
        return np.zeros_like(input)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Any tensor."""
        yield Sample((array((2, 3)),))


@compose(Sample((array((2, 3)), np.ones(2, np.float64))), spaces=("Tensor",))
def type_as(input: Any, other: Any) -> Any:
    """`input` in the dtype of `other`."""
    return op.to(input, other.dtype)


@compose(spaces=("Tensor",))
def cpu(input: Any, memory_format: Any = None) -> Any:
    """The tensor itself: it lives nowhere else."""
    return input


@compose()
def equal(input: Any, other: Any) -> bool:
    """Whether shapes and all elements are equal."""
    first, second = array_of(input), array_of(other)
    return first.shape == second.shape and bool((first == second).all())


@compose()
def allclose(
    input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether all elements satisfy ``|input - other| <= atol + rtol·|other|``."""
    return bool(np.allclose(array_of(input), array_of(other), rtol, atol, equal_nan))


def _copying(name: str, source: type[Op]) -> None:
    def forward(*args: Any) -> Any:
        made = source.call(*args)
        return tuple(map(op.clone, made)) if isinstance(made, tuple) else op.clone(made)

    forward.__doc__ = f"`{name}` with memory of its own."
    forward.__signature__ = source.signature  # type: ignore[attr-defined]
    compose(next(source.samples()), name=f"{name}_copy", spaces=("",))(forward)


for _name in (
    "alias",
    "as_strided",
    "diagonal",
    "expand",
    "permute",
    "split_with_sizes",
    "squeeze",
):
    _copying(_name, OPS[_name])
for _name in ("t", "transpose", "unbind", "unsqueeze", "view"):
    _copying(_name, OPS[_name])
_copying("unfold", OPS["unfold_dim"])
