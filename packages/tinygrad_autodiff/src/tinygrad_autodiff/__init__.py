"""tinygrad_autodiff: a torch-shaped autograd library in NumPy alone.

>>> import tinygrad_autodiff as tg
>>> x = tg.tensor([1.0, 2.0], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad
tensor([2., 4.])
"""

from __future__ import annotations

from typing import Any

from . import engine as _engine  # noqa: F401 - the engine before the tensor that it walks
from . import ops as _ops  # noqa: F401 - fills the registry
from . import api as _api, functions, linalg, special

_api.fill_methods()
for _module, _space in ((functions, ""), (special, "special"), (linalg, "linalg")):
    _api.fill(_module, _space)

from . import autograd, errors, forward_ad, nn, optim, random  # noqa: E402
from .creation import (  # noqa: E402
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
from .dtypes import (  # noqa: E402
    bool_,
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
from .errors import AutodiffError  # noqa: E402
from .functions import *  # noqa: E402, F403 - exp, sum, matmul, …: every registered op
from .mode import enable_grad, is_grad_enabled, no_grad, set_grad_enabled  # noqa: E402
from .random import Generator, get_rng_state, manual_seed, set_rng_state  # noqa: E402
from .serialization import load, save  # noqa: E402
from .tensor import Tensor  # noqa: E402

long = int64


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("tinygrad-autodiff")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
