"""Sums of products, compiled without a GPU: threads that hold a sum hold it to the last bit.

They all write it to shared memory where it changes its layout, and which of them is last is
undefined. The assembler may take a product into the addition of another thread's: each then rounds
the other's product and not its own, and the two sums may differ.
"""

import re

import pytest
import torch
from compiling import ptx_of_launches
from triton_kernels.ops.attention import decode_portable
from triton_kernels.ops.norms import dropout_add, forward


def exchanged_products(ptx):
    """Products that go to another thread as they are, so that they may be fused with what comes."""
    products = set(re.findall(r"mul\.f32\s+(%r\d+),", ptx))
    return products & set(re.findall(r"shfl\.sync\.bfly\.b32\s+%r\d+, (%r\d+),", ptx))


@pytest.mark.parametrize("columns", [5, 20, 100])
@pytest.mark.parametrize("op", ["norm", "dropout_add"])
def test_squares_are_rounded_before_they_are_exchanged(columns, op, monkeypatch):
    x, weight = torch.empty(2000, columns), torch.empty(columns)
    options = (weight, weight, 1e-6, 0.0, "float32", True)
    calls = {
        "norm": lambda: forward.norm(x, None, *options),
        "dropout_add": lambda: dropout_add.norm_portable(x, x, *options[:2], 0.1, 3, *options[2:]),
    }
    [ptx] = ptx_of_launches(calls[op], monkeypatch)
    assert "shfl.sync.bfly" in ptx
    assert not exchanged_products(ptx)


@pytest.mark.parametrize("splits", [2, 3, 8, 64])
@pytest.mark.parametrize("shape", [(2, 4, 1, 64), (1, 16, 1, 512), (64, 128, 1, 512)], ids=str)
def test_shares_are_weighted_before_they_are_exchanged(shape, splits, monkeypatch):
    output = torch.empty(shape, dtype=torch.bfloat16)
    shares, lses = torch.empty(splits, *shape), torch.empty(splits, *shape[:-1])
    merged = shares, lses, None, output, lses[0]
    [ptx] = ptx_of_launches(lambda: decode_portable.merge(*merged), monkeypatch)
    assert "shfl.sync.bfly" in ptx
    assert not exchanged_products(ptx)
