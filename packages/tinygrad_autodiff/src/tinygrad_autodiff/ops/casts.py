"""Casts named after their dtype, ``x.float()`` and so on; gradients come back in the old dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..op import Sample, compose, op
from ..samples import array


def _declare(name: str, dtype: Any) -> None:
    def cast(input: Any, memory_format: Any = None) -> Any:
        return op.to(input, dtype)

    cast.__doc__ = f"The elements as {dtype}; the layout is NumPy's choice."
    sample = array((2, 3)) if dtype == np.float64 else array((2, 3)).astype(np.float32)
    compose(Sample((sample,)), name=name, spaces=("Tensor",))(cast)


for _name, _dtype in {
    "bool": dtypes.bool_,
    "byte": dtypes.uint8,
    "char": dtypes.int8,
    "short": dtypes.int16,
    "int": dtypes.int32,
    "long": dtypes.int64,
    "half": dtypes.float16,
    "float": dtypes.float32,
    "double": dtypes.float64,
    "cfloat": dtypes.complex64,
    "cdouble": dtypes.complex128,
}.items():
    _declare(_name, _dtype)
