"""The Gluon attention's features: packed sequences, bias, ALiBi and sinks."""

import pytest
import torch
from triton_kernels import _compat, flash_attention, flash_attention_varlen, record_backends
from triton_kernels.ops.attention import packing

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
    assert found[1 : len(expected) + 1, :7].tolist() == expected
    covered = slice(3, rows - 5)
    for kept in (output, wider, lse):
        assert (kept[:, :, covered] == 7).all()
    for outside in (slice(3), slice(rows - 5, None)):
        assert (output[:, :, outside] == 0).all()
        assert (wider[:, :, outside] == 0).all()
        assert (lse[:, :, outside] == -torch.inf).all()


# --- on a GPU -------------------------------------------------------------------------------------


def agrees(actual, wanted):
    """Within what bfloat16 rounds; -inf in the same places, NaN nowhere."""
    none = wanted == -torch.inf
    assert torch.equal(actual == -torch.inf, none)
    actual, wanted = (x.detach().float().masked_fill(none, 0.0) for x in (actual, wanted))
    error = (actual - wanted).norm()
    assert error <= 0.01 * wanted.norm() + 2e-3 * wanted.numel() ** 0.5


def taken(record):
    return [backend for kernel, backend in record if kernel == "flash_attention"]


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

    def run(inputs, **backend):
        leaves = [x.detach().requires_grad_() for x in inputs]
        ys = flash_attention_varlen(*leaves, *ends, *longest, return_lse=True, **options, **backend)
        return *ys, *torch.autograd.grad(
            ys, leaves, [g.to(y.dtype) for g, y in zip(grads, ys, strict=True)]
        )

    with record_backends() as record:
        found = run(inputs)
    backward = "hopper" if size <= 128 else "portable"
    assert [r for r in record if r[0] != "flash_attention_delta"] == [
        ("flash_attention", "hopper"), ("flash_attention_backward", backward),
    ]  # fmt: skip
    wanted = run([x.float() for x in inputs], backend="reference")
    for actual, expected in zip(found, wanted, strict=True):
        agrees(actual, expected)


@pytest.mark.gpu
@pytest.mark.parametrize("size", [64, 128, 256])
def test_what_is_no_number_stays_in_its_sequence(size):
    inputs = halves(*[(600, 2, size)] * 4)
    ends = torch.tensor([0, 130, 131, 290, 560]).int().cuda()

    def run(q, k, v, grad):
        leaves = [x.clone().requires_grad_() for x in (q, k, v)]
        y = flash_attention_varlen(*leaves, ends, ends, 290, 290, causal=True)
        return y.detach(), *torch.autograd.grad(y, leaves, grad)

    clean = run(*inputs)
    for x in inputs:
        x[131:290] = torch.nan
        x[560:] = torch.nan
    for found, expected in zip(run(*inputs), clean, strict=True):
        assert found[131:290].isnan().all()
        for part in (slice(131), slice(290, 560)):
            agrees(found[part], expected[part])
        assert (found[560:] == 0).all()


@pytest.mark.gpu
@pytest.mark.parametrize("size", [64, 128, 256])
@pytest.mark.parametrize("shape", [(2, 4, 2, 300, 304), (4, 16, 8, 1000, 1104)], ids=str)
@pytest.mark.parametrize("options", [{}, {"causal": True}, {"window": (100, 30), "soft_cap": 20.0}])
@pytest.mark.parametrize("feature", ["bias", "one bias", "sinks", "slopes", "slopes of batches"])
def test_the_forward_with_a_feature_agrees_with_float32(feature, options, shape, size):
    batch, heads, key_heads, queries, keys = shape
    sizes = [(batch, n, length, size) for n, length in ((heads, queries), (key_heads, keys))]
    q, k, v = halves(sizes[0], sizes[1], sizes[1])
    bias = sinks = None
    if feature.endswith("bias"):
        of = (1, 1) if feature == "one bias" else (batch, heads)
        (bias,) = halves((*of, queries, keys))
        bias[..., ::7] = -torch.inf
        bias[:, :, 5] = -torch.inf  # a row that sees nothing
    elif feature == "sinks":
        (sinks,) = halves((heads,))
    else:
        of = (heads,) if feature == "slopes" else (batch, heads)
        options = {**options, "alibi_slopes": torch.rand(of).cuda()}
    with torch.no_grad(), record_backends() as record:
        found = flash_attention(q, k, v, bias, sinks, return_lse=True, **options)
    assert taken(record) == ["hopper"]
    exact = [None if x is None else x.float() for x in (q, k, v, bias, sinks)]
    wanted = flash_attention(*exact, return_lse=True, backend="reference", **options)
    for actual, expected in zip(found, wanted, strict=True):
        agrees(actual, expected)
