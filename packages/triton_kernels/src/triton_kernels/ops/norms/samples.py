"""Calls of the norms for tests and benchmarks, torch's own for them, and what they cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch.nn import functional

from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.ops.norms.shapes import forward_columns
from triton_kernels.registry import Case, Cost, ErrorSample, Sample

Make = Callable[..., torch.Tensor]


def torch_rms_norm(
    x: torch.Tensor, weight: torch.Tensor | None = None,
    eps: float = 1e-6, offset: float = 0.0, casting: str = "float32",
) -> torch.Tensor:  # fmt: skip
    """Torch's rms_norm, or for casting ``llama`` what Hugging Face's Llama writes."""
    if weight is not None and (casting == "llama" or weight.dtype is not x.dtype):
        wide = x if x.dtype is torch.float64 else x.float()
        wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
        y = wide.to(x.dtype) if casting == "llama" else wide
        return ((weight + offset) * y).to(x.dtype)
    scale = None if weight is None else weight + offset
    return functional.rms_norm(x, x.shape[-1:], scale, eps)


def torch_add_rms_norm(
    x: torch.Tensor, residual: torch.Tensor, weight: torch.Tensor | None = None,
    eps: float = 1e-6, offset: float = 0.0, casting: str = "float32",
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """As it is written without a fused op."""
    total = x + residual
    return torch_rms_norm(total, weight, eps, offset, casting), total


def torch_layer_norm(
    x: torch.Tensor, weight: torch.Tensor | None = None, bias: torch.Tensor | None = None,
    eps: float = 1e-5,
) -> torch.Tensor:  # fmt: skip
    """Torch's layer_norm over the last dimension."""
    parameters = [p for p in (weight, bias) if p is not None]
    if any(p.dtype is not x.dtype for p in parameters):
        w, b = (None if p is None else p.float() for p in (weight, bias))
        return functional.layer_norm(x.float(), x.shape[-1:], w, b, eps).to(x.dtype)
    return functional.layer_norm(x, x.shape[-1:], weight, bias, eps)


def torch_add_layer_norm(
    x: torch.Tensor, residual: torch.Tensor, weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None, eps: float = 1e-5,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """As it is written without a fused op."""
    total = x + residual
    return torch_layer_norm(total, weight, bias, eps), total


def torch_group_norm(
    x: torch.Tensor, groups: int, weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None, eps: float = 1e-5,
) -> torch.Tensor:  # fmt: skip
    """Torch's group_norm."""
    return functional.group_norm(x, groups, weight, bias, eps)


def maker(device: torch.device, dtype: torch.dtype) -> Make:
    """Random tensors of a mean that is not zero."""

    def make(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device, dtype=dtype) * 2 + 0.5

    return make


def _inputs(make: Make) -> Iterator[tuple[str, torch.Tensor]]:
    """Ragged, empty, strided, expanded, of every number of dimensions, and beyond one pass."""
    for columns in (5, 7, 64, 65, 300):
        yield f"5x{columns}", make(5, columns)
    yield "vector", make(50)
    yield "0x4", make(0, 4)
    yield "4x0", make(4, 0)
    yield "2x3x40", make(2, 3, 40)
    yield "many rows", make(70, 17)
    yield "transposed", make(33, 65).t()
    yield "every second column", make(6, 64)[:, ::2]
    yield "slice of rows", make(6, 64)[:, :50]
    yield "permuted", make(3, 2, 40).transpose(0, 1)
    yield "expanded", make(1, 40).expand(30, 40)
    on_gpu = make(1).is_cuda
    yield "sums apart", make(3, forward_columns(on_gpu) // 2 + 1)
    yield "two passes", make(2, forward_columns(on_gpu) + 3)
    yield "held by one program", make(3, 4096 if on_gpu else 128)
    yield "a cluster's", make(3, 50000 if on_gpu else 130)


def _columns(x: torch.Tensor) -> int:
    return x.shape[-1]


_FUSED = (
    "5x7", "5x65", "5x300", "vector", "0x4", "transposed", "sums apart", "two passes",
    "a cluster's", "no weight", "no weight, no bias", "Gemma", "Llama, two passes", "large values",
)  # fmt: skip
"""Those samples of a norm that its fusion with an addition is tried on too."""


def rms_samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    """With and without weight, offset, both castings, a weight of float32."""
    make = maker(device, dtype)
    for name, x in _inputs(make):
        yield Sample(name, (x, make(_columns(x))))
    yield Sample("no weight", (make(5, 40),))
    yield Sample("strided weight", (make(5, 40), make(80)[::2]))
    yield Sample("Gemma", (make(5, 40), make(40), 1e-5, 1.0))
    yield Sample("Llama", (make(5, 40), make(40), 1e-5, 0.0, "llama"))
    long = make(2, forward_columns(device.type == "cuda") + 3)
    yield Sample("Llama, two passes", (long, make(_columns(long)), 1e-5, 0.0, "llama"))
    yield Sample("large values", (make(4, 100) * 100, make(100)))
    yield Sample("small values", (make(4, 100) * 1e-3, make(100)))


def layer_samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    """With and without weight and bias; a mean far from zero."""
    make = maker(device, dtype)
    for name, x in _inputs(make):
        yield Sample(name, (x, make(_columns(x)), make(_columns(x))))
    yield Sample("no weight, no bias", (make(5, 40),))
    yield Sample("no bias", (make(5, 40), make(40)))
    yield Sample("no weight", (make(5, 40), None, make(40)))
    yield Sample("eps", (make(5, 40), make(40), make(40), 1e-3))
    yield Sample("large values", (make(4, 100) * 100, make(100), make(100)))
    yield Sample("mean far from zero", (make(4, 100) + 10, make(100), make(100)))


def add_rms_samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    """Those of rms_norm, and addends of other strides."""
    make = maker(device, dtype)
    for sample in rms_samples(device, dtype):
        if sample.name in _FUSED:
            x, *rest = sample.args
            yield Sample(sample.name, (x, make(*x.shape), *rest))
    yield Sample("expanded residual", (make(30, 40), make(1, 40).expand(30, 40), make(40)))


def add_layer_samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    """Those of layer_norm, and addends of other strides."""
    make = maker(device, dtype)
    for sample in layer_samples(device, dtype):
        if sample.name in _FUSED:
            x, *rest = sample.args
            yield Sample(sample.name, (x, make(*x.shape), *rest))
    yield Sample("transposed residual", (make(30, 40), make(40, 30).t(), make(40)))
    yield Sample("expanded", (make(1, 40).expand(30, 40), make(30, 1).expand(30, 40)))


def group_samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    """One group to one a channel, images, sequences and none at all; ragged and strided."""
    make = maker(device, dtype)
    long = () if dtype is torch.float64 else ((1, 4, 33, 65),)  # more than one tile
    for shape in ((2, 6, 5, 7), (3, 8), (2, 4, 5), (1, 6, 9), *long):
        for groups in (2, shape[1]):
            x = make(*shape)
            # A group of one value has variance 0: its gradient is rounding divided by sqrt(eps).
            if x[0].numel() > groups:
                yield Sample(f"{shape}, {groups}", (x, groups, make(shape[1]), make(shape[1])))
    yield Sample("no weight, no bias", (make(2, 6, 5, 7), 3))
    yield Sample("no bias", (make(2, 6, 5, 7), 3, make(6)))
    yield Sample("eps", (make(2, 6, 5, 7), 3, make(6), make(6), 1e-3))
    yield Sample("no samples", (make(0, 6, 5), 3, make(6), make(6)))
    yield Sample("channels last", (make(2, 5, 7, 6).permute(0, 3, 1, 2), 3, make(6), make(6)))
    yield Sample("expanded", (make(1, 6, 40).expand(3, 6, 40), 3, make(6), make(6)))


def norm_errors(op: str) -> Callable[[torch.device], Iterator[ErrorSample]]:
    """Calls that must be refused."""

    def errors(device: torch.device) -> Iterator[ErrorSample]:
        x, w = torch.zeros(2, 4, device=device), torch.ones(4, device=device)
        yield ErrorSample(Sample("size", (x, w[:3])), ShapeError, "(2, 4) and weight of shape (3,)")
        yield ErrorSample(Sample("rank", (x, x)), ShapeError, "weight of shape (4,)")
        yield ErrorSample(Sample("scalar", (x[0, 0], w)), ShapeError, "one dimension or more")
        yield ErrorSample(Sample("dtypes", (x, w.half())), DtypeError, "weight of dtype float16")
        yield ErrorSample(Sample("integers", (x.long(), w)), DtypeError, "int64")
        yield ErrorSample(Sample("list", ([1.0], w)), DtypeError, "type list")
        yield ErrorSample(Sample("weight list", (x, [1.0])), DtypeError, "weight of type list")
        yield ErrorSample(Sample("devices", (x, w.to("meta"))), DeviceError, "one device")
        yield ErrorSample(Sample("eps", (x, w), {"eps": -1.0}), ShapeError, "eps -1.0")
        yield ErrorSample(Sample("eps type", (x, w), {"eps": "1"}), DtypeError, "eps of type str")
        if op == "rms_norm":
            cast = {"casting": "gemma"}
            yield ErrorSample(Sample("casting", (x, w), cast), DtypeError, "'gemma'")
            offset = {"offset": None}
            yield ErrorSample(Sample("offset", (x, w), offset), DtypeError, "offset of type")
            nan = {"offset": float("nan")}
            yield ErrorSample(Sample("NaN", (x, w), nan), ShapeError, "offset nan")
        else:
            yield ErrorSample(Sample("bias", (x, w, w[:2])), ShapeError, "bias of shape (2,)")
            mixed = (x.half(), w.half(), w)
            yield ErrorSample(
                Sample("two dtypes", mixed), DtypeError, "float16 and bias of float32"
            )

    return errors


def add_norm_errors(op: str) -> Callable[[torch.device], Iterator[ErrorSample]]:
    """Calls that must be refused."""

    def errors(device: torch.device) -> Iterator[ErrorSample]:
        x, w = torch.zeros(2, 4, device=device), torch.ones(4, device=device)
        yield ErrorSample(Sample("shapes", (x, x[:1], w)), ShapeError, "residual of shape (1, 4)")
        yield ErrorSample(Sample("None", (x, None, w)), DtypeError, "residual of type NoneType")
        yield ErrorSample(Sample("dtypes", (x, x.half(), w)), DtypeError, "residual of float16")
        yield ErrorSample(Sample("devices", (x, x.to("meta"), w)), DeviceError, "one device")
        yield ErrorSample(Sample("size", (x, x, w[:3])), ShapeError, "weight of shape (3,)")

    return errors


def group_errors(device: torch.device) -> Iterator[ErrorSample]:
    """Calls that must be refused."""
    x, w = torch.zeros(2, 6, 5, device=device), torch.ones(6, device=device)
    yield ErrorSample(Sample("groups", (x, 4, w)), ShapeError, "6 channels in 4 groups")
    yield ErrorSample(Sample("no group", (x, 0, w)), ShapeError, "6 channels in 0 groups")
    yield ErrorSample(Sample("type", (x, 2.0, w)), DtypeError, "groups of type float")
    yield ErrorSample(Sample("bool", (x, True, w)), DtypeError, "groups of type bool")
    yield ErrorSample(Sample("vector", (w, 1, w)), ShapeError, "two dimensions or more")
    yield ErrorSample(Sample("size", (x, 2, w[:3])), ShapeError, "weight of shape (6,)")
    yield ErrorSample(Sample("integers", (x.int(), 2, w)), DtypeError, "int32")
    yield ErrorSample(Sample("devices", (x, 2, w.to("meta"))), DeviceError, "one device")
    yield ErrorSample(Sample("eps", (x, 2, w, w, -1.0)), ShapeError, "eps -1.0")


def norm_cost(x: torch.Tensor, *others: object) -> Cost:
    """Forward: read x, write y. Backward: read x and dy, write dx; the parameters are small."""
    return Cost(2 * x.nbytes, 3 * x.nbytes, 6 * x.numel(), 12 * x.numel())


def add_norm_cost(x: torch.Tensor, residual: torch.Tensor, *others: object) -> Cost:
    """Forward: two read, two written. Backward: the sum and two gradients read, one written."""
    return Cost(4 * x.nbytes, 4 * x.nbytes, 7 * x.numel(), 13 * x.numel())


def _cases(
    sample: Callable[[Make, int, int], tuple[object, ...]], sizes: tuple[int, ...], log2: int = 26
) -> tuple[Case, ...]:
    def case(columns: int, dtype: torch.dtype) -> Case:
        rows = 2**log2 // columns
        name = f"{rows}x{columns} {str(dtype).removeprefix('torch.')}"
        return Case(name, lambda device: Sample("", sample(maker(device, dtype), rows, columns)))

    return (
        *(case(columns, torch.bfloat16) for columns in sizes),
        case(4096, torch.float32),
    )


_SIZES = (2048, 4096, 8192, 16384, 32768, 65536)
RMS_CASES = _cases(lambda make, m, n: (make(m, n), make(n)), _SIZES)
LAYER_CASES = _cases(lambda make, m, n: (make(m, n), make(n), make(n)), _SIZES)
ADD_RMS_CASES = _cases(lambda make, m, n: (make(m, n), make(m, n), make(n)), _SIZES[1:4])
ADD_LAYER_CASES = _cases(lambda make, m, n: (make(m, n), make(m, n), make(n), make(n)), _SIZES[1:4])


def _image(samples: int, channels: int, side: int) -> Case:
    def make(device: torch.device) -> Sample:
        new = maker(device, torch.bfloat16)
        x = new(samples, channels, side, side)
        return Sample("", (x, 32, new(channels), new(channels)))

    return Case(f"{samples}x{channels}x{side}x{side} bfloat16", make)


GROUP_CASES = (_image(64, 320, 64), _image(64, 1280, 32), _image(1024, 256, 16))
