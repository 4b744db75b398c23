"""Every op, backend, dtype and sample against torch in float64.

The bound: twice (forward) or three times (backward) the error of torch's own function in the same
dtype, plus one unit in the last place of the output's magnitude. One draw of small inputs may be
kind to torch, so its error counts at least as what rounding alone gives: half a unit for the
result, and in float32 half a unit more for what is rounded on the way (other dtypes compute in it).
Over 400 draws of a 5x129 softmax torch's error was 0.7 units in the mean and 2.4 at most, so that a
bound from a lucky draw would fail an equally exact kernel once in 400: `agree` says what is done.
"""

from typing import NamedTuple

import pytest
import torch
from triton_kernels import _compat, registry
from triton_kernels.ops.gemm import split_k

DEVICES = [pytest.param("cpu"), pytest.param("cuda", marks=pytest.mark.gpu)]
OPS = [registry.get(name) for name in registry.op_names()]
# Float64 takes the reference; float16's code is bfloat16's. The other runs have both.
INTERPRETED = (torch.bfloat16, torch.float32, torch.float8_e4m3fn)
pytestmark = pytest.mark.usefixtures("poisoned")


DIFFERENTIABLE = [op for op in OPS if op.differentiable]


def every_sample(ops):
    """Parametrizes over op, dtype, sample and device; samples are made when the test runs."""
    cases = [
        pytest.param(op, dtype, index, id=f"{op.name}-{str(dtype)[6:]}-{sample.name}")
        for op in ops
        for dtype in op.dtypes
        if dtype in INTERPRETED or not _compat.interpreting()
        for index, sample in enumerate(op.samples(torch.device("meta"), dtype))
    ]
    return pytest.mark.parametrize(("op", "dtype", "index"), cases)


def sample_of(op, dtype, index, device):
    return list(op.samples(torch.device(device), dtype))[index]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_every_device_has_the_samples_that_are_counted(op, device):
    counted, there = (
        [s.name for s in op.samples(torch.device(kind), op.dtypes[0])] for kind in ("meta", device)
    )
    assert there == counted


def able_backends(op, sample):
    inputs = op.checked(*sample.args, **sample.kwargs)
    able = [b.name for b in op.kernel.backends if b.refuses(*inputs) is None]
    # The interpreter's run is about kernels: the plain one tests the reference, and float64.
    return [name for name in able if name != "reference" or not _compat.interpreting()]


def leaves(sample, dtype):
    """The sample's tensors as leaves that want a gradient, strides kept, in ``dtype``."""
    return [
        x.detach().to(dtype).requires_grad_() if isinstance(x, torch.Tensor) else x
        for x in sample.args
    ]


def outputs(result):
    return result if isinstance(result, tuple) else (result,)


def call_torch(op, sample, args):
    return outputs(op.torch_function(*args, **sample.kwargs))


def worst(actual, exact):
    """Largest distance; where both are NaN or the same infinity they agree."""
    assert actual.shape == exact.shape
    actual = actual.double()
    same = (actual == exact) | (actual.isnan() & exact.isnan())
    distance = torch.where(same, 0.0, (actual - exact).abs())
    return distance.max().item() if distance.numel() else 0.0


def unit(exact, dtype):
    """One unit in the last place of the largest finite magnitude."""
    finite = exact[exact.isfinite()].abs()
    return torch.finfo(dtype).eps * finite.max().item() if finite.numel() else 0.0


def in_turn(op, exact):
    """How many numbers the interpreter adds one after another, where a GPU adds them as a tree."""
    return max(exact.shape, default=0) if _compat.interpreting() and op.name == "cumsum" else 0


class Reading(NamedTuple):
    """What one draw of inputs showed."""

    what: str
    error: float
    of_torch: float
    unit: float
    """One unit in the last place of its magnitude."""
    rounding: float
    """The units that torch's error counts at least."""
    floor: float
    """The units that are allowed beside it."""

    def breaks(self, factor):
        of_torch = max(self.of_torch, self.rounding * self.unit)
        return not self.error <= factor * of_torch + self.floor * self.unit


def reading(actual, exact, yardstick, dtype, what, terms=None, in_turn=0):
    # Float64 has nothing more exact beside it, and a sum of n terms may lose n units in it; the
    # interpreter rounds bfloat16 toward zero.
    truncated = _compat.interpreting() and dtype is torch.bfloat16
    summands = 0 if terms is None else terms.numel()
    units = max(64, summands) if dtype is torch.float64 else 4 if truncated else 1
    if dtype is torch.float32:
        units = max(units, in_turn / 2)  # n half units, one after another
    one = max(unit(exact, dtype), unit(terms, dtype) if terms is not None else 0.0)
    error, of_torch = worst(actual, exact), worst(yardstick, exact)
    rounding = 1.0 if dtype is torch.float32 else 0.5
    return Reading(what, error, of_torch if one else 0.0, one, rounding, units)


def agree(draw, factor):
    """Hold every reading of ``draw`` against the bound.

    How exact torch was on one draw is luck. Where one breaks the bound, eight more are made, and
    all nine are judged as one draw of nine times the size: largest error, of torch too, against the
    largest unit. A sum that happens to cancel has a small unit, of which any error is many; where
    all results are one such sum (a row that is repeated) nothing else sets the magnitude.
    """
    first = list(draw())
    if not any(r.breaks(factor) for r in first):
        return
    more = [draw() for _ in range(8)]
    pooled = [
        Reading(r[0].what, *(max(values) for values in list(zip(*r, strict=True))[1:]))
        for r in zip(first, *more, strict=True)
    ]
    broken = [r for r in pooled if r.breaks(factor)]
    assert not broken, "; ".join(map(str, broken))


@pytest.mark.parametrize("device", DEVICES)
@every_sample(OPS)
def test_forward(op, dtype, index, device):
    agree(lambda: forward(op, dtype, index, device), factor=2)


def forward(op, dtype, index, device):
    sample = sample_of(op, dtype, index, device)
    exacts = call_torch(
        op, sample, [x.double() if isinstance(x, torch.Tensor) else x for x in sample.args]
    )
    yardsticks = call_torch(op, sample, sample.args)
    for backend in able_backends(op, sample):
        actuals = outputs(op.function(*sample.args, **sample.kwargs, backend=backend))
        for actual, exact, yardstick in zip(actuals, exacts, yardsticks, strict=True):
            assert actual.dtype is yardstick.dtype
            assert actual.is_contiguous()
            if not actual.is_floating_point():  # places, codes
                assert torch.equal(actual, exact)
                continue
            precision = dtype if op.rounds_within else yardstick.dtype
            turns = in_turn(op, exact)
            yield reading(actual, exact, yardstick, precision, backend, in_turn=turns)


def dense(y, dtype):
    return torch.randn(y.shape, device=y.device).to(dtype)


def expanded(y, dtype):
    return torch.randn((), device=y.device).to(dtype).expand(y.shape)


def strided(y, dtype):
    grad = torch.randn((*y.shape[::-1], 2), device=y.device).to(dtype)[..., 1]
    return grad.permute(list(reversed(range(y.dim()))))


@pytest.mark.parametrize("device", DEVICES)
@every_sample(DIFFERENTIABLE)
def test_backward(op, dtype, index, device):
    agree(lambda: backward(op, dtype, index, device), factor=3)


def tensors(args):
    return [x for x in args if isinstance(x, torch.Tensor)]


def backward(op, dtype, index, device):
    sample = sample_of(op, dtype, index, device)
    exact_args, torch_args = leaves(sample, torch.float64), leaves(sample, dtype)
    exact, of_torch = call_torch(op, sample, exact_args), call_torch(op, sample, torch_args)
    ours = {}
    for backend in able_backends(op, sample):
        args = leaves(sample, dtype)
        ours[backend] = outputs(op.function(*args, **sample.kwargs, backend=backend)), tensors(args)
    for make in (dense, expanded, strided):
        grads = [make(y, dtype) for y in exact]
        wide = [g.double() for g in grads]
        # A gradient may vanish as a sum of terms y·dy that cancel: they too set its magnitude.
        terms = torch.cat([(y.detach() * g).flatten() for y, g in zip(exact, wide, strict=True)])
        exacts = torch.autograd.grad(exact, tensors(exact_args), wide, retain_graph=True)
        yardsticks = torch.autograd.grad(of_torch, tensors(torch_args), grads, retain_graph=True)
        for backend, (ys, wanted) in ours.items():
            actuals = torch.autograd.grad(ys, wanted, grads, retain_graph=True)
            for actual, exact_grad, yardstick in zip(actuals, exacts, yardsticks, strict=True):
                what = f"{backend}, {make.__name__} gradients"
                turns = in_turn(op, exact_grad)
                yield reading(actual, exact_grad, yardstick, dtype, what, terms, turns)


@pytest.mark.parametrize("op", DIFFERENTIABLE, ids=lambda op: op.name)
def test_gradients_by_finite_differences(op):
    def small(sample):
        return all(not isinstance(x, torch.Tensor) or x.numel() <= 100 for x in sample.args)

    checked = 0
    for sample in filter(small, op.samples(torch.device("cpu"), torch.float64)):
        if any(isinstance(x, torch.Tensor) and x.isinf().any() for x in sample.args):
            continue
        args = leaves(sample, torch.float64)

        def function(*args, kwargs=sample.kwargs):
            return op.function(*args, **kwargs)

        assert torch.autograd.gradcheck(function, args, fast_mode=True)
        assert torch.autograd.gradgradcheck(function, args, fast_mode=True)
        checked += 1
    assert checked >= 3


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("op", DIFFERENTIABLE, ids=lambda op: op.name)
def test_only_the_gradient_that_is_wanted(op, device):
    sample = next(
        s for s in op.samples(torch.device(device), torch.float32) if s.args[0].numel() > 1
    )
    tensors = [i for i, x in enumerate(sample.args) if isinstance(x, torch.Tensor)]
    for chosen in tensors:
        args = [x.detach() if isinstance(x, torch.Tensor) else x for x in sample.args]
        args[chosen].requires_grad_()
        sum(y.sum() for y in outputs(op.function(*args, **sample.kwargs))).backward()
        assert args[chosen].grad.shape == args[chosen].shape


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("row", [[-torch.inf] * 5, [torch.inf, 1.0], [torch.nan, 1.0, 2.0]])
@pytest.mark.parametrize("columns", [8, 70_000])
def test_softmax_of_rows_without_a_softmax_is_nan(row, columns, device):
    x = torch.full((2, columns), -torch.inf, device=device)
    x[0, : len(row)] = torch.tensor(row, device=device)
    x[1, -1] = 0.0
    y = registry.get("softmax").function(x)
    assert torch.equal(y.isnan(), torch.softmax(x, -1).isnan())
    assert y[0].isnan().all()
    assert y[1, -1] == 1.0


@pytest.mark.parametrize("device", DEVICES if _compat.interpreting() else DEVICES[1:])
@pytest.mark.parametrize("backend", ["portable", "split_k"])
def test_a_long_float32_product_does_not_drift(backend, device, monkeypatch):
    """Equal terms round the same way at every step: the worst case of a plain running sum.

    Summed exactly over blocks of 32, the error is at most that within a block, 32 half units.
    """
    n = 19_200
    whole = split_k.Split(16, 16, 32, depth=n, parts=1, tiles=1, stages=3)
    monkeypatch.setattr(split_k, "split_for", lambda *_: whole)  # where one part drifts the most
    a = torch.full((1, n), 0.1, device=device)
    b = torch.ones(n, 1, device=device)
    product = registry.get("matmul").function(a, b, backend=backend).item()
    exact = (a.double() @ b.double()).item()
    assert abs(product - exact) <= 16 * torch.finfo(torch.float32).eps * exact
