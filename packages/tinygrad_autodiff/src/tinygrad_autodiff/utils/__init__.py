"""`utils.checkpoint`, where torch has it."""

from . import checkpoint

__all__ = ["checkpoint"]
