"""Checkpointing: equal gradients from less memory, also with random numbers and closures."""

import gc
import tracemalloc

import numpy as np
import pytest
import tinygrad_autodiff as tg
from tinygrad_autodiff import autograd
from tinygrad_autodiff.errors import ArgumentError, GraphError
from tinygrad_autodiff.utils.checkpoint import checkpoint, checkpoint_sequential

WEIGHT = tg.tensor(np.linspace(-1, 1, 16).reshape(4, 4), requires_grad=True)


def block(x, scale=1.0):
    hidden = tg.nn.functional.dropout(tg.tanh(x @ WEIGHT), 0.5) * scale
    hidden.add_(1.0).sin_()
    return hidden.exp(), hidden * x


def both(run):
    results = []
    for wrapped in (False, True):
        tg.manual_seed(0)
        x = tg.tensor(np.arange(12.0).reshape(3, 4) / 10, requires_grad=True)
        call = (lambda *a, **k: checkpoint(block, *a, **k)) if wrapped else block
        results.append([g.detach().numpy() for g in run(call, x)] + [tg.rand(3).numpy()])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_first_order_and_the_random_stream():
    def run(call, x):
        first, second = call(x, scale=0.5)
        return autograd.grad((first * second).sum(), [x, WEIGHT])

    both(run)


def test_the_backward_pass_leaves_the_random_stream_where_it_was():
    x = tg.ones(8, requires_grad=True)
    y = checkpoint(lambda v: tg.nn.functional.dropout(v, 0.5) * v, x)
    tg.manual_seed(5)
    wanted = tg.rand(2).tolist()
    tg.manual_seed(5)
    y.sum().backward()
    assert tg.rand(2).tolist() == wanted


def test_backward_twice_and_second_order():
    def run(call, x):
        first, second = call(x)
        loss = (first * second).sum()
        loss.backward(retain_graph=True, inputs=[x])
        (g,) = autograd.grad(loss, x, create_graph=True)
        return x.grad, *autograd.grad((g * g).sum(), [x, WEIGHT])

    both(run)


def test_nested():
    x = tg.tensor(np.ones(4), requires_grad=True)
    inner = lambda v: checkpoint(tg.sin, v * v)  # noqa: E731
    checkpoint(lambda v: checkpoint(inner, v).exp(), x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.exp(np.sin(1)) * np.cos(1) * 2)


def test_memory():
    size = 200_000
    x = tg.tensor(np.ones(size), requires_grad=True)

    def chain(v):
        for _ in range(10):
            v = tg.sin(v)
        return v

    def held(call):
        gc.collect()
        tracemalloc.start()
        y = call(call(x))
        used = tracemalloc.get_traced_memory()[0] / (8 * size)
        tracemalloc.stop()
        return used, y

    assert held(chain)[0] > 15
    used, y = held(lambda v: checkpoint(chain, v))
    assert used < 2.5
    y.sum().backward()
    (wanted,) = autograd.grad(chain(chain(x)).sum(), x)
    np.testing.assert_array_equal(x.grad.numpy(), wanted.numpy())


def test_sequential():
    layers = [tg.sin, tg.exp, tg.tanh, tg.cos, tg.sigmoid]
    x = tg.tensor(np.linspace(0, 1, 3), requires_grad=True)
    plain = x
    for layer in layers:
        plain = layer(plain)
    wanted = autograd.grad(plain.sum(), x)
    for segments in (1, 2, 5):
        found = autograd.grad(checkpoint_sequential(layers, segments, x).sum(), x)
        np.testing.assert_array_equal(found[0].numpy(), wanted[0].numpy())
    with pytest.raises(ArgumentError, match="6 segments of 5"):
        checkpoint_sequential(layers, 6, x)


def test_without_recording_it_is_a_plain_call():
    with tg.no_grad():
        assert checkpoint(tg.exp, tg.zeros(2)).tolist() == [1, 1]
    with pytest.raises(ArgumentError, match="use_reentrant"):
        checkpoint(tg.exp, tg.zeros(2), use_reentrant=True)


def test_a_function_that_changes_its_mind():
    runs = []

    def fickle(x):
        runs.append(1)
        return tg.sin(x) if len(runs) == 1 else tg.sin(tg.exp(x))

    y = checkpoint(fickle, tg.ones(2, requires_grad=True))
    with pytest.raises(GraphError, match=r"saved 1 values .* and 2 when"):
        y.sum().backward()
