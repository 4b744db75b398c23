"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from ...errors import ShapeError
from ...registry import op
from ...tensor import Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The elements of all parameters in one vector; differentiable."""
    vector: Tensor = op.cat([op.reshape(parameter, (-1,)) for parameter in parameters], 0)
    return vector


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Make the parts of `vec` the values of the parameters (the memory is shared).

    Raises:
        ShapeError: The vector has another number of elements than the parameters.
    """
    given = list(parameters)
    count = sum(parameter.numel() for parameter in given)
    if vec.shape != (count,):
        raise ShapeError(f"expected a vector of {count} elements, got shape {vec.shape}")
    place = 0
    for parameter in given:
        part = vec._data[place : place + parameter.numel()]
        parameter.data = part.reshape(parameter.shape)
        place += parameter.numel()
