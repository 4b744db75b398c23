"""Rows that the programs of a cluster share on Hopper, in Gluon: their threads meet in one wait.

A row is divided among PARTS programs of one cluster, which run at the same time and reach each
other's shared memory. Each warp adds up two numbers over its threads by shuffles; its first lanes
send them to a box in every program (``st.async``, which counts the bytes that come at the box's
barrier, so that no fence is needed). Whoever has waited there reads all warps' numbers, one a lane,
and adds them up by shuffles again: one wait where a reduction within a program takes two barriers
and a meeting of programs comes on top. A program alone has one barrier of its threads instead. The
order of the additions is fixed.

There are two boxes, used in turn. A warp puts into one anew when it has waited at the other, where
each warp has put what it had only after it had read the first.

A row lies as (parts, repeats, threads, 16 bytes): a thread reads 16 bytes at a time and holds the
same columns of every row.

How up to four numbers meet at once, and two teams of warps in one program, is in mailboxes.py.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._gluon import gl, gluon


@gluon.constexpr_function
def _over_warp(s, operation):
    """Assembly: s summed over a warp, or its maximum, in all lanes."""
    text = ""
    for lane in (16, 8, 4, 2, 1):
        text += (
            f"shfl.sync.bfly.b32 x, {s}, {lane}, 0x1f, 0xffffffff; {operation}.f32 {s}, {s}, x; "
        )
    return text


@gluon.constexpr_function
def team_text(register, warps):
    """Assembly: which team of so many warps a thread belongs to."""
    return f"mov.u32 {register}, %tid.x; shr.u32 {register}, {register}, {4 + warps.bit_length()}; "


@gluon.constexpr_function
def _boxes(parts, warps, nbytes, teams):
    barriers = 2 * nbytes * parts * warps
    each = barriers + 16
    text = f".shared .align 16 .b8 box[{teams * each}]; mov.u32 $0, box; "
    if teams > 1:
        text += f".reg .b32 w; {team_text('w', warps)}mad.lo.u32 $0, w, {each}, $0; "
    if parts > 1:
        text += ".reg .pred p; .reg .b32 t; mov.u32 t, %tid.x; setp.eq.u32 p, t, 0; "
        for at in (team * each + barriers + 8 * box for team in range(teams) for box in (0, 1)):
            text += f"@p mbarrier.init.shared.b64 [box+{at}], 1; "
        text += "@p fence.mbarrier_init.release.cluster; barrier.cluster.arrive.relaxed.aligned; "
    return f"{{ {text} // $1 \n }}"


@gluon.constexpr_function
def _send(width, numbers, lane, each, parts, warps):
    """Assembly: a warp's numbers, ``each`` bytes, go to a in this program's box, whose barrier is
    at m, or by as many lanes as there are programs into the box of every one."""
    if parts == 1:
        return f"setp.eq.u32 p, {lane}, 0; @p st.shared.{width} [a], {numbers}; bar.sync 0; "
    nbytes, complete = each * parts * warps, "mbarrier::complete_tx::bytes"
    text = f"mov.u32 r, %cluster_ctarank; mad.lo.u32 a, r, {each * warps}, a; "
    text += f"add.u32 m, m, {2 * nbytes}; setp.lt.u32 p, {lane}, {parts}; "
    text += f"@q mbarrier.arrive.expect_tx.shared::cta.b64 _, [m], {nbytes}; "
    text += f"@p mapa.shared::cluster.u32 a, a, {lane}; @p mapa.shared::cluster.u32 m, m, {lane}; "
    return text + f"@p st.async.shared::cluster.{complete}.{width} [a], {numbers}, [m]; "


@gluon.constexpr_function
def _put(kind, parts, warps):
    nbytes = 8 * parts * warps
    text = ".reg .pred p, q; .reg .b32 l, w, r, a, m; .reg .f32 x, s, t; "
    text += "mov.b32 s, $3; mov.b32 t, $4; "
    text += _over_warp("s", "add") if kind in ("sum", "sums") else ""
    text += _over_warp("t", "add") if kind != "sum" else ""
    text += "mov.u32 l, %laneid; mov.u32 w, %tid.x; setp.eq.u32 q, w, 0; shr.u32 w, w, 5; "
    text += f"and.b32 a, $2, 1; mad.lo.u32 m, a, 8, $1; mad.lo.u32 a, a, {nbytes}, $1; "
    text += "mad.lo.u32 a, w, 8, a; "
    text += _send("v2.b32", "{s, t}", "l", 8, parts, warps)
    return f"{{ {text} mov.u32 $0, l; }}"


@gluon.constexpr_function
def _take(kind, parts, warps):
    entries = parts * warps
    assert entries in (1, 2, 4, 8, 16, 32, 64, 128)
    text = ".reg .pred p; .reg .b32 l, a, m, h; .reg .f32 x, y, s, t, d, m0; and.b32 a, $3, 1; "
    if parts > 1:
        text += f"mad.lo.u32 m, a, 8, $2; add.u32 m, m, {16 * entries}; bfe.u32 h, $3, 1, 1; "
        text += "again: mbarrier.try_wait.parity.shared::cta.b64 p, [m], h; @!p bra again; "
    text += f"mad.lo.u32 a, a, {8 * entries}, $2; mov.u32 l, %laneid; "
    text += f"and.b32 l, l, {min(entries, 32) - 1}; mad.lo.u32 a, l, 8, a; "
    text += "ld.shared.v2.b32 {s, t}, [a]; "
    for more in range(256, 8 * entries, 256):
        text += f"ld.shared.v2.b32 {{x, y}}, [a+{more}]; "
        if kind == "powers":
            # s grows to the maximum of both; t and y are relative to what s and x were. Where both
            # are -inf the difference would be NaN: the least number is subtracted instead.
            text += "mov.f32 d, s; max.f32 s, s, x; max.f32 m0, s, 0fFF7FFFFF; "
            text += "sub.f32 d, d, m0; ex2.approx.ftz.f32 d, d; mul.f32 t, t, d; "
            text += "sub.f32 x, x, m0; ex2.approx.ftz.f32 x, x; fma.rn.f32 t, y, x, t; "
        else:
            text += "add.f32 s, s, x; add.f32 t, t, y; "
    if kind == "powers":
        text += "mov.f32 y, s; " + _over_warp("s", "max")
        text += "sub.f32 d, y, s; ex2.approx.ftz.f32 d, d; mul.f32 t, t, d; "
    else:
        text += _over_warp("s", "add")
    text += _over_warp("t", "add") if kind != "sum" else ""
    if entries < 32:  # each was read by several lanes
        text += f"mul.f32 t, t, {entries / 32}; "
        text += f"mul.f32 s, s, {entries / 32}; " if kind != "powers" else ""
    return f"{{ {text} mov.b32 $0, s; mov.b32 $1, t; }}"


@gluon.constexpr_function
def _take_moments(parts, warps):
    entries = parts * warps
    each = range(max(1, entries // 32))
    text = ".reg .pred p; .reg .b32 l, a, m, h; .reg .f32 x, s, t, d; and.b32 a, $3, 1; "
    text += f".reg .f32 {', '.join(f's{i}, t{i}' for i in each)}; "
    if parts > 1:
        text += f"mad.lo.u32 m, a, 8, $2; add.u32 m, m, {16 * entries}; bfe.u32 h, $3, 1, 1; "
        text += "again: mbarrier.try_wait.parity.shared::cta.b64 p, [m], h; @!p bra again; "
    text += f"mad.lo.u32 a, a, {8 * entries}, $2; mov.u32 l, %laneid; "
    text += f"and.b32 l, l, {min(entries, 32) - 1}; mad.lo.u32 a, l, 8, a; "
    text += "mov.f32 s, 0.0; mov.f32 t, 0.0; "
    for i in each:
        text += f"ld.shared.v2.b32 {{s{i}, t{i}}}, [a+{256 * i}]; add.f32 s, s, s{i}; "
    text += _over_warp("s", "add") + f"mul.f32 s, s, {1 / max(entries, 32)}; "
    for i in each:
        text += f"sub.f32 d, s{i}, s; mul.f32 d, d, d; fma.rn.f32 d, d, $4, t{i}; add.f32 t, t, d; "
    text += _over_warp("t", "add") + f"mul.f32 t, t, {min(entries, 32) / 32}; "
    return f"{{ {text} mov.b32 $0, s; mov.b32 $1, t; }}"


@gluon.constexpr_function
def _in_warp(operation):
    return "{ .reg .f32 x, s; mov.b32 s, $1; " + _over_warp("s", operation) + "mov.b32 $0, s; }"


@gluon.constexpr_function
def _ask(part, itemsize):
    text = ".reg .pred p; .reg .b32 t, r; .reg .b64 a; mov.u32 r, %cluster_ctarank; "
    text += f"mul.lo.u32 r, r, {part}; sub.s32 t, $2, r; min.s32 t, t, {part}; "
    text += f"mul.lo.s32 t, t, {itemsize}; mad.wide.u32 a, r, {itemsize}, $1; "
    text += "setp.gt.s32 p, t, 0; mov.u32 r, %tid.x; setp.eq.and.u32 p, r, 0, p; "
    return f"{{ {text} @p cp.async.bulk.prefetch.L2.global [a], t; mov.u32 $0, r; }}"


@gluon.jit
def open_boxes(PARTS: gl.constexpr, NBYTES: gl.constexpr = 8, TEAMS: gl.constexpr = 1):
    """The address of a thread's boxes, of so many bytes a warp; other programs' may not be there
    yet."""
    TEXT: gl.constexpr = _boxes(PARTS, gl.num_warps() // TEAMS, NBYTES, TEAMS)
    return gl.inline_asm_elementwise(
        TEXT, "=r,r", [gl.program_id(0)], dtype=gl.int32, is_pure=False, pack=1
    )


@gluon.jit
def wait_for_boxes(boxes, PARTS: gl.constexpr):
    """Until all programs of the cluster have theirs."""
    if PARTS > 1:
        gl.inline_asm_elementwise(
            "barrier.cluster.wait.aligned; mov.u32 $0, $1;", "=r,r", [boxes],
            dtype=gl.int32, is_pure=False, pack=1,
        )  # fmt: skip


@gluon.jit
def put(boxes, turn, first, second, KIND: gl.constexpr, PARTS: gl.constexpr):
    """Sends what each thread has: one number a thread in ``first`` and ``second``.

    KIND: "sum" of the first, "sums" of both; "powers": of the second, relative to the first.
    """
    TEXT: gl.constexpr = _put(KIND, PARTS, gl.num_warps())
    gl.inline_asm_elementwise(
        TEXT, "=r,r,r,r,r", [boxes, turn, first, second], dtype=gl.int32, is_pure=False, pack=1
    )


@gluon.jit
def take(boxes, turn, KIND: gl.constexpr, PARTS: gl.constexpr):
    """The sums over all threads, or for "powers" the maximum and the sum relative to it."""
    TEXT: gl.constexpr = _take(KIND, PARTS, gl.num_warps())
    return gl.inline_asm_elementwise(
        TEXT, "=&r,=&r,r,r", [boxes, turn], dtype=(gl.float32, gl.float32), is_pure=False, pack=1
    )


@gluon.jit
def take_moments(boxes, turn, COUNT: gl.constexpr, PARTS: gl.constexpr):
    """The mean of all columns, and their squares about it, of those of warps of COUNT columns.

    What was put as "moments" are each warp's mean and, by thread, squares about that mean; they are
    joined as Chan et al. 1979 have it.
    """
    TEXT: gl.constexpr = _take_moments(PARTS, gl.num_warps())
    return gl.inline_asm_elementwise(
        TEXT, "=&r,=&r,r,r,r", [boxes, turn, turn * 0.0 + COUNT], dtype=(gl.float32, gl.float32),
        is_pure=False, pack=1,
    )  # fmt: skip


@gluon.jit
def warp_maximum(x):
    """Over the threads of a warp, of one number each."""
    TEXT: gl.constexpr = _in_warp("max")
    return gl.inline_asm_elementwise(TEXT, "=r,r", [x], dtype=gl.float32, is_pure=False, pack=1)


@gluon.jit
def warp_sum(x):
    """Over the threads of a warp, of one number each."""
    TEXT: gl.constexpr = _in_warp("add")
    return gl.inline_asm_elementwise(TEXT, "=r,r", [x], dtype=gl.float32, is_pure=False, pack=1)


@gluon.jit
def ask(row_ptr, n_columns, PART: gl.constexpr):
    """Asks for this program's PART columns of a row to be brought to the L2 cache.

    It takes no register until they are there, so that it can be done rows ahead.
    """
    TEXT: gl.constexpr = _ask(PART, row_ptr.dtype.element_ty.primitive_bitwidth // 8)
    gl.inline_asm_elementwise(
        TEXT, "=r,l,r", [row_ptr.to(gl.int64), n_columns], dtype=gl.int32, is_pure=False, pack=1
    )


@gluon.constexpr_function
def row_layout(parts, warps, itemsize):
    """Of a row as (parts, repeats, threads, 16 bytes)."""
    bases = [[1 << i, 0, 0, 0] for i in range(parts.bit_length() - 1)]
    size = [1, 1, 1, 16 // itemsize]
    return gl.BlockedLayout(size, [1, 1, 32, 1], [1, 1, warps, 1], [3, 2, 1, 0], bases)


@gluon.jit
def columns_of(
    PARTS: gl.constexpr, REPEATS: gl.constexpr, LAYOUT: gl.constexpr, TEAMS: gl.constexpr = 1
):  # fmt: skip
    """The columns of a row so laid out, by which its numbers are found."""
    WIDTH: gl.constexpr = LAYOUT.size_per_thread[3]
    THREADS: gl.constexpr = 32 * gl.num_warps() // TEAMS
    L01: gl.constexpr = gl.SliceLayout(2, gl.SliceLayout(3, LAYOUT))
    L23: gl.constexpr = gl.SliceLayout(0, gl.SliceLayout(1, LAYOUT))
    part = gl.arange(0, PARTS, gl.SliceLayout(1, L01)) * (REPEATS * THREADS * WIDTH)
    repeat = gl.arange(0, REPEATS, gl.SliceLayout(0, L01)) * (THREADS * WIDTH)
    thread = gl.arange(0, TEAMS * THREADS, gl.SliceLayout(1, L23))
    if TEAMS > 1:
        thread = thread % THREADS
    thread = thread * WIDTH
    within = gl.arange(0, WIDTH, gl.SliceLayout(0, L23))
    starts = gl.expand_dims(gl.expand_dims(part[:, None] + repeat[None, :], 2), 3)
    return starts + gl.expand_dims(gl.expand_dims(thread[:, None] + within[None, :], 0), 1)


@gluon.jit
def owned(x):
    """Sums of what each thread holds of a row."""
    return gl.sum(gl.sum(x, 3), 1)


@gluon.jit
def to_row(x):
    """One number a thread, for each of its columns."""
    return gl.expand_dims(gl.expand_dims(x, 1), 3)
