"""dropout by a seed: the same seed drops the same elements, forward, backward and everywhere.

Philox makes four random words from a counter and a key in ten rounds of multiplications, without
any state (Salmon et al. 2011). Element i takes word i mod 4 of counter i div 4, so a mask is never
stored: the backward makes it anew. The definition computes the same words in plain torch.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from triton_kernels._compat import cdiv, launch, tl, triton
from triton_kernels.backends import Backend, triton_refuses, wish
from triton_kernels.checks import FLOATS, check_seed, check_tensors
from triton_kernels.errors import DtypeError, ShapeError
from triton_kernels.kernel import Kernel
from triton_kernels.registry import Case, Cost, ErrorSample, Op, Sample

_ROUNDS = 10
_KEYS = (0x9E3779B9, 0xBB67AE85)
_FACTORS = (0xD2511F53, 0xCD9E8D57)
_WORD = 2**32

# --- reference ------------------------------------------------------------------------------------


def _product(x: torch.Tensor, factor: int) -> tuple[torch.Tensor, torch.Tensor]:
    """High and low words of x·factor, by halves: int64 has no room for all 64 bits."""
    high, low = x >> 16, x & 0xFFFF
    bottom = low * factor
    top = high * factor + (bottom >> 16)
    return top >> 16, ((top & 0xFFFF) << 16) | (bottom & 0xFFFF)


def philox(counter: list[torch.Tensor], seed: int, rounds: int = _ROUNDS) -> torch.Tensor:
    """Four random words a counter, as int64 (…, 4): Philox 4x32 with the seed as key.

    Args:
        counter: its four words, int64, lowest first, of shapes that broadcast.
        seed: the key.
        rounds: ten, or seven, which pass the same tests with less to spare (Salmon et al. 2011).
    """
    c = list(torch.broadcast_tensors(*counter))
    key = [seed % _WORD, seed // _WORD % _WORD]
    for _ in range(rounds):
        high0, low0 = _product(c[0], _FACTORS[0])
        high1, low1 = _product(c[2], _FACTORS[1])
        c = [high1 ^ c[1] ^ key[0], low1, high0 ^ c[3] ^ key[1], low0]
        key = [(k + step) % _WORD for k, step in zip(key, _KEYS, strict=True)]
    return torch.stack(c, -1)


def words_of(counters: torch.Tensor, seed: int) -> torch.Tensor:
    """Four random words a counter below 2⁶³, as int64 (counters, 4): Philox 4x32-10."""
    zero = torch.zeros_like(counters)
    return philox([counters % _WORD, counters // _WORD, zero, zero], seed)


def words(n: int, seed: int, device: torch.device) -> torch.Tensor:
    """n random words as int64: those of the counters 0, 1, …"""
    return words_of(torch.arange((n + 3) // 4, device=device), seed).flatten()[:n]


def _threshold(p: float) -> int:
    """A word below it, as its upper 31 bits, is dropped."""
    return round(p * 2**31)


def dropout_reference(x: torch.Tensor, p: float, seed: int) -> torch.Tensor:
    """x / (1 - p) where the element's word says so, else 0."""
    kept = (words(x.numel(), seed, x.device) >> 1).view(x.shape) >= _threshold(p)
    wide = x if x.dtype is torch.float64 else x.float()
    return torch.where(kept, wide * _scale(p), 0.0).to(x.dtype).contiguous()


def _scale(p: float) -> float:
    return 1 / (1 - p) if p < 1 else 0.0


# --- portable -------------------------------------------------------------------------------------

BLOCK = 512
"""Counters a program, four elements each."""


@triton.jit
def _dropout(x_ptr, y_ptr, n, seed, threshold, scale, BLOCK: tl.constexpr):
    first = tl.program_id(0).to(tl.int64) * BLOCK
    counters = first + tl.arange(0, BLOCK)
    low = counters.to(tl.uint32)
    high = (counters >> 32).to(tl.uint32)
    a, b, c, d = tl.philox(seed, low, high, low * 0, low * 0)
    chosen = tl.reshape(tl.join(tl.join(a, c), tl.join(b, d)), (4 * BLOCK,))
    kept = (chosen >> 1).to(tl.int32) >= threshold
    offsets = tl.arange(0, 4 * BLOCK)
    mask = offsets < n - 4 * first
    x = tl.load(x_ptr + 4 * first + offsets, mask=mask).to(tl.float32)
    tl.store(y_ptr + 4 * first + offsets, tl.where(kept, x * scale, 0.0), mask=mask)


def dropout_portable(x: torch.Tensor, p: float, seed: int) -> torch.Tensor:
    """One program a block of consecutive elements; strided inputs are copied first."""
    x = x.contiguous()
    y = torch.empty_like(x)
    if n := y.numel():
        if p >= 1:
            return y.zero_()
        grid = (cdiv(n, 4 * BLOCK),)
        chosen = (seed, _threshold(p), _scale(p))
        launch(_dropout, grid, (x, y), (n,), chosen, BLOCK=BLOCK, num_warps=4)
    return y


# --- op -------------------------------------------------------------------------------------------


def _checked(x: torch.Tensor, p: float, seed: int) -> tuple[torch.Tensor, float, int]:
    check_tensors("dropout", x=x)
    if isinstance(p, bool) or not isinstance(p, int | float):
        raise DtypeError("dropout", f"p of type {type(p).__name__}", "a number", "pass one")
    if not 0 <= p <= 1:
        raise ShapeError("dropout", f"p {p}", "0 <= p <= 1", "pass a probability")
    check_seed("dropout", seed)
    return x, float(p), seed


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    _, ctx.p, ctx.seed, ctx.backend = inputs


def _backward(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:
    return _kernel(grad, ctx.p, ctx.seed, backend=wish(ctx.backend)), None, None, None


_kernel = Kernel(
    "dropout",
    op="dropout",
    inputs="Tensor x, float p, SymInt seed",
    backends=(
        Backend("portable", f"{__name__}:dropout_portable", triton_refuses),
        Backend("reference", f"{__name__}:dropout_reference"),
    ),
    fake=lambda x, p, seed, backend: x.new_empty(x.shape),
    setup_context=_setup_context,
    backward=_backward,
)


def dropout(x: torch.Tensor, p: float, seed: int, *, backend: str | None = None) -> torch.Tensor:
    """Zeros with probability p, else x / (1 - p); which, the seed alone decides.

    Args:
        x: any shape and strides; float16, bfloat16, float32, or float64 (reference).
        p: the probability, to 31 bits; 1 drops all.
        seed: 0 <= seed < 2**63; pass another at every step.
        backend: one of ``explain("dropout", x, p, seed).reasons``; None: the first that can.

    Returns:
        Contiguous, of x's shape and dtype; every backend drops the same elements. Differentiable
        any number of times; no mask is kept.

    Raises:
        ShapeError: p is no probability, or the seed out of range.
        DtypeError: x is not floating-point, or p or seed no number.
        BackendError: the backend asked for cannot take these inputs.
    """
    return _kernel(*_checked(x, p, seed), backend=backend)


_SEEDS = 2**62


def drawn_seed() -> int:
    """A seed from torch's CPU generator: ``torch.manual_seed`` decides it, no device waits."""
    seed = int(torch.randint(_SEEDS, ()))
    if torch.compiler.is_compiling():  # which knows nothing of what the graph will draw
        torch._check(seed >= 0)
        torch._check(seed < _SEEDS)
    return seed


# --- samples --------------------------------------------------------------------------------------


def _samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    def make(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device, dtype=dtype)

    for shape in ((0,), (1,), (7,), (), (4 * BLOCK + 1,), (5, 33)):
        yield Sample(f"{shape}", (make(*shape), 0.5, 7))
    for p in (0.0, 0.1, 1.0):
        yield Sample(f"p {p}", (make(6, 10), p, 2**40 + 5))
    yield Sample("transposed", (make(33, 65).t(), 0.25, 0))
    yield Sample("expanded", (make(1, 40).expand(30, 40), 0.25, 3))


def _errors(device: torch.device) -> Iterator[ErrorSample]:
    x = torch.zeros(3, device=device)
    yield ErrorSample(Sample("p", (x, 1.5, 0)), ShapeError, "p 1.5")
    yield ErrorSample(Sample("p type", (x, "0", 0)), DtypeError, "p of type str")
    yield ErrorSample(Sample("seed", (x, 0.5, -1)), ShapeError, "seed -1")
    yield ErrorSample(Sample("seed type", (x, 0.5, 1.0)), DtypeError, "seed of type float")
    yield ErrorSample(Sample("integers", (x.int(), 0.5, 0)), DtypeError, "int32")


def _cost(x: torch.Tensor, p: float, seed: int) -> Cost:
    """Read once, written once, each way."""
    return Cost(2 * x.nbytes, 2 * x.nbytes, 25 * x.numel(), 25 * x.numel())


def _case(n: int) -> Case:
    def make(device: torch.device) -> Sample:
        return Sample("", (torch.randn(n, device=device, dtype=torch.bfloat16), 0.1, 7))

    return Case(f"{n >> 20}M bfloat16", make)


OPS = (
    Op(
        name="dropout", summary="zeros chosen by a seed, the rest scaled", function=dropout,
        kernel=_kernel, gradients=(), checked=_checked, torch_function=dropout_reference,
        dtypes=FLOATS, samples=_samples, errors=_errors, cost=_cost, bound="memory",
        cases=(_case(2**27),),
        source="Srivastava et al. 2014, Dropout; Salmon et al. 2011, Parallel random numbers: as "
        "easy as 1, 2, 3, section 3.3",
    ),
)  # fmt: skip
