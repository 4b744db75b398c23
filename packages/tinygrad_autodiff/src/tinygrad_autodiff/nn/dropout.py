"""Dropout as modules: active in training mode, else the identity."""

from __future__ import annotations

from typing import Any

from ..ops.dropout import check_probability
from ..registry import op
from .settings import Stateless


class _Dropout(Stateless):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        check_probability(self.p)

    def forward(self, input: Any) -> Any:
        """Apply it, in training mode."""
        return getattr(op, self.function)(input, self.p, self.training, **self._target())

    def extra_repr(self) -> str:
        """Probability."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout, function="dropout", p=0.5, inplace=False):
    """In training each element becomes 0 with probability `p`, else is scaled by 1/(1 - p)."""


class Dropout1d(_Dropout, function="dropout1d", p=0.5, inplace=False):
    """Dropout of whole channels of (N, C, L) or (C, L)."""


class Dropout2d(_Dropout, function="dropout2d", p=0.5, inplace=False):
    """Dropout of whole channels of (N, C, H, W)."""


class Dropout3d(_Dropout, function="dropout3d", p=0.5, inplace=False):
    """Dropout of whole channels of (N, C, D, H, W) or (C, D, H, W)."""


class AlphaDropout(_Dropout, function="alpha_dropout", p=0.5, inplace=False):
    """Dropout after `SELU`: ``a·x + b`` of what is kept or set to -α·scale, the limit of selu.

    a and b bring mean 0 and variance 1 back.  Klambauer et al. 2017.
    """


class FeatureAlphaDropout(_Dropout, function="feature_alpha_dropout", p=0.5, inplace=False):
    """`AlphaDropout` of whole channels."""
