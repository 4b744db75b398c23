"""The Gluon attention's masks, in bits and block by block, and its dropout."""

import attention_bound
import pytest
import torch
from triton_kernels import _compat, flash_attention, flash_attention_varlen, record_backends
from triton_kernels.ops.attention import bit_masks, samples

pytestmark = pytest.mark.usefixtures("poisoned")

MASKS = (  # the mask's shape; rows, keys, left, right; rows of a tile, keys of a block
    ((1, 2, 150, 410), (150, 410, -1, -1), (128, 128)),
    ((1, 1, 150, 523), (150, 523, -1, 0), (128, 64)),
    ((1, 1, 200, 390), (200, 390, 100, 3), (192, 128)),
    ((2, 1, 1, 700), (300, 700, -1, -1), (128, 128)),
    ((1, 1, 70, 1), (70, 40, -1, 0), (128, 128)),
)


@pytest.mark.skipif(not _compat.interpreting(), reason="run with --interpret")
@pytest.mark.parametrize(("shape", "edges", "tile"), MASKS, ids=str)
def test_a_mask_in_bits_hides_what_it_hid(shape, edges, tile):
    (m, n, left, right), (rows, keys) = edges, tile
    mask = torch.rand(shape) < 0.5
    mask[..., 128:256] = False
    mask[..., 256:400] = True
    words = bit_masks.words_of(mask, n)
    full = mask.expand(-1, -1, -1, n)
    key = torch.arange(n)
    bit = key // 8 % 16 * 2 + key % 2
    found = words.view(*shape[:3], -1)[..., key // 128 * 4 + key % 8 // 2] >> bit
    assert torch.equal(found & 1 != 0, full)
    full = full.expand(-1, -1, m, -1)
    visits = bit_masks.visits(words, m, n, left, right, rows, keys)
    for tile_row, (first, own) in enumerate(zip(range(0, m, rows), visits.unbind(2), strict=True)):
        end = n if right < 0 else min(n, min(first + rows, m) + n - m + right)
        last = -(-max(end, 1) // keys)
        begin = 0 if left < 0 else min(max(first + n - m - left, 0) // keys, last - 1)
        for line, seen in zip(own.flatten(0, 1), full.flatten(0, 1), strict=True):
            expected = []
            for block in range(begin, last):
                part = seen[first : first + rows, block * keys : (block + 1) * keys]
                whole = part.all() and part.shape[1] == keys
                expected += [2 * block + int(not whole)] if part.any() else []
            expected = expected or [2 * last - 1]  # one at least
            assert line[: 1 + len(expected)].tolist() == [len(expected), *expected], tile_row


# --- on a GPU -------------------------------------------------------------------------------------


def halves(*shapes):
    return [torch.randn(shape, device="cuda", dtype=torch.bfloat16) for shape in shapes]


def mask_of(kind, batch, heads, queries, keys):
    """Some that hide pairs, some that hide or leave whole blocks, rows that see nothing."""
    if kind == "keys":
        return torch.rand((batch, 1, 1, keys), device="cuda") < 0.7
    mask = torch.rand((1, heads, queries, keys), device="cuda") < 0.7
    if kind == "blocks":
        mask[:, 0, :, 128:256] = True
        mask[:, 0, :, 256:] = False
        mask[:, 1, :140] = False
    mask[:, :, 5] = False
    return mask


OPTIONS = ({}, {"causal": True}, {"window": (100, 30), "soft_cap": 20.0})


def check(q, k, v, options):
    with torch.no_grad(), record_backends() as record:
        found = flash_attention(q, k, v, return_lse=True, **options)
    assert record == [("flash_attention", "hopper")]
    exact, yardstick = (
        samples.torch_attention(*inputs, return_lse=True, **options)
        for inputs in (attention_bound.wide((q, k, v)), (q, k, v))
    )
    attention_bound.all_agree(found, exact, yardstick, attention_bound.NAMES[:2])


@pytest.mark.gpu
@pytest.mark.parametrize("size", [64, 128, 256])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("kind", ["pairs", "keys", "blocks"])
def test_the_forward_with_a_mask_agrees_with_float32(kind, options, size):
    q, k, v = halves((2, 4, 300, size), (2, 2, 400, size), (2, 2, 400, size))
    check(q, k, v, {**options, "mask": mask_of(kind, 2, 4, 300, 400)})


@pytest.mark.gpu
@pytest.mark.parametrize("size", [64, 128, 256])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_forward_drops_what_the_reference_drops(options, size):
    q, k, v = halves((2, 4, 300, size), (2, 2, 304, size), (2, 2, 304, size))
    for seed in (7, 2**31 + 5, 2**40 + 7):  # the second of which finds the first's launch
        check(q, k, v, {**options, "dropout": 0.3, "seed": seed})


@pytest.mark.gpu
@pytest.mark.parametrize("size", [64, 128, 256])
def test_packed_sequences_drop_what_the_reference_drops(size):
    inputs, (grad,) = halves((500, 4, size), *[(500, 2, size)] * 2), halves((500, 4, size))
    ends = torch.tensor([0, 130, 131, 290, 500]).int().cuda()
    options = {"causal": True, "dropout": 0.3, "seed": 3}
    call = {"cu_q": ends, "cu_k": ends, "max_q": 210, "max_k": 210, **options}
    with record_backends() as record:
        found = attention_bound.run(flash_attention_varlen, inputs, [grad], **call)
    assert record[0] == ("flash_attention", "hopper")
    assert record[-1] == ("flash_attention_backward", "hopper")
    exact, yardstick = (
        attention_bound.run(flash_attention_varlen, x, [grad], backend="reference", **call)
        for x in (attention_bound.wide(inputs), inputs)
    )
    for *each, name in zip(found, exact, yardstick, DIFFERENTIATED[:4], strict=True):
        attention_bound.agrees(*(x.transpose(0, 1) for x in each), name)


DIFFERENTIATED = ("output", "query", "key", "value", "bias")


def check_gradients(kernel, inputs, options):
    """With three in ten weights dropped."""
    grad = torch.randn_like(inputs[0])
    call = {**options, "dropout": 0.3}
    with record_backends() as record:
        found = attention_bound.run(flash_attention, inputs, [grad], **call)
    assert record[-1] == (kernel, "hopper")
    exact, yardstick = (
        attention_bound.run(samples.torch_attention, x, [grad], **call)
        for x in (attention_bound.wide(inputs), inputs)
    )
    for each in zip(found, exact, yardstick, DIFFERENTIATED, strict=False):
        attention_bound.agrees(*each)


@pytest.mark.gpu
@pytest.mark.parametrize("size", [64, 128, 256])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_backward_drops_what_the_forward_dropped(options, size):
    for seed, dtype in ((7, torch.bfloat16), (2**40 + 7, torch.float16)):
        inputs = [x.to(dtype) for x in halves((2, 4, 300, size), *[(2, 2, 304, size)] * 2)]
        check_gradients("flash_attention_backward", inputs, {**options, "seed": seed})


@pytest.mark.gpu
@pytest.mark.parametrize("size", [64, 128])
def test_a_bias_has_a_gradient_under_dropout(size):
    inputs = halves(*[(2, 2, 200, size)] * 3, (1, 2, 200, 200))
    check_gradients("flash_attention_bias_backward", inputs, {"seed": 5})


@pytest.mark.gpu
def test_scores_under_a_cap_need_no_maximum():
    # A row of scores at -cap and one at cap: weights of e^-50 and e^50, sums of them finite.
    q, k, v = halves((1, 2, 256, 64), (1, 2, 300, 64), (1, 2, 300, 64))
    q[:, :, 0] = 40.0
    q[:, :, 1] = -40.0
    k[:] = k.abs() + 1
    check(q, k, v, {"soft_cap": 50.0})
