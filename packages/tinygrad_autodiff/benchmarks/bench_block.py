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


def autograd_step():
    import autograd
    import autograd.numpy as anp

    params = {name: value.copy() for name, value in WEIGHTS.items()}

    def norm(v, w, name):
        centred = v - anp.mean(v, -1, keepdims=True)
        variance = anp.mean(centred * centred, -1, keepdims=True)
        return centred / anp.sqrt(variance + np.float32(1e-5)) * w[f"{name}.weight"]

    def linear(v, w, name):
        return anp.dot(v, w[f"{name}.weight"].T) + w[f"{name}.bias"]

    def loss(w):
        parts = anp.split(linear(norm(X, w, "norm1") + w["norm1.bias"], w, "qkv"), 3, -1)
        q, k, u = (
            anp.transpose(anp.reshape(p, (BATCH, PLACES, HEADS, HEAD)), (0, 2, 1, 3)) for p in parts
        )
        scores = anp.matmul(q, anp.transpose(k, (0, 1, 3, 2))) * np.float32(1 / math.sqrt(HEAD))
        scores = anp.where(HIDDEN, np.float32(-1e30), scores)
        scores = anp.exp(scores - anp.max(scores, -1, keepdims=True))
        mixed = anp.matmul(scores / anp.sum(scores, -1, keepdims=True), u)
        mixed = anp.reshape(anp.transpose(mixed, (0, 2, 1, 3)), (BATCH, PLACES, WIDTH))
        h = X + linear(mixed, w, "out")
        v = linear(norm(h, w, "norm2") + w["norm2.bias"], w, "up")
        inner = np.float32(math.sqrt(2 / math.pi)) * (v + np.float32(0.044715) * v * v * v)
        v = np.float32(0.5) * v * (1 + anp.tanh(inner))
        h = h + linear(v, w, "down")
        return anp.mean(h * h)

    value_and_grad = autograd.value_and_grad(loss)

    def step() -> float:
        value, grads = value_and_grad(params)
        for name, grad in grads.items():
            params[name] -= np.float32(RATE) * grad
        return float(value)

    return step


def main() -> None:
    print(json.dumps(measure.machine()))
    steps = {"tinygrad_autodiff": torch_like(tg, tg.tensor, True)}
    if measure.available("torch"):
        import torch

        torch.set_num_threads(measure.THREADS)
        steps["torch"] = torch_like(torch, torch.tensor, False)
        steps["torch fused"] = torch_like(torch, torch.tensor, True)
    if measure.available("autograd"):
        steps["autograd"] = autograd_step()
    losses = {name: [step() for _ in range(4)] for name, step in steps.items()}
    for name, values in losses.items():
        np.testing.assert_allclose(values, losses["tinygrad_autodiff"], rtol=1e-3, err_msg=name)
    measure.compare("Transformer block, 8 x 128 x 256, SGD step", steps, 9, 0.3)


if __name__ == "__main__":
    main()
