"""
Day 02: The chain rule
======================
Estimated time: 1-2 hours
Prerequisites: Day 01

Learning objectives:
- apply the chain rule through compositions, and sum over all paths where branches meet
- build dual numbers, and with them derivatives that are exact to the last bits, without a step
- take the derivative along a direction in one pass (forward mode)
- run the same chain backwards, and get the derivative by every intermediate value in one pass
  (reverse mode)

Background:
Every program that computes a number is a composition of small steps whose derivatives are known.
The chain rule is all it takes to differentiate the whole:

    d/dx f(g(x)) = f'(g(x)) · g'(x)

Mind where each factor is taken: the outer derivative at the *inner value*, not at x.

If x reaches the result along several ways, `z = F(u₁(x), …, uₙ(x))`, each way contributes, and the
contributions **add up**:

    dz/dx = Σₖ ∂F/∂uₖ · duₖ/dx

Along a path derivatives multiply, over paths they are summed. (Product, quotient and power rule are
this sentence applied to F(u, v) = u·v, u/v, uᵛ.) All of automatic differentiation follows from it;
the methods differ only in the order in which the products are taken.

**Forward mode** goes along with the computation. Carry with every value v its rate of change v̇. A
pair `v + v̇ ε` is a **dual number**, where ε is a new unit with `ε² = 0`, as i is one with i² = -1.
Multiply out, and the product rule appears by itself:

    (a + ȧ ε)(b + ḃ ε) = ab + (a ḃ + ȧ b) ε

and for every differentiable function Taylor's series ends after two terms:

    f(a + ȧ ε) = f(a) + f'(a) ȧ ε

So run the program once on `x + 1·ε`, and read the derivative from the ε-part of the result. No
step, no truncation, no cancellation: only the rounding that the arithmetic itself has. With several
inputs, set their ε-parts to a direction v, and one pass gives the derivative along v: the
**Jacobian-vector product**. It costs the same few operations per step whatever the length of v, but
a whole gradient of n inputs needs n passes.

**Reverse mode** takes the products from the other end. Write the chain as x₀ → x₁ → … → xₙ with
xₖ₊₁ = fₖ(xₖ). Let x̄ₖ = dxₙ/dxₖ, the **adjoint** of xₖ: how strongly the result reacts to it. Then

    x̄ₙ = 1,   x̄ₖ = x̄ₖ₊₁ · fₖ'(xₖ)   for k = n-1, …, 0

The price: the values xₖ must be kept until the way back needs them. The reward: *every* x̄ₖ comes
out of a single pass. With a million inputs and one output that is a million times cheaper than
forward mode; it is what the field of neural networks calls backpropagation.

To read: Griewank & Walther, *Evaluating Derivatives* (2nd ed., SIAM 2008), chapters 2 and 3;
Baydin, Pearlmutter, Radul & Siskind, *Automatic Differentiation in Machine Learning: a Survey*
(JMLR 18, 2018), section 3; Wengert, *A simple automatic derivative evaluation program* (CACM 7,
1964), where forward mode begins; Linnainmaa, *Taylor expansion of the accumulated rounding error*
(BIT 16, 1976), where reverse mode does. The professional versions: `torch.autograd.forward_ad`
(dual tensors), `torch.func.jvp` and `vjp`, `jax.jvp`, `jax.vjp`; Julia's ForwardDiff.jl is exactly
today's Dual class, with several ε-parts at once.

Hints:
- Write each derivative on paper for a function you know, such as sin(x²), before you code it.
- The numbers of this day are plain floats: math, not NumPy, is enough.
- Run this file (python day02.py) to see dual numbers against the differences of day 1.
"""

import math


# Exercise 1: a composition
def compose_derivative(f_prime, g, g_prime, x):
    """Derivative of f(g(x)) by x.

    Args:
        f_prime: derivative of the outer function.
        g: the inner function.
        g_prime: its derivative.
        x: where, a float.

    Returns:
        A float. (The outer function itself is not needed. Why?)
    """
    # TODO: apply the chain rule
    # HINT: there are two factors, one for each function
    # HINT: the inner factor is g_prime(x); the outer one is not f_prime(x)
    # HINT: the outer derivative is taken where the outer function stands: at g(x)
    # SOLUTION
    return f_prime(g(x)) * g_prime(x)
    # MUTANT: return f_prime(x) * g_prime(x)
    # MUTANT: return f_prime(g_prime(x))
    # MUTANT: return f_prime(g(x)) + g_prime(x)
    # END SOLUTION


# Exercise 2: branches that meet
def total_derivative(partials, branches, branch_derivatives, x):
    """Derivative of F(u₁(x), …, uₙ(x)) by x.

    Args:
        partials: n functions of n floats; the k-th is ∂F/∂uₖ.
        branches: n functions of one float, the uₖ.
        branch_derivatives: n functions of one float, their derivatives.
        x: where, a float.

    Returns:
        A float; 0.0 for n = 0.
    """
    # TODO: multiply along each path, sum over the paths
    # HINT: first compute all uₖ(x): every partial derivative needs all of them
    # HINT: partials[k](*values) is the derivative of F along path k, at the right place
    # HINT: with zip(partials, branch_derivatives) it is one sum of products
    # SOLUTION
    values = [u(x) for u in branches]
    # MUTANT: values = [x for u in branches]
    paths = zip(partials, branch_derivatives, strict=True)
    return sum((partial(*values) * du(x) for partial, du in paths), 0.0)
    # MUTANT: return math.prod(partial(*values) * du(x) for partial, du in paths)
    # MUTANT: return sum((partial(*values) for partial, _ in paths), 0.0)
    # MUTANT: return max((partial(*values) * du(x) for partial, du in paths), default=0.0)
    # END SOLUTION


# Exercise 3: dual numbers
class Dual:
    """A number `value + tangent·ε` with ε² = 0: a value, and how fast it changes.

    Plain numbers may stand on either side of an operator; they are constants and do not change.
    """

    def __init__(self, value, tangent=0.0):
        self.value = value
        self.tangent = tangent

    def __repr__(self):
        return f"Dual({self.value}, {self.tangent})"

    @staticmethod
    def of(x):
        """x itself if it is dual, else the constant x."""
        return x if isinstance(x, Dual) else Dual(x)

    def __add__(self, other):
        other = Dual.of(other)
        return Dual(self.value + other.value, self.tangent + other.tangent)

    def __neg__(self):
        return Dual(-self.value, -self.tangent)

    # TODO: differences, products, quotients and powers of dual numbers (the sum shows how)
    # HINT: multiply out (a + ȧ ε)(b + ḃ ε) and drop ε²; the rest follows from school's rules
    # HINT: a quotient q = a / b has b q = a, so b q̇ + ḃ q = ȧ: solve for q̇
    # HINT: aⁿ for a plain number n has the tangent n·aⁿ⁻¹·ȧ
    def __sub__(self, other):
        other = Dual.of(other)
        # SOLUTION
        return Dual(self.value - other.value, self.tangent - other.tangent)
        # MUTANT: return Dual(self.value - other.value, self.tangent + other.tangent)
        # END SOLUTION

    def __mul__(self, other):
        other = Dual.of(other)
        # SOLUTION
        return Dual(
            self.value * other.value,
            self.value * other.tangent + self.tangent * other.value,
        )
        # MUTANT: return Dual(self.value * other.value, self.tangent * other.tangent)
        # MUTANT: return Dual(self.value * other.value, self.tangent * other.value)
        # END SOLUTION

    def __truediv__(self, other):
        other = Dual.of(other)
        # SOLUTION
        quotient = self.value / other.value
        return Dual(quotient, (self.tangent - quotient * other.tangent) / other.value)
        # MUTANT: return Dual(quotient, (self.tangent + quotient * other.tangent) / other.value)
        # MUTANT: return Dual(quotient, self.tangent / other.tangent if other.tangent else 0.0)
        # MUTANT: return Dual(quotient, self.tangent - quotient * other.tangent)
        # END SOLUTION

    def __pow__(self, n):
        """Self to the power n, a plain number."""
        # SOLUTION
        if n == 0:
            return Dual(1.0)
        # MUTANT: pass
        return Dual(self.value**n, n * self.value ** (n - 1) * self.tangent)
        # MUTANT: return Dual(self.value**n, n * self.value ** (n - 1))
        # MUTANT: return Dual(self.value**n, self.value ** (n - 1) * self.tangent)
        # END SOLUTION

    def __rsub__(self, other):
        return Dual.of(other) - self

    def __rtruediv__(self, other):
        return Dual.of(other) / self

    __radd__ = __add__
    __rmul__ = __mul__


# Exercise 4: functions of dual numbers
# TODO: the ε-part of f(a + ȧ ε) is f'(a) ȧ; complete the four functions
# HINT: the value is math.f(value); the tangent is the derivative there, times the tangent
# HINT: sin' = cos, exp' = exp, log' = 1/x, tanh' = 1 - tanh²
# HINT: exp and tanh need their own result for the derivative: compute it once
def sin(x):
    x = Dual.of(x)
    # SOLUTION
    return Dual(math.sin(x.value), math.cos(x.value) * x.tangent)
    # MUTANT: return Dual(math.sin(x.value), math.cos(x.tangent))
    # MUTANT: return Dual(math.sin(x.value), math.cos(x.value))
    # MUTANT: return Dual(math.sin(x.value), -math.cos(x.value) * x.tangent)
    # END SOLUTION


def exp(x):
    x = Dual.of(x)
    # SOLUTION
    y = math.exp(x.value)
    return Dual(y, y * x.tangent)
    # MUTANT: return Dual(y, math.exp(x.tangent))
    # END SOLUTION


def log(x):
    x = Dual.of(x)
    # SOLUTION
    return Dual(math.log(x.value), x.tangent / x.value)
    # MUTANT: return Dual(math.log(x.value), 1 / x.value)
    # END SOLUTION


def tanh(x):
    x = Dual.of(x)
    # SOLUTION
    y = math.tanh(x.value)
    return Dual(y, (1 - y * y) * x.tangent)
    # MUTANT: return Dual(y, (1 - x.value * x.value) * x.tangent)
    # END SOLUTION


# Exercise 5: forward mode
def directional(f, x, v):
    """Value of `f` at x and its derivative along v, in one pass of dual numbers.

    Args:
        f: function of as many numbers as x has; uses +, -, *, /, ** and the functions above; it
            may well return a plain number.
        x: list of floats.
        v: list of floats, as long as x.

    Returns:
        (value, derivative): two floats. Calls f once.
    """
    # TODO: give each input its rate of change, run f, and read off both parts
    # HINT: Dual(xᵢ, vᵢ) is an input that moves with velocity vᵢ
    # HINT: f(*inputs) is one call for all inputs together
    # HINT: a function may ignore its inputs and return 3.0: Dual.of makes a constant dual of it
    # SOLUTION
    y = Dual.of(f(*(Dual(a, b) for a, b in zip(x, v, strict=True))))
    # MUTANT: y = Dual.of(f(*(Dual(a, 1.0) for a, b in zip(x, v, strict=True))))
    # MUTANT: y = f(*(Dual(a, b) for a, b in zip(x, v, strict=True)))
    return y.value, y.tangent
    # MUTANT: return y.value, y.tangent / math.hypot(*v)
    # END SOLUTION


# Exercise 6: reverse mode along a chain
def reverse_chain(steps, x):
    """Run x through the steps, then go back and find how the result reacts to every value.

    Args:
        steps: list of pairs (f, f_prime) of functions of one float, in the order they are applied.
        x: the input, a float.

    Returns:
        (values, adjoints): two lists of len(steps) + 1 floats; values[0] is x, values[-1] the
        result, and adjoints[k] is the derivative of the result by values[k], so adjoints[-1] is
        1.0. Each f and each f_prime is called once.
    """
    # TODO: a loop forward that keeps the values, and one backward that multiplies
    # HINT: forward: append f(values[-1]) for every step
    # HINT: the step k leads from values[k] to values[k + 1]; its derivative is taken where it began
    # HINT: backward: from adjoint 1.0 on, multiply by f_prime(value) over reversed(steps) zipped
    #   with the reversed values but the last; turn the list round at the end
    # SOLUTION
    values = [x]
    for f, _ in steps:
        values.append(f(values[-1]))
    adjoints = [1.0]
    # MUTANT: adjoints = [values[-1]]
    for (_, f_prime), value in zip(reversed(steps), reversed(values[:-1]), strict=True):
        adjoints.append(adjoints[-1] * f_prime(value))
        # MUTANT: adjoints.append(f_prime(value))
        # MUTANT: adjoints.append(adjoints[-1] + f_prime(value))
    # MUTANT: for (_, f_prime), value in zip(reversed(steps), reversed(values[1:])):
    # MUTANT|     adjoints.append(adjoints[-1] * f_prime(value))
    # MUTANT: for (_, f_prime), value in zip(steps, values):
    # MUTANT|     adjoints.append(adjoints[-1] * f_prime(value))
    return values, adjoints[::-1]
    # MUTANT: return values, adjoints
    # END SOLUTION


# TESTS
import math
import os

import numpy as np
import pytest

SEED = int(os.environ.get("ROADMAP_SEED", "0"))


@pytest.fixture
def rng():
    return np.random.default_rng(SEED)


class Counted:
    """A function that knows how often it was called."""

    def __init__(self, f):
        self.f, self.calls = f, 0

    def __call__(self, *x):
        self.calls += 1
        return self.f(*x)


def slope(f, x, h=1e-6):
    """The derivative by differences, as day 1 has it."""
    return (f(x + h) - f(x - h)) / ((x + h) - (x - h))


def test_compose_derivative_of_known_functions(rng):
    for x in rng.uniform(0.5, 2, size=5):
        square = (lambda t: t**2, lambda t: 2 * t)
        assert compose_derivative(math.cos, *square, x) == pytest.approx(math.cos(x * x) * 2 * x)
        assert compose_derivative(lambda t: 1 / t, math.exp, math.exp, x) == pytest.approx(1.0)


def test_compose_derivative_agrees_with_differences(rng):
    for a, b, x in rng.uniform(0.5, 1.5, size=(5, 3)):
        expected = slope(lambda t, a=a, b=b: math.tanh(a * math.sin(b * t)), x)
        found = compose_derivative(
            lambda t: 1 - math.tanh(t) ** 2,
            lambda t, a=a, b=b: a * math.sin(b * t),
            lambda t, a=a, b=b: a * b * math.cos(b * t),
            x,
        )
        assert found == pytest.approx(expected, abs=1e-8)


def test_total_derivative_of_a_product_is_the_product_rule(rng):
    for x in rng.uniform(0.5, 2, size=5):
        found = total_derivative(
            [lambda u, v: v, lambda u, v: u], [math.sin, math.exp], [math.cos, math.exp], x
        )
        assert found == pytest.approx(math.exp(x) * (math.cos(x) + math.sin(x)))


def test_total_derivative_of_three_paths(rng):
    for x in rng.uniform(0.5, 1.5, size=5):
        found = total_derivative(
            [
                lambda u, v, w: v / w,
                lambda u, v, w: u / w,
                lambda u, v, w: -u * v / w**2,
            ],
            [math.log, lambda t: t**3, math.cosh],
            [lambda t: 1 / t, lambda t: 3 * t**2, math.sinh],
            x,
        )
        assert found == pytest.approx(
            slope(lambda t: math.log(t) * t**3 / math.cosh(t), x), abs=1e-7
        )


def test_total_derivative_without_a_path_is_zero():
    assert total_derivative([], [], [], 1.0) == 0.0


ARITHMETIC = {
    "difference": (lambda x: x - x * x, lambda x: 1 - 2 * x),
    "constant minus x": (lambda x: 3 - x, lambda x: -1.0),
    "x minus constant": (lambda x: x - 3, lambda x: 1.0),
    "product": (lambda x: (x + 1) * (x - 2), lambda x: 2 * x - 1),
    "constant factors": (lambda x: 2 * x * 5, lambda x: 10.0),
    "quotient": (lambda x: (x - 1) / (x + 2), lambda x: 3 / (x + 2) ** 2),
    "constant over x": (lambda x: 2 / x, lambda x: -2 / x**2),
    "x over constant": (lambda x: x / 4, lambda x: 0.25),
    "power": (lambda x: x**3, lambda x: 3 * x**2),
    "negative power": (lambda x: (2 * x) ** -2, lambda x: -0.5 / x**3),
    "broken power": (lambda x: (x * x) ** 0.5, lambda x: 1.0),
    "negative": (lambda x: -x * x, lambda x: -2 * x),
    "horner": (lambda x: ((2 * x - 3) * x + 1) * x - 7, lambda x: 6 * x**2 - 6 * x + 1),
}


@pytest.mark.parametrize("name", ARITHMETIC)
def test_dual_arithmetic(name, rng):
    f, f_prime = ARITHMETIC[name]
    for x, speed in rng.uniform(0.5, 3, size=(5, 2)):
        y = f(Dual(x, speed)) * 1.0
        assert y.value == pytest.approx(f(x), rel=1e-13)
        assert y.tangent == pytest.approx(f_prime(x) * speed, rel=1e-12, abs=1e-12)


def test_dual_power_at_zero():
    assert (Dual(0.0, 1.0) ** 0).tangent == 0.0
    assert (Dual(0.0, 1.0) ** 1).tangent == 1.0
    assert (Dual(0.0, 1.0) ** 2).tangent == 0.0


def test_dual_epsilon_squared_is_zero():
    epsilon = Dual(0.0, 1.0)
    square = epsilon * epsilon
    assert (square.value, square.tangent) == (0.0, 0.0)


def test_dual_of_dual_gives_the_second_derivative(rng):
    """The rules use nothing but arithmetic, so the parts may themselves be dual."""
    for x in rng.uniform(0.5, 2, size=5):
        y = Dual(Dual(x, 1.0), Dual(1.0, 0.0))
        cube = y * y * y / (y + 1)
        f = lambda t: (6 * t + 6 * t**2 + 2 * t**3) / (1 + t) ** 3  # noqa: E731
        assert cube.tangent.tangent == pytest.approx(f(x), rel=1e-12)


FUNCTIONS = {
    "sin": (lambda: sin, math.sin, math.cos),
    "exp": (lambda: exp, math.exp, math.exp),
    "log": (lambda: log, math.log, lambda x: 1 / x),
    "tanh": (lambda: tanh, math.tanh, lambda x: 1 / math.cosh(x) ** 2),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_dual_numbers(name, rng):
    f, plain, derivative = FUNCTIONS[name]
    for x, speed in rng.uniform(0.5, 2, size=(5, 2)):
        y = f()(Dual(x, speed))
        assert y.value == plain(x)
        assert y.tangent == pytest.approx(derivative(x) * speed, rel=1e-12)
    assert f()(0.5).tangent == 0.0


def test_dual_numbers_beat_differences(rng):
    """sin(x)/x near zero, where differences lose most of their digits."""
    for x in rng.uniform(0.01, 0.02, size=5):
        series = -x / 3 + x**3 / 30 - x**5 / 840
        f = lambda t: sin(50 * t) * exp(-t) / log(2 + t)  # noqa: E731
        exact = (50 * math.cos(50 * x) - math.sin(50 * x) * (1 + 1 / ((2 + x) * math.log(2 + x)))) \
            * math.exp(-x) / math.log(2 + x)  # fmt: skip
        assert f(Dual(x, 1.0)).tangent == pytest.approx(exact, rel=1e-12)
        assert (sin(Dual(x, 1.0)) / Dual(x, 1.0)).tangent == pytest.approx(series, rel=1e-9)


def rosenbrock(x, y):
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2


def test_directional_of_rosenbrocks_valley(rng):
    for x, y, a, b in rng.uniform(-2, 2, size=(5, 4)):
        f = Counted(rosenbrock)
        value, derivative = directional(f, [x, y], [a, b])
        gradient = (-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x))
        assert value == pytest.approx(rosenbrock(x, y))
        assert derivative == pytest.approx(gradient[0] * a + gradient[1] * b, rel=1e-11, abs=1e-9)
        assert f.calls == 1


def test_directional_agrees_with_differences_in_many_variables(rng):
    w, x, v = rng.uniform(0.2, 1, size=(3, 8)).tolist()

    def model(*inputs):
        total = 0.0
        for weight, value in zip(w, inputs, strict=True):
            total = tanh(total + weight * sin(value) + log(value) / 3)
        return total * exp(-total)

    def along(t):
        return model(*(a + t * b for a, b in zip(x, v, strict=True))).value

    _, derivative = directional(model, x, v)
    assert derivative == pytest.approx(slope(along, 0.0), abs=1e-8)


def test_directional_of_a_constant_is_zero():
    assert directional(lambda x, y: 3.0, [1.0, 2.0], [1.0, 1.0]) == (3.0, 0.0)


STEPS = [
    (lambda x: x * x + 0.5, lambda x: 2 * x),
    (math.sin, math.cos),
    (math.exp, math.exp),
    (math.log1p, lambda x: 1 / (1 + x)),
    (math.tanh, lambda x: 1 - math.tanh(x) ** 2),
]


def test_reverse_chain_keeps_the_values(rng):
    x = float(rng.uniform(0.2, 1))
    values, _ = reverse_chain(STEPS, x)
    expected = [x]
    for f, _ in STEPS:
        expected.append(f(expected[-1]))
    assert values == expected


def test_reverse_chain_gives_every_adjoint(rng):
    for x in rng.uniform(0.2, 1, size=5):
        values, adjoints = reverse_chain(STEPS, float(x))
        assert len(adjoints) == len(values)
        for k, (value, adjoint) in enumerate(zip(values, adjoints, strict=True)):

            def rest(t, k=k):
                for f, _ in STEPS[k:]:
                    t = f(t)
                return t

            assert adjoint == pytest.approx(slope(rest, value), abs=1e-8), f"adjoint {k}"


def test_reverse_chain_calls_each_function_once(rng):
    steps = [(Counted(f), Counted(f_prime)) for f, f_prime in STEPS]
    reverse_chain(steps, float(rng.uniform(0.2, 1)))
    assert [(f.calls, f_prime.calls) for f, f_prime in steps] == [(1, 1)] * len(steps)


def test_reverse_chain_of_nothing_and_of_very_much(rng):
    assert reverse_chain([], 2.0) == ([2.0], [1.0])
    factor = 1 + 1e-5
    _, adjoints = reverse_chain([(lambda x: factor * x, lambda x: factor)] * 100_000, 1.0)
    assert adjoints[0] == pytest.approx(math.exp(100_000 * math.log1p(1e-5)), rel=1e-9)


if __name__ == "__main__":

    def wave(x):
        return sin(50 * x) * exp(-x)

    x = 1.0
    exact = (50 * math.cos(50 * x) - math.sin(50 * x)) * math.exp(-x)
    print(f"d/dx sin(50 x) exp(-x) at x = 1, exactly {exact:.15f}\n")
    _, derivative = directional(wave, [x], [1.0])
    print(f"dual numbers      {derivative:.15f}  error {abs(derivative - exact):.0e}")
    for h in (1e-3, 1e-5, 1e-7):
        difference = (wave(x + h).value - wave(x - h).value) / (2 * h)
        print(f"central, h={h:.0e}  {difference:.15f}  error {abs(difference - exact):.0e}")
    print("\nbackwards through x -> x²+½ -> sin -> exp -> log1p -> tanh, from x = 0.7")
    for k, pair in enumerate(zip(*reverse_chain(STEPS, 0.7), strict=True)):
        print(f"x{k} = {pair[0]:.6f}   d result / d x{k} = {pair[1]:.6f}")
