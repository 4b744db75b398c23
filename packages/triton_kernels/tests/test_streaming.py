"""Groups streamed through shared memory on Hopper, at every shape of the ring."""

import pytest
import torch
from triton_kernels import explain, group_norm, record_backends
from triton_kernels.ops.norms.streams import group_stream

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("poisoned")]


def distance(actual, exact):
    """In units in the last place of the largest number, of the dtype that ``actual`` has."""
    assert actual.isfinite().all()
    unit = torch.finfo(actual.dtype).eps * exact.abs().max()
    return ((actual.double() - exact).abs().max() / unit).item()


def gradients(function, *inputs, dy):
    leaves = [x.detach().requires_grad_() for x in inputs]
    y = function(*leaves)
    return y.detach(), *torch.autograd.grad(y, leaves, dy)


# One line a channel and many; whole chunks and a ragged end; more groups than programs take once.
IMAGES = [
    ((2, 6, 8, 8), 2), ((70, 64, 16, 16), 32), ((3, 96, 8, 16), 4), ((1, 8, 64, 64), 2),
    ((40, 40, 64, 64), 4), ((2, 80, 32, 32), 2), ((5, 12, 16, 32), 1), ((300, 32, 8, 8), 8),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize(("shape", "groups"), IMAGES, ids=str)
def test_group_norm(shape, groups, dtype):
    x = torch.randn(shape, device="cuda", dtype=dtype) + 3
    dy = torch.randn_like(x)
    weight, bias = torch.randn(2, shape[1], device="cuda", dtype=dtype).unbind()
    inputs = (x, weight, bias)
    refused = group_stream(x[0].numel() // groups * x.itemsize // 128, True) is None
    with record_backends() as record:
        actual = gradients(lambda x, w, b: group_norm(x, groups, w, b), *inputs, dy=dy)
    backward = "portable" if refused else "hopper"
    assert record == [("group_norm", "hopper"), ("group_norm_backward", backward)]

    def of_torch(x, w, b):
        return torch.nn.functional.group_norm(x, groups, w, b)

    exact = gradients(of_torch, *(t.double() for t in inputs), dy=dy.double())
    units = 2 if dtype is not torch.float32 else 16
    for found, wanted in zip(actual, exact, strict=True):
        assert distance(found, wanted) < units


def test_group_norm_without_parameters():
    x = torch.randn(3, 64, 16, 16, device="cuda")
    dy = torch.randn_like(x)
    actual = gradients(lambda x: group_norm(x, 4), x, dy=dy)
    exact = gradients(lambda x: torch.nn.functional.group_norm(x, 4), x.double(), dy=dy.double())
    for found, wanted in zip(actual, exact, strict=True):
        assert distance(found, wanted) < 16


@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (torch.empty(2, 4, 7, 7), "128 bytes"),
        (torch.empty(2, 4, 8, 8, 2)[..., 0], "not contiguous"),
        (torch.empty(2 * 4 * 64 + 1)[1:].view(2, 4, 8, 8), "16 bytes"),
        (torch.empty(1, 4, 512, 512), "longer than"),
        (torch.empty(0, 4, 8, 8), "empty"),
    ],
)
def test_what_is_not_streamed(x, reason):
    x = x.cuda() if x.is_contiguous() and not x.storage_offset() else x
    if not x.is_cuda:
        x = torch.empty(x.untyped_storage().size() // 4, device="cuda").as_strided(
            x.shape, x.stride(), x.storage_offset()
        )
    assert reason in explain("group_norm", x, 2).reasons["hopper"]
