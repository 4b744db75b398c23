"""Tensors beside other libraries: NumPy's protocols, DLPack, the array API standard, torch.

NumPy's functions on tensors are operations here, recorded like any other: ``np.sin(x)`` is
``x.sin()``, and ``array + x`` a tensor. What shares memory says so; what would lose the graph is
an error, as in torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .dtypes import Array
from .errors import ArgumentError, ArgumentTypeError, GraphError
from .registry import op
from .versions import written

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["from_dlpack", "from_torch", "to_torch"]

# NumPy's ufuncs whose name is not that of the operation.
_UFUNCS = {
    "power": "pow",
    "equal": "eq",
    "invert": "bitwise_not",
    "left_shift": "bitwise_left_shift",
    "right_shift": "bitwise_right_shift",
    "conjugate": "conj",
    "rint": "round",
}


class Interop:
    """The protocols, as a base of `Tensor`."""

    __slots__ = ()
    __array_priority__ = 1000
    _data: Any
    _requires_grad: bool

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self._data, dtype, copy=copy)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """A call of NumPy's: as the operation of that name, or, writing to `out`, on arrays."""
        from .tensor import Tensor, wrap

        name = _UFUNCS.get(ufunc.__name__, ufunc.__name__)
        if method == "__call__" and not kwargs and hasattr(op, name):
            return getattr(op, name)(*inputs)
        if any(isinstance(value, Tensor) and value._requires_grad for value in inputs):
            raise GraphError(
                f"np.{ufunc.__name__}: not recorded in this form, and an input requires grad; use "
                "an operation of the package, or detach()"
            )
        plain = [value._data if isinstance(value, Tensor) else value for value in inputs]
        outs = kwargs.pop("out", None)
        if outs is not None:
            for out in outs:
                if isinstance(out, Tensor) and out._requires_grad:
                    raise GraphError(f"np.{ufunc.__name__}: out requires grad")
            kwargs["out"] = tuple(o._data if isinstance(o, Tensor) else o for o in outs)
        result = getattr(ufunc, method)(*plain, **kwargs)
        if outs is not None:
            for out in outs:
                if isinstance(out, Tensor):
                    written(out._data, f"np.{ufunc.__name__}")
            return outs[0] if len(outs) == 1 else outs
        if isinstance(result, tuple):
            return tuple(wrap(np.asarray(part)) for part in result)
        return result if result is None else wrap(np.asarray(result))

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: Any = None,
        copy: bool | None = None,
    ) -> Any:
        """The memory for another library; only of a tensor that requires no grad."""
        if self._requires_grad:
            raise BufferError("a tensor that requires grad cannot be exported; detach() it first")
        if stream is not None:
            raise BufferError("the memory is on the CPU, where there are no streams")
        data = self._data.copy() if copy else self._data
        if max_version is None:
            return data.__dlpack__()
        return data.__dlpack__(max_version=max_version, dl_device=dl_device)

    def __dlpack_device__(self) -> tuple[int, int]:
        """The CPU, in DLPack's numbers."""
        device: tuple[int, int] = self._data.__dlpack_device__()
        return device

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """The functions of the array API standard: the module `array_api`."""
        from . import array_api

        if api_version not in (None, *array_api.VERSIONS):
            raise ArgumentError(
                f"array API {api_version!r}: known versions are {array_api.VERSIONS}"
            )
        return array_api

    @property
    def device(self) -> Any:
        """The CPU."""
        from .place import device

        return device("cpu")

    def to_device(self, device: Any, /, *, stream: Any = None) -> Any:
        """The tensor itself; there is no device but the CPU."""
        from .place import device as Device

        Device(device)
        return self


def from_dlpack(source: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor on the memory of an object of another library that speaks DLPack.

    With ``copy=True``, or if its memory is read-only, the tensor gets memory of its own.
    """
    from .tensor import wrap

    if not hasattr(source, "__dlpack__"):
        raise ArgumentTypeError(
            f"from_dlpack: expected an object with __dlpack__, got {type(source).__name__}"
        )
    array = np.from_dlpack(source)
    if copy or (copy is None and not array.flags.writeable):
        array = array.copy()
    return wrap(array)


def from_torch(tensor: Any) -> Tensor:
    """A tensor on the memory of one of torch's (copied if it is on another device, or bfloat16).

    The graph stays behind; `requires_grad` is kept for a leaf.
    """
    from .tensor import wrap

    plain = tensor.detach().cpu()
    if str(plain.dtype) == "torch.bfloat16":
        plain = plain.float()
    made = wrap(plain.resolve_conj().resolve_neg().numpy())
    return made.requires_grad_() if tensor.requires_grad and tensor.is_leaf else made


def to_torch(tensor: Tensor) -> Any:
    """torch's tensor on the same memory (copied where torch cannot have it so).

    The graph stays behind; `requires_grad` is kept for a leaf.

    Raises:
        ModuleNotFoundError: torch is not installed.
    """
    import torch  # type: ignore[import-not-found,unused-ignore]

    data = tensor._data
    if not data.flags.writeable or any(stride < 0 for stride in data.strides):
        data = data.copy()
    made = torch.from_numpy(data)
    return made.requires_grad_() if tensor._requires_grad and tensor._node is None else made
