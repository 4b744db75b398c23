"""The Gluon attention's features: packed sequences, bias, ALiBi and sinks."""

import attention_bound
import pytest
import torch
from triton_kernels import _compat, flash_attention, flash_attention_varlen, record_backends
from triton_kernels.ops.attention import hopper_bits, hopper_drops, packing, samples
from triton_kernels.ops.attention.features import UNBOUNDED, Features, kept

pytestmark = pytest.mark.usefixtures("poisoned")


def halves(*shapes):
    return [torch.randn(shape, device="cuda", dtype=torch.bfloat16) for shape in shapes]


@pytest.mark.skipif(not _compat.interpreting(), reason="run with --interpret")
@pytest.mark.parametrize("lengths", [(65, 128, 1, 0, 300, 129), (0, 0), (5,)], ids=str)
def test_packed_tiles_are_listed_longest_sequence_first(lengths):
    ends = torch.tensor([3, *(3 + sum(lengths[: i + 1]) for i in range(len(lengths)))]).int()
    rows = sum(lengths) + 8
    output, lse = torch.full((1, 2, rows, 16), 7.0), torch.full((1, 2, rows), 7.0)
    wider = torch.full((1, 2, rows, 20), 7.0)
    found = packing.places(ends, 2 * ends, 128, output, wider, lse)
    found = found.view(-1, packing.FIELDS)
    expected = []
    for n in sorted(range(len(lengths)), key=lambda n: -lengths[n]):
        before, tiles = len(expected), -(-lengths[n] // 128)
        first = int(ends[n])
        expected += [[first, lengths[n], 2 * first, 2 * lengths[n], before, tiles, n]] * tiles
    assert found[0, 0] == len(expected) < len(found)
    assert found[0, 1] == 0
    assert found[1 : len(expected) + 1, :7].tolist() == expected
    covered = slice(3, rows - 5)
    for buffer in (output, wider, lse):
        assert (buffer[:, :, covered] == 7).all()
    for outside in (slice(3), slice(rows - 5, None)):
        assert (output[:, :, outside] == 0).all()
        assert (wider[:, :, outside] == 0).all()
        assert (lse[:, :, outside] == -torch.inf).all()


@pytest.mark.skipif(not _compat.interpreting(), reason="run with --interpret")
@pytest.mark.parametrize("shape", [(1, 2, 70, 130), (2, 1, 1, 65)], ids=str)
def test_a_mask_becomes_the_bits_of_each_thread(shape):
    mask = torch.rand(shape) < 0.5
    words = hopper_bits.words_of(mask, shape[3])
    batches, heads, rows, keys = shape
    blocks, tiles = -(-rows // 64), -(-keys // 64)
    assert words.shape == (batches, heads, blocks, tiles, 128)
    strides = hopper_bits.strides(hopper_bits.shape_of(shape, shape[3]))
    assert strides == (
        heads * blocks * tiles if batches > 1 else 0, blocks * tiles if heads > 1 else 0,
        tiles if blocks > 1 else 0,
    )  # fmt: skip
    for row in range(rows):
        for key in range(keys):
            thread = key % 64 // 16 * 32 + key % 8 * 4 + row % 8 // 2
            bit = key % 16 // 8 * 16 + row % 64 // 8 * 2 + row % 2
            word = words[:, :, row // 64, key // 64, thread]
            assert torch.equal((word >> bit & 1).bool(), mask[:, :, row, key])


@pytest.mark.skipif(not _compat.interpreting(), reason="run with --interpret")
@pytest.mark.parametrize("neighbours", [False, True])
@pytest.mark.parametrize("edges", [(70, 380, -1, 0), (70, 300, 90, 3)], ids=str)
def test_what_dropout_keeps_becomes_the_bits_of_each_thread(edges, neighbours):
    m, n, left, right = edges
    batches, heads_k, group, seed = 2, 2, 2, 2**40 + 2**31 + 7
    f = Features(dropout=0.3, left=left, right=right)
    part = (1, 2)  # of the key heads, of all batches; and without the first tile of keys
    shape = (part[1] * group, -(-m // 64), -(-n // 64) - 1, 128)
    draw = hopper_drops.launch_of(
        f, (heads_k, group, m, n), (part[0] * group, *shape[:2]), (1, shape[2]), batches,
        neighbours=neighbours,
    )  # fmt: skip
    words = torch.zeros(shape, dtype=torch.int32)
    draw(words, None, None, varying=((seed + 2**31) % 2**32 - 2**31, seed >> 32))
    row, key = torch.arange(m)[:, None], torch.arange(64, n)
    thread = key % 64 // 16 * 32 + key % 8 * 4 + row % 8 // 2
    bit = row % 2 * 16 + key % 16 // 8 * 8 + row % 64 // 8
    found = words[:, row // 64, key // 64 - 1, thread] >> bit & 1
    before = row + n - m - key
    seen = (before >= -right) & ((before <= left) | (left < 0))
    for line in range(shape[0]):
        number = part[0] + line // group
        batch, head_k = divmod(number, heads_k)
        if neighbours:
            head_k, batch = divmod(number, batches)
        head = (batch * heads_k + head_k) * group + line % group
        wanted = kept(seed, 0.3, torch.tensor(head * m), m, n)[:, 64:]
        assert torch.equal(found[line].bool()[seen], wanted[seen])


@pytest.mark.skipif(not _compat.interpreting(), reason="run with --interpret")
def test_packed_sequences_bits_lie_where_their_rows_do():
    ends, others = torch.tensor([[140, 270, 271, 271, 340], [0, 70, 200, 210, 300]]).int()
    f, heads, total, seed = Features(dropout=0.5, cu_q=ends), 2, 345, 3
    shape = (heads, (total // 128 + 5) * 2, 3, 128)
    draw = hopper_drops.launch_of(f, (heads, 1, total, 300), (0, *shape[:2]), (0, 3), 1, 4)
    words = torch.zeros(shape, dtype=torch.int32)
    draw(words, ends, others, varying=(seed, 0))
    for sequence in range(4):
        first, end = ends[sequence : sequence + 2].tolist()
        n = int(others[sequence + 1] - others[sequence])
        row, key = torch.arange(end - first)[:, None], torch.arange(n)
        block = (first // 128 + sequence) * 2 + row // 64
        thread = key % 64 // 16 * 32 + key % 8 * 4 + row % 8 // 2
        bit = row % 2 * 16 + key % 16 // 8 * 8 + row % 64 // 8
        found = words[:, block, key // 64, thread] >> bit & 1
        starts = torch.arange(heads) * total + first
        assert torch.equal(found.bool(), kept(seed, 0.5, starts, end - first, n))


# --- on a GPU -------------------------------------------------------------------------------------


def close(actual, wanted):
    """As two runs of the kernels are, which add up in another order."""
    error = (actual.float() - wanted.float()).norm()
    assert error <= 0.004 * wanted.float().norm()


def taken(record):
    return [backend for kernel, backend in record if kernel != "flash_attention_delta"]


PACKS = (  # lengths of queries and of keys
    ((1,), (1,)), ((65, 128, 1, 0, 127, 129, 300), (65, 128, 1, 0, 127, 129, 300)),
    ((3, 0, 200, 64, 500), (300, 5, 0, 64, 700)), ((7,) * 40, (9,) * 40), ((0, 0), (0, 0)),
    ((1000, 3000, 500), (1000, 3000, 500)),
)  # fmt: skip


@pytest.mark.gpu
@pytest.mark.parametrize("lengths", PACKS, ids=lambda lengths: f"{len(lengths[0])} sequences")
@pytest.mark.parametrize("size", [64, 96, 128, 256])
@pytest.mark.parametrize("seen", ["all", "causal", "window", "capped"])
def test_packed_sequences_see_themselves_only(lengths, size, seen):
    options = {
        "all": {}, "causal": {"causal": True}, "window": {"window": (100, 30)},
        "capped": {"causal": True, "soft_cap": 5.0},
    }[seen]  # fmt: skip
    ends = [
        torch.tensor([0, *(sum(n[: i + 1]) for i in range(len(n)))]).int().cuda() for n in lengths
    ]
    tokens = [sum(n) + 9 for n in lengths]  # some belong to no sequence
    inputs = halves((tokens[0], 4, size), *[(tokens[1], 2, size)] * 2)
    longest = [max(n) for n in lengths]
    grads = halves((tokens[0], 4, size))[0], torch.randn(4, tokens[0], device="cuda")
    grads[1][:, sum(lengths[0]) :] = 0.0  # their lse is -inf

    with record_backends() as record:
        found = attention_bound.run(
            flash_attention_varlen, inputs, grads, cu_q=ends[0], cu_k=ends[1], max_q=longest[0],
            max_k=longest[1], check=False, return_lse=True, **options,
        )  # fmt: skip
    assert [r for r in record if r[0] != "flash_attention_delta"] == [
        ("flash_attention", "hopper"), ("flash_attention_backward", "hopper"),
    ]  # fmt: skip

    def torchs(inputs):
        call = (attention_bound.torch_packed, inputs, grads)
        return attention_bound.run(*call, ends_q=ends[0], ends_k=ends[1], **options)

    exact, yardstick = torchs(attention_bound.wide(inputs)), torchs(inputs)
    for actual, *others, name in zip(found, exact, yardstick, attention_bound.NAMES, strict=False):
        by_head = (x if name == "lse" else x.transpose(0, 1) for x in (actual, *others))
        terms = 0.0
        if name in ("query", "key") and longest[1] == 1:
            # p·(dp - do·o) of the only key: o carries its rounding and that of p, dp none.
            terms = 2 * (grads[0] * found[0]).float().norm(dim=-1).max().item()
            terms *= inputs[name == "query"].abs().max().item() * size**-0.5
        attention_bound.agrees(*by_head, name, terms)


@pytest.mark.gpu
def test_ends_may_begin_anywhere():
    inputs = halves(*[(320, 2, 64)] * 3)
    ends = torch.arange(17, device="cuda", dtype=torch.int32) * 20
    moved = torch.cat([ends[:1], ends])[1:]
    assert moved.data_ptr() % 16 == 4
    expected, found = (flash_attention_varlen(*inputs, x, x, 20, 20) for x in (ends, moved))
    assert torch.equal(found, expected)


@pytest.mark.gpu
@pytest.mark.parametrize("size", [64, 128, 256])
def test_what_is_no_number_stays_in_its_sequence(size):
    inputs = halves(*[(600, 2, size)] * 4)
    ends = torch.tensor([0, 130, 131, 290, 560]).int().cuda()

    def run(q, k, v, grad):
        leaves = [x.clone().requires_grad_() for x in (q, k, v)]
        y = flash_attention_varlen(*leaves, ends, ends, 290, 290, causal=True, check=False)
        return y.detach(), *torch.autograd.grad(y, leaves, grad)

    clean = run(*inputs)
    for x in inputs:
        x[131:290] = torch.nan
        x[560:] = torch.nan
    for found, expected in zip(run(*inputs), clean, strict=True):
        assert found[131:290].isnan().all()
        for part in (slice(131), slice(290, 560)):
            close(found[part], expected[part])
        assert (found[560:] == 0).all()


@pytest.mark.gpu
@pytest.mark.parametrize("size", [64, 128, 256])
@pytest.mark.parametrize("shape", [(2, 4, 2, 300, 304), (4, 16, 8, 1000, 1104)], ids=str)
@pytest.mark.parametrize("options", [{}, {"causal": True}, {"window": (100, 30), "soft_cap": 20.0}])
@pytest.mark.parametrize(
    "feature", ["bias", "one bias", "a head's bias", "sinks", "slopes", "slopes of batches", "mask"]
)
def test_a_feature_agrees_with_float32(feature, options, shape, size):
    batch, heads, key_heads, queries, keys = shape
    sizes = [(batch, n, length, size) for n, length in ((heads, queries), (key_heads, keys))]
    q, k, v, grad = halves(sizes[0], sizes[1], sizes[1], sizes[0])
    bias = sinks = None
    if feature.endswith("bias"):
        of = {"one bias": (1, 1), "a head's bias": (1, heads), "bias": (batch, heads)}[feature]
        (bias,) = halves((*of, queries, keys))
        bias[..., ::7] = -torch.inf
        bias[:, :, 5] = -torch.inf  # a row that sees nothing
    elif feature == "sinks":
        (sinks,) = halves((heads,))
    elif feature == "mask":
        mask = torch.rand(batch, 1, queries, keys).cuda() < 0.6
        mask[:, :, 5] = False
        options = {**options, "mask": mask}
    else:
        of = (heads,) if feature == "slopes" else (batch, heads)
        options = {**options, "alibi_slopes": torch.rand(of).cuda()}

    inputs, grads = (q, k, v, bias, sinks), (grad, torch.randn(grad.shape[:3]).cuda())
    if bias is not None or "mask" in options:
        grads[1][:, :, 5] = 0.0  # its lse is -inf
    given = {"return_lse": True, **options}
    with record_backends() as record:
        found = attention_bound.run(flash_attention, inputs, grads, **given)
    takes = size <= 128 or not feature.endswith("bias")
    assert taken(record) == ["hopper", "hopper" if takes else "portable"]
    exact, yardstick = (
        attention_bound.run(samples.torch_attention, x, grads, **given)
        for x in (attention_bound.wide(inputs), inputs)
    )
    for each in zip(found, exact, yardstick, attention_bound.NAMES, strict=False):
        if each[3] != "bias" or bias is not None:
            attention_bound.agrees(*each)
    if sinks is not None:  # a number a head: the sum of terms of either sign, as inexact as outputs
        output, lse = exact[:2]
        terms = torch.exp(sinks.float()[:, None] - lse) * (grad.float() * output).norm(dim=-1)
        error = (found[5].float() - exact[5]).norm()
        assert error <= 2**-6 * (terms.norm() + exact[5].norm())


@pytest.mark.gpu
@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("of", [(2, 4), (1, 4), (2, 1), (1, 1)], ids=str)
def test_a_bias_gradient_in_parts_is_that_in_one(of, causal, size):
    from triton_kernels.ops.attention import hopper_backward, hopper_forward, portable_backward

    q, k, v, grad = halves(*[(2, 4, 1000, size)] * 4)
    (bias,) = halves((*of, 1000, 1000))
    features = Features(bias=bias, scale=size**-0.5, right=0 if causal else UNBOUNDED)
    output, lse = hopper_forward.attend(q, k, v, features)
    inputs = (grad, q, k, v, lse, portable_backward.delta(grad, None, output))
    wanted = portable_backward.bias_backward(*inputs, *features)
    for most in (1 << 31, 5 << 20, 3 << 20, 1):  # some heads at a time, one, some keys
        found = torch.full_like(bias, torch.nan)
        hopper_backward.gradients(*inputs, features, most=most, of_bias=found)
        close(found, wanted)


@pytest.mark.gpu
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("batches", "size"), [(1, 128), (2, 64), (8, 128), (9, 64)])
def test_the_gradient_of_a_bias_that_batches_share_is_within_the_bound(batches, size, causal):
    inputs = halves(*[(batches, 4, 700, size)] * 3, (1, 4, 700, 704))
    inputs[1:3] = halves(*[(batches, 2, 704, size)] * 2)
    grads, given = halves(inputs[0].shape), {"causal": causal}
    with record_backends() as record:
        found, again, once_more = (
            attention_bound.run(flash_attention, inputs, grads, deterministic=wish, **given)
            for wish in (False, True, True)
        )
    assert taken(record) == ["hopper", "hopper"] * 3
    assert all(map(torch.equal, again, once_more))
    exact, yardstick = (
        attention_bound.run(samples.torch_attention, x, grads, **given)
        for x in (attention_bound.wide(inputs), inputs)
    )
    names = [x for x in attention_bound.NAMES if x != "lse"]
    attention_bound.all_agree(found, exact, yardstick, names)
    attention_bound.all_agree(again, exact, yardstick, names)


@pytest.mark.gpu
@pytest.mark.parametrize("size", [64, 128, 256])
def test_a_deterministic_backward_of_packed_sequences_repeats(size):
    inputs = halves((700, 4, size), (700, 2, size), (700, 2, size))
    (grad,) = halves((700, 4, size))
    ends = torch.tensor([0, 130, 131, 131, 290, 690]).int().cuda()

    def run(**options):
        leaves = [x.detach().requires_grad_() for x in inputs]
        y = flash_attention_varlen(
            *leaves, ends, ends, 400, 400, causal=True, check=False, **options
        )
        return torch.autograd.grad(y, leaves, grad)

    with record_backends() as record:
        found = run(deterministic=True)
    assert taken(record) == ["hopper", "hopper"]
    for one, again, usual in zip(found, run(deterministic=True), run(), strict=True):
        assert torch.equal(one, again)
        close(one, usual)
