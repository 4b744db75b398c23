"""A multi-layer perceptron made of single numbers: neurons, layers of them, layers in a row."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from .errors import ArgumentError
from .scalar import Value, tanh

Activation = Callable[[Any], Any]


class Neuron:
    """``activation(w₁x₁ + … + wₙxₙ + b)``; weights from ``rng`` in ±1/√n, bias 0."""

    def __init__(self, inputs: int, activation: Activation | None, rng: random.Random) -> None:
        if inputs < 1:
            raise ArgumentError(f"Neuron: expected at least one input, got {inputs}")
        self.weights = [Value(rng.uniform(-1, 1) / inputs**0.5) for _ in range(inputs)]
        self.bias = Value(0.0)
        self.activation = activation

    def __call__(self, inputs: Sequence[Any]) -> Value:
        """The neuron's output for its inputs, Values or floats."""
        if len(inputs) != len(self.weights):
            raise ArgumentError(f"Neuron: expected {len(self.weights)} inputs, got {len(inputs)}")
        total = sum((w * x for w, x in zip(self.weights, inputs, strict=True)), self.bias)
        return total if self.activation is None else self.activation(total)


class Layer:
    """`outputs` neurons that all see the same `inputs` numbers."""

    def __init__(
        self, inputs: int, outputs: int, activation: Activation | None, rng: random.Random
    ) -> None:
        self.neurons = [Neuron(inputs, activation, rng) for _ in range(outputs)]

    def __call__(self, inputs: Sequence[Any]) -> list[Value]:
        """The output of each neuron."""
        return [neuron(inputs) for neuron in self.neurons]


class MLP:
    """Layers of the `sizes` inputs, hidden …, outputs; `activation` behind all but the last."""

    def __init__(self, sizes: Sequence[int], activation: Activation = tanh, seed: int = 0) -> None:
        if len(sizes) < 2:
            raise ArgumentError(f"MLP: expected sizes of inputs and layers, got {list(sizes)}")
        rng = random.Random(seed)
        *hidden, last = pairwise(sizes)
        self.layers = [Layer(n, m, activation, rng) for n, m in hidden]
        self.layers.append(Layer(*last, None, rng))

    def __call__(self, inputs: Sequence[Any]) -> list[Value]:
        """The output of the last layer, one Value per neuron."""
        for layer in self.layers:
            inputs = layer(inputs)
        return list(inputs)

    def parameters(self) -> list[Value]:
        """All weights and biases."""
        neurons = [neuron for layer in self.layers for neuron in layer.neurons]
        return [value for neuron in neurons for value in (*neuron.weights, neuron.bias)]
