"""What torch.autocast does to an op's tensors: torch's lists, as they apply here, in one place.

- Products (torch's list of lower precision) take their tensors in autocast's dtype: ``lowered``.
- Ops that join tensors take them in the widest of their dtypes, as torch promotes: ``promoted``.
- All others take what they are given. For most of them torch's list asks for float32: the kernels
  work in float32 whatever they read, but here the result has its input's dtype, as memory is what
  limits these ops. (Losses are float32 in any case.)

Where autocast is off nothing changes: two dtypes are a DtypeError of the op's checks.
"""

from __future__ import annotations

import contextlib
from typing import Any

import torch


def _is_on(first: Any) -> bool:
    if not isinstance(first, torch.Tensor):
        return False
    kind = "cuda" if first.is_cuda else first.device.type
    return kind != "meta" and torch.is_autocast_enabled(kind)


def lowered(*tensors: Any) -> tuple[Any, ...]:
    """The tensors of a product, None among them: in autocast's dtype where it is on for the
    first's device. With float64 among them nothing is cast."""
    if not _is_on(tensors[0]):
        return tensors
    if any(isinstance(x, torch.Tensor) and x.dtype is torch.float64 for x in tensors):
        return tensors
    dtype = torch.get_autocast_dtype(tensors[0].device.type)
    return tuple([_cast(x, dtype) for x in tensors])


def promoted(*tensors: Any) -> tuple[Any, ...]:
    """Tensors that are joined, None among them: in the widest of their dtypes where autocast is on
    for the first's device."""
    own = getattr(tensors[0], "dtype", None)
    for x in tensors[1:]:
        if x is not None and getattr(x, "dtype", None) is not own:
            break
    else:  # the common case
        return tensors
    if not _is_on(tensors[0]):
        return tensors
    widest = tensors[0].dtype
    for x in tensors:
        if isinstance(x, torch.Tensor) and x.is_floating_point():
            widest = torch.promote_types(widest, x.dtype)
    return tuple([_cast(x, widest) for x in tensors])


def off(first: torch.Tensor) -> contextlib.AbstractContextManager[Any]:
    """For a definition in plain torch, which widens on purpose what autocast would narrow again."""
    if _is_on(first):
        return torch.autocast(first.device.type, enabled=False)
    return contextlib.nullcontext()


def _cast(x: Any, dtype: torch.dtype) -> Any:
    return x.to(dtype) if isinstance(x, torch.Tensor) and x.is_floating_point() else x
