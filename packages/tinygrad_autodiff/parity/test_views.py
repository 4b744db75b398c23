"""Random programs of views and writes in place through torch and ours: equal values and gradients.

A program starts from two leaves, makes views and views of views, writes into some of them by
in-place operations, reads others, changes shapes in place, and adds everything up; others have
hooks and retain gradients. Programs that torch refuses are left out.
"""

import random

import numpy as np
import pytest
import tinygrad_autodiff as tg
import torch

VIEWS = [
    lambda x, r: x.transpose(0, -1) if x.ndim else x.view(1),
    lambda x, r: x.view(-1) if x.is_contiguous() else x.unsqueeze(0),
    lambda x, r: x[r % x.shape[0]] if x.ndim else x[None],
    lambda x, r: x[r % x.shape[0] :] if x.ndim else x[...],
    lambda x, r: x[..., ::2] if x.ndim else x[...],
    lambda x, r: x.unsqueeze(r % (x.ndim + 1)),
    lambda x, r: x.narrow(-1, 0, 1 + r % x.shape[-1]) if x.ndim else x[...],
    lambda x, r: x.squeeze(),
    lambda x, r: x.flatten(),
    lambda x, r: x.permute(tuple(range(x.ndim))[::-1]),
    lambda x, r: x[tuple(slice(None) for _ in range(x.ndim))],
    lambda x, r: x.diagonal(0, 0, -1) if x.ndim > 1 else x[...],
    lambda x, r: x.unfold(0, 1, 1) if x.ndim else x[...],
    lambda x, r: x.movedim(0, -1) if x.ndim else x[...],
]
WRITES = [
    lambda x, w: x.mul_(w),
    lambda x, w: x.add_(w, alpha=0.5),
    lambda x, w: x.sin_(),
    lambda x, w: x.copy_(w),
    lambda x, w: x.sub_(w * 0.3),
    lambda x, w: x.div_(w * w + 1),
    lambda x, w: x.zero_(),
    lambda x, w: x.tanh_(),
    lambda x, w: x.sigmoid_().mul_(2),
    lambda x, w: x.clamp_(-0.5, 0.5),
    lambda x, w: x.__setitem__(..., w.exp()),
    lambda x, w: x.__setitem__(x > 0.3, 0.25),
    lambda x, w: x.fill_(w),
    lambda x, w: x.neg_().add_(1),
    lambda x, w: x.pow_(2),
    lambda x, w: x.mul_(x),
    lambda x, w: x.add_(x.detach()),
    lambda x, w: x.__setitem__(slice(0, 1), x[-1:] * 2) if x.ndim else x,
    lambda x, w: x.__setitem__([0, 0], w) if x.ndim else x,
    lambda x, w: x.__setitem__(x > 0.3, w),
]
RESHAPES = [
    lambda x: x.unsqueeze_(0),
    lambda x: x.squeeze_(),
    lambda x: x.transpose_(0, -1) if x.ndim else x,
]


def program(library, seed):
    """Values and gradients of the program that `seed` describes."""
    draw = random.Random(seed)
    numbers = np.random.default_rng(seed)
    leaf = library.tensor(numbers.uniform(-1, 1, (2, 3, 4)), requires_grad=True)
    weight = library.tensor(numbers.uniform(0.3, 1, ()), requires_grad=True)
    root = leaf * 1.0 if draw.random() < 0.7 else library.zeros(2, 3, 4, dtype=library.float64)
    made = [root]
    total = weight * 0.0
    for _ in range(draw.randint(3, 12)):
        what, place, seed = draw.random(), draw.choice(made), draw.randrange(100)
        view, write = draw.choice(VIEWS), draw.choice(WRITES)
        if what < 0.5:
            made.append(view(place, seed))
        elif what < 0.85:
            write(place, weight if seed % 2 else weight * leaf[0, 0, seed % 4])
        elif what < 0.88:
            draw.choice(RESHAPES)(place)
        elif what < 0.95:
            total = total + (place * place * 0.5).detach().sum() + place.sum() * weight
        else:
            with library.no_grad():
                place.mul_(0.5)
    total = total + sum((t * (i + 1.0)).sum() for i, t in enumerate(made))
    grads = torch.autograd.grad if library is torch else tg.autograd.grad
    found = grads(total, [leaf, weight], allow_unused=True, create_graph=True)
    square = sum((g * g).sum() for g in found if g is not None and g.requires_grad)
    second = [leaf * 0.0, weight * 0.0]  # where torch says that there is none
    if not isinstance(square, int):
        found_again = grads(square, [leaf, weight], allow_unused=True)
        second = [b if a is None else a for a, b in zip(found_again, second, strict=True)]
    found = (*found, *second)
    return (
        [t.detach().numpy() for t in made],
        [None if g is None else g.detach().numpy() for g in found],
        [(t.requires_grad, t.is_leaf) for t in made],
    )


@pytest.mark.parametrize("block", range(20))
def test_random_programs(block):
    ran = 0
    for seed in range(block * 100, block * 100 + 100):
        try:
            wanted = program(torch, seed)
        except RuntimeError:
            continue
        found = program(tg, seed)
        ran += 1
        for a, b in zip(found[0], wanted[0], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, err_msg=f"seed {seed}")
        assert found[2] == wanted[2], f"seed {seed}"
        for a, b in zip(found[1], wanted[1], strict=True):
            if a is None or b is None:
                assert a is b, f"seed {seed}"
            else:
                np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12, err_msg=f"seed {seed}")
    assert ran > 50


def hooked(library, seed):
    """Gradients, what hooks saw, and what was retained, of a program of views of one tensor."""
    draw = random.Random(seed)
    numbers = np.random.default_rng(seed)
    leaf = library.tensor(numbers.uniform(-1, 1, (2, 3, 4)), requires_grad=True)
    weight = library.tensor(numbers.uniform(0.3, 1, ()), requires_grad=True)
    made, seen, kept = [leaf * 1.0], [], []
    for number in range(draw.randint(3, 10)):
        what, place, seed = draw.random(), draw.choice(made), draw.randrange(100)
        view, write = draw.choice(VIEWS), draw.choice(WRITES)
        if what < 0.3:
            made.append(view(made[0], seed))
        elif what < 0.4:
            made.append(place.clone() if seed % 2 else place.exp())
        elif what < 0.7:
            write(place, weight if seed % 2 else weight * leaf[0, 0, seed % 4])
        elif what < 0.85:

            def hook(g, number=number, factor=1 + seed % 2):
                seen.append((number, g.sum().item()))
                return g * factor

            place.register_hook(hook)
        else:
            place.retain_grad()
            kept.append(place)
    sum((t * (i + 1.0)).sum() for i, t in enumerate(made)).backward()
    gradients = [t.grad if t.grad is None else t.grad.numpy() for t in (leaf, weight, *kept)]
    return gradients, sorted(seen)


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch's, of what is no leaf
@pytest.mark.parametrize("block", range(5))
def test_random_programs_with_hooks(block):
    ran = 0
    for seed in range(block * 300, block * 300 + 300):
        try:
            wanted, events = hooked(torch, seed)
        except RuntimeError:
            continue
        found, ours = hooked(tg, seed)
        ran += 1
        assert [number for number, _ in ours] == [number for number, _ in events], f"seed {seed}"
        np.testing.assert_allclose(ours, events, rtol=1e-10, atol=1e-12, err_msg=f"seed {seed}")
        for a, b in zip(found, wanted, strict=True):
            assert (a is None) == (b is None), f"seed {seed}"
            if a is not None:
                np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12, err_msg=f"seed {seed}")
    assert ran > 100
