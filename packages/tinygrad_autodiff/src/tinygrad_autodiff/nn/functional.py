"""Functions of neural networks, as in `torch.nn.functional`.

Filled from the registry; the stub beside this file lists what is in it.
"""

from .. import api, ops

__all__ = api.fill(globals(), "nn.functional")
del api, ops
