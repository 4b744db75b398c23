"""What ops ask of their inputs, before any launch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from triton_kernels.errors import DeviceError, DtypeError, ShapeError

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""What every op takes; the reference runs float64, kernels accumulate in float32."""


def check_tensors(op: str, dtypes: Sequence[torch.dtype] = FLOATS, **tensors: Any) -> None:
    """All are dense tensors of one allowed dtype on one device.

    Raises:
        DtypeError: not a tensor, a sparse one, a dtype the op does not take, or two dtypes.
        DeviceError: two devices.
    """
    first_name, first, device = "", None, None
    for name, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor):
            raise DtypeError(
                op, f"{name} of type {type(tensor).__name__}", "a torch.Tensor", "wrap it"
            )
        if tensor.layout is not torch.strided:
            raise _sparse(op, name, tensor)
        dtype = tensor.dtype
        if dtype not in dtypes:
            raise DtypeError(
                op, f"{name} of dtype {_short(tensor.dtype)}",
                f"one of {', '.join(dict.fromkeys(map(_short, dtypes)))}",
                f"convert it, e.g. {name}.float()",
            )  # fmt: skip
        if first is None:
            first_name, first, device = name, tensor, tensor.device
            continue
        if dtype is not first.dtype:
            raise DtypeError(
                op, f"{first_name} of {_short(first.dtype)} and {name} of {_short(tensor.dtype)}",
                "one dtype", f"convert one: {name}.to({first_name}.dtype)",
            )  # fmt: skip
        if tensor.device != device:
            raise DeviceError(
                op, f"{first_name} on {device} and {name} on {tensor.device}",
                "one device", f"move one: {name}.to({first_name}.device)",
            )  # fmt: skip


def check_dense(op: str, name: str, tensor: torch.Tensor) -> None:
    """Numbers of rows or classes lie in a dense tensor.

    Raises:
        DtypeError: they do not.
    """
    if tensor.layout is not torch.strided:
        raise _sparse(op, name, tensor)


def _sparse(op: str, name: str, tensor: torch.Tensor) -> DtypeError:
    given = f"{name} of layout {_short(tensor.layout)}"
    return DtypeError(op, given, "dense strided tensors", f"convert it: {name}.to_dense()")


def check_flag(op: str, name: str, flag: Any, unknown: bool = False) -> None:
    """A bool, or None where that is allowed (``unknown``)."""
    if not (isinstance(flag, bool) or (unknown and flag is None)):
        expected = "a bool or None" if unknown else "a bool"
        raise DtypeError(op, f"{name} of type {type(flag).__name__}", expected, "pass one")


def check_seed(op: str, seed: Any) -> None:
    """A seed of dropout, which Triton's Philox takes as 64 bits with a sign."""
    if isinstance(seed, bool) or not isinstance(seed, int | torch.SymInt):
        raise DtypeError(op, f"seed of type {type(seed).__name__}", "an int", "pass one")
    if not 0 <= seed < 2**63:
        raise ShapeError(op, f"seed {seed}", "0 <= seed < 2**63", "pass another")


def shapes_in_words(**tensors: torch.Tensor) -> str:
    """``x of shape (2, 3) and y of shape (3,)``."""
    return " and ".join(f"{name} of shape {tuple(t.shape)}" for name, t in tensors.items())


def _short(kind: torch.dtype | torch.layout) -> str:
    return str(kind).removeprefix("torch.")
