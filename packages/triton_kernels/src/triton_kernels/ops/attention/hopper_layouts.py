"""How the backward's rows and tiles of ds lie in shared memory."""

from __future__ import annotations

import functools
from typing import Any

import torch

from triton_kernels._gluon import gl


@functools.cache
def rows_layout() -> Any:
    """Of lse and delta."""
    return gl.NVMMASharedLayout(0, 32, 2)


@functools.cache
def tile_layout(rows: int, dtype: torch.dtype) -> Any:
    """Of a tile of ds: 64 keys and so many rows."""
    element = {torch.float16: gl.float16, torch.bfloat16: gl.bfloat16}[dtype]
    return gl.NVMMASharedLayout.get_default_for([64, rows], element)
