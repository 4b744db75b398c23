"""`tinygrad_autodiff.data` under the name that it has in torch, ``utils.data``."""

from ..data import *  # noqa: F403
from ..data import __all__ as __all__
