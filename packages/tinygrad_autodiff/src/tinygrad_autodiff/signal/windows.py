"""Window functions, as in `torch.signal.windows`.

Filled from the registry; the stub beside this file lists what is in it.
"""

from .. import api, ops

__all__ = api.fill(globals(), "signal.windows")
del api, ops
