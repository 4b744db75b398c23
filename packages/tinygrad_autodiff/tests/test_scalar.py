"""The scalar engine: every rule against differences to second order, deep and wide graphs."""

import math

import numpy as np
import pytest
from tinygrad_autodiff.errors import ArgumentError, ArgumentTypeError
from tinygrad_autodiff.scalar import (
    OPERATIONS,
    Value,
    cos,
    exp,
    log,
    relu,
    sigmoid,
    sin,
    tanh,
)
from tinygrad_autodiff.scalar_graph import Graph
from tinygrad_autodiff.scalar_nn import MLP, Neuron

# name → function of one or two numbers, and where to take it
FUNCTIONS = {
    "+": (lambda x, y: x + y, (0.7, -1.3)),
    "-": (lambda x, y: x - y, (0.7, -1.3)),
    "*": (lambda x, y: x * y, (0.7, -1.3)),
    "/": (lambda x, y: x / y, (0.7, -1.3)),
    "**": (lambda x, y: x**y, (0.7, -1.3)),
    "neg": (lambda x: -x * x, (0.7,)),
    "abs": (lambda x: abs(x) * x, (-0.7,)),
    "exp": (exp, (0.7,)),
    "log": (log, (0.7,)),
    "sin": (sin, (0.7,)),
    "cos": (cos, (0.7,)),
    "tanh": (tanh, (0.7,)),
    "sigmoid": (sigmoid, (-0.7,)),
    "relu": (lambda x: relu(x) * x + relu(-x), (0.7,)),
    "2 + x": (lambda x: 2 + x * x, (0.7,)),
    "2 - x": (lambda x: 2 - x * x, (0.7,)),
    "2 * x": (lambda x: 2 * x * x, (0.7,)),
    "2 / x": (lambda x: 2 / x, (0.7,)),
    "2 ** x": (lambda x: 2**x, (0.7,)),
    "x ** 3": (lambda x: x**3, (-0.7,)),
    "x ** -0.5": (lambda x: x**-0.5, (0.7,)),
    "x / 3": (lambda x: (x - 1) * x / 3, (0.7,)),
    "fan-out": (lambda x, y: (x * y + sin(x)) * (x * y + y) / x, (0.7, -1.3)),
    "methods": (lambda x: x.exp().sin().tanh() + x.log().cos().sigmoid() * x.relu(), (0.7,)),
}


def first_order(f, at):
    """Value and gradient as floats."""
    x = [Value(a) for a in at]
    y = f(*x)
    y.backward()
    return y.data, [v.grad.data for v in x]


def second_order(f, at):
    """The Hessian, row by row, from the gradients' own backward."""
    rows = []
    for i in range(len(at)):
        x = [Value(a) for a in at]
        f(*x).backward(create_graph=True)
        slope = x[i].grad
        for v in x:
            v.grad = None
        slope.backward()
        rows.append([0.0 if v.grad is None else v.grad.data for v in x])
    return rows


def shifted(at, i, h):
    return [a + h * (i == j) for j, a in enumerate(at)]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_first_and_second_derivatives(name):
    f, at = FUNCTIONS[name]
    h = 1e-5
    gradient = first_order(f, at)[1]
    hessian = second_order(f, at)
    for i in range(len(at)):
        up, down = (first_order(f, shifted(at, i, s)) for s in (h, -h))
        assert gradient[i] == pytest.approx((up[0] - down[0]) / (2 * h), rel=1e-8, abs=1e-9)
        for j in range(len(at)):
            numeric = (up[1][j] - down[1][j]) / (2 * h)
            assert hessian[i][j] == pytest.approx(numeric, rel=1e-7, abs=1e-8)


def test_every_operation_is_among_the_functions():
    assert OPERATIONS.keys() <= FUNCTIONS.keys()


def test_values_are_those_of_math():
    assert exp(Value(1)).data == math.e
    assert sigmoid(Value(-800)).data == 0
    assert sigmoid(Value(800)).data == 1
    assert sigmoid(Value(0.3)).data == pytest.approx(1 / (1 + math.exp(-0.3)), rel=1e-15)
    assert (relu(Value(-2)).data, abs(Value(-2)).data) == (0, 2)
    assert log(10.0) == math.log(10)


def derivatives(f, at, order):
    """The first `order` derivatives of a function of one number."""
    x, found = Value(at), []
    y = f(x)
    for _ in range(order):
        y.backward(create_graph=True)
        y, x.grad = x.grad or Value(0), None  # a constant has no gradient
        found.append(y.data)
    return found


def test_third_derivative():
    expected = [math.cos(0.4), -math.sin(0.4), -math.cos(0.4)]
    assert derivatives(sin, 0.4, 3) == pytest.approx(expected)


def test_powers_at_zero():
    assert derivatives(lambda x: x**3, 0, 4) == [0, 0, 6, 0]
    assert derivatives(lambda x: x**2, 0, 3) == [0, 2, 0]
    assert derivatives(lambda x: x**1, 0, 2) == [1, 0]
    assert derivatives(lambda x: x**0, 0, 2) == [0, 0]
    base, exponent = Value(0), Value(2)
    (base**exponent).backward()
    assert (base.grad.data, exponent.grad.data) == (0, 0)


def test_kinks_have_slope_zero():
    for f in (relu, abs):
        assert first_order(f, [0.0]) == (0, [0])


def test_gradients_add_up_until_they_are_cleared():
    x = Value(3)
    y = x * x
    y.backward()
    y.backward()
    assert x.grad.data == 12
    assert y.grad.data == 2
    assert x.grad.args == ()
    x.grad = None
    y.backward()
    assert x.grad.data == 6


def test_a_value_used_many_times():
    x = Value(1.5)
    total = x
    for _ in range(50):
        total = total + total
    total.backward()
    assert x.grad.data == 2**50  # 2**50 paths, 51 nodes


def test_a_chain_of_100_000_nodes():
    x = Value(1.0)
    y = x
    for _ in range(100_000):
        y = y * 1.00001
    y.backward()
    assert x.grad.data == pytest.approx(1.00001**100_000)
    assert len(y.history()) == 100_001
    y.backward(create_graph=True)
    slope, x.grad = x.grad, None
    del y
    assert slope.data == pytest.approx(2 * 1.00001**100_000)


def test_an_unused_value_has_no_gradient():
    x, y = Value(1), Value(2)
    (x * 3).backward()
    assert y.grad is None


def test_comparisons():
    a, b = Value(1), Value(2)
    assert a < b
    assert a <= 1
    assert b > 1.5
    assert b >= a
    assert a == 1.0
    assert a != b
    assert not a == "1"  # noqa: SIM201 - the operator itself is tested
    assert len({a, Value(1)}) == 2
    with pytest.raises(TypeError):
        assert a < "2"


def test_numbers_of_numpy():
    x = Value(np.float32(0.5))
    for y in (np.float64(2) * x, x * np.int64(2), np.float32(2) * x):
        assert isinstance(y, Value)
        assert y.data == 1
    with pytest.raises(TypeError):
        np.ones(2) * x


@pytest.mark.parametrize("bad", ["1", None, [1.0], 1j, np.ones(2), Value(1)])
def test_what_is_no_number(bad):
    with pytest.raises(ArgumentTypeError, match="Value: expected a number, got"):
        Value(bad)
    if not isinstance(bad, Value | complex):
        with pytest.raises(TypeError):
            Value(1) + bad


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (lambda: log(Value(-1)), "log of -1.0: "),
        (lambda: log(Value(0)), "log of 0.0: "),
        (lambda: exp(Value(1000)), "exp of 1000.0: "),
        (lambda: Value(-8) ** (1 / 3), r"\*\* of -8.0, 0.33.*not real"),
        (lambda: Value(10) ** 400, r"\*\* of 10.0, 400.0: "),
        (lambda: sin(Value(math.inf)), "sin of inf: "),
    ],
)
def test_outside_the_domain(compute, message):
    with pytest.raises(ArgumentError, match=message):
        compute()


def test_division_by_zero():
    with pytest.raises(ZeroDivisionError):
        Value(1) / 0
    with pytest.raises(ZeroDivisionError):
        Value(0) ** -1


# ---- drawings ------------------------------------------------------------------------------------


@pytest.fixture
def drawn():
    x = Value(2, label='x "1\\2"')
    y = x * x + 3
    y.label = "y"
    y.backward()
    return Graph(y)


def test_dot(drawn):
    assert drawn.to_dot().splitlines() == [
        "digraph {",
        "  rankdir=LR",
        "  node [shape=box]",
        r'  v0 [label="x \"1\\2\"\n2\ngrad 4"]',
        r'  v1 [label="*\n4\ngrad 1"]',
        r'  v2 [label="y = +\n7\ngrad 1"]',
        '  v2c1 [label="3"]',
        "  v0 -> v1",
        "  v0 -> v1",
        "  v1 -> v2",
        "  v2c1 -> v2",
        "}",
    ]


def test_mermaid(drawn):
    assert drawn.to_mermaid().splitlines() == [
        "flowchart LR",
        '  v0["x #quot;1\\2#quot;<br>2<br>grad 4"]',
        '  v1["*<br>4<br>grad 1"]',
        '  v2["y = +<br>7<br>grad 1"]',
        '  v2c1["3"]',
        "  v0 --> v1",
        "  v0 --> v1",
        "  v1 --> v2",
        "  v2c1 --> v2",
    ]


# ---- networks ------------------------------------------------------------------------------------


def test_an_mlp_computes_what_numpy_computes():
    model = MLP([3, 4, 2], seed=1)
    x = np.array([0.5, -1.0, 2.0])
    hidden = x
    for number, layer in enumerate(model.layers):
        weights = np.array([[w.data for w in neuron.weights] for neuron in layer.neurons])
        biases = [neuron.bias.data for neuron in layer.neurons]
        hidden = weights @ hidden + biases
        hidden = np.tanh(hidden) if number == 0 else hidden
    np.testing.assert_allclose([float(out) for out in model(x.tolist())], hidden)
    assert len(model.parameters()) == 3 * 4 + 4 + 4 * 2 + 2
    np.testing.assert_allclose([float(out) for out in MLP([3, 4, 2], seed=1)(list(x))], hidden)


def test_an_mlp_learns_exclusive_or():
    """A line cannot separate it: all four right means that the hidden layer has learned."""
    model = MLP([2, 4, 1], seed=3)
    data = [((a, b), 1.0 if a != b else -1.0) for a in (-1, 1) for b in (-1, 1)]
    for _ in range(100):
        loss = sum((model(x)[0] - y) ** 2 for x, y in data)
        for parameter in model.parameters():
            parameter.grad = None
        loss.backward()
        for parameter in model.parameters():
            parameter.data -= 0.1 * parameter.grad.data
    assert loss.data < 0.01
    assert all((model(x)[0] > 0) == (y > 0) for x, y in data)


def test_wrong_sizes():
    with pytest.raises(ArgumentError, match="expected 2 inputs, got 3"):
        MLP([2, 1])([1, 2, 3])
    with pytest.raises(ArgumentError, match=r"MLP: expected sizes .* got \[2\]"):
        MLP([2])
    with pytest.raises(ArgumentError, match="at least one input, got 0"):
        Neuron(0, None, None)
