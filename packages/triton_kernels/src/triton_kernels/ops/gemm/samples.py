"""Calls of matmul for tests and benchmarks, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.ops.gemm import epilogue
from triton_kernels.registry import Case, Cost, ErrorSample, Sample


def torch_matmul(a: torch.Tensor, b: torch.Tensor, precision: str = "ieee") -> torch.Tensor:
    """``torch.matmul`` with the tensor cores' float32 mode that ``precision`` names."""
    if precision != "tf32" or a.dtype is torch.float64:
        return torch.matmul(a, b)
    product: torch.Tensor = _TorchTensorFloat32.apply(a, b)
    return product


class _TorchTensorFloat32(torch.autograd.Function):
    """Torch's product of two matrices with tf32 in both directions: the flag is global."""

    @staticmethod
    def forward(ctx: Any, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(a, b)
        return _tf32_product(a, b)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        a, b = ctx.saved_tensors
        return _tf32_product(grad, b.mT), _tf32_product(a.mT, grad)


def _tf32_product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    if not a.is_cuda:  # what a tensor core does: operands of 10 mantissa bits, sums of 23
        return _ten_bits(a) @ _ten_bits(b)
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        return a @ b
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def _ten_bits(x: torch.Tensor) -> torch.Tensor:
    mantissa, exponent = torch.frexp(x)
    return torch.ldexp((mantissa * 2**11).round() / 2**11, exponent)


def samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    """Ragged and empty sizes, every transposition, batches, strides no tile divides."""

    def make(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device, dtype=dtype)

    for m, n, k in ((1, 1, 1), (7, 5, 3), (64, 64, 64), (65, 129, 63), (128, 8, 200), (1, 72, 40)):
        yield Sample(f"{m}x{n}x{k}", (make(m, k), make(k, n)))
    yield Sample("long k", (make(1, 140, 5).mT, make(9, 140).t()))
    yield Sample("a transposed", (make(48, 40).t(), make(48, 72)))
    yield Sample("b transposed", (make(40, 48), make(72, 48).t()))
    yield Sample("both transposed", (make(48, 40).t(), make(72, 48).t()))
    yield Sample("no unit stride", (make(40, 96)[:, ::2], make(96, 72)[::2, ::3]))
    yield Sample("padded rows", (make(40, 64)[:, :48], make(48, 80)[:, :72]))
    yield Sample("off alignment", (make(40, 49)[:, 1:], make(48, 73)[:, 1:]))
    yield Sample("expanded", (make(40, 1).expand(40, 48), make(1, 72).expand(48, 72)))
    yield Sample("one b", (make(2, 3, 17, 24), make(24, 40)))
    yield Sample("one b, a permuted", (make(17, 3, 24).transpose(0, 1), make(24, 40)))
    yield Sample("batched", (make(3, 17, 24), make(3, 24, 33)))
    yield Sample(
        "heads", (make(2, 9, 3, 16).transpose(1, 2), make(2, 11, 3, 16).permute(0, 2, 3, 1))
    )
    yield Sample("five dimensions", (make(2, 1, 2, 5, 8), make(2, 1, 2, 8, 6)))
    yield Sample("expanded batch", (make(3, 8, 16), make(16, 24).expand(3, 16, 24)))
    yield Sample("m=0", (make(0, 4), make(4, 5)))
    yield Sample("n=0", (make(3, 4), make(4, 0)))
    yield Sample("k=0", (make(3, 0), make(0, 5)))
    yield Sample("batch=0", (make(0, 3, 4), make(0, 4, 5)))
    if dtype is torch.float32:
        for precision in ("tf32", "tf32x3"):
            yield Sample(precision, (make(33, 65), make(65, 17)), {"precision": precision})
        # Here a is read where it lies. No sample of one row: torch multiplies that exactly.
        yield Sample("tf32, 40x24x68", (make(40, 68), make(68, 24)), {"precision": "tf32"})


def errors(device: torch.device) -> Iterator[ErrorSample]:
    """Calls that must be refused."""
    a, b = torch.zeros(2, 3, device=device), torch.zeros(3, 4, device=device)
    yield ErrorSample(Sample("inner sizes", (a, a)), ShapeError, "(2, 3) and b of shape (2, 3)")
    yield ErrorSample(Sample("vector", (a, b[:, 0])), ShapeError, "two dimensions or more")
    yield ErrorSample(
        Sample("batches", (a.expand(5, 2, 3), b.expand(4, 3, 4))), ShapeError, "leading"
    )
    yield ErrorSample(Sample("broadcast", (a, b.expand(5, 3, 4))), ShapeError, "expand the leading")
    yield ErrorSample(Sample("dtypes", (a, b.half())), DtypeError, "float32 and b of float16")
    yield ErrorSample(Sample("integers", (a.int(), b.int())), DtypeError, "int32")
    yield ErrorSample(Sample("None", (a, None)), DtypeError, "type NoneType")
    yield ErrorSample(Sample("precision", (a, b), {"precision": "fast"}), DtypeError, "'fast'")
    yield ErrorSample(Sample("devices", (a, b.to("meta"))), DeviceError, "one device")


def cost(a: torch.Tensor, b: torch.Tensor, precision: str = "ieee") -> Cost:
    """2·m·n·k for the product; two such products for the gradients."""
    *batches, m, k = a.shape
    n = b.shape[-1]
    out = a.numel() // k * n * a.element_size() if k else 0
    flops = 2 * torch.Size(batches).numel() * m * n * k
    moved = a.nbytes + b.nbytes + out
    return Cost(moved, 2 * moved, flops, 2 * flops)


def _case(m: int, n: int, k: int, dtype: torch.dtype, precision: str = "ieee") -> Case:
    def make(device: torch.device) -> Sample:
        a = torch.randn(m, k, device=device, dtype=dtype)
        b = torch.randn(k, n, device=device, dtype=dtype)
        return Sample("", (a, b), {"precision": precision})

    size = f"{m}" if m == n == k else f"{m}x{n}x{k}"
    name = f"{size} {str(dtype).removeprefix('torch.')}"
    return Case(f"{name} {precision}" if dtype is torch.float32 else name, make)


CASES = (
    *(_case(size, size, size, torch.bfloat16) for size in (2048, 4096, 8192)),
    _case(8192, 14336, 4096, torch.bfloat16),
    _case(256, 256, 65536, torch.bfloat16),
    _case(16, 4096, 16384, torch.bfloat16),
    _case(4096, 4096, 4096, torch.float16),
    _case(4096, 4096, 4096, torch.float32, "tf32"),
)


def linear_samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    """Every activation, with and without bias and residual; ragged, strided, batched, empty."""

    def make(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device, dtype=dtype)

    def quarters(*shape: int) -> torch.Tensor:
        """Sums of their products are exact: one that rounds past 0 has another slope of relu."""
        return (torch.randint(-8, 9, shape, device=device) / 4).to(dtype)

    for activation in ("none", "relu", "gelu", "gelu_tanh", "silu"):
        drawn = quarters if activation == "relu" else make
        everything = (drawn(40, 48), drawn(72, 48), drawn(72), make(40, 72), activation)
        yield Sample(f"all, {activation}", everything)
    for m, n, k in ((7, 5, 3), (130, 264, 72), (1, 40, 200)):
        yield Sample(f"{m}x{n}x{k}", (make(m, k), make(n, k), make(n), make(m, n), "silu"))
    yield Sample("1x1x1", (make(1, 1), make(1, 1)))  # a sum of one could cancel to nothing
    yield Sample("product alone", (make(33, 24), make(40, 24)))
    yield Sample("bias", (make(33, 24), make(40, 24), make(40)))
    yield Sample("residual", (make(33, 24), make(40, 24), None, make(33, 40)))
    yield Sample("activation", (make(33, 24), make(40, 24), None, None, "gelu"))
    yield Sample("batches", (make(2, 3, 17, 24), make(40, 24), make(40), make(2, 3, 17, 40)))
    yield Sample("weight transposed", (make(33, 24), make(24, 40).t(), make(40)))
    strided = quarters(80)[::2], make(40, 66).t()[::2]
    yield Sample("strided", (quarters(33, 48)[:, ::2], quarters(40, 24), *strided, "relu"))
    yield Sample("expanded", (make(1, 24).expand(33, 24), make(40, 24), make(1).expand(40)))
    yield Sample("small batches", (make(2, 3, 5), make(6, 5), make(6), make(2, 3, 6), "gelu"))
    off = make(1 + 40 * 72)[1:].view(40, 72)  # what descriptors do not read
    yield Sample("residual off alignment", (make(40, 48), make(72, 48), make(73)[1:], off, "silu"))
    yield Sample("m=0", (make(0, 4), make(5, 4), make(5)))
    yield Sample("n=0", (make(3, 4), make(0, 4), make(0), make(3, 0), "silu"))
    yield Sample("k=0", (make(3, 0), make(5, 0), make(5), make(3, 5), "silu"))
    if dtype is torch.float32:
        # No relu: where a sum rounds to the other side of 0 its slope is another, by chance.
        for activation in ("none", "gelu", "gelu_tanh", "silu"):
            everything = (make(40, 68), make(72, 68), make(72), make(40, 72), activation)
            yield Sample(f"tf32, {activation}", everything, {"precision": "tf32"})
        both = (make(2, 17, 33), make(23, 33), make(23))
        yield Sample("tf32, batches", both, {"precision": "tf32"})
        yield Sample("tf32x3", both, {"precision": "tf32x3"})


def linear_errors(device: torch.device) -> Iterator[ErrorSample]:
    """Calls that must be refused."""
    x, w = torch.zeros(2, 3, device=device), torch.zeros(4, 3, device=device)
    yield ErrorSample(Sample("sizes", (x, w.t())), ShapeError, "weight of shape (3, 4)")
    yield ErrorSample(Sample("vector", (x[0], w)), ShapeError, "x of shape (3,)")
    yield ErrorSample(Sample("bias", (x, w, x[0])), ShapeError, "bias of shape (3,)")
    yield ErrorSample(Sample("residual", (x, w, None, x)), ShapeError, "residual of shape (2, 3)")
    yield ErrorSample(Sample("dtypes", (x, w.half())), DtypeError, "float32 and weight of float16")
    yield ErrorSample(Sample("activation", (x, w, None, None, "tanh")), DtypeError, "'tanh'")
    yield ErrorSample(Sample("precision", (x, w), {"precision": "fast"}), DtypeError, "'fast'")
    yield ErrorSample(Sample("integers", (x.int(), w.int())), DtypeError, "int32")
    yield ErrorSample(Sample("devices", (x, w.to("meta"))), DeviceError, "one device")


def linear_cost(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None,
    residual: torch.Tensor | None = None, activation: str = "none", precision: str = "ieee",
) -> Cost:  # fmt: skip
    """2·m·n·k for the product, two such for the gradients; the epilogue is not counted."""
    return cost(x, weight.t())


def _linear_case(size: int, activation: str, residual: bool, precision: str = "") -> Case:
    dtype = torch.float32 if precision else torch.bfloat16

    def make(device: torch.device) -> Sample:
        x, w, r = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(3))
        bias = torch.randn(size, device=device, dtype=dtype)
        args = (x, w / size**0.5, bias, r if residual else None, activation)
        return Sample("", args, {"precision": precision} if precision else {})

    return Case(f"{size} {precision or 'bfloat16'}, {_in_words(activation, residual)}", make)


def _in_words(activation: str, residual: bool) -> str:
    parts = ["bias", *([activation] if activation != "none" else []), *["residual"] * residual]
    return " + ".join(parts)


LINEAR_CASES = (
    *(_linear_case(size, "none", True) for size in (2048, 4096, 8192)),
    *(_linear_case(size, "gelu_tanh", False) for size in (2048, 4096, 8192)),
    _linear_case(4096, "silu", True),
    _linear_case(4096, "silu", True, "tf32"),
)


def torch_matmul_fp8(
    a: torch.Tensor, b: torch.Tensor, scale_a: torch.Tensor, scale_b: torch.Tensor,
    dtype: torch.dtype = torch.bfloat16, *finish: Any,
) -> torch.Tensor:  # fmt: skip
    """``torch._scaled_mm`` where it serves, else the product in float32; the epilogue after it."""
    product = _torch_scaled(a, b, scale_a, scale_b, dtype)
    return epilogue.by_torch(product, *finish) if finish else product


def _torch_scaled(
    a: torch.Tensor, b: torch.Tensor, scale_a: torch.Tensor, scale_b: torch.Tensor,
    dtype: torch.dtype,
) -> torch.Tensor:  # fmt: skip
    if a.dtype is torch.float64:
        return a @ b * (scale_a * scale_b).reshape(())
    fits = a.is_cuda and all(n % 16 == 0 and n for n in (*a.shape, *b.shape))
    if fits and a.stride(1) == 1 and b.stride(0) == 1:
        return torch._scaled_mm(a, b, scale_a, scale_b, out_dtype=dtype, use_fast_accum=True)
    return (a.float() @ b.float() * (scale_a * scale_b).reshape(())).to(dtype)


def fp8_samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    """Ragged and aligned sizes, both results' dtypes, every order in memory; one dtype only."""

    def make(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device).to(torch.float8_e4m3fn)

    def call(name: str, a: torch.Tensor, b: torch.Tensor, *more: Any) -> Sample:
        scales = (torch.full((), s, device=device) for s in (0.5, 3.0))
        return Sample(name, (a, b, *scales, *more))

    for m, n, k in ((16, 16, 16), (33, 48, 64), (130, 264, 208), (1, 40, 512), (7, 5, 3)):
        yield call(f"{m}x{n}x{k}", make(m, k), make(n, k).t())
    yield call("float16", make(40, 64), make(48, 64).t(), torch.float16)
    yield call("rows of b", make(40, 64), make(64, 48))
    yield call("columns of a", make(64, 40).t(), make(48, 64).t())
    yield call("expanded", make(1, 64).expand(40, 64), make(48, 1).expand(48, 64).t())
    yield call("m=0", make(0, 16), make(16, 16).t())
    for activation, to in (
        ("none", torch.bfloat16), ("relu", torch.float16), ("gelu", torch.bfloat16),
        ("gelu_tanh", torch.bfloat16), ("silu", torch.float16),
    ):  # fmt: skip
        bias, residual = torch.randn(48, device=device), torch.randn(40, 48, device=device)
        more = (to, (8 * bias).to(to), (8 * residual).to(to), activation)
        yield call(f"all, {activation}", make(40, 64), make(48, 64).t(), *more)
    bias = torch.randn(96, device=device).bfloat16()[::2]
    yield call("bias", make(130, 64), make(48, 64).t(), torch.bfloat16, bias, None, "none")
    residual = torch.randn(48, 33, device=device).bfloat16().t()
    yield call("residual", make(33, 64), make(48, 64).t(), torch.bfloat16, None, residual, "relu")


def fp8_errors(device: torch.device) -> Iterator[ErrorSample]:
    """Calls that must be refused."""
    a = torch.zeros(2, 3, device=device).to(torch.float8_e4m3fn)
    one = torch.ones((), device=device)
    yield ErrorSample(Sample("sizes", (a, a, one, one)), ShapeError, "b of shape (2, 3)")
    yield ErrorSample(
        Sample("scales", (a, a.t(), one.expand(2), one)), ShapeError, "scale_a of shape (2,)"
    )
    yield ErrorSample(Sample("dtype", (a.float(), a.t(), one, one)), DtypeError, "float32")
    half = (a, a.t(), one.half(), one)
    yield ErrorSample(Sample("scale's dtype", half), DtypeError, "scale_a of dtype float16")
    to_float = (a, a.t(), one, one, torch.float32)
    yield ErrorSample(Sample("result", to_float), DtypeError, "torch.float32")
    bias = torch.zeros(2, device=device, dtype=torch.bfloat16)
    with_bias = (a, a.t(), one, one, torch.bfloat16, bias)
    yield ErrorSample(Sample("bias", (*with_bias[:5], bias[:1])), ShapeError, "bias of shape (1,)")
    yield ErrorSample(
        Sample("residual", (*with_bias, bias[None])), ShapeError, "residual of shape (1, 2)"
    )
    yield ErrorSample(
        Sample("bias's dtype", (*with_bias[:5], bias.half())), DtypeError, "bias of dtype float16"
    )
    yield ErrorSample(
        Sample("bias's device", (*with_bias[:5], bias.to("meta"))), DeviceError, "bias on meta"
    )
    yield ErrorSample(Sample("activation", (*with_bias, None, "tanh")), DtypeError, "'tanh'")
    away = one.to("meta")
    yield ErrorSample(Sample("scales' device", (a, a.t(), away, away)), DeviceError, "on meta")
    yield ErrorSample(Sample("a scale's device", (a, a.t(), one, away)), DeviceError, "scale_b on")


def fp8_cost(a: torch.Tensor, b: torch.Tensor, *others: Any) -> Cost:
    """2·m·n·k; the result has 16 bits."""
    (m, k), n = a.shape, b.shape[1]
    return Cost(a.nbytes + b.nbytes + 2 * m * n, 0, 2 * m * n * k, 0)


def _fp8_case(size: int, activation: str = "") -> Case:
    def make(device: torch.device) -> Sample:
        a, b = (torch.randn(size, size, device=device).to(torch.float8_e4m3fn) for _ in range(2))
        one = torch.ones((), device=device)
        if not activation:
            return Sample("", (a, b.t(), one, one))
        bias = torch.randn(size, device=device, dtype=torch.bfloat16)
        residual = torch.randn(size, size, device=device, dtype=torch.bfloat16)
        scale = one / size**0.5
        return Sample("", (a, b.t(), scale, one, torch.bfloat16, bias, residual, activation))

    return Case(f"{size}, {_in_words(activation, True)}" if activation else f"{size}", make)


FP8_CASES = (_fp8_case(4096), _fp8_case(8192), _fp8_case(4096, "silu"))
