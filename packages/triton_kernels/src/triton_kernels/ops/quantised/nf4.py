"""Dequantising and matvec of NF4 and int8: weights of 4 and 8 bits, for decoding.

Decoding multiplies a few rows of activations by the whole weight, so its time is that of reading
the weight: codes of 4 or 8 bits are read and never written back as 16. For many rows it pays to
dequantise once and multiply then. None of them has a gradient.
"""

from __future__ import annotations

from typing import Any

import torch

from triton_kernels import autocast
from triton_kernels._compat import starts_aligned
from triton_kernels.backends import Backend, gluon_refuses, triton_refuses
from triton_kernels.checks import check_tensors, shapes_in_words
from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.kernel import Kernel, detached
from triton_kernels.ops.quantised import samples
from triton_kernels.ops.quantised.codes import BLOCK
from triton_kernels.registry import Op

_ROOM = "triton_kernels.ops.quantised"
DTYPES = (torch.float16, torch.bfloat16, torch.float32)
MOST_ROWS = 8
"""Of activations: beyond, dequantise and multiply."""
_Tensors = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def _check_weight(
    op: str, codes: torch.Tensor, scale: torch.Tensor, dtype: torch.dtype, fits: Any, expected: str
) -> None:
    check_tensors(op, dtypes=(dtype,), codes=codes)
    check_tensors(op, dtypes=(torch.float32,), scale=scale)
    if codes.dim() != 2 or tuple(scale.shape) != fits(codes):
        raise ShapeError(
            op, shapes_in_words(codes=codes, scale=scale), expected, "quantise the weight with us"
        )
    if codes.device != scale.device:
        raise DeviceError(
            op, f"codes on {codes.device} and scale on {scale.device}", "one device", "move one"
        )


def _check_nf4(op: str, codes: torch.Tensor, scale: torch.Tensor) -> None:
    expected = f"codes of (n, k / 2) and scale of (n, k / {BLOCK})"

    def fits(codes: torch.Tensor) -> Any:
        whole = 2 * codes.shape[1] % BLOCK == 0
        return (codes.shape[0], 2 * codes.shape[1] // BLOCK) if whole else None

    _check_weight(op, codes, scale, torch.uint8, fits, expected)


def _check_int8(op: str, codes: torch.Tensor, scale: torch.Tensor) -> None:
    expected = "codes of (n, k) and scale of (n,)"
    _check_weight(op, codes, scale, torch.int8, lambda codes: (codes.shape[0],), expected)


def _check_result(op: str, dtype: torch.dtype) -> None:
    if dtype not in DTYPES:
        raise DtypeError(op, f"dtype {dtype}", f"one of {', '.join(map(str, DTYPES))}", "name one")


def _check_rows(op: str, x: torch.Tensor, codes: torch.Tensor, k: int) -> None:
    check_tensors(op, dtypes=DTYPES, x=x)
    if x.dim() != 2 or x.shape[1] != k or x.shape[0] > MOST_ROWS:
        raise ShapeError(
            op, shapes_in_words(x=x, codes=codes), f"x of (up to {MOST_ROWS}, {k})",
            "dequantise the weight and use matmul for more rows",
        )  # fmt: skip
    if x.device != codes.device:
        raise DeviceError(
            op, f"x on {x.device} and codes on {codes.device}", "one device", "move one"
        )


def _checked_dequantise(
    codes: torch.Tensor, scale: torch.Tensor, dtype: torch.dtype = torch.bfloat16
) -> tuple[torch.Tensor, torch.Tensor, torch.dtype]:
    _check_nf4("dequantise_nf4", codes, scale)
    _check_result("dequantise_nf4", dtype)
    return codes, scale, dtype


def _checked_dequantise_int8(
    codes: torch.Tensor, scale: torch.Tensor, dtype: torch.dtype = torch.bfloat16
) -> tuple[torch.Tensor, torch.Tensor, torch.dtype]:
    _check_int8("dequantise_int8", codes, scale)
    _check_result("dequantise_int8", dtype)
    return codes, scale, dtype


def _checked_nf4(x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor) -> _Tensors:
    (x,) = autocast.lowered(x)
    _check_nf4("matvec_nf4", codes, scale)
    _check_rows("matvec_nf4", x, codes, 2 * codes.shape[1])
    return x, codes, scale


def _checked_int8(x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor) -> _Tensors:
    (x,) = autocast.lowered(x)
    _check_int8("matvec_int8", codes, scale)
    _check_rows("matvec_int8", x, codes, codes.shape[1])
    return x, codes, scale


def _gluon_refuses(x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor) -> str | None:
    """Why a kernel in Gluon cannot take these inputs, or None."""
    if reason := gluon_refuses(x, (8, 0)):
        return reason
    if codes.is_contiguous() and not starts_aligned(codes):
        return "codes do not begin at a multiple of 16 bytes"
    return None


def _pairs_refuses(x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor) -> str | None:
    if reason := _gluon_refuses(x, codes, scale):
        return reason
    if x.dtype is torch.float32:
        return "it multiplies float16 and bfloat16 only"
    if not all(starts_aligned(t) for t in (x, scale) if t.is_contiguous()):
        return "x or scale do not begin at a multiple of 16 bytes"
    return None


def _integer_refuses(x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor) -> str | None:
    if reason := _gluon_refuses(x, codes, scale):
        return reason
    if x.dtype is torch.float32:
        return "x becomes numbers of 21 bits, too few for float32"
    if not (0 < codes.shape[1] <= 2**17 and not codes.shape[1] % 16):
        return "it takes a multiple of 16 columns, up to 2**17, whose sums fit in 32 bits"
    return None


def _kernel(name: str, inputs: str, function: str, fake: Any, *first: Backend) -> Kernel:
    return Kernel(
        name,
        op=name,
        inputs=inputs,
        backends=(
            *first,
            Backend("portable", f"{_ROOM}.portable:{function}", triton_refuses),
            Backend("reference", f"{_ROOM}.reference:{function}"),
        ),
        fake=fake,
    )


_dequantise_kernel = _kernel(
    "dequantise_nf4", "Tensor codes, Tensor scale, ScalarType dtype", "dequantise",
    lambda codes, scale, dtype, backend: codes.new_empty(
        (codes.shape[0], 2 * codes.shape[1]), dtype=dtype
    ),
)  # fmt: skip
_dequantise_int8_kernel = _kernel(
    "dequantise_int8", "Tensor codes, Tensor scale, ScalarType dtype", "dequantise_int8",
    lambda codes, scale, dtype, backend: codes.new_empty(codes.shape, dtype=dtype),
)  # fmt: skip
_nf4_kernel, _int8_kernel = (
    _kernel(
        name, "Tensor x, Tensor codes, Tensor scale", name,
        lambda x, codes, scale, backend: x.new_empty((x.shape[0], codes.shape[0])),
        Backend(first, f"{_ROOM}.{first}:{name}", refuses),
    )
    for name, first, refuses in (
        ("matvec_nf4", "pairs", _pairs_refuses), ("matvec_int8", "integer", _integer_refuses),
    )
)  # fmt: skip


def dequantise_nf4(
    codes: torch.Tensor,
    scale: torch.Tensor,
    dtype: torch.dtype = torch.bfloat16,
    *,
    backend: str | None = None,
) -> torch.Tensor:
    """The weight that NF4 codes and scales stand for.

    Args:
        codes: (n, k / 2), uint8, from ``quantise_nf4``.
        scale: (n, k / 64), float32.
        dtype: of the result: float16, bfloat16 or float32.
        backend: one of ``explain("dequantise_nf4", codes, scale).reasons``; None: the first.

    Returns:
        (n, k), contiguous; level · scale, rounded once. Not differentiable.

    Raises:
        ShapeError: sizes that do not fit.
        DtypeError: other dtypes.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    return _dequantise_kernel(*detached(_checked_dequantise(codes, scale, dtype)), backend=backend)


def dequantise_int8(
    codes: torch.Tensor,
    scale: torch.Tensor,
    dtype: torch.dtype = torch.bfloat16,
    *,
    backend: str | None = None,
) -> torch.Tensor:
    """The weight that int8 codes and scales stand for.

    Args:
        codes: (n, k), int8, from ``quantise_int8``.
        scale: (n,), float32.
        dtype: of the result: float16, bfloat16 or float32.
        backend: one of ``explain("dequantise_int8", codes, scale).reasons``; None: the first.

    Returns:
        (n, k), contiguous; code · scale, rounded once. Not differentiable.

    Raises:
        ShapeError, DtypeError, DeviceError, BackendError: as ``dequantise_nf4``.
    """
    inputs = detached(_checked_dequantise_int8(codes, scale, dtype))
    return _dequantise_int8_kernel(*inputs, backend=backend)


def matvec_nf4(
    x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor, *, backend: str | None = None
) -> torch.Tensor:
    """x times the transpose of an NF4 weight, for up to 8 rows of x.

    Args:
        x: (rows, k); float16, bfloat16 or float32.
        codes: (n, k / 2), uint8, from ``quantise_nf4``.
        scale: (n, k / 64), float32.
        backend: one of ``explain("matvec_nf4", x, codes, scale).reasons``; None: the first.

    Returns:
        (rows, n), contiguous, of x's dtype, summed in float32. Not differentiable.

    Raises:
        ShapeError, DtypeError, DeviceError, BackendError: as ``dequantise_nf4``, or too many rows.
    """
    return _nf4_kernel(*detached(_checked_nf4(x, codes, scale)), backend=backend)


def matvec_int8(
    x: torch.Tensor, codes: torch.Tensor, scale: torch.Tensor, *, backend: str | None = None
) -> torch.Tensor:
    """x times the transpose of an int8 weight, for up to 8 rows of x.

    Args:
        x: (rows, k); float16, bfloat16 or float32.
        codes: (n, k), int8, from ``quantise_int8``.
        scale: (n,), float32.
        backend: one of ``explain("matvec_int8", x, codes, scale).reasons``; None: the first.

    Returns:
        (rows, n), contiguous, of x's dtype, summed in float32. Not differentiable.

    Raises:
        ShapeError, DtypeError, DeviceError, BackendError: as ``dequantise_nf4``, or too many rows.
    """
    return _int8_kernel(*detached(_checked_int8(x, codes, scale)), backend=backend)


OPS = (
    Op(
        name="dequantise_nf4", summary="4-bit codes and scales to a weight",
        function=dequantise_nf4, kernel=_dequantise_kernel, gradients=(),
        checked=_checked_dequantise, torch_function=samples.torch_dequantise, dtypes=DTYPES,
        samples=samples.dequantise_samples(True), errors=samples.nf4_errors,
        cost=samples.dequantise_cost, bound="memory", cases=samples.dequantise_cases(True),
        source="Dettmers et al. 2023, QLoRA, arXiv:2305.14314, section 3", differentiable=False,
    ),
    Op(
        name="dequantise_int8", summary="8-bit codes and scales to a weight",
        function=dequantise_int8, kernel=_dequantise_int8_kernel, gradients=(),
        checked=_checked_dequantise_int8, torch_function=samples.torch_dequantise_int8,
        dtypes=DTYPES, samples=samples.dequantise_samples(False), errors=samples.int8_errors,
        cost=samples.dequantise_cost, bound="memory", cases=samples.dequantise_cases(False),
        source="Dettmers et al. 2022, LLM.int8(), arXiv:2208.07339, section 2",
        differentiable=False,
    ),
    Op(
        name="matvec_nf4", summary="up to 8 rows times a 4-bit weight", function=matvec_nf4,
        kernel=_nf4_kernel, gradients=(), checked=_checked_nf4, torch_function=samples.torch_nf4,
        dtypes=DTYPES, samples=samples.matvec_samples(True), errors=samples.matvec_errors(True),
        cost=samples.matvec_cost, bound="memory",
        cases=samples.matvec_cases(True),
        source="Dettmers et al. 2023, QLoRA, arXiv:2305.14314, section 3", differentiable=False,
        rounds_within=True,
    ),
    Op(
        name="matvec_int8", summary="up to 8 rows times an 8-bit weight", function=matvec_int8,
        kernel=_int8_kernel, gradients=(), checked=_checked_int8, torch_function=samples.torch_int8,
        dtypes=DTYPES, samples=samples.matvec_samples(False), errors=samples.matvec_errors(False),
        cost=samples.matvec_cost, bound="memory",
        cases=samples.matvec_cases(False),
        source="Dettmers et al. 2022, LLM.int8(), arXiv:2208.07339, section 2",
        differentiable=False, rounds_within=True,
    ),
)  # fmt: skip
