"""Linear algebra, as in `torch.linalg`.

Filled from the registry; the stub beside this file lists what is in it.
"""

from . import api, ops
from .errors import LinAlgError

__all__ = ["LinAlgError", *api.fill(globals(), "linalg")]
del api, ops
