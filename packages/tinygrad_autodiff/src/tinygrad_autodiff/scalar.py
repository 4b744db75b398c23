"""A whole automatic differentiator for single numbers, short enough to read in one sitting.

A `Value` is a number that remembers which operation made it, and from what. `OPERATIONS` says
all there is to know of an operation: its value, and per argument a rule, which turns the gradient
g of the result into the gradient of that argument by the chain rule. `Value.backward` walks from
a result back to its inputs and applies the rules.

The rules are written with operators and functions that take floats and Values alike. Given
floats they compute derivatives; given Values they compute derivatives that remember in their turn
how they were made, and so can be differentiated again.
Source: Griewank & Walther, *Evaluating Derivatives* (2nd ed., SIAM 2008), chapter 3.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from numbers import Real
from typing import Any, NamedTuple

from .errors import ArgumentError, ArgumentTypeError


class Operation(NamedTuple):
    """An operation's value on floats, and for each argument its rule ``(g, out, *arguments)``."""

    value: Callable[..., Any]
    rules: tuple[Callable[..., Any], ...]


def apply(name: str, *args: Any) -> Any:
    """The operation `name`: a Value if one of `args` is a Value, otherwise a float.

    Raises:
        ArgumentError: The operation has no real, finite value there, as log(-1) or exp(1000).
        ZeroDivisionError: As Python's floats do.
    """
    numbers = [float(arg) for arg in args]
    try:
        result = OPERATIONS[name].value(*numbers)
    except (ValueError, OverflowError) as error:
        raise ArgumentError(f"{name} of {', '.join(map(str, numbers))}: {error}") from error
    if isinstance(result, complex):
        raise ArgumentError(f"{name} of {numbers[0]}, {numbers[1]}: the result is not real")
    if not any(isinstance(arg, Value) for arg in args):
        return result
    made = Value(result)
    made.op = name
    made.args = tuple(arg if isinstance(arg, Value) else float(arg) for arg in args)
    return made


def _function(name: str, text: str) -> Callable[[Any], Any]:
    def function(x: Any) -> Any:
        return apply(name, x)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = text
    return function


exp = _function("exp", "eˣ; its slope is eˣ.")
log = _function("log", "The natural logarithm of x > 0; its slope is 1/x.")
sin = _function("sin", "The sine; its slope is the cosine.")
cos = _function("cos", "The cosine; its slope is minus the sine.")
tanh = _function("tanh", "(eˣ - e⁻ˣ)/(eˣ + e⁻ˣ); its slope is 1 - tanh²(x).")
sigmoid = _function("sigmoid", "1/(1 + e⁻ˣ); its slope is σ(x)·(1 - σ(x)).")
relu = _function("relu", "max(x, 0); its slope is 1 where x > 0, else 0.")


def _stable_sigmoid(x: float) -> float:
    return 0.5 * (1 + math.tanh(x / 2))  # 1 / (1 + exp(-x)), which would overflow


def _rule_of_base(g: Any, out: Any, base: Any, exponent: Any) -> Any:
    return g * 0.0 if base == 0 == exponent else g * exponent * base ** (exponent - 1)


def _rule_of_exponent(g: Any, out: Any, base: Any, exponent: Any) -> Any:
    return g * 0.0 if base == 0 else g * out * log(base)


OPERATIONS: dict[str, Operation] = {
    "+": Operation(operator.add, (lambda g, out, a, b: g, lambda g, out, a, b: g)),
    "-": Operation(operator.sub, (lambda g, out, a, b: g, lambda g, out, a, b: -g)),
    "*": Operation(operator.mul, (lambda g, out, a, b: g * b, lambda g, out, a, b: g * a)),
    "/": Operation(
        operator.truediv, (lambda g, out, a, b: g / b, lambda g, out, a, b: -g * out / b)
    ),
    "**": Operation(operator.pow, (_rule_of_base, _rule_of_exponent)),
    "neg": Operation(operator.neg, (lambda g, out, a: -g,)),
    "abs": Operation(abs, (lambda g, out, a: g * ((a > 0) - (a < 0)),)),
    "exp": Operation(math.exp, (lambda g, out, a: g * out,)),
    "log": Operation(math.log, (lambda g, out, a: g / a,)),
    "sin": Operation(math.sin, (lambda g, out, a: g * cos(a),)),
    "cos": Operation(math.cos, (lambda g, out, a: -g * sin(a),)),
    "tanh": Operation(math.tanh, (lambda g, out, a: g * (1 - out * out),)),
    "sigmoid": Operation(_stable_sigmoid, (lambda g, out, a: g * out * (1 - out),)),
    "relu": Operation(lambda a: max(a, 0.0), (lambda g, out, a: g * (a > 0),)),
}


def _operators(name: str) -> tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]:
    """The methods for ``self op other`` and ``other op self``."""

    def forward(self: Value, other: Any) -> Any:
        return apply(name, self, other) if isinstance(other, (Value, Real)) else NotImplemented

    def reflected(self: Value, other: Any) -> Any:
        return apply(name, other, self) if isinstance(other, (Value, Real)) else NotImplemented

    return forward, reflected


def _comparison(compare: Callable[[float, float], bool]) -> Callable[[Any, Any], Any]:
    def method(self: Value, other: Any) -> Any:
        known = isinstance(other, (Value, Real))
        return compare(self.data, float(other)) if known else NotImplemented

    return method


class Value:
    """A number with a history.

    Args:
        data: The number; kept as a float.
        label: Its name in drawings.

    Attributes:
        data: The number. Assign to it only where `op` is empty.
        grad: The sum of the gradients that `backward` brought here, itself a Value, or None.
        op: The operation that made it; empty for an input.
        args: The arguments of that operation: Values, and floats for constants.

    Raises:
        ArgumentTypeError: `data` is not a real number.
    """

    __slots__ = ("args", "data", "grad", "label", "op")
    __array_ufunc__ = None  # a NumPy number on the left leaves the operation to us

    def __init__(self, data: Any, label: str = "") -> None:
        if not isinstance(data, Real):
            raise ArgumentTypeError(f"Value: expected a number, got {data!r:.40}")
        self.data = float(data)
        self.grad: Value | None = None
        self.op = ""
        self.args: tuple[Value | float, ...] = ()
        self.label = label

    __add__, __radd__ = _operators("+")
    __sub__, __rsub__ = _operators("-")
    __mul__, __rmul__ = _operators("*")
    __truediv__, __rtruediv__ = _operators("/")
    __pow__, __rpow__ = _operators("**")
    __neg__, __abs__ = _function("neg", "-x"), _function("abs", "|x|")
    exp, log, sin, cos, tanh, sigmoid, relu = exp, log, sin, cos, tanh, sigmoid, relu

    __lt__, __le__ = _comparison(operator.lt), _comparison(operator.le)
    __gt__, __ge__ = _comparison(operator.gt), _comparison(operator.ge)
    __eq__, __ne__ = _comparison(operator.eq), _comparison(operator.ne)
    __hash__ = object.__hash__  # two equal numbers are still two places in a graph

    def __float__(self) -> float:
        return self.data

    def __repr__(self) -> str:
        return f"Value({self.data:.6g})"

    def history(self) -> list[Value]:
        """Self and every Value that it was made from, each one before its arguments."""
        order: list[Value] = []
        seen: set[Value] = set()
        stack = [(self, False)]
        while stack:
            node, finished = stack.pop()
            if finished:
                order.append(node)
            elif node not in seen:
                seen.add(node)
                stack.append((node, True))
                stack.extend((arg, False) for arg in node.args if isinstance(arg, Value))
        return order[::-1]

    def backward(self, create_graph: bool = False) -> None:
        """Add the derivative of self by each Value in its history to that Value's `grad`.

        With `create_graph` the gradients remember how they were made, to be differentiated again.
        """
        for node, gradient in self._gradients(create_graph).items():
            if create_graph:
                node.grad = gradient if node.grad is None else node.grad + gradient
            else:
                node.grad = Value(gradient + (0.0 if node.grad is None else node.grad.data))

    def _gradients(self, create_graph: bool) -> dict[Value, Any]:
        """The derivative of self by each Value in its history, as a float or as a Value."""
        gradients: dict[Value, Any] = {self: Value(1.0) if create_graph else 1.0}
        for node in self.history():
            if not node.op:
                continue
            values = (node, *node.args)
            known = values if create_graph else tuple(float(value) for value in values)
            for arg, rule in zip(node.args, OPERATIONS[node.op].rules, strict=True):
                if isinstance(arg, Value):
                    part = rule(gradients[node], *known)
                    gradients[arg] = gradients[arg] + part if arg in gradients else part
        return gradients
