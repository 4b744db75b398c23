"""Which elements of a row dropout keeps, as drops.py has it, for rows of words in Gluon."""

# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators, allow-untyped-calls
# (gluon.jit is untyped, and what it decorates cannot be annotated)

from __future__ import annotations

from triton_kernels._gluon import gl, gluon


@gluon.constexpr_function
def _philox():
    """Assembly: which of a counter's words are not below the threshold, as masks of 16 bits."""
    text = ".reg .pred p; .reg .b32 a, b, c, d, k, m, s, t, u, v; .reg .b64 x, y; "
    text += "mov.b32 a, $2; mov.b32 b, $4; mov.b32 c, 0; mov.b32 d, 0; "
    text += "mov.b32 k, $6; mov.b32 m, $8; "
    for turn in range(10):
        text += "add.u32 k, k, 0x9E3779B9; add.u32 m, m, 0xBB67AE85; " if turn else ""
        text += "mul.wide.u32 x, a, 0xD2511F53; mul.wide.u32 y, c, 0xCD9E8D57; "
        text += "mov.b64 {s, t}, x; mov.b64 {u, v}, y; "
        text += "xor.b32 a, v, b; xor.b32 a, a, k; xor.b32 c, t, d; xor.b32 c, c, m; "
        text += "mov.b32 b, u; mov.b32 d, s; "
    for out, low, high in (("$0", "a", "b"), ("$1", "c", "d")):
        for word, mask in ((low, "0xffff"), (high, "0xffff0000")):
            text += f"shr.u32 {word}, {word}, 1; setp.ge.u32 p, {word}, $10; "
            text += f"selp.b32 {word}, {mask}, 0, p; "
        text += f"or.b32 {out}, {low}, {high}; "
    return f"{{ {text} }}"


@gluon.jit
def kept_of(counters, seed, threshold):
    """Of pairs of words, which begin a counter's four columns: which are kept, as masks."""
    TEXT: gl.constexpr = _philox()
    seed = gl.to_tensor(seed).to(gl.int64)
    words = [
        counters.to(gl.int32), (counters >> 32).to(gl.int32), seed.to(gl.int32),
        (seed >> 32).to(gl.int32), threshold,
    ]  # fmt: skip
    return gl.inline_asm_elementwise(
        TEXT, "=&r,=&r,r,r,r,r,r,r,r,r,r,r", words, dtype=gl.int32, is_pure=True, pack=2
    )
