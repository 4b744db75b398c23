"""Reductions over the elements that a mask selects, as in `torch.masked`.

Filled from the registry; the stub beside this file lists what is in it.
"""

from . import api, ops

__all__ = api.fill(globals(), "masked")
del api, ops
