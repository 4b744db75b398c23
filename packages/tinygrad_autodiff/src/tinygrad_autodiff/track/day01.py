"""
Day 01: Derivatives from differences
====================================
Estimated time: 1-2 hours
Prerequisites: school calculus, Python functions, NumPy arrays

Learning objectives:
- compute a derivative from two values of a function, and say how wrong it is
- tell truncation error from round-off error, and choose the step that balances them
- take the gradient of a function of many variables, and the derivative along one direction
- build a checker that accepts right gradients and rejects wrong ones: the tool that will judge
  everything you build on the next 34 days

Background:
The derivative of `f` at `x` is the slope of the straight line that fits `f` best near `x`:

    f'(x) = lim (f(x + h) - f(x)) / h   for h -> 0

A computer cannot take the limit, but it can take a small `h`. Taylor's theorem says what that
costs. With `f(x + h) = f(x) + h f'(x) + h²/2 f''(x) + …` the **forward difference** is

    (f(x + h) - f(x)) / h = f'(x) + h/2 f''(x) + O(h²)

so its **truncation error** shrinks like `h`. Step to both sides and the even terms cancel. The
**central difference** is

    (f(x + h) - f(x - h)) / (2h) = f'(x) + h²/6 f'''(x) + O(h⁴)

which shrinks like `h²`: halve the step, and a quarter of the error is left.

Why not take `h = 1e-300`, then? Because floating-point numbers have gaps. Every computed value is
rounded, with a relative error up to the unit round-off `u` (2⁻⁵³, about 1.1e-16, in float64). Two
nearly equal values are subtracted, so the digits they share cancel, and what is left of the two
errors, up to `2u|f|`, is divided by the small step. This **round-off error grows like 1/h**. The
total is a valley,

    E(h) = T h^p + R / h

with `T = |f''|/2, R = 2u|f|` for forward (p = 1) and `T = |f'''|/6, R = u|f|` for central (p = 2).
Setting E'(h) = 0 gives the best step. For functions of ordinary size it is about `√u`, 1e-8, for
forward and `∛u`, 5e-6, for central differences: half of the digits survive the first, two thirds
the second. No step gives all of them. That is the reason why this track exists: *automatic*
differentiation, from tomorrow on, has no step at all.

A second, quieter rounding: `x + h` is rounded too. The step that was really taken is `(x + h) - x`
(a subtraction that is exact when h is small), and it is this one that belongs in the denominator.

A function of n variables has a **gradient**, the vector of its n partial derivatives. Differences
need 2n evaluations for it, hopeless for a network with a billion weights. The **derivative along a
direction** v, the number `gradient · v`, needs two, whatever n is:

    (f(x + h v) - f(x - h v)) / (2h)

This makes a cheap and sharp test of a gradient somebody claims: compare along a few random
directions. A wrong gradient is orthogonal to its own error in all of them with probability zero.

To read: Griewank & Walther, *Evaluating Derivatives* (2nd ed., SIAM 2008), chapter 1; Higham,
*Accuracy and Stability of Numerical Algorithms* (2nd ed., SIAM 2002), section 1.14; Baydin,
Pearlmutter, Radul & Siskind, *Automatic Differentiation in Machine Learning: a Survey* (JMLR 18,
2018), section 2. The professional versions: `torch.autograd.gradcheck` (its `fast_mode` compares
along random directions), `jax.test_util.check_grads`, `scipy.optimize.check_grad`.

Hints:
- Draw the function and the chord before you write a formula.
- Try every function on t², t³ and exp: you know their derivatives.
- Run this file (python day01.py) to see the valley of the error.
"""

import numpy as np

UNIT_ROUNDOFF = 2.0**-53
CUBE_ROOT = float(np.finfo(np.float64).eps) ** (1 / 3)  # a good central step where x is about 1


# Exercise 1: the forward difference
def forward_difference(f, x, h):
    """Slope of the chord of `f` between x and x + h.

    Args:
        f: function of one float.
        x: where, a float.
        h: step, a float > 0, large enough that x + h differs from x.

    Returns:
        A float: f'(x) + h/2 f''(x) + O(h²), before rounding.
    """
    # TODO: return the slope of the chord. Divide by the step that was really taken, which after
    #   rounding is not quite h.
    # HINT: a slope is the rise divided by the run
    # HINT: name the point that you step to: moved = x + h. How far is it from x, after rounding?
    # HINT: for f(t) = t the answer must be exactly 1.0, whatever x and h; (f(moved) - f(x)) / h
    #   is not
    # SOLUTION
    moved = x + h
    return (f(moved) - f(x)) / (moved - x)
    # MUTANT: return (f(moved) - f(x)) / h
    # MUTANT: return (f(x) - f(x - h)) / (x - (x - h))
    # MUTANT: return f(moved) - f(x) / (moved - x)
    # END SOLUTION


# Exercise 2: the central difference
def central_difference(f, x, h):
    """Slope of the chord of `f` between x - h and x + h.

    Args:
        f: function of one float.
        x: where, a float.
        h: step to either side, a float > 0.

    Returns:
        A float: f'(x) + h²/6 f'''(x) + O(h⁴), before rounding. Calls f twice.
    """
    # TODO: step to both sides; again divide by the distance after rounding
    # HINT: the value at x itself is not needed
    # HINT: the two points are about 2h apart; compute the distance from the points
    # HINT: for f(t) = t² the answer is 2x for every h, even for a large one: try h = 1
    # SOLUTION
    left, right = x - h, x + h
    # MUTANT: left, right = x, x + h
    return (f(right) - f(left)) / (right - left)
    # MUTANT: return (f(right) - f(left)) / h
    # MUTANT: return (f(right) - f(left)) / (2 * h)
    # END SOLUTION


# Exercise 3: the step that balances both errors
def best_step(order, size, derivative, roundoff=UNIT_ROUNDOFF):
    """The h that makes E(h) = T h^order + R / h smallest.

    Args:
        order: 1 for the forward difference, 2 for the central one.
        size: |f(x)|, > 0.
        derivative: |f''(x)| for order 1, |f'''(x)| for order 2, > 0.
        roundoff: relative error of one computed value of f.

    Returns:
        The best step, a float.
    """
    # TODO: find T and R for this order in the background, set E'(h) = 0, solve for h
    # HINT: E'(h) = order · T · h^(order - 1) - R / h²
    # HINT: multiply E'(h) = 0 by h²: order · T · h^(order + 1) = R
    # HINT: forward: T = derivative / 2, R = 2 · roundoff · size; central: T = derivative / 6,
    #   R = roundoff · size (the same error, divided by a distance of 2h)
    # SOLUTION
    if order == 1:
        truncation, rounding = derivative / 2, 2 * roundoff * size
    else:
        truncation, rounding = derivative / 6, roundoff * size
    # MUTANT: truncation, rounding = derivative / 2, 2 * roundoff * size
    return (rounding / (order * truncation)) ** (1 / (order + 1))
    # MUTANT: return (rounding / truncation) ** (1 / (order + 1))
    # MUTANT: return (rounding / (order * truncation)) ** (1 / 2)
    # MUTANT: return (order * truncation / rounding) ** (1 / (order + 1))
    # END SOLUTION


# Exercise 4: the gradient
def gradient(f, x):
    """All partial derivatives of `f` at `x`, by central differences.

    Args:
        f: function of one float64 array of the shape of x; returns a float.
        x: array of any shape; numbers of any size, integers too. It is left unchanged.

    Returns:
        A float64 array of the shape of x. Calls f twice per element.
    """
    # TODO: move one element at a time, to both sides, by CUBE_ROOT · max(1, |element|); see the
    #   background for why a number like 1e10 needs a larger step than 1
    # HINT: np.ndindex(x.shape) runs over the indices of an array of any shape
    # HINT: move copies: f must see all other elements unmoved, and the caller's x stays as it is
    # HINT: result[i] = (f(right) - f(left)) / (right[i] - left[i]), exercise 2 element by element
    # SOLUTION
    x = np.asarray(x, dtype=np.float64)
    # MUTANT: x = np.asarray(x)
    result = np.empty_like(x)
    for i in np.ndindex(x.shape):
        h = CUBE_ROOT * max(1.0, abs(x[i]))
        # MUTANT: h = CUBE_ROOT
        # MUTANT: h = CUBE_ROOT * abs(x[i])
        left, right = x.copy(), x.copy()
        # MUTANT: left, right = x, x.copy()
        left[i] -= h
        right[i] += h
        result[i] = (f(right) - f(left)) / (right[i] - left[i])
        # MUTANT: result[i] = (f(right) - f(left)) / h
    return result
    # END SOLUTION


# Exercise 5: the derivative along a direction
def directional(f, x, v):
    """Rate of change of `f` when x moves with velocity v, by one central difference.

    Args:
        f: function of one array; returns a float or an array.
        x: float64 array.
        v: float64 array of the shape of x, of any length; it is not normalised: twice the
            velocity gives twice the rate.

    Returns:
        What f returns in shape: a float or an array; zero for v = 0.
    """
    # TODO: move x along v to both sides. Choose h such that the distance moved, h·|v|, is
    #   CUBE_ROOT · max(1, |x|), however long v is.
    # HINT: np.linalg.norm(v) is the length of v; h is a distance divided by it
    # HINT: the denominator is the time that passes between the two points, 2h
    # HINT: v = 0 would divide by zero: nothing moves, so return zeros in the shape of f(x)
    # SOLUTION
    length = np.linalg.norm(v)
    if length == 0:
        return 0.0 * f(x)
    # MUTANT: pass
    h = CUBE_ROOT * max(1.0, np.linalg.norm(x)) / length
    # MUTANT: h = CUBE_ROOT
    # MUTANT: h = CUBE_ROOT * max(1.0, np.linalg.norm(x)) * length
    return (f(x + h * v) - f(x - h * v)) / (2 * h)
    # MUTANT: return (f(x + h * v) - f(x - h * v)) / (2 * h * length)
    # MUTANT: return np.sum(gradient(f, x) * v)
    # END SOLUTION


# Exercise 6: a checker of gradients
def agrees(f, claimed, x, rng, directions=5, rtol=1e-5):
    """Whether `claimed(x)` is the gradient of `f` at `x`, as far as differences can tell.

    Args:
        f: function of one float64 array; returns a float.
        claimed: function of the same array; returns what is said to be the gradient.
        x: float64 array.
        rng: numpy.random.Generator to draw the directions from.
        directions: how many to try.
        rtol: relative error that is allowed.

    Returns:
        bool. A claim of the wrong shape, or with a NaN, is wrong.
    """
    # TODO: draw v from the standard normal distribution; compare sum(g · v) with
    #   directional(f, x, v). Allow an error of rtol · (sum of |g · v| + |the difference|)
    #   + 1e-9 · |f(x)|: the first part is relative, the second is the round-off of the difference.
    # HINT: g = np.asarray(claimed(x)); if g.shape is not x.shape, broadcasting would hide it
    # HINT: every direction must agree; one that does not is a proof
    # HINT: comparisons with NaN are False: ask whether the error is small, not whether it is large
    # SOLUTION
    g = np.asarray(claimed(x))
    if g.shape != x.shape:
        return False
    # MUTANT: pass
    for _ in range(directions):
        v = rng.standard_normal(x.shape)
        # MUTANT: v = np.ones_like(x)
        measured = directional(f, x, v)
        error = abs(np.sum(g * v) - measured)
        # MUTANT: error = np.sum(g * v) - measured
        allowed = rtol * (np.sum(np.abs(g * v)) + abs(measured)) + 1e-9 * abs(f(x))
        # MUTANT: allowed = 1e-6
        # MUTANT: allowed = rtol * abs(measured)
        if not error <= allowed:
            return False
        # MUTANT: if error > allowed:
        # MUTANT|     return False
        # MUTANT: return bool(error <= allowed)
    return True
    # END SOLUTION


# TESTS
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

    def __call__(self, x):
        self.calls += 1
        return self.f(x)


def test_forward_difference_of_a_parabola(rng):
    for x, h in rng.uniform([1, 1e-3], [2, 1e-1], size=(10, 2)):
        assert forward_difference(lambda t: t * t, x, h) == pytest.approx(2 * x + h, abs=1e-11)


def test_forward_difference_divides_by_the_step_taken(rng):
    for x in rng.uniform(1e3, 1e4, size=20):
        assert forward_difference(lambda t: t, x, 1e-10) == 1.0


def test_forward_difference_is_of_first_order(rng):
    for x in rng.uniform(0, 1, size=5):
        error = [forward_difference(np.exp, x, h) - np.exp(x) for h in (2e-3, 1e-3)]
        assert error[0] / error[1] == pytest.approx(2, rel=0.05)


def test_central_difference_is_exact_for_a_parabola(rng):
    for x, h in rng.uniform([1, 0.1], [2, 1], size=(10, 2)):
        assert central_difference(lambda t: t * t, x, h) == pytest.approx(2 * x, abs=1e-12)


def test_central_difference_divides_by_the_step_taken(rng):
    for x in rng.uniform(1e3, 1e4, size=20):
        assert central_difference(lambda t: t, x, 1e-10) == 1.0


def test_central_difference_is_of_second_order(rng):
    for x in rng.uniform(0, 1, size=5):
        f = Counted(np.exp)
        error = [central_difference(f, x, h) - np.exp(x) for h in (2e-2, 1e-2)]
        assert error[0] / error[1] == pytest.approx(4, rel=0.05)
        assert f.calls == 4


@pytest.mark.parametrize("order", [1, 2])
def test_best_step_is_the_bottom_of_the_valley(order, rng):
    for size, derivative in 10 ** rng.uniform(-3, 3, size=(10, 2)):
        for u in (2.0**-53, 2.0**-24):
            truncation = derivative / (2 if order == 1 else 6)
            rounding = (2 if order == 1 else 1) * u * size

            def total(h, truncation=truncation, rounding=rounding):
                return truncation * h**order + rounding / h

            best = best_step(order, size, derivative, u)
            assert total(best) <= total(best * 1.01)
            assert total(best) <= total(best / 1.01)


@pytest.mark.parametrize(("order", "difference"), [(1, "forward"), (2, "central")])
def test_best_step_makes_the_real_error_small(order, difference, rng):
    slope = forward_difference if difference == "forward" else central_difference
    for x in rng.uniform(0.5, 1.0, size=10):
        h = best_step(order, np.exp(x), np.exp(x))
        error = abs(slope(np.exp, x, h) / np.exp(x) - 1)
        assert error < (1e-7 if order == 1 else 1e-9)


def test_gradient_of_a_quadratic_form(rng):
    a = rng.standard_normal((5, 5))
    x = rng.standard_normal(5)
    np.testing.assert_allclose(gradient(lambda t: t @ a @ t, x), (a + a.T) @ x, atol=1e-7)


def test_gradient_has_the_shape_of_x_and_leaves_it_alone(rng):
    x = rng.standard_normal((2, 3))
    before = x.copy()
    np.testing.assert_allclose(gradient(lambda t: np.sum(np.sin(t)), x), np.cos(x), atol=1e-8)
    np.testing.assert_array_equal(x, before)


def test_gradient_of_integers_zeros_and_large_numbers(rng):
    whole = np.array([0, 2, -3])
    np.testing.assert_allclose(gradient(lambda t: np.sum(t**3), whole), [0, 12, 27], atol=1e-7)
    large = rng.uniform(1e9, 1e10, size=3)
    np.testing.assert_allclose(gradient(lambda t: np.sum(t**2), large), 2 * large, rtol=1e-6)


def test_directional_agrees_with_the_gradient(rng):
    a, x, v = rng.standard_normal((3, 20))
    f = Counted(lambda t: np.sum(a * np.sin(t)))
    assert directional(f, x, v) == pytest.approx(np.sum(a * np.cos(x) * v), abs=1e-7)
    assert f.calls == 2


def test_directional_of_a_vector_function(rng):
    a, x, v = rng.standard_normal((4, 6)), rng.standard_normal(6), rng.standard_normal(6)
    np.testing.assert_allclose(directional(lambda t: np.tanh(a @ t), x, v),
                               (1 - np.tanh(a @ x) ** 2) * (a @ v), atol=1e-7)  # fmt: skip


@pytest.mark.parametrize("length", [1e-6, 1e6])
def test_directional_is_proportional_to_the_velocity(length, rng):
    x, v = rng.standard_normal((2, 5))

    def f(t):
        return np.sum(np.exp(np.sin(t)))

    expected = length * np.sum(np.exp(np.sin(x)) * np.cos(x) * v)
    assert directional(f, x, length * v) == pytest.approx(expected, rel=1e-5, abs=1e-7 * length)


def test_directional_at_rest_is_zero(rng):
    x = rng.standard_normal(3)
    np.testing.assert_array_equal(directional(np.sin, x, np.zeros(3)), np.zeros(3))


FUNCTIONS = {
    "cubic": (lambda x: np.sum(x**3), lambda x: 3 * x**2),
    "softplus": (lambda x: np.sum(np.log1p(np.exp(x))), lambda x: 1 / (1 + np.exp(-x))),
    "norm": (lambda x: np.linalg.norm(x), lambda x: x / np.linalg.norm(x)),
    "shifted": (lambda x: 1e8 + np.sum(np.cos(x)), lambda x: -np.sin(x)),
    "constant": (lambda x: 3.0 + 0.0 * np.sum(x), lambda x: np.zeros_like(x)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_agrees_accepts_right_gradients(name, scale, rng):
    f, g = FUNCTIONS[name]
    x = rng.uniform(0.5, 2.0, size=6)
    assert agrees(lambda t: scale * f(t), lambda t: scale * g(t), x, rng) is True


@pytest.mark.parametrize("name", ["cubic", "softplus", "norm"])
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_agrees_rejects_wrong_gradients(name, scale, rng):
    f, g = FUNCTIONS[name]
    x = rng.uniform(0.5, 2.0, size=6)
    one = np.zeros(6)
    one[rng.integers(6)] = 1.0
    swap = np.array([1.0, -1.0, 0, 0, 0, 0])
    wrong = {
        "sign": lambda t: -g(t),
        "one percent": lambda t: 1.01 * g(t),
        "one element missing": lambda t: g(t) * (1 - one),
        "errors that cancel in the sum": lambda t: g(t) + 0.1 * swap,
        "zero": lambda t: 0 * g(t),
    }
    for mistake, claimed in wrong.items():
        for sign in (1, -1):
            verdict = agrees(
                lambda t, s=sign: s * scale * f(t),
                lambda t, s=sign, c=claimed: s * scale * c(t),
                x,
                rng,
            )
            assert verdict is False, f"accepted: {mistake}"


class Axes:
    """In the place of a generator: its directions are the axes, one after the other."""

    def __init__(self):
        self.drawn = 0

    def standard_normal(self, shape):
        self.drawn += 1
        return np.eye(*shape, *shape)[(self.drawn - 1) % 3]


@pytest.mark.parametrize("error", [0.5, -0.5])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_agrees_needs_every_direction(axis, error, rng):
    x = rng.standard_normal(3)

    def claimed(t):
        return np.cos(t) + error * np.eye(3)[axis]

    assert agrees(lambda t: np.sum(np.sin(t)), claimed, x, Axes(), directions=3) is False


def test_agrees_rejects_wrong_shapes_and_nan(rng):
    x = rng.standard_normal(4)
    assert agrees(np.sum, lambda t: np.float64(1.0), x, rng) is False
    assert agrees(np.sum, lambda t: np.full(4, np.nan), x, rng) is False
    assert agrees(np.sum, lambda t: np.ones(4), x, rng) is True


if __name__ == "__main__":
    print("error of d/dx sin(x) at x = 1, by step\n")
    print(f"{'h':>8}  {'forward':>9}  {'central':>9}")
    for exponent in range(1, 16):
        h = 10.0**-exponent
        errors = [abs(d(np.sin, 1.0, h) - np.cos(1.0))
                  for d in (forward_difference, central_difference)]  # fmt: skip
        print(f"{h:8.0e}  {errors[0]:9.1e}  {errors[1]:9.1e}")
    print(f"\nbest forward step {best_step(1, np.sin(1.0), np.sin(1.0)):.1e}")
    print(f"best central step {best_step(2, np.sin(1.0), np.cos(1.0)):.1e}")
