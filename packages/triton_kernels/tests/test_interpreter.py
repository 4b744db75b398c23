"""Run with --interpret: proof that the Triton code itself ran, and not a reference."""

import pytest
import torch
from test_rooms import INTERPRETED
from triton.runtime import interpreter
from triton_kernels import record_backends, registry
from triton_kernels.ops.quantised.digits import digits_of


@pytest.fixture
def launches(monkeypatch):
    """Names of the kernels that the interpreter executes."""
    names = []
    execute = interpreter.GridExecutor.__call__

    def watched(self, *args, **kwargs):
        names.append(self.fn.__name__)
        return execute(self, *args, **kwargs)

    monkeypatch.setattr(interpreter.GridExecutor, "__call__", watched)
    return names


EXPECTED = {
    ("vector_add", "portable"): {"_add"},
    ("softmax", "portable"): {
        "_forward_one_pass", "_forward_online", "_backward_one_pass", "_backward_two_passes",
        "shares_across", "write_across",
    },
    ("matmul", "portable"): {"_matmul"},
    ("matmul", "tma"): {"_matmul_tma"},
    ("matmul", "split_k"): {"_partial", "_join"},
}  # fmt: skip


@pytest.mark.parametrize(("name", "backend"), EXPECTED)
def test_samples_execute_every_kernel(name, backend, launches):
    op = registry.get(name)
    chosen = next(b for b in op.kernel.backends if b.name == backend)
    with record_backends() as record:
        for sample in op.samples(
            torch.device("cpu"), torch.float32 if backend != "tma" else torch.float16
        ):
            if chosen.refuses(*op.checked(*sample.args, **sample.kwargs)) is None:
                sample.args[0].requires_grad_()
                op.function(*sample.args, **sample.kwargs, backend=backend).sum().backward()
    others = {"_matmul"} if backend in ("tma", "split_k") else set()  # for the gradients
    assert set(launches) == EXPECTED[name, backend] | others
    assert (name, backend) in record


IN_GLUON = {("matvec_int8", "integer"), ("matvec_nf4", "pairs")}
"""Beside those named hopper."""


def test_every_backend_is_proven():
    offered = {
        (op.name, b.name)
        for op in map(registry.get, registry.op_names())
        for b in op.kernel.backends
        if b.name not in ("reference", "hopper")
    }
    portable = {(name, "portable") for name in INTERPRETED}
    assert offered - IN_GLUON == {*EXPECTED, *portable}


@pytest.mark.parametrize("k", [64, 20_480])  # one load of a row, and two
def test_digits_make_up_the_numbers(k):
    x = (torch.randn(3, k) * torch.tensor([[1.0], [1e-20], [1e20]])).bfloat16()
    digits, scale = digits_of(x)
    assert digits.abs().max() <= 64
    powers = torch.tensor([1.0, 128.0, 128.0**2], dtype=torch.float64)[:, None]
    made = (digits * powers).sum(1) * scale[:, None]
    assert ((made - x).abs().amax(1) <= 2**-20 * x.abs().amax(1)).all()
    x[1, 5] = torch.inf
    assert digits_of(x).scale.isnan().tolist() == [False, True, False]
