"""An LSTM over 64 steps, batch 32, 256 inputs and 256 units: forward and backward, float32."""

from __future__ import annotations

import json

import measure
import numpy as np
import tinygrad_autodiff as tg

STEPS, BATCH, SIZE = 64, 32, 256
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((STEPS, BATCH, SIZE), dtype=np.float32)
_SHAPES = ((4 * SIZE, SIZE), (4 * SIZE, SIZE), (4 * SIZE,), (4 * SIZE,))
WEIGHTS = [RANDOM.uniform(-1 / 16, 1 / 16, shape).astype(np.float32) for shape in _SHAPES]


def torch_like(library, leaf, cells=False):
    """The library's layer, or its cell step by step; the loss is the mean square of the states."""
    layer = library.nn.LSTM(SIZE, SIZE)
    with library.no_grad():
        for parameter, value in zip(layer.parameters(), WEIGHTS, strict=True):
            parameter.copy_(leaf(value))
    x = leaf(X)
    cell = library.nn.LSTMCell(SIZE, SIZE)
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        setattr(cell, name, getattr(layer, f"{name}_l0"))

    def run():
        if not cells:
            return layer(x)[0]
        states = None
        outputs = []
        for t in range(STEPS):
            states = cell(x[t], states)
            outputs.append(states[0])
        return library.stack(outputs)

    def step() -> float:
        for parameter in layer.parameters():
            parameter.grad = None
        loss = (run() ** 2).mean()
        loss.backward()
        return float(loss.item())

    return step


def autograd_step():
    import autograd
    import autograd.numpy as anp

    def loss(params):
        w, u, b, d = params
        hidden = cell = np.zeros((BATCH, SIZE), np.float32)
        total = 0.0
        for t in range(STEPS):
            scores = anp.dot(X[t], w.T) + anp.dot(hidden, u.T) + (b + d)
            i, f, g, o = (scores[:, k * SIZE : (k + 1) * SIZE] for k in range(4))
            cell = cell / (1 + anp.exp(-f)) + anp.tanh(g) / (1 + anp.exp(-i))
            hidden = anp.tanh(cell) / (1 + anp.exp(-o))
            total = total + anp.sum(hidden**2)
        return total / X.size

    value_and_grad = autograd.value_and_grad(loss)
    return lambda: float(value_and_grad(WEIGHTS)[0])


def main() -> None:
    print(json.dumps(measure.machine()))
    steps = {
        "tinygrad_autodiff": torch_like(tg, tg.tensor),
        "tinygrad_autodiff cells": torch_like(tg, tg.tensor, cells=True),
    }
    if measure.available("torch"):
        import torch

        torch.set_num_threads(measure.THREADS)
        steps["torch"] = torch_like(torch, torch.tensor)
        steps["torch cells"] = torch_like(torch, torch.tensor, cells=True)
    if measure.available("borch"):
        import borch

        steps["pyborch"] = torch_like(borch, borch.tensor)
    if measure.available("autograd"):
        steps["autograd"] = autograd_step()
    losses = {name: step() for name, step in steps.items()}
    for name, value in losses.items():
        np.testing.assert_allclose(value, losses["tinygrad_autodiff"], rtol=1e-4, err_msg=name)
    measure.compare("LSTM 64 steps, batch 32, 256 units, forward and backward", steps, 7, 0.3)


if __name__ == "__main__":
    main()
