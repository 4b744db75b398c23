"""The backward of rms_norm and layer_norm on Hopper, of rows of 16 bits, in Gluon.

Programs stay, and the threads of a cluster hold the same columns of every row, or pair of rows,
that it takes, so that the sums of the parameters' gradients stay in registers. Of a pair, half as
many of these fill them and are written at the end as where a thread holds twice the columns of one
row, and both rows' sums meet at once (see ops/clusters.py).

Two columns lie in a word. Words are taken apart where they are used: numbers of 16 bits that a loop
carries would each take a register.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._compat import tl
from triton_kernels._gluon import gl, gluon
from triton_kernels.ops.clusters import columns_of, open_boxes, owned, wait_for_boxes
from triton_kernels.ops.mailboxes import mailboxes, receive, send

_AHEAD = gl.constexpr(2)
"""Turns from the one that is worked on to the one whose rows are brought to the L2 cache."""


@gluon.constexpr_function
def _pair(half):
    """Assembly: the two numbers in a word."""
    if half:
        return "{ .reg .b16 l, h; mov.b32 {l, h}, $2; cvt.f32.f16 $0, l; cvt.f32.f16 $1, h; }"
    return "shl.b32 $0, $2, 16; and.b32 $1, $2, 0xffff0000;"


@gluon.jit
def apart(words, HALF: gl.constexpr):
    """The columns of words, in float32."""
    TEXT: gl.constexpr = _pair(HALF)
    return gl.inline_asm_elementwise(
        TEXT, "=&r,=r,r", [words], dtype=(gl.float32, gl.float32), is_pure=False, pack=1
    )


@gluon.jit
def together(low, high, HALF: gl.constexpr):
    """Their words."""
    TEXT: gl.constexpr = f"cvt.rn.{'f16x2' if HALF else 'bf16x2'}.f32 $0, $2, $1;"
    return gl.inline_asm_elementwise(
        TEXT, "=r,r,r", [low, high], dtype=gl.int32, is_pure=True, pack=1
    )


@gluon.constexpr_function
def _errand(rows, tensors, warps):
    text = ".reg .pred p; .reg .b32 w, t, r; .reg .b64 o; mov.u32 w, %tid.x; shr.u32 w, w, 5; "
    text += f"and.b32 w, w, {warps - 1}; " if warps else ""
    text += f"shr.u32 t, w, {rows - 1}; mov.b64 $0, $2; "
    for i in range(1, tensors):
        text += f"setp.eq.u32 p, t, {i}; selp.b64 $0, ${i + 2}, $0, p; "
    text += f"and.b32 t, w, {rows - 1}; mul.wide.u32 o, t, $5; add.s64 $0, $0, o; "
    text += "mov.u32 r, %cluster_ctarank; mul.wide.u32 o, r, $6; add.s64 $0, $0, o; "
    text += "mul.lo.u32 t, r, $6; sub.s32 t, $5, t; min.s32 $1, t, $6; "
    text += f"setp.lt.u32 p, w, {rows * tensors}; selp.b32 $1, $1, 0, p; "
    text += "mov.u32 t, %laneid; setp.eq.u32 p, t, 0; selp.b32 $1, $1, 0, p; "
    return f"{{ {text} }}"


@gluon.jit
def errand_of_warp(
    z_ptr, dy_ptr, dsum_ptr, row_bytes, ROWS: gl.constexpr, PART_BYTES: gl.constexpr,
    WARPS: gl.constexpr = 0,
):  # fmt: skip
    """What a warp asks for each turn: an address and how many bytes, 0 for all lanes but one.

    Each of the first warps, of a team of so many, has one row of one tensor, of which it asks for
    its program's part.
    """
    TEXT: gl.constexpr = _errand(ROWS, 2 if dsum_ptr is None else 3, WARPS)
    third = z_ptr if dsum_ptr is None else dsum_ptr
    return gl.inline_asm_elementwise(
        TEXT, "=&l,=&r,l,l,l,r,r",
        [z_ptr.to(gl.int64), dy_ptr.to(gl.int64), third.to(gl.int64), row_bytes,
         row_bytes * 0 + PART_BYTES],
        dtype=(gl.int64, gl.int32), is_pure=False, pack=1,
    )  # fmt: skip


@gluon.jit
def ask_ahead(at, nbytes):
    """That they be brought to the L2 cache; no bytes: nothing."""
    gl.inline_asm_elementwise(
        "{ .reg .pred p; setp.gt.s32 p, $2, 0; @!p bra over; "
        "cp.async.bulk.prefetch.L2.global [$1], $2; over: mov.u32 $0, 0; }",
        "=r,l,r", [at, nbytes], dtype=gl.int32, is_pure=False, pack=1,
    )  # fmt: skip


@gluon.jit
def _read(x_ptr, mask, FULL: gl.constexpr):
    if FULL:
        return gl.load(x_ptr)
    else:
        return gl.load(x_ptr, mask=mask, other=0)


@gluon.jit
def _load(z_at, dy_at, rstd_at, mean_at, mask, CENTERED: gl.constexpr, FULL: gl.constexpr):
    rstd = gl.load(rstd_at)
    mean = rstd
    if CENTERED:
        mean = gl.load(mean_at)
    return _read(z_at, mask, FULL), _read(dy_at, mask, FULL), rstd, mean


@gluon.jit
def _load_rows(
    z_at, dy_at, rstd_at, mean_at, row, n_rows, n_words, within,
    CENTERED: gl.constexpr, FULL: gl.constexpr, ROWS: gl.constexpr,
):  # fmt: skip
    """A row, that below it where they come in pairs, and which columns of that one exist."""
    first = _load(z_at, dy_at, rstd_at, mean_at, within, CENTERED, FULL)
    second = first
    pair = within & (row + 1 < n_rows)
    if ROWS == 2:
        one = (row + 1 < n_rows).to(gl.int32)
        second = _load(
            z_at + n_words, dy_at + n_words, rstd_at + one, mean_at + one, pair, CENTERED, FULL
        )
    return first, second, pair


@gluon.jit
def begin(
    row, weight, sums,
    WEIGHTED: gl.constexpr, ROUNDED: gl.constexpr, DWEIGHT: gl.constexpr, DBIAS: gl.constexpr,
    CENTERED: gl.constexpr, HALF: gl.constexpr,
):  # fmt: skip
    """Of a row g and n, the sums of g·n and g over a thread's columns; the parameters' sums."""
    z, dy, rstd, mean = row
    low, high = apart(z, HALF)
    g_low, g_high = apart(dy, HALF)
    shift = 0.0
    if CENTERED:
        shift = -mean * rstd
    low = low * rstd + shift
    high = high * rstd + shift
    dweight_low, dweight_high, dbias_low, dbias_high = sums
    if DWEIGHT:
        n_low, n_high = low, high
        if ROUNDED:
            n_low, n_high = apart(together(low, high, HALF), HALF)
        dweight_low += g_low * n_low
        dweight_high += g_high * n_high
    if DBIAS:
        dbias_low += g_low
        dbias_high += g_high
    if WEIGHTED:
        g_low *= weight[0]
        g_high *= weight[1]
    along = owned(g_low * low + g_high * high)
    across = along
    if CENTERED:
        across = owned(g_low + g_high)
    sums = (dweight_low, dweight_high, dbias_low, dbias_high)
    return (low, high, g_low, g_high, rstd), along, across, sums


@gluon.jit
def gradient_of(made, along, across, share, CENTERED: gl.constexpr):
    """(g - n·mean(g·n) - mean(g))·rstd, with what is the same for a row taken together."""
    low, high, g_low, g_high, rstd = made
    slope = -rstd * (along * share)
    level = 0.0
    if CENTERED:
        level = -rstd * (across * share)
    low = g_low * rstd + (low * slope + level)
    high = g_high * rstd + (high * slope + level)
    return low, high


@gluon.jit
def _finish(
    made, along, across, dsum_at, dz_at, mask, share,
    CENTERED: gl.constexpr, HALF: gl.constexpr, FULL: gl.constexpr,
):  # fmt: skip
    """Stores dz."""
    low, high = gradient_of(made, along, across, share, CENTERED)
    if dsum_at is not None:
        more_low, more_high = apart(_read(dsum_at, mask, FULL), HALF)
        low += more_low
        high += more_high
    dz = together(low, high, HALF)
    if FULL:
        gl.store(dz_at, dz, cache_modifier=".cs")
    else:
        gl.store(dz_at, dz, mask=mask, cache_modifier=".cs")


@gluon.jit
def weight_of(weight_ptr, words, mask, offset, HALF: gl.constexpr):
    """Those of the even and of the odd columns, in float32."""
    if weight_ptr.dtype.element_ty == gl.float32:
        low = gl.load(weight_ptr + 2 * words, mask=mask, other=0.0)
        high = gl.load(weight_ptr + (2 * words + 1), mask=mask, other=0.0)
    else:
        weight_ptr = weight_ptr.cast(gl.pointer_type(gl.int32))
        low, high = apart(gl.load(weight_ptr + words, mask=mask, other=0), HALF)
    return low + offset, high + offset


@gluon.jit
def store_line(line_ptr, low, high, mask):
    """A line of float32, eight neighbours at a time."""
    gl.inline_asm_elementwise(
        "{ .reg .pred p; setp.ne.b32 p, $16, 0; "
        "@p st.global.v4.b32 [$4], {$8, $12, $9, $13}; "
        "@p st.global.v4.b32 [$4+16], {$10, $14, $11, $15}; }",
        "=r,=r,=r,=r,l,l,l,l,r,r,r,r,r,r,r,r,r,r,r,r",
        [line_ptr.to(gl.int64), low, high, mask.to(gl.int32)],
        dtype=gl.int32, is_pure=False, pack=4,
    )  # fmt: skip


@gluon.jit
def backward_of_words(
    dy_ptr, dsum_ptr, z_ptr, weight_ptr, statistics_ptr, dz_ptr, dweight_ptr, dbias_ptr,
    n_rows, n_columns, offset,
    CENTERED: gl.constexpr, ROUNDED: gl.constexpr, FULL: gl.constexpr, ROWS: gl.constexpr,
    PARTS: gl.constexpr, REPEATS: gl.constexpr, LAYOUT: gl.constexpr,
):  # fmt: skip
    """FULL: the threads have no columns beyond the row's end, and the rows come in pairs."""
    NUMBERS: gl.constexpr = ROWS * (2 if CENTERED else 1)
    HALF: gl.constexpr = z_ptr.dtype.element_ty == gl.float16
    DWEIGHT: gl.constexpr = dweight_ptr is not None
    DBIAS: gl.constexpr = dbias_ptr is not None
    WEIGHTED: gl.constexpr = weight_ptr is not None
    boxes = open_boxes(PARTS, 4 * NUMBERS)
    words = columns_of(PARTS, REPEATS, LAYOUT)
    PART: gl.constexpr = words.shape[1] * words.shape[2] * words.shape[3]
    n_words = n_columns // 2
    if FULL:
        n_words = n_words * 0 + PARTS * PART
    within = words < n_words
    places = mailboxes(boxes, NUMBERS, PARTS)
    tl.extra.cuda.gdc_wait()  # the kernel before has ended: this one may have started early
    z_ptr = z_ptr.cast(gl.pointer_type(gl.int32))
    dy_ptr = dy_ptr.cast(gl.pointer_type(gl.int32))
    dz_ptr = dz_ptr.cast(gl.pointer_type(gl.int32))
    start = gl.program_id(0) * ROWS
    stride = gl.num_programs(0) * ROWS
    at = start.to(gl.int64) * n_words
    step = stride.to(gl.int64) * n_words
    z_at = z_ptr + at + words
    dy_at = dy_ptr + at + words
    dz_at = dz_ptr + at + words
    dsum_at = None
    if dsum_ptr is not None:
        dsum_ptr = dsum_ptr.cast(gl.pointer_type(gl.int32))
        dsum_at = dsum_ptr + at + words
    rstd_at = statistics_ptr + start
    mean_at = rstd_at + n_rows
    first, second, pair = _load_rows(
        z_at, dy_at, rstd_at, mean_at, start, n_rows, n_words, within, CENTERED, FULL, ROWS
    )
    weight = (0.0, 0.0)
    if WEIGHTED:
        weight = weight_of(weight_ptr, words, within, offset, HALF)
    errand_at, nbytes = errand_of_warp(
        z_ptr + at + step, dy_ptr + at + step,
        None if dsum_ptr is None else dsum_ptr + at + step, n_words * 4, ROWS, PART * 4,
    )  # fmt: skip
    nothing = gl.full(words.shape, 0, gl.float32, LAYOUT)
    sums = (nothing, nothing, nothing, nothing)
    share = 1.0 / n_columns
    wait_for_boxes(boxes, PARTS)
    row = start
    left = (n_rows - 1 - start) // stride
    turn = 0
    while left >= 0:
        # After the last turn comes, unused, the same row again.
        on = (left > 0).to(gl.int32)
        z_at += step * on
        dy_at += step * on
        rstd_at += stride * on
        mean_at += stride * on
        errand_at += step * 4
        row += stride * on
        next_first, next_second, next_pair = _load_rows(
            z_at, dy_at, rstd_at, mean_at, row, n_rows, n_words, within, CENTERED, FULL, ROWS
        )
        ask_ahead(errand_at, nbytes * (left >= _AHEAD).to(gl.int32))
        made, along, across, sums = begin(
            first, weight, sums, WEIGHTED, ROUNDED, DWEIGHT, DBIAS, CENTERED, HALF
        )
        made_second, along_second, across_second = made, along, across
        if ROWS == 2:
            made_second, along_second, across_second, sums = begin(
                second, weight, sums, WEIGHTED, ROUNDED, DWEIGHT, DBIAS, CENTERED, HALF
            )
        if CENTERED:
            send(places, boxes, turn, (along, across, along_second, across_second), NUMBERS, PARTS)
            along, across, along_second, across_second = receive(
                places, boxes, turn, NUMBERS, PARTS
            )
        else:
            send(places, boxes, turn, (along, along_second, along, along), NUMBERS, PARTS)
            along, along_second, across, across_second = receive(
                places, boxes, turn, NUMBERS, PARTS
            )
        _finish(made, along, across, dsum_at, dz_at, within, share, CENTERED, HALF, FULL)
        if ROWS == 2:
            _finish(
                made_second, along_second, across_second,
                None if dsum_at is None else dsum_at + n_words, dz_at + n_words, pair, share,
                CENTERED, HALF, FULL,
            )  # fmt: skip
        dz_at += step
        if dsum_at is not None:
            dsum_at += step
        first, second, pair = next_first, next_second, next_pair
        left -= 1
        turn += 1
    line = gl.program_id(0).to(gl.int64) * n_columns + 2 * words
    if DWEIGHT:
        store_line(dweight_ptr + line, sums[0], sums[1], within)
    if DBIAS:
        store_line(dbias_ptr + line, sums[2], sums[3], within)
