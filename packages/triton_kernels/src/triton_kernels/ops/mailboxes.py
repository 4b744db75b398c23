"""Rows that clusters share, further: up to four numbers meet at once, and teams of warps.

As in clusters.py, but what a warp's threads add up comes apart: each quarter of the lanes ends with
one of the numbers, which travels alone, so that several take few more shuffles than one.

The warps of a program may be two teams. They take different rows, each meeting in boxes of its own,
and hold the same columns, so that at the end one adds the other's sums of columns to its own: half
as many lines of such sums as where each team is a program.
"""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._gluon import gl, gluon
from triton_kernels.ops.clusters import team_text


@gluon.constexpr_function
def _add_apart(numbers):
    """Assembly: v0, v1, … summed over a warp, each in its share of the lanes, in v0.

    At each step a lane keeps half of what it has and hands over the other half.
    """
    text, lane = "", 16
    while numbers > 1:
        numbers //= 2
        text += f"and.b32 x, l, {lane}; setp.eq.u32 p, x, 0; "
        for i in range(numbers):
            mine, other = f"v{i}", f"v{i + numbers}"
            text += f"selp.b32 x, {other}, {mine}, p; selp.b32 {mine}, {mine}, {other}, p; "
            text += f"shfl.sync.bfly.b32 x, x, {lane}, 0x1f, 0xffffffff; "
            text += f"add.f32 {mine}, {mine}, x; "
        lane //= 2
    while lane:
        text += f"shfl.sync.bfly.b32 x, v0, {lane}, 0x1f, 0xffffffff; add.f32 v0, v0, x; "
        lane //= 2
    return text


@gluon.constexpr_function
def _mailboxes(numbers, parts, warps, teams):
    entries, group = parts * warps, 32 // numbers
    text = ".reg .b32 l, w, r, k, a, m; mov.u32 l, %laneid; mov.u32 w, %tid.x; shr.u32 w, w, 5; "
    text += f"and.b32 w, w, {warps - 1}; " if teams > 1 else ""
    text += f"and.b32 k, l, {group - 1}; shr.u32 r, l, {group.bit_length() - 1}; "
    text += f"mad.lo.u32 a, r, {4 * entries}, $3; mad.lo.u32 a, w, 4, a; mov.b32 m, 0; "
    if parts > 1:
        text += f"mov.u32 m, %cluster_ctarank; mad.lo.u32 a, m, {4 * warps}, a; "
        text += f"add.u32 m, $3, {8 * numbers * entries}; min.u32 k, k, {parts - 1}; "
        text += "mapa.shared::cluster.u32 a, a, k; mapa.shared::cluster.u32 m, m, k; "
    text += "mov.b32 $0, a; mov.b32 $1, m; "
    text += f"and.b32 k, l, {min(entries, group) - 1}; mad.lo.u32 a, r, {4 * entries}, $3; "
    text += f"mad.lo.u32 $2, k, {4 * max(1, entries // group)}, a; "
    return f"{{ {text} }}"


@gluon.constexpr_function
def _send_numbers(numbers, parts, warps, teams):
    group, nbytes = 32 // numbers, 4 * numbers * parts * warps
    text = ".reg .pred p, q; .reg .b32 l, a, m, t, x, v0, v1, v2, v3; mov.u32 l, %laneid; "
    text += "mov.b32 v0, $5; mov.b32 v1, $6; mov.b32 v2, $7; mov.b32 v3, $8; "
    text += _add_apart(numbers)
    text += f"and.b32 a, $4, 1; mad.lo.u32 a, a, {nbytes}, $1; and.b32 l, l, {group - 1}; "
    if parts == 1:
        text += "setp.eq.u32 p, l, 0; @p st.shared.b32 [a], v0; "
        meet = f"{team_text('t', warps)}add.u32 t, t, 1; bar.sync t, {32 * warps}; "
        text += meet if teams > 1 else "bar.sync 0; "
    else:
        text += "and.b32 t, $4, 1; mad.lo.u32 m, t, 8, $2; mad.lo.u32 t, t, 8, $3; "
        text += "mov.u32 x, %tid.x; "
        text += f"and.b32 x, x, {32 * warps - 1}; " if teams > 1 else ""
        text += f"setp.eq.u32 q, x, 0; setp.lt.u32 p, l, {parts}; "
        text += "@q mbarrier.arrive.expect_tx.shared::cta.b64 _, "
        text += f"[t+{2 * nbytes}], {nbytes}; "
        text += "@p st.async.shared::cluster.mbarrier::complete_tx::bytes.b32 [a], v0, [m]; "
    return f"{{ {text} mov.u32 $0, l; }}"


@gluon.constexpr_function
def _receive_numbers(numbers, parts, warps):
    entries, group = parts * warps, 32 // numbers
    assert entries in (1, 2, 4, 8, 16, 32, 64, 128)
    nbytes, each = 4 * numbers * entries, max(1, entries // group)
    text = ".reg .pred p; .reg .b32 a, h, m, x, v0, y0, y1, y2, y3; and.b32 a, $6, 1; "
    if parts > 1:
        text += "mad.lo.u32 m, a, 8, $4; bfe.u32 h, $6, 1, 1; again: "
        text += f"mbarrier.try_wait.parity.shared::cta.b64 p, [m+{2 * nbytes}], h; @!p bra again; "
    text += f"mad.lo.u32 a, a, {nbytes}, $5; "
    if each < 4:
        text += "ld.shared.b32 v0, [a]; "
        text += "ld.shared.b32 x, [a+4]; add.f32 v0, v0, x; " if each == 2 else ""
    for i in range(0, each - 3, 4):
        text += f"ld.shared.v4.b32 {{y0, y1, y2, y3}}, [a+{4 * i}]; add.f32 y0, y0, y1; "
        text += "add.f32 y2, y2, y3; add.f32 y0, y0, y2; "
        text += "add.f32 v0, v0, y0; " if i else "mov.b32 v0, y0; "
    lane = min(entries, group) // 2
    while lane:
        text += f"shfl.sync.bfly.b32 x, v0, {lane}, 0x1f, 0xffffffff; add.f32 v0, v0, x; "
        lane //= 2
    for i in range(4):
        text += f"shfl.sync.idx.b32 ${i}, v0, {i % numbers * group}, 0x1f, 0xffffffff; "
    return f"{{ {text} }}"


@gluon.jit
def mailboxes(boxes, NUMBERS: gl.constexpr, PARTS: gl.constexpr, TEAMS: gl.constexpr = 1):
    """Where ``send`` puts a thread's number, the barrier that counts it there, and where
    ``receive`` finds some; of 4·NUMBERS bytes a warp."""
    TEXT: gl.constexpr = _mailboxes(NUMBERS, PARTS, gl.num_warps() // TEAMS, TEAMS)
    return gl.inline_asm_elementwise(
        TEXT, "=&r,=&r,=&r,r", [boxes], dtype=(gl.int32, gl.int32, gl.int32), is_pure=False, pack=1
    )


@gluon.jit
def send(
    places, boxes, turn, numbers,
    NUMBERS: gl.constexpr, PARTS: gl.constexpr, TEAMS: gl.constexpr = 1,
):  # fmt: skip
    """As ``put``, of 1, 2 or 4 numbers that each thread has, the first of four."""
    TEXT: gl.constexpr = _send_numbers(NUMBERS, PARTS, gl.num_warps() // TEAMS, TEAMS)
    gl.inline_asm_elementwise(
        TEXT, "=r,r,r,r,r,r,r,r,r",
        [places[0], places[1], boxes, turn, numbers[0], numbers[1], numbers[2], numbers[3]],
        dtype=gl.int32, is_pure=False, pack=1,
    )  # fmt: skip


@gluon.jit
def receive(
    places, boxes, turn, NUMBERS: gl.constexpr, PARTS: gl.constexpr, TEAMS: gl.constexpr = 1
):  # fmt: skip
    """Their sums over the team's threads: always four, of fewer numbers some again."""
    TEXT: gl.constexpr = _receive_numbers(NUMBERS, PARTS, gl.num_warps() // TEAMS)
    return gl.inline_asm_elementwise(
        TEXT, "=&r,=&r,=&r,=&r,r,r,r", [boxes, places[2], turn],
        dtype=(gl.float32, gl.float32, gl.float32, gl.float32), is_pure=False, pack=1,
    )  # fmt: skip


@gluon.constexpr_function
def _which_team(warps):
    return f"{{ {team_text('$0', warps)}// $1 \n }}"


@gluon.jit
def team_of(TEAMS: gl.constexpr):
    """Of a thread: a scalar that threads of two teams have different values of."""
    TEXT: gl.constexpr = _which_team(gl.num_warps() // TEAMS)
    return gl.inline_asm_elementwise(
        TEXT, "=r,r", [gl.program_id(0)], dtype=gl.int32, is_pure=False, pack=1
    )


@gluon.constexpr_function
def _desk(nbytes):
    return f"{{ .shared .align 16 .b8 desk[{nbytes}]; mov.u32 $0, desk; // $1 \n }}"


@gluon.jit
def _hand_over(at, x, team):
    gl.inline_asm_elementwise(
        "{ .reg .pred p; setp.ne.b32 p, $12, 0; @p st.shared.v4.b32 [$4], {$8, $9, $10, $11}; }",
        "=r,=r,=r,=r,r,r,r,r,r,r,r,r,r,r,r,r", [at, x, team],
        dtype=gl.int32, is_pure=False, pack=4,
    )  # fmt: skip


@gluon.jit
def _take_over(at, x):
    return gl.inline_asm_elementwise(
        "{ .reg .f32 a, b, c, d; ld.shared.v4.b32 {a, b, c, d}, [$4]; add.f32 $0, $8, a; "
        "add.f32 $1, $9, b; add.f32 $2, $10, c; add.f32 $3, $11, d; }",
        "=&r,=&r,=&r,=&r,r,r,r,r,r,r,r,r", [at, x], dtype=gl.float32, is_pure=False, pack=4,
    )  # fmt: skip


@gluon.jit
def over_teams(low, high, columns, team, PART: gl.constexpr):
    """Sums of both teams, in the first: of two rows of float32 as they lie, PART columns each."""
    TEXT: gl.constexpr = _desk(8 * PART)
    desk = gl.inline_asm_elementwise(
        TEXT, "=r,r", [team], dtype=gl.int32, is_pure=False, pack=1
    )  # fmt: skip
    at = desk + 4 * (columns % PART)
    _hand_over(at, low, team)
    _hand_over(at + 4 * PART, high, team)
    gl.inline_asm_elementwise(
        "bar.sync 0; mov.u32 $0, $1;", "=r,r", [team], dtype=gl.int32, is_pure=False, pack=1
    )
    return _take_over(at, low), _take_over(at + 4 * PART, high)
