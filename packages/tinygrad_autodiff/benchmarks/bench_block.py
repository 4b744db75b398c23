"""One training step of a Transformer block: batch 8, 128 places, 256 channels, 4 heads, SGD.

Pre-norm: x + attention(norm(x)), x + network(norm(x)) with a causal mask and a tanh GELU of 1024.
The loss is the mean square of the result. torch runs it of explicit operations (the reference) and
with its fused attention and layers ("torch fused"). All start from the same weights, and the losses
of the first steps are compared before anything is timed.
"""

from __future__ import annotations

import json
import math

import measure
import numpy as np
import tinygrad_autodiff as tg

BATCH, PLACES, WIDTH, HEADS = 8, 128, 256, 4
HEAD = WIDTH // HEADS
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((BATCH, PLACES, WIDTH), dtype=np.float32)
SHAPES = {
    "norm1": (WIDTH,),
    "qkv": (3 * WIDTH, WIDTH),
    "out": (WIDTH, WIDTH),
    "norm2": (WIDTH,),
    "up": (4 * WIDTH, WIDTH),
    "down": (WIDTH, 4 * WIDTH),
}
WEIGHTS = {}
for _name, _shape in SHAPES.items():
    _matrix = len(_shape) == 2
    _draw = RANDOM.standard_normal(_shape, dtype=np.float32) / np.float32(math.sqrt(WIDTH))
    WEIGHTS[f"{_name}.weight"] = _draw if _matrix else np.ones(_shape, np.float32)
    WEIGHTS[f"{_name}.bias"] = np.zeros(_shape[0], np.float32)
RATE = 0.1
HIDDEN = np.triu(np.ones((PLACES, PLACES), bool), 1)


def torch_like(library, leaf, fused):
    """The step in the library's own words, with its functions or with explicit operations."""
    functional = library.nn.functional
    w = {name: library.nn.Parameter(leaf(value)) for name, value in WEIGHTS.items()}
    optimizer = library.optim.SGD(list(w.values()), lr=RATE)
    x, hidden = leaf(X), leaf(HIDDEN)

    def norm(v, name):
        if fused:
            return functional.layer_norm(v, (WIDTH,), w[f"{name}.weight"], w[f"{name}.bias"], 1e-5)
        centred = v - v.mean(-1, keepdim=True)
        variance = (centred * centred).mean(-1, keepdim=True)
        return centred / (variance + 1e-5).sqrt() * w[f"{name}.weight"] + w[f"{name}.bias"]

    def linear(v, name):
        if fused:
            return functional.linear(v, w[f"{name}.weight"], w[f"{name}.bias"])
        return v @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def attend(v):
        q, k, u = (
            part.reshape(BATCH, PLACES, HEADS, HEAD).transpose(1, 2)
            for part in linear(v, "qkv").split(WIDTH, -1)
        )
        if fused:
            mixed = functional.scaled_dot_product_attention(q, k, u, is_causal=True)
        else:
            scores = q @ k.transpose(-2, -1) * (1 / math.sqrt(HEAD))
            mixed = scores.masked_fill(hidden, -math.inf).softmax(-1) @ u
        return linear(mixed.transpose(1, 2).reshape(BATCH, PLACES, WIDTH), "out")

    def gelu(v):
        if fused:
            return functional.gelu(v, approximate="tanh")
        return 0.5 * v * (1 + (math.sqrt(2 / math.pi) * (v + 0.044715 * v * v * v)).tanh())

    def step() -> float:
        optimizer.zero_grad()
        h = x + attend(norm(x, "norm1"))
        h = h + linear(gelu(linear(norm(h, "norm2"), "up")), "down")
        loss = (h * h).mean()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def by_hand():
    """The same arithmetic, derivatives written out, in place where a value is not used again."""
    w = {name: value.copy() for name, value in WEIGHTS.items()}
    rows, scale = BATCH * PLACES, np.float32(1 / math.sqrt(HEAD))
    slope, cubic = np.float32(math.sqrt(2 / math.pi)), np.float32(0.044715)
    x = X.reshape(rows, WIDTH)

    def norm(v):
        v = v - v.mean(1, keepdims=True)
        inverse = 1 / np.sqrt(np.einsum("ij,ij->i", v, v)[:, None] / np.float32(WIDTH) + 1e-5)
        v *= inverse
        return v, inverse

    def norm_back(g, v, inverse):
        along = np.einsum("ij,ij->i", g, v)[:, None] / np.float32(WIDTH)
        g -= g.mean(1, keepdims=True)
        g -= v * along
        g *= inverse
        return g

    def linear(v, name):
        v = v @ w[f"{name}.weight"].T
        v += w[f"{name}.bias"]
        return v

    def step() -> float:
        found = {}

        def linear_back(g, v, name):
            found[f"{name}.weight"], found[f"{name}.bias"] = g.T @ v, g.sum(0)
            return g @ w[f"{name}.weight"]

        def affine_back(g, v, name):
            found[f"{name}.weight"], found[f"{name}.bias"] = np.einsum("ij,ij->j", g, v), g.sum(0)
            g *= w[f"{name}.weight"]
            return g

        first, _ = norm(x)
        a = first * w["norm1.weight"] + w["norm1.bias"]
        split = linear(a, "qkv").reshape(BATCH, PLACES, 3, HEADS, HEAD).transpose(2, 0, 3, 1, 4)
        q, k, u = np.ascontiguousarray(split)
        p = q @ k.swapaxes(2, 3)
        p *= scale
        np.copyto(p, -np.inf, where=HIDDEN)
        p -= p.max(-1, keepdims=True)
        np.exp(p, out=p)
        p /= p.sum(-1, keepdims=True)
        mixed = (p @ u).transpose(0, 2, 1, 3).reshape(rows, WIDTH)
        h = linear(mixed, "out")
        h += x
        second, inverse = norm(h)
        c = second * w["norm2.weight"] + w["norm2.bias"]
        v = linear(c, "up")
        square = v * v
        t = np.tanh(slope * v * (1 + cubic * square))
        active = np.float32(0.5) * v * (1 + t)
        y = linear(active, "down")
        y += h
        loss = float(np.vdot(y, y) / y.size)

        y *= np.float32(2 / y.size)
        g = linear_back(y, active, "down")
        g *= np.float32(0.5) * (1 + t + v * (1 - t * t) * slope * (1 + 3 * cubic * square))
        g = affine_back(linear_back(g, c, "up"), second, "norm2")
        y += norm_back(g, second, inverse)
        g = linear_back(y, mixed, "out").reshape(BATCH, PLACES, HEADS, HEAD).transpose(0, 2, 1, 3)
        of_p = g @ u.swapaxes(2, 3)
        of_p -= np.einsum("bhij,bhij->bhi", of_p, p)[..., None]
        of_p *= p
        of_p *= scale
        parts = np.stack([of_p @ k, of_p.swapaxes(2, 3) @ q, p.swapaxes(2, 3) @ g])
        g = parts.transpose(1, 3, 0, 2, 4).reshape(rows, 3 * WIDTH)
        affine_back(linear_back(g, a, "qkv"), first, "norm1")
        for name, value in w.items():
            found[name] *= np.float32(RATE)
            value -= found[name]
        return loss

    return step


def numpy_like(lib, w):
    """The loss in NumPy's words, for the libraries that speak them."""

    def norm(v, name):
        centred = v - lib.mean(v, -1, keepdims=True)
        variance = lib.mean(centred * centred, -1, keepdims=True)
        scaled = centred / lib.sqrt(variance + np.float32(1e-5)) * w[f"{name}.weight"]
        return scaled + w[f"{name}.bias"]

    def linear(v, name):
        return lib.matmul(v, w[f"{name}.weight"].T) + w[f"{name}.bias"]

    qkv = lib.reshape(linear(norm(X, "norm1"), "qkv"), (BATCH, PLACES, 3, HEADS, HEAD))
    q, k, u = (lib.transpose(qkv[:, :, i], (0, 2, 1, 3)) for i in range(3))
    scores = lib.matmul(q, lib.transpose(k, (0, 1, 3, 2))) * np.float32(1 / math.sqrt(HEAD))
    scores = lib.where(HIDDEN, np.float32(-1e30), scores)
    scores = lib.exp(scores - lib.max(scores, -1, keepdims=True))
    mixed = lib.matmul(scores / lib.sum(scores, -1, keepdims=True), u)
    mixed = lib.reshape(lib.transpose(mixed, (0, 2, 1, 3)), (BATCH, PLACES, WIDTH))
    h = X + linear(mixed, "out")
    v = linear(norm(h, "norm2"), "up")
    inner = np.float32(math.sqrt(2 / math.pi)) * (v + np.float32(0.044715) * v * v * v)
    h = h + linear(np.float32(0.5) * v * (1 + lib.tanh(inner)), "down")
    return lib.mean(h * h)


def autograd_step():
    import autograd
    import autograd.numpy as anp

    params = {name: value.copy() for name, value in WEIGHTS.items()}
    value_and_grad = autograd.value_and_grad(lambda w: numpy_like(anp, w))

    def step() -> float:
        value, grads = value_and_grad(params)
        for name, grad in grads.items():
            params[name] -= np.float32(RATE) * grad
        return float(value)

    return step


def mygrad_step():
    import mygrad

    params = {name: mygrad.tensor(value.copy()) for name, value in WEIGHTS.items()}

    def step() -> float:
        loss = numpy_like(mygrad, params)
        loss.backward()
        for value in params.values():
            value.data -= np.float32(RATE) * value.grad
            value.null_grad()
        return float(loss.item())

    return step


def tinygrad_step():
    """Explicit operations, compiled whole at the second step."""
    from tinygrad import Context, Tensor, TinyJit
    from tinygrad.nn.optim import SGD

    w = {name: Tensor(value) for name, value in WEIGHTS.items()}
    optimizer = SGD(list(w.values()), lr=RATE)
    x, hidden = Tensor(X), Tensor(HIDDEN)

    def norm(v, name):
        return v.layernorm(eps=1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]

    def linear(v, name):
        return v @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def attend(v):
        q, k, u = (
            part.reshape(BATCH, PLACES, HEADS, HEAD).transpose(1, 2)
            for part in linear(v, "qkv").split(WIDTH, -1)
        )
        scores = q @ k.transpose(-2, -1) * (1 / math.sqrt(HEAD))
        mixed = scores.masked_fill(hidden, -math.inf).softmax(-1) @ u
        return linear(mixed.transpose(1, 2).reshape(BATCH, PLACES, WIDTH), "out")

    @TinyJit
    def compiled():
        with Context(TRAINING=1):
            optimizer.zero_grad()
            h = x + attend(norm(x, "norm1"))
            h = h + linear(linear(norm(h, "norm2"), "up").gelu(), "down")
            loss = (h * h).mean().backward()
            return loss.realize(*optimizer.schedule_step())

    return lambda: float(compiled().item())


def main() -> None:
    print(json.dumps(measure.machine()))
    steps = {"tinygrad_autodiff": torch_like(tg, tg.tensor, True), "numpy by hand": by_hand()}
    if measure.available("torch"):
        import torch

        torch.set_num_threads(measure.THREADS)
        steps["torch"] = torch_like(torch, torch.tensor, False)
        steps["torch fused"] = torch_like(torch, torch.tensor, True)
    if measure.available("borch"):
        import borch

        steps["pyborch"] = torch_like(borch, borch.tensor, False)
    if measure.available("autograd"):
        steps["autograd"] = autograd_step()
    if measure.available("mygrad"):
        steps["mygrad"] = mygrad_step()
    if measure.available("tinygrad"):
        steps["tinygrad"] = tinygrad_step()
    losses = {name: [step() for _ in range(4)] for name, step in steps.items()}
    for name, values in losses.items():
        np.testing.assert_allclose(values, losses["tinygrad_autodiff"], rtol=1e-3, err_msg=name)
    measure.compare("Transformer block, 8 x 128 x 256, SGD step", steps, 9, 0.3)


if __name__ == "__main__":
    main()
