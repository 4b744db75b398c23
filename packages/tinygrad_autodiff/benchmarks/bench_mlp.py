"""One training step of an MLP 784-512-512-10: batch 128, float32, cross-entropy, SGD.

Every library starts from the same weights; the losses after the first steps are compared before
anything is timed.
"""

from __future__ import annotations

import json
from itertools import pairwise

import measure
import numpy as np
import tinygrad_autodiff as tg

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((128, 784), dtype=np.float32)
Y = RANDOM.integers(0, 10, 128)
SIZES = (784, 512, 512, 10)
WEIGHTS = [
    RANDOM.standard_normal((n, m), dtype=np.float32) * np.float32(np.sqrt(2 / m))
    for m, n in pairwise(SIZES)
]
RATE = 0.01


def torch_like(library, leaf):
    """The step in the library's own words; returns the loss as a number."""
    nn = library.nn
    model = nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    )
    for layer, weight in zip([model[0], model[2], model[4]], WEIGHTS, strict=True):
        with library.no_grad():
            layer.weight.copy_(leaf(weight))
            layer.bias.copy_(leaf(np.zeros(len(weight), np.float32)))
    optimizer = library.optim.SGD(model.parameters(), lr=RATE)
    x, y = leaf(X), leaf(Y)

    def step() -> float:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def by_hand():
    """The same arithmetic with every buffer allocated before."""
    w = [weight.T.copy() for weight in WEIGHTS]
    b = [np.zeros(weight.shape[1], np.float32) for weight in w]
    n, rows, rate = len(X), np.arange(len(X)), np.float32(RATE)
    a = [np.empty((n, 512), np.float32) for _ in range(2)]
    z = np.empty((n, 10), np.float32)
    g = [np.empty((n, 512), np.float32) for _ in range(2)]
    gw, gb = [np.empty_like(v) for v in w], [np.empty_like(v) for v in b]

    def step() -> float:
        np.matmul(X, w[0], out=a[0])
        a[0] += b[0]
        np.maximum(a[0], 0, out=a[0])
        np.matmul(a[0], w[1], out=a[1])
        a[1] += b[1]
        np.maximum(a[1], 0, out=a[1])
        np.matmul(a[1], w[2], out=z)
        np.add(z, b[2], out=z)
        np.subtract(z, z.max(1, keepdims=True), out=z)
        picked = z[rows, Y]
        np.exp(z, out=z)
        total = z.sum(1, keepdims=True)
        np.divide(z, total, out=z)
        loss = float(-(picked - np.log(total[:, 0])).mean())
        z[rows, Y] -= 1
        np.multiply(z, np.float32(1 / n), out=z)
        np.matmul(a[1].T, z, out=gw[2])
        z.sum(0, out=gb[2])
        np.matmul(z, w[2].T, out=g[1])
        g[1] *= a[1] > 0
        np.matmul(a[0].T, g[1], out=gw[1])
        g[1].sum(0, out=gb[1])
        np.matmul(g[1], w[1].T, out=g[0])
        g[0] *= a[0] > 0
        np.matmul(X.T, g[0], out=gw[0])
        g[0].sum(0, out=gb[0])
        for value, grad in zip((*w, *b), (*gw, *gb), strict=True):
            grad *= rate
            value -= grad
        return loss

    return step


def autograd_step():
    import autograd
    import autograd.numpy as anp

    params = [[w.T.copy(), np.zeros(len(w), np.float32)] for w in WEIGHTS]
    one_hot = np.eye(10, dtype=np.float32)[Y]

    def loss(params):
        h = X
        for i, (w, b) in enumerate(params):
            h = anp.dot(h, w) + b
            h = anp.maximum(h, 0) if i < 2 else h
        h = h - anp.max(h, axis=1, keepdims=True)
        log_p = h - anp.log(anp.sum(anp.exp(h), axis=1, keepdims=True))
        return -anp.mean(anp.sum(one_hot * log_p, axis=1))

    value_and_grad = autograd.value_and_grad(loss)

    def step() -> float:
        value, grads = value_and_grad(params)
        for pair, grad in zip(params, grads, strict=True):
            for p, g in zip(pair, grad, strict=True):
                p -= np.float32(RATE) * g
        return float(value)

    return step


def mygrad_step():
    import mygrad as mg
    from mygrad.nnet.losses import softmax_crossentropy

    params = [(mg.tensor(w.T), mg.tensor(np.zeros(len(w), np.float32))) for w in WEIGHTS]

    def step() -> float:
        h = X
        for i, (w, b) in enumerate(params):
            h = mg.matmul(h, w) + b
            h = mg.maximum(h, 0) if i < 2 else h
        loss = softmax_crossentropy(h, Y)
        loss.backward()
        for pair in params:
            for p in pair:
                p.data -= np.float32(RATE) * p.grad
                p.null_grad()
        return float(loss.item())

    return step


def tinygrad_step():
    """Compiled whole at the second step."""
    from tinygrad import Context, Tensor, TinyJit
    from tinygrad.nn.optim import SGD

    weights = [Tensor(w) for w in WEIGHTS]
    biases = [Tensor(np.zeros(len(w), np.float32)) for w in WEIGHTS]
    optimizer = SGD([*weights, *biases], lr=RATE)
    x, y = Tensor(X), Tensor(Y.astype(np.int32))

    @TinyJit
    def compiled():
        with Context(TRAINING=1):
            optimizer.zero_grad()
            h = x
            for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
                h = h @ w.T + b
                h = h.relu() if i < 2 else h
            loss = h.sparse_categorical_crossentropy(y).backward()
            return loss.realize(*optimizer.schedule_step())

    return lambda: float(compiled().item())


def main() -> None:
    print(json.dumps(measure.machine()))
    steps = {"tinygrad_autodiff": torch_like(tg, tg.tensor), "numpy by hand": by_hand()}
    if measure.available("torch"):
        import torch

        torch.set_num_threads(measure.THREADS)
        steps["torch"] = torch_like(torch, torch.tensor)
    if measure.available("borch"):
        import borch

        steps["pyborch"] = torch_like(borch, borch.tensor)
    if measure.available("autograd"):
        steps["autograd"] = autograd_step()
    if measure.available("mygrad"):
        steps["mygrad"] = mygrad_step()
    if measure.available("tinygrad"):
        steps["tinygrad"] = tinygrad_step()
    losses = {name: [step() for _ in range(5)] for name, step in steps.items()}
    for name, values in losses.items():
        np.testing.assert_allclose(values, losses["numpy by hand"], rtol=1e-4, err_msg=name)
    measure.compare("MLP 784-512-512-10, batch 128, SGD step", steps, seconds=0.15)


if __name__ == "__main__":
    main()
