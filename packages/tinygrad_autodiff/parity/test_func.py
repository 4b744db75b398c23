"""torch.func and torch.autograd.functional on the same functions: equal results and structures."""

import numpy as np
import pytest
import tinygrad_autodiff as tg
import torch
from tinygrad_autodiff import batching

RANDOM = np.random.default_rng(0)
X, V = RANDOM.uniform(-1, 1, 4), RANDOM.uniform(-1, 1, 4)
M = RANDOM.uniform(-1, 1, (3, 4))


def functions(lib):
    """Functions of (x, m) written with the names of `lib`."""
    return {
        "scalar": lambda x, m: (lib.exp(m @ x) * lib.sin(x[:3])).sum() + lib.logsumexp(x, 0),
        "vector": lambda x, m: lib.tanh(m @ x) * x[1],
        "pair": lambda x, m: (x * x, m.T @ (m @ x)),
    }


def call(lib, program):
    x, v, m = (lib.tensor(a) for a in (X, V, M))
    return program(lib, functions(lib), x, v, m)


PROGRAMS = {
    "grad": lambda lib, f, x, v, m: lib.func.grad(f["scalar"], (0, 1))(x, m),
    "hessian": lambda lib, f, x, v, m: lib.func.hessian(f["scalar"])(x, m),
    "mixed": lambda lib, f, x, v, m: lib.func.jacfwd(lib.func.jacrev(f["vector"], (0, 1)), 1)(x, m),
    "jacobians": lambda lib, f, x, v, m: lib.func.jacrev(f["pair"], (0, 1))(x, m),
    "jvp": lambda lib, f, x, v, m: lib.func.jvp(f["pair"], (x, m), (v, m)),
    "vjp": lambda lib, f, x, v, m: lib.func.vjp(f["pair"], x, m)[1]((v, x)),
    "linear": lambda lib, f, x, v, m: lib.func.linearize(f["vector"], x, m)[1](v, m),
    "vmap": lambda lib, f, x, v, m: lib.func.vmap(f["scalar"], (0, None))(m, m),
    "deep": lambda lib, f, x, v, m: lib.func.vmap(lib.func.hessian(f["scalar"]), (0, None))(m, m),
    "functional": lambda lib, f, x, v, m: (
        lib.autograd.functional.jacobian(f["pair"], (x, m)),
        lib.autograd.functional.hessian(f["scalar"], (x, m)),
        lib.autograd.functional.hvp(f["scalar"], (x, m), (v, m)),
        lib.autograd.functional.vhp(f["scalar"], (x, m), (v, m)),
        lib.autograd.functional.vjp(f["pair"], (x, m), (v, x)),
        lib.autograd.functional.jvp(f["pair"], (x, m), (v, m)),
        lib.autograd.functional.jacobian(lambda a: f["vector"](a, m), x),
        lib.autograd.functional.hessian(lambda a: f["scalar"](a, m), x),
    ),
}


def structure(value):
    return [structure(v) for v in value] if isinstance(value, (tuple, list)) else None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_transform(name):
    wanted, found = (call(lib, PROGRAMS[name]) for lib in (torch, tg))
    assert structure(found) == structure(wanted)
    pairs = zip(batching.tree.leaves(found), batching.tree.leaves(wanted), strict=True)
    for mine, theirs in pairs:
        np.testing.assert_allclose(mine.detach().numpy(), theirs.detach().numpy(), rtol=1e-10)
