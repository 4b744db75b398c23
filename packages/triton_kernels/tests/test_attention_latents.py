"""The Gluon kernels that decode over latents: rows of every kind, beside the definition."""

import pytest
import torch
from triton_kernels import mla_decode_attention, record_backends

pytestmark = pytest.mark.gpu
SIZE, RANK = 576, 512


@pytest.mark.parametrize("length", [64, 1000, 8192])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("rows", [(16, 1), (64, 1), (65, 1), (128, 1), (128, 2), (24, 5)], ids=str)
def test_a_latent_serves_all_heads(rows, ragged, length):
    heads, tokens = rows
    batch = 3 if length < 8192 else 70  # as many blocks of threads as there are splits, or one
    query = torch.randn(batch, heads, tokens, SIZE, device="cuda").bfloat16()
    cache = torch.randn(batch, length, SIZE, device="cuda").bfloat16()
    lengths = None
    if ragged:
        lengths = torch.randint(tokens, length + 1, (batch,), device="cuda", dtype=torch.int32)
        lengths[0] = length
        for own, n in zip(cache, lengths.tolist(), strict=True):
            own[n:] = torch.nan
    options = {"scale": SIZE**-0.5, "return_lse": True}
    with record_backends() as record:
        output, lse = mla_decode_attention(query, cache, RANK, lengths, **options)
    assert record == [("mla_decode_attention", "hopper")]
    one = slice(-2, None)  # the last two: what is read for another batch would show
    exact = (
        query[one].float(), cache[one].float(), RANK, None if lengths is None else lengths[one],
    )  # fmt: skip
    wanted, wanted_lse = mla_decode_attention(*exact, backend="reference", **options)
    assert (output[one] - wanted).norm() <= 0.01 * wanted.norm()
    assert torch.allclose(lse[one], wanted_lse, atol=2e-3)


@pytest.mark.parametrize("heads", [16, 128])
def test_a_maximum_that_grows_from_tile_to_tile(heads):
    """Of some rows and not of others, by more and by less than what a reference is left at."""
    query = torch.randn(2, heads, 1, SIZE, device="cuda").bfloat16()
    growing = torch.linspace(0.1, 4, 1000, device="cuda")[:, None]
    cache = (torch.randn(2, 1000, SIZE, device="cuda") * growing).bfloat16()
    options = {"scale": SIZE**-0.5, "return_lse": True}
    output, lse = mla_decode_attention(query, cache, RANK, **options)
    exact = (query.float(), cache.float(), RANK)
    wanted, wanted_lse = mla_decode_attention(*exact, backend="reference", **options)
    assert (output - wanted).norm() <= 0.01 * wanted.norm()
    assert torch.allclose(lse, wanted_lse, atol=2e-3)
