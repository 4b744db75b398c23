"""The Gluon attention: what it refuses, and on a GPU its tilings and orders of work."""

import itertools

import attention_bound
import pytest
import torch
from triton_kernels import flash_attention, mla_decode_attention, record_backends
from triton_kernels._compat import Layout
from triton_kernels.ops.attention import hopper_launches, layout, samples
from triton_kernels.ops.attention.features import UNBOUNDED, Features
from triton_kernels.ops.attention.hopper_shares import (
    MOST_BYTES,
    Part,
    bytes_of_a_head,
    fits,
    parts,
    pieces,
    section,
    stretch,
    way,
)

pytestmark = pytest.mark.usefixtures("poisoned")
FEATURES = Features(scale=0.125, right=0, deterministic=False)


def halves(*shapes, device="cpu", dtype=torch.bfloat16):
    return [torch.randn(shape, device=device, dtype=dtype) for shape in shapes]


def test_the_forward_says_what_it_cannot_take(monkeypatch):
    monkeypatch.setattr(layout, "_gluon_refuses", lambda query: None)
    (q,) = halves((2, 4, 9, 64))
    assert layout.forward_refuses(q, q, q, *FEATURES) is None
    outside = torch.empty(2, 9, 4, 64, dtype=q.dtype).transpose(1, 2)
    assert layout.forward_refuses(outside, q, q, *FEATURES) is None
    apart = torch.empty(2, 4, 9, 68, dtype=q.dtype)[..., :64]
    shifted = torch.empty(q.numel() + 4, dtype=q.dtype)[4:].view(q.shape)
    refused = {
        "no sequences": (q, q, q, FEATURES._replace(cu_q=torch.zeros(1), cu_k=torch.zeros(1))),
        "of the query's dtype": (q, q, q, FEATURES._replace(bias=torch.zeros(2, 4, 9, 9))),
        "a column for every key": (q, q, q, FEATURES._replace(bias=q[..., :1])),
        "rows of the bias": (q, q, q, FEATURES._replace(bias=torch.zeros_like(q[..., :9]))),
        "positive scale": (q, q, q, FEATURES._replace(scale=-1.0)),
        "no tiling": (q, q, torch.empty(2, 4, 9, 128, dtype=q.dtype), FEATURES),
        "rows of the query are not a multiple": (*[q[..., :60].contiguous()] * 3, FEATURES),
        "stride of the key is no multiple": (q, apart, q, FEATURES),
        "value does not begin": (q, q, shifted, FEATURES),
        "head of the value is not in one piece": (q, q, q.mT.contiguous().mT, FEATURES),
        "an empty query": (q[:, :, :0], q, q, FEATURES),
    }
    for reason, (query, key, value, features) in refused.items():
        assert reason in layout.forward_refuses(query, key, value, *features)


def test_the_backward_says_what_it_cannot_take(monkeypatch):
    monkeypatch.setattr(layout, "_gluon_refuses", lambda query: None)
    (q,) = halves((2, 4, 9, 64))
    rows = torch.zeros(2, 4, 9)
    assert layout.backward_refuses(q, q, q, q, rows, rows, *FEATURES) is None
    one = torch.ones(1, dtype=q.dtype).expand(q.shape)
    refused = {
        "as wide as": (q, torch.empty(2, 4, 9, 128, dtype=q.dtype), FEATURES),
        "of the query's dtype": (q, q, FEATURES._replace(bias=torch.zeros(2, 4, 9, 9))),
        "grad is not in one piece": (one, q, FEATURES),
    }
    for reason, (grad, value, features) in refused.items():
        assert reason in layout.backward_refuses(grad, q, q, value, rows, rows, *features)
    (wide,) = halves((2, 4, 9, 256))
    bias = torch.zeros(1, 4, 9, 16, dtype=q.dtype)[..., :9]
    features = FEATURES._replace(bias=bias)
    assert "it has no bias" in layout.backward_refuses(*[wide] * 4, rows, rows, *features)


def test_sums_of_packed_sequences_are_deterministic_where_ds_fits(monkeypatch):
    monkeypatch.setattr(layout, "_gluon_refuses", lambda query: None)
    ends = torch.tensor([0, 9]).int()
    for length, size, wish, reason in (
        (9, 64, True, None), (1 << 17, 64, False, None), (1 << 17, 64, True, "too much memory"),
        (9, 256, False, None), (1 << 17, 256, False, "too much memory"),
    ):  # fmt: skip
        q = torch.empty(1, 1, length, size, dtype=torch.bfloat16)
        features = FEATURES._replace(
            cu_q=ends, cu_k=ends, max_q=length, max_k=length, deterministic=wish
        )
        found = layout.backward_refuses(q, q, q, q, ends, ends, *features)
        assert found is None if reason is None else reason in found


@pytest.mark.parametrize("heads", [1, 7, 32])
@pytest.mark.parametrize("blocks", [1, 5, 64])
@pytest.mark.parametrize("most", [1, 300, 5_000, 1_000_000])
def test_parts_cover_all_blocks_once_within_the_bound(heads, blocks, most):
    seen = []
    for part in parts(heads, blocks, 100 * blocks, most):
        assert part.heads * part.blocks * 100 <= max(most, heads * 100)
        seen += [
            (part.start_head + i, part.start_block + j)
            for i in range(part.heads)
            for j in range(part.blocks)
        ]
    assert sorted(seen) == [(i, j) for i in range(heads) for j in range(blocks)]


def test_parts_are_whole_heads_where_one_fits():
    assert parts(8, 4, 400, 1600) == [Part(0, 4, 0, 4), Part(4, 4, 0, 4)]
    assert parts(2, 4, 400, 350) == [Part(0, 2, i, 1) for i in range(4)]


def test_heads_that_share_a_bias_come_together_where_they_fit():
    assert [part.heads for part in parts(8, 4, 400, 1300)] == [3, 3, 2]
    assert [part.heads for part in parts(8, 4, 400, 1300, together=2)] == [2, 2, 2, 2]
    assert [part.heads for part in parts(8, 4, 400, 1300, together=4)] == [3, 3, 2]


@pytest.mark.parametrize("kind", ["apart", "whole", "shared"])
@pytest.mark.parametrize("most", [1, 300, 5_000, 1_000_000])
@pytest.mark.parametrize(("batches", "heads", "blocks"), [(2, 3, 5), (4, 1, 1), (7, 2, 4)])
def test_pieces_cover_all_batches_once(kind, most, batches, heads, blocks):
    seen = []
    for piece in pieces(batches, heads, blocks, 100 * blocks, most, kind, batches):
        part = piece.part
        numbers = range(part.start_head, part.start_head + part.heads)
        seen += [
            (piece.batch + i % piece.batches, i // piece.batches, part.start_block + j)
            for i in numbers for j in range(part.blocks)
        ]  # fmt: skip
        assert piece.whole == (kind == "whole" or (kind == "shared" and piece.batch == 0))
        assert piece.adds == (kind == "shared" and piece.batch > 0)
    assert sorted(seen) == [*itertools.product(range(batches), range(heads), range(blocks))]


def test_the_gradient_of_a_bias_is_ds_itself_where_few_share_it():
    of_all = {way((4, 6, 8, 8), 4, 6, wish, 0.0) for wish in (False, True)}
    assert of_all == {way((1, 6, 8, 8), 1, 6, True, 0.0)} == {"whole"}
    assert way((1, 6, 8, 8), 8, 6, False, 0.0) == way((1, 6, 8, 8), 2, 6, True, 0.0) == "shared"
    for of, batches, *rest in (
        ((1, 6), 9, False, 0.0), ((1, 6), 3, True, 0.0),  # too many roundings, in any order
        ((4, 1), 4, False, 0.0), ((1, 1), 4, False, 0.0), ((4, 6), 4, False, 0.1),
    ):  # fmt: skip
        assert way((*of, 8, 8), batches, 6, *rest) == "apart"
    assert way(None, 4, 6, False, 0.0) == "apart"


def test_a_section_of_heads_keeps_the_processors_busy():
    assert [section(blocks) for blocks in (4, 16, 64, 1024)] == [64, 16, 4, 1]
    assert [section(blocks, 128) for blocks in (16, 64, 1024)] == [16, 8, 8]


def test_ds_is_kept_where_enough_of_it_fits():
    full, causal = (4096, 4096, UNBOUNDED, UNBOUNDED), (4096, 4096, UNBOUNDED, 0)
    assert bytes_of_a_head(full, 1, 64, 128) == 4096 * 4096 * 2
    assert bytes_of_a_head(causal, 8, 64, 128) == 8 * 4096 * (4096 + 128)  # the half, by two bytes
    window = (1 << 20, 1 << 20, 1000, 0)
    assert bytes_of_a_head(window, 1, 64, 128) < (1 << 20) * (1000 + 256) * 2
    assert fits(MOST_BYTES, 256, 64)
    assert not fits(MOST_BYTES, 255, 64)
    assert fits(MOST_BYTES, 2, 1)


@pytest.mark.parametrize(("rows", "keys"), [(64, 128), (128, 128), (64, 64)])
def test_a_stretch_holds_a_block_of_rows_and_its_mirror_image(rows, keys):
    lengths = ((1, 1), (400, 700), (700, 400), (513, 513))
    sides = itertools.product((UNBOUNDED, 0, 100), (UNBOUNDED, 0, 30))
    for (m, n), (left, right) in itertools.product(lengths, sides):
        blocks, key_blocks = -(-m // rows), -(-n // keys)
        place = (torch.arange(blocks * rows) + n - m)[:, None]
        key = torch.arange(key_blocks * keys)
        seen = (right == UNBOUNDED) | (key <= place + right)
        seen = seen & ((left == UNBOUNDED) | (key >= place - left))
        # Whole blocks of keys are written, by as many rows.
        seen = seen.view(blocks, rows, key_blocks, keys).any(3).any(1).sum(1) * (keys // 64)
        halves = [
            seen[i] + (seen[blocks - 1 - i] if 2 * i + 1 < blocks else 0)
            for i in range(-(-blocks // 2))
        ]
        assert stretch(m, n, left, right, rows, keys, 0, key_blocks * keys // 64) == max(halves)


@pytest.mark.parametrize("deterministic", [False, True])
def test_a_bias_has_room_beside_split_blocks(deterministic):
    """Blocks of 128 rows and three tiles of a bias are 260 KB of shared memory, of 227."""
    rows, scores = (Layout.of(torch.empty(1, 2, 300, n).bfloat16()) for n in (64, 304))
    options = FEATURES._replace(deterministic=deterministic)[6:]
    for bias in (None, scores):
        beside = (bias, None, None, None, None, None)
        tile = hopper_launches.plan((rows,) * 4, beside, options, None, MOST_BYTES, None).tile
        assert tile.rows == 128 - 64 * bool(bias and tile.split)
        assert tile.split == deterministic


def test_the_latent_decoding_says_what_it_cannot_take(monkeypatch):
    monkeypatch.setattr(layout, "_gluon_refuses", lambda query: None)
    q, cache, wide = halves((2, 64, 1, 576), (2, 1, 9, 576), (2, 1, 9, 580))
    table = torch.zeros(2, 3, dtype=torch.int32)
    rest = (None, 0.1, 0.0, UNBOUNDED)

    def refuses(q, cache, table=None, rest=rest, rank=512):
        return layout.latent_refuses(q, cache, None, None, table, *rest, rank)

    assert refuses(q, cache) is None
    assert refuses(q[:, :5], cache) is None
    assert refuses(q, torch.empty(9, 1, 128, 576, dtype=q.dtype), table) is None
    refused = {
        "512 + 64 columns": refuses(q, cache, rank=256),
        "a multiple of 64 keys": refuses(q, cache, table),
        "positive scale": refuses(q, cache, rest=(None, -0.1, 0.0, UNBOUNDED)),
        "stride of the key": refuses(q, wide[..., :576]),
        "key does not begin": refuses(q, wide[..., 4:]),
        "an empty query": refuses(q[:0], cache),
    }
    for reason, answer in refused.items():
        assert reason in answer


# --- on a GPU -------------------------------------------------------------------------------------

SHAPES = (  # batch, heads, key heads, queries, keys
    (1, 1, 1, 65, 2), (2, 4, 2, 300, 300), (1, 2, 1, 127, 129), (1, 2, 2, 513, 100),
    (1, 2, 2, 100, 513), (4, 16, 16, 1024, 1024), (8, 16, 8, 1000, 1100),
)  # fmt: skip


@pytest.mark.gpu
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("size", [64, 96, 128, 256])
@pytest.mark.parametrize("seen", ["all", "causal", "window", "capped"])
def test_forward_and_backward_agree_with_float32(shape, size, seen):
    batch, heads, key_heads, queries, keys = shape
    options = {
        "all": {}, "causal": {"causal": True}, "window": {"window": (100, 30)},
        "capped": {"causal": True, "soft_cap": 5.0},
    }[seen]  # fmt: skip
    sizes = [(batch, n, length, size) for n, length in ((heads, queries), (key_heads, keys))]
    *inputs, grad = halves(sizes[0], sizes[1], sizes[1], sizes[0], device="cuda")
    call = (samples.torch_attention, attention_bound.wide(inputs), [grad])
    exact = attention_bound.run(*call, **options)
    yardstick = attention_bound.run(samples.torch_attention, inputs, [grad], **options)
    names = ("output", "query", "key", "value")
    for deterministic in (False, True):
        with record_backends() as record:
            found = attention_bound.run(
                flash_attention, inputs, [grad], deterministic=deterministic, **options
            )
        assert [r for r in record if r[0] != "flash_attention_delta"] == [
            ("flash_attention", "hopper"), ("flash_attention_backward", "hopper"),
        ]  # fmt: skip
        if keys > 2:
            attention_bound.all_agree(found, exact, yardstick, names)
            continue
        for actual, wanted in zip(found, exact, strict=True):
            # Two keys leave next to no gradient: what remains is what the rounding of the output
            # does to the sum of grad·output, in float32 arithmetic up to 2.7e-3 (4,000 draws).
            error = (actual - wanted).norm()
            assert error <= 0.01 * wanted.norm() + 4e-3 * wanted.numel() ** 0.5


@pytest.mark.gpu
@pytest.mark.parametrize("size", [64, 128, 256])
def test_under_a_small_cap_a_row_of_one_key_has_its_value(size):
    """Its weight, of any size, is rounded in its divisor as in the product."""
    q, k, v = halves(*[(2, 8, 300, size)] * 3, device="cuda")
    output = flash_attention(q, k, v, causal=True, soft_cap=5.0)
    assert torch.equal(output[:, :, 0], v[:, :, 0])


@pytest.mark.gpu
@pytest.mark.parametrize(("size", "options"), [
    (64, {}), (128, {"causal": True}), (256, {"causal": True}), (128, {"window": (4000, 0)}),
], ids=str)  # fmt: skip
def test_16k_agree_with_float32(size, options):
    """Outputs of some rows, gradients of two heads: by float32, a part of the rows at a time."""
    length, head = 16384, 1
    q, k, v, grad = halves(*[(1, 4, length, size)] * 4, device="cuda")
    names = ("output", "query", "key", "value")
    with record_backends() as record:
        found = attention_bound.run(flash_attention, (q, k, v), [grad], **options)
    assert record[0] == ("flash_attention", "hopper")
    assert record[-1] == ("flash_attention_backward", "hopper")
    found = [x[:, head : head + 1] for x in found]
    one = [x[:, head : head + 1] for x in (q, k, v, grad)]
    results = []
    for make in (torch.Tensor.float, torch.Tensor.clone):
        own_q, own_k, own_v, own_grad = map(make, one)
        parts, dk, dv = [], torch.zeros_like(one[1]).float(), torch.zeros_like(one[2]).float()
        for first in range(0, length, 4096):
            rows = slice(first, first + 4096)
            seen = slice(0, first + 4096 if options else length)  # the last row beside the last key
            part = attention_bound.run(
                samples.torch_attention, (own_q[:, :, rows], own_k[:, :, seen], own_v[:, :, seen]),
                [own_grad[:, :, rows]], **options,
            )  # fmt: skip
            parts.append(part[:2])
            dk[:, :, seen] += part[2]
            dv[:, :, seen] += part[3]
        output, dq = (torch.cat(x, 2) for x in zip(*parts, strict=True))
        results.append((output, dq, dk, dv))
    attention_bound.all_agree(found, *results, names)


@pytest.mark.gpu
@pytest.mark.parametrize("size", [64, 128, 256])
@pytest.mark.parametrize("right", [UNBOUNDED, 0])
def test_a_backward_in_parts_is_that_in_one_and_repeats(size, right):
    from triton_kernels.ops.attention import hopper_backward, hopper_forward, portable_backward

    q, k, v, grad = halves(*[(2, 4, 1000, size)] * 4, device="cuda")
    features = Features(scale=size**-0.5, right=right, deterministic=True)
    output, lse = hopper_forward.attend(q, k, v, features)
    inputs = (grad, q, k, v, lse, portable_backward.delta(grad, None, output), features)
    whole = hopper_backward.gradients(*inputs)
    for most in (1 << 24, 1 << 22, 1):  # three parts of the heads; of the keys
        found = hopper_backward.gradients(*inputs, most=most)
        again = hopper_backward.gradients(*inputs, most=most)
        for actual, repeated, wanted in zip(found, again, whole, strict=True):
            assert torch.equal(actual, repeated)
            assert (actual - wanted).float().norm() <= 3e-3 * wanted.float().norm()


LATENTS = (  # batch, heads, tokens, capacity, lengths or None, page or 0
    (1, 64, 1, 5, None, 0), (2, 128, 1, 300, None, 0), (1, 64, 1, 5000, None, 0),
    (3, 100, 1, 640, (640, 1, 0), 0), (2, 16, 4, 777, (770, 4), 0),
    (2, 128, 1, 512, (300, 511), 64), (2, 128, 2, 1024, (1000, 2), 128), (140, 64, 1, 130, None, 0),
    (1, 5, 1, 5, None, 0), (2, 16, 1, 4096, None, 0), (3, 16, 2, 700, (700, 1, 0), 0),
    (2, 4, 4, 1024, (1000, 2), 128), (140, 16, 1, 130, None, 0), (1, 16, 1, 70000, None, 0),
)  # fmt: skip


@pytest.mark.gpu
@pytest.mark.parametrize("shape", LATENTS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_latent_decoding_agrees_with_float32(shape, dtype):
    batch, heads, tokens, capacity, lengths, page = shape
    query, latents = halves(
        (batch, heads, tokens, 576), (batch, capacity, 576), device="cuda", dtype=dtype
    )
    options = {"scale": 192**-0.5, "return_lse": True}
    exact = {**options, "backend": "reference"}
    if lengths:
        exact["lengths"] = torch.tensor(lengths, dtype=torch.int32, device="cuda")
        for one, length in zip(latents, lengths, strict=True):
            one[length:] = torch.nan  # what lies beyond a sequence is nobody's
    ours = dict(exact, backend="hopper")
    cache = latents
    if page:
        pages = capacity // page
        table = torch.randperm(batch * pages, device="cuda").view(batch, pages)
        cache = torch.empty(batch * pages, page, 576, device="cuda", dtype=dtype)
        cache[table.flatten()] = latents.view(-1, page, 576)
        ours["page_table"] = table.int()
    output, lse = mla_decode_attention(query, cache, 512, **ours)
    again, _ = mla_decode_attention(query, cache, 512, **ours)
    expected, expected_lse = mla_decode_attention(query.float(), latents.float(), 512, **exact)
    torchs, _ = mla_decode_attention(query, latents, 512, **exact)
    bound = 2 * (torchs - expected).abs().max() + torch.finfo(dtype).eps * expected.abs().max()
    assert (output - expected).abs().max() <= bound
    torch.testing.assert_close(lse, expected_lse, rtol=1e-4, atol=1e-4)
    assert torch.equal(output, again)


@pytest.mark.gpu
@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("size", [64, 128, 256])
def test_keys_that_nobody_sees_have_no_gradient(size, deterministic):
    q, k, v, grad = halves(*[(2, 8, n, size) for n in (100, 3000, 3000, 100)], device="cuda")
    k, v = k.requires_grad_(), v.requires_grad_()
    output = flash_attention(q, k, v, window=(50, 0), deterministic=deterministic)
    for found in torch.autograd.grad(output, (k, v), grad):
        assert not found[:, :, : 3000 - 150].any()
        assert found[:, :, 3000 - 150 :].any(-1).all()
