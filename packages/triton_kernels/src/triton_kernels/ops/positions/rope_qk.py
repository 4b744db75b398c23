"""rope_qk: rotary position embedding of queries and keys in one launch, forward and back.

Queries and keys of a position turn by the same angles: one program reads cos and sin once and turns
some heads of both, of which there may be fewer keys (grouped-query attention). What turns a head is
rope's own code; the gradients turn back by the same kernel.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (triton.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from triton_kernels._compat import cdiv, dense_like, launch, next_power_of_2, tl, triton
from triton_kernels.backends import Backend, triton_refuses, wish
from triton_kernels.checks import FLOATS, check_flag, check_tensors, shapes_in_words
from triton_kernels.errors import DeviceError, DtypeError, ShapeError
from triton_kernels.kernel import Kernel
from triton_kernels.ops.positions import rope
from triton_kernels.registry import Case, Cost, ErrorSample, Op, Sample

_NAME = "rope_qk"
_Pair = tuple[torch.Tensor, torch.Tensor]

# --- reference ------------------------------------------------------------------------------------


def reference(
    q: torch.Tensor, k: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, start: int,
    interleaved: bool, inverse: bool,
) -> _Pair:  # fmt: skip
    """rope of each."""
    options = (cos, sin, start, interleaved, inverse)
    return rope.reference(q, *options), rope.reference(k, *options)


# --- portable -------------------------------------------------------------------------------------


@triton.jit
def _rope_qk(
    q_ptr, k_ptr, cos_ptr, sin_ptr, q_out, k_out, n_positions, q_heads, k_heads, size, half,
    q_batch, q_position, q_head, k_batch, k_position, k_head, table_row, table_rows, start,
    INTERLEAVED: tl.constexpr, INVERSE: tl.constexpr, Q_HEADS: tl.constexpr,
    K_HEADS: tl.constexpr, HALF: tl.constexpr, REST: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    batch = row // n_positions
    position = row % n_positions
    at = batch * table_rows + position + start
    cos, sin = rope.load_angles(cos_ptr, sin_ptr, at, half, table_row, INVERSE, HALF)
    heads = (tl.program_id(1) * Q_HEADS + tl.arange(0, Q_HEADS))[:, None]
    rope.turn_heads(
        q_ptr + batch * q_batch + position * q_position, q_out + row * q_heads * size,
        cos, sin, heads, q_heads, size, half, q_head, INTERLEAVED, Q_HEADS, HALF, REST,
    )  # fmt: skip
    heads = (tl.program_id(1) * K_HEADS + tl.arange(0, K_HEADS))[:, None]
    rope.turn_heads(
        k_ptr + batch * k_batch + position * k_position, k_out + row * k_heads * size,
        cos, sin, heads, k_heads, size, half, k_head, INTERLEAVED, K_HEADS, HALF, REST,
    )  # fmt: skip


def portable(
    q: torch.Tensor, k: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, start: int,
    interleaved: bool, inverse: bool,
) -> _Pair:  # fmt: skip
    """A program takes some queries and some keys of one position."""
    q, k = (x if x.stride(-1) == 1 else x.contiguous() for x in (q, k))
    cos, sin, distances = rope.tables_as_read(cos, sin)
    outputs = [dense_like(x) for x in (q, k)]
    batches, positions, q_heads, size = q.shape
    k_heads = k.shape[2]
    if outputs[0].numel() + outputs[1].numel():
        half = cos.shape[-1]
        power = next_power_of_2(max(half, 1))
        rest = size - 2 * half
        most = max(1, 2048 // power)
        tiles = [min(next_power_of_2(max(n, 1)), most) for n in (q_heads, k_heads)]
        programs = max(cdiv(q_heads, tiles[0]), cdiv(k_heads, tiles[1]))
        launch(
            _rope_qk, (batches * positions, programs), (q, k, cos, sin, *outputs),
            (
                positions, q_heads, k_heads, size, half,
                *q.stride()[:3], *k.stride()[:3], *distances,
            ),
            (start,),
            INTERLEAVED=interleaved, INVERSE=inverse, Q_HEADS=tiles[0], K_HEADS=tiles[1],
            HALF=power, REST=next_power_of_2(rest) if rest else 0, num_warps=4,
        )  # fmt: skip
    return outputs[0], outputs[1]


# --- op -------------------------------------------------------------------------------------------


def _checked(
    q: torch.Tensor, k: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, start: int = 0,
    interleaved: bool = False,
) -> tuple[Any, ...]:  # fmt: skip
    check_tensors(_NAME, q=q, k=k)
    tables = rope.checked_heads(_NAME, cos, sin, start, q=q)
    if k.dim() != 4 or k.shape[:2] != q.shape[:2] or k.shape[3] != q.shape[3]:
        raise ShapeError(
            _NAME, shapes_in_words(q=q, k=k), "the same batch, positions and size, any heads",
            "turn them apart with rope if they differ",
        )  # fmt: skip
    check_flag(_NAME, "interleaved", interleaved)
    return q, k, *tables, interleaved, False


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: _Pair) -> None:
    _, _, cos, sin, ctx.start, ctx.interleaved, ctx.inverse, ctx.backend = inputs
    ctx.save_for_backward(cos, sin)


def _backward(ctx: Any, dq: torch.Tensor, dk: torch.Tensor) -> tuple[Any, ...]:
    cos, sin = ctx.saved_tensors
    options = (cos, sin, ctx.start, ctx.interleaved, not ctx.inverse)
    return *_kernel.outputs(dq, dk, *options, backend=wish(ctx.backend)), *[None] * 6


_kernel = Kernel(
    _NAME,
    op=_NAME,
    inputs="Tensor q, Tensor k, Tensor cos, Tensor sin, int start, bool interleaved, bool inverse",
    outputs="(Tensor, Tensor)",
    backends=(
        Backend("portable", f"{__name__}:portable", triton_refuses),
        Backend("reference", f"{__name__}:reference"),
    ),
    fake=lambda q, k, *others: (q.new_empty(q.shape), k.new_empty(k.shape)),
    setup_context=_setup_context,
    backward=_backward,
)


def rope_qk(
    q: torch.Tensor,
    k: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    start: int = 0,
    interleaved: bool = False,
    *,
    backend: str | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """``rope`` of queries and of keys in one launch, worked in float32.

    Args:
        q: (batch, position, head, size), any strides; float16, bfloat16, float32, or float64
            (reference).
        k: as q, with any number of heads.
        cos: as in ``rope``, like all that follow.
        sin: as cos.
        start: the position of the first row, e.g. the length of a cache.
        interleaved: pairs are neighbours, as in GPT-J; else halves, as in Llama.
        backend: one of ``explain("rope_qk", q, k, cos, sin).reasons``; None: the first that can.

    Returns:
        Both turned, contiguous, of their shapes and dtype. Differentiable any number of times in
        q and k.

    Raises:
        ShapeError: sizes that do not fit, or positions beyond the tables.
        DtypeError: dtypes that do not fit, or tables that require a gradient.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    turned = _kernel.outputs(*_checked(q, k, cos, sin, start, interleaved), backend=backend)
    return turned[0], turned[1]


# --- samples --------------------------------------------------------------------------------------


def _torch_rope_qk(
    q: torch.Tensor, k: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, start: int = 0,
    interleaved: bool = False,
) -> _Pair:  # fmt: skip
    return reference(q, k, cos, sin, start, interleaved, False)


def _samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    def call(name: str, q: torch.Tensor, k: torch.Tensor, half: int, **options: Any) -> Sample:
        cos, sin = rope.tables(q.shape[1] + options.get("start", 0), half, device)
        return Sample(name, (q, k), {"cos": cos, "sin": sin, **options})

    def make(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device, dtype=dtype)

    for interleaved in (False, True):
        word = "interleaved" if interleaved else "halves"
        yield call(word, make(1, 2, 3, 8), make(1, 2, 1, 8), 4, interleaved=interleaved)
        q, k = make(1, 3, 17, 22), make(1, 3, 2, 22)
        yield call(f"{word}, partial", q, k, 6, interleaved=interleaved, start=3)
    yield call("fewer queries", make(1, 3, 1, 6), make(1, 3, 4, 6), 3)
    heads_first = make(1, 3, 2, 16).transpose(1, 2), make(1, 1, 2, 16).transpose(1, 2)
    yield call("heads first", *heads_first, 8)
    yield call("strided", make(2, 1, 7, 32)[..., ::2], make(2, 1, 1, 16).expand(2, 1, 2, 16), 8)
    yield call("many heads", make(1, 1, 6, 1024), make(1, 1, 5, 1024), 512)
    yield call("no keys", make(1, 2, 3, 8), make(1, 2, 0, 8), 4)
    cos, sin = rope.own_tables(3, 2, 4, device, True)
    yield Sample("own tables", (make(3, 2, 3, 8), make(3, 2, 1, 8)), {"cos": cos, "sin": sin})


def _errors(device: torch.device) -> Iterator[ErrorSample]:
    x = torch.zeros(1, 4, 2, 8, device=device)
    cos, sin = rope.tables(4, 4, device)
    yield ErrorSample(Sample("rank", (x[0], x[0], cos, sin)), ShapeError, "q of shape (4, 2, 8)")
    yield ErrorSample(Sample("positions", (x, x[:, :3], cos, sin)), ShapeError, "(1, 3, 2, 8)")
    yield ErrorSample(Sample("sizes", (x, x[..., :6], cos, sin)), ShapeError, "turn them apart")
    yield ErrorSample(Sample("far", (x, x, cos, sin, 1)), ShapeError, "positions 1 to 5")
    word = (x, x, cos, sin, 0, "halves")
    yield ErrorSample(Sample("interleaved", word), DtypeError, "interleaved of type str")
    yield ErrorSample(Sample("dtypes", (x, x.half(), cos, sin)), DtypeError, "k of float16")
    far = (x, x, cos.to("meta"), sin.to("meta"))
    yield ErrorSample(Sample("devices", far), DeviceError, "one device")


def _cost(q: torch.Tensor, k: torch.Tensor, **options: Any) -> Cost:
    """Read once, written once, each way."""
    nbytes, flops = 2 * (q.nbytes + k.nbytes), 3 * (q.numel() + k.numel())
    return Cost(nbytes, nbytes, flops, flops)


def _case(batches: int, positions: int, q_heads: int, k_heads: int, size: int) -> Case:
    def make(device: torch.device) -> Sample:
        q, k = (
            torch.randn(batches, positions, heads, size, device=device, dtype=torch.bfloat16)
            for heads in (q_heads, k_heads)
        )
        cos, sin = rope.tables(positions, size // 2, device)
        return Sample("", (q, k), {"cos": cos, "sin": sin})

    return Case(f"{batches}x{positions}x{q_heads}+{k_heads}x{size} bfloat16", make)


OPS = (
    Op(
        name=_NAME, summary="rope of queries and keys in one launch", function=rope_qk,
        kernel=_kernel, gradients=(), checked=_checked, torch_function=_torch_rope_qk,
        dtypes=FLOATS, samples=_samples, errors=_errors, cost=_cost, bound="memory",
        cases=(_case(4, 4096, 32, 8, 128),),
        source="Su et al. 2021, RoFormer, arXiv:2104.09864, equation 34",
    ),
)  # fmt: skip
