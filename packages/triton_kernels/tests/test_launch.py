"""Kept launches: which calls share one, and what the compiled kernel's own launcher is given."""

import inspect
import threading
from types import SimpleNamespace

import pytest
import torch
from triton_kernels import _compat


class Kernel:
    """Stands for a jitted function; ``compiled`` is what a call gives, as triton does it."""

    def __init__(self, compiled=None):
        self.calls = []
        self.compiled = compiled

    def __getitem__(self, grid):
        def run(*arguments, **named):
            self.calls.append((grid, arguments, named))
            return self.compiled

        return run


@pytest.fixture
def kept(monkeypatch):
    launches = {}
    monkeypatch.setattr(_compat, "_launches", launches)
    return launches


def test_what_a_kernel_is_given(kept):
    kernel, x = Kernel(), torch.zeros(8)
    _compat.launch(kernel, (2, 3), (x, None), (5,), (7, 0.5), BLOCK=4, num_warps=2)
    assert kernel.calls == [((2, 3, 1), (x, None, 5, 7, 0.5), {"BLOCK": 4, "num_warps": 2})]


def test_calls_that_share_a_launch(kept):
    kernel, x = Kernel(), torch.zeros(64)

    def call(tensor=x, grid=(1,), scalar=5, seed=7, block=4):
        _compat.launch(kernel, grid, (tensor,), (scalar,), (seed,), BLOCK=block, num_warps=1)
        return len(kept)

    assert call() == call(seed=9) == call(tensor=torch.zeros(32)) == 1
    different = (
        {"seed": 1}, {"seed": 32}, {"seed": 2**40 + 1}, {"seed": 0.5}, {"scalar": 6},
        {"grid": (2,)}, {"block": 8}, {"tensor": x.half()}, {"tensor": x[1:]}, {"tensor": None},
    )  # fmt: skip
    for count, change in enumerate(different, 2):
        if change == {"tensor": None}:
            _compat.launch(kernel, (1,), (x, None), (5,), (7,), BLOCK=4, num_warps=1)
        else:
            call(**change)
        assert len(kept) == count, change


@pytest.fixture
def compiled(monkeypatch):
    """A compiled kernel whose two ways of being launched write down what they are given."""
    from triton import knobs

    hooks = SimpleNamespace(calls=[]), SimpleNamespace(calls=[])
    runtime = SimpleNamespace(launch_enter_hook=hooks[0], launch_exit_hook=hooks[1])
    monkeypatch.setattr(knobs, "runtime", runtime)
    monkeypatch.setattr(_compat, "_is_known", lambda launcher: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 3)
    stream = {3: 77}.__getitem__
    monkeypatch.setattr(torch._C, "_cuda_getCurrentRawStream", stream, raising=False)
    direct, by_triton = [], []
    launcher = SimpleNamespace(
        launch=lambda *given: direct.append(given), launch_cooperative_grid=False, launch_pdl=True
    )
    own = SimpleNamespace(isfunction=lambda launch: False, getclosurevars=inspect.getclosurevars)
    monkeypatch.setattr(_compat, "inspect", own)

    class Compiled:
        run, function, packed_metadata = launcher, 1234, (4, 1, 0)

        def __getitem__(self, grid):
            return lambda *given: by_triton.append(given)

    return SimpleNamespace(
        kernel=Kernel(Compiled()), direct=direct, by_triton=by_triton, hooks=hooks
    )


def test_later_calls_give_addresses(compiled):
    x, y = torch.zeros(4), torch.zeros(4)
    launch = _compat.Launch(compiled.kernel, 9, (5,), {"BLOCK": 16}, {"num_warps": 4})
    launch(x, None, varying=(6,))
    launch(y, None, varying=(8,))
    assert len(compiled.kernel.calls) == 1
    fixed = (1234, False, True, None, None, (4, 1, 0), None, None, None)
    assert compiled.direct == [(9, 1, 1, 77, *fixed, y.data_ptr(), 0, 5, 8, 16)]
    compiled.hooks[0].calls.append("a profiler's")
    launch(x, None, varying=(8,))
    assert compiled.by_triton == [(x, None, 5, 8, 16)]
    assert len(compiled.direct) == 1


def test_a_tensor_that_begins_elsewhere_is_compiled_for(compiled):
    x, y = torch.zeros(8), torch.zeros(8)
    launch = _compat.Launch(compiled.kernel, 9, (), {}, {})
    launch(x[1:], y)
    launch(x[2:], y)  # that one was expected anywhere
    assert len(compiled.kernel.calls) == 1 == len(compiled.direct)
    launch(x, y[1:])
    assert len(compiled.kernel.calls) == 2
    assert torch.equal(compiled.kernel.calls[1][1][1], y[1:])
    compiled.hooks[0].calls.append("a profiler's")
    launch(x, y[1:])
    assert len(compiled.kernel.calls) == 3
    assert not compiled.by_triton


@pytest.fixture
def mapped(compiled, monkeypatch):
    """The same for a kernel that takes descriptors: what maps are made of is written down."""
    driver = pytest.importorskip("triton.backends.nvidia.driver")
    made = []
    monkeypatch.setattr(
        driver, "make_tensordesc_arg", lambda d, facts: made.append(d) or [facts, len(made)]
    )

    def launch_of(launcher, tensordesc_meta):
        return lambda *given: launcher(*given) or tensordesc_meta

    kernel = compiled.kernel.compiled
    kernel.run.launch = launch_of(kernel.run.launch, ["first", "second"])
    monkeypatch.setattr(_compat.inspect, "isfunction", lambda launch: True)  # the fixture's own
    compiled.made = made
    return compiled


def test_tensor_maps_are_made_once_an_address(mapped):
    x, y, z = torch.zeros(8), torch.zeros(8), torch.zeros(8)

    def described(x):
        return "descriptor", x.data_ptr()

    launch = _compat.Launch(mapped.kernel, 1, (5,), {}, {}, {0: described, 2: described})
    given = []
    for tensors in ((x, y, z), (x, y, z), (z, y, x), (x, y, x), (x, y.view(2, 4), z)):
        launch(*tensors, varying=(6,))
        given.append([] if not mapped.direct else list(mapped.direct[-1][13:]))
    assert mapped.kernel.calls[0][1] == (described(x), y, described(z), 5, 6)
    at = y.data_ptr()
    assert given[1:] == [
        ["first", 1, at, "second", 2, 5, 6], ["first", 3, at, "second", 4, 5, 6],
        ["first", 1, at, "second", 4, 5, 6], ["first", 1, at, "second", 2, 5, 6],
    ]  # fmt: skip
    assert mapped.made == [described(t) for t in (x, z, z, x)]
    mapped.hooks[1].calls.append("a profiler's")
    launch(x, y, z, varying=(7,))
    assert mapped.by_triton == [(described(x), y, described(z), 5, 7)]


def test_only_so_many_maps_are_kept(mapped, monkeypatch):
    monkeypatch.setattr(_compat, "_MOST_MAPS", 2)
    tensors = [torch.zeros(8) for _ in range(3)]
    launch = _compat.Launch(mapped.kernel, 1, (), {}, {}, {0: lambda x: x, 1: lambda x: x})
    for i in (0, 0, 1, 2, 0):  # the third is one too many: begun anew
        launch(tensors[i], tensors[0])
    kept = mapped.direct
    assert [one[13:15] for one in kept] == [
        ("first", 1), ("first", 3), ("first", 4), ("first", 5)
    ]  # fmt: skip


def test_a_product_of_another_dtype_takes_another_launch(monkeypatch):
    from triton_kernels.ops.gemm import portable

    taken = []
    monkeypatch.setattr(_compat.Launch, "__call__", lambda self, *tensors: taken.append(self))
    a = torch.zeros(16, 32).to(torch.float8_e4m3fn)
    for dtype in (torch.bfloat16, torch.float16, torch.bfloat16):
        one = torch.ones(1)
        portable.matmul_fp8(a, a.t(), one, one, None, None, dtype, "none")
    assert taken[0] is taken[2] is not taken[1]


@pytest.mark.gpu
@pytest.mark.parametrize("backward", [False, True])
def test_a_thread_that_has_asked_nothing_of_cuda_yet(backward):
    """It has no context, and new addresses take new maps."""
    from triton_kernels import flash_attention

    shape = (2, 4, 100, 64)
    x = torch.randn(shape, device="cuda", dtype=torch.bfloat16, requires_grad=backward)

    def call():
        y = flash_attention(x, x, x, deterministic=True)
        return torch.autograd.grad(y, x, torch.ones_like(y))[0] if backward else y

    wanted, found = call(), []
    room = [torch.empty_like(wanted) for _ in range(64)]
    del room  # which torch keeps, and so does not ask CUDA for more
    torch.cuda.synchronize()
    thread = threading.Thread(target=lambda: found.extend(call() for _ in range(8)))
    thread.start()
    thread.join()
    assert len(found) == 8
    assert all(torch.equal(x, wanted) for x in found)
