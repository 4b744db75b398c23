"""Tensors of more than 2³¹ elements, op by op: their last rows, on a GPU.

All is zeros but the last rows, whose results and gradients are those of the same rows alone.
`test_gpu`, `test_rooms` and `test_attention_crossed` have the other ops.
"""

import pytest
import torch
import triton_kernels as tk
from test_gpu import outputs
from triton_kernels import registry

pytestmark = pytest.mark.gpu
ROWS, COLUMNS, LAST = 2**20 + 3, 33 * 64, 64


def codes_of(x):
    return (x * 40).to(torch.int8), x.new_full((len(x),), 0.5, dtype=torch.float32)


def nf4_of(x):
    return (x[:, ::2] * 40).to(torch.uint8), x.new_full((len(x), COLUMNS // 64), 0.5).float()


def turned(x, heads):
    cos, sin = (torch.full((1, 88), c, device=x.device) for c in (0.6, 0.8))
    return tk.rope(x.view(-1, 1, heads, 176), cos, sin)


def turned_both(x, heads):
    cos, sin = (torch.full((1, 88), c, device=x.device) for c in (0.6, 0.8))
    return tk.rope_qk(x.view(-1, 1, heads, 176), x.view(-1, 1, heads, 176)[:, :, :3], cos, sin)


OF_ROWS = {
    "multiply_add": lambda x, w: tk.multiply_add(x, x, x),
    "strided_copy": lambda x, w: tk.strided_copy(x[:, ::2]),
    "transpose": lambda x, w: tk.transpose(x).t(),
    "reduce_sum": lambda x, w: tk.reduce_sum(x),
    "reduce_mean": lambda x, w: tk.reduce_mean(x),
    "reduce_max": lambda x, w: tk.reduce_max(x),
    "argmax": lambda x, w: tk.argmax(x),
    "matvec": lambda x, w: tk.matvec(x, w[0]),
    "outer": lambda x, w: tk.outer(x[:, 3], w[0]),
    "cumsum": lambda x, w: tk.cumsum(x),
    "masked_softmax": lambda x, w: tk.masked_softmax(x),
    "log_softmax": lambda x, w: tk.log_softmax(x),
    "relu": lambda x, w: tk.relu(x),
    "gelu": lambda x, w: tk.gelu(x),
    "silu": lambda x, w: tk.silu(x),
    "geglu": lambda x, w: tk.geglu(x),
    "bias_activation": lambda x, w: tk.bias_activation(x, w[0]),
    "add_rms_norm": lambda x, w: tk.add_rms_norm(x, x, w[0]),
    "layer_norm": lambda x, w: tk.layer_norm(x, w[0], w[1]),
    "add_layer_norm": lambda x, w: tk.add_layer_norm(x, x, w[0], w[1]),
    "group_norm": lambda x, w: tk.group_norm(x.view(-1, 12, 176), 4),
    "dropout_add_rms_norm": lambda x, w: tk.dropout_add_rms_norm(x, x, 0.0, 1, w[0]),
    "dropout_add_layer_norm": lambda x, w: tk.dropout_add_layer_norm(x, x, 0.0, 1, w[0]),
    "rope": lambda x, w: turned(x, 12),
    "rope_qk": lambda x, w: turned_both(x, 12),
    "linear": lambda x, w: tk.linear(x, w),
    "lora_linear": lambda x, w: tk.lora_linear(x, w, w[:8], w[:, :8]),
    "linear_cross_entropy": lambda x, w: tk.linear_cross_entropy(
        x, w, torch.zeros(len(x), dtype=torch.int64, device=x.device), reduction="none"
    ),
    "kl_divergence": lambda x, w: tk.kl_divergence(
        x, w[:1].expand_as(x), reduction="none", from_logits=True
    ),
    "js_divergence": lambda x, w: tk.js_divergence(
        x, w[:1].expand_as(x), reduction="none", from_logits=True
    ),
    "quantise_int8": lambda x, w: tk.quantise_int8(x),
    "quantise_nf4": lambda x, w: tk.quantise_nf4(x),
    "dequantise_int8": lambda x, w: tk.dequantise_int8(*codes_of(x)),
    "dequantise_nf4": lambda x, w: tk.dequantise_nf4(*nf4_of(x)),
    "matvec_int8": lambda x, w: tk.matvec_int8(w[:2], *codes_of(x)).t(),
    "matvec_nf4": lambda x, w: tk.matvec_nf4(w[:2], *nf4_of(x)).t(),
}
"""Ops that work on rows, of (rows, columns) and (16, columns)."""


def rows_and_the_last(room_for):
    room_for(30)
    last = torch.randn(LAST, COLUMNS, device="cuda", dtype=torch.bfloat16)
    rows = torch.zeros(ROWS, COLUMNS, device="cuda", dtype=torch.bfloat16)
    rows[-LAST:] = last
    assert rows.numel() > 2**31
    return rows, last


@pytest.mark.parametrize("name", OF_ROWS)
def test_rows_beyond_32_bit_offsets(name, room_for):
    rows, last = rows_and_the_last(room_for)
    w = torch.randn(16, COLUMNS, device="cuda", dtype=torch.bfloat16) / 45
    grads, results = None, []
    for x in (last, rows):
        x.requires_grad_(registry.get(name).differentiable)
        ys = outputs(OF_ROWS[name](x, w))
        assert all(len(y) == len(x) for y in ys)
        if grads is None:
            grads = [torch.randn_like(y) if y.is_floating_point() else None for y in ys]
        found = [y.detach()[-LAST:] for y in ys]
        if x.requires_grad:
            given = [torch.zeros_like(y) for y in ys]
            for g, end in zip(given, grads, strict=True):
                g[-LAST:] = end
            found.append(torch.autograd.grad(ys, x, given)[0][-LAST:])
        results.append(found)
    for expected, actual in zip(*results, strict=True):
        assert actual.any()
        torch.testing.assert_close(actual, expected, rtol=2**-6, atol=2**-6)


@pytest.mark.parametrize("name", ["reduce_sum", "reduce_max", "cumsum"])
def test_columns_beyond_32_bit_offsets(name, room_for):
    rows, last = rows_and_the_last(room_for)
    function = registry.get(name).function
    x, y = (function(x.requires_grad_(), 0) for x in (rows, last))
    grad = torch.randn_like(y)
    given = torch.zeros_like(x) if x.dim() > 1 else grad
    if x.dim() > 1:
        given[-LAST:] = grad
    torch.testing.assert_close(x[-LAST:] if x.dim() > 1 else x, y, rtol=2**-6, atol=2**-4)
    (dx,) = torch.autograd.grad(x, rows, given)
    (dy,) = torch.autograd.grad(y, last, grad)
    if name == "reduce_max":  # columns whose last rows are below the others' zeros
        dx, dy = (d[-LAST:][:, y.detach() > 0] for d in (dx, dy))
    torch.testing.assert_close(dx[-LAST:], dy, rtol=2**-6, atol=2**-4)


def test_dropout_beyond_32_bit_offsets(room_for):
    rows, last = rows_and_the_last(room_for)
    (y,) = outputs(tk.dropout(rows, 0.25, 7))
    kept = y[-LAST:] != 0
    assert 0.74 < kept.float().mean() < 0.76
    torch.testing.assert_close(y[-LAST:], torch.where(kept, last / 0.75, 0.0))
    assert not y[:-LAST].any()


def test_embedding_beyond_32_bit_offsets(room_for):
    table, last = rows_and_the_last(room_for)
    ids = torch.tensor([ROWS - 1, 5, ROWS - LAST, ROWS - 1], device="cuda")
    y = tk.embedding(table.requires_grad_(), ids)
    assert torch.equal(y, torch.stack([last[-1], last[0] * 0, last[0], last[-1]]))
    (dw,) = torch.autograd.grad(y, table, y.detach())
    torch.testing.assert_close(dw[-1], 2 * last[-1])
    torch.testing.assert_close(dw[-LAST], last[0])


def test_caches_beyond_32_bit_offsets(room_for):
    room_for(8)
    cache = torch.randn(18, 8, 2**17, 128, device="cuda", dtype=torch.bfloat16)
    assert cache.numel() > 2**31
    query = torch.randn(18, 16, 1, 128, device="cuda", dtype=torch.bfloat16)
    end = [x[-1:].contiguous() for x in (query, cache)]
    actual, expected = (tk.decode_attention(q, c, c) for q, c in ((query, cache), end))
    torch.testing.assert_close(actual[-1:], expected, rtol=2**-6, atol=2**-10)
    pages = cache.view(-1, 64, 1, 128)  # of one head
    table = torch.arange(len(pages) - 8, len(pages), device="cuda", dtype=torch.int32)[None]
    q, flat = query[:1, :4], pages[-8:].reshape(1, 1, 512, 128)
    actual = tk.decode_attention(q, pages, pages, page_table=table)
    torch.testing.assert_close(actual, tk.decode_attention(q, flat, flat), rtol=2**-6, atol=2**-8)
    latents = cache.view(-1)[: 60 * 2**16 * 576].view(60, 2**16, 576)
    assert latents.numel() > 2**31
    for heads in (16, 128):
        query = torch.randn(60, heads, 1, 576, device="cuda", dtype=torch.bfloat16)
        end = [x[-1:].contiguous() for x in (query, latents)]
        actual, expected = (
            tk.mla_decode_attention(q, c, 512, scale=0.05) for q, c in ((query, latents), end)
        )
        torch.testing.assert_close(actual[-1:], expected, rtol=2**-6, atol=2**-8)
