"""Numbers along one axis of what registers hold, for the forward on Hopper.

Scores lie in registers as the tensor cores leave them: of 16 rows by 16 keys a thread has rows i
and i + 8, keys j, j + 1, j + 8 and j + 9. Reshaped, those steps become axes of their own; numbers
along an axis that one thread holds whole are constants to the compiler.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._gluon import gl, gluon


@gluon.constexpr_function
def _axis(layout, rank, axis):
    """The layout of one axis of a tensor."""
    for other in reversed(range(rank)):
        if other != axis:
            layout = gl.SliceLayout(other, layout)
    return layout


@gluon.jit
def along(size: gl.constexpr, axis: gl.constexpr, rank: gl.constexpr, layout: gl.constexpr):
    """0 to size - 1 along one axis of a layout, 1 the size of the others."""
    x = gl.arange(0, size, _axis(layout, rank, axis))
    for other in gl.static_range(rank):
        if other != axis:
            x = gl.expand_dims(x, other)
    return x
