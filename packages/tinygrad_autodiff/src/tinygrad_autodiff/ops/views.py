"""Writing into a view: the root of the family with the written part put in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import recording
from ..dtypes import Array, real_dtype
from ..mode import mode
from ..op import Bad, Op, Sample, op
from ..samples import array
from ..tensor import Tensor
from ..views import Step
from .strided import numbered


def _view(value: Any, steps: tuple[Step, ...]) -> Any:
    for step in steps:
        value = step.repeat(value)
    return value


def _for_any_layout(root: Array, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Steps that find in a gradient, however it lies in memory, what `steps` find in `root`."""
    if any(step.call is op.as_strided for step in steps):
        return (Step(op.take, (_view(numbered(root), steps),), None),)
    return tuple(s._replace(call=op.reshape) if s.call is op.view else s for s in steps)


class PutView(Op, name="put_view", spaces=()):
    """A copy of `input` with `value` where the view made by `steps` looks: linear in both."""

    linear = True
    holomorphic = False  # a step may be the real or imaginary part

    def forward(self, input: Array, value: Array, steps: Any) -> Array:
        """Values; without a view of the copy (reshape of some layouts), by the places."""
        out = input.copy()
        part = _view(out, steps)
        if np.may_share_memory(part, out):
            part[...] = value
        else:
            places = _view(np.arange(out.size).reshape(out.shape), steps)
            out.reshape(-1)[places] = value
        return out

    def backward_input(self, g: Any, steps: Any) -> Any:
        """Zero where it was overwritten."""
        return op.put_view(g, np.zeros((), real_dtype(g.dtype)), steps)

    def backward_value(self, g: Any, steps: Any) -> Any:
        """The part that the view shows."""
        return op.clone(_view(g, steps))

    @classmethod
    def recorded(cls, root: Tensor, value: Tensor, steps: tuple[Step, ...]) -> Tensor:
        """The node of a write that has happened already: nothing is computed."""
        node: Any = cls()
        steps = _for_any_layout(root._data, steps)
        inputs, plain = (root, value), (root._data, value._data, steps)
        recording.record(node, inputs, plain, root._data)
        result: Tensor = recording.outputs_of(node, root._data)
        if mode.levels:
            recording.push_forward(cls, node, inputs, (root, value, steps), plain, result)
        return result

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        """A column of a transpose, a reshaped part, and everything."""
        column = (Step(op.transpose, (0, 1), None), Step(op.getitem, ((slice(1, 3), 0),), None))
        part = (Step(op.reshape, ((4, 3),), None), Step(op.split, (2, 0), 1))
        yield Sample((array((3, 4)), array((2,), seed=1), column))
        yield Sample((array((3, 4)), array((2, 3), seed=1), part))
        yield Sample((array((3,)), array((3,), seed=1), ()))

    @classmethod
    def error_inputs(cls) -> Iterator[Bad]:
        """None: it is called by writes that have been checked."""
        return iter(())
