"""Every operation of the top-level namespace, as a function.

Filled from the registry; the stub beside this file lists what is in it.
"""

from . import api, ops

__all__ = api.fill(globals(), "")
del api, ops
