"""Triton kernels with autograd: a plain torch definition, a portable kernel, a CPU path for each.

Importing the package imports neither torch nor triton; the first use of an op does.
"""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any

from triton_kernels import errors
from triton_kernels.registry import op_names, room_of

if TYPE_CHECKING:
    from triton_kernels.backends import (
        Explanation as Explanation,
    )
    from triton_kernels.backends import (
        record_backends as record_backends,
    )
    from triton_kernels.backends import (
        use_backend as use_backend,
    )
    from triton_kernels.ops.gemm.op import matmul as matmul
    from triton_kernels.ops.softmax.op import softmax as softmax
    from triton_kernels.ops.vector_add import vector_add as vector_add

__all__ = [
    "Explanation",
    "errors",
    "explain",
    "matmul",
    "op_names",
    "record_backends",
    "softmax",
    "use_backend",
    "vector_add",
]

_LAZY = {
    "Explanation": "triton_kernels.backends",
    "record_backends": "triton_kernels.backends",
    "use_backend": "triton_kernels.backends",
}


def explain(op: str, *args: Any, backend: str | None = None, **kwargs: Any) -> Explanation:
    """Which backend ``op(*args, **kwargs)`` would take, and why not the others.

    Raises:
        BackendError: no such op or backend, or the backend asked for refuses these inputs.
        DtypeError: arguments are missing, or the op has no such.
        ShapeError, DtypeError, DeviceError: as the op itself.
    """
    from triton_kernels import registry

    entry = registry.get(op)
    signature = inspect.signature(entry.checked)
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        given = f"arguments that do not fit ({error})"
        call = f"explain({op!r}, {', '.join(signature.parameters)})"
        raise errors.DtypeError(op, given, call, "pass what the op itself takes") from None
    return entry.kernel.explain(*entry.checked(*args, **kwargs), backend=backend)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            value: Any = version("roadmap-triton-kernels")
        except PackageNotFoundError:  # run from the source tree, never installed
            value = "0+source"
    else:
        module = _LAZY.get(name) or room_of(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
