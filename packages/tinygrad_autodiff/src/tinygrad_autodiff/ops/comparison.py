"""Comparisons, logic, rounding and tests of values: nothing here has a derivative but zero."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..errors import DtypeError, UnsupportedDtypeError
from ..op import Array, Bad, Elementwise, Sample, op
from ..samples import array


class _Comparison(Elementwise):
    differentiable, numbers = False, "other"


class Eq(_Comparison, name="eq", operator="eq"):
    """Whether ``input == other``."""

    forward = np.equal


class Ne(_Comparison, name="ne", aliases=("not_equal",), operator="ne"):
    """Whether ``input != other``."""

    forward = np.not_equal


class Lt(_Comparison, name="lt", aliases=("less",), operator="lt"):
    """Whether ``input < other``."""

    forward = np.less
    ordered = True


class Le(_Comparison, name="le", aliases=("less_equal",), operator="le"):
    """Whether ``input <= other``."""

    forward = np.less_equal
    ordered = True


class Gt(_Comparison, name="gt", aliases=("greater",), operator="gt"):
    """Whether ``input > other``."""

    forward = np.greater
    ordered = True


class Ge(_Comparison, name="ge", aliases=("greater_equal",), operator="ge"):
    """Whether ``input >= other``."""

    forward = np.greater_equal
    ordered = True


class LogicalAnd(_Comparison, name="logical_and"):
    """Whether both are non-zero."""

    numbers = "none"
    forward = np.logical_and


class LogicalOr(_Comparison, name="logical_or"):
    """Whether at least one is non-zero."""

    numbers = "none"
    forward = np.logical_or


class LogicalXor(_Comparison, name="logical_xor"):
    """Whether exactly one is non-zero."""

    numbers = "none"
    forward = np.logical_xor


class LogicalNot(_Comparison, name="logical_not"):
    """Whether the input is zero."""

    forward = np.logical_not


class Isnan(_Comparison, name="isnan"):
    """Whether the element is NaN."""

    forward = np.isnan


class Isinf(_Comparison, name="isinf"):
    """Whether the element is infinite."""

    forward = np.isinf


class Isfinite(_Comparison, name="isfinite"):
    """Whether the element is neither infinite nor NaN."""

    forward = np.isfinite


class _Bitwise(Elementwise):
    differentiable, numbers = False, "one"

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Truth values and integers."""
        flags, numbers = array((3, 4)) > 0, np.arange(12).reshape(3, 4)
        yield Sample((flags, ~flags[0])[: len(cls.inputs)])
        yield Sample((numbers, np.array(5))[: len(cls.inputs)])

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """Floating numbers have no bits to combine."""
        args = (array((3,)), array((3,)))[: len(cls.inputs)]
        yield Bad(args, {}, UnsupportedDtypeError, "not defined for float64")


class BitwiseAnd(_Bitwise, name="bitwise_and", operator="and"):
    """Bits that are set in both; of truth values, both."""

    forward = np.bitwise_and


class BitwiseOr(_Bitwise, name="bitwise_or", operator="or"):
    """Bits that are set in one or both; of truth values, at least one."""

    forward = np.bitwise_or


class BitwiseXor(_Bitwise, name="bitwise_xor", operator="xor"):
    """Bits that are set in exactly one; of truth values, exactly one."""

    forward = np.bitwise_xor


class BitwiseNot(_Bitwise, name="bitwise_not", operator="invert"):
    """All bits flipped; of truth values, the opposite."""

    forward = np.invert


class _Step(Elementwise):
    """Constant between its jumps: the derivative is zero, and zero at the jumps too."""

    partials = (lambda t: op.zeros_like(t),)


class Sign(_Step, name="sign"):
    """-1, 0 or 1; 0 of NaN, as in torch."""

    @staticmethod
    def forward(input: Array) -> Array:
        """Values."""
        if input.dtype.kind == "b":
            return input.copy()
        if input.dtype.kind == "c":
            raise DtypeError("sign: not implemented for complex numbers; see sgn")
        return np.subtract(np.greater(input, 0), np.less(input, 0), dtype=input.dtype)


class Floor(_Step, name="floor"):
    """``⌊input⌋``; slope 0."""

    forward = np.floor


class Ceil(_Step, name="ceil"):
    """``⌈input⌉``; slope 0."""

    forward = np.ceil


class Round(_Step, name="round", spaces=("", "Tensor", "special")):
    """The nearest multiple of 10^-decimals, of two equally near the even one."""

    @staticmethod
    def forward(input: Array, decimals: int = 0) -> Array:
        """Values."""
        return np.round(input, decimals)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Also to tenths."""
        yield from super().samples()
        yield Sample((array((3, 4)),), {"decimals": 1})


class Isposinf(_Comparison, name="isposinf"):
    """Whether the element is +Inf."""

    @staticmethod
    def forward(input: Array) -> Array:
        """Values."""
        return np.isposinf(input)


class Isneginf(_Comparison, name="isneginf"):
    """Whether the element is -Inf."""

    @staticmethod
    def forward(input: Array) -> Array:
        """Values."""
        return np.isneginf(input)


class _Shift(_Bitwise):
    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """Integers."""
        yield Sample((np.arange(12).reshape(3, 4) - 4, np.array(2)))


class BitwiseLeftShift(_Shift, name="bitwise_left_shift", operator="lshift"):
    """``input·2^other`` of integers."""

    forward = np.left_shift


class BitwiseRightShift(_Shift, name="bitwise_right_shift", operator="rshift"):
    """``input/2^other`` of integers, rounded down."""

    forward = np.right_shift
