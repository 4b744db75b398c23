"""What one operation costs beside its arithmetic: small graphs, forward and backward.

`(x * y + x).sum()` on 16 float32 numbers, and a chain of 100,000 additions.
"""

from __future__ import annotations

import json

import measure
import numpy as np
import tinygrad_autodiff as tg

A = np.linspace(0.1, 1.6, 16, dtype=np.float32)
B = np.linspace(1, 2, 16, dtype=np.float32)
LENGTH = 100_000


def torch_like(library, leaf):
    x, y = leaf(A), leaf(B)

    def step():
        x.grad = y.grad = None
        (x * y + x).sum().backward()
        return x.grad

    def chain():
        x.grad = None
        z = x
        for _ in range(LENGTH):
            z = z + y
        z.sum().backward()

    return step, chain


def by_hand():
    one = np.ones((), np.float32)

    def step():
        product = A * B
        total = product + A
        total.sum()
        g = np.broadcast_to(one, total.shape)
        return g * A, g + g * B

    return step


def tinygrad_step():
    """Compiled at the second call; what is timed runs the kernel and reads a gradient."""
    from tinygrad import Tensor, TinyJit

    @TinyJit
    def gradients(x, y):
        found = (x * y + x).sum().gradient(x, y)
        Tensor.realize(*found)
        return found

    x, y = Tensor(A).realize(), Tensor(B).realize()
    return lambda: gradients(x, y)[0].numpy()


def main() -> None:
    print(json.dumps(measure.machine()))
    small, chains = {}, {}
    small["tinygrad_autodiff"], chains["tinygrad_autodiff"] = torch_like(
        tg, lambda a: tg.tensor(a, requires_grad=True)
    )
    small["numpy by hand"] = by_hand()
    if measure.available("torch"):
        import torch

        torch.set_num_threads(measure.THREADS)
        small["torch"], chains["torch"] = torch_like(
            torch, lambda a: torch.tensor(a, requires_grad=True)
        )
    if measure.available("borch"):
        import borch

        small["pyborch"] = torch_like(borch, lambda a: borch.tensor(a, requires_grad=True))[0]
    if measure.available("autograd"):
        import autograd
        import autograd.numpy as anp

        gradient = autograd.grad(lambda x, y: anp.sum(x * y + x), argnum=(0, 1))
        small["autograd"] = lambda: gradient(A, B)

        def summed(z, y):
            for _ in range(LENGTH):
                z = z + y
            return anp.sum(z)

        along = autograd.grad(summed)
        chains["autograd"] = lambda: along(A, B)
    if measure.available("mygrad"):
        import mygrad

        p, q = mygrad.tensor(A), mygrad.tensor(B)

        def step():
            p.null_grad()
            q.null_grad()
            (p * q + p).sum().backward()

        def chain():
            p.null_grad()
            z = p
            for _ in range(LENGTH):
                z = z + q
            z.sum().backward()

        small["mygrad"], chains["mygrad"] = step, chain
    if measure.available("tinygrad"):
        small["tinygrad"] = tinygrad_step()
    measure.compare("(x*y+x).sum(), 16 elements, forward and backward", small)
    # pyborch is not in it: it recurses, and a chain of this length overflows its stack.
    measure.compare(f"chain of {LENGTH} additions, forward and backward", chains, 7, 0.2)


if __name__ == "__main__":
    main()
