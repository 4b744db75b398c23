"""The choice of backend: explicit, overridable, explainable, and never silent."""

import pytest
import torch
import triton_kernels
from triton_kernels import _compat, explain, record_backends, registry, use_backend
from triton_kernels.errors import BackendError, ShapeError

OPS = [registry.get(name) for name in registry.op_names()]
DEVICES = [pytest.param("cpu"), pytest.param("cuda", marks=pytest.mark.gpu)]
FIRST = "portable" if _compat.interpreting() else "reference"


def first_sample(op, device="cpu"):
    return next(s for s in op.samples(torch.device(device), torch.float32) if s.args[0].numel() > 1)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_cpu_tensors_take_the_reference_or_when_interpreting_the_kernel(op):
    sample = first_sample(op)
    with record_backends() as record:
        op.function(*sample.args, **sample.kwargs)
    assert record == [(op.name, FIRST)]
    explanation = explain(op.name, *sample.args, **sample.kwargs)
    assert explanation.taken == FIRST
    assert explanation.reasons[FIRST] == "taken: first that can"
    assert set(explanation.reasons) == {b.name for b in op.kernel.backends}
    assert f"-> {FIRST}: taken" in str(explanation)


@pytest.mark.gpu
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_cuda_tensors_take_a_kernel(op):
    sample = first_sample(op, "cuda")
    assert explain(op.name, *sample.args, **sample.kwargs).taken != "reference"


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_the_last_backend_takes_anything(op):
    for kernel in (op.kernel, *op.gradients):
        assert kernel.backends[-1].name == "reference"
        assert kernel.backends[-1].refuses() is None


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_a_negation_that_torch_has_put_off_is_made(op, device):
    """As in the imaginary part of a conjugate: what lies in memory is not what the tensor holds."""
    sample = first_sample(op, device)

    def held(x):
        return x

    def negated(x):
        wide = isinstance(x, torch.Tensor) and x.is_floating_point() and x.itemsize > 1
        return torch._neg_view(-x) if wide else x

    found = []
    for see in (held, negated):
        args = [see(x.detach()) if isinstance(x, torch.Tensor) else x for x in sample.args]
        leaves = [x.requires_grad_() for x in args if op.differentiable and torch.is_tensor(x)]
        ys = op.function(*args, **sample.kwargs)
        ys = ys if isinstance(ys, tuple) else (ys,)
        grads = [see(torch.ones_like(y)) for y in ys]
        found.append([*ys, *(torch.autograd.grad(ys, leaves, grads) if leaves else ())])
    for actual, expected in zip(*found, strict=True):
        assert torch.equal(actual.nan_to_num(), expected.nan_to_num())


def test_tensors_without_memory_take_the_reference():
    x = torch.zeros(3, 5, device="meta")
    assert explain("softmax", x).taken == "reference"
    assert triton_kernels.softmax(x).is_meta


WITHOUT_GRADIENT = [op for op in OPS if not op.differentiable and op.name != "argmax"]


@pytest.mark.parametrize("op", WITHOUT_GRADIENT, ids=lambda op: op.name)
def test_an_op_without_a_gradient_gives_none_by_any_backend(op):
    """The definition, in plain torch, has one: training would work on a CPU and stop on a GPU."""
    sample = first_sample(op)
    tensors = [x for x in sample.args if isinstance(x, torch.Tensor) and x.is_floating_point()]
    assert [x.requires_grad_() for x in tensors]
    results = op.function(*sample.args, **sample.kwargs)
    results = results if isinstance(results, tuple) else (results,)
    assert not any(y.requires_grad for y in results)


def test_float64_takes_the_reference_and_says_why():
    explanation = explain("softmax", torch.zeros(2, 3, dtype=torch.float64))
    assert explanation.taken == "reference"
    assert "refuses" in explanation.reasons["portable"]


@pytest.mark.parametrize("name", ["softmax", "all"])
def test_use_backend_holds_in_the_block_and_for_the_backward(name):
    x = torch.randn(2, 3, requires_grad=True)
    with record_backends() as record:
        with use_backend(name, "reference"):
            y = triton_kernels.softmax(x)
        y.sum().backward()
    assert record == [("softmax", "reference"), ("softmax_backward", "reference")]
    assert explain("softmax", x).taken == FIRST


def test_use_backend_nests_and_the_call_has_the_last_word():
    x = torch.zeros(2, 3)
    with use_backend("all", "reference"):
        assert explain("softmax", x).reasons["reference"] == "taken: asked for"
        with use_backend("vector_add", "reference"):
            pass
        assert explain("softmax", x).reasons["reference"] == "taken: asked for"
    with use_backend("all", "portable"):
        assert explain("softmax", x, backend="reference").taken == "reference"


def test_use_backend_ends_with_an_error():
    with pytest.raises(ZeroDivisionError), use_backend("all", "reference"):
        raise ZeroDivisionError
    assert explain("softmax", torch.zeros(3)).reasons["reference"] != "taken: asked for"


def test_unknown_names_are_refused():
    with pytest.raises(BackendError, match="one of hopper, portable, reference"):
        triton_kernels.softmax(torch.zeros(3), backend="cuda")
    for unknown in ("nonsense?", "nonsense if able"):  # the latter's form is that of our own wishes
        with pytest.raises(BackendError, match="one of hopper, portable, reference"):
            triton_kernels.softmax(torch.zeros(3), backend=unknown)
    with pytest.raises(BackendError, match="backend of type int; expected a name"):
        triton_kernels.softmax(torch.zeros(3), backend=1)
    with pytest.raises(BackendError, match="'fast'"), use_backend("softmax", "fast"):
        pass
    with pytest.raises(
        BackendError, match=r"vector_add, multiply_add, .*, softmax, masked_softmax"
    ):
        explain("soft_max", torch.zeros(3))
    with pytest.raises(ShapeError):
        explain("softmax", torch.zeros(()))


@pytest.mark.parametrize(
    ("triton", "numpy_version", "fault"),
    [
        ("3.6.0", "2.3.5", None),
        ("3.6.0", "2.4.0", "needs numpy < 2.4"),
        ("3.7.0", "2.5.1", "needs numpy < 2.4"),
        ("3.7.1", "2.5.0", None),
        ("3.9.0+git1", "2.5.0rc1", None),
    ],
)
def test_the_interpreter_says_which_numpy_it_needs(monkeypatch, triton, numpy_version, fault):
    import numpy

    monkeypatch.setattr(_compat, "TRITON_VERSION", triton)
    monkeypatch.setattr(numpy, "__version__", numpy_version)
    reason = _compat.interpreter_fault.__wrapped__()
    assert reason is None if fault is None else fault in reason


def test_every_settled_backend_is_there():
    """Named by text, it would be missed at its first call only."""
    import ast
    from importlib.util import find_spec

    from triton_kernels import registry

    found = 0
    for name in registry.op_names():
        op = registry.get(name)
        for backend in (b for kernel in (op.kernel, *op.gradients) for b in kernel.backends):
            if backend.settled:
                module, _, function = backend.settled.partition(":")
                spec = find_spec(module)
                with open(spec.origin, encoding="utf-8") as source:
                    tree = ast.parse(source.read())
                assert function in {x.name for x in tree.body if isinstance(x, ast.FunctionDef)}
                found += 1
    assert found


KERNELS_RUN = _compat.interpreting()


def test_a_forward_mode_derivative_is_kept_or_refused(monkeypatch):
    from torch.autograd import forward_ad

    monkeypatch.setenv("PYTORCH_JIT", "0")  # spares the import of torch's decompositions
    values = torch.randn(3, 8)
    softmax = triton_kernels.softmax
    with forward_ad.dual_level():
        x = forward_ad.make_dual(values, torch.randn_like(values))
        if KERNELS_RUN:
            with pytest.raises(BackendError, match="forward-mode derivative"):
                softmax(x)
        assert forward_ad.unpack_dual(softmax(x, backend="reference")).tangent is not None
        softmax(values)


def test_transforms_of_torch_func_are_refused():
    x = torch.randn(4, 5)
    softmax = triton_kernels.softmax
    with pytest.raises(BackendError, match=r"a transform of torch\.func"):
        torch.func.grad(lambda x: softmax(x).square().sum())(x)
    if KERNELS_RUN:
        with pytest.raises(BackendError, match=r"a transform of torch\.func"):
            torch.func.vmap(softmax)(x)
        with pytest.raises(BackendError, match=r"forward-mode|torch\.func"):
            torch.func.jvp(softmax, (x,), (x,))
    by_rows = torch.func.vmap(lambda x: softmax(x, backend="reference"))(x)
    torch.testing.assert_close(by_rows, torch.softmax(x, -1))
