"""tinygrad_autodiff: a torch-shaped autograd library in NumPy alone.

>>> import tinygrad_autodiff as tg
>>> x = tg.tensor([1.0, 2.0], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad
tensor([2., 4.])
"""

from __future__ import annotations

import importlib
from math import e, inf, nan, pi
from typing import TYPE_CHECKING, Any

from numpy import dtype, finfo, iinfo

from . import (
    autograd,
    creation,
    cuda,
    errors,
    fft,
    forward_ad,
    func,
    functions,
    graph,
    linalg,
    masked,
    nn,
    optim,
    profiler,
    random,
    ranges,
    sampling,
    signal,
    special,
    utils,
)
from .batching import vmap
from .creation import *  # noqa: F403 - tensor, zeros, full_like, …
from .dtypes import (
    bfloat16,
    bool_,
    can_cast,
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
from .interop import from_dlpack, from_torch, to_torch
from .mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .place import (
    channels_last,
    channels_last_3d,
    contiguous_format,
    device,
    preserve_format,
    sparse_coo,
    strided,
)
from .random import Generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from .ranges import *  # noqa: F403 - arange, linspace, eye, …
from .sampling import *  # noqa: F403 - rand, randn_like, randperm, …
from .serialization import load, save
from .summary import summary
from .tensor import Tensor
from .text import get_printoptions, set_printoptions

long = int64
Size: type[tuple[int, ...]] = tuple  # what a shape is
newaxis = None

if TYPE_CHECKING:
    from . import data as data
    from . import safetensors as safetensors
    from . import scalar as scalar

__all__ = [
    "AutodiffError",
    "Generator",
    "Size",
    "Tensor",
    "autograd",
    "bfloat16",
    "bool_",
    "can_cast",
    "cdouble",
    "cfloat",
    "channels_last",
    "channels_last_3d",
    "complex64",
    "complex128",
    "contiguous_format",
    "cuda",
    "data",
    "device",
    "double",
    "dtype",
    "e",
    "enable_grad",
    "errors",
    "fft",
    "finfo",
    "float16",
    "float32",
    "float64",
    "forward_ad",
    "from_dlpack",
    "from_torch",
    "func",
    "functions",
    "get_default_dtype",
    "get_printoptions",
    "get_rng_state",
    "graph",
    "half",
    "iinfo",
    "inf",
    "inference_mode",
    "initial_seed",
    "int8",
    "int16",
    "int32",
    "int64",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "linalg",
    "load",
    "long",
    "manual_seed",
    "masked",
    "nan",
    "newaxis",
    "nn",
    "no_grad",
    "optim",
    "pi",
    "preserve_format",
    "profiler",
    "promote_types",
    "random",
    "result_type",
    "safetensors",
    "save",
    "scalar",
    "seed",
    "set_default_dtype",
    "set_grad_enabled",
    "set_printoptions",
    "set_rng_state",
    "signal",
    "sparse_coo",
    "special",
    "strided",
    "summary",
    "to_torch",
    "uint8",
    "utils",
    "vmap",
]
__all__ += functions.__all__ + creation.__all__ + ranges.__all__ + sampling.__all__

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
