"""Tensors to torch and back, by functions and by DLPack."""

import numpy as np
import tinygrad_autodiff as tg
import torch


def test_to_torch_and_back():
    x = tg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    there = tg.to_torch(x)
    assert there.requires_grad
    assert there.is_leaf
    there.detach().mul_(2)
    assert x.tolist() == [[2, 4], [6, 8]]
    back = tg.from_torch(there)
    assert back.requires_grad
    assert np.shares_memory(back.detach().numpy(), x.detach().numpy())
    assert not tg.to_torch(x * 2.0).requires_grad
    assert tg.to_torch(tg.tensor([1, 2]).flip(0)).tolist() == [2, 1]
    assert tg.to_torch(tg.ones(2).expand(3, 2)).shape == (3, 2)
    assert tg.from_torch(torch.ones(2, dtype=torch.bfloat16)).dtype == tg.float32
    assert tg.from_torch(torch.tensor([1j]).conj()).tolist() == [-1j]


def test_dlpack():
    x = tg.tensor([1.0, 2.0])
    there = torch.from_dlpack(x)
    there.mul_(3)
    assert x.tolist() == [3, 6]
    back = tg.from_dlpack(torch.arange(3))
    assert back.dtype == tg.int64
    assert back.tolist() == [0, 1, 2]
