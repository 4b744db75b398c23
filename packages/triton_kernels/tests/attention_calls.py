"""Inputs of attention for tests, and the gradients of what comes out."""

import itertools

import torch


def heads(*shape, value_size=0, groups=1, device="cpu", dtype=torch.float32):
    """Query, key and value of (batch, heads, queries, keys, size)."""
    batch, n, queries, keys, size = shape
    sizes = (n, queries, size), (n // groups, keys, size), (n // groups, keys, value_size or size)
    return [torch.randn(batch, *s, device=device, dtype=dtype, requires_grad=True) for s in sizes]


def grads(output, wanted, seed=0):
    generator = torch.Generator(output.device).manual_seed(seed)
    grad = torch.randn(output.shape, device=output.device, generator=generator).to(output.dtype)
    return torch.autograd.grad(output, wanted, grad)


LENGTHS = ((5, 5), (0, 3), (17, 20), (4, 0), (1, 9))


def packed(device, n=4, groups=2, size=16, lengths=LENGTHS, dtype=torch.float32):
    queries, keys = (sum(pair) for pair in zip(*lengths, strict=True))
    q, k, v = heads(1, n, queries, keys, size, groups=groups, device=device, dtype=dtype)
    ends = [[0, *itertools.accumulate(pair)] for pair in zip(*lengths, strict=True)]
    cu = [torch.tensor(e, dtype=torch.int32, device=device) for e in ends]
    tensors = [x.detach()[0].transpose(0, 1).contiguous().requires_grad_() for x in (q, k, v)]
    return (*tensors, *cu)
