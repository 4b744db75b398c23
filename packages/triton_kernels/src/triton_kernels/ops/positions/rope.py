"""rope: rotary position embedding, forward and back by the same kernel.

The pair (a, b) of a head at position p turns by its angle: (a·cos - b·sin, b·cos + a·sin). The
derivative of a rotation is the rotation back, so the gradient turns by the negative angle.
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
from triton_kernels.registry import Case, Cost, ErrorSample, Op, Sample

# --- reference ------------------------------------------------------------------------------------


def reference(
    x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, start: int, interleaved: bool,
    inverse: bool,
) -> torch.Tensor:  # fmt: skip
    """The pairs turned, the dimensions beyond them as they are."""
    wide = torch.float64 if x.dtype is torch.float64 else torch.float32
    half = cos.shape[-1]
    here = slice(start, start + x.shape[1])
    c, s = (table[..., here, None, :].to(wide) for table in (cos, sin))
    s = -s if inverse else s
    turned, rest = x[..., : 2 * half].to(wide), x[..., 2 * half :]
    if interleaved:
        a, b = turned[..., ::2], turned[..., 1::2]
        pairs = torch.stack((a * c - b * s, b * c + a * s), -1).flatten(-2)
    else:
        a, b = turned[..., :half], turned[..., half:]
        pairs = torch.cat((a * c - b * s, b * c + a * s), -1)
    return torch.cat((pairs.to(x.dtype), rest), -1).contiguous()


# --- portable -------------------------------------------------------------------------------------


@triton.jit
def load_angles(
    cos_ptr, sin_ptr, row, half, table_row, INVERSE: tl.constexpr, HALF: tl.constexpr
):  # fmt: skip
    """cos and sin of one row of the tables, as (1, HALF); the sine negative to turn back."""
    pairs = tl.arange(0, HALF)[None, :]
    at = row * table_row + pairs
    cos = tl.load(cos_ptr + at, mask=pairs < half, other=0.0).to(tl.float32)
    sin = tl.load(sin_ptr + at, mask=pairs < half, other=0.0).to(tl.float32)
    if INVERSE:
        sin = -sin
    return cos, sin


@triton.jit
def turn_heads(
    x_ptr, y_ptr, cos, sin, heads, n_heads, size, half, x_head,
    INTERLEAVED: tl.constexpr, HEADS: tl.constexpr, HALF: tl.constexpr, REST: tl.constexpr,
):  # fmt: skip
    """Some heads of one position, from where its heads begin to where they do in a dense y."""
    pairs = tl.arange(0, HALF)[None, :]
    mask = (heads < n_heads) & (pairs < half)
    if INTERLEAVED:
        # Both of a pair in one access, then apart.
        columns = tl.arange(0, 2 * HALF)[None, :]
        both = (heads < n_heads) & (columns < 2 * half)
        x = tl.load(x_ptr + heads * x_head + columns, mask=both, other=0.0).to(tl.float32)
        a, b = tl.split(tl.reshape(x, (HEADS, HALF, 2)))
        y = tl.reshape(tl.join(a * cos - b * sin, b * cos + a * sin), (HEADS, 2 * HALF))
        tl.store(y_ptr + heads * size + columns, y, mask=both)
    else:
        a = tl.load(x_ptr + heads * x_head + pairs, mask=mask, other=0.0).to(tl.float32)
        b = tl.load(x_ptr + heads * x_head + half + pairs, mask=mask, other=0.0).to(tl.float32)
        tl.store(y_ptr + heads * size + pairs, a * cos - b * sin, mask=mask)
        tl.store(y_ptr + heads * size + half + pairs, b * cos + a * sin, mask=mask)
    if REST > 0:
        columns = 2 * half + tl.arange(0, REST)[None, :]
        mask = (heads < n_heads) & (columns < size)
        x = tl.load(x_ptr + heads * x_head + columns, mask=mask)
        tl.store(y_ptr + heads * size + columns, x, mask=mask)


@triton.jit
def _rope(
    x_ptr, cos_ptr, sin_ptr, y_ptr, n_positions, n_heads, size, half,
    x_batch, x_position, x_head, table_row, table_rows, start,
    INTERLEAVED: tl.constexpr, INVERSE: tl.constexpr, HEADS: tl.constexpr, HALF: tl.constexpr,
    REST: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    batch = row // n_positions
    position = row % n_positions
    heads = (tl.program_id(1) * HEADS + tl.arange(0, HEADS))[:, None]
    at = batch * table_rows + position + start
    cos, sin = load_angles(cos_ptr, sin_ptr, at, half, table_row, INVERSE, HALF)
    x_ptr += batch * x_batch + position * x_position
    y_ptr += row * n_heads * size
    turn_heads(
        x_ptr, y_ptr, cos, sin, heads, n_heads, size, half, x_head, INTERLEAVED, HEADS, HALF, REST
    )


def tables_as_read(
    cos: torch.Tensor, sin: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, tuple[int, int]]:
    """Both with rows at one distance, it, and the rows of a batch, 0 if all batches share them."""
    rows = cos.shape[1] if cos.dim() == 3 else 0
    apart = rows and cos.stride(0) != rows * cos.stride(1)
    if apart or cos.stride(-1) != 1 or cos.stride() != sin.stride():
        cos, sin = cos.contiguous(), sin.contiguous()
    return cos, sin, (cos.stride(-2), rows)


def portable(
    x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, start: int, interleaved: bool,
    inverse: bool,
) -> torch.Tensor:  # fmt: skip
    """A program takes some heads of one position, which share cos and sin."""
    x = x if x.stride(-1) == 1 else x.contiguous()
    cos, sin, distances = tables_as_read(cos, sin)
    y = dense_like(x)
    if y.numel():
        batches, positions, heads, size = x.shape
        half = cos.shape[-1]
        power = next_power_of_2(max(half, 1))
        rest = size - 2 * half
        tile = min(next_power_of_2(heads), max(1, 4096 // power))
        launch(
            _rope, (batches * positions, cdiv(heads, tile)), (x, cos, sin, y),
            (positions, heads, size, half, *x.stride()[:3], *distances), (start,),
            INTERLEAVED=interleaved, INVERSE=inverse, HEADS=tile, HALF=power,
            REST=next_power_of_2(rest) if rest else 0, num_warps=4,
        )  # fmt: skip
    return y


# --- op -------------------------------------------------------------------------------------------


def checked_heads(
    op: str, cos: torch.Tensor, sin: torch.Tensor, start: int, **heads: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Tables that fit one tensor of heads, and where they begin.

    Raises:
        ShapeError, DtypeError, DeviceError: as the op says.
    """
    ((name, x),) = heads.items()
    check_tensors(op, FLOATS, **heads)
    check_tensors(op, dtypes=(x.dtype, torch.float32), cos=cos, sin=sin)
    if cos.device != x.device:
        raise DeviceError(
            op, f"{name} on {x.device} and cos on {cos.device}", "one device", "move one"
        )
    if cos.requires_grad or sin.requires_grad:
        raise DtypeError(
            op, "cos or sin that requires a gradient", "constant tables", "detach them"
        )
    fits = x.dim() == 4 and cos.dim() in (2, 3) and cos.shape == sin.shape
    if fits and cos.dim() == 3:
        fits = cos.shape[0] in (1, x.shape[0])
    if not fits or 2 * cos.shape[-1] > x.shape[3]:
        raise ShapeError(
            op, shapes_in_words(**heads, cos=cos, sin=sin),
            f"{name} of (batch, position, head, size), cos and sin of (positions, up to size / 2), "
            "or (batch, positions, up to size / 2)",
            "transpose heads behind positions, cut tables that say everything twice",
        )  # fmt: skip
    if isinstance(start, bool) or not isinstance(start, int):
        raise DtypeError(op, f"start of type {type(start).__name__}", "an int", "pass one")
    if start < 0 or start + x.shape[1] > cos.shape[-2]:
        raise ShapeError(
            op, f"positions {start} to {start + x.shape[1]} and tables of {cos.shape[-2]}",
            "tables that reach so far", "make longer tables",
        )  # fmt: skip
    if cos.dim() == 3 and len(cos) == 1:
        cos, sin = cos[0], sin[0]
    return cos, sin, start


def _checked(
    x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, start: int = 0,
    interleaved: bool = False,
) -> tuple[Any, ...]:  # fmt: skip
    tables = checked_heads("rope", cos, sin, start, x=x)
    check_flag("rope", "interleaved", interleaved)
    return x, *tables, interleaved, False


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    _, cos, sin, ctx.start, ctx.interleaved, ctx.inverse, ctx.backend = inputs
    ctx.save_for_backward(cos, sin)


def _backward(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:
    cos, sin = ctx.saved_tensors
    options = (ctx.start, ctx.interleaved, not ctx.inverse)
    return _kernel(grad, cos, sin, *options, backend=wish(ctx.backend)), *[None] * 6


_kernel = Kernel(
    "rope",
    op="rope",
    inputs="Tensor x, Tensor cos, Tensor sin, int start, bool interleaved, bool inverse",
    backends=(
        Backend("portable", f"{__name__}:portable", triton_refuses),
        Backend("reference", f"{__name__}:reference"),
    ),
    fake=lambda x, *others: x.new_empty(x.shape),
    setup_context=_setup_context,
    backward=_backward,
)


def rope(
    x: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    start: int = 0,
    interleaved: bool = False,
    *,
    backend: str | None = None,
) -> torch.Tensor:
    """Each head turned by its position's angles, worked in float32.

    Args:
        x: (batch, position, head, size), any strides; float16, bfloat16, float32, or float64
            (reference). Queries and keys in one launch: one tensor of both's heads.
        cos: (positions, r), of x's dtype or float32, constant, 2r <= size; dimensions beyond 2r
            stay as they are. Where the rows of a batch stand at positions of their own (padded,
            packed, of several lengths): (batch, positions, r), e.g. ``table[position_ids]``.
        sin: as cos.
        start: the position of x's first row, e.g. the length of a cache.
        interleaved: pairs are neighbours (2i, 2i + 1), as in GPT-J; else (i, i + r), as in Llama.
        backend: one of ``explain("rope", x, cos, sin).reasons``; None: the first that can.

    Returns:
        Contiguous, of x's shape and dtype. Differentiable any number of times in x.

    Raises:
        ShapeError: sizes that do not fit, or positions beyond the tables.
        DtypeError: dtypes that do not fit, or tables that require a gradient.
        DeviceError: the devices differ.
        BackendError: the backend asked for cannot take these inputs.
    """
    return _kernel(*_checked(x, cos, sin, start, interleaved), backend=backend)


# --- samples --------------------------------------------------------------------------------------


def tables(
    positions: int, half: int, device: torch.device, base: float = 1e4
) -> tuple[torch.Tensor, torch.Tensor]:
    """cos and sin of position · base^(-i/half), in float32."""
    rates = base ** (-torch.arange(half, device=device, dtype=torch.float64) / max(half, 1))
    angles = torch.arange(positions, device=device, dtype=torch.float64)[:, None] * rates
    return angles.cos().float(), angles.sin().float()


def own_tables(
    batches: int, positions: int, half: int, device: torch.device, twice: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same of other positions in each row of a batch, padded on the left."""
    padding = 2 * torch.arange(batches, device=device)[:, None]
    places = (torch.arange(positions, device=device) - padding).clamp(min=0)
    cos, sin = (table[places] for table in tables(positions, half, device))
    if twice:
        cos, sin = (torch.cat((t, t), 2)[..., :half] for t in (cos, sin))
    return cos, sin


def _torch_rope(
    x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, start: int = 0,
    interleaved: bool = False,
) -> torch.Tensor:  # fmt: skip
    return reference(x, cos, sin, start, interleaved, False)


def _samples(device: torch.device, dtype: torch.dtype) -> Iterator[Sample]:
    def call(name: str, x: torch.Tensor, half: int, **options: Any) -> Sample:
        cos, sin = tables(x.shape[1] + options.get("start", 0), half, device)
        return Sample(name, (x,), {"cos": cos, "sin": sin, **options})

    def make(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device, dtype=dtype)

    for interleaved in (False, True):
        word = "interleaved" if interleaved else "halves"
        yield call(f"{word}", make(2, 5, 3, 16), 8, interleaved=interleaved)
        yield call(f"{word}, small", make(1, 2, 2, 8), 4, interleaved=interleaved)
        yield call(f"{word}, partial", make(2, 5, 3, 22), 6, interleaved=interleaved)
        yield call(f"{word}, start", make(1, 3, 3, 10), 5, interleaved=interleaved, start=7)
    yield call("heads first", make(2, 3, 50, 16).transpose(1, 2), 8)
    yield call("every second", make(2, 5, 3, 32)[..., ::2], 8)
    yield call("expanded", make(2, 5, 1, 16).expand(2, 5, 3, 16), 8)
    yield call("no positions", make(2, 0, 3, 16), 8)
    for twice in (False, True):  # as transformers has them, the first half of which is read
        cos, sin = own_tables(3, 5, 4, device, twice)
        yield Sample(
            f"own tables{', twice' * twice}", (make(3, 5, 2, 8),), {"cos": cos, "sin": sin}
        )
    cos, sin = own_tables(3, 5, 4, device)
    given = {"cos": cos, "sin": sin, "start": 2, "interleaved": True}
    yield Sample("own tables, start", (make(3, 3, 2, 10),), given)
    given = {"cos": cos[1:2], "sin": sin[1:2]}
    yield Sample("one's own", (make(3, 5, 2, 8),), given)


def _errors(device: torch.device) -> Iterator[ErrorSample]:
    x = torch.zeros(1, 4, 2, 8, device=device)
    cos, sin = tables(4, 4, device)
    yield ErrorSample(Sample("rank", (x[0], cos, sin)), ShapeError, "x of shape (4, 2, 8)")
    yield ErrorSample(Sample("tables", (x, cos, sin[:2])), ShapeError, "sin of shape (2, 4)")
    yield ErrorSample(Sample("far", (x, cos, sin, 1)), ShapeError, "positions 1 to 5")
    yield ErrorSample(Sample("dtypes", (x, cos.half(), sin)), DtypeError, "float16")
    own = cos.expand(2, 4, 4), sin.expand(2, 4, 4)
    yield ErrorSample(Sample("batches", (x, *own)), ShapeError, "cos of shape (2, 4, 4)")
    yield ErrorSample(Sample("start", (x, cos, sin, 0.5)), DtypeError, "start of type float")
    word = (x, cos, sin, 0, "halves")
    yield ErrorSample(Sample("interleaved", word), DtypeError, "interleaved of type str")
    yield ErrorSample(
        Sample("devices", (x, cos.to("meta"), sin.to("meta"))), DeviceError, "one device"
    )


def _cost(x: torch.Tensor, **options: Any) -> Cost:
    """Read once, written once, each way."""
    return Cost(2 * x.nbytes, 2 * x.nbytes, 3 * x.numel(), 3 * x.numel())


def _case(batches: int, positions: int, heads: int, size: int, interleaved: bool) -> Case:
    def make(device: torch.device) -> Sample:
        x = torch.randn(batches, positions, heads, size, device=device, dtype=torch.bfloat16)
        cos, sin = tables(positions, size // 2, device)
        return Sample("", (x,), {"cos": cos, "sin": sin, "interleaved": interleaved})

    word = " interleaved" if interleaved else ""
    return Case(f"{batches}x{positions}x{heads}x{size} bfloat16{word}", make)


OPS = (
    Op(
        name="rope", summary="rotary position embedding, whole or partial", function=rope,
        kernel=_kernel, gradients=(), checked=_checked, torch_function=_torch_rope, dtypes=FLOATS,
        samples=_samples, errors=_errors, cost=_cost, bound="memory",
        cases=(_case(4, 4096, 40, 128, False), _case(4, 4096, 40, 128, True)),
        source="Su et al. 2021, RoFormer, arXiv:2104.09864, equation 34",
    ),
)  # fmt: skip
