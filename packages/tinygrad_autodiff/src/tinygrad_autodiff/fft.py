"""Discrete Fourier transforms, as in `torch.fft`.

Filled from the registry; the stub beside this file lists what is in it.
"""

from . import api, ops

__all__ = api.fill(globals(), "fft")
del api, ops
