"""The operations, one class each, by family. Importing this package fills the registry."""

from .. import api
from . import (
    activation,
    comparison,
    dropout,
    elementwise,
    indexing,
    loss,
    matmul,
    movement,
    reduction,
    softmax,
)

__all__ = [
    "activation",
    "comparison",
    "dropout",
    "elementwise",
    "indexing",
    "loss",
    "matmul",
    "movement",
    "reduction",
    "softmax",
]

api.fill_methods()
