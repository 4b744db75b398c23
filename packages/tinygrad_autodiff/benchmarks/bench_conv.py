"""A 3 x 3 convolution of 32 images of 32 x 28 x 28 to 64 channels: forward and backward, float32.

Gradients of the images, the weight and the bias, for a given gradient of the result. Every
library's results are compared before anything is timed. A second case pools maxima of 2 x 2.
"""

from __future__ import annotations

import json

import measure
import numpy as np
import tinygrad_autodiff as tg

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((32, 32, 28, 28), dtype=np.float32)
W = RANDOM.standard_normal((64, 32, 3, 3), dtype=np.float32) / np.float32(17)
B = RANDOM.standard_normal(64, dtype=np.float32)
G = RANDOM.standard_normal((32, 64, 28, 28), dtype=np.float32)
POOLED = RANDOM.standard_normal((32, 32, 14, 14), dtype=np.float32)


def torch_like(library):
    """Forward and backward in the library's own words; returns result and gradients."""
    x, w, b = (library.tensor(v, requires_grad=True) for v in (X, W, B))
    g = library.tensor(G)

    def step():
        x.grad = w.grad = b.grad = None
        y = library.nn.functional.conv2d(x, w, b, padding=1)
        y.backward(g)
        return y.detach(), x.grad, w.grad, b.grad

    return step


def torch_like_pool(library):
    x, g = library.tensor(X, requires_grad=True), library.tensor(POOLED)

    def step():
        x.grad = None
        y = library.nn.functional.max_pool2d(x, 2)
        y.backward(g)
        return y.detach(), x.grad

    return step


def by_hand():
    """Columns of the whole batch (im2col) and products of matrices, every buffer made before."""
    columns = np.zeros((32, 32, 3, 3, 28, 28), np.float32)
    back = np.empty_like(columns)
    flat, flat_back = (v.reshape(32, 288, 784) for v in (columns, back))
    weight, y, gx = W.reshape(64, 288), np.empty((32, 64, 784), np.float32), np.empty_like(X)
    each, g = np.empty((32, 64, 288), np.float32), G.reshape(32, 64, 784)
    places = []
    for i in range(3):
        for j in range(3):
            rows = (
                slice(max(1 - i, 0), 28 - max(i - 1, 0)),
                slice(max(1 - j, 0), 28 - max(j - 1, 0)),
            )
            seen = tuple(
                slice(r.start + k - 1, r.stop + k - 1) for r, k in zip(rows, (i, j), strict=True)
            )
            places.append(((..., i, j, *rows), (..., *seen)))

    def step():
        for place, seen in places:
            columns[place] = X[seen]
        np.matmul(weight, flat, out=y)
        np.add(y, B[:, None], out=y)
        np.matmul(weight.T, g, out=flat_back)
        gx[...] = 0
        for place, seen in places:
            gx[seen] += back[place]
        np.matmul(g, flat.transpose(0, 2, 1), out=each)
        gw = each.sum(0).reshape(W.shape)
        return y.reshape(G.shape), gx, gw, g.sum(2).sum(0)

    return step


def mygrad_step():
    import mygrad as mg
    from mygrad.nnet.layers import conv_nd

    x, w, b = mg.tensor(X), mg.tensor(W), mg.tensor(B.reshape(1, 64, 1, 1))

    def step():
        y = conv_nd(x, w, stride=1, padding=1) + b
        y.backward(G)
        grads = x.grad, w.grad, b.grad.reshape(64)
        for v in (x, w, b):
            v.null_grad()
        return y.data, *grads

    return step


def autograd_step():
    """HIPS autograd has a convolution through scipy.signal; it flips the kernel."""
    import autograd
    import autograd.numpy as anp
    from autograd.scipy.signal import convolve

    kept = []

    def loss(x, w, b):
        padded = anp.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), "constant")
        y = convolve(
            padded, w[:, :, ::-1, ::-1], axes=([2, 3], [2, 3]), dot_axes=([1], [1]), mode="valid"
        )
        y = y + anp.reshape(b, (1, 64, 1, 1))
        kept[:] = [getattr(y, "_value", y)]
        return anp.sum(y * G)

    gradient = autograd.grad(loss, (0, 1, 2))
    return lambda: (gradient(X, W, B), kept[0])[::-1]


def tinygrad_step():
    """Compiled whole at the second step."""
    from tinygrad import Tensor, TinyJit

    x, w, b, g = (Tensor(v).realize() for v in (X, W, B, G))

    @TinyJit
    def compiled():
        y = x.conv2d(w, b, padding=1)
        found = (y, *y.gradient(x, w, b, gradient=g))
        Tensor.realize(*found)
        return found

    return lambda: tuple(v.numpy() for v in compiled())


def flat(results) -> list[np.ndarray]:
    first, *rest = results
    rest = rest[0] if len(rest) == 1 and isinstance(rest[0], tuple) else rest
    return [np.asarray(v) for v in (first, *rest)]


def compare(case: str, steps) -> None:
    reference = flat(next(iter(steps.values()))())
    for name, step in steps.items():
        for found, wanted in zip(flat(step()), reference, strict=True):
            scale = np.abs(wanted).max()
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4 * scale, err_msg=name)
    measure.compare(case, steps, seconds=0.3)


def main() -> None:
    print(json.dumps(measure.machine()))
    libraries = {"tinygrad_autodiff": tg}
    if measure.available("torch"):
        import torch

        torch.set_num_threads(measure.THREADS)
        libraries["torch"] = torch
    if measure.available("borch"):
        import borch

        libraries["pyborch"] = borch
    steps = {name: torch_like(library) for name, library in libraries.items()}
    steps["numpy by hand"] = by_hand()
    if measure.available("mygrad"):
        steps["mygrad"] = mygrad_step()
    if measure.available("tinygrad"):
        steps["tinygrad"] = tinygrad_step()
    compare("convolution 3 x 3, 32 x 32 x 28 x 28 to 64 channels, forward + backward", steps)
    if measure.available("autograd") and measure.available("scipy"):
        step = autograd_step()  # seconds a step: once is enough
        start = measure.now()
        step()
        print(f"  autograd             {(measure.now() - start) * 1e6:12.2f} µs (one step)")
    steps = {name: torch_like_pool(library) for name, library in libraries.items()}
    compare("maxima of 2 x 2, 32 x 32 x 28 x 28, forward + backward", steps)


if __name__ == "__main__":
    main()
