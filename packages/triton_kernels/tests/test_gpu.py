"""What only a GPU can show: graphs, huge tensors, determinism, another device."""

import inspect
from dataclasses import replace

import pytest
import torch
import triton_kernels
from triton_kernels import registry

pytestmark = pytest.mark.gpu
OPS = [registry.get(name) for name in registry.op_names()]


def a_sample(op, device="cuda", dtype=torch.bfloat16):
    return next(s for s in op.samples(torch.device(device), dtype) if s.args[0].numel() >= 1000)


def outputs(result):
    return result if isinstance(result, tuple) else (result,)


def with_gradients(op, sample, grads=None):
    if not op.differentiable:
        return list(outputs(op.function(*sample.args, **sample.kwargs)))
    args = [x.detach().requires_grad_() if isinstance(x, torch.Tensor) else x for x in sample.args]
    ys = outputs(op.function(*args, **sample.kwargs))
    grads = [torch.ones_like(y) for y in ys] if grads is None else grads
    wanted = [x for x in args if isinstance(x, torch.Tensor)]
    return [*(y.detach() for y in ys), *torch.autograd.grad(ys, wanted, grads)]


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_captured_in_a_cuda_graph(op):
    sample = a_sample(op)
    expected = with_gradients(op, sample)  # also compiles the kernels
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        actual = with_gradients(op, sample)
    for x in actual:
        x.fill_(torch.nan if x.is_floating_point() else 7)
    graph.replay()
    torch.cuda.synchronize()
    for x, y in zip(actual, expected, strict=True):
        assert torch.equal(x, y)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_two_runs_are_bit_equal(op):
    on_request = "deterministic" in inspect.signature(op.function).parameters
    for sample in op.samples(torch.device("cuda"), torch.bfloat16):
        if on_request:
            sample = replace(sample, kwargs={**sample.kwargs, "deterministic": True})
        ys = outputs(op.function(*sample.args, **sample.kwargs))
        grads = [torch.randn_like(y) for y in ys] if op.differentiable else None
        runs = [with_gradients(op, sample, grads) for _ in range(2)]
        for x, y in zip(*runs, strict=True):
            assert torch.equal(x.nan_to_num(7.0), y.nan_to_num(7.0))


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_on_a_stream_of_its_own(op):
    sample = a_sample(op)
    expected = op.function(*sample.args, **sample.kwargs)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        actual = op.function(*sample.args, **sample.kwargs)
    stream.synchronize()
    for x, y in zip(outputs(actual), outputs(expected), strict=True):
        assert torch.equal(x, y)


def test_vector_add_beyond_32_bit_offsets(room_for):
    room_for(30)
    n = 2**31 + 2**20 + 3
    x = torch.ones(n, dtype=torch.bfloat16, device="cuda")
    y = torch.zeros_like(x)
    y[-5:] = torch.arange(5, device="cuda")
    z = triton_kernels.vector_add(x, y)
    assert z[-5:].tolist() == [1, 2, 3, 4, 5]
    assert int((z == 1).sum()) == n - 4


@pytest.mark.parametrize("shape", [(2**20 + 3, 2048), (3, 2**30 - 1), (2**10 + 1, 2**10, 2**11)])
def test_softmax_beyond_32_bit_offsets(shape, room_for):
    room_for(66 if len(shape) == 2 and shape[0] == 3 else 20)
    dim = 1
    x = torch.zeros(shape, dtype=torch.bfloat16, device="cuda").requires_grad_()
    with torch.no_grad():
        x.select(0, -1).select(0, 5 if len(shape) > 2 else -1).fill_(3.0)
    y = triton_kernels.softmax(x, dim)
    last = x.detach()[-1:].double()
    exact = torch.softmax(last, dim)
    eps = torch.finfo(torch.bfloat16).eps
    assert (y.detach()[-1:].double() - exact).abs().max() <= eps * exact.max()
    assert torch.equal(y[0], torch.full_like(y[0], 1 / shape[1]))
    grad = torch.zeros_like(x)
    grad.select(0, -1).select(0, 5 if len(shape) > 2 else -1).fill_(1.0)
    (dx,) = torch.autograd.grad(y, x, grad)
    exact_dx = exact * (grad[-1:] - (exact * grad[-1:]).sum(dim, keepdim=True))
    error = (dx[-1:].double() - exact_dx).abs().max()
    assert error <= 4 * eps * exact_dx.abs().max()
    assert not dx[0].any()


def test_matmul_beyond_32_bit_offsets(room_for):
    room_for(8)
    m, k, n = 2**21 + 5, 1024, 16
    a = torch.randn(m, k, dtype=torch.bfloat16, device="cuda")
    b = torch.randn(k, n, dtype=torch.bfloat16, device="cuda")
    for backend in ("tma", "hopper", "portable"):
        c = triton_kernels.matmul(a, b, backend=backend)
        torch.testing.assert_close(c[-9:], a[-9:] @ b)
        torch.testing.assert_close(c[:9], a[:9] @ b)


@pytest.mark.parametrize("size", [1024, 2048, 4096])
@pytest.mark.parametrize("layout", ["nn", "nt", "tn", "tt"])
def test_large_matmul(size, layout):
    a, b = (torch.randn(size, size, dtype=torch.bfloat16, device="cuda") for _ in range(2))
    a, b = a.t() if layout[0] == "t" else a, b.t() if layout[1] == "t" else b
    exact = a.float() @ b.float()
    yardstick = (a @ b - exact).abs().max()
    for backend in ("tma", "hopper", "portable"):
        error = (triton_kernels.matmul(a, b, backend=backend) - exact).abs().max()
        assert error <= 2 * yardstick + torch.finfo(torch.bfloat16).eps * exact.abs().max()


@pytest.mark.parametrize("activation", ["none", "relu", "gelu", "gelu_tanh", "silu"])
@pytest.mark.parametrize(("m", "n", "k"), [(1000, 1048, 712), (4096, 4096, 4096), (130, 520, 64)])
def test_large_linear(m, n, k, activation):
    op = registry.get("linear")
    x, w, r = (
        torch.randn(s, dtype=torch.bfloat16, device="cuda") for s in ((m, k), (n, k), (m, n))
    )
    args = (x, w / k**0.5, w[:, 0].contiguous(), r)
    exact = op.torch_function(*(v.double() for v in args), activation)
    yardstick = (op.torch_function(*args, activation) - exact).abs().max()
    unit = torch.finfo(torch.bfloat16).eps * exact.abs().max()
    for backend in ("hopper", "portable"):
        y = triton_kernels.linear(*args, activation, backend=backend)
        assert (y - exact).abs().max() <= 2 * yardstick + unit


@pytest.mark.parametrize(("batches", "m", "n", "k"), [(3, 200, 520, 712), (16, 512, 512, 64)])
@pytest.mark.parametrize("layout", ["nn", "nt", "tn", "tt"])
def test_batches_on_hopper(batches, m, n, k, layout):
    a = torch.randn(batches, *((k, m) if layout[0] == "t" else (m, k)), device="cuda").bfloat16()
    b = torch.randn(batches, *((n, k) if layout[1] == "t" else (k, n)), device="cuda").bfloat16()
    a, b = a.mT if layout[0] == "t" else a, b.mT if layout[1] == "t" else b
    assert triton_kernels.explain("matmul", a, b).taken == "hopper"
    exact = a.double() @ b.double()
    yardstick = (a @ b - exact).abs().max()
    error = (triton_kernels.matmul(a, b) - exact).abs().max()
    assert error <= 2 * yardstick + torch.finfo(torch.bfloat16).eps * exact.abs().max()


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_on_a_second_device(op):
    """The same bits as on the first, which stays the current one."""
    torch.cuda.set_device(0)
    sample = a_sample(op)
    on_request = "deterministic" in inspect.signature(op.function).parameters
    options = {**sample.kwargs, **({"deterministic": True} if on_request else {})}

    def moved(x):
        return x.to("cuda:1") if isinstance(x, torch.Tensor) else x

    there = replace(
        sample, args=tuple(map(moved, sample.args)),
        kwargs={name: moved(x) for name, x in options.items()},
    )  # fmt: skip
    found, expected = with_gradients(op, there), with_gradients(op, replace(sample, kwargs=options))
    for actual, wanted in zip(found, expected, strict=True):
        assert actual.device.index == 1
        assert torch.equal(actual.cpu(), wanted.cpu())
    assert torch.cuda.current_device() == 0
