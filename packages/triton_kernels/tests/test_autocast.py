"""Under autocast: products in its dtype, tensors that are joined in the widest of theirs."""

import pytest
import torch
import triton_kernels as tk
from torch.nn import functional
from triton_kernels import explain
from triton_kernels.errors import DtypeError

DEVICES = [pytest.param("cpu"), pytest.param("cuda", marks=pytest.mark.gpu)]
BF16, F32 = torch.bfloat16, torch.float32


def make(device, *shape, dtype=F32):
    return torch.randn(shape, device=device, dtype=dtype, requires_grad=True)


def quantised(x):
    return x.detach(), *tk.quantise_nf4(torch.randn(5, 64, device=x.device))


PRODUCTS = {
    "matmul": lambda d: (make(d, 3, 16), make(d, 16, 8, dtype=BF16)),
    "linear": lambda d: (make(d, 3, 16), make(d, 8, 16), make(d, 8)),
    "matvec": lambda d: (make(d, 3, 16), make(d, 16, dtype=BF16)),
    "matvec_nf4": lambda d: quantised(make(d, 2, 64)),
    "lora_linear": lambda d: (make(d, 3, 16), make(d, 8, 16), make(d, 4, 16), make(d, 8, 4)),
    "linear_cross_entropy": lambda d: (
        make(d, 3, 16), make(d, 8, 16, dtype=BF16), torch.arange(3, device=d),
    ),
    "decode_attention": lambda d: (
        make(d, 1, 2, 1, 8), make(d, 1, 1, 4, 8, dtype=BF16), make(d, 1, 1, 4, 8, dtype=BF16),
    ),
}  # fmt: skip
JOINED = {
    "vector_add": lambda d: (make(d, 3, 16), make(d, 3, 16, dtype=BF16)),
    "multiply_add": lambda d: (make(d, 9, dtype=BF16), make(d, 9), make(d, 9, dtype=BF16)),
    "outer": lambda d: (make(d, 3), make(d, 4, dtype=BF16)),
    "swiglu": lambda d: (make(d, 3, 16), make(d, 3, 16, dtype=BF16)),
    "bias_activation": lambda d: (make(d, 3, 16, dtype=BF16), make(d, 16)),
    "add_rms_norm": lambda d: (make(d, 3, 16, dtype=BF16), make(d, 3, 16), make(d, 16)),
    "add_layer_norm": lambda d: (make(d, 3, 16, dtype=BF16), make(d, 3, 16), make(d, 16)),
    "rms_norm": lambda d: (make(d, 3, 16), make(d, 16, dtype=BF16)),
    "layer_norm": lambda d: (make(d, 3, 16), make(d, 16, dtype=BF16), make(d, 16)),
    "group_norm": lambda d: (make(d, 3, 4, 5), 2, make(d, 4, dtype=BF16)),
}


def cast(args, dtype):
    floating = [isinstance(x, torch.Tensor) and x.is_floating_point() for x in args]
    return [x.to(dtype) if f else x for x, f in zip(args, floating, strict=True)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", [*PRODUCTS, *JOINED])
def test_as_if_cast_by_hand_with_gradients_in_the_inputs_dtypes(name, device):
    args = (PRODUCTS | JOINED)[name](device)
    dtype = BF16 if name in PRODUCTS else F32
    function = getattr(tk, name)
    by_hand = [args[0].to(dtype), *args[1:]] if name == "matvec_nf4" else cast(args, dtype)
    with torch.autocast(device, BF16):
        actual = function(*args)
        assert explain(name, *args).taken
    expected = function(*by_hand)
    for y, wanted in zip(*map(torch.utils._pytree.tree_leaves, (actual, expected)), strict=True):
        assert y.dtype is wanted.dtype
        assert torch.equal(y, wanted)
        if y.requires_grad:
            leaves = [x for x in args if isinstance(x, torch.Tensor) and x.requires_grad]
            grads = torch.autograd.grad(y.sum(), leaves, retain_graph=True, allow_unused=True)
            assert all(g is None or g.dtype is x.dtype for g, x in zip(grads, leaves, strict=True))
            assert grads[0] is not None


@pytest.mark.parametrize("device", DEVICES)
def test_products_have_torchs_dtypes(device):
    x, w, residual = make(device, 3, 16), make(device, 8, 16), make(device, 3, 8)
    with torch.autocast(device, BF16):
        assert tk.matmul(x, w.t()).dtype is torch.matmul(x, w.t()).dtype
        plain = functional.linear(x, w)
        assert tk.linear(x, w).dtype is plain.dtype
        joined = tk.linear(x, w, None, residual, "silu")
        assert joined.dtype is (functional.silu(plain) + residual).dtype is F32
        assert torch.equal(joined, tk.linear(x, w, activation="silu") + residual)
        assert tk.linear(x, w, None, residual.bfloat16()).dtype is BF16
        assert tk.matmul(x.double(), w.double().t()).dtype is torch.float64


def test_definitions_are_not_narrowed():
    """What they widen on purpose stays wide: autocast would round it on the way."""
    x, w, b = make("cpu", 3, 512), make("cpu", 8, 512), make("cpu", 8)
    args = x.bfloat16(), w.bfloat16(), b.bfloat16(), None, "gelu"
    with torch.autocast("cpu", BF16):
        y = tk.linear(*args, backend="reference")
        grads = torch.autograd.grad(y.sum(), (x, w), create_graph=True)
    expected = tk.linear(*args, backend="reference")
    assert torch.equal(y, expected)
    exact = torch.autograd.grad(expected.sum(), (x, w), create_graph=True)
    assert all(map(torch.equal, grads, exact))


def test_without_autocast_two_dtypes_are_an_error():
    with pytest.raises(DtypeError, match="one dtype"):
        tk.matmul(make("cpu", 3, 4), make("cpu", 4, 3, dtype=BF16))
    with pytest.raises(DtypeError, match="one dtype"):
        tk.add_rms_norm(make("cpu", 3, 4), make("cpu", 3, 4, dtype=BF16))
