"""Every registered op, from its own samples: values, derivatives, dtypes, layouts, bad input."""

import math

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import autograd, float16, float32, float64
from tinygrad_autodiff.errors import AutodiffError
from tinygrad_autodiff.op import Composite, Elementwise
from tinygrad_autodiff.registry import OPS
from tinygrad_autodiff.tensor import Tensor, wrap


def is_float(value):
    return isinstance(value, np.ndarray) and value.dtype == np.float64


class Call:
    """One sample of one op, as a function of its float64 arrays alone."""

    def __init__(self, cls, sample):
        self.cls, self.sample = cls, sample
        self.arrays = []
        for value in (*sample.args, *sample.kwargs.values()):
            self.arrays += [
                v for v in (value if isinstance(value, list) else [value]) if is_float(v)
            ]

    def __call__(self, *values):
        remaining = iter(values)

        def put(value):
            if isinstance(value, list):
                return [put(v) for v in value]
            return next(remaining) if is_float(value) else value

        args = [put(value) for value in self.sample.args]
        kwargs = {key: put(value) for key, value in self.sample.kwargs.items()}
        return self.cls.call(*args, **kwargs)

    def outputs(self, *values):
        result = self(*values)
        parts = result if isinstance(result, tuple) else (result,)
        return [part for part in parts if part.dtype.kind == "f"]


CALLS = [
    pytest.param(Call(cls, sample), id=f"{cls.name}-{i}")
    for cls in OPS.values()
    for i, sample in enumerate(cls.samples())
]


def is_differentiable(call):
    """Whether there is something to differentiate; a call that fails is left to its tests."""
    if not call.arrays or not call.cls.differentiable:
        return False
    try:
        return any(wrap(np.asarray(out)).is_floating_point() for out in call.outputs(*call.arrays))
    except Exception:
        return True


DIFFERENTIABLE = [param for param in CALLS if is_differentiable(param.values[0])]
BAD = [
    pytest.param(cls, bad, id=f"{cls.name}-{i}")
    for cls in OPS.values()
    for i, bad in enumerate(cls.error_inputs())
]


def leaves(arrays, dtype=float64):
    return [wrap(a.astype(dtype)).requires_grad_() for a in arrays]


def gradients(call, arrays, dtype=float64):
    """Gradients of a fixed random combination of the outputs."""
    inputs = leaves(arrays, dtype) if dtype else [wrap(a).requires_grad_() for a in arrays]
    outs = [out for out in call.outputs(*inputs) if out.requires_grad]
    random = np.random.default_rng(0)
    seeds = [wrap(np.asarray(random.uniform(0.5, 1, o.shape)).astype(o.dtype)) for o in outs]
    found = autograd.grad(outs, inputs, seeds, materialize_grads=True)
    return outs, found


def test_the_registry_is_complete():
    assert len(OPS) > 90
    assert all(cls.__doc__ and len(cls.__doc__) > 10 for cls in OPS.values())


@pytest.mark.parametrize("call", CALLS)
def test_arrays_in_arrays_out_and_equal_to_tensors(call):
    from_arrays = call(*call.arrays)
    from_tensors = call(*[wrap(a) for a in call.arrays]) if call.arrays else from_arrays
    first = from_arrays if isinstance(from_arrays, tuple) else (from_arrays,)
    second = from_tensors if isinstance(from_tensors, tuple) else (from_tensors,)
    for array, tensor in zip(first, second, strict=True):
        assert not isinstance(array, Tensor)
        # Not to the bit: NumPy's loops may round differently where memory is aligned differently.
        np.testing.assert_allclose(np.asarray(array), np.asarray(tensor), rtol=1e-15)


@pytest.mark.parametrize("call", DIFFERENTIABLE)
def test_first_derivatives_in_both_modes(call):
    assert autograd.gradcheck(
        lambda *values: tuple(call.outputs(*values)), leaves(call.arrays), check_forward_ad=True
    )


@pytest.mark.parametrize("call", DIFFERENTIABLE)
def test_second_derivatives_in_both_modes(call):
    assert autograd.gradgradcheck(
        lambda *values: tuple(call.outputs(*values)),
        leaves(call.arrays),
        atol=1e-4,
        check_forward_ad=True,
        fast_mode=True,
    )


@pytest.mark.parametrize("dtype", [float16, float32, float64], ids=str)
@pytest.mark.parametrize("call", DIFFERENTIABLE)
def test_dtype_of_results_and_gradients(call, dtype):
    if call.cls.name in ("to", "double", "float_power"):  # they name a dtype; see test_tensor.py
        assert call(*[wrap(a.astype(dtype)) for a in call.arrays]).dtype == float64
        return
    exact_outs, exact = gradients(call, call.arrays)
    outs, found = gradients(call, call.arrays, dtype)
    assert {out.dtype for out in outs} == {dtype}
    assert {grad.dtype for grad in found} == {dtype}
    loose = {float16: 3e-2, float32: 2e-5, float64: 0}[dtype]
    for a, b in zip((*outs, *found), (*exact_outs, *exact), strict=True):
        scale = np.abs(np.asarray(b)).max(initial=1)
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=loose, atol=loose * scale)


@pytest.mark.parametrize(
    "call",
    [
        param
        for param in DIFFERENTIABLE
        if not issubclass(param.values[0].cls, Composite) and param.values[0].cls.name != "to"
    ],
)
def test_dtype_of_tangents_and_recorded_gradients(call):
    """In float16, which any float32 or float64 on the way would widen."""
    inputs = leaves(call.arrays, float16)
    along = [wrap(np.ones_like(value.detach().numpy())) for value in inputs]
    _, tangents = autograd.forward_ad.jvp(
        lambda *values: tuple(call.outputs(*values)), inputs, along
    )
    outs = [out for out in call.outputs(*inputs) if out.requires_grad]
    seeds = [wrap(np.ones(out.shape, float16)) for out in outs]
    found = autograd.grad(outs, inputs, seeds, create_graph=True, materialize_grads=True)
    assert {value.dtype for value in (*tangents, *found)} == {float16}


@pytest.mark.parametrize(
    "call",
    [
        param
        for param in DIFFERENTIABLE
        if issubclass(param.values[0].cls, Elementwise)
        and all(a.ndim == 0 for a in param.values[0].arrays)
    ],
)
def test_a_0_d_input_is_computed_as_exactly_as_any(call):
    """NumPy makes scalars of 0-d arrays on the way; no precision may be lost by that."""
    outs, found = gradients(call, call.arrays)
    other_outs, other = gradients(call, [a.reshape(1) for a in call.arrays])
    for a, b in zip((*outs, *found), (*other_outs, *other), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b).reshape(a.shape), rtol=1e-15)


@pytest.mark.parametrize("call", DIFFERENTIABLE)
def test_layout_does_not_matter(call):
    strided = [
        np.repeat(a, 2, -1)[..., ::2] if a.ndim < 2 and a.ndim else a.T.copy().T
        for a in call.arrays
    ]
    (outs, found), (other_outs, other) = (
        gradients(call, arrays, None) for arrays in (call.arrays, strided)
    )
    for a, b in zip((*outs, *found), (*other_outs, *other), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("call", DIFFERENTIABLE)
def test_a_rule_returns_new_arrays(call, monkeypatch):
    """The engine adds in place to what a rule returns, so it must not be a saved array."""
    seen = []
    for cls in OPS.values():
        if issubclass(cls, Composite) or not cls.differentiable:
            continue

        def pull(self, gradient, edges, saved, original=cls.pull):
            results = original(self, gradient, edges, saved)
            arrays = [r for r in results if isinstance(r, np.ndarray) and r.base is None]
            new = [r for r in arrays if r is not gradient]
            assert len({id(r) for r in new}) == len(new)
            kept = [v for rule in saved if rule for v in rule if isinstance(v, np.ndarray)]
            assert not any(np.shares_memory(r, v) for r in new for v in kept)
            seen.append(type(self))
            return results

        monkeypatch.setattr(cls, "pull", pull)
    outs, _ = gradients(call, call.arrays)
    handed_on = all(out.is_leaf for out in outs)  # as x.double() does with a float64 leaf
    assert seen or handed_on or isinstance(call.sample.args[0], str)


@pytest.mark.parametrize("call", DIFFERENTIABLE)
def test_inputs_are_left_alone(call):
    before = [a.copy() for a in call.arrays]
    gradients(call, call.arrays, None)
    for a, b in zip(before, call.arrays, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("cls", "bad"), BAD)
def test_bad_input(cls, bad):
    args = [wrap(a) if is_float(a) else a for a in bad.args]
    args = [[wrap(v) if is_float(v) else v for v in a] if isinstance(a, list) else a for a in args]
    with pytest.raises(bad.error, match=bad.message) as caught:
        cls.call(*args, **bad.kwargs)
    assert isinstance(caught.value, AutodiffError)
    if cls.spaces or cls.operator:  # an internal op leaves the name to the one that calls it
        assert cls.name in str(caught.value)


# These may return what they get, whatever it is.
UNTYPED = {"dropout", "resolve_conj", "resolve_neg", "is_conj", "is_neg", "zeros_like"}


@pytest.mark.filterwarnings("ignore:.*is broadcast against")  # of losses
@pytest.mark.parametrize("call", {p.values[0].cls.name: p for p in CALLS}.values())
def test_what_is_no_tensor_is_an_error_of_ours(call):
    """Whatever the body of a composition runs into: never a bare AttributeError, say."""
    args = list(call.sample.args)
    if call.cls.name in UNTYPED or not args or not isinstance(args[0], np.ndarray):
        return
    for wrong in ("text", object()):
        with pytest.raises(AutodiffError) as caught:
            call.cls.call(wrong, *(wrap(a) if is_float(a) else a for a in args[1:]))
        if call.cls.spaces or call.cls.operator:
            assert call.cls.name in str(caught.value)


def test_shapes_and_dimensions_in_compositions():
    F, ones = tg.nn.functional, tg.ones
    for call, error, message in (
        (lambda: tg.kron(2, ones(2)), TypeError, "kron: expected tensors"),
        (lambda: ones(()).unbind(), IndexError, "unbind: .*without dimensions"),
        (
            lambda: F.cosine_similarity(ones(2, 3), ones(2, 4)),
            RuntimeError,
            r"\(2, 3\) and \(2, 4\)",
        ),
        (lambda: ones(2).view_as(ones(3)), RuntimeError, r"view_as: .*\(3,\).*\(2,\)"),
        (lambda: ones(0).argmax(), IndexError, r"argmax: no element of \(0,\)"),
        (lambda: ones(2, 0).max(1), IndexError, r"max: no element of \(2, 0\) .* dim 1"),
        (
            lambda: tg.baddbmm(ones(3, 2, 2), ones(2, 2, 3), ones(2, 3, 2)),
            RuntimeError,
            "baddbmm: ",
        ),
    ):
        with pytest.raises(error, match=message) as caught:
            call()
        assert isinstance(caught.value, AutodiffError)


@pytest.mark.parametrize("name", sorted(OPS))
def test_unknown_and_missing_arguments(name):
    with pytest.raises(TypeError):
        OPS[name].call(wrap(np.ones(2)), no_such_argument=1)
    with pytest.raises(TypeError):
        OPS[name].call()


def test_erf_is_right_to_the_last_places():
    x = np.concatenate([np.linspace(-7, 7, 4001), [0.0, 1e-300, math.inf, -math.inf]])
    exact = np.array([math.erf(v) for v in x])
    np.testing.assert_allclose(OPS["erf"].call(x), exact, rtol=4e-16, atol=0)
    single = OPS["erf"].call(x.astype(np.float32))
    assert single.dtype == np.float32
    expected = np.array([math.erf(v) for v in x.astype(np.float32)])
    np.testing.assert_allclose(single, expected, rtol=5e-7)
    assert np.isnan(OPS["erf"].call(np.array([math.nan]))).all()
