"""torch.compile, export's fake tensors and opcheck: the custom ops behind the public functions."""

import importlib.util

import pytest
import torch
import triton_kernels
from triton_kernels import _compat, record_backends, registry, use_backend
from triton_kernels.kernel import Kernel

DEVICES = [pytest.param("cpu"), pytest.param("cuda", marks=pytest.mark.gpu)]
COMPILERS = [
    pytest.param("cpu", "aot_eager"),
    pytest.param("cuda", "inductor", marks=pytest.mark.gpu),
]
# opcheck lives in torch.testing, which needs expecttest; without it the GPU's are not collected.
CHECKED_ON = DEVICES if importlib.util.find_spec("expecttest") else DEVICES[:1]
OPS = [registry.get(name) for name in registry.op_names()]


def outputs(result):
    return result if isinstance(result, tuple) else (result,)


def tensors_of(sample):
    return [x for x in sample.args if isinstance(x, torch.Tensor)]


def chosen_samples(op, device, count=2):
    """A few samples, small and not empty, with the tensors wanting gradients.

    The interpreter has time for one: what is checked here is mostly not the kernels.
    """
    count = 1 if _compat.interpreting() else count
    dtype = torch.float32 if torch.float32 in op.dtypes else op.dtypes[0]
    fit = [
        sample
        for sample in op.samples(torch.device(device), dtype)
        if all(0 < x.numel() < 3000 for x in tensors_of(sample))
        and all(x.float().isfinite().all() for x in tensors_of(sample))
    ]
    assert fit
    for sample in fit[:: max(1, len(fit) // count)][:count]:
        for x in tensors_of(sample) if op.differentiable else ():
            x.requires_grad_()
        yield sample


@pytest.mark.parametrize("device", CHECKED_ON)
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_opcheck(op, device):
    # Compiling and autograd's registration know no backend: the run without interpreter has them.
    tools = ("test_schema", "test_faketensor") if _compat.interpreting() else "ALL"
    if op.name == "matmul_fp8":  # what was changed is found by sums, of which torch has none there
        tools = "test_faketensor"
    for sample in chosen_samples(op, device):
        inputs = op.checked(*sample.args, **sample.kwargs)
        torch.library.opcheck(op.kernel.custom_op, (*inputs, ""), test_utils=tools)


@pytest.mark.parametrize("device", CHECKED_ON)
def test_opcheck_of_softmax_backward(device):
    (gradient,) = registry.get("softmax").gradients
    for shape, dim in (((5, 7), 1), ((3, 4, 5), 1)):
        y = torch.randn(shape, device=device).softmax(dim).requires_grad_()
        grad = torch.randn(shape, device=device, requires_grad=True)
        torch.library.opcheck(gradient.custom_op, (grad, y, dim, ""))
        torch.library.opcheck(gradient.custom_op, (grad.detach(), y.detach(), dim, ""))


@pytest.mark.parametrize("device", CHECKED_ON)
@pytest.mark.parametrize("op", [op for op in OPS if op.gradients], ids=lambda op: op.name)
def test_opcheck_of_the_gradients_kernels(op, device, monkeypatch):
    calls, run = [], Kernel._run
    monkeypatch.setattr(Kernel, "_run", lambda self, *x: calls.append((self, x)) or run(self, *x))
    for sample in chosen_samples(op, device, count=6):
        ys = outputs(op.function(*sample.args, **sample.kwargs))
        grads = [torch.randn_like(y) for y in ys]
        for _ in range(2):  # some hand on at first what their forward has made
            torch.autograd.grad(ys, tensors_of(sample), grads, retain_graph=True)
    monkeypatch.undo()
    found = {kernel: inputs for kernel, inputs in calls if kernel in op.gradients}
    assert found
    for kernel, inputs in found.items():
        torch.library.opcheck(
            kernel.custom_op, inputs, test_utils=("test_schema", "test_faketensor")
        )


@pytest.mark.parametrize(("device", "compiler"), COMPILERS)
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
@pytest.mark.parametrize("dynamic", [False, True])
def test_compiled_equals_eager(op, device, compiler, dynamic):
    def program(*args, **options):
        return [y * 2 for y in outputs(op.function(*args, **options))]

    torch._dynamo.reset()
    compiled = torch.compile(program, fullgraph=True, backend=compiler, dynamic=dynamic)
    for sample in chosen_samples(op, device, count=1 + dynamic):
        for x in tensors_of(sample):  # without a gradient's rule none is asked for
            x.requires_grad_(x.is_floating_point())
        expected = program(*sample.args, **sample.kwargs)
        with record_backends() as record:
            actual = compiled(*sample.args, **sample.kwargs)
        assert record
        for y, wanted in zip(actual, expected, strict=True):
            assert torch.equal(y, wanted)
        if not op.differentiable:
            assert not any(y.requires_grad for y in actual)
            continue
        grads = [torch.randn_like(y) for y in expected]
        expected_grads = torch.autograd.grad(expected, tensors_of(sample), grads)
        actual_grads = torch.autograd.grad(actual, tensors_of(sample), grads)
        for actual_grad, expected_grad in zip(actual_grads, expected_grads, strict=True):
            if op.name == "linear":  # its bias's gradient is torch's own sum, compiled or not
                torch.testing.assert_close(actual_grad, expected_grad)
            else:
                assert torch.equal(actual_grad, expected_grad)


@pytest.mark.parametrize(("device", "compiler"), COMPILERS)
def test_compiled_training_step(device, compiler):
    a = torch.randn(20, 33, device=device)
    weight = torch.randn(33, 17, device=device, requires_grad=True)

    def step():
        hidden = triton_kernels.matmul(a, weight)
        scores = triton_kernels.softmax(triton_kernels.vector_add(hidden, hidden))
        return (scores**2).sum()

    torch._dynamo.reset()
    (expected,) = torch.autograd.grad(step(), weight)
    (actual,) = torch.autograd.grad(torch.compile(step, fullgraph=True, backend=compiler)(), weight)
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize(("device", "compiler"), COMPILERS)
def test_a_compiled_call_follows_use_backend(device, compiler):
    torch._dynamo.reset()
    x = torch.randn(4, 5, device=device)
    compiled = torch.compile(triton_kernels.softmax, fullgraph=True, backend=compiler)
    with record_backends() as record:
        compiled(x)
        with use_backend("softmax", "reference"):
            compiled(x)
        compiled(x)
    default = triton_kernels.explain("softmax", x).taken
    assert record == [("softmax", default), ("softmax", "reference"), ("softmax", default)]


@pytest.mark.parametrize(("device", "compiler"), COMPILERS)
@pytest.mark.parametrize(
    "options", [{"reduction": "none"}, {"label_smoothing": 0.1, "z_loss": 0.01, "soft_cap": 3.0}]
)
def test_compiled_losses_with_options(options, device, compiler):
    x, w = (torch.randn(s, 8, device=device, requires_grad=True) for s in (6, 10))
    target = torch.arange(6, device=device)

    def program(**options):
        return triton_kernels.linear_cross_entropy(x, w, target, **options).sum()

    torch._dynamo.reset()
    compiled = torch.compile(program, fullgraph=True, backend=compiler, dynamic=True)
    found = (torch.autograd.grad(f(**options), (x, w)) for f in (compiled, program))
    for actual, expected in zip(*found, strict=True):
        torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("name", ["dropout", "dropout_add_rms_norm", "lora_linear"])
def test_another_seed_is_not_compiled_anew(name):
    x, w, a, b = (torch.randn(shape) for shape in ((4, 8), (5, 8), (2, 8), (5, 2)))
    calls = {
        "dropout": lambda seed: triton_kernels.dropout(x, 0.5, seed),
        "dropout_add_rms_norm": lambda seed: torch.stack(
            triton_kernels.dropout_add_rms_norm(x, x, 0.5, seed)
        ),
        "lora_linear": lambda seed: triton_kernels.lora_linear(x, w, a, b, 1.0, None, 0.5, seed),
    }
    compiled = []

    def compiler(graph, _):
        compiled.append(graph)
        return graph.forward

    torch._dynamo.reset()
    call = torch.compile(calls[name], fullgraph=True, backend=compiler)
    for seed in (3, 5, 2**40 + 1, 2**62 - 1):
        assert torch.equal(call(seed), calls[name](seed))
    assert len(compiled) <= 2  # of that seed, and then of any


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_fake_tensors_pass_through(op):
    from torch._subclasses.fake_tensor import FakeTensorMode

    for sample in chosen_samples(op, "cpu"):
        reals = outputs(op.function(*sample.args, **sample.kwargs))
        with FakeTensorMode() as mode:

            def fake(x, mode=mode):
                return mode.from_tensor(x) if isinstance(x, torch.Tensor) else x

            args, options = torch.utils._pytree.tree_map(fake, (sample.args, sample.kwargs))
            fakes = outputs(op.function(*args, **options))
        for fake, real in zip(fakes, reals, strict=True):
            assert fake.shape == real.shape
            assert fake.stride() == real.stride()
            assert fake.dtype == real.dtype


def test_export():
    class Model(torch.nn.Module):
        def forward(self, x):
            return triton_kernels.softmax(x, 0)

    x = torch.randn(3, 4)
    program = torch.export.export(Model(), (x,))
    assert "roadmap_kernels.softmax" in str(program.graph)
    assert torch.equal(program.module()(x), triton_kernels.softmax(x, 0))
