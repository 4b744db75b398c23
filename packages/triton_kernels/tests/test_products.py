"""What is particular to linear's kept sums, tf32 on Hopper and linear_cross_entropy's chunks."""

import pytest
import torch
import triton_kernels as tk
from triton_kernels import _compat, explain, registry
from triton_kernels.ops.linear_cross_entropy.first_chunk import FirstChunk

DEVICES = [pytest.param("cpu"), pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("activation", ["silu", "relu"])
def test_linear_keeps_what_its_gradient_needs_and_no_more(activation, device):
    kernel = registry.get("linear").kernel
    shapes = (9, 8), (16, 8), (16,)
    x, w, bias = (torch.randn(s, device=device, requires_grad=True) for s in shapes)
    inputs = registry.get("linear").checked(x, w, bias, activation=activation)
    y, kept = kernel.outputs(*inputs)
    assert kept.shape == ((9, 16) if activation == "silu" else (0,))
    (expected,) = torch.autograd.grad(y.sum(), x)
    y, kept = kernel.outputs(*inputs[:-1], False)  # it is made once more
    assert not kept.numel()
    (actual,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(actual, expected)
    with torch.no_grad():
        assert not registry.get("linear").checked(x, w, bias, activation=activation)[-1]


@pytest.mark.gpu
@pytest.mark.parametrize(("m", "n", "k"), [(7, 5, 3), (200, 300, 100), (1000, 520, 711)])
@pytest.mark.parametrize("layout", ["nn", "nt", "tn", "tt"])
def test_tf32_on_hopper(m, n, k, layout):
    a = torch.rand((k, m) if layout[0] == "t" else (m, k), device="cuda")
    b = torch.rand((n, k) if layout[1] == "t" else (k, n), device="cuda")
    a, b = a.t() if layout[0] == "t" else a, b.t() if layout[1] == "t" else b
    assert explain("matmul", a, b, precision="tf32").taken == "hopper"
    exact = a.double() @ b.double()
    relative = (tk.matmul(a, b, precision="tf32") - exact) / exact
    assert relative.abs().max() <= 2**-10
    if m > 100:  # rounded, not cut off: that would make all of them too small by some 2⁻¹¹
        assert relative.mean().abs() <= 2**-15


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("activation", "residual"), [("relu", False), ("silu", True)])
def test_tf32_has_an_epilogue(activation, residual, device):
    x, w, b, r = (torch.randn(s, device=device) for s in ((200, 100), (72, 100), 72, (200, 72)))
    more = r if residual else None
    y = tk.linear(x, w, b, more, activation, precision="tf32")
    z = tk.matmul(x, w.t(), precision="tf32") + b
    expected = getattr(torch.nn.functional, activation)(z)
    torch.testing.assert_close(y, expected + r if residual else expected, rtol=1e-5, atol=1e-5)
    if device == "cuda":
        taken = explain("linear", x, w, b, more, activation, precision="tf32").taken
        assert taken == explain("matmul", x, w.t(), precision="tf32").taken


def test_the_first_chunk_fits_where_the_weights_gradient_will_be():
    x, weight = torch.empty(80, 48, dtype=torch.bfloat16), torch.empty(100, 48)
    chunk = FirstChunk.of(x, weight, torch.empty(16 * 100), 16, True)
    assert chunk.rows == 32  # of 40, which dx holds in float32, a multiple of 16
    assert chunk.blocks.width * 48 <= 16 * 100
    assert FirstChunk.of(x, weight, torch.empty(16 * 100), 16, False).rows == 48
    assert FirstChunk.of(x, weight, torch.empty(16 * 100), 48, False) is None
    assert FirstChunk.of(x, weight, torch.empty(700), 7, False) is None  # no block of 16 fits


@pytest.mark.parametrize("device", DEVICES if _compat.interpreting() else DEVICES[1:])
def test_a_large_first_chunk_has_the_gradients_of_small_ones(device):
    x, w = (torch.randn(s, 32, device=device, requires_grad=True) for s in (48, 40))
    target = torch.randint(40, (48,), device=device)

    def gradients(dtype, **options):
        args = (x.to(dtype), w.to(dtype), target)
        return torch.autograd.grad(tk.linear_cross_entropy(*args, **options), (x, w))

    options = {"accumulate": "weight", "chunk_rows": 16}  # 32 rows, in blocks of 16, 16 and 8
    for actual, exact in zip(
        gradients(torch.float32, **options), gradients(torch.float64), strict=True
    ):
        torch.testing.assert_close(actual, exact, rtol=1e-4, atol=1e-6)


@pytest.mark.gpu
def test_a_large_first_chunk_takes_no_more_memory_and_agrees():
    x, w = (
        torch.randn(s, 1024, device="cuda", dtype=torch.bfloat16, requires_grad=True)
        for s in (2048, 32000)
    )
    target = torch.randint(32000, (2048,), device="cuda")

    def gradients(**options):
        loss = tk.linear_cross_entropy(x, w / 32, target, **options)
        return torch.autograd.grad(loss, (x, w))

    expected = gradients()
    options = {"accumulate": "weight", "chunk_rows": 128}
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    actual = gradients(**options)
    peak = torch.cuda.max_memory_allocated() - before
    # w / 32 and the gradients of both, those of x, a chunk's logits, rows.
    assert peak <= 3 * w.nbytes + x.nbytes + 128 * 32000 * 2 + 2**20
    for a, e in zip(actual, expected, strict=True):
        assert (a - e).abs().max() <= 2**-6 * e.abs().max()
