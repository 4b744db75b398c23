"""The forward on Hopper by fixed maxima and by bent soft caps, and what strays from them."""

import attention_bound
import pytest
import torch
from triton_kernels import _compat
from triton_kernels.ops.attention import samples
from triton_kernels.ops.attention.features import UNBOUNDED, Features

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("poisoned")]


def halves(*shapes):
    return [torch.randn(shape, device="cuda", dtype=torch.bfloat16) for shape in shapes]


@pytest.fixture
def launches(monkeypatch):
    """Whether each of the forward's launches was anchored; those by number that are left out."""
    run = _compat.Launch.__call__
    seen, omitted = [], set()

    def launched(self, *tensors, varying=()):
        seen.append(self._constants.get("ANCHORED"))
        if len(seen) - 1 not in omitted:
            run(self, *tensors, varying=varying)

    monkeypatch.setattr(_compat.Launch, "__call__", launched)
    return seen, omitted


def anchored(q, k, v, features):
    """Output and lse by the maximum of the first blocks, however little work there is."""
    from triton_kernels.ops.attention import hopper_forward

    tile = hopper_forward.tiling(q.shape[-1], q.shape[2], features.right != UNBOUNDED)
    return hopper_forward.attend(q, k, v, features, tile._replace(anchored=True))


@pytest.mark.parametrize(
    ("size", "keys", "options"),
    [
        (64, 1777, {"causal": True}), (128, 1777, {"causal": True}), (256, 1777, {"causal": True}),
        (128, 1777, {}), (128, 1777, {"window": (200, 0)}), (128, 1777, {"window": (100, None)}),
        (128, 1777, {"window": (None, 64)}), (128, 1777, {"causal": True, "sinks": True}),
        (128, 1777 - 64 * 9, {"causal": True}), (128, 300, {"causal": True}),
    ], ids=str,
)  # fmt: skip
def test_the_first_blocks_maximum_serves_all(size, keys, options, launches):
    q, k, v = halves((2, 4, 1777, size), (2, 2, keys, size), (2, 2, keys, size))
    options = dict(options)
    if "sinks" in options:
        options["sinks"] = torch.rand(4, device="cuda")
    exact, yardstick = (
        samples.torch_attention(*inputs, **options)
        for inputs in (attention_bound.wide((q, k, v)), (q, k, v))
    )
    left, right = options.get("window", (None, None))
    features = Features(
        sinks=options.get("sinks"), scale=size**-0.5,
        left=UNBOUNDED if left is None else left,
        right=0 if options.get("causal") else UNBOUNDED if right is None else right,
    )  # fmt: skip
    output, _ = anchored(q, k, v, features)
    # 300 keys: the first rows of 64 see none of the block that the last ones see.
    assert launches[0] == ([False] if keys == 300 else [True, False])
    attention_bound.agrees(output, exact, yardstick, "output")


@pytest.mark.parametrize("size", [128, 256])
@pytest.mark.parametrize("stray", ["scores", "values", "nan"])
def test_what_strays_from_the_first_maximum_is_done_again(size, stray, launches):
    q, k, v = halves(*[(1, 40, 1500, size)] * 3)
    if stray == "scores":
        k[:, ::5, 3] *= 60  # to 2^100 times the weights before and more
    elif stray == "values":
        k[:, ::5, 3] *= 10
        v[:, ::5, 3] = 1e38
    else:
        k[0, 1, 7, 3] = torch.nan
    features = Features(scale=size**-0.5, right=0)
    expected = samples.torch_attention(*(x.double() for x in (q, k, v)), causal=True)
    output, lse = anchored(q, k, v, features)
    known = expected.isfinite()
    assert known.all() == (stray != "nan")
    assert torch.equal(output.isfinite(), known)
    assert (output - expected)[known].norm() <= 0.01 * expected[known].norm()
    assert lse.isfinite().all() == (stray != "nan")
    assert launches[0] == [True, False]
    launches[1].add(3)
    alone, _ = anchored(q, k, v, features)
    assert torch.equal(alone.isfinite(), known) == (stray == "nan")


@pytest.mark.parametrize("size", [64, 128, 256])
def test_of_packed_sequences_only_tiles_that_stray_are_done_again(size, launches):
    lengths = (900, 1, 700, 64, 0, 300, 1200, 200)
    ends = torch.tensor([0, *lengths], device="cuda").cumsum(0, dtype=torch.int32)
    q, k, v = halves(*[(1, 8, sum(lengths), size)] * 3)
    features = Features(scale=size**-0.5, right=0, cu_q=ends, cu_k=ends, max_q=1200, max_k=1200)
    clean, clean_lse = anchored(q, k, v, features)
    assert launches[0] == [None, True, False]  # the list of tiles comes first
    part = slice(901, 1601)
    k[0, 3, part][::5, 3] *= 600
    expected = samples.torch_attention(*(x[:, 3:4, part].double() for x in (q, k, v)), causal=True)
    # Programs take tiles as they come: whose a tile was must not be seen in its bits.
    for _ in range(4):
        output, lse = anchored(q, k, v, features)
        found = output[:, 3:4, part]
        assert (found - expected).norm() <= 0.01 * expected.norm()
        for strayed, as_before in ((output, clean), (lse[..., None], clean_lse[..., None])):
            strayed[:, 3, part] = as_before[:, 3, part]
            assert torch.equal(strayed, as_before)
    launches[1].add(len(launches[0]) + 2)
    alone, _ = anchored(q, k, v, features)
    assert not (alone[:, 3:4, part] - expected).norm() <= 0.1 * expected.norm()


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("strays", [False, True])
def test_three_parties_of_narrow_heads_have_anchors(causal, strays, launches):
    from triton_kernels.ops.attention import hopper_forward

    q, k, v = halves((2, 4, 2500, 64), *[(2, 2, 2500, 64)] * 2)
    if strays:
        k[:, 1, 3] *= 100
    tile = hopper_forward.tiling(64, 16384, causal)
    assert tile.parties == 3
    features = Features(scale=0.125, right=0 if causal else UNBOUNDED)
    output, _ = hopper_forward.attend(q, k, v, features, tile)
    assert launches[0] == [True, False]
    wide = (q.float(), *(x.float().repeat_interleave(2, 1) for x in (k, v)))
    expected = samples.torch_attention(*wide, causal=causal)
    assert (output - expected).norm() <= 0.01 * expected.norm()


@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize("cap", [24.0, 30.0, 100.0])
def test_a_soft_cap_is_bent_where_scores_are_small(size, cap, launches):
    q, k, v = halves(*[(2, 4, 1000, size)] * 3)
    q *= 3  # scores of up to 15, whose tangent is no straight line
    exact = [x.double() for x in (q, k, v)]
    expected = samples.torch_attention(*exact, causal=True, soft_cap=cap)
    same = samples.torch_attention(q, k, v, causal=True, soft_cap=cap)
    output, lse = anchored(q, k, v, Features(scale=size**-0.5, right=0, soft_cap=cap))
    assert launches[0] == [True, False]
    assert (output - expected).norm() <= 2 * (same - expected).norm()
    scores = cap * (exact[0] @ exact[1].mT * size**-0.5 / cap).tanh()
    hidden = torch.ones(1000, 1000, dtype=torch.bool, device="cuda").triu(1)
    wanted = scores.masked_fill(hidden, -torch.inf).logsumexp(-1)
    rounding = 2**-9  # of weights, as p·v takes them: all there is of a row of one key
    torch.testing.assert_close(lse.double(), wanted, rtol=1e-3, atol=2e-3 + rounding)


@pytest.mark.parametrize("size", [64, 128])
def test_under_a_bent_cap_a_row_of_one_key_has_its_value(size, launches):
    """Its weight, of any size, is rounded in its divisor as in the product."""
    q, k, v = halves(*[(2, 4, 1000, size)] * 3)
    output, _ = anchored(q, k, v, Features(scale=size**-0.5, right=0, soft_cap=30.0))
    assert launches[0] == [True, False]
    assert torch.equal(output[:, :, 0], v[:, :, 0])


@pytest.mark.parametrize("where", ["above", "below"])
def test_what_strays_from_a_bent_soft_cap_is_done_again(where, launches):
    q, k, v = halves(*[(1, 40, 1500, 128)] * 3)
    if where == "above":
        k[:, ::5, :20] *= 60  # scores of several times the cap
    else:
        q, k = 20 * q.abs(), -k.abs()  # all of them far below it: each weight is next to nothing
    features = Features(scale=128**-0.5, right=0, soft_cap=30.0)
    exact = [x.double() for x in (q, k, v)]
    expected = samples.torch_attention(*exact, causal=True, soft_cap=30.0)
    output, _ = anchored(q, k, v, features)
    assert (output - expected).norm() <= 0.01 * expected.norm()
    assert launches[0] == [True, False]
    launches[1].add(3)
    alone, _ = anchored(q, k, v, features)
    assert not (alone - expected).norm() <= 0.1 * expected.norm()


def hides_in_part(kind, bias):
    """A bias of that kind, and whether a row strays from its anchor."""
    rows, keys = (torch.arange(n, device="cuda") for n in bias.shape[2:])
    if kind == "the first blocks":  # they are the last keys
        return bias.masked_fill(keys >= 500, -1e9), False
    if kind == "all later keys":
        return bias.masked_fill(keys > rows[:, None], -torch.inf), False
    if kind == "some keys and rows":
        return bias.masked_fill((keys % 7 == 0) | (rows[:, None] % 50 > 40), -torch.inf), False
    if kind == "far ones":
        return (-0.5 * (keys - rows[:, None]).abs()).to(bias.dtype).expand_as(bias), False
    if kind == "what is not one key":
        return bias + 300 * (keys == 300), True
    assert kind == "all, equally"
    return bias - 200, True


@pytest.mark.parametrize(
    "kind",
    ["the first blocks", "all later keys", "some keys and rows", "far ones", "what is not one key",
     "all, equally"],
)  # fmt: skip
def test_a_bias_that_hides_a_first_block_has_anchors(kind, launches):
    q, k, v, bias = halves(*[(1, 40, 704, 128)] * 3, (1, 40, 704, 704))
    bias, strays = hides_in_part(kind, bias)
    exact, yardstick = (
        samples.torch_attention(*inputs, return_lse=True)
        for inputs in ([x.double() for x in (q, k, v, bias)], (q, k, v, bias))
    )
    features = Features(bias=bias.contiguous(), scale=128**-0.5)
    found = anchored(q, k, v, features)
    assert launches[0] == [True, False]
    for each in zip(found, exact, yardstick, ("output", "lse"), strict=True):
        attention_bound.agrees(*each)
    launches[1].add(3)
    alone, _ = anchored(q, k, v, features)
    assert torch.equal(alone, found[0]) != strays


@pytest.mark.parametrize("right", [UNBOUNDED, 0])
def test_a_mask_that_hides_a_first_block_has_anchors(right, launches):
    """Rows of later blocks' keys, of one key, of none; and draws of half of the keys."""
    q, k, v = halves(*[(1, 40, 704, 128)] * 3)
    mask = torch.rand(1, 40, 704, 704, device="cuda") < 0.5
    mask[:, 4:16, :, 300:] = False
    mask[:, 8:12, 100:, 64:] = False
    mask[:, 16:20, ::3] = False
    mask[:, 20:24] = torch.eye(704, dtype=torch.bool, device="cuda")
    exact, yardstick = (
        samples.torch_attention(*inputs, mask=mask, causal=right == 0, return_lse=True)
        for inputs in ([x.double() for x in (q, k, v)], (q, k, v))
    )
    found = anchored(q, k, v, Features(mask=mask, scale=128**-0.5, right=right))
    assert launches[0][-2:] == [True, False]  # behind those that pack the mask
    for each in zip(found, exact, yardstick, ("output", "lse"), strict=True):
        attention_bound.agrees(*each)
    launches[1].add(2 * len(launches[0]) - 1)
    alone, _ = anchored(q, k, v, Features(mask=mask, scale=128**-0.5, right=right))
    assert torch.equal(alone, found[0])  # nothing strays
