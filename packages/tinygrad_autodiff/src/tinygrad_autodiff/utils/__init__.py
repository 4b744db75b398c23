"""`utils.checkpoint` and `utils.data`, where torch has them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import checkpoint

if TYPE_CHECKING:
    from . import data as data

__all__ = ["checkpoint", "data"]


def __getattr__(name: str) -> Any:
    if name == "data":  # imported when first named
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
