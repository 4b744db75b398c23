"""The ops as modules: norms, gated activations, ``Linear``, ``Embedding``, losses, ``LoRALinear``.

They hold the parameters and the options, and call the function of their op; state dicts are those
of torch's modules of the same names.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import nn

from triton_kernels import autocast
from triton_kernels.checks import check_flag, check_tensors, shapes_in_words
from triton_kernels.errors import DtypeError, ShapeError
from triton_kernels.ops.activations.elementwise import gelu_named
from triton_kernels.ops.activations.gated import geglu, swiglu
from triton_kernels.ops.cross_entropy.checks import checked_options
from triton_kernels.ops.cross_entropy.op import cross_entropy
from triton_kernels.ops.divergences.op import (
    checked_js_options,
    checked_kl_options,
    js_divergence,
    kl_divergence,
)
from triton_kernels.ops.foundations.dropout import drawn_seed
from triton_kernels.ops.gemm.epilogue import check_activation
from triton_kernels.ops.gemm.linear import linear
from triton_kernels.ops.gemm.op import check_precision
from triton_kernels.ops.linear_cross_entropy.op import check_products, linear_cross_entropy
from triton_kernels.ops.lora.op import Weight, check_options, lora_linear
from triton_kernels.ops.norms import rows
from triton_kernels.ops.norms.group import group_norm
from triton_kernels.ops.norms.layer import layer_norm
from triton_kernels.ops.norms.rms import rms_norm
from triton_kernels.ops.positions.embedding import embedding
from triton_kernels.ops.quantised.codes import nf4_values
from triton_kernels.ops.quantised.quantise import quantise_nf4


class RMSNorm(nn.Module):
    """``rms_norm`` over the last dimension.

    Args:
        size: of the last dimension, n.
        eps: added to the mean square.
        offset: added to the weight, which then starts at 0: 1 for Gemma.
        casting: ``float32``, or ``llama`` for what Hugging Face's Llama does.
        elementwise_affine: whether there is a weight, of shape (n,).
        device: of the weight.
        dtype: of the weight.

    Raises:
        ShapeError, DtypeError: options that ``rms_norm`` would refuse.
    """

    def __init__(
        self,
        size: int,
        eps: float = 1e-6,
        *,
        offset: float = 0.0,
        casting: str = "float32",
        elementwise_affine: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        rows.check_options("RMSNorm", eps, offset, casting)
        self.size, self.eps, self.offset, self.casting = size, eps, offset, casting
        weight = torch.full((size,), 1.0 - offset, device=device, dtype=dtype)
        self.weight = nn.Parameter(weight) if elementwise_affine else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., n) to (..., n); raises as ``rms_norm``."""
        return rms_norm(x, self.weight, self.eps, self.offset, self.casting)

    def extra_repr(self) -> str:
        """The options, for printing."""
        return f"{self.size}, eps={self.eps}, offset={self.offset}, casting={self.casting!r}"


class LayerNorm(nn.Module):
    """``layer_norm`` over the last dimension.

    Args:
        size: of the last dimension, n.
        eps: added to the variance.
        elementwise_affine: whether there is a weight, of shape (n,).
        bias: whether there is a bias too.
        device: of both.
        dtype: of both.

    Raises:
        ShapeError, DtypeError: an eps that ``layer_norm`` would refuse.
    """

    def __init__(
        self,
        size: int,
        eps: float = 1e-5,
        *,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        rows.check_eps("LayerNorm", eps)
        self.size, self.eps = size, eps
        ones = torch.ones(size, device=device, dtype=dtype)
        self.weight = nn.Parameter(ones) if elementwise_affine else None
        self.bias = nn.Parameter(torch.zeros_like(ones)) if elementwise_affine and bias else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., n) to (..., n); raises as ``layer_norm``."""
        return layer_norm(x, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The options, for printing."""
        return f"{self.size}, eps={self.eps}"


class GroupNorm(nn.Module):
    """``group_norm`` with its parameters, as torch's.

    Args:
        groups: into which the channels are divided.
        channels: the size of the second dimension.
        eps: added to the variance.
        affine: whether there are a weight and a bias, of shape (channels,).
        device: of both.
        dtype: of both.

    Raises:
        ShapeError, DtypeError: options that ``group_norm`` would refuse.
    """

    def __init__(
        self,
        groups: int,
        channels: int,
        eps: float = 1e-5,
        *,
        affine: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        rows.check_eps("GroupNorm", eps)
        for name, number in (("groups", groups), ("channels", channels)):
            if isinstance(number, bool) or not isinstance(number, int):
                kind = type(number).__name__
                raise DtypeError("GroupNorm", f"{name} of type {kind}", "an int", "pass one")
        if groups < 1 or channels % groups:
            raise ShapeError(
                "GroupNorm", f"{channels} channels in {groups} groups",
                "a number of groups that divides the channels", "choose another",
            )  # fmt: skip
        self.groups, self.channels, self.eps = groups, channels, eps
        ones = torch.ones(channels, device=device, dtype=dtype)
        self.weight = nn.Parameter(ones) if affine else None
        self.bias = nn.Parameter(torch.zeros_like(ones)) if affine else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(samples, channels, ...) to the same; raises as ``group_norm``."""
        return group_norm(x, self.groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The options, for printing."""
        return f"{self.groups}, {self.channels}, eps={self.eps}"


class SwiGLU(nn.Module):
    """``swiglu`` of two tensors, or of one that holds gate and up side by side."""

    def forward(self, gate: torch.Tensor, up: torch.Tensor | None = None) -> torch.Tensor:
        """Twice (..., n), or (..., 2n), to (..., n); raises as ``swiglu``."""
        return swiglu(gate, up)


class GeGLU(nn.Module):
    """``geglu`` of two tensors, or of one that holds gate and up side by side.

    Args:
        approximate: ``none`` (exact) or ``tanh``.

    Raises:
        DtypeError: there is no such gelu.
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        gelu_named("GeGLU", approximate)
        self.approximate = approximate

    def forward(self, gate: torch.Tensor, up: torch.Tensor | None = None) -> torch.Tensor:
        """Twice (..., n), or (..., 2n), to (..., n); raises as ``geglu``."""
        return geglu(gate, up, self.approximate)

    def extra_repr(self) -> str:
        """The options, for printing."""
        return f"approximate={self.approximate!r}"


class Linear(nn.Linear):
    """``linear``: torch's layer, begun as torch begins it, then activation and residual at once.

    Args:
        in_features: columns of x.
        out_features: columns of the result.
        bias: whether there is one.
        activation: ``none``, ``relu``, ``gelu``, ``gelu_tanh`` or ``silu``.
        precision: how float32 is multiplied: ``ieee``, ``tf32`` or ``tf32x3``.
        device: of weight and bias.
        dtype: of weight and bias.

    Raises:
        DtypeError: an activation or precision that ``linear`` would refuse.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        activation: str = "none",
        precision: str = "ieee",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        check_activation("Linear", activation)
        check_precision("Linear", precision)
        super().__init__(in_features, out_features, bias, device=device, dtype=dtype)
        self.activation, self.precision = activation, precision

    def forward(self, x: torch.Tensor, residual: torch.Tensor | None = None) -> torch.Tensor:
        """(..., m, k), and a residual of the result's shape, to (..., m, n); raises as
        ``linear``."""
        options = (self.bias, residual, self.activation)
        return linear(x, self.weight, *options, precision=self.precision)

    def extra_repr(self) -> str:
        """The options, for printing."""
        return f"{super().extra_repr()}, activation={self.activation!r}"


class Embedding(nn.Embedding):
    """``embedding``: torch's table, begun as torch begins it, without its further options.

    Args:
        rows: of the table: how many ids there are.
        columns: of the table: the size of a row.
        device: of the table.
        dtype: of the table.
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(rows, columns, device=device, dtype=dtype)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Ids of any shape, int64 or int32, to (*shape, columns); raises as ``embedding``."""
        return embedding(self.weight, ids)


class CrossEntropyLoss(nn.Module):
    """``cross_entropy`` with its options kept.

    Args:
        weight: (classes,); None: ones.
        options: those of ``cross_entropy``, by name: ignore_index, label_smoothing, z_loss,
            soft_cap, reduction, inplace, return_lse, check_targets.

    Raises:
        ShapeError, DtypeError: options that it would refuse.
    """

    weight: torch.Tensor | None

    def __init__(self, weight: torch.Tensor | None = None, **options: Any) -> None:
        super().__init__()
        checked_options("CrossEntropyLoss", **options)
        self.register_buffer("weight", weight)
        self.options = options

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """(rows, classes) and (rows,) to the loss; raises as ``cross_entropy``."""
        return cross_entropy(logits, target, self.weight, **self.options)

    def extra_repr(self) -> str:
        """The options, for printing."""
        return ", ".join(f"{name}={value!r}" for name, value in self.options.items())


class LinearCrossEntropyLoss(nn.Module):
    """``linear_cross_entropy`` with its options kept: an output layer and its loss in one.

    The weight is the output layer's and stays there, as it is often the embedding's too.

    Args:
        ignore_index: as in ``linear_cross_entropy``, like all that follow.
        label_smoothing: the share of the target that is spread over the classes.
        z_loss: of the squared log Σ exp.
        soft_cap: of the logits, or None.
        reduction: ``mean``, ``sum`` or ``none``.
        accumulate: what the weight's gradient is added up in: ``float32`` or ``weight``.
        chunk_rows: rows whose logits are held at a time; None: by the sizes.
        check_targets: whether to refuse targets out of range; None: on the CPU.

    Raises:
        ShapeError, DtypeError: options that it would refuse.
    """

    def __init__(
        self,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
        z_loss: float = 0.0,
        soft_cap: float | None = None,
        reduction: str = "mean",
        accumulate: str = "float32",
        chunk_rows: int | None = None,
        *,
        check_targets: bool | None = None,
    ) -> None:
        super().__init__()
        options: dict[str, Any] = {
            "ignore_index": ignore_index, "label_smoothing": label_smoothing, "z_loss": z_loss,
            "soft_cap": soft_cap, "reduction": reduction, "check_targets": check_targets,
        }  # fmt: skip
        products: dict[str, Any] = {"accumulate": accumulate, "chunk_rows": chunk_rows}
        checked_options("LinearCrossEntropyLoss", **options)
        check_products("LinearCrossEntropyLoss", **products)
        self.options = options | products

    def forward(self, x: torch.Tensor, weight: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """(rows, columns), (classes, columns) and (rows,) to the loss; raises as
        ``linear_cross_entropy``."""
        return linear_cross_entropy(x, weight, target, **self.options)

    def extra_repr(self) -> str:
        """The options, for printing."""
        return ", ".join(f"{name}={value!r}" for name, value in self.options.items())


class KLDivLoss(nn.Module):
    """``kl_divergence`` with its options kept.

    Args:
        options: those of ``kl_divergence``, by name: reduction, log_target, from_logits,
            temperature, ignore_index.

    Raises:
        ShapeError, DtypeError: options that it would refuse.
    """

    _check: ClassVar[Callable[..., Any]] = staticmethod(checked_kl_options)

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self._check(type(self).__name__, **options)
        self.options = options

    def forward(
        self, input: torch.Tensor, target: torch.Tensor, labels: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Twice (rows, classes) to the loss; raises as ``kl_divergence``."""
        return kl_divergence(input, target, labels=labels, **self.options)

    def extra_repr(self) -> str:
        """The options, for printing."""
        return ", ".join(f"{name}={value!r}" for name, value in self.options.items())


class JSDivLoss(KLDivLoss):
    """``js_divergence`` with its options kept.

    Args:
        options: those of ``js_divergence``, by name: beta, reduction, from_logits, temperature,
            ignore_index.

    Raises:
        ShapeError, DtypeError: options that it would refuse.
    """

    _check: ClassVar[Callable[..., Any]] = staticmethod(checked_js_options)

    def forward(
        self, input: torch.Tensor, target: torch.Tensor, labels: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Twice (rows, classes) to the loss; raises as ``js_divergence``."""
        return js_divergence(input, target, labels=labels, **self.options)


class LoRALinear(nn.Module):
    """``lora_linear`` over a frozen weight, dense or NF4; only the low-rank factors are trained.

    Args:
        weight: (n, k), dense; it is frozen.
        rank: of the factors: ``lora_a`` (rank, k), uniform as torch's Linear begins, and ``lora_b``
            (n, rank), zeros, so that at first nothing changes.
        alpha: the low-rank part is scaled by alpha / rank; None: by 1.
        p: the probability to drop an element of x before ``lora_a``, in training; the seed is drawn
            from torch's CPU generator at every call; a whole graph of torch.compile holds that with
            ``torch._dynamo.config.capture_scalar_outputs``.
        bias: (n,), frozen too, or None.
        nf4: whether to keep the weight as NF4 codes; k is a multiple of 64 then.
        dtype: of the factors; None: the weight's. They are cast to x's for the product.

    ``.to(dtype)`` casts all but the scales of NF4 codes, which are float32 always.

    Raises:
        ShapeError, DtypeError: a weight that is no matrix, a rank below 1, or what ``lora_linear``
            would refuse.
    """

    weight: torch.Tensor | None
    codes: torch.Tensor | None
    scale: torch.Tensor | None
    bias: torch.Tensor | None

    def __init__(
        self,
        weight: torch.Tensor,
        rank: int,
        alpha: float | None = None,
        p: float = 0.0,
        *,
        bias: torch.Tensor | None = None,
        nf4: bool = False,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_tensors("LoRALinear", weight=weight)
        if weight.dim() != 2:
            raise ShapeError("LoRALinear", shapes_in_words(weight=weight), "(n, k)", "reshape it")
        if isinstance(rank, bool) or not isinstance(rank, int):
            raise DtypeError(
                "LoRALinear", f"rank of type {type(rank).__name__}", "an int", "pass one"
            )
        if rank < 1:
            raise ShapeError("LoRALinear", f"rank {rank}", "1 or more", "pass e.g. 8")
        check_options("LoRALinear", 1.0 if alpha is None else alpha, p)
        check_flag("LoRALinear", "nf4", nf4)
        n, k = weight.shape
        if bias is not None:
            check_tensors("LoRALinear", bias=bias)
            if tuple(bias.shape) != (n,):
                raise ShapeError(
                    "LoRALinear", shapes_in_words(bias=bias), f"({n},)", "pass one a row"
                )
        self.rank, self.p = rank, p
        self.scaling = 1.0 if alpha is None else alpha / rank
        weight = weight.detach()
        codes, scale = quantise_nf4(weight) if nf4 else (None, None)
        self.register_buffer("weight", None if nf4 else weight)
        self.register_buffer("codes", codes)
        self.register_buffer("scale", scale)
        self.register_buffer("bias", None if bias is None else bias.detach())
        dtype = dtype or weight.dtype
        self.lora_a = nn.Parameter(torch.empty(rank, k, device=weight.device, dtype=dtype))
        self.lora_b = nn.Parameter(torch.zeros(n, rank, device=weight.device, dtype=dtype))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Any:
        """As torch moves and casts a module, but the scales stay float32, with all their bits."""
        scale = self.scale
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if scale is not None and self.scale is not None and self.scale.dtype is not scale.dtype:
            self.scale = scale.to(self.scale.device)
        return self

    @classmethod
    def from_linear(cls, linear: nn.Linear, rank: int, **options: Any) -> LoRALinear:
        """In place of a torch.nn.Linear, with its weight and bias; options as above."""
        return cls(linear.weight, rank, bias=linear.bias, **options)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., k) to (..., n), in autocast's dtype where that is on; raises as ``lora_linear``."""
        (x,) = autocast.lowered(x)
        a, b = self.lora_a.to(x.dtype), self.lora_b.to(x.dtype)
        bias = None if self.bias is None else self.bias.to(x.dtype)
        weight: Weight
        if self.weight is not None:
            weight = self.weight.to(x.dtype)
        else:
            assert self.codes is not None
            assert self.scale is not None  # one or the other is there
            weight = self.codes, self.scale
        if not (self.training and self.p):
            return lora_linear(x, weight, a, b, self.scaling, bias)
        return lora_linear(x, weight, a, b, self.scaling, bias, self.p, drawn_seed())

    def merged(self) -> torch.Tensor:
        """The dense weight that does the same without dropout, in float32: (n, k)."""
        if self.weight is not None:
            dense = self.weight.float()
        else:
            assert self.codes is not None
            assert self.scale is not None
            dense = nf4_values(self.codes, self.scale)
        return dense + self.scaling * (self.lora_b.float() @ self.lora_a.float())

    def extra_repr(self) -> str:
        """The options, for printing."""
        kind = "nf4" if self.weight is None else "dense"
        return f"{kind}, rank={self.rank}, scaling={self.scaling}, p={self.p}"
