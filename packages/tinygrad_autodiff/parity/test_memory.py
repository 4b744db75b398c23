"""What a graph keeps alive: of the input and the result of an operation never more than torch's.

Both are intermediate results whose names are gone after the forward pass; whether their memory is
still there tells whether a rule saved them. After the backward pass all of it must be free.
"""

import weakref

import numpy as np
import pytest
import tinygrad_autodiff as tg
import torch
from tinygrad_autodiff.versions import owner
from torch.multiprocessing.reductions import StorageWeakRef

NAMES = """abs atan cumsum erf exp expm1 logsumexp neg prod relu sigmoid sin softmax sort sqrt
    square sum t tanh tril var amax mean""".split()  # noqa: SIM905
FUNCTIONS = """elu gelu hardtanh layer_norm leaky_relu linear log_softmax logsigmoid mse_loss silu
    softplus dropout""".split()  # noqa: SIM905
WAYS = {
    **{name: lambda lib, x, w, name=name: _of_method(x, name) for name in NAMES},
    **{name: lambda lib, x, w, name=name: _of_function(lib, x, w, name) for name in FUNCTIONS},
    "add": lambda lib, x, w: x + w,
    "add a number": lambda lib, x, w: x + 1.0,
    "multiply": lambda lib, x, w: x * w,
    "multiply by a number": lambda lib, x, w: x * 2.0,
    "multiply by itself": lambda lib, x, w: x * x,
    "divide": lambda lib, x, w: x / (w * w + 1),
    "power": lambda lib, x, w: x**3,
    "matmul": lambda lib, x, w: x @ w,
    "einsum": lambda lib, x, w: lib.einsum("ij,jk->ik", x, w),
    "where": lambda lib, x, w: lib.where(w.detach() > 0, x, x * 0.5),
    "maximum": lambda lib, x, w: lib.maximum(x, w),
    "clamp": lambda lib, x, w: x.clamp(-1, 1),
    "cat": lambda lib, x, w: lib.cat([x, w])[:4].clone(),
    "index": lambda lib, x, w: x[[3, 2, 1, 0]],
    "masked_fill": lambda lib, x, w: x.masked_fill(w.detach() > 0, 0.0),
    "cross_entropy": lambda lib, x, w: lib.nn.functional.cross_entropy(x, lib.tensor([0, 1, 2, 3])),
    "attention": lambda lib, x, w: lib.nn.functional.scaled_dot_product_attention(
        x[None, None], w[None, None], w[None, None]
    ),
}


def _of_method(x, name):
    along = {"cumsum", "softmax", "logsumexp", "prod", "sort", "amax"}
    out = getattr(x, name)(*((1,) if name in along else ()))
    return out[0] if name == "sort" else out


def _of_function(lib, x, w, name):
    rest = {"layer_norm": ((4,),), "linear": (w,), "mse_loss": (w.detach(),), "log_softmax": (1,)}
    return getattr(lib.nn.functional, name)(x, *rest.get(name, ()))


def alive(lib, tensor):
    """A function that says whether the memory of `tensor` is still there."""
    if lib is torch:
        held = StorageWeakRef(tensor.untyped_storage())
        return lambda: not held.expired()
    held = weakref.ref(owner(tensor.numpy(force=True)))
    return lambda: held() is not None


@pytest.mark.parametrize("name", WAYS)
def test_no_more_is_kept_than_in_torch(name):
    kept = []
    for lib in (tg, torch):
        leaf, w = (
            lib.tensor(np.random.default_rng(seed).normal(size=(4, 4)), requires_grad=True)
            for seed in (0, 1)
        )
        before = leaf + 0.0
        result = WAYS[name](lib, before, w)
        after = result + 0.0
        there = alive(lib, before), alive(lib, result)
        del before, result
        kept.append(sum(is_there() for is_there in there))
        after.sum().backward()
        assert not any(is_there() for is_there in there)
    assert kept[0] <= kept[1]
