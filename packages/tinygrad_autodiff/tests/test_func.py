"""Function transforms: they agree with each other, nest, and leave everything as it was."""

import itertools

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import autograd, batching, func, nn
from tinygrad_autodiff.errors import ArgumentError, ArgumentTypeError, GraphError, ShapeError
from tinygrad_autodiff.registry import OPS

RANDOM = np.random.default_rng(0)
X, V, W = (tg.tensor(RANDOM.uniform(-1, 1, 4)) for _ in range(3))
MATRIX = tg.tensor(RANDOM.uniform(-1, 1, (3, 4)))


def scalar(x):
    return (tg.exp(x) * tg.sin(x)).sum() + tg.logsumexp(x * x, 0) * x[0]


def vector(x):
    return tg.tanh(MATRIX @ x) * x[1]


def close(a, b):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-12)


def test_gradients_are_those_of_autograd():
    x = X.clone().requires_grad_()
    (wanted,) = autograd.grad(scalar(x), x)
    close(func.grad(scalar)(X), wanted)
    value, found = func.value_and_grad(scalar)(X)
    close(value, scalar(X))
    close(found, wanted)
    assert not found.requires_grad
    assert not value.requires_grad
    assert X.grad is None


def test_every_way_to_the_second_derivative_agrees():
    ways = [f(g(scalar)) for f, g in itertools.product((func.jacfwd, func.jacrev), repeat=2)]
    ways += [func.hessian(scalar), lambda x: autograd.functional.hessian(scalar, x)]
    ways += [
        lambda x: autograd.functional.hessian(scalar, x, outer_jacobian_strategy="forward-mode")
    ]
    found = [way(X) for way in ways]
    for other in found[1:]:
        close(other, found[0])
    product = found[0] @ V
    close(autograd.functional.hvp(scalar, X, V)[1], product)
    close(autograd.functional.vhp(scalar, X, V)[1], product)
    close(func.jvp(func.grad(scalar), (X,), (V,))[1], product)
    close(func.grad(lambda x: (func.grad(scalar)(x) * V).sum())(X), product)
    close(func.grad(lambda x: func.jvp(scalar, (x,), (V,))[1])(X), product)


def test_vmap_over_weights_of_one_output():
    x, w = tg.rand(5, 4).double(), tg.rand(3, 4).double()
    found = func.vmap(lambda w: nn.functional.linear(x, w))(w)
    close(found, nn.functional.linear(x, w).T)


def test_every_way_agrees_through_fused_layers():
    F, random = nn.functional, np.random.default_rng(0)
    w, x = (tg.tensor(random.normal(size=size)) for size in ((3, 4), (5, 4)))
    y = tg.tensor([0, 1, 2, 1, 0])

    def loss(w):
        h = F.layer_norm(F.gelu(F.linear(x, w)), (3,))
        h = h + F.scaled_dot_product_attention(h[None], h[None] * 2, h[None])[0]
        return F.cross_entropy(h, y)

    ways = [func.hessian(loss)]
    ways += [
        outer(inner(loss))
        for outer in (func.jacfwd, func.jacrev)
        for inner in (func.jacfwd, func.jacrev)
    ]
    first, *others = [way(w).numpy(force=True) for way in ways]
    assert np.abs(first).max() > 0.01
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-9, atol=1e-11)
    along = tg.ones_like(w)
    wanted = first.sum((2, 3))
    _, pushed = func.jvp(func.grad(loss), (w,), (along,))
    pulled = func.grad(lambda w: func.jvp(loss, (w,), (along,))[1])(w)
    for found in (pushed, pulled):
        np.testing.assert_allclose(found.numpy(force=True), wanted, rtol=1e-9, atol=1e-11)


def test_third_derivatives_in_every_nesting():
    def along(x):
        return tg.sin(x * 2.0) * x

    exact = -12 * np.sin(0.6) - 8 * 0.3 * np.cos(0.6)
    one, x = tg.tensor(np.array(1.0)), tg.tensor(np.array(0.3))
    forward = lambda f: lambda x: func.jvp(f, (x,), (one,))[1]  # noqa: E731
    for first, second, third in itertools.product((func.grad, forward), repeat=3):
        assert first(second(third(along)))(x).item() == pytest.approx(exact)


def test_jacobians_and_products():
    jacobian = func.jacrev(vector)(X)
    assert jacobian.shape == (3, 4)
    close(func.jacfwd(vector)(X), jacobian)
    close(autograd.functional.jacobian(vector, X), jacobian)
    close(func.jvp(vector, (X,), (V,))[1], jacobian @ V)
    value, pull = func.vjp(vector, X)
    close(pull(value), value @ jacobian)
    close(pull(value * 2.0), value @ jacobian * 2.0)
    out, push = func.linearize(vector, X)
    close(out, value)
    close(push(V), jacobian @ V)
    close(push(W), jacobian @ W)
    close(autograd.functional.vjp(vector, X, value)[1], value @ jacobian)
    close(autograd.functional.jvp(vector, X, V)[1], jacobian @ V)


def test_structures_and_auxiliary_results():
    def tangle(first, second):
        out = {"a": first["x"] * second.sum(), "b": (second, first["y"][0])}
        return out, "note"

    first = {"x": X, "y": [V]}
    jacobian, note = func.jacrev(tangle, (0, 1), has_aux=True)(first, W)
    assert note == "note"
    other, _ = func.jacfwd(tangle, (0, 1), has_aux=True)(first, W)
    assert set(jacobian) == {"a", "b"}
    close(jacobian["a"][0]["x"], tg.eye(4, dtype=tg.float64) * W.sum())
    close(jacobian["b"][1][0]["y"][0], tg.eye(4, dtype=tg.float64))
    close(jacobian["b"][0][1], other["b"][0][1])
    assert not jacobian["b"][0][0]["x"].numpy().any()
    gradient, (value, note) = func.grad_and_value(
        lambda x, s: ((x[0] * x[1]).sum() * s, "kept"), has_aux=True
    )((X, V), 2.0)
    close(gradient[1], X * 2.0)
    assert (value.ndim, note) == (0, "kept")


def test_argnums():
    f = lambda a, b, c: (a * b * b).sum() + c  # noqa: E731
    close(func.grad(f, 1)(X, V, 1.0), 2.0 * X * V)
    both = func.grad(f, (0, -2))(X, V, 1.0)
    close(both[0], V * V)
    close(both[1], 2.0 * X * V)


def test_an_outer_graph_goes_on_through_a_transform():
    w = tg.tensor(np.array(1.5), requires_grad=True)
    x = X.clone().requires_grad_()
    found = func.grad(lambda v: (v**3 * w).sum())(X)
    assert found.requires_grad
    close(autograd.grad(found.sum(), w)[0], (3.0 * X * X).sum())
    close(autograd.grad(func.grad(lambda v: (v**3).sum())(x).sum(), x)[0], 6.0 * x)
    with tg.no_grad():
        close(func.grad(lambda v: (v**3).sum())(x), 3.0 * x * x)
        assert not func.grad(lambda v: (v**3).sum())(x).requires_grad


def test_create_graph_and_strict():
    x = X.clone().requires_grad_()
    loose = autograd.functional.jacobian(vector, x)
    assert not loose.requires_grad
    tight = autograd.functional.jacobian(vector, x, create_graph=True)
    close(autograd.grad(tight.sum(), x)[0], func.grad(lambda v: func.jacrev(vector)(v).sum())(X))
    pair = autograd.functional.jacobian(lambda a, b: (a * b, a), (X, V))
    assert not pair[1][1].numpy().any()
    with pytest.raises(GraphError, match="output 1 does not depend on input 1"):
        autograd.functional.jacobian(lambda a, b: (a * b, a), (X, V), strict=True)


def test_functional_call_and_ensembles():
    tg.manual_seed(0)
    models = [nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1)) for _ in range(3)]
    parameters, buffers = func.stack_module_state(models)
    x = tg.randn(5, 4)

    def call(values, x):
        return func.functional_call(models[0], (values, buffers), (x,))

    before = dict(models[0].named_parameters())
    found = func.vmap(call, in_dims=(0, None))(parameters, x)
    for i, model in enumerate(models):
        np.testing.assert_allclose(found[i].detach().numpy(), model(x).detach().numpy(), rtol=1e-5)
    assert all(value is before[name] for name, value in models[0].named_parameters())
    per_sample = func.vmap(
        func.grad(lambda values, one: call(values, one).sum()), in_dims=(None, 0)
    )(before, x)
    for i in range(5):
        wanted = autograd.grad(models[0](x[i]).sum(), list(before.values()))
        for name, gradient in zip(before, wanted, strict=True):
            np.testing.assert_allclose(
                per_sample[name][i].detach().numpy(), gradient.numpy(), rtol=1e-4, atol=1e-6
            )
    with pytest.raises(ArgumentError, match="no 'nothing'"):
        func.functional_call(models[0], {"nothing": x}, x)
    with pytest.raises(ArgumentError, match="missing"):
        func.functional_call(models[0], {}, x, strict=True)


def counted(function):
    """`function` with a count of its calls: once, if all samples were computed together."""

    def count(*args):
        count.calls += 1
        return function(*args)

    count.calls = 0
    return count


@pytest.mark.parametrize(
    "function",
    [
        lambda x: tg.softmax(x.T @ x, -1).sum(0) * x.mean(),
        lambda x: x[1:, 0].flatten() + x.reshape(-1)[2],
        lambda x: tg.cat([x, x * 2.0], 1).unsqueeze(0).permute(2, 0, 1),
        lambda x: tg.einsum("ij,kj->ik", x, x).exp(),
        lambda x: x[0].expand(5, 3).var(0),
        lambda x: nn.functional.linear(x, MATRIX[:, :3]),
        lambda x: x.amax() * x.sum((0, 1), keepdim=True),
    ],
)
def test_vmap_computes_all_samples_at_once(function):
    x = tg.tensor(RANDOM.uniform(-1, 1, (2, 6, 3)))
    function = counted(function)
    found = func.vmap(function, in_dims=1)(x)
    assert function.calls == 1
    close(found, tg.stack([function(x[:, i]) for i in range(6)]))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * 2.0 if x.sum() > 0 else x,
        lambda x: tg.tensor(np.cumsum(x.numpy())),
        lambda x: x.clone().mul_(3.0),
    ],
)
def test_vmap_of_a_function_that_looks_at_values_runs_sample_by_sample(function):
    x = tg.tensor(RANDOM.uniform(-1, 1, (6, 3)))
    close(func.vmap(function)(x), tg.stack([function(row) for row in x]))


def test_vmap_dimensions_nesting_and_gradients():
    x, y = tg.tensor(RANDOM.uniform(-1, 1, (5, 4))), tg.tensor(RANDOM.uniform(-1, 1, (4, 3)))
    outer = func.vmap(func.vmap(lambda a, b: (a * b).sum(), (None, 1)), (0, None))
    close(outer(x, y), x @ y)
    close(func.vmap(lambda a, b: a * b, (0, None), 1)(x, X), (x * X).T)
    found = func.vmap(lambda d: {"s": d["p"] + d["q"]}, ({"p": 0, "q": None},), {"s": -1})(
        {"p": x, "q": X}
    )
    close(found["s"], (x + X).T)
    close(func.vmap(func.grad(scalar))(x), tg.stack([func.grad(scalar)(row) for row in x]))
    close(func.vmap(func.hessian(scalar))(x), tg.stack([func.hessian(scalar)(r) for r in x]))
    close(func.vmap(func.jacfwd(vector))(x), tg.stack([func.jacrev(vector)(r) for r in x]))
    close(func.jacrev(func.vmap(scalar))(x).sum(1), func.vmap(func.grad(scalar))(x))
    leaf = x.clone().requires_grad_()
    func.vmap(scalar)(leaf).sum().backward()
    close(leaf.grad, func.vmap(func.grad(scalar))(x))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: func.grad(vector)(X), ShapeError, r"0-d tensor .*\(3,\)"),
        (lambda: func.grad(scalar)(1.0), ArgumentTypeError, "got float"),
        (lambda: func.grad(scalar, 1)(X), ArgumentError, "argnums 1"),
        (lambda: func.grad(lambda x: 1.0)(X), ArgumentTypeError, "from the function, got float"),
        (lambda: func.jvp(scalar, X, V), ArgumentTypeError, "tuples"),
        (lambda: func.jvp(scalar, (X,), (V, V)), ArgumentError, "1 primals, but 2"),
        (lambda: func.vjp(scalar, X)[1]((X, X)), GraphError, "1 outputs, but 2"),
        (lambda: func.vmap(scalar)(1.0), ArgumentError, "at least one"),
        (lambda: func.vmap(scalar, 2)(X), ShapeError, r"no dimension 2 .*\(4,\)"),
        (lambda: func.vmap(tg.add)(X, MATRIX), ArgumentError, "sizes 4 and 3"),
        (lambda: func.vmap(tg.add, (0,))(X, X), ArgumentError, "do not fit"),
        (lambda: func.vmap(scalar, randomness="some")(X), ArgumentError, "randomness"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def batchable():
    for cls in OPS.values():
        for i, sample in enumerate(itertools.islice(cls.samples(), 3)):
            values = (*sample.args, *sample.kwargs.values())
            floats = [v for v in values if isinstance(v, np.ndarray) and v.dtype == np.float64]
            if floats and all(v.size for v in floats) and cls.spaces:
                yield pytest.param(cls, sample, id=f"{cls.name}-{i}")


@pytest.mark.parametrize(("cls", "sample"), list(batchable()))
def test_vmap_of_every_op(cls, sample):
    """By its rule or sample by sample, an op of a batch is the op of each sample."""
    if "dropout" in cls.name or cls.name in ("bernoulli", "rrelu", "multinomial"):
        return  # other random numbers

    def put(make):
        is_float = lambda v: isinstance(v, np.ndarray) and v.dtype == np.float64  # noqa: E731
        args = [make(v) if is_float(v) else v for v in sample.args]
        return args, {k: make(v) if is_float(v) else v for k, v in sample.kwargs.items()}

    args, kwargs = put(lambda v: v)
    floats = [
        tg.tensor(np.stack([value, 0.9 * value]))
        for value in (*args, *kwargs.values())
        if isinstance(value, np.ndarray) and value.dtype == np.float64
    ]

    def run(*values):
        source = iter(values)
        args, kwargs = put(lambda _: next(source))
        return cls.call(*args, **kwargs)

    tg.manual_seed(0)
    wanted = [run(*(value[i] for value in floats)) for i in range(2)]
    leaves = [batching.tree.leaves(one) for one in wanted]
    if any(
        not isinstance(v, tg.Tensor) or v.shape != u.shape for v, u in zip(*leaves, strict=True)
    ):
        return
    tg.manual_seed(0)
    found = batching.tree.leaves(func.vmap(run)(*floats))
    for value, one, two in zip(found, *leaves, strict=True):
        stacked = np.stack([one.numpy(), two.numpy()])
        assert value.dtype == one.dtype
        np.testing.assert_allclose(value.numpy(), stacked, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(lambda x: (MATRIX64 @ x).tanh(), id="products"),
        pytest.param(lambda x: tg.nn.functional.layer_norm(x, (4,)), id="fused"),
        pytest.param(lambda x: x[1:] * x[:-1], id="no rule for a batch"),
        pytest.param(lambda x: x * x * x.max().item(), id="values looked at"),
    ],
)
def test_all_rows_and_columns_at_once(function):
    """A pull-back takes a batch of cotangents; inside another vmap, too."""
    x = tg.tensor([0.3, -1.0, 2.0, 0.7], dtype=tg.float64)
    y, pull = func.vjp(function, x)
    rows = [pull(row) for row in tg.eye(len(y), dtype=tg.float64)]
    once = counted(pull)
    for found in (
        func.vmap(once)(tg.eye(len(y), dtype=tg.float64)),
        func.jacrev(function)(x),
        func.vmap(func.jacrev(function))(tg.stack([x, 2 * x]))[0],
        *((func.jacfwd(function)(x),) if "item" not in function.__code__.co_names else ()),
    ):
        np.testing.assert_allclose(found, tg.stack(rows), 1e-12, 1e-12)
    assert once.calls == 1
    leaf = x.clone().requires_grad_()
    func.jacrev(function)(leaf).square().sum().backward()
    other = x.clone().requires_grad_()
    sum(
        tg.autograd.grad(value, other, create_graph=True)[0].square().sum()
        for value in function(other)
    ).backward()
    np.testing.assert_allclose(leaf.grad, other.grad, 1e-12, 1e-12)


MATRIX64 = tg.tensor([[1.0, 2.0, 0.5, -1.0], [0.3, -1.0, 1.0, 2.0]], dtype=tg.float64)


@pytest.mark.parametrize("chunk", [1, 4, 6, 9])
def test_chunks_of_a_batch_are_computed_one_after_the_other(chunk):
    x, y = tg.tensor(RANDOM.uniform(-1, 1, (2, 6))), tg.tensor(RANDOM.uniform(-1, 1, 2))
    function = counted(lambda a, b: {"sum": a + b, "product": (a * b).sum()})
    out = {"sum": 1, "product": 0}
    found = func.vmap(function, in_dims=(1, None), out_dims=out, chunk_size=chunk)(x, y)
    assert function.calls == -(-6 // chunk)
    close(found["sum"], x + y[:, None])
    close(found["product"], (x * y[:, None]).sum(0))
    close(func.jacrev(vector, chunk_size=chunk)(X), func.jacrev(vector)(X))
    with pytest.raises(ValueError, match="chunk_size of at least 1"):
        func.vmap(function, chunk_size=0)
