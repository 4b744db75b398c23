"""What is done to a product before it is written, f(· + bias) + residual: for linear and fp8."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from triton_kernels.checks import shapes_in_words
from triton_kernels.errors import DtypeError, ShapeError
from triton_kernels.ops.activations import biased
from triton_kernels.ops.activations import reference as activations

ACTIVATIONS = ("none", *biased.ACTIVATIONS)


def given(bias: torch.Tensor | None, residual: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """Those of the two that there are, by name."""
    optional: dict[str, Any] = {"bias": bias, "residual": residual}
    return {name: tensor for name, tensor in optional.items() if tensor is not None}


def check(
    op: str, shape: tuple[int, ...], bias: torch.Tensor | None, residual: torch.Tensor | None,
    activation: str,
) -> None:  # fmt: skip
    """The epilogue fits a result of ``shape``.

    Raises:
        ShapeError: sizes that do not fit.
        DtypeError: an unknown activation.
    """
    if bias is not None and bias.shape != shape[-1:]:
        raise ShapeError(
            op, shapes_in_words(bias=bias), f"bias of ({shape[-1]},)", "pass one a column"
        )
    if residual is not None and residual.shape != shape:
        raise ShapeError(
            op, shapes_in_words(residual=residual), f"the result's shape, {tuple(shape)}",
            "expand it",
        )  # fmt: skip
    check_activation(op, activation)


def check_activation(op: str, activation: str) -> None:
    """Raises DtypeError unless there is such an activation."""
    if activation not in ACTIVATIONS:
        raise DtypeError(
            op, f"activation {activation!r}", f"one of {', '.join(ACTIVATIONS)}", "name one"
        )


def reference(
    product: torch.Tensor, bias: torch.Tensor | None, residual: torch.Tensor | None,
    activation: str,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """f(z) + residual and z = product + bias, in the product's dtype, which is a wide one."""
    wide = product.dtype
    z = product if bias is None else product + bias.to(wide)
    y = z if activation == "none" else activations.activation(z, activation)
    return (y if residual is None else y + residual.to(wide)), z


def by_torch(
    product: torch.Tensor, bias: torch.Tensor | None, residual: torch.Tensor | None,
    activation: str,
) -> torch.Tensor:  # fmt: skip
    """As it is written without a fused op."""
    y = product if bias is None else product + bias
    if activation.startswith("gelu"):
        y = functional.gelu(y, approximate="tanh" if activation == "gelu_tanh" else "none")
    elif activation != "none":
        y = functional.relu(y) if activation == "relu" else functional.silu(y)
    return y if residual is None else y + residual
