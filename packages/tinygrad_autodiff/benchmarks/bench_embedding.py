"""The gradient of an embedding: 8192 indices into a table of 5000 rows of 256, and a row of it.

Once with indices drawn evenly, once as words are distributed (Zipf's law with exponent 1.3).
"""

from __future__ import annotations

import json

import measure
import numpy as np
import tinygrad_autodiff as tg

ROWS, WIDTH, COUNT = 5000, 256, 8192
RANDOM = np.random.default_rng(0)
TABLE = RANDOM.standard_normal((ROWS, WIDTH), dtype=np.float32)
CASES = {
    "evenly drawn": RANDOM.integers(0, ROWS, COUNT),
    "Zipf": np.minimum(RANDOM.zipf(1.3, COUNT) - 1, ROWS - 1),
}
GRADIENT = RANDOM.standard_normal((COUNT, WIDTH), dtype=np.float32)


def torch_like(library, leaf, index):
    table = leaf(TABLE)
    table.requires_grad_()
    out = library.nn.functional.embedding(leaf(index), table)
    gradient = leaf(GRADIENT)

    def step():
        table.grad = None
        out.backward(gradient, retain_graph=True)
        return np.asarray(table.grad)

    return step


def add_at(index):
    def step():
        out = np.zeros((ROWS, WIDTH), np.float32)
        np.add.at(out, index, GRADIENT)
        return out

    return step


def autograd_step(index):
    import autograd
    import autograd.numpy as anp

    gradient = autograd.grad(lambda table: anp.sum(table[index] * GRADIENT))
    return lambda: gradient(TABLE)


def mygrad_step(index):
    import mygrad

    table = mygrad.tensor(TABLE)

    def step():
        table.null_grad()
        table[index].backward(GRADIENT)
        return table.grad

    return step


def main() -> None:
    print(json.dumps(measure.machine()))
    for case, index in CASES.items():
        steps = {
            "tinygrad_autodiff": torch_like(tg, tg.tensor, index),
            "numpy add.at": add_at(index),
        }
        if measure.available("torch"):
            import torch

            torch.set_num_threads(measure.THREADS)
            steps["torch"] = torch_like(torch, torch.tensor, index)
        if measure.available("autograd"):
            steps["autograd"] = autograd_step(index)
        if measure.available("mygrad"):
            steps["mygrad"] = mygrad_step(index)
        if measure.available("borch"):
            import borch

            steps["pyborch"] = torch_like(borch, borch.tensor, index)
        for name, step in steps.items():
            np.testing.assert_allclose(
                step(), steps["numpy add.at"](), rtol=1e-4, atol=1e-3, err_msg=name
            )
        measure.compare(f"gradient of an embedding, 8192 x 256 of 5000, {case}", steps, 9)


if __name__ == "__main__":
    main()
