"""What can be streamed through shared memory (see streaming.py), told without importing Gluon."""

from __future__ import annotations

import torch

from triton_kernels import _compat
from triton_kernels.backends import triton_refuses

LINE = 128
"""Bytes of a line: rows are a multiple of it long."""


def streaming_refuses(x: torch.Tensor) -> str | None:
    """Why this machine does not stream tensors such as x, or None."""
    if reason := triton_refuses(x):
        return reason
    if _compat.interpreting():
        return "Gluon has no interpreter"
    if not _compat.has_gluon():
        return f"triton {_compat.TRITON_VERSION} has not the Gluon it is written in"
    if _compat.device_of(x.device).capability != (9, 0):
        return "it needs compute capability 9.0 (Hopper)"
    return None
