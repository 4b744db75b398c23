"""Calls of the activations for tests and benchmarks, torch's own for them, and what they cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch.nn import functional

from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.ops.activations.shapes import flat_block
from triton_kernels.registry import Case, Cost, ErrorSample, Sample


def torch_gelu(x: torch.Tensor, approximate: str = "none") -> torch.Tensor:
    """Torch's gelu, its option by position."""
    return functional.gelu(x, approximate=approximate)


def torch_swiglu(gate: torch.Tensor, up: torch.Tensor | None = None) -> torch.Tensor:
    """As it is written without a fused op."""
    first, second = gate.chunk(2, -1) if up is None else (gate, up)
    return functional.silu(first) * second


def torch_geglu(
    gate: torch.Tensor, up: torch.Tensor | None = None, approximate: str = "none"
) -> torch.Tensor:
    """As it is written without a fused op."""
    first, second = gate.chunk(2, -1) if up is None else (gate, up)
    return torch_gelu(first, approximate) * second


def torch_bias_activation(
    x: torch.Tensor, bias: torch.Tensor, activation: str = "gelu"
) -> torch.Tensor:
    """As it is written without a fused op."""
    if activation == "relu":
        return functional.relu(x + bias)
    if activation == "silu":
        return functional.silu(x + bias)
    return torch_gelu(x + bias, "tanh" if activation == "gelu_tanh" else "none")


_Make = Callable[..., torch.Tensor]


def _maker(device: torch.device, dtype: torch.dtype) -> _Make:
    def make(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device, dtype=dtype)

    return make


def _ragged(make: _Make, block: int) -> Iterator[tuple[str, torch.Tensor]]:
    for n in (0, 1, 7, block - 1, block, 2 * block + 1):
        yield f"{n}", make(n)
    yield "scalar", make()
    yield "5x0x3", make(5, 0, 3)
    yield "3x4x5", make(3, 4, 5)
    yield "transposed", make(33, 65).t()
    yield "every second column", make(9, 64)[:, ::2]
    yield "expanded", make(1, 40).expand(30, 40)
    yield "large values", make(4, 100) * 100


def unary_samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    """Ragged, empty, strided, expanded, large."""
    for name, x in _ragged(_maker(device, dtype), flat_block(dtype)[0]):
        yield Sample(name, (x,))


def gelu_samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    """Those of every activation, exact and by tanh."""
    yield from unary_samples(device, dtype)
    make = _maker(device, dtype)
    for name, x in (("33", make(33)), ("3x4x5", make(3, 4, 5)), ("large", make(4, 100) * 100)):
        yield Sample(f"{name} tanh", (x, "tanh"))


def gated_samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    """Two tensors, one packed, halves of another; ragged, empty, strided, expanded."""
    make = _maker(device, dtype)
    block = flat_block(dtype)[0]
    for shape in ((0,), (7,), (), (5, 33), (2, 3, 65), (3, 0, 4), (block + 1,)):
        yield Sample(f"two of {shape}", (make(*shape), make(*shape)))
    for shape in ((10,), (0, 6), (4, 0), (5, 66), (2, 3, 130), (2, 2 * block + 2)):
        yield Sample(f"packed {shape}", (make(*shape),))
    pair = make(2, 6, 48)
    yield Sample("halves", (pair[..., :24], pair[..., 24:]))
    yield Sample("transposed", (make(33, 65).t(), make(65, 33)))
    yield Sample("packed, transposed", (make(34, 65).t(),))
    yield Sample("packed, every second row", (make(9, 64)[::2],))
    yield Sample("expanded", (make(1, 40).expand(30, 40), make(30, 1).expand(30, 40)))
    yield Sample("packed, expanded", (make(1, 40).expand(30, 40),))


def geglu_samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    """Those of every gated op, exact, and two by tanh."""
    make = _maker(device, dtype)
    yield from gated_samples(device, dtype)
    yield Sample("two tanh", (make(5, 33), make(5, 33), "tanh"))
    yield Sample("packed tanh", (make(5, 66), None, "tanh"))


def biased_samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    """Every activation; ragged, empty, strided, expanded; many rows."""
    make = _maker(device, dtype)
    for activation in ("relu", "gelu", "gelu_tanh", "silu"):
        yield Sample(activation, (make(5, 33), make(33), activation))
    for shape in ((7,), (1, 1), (0, 6), (4, 0), (2, 3, 65), (70, 300), (3, 1025)):
        yield Sample(f"{shape}", (make(*shape), make(shape[-1])))
    yield Sample("transposed", (make(33, 65).t(), make(33)))
    yield Sample("every second row", (make(9, 64)[::2], make(64)))
    yield Sample("strided bias", (make(9, 32), make(64)[::2]))
    yield Sample("expanded", (make(1, 40).expand(30, 40), make(1).expand(40)))


def unary_errors(device: torch.device) -> Iterator[ErrorSample]:
    """Calls that must be refused."""
    x = torch.zeros(3, device=device)
    yield ErrorSample(Sample("integers", (x.int(),)), DtypeError, "int32")
    yield ErrorSample(Sample("complex", (x.to(torch.complex64),)), DtypeError, "complex64")
    yield ErrorSample(Sample("None", (None,)), DtypeError, "type NoneType")


def gelu_errors(device: torch.device) -> Iterator[ErrorSample]:
    """Calls that must be refused."""
    yield from unary_errors(device)
    x = torch.zeros(3, device=device)
    yield ErrorSample(Sample("approximate", (x, "erf")), DtypeError, "'erf'")
    yield ErrorSample(Sample("bool", (x, True)), DtypeError, "approximate True")


def gated_errors(op: str) -> Callable[[torch.device], Iterator[ErrorSample]]:
    """Calls that must be refused."""

    def errors(device: torch.device) -> Iterator[ErrorSample]:
        x = torch.zeros(2, 4, device=device)
        yield ErrorSample(Sample("shapes", (x, x[:1])), ShapeError, "(2, 4) and up of shape (1, 4)")
        yield ErrorSample(Sample("odd", (x[:, :3],)), ShapeError, "an even last size")
        yield ErrorSample(Sample("scalar", (x[0, 0],)), ShapeError, "an even last size")
        yield ErrorSample(Sample("dtypes", (x, x.half())), DtypeError, "float32 and up of float16")
        yield ErrorSample(Sample("integers", (x.long(), x.long())), DtypeError, "int64")
        yield ErrorSample(Sample("list", (x, [1.0])), DtypeError, "type list")
        yield ErrorSample(Sample("devices", (x, x.to("meta"))), DeviceError, "one device")
        if op == "geglu":
            yield ErrorSample(Sample("approximate", (x, x, "erf")), DtypeError, "'erf'")

    return errors


def biased_errors(device: torch.device) -> Iterator[ErrorSample]:
    """Calls that must be refused."""
    x = torch.zeros(2, 4, device=device)
    yield ErrorSample(Sample("size", (x, x[0, :3])), ShapeError, "(2, 4) and bias of shape (3,)")
    yield ErrorSample(Sample("rank", (x, x)), ShapeError, "bias of (n,)")
    yield ErrorSample(Sample("scalar", (x[0, 0], x[0])), ShapeError, "bias of (n,)")
    yield ErrorSample(Sample("dtypes", (x, x[0].half())), DtypeError, "float32 and bias of float16")
    yield ErrorSample(Sample("integers", (x.long(), x[0].long())), DtypeError, "int64")
    yield ErrorSample(Sample("activation", (x, x[0], "tanh")), DtypeError, "'tanh'")
    yield ErrorSample(Sample("devices", (x, x[0].to("meta"))), DeviceError, "one device")


def unary_cost(x: torch.Tensor, approximate: str = "none") -> Cost:
    """Forward: read x, write y. Backward: read x and dy, write dx."""
    return Cost(2 * x.nbytes, 3 * x.nbytes, 10 * x.numel(), 20 * x.numel())


def gated_cost(
    gate: torch.Tensor, up: torch.Tensor | None = None, approximate: str = "none"
) -> Cost:
    """Forward: read gate and up, write y. Backward: read both and dy, write both gradients."""
    n = gate.numel() // 2 if up is None else gate.numel()
    size = gate.element_size()
    return Cost(3 * n * size, 5 * n * size, 8 * n, 14 * n)


def biased_cost(x: torch.Tensor, bias: torch.Tensor, activation: str = "gelu") -> Cost:
    """Forward: read x, write y. Backward: read x and dy, write dx; the bias is small."""
    return Cost(2 * x.nbytes, 3 * x.nbytes, 11 * x.numel(), 22 * x.numel())


def _case(name: str, make: Callable[[_Make], Sample], dtype: torch.dtype = torch.bfloat16) -> Case:
    short = str(dtype).removeprefix("torch.")
    return Case(f"{name} {short}", lambda device: make(_maker(device, dtype)))


UNARY_CASES = (
    _case("128M", lambda make: Sample("", (make(2**27),))),
    _case("64M", lambda make: Sample("", (make(2**26),)), torch.float32),
)
GELU_CASES = (
    *UNARY_CASES,
    _case("128M tanh", lambda make: Sample("", (make(2**27), "tanh"))),
)
GATED_CASES = (
    _case("8192x11008", lambda make: Sample("", (make(8192, 11008), make(8192, 11008)))),
    _case("8192x(2·11008) packed", lambda make: Sample("", (make(8192, 22016),))),
    _case("32768x2048", lambda make: Sample("", (make(32768, 2048), make(32768, 2048)))),
    _case("1024x65536", lambda make: Sample("", (make(1024, 65536), make(1024, 65536)))),
)
BIASED_CASES = (
    _case("16384x4096", lambda make: Sample("", (make(16384, 4096), make(4096)))),
    _case("16384x16384", lambda make: Sample("", (make(16384, 16384), make(16384)))),
)
