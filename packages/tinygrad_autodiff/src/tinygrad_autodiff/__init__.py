"""tinygrad_autodiff: a torch-shaped autograd library in NumPy alone.

>>> import tinygrad_autodiff as tg
>>> x = tg.tensor([1.0, 2.0], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad
tensor([2., 4.])
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import (
    autograd,
    errors,
    fft,
    forward_ad,
    functions,
    linalg,
    masked,
    nn,
    optim,
    random,
    signal,
    special,
)
from .creation import (
    allclose,
    arange,
    as_tensor,
    bernoulli,
    empty,
    empty_like,
    equal,
    eye,
    from_numpy,
    full,
    full_like,
    is_complex,
    is_floating_point,
    is_tensor,
    linspace,
    ones,
    ones_like,
    rand,
    randint,
    randn,
    randperm,
    tensor,
    zeros,
    zeros_like,
)
from .dtypes import (
    bool_,
    cdouble,
    cfloat,
    complex64,
    complex128,
    double,
    float16,
    float32,
    float64,
    get_default_dtype,
    half,
    int8,
    int16,
    int32,
    int64,
    promote_types,
    result_type,
    set_default_dtype,
    uint8,
)
from .errors import AutodiffError
from .functions import *  # noqa: F403 - exp, sum, matmul, …: every registered op
from .mode import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from .random import Generator, get_rng_state, manual_seed, set_rng_state
from .serialization import load, save
from .tensor import Tensor

long = int64

if TYPE_CHECKING:
    from . import data as data
    from . import safetensors as safetensors
    from . import scalar as scalar

__all__ = [
    "AutodiffError",
    "Generator",
    "Tensor",
    "allclose",
    "arange",
    "as_tensor",
    "autograd",
    "bernoulli",
    "bool_",
    "cdouble",
    "cfloat",
    "complex64",
    "complex128",
    "data",
    "double",
    "empty",
    "empty_like",
    "enable_grad",
    "equal",
    "errors",
    "eye",
    "fft",
    "float16",
    "float32",
    "float64",
    "forward_ad",
    "from_numpy",
    "full",
    "full_like",
    "functions",
    "get_default_dtype",
    "get_rng_state",
    "half",
    "int8",
    "int16",
    "int32",
    "int64",
    "is_complex",
    "is_floating_point",
    "is_grad_enabled",
    "is_tensor",
    "linalg",
    "linspace",
    "load",
    "long",
    "manual_seed",
    "masked",
    "nn",
    "no_grad",
    "ones",
    "ones_like",
    "optim",
    "promote_types",
    "rand",
    "randint",
    "randn",
    "random",
    "randperm",
    "result_type",
    "safetensors",
    "save",
    "scalar",
    "set_default_dtype",
    "set_grad_enabled",
    "set_rng_state",
    "signal",
    "special",
    "tensor",
    "uint8",
    "zeros",
    "zeros_like",
]
__all__ += functions.__all__

# torch.bool and its like, which must not hide the built-ins in this module.
_DTYPES = {"bool": bool_, "float": float32, "int": int32}
_LAZY = ("data", "safetensors", "scalar")  # imported when first named


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("tinygrad-autodiff")
    if name in _DTYPES:
        return _DTYPES[name]
    if name in _LAZY:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
