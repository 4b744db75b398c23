"""Padding as modules; the maths is in `nn.functional.pad`."""

from __future__ import annotations

from typing import Any, ClassVar

from ..ops.windows import per_dim
from ..registry import op
from .module import Module


class _Pad(Module):
    """(left, right) of the last dimension, then of the one before …; one number for all."""

    count: ClassVar[int]
    mode: ClassVar[str]

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = per_dim("padding", padding, 2 * self.count)

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return op.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        """Numbers of elements."""
        return str(self.padding)


class _ConstantPad(_Pad):
    mode = "constant"

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Any) -> Any:
        """Apply it."""
        return op.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        """Numbers of elements, and the value."""
        return f"padding={self.padding}, value={self.value}"


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """Numbers of elements."""
        return str(self.padding)


class _ReflectionPad(_Pad):
    mode = "reflect"


class _ReplicationPad(_Pad):
    mode = "replicate"


class _CircularPad(_Pad):
    mode = "circular"


class ConstantPad1d(_ConstantPad):
    """A constant around the last dimension."""

    count = 1


class ConstantPad2d(_ConstantPad):
    """A constant around the last two dimensions."""

    count = 2


class ConstantPad3d(_ConstantPad):
    """A constant around the last three dimensions."""

    count = 3


class ZeroPad1d(_ZeroPad):
    """Zeros around the last dimension."""

    count = 1


class ZeroPad2d(_ZeroPad):
    """Zeros around the last two dimensions."""

    count = 2


class ZeroPad3d(_ZeroPad):
    """Zeros around the last three dimensions."""

    count = 3


class ReflectionPad1d(_ReflectionPad):
    """The last dimension mirrored at its ends."""

    count = 1


class ReflectionPad2d(_ReflectionPad):
    """The last two dimensions mirrored at their ends."""

    count = 2


class ReflectionPad3d(_ReflectionPad):
    """The last three dimensions mirrored at their ends."""

    count = 3


class ReplicationPad1d(_ReplicationPad):
    """The ends of the last dimension repeated."""

    count = 1


class ReplicationPad2d(_ReplicationPad):
    """The ends of the last two dimensions repeated."""

    count = 2


class ReplicationPad3d(_ReplicationPad):
    """The ends of the last three dimensions repeated."""

    count = 3


class CircularPad1d(_CircularPad):
    """The last dimension continued periodically."""

    count = 1


class CircularPad2d(_CircularPad):
    """The last two dimensions continued periodically."""

    count = 2


class CircularPad3d(_CircularPad):
    """The last three dimensions continued periodically."""

    count = 3
