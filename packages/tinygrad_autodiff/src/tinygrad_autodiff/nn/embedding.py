"""Embeddings as modules: tables of vectors, drawn from the normal distribution."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError
from ..mode import no_grad
from ..registry import op
from ..tensor import array_of, wrap
from . import init
from .module import Module
from .parameter import Parameter, uninitialized

_SETTINGS = ("padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse", "mode")


class _Table(Module):
    num_embeddings: int
    embedding_dim: int
    padding_idx: int | None

    def _build(self, weight: Any, freeze: bool, dtype: Any) -> None:
        count, width = self.num_embeddings, self.embedding_dim
        if self.padding_idx is not None:
            if not -count <= self.padding_idx < count:
                raise ArgumentError(
                    f"{type(self).__name__}: padding_idx {self.padding_idx} must be within "
                    f"num_embeddings ({count})"
                )
            self.padding_idx %= count
        if weight is None:
            self.weight = uninitialized(count, width, dtype=dtype)
            self.weight.requires_grad_(not freeze)
            self.reset_parameters()
            return
        if tuple(weight.shape) != (count, width):
            raise ArgumentError(
                f"{type(self).__name__}: a weight of shape {tuple(weight.shape)} does not match "
                f"num_embeddings and embedding_dim ({count}, {width})"
            )
        self.weight = Parameter(wrap(array_of(weight)), requires_grad=not freeze)

    def reset_parameters(self) -> None:
        """Draw the table anew; the row of padding becomes 0."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0

    @classmethod
    def from_pretrained(cls, embeddings: Any, freeze: bool = True, **settings: Any) -> Any:
        """A module on a given table (count, width), not trained unless `freeze` is false."""
        if embeddings.ndim != 2:
            raise ArgumentError(f"from_pretrained: expected a table, got {tuple(embeddings.shape)}")
        table: Any = cls
        return table(*embeddings.shape, _weight=embeddings, _freeze=freeze, **settings)

    def extra_repr(self) -> str:
        """Sizes, and settings that are not the default."""
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        defaults = {"norm_type": 2.0, "scale_grad_by_freq": False, "sparse": False}
        for name in _SETTINGS:
            value = getattr(self, name, None)
            if value != defaults.get(name):
                text += f", {name}={value!r}"
        return text


class Embedding(_Table):
    """``weight[input]``: rows of a table (num_embeddings, embedding_dim) by integers of any shape.

    Raises:
        ArgumentError: A padding_idx beyond the table, or a weight of another shape.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Any = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx, self.max_norm, self.norm_type = padding_idx, max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        self._build(_weight, _freeze, dtype)

    def forward(self, input: Any) -> Any:
        """Look up."""
        return op.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
        )


class EmbeddingBag(_Table):
    """``Σ w_i·weight[input_i]`` over each bag, or its mean or maximum, of rows of a table.

    See `nn.functional.embedding_bag`.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Any = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
        _freeze: bool = False,
    ) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx, self.max_norm, self.norm_type = padding_idx, max_norm, norm_type
        self.scale_grad_by_freq, self.sparse, self.mode = scale_grad_by_freq, sparse, mode
        self.include_last_offset = include_last_offset
        self._build(_weight, _freeze, dtype)

    def forward(self, input: Any, offsets: Any = None, per_sample_weights: Any = None) -> Any:
        """Look up and reduce."""
        return op.embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            False,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )
